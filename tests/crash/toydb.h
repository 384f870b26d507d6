/* SPDX-License-Identifier: MIT */
/*
 * A database of the toy payload: what db/ will be to the tree, for the crash engine. Its thresholds
 * are tiny, so that everything happens within a few transactions.
 */
#ifndef TESTS_CRASH_TOYDB_H
#define TESTS_CRASH_TOYDB_H

#include "tests/crash/crash.h"
#include "tests/crash/toy.h"

enum toydb_pager { REFERENCE, MMAP, BUFPOOL };

struct toydb_config {
	const char *name;
	enum toydb_pager pager;
	enum txn_commit_mode mode;
	enum txn_sync sync;
	bool no_direct;
};

enum toydb_mark {
	MARK_SPILLED,
	MARK_RECOPIED,
	MARK_CHUNKS,
	MARK_BITMAPS,
	MARK_CUTS,
	MARK_BATCH,
	MARK_DEAD,
	MARK_TAKE_OVER,
	MARK_POISONED,
	MARK_WRITE_FAILED,
	MARK_REUSED,
	MARK_READERS,
	MARK_REGIONS,
	MARK_OPEN_STAMPED,
	MARK_OPEN_TWO,
	MARK_OPEN_WALKED,
	MARK_OPEN_ROLLED,
	MARK_OPEN_SHORT,
	MARK_OPEN_TORN,
	MARK_OPEN_NONE,
	MARKS,
};

extern struct crash_mark toydb_marks[MARKS];

#define TOYDB_CONFIGS 13
extern const struct toydb_config toydb_configs[TOYDB_CONFIGS];

struct toydb {
	struct pager_tracer tracer; /* first */
	const struct toydb_config *config;
	struct simdisk *disk;
	struct file *file, *lock_file;
	struct pager *pager;
	struct txn_env *env;
	uint64_t digest; /* of the newest version */
	uint64_t *born;  /* generation that took each page last, by page; this session */
	size_t n_born;
	gen_t oldest_reader; /* 0: none */
};

uint32_t toydb_page_size(uint64_t seed);

/* Makes an empty database. */
int toydb_create(const struct toydb_config *c, uint64_t seed, struct simdisk *d);

/* As in struct crash_subject. */
int toydb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);
void toydb_close(void *db);
int toydb_digest(void *db, uint64_t *ret_digest);
int toydb_check(void *db);
int toydb_commit(void *db, uint64_t *rng, struct crash_history *h);

/* Adds up in the marks what happened since it was opened. */
void toydb_count(const struct toydb *db);

#endif
