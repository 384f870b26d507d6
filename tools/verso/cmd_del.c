/* SPDX-License-Identifier: MIT */
/* verso del: deletes a record. */
#include "tools/verso/tool.h"

static enum status del(const struct arguments *args)
{
	struct session s;
	struct verso_val key = args->bytes[0];
	enum status status;
	int rc;

	status = session_open(&s, args, VERSO_WRITE);
	if (status != STATUS_OK)
		return status;
	rc = verso_del(s.txn, s.table, key);
	if (rc == 0)
		return session_commit(&s);
	status = fail(args->rest[0], rc);
	session_abort(&s);
	return status;
}

const struct command command_del = {
	.name = "del",
	.words = "DB KEY",
	.summary = "Delete a key and its value",
	.help = "Exit status 1: there is no such key.",
	.takes = TAKES_TABLE | TAKES_WRITER,
	.rest_min = 1,
	.rest_max = 1,
	.rest_is_bytes = true,
	.run = del,
};
