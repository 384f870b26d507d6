/* SPDX-License-Identifier: MIT */
/*
 * Allocation of frames: a free frame, one that was never used, or one that an eviction frees.
 */
#include "base/asan.h"
#include "bufpool/bufpool_int.h"

#define LIMBO_TRIES_MAX 50000 /* about five seconds: a guard does not span I/O */

/*
 * A free frame, or one never used, or one that an eviction frees. FRAME_NONE: all that is left is
 * in limbo.
 *
 * Memory that was used before is warm, and the kernel need not zero it. So a fresh page, which is
 * most often a copy of one that the writer put as unneeded just now, takes what is unneeded before
 * new memory; what is loaded does not, since the cache is to grow by it.
 *
 * One batch at a time: while a guard keeps that in limbo, it keeps what leaves later, too. To evict
 * more would empty the cache for a reader that is stopped, and be of no use.
 */
static uint32_t frame_find(struct pool *pool, enum frame_use use)
{
	uint32_t frame = pool->free.head;

	if (frame == FRAME_NONE && use == FRAME_FRESH && pool->limbo_n == 0 &&
		pool->unneeded.n >= pool->batch)
		(void)unneeded_evict(pool, pool->batch);
	if (frame == FRAME_NONE &&
		(pool->limbo_open.n >= pool->batch || (use == FRAME_FRESH && pool->limbo_n > 0))) {
		limbo_drain(pool);
		frame = pool->free.head;
	}
	if (frame == FRAME_NONE && pool->n_touched < pool->n_end)
		return pool->n_touched++;
	if (frame == FRAME_NONE) {
		limbo_drain(pool);
		if (pool->free.n == 0 && pool->limbo_n == 0 && pool->limbo_open.n == 0) {
			(void)pages_evict(pool, pool->batch);
			limbo_drain(pool);
		}
		frame = pool->free.head;
	}
	if (frame != FRAME_NONE)
		list_remove(&pool->free, pool->frames, frame);
	return frame;
}

static bool is_prefetch(enum frame_use use)
{
	return use == FRAME_PREFETCH || use == FRAME_SCAN;
}

/* Sets the frame's descriptors for the page to come. */
static void frame_set_up(struct pool *pool, uint32_t frame, pgno_t pgno, enum frame_use use)
{
	atomic_store_explicit(&pool->frames[frame].pgno, pgno, memory_order_relaxed);
	atomic_store_explicit(&pool->used[frame], is_prefetch(use) ? USED_AHEAD : USED_NOT,
		memory_order_relaxed);
	if (use != FRAME_FRESH)
		pool->policy->ops->insert(pool->policy, frame,
			use == FRAME_SCAN ? ARRIVAL_SCAN : ARRIVAL_GET);
}

uint32_t frame_get(struct pool *pool, pgno_t pgno, enum frame_use use)
{
	uint32_t frame;

	for (unsigned tries = 0;; tries++) {
		pthread_mutex_lock(&pool->lock);
		frame = frame_find(pool, use);
		if (frame != FRAME_NONE)
			frame_set_up(pool, frame, pgno, use);
		pthread_mutex_unlock(&pool->lock);
		if (frame != FRAME_NONE || tries >= LIMBO_TRIES_MAX)
			break;
		if (tries == 0)
			count(&pool->n_waits_limbo, 1);
		pool_back_off(tries);
	}
	if (frame != FRAME_NONE)
		UNPOISON(pool_page(pool, frame), pool->pager.page_size);
	return frame;
}

/* Of a few numbers, nearly in order most often. */
static void sort(uint32_t *numbers, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t x = numbers[i], k = i;

		for (; k > 0 && numbers[k - 1] > x; k--)
			numbers[k] = numbers[k - 1];
		numbers[k] = x;
	}
}

/* Up to n frames, without waiting, in the order of memory. With the lock. */
static uint32_t frames_find(struct pool *pool, uint32_t n, enum frame_use use, uint32_t *ret_frames)
{
	uint32_t n_found = 0;

	while (n_found < n) {
		uint32_t frame = frame_find(pool, use);

		if (frame == FRAME_NONE)
			break;
		ret_frames[n_found++] = frame;
	}
	sort(ret_frames, n_found);
	return n_found;
}

static void unpoison(struct pool *pool, const uint32_t *frames, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		UNPOISON(pool_page(pool, frames[i]), pool->pager.page_size);
}

uint32_t frames_take(struct pool *pool, uint32_t n, uint32_t *ret_frames)
{
	uint32_t n_found;

	for (unsigned tries = 0;; tries++) {
		pthread_mutex_lock(&pool->lock);
		n_found = frames_find(pool, n, FRAME_LOAD, ret_frames);
		pthread_mutex_unlock(&pool->lock);
		if (n_found > 0 || tries >= LIMBO_TRIES_MAX)
			break;
		pool_back_off(tries);
	}
	unpoison(pool, ret_frames, n_found);
	return n_found;
}

uint32_t frames_get(struct pool *pool, const struct page_ref *refs, uint32_t n, enum frame_use use,
	uint32_t *ret_frames)
{
	uint32_t n_found;

	ASSERT(is_prefetch(use));
	pthread_mutex_lock(&pool->lock);
	n_found = frames_find(pool, n, use, ret_frames);
	for (uint32_t i = 0; i < n_found; i++)
		frame_set_up(pool, ret_frames[i], refs[i].pgno, use);
	pthread_mutex_unlock(&pool->lock);
	unpoison(pool, ret_frames, n_found);
	return n_found;
}
