/* SPDX-License-Identifier: MIT */
/*
 * The pin quota and the inactive list: eviction in two steps.
 *
 * A page whose unit of the pin quota is wanted is *deactivated*: CACHED to INACTIVE, one atomic
 * step that fails when the page is pinned. It stays in its frame, readable inside a guard, at the
 * tail of the inactive list; a page that was put as unneeded, at the head. When a frame is wanted,
 * the page at the head is *evicted*: unlinked (F6), its frame retired; one that was peeked at since
 * gets a second chance instead. A get of an inactive page *activates* it and may deactivate
 * another.
 *
 * So the frames that the writer does not use at the moment hold the clean pages that the policy
 * gave up first, and the writer can have each of them without waiting for a pin (bufpool_int.h says
 * why). The policy decides what is deactivated; the list decides what is evicted.
 *
 * Sources: the inactive list of Linux; the cooling stage of LeanStore (V. Leis et al., LeanStore:
 * in-memory data management beyond main memory, ICDE 2018).
 */
#include "bufpool/bufpool_int.h"
#include "base/error.h"

#include <inttypes.h>

#define QUOTA_TRIES_MAX 1000 /* rounds of waiting for other threads' loads */
#define QUOTA_TRIES_MIN 4    /* rounds with no load at all: a page may change its state */

static void trace_frame(struct pool *pool, enum pager_trace_op op, uint32_t frame)
{
	const struct page *page = pool_page(pool, frame);

	if (pool->pager.tracer)
		pager_trace_page(&pool->pager, op, page_ref(page), page);
}

/* A policy's claim: deactivates the page, if it is clean and not pinned. */
static bool claim_quota(void *arg, uint32_t frame)
{
	struct pool *pool = arg;
	uint32_t pgno = atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
	uint64_t w = word_make(WORD_CACHED, frame, 0);

	if (atomic_load_explicit(table_word(&pool->table, pgno), memory_order_relaxed) != w)
		return false;
	return word_move(table_word(&pool->table, pgno), &w, word_make(WORD_INACTIVE, frame, 0));
}

/* Under the lock a CACHED page is the policy's. One that another has replaced meanwhile counts too:
 * the worst is a hit of the wrong page. */
void policy_hit(struct pool *pool, uint32_t frame)
{
	uint32_t pgno = atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
	uint64_t w;

	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_relaxed);
	if (word_state(w) == WORD_CACHED && word_frame(w) == frame)
		pool->policy->ops->hit(pool->policy, frame);
	pthread_mutex_unlock(&pool->lock);
}

uint32_t pages_deactivate(struct pool *pool, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t frame = pool->policy->ops->victim(pool->policy, claim_quota, pool);

		if (frame == FRAME_NONE)
			break;
		pool->policy->ops->remove(pool->policy, frame);
		trace_frame(pool, PAGER_VICTIM, frame);
		list_push_tail(&pool->inactive, pool->frames, frame);
		quota_put(pool);
	}
	count(&pool->n_victims, i);
	return i;
}

void page_deactivate(struct pool *pool, pgno_t pgno, uint32_t frame)
{
	uint64_t w = word_make(WORD_CACHED, frame, 0);

	pthread_mutex_lock(&pool->lock);
	if (word_move(table_word(&pool->table, pgno), &w, word_make(WORD_INACTIVE, frame, 0))) {
		atomic_store_explicit(&pool->used[frame], USED_NOT, memory_order_relaxed);
		pool->policy->ops->remove(pool->policy, frame);
		trace_frame(pool, PAGER_UNNEEDED, frame);
		count(&pool->n_unneeded, 1);
		list_push_head(&pool->inactive, pool->frames, frame);
		quota_put(pool);
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
		if (word_state(w) == WORD_CACHED && word_pins(w) == 0)
			page_deactivate(pool, refs[i].pgno, word_frame(w));
	}
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

uint32_t inactive_evict(struct pool *pool, uint32_t n)
{
	uint32_t chances = pool->inactive.n;
	uint32_t n_evicted = 0;

	while (n_evicted < n && pool->inactive.n > 0) {
		uint32_t frame = pool->inactive.head;
		uint32_t pgno =
			atomic_load_explicit(&pool->frames[frame].pgno, memory_order_relaxed);
		uint64_t w = word_make(WORD_INACTIVE, frame, 0);
		bool moved;

		list_remove(&pool->inactive, pool->frames, frame);
		/* Second chance, for inner pages above all, which are only peeked at. */
		if (chances > 0 && atomic_load_explicit(&pool->used[frame], memory_order_relaxed) ==
					   USED_YES) {
			chances--;
			atomic_store_explicit(&pool->used[frame], USED_NOT, memory_order_relaxed);
			list_push_tail(&pool->inactive, pool->frames, frame);
			continue;
		}
		moved = word_move(table_word(&pool->table, pgno), &w, 0);
		ASSERT(moved);
		trace_frame(pool, PAGER_EVICT, frame);
		frame_retire(pool, frame);
		n_evicted++;
	}
	count(&pool->n_evictions, n_evicted);
	return n_evicted;
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
	if (word_state(w) == WORD_INACTIVE) {
		bool moved = word_move(table_word(&pool->table, pgno), &w,
			word_make(WORD_CACHED, word_frame(w), 1));

		ASSERT(moved);
		list_remove(&pool->inactive, pool->frames, word_frame(w));
		pool->policy->ops->insert(pool->policy, word_frame(w), ARRIVAL_AGAIN);
		*ret_w = w;
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	if (rc != 0)
		quota_put(pool);
	return rc;
}

void evict_now(struct pool *pool, pgno_t pgno)
{
	uint64_t w;

	pthread_mutex_lock(&pool->lock);
	w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);
	if (word_pins(w) == 0 && (word_state(w) == WORD_CACHED || word_state(w) == WORD_INACTIVE)) {
		/* Fails when another thread has pinned it again: then its put comes here too. */
		uint64_t now = w;

		if (word_move(table_word(&pool->table, pgno), &now, 0)) {
			if (word_state(w) == WORD_CACHED) {
				pool->policy->ops->remove(pool->policy, word_frame(w));
				quota_put(pool);
			} else {
				list_remove(&pool->inactive, pool->frames, word_frame(w));
			}
			trace_frame(pool, PAGER_EVICT, word_frame(w));
			frame_retire(pool, word_frame(w));
			count(&pool->n_evictions, 1);
		}
	}
	limbo_drain(pool);
	pthread_mutex_unlock(&pool->lock);
}
