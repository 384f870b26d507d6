/* SPDX-License-Identifier: MIT */
#include "txn/courtesy.h"
#include "base/thread.h"

#include <time.h>

#define LOOK_NS 50000000L

static void wait_a_little(struct courtesy *c)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&c->moved, c->lock, &until);
}

static void *courtesy_main(void *arg)
{
	struct courtesy *c = arg;

	pthread_mutex_lock(c->lock);
	while (!c->ends) {
		if (c->look(c->arg))
			wait_a_little(c);
		else if (!c->ends)
			pthread_cond_wait(&c->moved, c->lock);
	}
	pthread_mutex_unlock(c->lock);
	return NULL;
}

void courtesy_init(struct courtesy *c, pthread_mutex_t *lock, courtesy_fn *look, void *arg)
{
	pthread_condattr_t attr;

	*c = (struct courtesy){.lock = lock, .look = look, .arg = arg};
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->moved, &attr);
	(void)pthread_condattr_destroy(&attr);
}

bool courtesy_runs(struct courtesy *c)
{
	if (c->ends)
		return false;
	if (!c->runs && !c->failed) {
		c->runs = thread_start(&c->thread, courtesy_main, c) == 0;
		c->failed = !c->runs;
	}
	return c->runs;
}

void courtesy_wake(struct courtesy *c)
{
	pthread_cond_signal(&c->moved);
}

void courtesy_end(struct courtesy *c)
{
	bool runs;

	pthread_mutex_lock(c->lock);
	c->ends = true;
	runs = c->runs;
	pthread_cond_signal(&c->moved);
	pthread_mutex_unlock(c->lock);
	if (runs)
		(void)pthread_join(c->thread, NULL);
}

void courtesy_fini(struct courtesy *c)
{
	(void)pthread_cond_destroy(&c->moved);
}
