/* SPDX-License-Identifier: MIT */
/*
 * Waiting for places that another thread has to itself: until one is let go, until any load ends,
 * until all prefetches have ended.
 *
 * Who lets a place go moves its word first, and then wakes the sleepers under the lock. A thread
 * looks at the word again under the lock before it sleeps, so it misses nothing. Where a prefetch
 * in flight covers the page, the waiter does not sleep but reaps it (queue_wait), so it never
 * depends on another thread to do that.
 */
#include "vmcache/vmcache_int.h"

#include <sched.h>
#include <time.h>

#define YIELDS_MAX 64

void vm_back_off(unsigned tries)
{
	static const struct timespec nap = {.tv_sec = 0, .tv_nsec = 50000};

	if (tries < YIELDS_MAX)
		(void)sched_yield();
	else
		(void)nanosleep(&nap, NULL);
}

uint64_t vm_loads_seen(struct vmcache *vm)
{
	uint64_t seen;

	pthread_mutex_lock(&vm->arrivals.lock);
	seen = vm->arrivals.n_done;
	pthread_mutex_unlock(&vm->arrivals.lock);
	return seen;
}

void vm_arrived(struct vmcache *vm, uint32_t n)
{
	struct arrivals *a = &vm->arrivals;

	atomic_fetch_sub_explicit(&vm->n_loading, n, memory_order_release);
	pthread_mutex_lock(&a->lock);
	a->n_done += n;
	if (a->n_asleep > 0)
		(void)pthread_cond_broadcast(&a->moved);
	pthread_mutex_unlock(&a->lock);
}

static void sleep_locked(struct arrivals *a)
{
	a->n_asleep++;
	(void)pthread_cond_wait(&a->moved, &a->lock);
	a->n_asleep--;
}

/* Waits for a prefetch as a reaper. The lock is released meanwhile; the load stays as it is. */
static void reap_locked(struct arrivals *a, struct vm_load *load)
{
	load->n_refs++;
	pthread_mutex_unlock(&a->lock);
	queue_wait(load->queue, &load->req);
	pthread_mutex_lock(&a->lock);
	load->n_refs--;
}

/* The prefetch in flight that covers pgno, or any when `any`; NULL. */
static struct vm_load *find_flying(struct arrivals *a, pgno_t pgno, bool any)
{
	for (unsigned i = 0; i < LOAD_SLOTS; i++) {
		struct vm_load *load = &a->slots[i];

		if (load->state != LOAD_FLYING)
			continue;
		if (any ||
			(pgno >= load->refs[0].pgno && pgno - load->refs[0].pgno < load->n_pages))
			return load;
	}
	return NULL;
}

void vm_wait(struct vmcache *vm, pgno_t pgno)
{
	struct arrivals *a = &vm->arrivals;

	vm_count(&vm->n_waits_load, 1);
	pthread_mutex_lock(&a->lock);
	while (vm_is_busy(vm_state(atomic_load_explicit(vm_word(vm, pgno),
		memory_order_acquire)))) {
		struct vm_load *load = find_flying(a, pgno, false);

		if (load)
			reap_locked(a, load);
		else
			sleep_locked(a);
	}
	pthread_mutex_unlock(&a->lock);
}

void vm_loads_wait(struct vmcache *vm, uint64_t seen)
{
	struct arrivals *a = &vm->arrivals;

	vm_count(&vm->n_waits_load, 1);
	pthread_mutex_lock(&a->lock);
	while (a->n_done == seen &&
		atomic_load_explicit(&vm->n_loading, memory_order_acquire) > 0) {
		struct vm_load *load = find_flying(a, 0, true);

		if (load)
			reap_locked(a, load);
		else
			sleep_locked(a);
	}
	pthread_mutex_unlock(&a->lock);
}

void vm_loads_drain(struct vmcache *vm)
{
	struct arrivals *a = &vm->arrivals;

	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < LOAD_SLOTS; i++) {
		struct vm_load *load = &a->slots[i];

		ASSERT(load->state != LOAD_FILLING);
		if (load->state != LOAD_FREE)
			reap_locked(a, load);
	}
	pthread_mutex_unlock(&a->lock);
}
