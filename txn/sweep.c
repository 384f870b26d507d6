/* SPDX-License-Identifier: MIT */
/* Visiting all pages of a snapshot, level by level, in the order of the file. */
#include "txn/sweep.h"

#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

#define GAP_BYTES 65536U /* what is read in vain rather than ending a read */

static void set_bit(uint8_t *bitmap, pgno_t pgno)
{
	bitmap[pgno / 8] |= (uint8_t)(1U << (pgno % 8));
}

/* The first page from `from` on whose bit is set, or n. */
static pgno_t find_bit(const uint8_t *bitmap, pgno_t from, pgno_t n)
{
	while (from < n) {
		if (from % 8 == 0 && bitmap[from / 8] == 0) {
			from = n - from > 8 ? from + 8 : n;
			continue;
		}
		if (sweep_has(bitmap, from))
			return from;
		from++;
	}
	return n;
}

/* What a reference, or a page that answers to one, adds to the sum of its level. */
static uint64_t share(struct page_ref ref, unsigned level)
{
	uint64_t x = (ref.gen << 8 | level) * UINT64_C(0x9e3779b97f4a7c15) + ref.pgno;

	x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static int is_wrong(pgno_t pgno, const char *what)
{
	return error_set(VERSO_ECORRUPT,
		"page %u: %s. The file is damaged: restore it from a copy, or save what can be "
		"read with `verso salvage`",
		pgno, what);
}

static int note_ref(void *arg, struct page_ref ref, unsigned level)
{
	struct txn_sweep *s = arg;
	const char *wrong = s->parent ? txn_ref_wrong(s->parent, ref) : NULL;

	if (!s->parent && ref.gen > s->txn->gen)
		wrong = "newer than the state that refers to it";
	if (!wrong && !layout_is_ordinary(&s->txn->env->layout, s->n_pages, ref.pgno, 1))
		wrong = "a reference to where no tree can have a page";
	if (!wrong && sweep_has(s->seen, ref.pgno))
		wrong = "two references to the same page";
	if (wrong)
		return is_wrong(ref.pgno, wrong);
	set_bit(s->seen, ref.pgno);
	set_bit(s->next, ref.pgno);
	s->any_next = true;
	s->n_seen++;
	s->sum_below += share(ref, level);
	return 0;
}

/* The pages are on the device: those of commits that were published before their flush too. */
static int flush_snapshot(struct txn_env *env)
{
	return atomic_load(&env->is_ahead) ? txn_sync(env) : 0;
}

/* Nothing is read ahead where the device is reached through the page cache, or not in pages. */
static int reads_init(struct txn_sweep *s)
{
	uint32_t page_size = s->txn->pager->page_size;
	struct file *file = s->txn->env->options.file;
	bool is_ahead =
		file && file->device_direct && page_buffers_fit(page_size, file->align_bytes);

	for (unsigned i = 0; i < (is_ahead ? SWEEP_READS : 1); i++) {
		s->reads[i].pages = page_buffers_alloc(page_size, s->pages_max);
		if (!s->reads[i].pages)
			return -ENOMEM;
	}
	return is_ahead ? io_queue(file->io, SWEEP_READS - 1, QUEUE_THREADS, &s->queue) : 0;
}

int txn_sweep_init(struct txn_sweep *s, struct txn *txn)
{
	uint32_t page_size = txn->pager->page_size;
	int rc = flush_snapshot(txn->env);

	*s = (struct txn_sweep){.txn = txn, .n_pages = txn->n_pages};
	if (rc < 0)
		return rc;
	s->bitmap_bytes = (size_t)s->n_pages / 8 + 1;
	s->seen = calloc(3, s->bitmap_bytes);
	s->pages_max = page_size < SWEEP_READ_BYTES ? (pgno_t)(SWEEP_READ_BYTES / page_size) : 1;
	rc = s->seen ? reads_init(s) : -ENOMEM;
	if (rc < 0) {
		txn_sweep_fini(s);
		return rc;
	}
	s->now = s->seen + s->bitmap_bytes;
	s->next = s->now + s->bitmap_bytes;
	s->at = s->n_pages; /* the level above the roots is over */
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++) {
		if (txn->roots[i].ref.pgno)
			rc = note_ref(s, txn->roots[i].ref, txn->roots[i].level);
	}
	if (rc < 0)
		txn_sweep_fini(s);
	return rc;
}

void txn_sweep_fini(struct txn_sweep *s)
{
	for (unsigned i = 0; i < SWEEP_READS; i++) {
		if (s->reads[i].is_begun)
			queue_wait(s->queue, &s->reads[i].req);
		free(s->reads[i].pages);
	}
	queue_close(s->queue);
	free(s->seen);
	*s = (struct txn_sweep){0};
}

/* Goes on with the level below the one that is over. */
static int descend(struct txn_sweep *s)
{
	uint8_t *done = s->now;

	if (s->sum_of_pages != s->sum_of_refs)
		return error_set(VERSO_ECORRUPT,
			"a page is not the one that the page above it names: an older one, if a "
			"write was lost. The check finds which. Restore the file from a copy");
	if (!s->any_next)
		return SWEEP_END;
	s->now = s->next;
	s->next = done;
	memset(s->next, 0, s->bitmap_bytes);
	s->sum_of_refs = s->sum_below;
	s->sum_below = s->sum_of_pages = 0;
	s->any_next = false;
	s->at = 0;
	s->reads[s->now_read].from = s->reads[s->now_read].to = 0;
	return 0;
}

/* Where a read from page `from` on ends: as far as wanted pages lie close together. */
static pgno_t end_of_read(const struct txn_sweep *s, pgno_t from)
{
	uint32_t page_size = s->txn->pager->page_size;
	pgno_t end = s->n_pages - from < s->pages_max ? s->n_pages : from + s->pages_max;
	pgno_t to = from + 1;

	for (pgno_t next = to; next < end && (next - to) * page_size <= GAP_BYTES;) {
		next = find_bit(s->now, next, end);
		if (next == end || (next - to) * page_size > GAP_BYTES)
			break;
		to = ++next;
	}
	return to;
}

static void begin_read(struct txn_sweep *s, struct sweep_read *r, pgno_t from)
{
	uint32_t page_size = s->txn->pager->page_size;
	struct io_req *req = &r->req;

	r->from = from;
	r->to = end_of_read(s, from);
	r->iov = (struct iovec){r->pages, (size_t)(r->to - from) * page_size};
	*req = (struct io_req){.kind = IO_READ,
		.file = s->txn->env->options.file,
		.iov = &r->iov,
		.n_iov = 1,
		.off_bytes = (uint64_t)from * page_size,
		.view = FILE_DEVICE};
	r->is_begun = true;
	queue_submit(s->queue, &req, 1);
}

/* Begins what can be read next: of this level, of which all pages are known. */
static void read_ahead(struct txn_sweep *s, pgno_t to)
{
	for (unsigned i = 1; i < SWEEP_READS; i++) {
		struct sweep_read *r = &s->reads[(s->now_read + i) % SWEEP_READS];

		if (!r->is_begun) {
			pgno_t from = find_bit(s->now, to, s->n_pages);

			if (from == s->n_pages)
				return;
			begin_read(s, r, from);
		}
		to = r->to;
	}
}

/* Goes on with the pages from `from` on, the next one wanted. */
static int read_more(struct txn_sweep *s, pgno_t from)
{
	struct sweep_read *r = &s->reads[s->now_read];

	if (!s->queue) {
		r->from = from;
		r->to = end_of_read(s, from);
		return pager_read_device(s->txn->pager, from, r->to - from, r->pages);
	}
	s->now_read = (s->now_read + 1) % SWEEP_READS;
	r = &s->reads[s->now_read];
	if (!r->is_begun)
		begin_read(s, r, from);
	ASSERT(r->from == from);
	read_ahead(s, r->to);
	queue_wait(s->queue, &r->req);
	r->is_begun = false;
	return queue_error(&r->req);
}

static int visit(struct txn_sweep *s, pgno_t pgno, const struct page *page)
{
	const struct txn_env *env = s->txn->env;
	uint32_t page_size = env->layout.page_size;
	int rc = page_verify(page, page_size, (struct page_ref){pgno, page_ref(page).gen},
		env->pager->seed);

	if (rc < 0)
		return rc;
	s->sum_of_pages += share(page_ref(page), page->level);
	s->parent = page;
	return env->schema->each_ref(page, page_size, note_ref, s);
}

int txn_sweep_next(struct txn_sweep *s, struct sweep_run *ret_run)
{
	uint32_t page_size = s->txn->pager->page_size;
	pgno_t from, to, between_from;
	const struct sweep_read *r;
	int rc = 0;

	from = find_bit(s->now, s->at, s->n_pages);
	if (from == s->n_pages) {
		rc = descend(s);
		if (rc)
			return rc;
		from = find_bit(s->now, 0, s->n_pages);
		ASSERT(from < s->n_pages); /* descend() says so */
	}
	between_from = s->at;
	if (from >= s->reads[s->now_read].to) {
		between_from = from;
		rc = read_more(s, from);
	}
	r = &s->reads[s->now_read];
	for (to = from; rc == 0 && to < r->to && sweep_has(s->now, to); to++)
		rc = visit(s, to,
			(const struct page *)(r->pages + (size_t)(to - r->from) * page_size));
	if (rc < 0)
		return rc;
	s->at = to;
	*ret_run = (struct sweep_run){.pgno = from,
		.n_pages = to - from,
		.pages = r->pages + (size_t)(from - r->from) * page_size,
		.n_between = from - between_from};
	return 0;
}

pgno_t txn_sweep_last(const struct txn_sweep *s)
{
	pgno_t pgno = s->n_pages;

	while (pgno > 0 && !sweep_has(s->seen, pgno - 1))
		pgno--;
	return pgno;
}
