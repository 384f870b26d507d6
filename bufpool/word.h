/* SPDX-License-Identifier: MIT */
/*
 * The page word: all that the pool knows of a page number, in 64 bits that change atomically.
 *
 *	 0..23  pins
 *	24..31  state
 *	32..63  frame
 *
 * The page table is an array of these, indexed by page number. An untouched word is zero: EMPTY. No
 * version is needed against ABA: a frame that is linked from a word goes to no other place before
 * it was unlinked, and a pin or a guard keeps it from being used again. So two equal words mean the
 * same thing, however much happened in between.
 *
 *	EMPTY ----miss----> LOADING --verified--> CACHED <--activate/deactivate--> INACTIVE
 *	  ^                    |                    ^  |                              ^
 *	  +-------failed-------+                    |  +--put as unneeded--> UNNEEDED -+ peeked at
 *	  |                                         |     (and INACTIVE to UNNEEDED by advice;
 *	  |                                         |      from all three to EMPTY by eviction)
 *	  +--fresh--> FRESH --write--> WRITING --done (INACTIVE when no unit is left)
 *	                ^  \--drop--> EMPTY  |
 *	                +------failed--------+
 *
 * CACHED, FRESH and WRITING can be pinned. CACHED pages, pages being loaded and pinned FRESH or
 * WRITING ones each hold a unit of the *pin quota* (bufpool_int.h). INACTIVE and UNNEEDED ones hold
 * no unit and cannot be pinned, so that the frames which the writer does not use can cache pages
 * and be taken back at any time. INACTIVE pages are the policy's as CACHED ones are; UNNEEDED ones
 * leave before it is asked.
 *
 * Source: a page table of atomic state words, as in vmcache (V. Leis et al., Virtual-memory
 * assisted buffer management, SIGMOD 2023).
 */
#ifndef BUFPOOL_WORD_H
#define BUFPOOL_WORD_H

#include "base/assert.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In this order: from UNNEEDED on a page can be seen, from CACHED on it can be pinned. */
enum word_state {
	WORD_EMPTY,    /* not in memory */
	WORD_LOADING,  /* a frame is being filled; not visible */
	WORD_UNNEEDED, /* clean, the next to leave; never pinned (F3) */
	WORD_INACTIVE, /* clean, in a frame that the writer may take; never pinned (F3) */
	WORD_CACHED,   /* clean */
	WORD_FRESH,    /* the writer's own */
	WORD_WRITING,  /* sealed, on its way to the file */
	WORD_STATE_END,
};

#define WORD_PINS_MAX    0xffffffu
#define WORD_STATE_SHIFT 24
#define WORD_FRAME_SHIFT 32

static inline uint64_t word_make(enum word_state state, uint32_t frame, uint32_t pins)
{
	return (uint64_t)frame << WORD_FRAME_SHIFT | (uint64_t)state << WORD_STATE_SHIFT | pins;
}

static inline enum word_state word_state(uint64_t w)
{
	return (enum word_state)(w >> WORD_STATE_SHIFT & 0xff);
}

/* Clean, in memory, without pins and without a unit of the pin quota. */
static inline bool is_inactive(enum word_state state)
{
	return state == WORD_INACTIVE || state == WORD_UNNEEDED;
}

/* The writer's: in no policy, and without a unit of the pin quota until it is pinned. */
static inline bool is_fresh(enum word_state state)
{
	return state == WORD_FRESH || state == WORD_WRITING;
}

static inline uint32_t word_frame(uint64_t w)
{
	return (uint32_t)(w >> WORD_FRAME_SHIFT);
}

static inline uint32_t word_pins(uint64_t w)
{
	return (uint32_t)w & WORD_PINS_MAX;
}

/* Which state may follow which; a state that follows itself changes its pins. */
static inline bool word_move_is_legal(uint64_t from, uint64_t to)
{
	static const uint8_t next[WORD_STATE_END] = {
		[WORD_EMPTY] = 1 << WORD_LOADING | 1 << WORD_FRESH,
		[WORD_LOADING] = 1 << WORD_CACHED | 1 << WORD_EMPTY,
		[WORD_UNNEEDED] = 1 << WORD_INACTIVE | 1 << WORD_CACHED | 1 << WORD_EMPTY,
		[WORD_INACTIVE] = 1 << WORD_UNNEEDED | 1 << WORD_CACHED | 1 << WORD_EMPTY,
		[WORD_CACHED] = 1 << WORD_CACHED | 1 << WORD_INACTIVE | 1 << WORD_UNNEEDED |
				1 << WORD_EMPTY,
		[WORD_FRESH] = 1 << WORD_FRESH | 1 << WORD_WRITING | 1 << WORD_EMPTY,
		[WORD_WRITING] =
			1 << WORD_WRITING | 1 << WORD_FRESH | 1 << WORD_CACHED | 1 << WORD_INACTIVE,
	};
	enum word_state a = word_state(from), b = word_state(to);

	if (!(next[a] & 1 << b))
		return false;
	if (b < WORD_CACHED && word_pins(to) != 0)
		return false;
	if (b == WORD_EMPTY)
		return to == 0;
	return a == WORD_EMPTY || word_frame(from) == word_frame(to);
}

/*
 * Changes *word from *from to `to` unless it changed meanwhile; then *from is what it is now.
 * Acquires what made it *from and releases what this thread did before.
 */
static inline bool word_move(_Atomic uint64_t *word, uint64_t *from, uint64_t to)
{
	DCHECK(word_move_is_legal(*from, to));
	/* Sequentially consistent because an unlink is seen before the epoch moves (guard.h). */
	return atomic_compare_exchange_strong_explicit(word, from, to, memory_order_seq_cst,
		memory_order_acquire);
}

#endif
