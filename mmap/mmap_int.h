/* SPDX-License-Identifier: MIT */
/*
 * What the sources of mmap/ share: the pager, and the heap of the writer's own pages.
 *
 * One 64-bit word for each page number holds what is known of its page:
 *
 *	0               nothing
 *	gen             the map shows this generation; it was verified (M1)
 *	WORD_HEAP ...   the writer's own page, not written yet; own.h says where it lies
 *
 * A word changes by fresh, write and drop of the page number's owner, and from 0 or an old gen to a
 * gen by a reader that verified the page: readers compare and swap, so they never undo what an
 * owner did (M2).
 */
#ifndef MMAP_MMAP_INT_H
#define MMAP_MMAP_INT_H

#include "base/assert.h"
#include "mmap/view.h"
#include "io/queue.h"
#include "mmap/mmap.h"
#include "pager/table.h"

#define WORD_HEAP (UINT64_C(1) << 63)
#define WORD_COPY (UINT64_C(1) << 62) /* with WORD_HEAP: an index of the heap follows */

/*
 * The heap
 *
 * A fixed number of copies (pages) in one arena. A copy is taken for a fresh page, retired when the
 * word no longer names it, and taken again once it has no pins and no guard can see it (M3). Its
 * state and its pins are one atomic word, so that readers pin without a lock:
 *
 *	NEW --take--> TAKEN --heap_retire()--> RETIRED --no pins--> GONE
 *	                ^                                            |
 *	                +---- take, after the guards of its list ----+
 *
 * The move to GONE is a compare-and-swap from RETIRED without pins: one thread makes it. Where the
 * guards are is known of a list of copies, not of a copy: leaving, left, free (struct heap). A
 * reader pins first and then looks whether the page's word still names the copy; until it unpins, a
 * copy that is gone, or taken for another page, may carry such a pin, which changes nothing.
 */
enum copy_state {
	COPY_NEW,     /* was never taken; its memory was never touched */
	COPY_TAKEN,   /* a word names it, or is about to */
	COPY_RETIRED, /* no word names it; pins hold it */
	COPY_GONE,    /* in one of the lists */
	COPY_STATE_END,
};

#define COPY_STATE_SHIFT 30
#define COPY_PINS        ((UINT32_C(1) << COPY_STATE_SHIFT) - 1)

static inline uint32_t copy_make(enum copy_state state, uint32_t pins)
{
	return (uint32_t)state << COPY_STATE_SHIFT | pins;
}

static inline enum copy_state copy_state(uint32_t c)
{
	return (enum copy_state)(c >> COPY_STATE_SHIFT);
}

static inline uint32_t copy_pins(uint32_t c)
{
	return c & COPY_PINS;
}

/* Which state may follow which (M3). */
static inline bool copy_move_is_legal(uint32_t from, enum copy_state to)
{
	static const uint8_t next[COPY_STATE_END] = {
		[COPY_NEW] = 1 << COPY_TAKEN,
		[COPY_TAKEN] = 1 << COPY_RETIRED,
		[COPY_RETIRED] = 1 << COPY_GONE,
		[COPY_GONE] = 1 << COPY_TAKEN,
	};

	if (!(next[copy_state(from)] & 1 << to))
		return false;
	return to != COPY_GONE || copy_pins(from) == 0;
}

/* Moves a copy from *from to a state unless it changed meanwhile; then *from is what it is now. */
static inline bool copy_move(_Atomic uint32_t *copy, uint32_t *from, enum copy_state to)
{
	ASSERT(copy_move_is_legal(*from, to));
	return atomic_compare_exchange_strong(copy, from, copy_make(to, copy_pins(*from)));
}

/* Retired copies that users hold pinned: from here on no copy is pinned (VERSO_EPINNED). */
#define HEAP_HELD_MAX 4096

struct copy {
	_Atomic uint32_t state; /* and pins; copy_make() */
	uint32_t next;          /* in the list that it is in; heap->lock */
	_Atomic uint64_t
		gen; /* of its page; written by heap_take's caller before the word names it */
};

struct heap {
	uint8_t *arena;              /* the pages; constant */
	size_t arena_bytes;          /* constant */
	struct copy *copies;         /* one for each page; constant */
	uint32_t n_copies;           /* constant */
	uint32_t page_size;          /* bytes; constant */
	struct guard_domain *guards; /* constant */
	_Atomic int64_t n_held;      /* retired, not gone */
	pthread_mutex_t lock;        /* what follows */
	uint32_t free;               /* list; COPY_NONE: empty */
	uint32_t leaving;            /* list: gone since the last look at the guards */
	uint32_t left;               /* list: gone before `epoch` was retired */
	uint64_t epoch;
	uint32_t n_touched; /* copies that were ever taken: their memory is committed */
	uint32_t n_idle;    /* copies in the three lists */
};

#define COPY_NONE UINT32_MAX

/* For writer_pages copies in use. -ENOMEM. */
int heap_init(struct heap *h, struct guard_domain *guards, uint32_t page_size,
	uint32_t writer_pages);

/* No copy is taken, pinned or seen inside a guard. */
void heap_fini(struct heap *h);

/* A copy, of any bytes. Cannot fail; waits for guards when no other is left. Outside guards. */
uint32_t heap_take(struct heap *h);

/* The word that named it names it no more. */
void heap_retire(struct heap *h, uint32_t copy);

/* 0, VERSO_EPINNED or -ENOMEM. To be followed by a look at the word. */
int heap_pin(struct heap *h, uint32_t copy);
void heap_unpin(struct heap *h, uint32_t copy);

static inline struct page *heap_page(const struct heap *h, uint32_t copy)
{
	return (struct page *)(h->arena + (size_t)copy * h->page_size);
}

static inline bool heap_owns(const struct heap *h, const void *p)
{
	return (uintptr_t)p - (uintptr_t)h->arena < h->arena_bytes;
}

/*
 * The pager
 */

/* Pages behind a cursor that stay as they are, so that it may turn, and other scans may follow. */
#define SCAN_KEPT_PAGES 256U

struct mmap_pager {
	struct pager pager;      /* first */
	struct view view;        /* the file */
	struct view alias;       /* but for MMAP_WRITE_HEAP: the file again, to store into */
	struct page_table table; /* a word for each page; see above */
	struct file *file;
	struct queue *queue;        /* writes; the sync backend */
	unsigned page_shift;        /* log2 of the page size; constant */
	struct mmap_options opts;   /* constant */
	const void *zeros;          /* PAGER_GROWTH_WRITTEN of them, never touched; constant */
	_Atomic uint64_t n_pages;   /* the file's size; written by resize */
	_Atomic uint64_t end_pages; /* no word beyond is set; grows only */
	_Atomic uint64_t n_mapped;  /* pages of the writer's in `alias` */
	_Atomic bool has_blocks;    /* no page of the file is a hole; once set, stays so */
	struct heap heap;
	/*
	 * MMAP_ADVICE_CURSOR: a ring of the pages that were read ahead last; pgno + 1, 0: none. It
	 * has a turn for each page that a front may be before its cursor, and SCAN_KEPT_PAGES more.
	 */
	_Atomic uint64_t *scanned;  /* NULL: other advice; constant */
	uint64_t n_turns;           /* constant */
	_Atomic uint64_t n_scanned; /* ever */
	_Atomic uint64_t n_misses, n_prefetched, n_flushes, read_bytes, write_bytes;
};

static inline struct mmap_pager *mmap_of(struct pager *p)
{
	return (struct mmap_pager *)p;
}

static inline const struct page *mmap_page(const struct mmap_pager *m, pgno_t pgno)
{
	return view_at(&m->view, (uint64_t)pgno << m->page_shift);
}

/* A gen that a word can hold. Others are verified at each get; no real gen is among them. */
static inline bool mmap_gen_fits(gen_t gen)
{
	return gen - 1 < WORD_HEAP - 1;
}

static inline void mmap_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* read.c */
int mmap_get(struct pager *p, const struct guard *caller, struct page_ref ref,
	const struct page **ret_page);
void mmap_put(struct pager *p, const struct page *page, bool unneeded);
void mmap_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages);
size_t mmap_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead);
void mmap_cool(struct pager *p, const struct page_ref *refs, size_t n);
int mmap_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf);

/* write.c */
struct page *mmap_fresh(struct pager *p, struct page_ref ref);
int mmap_write(struct pager *p, const struct page_write *set, size_t n);
int mmap_flush(struct pager *p);
void mmap_drop(struct pager *p, pgno_t pgno, uint32_t n_pages);
int mmap_resize(struct pager *p, pgno_t n_pages);
int mmap_reach(struct pager *p, pgno_t *ret_n_pages);

/* All maps of the file show its first len_bytes. As view_reach(). */
int views_reach(struct mmap_pager *m, uint64_t len_bytes);

/* Advises the kernel how [from, to) will be read. */
void mmap_advise(struct mmap_pager *m, uint64_t from_pages, uint64_t to_pages);

#endif
