/* SPDX-License-Identifier: MIT */
/*
 * Threads that sleep until a request of theirs is complete: each on a condition of its own, so that
 * a completion wakes only the threads that wait for it.
 *
 * Everything here is called with `lock` held. A thread that completes requests sets `complete`
 * first, then takes the lock and calls waiters_wake(): a sleeper looked at `complete` under the
 * lock, so it cannot miss that.
 */
#ifndef IO_WAITERS_H
#define IO_WAITERS_H

#include "io/queue.h"

#include <pthread.h>

struct waiter {
	const struct io_req *req; /* NULL: any completion will do */
	pthread_cond_t woken;
	struct waiter *next;
};

struct waiters {
	pthread_mutex_t lock;
	struct waiter *first; /* in no order; under lock */
};

static inline bool req_is_complete(const struct io_req *req)
{
	return atomic_load_explicit(&req->complete, memory_order_acquire);
}

static inline void waiters_init(struct waiters *ws)
{
	(void)pthread_mutex_init(&ws->lock, NULL);
	ws->first = NULL;
}

static inline void waiters_fini(struct waiters *ws)
{
	ASSERT(!ws->first);
	(void)pthread_mutex_destroy(&ws->lock);
}

/* Sleeps until woken, which may be for nothing: the caller looks again. */
static inline void waiters_sleep(struct waiters *ws, const struct io_req *req)
{
	struct waiter me = {.req = req, .woken = PTHREAD_COND_INITIALIZER, .next = ws->first};
	struct waiter **link = &ws->first;

	ws->first = &me;
	(void)pthread_cond_wait(&me.woken, &ws->lock);
	while (*link != &me)
		link = &(*link)->next;
	*link = me.next;
	(void)pthread_cond_destroy(&me.woken);
}

/* Wakes all that have nothing more to wait for. */
static inline void waiters_wake(struct waiters *ws)
{
	for (struct waiter *w = ws->first; w; w = w->next) {
		if (!w->req || req_is_complete(w->req))
			(void)pthread_cond_signal(&w->woken);
	}
}

/* Wakes one, if there is one, to take over what the caller gives up. */
static inline void waiters_hand_over(struct waiters *ws)
{
	if (ws->first)
		(void)pthread_cond_signal(&ws->first->woken);
}

#endif
