/* SPDX-License-Identifier: MIT */
/* verso put: stores a record, whose value may come from standard input. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_MAX ((size_t)1 << 30) /* bytes: verso_put() */

/* Of a file that is said before it is read. */
static bool is_too_long(size_t len_bytes)
{
	struct stat st;
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);

	return len_bytes > VALUE_MAX ||
	       (at >= 0 && fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
		       st.st_size - at > (off_t)VALUE_MAX);
}

/* All of stdin, in memory of the process; but not more than a byte beyond the longest value. */
static bool read_stdin(struct verso_val *ret_val)
{
	size_t cap_bytes = 65536, len_bytes = 0;
	char *buf = malloc(cap_bytes);

	input_announce("the bytes of the value");
	while (buf && !is_too_long(len_bytes)) {
		char *larger;

		len_bytes += fread(buf + len_bytes, 1, cap_bytes - len_bytes, stdin);
		if (len_bytes < cap_bytes)
			break;
		cap_bytes = 2 * cap_bytes <= VALUE_MAX ? 2 * cap_bytes : VALUE_MAX + 1;
		larger = realloc(buf, cap_bytes);
		if (!larger)
			free(buf);
		buf = larger;
	}
	if (buf && !ferror(stdin) && !is_too_long(len_bytes)) {
		*ret_val = (struct verso_val){buf, len_bytes};
		return true;
	}
	if (buf && !ferror(stdin))
		say("standard input: the longest possible value has %zu bytes, and this one more",
			VALUE_MAX);
	else
		say("standard input: %s", strerror(errno));
	free(buf);
	return false;
}

static enum status put_value(const struct arguments *args, struct verso_val val)
{
	struct session s;
	enum status status;
	int rc;

	status = session_open(&s, args, VERSO_WRITE);
	if (status != STATUS_OK)
		return status;
	rc = verso_put(s.txn, s.table, args->bytes[0], val,
		args->no_overwrite ? VERSO_NOOVERWRITE : 0);
	if (rc == 0)
		return session_commit(&s);
	if (rc == VERSO_EXISTS) {
		say("%s: the key exists already", args->rest[0]);
		status = STATUS_NO;
	} else {
		status = fail(args->rest[0], rc);
	}
	session_abort(&s);
	return status;
}

static enum status put(const struct arguments *args)
{
	struct verso_val val;
	enum status status;

	if (args->n_rest == 2)
		return put_value(args, args->bytes[1]);
	if (!read_stdin(&val))
		return STATUS_ERROR;
	status = put_value(args, val);
	free((void *)val.data);
	return status;
}

const struct command command_put = {
	.name = "put",
	.words = "DB KEY [VALUE]",
	.summary = "Set the value of a key",
	.help = "A missing database or table is made. Without VALUE, it is all of standard input,\n"
		"as it is. In KEY and VALUE, \\t, \\n, \\\\ and \\xHH stand for the bytes that\n"
		"they name.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  date | verso put planets.verso --table=log seen\n",
	.takes = TAKES_TABLE | TAKES_WRITER | TAKES_NEW,
	.open_flags = VERSO_CREATE,
	.rest_min = 1,
	.rest_max = 2,
	.rest_is_bytes = true,
	.run = put,
};
