/* SPDX-License-Identifier: MIT */
/*
 * A batch: what joined transactions want on disk, flushed together under one meta.
 *
 * It holds the sealed pages of the transactions (memory of the pager), the pages of the free space
 * and the newest generation's meta. What a transaction needs is reserved before it joins, so
 * joining and flushing allocate nothing.
 */
#ifndef TXN_BATCH_H
#define TXN_BATCH_H

#include "space/pages.h"
#include "txn/meta.h"

#include <pthread.h>

struct batch {
	pgno_t *own; /* places of the pager's fresh, sealed pages, in the order of joining */
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
	bool published;      /* a reader may have seen a generation of this batch */

	/* For those who wait for it, under env->lock: it is flushed, or it failed, for all; nobody
	 * leads it and somebody should, for one. */
	pthread_cond_t moved;
};

int batch_init(struct batch *batch, const struct layout *layout);
void batch_fini(struct batch *batch); /* nobody waits for it */

/* Makes room for that many more pages of either sort. -ENOMEM: nothing changed. */
int batch_reserve(struct batch *batch, uint32_t n_own, uint32_t n_pages);

void batch_add_own(struct batch *batch, pgno_t pgno);

/* For qsort() and bsearch() of places. */
int pgno_compare(const void *a, const void *b);

/* Takes out the own pages whose places are in `dead` (sorted), which will never be written, and
 * drops them from the pager; returns how many. */
uint32_t batch_drop_dead(struct batch *batch, struct pager *pager, const pgno_t *dead,
	size_t n_dead);

/* Sorts everything, and the meta when it is given, into batch->set; returns how many. */
size_t batch_make_set(struct batch *batch, const struct page_write *meta);

/* Empties it; keeps the memory. */
void batch_clear(struct batch *batch);

static inline bool batch_is_empty(const struct batch *batch)
{
	return batch->n_joined == 0;
}

#endif
