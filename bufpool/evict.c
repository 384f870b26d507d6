/* SPDX-License-Identifier: MIT */
/*
 * The pin quota, and what leaves.
 *
 * A unit of the pin quota is given up by *deactivation*: CACHED to INACTIVE, one atomic step that
 * fails when the page is pinned. The page stays in its frame, readable inside a guard, and stays
 * where it is in the policy's order, since nothing is to leave yet. So it hardly matters which page
 * is deactivated: a hand goes round the frames, and passes a few that are used, because a get of an
 * inactive page costs a lock. That get *activates* it and may deactivate another.
 *
 * A frame is given up by *eviction*: the page is unlinked and its frame retired. Pages that were
 * put as unneeded go first; then the policy decides, among active and inactive pages alike. An
 * active one gives back its unit, too.
 *
 * So the frames that the writer does not use at the moment hold clean pages, the writer can have
 * each of them without waiting for a pin (bufpool_int.h says why), and what is evicted is what the
 * policy says, however many frames are the writer's.
 *
 * Sources: the inactive list of Linux; the cooling stage of LeanStore (V. Leis et al., LeanStore:
 * in-memory data management beyond main memory, ICDE 2018). Both are queues with a second chance,
 * which choose once more what is evicted. Here the policy chooses alone, so that policies can be
 * compared (docs/measurements.md).
 */
#include "bufpool/bufpool_int.h"
#include "base/error.h"

#include <inttypes.h>

#define QUOTA_TRIES_MAX 1000 /* rounds of waiting for other threads' loads */
#define QUOTA_TRIES_MIN 4    /* rounds with no load at all: a page may change its state */
#define USED_PASSES     8    /* used pages that the hand passes for each that it deactivates */

static void trace_frame(struct pool *pool, enum pager_trace_op op, uint32_t frame)
{
	const struct page *page = pool_page(pool, frame);

	if (pool->pager.tracer)
		pager_trace_page(&pool->pager, op, page_ref(page), page);
}

/* Under the lock a CACHED or INACTIVE page is the policy's. One that another has replaced meanwhile
 * counts too: the worst is a hit of the wrong page. */
void policy_hit(struct pool *pool, uint32_t frame)
{
	uint32_t pgno = atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
	uint64_t w;

	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_relaxed);
	if ((word_state(w) == WORD_CACHED || word_state(w) == WORD_INACTIVE) &&
		word_frame(w) == frame)
		pool->policy->ops->hit(pool->policy, frame);
	pthread_mutex_unlock(&pool->lock);
}

/*
 * The pin quota
 */

/* Deactivates the page in `frame`, if it is CACHED and not pinned. */
static bool frame_deactivate(struct pool *pool, uint32_t frame)
{
	uint32_t pgno = atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
	uint64_t w = word_make(WORD_CACHED, frame, 0);

	if (atomic_load_explicit(table_word(&pool->table, pgno), memory_order_relaxed) != w)
		return false;
	if (!word_move(table_word(&pool->table, pgno), &w, word_make(WORD_INACTIVE, frame, 0)))
		return false;
	pool->n_inactive++;
	quota_put(pool);
	return true;
}

/* A hand of its own goes round the frames, so that the policy's order stays as it is. */
uint32_t pages_deactivate(struct pool *pool, uint32_t n)
{
	uint32_t n_touched = pool->n_touched, n_passes = n * USED_PASSES, n_done = 0;

	/* Twice round: the first may pass used ones, the second passes none. */
	for (uint64_t step = 0; step < 2 * (uint64_t)n_touched && n_done < n; step++) {
		uint32_t frame = pool->unit_hand < n_touched ? pool->unit_hand : 0;
		uint8_t used = atomic_load_explicit(&pool->used[frame], memory_order_relaxed);

		pool->unit_hand = frame + 1;
		if (used != USED_NOT && n_passes > 0 && step < n_touched)
			n_passes--;
		else
			n_done += frame_deactivate(pool, frame);
	}
	return n_done;
}

static int error_pinned(struct pool *pool)
{
	uint32_t n_units;
	size_t cache_bytes;

	pthread_mutex_lock(&pool->lock);
	n_units = pool->n_quota - n_parked(pool);
	cache_bytes = pool->cache_bytes;
	pthread_mutex_unlock(&pool->lock);
	return error_set(VERSO_EPINNED,
		"all %" PRIu32 " pages that can be pinned in a cache of %zu bytes are pinned: end "
		"cursors and transactions, or open the database with a larger cache",
		n_units, cache_bytes);
}

int quota_get(struct pool *pool)
{
	for (unsigned tries = 0;; tries++) {
		uint64_t seen;
		uint32_t n;

		if (quota_try(pool))
			return 0;
		seen = loads_seen(pool);
		pthread_mutex_lock(&pool->lock);
		n = pages_deactivate(pool, pool->batch);
		pthread_mutex_unlock(&pool->lock);
		if (n > 0)
			continue;
		if (tries >= QUOTA_TRIES_MAX)
			return error_pinned(pool);
		if (tries >= QUOTA_TRIES_MIN && atomic_load(&pool->n_loading) == 0)
			return error_pinned(pool);
		loads_wait(pool, seen);
		pool_back_off(0);
	}
}

int page_activate(struct pool *pool, pgno_t pgno, uint64_t *ret_w)
{
	uint64_t w;
	int rc = quota_get(pool);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);
	rc = LOOK_AGAIN;
	if (is_inactive(word_state(w))) {
		bool was_unneeded = word_state(w) == WORD_UNNEEDED;
		bool moved = word_move(table_word(&pool->table, pgno), &w,
			word_make(WORD_CACHED, word_frame(w), 1));

		ASSERT(moved);
		if (was_unneeded) {
			list_remove(&pool->unneeded, pool->frames, word_frame(w));
			pool->policy->ops->insert(pool->policy, word_frame(w), ARRIVAL_AGAIN);
		} else {
			pool->n_inactive--;
		}
		*ret_w = w;
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	if (rc != 0)
		quota_put(pool);
	return rc;
}

/*
 * Eviction
 */

void page_unneeded(struct pool *pool, pgno_t pgno, uint32_t frame)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	uint64_t w;

	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(word, memory_order_acquire);
	if ((word_state(w) == WORD_CACHED || word_state(w) == WORD_INACTIVE) &&
		word_frame(w) == frame && word_pins(w) == 0) {
		bool was_active = word_state(w) == WORD_CACHED;

		if (word_move(word, &w, word_make(WORD_UNNEEDED, frame, 0))) {
			atomic_store_explicit(&pool->used[frame], USED_NOT, memory_order_relaxed);
			pool->policy->ops->remove(pool->policy, frame);
			trace_frame(pool, PAGER_UNNEEDED, frame);
			count(&pool->n_unneeded, 1);
			list_push_head(&pool->unneeded, pool->frames, frame);
			if (was_active)
				quota_put(pool);
			else
				pool->n_inactive--;
		}
	}
	pthread_mutex_unlock(&pool->lock);
}

/*
 * The word alone says whether the page can go: its header may be another's by now, and the worst is
 * a hint for the wrong page.
 */
void pool_cool(struct pager *p, const struct page_ref *refs, size_t n)
{
	struct pool *pool = pool_of(p);
	uint64_t end = table_end(&pool->table);

	for (size_t i = 0; i < n; i++) {
		uint64_t w;

		if (refs[i].pgno >= end)
			continue;
		w = atomic_load_explicit(table_word(&pool->table, refs[i].pgno),
			memory_order_relaxed);
		if ((word_state(w) == WORD_CACHED || word_state(w) == WORD_INACTIVE) &&
			word_pins(w) == 0)
			page_unneeded(pool, refs[i].pgno, word_frame(w));
	}
}

/* The page in `frame` is unlinked already. */
static void frame_evicted(struct pool *pool, uint32_t frame)
{
	trace_frame(pool, PAGER_EVICT, frame);
	frame_retire(pool, frame);
	count(&pool->n_evictions, 1);
}

uint32_t unneeded_evict(struct pool *pool, uint32_t n)
{
	uint32_t n_evicted = 0;

	while (n_evicted < n && pool->unneeded.n > 0) {
		uint32_t frame = pool->unneeded.head;
		uint32_t pgno =
			atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
		uint64_t w = word_make(WORD_UNNEEDED, frame, 0);
		bool used =
			atomic_load_explicit(&pool->used[frame], memory_order_relaxed) == USED_YES;
		bool moved = word_move(table_word(&pool->table, pgno), &w,
			used ? word_make(WORD_INACTIVE, frame, 0) : 0);

		ASSERT(moved);
		list_remove(&pool->unneeded, pool->frames, frame);
		if (used) { /* by a peek: then it is needed after all, and the policy's again */
			atomic_store_explicit(&pool->used[frame], USED_NOT, memory_order_relaxed);
			pool->policy->ops->insert(pool->policy, frame, ARRIVAL_AGAIN);
			pool->n_inactive++;
			continue;
		}
		frame_evicted(pool, frame);
		n_evicted++;
	}
	return n_evicted;
}

/* A policy's claim: unlinks the page, if it is clean and not pinned (F6). */
static bool claim(void *arg, uint32_t frame)
{
	struct pool *pool = arg;
	uint32_t pgno = atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_relaxed);
	enum word_state state = word_state(w);

	if ((state != WORD_CACHED && state != WORD_INACTIVE) || word_frame(w) != frame ||
		word_pins(w) > 0)
		return false;
	if (!word_move(word, &w, 0))
		return false;
	if (state == WORD_CACHED)
		quota_put(pool);
	else
		pool->n_inactive--;
	return true;
}

uint32_t pages_evict(struct pool *pool, uint32_t n)
{
	uint32_t n_evicted = unneeded_evict(pool, n);

	for (; n_evicted < n; n_evicted++) {
		uint32_t frame = pool->policy->ops->victim(pool->policy, claim, pool);

		if (frame == FRAME_NONE)
			break;
		pool->policy->ops->remove(pool->policy, frame);
		trace_frame(pool, PAGER_VICTIM, frame);
		count(&pool->n_victims, 1);
		frame_evicted(pool, frame);
	}
	return n_evicted;
}

void evict_now(struct pool *pool, pgno_t pgno)
{
	uint64_t w;

	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);
	if (word_state(w) == WORD_UNNEEDED) {
		bool moved = word_move(table_word(&pool->table, pgno), &w, 0);

		ASSERT(moved); /* F3 */
		list_remove(&pool->unneeded, pool->frames, word_frame(w));
		frame_evicted(pool, word_frame(w));
	} else if ((word_state(w) == WORD_CACHED || word_state(w) == WORD_INACTIVE) &&
		   claim(pool, word_frame(w))) {
		/* A claim fails when another thread has pinned it again: then its put comes here
		 * too. */
		pool->policy->ops->remove(pool->policy, word_frame(w));
		frame_evicted(pool, word_frame(w));
	}
	limbo_drain(pool);
	pthread_mutex_unlock(&pool->lock);
}
