/* SPDX-License-Identifier: MIT */
/*
 * Pages of the pending list, in short list pages: the older extents of a queue, each page with a
 * reference to the one before. A list page never changes (S5).
 */
#include "base/error.h"
#include "space/queue.h"

#include <string.h>

/* --- reading ------------------------------------------------------------------------------- */

int extent_validate(const struct pending_extent *e, const struct layout *layout,
	const struct space_record *record, gen_t gen)
{
	if (!layout_is_ordinary(layout, record->n_pages, e->pgno, e->n_pages) ||
		e->birth > e->free || e->free > gen)
		return error_set(VERSO_ECORRUPT,
			"the list of pending pages has %u pages at %u in a file of %u: damaged, "
			"restore the file from a copy",
			e->n_pages, e->pgno, record->n_pages);
	return 0;
}

static int list_page_read(struct pager *pager, const struct layout *layout, struct page_ref ref,
	struct page *buf, struct page_ref *ret_before, uint32_t *ret_n)
{
	int rc = pager_read_device(pager, ref.pgno, 1, buf);

	if (rc == 0)
		rc = page_verify(buf, layout->page_size, ref, pager->seed);
	if (rc)
		return rc;
	*ret_before = page_ref_get(buf->payload);
	*ret_n = le32_get(buf->payload + 12);
	if (buf->type != PAGE_PENDING || *ret_n == 0 || *ret_n > layout->list_page_extents)
		return error_set(VERSO_ECORRUPT,
			"page %u: expected a page of the pending list (type %d) with 1 to %u "
			"entries, found type %d with %u",
			ref.pgno, PAGE_PENDING, layout->list_page_extents, buf->type, *ret_n);
	return 0;
}

/* The chain runs from new to old; list pages and extents are kept from old to new. */
int chain_load(struct extent_queue *q, struct pager *pager, const struct layout *layout,
	const struct space_record *record, gen_t gen, struct page *buf)
{
	struct page_ref ref = record->list_page, before;
	uint32_t at = record->n_chained, n;
	int rc;

	for (uint32_t c = record->n_list_pages; c-- > 0; ref = before) {
		if (!layout_is_ordinary(layout, record->n_pages, ref.pgno, 1))
			return error_set(VERSO_ECORRUPT,
				"page %u: expected a page of the pending list, found a number "
				"where none can lie",
				ref.pgno);
		rc = list_page_read(pager, layout, ref, buf, &before, &n);
		if (rc)
			return rc;
		if (n > at)
			return error_set(VERSO_ECORRUPT,
				"page %u: more pending pages than the meta says", ref.pgno);
		at -= n;
		*queue_list_page(q, c) = (struct list_page){ref, n};
		for (uint32_t i = 0; i < n; i++) {
			struct pending_extent *e = queue_extent(q, at + i);

			pending_extent_decode(buf->payload + LIST_PAGE_HEADER_BYTES +
						      i * PENDING_EXTENT_BYTES,
				e);
			rc = extent_validate(e, layout, record, gen);
			if (rc)
				return rc;
			q->n_pages += e->n_pages;
		}
	}
	if (at > 0)
		return error_set(VERSO_ECORRUPT, "the chain of pending pages is too short");
	q->n = q->n_chained = record->n_chained;
	q->n_list_pages = record->n_list_pages;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------- */

void list_page_fill(struct extent_queue *q, const struct layout *layout, struct page_ref before,
	struct page *page, uint64_t seed)
{
	uint32_t n = queue_tail(q);

	if (n > layout->list_page_extents)
		n = layout->list_page_extents;
	page_ref_set(page->payload, before);
	le32_set(page->payload + 12, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct pending_extent *e = queue_extent(q, q->n_chained + i);

		pending_extent_encode(e,
			page->payload + LIST_PAGE_HEADER_BYTES + i * PENDING_EXTENT_BYTES);
		q->n_tail_pages -= e->n_pages;
	}
	page_seal(page, layout->page_size, seed);
	ASSERT(q->first_list_page + q->n_list_pages < q->cap_list_pages);
	*queue_list_page(q, q->n_list_pages++) = (struct list_page){page_ref(page), n};
	q->n_chained += n;
}

bool pending_is_long(const struct pending *p)
{
	return queue_tail(&p->own) > PENDING_EARLY_LIST_PAGES * p->layout->list_page_extents;
}

int pending_write_list_pages(struct pending *p, struct space *space, struct pager *pager, gen_t gen,
	void *bufs, uint32_t *ret_n_written)
{
	const struct extent_queue *last = p->own.n_list_pages ? &p->own : &p->joined;
	struct page_write set[PENDING_EARLY_LIST_PAGES];
	struct page_ref newest = {0, 0};
	int rc = queue_reserve(&p->own, 0, PENDING_EARLY_LIST_PAGES);

	*ret_n_written = 0;
	if (rc)
		return rc;
	if (last->n_list_pages)
		newest = queue_list_page(last, last->n_list_pages - 1)->ref;
	for (uint32_t i = 0; i < PENDING_EARLY_LIST_PAGES; i++) {
		struct page_ref ref = {space_take(space), gen};
		struct page *page = (struct page *)((uint8_t *)bufs +
						    i * page_buffer_bytes(p->layout->page_size));

		memset(page, 0, p->layout->page_size);
		page_init(page, ref, PAGE_PENDING, 0, 0);
		list_page_fill(&p->own, p->layout, newest, page, pager->seed);
		set[i] = (struct page_write){ref.pgno, 1, page};
		newest = ref;
	}
	p->n_list_pages_written += PENDING_EARLY_LIST_PAGES;
	*ret_n_written = PENDING_EARLY_LIST_PAGES;
	page_writes_sort(set, PENDING_EARLY_LIST_PAGES);
	return pager_write(pager, set, PENDING_EARLY_LIST_PAGES);
}
