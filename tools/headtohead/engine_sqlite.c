/* SPDX-License-Identifier: MIT */
/*
 * SQLite as its own documentation would have it used for this: prepared statements, a write-ahead
 * log, synchronous=FULL, so that a commit survives a power cut as Verso's does. The log is
 * checkpointed by SQLite's own rule, and at the close.
 *
 * Two kinds of table. WITHOUT ROWID is one B-tree of keys and values, as a table of Verso is: the
 * like. A table with row ids keeps the rows in the order of their arrival and an index of the keys
 * beside them, which SQLite's documentation advises for rows above a twentieth of a page: another
 * structure, faster to load in random order, slower to read in key order.
 */
#include "tools/headtohead/headtohead.h"

#include <sqlite3.h>

/* The rest is better used by the kernel's page cache, which holds what this cache drops. */
#define SMALL_CACHE_PERCENT 15

enum statement {
	ST_BEGIN_READ,
	ST_BEGIN_WRITE,
	ST_COMMIT,
	ST_PUT,
	ST_DEL,
	ST_GET,
	ST_SCAN,
	N_STATEMENTS
};

static const char *const texts[N_STATEMENTS] = {
	[ST_BEGIN_READ] = "BEGIN",
	[ST_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_PUT] = "INSERT OR REPLACE INTO records(k, v) VALUES(?1, ?2)",
	[ST_DEL] = "DELETE FROM records WHERE k = ?1",
	[ST_GET] = "SELECT v FROM records WHERE k = ?1",
	[ST_SCAN] = "SELECT k, v FROM records ORDER BY k",
};

struct sqlite_engine {
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
};

static int failed(struct sqlite_engine *e, const char *what)
{
	(void)fprintf(stderr, "headtohead: sqlite: %s: %s\n", what, sqlite3_errmsg(e->db));
	return -1;
}

static int execute(struct sqlite_engine *e, const char *sql)
{
	return sqlite3_exec(e->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(e, sql);
}

static int open_db(struct sqlite_engine *e, const char *path, size_t cache_bytes,
	const char *create)
{
	char pragma[64];

	if (sqlite3_open(path, &e->db) != SQLITE_OK)
		return failed(e, path);
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA cache_size=-%zu", cache_bytes / 1024);
	if (execute(e, "PRAGMA page_size=4096") < 0 || execute(e, "PRAGMA journal_mode=WAL") < 0 ||
		execute(e, "PRAGMA synchronous=FULL") < 0 || execute(e, pragma) < 0 ||
		execute(e, create) < 0)
		return -1;
	for (int i = 0; i < N_STATEMENTS; i++) {
		if (sqlite3_prepare_v2(e->db, texts[i], -1, &e->statements[i], NULL) != SQLITE_OK)
			return failed(e, texts[i]);
	}
	return 0;
}

static int open_by_key(void *engine, const char *path, size_t cache_bytes)
{
	return open_db(engine, path, cache_bytes,
		"CREATE TABLE IF NOT EXISTS records(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT "
		"ROWID");
}

static int open_rowid(void *engine, const char *path, size_t cache_bytes)
{
	return open_db(engine, path, cache_bytes,
		"CREATE TABLE IF NOT EXISTS records(k BLOB PRIMARY KEY, v BLOB NOT NULL)");
}

/* Runs a statement that returns no rows. */
static int run(struct sqlite_engine *e, enum statement s)
{
	int rc = sqlite3_step(e->statements[s]);

	(void)sqlite3_reset(e->statements[s]);
	return rc == SQLITE_DONE ? 0 : failed(e, texts[s]);
}

static void bind(struct sqlite_engine *e, enum statement s, int i, struct verso_val v)
{
	(void)sqlite3_bind_blob64(e->statements[s], i, v.data, v.len, SQLITE_STATIC);
}

static int begin(void *engine, bool write)
{
	return run(engine, write ? ST_BEGIN_WRITE : ST_BEGIN_READ);
}

static int put(void *engine, struct verso_val key, struct verso_val val)
{
	bind(engine, ST_PUT, 1, key);
	bind(engine, ST_PUT, 2, val);
	return run(engine, ST_PUT);
}

static int del(void *engine, struct verso_val key)
{
	bind(engine, ST_DEL, 1, key);
	return run(engine, ST_DEL);
}

static int get(void *engine, struct verso_val key, struct verso_val *ret_val)
{
	struct sqlite_engine *e = engine;
	sqlite3_stmt *st = e->statements[ST_GET];
	int rc;

	(void)sqlite3_reset(st); /* ends the result of the call before */
	bind(e, ST_GET, 1, key);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		return VERSO_NOTFOUND;
	if (rc != SQLITE_ROW)
		return failed(e, texts[ST_GET]);
	ret_val->data = sqlite3_column_blob(st, 0);
	ret_val->len = (size_t)sqlite3_column_bytes(st, 0);
	return 0;
}

static int scan(void *engine, record_fn *fn, void *arg)
{
	struct sqlite_engine *e = engine;
	sqlite3_stmt *st = e->statements[ST_SCAN];
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct verso_val key = {
			sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)};
		struct verso_val val = {
			sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1)};

		if (fn(arg, key, val) != 0) {
			rc = SQLITE_DONE;
			break;
		}
	}
	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : failed(e, texts[ST_SCAN]);
}

static int commit(void *engine)
{
	struct sqlite_engine *e = engine;

	(void)sqlite3_reset(e->statements[ST_GET]);
	return run(e, ST_COMMIT);
}

static int check(void *engine)
{
	struct sqlite_engine *e = engine;
	sqlite3_stmt *st;
	int rc = 0;

	if (sqlite3_prepare_v2(e->db, "PRAGMA integrity_check", -1, &st, NULL) != SQLITE_OK)
		return failed(e, "integrity_check");
	if (sqlite3_step(st) != SQLITE_ROW ||
		sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
		rc = failed(e, "integrity_check");
	(void)sqlite3_finalize(st);
	return rc;
}

static void figures(struct sqlite_engine *e, const char *table, struct engine_figures *f)
{
	int hits = 0, misses = 0, most;

	(void)sqlite3_db_status(e->db, SQLITE_DBSTATUS_CACHE_HIT, &hits, &most, 0);
	(void)sqlite3_db_status(e->db, SQLITE_DBSTATUS_CACHE_MISS, &misses, &most, 0);
	f->has_cache = true;
	f->n_hits += (uint64_t)hits;
	f->n_misses += (uint64_t)misses;
	(void)snprintf(f->how, sizeof(f->how),
		"%s, %s; write-ahead log, synchronous=FULL, through the page cache",
		sqlite3_libversion(), table);
}

static void figures_by_key(void *engine, struct engine_figures *f)
{
	figures(engine, "WITHOUT ROWID: one tree of keys and values, the like of Verso", f);
}

static void figures_rowid(void *engine, struct engine_figures *f)
{
	figures(engine, "with row ids: rows in the order of their arrival, and an index of keys",
		f);
}

static int close_db(void *engine)
{
	struct sqlite_engine *e = engine;

	for (int i = 0; i < N_STATEMENTS; i++)
		(void)sqlite3_finalize(e->statements[i]);
	return sqlite3_close(e->db) == SQLITE_OK ? 0 : failed(e, "close");
}

const struct engine_ops engine_sqlite_by_key = {
	.title = "SQLite, by key",
	.file = "by-key.sqlite",
	.small_cache_percent = SMALL_CACHE_PERCENT,
	.open = open_by_key,
	.begin = begin,
	.put = put,
	.del = del,
	.get = get,
	.scan = scan,
	.commit = commit,
	.check = check,
	.figures = figures_by_key,
	.close = close_db,
	.size = sizeof(struct sqlite_engine),
};

const struct engine_ops engine_sqlite_rowid = {
	.title = "SQLite, row ids",
	.file = "row-ids.sqlite",
	.small_cache_percent = SMALL_CACHE_PERCENT,
	.open = open_rowid,
	.begin = begin,
	.put = put,
	.del = del,
	.get = get,
	.scan = scan,
	.commit = commit,
	.check = check,
	.figures = figures_rowid,
	.close = close_db,
	.size = sizeof(struct sqlite_engine),
};
