/* SPDX-License-Identifier: MIT */
/*
 * The writing half of a pager, around a student's cache (cache.h).
 *
 * The pages that a transaction is making lie here, in frames of their own: they cannot be evicted,
 * and fresh() cannot fail. A read looks here first and then in the cache. When a page has been
 * written, it is found in the cache only, which reads it from the file.
 *
 * A frame's life:
 *
 *	FREE -- fresh() --> OWN -- write() = 0, drop() --> pinned? HELD -- last put --> LIMBO
 *	                                                   else LIMBO -- guards have ended --> FREE
 *
 * There are writer_pages frames for OWN, pin_pages for HELD (a pin of one of the writer's pages
 * needs one of so many units), and some for LIMBO, so that fresh() waits for guards at most.
 *
 * It deliberately has one lock and a queue that writes in the calling thread.
 */
#include "base/error.h"
#include "io/fault.h"
#include "io/memory.h"
#include "io/queue.h"
#include "labs/lib/cache.h"
#include "pager/growth.h"
#include "pager/write_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define LIMBO_FRAMES 64U
#define NO_FRAME     UINT32_MAX
#define QUEUE_DEPTH  64U
#define WAIT_NS      UINT64_C(20000) /* between two looks at the guards */

enum own_state { OWN_FREE, OWN_MADE, OWN_HELD, OWN_LIMBO };

/* All fields: the lock. */
struct own_frame {
	struct page_ref ref;
	enum own_state state;
	uint32_t pins;
	uint32_t next;  /* in the free list or in its bucket */
	uint64_t epoch; /* of retirement, in limbo */
};

struct lab_pager {
	struct pager pager;
	struct pager_ops ops; /* lab_ops, under the name of the cache; constant */
	struct cache *cache;
	struct io *io;
	struct queue *queue;
	uint32_t n_frames, pin_pages; /* constant */
	uint8_t *memory;              /* constant */
	void *zeros;                  /* PAGER_GROWTH_WRITTEN bytes; constant */
	_Atomic uint64_t n_pages;     /* of the file */
	_Atomic uint64_t write_bytes, n_flushes;
	pthread_mutex_t lock; /* what follows */
	struct own_frame *frames;
	uint32_t *buckets;  /* by pgno, of OWN_MADE */
	uint32_t n_buckets; /* a power of two; constant */
	uint32_t free;
	uint32_t n_made, n_pinned, n_limbo;
};

static struct lab_pager *of(struct pager *p)
{
	return (struct lab_pager *)p;
}

static struct page *page_at(const struct lab_pager *lp, uint32_t frame)
{
	return (struct page *)(lp->memory + (size_t)frame * lp->pager.page_size);
}

/* NO_FRAME: the page is the cache's. */
static uint32_t frame_of(const struct lab_pager *lp, const struct page *page)
{
	uintptr_t at = (uintptr_t)page, base = (uintptr_t)lp->memory;

	if (at < base || at >= base + (size_t)lp->n_frames * lp->pager.page_size)
		return NO_FRAME;
	return (uint32_t)((at - base) / lp->pager.page_size);
}

/*
 * The writer's frames. With the lock.
 */

static uint32_t *bucket(const struct lab_pager *lp, pgno_t pgno)
{
	return &lp->buckets[pgno & (lp->n_buckets - 1)];
}

static uint32_t find(const struct lab_pager *lp, pgno_t pgno)
{
	uint32_t frame = *bucket(lp, pgno);

	while (frame != NO_FRAME && lp->frames[frame].ref.pgno != pgno)
		frame = lp->frames[frame].next;
	return frame;
}

static void retire(struct lab_pager *lp, uint32_t frame)
{
	lp->frames[frame].state = OWN_LIMBO;
	lp->frames[frame].epoch = guard_retire(&lp->pager.guards);
	lp->n_limbo++;
}

/* The page is not the writer's any more. */
static void unlink_frame(struct lab_pager *lp, uint32_t frame)
{
	uint32_t *link = bucket(lp, lp->frames[frame].ref.pgno);

	while (*link != frame)
		link = &lp->frames[*link].next;
	*link = lp->frames[frame].next;
	lp->n_made--;
	if (lp->frames[frame].pins > 0)
		lp->frames[frame].state = OWN_HELD;
	else
		retire(lp, frame);
}

/* Frees what no guard can still see. */
static void reap(struct lab_pager *lp)
{
	uint64_t oldest = lp->n_limbo > 0 ? guard_oldest(&lp->pager.guards) : 0;

	for (uint32_t i = 0; i < lp->n_frames && lp->n_limbo > 0; i++) {
		struct own_frame *f = &lp->frames[i];

		if (f->state != OWN_LIMBO || f->epoch >= oldest)
			continue;
		f->state = OWN_FREE;
		f->next = lp->free;
		lp->free = i;
		lp->n_limbo--;
	}
}

/* A free frame. Waits for guards; the lock is let go meanwhile. */
static uint32_t take_frame(struct lab_pager *lp)
{
	uint32_t frame;

	for (;;) {
		if (lp->free == NO_FRAME)
			reap(lp);
		frame = lp->free;
		if (frame != NO_FRAME)
			break;
		ASSERT(lp->n_limbo > 0);
		pthread_mutex_unlock(&lp->lock);
		io_pause_ns(lp->io, WAIT_NS);
		pthread_mutex_lock(&lp->lock);
	}
	lp->free = lp->frames[frame].next;
	return frame;
}

static void unlink_range(struct lab_pager *lp, pgno_t pgno, uint64_t n_pages)
{
	if (n_pages > lp->n_frames) {
		for (uint32_t i = 0; i < lp->n_frames; i++)
			if (lp->frames[i].state == OWN_MADE && lp->frames[i].ref.pgno >= pgno &&
				lp->frames[i].ref.pgno - pgno < n_pages)
				unlink_frame(lp, i);
		return;
	}
	for (uint64_t i = 0; i < n_pages; i++) {
		uint32_t frame = find(lp, (pgno_t)(pgno + i));

		if (frame != NO_FRAME)
			unlink_frame(lp, frame);
	}
}

/*
 * Reading
 */

/* > 0: the page is not the writer's. */
static int pin_own(struct lab_pager *lp, struct page_ref ref, const struct page **ret_page)
{
	uint32_t frame = find(lp, ref.pgno);
	struct own_frame *f = &lp->frames[frame == NO_FRAME ? 0 : frame];
	int rc;

	if (frame == NO_FRAME)
		return 1;
	if (f->ref.gen != ref.gen)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 ": expected generation %" PRIx64
			", but it is being made anew in generation %" PRIx64,
			ref.pgno, ref.gen, f->ref.gen);
	if (f->pins == 0 && lp->n_pinned == lp->pin_pages)
		return error_set(VERSO_EPINNED,
			"page %" PRIu32 ": %" PRIu32 " of the writer's pages are pinned already",
			ref.pgno, lp->n_pinned);
	/* A fault elsewhere may end the caller, and the pin with it. */
	rc = lp->pager.may_fault ? fault_note(page_at(lp, frame)) : 0;
	if (rc < 0)
		return rc;
	if (f->pins++ == 0)
		lp->n_pinned++;
	*ret_page = page_at(lp, frame);
	return 0;
}

static int lab_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct lab_pager *lp = of(p);
	struct cache *c = lp->cache;
	const struct page *page;
	int rc;

	(void)g;
	pthread_mutex_lock(&lp->lock);
	rc = pin_own(lp, ref, ret_page);
	pthread_mutex_unlock(&lp->lock);
	if (rc <= 0)
		return rc;
	rc = growth_has(&lp->n_pages, c->file, (unsigned)__builtin_ctz(p->page_size), ref);
	if (rc == 0)
		rc = c->ops->fix(c, ref, &page);
	if (rc == 0 && c->checksum == PAGER_CHECKSUM_ALWAYS) {
		rc = page_verify(page, p->page_size, ref, p->seed);
		if (rc < 0)
			c->ops->unfix(c, page);
	}
	if (rc == 0)
		*ret_page = page;
	return rc;
}

static void lab_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct lab_pager *lp = of(p);
	uint32_t frame = frame_of(lp, page);

	(void)unneeded;
	if (frame == NO_FRAME) {
		lp->cache->ops->unfix(lp->cache, page);
		return;
	}
	if (lp->pager.may_fault)
		fault_strike(page);
	pthread_mutex_lock(&lp->lock);
	ASSERT(lp->frames[frame].pins > 0);
	if (--lp->frames[frame].pins == 0) {
		lp->n_pinned--;
		if (lp->frames[frame].state == OWN_HELD)
			retire(lp, frame);
	}
	pthread_mutex_unlock(&lp->lock);
}

static void lab_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	struct lab_pager *lp = of(p);

	pthread_mutex_lock(&lp->lock);
	for (size_t i = 0; i < n; i++) {
		uint32_t frame = find(lp, refs[i].pgno);
		bool found = frame != NO_FRAME && lp->frames[frame].ref.gen == refs[i].gen;

		ret_pages[i] = found ? page_at(lp, frame) : NULL;
	}
	pthread_mutex_unlock(&lp->lock);
}

static size_t lab_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	struct cache *c = of(p)->cache;

	(void)ahead;
	if (c->ops->prefetch)
		c->ops->prefetch(c, refs, n);
	return n;
}

static int lab_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	uint64_t size = p->page_size;

	return file_read(of(p)->cache->file, buf, n_pages * size, pgno * size, FILE_DEVICE);
}

/*
 * Writing
 */

static struct page *lab_fresh(struct pager *p, struct page_ref ref)
{
	struct lab_pager *lp = of(p);
	struct cache *c = lp->cache;
	uint32_t frame;

	c->ops->forget(c, ref.pgno, 1);
	pthread_mutex_lock(&lp->lock);
	ASSERT(find(lp, ref.pgno) == NO_FRAME);
	ASSERT(lp->n_made < p->writer_pages);
	frame = take_frame(lp);
	page_blank(page_at(lp, frame), ref);
	lp->frames[frame] =
		(struct own_frame){.ref = ref, .state = OWN_MADE, .next = *bucket(lp, ref.pgno)};
	*bucket(lp, ref.pgno) = frame;
	lp->n_made++;
	pthread_mutex_unlock(&lp->lock);
	return page_at(lp, frame);
}

static void lab_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	struct lab_pager *lp = of(p);

	pthread_mutex_lock(&lp->lock);
	unlink_range(lp, pgno, n_pages);
	pthread_mutex_unlock(&lp->lock);
	lp->cache->ops->forget(lp->cache, pgno, n_pages);
}

static const void *own_bytes(void *arg, pgno_t pgno)
{
	struct lab_pager *lp = arg;
	const struct page *page;
	uint32_t frame;

	pthread_mutex_lock(&lp->lock);
	frame = find(lp, pgno);
	ASSERT(frame != NO_FRAME);
	pthread_mutex_unlock(&lp->lock);
	page = page_at(lp, frame);
	ASSERT(page_is_sealed(page));
	return page;
}

static int lab_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct lab_pager *lp = of(p);
	struct cache *c = lp->cache;
	struct write_set s = {
		.set = set,
		.n = n,
		.file = c->file,
		.page_shift = (unsigned)__builtin_ctz(p->page_size),
		.bytes = own_bytes,
		.arg = lp,
	};
	int rc;

	for (size_t i = 0; i < n; i++)
		ASSERT((uint64_t)set[i].pgno + set[i].n_pages <= atomic_load(&lp->n_pages));
	rc = write_set_run(&s, lp->queue, &lp->write_bytes);
	/* What the cache has of these numbers is old, whether the write has succeeded or not. */
	for (size_t i = 0; i < n; i++)
		c->ops->forget(c, set[i].pgno, set[i].n_pages);
	pthread_mutex_lock(&lp->lock);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (!set[i].buf)
			unlink_frame(lp, find(lp, set[i].pgno));
	pthread_mutex_unlock(&lp->lock);
	return rc;
}

static int lab_flush(struct pager *p)
{
	struct lab_pager *lp = of(p);

	atomic_fetch_add_explicit(&lp->n_flushes, 1, memory_order_relaxed);
	return file_sync(lp->cache->file);
}

static int tell_size(struct lab_pager *lp, uint64_t n_pages)
{
	struct cache *c = lp->cache;

	return c->ops->resized ? c->ops->resized(c, (pgno_t)n_pages) : 0;
}

/* Nobody refers to what is cut: it is forgotten, and the cache lets go of it before the file does.
 */
static int cut(struct lab_pager *lp, uint64_t before, pgno_t n_pages)
{
	struct cache *c = lp->cache;
	int rc;

	pthread_mutex_lock(&lp->lock);
	unlink_range(lp, n_pages, before - n_pages);
	pthread_mutex_unlock(&lp->lock);
	c->ops->forget(c, n_pages, before - n_pages);
	atomic_store(&lp->n_pages, n_pages);
	rc = tell_size(lp, n_pages);
	if (rc == 0)
		rc = file_truncate(c->file, (uint64_t)n_pages * c->page_size);
	if (rc < 0 && tell_size(lp, before) == 0)
		atomic_store(&lp->n_pages, before);
	return rc;
}

static int grow(struct lab_pager *lp, uint64_t before, pgno_t n_pages)
{
	struct cache *c = lp->cache;
	uint64_t from = before * c->page_size;
	int rc = growth_make(c->file, from, (uint64_t)n_pages * c->page_size, lp->zeros,
		&lp->write_bytes);

	if (rc == 0)
		rc = tell_size(lp, n_pages);
	if (rc < 0) {
		(void)tell_size(lp, before);
		(void)file_truncate(c->file, from);
		return rc;
	}
	atomic_store(&lp->n_pages, n_pages);
	return 0;
}

static int lab_resize(struct pager *p, pgno_t n_pages)
{
	struct lab_pager *lp = of(p);
	uint64_t before = atomic_load(&lp->n_pages);

	if (n_pages < before)
		return cut(lp, before, n_pages);
	if (n_pages > before)
		return grow(lp, before, n_pages);
	return file_allocate(lp->cache->file, 0, before * p->page_size);
}

/*
 * The rest
 */

/* A cache does not know why it loads a page: what it did not read ahead was for a get. */
static void lab_stats(struct pager *p, struct pager_stats *stats)
{
	struct lab_pager *lp = of(p);
	struct cache *c = lp->cache;
	uint64_t n_ahead = atomic_load(&c->n_ahead); /* before the loads, of which it is a part */

	*stats = (struct pager_stats){
		.n_misses = atomic_load(&c->n_loads),
		.n_evictions = atomic_load(&c->n_evictions),
		.n_victims = atomic_load(&c->n_evictions),
		.n_flushes = atomic_load(&lp->n_flushes),
		.read_bytes = atomic_load(&c->read_bytes),
		.write_bytes = atomic_load(&lp->write_bytes),
		.memory_bytes_max = c->memory_bytes + (uint64_t)lp->n_frames * p->page_size,
	};
	if (c->areas) /* only the kernel knows */
		stats->n_evictions = UINT64_MAX;
	stats->n_prefetched = n_ahead;
	stats->n_loads[PAGER_LOAD_AHEAD] = n_ahead;
	stats->n_loads[PAGER_LOAD_GET] = stats->n_misses - n_ahead;
	stats->memory_bytes = stats->memory_bytes_max;
	(void)snprintf(stats->how, sizeof(stats->how),
		"%s: the cache of a lab; %s; queue %s; pins only", c->name,
		c->file->direct_why ? c->file->direct_why : "simulated", lp->queue->why);
}

/* Frees what was obtained, which may not be all. */
static void release(struct lab_pager *lp)
{
	queue_close(lp->queue);
	memory_release(lp->memory, (size_t)lp->n_frames * lp->pager.page_size);
	memory_release(lp->zeros, PAGER_GROWTH_WRITTEN);
	free(lp->frames);
	free(lp->buckets);
	(void)pthread_mutex_destroy(&lp->lock);
	pager_fini(&lp->pager);
	free(lp);
}

static void lab_close(struct pager *p)
{
	struct lab_pager *lp = of(p);

	ASSERT(lp->n_made == 0);
	ASSERT(lp->n_pinned == 0);
	lp->cache->ops->close(lp->cache);
	release(lp);
}

static const struct pager_ops lab_ops = {
	.get = lab_get,
	.put = lab_put,
	.peek = lab_peek,
	.fresh = lab_fresh,
	.prefetch = lab_prefetch,
	.write = lab_write,
	.flush = lab_flush,
	.drop = lab_drop,
	.resize = lab_resize,
	.read_device = lab_read_device,
	.stats = lab_stats,
	.close = lab_close,
};

static int obtain(struct lab_pager *lp)
{
	void *memory;
	int rc = memory_reserve((size_t)lp->n_frames * lp->pager.page_size, false, &memory);

	if (rc < 0)
		return rc;
	lp->memory = memory;
	rc = memory_reserve(PAGER_GROWTH_WRITTEN, false, &lp->zeros);
	if (rc < 0)
		return rc;
	lp->n_buckets = 2U << (31 - __builtin_clz(lp->n_frames));
	lp->frames = calloc(lp->n_frames, sizeof(*lp->frames));
	lp->buckets = calloc(lp->n_buckets, sizeof(*lp->buckets));
	if (!lp->frames || !lp->buckets)
		return error_set(-ENOMEM, "no memory for the writer's pages");
	for (uint32_t i = 0; i < lp->n_buckets; i++)
		lp->buckets[i] = NO_FRAME;
	for (uint32_t i = 0; i < lp->n_frames; i++)
		lp->frames[i].next = i + 1 < lp->n_frames ? i + 1 : NO_FRAME;
	return io_queue(lp->io, QUEUE_DEPTH, QUEUE_SYNC, &lp->queue);
}

int lab_pager_open(struct cache *c, const struct lab_pager_options *options,
	struct pager **ret_pager)
{
	struct lab_pager *lp = aligned_alloc(64, (sizeof(*lp) + 63) / 64 * 64);
	uint64_t size_bytes;
	int rc;

	if (!lp)
		return error_set(-ENOMEM, "no memory for a pager");
	memset((void *)lp, 0, sizeof(*lp));
	lp->ops = lab_ops;
	lp->ops.name = c->name;
	pager_init(&lp->pager, &lp->ops, c->page_size, c->seed, options->writer_pages);
	lp->pager.pins_inner = true;
	lp->pager.may_fault = c->areas != NULL;
	lp->pager.fault_areas = c->areas;
	lp->pager.device_is_cached = !c->file->device_direct;
	(void)pthread_mutex_init(&lp->lock, NULL);
	lp->cache = c;
	lp->io = options->io;
	lp->pin_pages = options->pin_pages;
	lp->n_frames = options->writer_pages + options->pin_pages + LIMBO_FRAMES;
	rc = file_size(c->file, &size_bytes);
	if (rc == 0 && size_bytes / c->page_size > UINT32_MAX)
		rc = error_set(-EFBIG, "the file has %" PRIu64 " bytes, more than 2^32 pages",
			size_bytes);
	if (rc == 0)
		rc = obtain(lp);
	if (rc < 0) {
		release(lp);
		return rc;
	}
	atomic_store(&lp->n_pages, size_bytes / c->page_size);
	c->pager = &lp->pager;
	*ret_pager = &lp->pager;
	return 0;
}
