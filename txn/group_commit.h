/* SPDX-License-Identifier: MIT */
/*
 * A group commit (DeWitt et al. 1984): what joined transactions want on disk, flushed together
 * under one meta.
 *
 * It holds the sealed pages of the transactions (memory of the pager), the pages of the free space
 * and the newest generation's meta. What a transaction needs is reserved before it joins, so
 * joining and flushing allocate nothing.
 */
#ifndef TXN_GROUP_COMMIT_H
#define TXN_GROUP_COMMIT_H

#include "space/pages.h"
#include "txn/meta.h"

#include <pthread.h>

struct group_commit {
	pgno_t *own; /* page numbers of the pager's fresh, sealed pages, in the order of joining */
	uint32_t n_own, cap_own;
	uint32_t n_own_promised;  /* what n_own may become */
	struct space_pages pages; /* bitmaps, index, list pages */
	struct page_write *set;   /* room for all of it and the meta */
	uint32_t cap_set;
	struct meta meta;
	void *meta_bytes; /* a slot, aligned */
	uint32_t slot_bytes;
	uint32_t n_unproved; /* pages that were written before: spilled ones and early list pages */
	uint32_t n_joined;   /* transactions */
	bool published;      /* a reader may have seen a generation of this group commit */

	/*
	 * For threads that wait for it, under env->lock. Broadcast: it is flushed, or it failed.
	 * Signal: no thread leads it, and the one that is woken should.
	 */
	pthread_cond_t moved;
};

int group_commit_init(struct group_commit *group, const struct layout *layout);
void group_commit_fini(struct group_commit *group); /* no thread waits for it */

/* Makes room for that many more pages of either sort. -ENOMEM: nothing changed. */
int group_commit_reserve(struct group_commit *group, uint32_t n_own, uint32_t n_pages);

void group_commit_add_own(struct group_commit *group, pgno_t pgno);

/* For qsort() and bsearch() of page numbers. */
int pgno_compare(const void *a, const void *b);

/* Takes out the own pages whose numbers are in `dead` (sorted), which will never be written, and
 * drops them from the pager; returns how many. */
uint32_t group_commit_drop_dead(struct group_commit *group, struct pager *pager, const pgno_t *dead,
	size_t n_dead);

/* Sorts everything, and the meta when it is given, into group->set; returns how many. */
size_t group_commit_make_set(struct group_commit *group, const struct page_write *meta);

/* Empties it; keeps the memory. */
void group_commit_clear(struct group_commit *group);

static inline bool group_commit_is_empty(const struct group_commit *group)
{
	return group->n_joined == 0;
}

#endif
