/* SPDX-License-Identifier: MIT */
/*
 * Labs 2b and 2c: a buffer pool with one latch.
 *
 * The pool has n_frames frames of memory. A page that is asked for is found in a frame, or read
 * into one. While somebody uses it, it is pinned: it stays where it is. When no frame is free, a
 * page that is not pinned must leave; which one, the replacement policy says.
 *
 * Invariants, for every frame, whenever the latch is free:
 *
 *	1. A frame is in one of three places: in the free list; linked (in the bucket of its page,
 *	   and known to the policy); or unlinked (forgotten while it was pinned; its last unfix
 *	   frees it). In 2c there is a fourth: loading, the frame of a thread that reads.
 *	2. No two linked frames hold one page number.
 *	3. A frame with pins is never given to another page.
 *
 * One latch protects everything. In 2b it is held while a page is read. That is simple and right;
 * it is not fast, because a thread that finds its page in memory waits for another's disk. In 2c it
 * is free meanwhile (LOADING), and one invariant more holds:
 *
 *	4. No page number is read by two threads at a time.
 */
#include "base/error.h"
#include "bufpool/policy.h"
#include "labs/lib/cache.h"
#include "labs/lib/todo.h"

#include <errno.h>
#include <inttypes.h>

/* What the pool knows of a frame. All fields: the latch. */
struct slot {
	struct page_ref ref; /* the page in it, when it is linked */
	uint32_t pins;
	uint32_t next; /* in its bucket or in the free list; FRAME_NONE: the last */
	bool linked;
};

/* 2c: a page number that is being read; on the stack of the thread that reads. Fields: latch. */
struct loading {
	pgno_t pgno;
	bool is_stale; /* it was forgotten meanwhile: what was read may be old */
	struct loading *next;
};

struct pool {
	struct cache cache;
	uint32_t n_frames;     /* constant */
	uint32_t n_buckets;    /* a power of two; constant */
	uint8_t *memory;       /* n_frames pages; constant */
	pthread_mutex_t latch; /* what follows */
	struct slot *slots;    /* one a frame */
	uint32_t *buckets;     /* the first linked frame of each bucket, by page number */
	uint32_t free;         /* the first free frame, or FRAME_NONE */
	struct policy *policy; /* bufpool/policy.h */
	struct loading *loads; /* 2c: all pages that are being read */
	pthread_cond_t loaded; /* 2c: one of them is not read any more */
};

/*
 * Given: between frames and pages, and the lists.
 */

static struct pool *pool_of(struct cache *c)
{
	return (struct pool *)c;
}

static struct page *page_at(const struct pool *pool, uint32_t frame)
{
	return (struct page *)(pool->memory + (size_t)frame * pool->cache.page_size);
}

static uint32_t frame_of(const struct pool *pool, const struct page *page)
{
	return (uint32_t)(((uintptr_t)page - (uintptr_t)pool->memory) / pool->cache.page_size);
}

static uint32_t *bucket(const struct pool *pool, pgno_t pgno)
{
	return &pool->buckets[pgno & (pool->n_buckets - 1)];
}

/* Gives a frame that is nowhere back to the free list. */
static void free_push(struct pool *pool, uint32_t frame)
{
	pool->slots[frame].next = pool->free;
	pool->free = frame;
}

/* Makes the page in a frame findable, and tells the policy. */
static void link_frame(struct pool *pool, uint32_t frame, struct page_ref ref)
{
	pool->slots[frame] =
		(struct slot){.ref = ref, .next = *bucket(pool, ref.pgno), .linked = true};
	*bucket(pool, ref.pgno) = frame;
	atomic_store_explicit(&pool->policy->used[frame], USED_NOT, memory_order_relaxed);
	pool->policy->ops->insert(pool->policy, frame, ARRIVAL_GET);
}

/* The opposite: the frame is in no list afterwards, its pins stay as they are. */
static void unlink_frame(struct pool *pool, uint32_t frame)
{
	uint32_t *link = bucket(pool, pool->slots[frame].ref.pgno);

	while (*link != frame)
		link = &pool->slots[*link].next;
	*link = pool->slots[frame].next;
	pool->slots[frame].linked = false;
	pool->policy->ops->remove(pool->policy, frame);
}

/* Tells the policy that the page in a frame was used once more. */
static void note_hit(struct pool *pool, uint32_t frame)
{
	atomic_store_explicit(&pool->policy->used[frame], USED_YES, memory_order_relaxed);
	if (pool->policy->ops->hit)
		pool->policy->ops->hit(pool->policy, frame);
}

/*
 * Yours.
 */

/* The linked frame that holds page number pgno, in whatever generation, or FRAME_NONE. */
static uint32_t find(const struct pool *pool, pgno_t pgno)
{
	/* LAB 2.6 begin: walk the bucket of pgno to the frame with that number, or to its end */
	uint32_t frame = *bucket(pool, pgno);

	while (frame != FRAME_NONE && pool->slots[frame].ref.pgno != pgno)
		frame = pool->slots[frame].next;
	return frame;
	/* LAB 2.6 end: LAB_TODO_VOID("2.6"); */
}

/* Asked by the policy: may the page in this frame leave? */
static bool may_leave(void *arg, uint32_t frame)
{
	struct pool *pool = arg;

	/* LAB 2.7 begin: only what nobody uses */
	return pool->slots[frame].pins == 0;
	/* LAB 2.7 end: LAB_TODO_VOID("2.7"); */
}

/* Makes one page leave; returns its frame, which is in no list then, or FRAME_NONE. */
static uint32_t evict(struct pool *pool)
{
	/* LAB 2.8 begin: ask the policy for a victim; count it with cache_evicted(); unlink it */
	uint32_t frame = pool->policy->ops->victim(pool->policy, may_leave, pool);

	if (frame != FRAME_NONE) {
		cache_evicted(&pool->cache, pool->slots[frame].ref);
		unlink_frame(pool, frame);
	}
	return frame;
	/* LAB 2.8 end: LAB_TODO_VOID("2.8"); */
}

/* A frame for a page: a free one, else one that is evicted. VERSO_EPINNED when there is neither. */
static int take_frame(struct pool *pool, uint32_t *ret_frame)
{
	/* LAB 2.9 begin: the free list first; then evict(); then an error with a text */
	uint32_t frame = pool->free;

	if (frame != FRAME_NONE)
		pool->free = pool->slots[frame].next;
	else
		frame = evict(pool);
	if (frame == FRAME_NONE)
		return error_set(VERSO_EPINNED, "all %" PRIu32 " frames are pinned",
			pool->n_frames);
	*ret_frame = frame;
	return 0;
	/* LAB 2.9 end: return LAB_TODO("2.9"); */
}

/* The page in a linked frame is found no more. The frame is free now, or at its last unfix. */
static void forget_frame(struct pool *pool, uint32_t frame)
{
	/* LAB 2.10 begin: unlink it; is it free already? */
	unlink_frame(pool, frame);
	if (pool->slots[frame].pins == 0)
		free_push(pool, frame);
	/* LAB 2.10 end: LAB_TODO_VOID("2.10"); */
}

/*
 * Lab 2c, which begins when 2b is right. Until then these three are what 2b needs: nothing to wait
 * for, nothing to spoil, and a read under the latch.
 */

/* Returns when no thread reads page number pgno. May let the latch go, and takes it again. */
static void wait_for_load(struct pool *pool, pgno_t pgno)
{
	/* LAB 2.15 begin: look for pgno in pool->loads; while it is there, wait for pool->loaded */
	struct loading *l = pool->loads;

	while (l) {
		if (l->pgno != pgno) {
			l = l->next;
			continue;
		}
		pthread_cond_wait(&pool->loaded, &pool->latch);
		l = pool->loads;
	}
	/* LAB 2.15 end: LAB_LATER("2.15"); */
}

/* Reads the page `ref` into a frame that is in no list. In 2c the latch is free meanwhile. */
static int read_page(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	/* LAB 2.16 begin: enter it in pool->loads, read without the latch, take it out, wake all */
	struct loading mine = {.pgno = ref.pgno, .next = pool->loads}, **link = &pool->loads;
	int rc;

	pool->loads = &mine;
	pool->slots[frame].pins = 1; /* it is mine: CLOCK offers frames that it does not know */
	do {
		mine.is_stale = false;
		pthread_mutex_unlock(&pool->latch);
		rc = cache_load(&pool->cache, ref, page_at(pool, frame));
		pthread_mutex_lock(&pool->latch);
	} while (mine.is_stale);
	while (*link != &mine)
		link = &(*link)->next;
	*link = mine.next;
	pool->slots[frame].pins = 0;
	pthread_cond_broadcast(&pool->loaded);
	return rc;
	/* LAB 2.16 end: return cache_load(&pool->cache, ref, page_at(pool, frame)); */
}

/* What is being read of these page numbers is stale: the file's bytes change. */
static void spoil_loads(struct pool *pool, pgno_t pgno, uint64_t n_pages)
{
	/* LAB 2.17 begin: mark those of pool->loads; read_page() reads again what is marked */
	for (struct loading *l = pool->loads; l; l = l->next) {
		if (l->pgno >= pgno && l->pgno - pgno < n_pages)
			l->is_stale = true;
	}
	/* LAB 2.17 end: LAB_LATER("2.17"); */
}

/* Reads a page that is not in memory into a frame, and links it, unpinned. */
static int load(struct pool *pool, struct page_ref ref, uint32_t *ret_frame)
{
	/* LAB 2.11 begin: take a frame; read; forget another generation of this number; link */
	uint32_t frame = FRAME_NONE, old;
	int rc = take_frame(pool, &frame);

	if (rc < 0)
		return rc;
	rc = read_page(pool, ref, frame);
	if (rc < 0) {
		free_push(pool, frame);
		return rc;
	}
	old = find(pool, ref.pgno);
	if (old != FRAME_NONE)
		forget_frame(pool, old);
	link_frame(pool, frame, ref);
	*ret_frame = frame;
	return 0;
	/* LAB 2.11 end: return LAB_TODO("2.11"); */
}

/* See cache.h, fix. */
static int pool_fix(struct cache *c, struct page_ref ref, const struct page **ret_page)
{
	struct pool *pool = pool_of(c);
	/* LAB 2.12 begin: find it or load it, and pin it; a hit is told to the policy */
	uint32_t frame;
	int rc = 0;

	pthread_mutex_lock(&pool->latch);
	wait_for_load(pool, ref.pgno);
	frame = find(pool, ref.pgno);
	if (frame != FRAME_NONE && pool->slots[frame].ref.gen == ref.gen)
		note_hit(pool, frame);
	else
		rc = load(pool, ref, &frame);
	if (rc == 0) {
		pool->slots[frame].pins++;
		*ret_page = page_at(pool, frame);
	}
	pthread_mutex_unlock(&pool->latch);
	return rc;
	/* LAB 2.12 end: return LAB_TODO("2.12"); */
}

/* See cache.h, unfix. */
static void pool_unfix(struct cache *c, const struct page *page)
{
	struct pool *pool = pool_of(c);
	/* LAB 2.13 begin: one pin less; what if the page was forgotten meanwhile? */
	uint32_t frame = frame_of(pool, page);

	pthread_mutex_lock(&pool->latch);
	ASSERT(pool->slots[frame].pins > 0);
	pool->slots[frame].pins--;
	if (pool->slots[frame].pins == 0 && !pool->slots[frame].linked)
		free_push(pool, frame);
	pthread_mutex_unlock(&pool->latch);
	/* LAB 2.13 end: LAB_TODO_VOID("2.13"); */
}

/* See cache.h, forget. */
static void pool_forget(struct cache *c, pgno_t pgno, uint64_t n_pages)
{
	struct pool *pool = pool_of(c);
	/* LAB 2.14 begin: forget_frame() for each of these numbers; n_pages may be 1 or millions */

	pthread_mutex_lock(&pool->latch);
	spoil_loads(pool, pgno, n_pages);
	for (uint64_t i = 0; n_pages <= pool->n_frames && i < n_pages; i++) {
		uint32_t frame = find(pool, (pgno_t)(pgno + i));

		if (frame != FRAME_NONE)
			forget_frame(pool, frame);
	}
	for (uint32_t frame = 0; n_pages > pool->n_frames && frame < pool->n_frames; frame++) {
		const struct slot *s = &pool->slots[frame];

		if (s->linked && s->ref.pgno >= pgno && s->ref.pgno - pgno < n_pages)
			forget_frame(pool, frame);
	}
	pthread_mutex_unlock(&pool->latch);
	/* LAB 2.14 end: LAB_TODO_VOID("2.14"); */
}

/*
 * Given: opening and closing.
 */

static void pool_close(struct cache *c)
{
	struct pool *pool = pool_of(c);

	if (pool->policy) {
		free(pool->policy->frames);
		free((void *)pool->policy->used);
		pool->policy->ops->close(pool->policy);
	}
	free(pool->memory);
	free(pool->slots);
	free(pool->buckets);
	(void)pthread_cond_destroy(&pool->loaded);
	(void)pthread_mutex_destroy(&pool->latch);
	free(pool);
}

static const struct cache_ops pool_ops = {
	.fix = pool_fix,
	.unfix = pool_unfix,
	.forget = pool_forget,
	.close = pool_close,
};

static int open_policy(struct pool *pool, enum bufpool_policy number)
{
	const struct policy_ops *ops = bufpool_policies[number];
	int rc = ops->open(pool->n_frames, &pool->policy);

	if (rc < 0)
		return rc;
	pool->policy->ops = ops;
	pool->policy->frames = calloc(pool->n_frames, sizeof(*pool->policy->frames));
	pool->policy->used = calloc(pool->n_frames, 1);
	return pool->policy->frames && pool->policy->used ? 0 : -ENOMEM;
}

int cache_open(const struct cache_options *options, struct cache **ret_cache)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	uint32_t n = options->n_frames;

	if (!pool)
		return error_set(-ENOMEM, "no memory for a pool");
	cache_init(&pool->cache, &pool_ops, options);
	(void)pthread_mutex_init(&pool->latch, NULL);
	(void)pthread_cond_init(&pool->loaded, NULL);
	pool->n_frames = n;
	pool->n_buckets = 2U << (31 - __builtin_clz(n));
	pool->memory = aligned_alloc(4096, ((size_t)n * options->page_size + 4095) / 4096 * 4096);
	pool->slots = calloc(n, sizeof(*pool->slots));
	pool->buckets = malloc(pool->n_buckets * sizeof(*pool->buckets));
	if (!pool->memory || !pool->slots || !pool->buckets ||
		open_policy(pool, options->policy) < 0) {
		pool_close(&pool->cache);
		return error_set(-ENOMEM, "no memory for a pool of %" PRIu32 " frames", n);
	}
	for (uint32_t i = 0; i < pool->n_buckets; i++)
		pool->buckets[i] = FRAME_NONE;
	pool->free = FRAME_NONE;
	for (uint32_t i = n; i-- > 0;)
		free_push(pool, i);
	*ret_cache = &pool->cache;
	return 0;
}
