/* SPDX-License-Identifier: MIT */
/*
 * Lab 3b: the buffer pool of Lab 2c, which also reads ahead.
 *
 * Somebody who knows which pages will be wanted soon says so: prefetch(). The pool asks a queue for
 * all of them at once, and does not wait. Who wants such a page later finds it in memory, or waits
 * for the rest of its read.
 *
 * The invariants of Lab 2c hold, for every frame, whenever the latch is free:
 *
 *	1. A frame is in one of four places: in the free list; linked; unlinked (forgotten while it
 *	   was pinned); or loading, the frame of a read.
 *	2. No two linked frames hold one page number.
 *	3. A frame with pins is never given to another page.
 *	4. No page number is read by two at a time: threads, or requests.
 *
 * And three more:
 *
 *	5. A request is the queue's from submit until it is `complete`, and so are its frame and its
 *	   place in `ahead`.
 *	6. No thread is in the queue with the latch held: neither in submit nor in wait.
 *	7. A get fails because of pins alone. Where frames are missing because pages are read ahead,
 *	   it waits for one of them.
 *
 * All of Lab 2 is here, as its reference has it. You may put in the functions that you wrote then.
 */
#include "base/error.h"
#include "bufpool/policy.h"
#include "io/queue.h"
#include "labs/lib/cache.h"
#include "labs/lib/todo.h"

#include <errno.h>
#include <inttypes.h>

#define AHEAD_MAX 32U /* pages that are read ahead at a time */
#define AGAIN     1   /* a page came meanwhile: begin again */

/* What the pool knows of a frame. All fields: the latch. */
struct slot {
	struct page_ref ref; /* the page in it, when it is linked */
	uint32_t pins;
	uint32_t next; /* in its bucket or in the free list; FRAME_NONE: the last */
	bool linked;
};

/* A page number that is being read. All fields: the latch. */
struct loading {
	pgno_t pgno;
	bool is_stale;            /* it was forgotten meanwhile: what was read may be old */
	const struct io_req *req; /* it is read ahead, by this; NULL: by a thread, for itself */
	struct loading *next;
};

/* A place for a page that is read ahead. Free exactly when `req` is complete. */
struct ahead {
	struct io_req req;   /* one frame, from the file; the queue's while it is not complete */
	struct iovec iov;    /* of req: the frame's memory */
	struct pool *pool;   /* constant */
	struct page_ref ref; /* what follows: set before submit, and then constant */
	uint32_t frame;
	struct loading load; /* the latch */
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
	struct loading *loads; /* all pages that are being read */
	pthread_cond_t loaded; /* a thread has read one of them for itself */
	struct queue *queue;   /* for reading ahead; constant */
	struct ahead *ahead;   /* AHEAD_MAX places; constant */
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

/* Enters a page number among those that are being read, and takes it out again. */
static void loads_push(struct pool *pool, struct loading *load)
{
	load->next = pool->loads;
	pool->loads = load;
}

static void loads_remove(struct pool *pool, const struct loading *load)
{
	struct loading **link = &pool->loads;

	while (*link != load)
		link = &(*link)->next;
	*link = load->next;
}

/* Who reads page number pgno, or NULL. */
static struct loading *find_load(const struct pool *pool, pgno_t pgno)
{
	struct loading *l = pool->loads;

	while (l && l->pgno != pgno)
		l = l->next;
	return l;
}

/*
 * Given: Lab 2b. The latch is held.
 */

/* The linked frame that holds page number pgno, in whatever generation, or FRAME_NONE. */
static uint32_t find(const struct pool *pool, pgno_t pgno)
{
	uint32_t frame = *bucket(pool, pgno);

	while (frame != FRAME_NONE && pool->slots[frame].ref.pgno != pgno)
		frame = pool->slots[frame].next;
	return frame;
}

/* Asked by the policy: may the page in this frame leave? */
static bool may_leave(void *arg, uint32_t frame)
{
	struct pool *pool = arg;

	return pool->slots[frame].pins == 0;
}

/* Makes one page leave; returns its frame, which is in no list then, or FRAME_NONE. */
static uint32_t evict(struct pool *pool)
{
	uint32_t frame = pool->policy->ops->victim(pool->policy, may_leave, pool);

	if (frame != FRAME_NONE) {
		cache_evicted(&pool->cache, pool->slots[frame].ref);
		unlink_frame(pool, frame);
	}
	return frame;
}

/* A free frame, else one that is evicted, else FRAME_NONE. It is in no list then. */
static uint32_t frame_if_any(struct pool *pool)
{
	uint32_t frame = pool->free;

	if (frame == FRAME_NONE)
		return evict(pool);
	pool->free = pool->slots[frame].next;
	return frame;
}

/* The page in a linked frame is found no more. The frame is free now, or at its last unfix. */
static void forget_frame(struct pool *pool, uint32_t frame)
{
	unlink_frame(pool, frame);
	if (pool->slots[frame].pins == 0)
		free_push(pool, frame);
}

/*
 * Yours: reading ahead. The latch is held in these, but for drain(), ahead_done() and
 * pool_prefetch().
 */

/* A place in which nothing is read ahead, or NULL. */
static struct ahead *ahead_free(struct pool *pool)
{
	/* LAB 3.7 begin: look at each place: when is its request the pool's own? */
	for (uint32_t i = 0; i < AHEAD_MAX; i++) {
		if (atomic_load_explicit(&pool->ahead[i].req.complete, memory_order_acquire))
			return &pool->ahead[i];
	}
	return NULL;
	/* LAB 3.7 end: LAB_TODO_VOID("3.7"); */
}

/* Waits for all that is still read ahead. The latch is free, and no other thread is in the pool. */
static void drain(struct pool *pool)
{
	/* LAB 3.8 begin: every place is free afterwards */
	for (uint32_t i = 0; i < AHEAD_MAX; i++)
		queue_wait(pool->queue, &pool->ahead[i].req);
	/* LAB 3.8 end: LAB_TODO_VOID("3.8"); */
}

/* Prepares the read of a page, and returns its request; NULL: it is not to be read ahead now. */
static struct io_req *ahead_begin(struct pool *pool, struct page_ref ref)
{
	/* LAB 3.9 begin: is it wanted? a place and a frame; fill the request; enter it in loads */
	struct ahead *a = ahead_free(pool);
	uint32_t frame = find(pool, ref.pgno);

	if (!a || find_load(pool, ref.pgno))
		return NULL;
	if (frame != FRAME_NONE && pool->slots[frame].ref.gen == ref.gen)
		return NULL;
	frame = frame_if_any(pool);
	if (frame == FRAME_NONE)
		return NULL;
	pool->slots[frame].pins = 1; /* it is the queue's now: no policy may offer it */
	a->ref = ref;
	a->frame = frame;
	a->iov.iov_base = page_at(pool, frame);
	a->req.off_bytes = (uint64_t)ref.pgno * pool->cache.page_size;
	atomic_store_explicit(&a->req.complete, false, memory_order_relaxed);
	a->load = (struct loading){.pgno = ref.pgno, .req = &a->req};
	loads_push(pool, &a->load);
	return &a->req;
	/* LAB 3.9 end: LAB_TODO_VOID("3.9"); */
}

/* Called by the queue when a read is over, in any thread, with the latch free. */
static void ahead_done(struct io_req *req)
{
	struct ahead *a = req->owner;
	struct pool *pool = a->pool;
	/* LAB 3.10 begin: is it the page, and whole? out of loads; link the frame, or free it */
	struct page *page = page_at(pool, a->frame);
	bool is_good = req->result == 0 && cache_ahead(&pool->cache, a->ref, page) == 0;

	pthread_mutex_lock(&pool->latch);
	loads_remove(pool, &a->load);
	pool->slots[a->frame].pins = 0;
	if (is_good && !a->load.is_stale) {
		uint32_t old = find(pool, a->ref.pgno);

		if (old != FRAME_NONE)
			forget_frame(pool, old);
		link_frame(pool, a->frame, a->ref);
	} else {
		free_push(pool, a->frame);
	}
	pthread_mutex_unlock(&pool->latch);
	/* LAB 3.10 end: LAB_TODO_VOID("3.10"); */
}

/* See cache.h, prefetch. */
static void pool_prefetch(struct cache *c, const struct page_ref *refs, size_t n)
{
	struct pool *pool = pool_of(c);
	/* LAB 3.11 begin: ahead_begin() each under the latch; submit them all without it */
	struct io_req *reqs[AHEAD_MAX];
	size_t n_reqs = 0;

	pthread_mutex_lock(&pool->latch);
	for (size_t i = 0; i < n && n_reqs < AHEAD_MAX; i++) {
		struct io_req *req = ahead_begin(pool, refs[i]);

		if (req)
			reqs[n_reqs++] = req;
	}
	pthread_mutex_unlock(&pool->latch);
	if (n_reqs > 0)
		queue_submit(pool->queue, reqs, n_reqs);
	/* LAB 3.11 end: LAB_TODO_VOID("3.11"); */
}

/* Returns when nobody reads page number pgno. May let the latch go, and takes it again. */
static void wait_for_load(struct pool *pool, pgno_t pgno)
{
	struct loading *l;

	while ((l = find_load(pool, pgno)) != NULL) {
		const struct io_req *req = l->req;

		if (!req) {
			pthread_cond_wait(&pool->loaded, &pool->latch);
			continue;
		}
		/* LAB 3.12 begin: it is read ahead: wait in the queue, without the latch */
		pthread_mutex_unlock(&pool->latch);
		queue_wait(pool->queue, req);
		pthread_mutex_lock(&pool->latch);
		/* LAB 3.12 end: LAB_TODO_VOID("3.12"); */
	}
}

/* Waits until one of the pages that are read ahead has come, in whatever state. False: none is. */
static bool wait_for_ahead(struct pool *pool)
{
	/* LAB 3.13 begin: the first of loads that has a request; wait for it without the latch */
	const struct loading *l = pool->loads;
	const struct io_req *req;

	while (l && !l->req)
		l = l->next;
	if (!l)
		return false;
	req = l->req;
	pthread_mutex_unlock(&pool->latch);
	queue_wait(pool->queue, req);
	pthread_mutex_lock(&pool->latch);
	return true;
	/* LAB 3.13 end: LAB_TODO_VOID("3.13"); */
}

/*
 * Given: Lab 2c, with one addition: a full pool may wait for what is read ahead.
 */

/* A frame for a page. AGAIN: there was none, but something came. VERSO_EPINNED: all are pinned. */
static int take_frame(struct pool *pool, uint32_t *ret_frame)
{
	uint32_t frame = frame_if_any(pool);

	if (frame != FRAME_NONE) {
		*ret_frame = frame;
		return 0;
	}
	if (wait_for_ahead(pool))
		return AGAIN;
	return error_set(VERSO_EPINNED, "all %" PRIu32 " frames are pinned", pool->n_frames);
}

/* Reads the page `ref` into a frame that is in no list. The latch is free meanwhile. */
static int read_page(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	struct loading mine = {.pgno = ref.pgno};
	int rc;

	loads_push(pool, &mine);
	pool->slots[frame].pins = 1; /* it is mine: CLOCK offers frames that it does not know */
	do {
		mine.is_stale = false;
		pthread_mutex_unlock(&pool->latch);
		rc = cache_load(&pool->cache, ref, page_at(pool, frame));
		pthread_mutex_lock(&pool->latch);
	} while (mine.is_stale);
	loads_remove(pool, &mine);
	pool->slots[frame].pins = 0;
	pthread_cond_broadcast(&pool->loaded);
	return rc;
}

/* What is being read of these page numbers is stale: the file's bytes change. */
static void spoil_loads(struct pool *pool, pgno_t pgno, uint64_t n_pages)
{
	for (struct loading *l = pool->loads; l; l = l->next) {
		if (l->pgno >= pgno && l->pgno - pgno < n_pages)
			l->is_stale = true;
	}
}

/* Reads a page that is not in memory into a frame, and links it, unpinned. AGAIN: take_frame(). */
static int load(struct pool *pool, struct page_ref ref, uint32_t *ret_frame)
{
	uint32_t frame = FRAME_NONE, old;
	int rc = take_frame(pool, &frame);

	if (rc != 0)
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
}

/* See cache.h, fix. */
static int pool_fix(struct cache *c, struct page_ref ref, const struct page **ret_page)
{
	struct pool *pool = pool_of(c);
	uint32_t frame;
	int rc;

	pthread_mutex_lock(&pool->latch);
	do {
		rc = 0;
		wait_for_load(pool, ref.pgno);
		frame = find(pool, ref.pgno);
		if (frame != FRAME_NONE && pool->slots[frame].ref.gen == ref.gen)
			note_hit(pool, frame);
		else
			rc = load(pool, ref, &frame);
	} while (rc == AGAIN);
	if (rc == 0) {
		pool->slots[frame].pins++;
		*ret_page = page_at(pool, frame);
	}
	pthread_mutex_unlock(&pool->latch);
	return rc;
}

/* See cache.h, unfix. */
static void pool_unfix(struct cache *c, const struct page *page)
{
	struct pool *pool = pool_of(c);
	uint32_t frame = frame_of(pool, page);

	pthread_mutex_lock(&pool->latch);
	ASSERT(pool->slots[frame].pins > 0);
	pool->slots[frame].pins--;
	if (pool->slots[frame].pins == 0 && !pool->slots[frame].linked)
		free_push(pool, frame);
	pthread_mutex_unlock(&pool->latch);
}

/* See cache.h, forget. */
static void pool_forget(struct cache *c, pgno_t pgno, uint64_t n_pages)
{
	struct pool *pool = pool_of(c);

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
}

/*
 * Given: opening and closing.
 */

static void pool_close(struct cache *c)
{
	struct pool *pool = pool_of(c);

	if (pool->queue)
		drain(pool);
	queue_close(pool->queue);
	free(pool->ahead);
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
	.prefetch = pool_prefetch,
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

/* The places, with what never changes in them. */
static int open_ahead(struct pool *pool, struct io *io)
{
	pool->ahead = calloc(AHEAD_MAX, sizeof(*pool->ahead));
	if (!pool->ahead)
		return error_set(-ENOMEM, "no memory for reading ahead");
	for (uint32_t i = 0; i < AHEAD_MAX; i++) {
		struct ahead *a = &pool->ahead[i];

		a->pool = pool;
		a->iov.iov_len = pool->cache.page_size;
		a->req = (struct io_req){
			.kind = IO_READ,
			.file = pool->cache.file,
			.iov = &a->iov,
			.n_iov = 1,
			.done = ahead_done,
			.owner = a,
			.complete = true,
		};
	}
	return io_queue(io, AHEAD_MAX, QUEUE_BEST, &pool->queue);
}

int cache_open(const struct cache_options *options, struct cache **ret_cache)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	uint32_t n = options->n_frames;
	int rc;

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
	rc = open_ahead(pool, options->io);
	if (rc < 0) {
		pool_close(&pool->cache);
		return rc;
	}
	*ret_cache = &pool->cache;
	return 0;
}
