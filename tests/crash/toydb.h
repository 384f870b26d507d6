/* SPDX-License-Identifier: MIT */
/*
 * A database of the toy payload, as the sessions and the crash engine drive it: what db/ is to the
 * tree.
 */
#ifndef TESTS_CRASH_TOYDB_H
#define TESTS_CRASH_TOYDB_H

#include "tests/crash/sessions.h"

enum toydb_pager { REFERENCE, MMAP, BUFPOOL, VMCACHE };

struct toydb_config {
	const char *name;
	enum toydb_pager pager;
	enum txn_commit_mode mode;
	enum txn_sync sync;
	bool no_direct;
	bool shared;   /* two processes have it open and take turns; one of them may die */
	bool is_async; /* commits are not waited for */
};

#define TOYDB_CONFIGS 29
extern const struct toydb_config toydb_configs[TOYDB_CONFIGS];

extern const struct session_ops toydb_ops;

/* As in struct crash_subject. */
int toydb_create(unsigned config, uint64_t seed, struct simdisk *d);
int toydb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);
void toydb_close(void *db);
int toydb_digest(void *db, uint64_t *ret_digest);
int toydb_check(void *db);
int toydb_commit(void *db, uint64_t *rng, struct crash_history *h);

#endif
