/* SPDX-License-Identifier: MIT */
/*
 * A model of several processes on one file: docs/several-processes.md, every interleaving of it.
 *
 * The engine's protocol without the engine: three pages, two metas, a board, a writer lock. Two
 * processes write, one reads by a slot, one by a lock: because it may write nothing, or because the
 * slots are taken. Writers die, the power is cut. From the first state all states that can follow
 * are found (breadth first), and each is judged:
 *
 *	J1  the page that a reader's snapshot leads to is there, and is the one that was committed
 *	J2  what opening takes is no older than what was acknowledged
 *	J3  what opening takes leads to the page of that very attempt, not to a namesake
 *	J4  who reads by a slot sees flushed states only
 *
 * A tree is one page here, and a commit moves it to another place. Each rule of the protocol can be
 * left out: then a judgement must fail, else the rule, or the model, is worth nothing.
 */
#ifndef TESTS_SHARING_MODEL_H
#define TESTS_SHARING_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* What a rule's absence is called in the paper. All are kept unless a test says otherwise. */
enum rule {
	KEEP_ALL,
	NO_SECOND_LOOK_SLOT,   /* rule 1 */
	NO_SECOND_LOOK_LOCK,   /* rule 2 */
	NO_SCAN_OF_SLOTS,      /* rule 3 */
	NO_SCAN_OF_LOCKS,      /* rule 3 */
	SCAN_BEFORE_TURN,      /* rule 3 */
	NO_TAKE_OVER,          /* rule 4 */
	SYNC_FORGOTTEN,        /* rule 4 */
	SAME_INCARNATION,      /* rule 5 */
	INCARNATION_IN_MEMORY, /* rule 5 */
	OWN_SEQUENCE,          /* rule 5 */
	OLD_STATE_KEPT,        /* rule 6 */
	PUBLISH_UNFLUSHED,     /* rule 7 */
	NO_WALK_BY_LOCK,       /* rule 8 */
	NO_WALK_AT_OPENING,    /* rule 8 */
	ALL_NOT_LOOKED_FOR,    /* rule 9 */
	ALL_LOOKED_FOR_LAST,   /* rule 9 */
	ALL_GIVEN_FIRST,       /* rule 9 */
	ALL_TAKEN_LATE,        /* rule 9 */
};

/*
 * Who reads: by a slot; by a lock of what the metas say, which it reads again or before which it
 * locks all; by a lock of what the board says.
 */
enum readers { SLOT = 1, LOCK = 2, BOTH = SLOT | LOCK, LOCK_ALL = 4, BOARD_LOCK = 8 };

/* How far the model goes. */
struct bounds {
	enum rule left_out;
	bool one_flush;
	uint8_t attempts, deaths, cuts;
	unsigned readers;
};

/* Finds all states; *ret_verdict: the first judgement that failed, or NULL. Returns how many. */
uint32_t model_run(const struct bounds *bounds, const char **ret_verdict);

#endif
