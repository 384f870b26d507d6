/* SPDX-License-Identifier: MIT */
/*
 * Prefetch: adjacent pages in one request of a queue, verified and published by the thread that
 * reaps it. Which queue: see open_queues() in pool.c.
 *
 * A prefetch is a hint: it takes a unit of the pin quota and a frame only when that needs no wait,
 * and one that fails leaves nothing behind. The get that needs the page reads again and reports.
 */
#include "base/error.h"
#include "base/thread.h"
#include "bufpool/bufpool_int.h"

#include <errno.h>

/* In the thread that reaps, whose own call may succeed: a bad page is no error of it. */
static void prefetch_done(struct io_req *req)
{
	struct load *load = req->owner;
	struct pool *pool = load->pool;
	uint32_t n_pages = load->n_pages;

	error_mute();
	for (uint32_t i = 0; i < n_pages; i++) {
		bool good = req->result == 0 &&
			    load_verify(pool, pool_page(pool, load->frames[i]), load->refs[i]) == 0;

		if (good)
			pager_trace_page(&pool->pager, PAGER_LOAD, load->refs[i],
				pool_page(pool, load->frames[i]));
		(void)load_end(pool, load->refs[i].pgno, load->frames[i], good, 0);
	}
	error_unmute();
	if (req->result == 0)
		count(&pool->read_bytes, (uint64_t)n_pages << pool->page_shift);
	atomic_fetch_sub(&pool->n_ahead, n_pages);
	pthread_mutex_lock(&pool->loads.lock);
	load_move(load, LOAD_DONE); /* the queue still has to set `complete`: not free yet */
	pthread_mutex_unlock(&pool->loads.lock);
	loads_arrived(pool, n_pages);
}

/* A slot to fill, or NULL when all are in flight. */
static struct load *slot_get(struct pool *pool)
{
	struct load *found = NULL;

	pthread_mutex_lock(&pool->loads.lock);
	for (unsigned i = 0; i < LOAD_SLOTS && !found; i++) {
		struct load *load = &pool->loads.slots[i];

		if (load->state == LOAD_DONE && load->n_refs == 0 &&
			atomic_load_explicit(&load->req.complete, memory_order_acquire))
			load_move(load, LOAD_FREE);
		if (load->state == LOAD_FREE)
			found = load;
	}
	if (found) {
		load_move(found, LOAD_FILLING);
		found->n_refs = 1;
		found->n_pages = 0;
	}
	pthread_mutex_unlock(&pool->loads.lock);
	return found;
}

static void slot_put(struct pool *pool, struct load *load)
{
	pthread_mutex_lock(&pool->loads.lock);
	load_move(load, LOAD_FREE);
	load->n_refs = 0;
	pthread_mutex_unlock(&pool->loads.lock);
}

/*
 * A unit of the pin quota and a frame for a prefetch, without waiting. FRAME_NONE: the hint is not
 * worth it.
 */
static uint32_t prefetch_frame(struct pool *pool, pgno_t pgno, enum frame_use use)
{
	uint32_t frame;

	if (!quota_try(pool)) {
		pthread_mutex_lock(&pool->lock);
		(void)pages_deactivate(pool, pool->batch);
		pthread_mutex_unlock(&pool->lock);
		if (!quota_try(pool))
			return FRAME_NONE;
	}
	frame = frame_get(pool, pgno, use);
	if (frame == FRAME_NONE)
		quota_put(pool);
	return frame;
}

/* Adds a page that follows those in the slot. 0; 1: it is in memory by now; -ENOMEM: no frame. */
static int prefetch_add(struct pool *pool, struct load *load, struct page_ref ref,
	enum frame_use use)
{
	uint32_t frame = prefetch_frame(pool, ref.pgno, use);
	uint32_t i = load->n_pages;

	if (frame == FRAME_NONE)
		return -ENOMEM;
	/* Counted before the word becomes LOADING: a thread that sees LOADING may wait for it. */
	atomic_fetch_add(&pool->n_loading, 1);
	if (!load_begin(pool, ref.pgno, frame)) {
		load_abandon(pool, frame);
		loads_arrived(pool, 1);
		return 1;
	}
	atomic_fetch_add(&pool->n_ahead, 1);
	load->refs[i] = ref;
	load->frames[i] = frame;
	load->iov[i] = (struct iovec){pool_page(pool, frame), pool->pager.page_size};
	load->n_pages++;
	return 0;
}

static bool is_wanted(struct pool *pool, struct page_ref ref)
{
	return ref.pgno < atomic_load_explicit(&pool->n_pages, memory_order_relaxed) &&
	       word_state(atomic_load_explicit(table_word(&pool->table, ref.pgno),
		       memory_order_relaxed)) == WORD_EMPTY;
}

static bool follows(const struct load *load, struct page_ref ref)
{
	return load->n_pages > 0 && load->n_pages < LOAD_PAGES &&
	       load->refs[load->n_pages - 1].pgno + 1 == ref.pgno;
}

static void prefetch_submit(struct pool *pool, struct queue *queue, struct load *const *loads,
	size_t n)
{
	struct io_req *reqs[LOAD_SLOTS];

	for (size_t i = 0; i < n; i++) {
		struct load *load = loads[i];

		memset(&load->req, 0, sizeof(load->req));
		load->req.kind = IO_READ;
		load->req.file = pool->file;
		load->req.iov = load->iov;
		load->req.n_iov = load->n_pages;
		load->req.off_bytes = (uint64_t)load->refs[0].pgno << pool->page_shift;
		load->req.done = prefetch_done;
		load->req.owner = load;
		load->queue = queue;
		reqs[i] = &load->req;
		count(&pool->n_prefetched, load->n_pages);
	}
	queue_submit(queue, reqs, n);
	pthread_mutex_lock(&pool->loads.lock);
	for (size_t i = 0; i < n; i++) {
		if (loads[i]->state == LOAD_FILLING) /* else it is done already */
			load_move(loads[i], LOAD_FLYING);
		loads[i]->n_refs--;
	}
	if (pool->loads.n_asleep > 0)
		(void)pthread_cond_broadcast(&pool->loads.arrived);
	pthread_mutex_unlock(&pool->loads.lock);
}

void pool_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	THREAD_KEPT;
	struct pool *pool = pool_of(p);
	struct queue *queue = ahead ? pool->ahead : pool->queue;
	struct load *loads[LOAD_SLOTS];
	struct load *load = NULL;
	size_t n_loads = 0;

	queue_poll(queue);
	for (size_t i = 0; i < n; i++) {
		if (!is_wanted(pool, refs[i]))
			continue;
		if (atomic_load_explicit(&pool->n_ahead, memory_order_relaxed) >=
			pool->opts.prefetch_pages)
			break;
		if (!load || !follows(load, refs[i])) {
			if (load && load->n_pages > 0) {
				loads[n_loads++] = load;
				load = NULL;
			}
			if (!load)
				load = n_loads < LOAD_SLOTS ? slot_get(pool) : NULL;
			if (!load)
				break;
		}
		if (prefetch_add(pool, load, refs[i], ahead ? FRAME_SCAN : FRAME_PREFETCH) < 0)
			break;
	}
	if (load && load->n_pages > 0)
		loads[n_loads++] = load;
	else if (load)
		slot_put(pool, load);
	if (n_loads > 0)
		prefetch_submit(pool, queue, loads, n_loads);
}
