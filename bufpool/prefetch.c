/* SPDX-License-Identifier: MIT */
/*
 * Prefetch: adjacent pages in one request of a queue, verified and published by the thread that
 * reaps it. Which queue: see queues_open().
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
	reads_end(pool, 1);
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
		found->n_iov = 0;
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
 * Units of the pin quota and frames for up to n pages, without waiting. Returns for how many: 0
 * where the hint is not worth it.
 */
static uint32_t prefetch_frames(struct pool *pool, const struct page_ref *refs, uint32_t n,
	enum frame_use use, uint32_t *ret_frames)
{
	uint32_t n_units = quota_take(pool, n), n_frames;

	if (n_units < n) {
		pthread_mutex_lock(&pool->lock);
		(void)pages_deactivate(pool, pool->batch);
		pthread_mutex_unlock(&pool->lock);
		n_units += quota_take(pool, n - n_units);
	}
	n_frames = frames_get(pool, refs, n_units, use, ret_frames);
	quota_put_many(pool, n_units - n_frames);
	return n_frames;
}

static bool is_wanted(struct pool *pool, struct page_ref ref)
{
	return ref.pgno < atomic_load_explicit(&pool->n_pages, memory_order_relaxed) &&
	       word_state(atomic_load_explicit(table_word(&pool->table, ref.pgno),
		       memory_order_relaxed)) == WORD_EMPTY;
}

/* How many of the n refs, from the first on, are wanted and adjacent, up or (*ret_down) down. */
static uint32_t run_length(struct pool *pool, const struct page_ref *refs, size_t n, bool *ret_down)
{
	uint32_t len = 1;

	*ret_down = n > 1 && refs[1].pgno + 1 == refs[0].pgno;
	while (len < n && len < LOAD_PAGES &&
		refs[len].pgno == refs[len - 1].pgno + (*ret_down ? -1U : 1U) &&
		is_wanted(pool, refs[len]))
		len++;
	return len;
}

/* How many pages more may be on their way. */
static uint32_t n_allowed(struct pool *pool)
{
	uint32_t n = atomic_load_explicit(&pool->n_ahead, memory_order_relaxed);

	uint32_t max = atomic_load_explicit(&pool->n_ahead_max, memory_order_relaxed);

	return n < max ? max - n : 0;
}

/* Fills in the load, of pages whose words are LOADING. Frames that adjoin make one piece. */
static void load_add(struct pool *pool, struct load *load, struct page_ref ref, uint32_t frame)
{
	struct iovec *last = load->n_iov > 0 ? &load->iov[load->n_iov - 1] : NULL;
	void *page = pool_page(pool, frame);

	ASSERT(load->n_pages == 0 || ref.pgno == load->refs[load->n_pages - 1].pgno + 1);
	if (last && (char *)last->iov_base + last->iov_len == page)
		last->iov_len += pool->pager.page_size;
	else
		load->iov[load->n_iov++] = (struct iovec){page, pool->pager.page_size};
	load->refs[load->n_pages] = ref;
	load->frames[load->n_pages++] = frame;
}

/*
 * Begins to load adjacent pages, in the order of the file, into a load that has none: as many as
 * there are frames for, up to the first that is in memory by now. False: there is no frame.
 */
static bool load_fill(struct pool *pool, struct load *load, const struct page_ref *refs, uint32_t n,
	enum frame_use use)
{
	uint32_t frames[LOAD_PAGES];
	uint32_t i = 0, n_frames;

	ASSERT(n <= LOAD_PAGES);
	n_frames = prefetch_frames(pool, refs, n, use, frames);
	/* Counted before a word becomes LOADING: a thread that sees LOADING may wait for it. */
	atomic_fetch_add(&pool->n_loading, n_frames);
	atomic_fetch_add(&pool->n_ahead, n_frames);
	for (; i < n_frames && load_begin(pool, refs[i].pgno, frames[i]); i++)
		load_add(pool, load, refs[i], frames[i]);
	if (i == n_frames)
		return n_frames > 0;
	atomic_fetch_sub(&pool->n_ahead, n_frames - i);
	for (uint32_t k = i; k < n_frames; k++)
		load_abandon(pool, frames[k]);
	loads_arrived(pool, n_frames - i);
	return true;
}

static void prefetch_submit(struct pool *pool, struct queue *queue, enum pager_load_cause cause,
	struct load *const *loads, size_t n)
{
	struct io_req *reqs[LOAD_SLOTS];

	for (size_t i = 0; i < n; i++) {
		struct load *load = loads[i];

		memset(&load->req, 0, sizeof(load->req));
		load->req.kind = IO_READ;
		load->req.file = pool->file;
		load->req.iov = load->iov;
		load->req.n_iov = load->n_iov;
		load->req.off_bytes = (uint64_t)load->refs[0].pgno << pool->page_shift;
		load->req.done = prefetch_done;
		load->req.owner = load;
		load->queue = queue;
		reqs[i] = &load->req;
		count(&pool->n_loads[cause], load->n_pages);
	}
	reads_begin(pool, n);
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

size_t pool_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	THREAD_KEPT;
	struct pool *pool = pool_of(p);
	struct queue *queue = ahead ? pool->ahead : pool->queue;
	struct load *loads[LOAD_SLOTS];
	bool has_frames = true;
	size_t i = 0, n_loads = 0;

	queue_poll(queue);
	/* What is on its way is not wanted any more when the loop comes to it again. */
	while (i < n && has_frames) {
		struct page_ref run[LOAD_PAGES];
		struct load *load;
		uint32_t len, n_more;
		bool down;

		if (!is_wanted(pool, refs[i])) {
			i++;
			continue;
		}
		len = run_length(pool, refs + i, n - i, &down);
		n_more = n_allowed(pool); /* once: other threads change it */
		len = len < n_more ? len : n_more;
		load = len > 0 && n_loads < LOAD_SLOTS ? slot_get(pool) : NULL;
		if (!load)
			break;
		for (uint32_t k = 0; k < len; k++)
			run[k] = refs[i + (down ? len - 1 - k : k)];
		has_frames = load_fill(pool, load, run, len, ahead ? FRAME_SCAN : FRAME_PREFETCH);
		if (load->n_pages > 0)
			loads[n_loads++] = load;
		else
			slot_put(pool, load);
	}
	if (n_loads > 0)
		prefetch_submit(pool, queue, ahead ? PAGER_LOAD_AHEAD : PAGER_LOAD_MANY, loads,
			n_loads);
	return i;
}
