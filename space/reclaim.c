/* SPDX-License-Identifier: MIT */
/*
 * Reclaiming: which pending extents become free, at a commit and before a transaction. A plan is
 * made first, which may fail; carrying it out does not.
 */
#include "space/pending_int.h"

#include <string.h>

#define ROTATE_CHUNKS    16U  /* a commit takes off so many, and twice what it adds */
#define ROTATE_PLACES    16U  /* but not more than fill so many chunks with their places, */
#define SURVIVING_CHUNKS 16U  /* and queues at most so many chunks of extents again */
#define HARVEST_PAGES    512U /* waiting pages worth a bitmap or two */

/*
 * Counts what the chain could free and marks all of it for rotation if it is half: when the chain
 * has grown by a quarter, so that a count costs a few steps an extent that was queued, or when so
 * many commits have passed that it costs each a few steps.
 */
static void scan_chain(struct pending *p, const struct horizon *h)
{
	uint32_t n = 0;

	p->n_commits++;
	if (p->n_chunks == 0 || p->n_to_rotate > 0 ||
		(p->n_commits < p->next_scan && p->n_chained < p->next_scan_chained))
		return;
	for (uint32_t i = 0; i < p->n_chained; i++)
		n += horizon_allows(h, extent_at(p, i));
	if (n >= p->n_chained - n)
		p->n_to_rotate = p->n_chunks;
	p->next_scan = p->n_commits + 1 + p->n_chained / 256;
	p->next_scan_chained = p->n_chained + p->n_chained / 4;
}

static int load_allowed(struct pending *p, struct space *space, const struct horizon *h,
	uint32_t from, uint32_t to)
{
	int rc = 0;

	for (uint32_t i = from; rc == 0 && i < to; i++) {
		if (!horizon_allows(h, extent_at(p, i)))
			continue;
		p->plan.n_allowed++;
		if (i < p->n_chained)
			p->plan.n_survivors--;
		rc = space_load(space, extent_at(p, i)->pgno, extent_at(p, i)->n_pages);
	}
	return rc;
}

/* No more than these can be chained after the plan was carried out. */
uint32_t pending_count_chunks(const struct pending *p)
{
	uint32_t n = p->n - p->n_chained + p->plan.n_rotate + p->plan.n_survivors;

	return n > p->layout->pending_max ? (n - 1) / p->layout->chunk_extents + 1 : 0;
}

/* Which of the oldest chunks are taken off, n_most at most; loads the regions that gain from it. */
static int plan_rotation(struct pending *p, struct space *space, const struct horizon *h,
	uint32_t n_most)
{
	uint32_t at = 0;
	int rc = 0;

	if (n_most > p->n_to_rotate)
		n_most = p->n_to_rotate;
	while (rc == 0 && p->plan.n_rotate < n_most &&
		p->plan.n_survivors <= SURVIVING_CHUNKS * p->layout->chunk_extents) {
		uint32_t n = chunk_at(p, p->plan.n_rotate++)->n_extents;

		p->plan.n_survivors += n;
		rc = load_allowed(p, space, h, at, at + n);
		at += n;
	}
	return rc;
}

int pending_prepare_commit(struct pending *p, struct space *space, const struct horizon *h)
{
	uint32_t n_added =
		p->n_chunks - p->saved.n_chunks + (p->n - p->n_chained) / p->layout->chunk_extents;
	uint32_t n_rotate = ROTATE_CHUNKS + 2 * n_added, n_chunks;
	int rc;

	ASSERT(!pending_is_long(p));
	/* Chunks that this very transaction wrote early are not rotated by it. */
	if (n_rotate > p->saved.n_chunks)
		n_rotate = p->saved.n_chunks;
	if (n_rotate > ROTATE_PLACES * p->layout->chunk_extents)
		n_rotate = ROTATE_PLACES * p->layout->chunk_extents;
	scan_chain(p, h);
	memset(&p->plan, 0, sizeof(p->plan));
	p->plan.harvest =
		p->n - p->n_chained > p->layout->pending_max || p->n_tail_pages > HARVEST_PAGES;
	rc = plan_rotation(p, space, h, n_rotate);
	if (rc == 0 && p->plan.harvest)
		rc = load_allowed(p, space, h, p->n_chained, p->n);
	n_chunks = pending_count_chunks(p);
	if (rc == 0)
		rc = pending_reserve(p, p->plan.n_survivors + p->plan.n_rotate);
	if (rc == 0)
		rc = chunks_reserve(p, n_chunks);
	ASSERT(n_chunks <= SPACE_PREPARE_MAX);
	if (rc == 0 && n_chunks > 0)
		rc = space_prepare(space, n_chunks);
	return rc;
}

static void take_off(struct pending *p, const struct pending_extent *e)
{
	p->n_pages -= e->n_pages;
}

/* Nobody can reach these pages any more: what a cache still holds of them is in its way. */
static void set_free(struct space *space, const struct pending_extent *e)
{
	space_give(space, e->pgno, e->n_pages);
	pager_drop(space->pager, e->pgno, e->n_pages);
}

static void rotate_oldest(struct pending *p, struct space *space, const struct horizon *h,
	gen_t gen)
{
	struct chunk chunk = *chunk_at(p, 0);

	for (uint32_t i = 0; i < chunk.n_extents; i++) {
		struct pending_extent e = *extent_at(p, 0);

		p->first++;
		p->n--;
		p->n_chained--;
		take_off(p, &e);
		if (horizon_allows(h, &e))
			set_free(space, &e);
		else
			pending_queue(p, &e);
	}
	p->first_chunk++;
	p->n_chunks--;
	if (--p->n_to_rotate == 0)
		p->next_scan = 0; /* it paid: what was queued meanwhile may be free by now */
	pending_add(p, chunk.ref.pgno, gen, gen);
}

static void harvest_tail(struct pending *p, struct space *space, const struct horizon *h,
	uint32_t end)
{
	uint32_t kept = p->n_chained;

	for (uint32_t i = p->n_chained; i < p->n; i++) {
		struct pending_extent e = *extent_at(p, i);

		if (i < end && horizon_allows(h, &e)) {
			take_off(p, &e);
			p->n_tail_pages -= e.n_pages;
			set_free(space, &e);
		} else {
			*extent_at(p, kept++) = e;
		}
	}
	p->n = kept;
}

static void carry_out(struct pending *p, struct space *space, const struct horizon *h, gen_t gen)
{
	p->n_kept = 0;
	if (p->plan.harvest)
		harvest_tail(p, space, h, p->n);
	for (; p->plan.n_rotate > 0; p->plan.n_rotate--)
		rotate_oldest(p, space, h, gen);
}

int pending_reclaim(struct pending *p, struct space *space, const struct horizon *h, gen_t gen)
{
	int rc;

	scan_chain(p, h);
	memset(&p->plan, 0, sizeof(p->plan));
	p->plan.harvest = true;
	rc = load_allowed(p, space, h, p->n_chained, p->n);
	if (rc == 0)
		rc = plan_rotation(p, space, h, p->n_chunks);
	if (rc == 0)
		rc = pending_reserve(p, p->plan.n_survivors + p->plan.n_rotate);
	if (rc == 0)
		carry_out(p, space, h, gen);
	return rc;
}

void pending_commit(struct pending *p, struct space *space, const struct horizon *h, gen_t gen,
	struct space_pages *pages, struct space_record *record)
{
	carry_out(p, space, h, gen);
	while (p->n - p->n_chained > p->layout->pending_max) {
		struct page_ref ref = {space_take(space), gen};

		chunk_fill(p, space_pages_add(pages, ref, PAGE_PENDING), space->pager->seed);
	}
	record->chunk = p->n_chunks ? chunk_at(p, p->n_chunks - 1)->ref : (struct page_ref){0, 0};
	record->n_chunks = p->n_chunks;
	record->n_chained = p->n_chained;
	record->n_pending = p->n - p->n_chained;
	for (uint32_t i = 0; i < record->n_pending; i++)
		record->pending[i] = *extent_at(p, p->n_chained + i);
}
