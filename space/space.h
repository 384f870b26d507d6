/* SPDX-License-Identifier: MIT */
/*
 * Free space: which pages are not in use, and handing them to the writer.
 *
 * A file is cut into allocation groups (XFS); each has a bitmap page (bit set: free) with two
 * copies at fixed page numbers. A group commit writes the copy that the generation flushed before
 * does not use, so bitmaps need no allocation and there is no recursion. Pages are handed out from
 * two allocation windows (ext3) of up to 512 neighbouring pages, whose masks stand in the meta: the
 * bitmap says "taken" for them from the moment that a window is fetched, so a small commit takes
 * its pages from a window, close to each other, and writes no bitmap.
 *
 * Only the writer uses a `struct space`, under the writer lock; what a flush needs is copied out of
 * it by space_emit() when a transaction joins.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include "pager/pager.h"
#include "space/pages.h"
#include "space/record.h"

/* space_prepare(): no window has so many pages: let the file grow, or gather. */
#define SPACE_SHORT 1

struct alloc_group {
	struct group_entry entry;
	uint64_t *bits; /* NULL: not loaded */
	bool promised;  /* may change: space_count_emitted() counts its bitmap */
	bool dirty;     /* differs from the page that `entry` names; then it is promised */
};

/* What a transaction fetched from the bitmaps or gave back to them, for undoing. */
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
	bool aims_low;     /* the lowest free pages are taken, in this transaction */
	pgno_t in_the_way; /* where the last look at the free tail ended: in use then; or 0 */
	struct alloc_group *groups; /* those above n_groups remember which copy they used last */
	uint32_t n_groups, cap_groups;
	uint32_t n_free;                             /* pages that are free in the bitmaps */
	struct group_entry index[RECORD_GROUPS_MAX]; /* pages of the index; those above n_index
							  remember which copy they used last */
	uint32_t n_index;                            /* how many the newest state has */
	struct window windows[RECORD_WINDOWS];
	pgno_t loose[SPACE_PREPARE_MAX]; /* gathered for this transaction, from anywhere */
	unsigned n_loose;
	unsigned n_at_hand;                  /* pages in the windows and loose ones */
	struct window saved[RECORD_WINDOWS]; /* as the transaction found them */
	struct window_log *log;
	uint32_t n_log, cap_log;
	void *buf; /* one page, aligned, for loading */
};

int space_init(struct space *space, struct pager *pager, const struct space_record *record,
	pgno_t file_pages, const struct space_options *options);
void space_fini(struct space *space);

/* Starts a transaction's account. */
void space_begin(struct space *space);

/* Undoes what was handed out and returned since space_begin(). Growth of the file and what was
 * given stay, as free pages. */
void space_undo(struct space *space);

/* Free pages: in the bitmaps, in the windows, and loose ones. */
static inline uint32_t space_count_free(const struct space *space)
{
	return space->n_free + space->n_at_hand;
}

/*
 * Makes sure that space_take() succeeds n times and leaves `keep` free pages. Neighbouring pages
 * come from a window; n <= SPACE_PREPARE_MAX. May read. SPACE_SHORT: nothing changed.
 */
int space_prepare(struct space *space, unsigned n, uint32_t keep);

/* The same with pages from anywhere: SPACE_SHORT only when fewer than n + keep are free. */
int space_gather(struct space *space, unsigned n, uint32_t keep);

/* Makes the file longer, by n pages at least. Errors: space_is_no_room(), I/O errors, -ENOMEM. */
int space_grow(struct space *space, uint32_t n);

/* What space_grow() returns when the disk or the format allows no more. */
bool space_is_no_room(int rc);

pgno_t space_take(struct space *space);

/*
 * Takes back pages that this transaction took and that no page will refer to; sorts them. On
 * failure some may be back already; space_undo() undoes that.
 */
int space_return(struct space *space, pgno_t *pgnos, size_t n);

/* Loads the bitmap of a group. */
int space_load_group(struct space *space, uint32_t group);

/* Makes sure that space_give() can be called. VERSO_ECORRUPT: those pages cannot be given, or are
 * free. */
int space_promise_give(struct space *space, pgno_t pgno, uint32_t n_pages);

/* Makes n_pages from pgno on free, which was promised. Each is given once; of a damaged file's that
 * are given twice, the second time does nothing. */
void space_give(struct space *space, pgno_t pgno, uint32_t n_pages);

/*
 * Lowers n_pages to the end of what is in use, but keeps `keep` pages free, when it loses `least`
 * pages at least. The file itself is cut later. Between transactions: cannot be undone. I/O errors,
 * -ENOMEM.
 */
int space_cut(struct space *space, uint32_t least, uint32_t keep);

/*
 * The transaction that begins takes the lowest pages that are free, however scattered, and puts
 * back what windows have. Between transactions: cannot be undone. I/O errors, -ENOMEM.
 */
int space_aim_low(struct space *space);

/* The least cut that is worth it while transactions go on. */
uint32_t space_least_cut(const struct space *space);

/* Whether the newest copy of a bitmap is of a generation in (after, upto]. */
bool space_has_copies(const struct space *space, gen_t after, gen_t upto);

/* Whether space_emit() would write a page whose newest copy is of a generation in (after, upto]. */
bool space_has_emitted(const struct space *space, gen_t after, gen_t upto);

/* The pages that space_emit() adds at most: the bitmaps of the groups that are promised. */
uint32_t space_count_emitted(const struct space *space);

/*
 * Adds the changed bitmap and index pages to `pages` as generation `gen`, and the state to record.
 * taken_gen: the newest generation that a flush has taken: what is newer is replaced in its place.
 * Ends the transaction's account: nothing can be undone afterwards.
 */
void space_emit(struct space *space, gen_t gen, gen_t taken_gen, struct space_pages *pages,
	struct space_record *record);

bool space_is_free(const struct space *space, pgno_t pgno);

#endif
