/* SPDX-License-Identifier: MIT */
/*
 * Where the writer's own pages lie until they are written, by mmap_options.writing:
 *
 *	heap     in copies beside the map (heap.c); the word of the page number has the copy's index
 *	private  in a second map of the file, a private one: the first store to a page makes the
 *	         kernel copy it, and once it was written its copy is thrown away, so that both maps
 *	         show the file again; the word has the page's generation. A page that is made before
 *	         the file reaches its place lies in the heap
 *
 *	shared   in a second map of the file, a shared one that can be written: what is stored is
 *	         the file's at once, and the kernel makes it durable when it wants, or at a flush.
 *	         A page that the file does not reach, or while the file may have holes, lies in the
 *	         heap: a store may need no new block, for where there is none it raises SIGBUS
 *
 * In all the word carries WORD_HEAP, "the writer's own"; WORD_COPY says whether it is in the heap.
 */
#ifndef MMAP_OWN_H
#define MMAP_OWN_H

#include "mmap/mmap_int.h"

#define OWN_BYTES 4096U

/* In the second map; else in the heap. */
static inline bool own_is_mapped(uint64_t word)
{
	return !(word & WORD_COPY);
}

static inline uint32_t own_copy(uint64_t word)
{
	return (uint32_t)word;
}

static inline struct page *own_page(const struct mmap_pager *m, pgno_t pgno, uint64_t word)
{
	if (own_is_mapped(word))
		return (struct page *)(uintptr_t)view_at(&m->alias,
			(uint64_t)pgno << m->page_shift);
	return heap_page(&m->heap, own_copy(word));
}

static inline gen_t own_gen(const struct mmap_pager *m, uint64_t word)
{
	if (own_is_mapped(word))
		return word & ~WORD_HEAP;
	return atomic_load_explicit(&m->heap.copies[own_copy(word)].gen, memory_order_relaxed);
}

/* Whether a page that is made now may lie in the second map. */
static inline bool own_may_be_mapped(const struct mmap_pager *m, struct page_ref ref)
{
	if (m->opts.writing == MMAP_WRITE_HEAP || ref.gen >= WORD_COPY)
		return false;
	if (m->opts.writing == MMAP_WRITE_SHARED && !atomic_load(&m->has_blocks))
		return false;
	return ref.pgno < atomic_load_explicit(&m->n_pages, memory_order_relaxed);
}

/* The word of a page that is about to be made, not counted yet. Cannot fail. */
static inline uint64_t own_take(struct mmap_pager *m, struct page_ref ref)
{
	uint32_t copy;

	if (own_may_be_mapped(m, ref))
		return WORD_HEAP | ref.gen;
	copy = heap_take(&m->heap);
	atomic_store_explicit(&m->heap.copies[copy].gen, ref.gen, memory_order_relaxed);
	return WORD_HEAP | WORD_COPY | copy;
}

/*
 * The word named the page and names it no more. What lies in the shared map is the file's. Of a
 * private copy the kernel is told that it is not needed: what still looks at it sees the file,
 * which has the same bytes if it was written; if it was dropped, nothing looks. The kernel copies
 * OWN_BYTES at a time: where pages are smaller (tests only) a copy stays, since it holds its
 * neighbours too.
 */
static inline void own_retire(struct mmap_pager *m, pgno_t pgno, uint64_t word)
{
	if (!own_is_mapped(word)) {
		heap_retire(&m->heap, own_copy(word));
		return;
	}
	atomic_fetch_sub_explicit(&m->n_mapped, 1, memory_order_relaxed);
	if (m->opts.writing == MMAP_WRITE_PRIVATE && m->pager.page_size >= OWN_BYTES)
		view_advise(&m->alias, (uint64_t)pgno << m->page_shift, m->pager.page_size,
			ADVICE_DONTNEED);
}

#endif
