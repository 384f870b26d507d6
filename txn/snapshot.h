/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: the published state, and which generations are being read, in memory that all
 * processes share which have the database open (board.h).
 *
 * To begin, a reader stores the published generation in a slot of its own, with a fence, and reads
 * the published state again: if it has moved, it repeats. The writer scans the slots after
 * publishing, so either it sees the reader or the reader sees the newer state. Neither waits for
 * the other. What a process that has died left in its slots holds nothing back.
 *
 * Any program that may write the file can have written there, so nothing that is read here is
 * believed as it stands: a state has a checksum, and a slot is judged (snapshots_in_use()). A
 * checksum finds accidents, as that of a page does; a program that means it can forge one, and then
 * what it gets is an error or a wrong snapshot, but no access outside the arrays.
 */
#ifndef TXN_SNAPSHOT_H
#define TXN_SNAPSHOT_H

#include "txn/txn.h"

#include <stdatomic.h>

#define SNAPSHOT_READERS 1024U
#define SNAPSHOT_MEMBERS 256U /* numbers of members are below */
#define PUBLISHED_WORDS  12U

/*
 * Two places for a state, of which one is current: the other is filled in, then it becomes current.
 * So whoever dies in the middle of that leaves what was current before, and no reader waits.
 */
struct published {
	_Atomic uint64_t n_moves; /* the last bit says which is current */
	_Atomic uint64_t words[2][PUBLISHED_WORDS];
	_Atomic uint64_t sums[2]; /* of the words there, and of n_moves while they are current */
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

/* What stands there now. False: nobody has published that, and *ret_state is as it was. Any
 * thread. */
bool published_get(const struct published *p, struct snapshot *ret_state);

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

enum snapshot_begun {
	SNAPSHOT_BEGUN,
	SNAPSHOT_MOVED,   /* what is published, meanwhile: look again where to begin */
	SNAPSHOT_DAMAGED, /* what stands there was not published */
	SNAPSHOT_NO_SLOT, /* the slot does not have the member's number any more */
};

/* Registers a reader in its member's slot and returns what it may read. All but SNAPSHOT_BEGUN:
 * nothing may be read. */
enum snapshot_begun snapshots_begin(struct snapshots *s, const struct published *p, unsigned member,
	unsigned slot, struct snapshot *ret_state);
void snapshots_end(struct snapshots *s, unsigned slot);

/* Whether a member's process lives. */
typedef bool member_lives_fn(void *arg, unsigned member);

/*
 * The generations in use by those that live, sorted, into gens (room for SNAPSHOT_READERS). False:
 * a slot says what no reader writes there, so what its reader reads is not known.
 */
bool snapshots_in_use(struct snapshots *s, member_lives_fn *lives, void *arg, gen_t *gens,
	size_t *ret_n);

#endif
