/* SPDX-License-Identifier: MIT */
/*
 * A thread that looks now and then, while there is something to look at: for what nobody tells.
 */
#ifndef TXN_COURTESY_H
#define TXN_COURTESY_H

#include <pthread.h>
#include <stdbool.h>

/* Called with the lock held, which it may release for a time. False: nothing to look at. */
typedef bool courtesy_fn(void *arg);

struct courtesy {
	pthread_mutex_t *lock; /* the owner's; of all that follows */
	courtesy_fn *look;
	void *arg;
	pthread_t thread;
	pthread_cond_t moved; /* there may be something to look at; or it ends */
	bool runs, failed, ends;
};

void courtesy_init(struct courtesy *c, pthread_mutex_t *lock, courtesy_fn *look, void *arg);

/* Whether the thread runs; the first call starts it. The lock is held. */
bool courtesy_runs(struct courtesy *c);

/* From now on there may be something to look at. The lock is held. */
void courtesy_wake(struct courtesy *c);

/* Ends the thread. The lock is not held. */
void courtesy_end(struct courtesy *c);

void courtesy_fini(struct courtesy *c);

#endif
