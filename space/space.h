/* SPDX-License-Identifier: MIT */
/*
 * Free space: which pages nobody uses, and handing them to the writer.
 *
 * A file is cut into regions; each has a bitmap page (bit set: free) at two fixed places. A batch
 * writes the copy that the generation flushed before does not use, so bitmaps need no allocation
 * and there is no recursion. Pages are handed out from two windows of up to 512 neighbouring pages,
 * whose masks stand in the meta: the bitmap says "taken" for them from the moment that a window is
 * fetched, so a small commit takes its pages from a window, close to each other, and writes no
 * bitmap.
 *
 * Only the writer uses a `struct space`, under the writer lock; what a flush needs is copied out of
 * it by space_emit() when a transaction joins.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include "pager/pager.h"
#include "space/pages.h"
#include "space/record.h"

struct region {
	struct region_entry entry;
	uint64_t *bits; /* NULL: not loaded */
	bool dirty;     /* differs from the page that `entry` names */
};

/* What a transaction fetched into or gave back from a window, for undoing. */
struct window_log {
	struct window window;
	bool fetched;
};

struct space {
	struct pager *pager;
	struct layout layout;
	pgno_t n_pages;    /* of the state being written */
	pgno_t file_pages; /* of the file; >= n_pages */
	uint32_t grow_pages;
	uint32_t cut_pages;
	pgno_t in_the_way; /* where the last look at the free tail ended: in use then; 0: none */
	struct region *regions; /* those above n_regions remember which copy they used last */
	uint32_t n_regions, cap_regions;
	struct region_entry index[RECORD_REGIONS_MAX]; /* pages of the index; those above n_index
							remember which copy they used last */
	uint32_t n_index;                              /* how many the newest state has */
	struct window windows[RECORD_WINDOWS];
	unsigned n_at_hand;                  /* pages in them */
	struct window saved[RECORD_WINDOWS]; /* as the transaction found them */
	struct window_log *log;
	uint32_t n_log, cap_log;
	uint32_t n_taken; /* by this transaction: a large one grows the file in large steps */
	void *buf;        /* one page, aligned, for loading */
};

int space_init(struct space *space, struct pager *pager, const struct space_record *record,
	pgno_t file_pages, const struct space_options *options);
void space_fini(struct space *space);

/* Starts a transaction's account. */
void space_begin(struct space *space);

/* Undoes what was handed out since space_begin(). Growth of the file stays, as free pages. */
void space_undo(struct space *space);

/* Makes sure that space_take() succeeds n times. n <= SPACE_PREPARE_MAX. May read, and grow the
 * file. */
int space_prepare(struct space *space, unsigned n);

pgno_t space_take(struct space *space);

/* Loads the bitmap of a region. */
int space_load_region(struct space *space, uint32_t region);

/* Makes sure that space_give() can be called. VERSO_ECORRUPT: those pages cannot be given, or are
 * free. */
int space_load(struct space *space, pgno_t pgno, uint32_t n_pages);

/* Makes n_pages from pgno on free, which were loaded. Each is given once in a commit; of a damaged
 * file's that are given twice, the second time does nothing. */
void space_give(struct space *space, pgno_t pgno, uint32_t n_pages);

/*
 * Lowers n_pages when the free tail is long enough; true when it did. The file itself is cut later.
 * prepare loads what cut needs, when so much is free that it may come to that. Ends the
 * transaction's account: nothing can be undone afterwards.
 */
int space_cut_prepare(struct space *space);
bool space_cut(struct space *space);

/* The most pages that space_emit() adds after n_gives more extents were given. */
uint32_t space_count_emitted(const struct space *space, uint32_t n_gives);

/*
 * Adds the changed bitmap and index pages to `pages` as generation `gen`, and the state to record.
 * taken_gen: the newest generation that a flush has taken: what is newer is replaced in its place.
 */
void space_emit(struct space *space, gen_t gen, gen_t taken_gen, struct space_pages *pages,
	struct space_record *record);

/*
 * True when less is free than a transaction like the one before would take, and n_waiting pages,
 * which are pending, are worth freeing before the next one begins.
 */
bool space_is_short(const struct space *space, uint32_t n_waiting);

/* Free pages, windows included. */
uint32_t space_count_free(const struct space *space);

bool space_is_free(const struct space *space, pgno_t pgno);

#endif
