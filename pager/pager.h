/* SPDX-License-Identifier: MIT */
/*
 * The page interface: what the transactions and the tree know of storage.
 *
 * A pager owns a file of equal pages and some memory. To read a page: pager_get() pins it,
 * pager_put() ends the pin. An inner page is read without a pin, inside a guard: guard_enter(),
 * pager_peek(), guard_leave(). The one writer makes a page with pager_fresh(), fills and seals it,
 * and hands a set of such pages to pager_write(); pager_flush() makes what was written durable.
 * What may be overwritten, and when, the transactions decide (txn/), not a pager.
 *
 * Invariants that every implementation keeps, cited as P1...; tests/contract/ is the definition:
 *
 * P1  get and peek return a page only if its own header names exactly the (pgno, gen) asked for.
 *     What lies in a map may be changed afterwards by another process: peek does not look at the
 *     header again, and its caller validates every byte that it uses.
 * P2  A sealed page's bytes do not change while it is pinned or seen inside a guard.
 * P3  A fresh page is never moved or evicted but by write and drop of its pgno, and not written
 *     before write. The exception is mmap's way of writing `shared`: there a fresh page is a page
 *     of the file, and what is stored into it may reach the device at any time, the checksum's 0
 *     first. So the caller makes a page only at a page number that the newest durable state does
 *     not refer to, and seals it only once its generation may reach the device.
 * P4  What read_device returns is what the device holds, not what a cache holds; where the system
 *     refuses that, `device_is_cached` says so.
 * P5  A flush covers every write that returned before it was called.
 * P6  Nothing is remembered of a page that was dropped or overwritten: a cached copy with another
 *     gen than asked for is stale and is loaded again.
 * P7  Nothing waits without end: memory that is only being loaded or retired is waited for; memory
 *     that users hold pinned is not: VERSO_EPINNED.
 */
#ifndef PAGER_PAGER_H
#define PAGER_PAGER_H

#include "base/assert.h"
#include "pager/guard.h"
#include "pager/page.h"

struct pager;
struct fault_areas;

/* One piece of a write set: n_pages from pgno on. */
struct page_write {
	pgno_t pgno;
	uint32_t n_pages; /* 1 when buf is NULL */
	const void *buf;  /* the caller's, aligned to 4096; NULL: the fresh, sealed page at pgno */
};

/*
 * When a page's checksum is compared. Its header is compared with what was asked in any case. The
 * pagers have `none` and `always` alike. `once` differs, because a map cannot know when the kernel
 * has loaded a page: a pool verifies at each load, a map at the first get since it was opened, or
 * since the page was dropped; it does not verify what it has written itself.
 */
enum pager_checksum {
	PAGER_CHECKSUM_ONCE,
	PAGER_CHECKSUM_NONE,   /* never */
	PAGER_CHECKSUM_ALWAYS, /* at every get and peek too */
};

/* Why a page is loaded. */
enum pager_load_cause {
	PAGER_LOAD_GET,    /* a reader's get waits for it */
	PAGER_LOAD_WRITER, /* the writer's does */
	PAGER_LOAD_MANY,   /* gets of many, and of long values, ask for theirs at once */
	PAGER_LOAD_AHEAD,  /* a cursor may want it, or advice names it */
	PAGER_LOAD_CAUSES
};

struct pager_stats {
	uint64_t n_gets, n_peeks; /* pages asked for and found by peek */
	uint64_t n_misses;    /* pages that gets, one or many, had to load (pools) or to verify for
			      the first time (mmap) */
	uint64_t n_evictions; /* UINT64_MAX: unknown, because the kernel evicts */
	uint64_t n_prefetched;
	uint64_t n_flushes;
	uint64_t read_bytes;  /* asked of the file; for a map, bytes verified: the kernel's faults
				 count the rest */
	uint64_t write_bytes; /* handed to the file, growth included */
	uint64_t memory_bytes_max; /* bound of the pager's own page memory */
	uint64_t memory_bytes;     /* in use now */
	/* UINT64_MAX: unknown, because the kernel loads and evicts. */
	uint64_t n_loads[PAGER_LOAD_CAUSES]; /* pages, by why */
	uint64_t n_victims;                  /* pages that the policy gave up for others */
	uint64_t n_unneeded;                 /* pages given up since the writer has copied them, or
						advice calls them cold */
	uint64_t n_waits_load;               /* times that a thread waited for a page to come */
	uint64_t n_waits_limbo; /* times that one, the writer too, waited for guards to end, to have
				   a frame */
	uint64_t n_reads;       /* read requests in flight now */
	uint64_t n_reads_max;   /* most that were at a time */
	char how[256]; /* for people: direct or buffered and why, backend, policy, huge pages */
};

enum pager_trace_op {
	PAGER_GET,        /* got and pinned */
	PAGER_PUT,        /* a pin ended */
	PAGER_PEEK,       /* seen without a pin */
	PAGER_MISS,       /* a get, before its GET: it has to be loaded, or verified in the map */
	PAGER_LOAD,       /* it is in memory and good, by a get or a prefetch */
	PAGER_PREFETCH,   /* asked for by a get of many, or of a long value */
	PAGER_READ_AHEAD, /* asked for by a cursor, or by advice for a range */
	PAGER_VICTIM,     /* a pool's: the policy's choice; it is evicted now, or soon */
	PAGER_UNNEEDED,   /* a pool's: the same for a page that the writer has copied elsewhere, or
			     that advice calls cold */
	PAGER_EVICT,      /* a pool's: it has left memory */
	PAGER_FRESH,      /* made by the writer */
	PAGER_WRITE,      /* on its way to the file; no generation */
	PAGER_FLUSH,      /* all writes are durable; no page */
	PAGER_DROP,       /* its page number is forgotten; no generation */
	PAGER_FAULT,      /* mmap: it could not be read from the map */
	PAGER_TRACE_OPS
};

struct pager_event {
	enum pager_trace_op op;
	struct page_ref ref;
	uint8_t type, level; /* of the page; 0 where it is not at hand */
};

struct pager_tracer {
	/* Called at each operation when tracing is on, by any thread, perhaps with a lock of the
	 * pager's: may not call it. */
	void (*event)(struct pager_tracer *t, const struct pager_event *event);
};

struct pager_ops {
	const char *name;

	/*
	 * Pins the page `ref` and returns it. Loads and verifies it when it is not in memory;
	 * several threads that miss the same page cause one read. May block on I/O, never on
	 * another thread's write-back. Any thread, outside guards; g, the caller's, tells the
	 * writer's loads from others. The pin is the caller's until put. Fresh pages are found too.
	 * VERSO_ECORRUPT: the file holds another page there, or beyond its end; VERSO_EIO, -errno:
	 * it cannot be read; VERSO_EPINNED. Nothing is pinned on failure.
	 */
	int (*get)(struct pager *p, const struct guard *g, struct page_ref ref,
		const struct page **ret_page);

	/*
	 * Ends one pin that get gave. `unneeded` is a hint: another page has taken this one's part,
	 * so it will hardly be got again; it can be got all the same. Any thread. Waits for a short
	 * lock at most, cannot fail.
	 */
	void (*put)(struct pager *p, const struct page *page, bool unneeded);

	/*
	 * ret_pages[i]: the page refs[i] if it is in memory and verified, else NULL. Inside a
	 * guard, and valid until the guard is left; for a fresh page also outside, by the writer.
	 * Of several the first lines are asked for together, so that their misses overlap. Waits
	 * for a short lock at most. Any thread.
	 */
	void (*peek)(struct pager *p, const struct page_ref *refs, size_t n,
		const struct page **ret_pages);

	/*
	 * Makes a page at ref.pgno: a header of zeros but for pgno, gen and lsn, and a payload of
	 * any bytes, all of which the caller fills before it seals the page. Whatever was cached of
	 * that page number is forgotten; it has no fresh page (that was dropped). It is the
	 * caller's, without a pin, until write or drop. Cannot fail while no more than
	 * `writer_pages` pages are fresh or in a write set. One thread at a time.
	 */
	struct page *(*fresh)(struct pager *p, struct page_ref ref);

	/*
	 * A hint that these pages will be got soon: starts loading without waiting; a pool whose
	 * queue is sync reads them in the call. Returns how many of them, from the first on, are in
	 * memory, on their way, or not worth a read; for the others there is no memory or no
	 * request now, and the caller may name them again. Any thread. `ahead`: perhaps a later
	 * call of the application gets them. Between the calls the thread is the application's own,
	 * so a load that completes then may not make its system calls return EINTR.
	 */
	size_t (*prefetch)(struct pager *p, const struct page_ref *refs, size_t n, bool ahead);

	/*
	 * A hint that these pages will hardly be got again soon: they leave memory before others.
	 * One that is pinned, the writer's own or not in memory is passed over. Reads nothing;
	 * waits for a short lock at most. Any thread. NULL: the pager has no order of leaving.
	 */
	void (*cool)(struct pager *p, const struct page_ref *refs, size_t n);

	/*
	 * Writes a set, in any order, adjacent pages together, and returns when all of it has
	 * completed (which is not durable: flush). The set is sorted by pgno, without overlap,
	 * within the file's size. On success its fresh pages become ordinary cached pages: no
	 * longer the caller's. On failure an unknown part was written and the pages stay fresh:
	 * drop them. May block. Any thread, beside the writer. -errno, VERSO_EIO.
	 */
	int (*write)(struct pager *p, const struct page_write *set, size_t n);

	/* Makes all writes durable that returned before, sizes included (P5). Never retried. May
	 * block. */
	int (*flush)(struct pager *p);

	/*
	 * Forgets n_pages page numbers from pgno on, fresh or cached, without pins. The thread that
	 * owns them. Does not block, cannot fail.
	 */
	void (*drop)(struct pager *p, pgno_t pgno, uint32_t n_pages);

	/*
	 * Sets the file's size. Growth has its blocks allocated before it returns, so that a full
	 * disk is -ENOSPC here and nowhere later; then the size is unchanged. The size that it has
	 * has all its blocks allocated, of which a copy with holes lacks some. Of growth, up to
	 * PAGER_GROWTH_WRITTEN bytes (growth.h) are written too, as zeros, because a flush of
	 * blocks that were written before costs half; a caller that grows by more is about to write
	 * them. Before a cut no reference to what lies beyond is left. One thread at a time. May
	 * block. -ENOSPC, -EFBIG, -EIO.
	 */
	int (*resize)(struct pager *p, pgno_t n_pages);

	/*
	 * Looks how long the file is: another process may have set its size. Afterwards what lies
	 * before its end can be got, and nothing is remembered of what lies beyond, to which no
	 * reference is left. One thread at a time, resize included. May block. -ENOMEM, -EFBIG,
	 * I/O errors: the size is known as before. NULL: the pager's file is its own.
	 */
	int (*reach)(struct pager *p, pgno_t *ret_n_pages);

	/*
	 * Reads n_pages past every cache, unverified (P4). buf: aligned to 4096. May block. Any
	 * thread. VERSO_EIO beyond the end.
	 */
	int (*read_device)(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf);

	/*
	 * Sets how many bytes the pager's page memory takes, while it is in use. Smaller: pages
	 * leave as the policy chooses, and their memory goes back to the kernel before the call
	 * returns. Larger: up to what was reserved at the open. The writer's share stays. Any
	 * thread, outside guards; one call waits for another, and no other operation waits for one
	 * longer than for a batch of evictions. -EINVAL: below the least size or above the largest,
	 * which the text names; VERSO_EPINNED: pages that are pinned, or a thread inside a guard,
	 * forbid it, and the size is as before. NULL: the pager has no memory of that kind.
	 */
	int (*cache_resize)(struct pager *p, size_t cache_bytes);

	/* Fills in all of *stats but n_gets and n_peeks. Any thread. */
	void (*stats)(struct pager *p, struct pager_stats *stats);

	/* Ends the pager, not its file. No pin, guard or fresh page is left. Cannot fail. */
	void (*close)(struct pager *p);
};

/*
 * In which frame the children of a page were found last: a direct-mapped table, of which entries
 * overwrite each other. Only the processor's prefetch believes a hint (F11), and frames are never
 * unmapped, so the worst of a wrong one is a line fetched for nothing.
 */
struct pager_hints {
	_Atomic uint32_t *frames; /* NULL: the pager has no frames; constant */
	uint32_t mask;            /* entries less one, a power of two; constant */
	const uint8_t *arena;     /* frame 0; constant */
	unsigned page_shift;      /* constant */
};

#define HINT_LINES 4U /* of a child: its header and the first slots */

struct pager {
	const struct pager_ops *ops;
	uint32_t page_size;    /* bytes; constant */
	uint64_t seed;         /* of the checksums; constant */
	uint32_t writer_pages; /* how many pages may be fresh at a time; constant */
	uint32_t ahead_pages;  /* how far before itself a cursor names leaves; 0: not; constant */
	_Atomic uint32_t advice_pages; /* most leaves that one piece of advice wants; relaxed */
	bool pins_inner;               /* peek finds none but the writer's own pages; constant */
	bool may_fault; /* its pages lie in a mapping: touch them inside a fault guard; constant */
	const struct fault_areas *fault_areas; /* of that mapping; constant */
	bool device_is_cached; /* the system refuses to pass its page cache: read_device cannot keep
				  P4, and a clean cache proves nothing after a failed flush;
				  constant */
	struct pager_hints hints;
	struct guard_domain guards;
	pthread_mutex_t size_lock;    /* held over resize and reach */
	_Atomic pgno_t reached_pages; /* what the last of them made known; 0: none was called */
	struct pager_tracer *tracer;  /* NULL: off; set before the pager is shared */
};

#define PAGER_AHEAD_BYTES_DEFAULT (4u << 20)
#define PAGER_ADVICE_BYTES        (64u << 20) /* where the pager has no memory of its own */

/* Set up and end the part that all implementations share. */
void pager_init(struct pager *p, const struct pager_ops *ops, uint32_t page_size, uint64_t seed,
	uint32_t writer_pages);
void pager_fini(struct pager *p);

/* Of a page that is not at hand. */
static inline void pager_trace(struct pager *p, enum pager_trace_op op, struct page_ref ref)
{
	if (__builtin_expect(p->tracer != NULL, 0))
		p->tracer->event(p->tracer, &(struct pager_event){op, ref, 0, 0});
}

/* The same of a page at hand, of which nothing is read when tracing is off. */
static inline void pager_trace_page(struct pager *p, enum pager_trace_op op, struct page_ref ref,
	const struct page *page)
{
	if (__builtin_expect(p->tracer != NULL, 0))
		p->tracer->event(p->tracer,
			&(struct pager_event){op, ref, page->type, page->level});
}

/* The event of put. It is left out when the page's header cannot be read any more (a map whose file
 * was cut). */
void pager_trace_put(struct pager *p, const struct page *page);

/* Why a get through this guard loads a page. */
static inline enum pager_load_cause pager_get_cause(const struct guard *g)
{
	return g->is_writers ? PAGER_LOAD_WRITER : PAGER_LOAD_GET;
}

static inline int pager_get(struct pager *p, struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	int rc;

	DCHECK(atomic_load_explicit(&g->epoch, memory_order_relaxed) == 0);
	guard_count(&g->n_gets, 1);
	rc = p->ops->get(p, g, ref, ret_page);
	if (rc == 0) {
		DCHECK(p->may_fault || page_is(*ret_page, ref));
		pager_trace_page(p, PAGER_GET, ref, *ret_page);
	}
	return rc;
}

static inline void pager_unpin(struct pager *p, const struct page *page, bool unneeded)
{
	if (__builtin_expect(p->tracer != NULL, 0))
		pager_trace_put(p, page);
	p->ops->put(p, page, unneeded);
}

static inline void pager_put(struct pager *p, const struct page *page)
{
	pager_unpin(p, page, false);
}

/* The same for a page that the writer has copied to another page number (copy-on-write). */
static inline void pager_put_unneeded(struct pager *p, const struct page *page)
{
	pager_unpin(p, page, true);
}

/*
 * Reads a page into copy, of page_size bytes, for a caller that is not inside a fault guard:
 * VERSO_EIO when the page goes away meanwhile. Outside guards; errors as get. Any thread.
 */
int pager_copy(struct pager *p, struct guard *g, struct page_ref ref, struct page *copy);

/* How many of the pages were found. */
static inline size_t pager_peek_many(struct pager *p, struct guard *g, const struct page_ref *refs,
	size_t n, const struct page **ret_pages)
{
	size_t n_found = 0;

	DCHECK(atomic_load_explicit(&g->epoch, memory_order_relaxed) != 0);
	p->ops->peek(p, refs, n, ret_pages);
	for (size_t i = 0; i < n; i++) {
		if (!ret_pages[i])
			continue;
		DCHECK(p->may_fault || page_is(ret_pages[i], refs[i]));
		pager_trace_page(p, PAGER_PEEK, refs[i], ret_pages[i]);
		n_found++;
	}
	guard_count(&g->n_peeks, n_found);
	return n_found;
}

static inline const struct page *pager_peek(struct pager *p, struct guard *g, struct page_ref ref)
{
	const struct page *page;

	(void)pager_peek_many(p, g, &ref, 1, &page);
	return page;
}

static inline uint32_t hint_frame(const struct pager_hints *h, const struct page *page)
{
	return (uint32_t)((size_t)((const uint8_t *)page - h->arena) >> h->page_shift);
}

static inline _Atomic uint32_t *hint_entry(const struct pager_hints *h, const struct page *parent,
	unsigned i)
{
	return &h->frames[(hint_frame(h, parent) * 0x9e3779b1u + i) & h->mask];
}

/* Asks the processor for child i of a page, before its reference has been read. */
static inline void pager_hint_use(const struct pager *p, const struct page *parent, unsigned i)
{
	const uint8_t *child;

	if (!p->hints.frames)
		return;
	child = p->hints.arena + ((size_t)atomic_load_explicit(hint_entry(&p->hints, parent, i),
					  memory_order_relaxed)
					 << p->hints.page_shift);
	for (unsigned line = 0; line < HINT_LINES; line++)
		__builtin_prefetch(child + (size_t)line * 64);
}

/* Remembers where child i was found. */
static inline void pager_hint_set(struct pager *p, const struct page *parent, unsigned i,
	const struct page *child)
{
	_Atomic uint32_t *entry;
	uint32_t frame;

	if (!p->hints.frames)
		return;
	entry = hint_entry(&p->hints, parent, i);
	frame = hint_frame(&p->hints, child);
	if (atomic_load_explicit(entry, memory_order_relaxed) != frame)
		atomic_store_explicit(entry, frame, memory_order_relaxed);
}

static inline struct page *pager_fresh(struct pager *p, struct page_ref ref)
{
	struct page *page = p->ops->fresh(p, ref);

	DCHECK(page_is(page, ref));
	DCHECK(!page_is_sealed(page));
	pager_trace(p, PAGER_FRESH, ref);
	return page;
}

/* The writer's own fresh page at ref, or NULL when that page is not fresh (any more). Only by the
 * writer. */
static inline struct page *pager_own(struct pager *p, struct guard *g, struct page_ref ref)
{
	const struct page *page;

	guard_enter(g);
	p->ops->peek(p, &ref, 1, &page);
	if (page && page_is_sealed(page))
		page = NULL;
	guard_leave(g);
	return (struct page *)(uintptr_t)page;
}

/* Pages that are got before the application has its thread back. */
static inline void pager_prefetch(struct pager *p, const struct page_ref *refs, size_t n)
{
	for (size_t i = 0; p->tracer && i < n; i++)
		pager_trace(p, PAGER_PREFETCH, refs[i]);
	(void)p->ops->prefetch(p, refs, n, false);
}

/* Pages that a later call may get. Returns how many of them need not be named again. */
static inline size_t pager_read_ahead(struct pager *p, const struct page_ref *refs, size_t n)
{
	size_t n_taken = p->ops->prefetch(p, refs, n, true);

	ASSERT(n_taken <= n);
	for (size_t i = 0; p->tracer && i < n_taken; i++)
		pager_trace(p, PAGER_READ_AHEAD, refs[i]);
	return n_taken;
}

/* Pages that will hardly be got again soon. */
static inline void pager_cool(struct pager *p, const struct page_ref *refs, size_t n)
{
	if (p->ops->cool)
		p->ops->cool(p, refs, n);
}

static inline int pager_write(struct pager *p, const struct page_write *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		DCHECK(set[i].buf || set[i].n_pages == 1);
		DCHECK(i == 0 || set[i - 1].pgno + set[i - 1].n_pages <= set[i].pgno);
		pager_trace(p, PAGER_WRITE, (struct page_ref){set[i].pgno, 0});
	}
	return p->ops->write(p, set, n);
}

/* Puts a set in the order that pager_write() asks for. */
void page_writes_sort(struct page_write *set, size_t n);

static inline int pager_flush(struct pager *p)
{
	int rc = p->ops->flush(p);

	if (rc == 0)
		pager_trace(p, PAGER_FLUSH, (struct page_ref){0, 0});
	return rc;
}

static inline void pager_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	pager_trace(p, PAGER_DROP, (struct page_ref){pgno, 0});
	p->ops->drop(p, pgno, n_pages);
}

/* The writer sets the size, while a reader may find that another process has. */
int pager_resize(struct pager *p, pgno_t n_pages);
int pager_reach(struct pager *p, pgno_t *ret_n_pages);

/* -EOPNOTSUPP where the pager has no such operation. */
int pager_cache_resize(struct pager *p, size_t cache_bytes);

static inline int pager_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	DCHECK((uintptr_t)buf % 4096 == 0);
	return p->ops->read_device(p, pgno, n_pages, buf);
}

void pager_stats(struct pager *p, struct pager_stats *stats);

/* Takes NULL. */
static inline void pager_close(struct pager *p)
{
	if (p)
		p->ops->close(p);
}

#endif
