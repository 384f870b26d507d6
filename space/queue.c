/* SPDX-License-Identifier: MIT */
/* The queue of extents: an array with its beginning cut off, chained part first, tail behind. */
#include "space/queue.h"
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

void queue_fini(struct extent_queue *q)
{
	free(q->extents);
	free(q->list_pages);
	memset(q, 0, sizeof(*q));
}

void queue_clear(struct extent_queue *q)
{
	q->first = q->n = q->n_chained = 0;
	q->first_list_page = q->n_list_pages = 0;
	q->n_pages = q->n_tail_pages = 0;
}

int queue_reserve(struct extent_queue *q, uint64_t n_extents, uint64_t n_list_pages)
{
	int rc;

	if (q->first > q->n) {
		memmove(q->extents, queue_extent(q, 0), q->n * sizeof(*q->extents));
		q->first = 0;
	}
	if (q->first_list_page > q->n_list_pages) {
		memmove(q->list_pages, queue_list_page(q, 0),
			q->n_list_pages * sizeof(*q->list_pages));
		q->first_list_page = 0;
	}
	rc = array_reserve(&q->extents, &q->cap, q->first + (uint64_t)q->n + n_extents,
		sizeof(*q->extents));
	if (rc == 0)
		rc = array_reserve(&q->list_pages, &q->cap_list_pages,
			q->first_list_page + (uint64_t)q->n_list_pages + n_list_pages,
			sizeof(*q->list_pages));
	if (rc == 0 && n_extents > 0)
		q->n_promised = q->n + (uint32_t)n_extents;
	return rc;
}

void queue_add(struct extent_queue *q, const struct pending_extent *e)
{
	ASSERT(q->first + q->n < q->cap);
	DCHECK(q->n < q->n_promised);
	*queue_extent(q, q->n++) = *e;
	q->n_tail_pages += e->n_pages;
	q->n_pages += e->n_pages;
}

void queue_merge(struct extent_queue *q, const struct pending_extent *e)
{
	struct pending_extent *last = queue_tail(q) > 0 ? queue_extent(q, q->n - 1) : NULL;
	bool behind = last && last->pgno + last->n_pages == e->pgno;
	bool before = last && e->pgno + e->n_pages == last->pgno;

	if ((!behind && !before) || last->free != e->free || last->birth != e->birth) {
		queue_add(q, e);
		return;
	}
	if (before)
		last->pgno = e->pgno;
	last->n_pages += e->n_pages;
	q->n_tail_pages += e->n_pages;
	q->n_pages += e->n_pages;
}

struct pending_extent queue_pop(struct extent_queue *q)
{
	struct pending_extent e = *queue_extent(q, 0);

	ASSERT(q->n_chained > 0);
	q->first++;
	q->n--;
	q->n_chained--;
	q->n_pages -= e.n_pages;
	return e;
}

void queue_append(struct extent_queue *q, struct extent_queue *from)
{
	ASSERT(q->first + q->n + from->n <= q->cap);
	DCHECK(from->n == 0 || q->n + from->n <= q->n_promised);
	ASSERT(q->first_list_page + q->n_list_pages + from->n_list_pages <= q->cap_list_pages);
	if (from->n > 0) {
		memmove(queue_extent(q, q->n_chained + from->n_chained),
			queue_extent(q, q->n_chained), queue_tail(q) * sizeof(*q->extents));
		memcpy(queue_extent(q, q->n_chained), queue_extent(from, 0),
			from->n_chained * sizeof(*q->extents));
		memcpy(queue_extent(q, q->n + from->n_chained), queue_extent(from, from->n_chained),
			queue_tail(from) * sizeof(*q->extents));
	}
	if (from->n_list_pages > 0)
		memcpy(queue_list_page(q, q->n_list_pages), queue_list_page(from, 0),
			from->n_list_pages * sizeof(*q->list_pages));
	q->n += from->n;
	q->n_chained += from->n_chained;
	q->n_list_pages += from->n_list_pages;
	q->n_pages += from->n_pages;
	q->n_tail_pages += from->n_tail_pages;
	queue_clear(from);
}
