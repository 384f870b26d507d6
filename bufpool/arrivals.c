/* SPDX-License-Identifier: MIT */
/*
 * Waiting for loads: until a page is loaded, until any load ends, until all prefetches have ended.
 *
 * A load ends in three steps: its word moves, n_done is raised under loads.lock, and the sleepers
 * are woken. A thread looks at the word again under the lock before it sleeps, so it misses no
 * arrival. Where a prefetch in flight covers the page, the waiter does not sleep but reaps it
 * (queue_wait), so it never depends on another thread to do that.
 */
#include "bufpool/bufpool_int.h"

uint64_t loads_seen(struct pool *pool)
{
	uint64_t seen;

	pthread_mutex_lock(&pool->loads.lock);
	seen = pool->loads.n_done;
	pthread_mutex_unlock(&pool->loads.lock);
	return seen;
}

void loads_arrived(struct pool *pool, uint32_t n)
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

/* Waits for a prefetch as a reaper. The lock is released meanwhile; the slot stays as it is. */
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

/* Counts a call that has to wait, once. */
static void wait_counted(struct pool *pool, bool *waits)
{
	if (!*waits)
		count(&pool->n_waits_load, 1);
	*waits = true;
}

void load_wait(struct pool *pool, pgno_t pgno)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	bool waits = false;

	pthread_mutex_lock(&pool->loads.lock);
	/* The word moves before its loader takes the lock to raise n_done: no arrival is missed. */
	while (word_state(atomic_load_explicit(word, memory_order_acquire)) == WORD_LOADING) {
		struct load *load = find_flying(pool, pgno, false);

		wait_counted(pool, &waits);
		if (load)
			reap_locked(pool, load);
		else
			sleep_locked(pool);
	}
	pthread_mutex_unlock(&pool->loads.lock);
}

void loads_wait(struct pool *pool, uint64_t seen)
{
	bool waits = false;

	pthread_mutex_lock(&pool->loads.lock);
	while (pool->loads.n_done == seen &&
		atomic_load_explicit(&pool->n_loading, memory_order_acquire) > 0) {
		struct load *load = find_flying(pool, 0, true);

		wait_counted(pool, &waits);
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
