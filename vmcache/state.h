/* SPDX-License-Identifier: MIT */
/*
 * The state word: all that the pager knows of a page number, in 64 bits that change atomically.
 *
 *	 0..23  pins
 *	24..29  state
 *	30      USED: the clock hand passes once more
 *	31      AHEAD: prefetched; the first use is yet to come, and does not count
 *	32..63  slot
 *
 * The words are an array, indexed by page number (pager/table.h). An untouched word is zero: EMPTY.
 * The word does not say where the page lies: that follows from its number. The slot is what bounds
 * memory: a page lies in memory exactly while its word has one (V1).
 *
 *	EMPTY --miss--> LOADING --verified--> CACHED --deactivate--> LEAVING --guards--> DOOMED
 *	  ^                |  \--dropped--> DOOMED  ^                     |                  |
 *	  |                |                    |   +-------revive--------+                  |
 *	  +---failed-------+                    +---> EMPTY <------------- memory given back +
 *
 *	EMPTY --> LOADING --> FRESH --write--> WRITING --done--> CACHED (LEAVING: no unit is left)
 *	                        ^----failed-------+
 *
 *	CACHED, LEAVING, FRESH --forgotten--> GONE --guards--> LOADING (again), or DOOMED --> EMPTY
 *	CACHED, FRESH --forgotten while pinned--> DROPPED --last put--> GONE; --fresh--> FRESH
 *
 * No version is needed against ABA: a slot stays with its page number until its memory has been
 * given back, and that waits for pins and guards.
 */
#ifndef VMCACHE_STATE_H
#define VMCACHE_STATE_H

#include "base/assert.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In this order: from DROPPED on a page may have pins, from CACHED on it can be found. */
enum vm_state {
	VM_EMPTY,   /* not in memory */
	VM_LOADING, /* one thread, or a prefetch, fills the place; not visible */
	VM_DOOMED,  /* the same, but not wanted any more: the place is about to be EMPTY */
	VM_LEAVING, /* clean; only guards that began earlier read it; a get may revive it */
	VM_GONE,    /* the same, but forgotten: no get finds it */
	VM_DROPPED, /* forgotten while pinned */
	VM_CACHED,  /* clean */
	VM_FRESH,   /* the writer's own */
	VM_WRITING, /* sealed, on its way to the file */
	VM_STATE_END,
};

#define VM_PINS_MAX    0xffffffu
#define VM_STATE_SHIFT 24
#define VM_SLOT_SHIFT  32
#define VM_USED        (UINT64_C(1) << 30)
#define VM_AHEAD       (UINT64_C(1) << 31)

static inline uint64_t vm_word_make(enum vm_state state, uint32_t slot, uint32_t pins)
{
	return (uint64_t)slot << VM_SLOT_SHIFT | (uint64_t)state << VM_STATE_SHIFT | pins;
}

static inline enum vm_state vm_state(uint64_t w)
{
	return (enum vm_state)(w >> VM_STATE_SHIFT & 0x3f);
}

static inline uint32_t vm_slot(uint64_t w)
{
	return (uint32_t)(w >> VM_SLOT_SHIFT);
}

static inline uint32_t vm_pins(uint64_t w)
{
	return (uint32_t)w & VM_PINS_MAX;
}

/* The writer's: without a unit of the pin quota until it is pinned. */
static inline bool vm_is_fresh(enum vm_state state)
{
	return state == VM_FRESH || state == VM_WRITING;
}

/* One thread has the place to itself, and ends that without waiting for another. */
static inline bool vm_is_busy(enum vm_state state)
{
	return state == VM_LOADING || state == VM_DOOMED;
}

/* The word with one use more: the first of a prefetched page is the one that it was loaded for. */
static inline uint64_t vm_touched(uint64_t w)
{
	return w & VM_AHEAD ? w & ~VM_AHEAD : w | VM_USED;
}

/* Which state may follow which; a state that follows itself changes its pins or marks. */
static inline bool vm_move_is_legal(uint64_t from, uint64_t to)
{
	static const uint16_t next[VM_STATE_END] = {
		[VM_EMPTY] = 1 << VM_LOADING,
		[VM_LOADING] = 1 << VM_CACHED | 1 << VM_FRESH | 1 << VM_DOOMED | 1 << VM_EMPTY,
		[VM_DOOMED] = 1 << VM_EMPTY,
		[VM_LEAVING] = 1 << VM_CACHED | 1 << VM_GONE | 1 << VM_DOOMED,
		[VM_GONE] = 1 << VM_LOADING | 1 << VM_DOOMED,
		[VM_DROPPED] = 1 << VM_DROPPED | 1 << VM_GONE | 1 << VM_FRESH,
		[VM_CACHED] = 1 << VM_CACHED | 1 << VM_LEAVING | 1 << VM_GONE | 1 << VM_DROPPED,
		[VM_FRESH] = 1 << VM_FRESH | 1 << VM_WRITING | 1 << VM_GONE | 1 << VM_DROPPED,
		[VM_WRITING] = 1 << VM_WRITING | 1 << VM_FRESH | 1 << VM_CACHED | 1 << VM_LEAVING,
	};
	enum vm_state a = vm_state(from), b = vm_state(to);

	if (!(next[a] & 1 << b))
		return false;
	if (b < VM_DROPPED && vm_pins(to) != 0)
		return false;
	if (b == VM_DROPPED && vm_pins(to) == 0)
		return false;
	if (b == VM_EMPTY)
		return to == 0;
	return a == VM_EMPTY || vm_slot(from) == vm_slot(to);
}

/*
 * Changes *word from *from to `to` unless it changed meanwhile; then *from is what it is now.
 * Acquires what made it *from and releases what this thread did before.
 */
static inline bool vm_move(_Atomic uint64_t *word, uint64_t *from, uint64_t to)
{
	DCHECK(vm_move_is_legal(*from, to));
	/* Sequentially consistent because an unlink is seen before the epoch moves (guard.h). */
	return atomic_compare_exchange_strong_explicit(word, from, to, memory_order_seq_cst,
		memory_order_acquire);
}

#endif
