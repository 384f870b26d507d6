/* SPDX-License-Identifier: MIT */
#include "space/pending.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROTATE_CHUNKS    16U  /* a commit takes off so many, and twice what it adds */
#define ROTATE_PLACES    16U  /* but not more than fill so many chunks with their places, */
#define SURVIVING_CHUNKS 16U  /* and queues at most so many chunks of extents again */
#define HARVEST_PAGES    512U /* waiting pages worth a bitmap or two */

static struct pending_extent *extent_at(const struct pending *p, uint32_t i)
{
	return &p->extents[p->first + i];
}

static struct chunk *chunk_at(const struct pending *p, uint32_t i)
{
	return &p->chunks[p->first_chunk + i];
}

/* --- reading the chain --------------------------------------------------------------------- */

static int extent_validate(const struct pending *p, const struct pending_extent *e,
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
static int chain_load(struct pending *p, struct pager *pager, const struct space_record *record,
	gen_t gen, struct page *buf)
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

/* --- the queue ----------------------------------------------------------------------------- */

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
	size_t need = (size_t)p->first + p->n + n;
	size_t cap = p->cap ? p->cap : 64;
	struct pending_extent *extents;

	if (need <= p->cap)
		return 0;
	if (p->first > p->n) {
		memmove(p->extents, p->extents + p->first, p->n * sizeof(*p->extents));
		p->first = 0;
		return pending_reserve(p, n);
	}
	while (cap < need)
		cap *= 2;
	if (cap > UINT32_MAX)
		return -ENOMEM;
	extents = realloc(p->extents, cap * sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	p->extents = extents;
	p->cap = (uint32_t)cap;
	return 0;
}

static void queue_extent(struct pending *p, const struct pending_extent *e)
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
	queue_extent(p, &(struct pending_extent){pgno, 1, birth, free});
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

/* --- chunks -------------------------------------------------------------------------------- */

static int chunks_reserve(struct pending *p, uint32_t n)
{
	uint32_t need = p->first_chunk + p->n_chunks + n, cap = p->cap_chunks;
	struct chunk *chunks;

	if (need <= cap)
		return 0;
	if (p->first_chunk > p->n_chunks) {
		memmove(p->chunks, p->chunks + p->first_chunk, p->n_chunks * sizeof(*p->chunks));
		p->first_chunk = 0;
		return chunks_reserve(p, n);
	}
	while (cap < need)
		cap *= 2;
	chunks = realloc(p->chunks, cap * sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	p->chunks = chunks;
	p->cap_chunks = cap;
	return 0;
}

/* Moves the oldest extents of the tail into a chunk page, which is filled and sealed. */
static void chunk_fill(struct pending *p, struct page *page, uint64_t seed)
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

/* --- the commit ---------------------------------------------------------------------------- */

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
			queue_extent(p, &e);
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
