/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing: wires a file and one of the pagers (pagers.h) to the transactions.
 *
 *	1. judge the options, find the file, or learn that it has to be made
 *	2. lock DB-lock, which names the process that uses the database (side.h)
 *	3. make the file, if need be
 *	4. lock the file itself, which has other names than this one perhaps; only now read the
 *	   metas and the size (txn_probe); open the pager, recover (txn_env_open)
 *
 * What is not a database is refused in step 1 or 4, and nothing is left beside it.
 */
#include "db/board.h"
#include "db/create.h"
#include "db/options.h"
#include "db/pagers.h"
#include "db/side.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */

/* How long an opening waits for another process's locks. */
#define BUSY_NS UINT64_C(1000000000)

/* How often it looks whether another process has made the file. */
#define MAKE_PAUSE_NS UINT64_C(1000000)

/* Puts the path before a text of the floors below, which do not all know it. */
static int open_failed(const char *path, int code)
{
	char text[ERROR_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "%s", error_text()[0] ? error_text() : error_name(code));
	if (strstr(text, path))
		return code;
	return error_set(code, "%s: %s", path, text);
}

static unsigned file_flags(const struct verso_options *o)
{
	unsigned flags = 0;

	if (o->flags & VERSO_RDONLY)
		flags |= FILE_RDONLY;
	if (o->flags & VERSO_ANY_FS)
		flags |= FILE_ANY_FS;
	if (pager_kind_of(o)->transfers && !(o->flags & VERSO_BUFFERED))
		flags |= FILE_DIRECT;
	return flags;
}

/* Opens an existing file. -ENOENT. */
static int file_find(struct verso *db, unsigned flags)
{
	return io_open(db->io, db->path, flags, 0, &db->file);
}

static void file_lose(struct verso *db)
{
	file_close(db->file);
	db->file = NULL;
}

/* Step 1: *ret_make: there is no database yet, and one is wanted. */
static int find(struct verso *db, bool *ret_make)
{
	const unsigned flags = db->options.flags;
	int rc = file_find(db, file_flags(&db->options));

	if (rc == -ENOENT && (flags & VERSO_CREATE)) {
		*ret_make = true;
		return 0;
	}
	if (rc == -ENOENT)
		return error_set(rc, "there is no such file, and a new database was not asked for");
	if (rc < 0)
		return rc;
	if (flags & VERSO_EXCL)
		return error_set(-EEXIST, "the file exists already");
	rc = txn_is_blank(db->file);
	if (rc == TXN_BLANK && !(flags & VERSO_CREATE))
		return error_set(VERSO_ENOTDB,
			"there is no database in the file: it is empty, or its creation was "
			"interrupted, and a new database was not asked for");
	*ret_make = rc == TXN_BLANK;
	return rc < 0 ? rc : 0;
}

/* Of step 4. */
static int lock_file_itself(struct verso *db, enum lock_kind kind, uint64_t until_ns)
{
	int rc = lock_until(db->io, db->file, kind, FILE_LOCK_OFF_BYTES, 1, until_ns);

	return rc == VERSO_EBUSY ? side_busy(db) : rc;
}

/* Before a file is made: what would be refused when it is there. */
static int judge_cache(const struct verso *db, const struct db_hooks *hooks)
{
	const struct pager_kind *kind = pager_kind_of(&db->options);
	uint32_t page_size = options_page_size(&db->options);
	struct txn_options txn;

	if (!kind->check_cache)
		return 0;
	options_txn(&db->options, hooks->txn, NULL, page_size, &txn);
	return kind->check_cache(&db->options, &txn, page_size);
}

/* lock_to_make(): another process has made it, and has it open. */
#define IS_MADE 1

static int lock_to_make(struct verso *db, uint64_t until_ns)
{
	if (!db->is_shared)
		return lock_file_itself(db, LOCK_EXCLUSIVE, until_ns);
	for (;;) {
		int rc = lock_file_itself(db, LOCK_EXCLUSIVE, 0);

		if (rc != VERSO_EBUSY || io_now_ns(db->io) >= until_ns)
			return rc;
		if (txn_is_blank(db->file) == 0)
			return IS_MADE;
		io_pause_ns(db->io, MAKE_PAUSE_NS);
	}
}

/* Step 3. Through the page cache: pages may be smaller than what the device transfers. */
static int make(struct verso *db, const struct db_hooks *hooks, uint64_t until_ns)
{
	unsigned flags = file_flags(&db->options) & ~(unsigned)FILE_DIRECT;
	bool is_new = true;
	int rc;

	file_lose(db);
	rc = io_open(db->io, db->path, flags | FILE_CREATE | FILE_EXCL, db->options.mode,
		&db->file);
	if (rc == -EEXIST && !(db->options.flags & VERSO_EXCL)) {
		is_new = false;
		rc = file_find(db, flags);
	}
	if (rc < 0)
		return rc;
	rc = lock_to_make(db, until_ns);
	if (rc == 0)
		rc = create_database(db, hooks, is_new);
	if (rc < 0)
		return rc;
	error_clear(); /* that there was no file was no error */
	file_lose(db);
	return file_find(db, file_flags(&db->options));
}

static int reopen_buffered(struct verso *db)
{
	file_lose(db);
	return file_find(db, file_flags(&db->options) & ~(unsigned)FILE_DIRECT);
}

/*
 * What the metas say, and how long the file is. Without the lock it may be old at once: then it
 * only says that this is a database.
 */
static int probe_file(struct verso *db, struct txn_probe *ret_probe)
{
	int rc = txn_probe(db->file, ret_probe);

	if (rc == 0 && db->options.page_size != 0 && db->options.page_size != ret_probe->page_size)
		return error_set(VERSO_EMISUSE,
			"the file has pages of %u bytes, not %u. The page size is chosen when a "
			"database is made and cannot change: leave the option out",
			ret_probe->page_size, db->options.page_size);
	return rc;
}

static int lock_and_probe(struct verso *db, uint64_t until_ns, struct txn_probe *ret_probe)
{
	bool has_company = (db->options.flags & VERSO_RDONLY) || db->is_shared;
	int rc = lock_file_itself(db, has_company ? LOCK_SHARED : LOCK_EXCLUSIVE, until_ns);

	return rc < 0 ? rc : probe_file(db, ret_probe);
}

/* Step 4. */
static int start(struct verso *db, const struct db_hooks *hooks, uint64_t until_ns)
{
	struct txn_probe probe;
	struct txn_options txn;
	const struct pager_kind *kind = pager_kind_of(&db->options);
	int rc = lock_and_probe(db, until_ns, &probe);

	if (rc == 0 && kind->fits_file && !kind->fits_file(db->file, probe.page_size)) {
		rc = reopen_buffered(db);
		if (rc == 0)
			rc = lock_and_probe(db, until_ns, &probe);
	}
	if (rc < 0)
		return rc;
	if (db->is_shared)
		rc = board_open(db, until_ns);
	if (rc < 0)
		return rc;
	options_txn(&db->options, hooks->txn, db->file, probe.page_size, &txn);
	txn.members = db->is_shared ? &db->members : NULL;
	db->commit_mode =
		txn.mode == TXN_ONE_FLUSH ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH;
	rc = kind->open(db, &probe, &txn);
	if (rc < 0)
		return rc;
	trace_begin(db);
	return txn_env_open(db->pager, &probe, &btree_schema, &txn, &db->env);
}

static int open_steps(struct verso *db, const struct db_hooks *hooks)
{
	uint64_t until_ns = io_now_ns(db->io) + BUSY_NS;
	struct txn_probe probe;
	bool must_make = false;
	int rc = find(db, &must_make);

	db->is_shared = hooks->shared;
	if (rc == 0)
		rc = must_make ? judge_cache(db, hooks) : probe_file(db, &probe);
	if (rc == 0 && open_has(db))
		until_ns = 0; /* tries each lock once: the name may mean another file by now */
	if (rc == 0 && !hooks->shared)
		rc = side_open(db, until_ns);
	if (rc == 0 && must_make)
		rc = make(db, hooks, until_ns);
	return rc < 0 ? rc : start(db, hooks, until_ns);
}

/* Ends whatever was opened. */
static void take_apart(struct verso *db)
{
	open_remove(db);
	txn_env_close(db->env);
	pager_close(db->pager);
	board_close(db);
	file_close(db->file);
	side_close(db);
	free(db->path);
	(void)pthread_mutex_destroy(&db->lock);
	handle_end(HANDLE_DB, db);
}

int db_open_with(const struct db_hooks *hooks, const char *path, const struct verso_options *opts,
	struct verso **ret_db)
{
	struct verso_options options;
	struct verso *db;
	int rc;

	error_clear();
	if (!path || path[0] == '\0' || !ret_db)
		return misuse("verso_open: no path, or no place for the result");
	rc = options_fill(opts, &options);
	if (rc == 0)
		rc = process_init();
	if (rc < 0)
		return rc;
	db = handle_alloc(HANDLE_DB, sizeof(*db));
	if (!db)
		return -ENOMEM;
	db->process = atomic_load(process_word);
	db->options = options;
	db->io = hooks->io ? hooks->io : io_kernel();
	(void)pthread_mutex_init(&db->lock, NULL);
	db->path = strdup(path);
	if (!db->path)
		rc = -ENOMEM;
	if (rc == 0)
		rc = open_steps(db, hooks);
	if (rc < 0) {
		rc = open_failed(path, rc);
		take_apart(db);
		return rc;
	}
	open_add(db);
	*ret_db = db;
	return 0;
}

/* What the link at `path` points to; NULL: it is no link, or no memory. malloc'ed. */
static char *link_target(const char *path)
{
	const char *slash = strrchr(path, '/');
	char target[PATH_MAX], *whole = NULL;
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (target[0] == '/' || !slash)
		return strdup(target);
	if (asprintf(&whole, "%.*s/%s", (int)(slash - path), path, target) < 0)
		return NULL;
	return whole;
}

/* The path of a file that is not there, its folder resolved; NULL: it cannot be. malloc'ed. */
static char *resolve_folder(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *copy = strdup(path), *folder = NULL, *whole = NULL;

	if (copy && slash)
		copy[slash - path] = '\0';
	if (copy)
		folder = realpath(!slash ? "." : slash == path ? "/" : copy, NULL);
	if (folder && name[0] != '\0' &&
		asprintf(&whole, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
		whole = NULL;
	free(folder);
	free(copy);
	return whole;
}

/*
 * The path with links resolved, so that one database has one side file; where there is no file yet,
 * of the place where one would be made: what a link to nothing points to. As it is when that cannot
 * be had: the open will say why.
 */
static char *resolve(const char *path)
{
	char *at = strdup(path), *whole = NULL;

	for (int i = 0; at && !whole && i < LINKS_MAX; i++) {
		char *target;

		whole = realpath(at, NULL);
		if (whole || errno != ENOENT)
			break;
		target = link_target(at);
		if (!target) {
			whole = resolve_folder(at);
			break;
		}
		free(at);
		at = target;
	}
	free(at);
	return whole ? whole : strdup(path);
}

int verso_open(const char *path, const struct verso_options *opts, struct verso **ret_db)
{
	THREAD_KEPT;
	static const struct db_hooks hooks;
	char *resolved;
	int rc;

	error_clear();
	if (!path || path[0] == '\0')
		return misuse("verso_open: no path");
	resolved = resolve(path);
	if (!resolved)
		return call_result(-ENOMEM);
	rc = db_open_with(&hooks, resolved, opts, ret_db);
	free(resolved);
	return call_result(rc);
}

/*
 * In a child after fork(): the parent's locks must not outlive it because of us. Nothing else of
 * the database is touched, and its memory stays: handles of it may still be asked.
 */
static void let_go(struct verso *db)
{
	file_abandon(db->file);
	file_abandon(db->side);
	db->file = db->side = NULL;
}

void verso_close(struct verso *db)
{
	THREAD_KEPT;
	if (!handle_is(db, HANDLE_DB))
		return;
	if (!process_is(db->process)) {
		let_go(db);
		return;
	}
	if (check_defers_close(db))
		return;
	while (db->txns)
		verso_abort(db->txns);
	tables_end_kept(db);
	take_apart(db);
}
