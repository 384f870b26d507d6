/* SPDX-License-Identifier: MIT */
#include "tests/differential/oracle.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[N_QUERIES] = {
	[Q_GET] = "SELECT k, v FROM t%u WHERE k = ?1",
	[Q_FROM] = "SELECT k, v FROM t%u WHERE k >= ?1 ORDER BY k",
	[Q_ABOVE] = "SELECT k, v FROM t%u WHERE k > ?1 ORDER BY k",
	[Q_BELOW] = "SELECT k, v FROM t%u WHERE k < ?1 ORDER BY k DESC",
	[Q_UP] = "SELECT k, v FROM t%u ORDER BY k",
	[Q_DOWN] = "SELECT k, v FROM t%u ORDER BY k DESC",
	[Q_COUNT] = "SELECT count(*), NULL FROM t%u",
};

#define IN_RANGE                                                                                   \
	"(?3 OR k > ?1 OR (k = ?1 AND ?4)) AND (?5 OR k < ?2 OR (k = ?2 AND ?6)) AND "             \
	"(?7 = 0 OR substr(k, 1, ?7) = ?1)"

static void must(sqlite3 *db, int rc, const char *what)
{
	if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
		return;
	(void)fprintf(stderr, "the oracle failed: %s: %s\n", what, sqlite3_errmsg(db));
	exit(2);
}

static void execute(sqlite3 *db, const char *sql)
{
	must(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *format, unsigned table)
{
	char sql[256];
	sqlite3_stmt *st;

	(void)snprintf(sql, sizeof(sql), format, table);
	must(db, sqlite3_prepare_v2(db, sql, -1, &st, NULL), sql);
	return st;
}

static void view_open(struct view *v, const char *path)
{
	must(v->db, sqlite3_open(path, &v->db), path);
	execute(v->db, "PRAGMA journal_mode=WAL");
	execute(v->db, "PRAGMA synchronous=OFF");
}

static void view_prepare(struct view *v)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		for (unsigned q = 0; q < N_QUERIES; q++)
			v->queries[t][q] = prepare(v->db, texts[q], t);
	}
}

static void view_close(struct view *v)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		for (unsigned q = 0; q < N_QUERIES; q++)
			(void)sqlite3_finalize(v->queries[t][q]);
	}
	must(v->db, sqlite3_close(v->db), "close");
}

void oracle_open(struct oracle *o, const char *path)
{
	memset(o, 0, sizeof(*o));
	view_open(&o->writer, path);
	for (unsigned t = 0; t < N_TABLES; t++) {
		char sql[128];

		(void)snprintf(sql, sizeof(sql),
			"CREATE TABLE t%u(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID", t);
		execute(o->writer.db, sql);
	}
	view_prepare(&o->writer);
	for (unsigned t = 0; t < N_TABLES; t++) {
		o->put[t] =
			prepare(o->writer.db, "INSERT OR REPLACE INTO t%u(k, v) VALUES(?1, ?2)", t);
		o->del[t] = prepare(o->writer.db, "DELETE FROM t%u WHERE k = ?1", t);
		o->clear[t] = prepare(o->writer.db, "DELETE FROM t%u", t);
		o->count_range[t] =
			prepare(o->writer.db, "SELECT count(*) FROM t%u WHERE " IN_RANGE, t);
		o->del_range[t] = prepare(o->writer.db, "DELETE FROM t%u WHERE " IN_RANGE, t);
		o->scan_range[0][t] = prepare(o->writer.db,
			"SELECT k, v FROM t%u WHERE " IN_RANGE " ORDER BY k", t);
		o->scan_range[1][t] = prepare(o->writer.db,
			"SELECT k, v FROM t%u WHERE " IN_RANGE " ORDER BY k DESC", t);
	}
	for (unsigned r = 0; r < N_READERS; r++) {
		view_open(&o->readers[r], path);
		view_prepare(&o->readers[r]);
	}
	o->writer.exists[0] = o->exists_before[0] = true;
}

void oracle_close(struct oracle *o)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		(void)sqlite3_finalize(o->put[t]);
		(void)sqlite3_finalize(o->del[t]);
		(void)sqlite3_finalize(o->clear[t]);
		(void)sqlite3_finalize(o->count_range[t]);
		(void)sqlite3_finalize(o->del_range[t]);
		(void)sqlite3_finalize(o->scan_range[0][t]);
		(void)sqlite3_finalize(o->scan_range[1][t]);
	}
	for (unsigned r = 0; r < N_READERS; r++)
		view_close(&o->readers[r]);
	view_close(&o->writer);
}

static void view_reset(struct view *v)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		for (unsigned q = 0; q < N_QUERIES; q++)
			(void)sqlite3_reset(v->queries[t][q]);
	}
}

void oracle_begin(struct oracle *o)
{
	execute(o->writer.db, "BEGIN IMMEDIATE");
	memcpy(o->exists_before, o->writer.exists, sizeof(o->exists_before));
}

void oracle_end(struct oracle *o, bool commit)
{
	view_reset(&o->writer);
	for (unsigned t = 0; t < N_TABLES; t++) {
		(void)sqlite3_reset(o->scan_range[0][t]);
		(void)sqlite3_reset(o->scan_range[1][t]);
	}
	execute(o->writer.db, commit ? "COMMIT" : "ROLLBACK");
	if (!commit)
		memcpy(o->writer.exists, o->exists_before, sizeof(o->exists_before));
	memcpy(o->exists_before, o->writer.exists, sizeof(o->exists_before));
}

static void bind(sqlite3_stmt *st, int i, struct verso_val v)
{
	/* An empty BLOB is one with an address; without, it would be NULL. */
	must(sqlite3_db_handle(st),
		sqlite3_bind_blob64(st, i, v.len > 0 ? v.data : "", v.len, SQLITE_STATIC), "bind");
}

static void step(sqlite3_stmt *st)
{
	must(sqlite3_db_handle(st), sqlite3_step(st), "step");
	(void)sqlite3_reset(st);
}

void oracle_put(struct oracle *o, unsigned table, struct verso_val key, struct verso_val val)
{
	bind(o->put[table], 1, key);
	bind(o->put[table], 2, val);
	step(o->put[table]);
}

bool oracle_del(struct oracle *o, unsigned table, struct verso_val key)
{
	bind(o->del[table], 1, key);
	step(o->del[table]);
	return sqlite3_changes(o->writer.db) > 0;
}

void oracle_drop(struct oracle *o, unsigned table)
{
	view_reset(&o->writer);
	step(o->clear[table]);
	o->writer.exists[table] = false;
}

void oracle_clear(struct oracle *o, unsigned table)
{
	view_reset(&o->writer);
	step(o->clear[table]);
}

void oracle_rename(struct oracle *o, unsigned from, unsigned to)
{
	char sql[64];

	view_reset(&o->writer);
	(void)snprintf(sql, sizeof(sql), "INSERT INTO t%u SELECT * FROM t%u", to, from);
	execute(o->writer.db, sql);
	oracle_drop(o, from);
	o->writer.exists[to] = true;
}

static void bind_range(sqlite3_stmt *st, const struct verso_range *range)
{
	bool has[] = {!range->from.data, !(range->flags & VERSO_FROM_ABOVE), !range->to.data,
		range->flags & VERSO_TO_INCLUDED};

	(void)sqlite3_reset(st);
	bind(st, 1, range->from);
	bind(st, 2, range->to);
	for (int i = 0; i < 4; i++)
		(void)sqlite3_bind_int(st, 3 + i, has[i]);
	(void)sqlite3_bind_int(st, 7, range->flags & VERSO_PREFIX ? (int)range->from.len : 0);
}

uint64_t oracle_count_range(struct oracle *o, unsigned table, const struct verso_range *range)
{
	sqlite3_stmt *st = o->count_range[table];
	uint64_t n;

	bind_range(st, range);
	must(o->writer.db, sqlite3_step(st), "count");
	n = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return n;
}

uint64_t oracle_del_range(struct oracle *o, unsigned table, const struct verso_range *range)
{
	view_reset(&o->writer);
	bind_range(o->del_range[table], range);
	step(o->del_range[table]);
	return (uint64_t)sqlite3_changes(o->writer.db);
}

sqlite3_stmt *oracle_scan_range(struct oracle *o, unsigned table, const struct verso_range *range)
{
	sqlite3_stmt *st = o->scan_range[!!(range->flags & VERSO_REVERSE)][table];

	bind_range(st, range);
	return st;
}

void oracle_reader_begin(struct oracle *o, unsigned reader)
{
	struct view *v = &o->readers[reader];

	execute(v->db, "BEGIN");
	/* The snapshot is taken by the first read. */
	(void)view_count(v, 0);
	memcpy(v->exists, o->exists_before, sizeof(v->exists));
}

void oracle_reader_end(struct oracle *o, unsigned reader)
{
	view_reset(&o->readers[reader]);
	execute(o->readers[reader].db, "COMMIT");
}

sqlite3_stmt *view_query(struct view *v, unsigned table, enum oracle_query q, struct verso_val key)
{
	sqlite3_stmt *st = v->queries[table][q];

	(void)sqlite3_reset(st);
	if (sqlite3_bind_parameter_count(st) > 0)
		bind(st, 1, key);
	return st;
}

bool view_next(sqlite3_stmt *st, struct verso_val *ret_key, struct verso_val *ret_val)
{
	int rc = sqlite3_step(st);

	must(sqlite3_db_handle(st), rc, "step");
	if (rc != SQLITE_ROW)
		return false;
	*ret_key =
		(struct verso_val){sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)};
	*ret_val =
		(struct verso_val){sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1)};
	return true;
}

bool view_find(struct view *v, unsigned table, enum oracle_query q, struct verso_val key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	return view_next(view_query(v, table, q, key), ret_key, ret_val);
}

uint64_t view_count(struct view *v, unsigned table)
{
	sqlite3_stmt *st = view_query(v, table, Q_COUNT, (struct verso_val){NULL, 0});
	uint64_t n;

	must(v->db, sqlite3_step(st), "count");
	n = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return n;
}
