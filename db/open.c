/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing: the one place that knows the pagers and wires one to a file.
 *
 *	1. judge the options, find the file, or learn that it has to be made
 *	2. lock DB-lock, which names the process that uses the database (side.h)
 *	3. make the file, if need be
 *	4. lock the file itself, which has other names than this one perhaps; only now read the
 *	   metas and the size (txn_probe); open the pager, recover (txn_env_open)
 *
 * What is not a database is refused in step 1 or 4, and nothing is left beside it.
 */
#include "bufpool/bufpool.h"
#include "db/create.h"
#include "db/options.h"
#include "db/side.h"
#include "mmap/mmap.h"
#include "vmcache/vmcache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The byte of the database file that is locked (D9): beyond any page, so it holds no data. */
#define FILE_LOCK_OFF_BYTES (UINT64_C(1) << 62)

#define LINKS_MAX 40 /* as the kernel */

/* How long an opening waits for another process's locks. */
#define BUSY_NS UINT64_C(1000000000)

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
	/* Direct writes beside a live map of the file would leave the map stale. */
	if (o->pager != VERSO_MMAP && !(o->flags & VERSO_BUFFERED))
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
static int lock_file_itself(struct verso *db, uint64_t until_ns)
{
	enum lock_kind kind = db->options.flags & VERSO_RDONLY ? LOCK_SHARED : LOCK_EXCLUSIVE;
	int rc = lock_until(db->io, db->file, kind, FILE_LOCK_OFF_BYTES, 1, until_ns);

	return rc == VERSO_EBUSY ? side_busy(db) : rc;
}

/* The enums of policies have one order, so that users can have every policy of the pool. */
#define POLICY(NAME, name)                                                                         \
	_Static_assert((int)VERSO_POLICY_##NAME == (int)BUFPOOL_##NAME,                            \
		"enum verso_policy and BUFPOOL_POLICIES have one order");
BUFPOOL_POLICIES(POLICY)
#undef POLICY
_Static_assert((int)VERSO_POLICIES == (int)N_POLICIES, "each policy stands in enum verso_policy");

/* 0: none. */
static uint32_t ahead_pages(const struct verso_options *o, uint32_t page_size)
{
	size_t n = o->readahead_pages;

	if (n == VERSO_NO_READAHEAD)
		return 0;
	if (n == 0)
		n = PAGER_AHEAD_BYTES_DEFAULT / page_size;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* The writer's share follows from the transactions' options, as under the other pagers (D7). */
static struct bufpool_options pool_options(const struct verso_options *o,
	const struct txn_options *txn, uint32_t page_size)
{
	return (struct bufpool_options){
		.cache_bytes = o->cache_bytes,
		.cache_bytes_max = o->cache_bytes_max,
		.writer_pages = txn_writer_pages(txn),
		.ahead_pages = o->readahead_pages == 0 ? 0 : ahead_pages(o, page_size),
		.policy = (enum bufpool_policy)o->policy,
		.checksum = (enum pager_checksum)o->checksum,
		.backend = (enum queue_backend)o->io,
		.flags = (o->flags & VERSO_SMALL_PAGES ? BUFPOOL_SMALL_PAGES : 0u) |
			 (o->flags & VERSO_PIN_INNER ? BUFPOOL_PIN_ONLY : 0u) |
			 (o->readahead_pages == VERSO_NO_READAHEAD ? BUFPOOL_NO_AHEAD : 0u),
	};
}

static struct vmcache_options vmcache_options(const struct verso_options *o,
	const struct txn_options *txn, uint32_t page_size)
{
	return (struct vmcache_options){
		.cache_bytes = o->cache_bytes,
		.writer_pages = txn_writer_pages(txn),
		.checksum = (enum pager_checksum)o->checksum,
		.backend = (enum queue_backend)o->io,
		.ahead_pages = ahead_pages(o, page_size),
		.no_ahead = o->readahead_pages == VERSO_NO_READAHEAD,
	};
}

/* Before a file is made: what would be refused when it is there. */
static int judge_cache(const struct verso *db, const struct db_hooks *hooks)
{
	const struct verso_options *o = &db->options;
	uint32_t page_size = options_page_size(o);
	struct vmcache_options vmcache;
	struct bufpool_options pool;
	struct txn_options txn;

	if (o->pager == VERSO_MMAP)
		return 0;
	options_txn(o, hooks->txn, NULL, page_size, &txn);
	pool = pool_options(o, &txn, page_size);
	vmcache = vmcache_options(o, &txn, page_size);
	return o->pager == VERSO_VMCACHE ? vmcache_check_cache(page_size, &vmcache)
					 : bufpool_check_cache(page_size, &pool);
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
	rc = lock_file_itself(db, until_ns);
	if (rc == 0)
		rc = create_database(db, hooks, is_new);
	if (rc < 0)
		return rc;
	error_clear(); /* that there was no file was no error */
	file_lose(db);
	return file_find(db, file_flags(&db->options));
}

static int open_bufpool(struct verso *db, const struct txn_probe *probe,
	const struct txn_options *txn)
{
	struct bufpool_options options = pool_options(&db->options, txn, probe->page_size);

	return bufpool_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

_Static_assert((int)VERSO_IO_URING == (int)QUEUE_URING && (int)VERSO_IO_SYNC == (int)QUEUE_SYNC,
	"the backends have one order");
_Static_assert((int)VERSO_MADVISE_NORMAL == (int)MMAP_ADVICE_NORMAL &&
		       (int)VERSO_MADVISE_CURSOR == (int)MMAP_ADVICE_CURSOR,
	"the advices have one order");
_Static_assert((int)VERSO_MAP_PRIVATE == (int)MMAP_WRITE_PRIVATE &&
		       (int)VERSO_MAP_SHARED == (int)MMAP_WRITE_SHARED,
	"the ways of writing have one order");
_Static_assert((int)VERSO_CHECKSUM_NONE == (int)PAGER_CHECKSUM_NONE &&
		       (int)VERSO_CHECKSUM_ALWAYS == (int)PAGER_CHECKSUM_ALWAYS,
	"the checksum policies have one order");

static int open_mmap(struct verso *db, const struct txn_probe *probe, const struct txn_options *txn)
{
	const struct verso_options *o = &db->options;
	struct mmap_options options = {
		.writer_pages = txn_writer_pages(txn),
		.checksum = (enum pager_checksum)o->checksum,
		.advice = (enum mmap_advice)o->madvise,
		.writing = o->flags & VERSO_RDONLY ? MMAP_WRITE_HEAP
						   : (enum mmap_writing)o->map_writing,
		.backend = (enum queue_backend)o->io,
		.ahead_pages = o->readahead_pages == 0 ? MMAP_AHEAD_PAGES_DEFAULT
						       : ahead_pages(o, probe->page_size),
	};

	return mmap_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

static int open_vmcache(struct verso *db, const struct txn_probe *probe,
	const struct txn_options *txn)
{
	struct vmcache_options options = vmcache_options(&db->options, txn, probe->page_size);

	return vmcache_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

typedef int pager_open_fn(struct verso *db, const struct txn_probe *probe,
	const struct txn_options *txn);

static pager_open_fn *const pager_opens[] = {
	[VERSO_BUFPOOL] = open_bufpool,
	[VERSO_MMAP] = open_mmap,
	[VERSO_VMCACHE] = open_vmcache,
};

/* Pages that are smaller than what the device transfers at least go through the page cache. */
static bool fits_file(const struct verso *db, uint32_t page_size)
{
	switch (db->options.pager) {
	case VERSO_BUFPOOL:
		return bufpool_fits_file(db->file, page_size);
	case VERSO_VMCACHE:
		return vmcache_fits_file(db->file, page_size);
	default:
		return true;
	}
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
	int rc = lock_file_itself(db, until_ns);

	return rc < 0 ? rc : probe_file(db, ret_probe);
}

/* Step 4. */
static int start(struct verso *db, const struct db_hooks *hooks, uint64_t until_ns)
{
	struct txn_probe probe;
	struct txn_options txn;
	int rc = lock_and_probe(db, until_ns, &probe);

	if (rc == 0 && !fits_file(db, probe.page_size)) {
		rc = reopen_buffered(db);
		if (rc == 0)
			rc = lock_and_probe(db, until_ns, &probe);
	}
	if (rc < 0)
		return rc;
	options_txn(&db->options, hooks->txn, db->file, probe.page_size, &txn);
	db->commit_mode =
		txn.mode == TXN_ONE_FLUSH ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH;
	rc = pager_opens[db->options.pager](db, &probe, &txn);
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

	if (rc == 0)
		rc = must_make ? judge_cache(db, hooks) : probe_file(db, &probe);
	if (rc == 0 && open_has(db))
		until_ns = 0; /* tries each lock once: the name may mean another file by now */
	if (rc == 0)
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
		return -ENOMEM;
	rc = db_open_with(&hooks, resolved, opts, ret_db);
	free(resolved);
	return rc;
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
	take_apart(db);
}
