/* SPDX-License-Identifier: MIT */
/* The pending list: opening it, adding to it, joining. */
#include "base/error.h"
#include "space/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- opening ------------------------------------------------------------------------------- */

static int compare_extents(const void *a, const void *b)
{
	const struct pending_extent *x = a, *y = b;

	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

/* All extents are valid by themselves: no page may be in two. */
static int extents_validate(const struct extent_queue *q)
{
	struct pending_extent *sorted;
	int rc = 0;

	if (q->n == 0)
		return 0;
	sorted = malloc(q->n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, queue_extent(q, 0), q->n * sizeof(*sorted));
	qsort(sorted, q->n, sizeof(*sorted), compare_extents);
	for (uint32_t i = 1; rc == 0 && i < q->n; i++) {
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
	struct extent_queue *q = &p->joined;
	struct page *buf;
	int rc;

	memset(p, 0, sizeof(*p));
	p->layout = layout;
	/* Every extent has a page and every list page an extent. */
	if (record->n_chained > record->n_pages || record->n_list_pages > record->n_chained)
		return error_set(VERSO_ECORRUPT, "the meta counts more pending pages than pages");
	buf = page_buffers_alloc(layout->page_size, 1);
	rc = buf ? queue_reserve(q, (uint64_t)record->n_chained + record->n_pending,
			   record->n_list_pages)
		 : -ENOMEM;
	if (rc == 0)
		rc = chain_load(q, pager, layout, record, gen, buf);
	free(buf);
	for (uint32_t i = 0; rc == 0 && i < record->n_pending; i++) {
		rc = extent_validate(&record->pending[i], layout, record, gen);
		if (rc == 0)
			queue_add(q, &record->pending[i]);
	}
	if (rc == 0)
		rc = extents_validate(q);
	if (rc)
		pending_fini(p);
	return rc;
}

void pending_fini(struct pending *p)
{
	queue_fini(&p->joined);
	queue_fini(&p->own);
	memset(p, 0, sizeof(*p));
}

/* --- a transaction ------------------------------------------------------------------------- */

int pending_reserve(struct pending *p, size_t n)
{
	return queue_reserve(&p->own, n, 0);
}

void pending_add(struct pending *p, pgno_t pgno, gen_t birth, gen_t free)
{
	ASSERT(birth <= free); /* T4: the readers between the two hold it back */
	queue_merge(&p->own, &(struct pending_extent){pgno, 1, birth, free});
}

void pending_undo(struct pending *p)
{
	queue_clear(&p->own);
}

/* --- its commit ---------------------------------------------------------------------------- */

uint32_t pending_count_list_pages(const struct pending *p, size_t n_more)
{
	uint64_t n = (uint64_t)queue_tail(&p->joined) + queue_tail(&p->own) + n_more;

	if (n <= p->layout->pending_max)
		return 0;
	return (uint32_t)((n - p->layout->pending_max - 1) / p->layout->list_page_extents + 1);
}

int pending_prepare_commit(struct pending *p)
{
	return queue_reserve(&p->joined, p->own.n,
		(uint64_t)p->own.n_list_pages + pending_count_list_pages(p, 0));
}

void pending_commit(struct pending *p, struct space *space, gen_t gen, struct space_pages *pages,
	struct space_record *record)
{
	struct extent_queue *q = &p->joined;
	struct page_ref newest = {0, 0};

	queue_append(q, &p->own);
	if (q->n_list_pages)
		newest = queue_list_page(q, q->n_list_pages - 1)->ref;
	for (uint32_t n = pending_count_list_pages(p, 0); n > 0; n--) {
		struct page_ref ref = {space_take(space), gen};

		list_page_fill(q, p->layout, newest, space_pages_add(pages, ref, PAGE_PENDING),
			space->pager->seed);
		p->n_list_pages_written++;
		newest = ref;
	}
	ASSERT(queue_tail(q) <= p->layout->pending_max);
	record->list_page = newest;
	record->n_list_pages = q->n_list_pages;
	record->n_chained = q->n_chained;
	record->n_pending = queue_tail(q);
	for (uint32_t i = 0; i < record->n_pending; i++)
		record->pending[i] = *queue_extent(q, q->n_chained + i);
}
