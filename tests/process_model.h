/* SPDX-License-Identifier: MIT */
/*
 * A model of commits that are written, not flushed (VERSO_SYNC_PROCESS; txn/README.md, T15).
 *
 * The commit without the engine: some pages, two copies of a bitmap, two slots. A writer commits by
 * writing a page, sometimes the bitmap, then the meta; now and then it flushes. It may be killed at
 * each step: what it wrote stays in the cache, and the next one takes over. The power may be cut:
 * then each thing is what the device has, which takes over single things from the cache whenever it
 * likes, or what was on the way there, or garbage. A reader holds a state. All states that can
 * follow are found, and each is judged:
 *
 *	P1  the page that a reader's state leads to is there
 *	P2  opening finds a state no older than the last that was answered; after a power cut, than
 *	    the last that was flushed
 *	P3  what opening finds is whole, and of that very attempt
 *
 * Each rule can be left out: then a judgement must fail.
 */
#ifndef TESTS_PROCESS_MODEL_H
#define TESTS_PROCESS_MODEL_H

#include <stdint.h>

enum process_rule {
	PROCESS_KEEP_ALL,
	META_BEFORE_PAGES,  /* pages are written before the meta */
	BITMAP_IN_PLACE,    /* a copy that an answered commit needs is not overwritten: a flush */
	BITMAP_FLIPS,       /* nor is the one that the flushed state needs */
	SLOTS_TAKE_TURNS,   /* T5: the slot of the newest flushed meta is not overwritten */
	FREED_IS_USED,      /* T4: what was freed is used again after a flush */
	READERS_ARE_MISSED, /* T4: and when no reader needs it */
	WRITTEN_IS_DURABLE, /* T7: a meta names the newest *flushed* generation before it */
	WALK_LEFT_OUT,      /* T7: opening verifies what is newer than that */
	SYNC_LEFT_OUT,      /* who follows a dead writer syncs before anything is overwritten */
	TURN_UNFLUSHED,     /* the turn is given after a flush */
	INCARNATION_KEPT,   /* T2: who recovers begins a new incarnation */
};

struct process_bounds {
	enum process_rule left_out;
	uint8_t commits, deaths, cuts;
};

/* Finds all states; *ret_verdict: the first judgement that failed, or NULL. Returns how many. */
uint32_t process_model_run(const struct process_bounds *bounds, const char **ret_verdict);

#endif
