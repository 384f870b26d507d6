/* SPDX-License-Identifier: MIT */
/* verso get: prints a value. */
#include "tools/verso/tool.h"

static enum status get(const struct arguments *args)
{
	struct session s;
	struct verso_val key = args->bytes[0], val;
	enum status status;
	int rc;

	status = session_open(&s, args, VERSO_READ);
	if (status != STATUS_OK)
		return status;
	rc = verso_get(s.txn, s.table, key, &val);
	if (rc == 0)
		(void)fwrite(val.data, 1, val.len, stdout);
	else if (rc == VERSO_ETOOBIG)
		status = value_write(&s, stdout, key, false);
	else
		status = fail(args->rest[0], rc);
	if (status == STATUS_OK && !args->raw)
		(void)putchar('\n');
	session_abort(&s);
	return status == STATUS_OK ? finish_output() : status;
}

const struct command command_get = {
	.name = "get",
	.words = "DB KEY",
	.summary = "Print the value of a key",
	.help = "The value is printed as it is, with a newline behind it. In KEY, \\t, \\n,\n"
		"\\\\ and \\xHH stand for the bytes that they name. Exit status 1: there is no\n"
		"such key.",
	.takes = TAKES_TABLE | TAKES_RAW,
	.open_flags = VERSO_RDONLY,
	.rest_min = 1,
	.rest_max = 1,
	.rest_is_bytes = true,
	.run = get,
};
