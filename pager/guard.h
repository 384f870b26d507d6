/* SPDX-License-Identifier: MIT */
/*
 * Guards: the critical sections of epoch-based reclamation, in which inner pages are read without a
 * pin.
 *
 * Sealed pages never change, so the only danger to a reader is that a frame is used again. Inside a
 * guard that cannot happen: to enter, a reader stores the global epoch in a cache line of its own;
 * a pager that wants a frame back unlinks it, moves the epoch on and waits in limbo until every
 * active guard has a later epoch. A guard never spans I/O, a lock or a return to the user.
 *
 * One guard serves one handle (a transaction), which one thread uses at a time. Its counters are
 * read by others, so they are atomic, but only its user writes them: no locked instruction.
 *
 * Source: epoch-based reclamation (K. Fraser, Practical lock-freedom, 2004, section 5.2.3).
 */
#ifndef PAGER_GUARD_H
#define PAGER_GUARD_H

#include "base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
	_Alignas(64) _Atomic uint64_t epoch; /* of entry; 0: outside. Written by the user only */
	_Atomic uint64_t n_gets;             /* pages asked for, pinned; written by the user only */
	_Atomic uint64_t n_peeks;            /* pages found by peek; written by the user only */
	bool is_writers;                     /* constant while it is open */
	struct guard_domain *domain;         /* constant */
	struct guard *next;                  /* domain->lock */
	struct guard *next_free;             /* domain->lock */
};

struct guard_domain {
	_Alignas(64) _Atomic uint64_t epoch; /* starts at 1, only grows */
	pthread_mutex_t lock;
	struct guard *all;  /* every guard ever opened here; read without the lock */
	struct guard *free; /* closed ones, to be used again; lock */
};

void guard_domain_init(struct guard_domain *domain);

/* No guard may be open. */
void guard_domain_fini(struct guard_domain *domain);

/* *ret_guard is the caller's until guard_close(). -ENOMEM. Any thread. */
int guard_open(struct guard_domain *domain, struct guard **ret_guard);

/* Takes NULL. Its counters stay in the domain's sums. */
void guard_close(struct guard *guard);

/* Moves the epoch on and returns the epoch that was: what was unlinked before is safe once
 * guard_oldest() is greater (P9). */
uint64_t guard_retire(struct guard_domain *domain);

/* The smallest epoch of an active guard, or UINT64_MAX when none is active. */
uint64_t guard_oldest(struct guard_domain *domain);

/* Sums over all guards, closed ones included: gets and peeks. */
void guard_counts(struct guard_domain *domain, uint64_t *ret_gets, uint64_t *ret_peeks);

static inline void guard_enter(struct guard *guard)
{
	/* Acquire: a guard of a later epoch sees what was unlinked before that epoch began. */
	uint64_t epoch = atomic_load_explicit(&guard->domain->epoch, memory_order_acquire);

	DCHECK(atomic_load_explicit(&guard->epoch, memory_order_relaxed) == 0);
	/* Sequentially consistent: the store must be seen before any page word is read. */
	atomic_store_explicit(&guard->epoch, epoch, memory_order_seq_cst);
}

static inline void guard_leave(struct guard *guard)
{
	DCHECK(atomic_load_explicit(&guard->epoch, memory_order_relaxed) != 0);
	atomic_store_explicit(&guard->epoch, 0, memory_order_release);
}

static inline void guard_count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

#endif
