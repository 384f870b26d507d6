/* SPDX-License-Identifier: MIT */
/*
 * Loading: misses and prefetch.
 *
 * Whoever moves a page word from EMPTY to LOADING reads the page; others wait. A miss reads by one
 * synchronous call in the thread that wants the page, and verifies it there: nothing is handed
 * over, no queue that may be full of writes is passed. A prefetch goes through a queue, adjacent
 * pages in one request, and is verified and published by whichever thread reaps it. Which queue:
 * see open_queues() in pool.c.
 *
 * Nobody sees a page before it was verified: a frame becomes visible in one step, LOADING to
 * CACHED, and that step fails when the place was overwritten or dropped during the read. A prefetch
 * that fails leaves nothing behind; the get that needs the page reads again and reports.
 */
#include "base/thread.h"
#include "bufpool/bufpool_int.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>

/*
 * Arrivals
 */

uint64_t loads_seen(struct pool *pool)
{
	uint64_t seen;

	pthread_mutex_lock(&pool->loads.lock);
	seen = pool->loads.n_done;
	pthread_mutex_unlock(&pool->loads.lock);
	return seen;
}

/* n loads have ended: their words and frames are settled. */
static void loads_arrived(struct pool *pool, uint32_t n)
{
	atomic_fetch_sub_explicit(&pool->n_loading, n, memory_order_release);
	pthread_mutex_lock(&pool->loads.lock);
	pool->loads.n_done += n;
	if (pool->loads.n_asleep > 0)
		(void)pthread_cond_broadcast(&pool->loads.arrived);
	pthread_mutex_unlock(&pool->loads.lock);
}

static void sleep_locked(struct pool *pool)
{
	pool->loads.n_asleep++;
	(void)pthread_cond_wait(&pool->loads.arrived, &pool->loads.lock);
	pool->loads.n_asleep--;
}

/* Waits for a prefetch as a reaper. The lock is given up meanwhile; the slot stays as it is. */
static void reap_locked(struct pool *pool, struct load *load)
{
	load->n_refs++;
	pthread_mutex_unlock(&pool->loads.lock);
	queue_wait(load->queue, &load->req);
	pthread_mutex_lock(&pool->loads.lock);
	load->n_refs--;
}

/* The prefetch in flight that covers pgno, or any when `any`; NULL. */
static struct load *find_flying(struct pool *pool, pgno_t pgno, bool any)
{
	for (unsigned i = 0; i < LOAD_SLOTS; i++) {
		struct load *load = &pool->loads.slots[i];

		if (load->state != LOAD_FLYING)
			continue;
		if (any ||
			(pgno >= load->refs[0].pgno && pgno - load->refs[0].pgno < load->n_pages))
			return load;
	}
	return NULL;
}

void load_wait(struct pool *pool, pgno_t pgno)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);

	pthread_mutex_lock(&pool->loads.lock);
	/* The word moves before the lock is taken to say so: no arrival is missed. */
	while (word_state(atomic_load_explicit(word, memory_order_acquire)) == WORD_LOADING) {
		struct load *load = find_flying(pool, pgno, false);

		if (load)
			reap_locked(pool, load);
		else
			sleep_locked(pool);
	}
	pthread_mutex_unlock(&pool->loads.lock);
}

void loads_wait(struct pool *pool, uint64_t seen)
{
	pthread_mutex_lock(&pool->loads.lock);
	while (pool->loads.n_done == seen &&
		atomic_load_explicit(&pool->n_loading, memory_order_acquire) > 0) {
		struct load *load = find_flying(pool, 0, true);

		if (load)
			reap_locked(pool, load);
		else
			sleep_locked(pool);
	}
	pthread_mutex_unlock(&pool->loads.lock);
}

void loads_drain(struct pool *pool)
{
	pthread_mutex_lock(&pool->loads.lock);
	for (unsigned i = 0; i < LOAD_SLOTS; i++) {
		struct load *load = &pool->loads.slots[i];

		ASSERT(load->state != LOAD_FILLING);
		if (load->state != LOAD_FREE)
			reap_locked(pool, load);
	}
	pthread_mutex_unlock(&pool->loads.lock);
}

/*
 * One page
 */

static int verify(const struct pool *pool, const struct page *page, struct page_ref ref)
{
	if (pool->opts.checksum == PAGER_CHECKSUM_NONE && page_is(page, ref) &&
		page_is_sealed(page))
		return 0;
	return page_verify(page, pool->pager.page_size, ref, pool->pager.seed);
}

/* Gives back the frame of a load that nobody saw, and its unit of the pin quota. */
static void load_abandon(struct pool *pool, uint32_t frame)
{
	pthread_mutex_lock(&pool->lock);
	pool->policy->ops->remove(pool->policy, frame);
	frame_free(pool, frame);
	pthread_mutex_unlock(&pool->lock);
	quota_put(pool);
}

/* Says that the page is being loaded into the frame. False: the word is not EMPTY any more. */
static bool load_begin(struct pool *pool, pgno_t pgno, uint32_t frame)
{
	uint64_t w = 0;

	return word_move(table_word(&pool->table, pgno), &w, word_make(WORD_LOADING, frame, 0));
}

/* Ends a load: publishes a good page, drops a bad one. False: the place was taken meanwhile. */
static bool load_end(struct pool *pool, pgno_t pgno, uint32_t frame, bool good, uint32_t pins)
{
	uint64_t w = word_make(WORD_LOADING, frame, 0);
	bool moved = word_move(table_word(&pool->table, pgno), &w,
		good ? word_make(WORD_CACHED, frame, pins) : 0);

	if (!moved || !good)
		load_abandon(pool, frame);
	return moved;
}

/* VERSO_ECORRUPT for a reference beyond the file's end, as it is now. */
static int check_bounds(struct pool *pool, struct page_ref ref)
{
	uint64_t n_pages = atomic_load_explicit(&pool->n_pages, memory_order_relaxed);
	uint64_t size_bytes;
	int rc;

	if (ref.pgno < n_pages)
		return 0;
	rc = file_size(pool->file, &size_bytes); /* another process may have grown it */
	if (rc < 0)
		return rc;
	if (ref.pgno < size_bytes >> pool->page_shift)
		return 0;
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 " is referred to in generation %" PRIx64
		", but the file ends at page %" PRIu64 ". It was cut: restore it from a copy",
		ref.pgno, ref.gen, size_bytes >> pool->page_shift);
}

/* Reads the page into its frame and judges it. */
static int read_page(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	struct page *page = pool_page(pool, frame);
	size_t len_bytes = pool->pager.page_size;
	int rc = file_read(pool->file, page, len_bytes, (uint64_t)ref.pgno << pool->page_shift,
		FILE_LIVE);

	if (rc == VERSO_EIO) {
		uint64_t size_bytes;

		/* The file was cut behind our back: say that instead. */
		if (file_size(pool->file, &size_bytes) == 0 &&
			ref.pgno >= size_bytes >> pool->page_shift)
			return error_set(VERSO_ECORRUPT,
				"page %" PRIu32 " is gone: the file was cut to %" PRIu64
				" bytes while it was open. Restore it from a copy",
				ref.pgno, size_bytes);
	}
	if (rc < 0)
		return rc;
	count(&pool->read_bytes, len_bytes);
	return verify(pool, page, ref);
}

int load_page(struct pool *pool, struct page_ref ref, const struct page **ret_page)
{
	uint32_t frame;
	int rc = check_bounds(pool, ref);

	if (rc == 0)
		rc = quota_get(pool);
	if (rc < 0)
		return rc;
	atomic_fetch_add(&pool->n_loading, 1);
	frame = frame_get(pool, ref.pgno, FRAME_LOAD);
	if (frame == FRAME_NONE) {
		quota_put(pool);
		rc = error_set(VERSO_EPINNED,
			"no memory for page %" PRIu32 ": a thread stays inside a guard", ref.pgno);
	} else if (!load_begin(pool, ref.pgno, frame)) {
		load_abandon(pool, frame);
		rc = 1;
	} else {
		count(&pool->n_misses, 1);
		pager_trace(&pool->pager, PAGER_MISS, ref);
		rc = read_page(pool, ref, frame);
		if (rc == 0)
			pager_trace_page(&pool->pager, PAGER_LOAD, ref, pool_page(pool, frame));
		if (!load_end(pool, ref.pgno, frame, rc == 0, 1) && rc == 0)
			rc = 1;
	}
	loads_arrived(pool, 1);
	if (rc == 0)
		*ret_page = pool_page(pool, frame);
	return rc;
}

/*
 * Prefetch
 */

/* In the thread that reaps, whose own call may succeed: a bad page is no error of it. */
static void prefetch_done(struct io_req *req)
{
	struct load *load = req->owner;
	struct pool *pool = load->pool;
	uint32_t n_pages = load->n_pages;

	error_mute();
	for (uint32_t i = 0; i < n_pages; i++) {
		bool good = req->result == 0 &&
			    verify(pool, pool_page(pool, load->frames[i]), load->refs[i]) == 0;

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
	load->state = LOAD_DONE; /* the queue still has to set `complete`: not free yet */
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
			load->state = LOAD_FREE;
		if (load->state == LOAD_FREE)
			found = load;
	}
	if (found) {
		found->state = LOAD_FILLING;
		found->n_refs = 1;
		found->n_pages = 0;
	}
	pthread_mutex_unlock(&pool->loads.lock);
	return found;
}

static void slot_put(struct pool *pool, struct load *load)
{
	pthread_mutex_lock(&pool->loads.lock);
	load->state = LOAD_FREE;
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
	/* Counted before the word says LOADING: whoever sees that may wait for it. */
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
			loads[i]->state = LOAD_FLYING;
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
