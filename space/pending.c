/* SPDX-License-Identifier: MIT */
/*
 * The queue of pending extents, and what a flush and readers allow of it.
 */
#include "base/array.h"
#include "base/error.h"
#include "space/pending_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_extents(const void *a, const void *b)
{
	const struct pending_extent *x = a, *y = b;

	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

/* All extents are valid by themselves: none may be in another. */
static int extents_validate(const struct pending *p)
{
	struct pending_extent *sorted;
	int rc = 0;

	if (p->n == 0)
		return 0;
	sorted = malloc(p->n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, p->extents, p->n * sizeof(*sorted));
	qsort(sorted, p->n, sizeof(*sorted), compare_extents);
	for (uint32_t i = 1; rc == 0 && i < p->n; i++) {
		if (sorted[i].pgno - sorted[i - 1].pgno < sorted[i - 1].n_pages)
			rc = error_set(VERSO_ECORRUPT,
				"page %u is in the list of pending pages twice: damaged, restore "
				"the file from a copy",
				sorted[i].pgno);
	}
	free(sorted);
	return rc;
}

int pending_init(struct pending *p, struct pager *pager, const struct layout *layout,
	const struct space_record *record, gen_t gen)
{
	struct page *buf;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	p->layout = layout;
	/* Every extent has a page and every chunk an extent. */
	if (record->n_chained > record->n_pages || record->n_chunks > record->n_chained)
		return error_set(VERSO_ECORRUPT, "the meta counts more pending pages than pages");
	p->n = record->n_chained + record->n_pending;
	p->n_chained = record->n_chained;
	p->n_chunks = record->n_chunks;
	p->cap = p->n + 64;
	p->cap_chunks = p->n_chunks + 64;
	p->extents = calloc(p->cap, sizeof(*p->extents));
	p->chunks = calloc(p->cap_chunks, sizeof(*p->chunks));
	buf = page_buffers_alloc(layout->page_size, 1);
	if (!buf || !p->extents || !p->chunks)
		rc = -ENOMEM;
	if (rc == 0)
		rc = chain_load(p, pager, record, gen, buf);
	free(buf);
	for (uint32_t i = 0; rc == 0 && i < record->n_pending; i++) {
		p->extents[p->n_chained + i] = record->pending[i];
		p->n_tail_pages += record->pending[i].n_pages;
		rc = extent_validate(p, &record->pending[i], record, gen);
	}
	if (rc == 0)
		rc = extents_validate(p);
	for (uint32_t i = 0; rc == 0 && i < p->n; i++)
		p->n_pages += p->extents[i].n_pages;
	if (rc)
		pending_fini(p);
	return rc;
}

void pending_fini(struct pending *p)
{
	free(p->extents);
	free(p->chunks);
	memset(p, 0, sizeof(*p));
}

void pending_begin(struct pending *p)
{
	p->saved.n = p->n;
	p->saved.n_chained = p->n_chained;
	p->saved.n_chunks = p->n_chunks;
	p->saved.n_pages = p->n_pages;
	p->saved.n_tail_pages = p->n_tail_pages;
	p->n_kept = p->n;
}

void pending_undo(struct pending *p)
{
	p->n = p->saved.n;
	p->n_chained = p->saved.n_chained;
	p->n_chunks = p->saved.n_chunks;
	p->n_pages = p->saved.n_pages;
	p->n_tail_pages = p->saved.n_tail_pages;
}

int pending_reserve(struct pending *p, size_t n)
{
	if (p->first > p->n) {
		memmove(p->extents, p->extents + p->first, p->n * sizeof(*p->extents));
		p->first = 0;
	}
	return array_reserve(&p->extents, &p->cap, (uint64_t)p->first + p->n + n,
		sizeof(*p->extents));
}

void pending_queue(struct pending *p, const struct pending_extent *e)
{
	ASSERT(p->first + p->n < p->cap);
	*extent_at(p, p->n++) = *e;
	p->n_tail_pages += e->n_pages;
	p->n_pages += e->n_pages;
}

void pending_add(struct pending *p, pgno_t pgno, gen_t birth, gen_t free)
{
	/* Not into an extent that an undo keeps: what is undone must be whole extents. */
	if (p->n > p->n_chained && p->n > p->n_kept) {
		struct pending_extent *last = extent_at(p, p->n - 1);

		if (last->free == free && last->birth == birth &&
			last->pgno + last->n_pages == pgno) {
			last->n_pages++;
			p->n_pages++;
			p->n_tail_pages++;
			return;
		}
	}
	pending_queue(p, &(struct pending_extent){pgno, 1, birth, free});
}

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
