/* SPDX-License-Identifier: MIT */
/*
 * A workload for the crash engine: a few sessions on one disk, over any payload.
 *
 * Each session opens, runs some ten to thirty transactions (drawn by the payload; some aborted,
 * some joined by other threads, under long readers whose snapshots are compared at their end) and
 * ends in one of four ways: closed; killed at some event, so that the next session takes over from
 * a dead writer; a sync that fails and poisons; a write that fails. The models of all versions are
 * kept, so that a session can go on from whichever it recovers.
 */
#ifndef TESTS_CRASH_SESSIONS_H
#define TESTS_CRASH_SESSIONS_H

#include "tests/crash/marks.h"
#include "tests/crash/shape.h"

/* What the sessions drive. Calls return 0 or an error. */
struct session_ops {
	size_t model_bytes;
	/* The digest of a model; of zeros, that of an empty database. */
	uint64_t (*model_digest)(const void *model);

	/* Makes a database where there is none, or only what a creation that was cut short left. */
	int (*create)(unsigned config, uint64_t seed, struct simdisk *d);
	bool creation_may_die; /* at any of its events, or a call of it fail */
	/* 1: there is no database. */
	int (*open)(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);
	void (*close)(void *db);
	int (*sync)(void *db);

	int (*begin_read)(void *db, void **ret_txn);
	int (*digest)(void *txn, uint64_t *ret_digest);
	int (*begin_write)(void *db, void **ret_txn);
	int (*compact)(void *db, unsigned pages_max); /* NULL: there is none */
	/* The edits of one transaction of the n-th session, to it and to the model; the result is
	 * a state that no version had before. */
	int (*change)(void *txn, void *model, uint64_t *rng, enum session_shape shape,
		unsigned session);
	/* The same with one record more, or one less; 1: there is none to delete. */
	int (*put_one)(void *txn, void *model, uint64_t *rng);
	int (*del_one)(void *txn, void *model, uint64_t *rng);
	int (*commit)(void *txn, bool waits); /* for its flush, where the mode says so */
	void (*abort)(void *txn);

	struct txn_env *(*env)(void *db);
	struct pager *(*pager)(void *db);
	struct txn *(*txn)(void *txn);
};

struct session_config {
	unsigned index; /* of the subject's configurations */
	enum txn_sync sync;
	bool is_async;    /* commits are not waited for, but by `sync` */
	bool no_direct;   /* O_DIRECT is refused */
	bool takes_turns; /* with another process: no thread may begin while one flushes */
};

/* The workload of crash_subject. */
int session_workload(const struct session_ops *ops, const struct session_config *c, uint64_t seed,
	struct simdisk *d, struct crash_history *h);

/* An older database, with another uuid: what the blocks of the disk for a seed held before. */
const uint8_t *session_stale_bytes(const struct session_ops *ops, const struct session_config *c,
	uint64_t seed, uint64_t *ret_len);

#endif
