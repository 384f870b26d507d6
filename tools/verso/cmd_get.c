/* SPDX-License-Identifier: MIT */
/* verso get: prints values. */
#include "tools/verso/tool.h"

static enum status get_one(const struct session *s, int i)
{
	struct verso_val key = s->args->bytes[i], val;
	enum status status = STATUS_OK;
	int rc = verso_get(s->txn, s->table, key, &val);

	if (rc == 0)
		(void)fwrite(val.data, 1, val.len, stdout);
	else if (rc == VERSO_ETOOBIG)
		status = value_write(s, stdout, key, false);
	else
		return fail(s->args->rest[i], rc);
	if (status == STATUS_OK && !s->args->raw)
		(void)putchar('\n');
	return status;
}

static enum status get(const struct arguments *args)
{
	struct session s;
	enum status status = session_open(&s, args, VERSO_READ), worst = STATUS_OK;

	if (status != STATUS_OK)
		return status;
	for (int i = 0; i < args->n_rest && status <= STATUS_NO; i++) {
		status = get_one(&s, i);
		worst = status > worst ? status : worst;
	}
	session_abort(&s);
	status = finish_output();
	return status > worst ? status : worst;
}

const struct command command_get = {
	.name = "get",
	.words = "DB KEY...",
	.summary = "Print the value of a key, or of several",
	.help = "Each value is printed as it is, with a newline behind it, in the order of the\n"
		"words; what was not found is named on standard error. In KEY, \\t, \\n, \\\\ and\n"
		"\\xHH stand for the bytes that they name. All values are of one moment. Exit\n"
		"status 1: one of the keys was not found.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso get planets.verso mars\n",
	.takes = TAKES_TABLE | TAKES_RAW,
	.open_flags = VERSO_RDONLY,
	.rest_min = 1,
	.rest_max = INT_MAX,
	.rest_is_bytes = true,
	.run = get,
};
