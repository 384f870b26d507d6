/* SPDX-License-Identifier: MIT */
/* A queue of extents and its list pages; what the files of the pending list share. */
#ifndef SPACE_QUEUE_H
#define SPACE_QUEUE_H

#include "base/assert.h"
#include "space/pending.h"

static inline struct pending_extent *queue_extent(const struct extent_queue *q, uint32_t i)
{
	return &q->extents[q->first + i];
}

static inline struct list_page *queue_list_page(const struct extent_queue *q, uint32_t i)
{
	return &q->list_pages[q->first_list_page + i];
}

static inline uint32_t queue_tail(const struct extent_queue *q)
{
	return q->n - q->n_chained;
}

void queue_fini(struct extent_queue *q);
void queue_clear(struct extent_queue *q); /* keeps the memory */

/* Memory for that many more extents and list pages. */
int queue_reserve(struct extent_queue *q, uint64_t n_extents, uint64_t n_list_pages);

/* Adds an extent at the end, for which there is memory. */
void queue_add(struct extent_queue *q, const struct pending_extent *e);

/* The same, into the last extent of the tail when it is a neighbour with the same generations. */
void queue_merge(struct extent_queue *q, const struct pending_extent *e);

/* Takes the oldest extent of the chain off. */
struct pending_extent queue_pop(struct extent_queue *q);

/* Moves all of `from` behind q, for which there is memory: chain behind chain, tail behind tail. */
void queue_append(struct extent_queue *q, struct extent_queue *from);

/* list_pages.c: reads the chain of a record into the empty queue, which has memory. */
int chain_load(struct extent_queue *q, struct pager *pager, const struct layout *layout,
	const struct space_record *record, gen_t gen, struct page *buf);

/* An extent that was read: VERSO_ECORRUPT when no valid file has it. */
int extent_validate(const struct pending_extent *e, const struct layout *layout,
	const struct space_record *record, gen_t gen);

/* Moves the oldest extents of q's tail into a list page, which is filled and sealed. */
void list_page_fill(struct extent_queue *q, const struct layout *layout, struct page_ref before,
	struct page *page, uint64_t seed);

#endif
