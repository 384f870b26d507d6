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
 * Everything follows from the seed. The engine prints nothing: it hands each image that it examined
 * to a hook, with where it was cut, what opening decided and the verdict. The program of
 * crash_main() is one user of it, which prints failures and the line that replays each.
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

/* What the workload did from this event on. */
struct crash_phase {
	uint64_t from; /* number of events */
	const char *name;
};

/* Versions of one disk, in the order in which they began. */
struct crash_history {
	const struct simdisk *disk;
	struct crash_version *versions;
	unsigned n, cap;
	struct crash_phase *phases; /* ascending */
	unsigned n_phases, cap_phases;
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

/*
 * A phase of the commit begins, for the hook: "page write", "log flush", what the protocol has. A
 * beginning version begins the phase "commit", an acknowledged one "acknowledged" by itself. name:
 * outlives the run.
 */
void crash_phase(struct crash_history *h, const char *name);

/* The phase that the next event after the first `at` belongs to; before the first phase "start". */
const char *crash_phase_at(const struct crash_history *h, uint64_t at);

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

/* --- what the engine found ------------------------------------------------------------------- */

/* What opening an image led to. */
enum crash_opening {
	CRASH_OPENED,      /* there is a database */
	CRASH_NO_DATABASE, /* there is none, and opening says so */
	CRASH_REFUSED,     /* it does not open, or its state cannot be read */
	CRASH_NOT_OPENED,  /* the failure is no image's: the workload failed, or depth is 0 */
};

/* An image that was examined. Pointers are valid during the call. */
struct crash_image {
	const char *config;
	uint64_t seed;
	unsigned depth;    /* 1: of the workload's disk; 2, 3: of an image, while it recovered */
	uint64_t event;    /* the cut came after so many events of that disk */
	const char *phase; /* what was going on then: crash_phase() */
	const char *next;  /* the disk's next event: "write", "flush", ..., "end" */
	uint64_t next_off_bytes;  /* of a write */
	struct sim_choice choice; /* what of the pending operations is left */
	unsigned n_pending;
	uint64_t hash; /* of names, sizes and bytes; equal images have equal ones */
	bool again;    /* the same bytes were judged before: asked is only what may be found */
	enum crash_opening opening;
	int version; /* that was found, as numbered by crash_begin(); -1: none that ever was */
	const char *failure; /* the verdict. NULL: as it must be; else what is wrong */
	const char *error;   /* the library's text of then, or "" */
	const char *replay;  /* the line that makes this image again */
};

/* After each workload. */
struct crash_workload {
	const char *config;
	uint64_t seed;
	uint64_t n_events;
	unsigned n_versions;
	bool last_config; /* each configuration has had this seed */
};

/* Zeroed: whoever runs looks at the totals alone. */
struct crash_hook {
	void (*image)(void *arg, const struct crash_image *image);
	void (*workload)(void *arg, const struct crash_workload *workload);
	void *arg;
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
	const char *replay;         /* the line of a failure: only that image */
	struct crash_hook hook;
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

/*
 * Runs; *ret_totals is kept as it goes, for the hook. -EINVAL: opts->replay is no line of this
 * subject's. A signal of the code under test, or an image that hangs, is a failure of its image,
 * and the process then dies of it.
 */
int crash_run(const struct crash_subject *s, const struct crash_options *opts,
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
