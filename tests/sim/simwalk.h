/* SPDX-License-Identifier: MIT */
/*
 * A walk over the log of a simulated disk, and the crash images at each of its places.
 *
 *	struct simwalk *w = simwalk_new(disk);
 *	for (n = 0; n <= simdisk_events(disk); n++) {
 *		simwalk_to(w, n);
 *		for each choice:
 *			img = simwalk_image(w, choice, false, &hash);
 *			open the database on simdisk_io(img), judge, close
 *	}
 *
 * The walk keeps the durable bytes and the pending operations after the first n events. A choice
 * says which pending operations, or which version of each sector, the power cut left. The image is
 * a simdisk of the walk's own: made again by the next simwalk_image(), at the cost of the sectors
 * that differ.
 */
#ifndef TESTS_SIM_SIMWALK_H
#define TESTS_SIM_SIMWALK_H

#include "tests/sim/simdisk.h"

#include <stdbool.h>
#include <stddef.h>

struct simwalk;

enum sim_choice_kind {
	/* by operation, in order of submission; growth without data reads as zeros */
	SIM_LOST,     /* no pending operation */
	SIM_APPLIED,  /* all */
	SIM_PREFIX,   /* the first n */
	SIM_SUFFIX,   /* the last n */
	SIM_DROP,     /* all but the n-th */
	SIM_ONLY,     /* the n-th alone */
	SIM_REVERSED, /* all; of two on the same sector the older one wins */
	SIM_HOLES,    /* sizes and names, but no data: growth reads as zeros */
	SIM_STALE, /* sizes and names, but no data: growth reads as what the blocks held before */
	/* by seed n */
	SIM_OPS,     /* each operation or not */
	SIM_TORN,    /* as SIM_OPS with few losses, and one write torn */
	SIM_RANDOM,  /* each sector any version, sizes and names too */
	SIM_FEW_OLD, /* as SIM_RANDOM, but most sectors are the newest */
	SIM_FEW_NEW, /* as SIM_RANDOM, but most sectors are the durable ones */
	SIM_GARBAGE, /* as SIM_OPS, and some pending sectors are garbage */
	/* the n-th of all combinations of versions */
	SIM_COMBINATION,
	SIM_CHOICES,
};

struct sim_choice {
	enum sim_choice_kind kind;
	uint64_t n;
};

/* The walk starts at 0. The disk stays quiet and outlives the walk. */
struct simwalk *simwalk_new(const struct simdisk *d);
/* Takes NULL. Frees the image too. */
void simwalk_free(struct simwalk *w);

/* Starts again at 0 of another disk (or the same), whose options are those of the first. */
void simwalk_restart(struct simwalk *w, const struct simdisk *d);

/* Goes forward to just after the first n events; n is not below simwalk_at(). */
void simwalk_to(struct simwalk *w, uint64_t n);
uint64_t simwalk_at(const struct simwalk *w);

/* Operations pending here: SIM_PREFIX takes 1..n-1, SIM_DROP and SIM_ONLY 0..n-1. */
unsigned simwalk_pending(const struct simwalk *w);

/* How many different combinations SIM_COMBINATION has here; UINT64_MAX when beyond that. */
uint64_t simwalk_combinations(struct simwalk *w);

/* How many choices by operation there are here, and the i-th of them. */
unsigned simwalk_structured(const struct simwalk *w);
struct sim_choice simwalk_structured_nth(const struct simwalk *w, unsigned i);

/*
 * The disk after a crash here. keep: the image will itself be walked (simwalk_new on it).
 * *ret_hash: of names, sizes and durable bytes of every file; equal for equal contents. NULL when
 * not wanted. The image before must be quiet: all closed.
 */
struct simdisk *simwalk_image(struct simwalk *w, struct sim_choice c, bool keep,
	uint64_t *ret_hash);

/* "drop:3"; buf holds 48 bytes. Returns buf. */
const char *sim_choice_print(char *buf, struct sim_choice c);
/* false: no choice is written so. */
bool sim_choice_parse(const char *text, struct sim_choice *ret_choice);

#endif
