/* SPDX-License-Identifier: MIT */
/*
 * The crash engine: runs a workload on a simulated disk once, then opens what a power cut at any of
 * its events may have left, and judges.
 *
 * What is tested is a `struct crash_subject`. Its workload records in a history when a version
 * begins, is acknowledged, and can no longer come back. For every image the engine asks: does it
 * open; is the recovered state that of exactly one version that the history allows at that event;
 * does check find nothing; does a second opening find the same version; do ten further commits
 * work. Some images are themselves crashed while they recover and commit, and some of those again.
 *
 * Everything follows from the seed; a failure prints one line that replays it.
 */
#ifndef TESTS_CRASH_CRASH_H
#define TESTS_CRASH_CRASH_H

#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"

#include <stdbool.h>
#include <stdint.h>

#define CRASH_NEVER        UINT64_MAX
#define CRASH_QUICK_IMAGES 500U

/* --- what the workload knows ------------------------------------------------------------------ */

struct crash_version {
	uint64_t digest;   /* of its state; differs from that of every other version */
	uint64_t begun_at; /* number of events when it began: from there on it may be found */
	uint64_t acked_at; /* when it was acknowledged: from there on nothing older may be found */
	uint64_t dead_at;  /* when it was retired for good: from there on it may not be found */
};

/* Versions of one disk, in the order in which they began. */
struct crash_history {
	const struct simdisk *disk;
	struct crash_version *versions;
	unsigned n, cap;
	uint64_t named_at; /* when the database's name became durable */
};

/* disk: whose events are the clock. Keeps the memory that the history has. */
void crash_history_reset(struct crash_history *h, const struct simdisk *disk);
void crash_history_fini(struct crash_history *h);

/* The disk began with this version, durable. */
void crash_begin_with(struct crash_history *h, uint64_t digest);

/* A version begins; returns its number. */
unsigned crash_begin(struct crash_history *h, uint64_t digest);

/* Version v, and all that it was built on, is durable: what began before v is no longer allowed. */
void crash_ack(struct crash_history *h, unsigned v);

/* The database's name is durable: a creation, or a commit, has succeeded. What is acknowledged
 * before is that only where there is a database at all. */
void crash_name(struct crash_history *h);

/* Version v failed before it could be seen anywhere: it may never be found. */
void crash_abandon(struct crash_history *h, unsigned v);

/* The workload has recovered version v and made it durable in its turn: v is acknowledged, and
 * those begun after it, but before the n-th, are dead. */
void crash_rebase(struct crash_history *h, unsigned v, unsigned n);

/* The version with this digest if it is allowed after the first `at` events; else -1. */
int crash_find(const struct crash_history *h, uint64_t at, uint64_t digest);

/* Whether any version has this digest. */
bool crash_known(const struct crash_history *h, uint64_t digest);

/* The digest of the newest version that was not abandoned. */
uint64_t crash_newest(const struct crash_history *h);

/* Whether its name is durable there: else nothing need be found at all. */
bool crash_is_named(const struct crash_history *h, uint64_t at);

/* The next of a sequence of well-mixed numbers (splitmix64). */
static inline uint64_t crash_draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* --- what is tested -------------------------------------------------------------------------- */

/* How often something happened that must happen often for the run to mean anything. */
struct crash_mark {
	const char *name;
	uint64_t min; /* in a run of the default size */
	uint64_t n;
	uint64_t min_quick; /* in a smaller one, with the default seed, of CRASH_QUICK_IMAGES */
};

struct crash_subject {
	const char *name;
	unsigned n_configs;

	/* For people and for replays: a word without blanks. */
	const char *(*config_name)(unsigned config);

	/* The disk on which the workload runs. *opts is zeroed but for the seed. */
	void (*disk_options)(unsigned config, uint64_t seed, struct simdisk_options *opts);

	/*
	 * Runs the workload of this seed on d and records it in h. 0, or < 0 with error_text(): a
	 * call failed that should not have, or a reader saw what it should not.
	 */
	int (*workload)(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h);

	/* Makes an empty database where open() found none. */
	int (*create)(unsigned config, uint64_t seed, struct simdisk *d);

	/* 0: *ret_db is open. 1: there is no database. < 0: it cannot be opened. */
	int (*open)(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db);

	/* The digest of the newest state. */
	int (*digest)(void *db, uint64_t *ret_digest);

	/* 0, or < 0 with error_text(). */
	int (*check)(void *db);

	/* One further commit, drawn from *rng. Tells h; it may be acknowledged with a later one.
	 * Where the disk has no room for it, the deletion of one record instead. */
	int (*commit)(void *db, uint64_t *rng, struct crash_history *h);

	/* Cannot fail; the disk may be dead. */
	void (*close)(void *db);

	struct crash_mark *marks;
	unsigned n_marks;
};

/* --- a run ----------------------------------------------------------------------------------- */

struct crash_options {              /* zeroed: nothing */
	uint64_t seed;              /* of the first workload */
	uint64_t n_images;          /* to reach, all configurations together: distinct by the strict
				       count (n_decisions below) */
	unsigned images_a_workload; /* about how many of them one workload gives */
	unsigned second_one_in;     /* one image in so many is crashed again; 0: none */
	unsigned second_images;     /* so many images of each crashed one */
	unsigned failures_max;      /* stop after so many */
	int config;                 /* only this one; -1: all in turn */
	bool soak;                  /* without end */
	bool verbose;
	const char *replay; /* the line of a failure: only that image */
};

struct crash_totals {
	uint64_t n_workloads;
	uint64_t n_images;    /* judged or known already */
	uint64_t n_distinct;  /* files that differ, within a workload; each was judged */
	uint64_t n_decisions; /* of these, what opening read, or what it decided, differed too */
	uint64_t n_second, n_third; /* judged, distinct: crashed again in recovery, and again */
	uint64_t n_failures;
	double seconds;
};

/* Runs, printing failures as they come. */
void crash_run(const struct crash_subject *s, const struct crash_options *opts,
	struct crash_totals *ret_totals);

enum crash_minima { CRASH_NO_MINIMA, CRASH_MINIMA_QUICK, CRASH_MINIMA };

/* Prints totals and marks. Returns how many marks stay below these minima. */
unsigned crash_print(const struct crash_subject *s, const struct crash_totals *t,
	enum crash_minima minima);

/* The main of a crash test: arguments, runs, totals, `N passed, N failed, N skipped`. defaults: the
 * size of a run without arguments. */
int crash_main(int argc, char **argv, const struct crash_subject *s,
	const struct crash_options *defaults);

#endif
