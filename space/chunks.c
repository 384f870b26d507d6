/* SPDX-License-Identifier: MIT */
/*
 * Chunks: the older extents of the queue, in pages of which each refers to the one before. A chunk
 * never changes.
 */
#include "base/array.h"
#include "base/error.h"
#include "space/pending_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int extent_validate(const struct pending *p, const struct pending_extent *e,
	const struct space_record *record, gen_t gen)
{
	if (!layout_is_ordinary(p->layout, record->n_pages, e->pgno, e->n_pages) ||
		e->birth > e->free || e->free > gen)
		return error_set(VERSO_ECORRUPT,
			"the list of pending pages has %u pages at %u in a file of %u: damaged, "
			"restore the file from a copy",
			e->n_pages, e->pgno, record->n_pages);
	return 0;
}

static int chunk_read(struct pending *p, struct pager *pager, struct page_ref ref, struct page *buf,
	struct page_ref *ret_before, uint32_t *ret_n)
{
	int rc = pager_read_medium(pager, ref.pgno, 1, buf);

	if (rc == 0)
		rc = page_verify(buf, p->layout->page_size, ref, pager->seed);
	if (rc)
		return rc;
	*ret_before = page_ref_get(buf->payload);
	*ret_n = le32_get(buf->payload + 12);
	if (buf->type != PAGE_PENDING || *ret_n == 0 || *ret_n > p->layout->chunk_extents)
		return error_set(VERSO_ECORRUPT, "page %u: no chunk of pending pages", ref.pgno);
	return 0;
}

/* The chain runs from new to old; chunks and extents are kept from old to new. */
int chain_load(struct pending *p, struct pager *pager, const struct space_record *record, gen_t gen,
	struct page *buf)
{
	struct page_ref ref = record->chunk, before;
	uint32_t at = record->n_chained, n;
	int rc;

	for (uint32_t c = record->n_chunks; c-- > 0; ref = before) {
		if (!layout_is_ordinary(p->layout, record->n_pages, ref.pgno, 1))
			return error_set(VERSO_ECORRUPT,
				"page %u: no place for a chunk of pending pages", ref.pgno);
		rc = chunk_read(p, pager, ref, buf, &before, &n);
		if (rc)
			return rc;
		if (n > at)
			return error_set(VERSO_ECORRUPT,
				"page %u: more pending pages than the meta says", ref.pgno);
		at -= n;
		p->chunks[c] = (struct chunk){ref, n};
		for (uint32_t i = 0; i < n; i++) {
			pending_extent_decode(buf->payload + CHUNK_HEADER_BYTES +
						      i * PENDING_EXTENT_BYTES,
				&p->extents[at + i]);
			rc = extent_validate(p, &p->extents[at + i], record, gen);
			if (rc)
				return rc;
		}
	}
	return at == 0 ? 0 : error_set(VERSO_ECORRUPT, "the chain of pending pages is too short");
}

int chunks_reserve(struct pending *p, uint32_t n)
{
	if (p->first_chunk > p->n_chunks) {
		memmove(p->chunks, p->chunks + p->first_chunk, p->n_chunks * sizeof(*p->chunks));
		p->first_chunk = 0;
	}
	return array_reserve(&p->chunks, &p->cap_chunks, (uint64_t)p->first_chunk + p->n_chunks + n,
		sizeof(*p->chunks));
}

/* Moves the oldest extents of the tail into a chunk page, which is filled and sealed. */
void chunk_fill(struct pending *p, struct page *page, uint64_t seed)
{
	struct page_ref before = {0, 0};
	uint32_t n = p->n - p->n_chained;

	if (n > p->layout->chunk_extents)
		n = p->layout->chunk_extents;
	if (p->n_chunks)
		before = chunk_at(p, p->n_chunks - 1)->ref;
	page_ref_set(page->payload, before);
	le32_set(page->payload + 12, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct pending_extent *e = extent_at(p, p->n_chained + i);

		pending_extent_encode(e,
			page->payload + CHUNK_HEADER_BYTES + i * PENDING_EXTENT_BYTES);
		p->n_tail_pages -= e->n_pages;
	}
	page_seal(page, p->layout->page_size, seed);
	ASSERT(p->first_chunk + p->n_chunks < p->cap_chunks);
	p->chunks[p->first_chunk + p->n_chunks++] = (struct chunk){page_ref(page), n};
	p->n_chained += n;
	p->n_chunks_written++;
}

bool pending_is_long(const struct pending *p)
{
	return p->n - p->n_chained >
	       p->layout->pending_max + PENDING_EARLY_CHUNKS * p->layout->chunk_extents;
}

int pending_write_chunks(struct pending *p, struct space *space, struct pager *pager, gen_t gen,
	void *bufs, uint32_t *ret_n_written)
{
	struct page_write set[PENDING_EARLY_CHUNKS];
	int rc = chunks_reserve(p, PENDING_EARLY_CHUNKS);

	*ret_n_written = 0;
	if (rc)
		return rc;
	for (uint32_t i = 0; i < PENDING_EARLY_CHUNKS; i++) {
		struct page_ref ref = {space_take(space), gen};
		struct page *page = (struct page *)((uint8_t *)bufs +
						    i * page_buffer_bytes(p->layout->page_size));

		memset(page, 0, p->layout->page_size);
		page_init(page, ref, PAGE_PENDING, 0, 0);
		chunk_fill(p, page, pager->seed);
		set[i] = (struct page_write){ref.pgno, 1, page};
	}
	*ret_n_written = PENDING_EARLY_CHUNKS;
	page_writes_sort(set, PENDING_EARLY_CHUNKS);
	return pager_write(pager, set, PENDING_EARLY_CHUNKS);
}
