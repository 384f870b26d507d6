/* SPDX-License-Identifier: MIT */
/* Opening and ending what a command works on: database, transaction, table; and its errors. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <string.h>

enum status fail(const char *what, int code)
{
	const char *text = verso_errmsg(NULL);

	if (code == VERSO_NOTFOUND)
		(void)fprintf(stderr, "verso: %s: not found\n", what);
	else if (text[0] != '\0' && strstr(text, what))
		(void)fprintf(stderr, "verso: %s\n", text);
	else if (text[0] != '\0')
		(void)fprintf(stderr, "verso: %s: %s\n", what, text);
	else
		(void)fprintf(stderr, "verso: %s: %s\n", what, verso_strerror(code));
	if (code == VERSO_EMISUSE)
		return STATUS_USAGE;
	return code == VERSO_NOTFOUND ? STATUS_NO : STATUS_ERROR;
}

enum status finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return STATUS_OK;
	if (errno != EPIPE)
		(void)fprintf(stderr, "verso: writing the result: %s\n", strerror(errno));
	return STATUS_ERROR;
}

static enum status begin(struct session *s, unsigned flags)
{
	const char *table = s->args->table;
	int rc = verso_begin(s->db, flags, &s->txn);

	if (rc == 0 && table) {
		rc = verso_table_open(s->txn, table, flags == VERSO_WRITE ? VERSO_CREATE : 0,
			&s->table);
		if (rc != 0) {
			enum status status = fail(table, rc);

			verso_abort(s->txn);
			return status;
		}
	}
	return rc == 0 ? STATUS_OK : fail(s->args->path, rc);
}

enum status session_open(struct session *s, const struct arguments *args, unsigned begin_flags)
{
	struct verso_options options = args->open;
	enum status status;
	int rc;

	*s = (struct session){.args = args};
	options.size = sizeof(options);
	options.flags |= args->command->open_flags;
	rc = verso_open(args->path, &options, &s->db);
	if (rc < 0) {
		status = fail(args->path, rc);
		if (rc == -ENOENT)
			(void)fprintf(stderr,
				"verso: `verso put` and `verso load` make a new database\n");
		return status;
	}
	status = begin(s, begin_flags);
	if (status != STATUS_OK)
		verso_close(s->db);
	return status;
}

enum status session_commit_and_go_on(struct session *s)
{
	int rc = verso_commit(s->txn);
	enum status status;

	s->txn = NULL;
	s->table = NULL;
	status = rc == 0 ? begin(s, VERSO_WRITE) : fail(s->args->path, rc);
	if (status != STATUS_OK)
		verso_close(s->db);
	return status;
}

enum status session_commit(struct session *s)
{
	int rc = verso_commit(s->txn);
	enum status status;

	if (rc == 0)
		rc = verso_sync(s->db);
	status = rc == 0 ? STATUS_OK : fail(s->args->path, rc);
	verso_close(s->db);
	return status;
}

void session_abort(struct session *s)
{
	verso_abort(s->txn);
	verso_close(s->db);
}
