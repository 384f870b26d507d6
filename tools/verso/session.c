/* SPDX-License-Identifier: MIT */
/* Opening and ending what a command works on: database, transaction, table; and its errors. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <string.h>

#define TEXT_BYTES 1024 /* of a message of the library */

/* The library puts the path of the database first, as it found it; or it says what it cannot open,
 * which may be another file. */
static bool names_its_file(const char *text, const char *path)
{
	static const char cannot_open[] = "cannot open ";
	const char *found = strstr(text, path);

	if (strncmp(text, cannot_open, strlen(cannot_open)) == 0)
		return true;
	return found && strncmp(found + strlen(path), ": ", 2) == 0 &&
	       !memchr(text, ' ', (size_t)(found - text));
}

void say_salvage(void)
{
	say("where there is no copy, `verso salvage OLD NEW` saves what can still be read");
}

enum status fail(const char *what, int code)
{
	const char *text = verso_errmsg(NULL);
	char plain[TEXT_BYTES];

	words_of_shell(text[0] != '\0' ? text : verso_strerror(code), plain, sizeof(plain));
	if (code == VERSO_NOTFOUND)
		say("%s: not found", what);
	else if (names_its_file(plain, what))
		say("%s", plain);
	else
		say("%s: %s", what, plain);
	if (code == VERSO_ECORRUPT)
		say_salvage();
	if (code == VERSO_EMISUSE)
		return STATUS_USAGE;
	return code == VERSO_NOTFOUND ? STATUS_NO : STATUS_ERROR;
}

static int offer(void *arg, const char *name)
{
	suggest_offer(arg, name);
	return 0;
}

enum status fail_no_table(struct verso_txn *txn, const char *path, const char *table)
{
	struct suggest suggest;

	suggest_begin(&suggest, table, strlen(table));
	(void)verso_table_each(txn, offer, &suggest);
	if (suggest.found)
		say("%s: table `%s` not found: did you mean `%s`?", path, table, suggest.name);
	else
		say("%s: table `%s` not found; `verso tables %s` lists those that are there", path,
			table, path);
	return STATUS_NO;
}

enum status finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return STATUS_OK;
	if (errno != EPIPE)
		say("writing the result: %s", strerror(errno));
	return STATUS_ERROR;
}

/* What only reads waits for nothing that is worth a word. */
static enum waits waits_of(const struct session *s, unsigned begin_flags)
{
	return begin_flags & VERSO_WRITE && !s->args->is_private ? WAITS_ONLY : WAITS_NEVER;
}

static enum status begin(struct session *s, unsigned flags)
{
	const char *table = s->args->table;
	unsigned make = s->args->command->open_flags & VERSO_CREATE;
	struct waiting waiting;
	int rc;

	waiting_begin(&waiting, s->args, waits_of(s, flags));
	rc = verso_begin(s->db, flags, &s->txn);
	waiting_end(&waiting);
	if (rc == 0 && table) {
		rc = verso_table_open(s->txn, table, make, &s->table);
		if (rc != 0) {
			enum status status = rc == VERSO_NOTFOUND
						     ? fail_no_table(s->txn, s->args->path, table)
						     : fail(table, rc);

			verso_abort(s->txn);
			return status;
		}
	}
	return rc == 0 ? STATUS_OK : fail(s->args->path, rc);
}

enum status session_open(struct session *s, const struct arguments *args, unsigned begin_flags)
{
	struct verso_options options = args->open;
	struct waiting waiting;
	enum status status;
	int rc;

	*s = (struct session){.args = args};
	options.size = sizeof(options);
	options.flags |= args->command->open_flags;
	waiting_begin_for_close(&waiting, args, waits_of(s, begin_flags), args->path, false);
	rc = verso_open(args->path, &options, &s->db);
	waiting_end(&waiting);
	if (rc < 0) {
		status = fail(args->path, rc);
		if (rc == -ENOENT && !(options.flags & VERSO_CREATE))
			say("`verso put` and `verso load` make a new database");
		return status;
	}
	status = begin(s, begin_flags);
	if (status != STATUS_OK)
		verso_close(s->db);
	return status;
}

enum status session_commit_batch(struct session *s)
{
	int rc = verso_commit(s->txn);
	enum status status = rc == 0 ? STATUS_OK : fail(s->args->path, rc);

	s->txn = NULL;
	s->table = NULL;
	if (status != STATUS_OK)
		verso_close(s->db);
	return status;
}

enum status session_go_on(struct session *s)
{
	enum status status = begin(s, VERSO_WRITE);

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
