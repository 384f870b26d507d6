/* SPDX-License-Identifier: MIT */
#include "tools/verso/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All of stdin, in memory of the process. */
static bool read_stdin(struct verso_val *ret_val)
{
	size_t cap_bytes = 65536, len_bytes = 0;
	char *buf = malloc(cap_bytes);

	while (buf) {
		char *larger;

		len_bytes += fread(buf + len_bytes, 1, cap_bytes - len_bytes, stdin);
		if (len_bytes < cap_bytes)
			break;
		larger = realloc(buf, cap_bytes *= 2);
		if (!larger)
			free(buf);
		buf = larger;
	}
	if (!buf || ferror(stdin)) {
		(void)fprintf(stderr, "verso: standard input: %s\n", strerror(errno));
		free(buf);
		return false;
	}
	*ret_val = (struct verso_val){buf, len_bytes};
	return true;
}

static enum status put(const struct arguments *args)
{
	struct session s;
	struct verso_val key, val;
	enum status status;
	int rc;

	if (!argument_bytes(args, 0, &key))
		return STATUS_USAGE;
	if (args->n_rest < 2) {
		if (!read_stdin(&val))
			return STATUS_ERROR;
	} else if (!argument_bytes(args, 1, &val)) {
		return STATUS_USAGE;
	}
	status = session_open(&s, args, VERSO_WRITE);
	if (status != STATUS_OK)
		return status;
	rc = verso_put(s.txn, s.table, key, val, args->no_overwrite ? VERSO_NOOVERWRITE : 0);
	if (rc == 0)
		return session_commit(&s);
	if (rc == VERSO_EXISTS) {
		(void)fprintf(stderr, "verso: %s: the key is there already\n", args->rest[0]);
		status = STATUS_NO;
	} else {
		status = fail(args->rest[0], rc);
	}
	session_abort(&s);
	return status;
}

const struct command command_put = {
	.name = "put",
	.words = "DB KEY [VALUE]",
	.summary = "Set the value of a key",
	.help = "A missing database or table is made. Without VALUE, it is all of standard input,\n"
		"as it is. In KEY and VALUE, \\t, \\n, \\\\ and \\xHH stand for the bytes that\n"
		"they name.",
	.takes = TAKES_TABLE | TAKES_WRITER | TAKES_NEW,
	.open_flags = VERSO_CREATE,
	.rest_min = 1,
	.rest_max = 2,
	.run = put,
};
