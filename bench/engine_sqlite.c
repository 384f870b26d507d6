/* SPDX-License-Identifier: MIT */
/* SQLite: one table without rowid, WAL, synchronous = FULL, prepared statements. */
#include "bench/engine.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct engine_db {
	sqlite3 *sql;
	sqlite3_stmt *read, *write, *commit, *put, *get, *scan;
	const struct engine_options *options;
	char path[4096];
};

static void check(struct engine_db *db, int ok, const char *what)
{
	engine_check(ok, "sqlite", what, sqlite3_errmsg(db->sql));
}

static void exec(struct engine_db *db, const char *statement)
{
	check(db, sqlite3_exec(db->sql, statement, NULL, NULL, NULL) == SQLITE_OK, statement);
}

static sqlite3_stmt *prepare(struct engine_db *db, const char *statement)
{
	sqlite3_stmt *s = NULL;

	check(db, sqlite3_prepare_v2(db->sql, statement, -1, &s, NULL) == SQLITE_OK, statement);
	return s;
}

static void step_once(struct engine_db *db, sqlite3_stmt *s)
{
	check(db, sqlite3_step(s) == SQLITE_DONE, sqlite3_sql(s));
	(void)sqlite3_reset(s);
}

static struct engine_db *connect_to(const char *path, const struct engine_options *options)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	char pragma[64];

	engine_check(db != NULL, "sqlite", "open", "no memory");
	db->options = options;
	(void)snprintf(db->path, sizeof(db->path), "%s", path);
	check(db, sqlite3_open(path, &db->sql) == SQLITE_OK, "open");
	(void)sqlite3_busy_timeout(db->sql, 60000);
	exec(db, "pragma journal_mode = wal");
	exec(db, "pragma synchronous = full");
	(void)snprintf(pragma, sizeof(pragma), "pragma cache_size = -%llu",
		(unsigned long long)options->cache_bytes / 1024);
	exec(db, pragma);
	exec(db, "create table if not exists t (k blob primary key, v blob) without rowid");
	db->read = prepare(db, "begin");
	db->write = prepare(db, "begin immediate");
	db->commit = prepare(db, "commit");
	db->put = prepare(db, "insert or replace into t values (?, ?)");
	db->get = prepare(db, "select v from t where k = ?");
	db->scan = prepare(db, "select k, v from t order by k");
	return db;
}

static void sqlite_describe(struct engine_db *db, char *buf, size_t len_bytes)
{
	(void)db;
	(void)snprintf(buf, len_bytes, "SQLite %s, WAL, synchronous = full, without rowid",
		sqlite3_libversion());
}

static void sqlite_begin(struct engine_db *db, enum engine_access access)
{
	step_once(db, access == ENGINE_READ ? db->read : db->write);
}

static void sqlite_commit(struct engine_db *db)
{
	(void)sqlite3_reset(db->get);
	step_once(db, db->commit);
}

static void sqlite_put(struct engine_db *db, const void *key, const void *val)
{
	(void)sqlite3_bind_blob(db->put, 1, key, ENGINE_KEY_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_blob(db->put, 2, val, ENGINE_VAL_BYTES, SQLITE_STATIC);
	step_once(db, db->put);
}

static const void *sqlite_get(struct engine_db *db, const void *key)
{
	int rc;

	(void)sqlite3_reset(db->get);
	(void)sqlite3_bind_blob(db->get, 1, key, ENGINE_KEY_BYTES, SQLITE_STATIC);
	rc = sqlite3_step(db->get);
	check(db, rc == SQLITE_ROW || rc == SQLITE_DONE, "get");
	return rc == SQLITE_ROW ? sqlite3_column_blob(db->get, 0) : NULL;
}

static uint64_t sqlite_scan(struct engine_db *db, uint64_t *ret_sum)
{
	uint64_t n = 0, sum = 0;
	int rc;

	while ((rc = sqlite3_step(db->scan)) == SQLITE_ROW) {
		sum = engine_sum(sum, sqlite3_column_blob(db->scan, 0),
			sqlite3_column_blob(db->scan, 1));
		n++;
	}
	check(db, rc == SQLITE_DONE, "scan");
	(void)sqlite3_reset(db->scan);
	*ret_sum = sum;
	return n;
}

static struct engine_db *sqlite_attach(struct engine_db *db)
{
	return connect_to(db->path, db->options);
}

static void sqlite_close(struct engine_db *db)
{
	(void)sqlite3_finalize(db->read);
	(void)sqlite3_finalize(db->write);
	(void)sqlite3_finalize(db->commit);
	(void)sqlite3_finalize(db->put);
	(void)sqlite3_finalize(db->get);
	(void)sqlite3_finalize(db->scan);
	(void)sqlite3_close(db->sql);
	free(db);
}

const struct engine engine_sqlite = {
	.name = "sqlite",
	.open = connect_to,
	.describe = sqlite_describe,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.put = sqlite_put,
	.get = sqlite_get,
	.scan = sqlite_scan,
	.attach = sqlite_attach,
	.detach = sqlite_close,
	.close = sqlite_close,
};
