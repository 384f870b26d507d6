/* SPDX-License-Identifier: MIT */
/*
 * Pending pages: freed by some generation, but not to be used again yet.
 *
 * A page that generation `free` freed may be used again only when that generation is flushed and
 * no reader is on a snapshot r with birth <= r < free (T4). Entries keep both numbers, so a long
 * reader holds only what its own snapshot can reach. birth == free marks a page that no snapshot
 * can reach: it only waits for the flush.
 *
 * There are two queues of extents: what the newest joined state says, and what the transaction
 * under way frees. A commit appends the second to the first, an abort empties it. So what waited
 * before can be reclaimed at any time, in the middle of a transaction too, and an abort has nothing
 * to restore.
 *
 * The newest extents of a queue are its tail, which stands in the meta; older ones are chained, in
 * list pages of which each refers to the one before. A list page never changes; the queue loses its
 * oldest list page by counting one less, so that nothing has to be rewritten. When at least half of
 * the chain can be freed it is rotated: the oldest list pages are taken off, what must still wait
 * is queued again. So a commit's cost follows what it takes and frees, whatever readers do.
 */
#ifndef SPACE_PENDING_H
#define SPACE_PENDING_H

#include "space/space.h"

/* A transaction that frees more than fits so many list pages writes them before its commit. */
#define PENDING_EARLY_LIST_PAGES 16U

struct list_page {
	struct page_ref ref;
	uint32_t n_extents;
};

/* Where an extent stands with respect to flushes and readers. */
struct horizon {
	gen_t flushed;        /* nothing newer may be used again */
	const gen_t *readers; /* sorted snapshots in use */
	size_t n_readers;
};

struct extent_queue {
	struct pending_extent *extents; /* n from `first` on: the chained ones, then the tail */
	uint32_t first, n, cap;
	uint32_t n_chained;
	uint32_t n_promised; /* what n may become: memory may go further, a promise does not */
	struct list_page *list_pages; /* n_list_pages from `first_list_page` on, oldest first */
	uint32_t first_list_page, n_list_pages, cap_list_pages;
	uint32_t n_pages;      /* of all extents */
	uint32_t n_tail_pages; /* of the tail */
};

struct pending {
	const struct layout *layout; /* constant */
	struct extent_queue joined;  /* of the newest joined state */
	struct extent_queue own;     /* of the transaction under way */
	uint64_t next_scan; /* number of the commit that counts again what could be freed, */
	uint32_t next_scan_chained; /* or length of the chain that does */
	uint64_t n_commits;
	uint32_t n_to_rotate;          /* list pages that the last count marked */
	uint64_t n_list_pages_written; /* for display */
};

/* Reads the chain that the record of generation gen names. -ENOMEM, VERSO_ECORRUPT, I/O errors. */
int pending_init(struct pending *p, struct pager *pager, const struct layout *layout,
	const struct space_record *record, gen_t gen);
void pending_fini(struct pending *p);

/* Room for n more calls of pending_add(). */
int pending_reserve(struct pending *p, size_t n);
void pending_add(struct pending *p, pgno_t pgno, gen_t birth, gen_t free);

/* Forgets what the transaction under way freed. */
void pending_undo(struct pending *p);

/* True when so many extents wait for the meta that list pages must be written before the commit. */
bool pending_is_long(const struct pending *p);

/*
 * Writes PENDING_EARLY_LIST_PAGES list pages now, for a long transaction. bufs: a page buffer for
 * each. Needs that many pages from space_prepare(). On failure (I/O) *ret_n_written is how many
 * are queued as written: the transaction cannot go on, unless it is 0.
 */
int pending_write_list_pages(struct pending *p, struct space *space, struct pager *pager, gen_t gen,
	void *bufs, uint32_t *ret_n_written);

/*
 * Frees what the flushes and readers allow by now. gen: of the transaction under way. On failure
 * some may be free and the rest waits. _all is for a file that is short of free pages; _some for
 * each commit, whose cost it bounds.
 */
int pending_reclaim_all(struct pending *p, struct space *space, const struct horizon *h, gen_t gen);
int pending_reclaim_some(struct pending *p, struct space *space, const struct horizon *h,
	gen_t gen);

/* How many list pages pending_commit() writes if n_more extents are added. */
uint32_t pending_count_list_pages(const struct pending *p, size_t n_more);

/* Memory for pending_commit(). */
int pending_prepare_commit(struct pending *p);

/* Queues what the transaction freed, adds list pages to `pages`, fills in the record. */
void pending_commit(struct pending *p, struct space *space, gen_t gen, struct space_pages *pages,
	struct space_record *record);

static inline uint32_t pending_count_pages(const struct pending *p)
{
	return p->joined.n_pages + p->own.n_pages;
}

bool horizon_allows(const struct horizon *h, const struct pending_extent *extent);

#endif
