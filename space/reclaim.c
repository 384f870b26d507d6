/* SPDX-License-Identifier: MIT */
/*
 * Reclaiming: pending extents of joined generations become free. Of each step (the tail, a list
 * page) what can fail comes first, and nothing of it is undone by an abort: what is free then is
 * free.
 */
#include "space/queue.h"

/*
 * A commit takes off so many list pages, and twice what it adds, while what must still wait makes
 * no more than so many again.
 */
#define ROTATE_LIST_PAGES    16U
#define SURVIVING_LIST_PAGES 16U
/* A file that is short of pages: what its commit can still write beside its own list pages. */
#define SURVIVING_LIST_PAGES_MAX (SPACE_PREPARE_MAX - PENDING_EARLY_LIST_PAGES - 8U)
#define HARVEST_PAGES            512U /* waiting pages worth a bitmap or two */

bool horizon_allows(const struct horizon *h, const struct pending_extent *e)
{
	size_t low = 0, high = h->n_readers;

	if (e->free > h->flushed)
		return false;
	while (low < high) { /* the first reader that is not older than the page */
		size_t mid = low + (high - low) / 2;

		if (h->readers[mid] < e->birth)
			low = mid + 1;
		else
			high = mid;
	}
	return low == h->n_readers || h->readers[low] >= e->free;
}

/* --- one step ------------------------------------------------------------------------------ */

static int promise_allowed(const struct extent_queue *q, struct space *space,
	const struct horizon *h, uint32_t from, uint32_t to)
{
	int rc = 0;

	for (uint32_t i = from; rc == 0 && i < to; i++) {
		const struct pending_extent *e = queue_extent(q, i);

		if (horizon_allows(h, e))
			rc = space_promise_give(space, e->pgno, e->n_pages);
	}
	return rc;
}

/* T4 without the search of horizon_allows(), which it checks: a reader between birth and free. */
static bool is_seen(const struct horizon *h, const struct pending_extent *e)
{
	for (size_t i = 0; i < h->n_readers; i++) {
		if (h->readers[i] >= e->birth && h->readers[i] < e->free)
			return true;
	}
	return false;
}

/* No state and no reader reaches these pages any more: dropping them makes room in a cache. */
static void set_free(struct space *space, const struct horizon *h, const struct pending_extent *e)
{
	DCHECK(e->birth <= e->free);
	ASSERT(e->free <= h->flushed); /* T4: the durable state does not have them */
	DCHECK(!is_seen(h, e));        /* T4: nor does a snapshot */
	space_give(space, e->pgno, e->n_pages);
	pager_drop(space->pager, e->pgno, e->n_pages);
}

static int harvest_tail(struct extent_queue *q, struct space *space, const struct horizon *h)
{
	uint32_t kept = q->n_chained;
	int rc = promise_allowed(q, space, h, q->n_chained, q->n);

	if (rc)
		return rc;
	for (uint32_t i = q->n_chained; i < q->n; i++) {
		struct pending_extent e = *queue_extent(q, i);

		if (horizon_allows(h, &e)) {
			q->n_pages -= e.n_pages;
			q->n_tail_pages -= e.n_pages;
			set_free(space, h, &e);
		} else {
			*queue_extent(q, kept++) = e;
		}
	}
	q->n = kept;
	return 0;
}

static int rotate_oldest(struct extent_queue *q, struct space *space, const struct horizon *h,
	gen_t gen)
{
	struct list_page page = *queue_list_page(q, 0);
	int rc = promise_allowed(q, space, h, 0, page.n_extents);

	if (rc == 0)
		rc = queue_reserve(q, page.n_extents + 1U, 0);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < page.n_extents; i++) {
		struct pending_extent e = queue_pop(q);

		if (horizon_allows(h, &e))
			set_free(space, h, &e);
		else
			queue_add(q, &e);
	}
	q->first_list_page++;
	q->n_list_pages--;
	/* The flushed state has the list page until the next one is flushed; no snapshot has it. */
	queue_add(q, &(struct pending_extent){page.ref.pgno, 1, gen, gen});
	return 0;
}

/* --- how much ------------------------------------------------------------------------------ */

/*
 * Counts what the chain could free and marks all of it for rotation if it is half: when the chain
 * has grown by a quarter, so that a count costs a few steps an extent that was queued, or when so
 * many commits have passed that it costs each a few steps.
 */
static void scan_chain(struct pending *p, const struct horizon *h, bool is_due)
{
	const struct extent_queue *q = &p->joined;
	uint32_t n = 0;

	is_due = is_due || p->n_commits >= p->next_scan || q->n_chained >= p->next_scan_chained;
	if (q->n_list_pages == 0 || p->n_to_rotate > 0 || !is_due)
		return;
	for (uint32_t i = 0; i < q->n_chained; i++)
		n += horizon_allows(h, queue_extent(q, i));
	if (n >= q->n_chained - n)
		p->n_to_rotate = q->n_list_pages;
	p->next_scan = p->n_commits + 1 + q->n_chained / 256;
	p->next_scan_chained = q->n_chained + q->n_chained / 4;
}

static int rotate(struct pending *p, struct space *space, const struct horizon *h, gen_t gen,
	uint32_t n_most, uint32_t n_surviving)
{
	int rc = 0;

	for (; rc == 0 && n_most > 0 && p->n_to_rotate > 0 &&
		queue_tail(&p->joined) <= n_surviving * p->layout->list_page_extents;
		n_most--) {
		rc = rotate_oldest(&p->joined, space, h, gen);
		if (rc == 0 && --p->n_to_rotate == 0)
			p->next_scan =
				0; /* it paid: what was queued meanwhile may be free by now */
	}
	return rc;
}

int pending_reclaim_all(struct pending *p, struct space *space, const struct horizon *h, gen_t gen)
{
	int rc = harvest_tail(&p->joined, space, h);

	scan_chain(p, h, true);
	return rc ? rc : rotate(p, space, h, gen, UINT32_MAX, SURVIVING_LIST_PAGES_MAX);
}

int pending_reclaim_some(struct pending *p, struct space *space, const struct horizon *h, gen_t gen)
{
	uint32_t n_added = p->own.n_list_pages + queue_tail(&p->own) / p->layout->list_page_extents;
	int rc = 0;

	p->n_commits++;
	scan_chain(p, h, false);
	if (queue_tail(&p->joined) + queue_tail(&p->own) > p->layout->pending_max ||
		p->joined.n_tail_pages + p->own.n_tail_pages > HARVEST_PAGES)
		rc = harvest_tail(&p->joined, space, h);
	return rc ? rc
		  : rotate(p, space, h, gen, ROTATE_LIST_PAGES + 2 * n_added, SURVIVING_LIST_PAGES);
}
