/* SPDX-License-Identifier: MIT */
/*
 * Lab 3a: a queue of requests over a ring, with one thread that reaps.
 *
 * Any thread submits requests: reads, writes and flushes of a file. The kernel works at many of
 * them at a time, and completes them in any order. One thread of the queue's own, the reaper,
 * sleeps in the ring until there are answers, and completes the requests that are over.
 *
 * Invariants, whenever the lock is free:
 *
 *	1. n_in_flight requests were submitted and are not counted off yet; never more than `depth`.
 *	2. Each of these is in the ring, or in the hands of the reaper. It is the queue's: nobody
 *	   else touches it, nor its buffers.
 *	3. Nothing that was pushed waits in the ring for an enter.
 *	4. A request completes once: `done` is called with the lock free, and then, last of all,
 *	   `complete` is set.
 *
 * The lock protects the side of the ring on which requests go in, the count, and the list of
 * threads that sleep. The other side of the ring, where answers come out, is the reaper's alone.
 */
#include "base/thread.h"
#include "io/queue_backend.h"
#include "io/transfer.h"
#include "labs/lib/ring.h"
#include "labs/lib/todo.h"

#include <errno.h>
#include <stdlib.h>

#define ANSWERS_MAX 64U /* taken off the ring at a time */

struct queue_uring {
	struct queue queue;     /* first */
	struct ring *ring;      /* constant */
	unsigned depth;         /* constant */
	pthread_t reaper;       /* constant */
	struct waiters waiters; /* io/waiters.h: a lock, and the threads that sleep */
	unsigned n_in_flight;   /* under waiters.lock */
};

static struct queue_uring *uring_of(struct queue *q)
{
	return (struct queue_uring *)q;
}

/*
 * Yours: requests go in.
 */

/* See io/queue.h, submit. */
static void uring_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_uring *u = uring_of(q);
	/* LAB 3.1 begin: req_enter() and ring_push() each while there is a place; ring_enter() */

	(void)pthread_mutex_lock(&u->waiters.lock);
	for (size_t i = 0; i < n; i++) {
		if (u->n_in_flight == u->depth)
			ring_enter(u->ring); /* what is pushed must be under way while we sleep */
		while (u->n_in_flight == u->depth)
			waiters_sleep(&u->waiters, NULL);
		req_enter(reqs[i]);
		ring_push(u->ring, reqs[i]);
		u->n_in_flight++;
	}
	ring_enter(u->ring);
	(void)pthread_mutex_unlock(&u->waiters.lock);
	/* LAB 3.1 end: LAB_TODO_VOID("3.1"); */
}

/*
 * Yours: answers come out. The reaper runs these, without the lock.
 */

/* Takes one answer of a request. True: the request is over, and was completed. */
static bool take_answer(struct queue_uring *u, const struct ring_answer *a)
{
	struct io_req *req = a->req;

	/* LAB 3.2 begin: transfer_take() says whether it is over; if not, it goes in once more */
	if (transfer_take(req, transfer_align(req->file), a->answer)) {
		req_leave(req);
		return true;
	}
	(void)pthread_mutex_lock(&u->waiters.lock);
	ring_push(u->ring, req);
	ring_enter(u->ring);
	(void)pthread_mutex_unlock(&u->waiters.lock);
	return false;
	/* LAB 3.2 end: LAB_TODO_VOID("3.2"); */
}

/* Sleeps until there are answers, and takes them. False: the wake-up of close was among them. */
static bool reap(struct queue_uring *u)
{
	/* LAB 3.3 begin: ring_wait(); take each answer; count off what is over; wake who waits */
	struct ring_answer answers[ANSWERS_MAX];
	unsigned n = ring_wait(u->ring, answers, ANSWERS_MAX), n_over = 0;
	bool goes_on = true;

	for (unsigned i = 0; i < n; i++) {
		if (!answers[i].req)
			goes_on = false;
		else if (take_answer(u, &answers[i]))
			n_over++;
	}
	(void)pthread_mutex_lock(&u->waiters.lock);
	ASSERT(u->n_in_flight >= n_over);
	u->n_in_flight -= n_over;
	waiters_wake(&u->waiters);
	(void)pthread_mutex_unlock(&u->waiters.lock);
	return goes_on;
	/* LAB 3.3 end: LAB_TODO_VOID("3.3"); */
}

/* Given: the thread of the queue's own. */
static void *reaper_main(void *arg)
{
	while (reap(arg))
		;
	return NULL;
}

/*
 * Yours: the rest of the table.
 */

/* Given: frees a queue whose reaper has ended, or was never started. */
static void uring_free(struct queue_uring *u)
{
	ring_close(u->ring);
	waiters_fini(&u->waiters);
	free(u);
}

/* See io/queue.h, close. */
static void uring_close(struct queue *q)
{
	struct queue_uring *u = uring_of(q);
	/* LAB 3.4 begin: a wake-up through the ring; join the reaper; then uring_free() */

	(void)pthread_mutex_lock(&u->waiters.lock);
	ring_push(u->ring, NULL);
	ring_enter(u->ring);
	(void)pthread_mutex_unlock(&u->waiters.lock);
	(void)pthread_join(u->reaper, NULL);
	/* Not before: the reaper sets `complete` first, and counts off afterwards. */
	ASSERT(u->n_in_flight == 0);
	uring_free(u);
	/* LAB 3.4 end: LAB_TODO_VOID("3.4"); */
}

/* See io/queue.h, wait. */
static void uring_wait(struct queue *q, const struct io_req *req)
{
	struct queue_uring *u = uring_of(q);
	/* LAB 3.5 begin: sleep until req_is_complete() */

	(void)pthread_mutex_lock(&u->waiters.lock);
	while (!req_is_complete(req))
		waiters_sleep(&u->waiters, req);
	(void)pthread_mutex_unlock(&u->waiters.lock);
	/* LAB 3.5 end: LAB_TODO_VOID("3.5"); */
}

/* See io/queue.h, poll. */
static void uring_poll(struct queue *q)
{
	struct queue_uring *u = uring_of(q);

	/* LAB 3.6 begin: what is there to do for a thread that is not the reaper? */

	/* Nothing: the reaper takes what is complete, and only it may look into the ring. */
	(void)u;
	/* LAB 3.6 end: LAB_TODO_VOID("3.6"); */
}

/*
 * Given: opening.
 */

static int uring_open(unsigned depth, struct queue **ret_queue)
{
	struct queue_uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = ring_open(depth, &u->ring);
	if (rc < 0) {
		free(u);
		return rc;
	}
	u->depth = depth;
	waiters_init(&u->waiters);
	rc = thread_start(&u->reaper, reaper_main, u);
	if (rc < 0) {
		uring_free(u);
		return rc;
	}
	*ret_queue = &u->queue;
	return 0;
}

const struct queue_backend_ops queue_uring = {
	.name = "uring",
	.backend = QUEUE_URING,
	.open = uring_open,
	.ops =
		{
			.name = "uring",
			.submit = uring_submit,
			.wait = uring_wait,
			.poll = uring_poll,
			.close = uring_close,
		},
};
