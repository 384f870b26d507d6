/* SPDX-License-Identifier: MIT */
/*
 * Parked frames: how a cache becomes smaller and larger while it is open.
 *
 * A parked frame has a descriptor and no memory. For the rest of the pool it is a frame that is
 * pinned for ever: it holds a unit of the pin quota, and no list leads to it. So what is proved of
 * pinned frames (F2) holds of it, and neither a hit nor a miss knows of it.
 *
 *	smaller: take units, by deactivating pages; take a frame for each, which an eviction frees,
 *		past limbo; give its memory back; park it
 *	larger:	free parked frames; put their units
 *
 * The units come first, as a whole: when pinned pages do not leave enough, nothing has happened yet
 * but that some pages are inactive. The frames come in batches, so nobody waits long for the lock.
 *
 * Frames that were never used are parked by count alone: those from n_end on. They are the first to
 * be parked and the last to be freed, because they cost nothing.
 */
#include "base/asan.h"
#include "base/error.h"
#include "base/thread.h"
#include "bufpool/bufpool_int.h"
#include "io/memory.h"

#include <errno.h>
#include <inttypes.h>

#define BATCH_MAX  32
#define PARK_BATCH 64 /* frames for which the lock is held at a time */

static uint32_t at_most(uint32_t n, uint32_t max)
{
	return n < max ? n : max;
}

uint32_t frames_within(const struct pool *pool, size_t cache_bytes)
{
	size_t n;

	if (cache_bytes < pool->described_bytes)
		return 0;
	n = (cache_bytes - pool->described_bytes) >> pool->page_shift;
	return n < pool->n_frames ? (uint32_t)n : pool->n_frames;
}

void shares_set(struct pool *pool)
{
	uint32_t n_units = pool->n_quota - n_parked(pool);
	uint32_t asked = pool->opts.prefetch_pages;
	uint32_t ahead_max = asked ? at_most(asked, n_units) : n_units / 4;

	pool->batch = n_units < 64 ? 1 : at_most(n_units / 64, BATCH_MAX);
	atomic_store_explicit(&pool->n_ahead_max, ahead_max, memory_order_relaxed);
	atomic_store_explicit(&pool->pager.advice_pages, ahead_max, memory_order_relaxed);
	if (pool->policy && pool->policy->ops->resize)
		pool->policy->ops->resize(pool->policy, pool->n_frames - n_parked(pool));
}

static void *end_page(const struct pool *pool)
{
	return pool->arena + ((size_t)pool->n_end << pool->page_shift);
}

void frames_advise(struct pool *pool, bool huge)
{
	if (pool->opts.flags & BUFPOOL_SMALL_PAGES)
		return;
	memory_set_huge(pool->arena, (size_t)pool->n_end << pool->page_shift, huge);
	if (pool->n_end < pool->n_frames)
		memory_set_huge(end_page(pool),
			(size_t)(pool->n_frames - pool->n_end) << pool->page_shift, false);
}

/*
 * Larger
 */

/* Frees so many parked frames. With `sizing`, as all that follows. */
static void frames_unpark(struct pool *pool, uint32_t n)
{
	for (uint32_t n_left = n; n_left > 0;) {
		uint32_t n_now = at_most(n_left, PARK_BATCH);

		pthread_mutex_lock(&pool->lock);
		n_left -= n_now;
		for (; n_now > 0 && pool->parked.n > 0; n_now--) {
			uint32_t frame = pool->parked.head;

			list_remove(&pool->parked, pool->frames, frame);
			UNPOISON(pool_page(pool, frame), pool->pager.page_size);
			frame_free(pool, frame);
		}
		pool->n_end += n_now;
		pthread_mutex_unlock(&pool->lock);
	}
	ASSERT(pool->n_end <= pool->n_frames);
	frames_advise(pool, pool->parked.n == 0);
	quota_put_many(pool, n);
}

/*
 * Smaller
 */

/* Takes n units of the pin quota, or none: VERSO_EPINNED. */
static int units_take(struct pool *pool, uint32_t n)
{
	uint32_t n_taken = 0;

	for (;;) {
		uint32_t n_given_up;

		n_taken += quota_take(pool, n - n_taken);
		if (n_taken == n)
			return 0;
		pthread_mutex_lock(&pool->lock);
		n_given_up = pages_deactivate(pool, at_most(n - n_taken, PARK_BATCH));
		pthread_mutex_unlock(&pool->lock);
		if (n_given_up > 0)
			continue;
		/* Waits for what is being loaded. */
		if (quota_get(pool) < 0) {
			quota_put_many(pool, n_taken);
			return VERSO_EPINNED;
		}
		n_taken++;
	}
}

/* Parks up to n frames that were never used; returns how many. A huge page at the end of those that
 * were may have brought memory for some. */
static uint32_t unused_park(struct pool *pool, uint32_t n)
{
	pthread_mutex_lock(&pool->lock);
	n = at_most(n, pool->n_end - pool->n_touched);
	pool->n_end -= n;
	pthread_mutex_unlock(&pool->lock);
	if (n > 0)
		memory_discard(end_page(pool), (size_t)n << pool->page_shift);
	return n;
}

/* Gives the memory of these frames back, which are in its order: adjacent ones by one call. */
static void frames_discard(struct pool *pool, const uint32_t *frames, uint32_t n)
{
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && frames[end] == frames[end - 1] + 1; end++)
			;
		memory_discard(pool_page(pool, frames[i]), (size_t)(end - i) << pool->page_shift);
		POISON(pool_page(pool, frames[i]), (size_t)(end - i) << pool->page_shift);
	}
}

/* Parks up to n frames, for which the caller has units; returns how many: fewer when a guard is not
 * left. */
static uint32_t frames_park(struct pool *pool, uint32_t n)
{
	uint32_t n_done = unused_park(pool, n);

	frames_advise(pool, n_done == n && pool->parked.n == 0);
	while (n_done < n) {
		uint32_t frames[PARK_BATCH];
		uint32_t n_now = frames_take(pool, at_most(n - n_done, PARK_BATCH), frames);

		if (n_now == 0)
			break;
		frames_discard(pool, frames, n_now);
		pthread_mutex_lock(&pool->lock);
		for (uint32_t i = 0; i < n_now; i++)
			list_push_tail(&pool->parked, pool->frames, frames[i]);
		pthread_mutex_unlock(&pool->lock);
		n_done += n_now;
	}
	return n_done;
}

static int shrink(struct pool *pool, uint32_t n, size_t to_bytes)
{
	uint32_t n_done;

	if (units_take(pool, n) < 0)
		return error_set(VERSO_EPINNED,
			"a cache of %zu bytes has no memory for the pages that are pinned now: it "
			"stays at %zu bytes. End cursors and transactions, or ask for more",
			to_bytes, pool->cache_bytes);
	n_done = frames_park(pool, n);
	if (n_done == n)
		return 0;
	quota_put_many(pool, n - n_done);
	frames_unpark(pool, n_done);
	return error_set(VERSO_EPINNED,
		"a thread stays inside a guard, which keeps memory from leaving a cache of %zu "
		"bytes: try again later",
		pool->cache_bytes);
}

static void size_set(struct pool *pool, size_t cache_bytes)
{
	pthread_mutex_lock(&pool->lock);
	pool->cache_bytes = cache_bytes;
	pthread_mutex_unlock(&pool->lock);
}

static int check_size(const struct pool *pool, size_t cache_bytes)
{
	const struct bufpool_options *opts = &pool->opts;
	size_t min_bytes = pool->described_bytes +
			   ((size_t)(opts->writer_pages + opts->reader_pages) << pool->page_shift);

	if (cache_bytes < min_bytes)
		return error_set(-EINVAL,
			"a cache of %zu bytes is too small: %" PRIu32 " pages for the writer and "
			"%" PRIu32 " for readers, of %" PRIu32 " bytes, need at least %zu",
			cache_bytes, opts->writer_pages, opts->reader_pages, pool->pager.page_size,
			min_bytes);
	if (cache_bytes > opts->cache_bytes_max)
		return error_set(-EINVAL,
			"a cache of %zu bytes is larger than the %zu for which address space was "
			"reserved: open the database with a larger cache_bytes_max",
			cache_bytes, opts->cache_bytes_max);
	return 0;
}

int pool_cache_resize(struct pager *p, size_t cache_bytes)
{
	THREAD_KEPT;
	struct pool *pool = pool_of(p);
	int rc = check_size(pool, cache_bytes);
	uint32_t n, n_now;

	if (rc < 0)
		return rc;
	n = frames_within(pool, cache_bytes);
	pthread_mutex_lock(&pool->sizing);
	n_now = pool->n_frames - n_parked(pool);
	if (n < n_now)
		rc = shrink(pool, n_now - n, cache_bytes);
	if (rc == 0)
		size_set(pool, cache_bytes);
	if (n > n_now)
		frames_unpark(pool, n - n_now);
	pthread_mutex_lock(&pool->lock);
	shares_set(pool);
	pthread_mutex_unlock(&pool->lock);
	pthread_mutex_unlock(&pool->sizing);
	return rc;
}
