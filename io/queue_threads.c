/* SPDX-License-Identifier: MIT */
/*
 * The backend by threads: a few workers take requests from one list and perform them by calls that
 * block. They are started when there is more to do than workers to do it, and end with the queue.
 *
 * A worker is the reaper of what it performs: it calls `done`, sets `complete`, and then wakes the
 * threads that wait. The list has no bound, so submit never blocks. Where not even one thread can
 * be started, submit performs the request itself.
 */
#include "base/thread.h"
#include "io/hostile.h"
#include "io/queue_int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#define WORKERS_MAX 8

struct queue_threads {
	struct queue queue; /* first */
	struct waiters waiters;
	/* The following are under waiters.lock. */
	pthread_cond_t work; /* something was put on the list, or the end is near */
	struct io_req *first, **last;
	unsigned n_listed;
	unsigned n_idle;
	unsigned n_workers;
	unsigned n_workers_max;
	bool closing;
	pthread_t workers[WORKERS_MAX];
};

static struct queue_threads *threads_of(struct queue *q)
{
	return (struct queue_threads *)q;
}

static void list_put(struct queue_threads *t, struct io_req *req)
{
	*t->last = req;
	t->last = &req->next;
	t->n_listed++;
}

static struct io_req *list_take(struct queue_threads *t)
{
	struct io_req *req = t->first;

	t->first = req->next;
	if (!t->first)
		t->last = &t->first;
	t->n_listed--;
	if (t->first && hostile_once_in(3)) {
		/* To the end with it, and the next one instead. */
		req->next = NULL;
		list_put(t, req);
		return list_take(t);
	}
	return req;
}

static void *worker_main(void *arg)
{
	struct queue_threads *t = arg;

	(void)pthread_mutex_lock(&t->waiters.lock);
	for (;;) {
		struct io_req *req;

		while (!t->first && !t->closing) {
			t->n_idle++;
			(void)pthread_cond_wait(&t->work, &t->waiters.lock);
			t->n_idle--;
		}
		if (!t->first)
			break;
		req = list_take(t);
		(void)pthread_mutex_unlock(&t->waiters.lock);
		transfer_perform(req, req_fd(req), req_align(req));
		if (hostile_once_in(4))
			(void)sched_yield();
		req_leave(req);
		(void)pthread_mutex_lock(&t->waiters.lock);
		waiters_wake(&t->waiters);
	}
	(void)pthread_mutex_unlock(&t->waiters.lock);
	return NULL;
}

/* Starts one more worker. */
static void worker_start(struct queue_threads *t)
{
	if (thread_start(&t->workers[t->n_workers], worker_main, t) == 0)
		t->n_workers++;
}

static void threads_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_threads *t = threads_of(q);
	size_t i = 0;

	(void)pthread_mutex_lock(&t->waiters.lock);
	for (; i < n; i++) {
		if (t->n_listed >= t->n_idle && t->n_workers < t->n_workers_max)
			worker_start(t);
		if (t->n_workers == 0)
			break;
		req_enter(reqs[i]);
		list_put(t, reqs[i]);
		(void)pthread_cond_signal(&t->work);
	}
	(void)pthread_mutex_unlock(&t->waiters.lock);
	for (; i < n; i++)
		req_perform(reqs[i], &t->waiters);
}

static void threads_wait(struct queue *q, const struct io_req *req)
{
	struct queue_threads *t = threads_of(q);

	(void)pthread_mutex_lock(&t->waiters.lock);
	while (!req_is_complete(req))
		waiters_sleep(&t->waiters, req);
	(void)pthread_mutex_unlock(&t->waiters.lock);
}

static void threads_poll(struct queue *q)
{
	(void)q;
}

/* All but the last go to the workers; that one the caller would only sleep for. */
static void threads_run(struct queue *q, struct io_req *const *reqs, size_t n)
{
	if (n > 1)
		threads_submit(q, reqs, n - 1);
	req_perform(reqs[n - 1], &threads_of(q)->waiters);
	for (size_t i = 0; i < n; i++)
		queue_wait(q, reqs[i]);
}

static void threads_close(struct queue *q)
{
	struct queue_threads *t = threads_of(q);

	(void)pthread_mutex_lock(&t->waiters.lock);
	ASSERT(!t->first);
	t->closing = true;
	(void)pthread_cond_broadcast(&t->work);
	(void)pthread_mutex_unlock(&t->waiters.lock);
	for (unsigned i = 0; i < t->n_workers; i++)
		(void)pthread_join(t->workers[i], NULL);
	(void)pthread_cond_destroy(&t->work);
	waiters_fini(&t->waiters);
	free(t);
}

static int threads_open(unsigned depth, struct queue **ret_queue)
{
	struct queue_threads *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	waiters_init(&t->waiters);
	(void)pthread_cond_init(&t->work, NULL);
	t->last = &t->first;
	t->n_workers_max = depth < WORKERS_MAX ? depth : WORKERS_MAX;
	*ret_queue = &t->queue;
	return 0;
}

const struct queue_backend_ops queue_threads = {
	.name = "threads",
	.backend = QUEUE_THREADS,
	.open = threads_open,
	.ops =
		{
			.name = "threads",
			.submit = threads_submit,
			.wait = threads_wait,
			.poll = threads_poll,
			.run = threads_run,
			.close = threads_close,
		},
};
