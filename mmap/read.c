/* SPDX-License-Identifier: MIT */
/*
 * Reading through the map.
 *
 * The first look at a page may fault, because another process cut the file, or because the device
 * fails: so it happens inside a fault guard (M6), and so does each get's touch of the page. What
 * the caller reads later can fault again: db/ keeps a second guard around each call.
 */
#include "base/error.h"
#include "io/fault.h"
#include "mmap/own.h"

#include <inttypes.h>
#include <sys/resource.h>

#define TOUCH_BYTES 4096 /* the smallest unit in which the kernel maps */
#define FRONT_LINES 5U   /* of a page: its header's and those behind it */
#define LOOK_AGAIN  1    /* get_own(), get_mapped(): the word has changed meanwhile */

static int error_fault(struct mmap_pager *m, struct page_ref ref)
{
	pager_trace(&m->pager, PAGER_FAULT, ref);
	return error_set(VERSO_EIO,
		"cannot read page %" PRIu32 " of %s through its map: the file was cut by another "
		"process, or the device failed (see the kernel's log)",
		ref.pgno, m->file->path ? m->file->path : "the file");
}

static int error_beyond(const struct mmap_pager *m, pgno_t pgno)
{
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 " is referred to, but the file ends at page %" PRIu64
		". The file was cut: restore it from a copy",
		pgno, atomic_load(&m->n_pages));
}

static int error_stale(struct page_ref ref, gen_t found)
{
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 ": expected generation %" PRIx64
		", but it is being made anew in generation %" PRIx64,
		ref.pgno, ref.gen, found);
}

static bool header_fits(const struct page *page, struct page_ref ref)
{
	return page_is(page, ref) && page_is_sealed(page) && page->type > 0 &&
	       page->type < PAGE_TYPE_END;
}

/* Reads a byte of each piece of the page that can fault by itself. */
static void touch(const struct page *page, uint32_t page_size)
{
	const volatile uint8_t *bytes = (const volatile uint8_t *)page;

	for (uint32_t at = 0; at < page_size; at += TOUCH_BYTES)
		(void)bytes[at];
}

/* Verifies the page as the map shows it, as far as the checksum policy goes. */
static int verify(struct mmap_pager *m, struct page_ref ref)
{
	const struct page *page = mmap_page(m, ref.pgno);
	uint32_t page_size = m->pager.page_size;
	bool by_header = m->opts.checksum == PAGER_CHECKSUM_NONE;
	struct fault_guard g;
	int rc;

	if (sigsetjmp(g.env, 0) != 0)
		return error_fault(m, ref);
	fault_enter(&g, page, page_size);
	touch(page, page_size);
	/* A header that does not fit: let page_verify() find the words. */
	if (by_header && header_fits(page, ref))
		rc = 0;
	else
		rc = page_verify(page, page_size, ref, m->pager.seed);
	fault_leave(&g);
	mmap_count(&m->read_bytes, page_size);
	return rc;
}

/* A private copy needs no pin: its place shows the same bytes when it is gone (own.h). */
static int own_pin(struct mmap_pager *m, uint64_t word)
{
	return own_is_mapped(word) ? 0 : heap_pin(&m->heap, own_copy(word));
}

static void own_unpin(struct mmap_pager *m, uint64_t word)
{
	if (!own_is_mapped(word))
		heap_unpin(&m->heap, own_copy(word));
}

/* Pins the writer's page if `word` still names it; else LOOK_AGAIN. */
static int get_own(struct mmap_pager *m, struct page_ref ref, uint64_t word,
	const struct page **ret_page)
{
	gen_t found;
	int rc = own_pin(m, word);

	if (rc < 0)
		return rc;
	if (atomic_load(table_word(&m->table, ref.pgno)) != word) {
		own_unpin(m, word);
		return LOOK_AGAIN;
	}
	found = own_gen(m, word);
	if (found != ref.gen) {
		own_unpin(m, word);
		return error_stale(ref, found);
	}
	*ret_page = own_page(m, ref.pgno, word);
	return 0;
}

/* Verifies what the map shows and remembers it; or LOOK_AGAIN. */
static int get_mapped(struct mmap_pager *m, struct page_ref ref, uint64_t word,
	const struct page **ret_page)
{
	bool known;
	int rc;

	if (ref.pgno >= atomic_load_explicit(&m->n_pages, memory_order_acquire))
		return error_beyond(m, ref.pgno);
	known = word == ref.gen && mmap_gen_fits(ref.gen);
	if (!known)
		pager_trace(&m->pager, PAGER_MISS, ref);
	rc = verify(m, ref);
	if (rc < 0) {
		if (word == ref.gen) /* it did once: rot, or another process */
			(void)atomic_compare_exchange_strong(table_word(&m->table, ref.pgno), &word,
				0);
		return rc;
	}
	if (!known) {
		mmap_count(&m->n_misses, 1);
		pager_trace(&m->pager, PAGER_LOAD, ref);
	}
	if (mmap_gen_fits(ref.gen) &&
		!atomic_compare_exchange_strong(table_word(&m->table, ref.pgno), &word, ref.gen) &&
		word != ref.gen)
		return LOOK_AGAIN;
	*ret_page = mmap_page(m, ref.pgno);
	return 0;
}

static int get_slowly(struct mmap_pager *m, struct page_ref ref, const struct page **ret_page)
{
	int rc;

	if (ref.pgno >= table_end(&m->table))
		return error_beyond(m, ref.pgno);
	do {
		uint64_t word = atomic_load(table_word(&m->table, ref.pgno));

		rc = word & WORD_HEAP ? get_own(m, ref, word, ret_page)
				      : get_mapped(m, ref, word, ret_page);
	} while (rc == LOOK_AGAIN);
	return rc;
}

/* Sequentially consistent, as the guard's store before it: one of both sides sees the other. */
static bool is_known(const struct mmap_pager *m, struct page_ref ref)
{
	return ref.pgno < table_end(&m->table) &&
	       atomic_load_explicit(table_word(&m->table, ref.pgno), memory_order_seq_cst) ==
		       ref.gen &&
	       mmap_gen_fits(ref.gen);
}

int mmap_get(struct pager *p, const struct guard *caller, struct page_ref ref,
	const struct page **ret_page)
{
	struct mmap_pager *m = mmap_of(p);
	const struct page *page;
	struct fault_guard g;
	bool same;

	(void)caller;
	if (!is_known(m, ref) || m->opts.checksum == PAGER_CHECKSUM_ALWAYS)
		return get_slowly(m, ref, ret_page);
	page = mmap_page(m, ref.pgno);
	if (sigsetjmp(g.env, 0) != 0)
		return error_fault(m, ref);
	fault_enter(&g, page, p->page_size);
	touch(page, p->page_size);
	same = page_is(page, ref);
	fault_leave(&g);
	if (!same)
		return get_slowly(m, ref, ret_page);
	*ret_page = page;
	return 0;
}

void mmap_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct mmap_pager *m = mmap_of(p);

	(void)unneeded;
	if (heap_owns(&m->heap, page)) {
		heap_unpin(&m->heap, (uint32_t)((size_t)((const uint8_t *)page - m->heap.arena) >>
						m->page_shift));
		return;
	}
	if (view_owns(&m->alias, page))
		return;
#if VERSO_HOSTILE
	/* "Evicted": the next get verifies it again, and no peek finds it. */
	static _Atomic unsigned n_puts;
	pgno_t pgno = (pgno_t)(view_offset(&m->view, page) >> m->page_shift);
	uint64_t word = atomic_load(table_word(&m->table, pgno));

	if (!(word & WORD_HEAP) && atomic_fetch_add(&n_puts, 1) % 2 == 0)
		(void)atomic_compare_exchange_strong(table_word(&m->table, pgno), &word, 0);
#endif
}

/* A peek that finds a bad page returns NULL: the get that follows reports the error. */
static bool is_good(struct mmap_pager *m, struct page_ref ref)
{
	int rc;

	error_mute();
	rc = verify(m, ref);
	error_unmute();
	return rc == 0;
}

static const struct page *peek_one(struct mmap_pager *m, struct page_ref ref)
{
	uint64_t word;

	if (is_known(m, ref)) {
		if (m->opts.checksum == PAGER_CHECKSUM_ALWAYS && !is_good(m, ref))
			return NULL;
		return mmap_page(m, ref.pgno);
	}
	if (ref.pgno >= table_end(&m->table))
		return NULL;
	word = atomic_load_explicit(table_word(&m->table, ref.pgno), memory_order_seq_cst);
	if (!(word & WORD_HEAP))
		return NULL;
	return own_gen(m, word) == ref.gen ? own_page(m, ref.pgno, word) : NULL;
}

/*
 * Words and pages in one wave of misses: where a page lies follows from its number, so its lines
 * are asked for before the word shows whether it is known. The worst is lines fetched for nothing;
 * what is not mapped, the processor leaves.
 */
static void peek_ahead(const struct mmap_pager *m, const struct page_ref *refs, size_t n)
{
	uint64_t end = table_end(&m->table);

	for (size_t i = 0; i < n; i++) {
		const uint8_t *page;

		if (refs[i].pgno >= end)
			continue;
		__builtin_prefetch((const void *)table_word(&m->table, refs[i].pgno));
		page = (const uint8_t *)mmap_page(m, refs[i].pgno);
		for (unsigned line = 0; line < FRONT_LINES; line++)
			__builtin_prefetch(page + (size_t)line * 64);
	}
}

void mmap_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	struct mmap_pager *m = mmap_of(p);

	if (n > 1)
		peek_ahead(m, refs, n);
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(m, refs[i]);
}

/*
 * Has this thread read from the device since it asked last? That counts faults, and what a hint
 * made the kernel read. Where a file system does its reads in other threads only faults count, so
 * the worst is that every second hint of a scan comes too late.
 */
static bool thread_has_read(void)
{
	static _Thread_local long seen = -1;
	struct rusage usage;
	long now;
	bool has;

	if (getrusage(RUSAGE_THREAD, &usage) < 0)
		return true;
	now = usage.ru_inblock + usage.ru_majflt;
	has = now != seen;
	seen = now;
	return has;
}

/* Neighbouring pages that wait for one call of advice. */
struct run {
	enum map_advice advice;
	uint64_t from, to; /* [from, to) */
};

static void run_end(struct mmap_pager *m, struct run *run)
{
	if (run->from < run->to)
		view_advise(&m->view, run->from << m->page_shift,
			(run->to - run->from) << m->page_shift, run->advice);
	run->from = run->to = 0;
}

static void run_add(struct mmap_pager *m, struct run *run, pgno_t pgno)
{
	if (run->from == run->to || pgno != run->to) {
		run_end(m, run);
		run->from = pgno;
	}
	run->to = (uint64_t)pgno + 1;
}

/*
 * A page that a cursor asked for takes a place in the ring from the page that was asked for n_turns
 * before it. One cursor has passed that one, because it asks for no more than ahead_pages before
 * itself. Of several scans at a time each has a part of the ring, so the worst is that one reads
 * again what another's turns made cold too early.
 */
static void scan_on(struct mmap_pager *m, struct run *cold, pgno_t pgno)
{
	uint64_t turn = atomic_fetch_add_explicit(&m->n_scanned, 1, memory_order_relaxed);
	uint64_t old = atomic_exchange_explicit(&m->scanned[turn % m->n_turns], (uint64_t)pgno + 1,
		memory_order_relaxed);

	if (old != 0)
		run_add(m, cold, (pgno_t)(old - 1));
}

/*
 * Asking the kernel for a page that is there costs more than reading it, so a page that was
 * verified is taken to be there still, until this thread has had to read: then the kernel has taken
 * pages away, and all are asked for as long as that makes it read. Neighbours are asked for in one
 * call. For what is there the processor fetches the header's line, and with it the page's address.
 *
 * Under MMAP_ADVICE_CURSOR what a scan asked for becomes cold once it has been passed; what
 * was there before, others use, so it is left as it is.
 */
size_t mmap_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	struct mmap_pager *m = mmap_of(p);
	bool trust = !thread_has_read();
	bool scans = ahead && m->opts.advice == MMAP_ADVICE_CURSOR;
	uint64_t end = atomic_load_explicit(&m->n_pages, memory_order_acquire);
	struct run need = {.advice = ADVICE_WILLNEED}, cold = {.advice = ADVICE_COLD};

	for (size_t i = 0; i < n; i++) {
		pgno_t pgno = refs[i].pgno;

		if (pgno >= end || atomic_load(table_word(&m->table, pgno)) & WORD_HEAP)
			continue;
		if (trust && is_known(m, refs[i])) {
			__builtin_prefetch(mmap_page(m, pgno));
			continue;
		}
		mmap_count(&m->n_prefetched, 1);
		run_add(m, &need, pgno);
		if (scans)
			scan_on(m, &cold, pgno);
	}
	run_end(m, &need);
	run_end(m, &cold);
	return n;
}

/* What the kernel has of them is the first to go when memory is short (MADV_COLD). */
void mmap_cool(struct pager *p, const struct page_ref *refs, size_t n)
{
	struct mmap_pager *m = mmap_of(p);
	uint64_t end = atomic_load_explicit(&m->n_pages, memory_order_acquire);
	struct run cold = {.advice = ADVICE_COLD};

	for (size_t i = 0; i < n; i++) {
		if (refs[i].pgno < end &&
			!(atomic_load(table_word(&m->table, refs[i].pgno)) & WORD_HEAP))
			run_add(m, &cold, refs[i].pgno);
	}
	run_end(m, &cold);
}

int mmap_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	struct mmap_pager *m = mmap_of(p);

	return file_read(m->file, buf, (size_t)n_pages << m->page_shift,
		(uint64_t)pgno << m->page_shift, FILE_DEVICE);
}
