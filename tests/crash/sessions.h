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

#include "tests/crash/crash.h"
#include "txn/txn.h"

enum session_mark {
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
	SESSION_MARKS,
	PAYLOAD_MARKS_MAX = 16, /* that a payload may add behind these */
};

/* What the sessions drive. Calls answer 0 or an error. */
struct session_ops {
	size_t model_bytes;
	/* The digest of a model; of zeros, that of an empty database. */
	uint64_t (*model_digest)(const void *model);

	int (*create)(unsigned config, uint64_t seed, struct simdisk *d);
	/* 1: there is no database. */
	int (*open)(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);
	void (*close)(void *db);
	int (*sync)(void *db);

	int (*begin_read)(void *db, void **ret_txn);
	int (*digest)(void *txn, uint64_t *ret_digest);
	int (*begin_write)(void *db, void **ret_txn);
	/* The edits of one transaction, to it and to the model; the result is a state that no
	 * version had before. */
	int (*change)(void *txn, void *model, uint64_t *rng);
	int (*commit)(void *txn);
	void (*abort)(void *txn);

	struct txn_env *(*env)(void *db);
	struct pager *(*pager)(void *db);
	struct txn *(*txn)(void *txn);
};

struct session_config {
	unsigned index; /* of the subject's configurations */
	enum txn_sync sync;
	bool no_direct; /* O_DIRECT is refused */
};

/*
 * The subject's marks: SESSION_MARKS of them filled in here, the payload's behind them. Counted by
 * all calls below.
 */
extern struct crash_mark session_marks[SESSION_MARKS + PAYLOAD_MARKS_MAX];

/* Tiny thresholds, so that everything happens within a few transactions. */
struct txn_options session_txn_options(enum txn_commit_mode mode, enum txn_sync sync,
	uint64_t seed);
uint32_t session_page_size(uint64_t seed);

/*
 * The disk for a seed; *stale: an older database of this page size, which the blocks held before.
 */
void session_disk_options(const struct session_ops *ops, const struct session_config *c,
	uint64_t seed, struct simdisk_options *opts);

/* The workload of crash_subject. */
int session_workload(const struct session_ops *ops, const struct session_config *c, uint64_t seed,
	struct simdisk *d, struct crash_history *h);

/* To be called around each opening, so that the ways of recovery are counted. */
void session_mark_slots(struct simdisk *d, const char *path, uint32_t page_size);
void session_mark_opened(struct txn_env *env);

#endif
