/* SPDX-License-Identifier: MIT */
/* verso del: deletes records. */
#include "tools/verso/tool.h"

static enum status del(const struct arguments *args)
{
	struct session s;
	enum status status = session_open(&s, args, VERSO_WRITE), worst = STATUS_OK;

	if (status != STATUS_OK)
		return status;
	for (int i = 0; i < args->n_rest; i++) {
		int rc = verso_del(s.txn, s.table, args->bytes[i]);

		if (rc == 0)
			continue;
		status = fail(args->rest[i], rc);
		worst = status > worst ? status : worst;
		if (status > STATUS_NO)
			break;
	}
	if (worst > STATUS_NO) {
		session_abort(&s);
		return worst;
	}
	status = session_commit(&s);
	return status > worst ? status : worst;
}

const struct command command_del = {
	.name = "del",
	.words = "DB KEY...",
	.summary = "Delete keys and their values",
	.help = "All in one transaction: a failure deletes nothing. Keys that are not there are\n"
		"named on standard error, the others are deleted. Exit status 1: one was not\n"
		"there.",
	.example = "  verso put planets.verso pluto '1188 km'\n"
		   "  verso del planets.verso pluto\n",
	.takes = TAKES_TABLE | TAKES_WRITER,
	.rest_min = 1,
	.rest_max = INT_MAX,
	.rest_is_bytes = true,
	.run = del,
};
