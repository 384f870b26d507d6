/* SPDX-License-Identifier: MIT */
/*
 * Writing beside the map: a fresh page lies where own.h says; write() moves its bytes to the page
 * cache, where the map shows them, and then its word from the copy to the map. In between both hold
 * the same bytes, so a reader may have either (M4).
 *
 * What lies in a shared map is in the page cache already, so write() has nothing to move. A flush
 * is the same fdatasync: the first store to a clean page faults and marks it dirty in the file's
 * page cache, as a pwritev does, and fdatasync writes what is dirty there and waits for it. (msync
 * would do no more than that for a range of the map.) Before it, the kernel may write such a page
 * at any time, half made: the newest durable state does not refer to it, and it is not sealed (M7).
 */
#include "base/error.h"
#include "io/fault.h"
#include "mmap/own.h"
#include "pager/growth.h"

#include <errno.h>
#include <inttypes.h>

#define KERNEL_PAGE_BYTES 4096u /* the least */

/* Forgets what is known of the page numbers [from, to). */
static void forget(struct mmap_pager *m, uint64_t from, uint64_t to)
{
	uint64_t end = atomic_load_explicit(&m->end_pages, memory_order_relaxed);

	if (to > end)
		to = end;
	for (uint64_t pgno = from; pgno < to; pgno++) {
		uint64_t word = atomic_load_explicit(table_word(&m->table, (pgno_t)pgno),
			memory_order_relaxed);

		if (word != 0)
			word = atomic_exchange(table_word(&m->table, (pgno_t)pgno), 0);
		if (word & WORD_HEAP)
			own_retire(m, (pgno_t)pgno, word);
	}
}

/* Words up to `end` may be set from now on. */
static void words_reach(struct mmap_pager *m, uint64_t end)
{
	if (atomic_load_explicit(&m->end_pages, memory_order_relaxed) < end)
		atomic_store_explicit(&m->end_pages, end, memory_order_relaxed);
}

/*
 * What a failed flush has left in the kernel's cache alone is clean there. So each of the kernel's
 * pages below a page is stored to, with what it has: then all of it is written back.
 */
static void make_dirty(const struct mmap_pager *m, struct page *page)
{
	volatile uint8_t *bytes = (volatile uint8_t *)page;

	for (uint32_t off = 0; off < m->pager.page_size; off += KERNEL_PAGE_BYTES)
		bytes[off] = bytes[off];
}

struct page *mmap_fresh(struct pager *p, struct page_ref ref)
{
	struct mmap_pager *m = mmap_of(p);
	uint64_t word = own_take(m, ref);
	struct page *page = own_page(m, ref.pgno, word);

	ASSERT(ref.pgno < table_end(&m->table));
	words_reach(m, (uint64_t)ref.pgno + 1);
	forget(m, ref.pgno, (uint64_t)ref.pgno + 1);
	page_blank(page, ref); /* not sealed (M7) */
	if (m->opts.writing == MMAP_WRITE_SHARED && own_is_mapped(word))
		make_dirty(m, page);
	atomic_store(table_word(&m->table, ref.pgno), word);
	if (own_is_mapped(word)) /* counted here, since page_blank() may fault and jump */
		mmap_count(&m->n_mapped, 1);
	return page;
}

/* Of a page of the second map; one that the file does not reach any more has no seal. */
static void unseal_page(struct mmap_pager *m, struct page *page)
{
	bool was_blocked = fault_unblock();
	struct fault_guard g;

	if (sigsetjmp(g.env, 0) == 0) {
		fault_enter(&g, page, m->pager.page_size);
		le64_set(page->checksum, 0);
		fault_leave(&g);
	}
	if (was_blocked)
		fault_block();
}

/* What was stored into pages [from, to) and never written is in the file: seals none of it (M7). */
static void unseal(struct mmap_pager *m, uint64_t from, uint64_t to)
{
	uint64_t end = atomic_load_explicit(&m->end_pages, memory_order_relaxed);

	for (uint64_t pgno = from; pgno < to && pgno < end; pgno++) {
		uint64_t word = atomic_load_explicit(table_word(&m->table, (pgno_t)pgno),
			memory_order_relaxed);

		if (word & WORD_HEAP && own_is_mapped(word))
			unseal_page(m, own_page(m, (pgno_t)pgno, word));
	}
}

void mmap_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	struct mmap_pager *m = mmap_of(p);

	if (m->opts.writing == MMAP_WRITE_SHARED)
		unseal(m, pgno, (uint64_t)pgno + n_pages);
	forget(m, pgno, (uint64_t)pgno + n_pages);
}

static int error_gone(struct mmap_pager *m, pgno_t pgno)
{
	return error_set(VERSO_EIO,
		"page %" PRIu32 " of %s was there when it was made, and is gone: the file was cut "
		"by another process, or the device failed",
		pgno, m->file->path ? m->file->path : "the file");
}

/*
 * Looks at the fresh page that lies at `page`, sealed by now. In the second map it may be gone, or
 * some of the kernel's pages below it. A leader flushes for others, so this may not jump out of it,
 * into the guard of the call around it.
 */
static int piece_check(struct mmap_pager *m, pgno_t pgno, const struct page *page)
{
	struct fault_guard g;

	if (sigsetjmp(g.env, 0) != 0)
		return error_gone(m, pgno);
	fault_enter(&g, page, m->pager.page_size);
	for (uint32_t off = 0; off < m->pager.page_size; off += KERNEL_PAGE_BYTES)
		(void)((const volatile uint8_t *)page)[off]; /* a cut may go through the page */
	ASSERT(page_is_sealed(page));
	DCHECK(page_verify(page, m->pager.page_size, page_ref(page), m->pager.seed) == 0);
	fault_leave(&g);
	return 0;
}

/* The bytes of a piece: the caller's, or the sealed fresh page of that number. VERSO_EIO. */
static int piece_bytes(struct mmap_pager *m, const struct page_write *w, const void **ret_bytes)
{
	const struct page *page;
	uint64_t word;

	*ret_bytes = w->buf;
	if (w->buf)
		return 0;
	word = atomic_load(table_word(&m->table, w->pgno));
	ASSERT((word & WORD_HEAP) != 0);
	*ret_bytes = page = own_page(m, w->pgno, word);
	return piece_check(m, w->pgno, page);
}

/* The file has it: nothing is left to be written. */
static bool is_stored(struct mmap_pager *m, const struct page_write *w)
{
	return !w->buf && m->opts.writing == MMAP_WRITE_SHARED &&
	       own_is_mapped(atomic_load(table_word(&m->table, w->pgno)));
}

/* *ret_n: how many pieces from set[0] on are stored. VERSO_EIO. */
static int pass_stored(struct mmap_pager *m, const struct page_write *set, size_t n, size_t *ret_n)
{
	const void *bytes;
	size_t i = 0;
	int rc = 0;

	for (; i < n && rc == 0 && is_stored(m, &set[i]); i++) {
		rc = piece_bytes(m, &set[i], &bytes); /* sealed */
		mmap_count(&m->write_bytes, m->pager.page_size);
	}
	*ret_n = i;
	return rc;
}

/* Writes as many pieces from set[0] on as lie next to each other; *ret_n: how many. */
static int write_run(struct mmap_pager *m, const struct page_write *set, size_t n, size_t *ret_n)
{
	struct iovec iov[QUEUE_IOV_MAX];
	struct io_req req = {
		.kind = IO_WRITE,
		.file = m->file,
		.iov = iov,
		.off_bytes = (uint64_t)set[0].pgno << m->page_shift,
	};
	struct io_req *reqs[] = {&req};
	uint64_t end = set[0].pgno;
	int rc;

	while (req.n_iov < n && req.n_iov < QUEUE_IOV_MAX && set[req.n_iov].pgno == end &&
		!is_stored(m, &set[req.n_iov])) {
		const struct page_write *w = &set[req.n_iov];
		const void *bytes;

		rc = piece_bytes(m, w, &bytes);
		if (rc < 0) {
			*ret_n = req.n_iov;
			return rc;
		}
		iov[req.n_iov++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)bytes,
			.iov_len = (size_t)w->n_pages << m->page_shift,
		};
		end += w->n_pages;
	}
	ASSERT(end <= atomic_load(&m->n_pages));
	mmap_count(&m->write_bytes, (end - set[0].pgno) << m->page_shift);
	*ret_n = req.n_iov;
	rc = queue_run(m->queue, reqs, 1);
	return rc == -EFAULT ? error_gone(m, set[0].pgno) : rc; /* cut since it was looked at */
}

/* From here on readers find the page of this piece in the map. */
static void page_written(struct mmap_pager *m, const struct page_write *w)
{
	uint64_t word = atomic_load(table_word(&m->table, w->pgno));
	gen_t gen = own_gen(m, word);

	atomic_store(table_word(&m->table, w->pgno), mmap_gen_fits(gen) ? gen : 0);
	own_retire(m, w->pgno, word);
}

static int write_set(struct mmap_pager *m, const struct page_write *set, size_t n)
{
	size_t n_done = 0, n_run;
	int rc = 0;

	while (n_done < n && rc == 0) {
		rc = pass_stored(m, set + n_done, n - n_done, &n_run);
		n_done += n_run;
		if (n_done == n || rc < 0)
			break;
		rc = write_run(m, set + n_done, n - n_done, &n_run);
		n_done += n_run;
	}
	for (size_t i = 0; i < n_done; i++) {
		if (set[i].buf)
			forget(m, set[i].pgno, (uint64_t)set[i].pgno + set[i].n_pages);
		else if (rc == 0)
			page_written(m, &set[i]);
	}
	return rc;
}

/* In the second map a piece may be gone, and this thread may be one that blocks SIGBUS. */
int mmap_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct mmap_pager *m = mmap_of(p);
	bool was_blocked = m->opts.writing != MMAP_WRITE_HEAP && fault_unblock();
	int rc = write_set(m, set, n);

	if (was_blocked)
		fault_block();
	return rc;
}

int mmap_flush(struct pager *p)
{
	struct mmap_pager *m = mmap_of(p);

	mmap_count(&m->n_flushes, 1);
	return file_sync(m->file);
}

void mmap_advise(struct mmap_pager *m, uint64_t from_pages, uint64_t to_pages)
{
	static const enum map_advice advices[] = {
		[MMAP_ADVICE_RANDOM] = ADVICE_RANDOM,
		[MMAP_ADVICE_NORMAL] = ADVICE_NORMAL,
		[MMAP_ADVICE_SEQUENTIAL] = ADVICE_SEQUENTIAL,
		[MMAP_ADVICE_POPULATE] = ADVICE_RANDOM,
		[MMAP_ADVICE_CURSOR] = ADVICE_RANDOM,
	};
	uint64_t off_bytes = from_pages << m->page_shift;
	uint64_t len_bytes = (to_pages - from_pages) << m->page_shift;

	if (len_bytes == 0)
		return;
	view_advise(&m->view, off_bytes, len_bytes, advices[m->opts.advice]);
	if (m->opts.writing == MMAP_WRITE_SHARED) /* a store needs no neighbours */
		view_advise(&m->alias, off_bytes, len_bytes, ADVICE_RANDOM);
	if (m->opts.advice == MMAP_ADVICE_POPULATE)
		view_advise(&m->view, off_bytes, len_bytes, ADVICE_POPULATE);
}

int views_reach(struct mmap_pager *m, uint64_t len_bytes)
{
	int rc = view_reach(&m->view, len_bytes);

	if (rc == 0 && m->opts.writing != MMAP_WRITE_HEAP)
		rc = view_reach(&m->alias, len_bytes);
	return rc;
}

/*
 * Blocks first, then bytes (pager_ops.resize), then the map (M5): no reader can see what a full
 * disk would not hold.
 */
static int grow(struct mmap_pager *m, uint64_t from_pages, uint64_t to_pages)
{
	uint64_t from_bytes = from_pages << m->page_shift, to_bytes = to_pages << m->page_shift;
	int rc;

	rc = table_reach(&m->table, to_pages);
	if (rc < 0)
		return rc;
	rc = growth_make(m->file, from_bytes, to_bytes, m->zeros, &m->write_bytes);
	if (rc == 0)
		rc = views_reach(m, to_bytes);
	if (rc < 0) {
		(void)views_reach(m, from_bytes);
		(void)file_truncate(m->file, from_bytes);
		return rc;
	}
	mmap_advise(m, from_pages, to_pages);
	words_reach(m, to_pages);
	atomic_store_explicit(&m->n_pages, to_pages, memory_order_release);
	return 0;
}

/* Maps what another process has made. */
static int follow(struct mmap_pager *m, uint64_t from_pages, uint64_t to_pages)
{
	int rc = table_reach(&m->table, to_pages);

	if (rc == 0)
		rc = views_reach(m, to_pages << m->page_shift);
	if (rc < 0) {
		(void)views_reach(m, from_pages << m->page_shift);
		return rc;
	}
	mmap_advise(m, from_pages, to_pages);
	words_reach(m, to_pages);
	atomic_store_explicit(&m->n_pages, to_pages, memory_order_release);
	return 0;
}

int mmap_reach(struct pager *p, pgno_t *ret_n_pages)
{
	struct mmap_pager *m = mmap_of(p);
	uint64_t from_pages = atomic_load(&m->n_pages), to_pages;
	int rc = growth_look(m->file, m->page_shift, &to_pages);

	if (rc == 0 && to_pages > from_pages)
		rc = follow(m, from_pages, to_pages);
	if (rc == 0 && to_pages < from_pages) {
		atomic_store_explicit(&m->n_pages, to_pages, memory_order_release);
		forget(m, to_pages, from_pages);
		rc = views_reach(m, to_pages << m->page_shift);
	}
	if (rc == 0)
		*ret_n_pages = (pgno_t)to_pages;
	return rc;
}

/* The map first, so that a late reader does not meet SIGBUS. */
static int cut(struct mmap_pager *m, uint64_t from_pages, uint64_t to_pages)
{
	int rc;

	atomic_store_explicit(&m->n_pages, to_pages, memory_order_release);
	forget(m, to_pages, from_pages);
	rc = views_reach(m, to_pages << m->page_shift);
	if (rc == 0)
		rc = file_truncate(m->file, to_pages << m->page_shift);
	if (rc == 0)
		return 0;
	if (views_reach(m, from_pages << m->page_shift) == 0)
		atomic_store_explicit(&m->n_pages, from_pages, memory_order_release);
	return rc;
}

int mmap_resize(struct pager *p, pgno_t n_pages)
{
	struct mmap_pager *m = mmap_of(p);
	uint64_t from_pages = atomic_load(&m->n_pages);
	int rc;

	if (n_pages > from_pages)
		return grow(m, from_pages, n_pages);
	if (n_pages < from_pages)
		return cut(m, from_pages, n_pages);
	rc = file_allocate(m->file, 0, from_pages << m->page_shift);
	if (rc == 0)
		atomic_store(&m->has_blocks, true);
	return rc;
}
