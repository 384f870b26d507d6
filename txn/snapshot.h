/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: the published state, and which generations are being read, in memory that all
 * processes share which have the database open (board.h).
 *
 * To begin, a reader stores the published generation in a slot of its own, with a fence, and reads
 * the published state again: if it has moved, it repeats. The writer scans the slots after
 * publishing, so either it sees the reader or the reader sees the newer state. Neither waits for
 * the other. What a process that has died left in its slots holds nothing back.
 */
#ifndef TXN_SNAPSHOT_H
#define TXN_SNAPSHOT_H

#include "txn/txn.h"

#include <stdatomic.h>

#define SNAPSHOT_READERS 1024U
#define PUBLISHED_WORDS  12U

/*
 * Two places for a state, of which one is current: the other is filled in, then it becomes current.
 * So whoever dies in the middle of that leaves what was current before, and no reader waits.
 */
struct published {
	_Atomic uint64_t n_moves; /* the last bit says which is current */
	_Atomic uint64_t words[2][PUBLISHED_WORDS];
};

struct reader_slot {
	_Alignas(64) _Atomic uint64_t gen; /* snapshot in use; 0: not reading */
	_Atomic uint32_t owner;    /* 1 + the member whose handle has it for good; 0: nobody */
	_Atomic uint64_t begun_ns; /* when it began to read, by clock_coarse_ns(); for display */
};

struct snapshots {
	_Alignas(64) struct published published;
	_Atomic uint32_t n_used; /* no slot from there on was ever taken */
	struct reader_slot readers[SNAPSHOT_READERS];
};

/* What readers begin with; it is published as words. */
struct snapshot {
	gen_t gen;
	pgno_t n_pages;
	struct txn_root roots[TXN_ROOTS];
};

/* Makes a state visible to readers that begin from now on. One thread at a time. */
void published_set(struct published *p, const struct snapshot *state);

/* What stands there now; zeros: nothing yet. Any thread. */
void published_get(const struct published *p, struct snapshot *ret_state);

/* Ascending. */
void snapshots_sort(gen_t *gens, size_t n);

/*
 * Nothing stands there any more: a reader that is beginning with it begins anew. The same thread.
 */
void published_clear(struct published *p);

/* Takes a slot for good: begin and end use it again and again. VERSO_EBUSY: all are taken. */
int snapshots_take_slot(struct snapshots *s, unsigned member, unsigned *ret_slot);
void snapshots_give_slot(struct snapshots *s, unsigned slot);

/* Gives back the slots of a member that is dead. */
void snapshots_forget(struct snapshots *s, unsigned member);

/* Registers a reader in its slot and returns what it may read. False: that moved meanwhile, or
 * nothing stands there, and nothing may be read; look again where to begin. */
bool snapshots_begin(struct snapshots *s, const struct published *p, unsigned slot,
	struct snapshot *ret_state);
void snapshots_end(struct snapshots *s, unsigned slot);

/* Whether a member's process lives. */
typedef bool member_lives_fn(void *arg, unsigned member);

/* The generations in use by those that live, sorted, into gens (room for SNAPSHOT_READERS); returns
 * how many. */
size_t snapshots_in_use(struct snapshots *s, member_lives_fn *lives, void *arg, gen_t *gens);

#endif
