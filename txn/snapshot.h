/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: the published state, and which generations are being read. Both are memory of this
 * process, the only one that has the database open.
 *
 * To begin, a reader stores the published generation in a slot of its own, with a fence, and reads
 * the published state again: if it has moved, it repeats. The writer scans the slots after
 * publishing, so either it sees the reader or the reader sees the newer state. Neither waits for
 * the other.
 */
#ifndef TXN_SNAPSHOT_H
#define TXN_SNAPSHOT_H

#include "txn/txn.h"

#include <stdatomic.h>

#define SNAPSHOT_READERS 1024U
#define PUBLISHED_WORDS  12U

/*
 * A seqlock (Linux): word by word, so that a reader that meets a change reads old and new, not
 * nonsense.
 */
struct published {
	_Atomic uint64_t sequence; /* odd while it is being changed */
	_Atomic uint64_t words[PUBLISHED_WORDS];
};

struct reader_slot {
	_Alignas(64) _Atomic uint64_t gen; /* snapshot in use; 0: not reading */
	_Atomic bool taken;                /* some handle has it for good */
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
void snapshots_publish(struct snapshots *s, const struct snapshot *state);

/* Takes a slot for good: begin and end use it again and again. VERSO_EBUSY: all are taken. */
int snapshots_take_slot(struct snapshots *s, unsigned *ret_slot);

/* Registers a reader in its slot and returns what it may read. */
void snapshots_begin(struct snapshots *s, unsigned slot, struct snapshot *ret_state);
void snapshots_end(struct snapshots *s, unsigned slot);

/* The generations in use, sorted, into gens (room for SNAPSHOT_READERS); returns how many. */
size_t snapshots_in_use(struct snapshots *s, gen_t *gens);

#endif
