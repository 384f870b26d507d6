/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing: wires a file and one of the pagers (pagers.h) to the transactions.
 *
 *	1. judge the options, find the file, or learn that it has to be made
 *	2. open DB-lock beside it (side.h), unless nothing is to be written
 *	3. make the file, if need be, while nobody else does
 *	4. lock the file itself, which has other names than this one perhaps: shared, or alone.
 *	   Only now read the metas and the size (txn_probe); join the others (board.h); open the
 *	   pager, recover (txn_env_open)
 *
 * What is not a database is refused in step 1 or 4, and nothing is left beside it.
 */
#include "db/board.h"
#include "db/create.h"
#include "db/holder.h"
#include "db/options.h"
#include "db/pagers.h"
#include "db/side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES_MAX 20U

/* How often it looks whether another process has made the file. */
#define MAKE_PAUSE_NS UINT64_C(1000000)

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

/* Of step 4 (D9). Nothing is locked where nobody writes. */
static int lock_file_itself(struct verso *db, uint64_t until_ns)
{
	enum lock_kind kind = db->role == ROLE_ALONE ? LOCK_EXCLUSIVE : LOCK_SHARED;
	int rc = 0;

	if (db->role != ROLE_READER)
		rc = lock_until(db->io, db->file, kind, PRESENT_OFF_BYTES, 1, until_ns);
	if (rc == VERSO_EBUSY)
		return holder_busy(db, db->role == ROLE_ALONE ? "and this one was to have it alone"
							      : "which has it for itself");
	return rc;
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
	for (;;) {
		int rc = file_lock(db->file, LOCK_EXCLUSIVE, PRESENT_OFF_BYTES, 1);

		if (rc != VERSO_EBUSY)
			return rc;
		if (db->role != ROLE_ALONE && txn_is_blank(db->file) == 0)
			return IS_MADE;
		if (io_now_ns(db->io) >= until_ns)
			return holder_busy(db, "and this one was to make it");
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

static int reopen(struct verso *db, unsigned flags)
{
	file_lose(db);
	return file_find(db, flags);
}

/*
 * What the metas say, and how long the file is. Without the lock it may be old at once: then it
 * only says that this is a database.
 */
static int probe_file(struct verso *db, struct txn_probe *ret_probe)
{
	int rc = txn_probe(db->file, ret_probe);

	/* Beside a writer both metas may be met while they are written; a damaged file stays so. */
	for (unsigned i = 0; rc == VERSO_ECORRUPT && db->role != ROLE_ALONE && i < PROBES_MAX;
		i++) {
		io_pause_ns(db->io, MAKE_PAUSE_NS);
		rc = txn_probe(db->file, ret_probe);
	}

	if (rc == 0 && db->options.page_size != 0 && db->options.page_size != ret_probe->page_size)
		return error_set(VERSO_EMISUSE,
			"the file has pages of %u bytes, not %u. The page size is chosen when a "
			"database is made and cannot change: leave the option out",
			ret_probe->page_size, db->options.page_size);
	return rc;
}

/* flags: those with which it was opened. It may have been replaced while we waited for the lock. */
static int lock_and_probe(struct verso *db, unsigned flags, uint64_t until_ns,
	struct txn_probe *ret_probe)
{
	int rc = lock_file_itself(db, until_ns);

	for (unsigned n = 0; rc == 0 && db->role != ROLE_READER; n++) {
		rc = file_look_again(db->file, n);
		if (rc != FILE_REPLACED)
			break;
		rc = reopen(db, flags);
		if (rc == 0)
			rc = lock_file_itself(db, until_ns);
	}
	return rc < 0 ? rc : probe_file(db, ret_probe);
}

/* The file, open as the kind of pager wants it, and locked. */
static int take_file(struct verso *db, uint64_t until_ns, struct txn_probe *ret_probe)
{
	const struct pager_kind *kind = pager_kind_of(&db->options);
	unsigned flags = file_flags(&db->options);
	int rc = lock_and_probe(db, flags, until_ns, ret_probe);

	if (rc < 0 || !kind->fits_file || kind->fits_file(db->file, ret_probe->page_size))
		return rc;
	flags &= ~(unsigned)FILE_DIRECT;
	rc = reopen(db, flags);
	return rc < 0 ? rc : lock_and_probe(db, flags, until_ns, ret_probe);
}

/* How it lives with other processes, from here on. */
static int take_role(struct verso *db, uint64_t until_ns)
{
	unsigned flags = FILE_RDONLY | (db->options.flags & VERSO_ANY_FS ? FILE_ANY_FS : 0);
	int rc;

	if (db->role == ROLE_ALONE)
		holder_sign(db);
	if (db->role == ROLE_MEMBER)
		return board_open(db, until_ns);
	if (db->role != ROLE_OBSERVER || !db->file->direct) {
		db->observed = db->role == ROLE_OBSERVER ? db->file : NULL;
		return 0;
	}
	rc = io_open(db->io, db->path, flags, 0, &db->observed);
	if (rc == 0)
		rc = file_check_there(db->file, 0); /* the name is still that of the same file */
	return rc < 0 ? rc
		      : lock_until(db->io, db->observed, LOCK_SHARED, PRESENT_OFF_BYTES, 1,
				until_ns);
}

/*
 * The file, locked, and the others joined. Under VERSO_PAGER_ANY their kind may turn out to be
 * another one than it was: then anew.
 */
static int join_others(struct verso *db, uint64_t until_ns, struct txn_probe *ret_probe)
{
	int rc;

	do {
		rc = take_file(db, until_ns, ret_probe);
		if (rc == 0)
			rc = take_role(db, until_ns);
		if (rc == BOARD_OTHER_KIND) {
			board_close(db);
			rc = reopen(db, file_flags(&db->options));
			rc = rc < 0 ? rc : BOARD_OTHER_KIND;
		}
	} while (rc == BOARD_OTHER_KIND);
	/* While we waited for them they may have made the file longer. */
	return rc < 0 ? rc : probe_file(db, ret_probe);
}

/* Step 4. */
static int start(struct verso *db, const struct db_hooks *hooks, uint64_t until_ns)
{
	struct txn_probe probe;
	struct txn_options txn;
	int rc = join_others(db, until_ns, &probe);

	if (rc < 0)
		return rc;
	options_txn(&db->options, hooks->txn, db->file, probe.page_size, &txn);
	txn.members = db->role == ROLE_MEMBER ? &db->members : NULL;
	txn.courtesy = true;
	txn.observed = db->observed;
	txn.file = db->file;
	db->commit_mode =
		txn.mode == TXN_ONE_FLUSH ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH;
	rc = pager_kind_of(&db->options)->open(db, &probe, &txn);
	if (rc < 0)
		return rc;
	trace_begin(db);
	return txn_env_open(db->pager, &probe, &btree_schema, &txn, &db->env);
}

static enum db_role role_of(const struct verso_options *o, const struct db_hooks *hooks)
{
	if (o->flags & VERSO_IMMUTABLE)
		return ROLE_READER;
	if (o->flags & VERSO_RDONLY)
		return ROLE_OBSERVER;
	return o->flags & VERSO_EXCLUSIVE || !hooks->shared ? ROLE_ALONE : ROLE_MEMBER;
}

/*
 * Step 2. Without a side file there is no board, and on another machine's file system none that can
 * be trusted.
 */
static int open_side(struct verso *db)
{
	int rc;

	if (db->options.flags & VERSO_RDONLY)
		return 0;
	rc = side_open(db);
	if (rc == 0 && db->role == ROLE_MEMBER && (!db->side_is_usable || db->side->is_remote))
		db->role = ROLE_ALONE;
	return rc;
}

/* Step 3. */
static int make_alone(struct verso *db, const struct db_hooks *hooks, uint64_t until_ns)
{
	int rc = side_begin_making(db, until_ns);

	if (rc == 0)
		rc = make(db, hooks, until_ns);
	side_end_making(db);
	return rc;
}

uint64_t busy_until_ns(const struct verso *db)
{
	uint32_t wait_ms = db->options.busy_timeout_ms;

	return wait_ms == VERSO_BUSY_FOREVER ? UINT64_MAX
					     : io_now_ns(db->io) + wait_ms * UINT64_C(1000000);
}

static int open_steps(struct verso *db, const struct db_hooks *hooks)
{
	uint64_t until_ns = busy_until_ns(db);
	struct txn_probe probe;
	bool must_make = false;
	int rc;

	db->role = role_of(&db->options, hooks);
	db->wants_any = db->options.pager == VERSO_PAGER_ANY;
	if (db->wants_any)
		db->options.pager = VERSO_BUFPOOL;
	board_take_kind(db);
	rc = find(db, &must_make);
	if (rc == 0)
		rc = must_make ? judge_cache(db, hooks) : probe_file(db, &probe);
	if (rc == 0)
		rc = open_side(db);
	if (rc == 0 && open_has(db))
		until_ns = 0; /* tries each lock once: the name may mean another file by now */
	if (rc == 0 && must_make)
		rc = make_alone(db, hooks, until_ns);
	return rc < 0 ? rc : start(db, hooks, until_ns);
}

/* Ends whatever was opened. */
static void take_apart(struct verso *db)
{
	open_remove(db);
	txn_env_close(db->env);
	pager_close(db->pager);
	board_close(db);
	if (db->observed != db->file)
		file_close(db->observed);
	holder_leave(db);
	file_close(db->side);
	file_close(db->file);
	free(db->path);
	compaction_free(db->compaction);
	(void)pthread_mutex_destroy(&db->compact_lock);
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
	(void)pthread_mutex_init(&db->compact_lock, NULL);
	db->path = strdup(path);
	if (!db->path)
		rc = -ENOMEM;
	if (rc == 0)
		rc = open_steps(db, hooks);
	if (rc < 0) {
		rc = error_of_file(path, rc);
		take_apart(db);
		return rc;
	}
	open_add(db);
	*ret_db = db;
	return 0;
}

int verso_open(const char *path, const struct verso_options *opts, struct verso **ret_db)
{
	THREAD_KEPT;
	static const struct db_hooks hooks = {.shared = true};
	char *resolved;
	int rc;

	error_clear();
	if (!path || path[0] == '\0')
		return misuse("verso_open: no path");
	resolved = path_resolve(path);
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
	if (db->observed != db->file)
		file_abandon(db->observed);
	file_abandon(db->file);
	file_abandon(db->side);
	db->file = db->side = db->observed = NULL;
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
