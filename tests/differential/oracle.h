/* SPDX-License-Identifier: MIT */
/*
 * What is right: SQLite, with a table of BLOB keys WITHOUT ROWID for each of ours. Readers have
 * connections of their own, whose snapshots SQLite keeps in its write-ahead log.
 */
#ifndef TESTS_DIFFERENTIAL_ORACLE_H
#define TESTS_DIFFERENTIAL_ORACLE_H

#include "tests/differential/stream.h"

#include <sqlite3.h>

enum oracle_query {
	Q_GET,   /* k = ? */
	Q_FROM,  /* k >= ?, ascending */
	Q_ABOVE, /* k > ?, ascending */
	Q_BELOW, /* k < ?, descending */
	Q_UP,    /* all, ascending */
	Q_DOWN,  /* all, descending */
	Q_COUNT,
	N_QUERIES,
};

/* One connection: the writer's, or a reader's. */
struct view {
	sqlite3 *db;
	sqlite3_stmt *queries[N_TABLES][N_QUERIES];
	bool exists[N_TABLES]; /* as this view sees it */
};

struct oracle {
	struct view writer;
	struct view readers[N_READERS];
	sqlite3_stmt *put[N_TABLES], *del[N_TABLES], *clear[N_TABLES];
	sqlite3_stmt *count_range[N_TABLES], *del_range[N_TABLES];
	sqlite3_stmt *scan_range[2][N_TABLES]; /* up, down */
	bool exists_before[N_TABLES];          /* before the open transaction */
};

/* Makes the database at path. Any error of SQLite ends the process. */
void oracle_open(struct oracle *o, const char *path);
void oracle_close(struct oracle *o);

void oracle_begin(struct oracle *o);
void oracle_end(struct oracle *o, bool commit);
void oracle_put(struct oracle *o, unsigned table, struct verso_val key, struct verso_val val);
bool oracle_del(struct oracle *o, unsigned table, struct verso_val key);
void oracle_drop(struct oracle *o, unsigned table);
void oracle_clear(struct oracle *o, unsigned table);
void oracle_rename(struct oracle *o, unsigned from, unsigned to); /* to a table that is not there */

/* The records of a range: counts them, deletes them, begins a query for them (view_next()). */
uint64_t oracle_count_range(struct oracle *o, unsigned table, const struct verso_range *range);
uint64_t oracle_del_range(struct oracle *o, unsigned table, const struct verso_range *range);
sqlite3_stmt *oracle_scan_range(struct oracle *o, unsigned table, const struct verso_range *range);
void oracle_reader_begin(struct oracle *o, unsigned reader);
void oracle_reader_end(struct oracle *o, unsigned reader);

/*
 * Begins a query; key is not used by Q_UP, Q_DOWN, Q_COUNT. It ends with the next one of its kind.
 */
sqlite3_stmt *view_query(struct view *v, unsigned table, enum oracle_query q, struct verso_val key);

/* The next record of a query; false: there is none. They last until the next. */
bool view_next(sqlite3_stmt *st, struct verso_val *ret_key, struct verso_val *ret_val);

/* The first record of a query. */
bool view_find(struct view *v, unsigned table, enum oracle_query q, struct verso_val key,
	struct verso_val *ret_key, struct verso_val *ret_val);

uint64_t view_count(struct view *v, unsigned table);

#endif
