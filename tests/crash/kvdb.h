/* SPDX-License-Identifier: MIT */
/*
 * The whole stack as the sessions and the crash engine drive it: the public interface, with tables,
 * short and overflowing values, over either pager.
 *
 * The model is the set of records of three tables: which of the keys of a fixed set is there, and
 * from which number its value was made.
 */
#ifndef TESTS_CRASH_KVDB_H
#define TESTS_CRASH_KVDB_H

#include "tests/crash/sessions.h"
#include "verso.h"

struct kvdb_config {
	const char *name;
	enum verso_pager pager;
	enum verso_commit_mode commit_mode;
	enum verso_sync sync;
	bool is_async; /* commits are not waited for */
};

#define KVDB_CONFIGS 17
extern const struct kvdb_config kvdb_configs[KVDB_CONFIGS];

enum txn_sync kvdb_sync(const struct kvdb_config *config);

extern const struct session_ops kvdb_ops;

/* Marks of the tree, behind the sessions' own. */
enum kvdb_mark {
	MARK_SPLITS = SESSION_MARKS,
	MARK_MERGES,
	MARK_REDISTRIBUTIONS,
	MARK_SHARES,
	MARK_HEIGHT,
	MARK_OVERFLOW_FREED,
	MARK_TABLES,
	MARK_RANGES,
	MARK_PRUNES,
	MARK_PIECES,
	MARK_CLEARS,
	MARK_RENAMES,
	MARK_REPLACED,
	MARK_CURSOR_PUTS,
	MARK_APPENDED,
	MARK_KEPT,
	MARK_COMPACTED,
	KVDB_MARKS,
};

/* Fills in the names and minima of these. */
void kvdb_marks_init(void);

/* As in struct crash_subject. */
/* The file exists, empty, before the database is made in it. */
bool kvdb_is_prepared(unsigned config, uint64_t seed);
int kvdb_create(unsigned config, uint64_t seed, struct simdisk *d);
int kvdb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);
void kvdb_close(void *db);
int kvdb_digest(void *db, uint64_t *ret_digest);
int kvdb_check(void *db);
int kvdb_commit(void *db, uint64_t *rng, struct crash_history *h);

#endif
