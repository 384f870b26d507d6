/* SPDX-License-Identifier: MIT */
/*
 * Epoch-based reclamation: the list of guards and the global epoch. A guard is never freed before
 * its domain ends, so the list is walked without the lock; a closed guard is used again.
 */
#include "pager/guard.h"

#include <errno.h>
#include <stdlib.h>

void guard_domain_init(struct guard_domain *domain)
{
	atomic_init(&domain->epoch, 1);
	(void)pthread_mutex_init(&domain->lock, NULL);
	domain->all = NULL;
	domain->free = NULL;
}

void guard_domain_fini(struct guard_domain *domain)
{
	struct guard *guard = domain->all;

	while (guard) {
		struct guard *next = guard->next;

		ASSERT(atomic_load(&guard->epoch) == 0);
		free(guard);
		guard = next;
	}
	(void)pthread_mutex_destroy(&domain->lock);
}

int guard_open(struct guard_domain *domain, struct guard **ret_guard)
{
	struct guard *guard;

	pthread_mutex_lock(&domain->lock);
	guard = domain->free;
	if (guard) {
		domain->free = guard->next_free;
	} else {
		guard = aligned_alloc(64, sizeof(*guard));
		if (guard) {
			atomic_init(&guard->epoch, 0);
			atomic_init(&guard->n_gets, 0);
			atomic_init(&guard->n_peeks, 0);
			guard->domain = domain;
			guard->next = domain->all;
			__atomic_store_n(&domain->all, guard, __ATOMIC_SEQ_CST);
		}
	}
	pthread_mutex_unlock(&domain->lock);
	if (!guard)
		return -ENOMEM;
	guard->is_writers = false;
	*ret_guard = guard;
	return 0;
}

void guard_close(struct guard *guard)
{
	if (!guard)
		return;
	ASSERT(atomic_load(&guard->epoch) == 0);
	pthread_mutex_lock(&guard->domain->lock);
	guard->next_free = guard->domain->free;
	guard->domain->free = guard;
	pthread_mutex_unlock(&guard->domain->lock);
}

uint64_t guard_retire(struct guard_domain *domain)
{
	return atomic_fetch_add_explicit(&domain->epoch, 1, memory_order_seq_cst);
}

uint64_t guard_oldest(struct guard_domain *domain)
{
	/* Sequentially consistent, as the unlink before it: a guard opened in time is seen. */
	const struct guard *guard = __atomic_load_n(&domain->all, __ATOMIC_SEQ_CST);
	uint64_t oldest = UINT64_MAX;

	for (; guard; guard = guard->next) {
		uint64_t epoch = atomic_load_explicit(&guard->epoch, memory_order_seq_cst);

		if (epoch != 0 && epoch < oldest)
			oldest = epoch;
	}
	return oldest;
}

void guard_counts(struct guard_domain *domain, uint64_t *ret_gets, uint64_t *ret_peeks)
{
	const struct guard *guard = __atomic_load_n(&domain->all, __ATOMIC_ACQUIRE);
	uint64_t gets = 0, peeks = 0;

	for (; guard; guard = guard->next) {
		gets += atomic_load_explicit(&guard->n_gets, memory_order_relaxed);
		peeks += atomic_load_explicit(&guard->n_peeks, memory_order_relaxed);
	}
	*ret_gets = gets;
	*ret_peeks = peeks;
}
