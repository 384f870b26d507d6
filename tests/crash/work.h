/* SPDX-License-Identifier: MIT */
/* What the parts of a workload share (tests/crash/sessions.h). */
#ifndef TESTS_CRASH_WORK_H
#define TESTS_CRASH_WORK_H

#include "base/assert.h"
#include "base/error.h"
#include "tests/crash/sessions.h"
#include "tests/sim/faultplan.h"

#define READERS      3
#define PAGES_TRACED 16384

/* One workload. */
struct work {
	struct pager_tracer tracer; /* first */
	const struct session_ops *ops;
	const struct session_config *config;
	uint64_t seed, rng;
	enum session_shape shape;
	struct txn_options options;
	struct simdisk *disk;
	struct crash_history *history;
	void *db;
	void **models; /* of each version; NULL: no session can go on from it any more */
	unsigned n_models, n_forgotten;
	void *scratch;     /* a model that is being changed */
	unsigned version;  /* the newest that was committed */
	unsigned answered; /* TXN_PROCESS: the newest that no death of a process may take */
	unsigned newest;   /* the newest that has begun its commit; for helpers */
	void *readers[READERS];
	unsigned reader_version[READERS];
	unsigned n_readers;

	unsigned n_sessions; /* before this one */

	/* Of this session. */
	struct fault_plan plan;
	gen_t oldest_reader;      /* 0: none */
	gen_t born[PAGES_TRACED]; /* generation that took each page last; 0: none that counts */
	gen_t used[PAGES_TRACED]; /* the same, whatever became of the page since */
	gen_t first_gen;          /* of the write transaction; it may have several */
	gen_t gen_found;          /* the newest durable one when it opened */
	gen_t gen_begun;          /* with which its own begin */
	bool carries;             /* they are near the end of an incarnation */
	unsigned found;           /* the version that it opened on */
	unsigned n_found;         /* versions there were then */
	bool was_long;            /* of three groups */
	bool settled;             /* that is durable, and what came after it dead */

	/* On a disk that fills up. */
	enum { FILLING, TOPPING, EMPTYING } full;
	unsigned n_to_delete;
};

/* transact.c */
unsigned model_add(struct work *w, const void *model);
void ack(struct work *w);
/* Once the session has made durable what it found. */
void settle(struct work *w);
/* A commit that has returned is answered by the next sync. */
bool answers_late(const struct work *w);
int sync_and_ack(struct work *w);
int readers_move(struct work *w);
int readers_end(struct work *w, bool look);
/* 0, or the error that ended a transaction, which was aborted. */
int transact(struct work *w);
int transact_joined(struct work *w);
/* The same with `edit`, on top of the newest version, never aborted; edit may return 1: nothing is
 * committed, and the transaction returns 1. */
typedef int edit_fn(struct work *w, void *txn);
int transact_edit(struct work *w, edit_fn *edit);
/* Whether a failure was brought about: the process killed, or a call made to fail. */
bool is_meant(const struct work *w);
bool is_poisoned(const struct work *w);

/* full.c */
int step_full(struct work *w);
/* The last session: all goes, and what was there fits in again. */
int drain(struct work *w);
bool is_refused(const struct work *w, int rc);

/* create.c: makes the database, perhaps in several attempts. */
int create_in_attempts(struct work *w);

#endif
