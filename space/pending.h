/* SPDX-License-Identifier: MIT */
/*
 * Pending pages: given up by some generation, but not free yet.
 *
 * A page that generation `free` gave up may be used again only when that generation is flushed and
 * no reader is on a snapshot r with birth <= r < free (T4). Entries keep both numbers, so a long
 * reader holds only what its own snapshot can reach.
 *
 * The list is a queue. Its newest extents stand in the meta; older ones in a chain of chunk pages,
 * each of which refers to the one before. A chunk never changes; the queue loses its oldest chunk
 * by counting one chunk less, so that nothing has to be rewritten. When at least half of the chain
 * can be freed it is rotated, a few chunks a commit: the oldest chunks are taken off, what must
 * still wait is queued again. So a commit's cost follows what it takes and frees, whatever readers
 * do.
 *
 * birth == free marks a page that no snapshot can reach: it only waits for the flush.
 */
#ifndef SPACE_PENDING_H
#define SPACE_PENDING_H

#include "space/space.h"

/* A transaction that gives up more than fits so many chunks writes them before its commit. */
#define PENDING_EARLY_CHUNKS 16U

struct chunk {
	struct page_ref ref;
	uint32_t n_extents;
};

/* Where an extent stands with respect to flushes and readers. */
struct horizon {
	gen_t flushed;        /* nothing newer may be used again */
	const gen_t *readers; /* sorted snapshots in use */
	size_t n_readers;
};

struct pending {
	const struct layout *layout; /* constant */
	struct pending_extent
		*extents; /* from `first` on: n_chained in chunks, then those in the meta */
	uint32_t first, n, cap;
	uint32_t n_chained;
	struct chunk *chunks; /* from `first_chunk` on, oldest first */
	uint32_t first_chunk, n_chunks, cap_chunks;
	uint32_t n_kept;       /* extents that pending_undo() keeps; 0: nothing can be undone */
	uint32_t n_pages;      /* of all extents */
	uint32_t n_tail_pages; /* of those not in chunks */
	uint64_t next_scan;    /* number of the commit that counts again what could be freed, */
	uint32_t next_scan_chained; /* or length of the chain that does */
	uint64_t n_commits;
	uint32_t n_to_rotate;      /* chunks that the last count marked */
	uint64_t n_chunks_written; /* for display */
	struct {
		uint32_t n, n_chained, n_chunks, n_pages, n_tail_pages;
	} saved;
	struct {
		bool harvest;         /* look through the tail */
		uint32_t n_rotate;    /* chunks to take off */
		uint32_t n_survivors; /* extents of those that must be queued again */
		uint32_t n_allowed;   /* extents that become free */
	} plan;                       /* of the commit under way */
};

/* Reads the chain that the record of generation gen names. -ENOMEM, VERSO_ECORRUPT, I/O errors. */
int pending_init(struct pending *p, struct pager *pager, const struct layout *layout,
	const struct space_record *record, gen_t gen);
void pending_fini(struct pending *p);

void pending_begin(struct pending *p);
void pending_undo(struct pending *p);

/* Room for n more calls of pending_add(). */
int pending_reserve(struct pending *p, size_t n);
void pending_add(struct pending *p, pgno_t pgno, gen_t birth, gen_t free);

/* True when so many extents wait for the meta that chunks must be written before the commit. */
bool pending_is_long(const struct pending *p);

/*
 * Writes PENDING_EARLY_CHUNKS chunks now, for a long transaction. bufs: a page buffer for each.
 * Needs room from space_prepare(). On failure (I/O) *ret_n_written tells how many are queued as
 * written: the transaction cannot go on, unless it is 0.
 */
int pending_write_chunks(struct pending *p, struct space *space, struct pager *pager, gen_t gen,
	void *bufs, uint32_t *ret_n_written);

/*
 * Frees, before transaction gen begins, what the flushes and readers allow by now: for a file that
 * has little free space, so that a large transaction finds the places that the one before gave up.
 * On failure nothing has changed.
 */
int pending_reclaim(struct pending *p, struct space *space, const struct horizon *h, gen_t gen);

/* Decides what this commit will free and loads what that needs. May fail; nothing is changed. The
 * queue is not long. */
int pending_prepare_commit(struct pending *p, struct space *space, const struct horizon *h);

/* The most pages that pending_commit() adds. */
uint32_t pending_count_chunks(const struct pending *p);

/* Carries the plan out: frees, rotates, adds chunks to `pages`, fills in the record. */
void pending_commit(struct pending *p, struct space *space, const struct horizon *h, gen_t gen,
	struct space_pages *pages, struct space_record *record);

bool horizon_allows(const struct horizon *h, const struct pending_extent *extent);

#endif
