/* SPDX-License-Identifier: MIT */
/*
 * The backend in the background: one ring, to which one thread of ours submits and of which it
 * reaps.
 *
 * The kernel completes a direct read by task work in the thread that submitted it, a kind of
 * signal: had the application's thread submitted, what it sleeps in by then (epoll_wait, recv)
 * would return EINTR. Here that thread puts its requests on a list and goes on. So this backend is
 * for what may outlive the call of the application; for what is waited for at once the wake-ups of
 * another thread are two too many.
 *
 * The thread is started by the first submit. It sleeps in the kernel until a request completes or
 * the bell rings: an eventfd, which the ring reads beside the requests. Only this thread touches
 * the ring, which needs no lock; and because it is the only issuer, the kernel may leave all task
 * work to the call that waits (DEFER_TASKRUN), where it knows that flag. What the ring refuses the
 * thread performs by calls that block.
 */
#include "base/thread.h"
#include "io/io_int.h"
#include "io/queue_int.h"
#include "io/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue_background {
	struct queue queue; /* first */
	struct waiters waiters;
	int bell;       /* an eventfd: something was listed, or the end is near; constant */
	unsigned depth; /* constant */
	/* The thread's, once it runs. */
	struct io_uring ring;
	unsigned n_in_flight;   /* taken off the list and not complete */
	bool listening;         /* a read of the bell is in flight */
	struct io_req listener; /* its entry in the ring */
	eventfd_t bell_count;   /* what it reads: how often the bell was rung */
	/* The following are under waiters.lock. */
	struct io_req *first, **last; /* the list: of the submitters, to the thread */
	bool asleep;                  /* the thread is, or will be, and its bell was not rung yet */
	bool running, closing;
	pthread_t thread;
};

static struct queue_background *background_of(struct queue *q)
{
	return (struct queue_background *)q;
}

/* Under the lock: from the list into the submission ring, as many as may be in flight. */
static void take(struct queue_background *b)
{
	while (b->first && b->n_in_flight < b->depth) {
		struct io_req *req = b->first;

		b->first = req->next;
		if (!b->first)
			b->last = &b->first;
		uring_push(&b->ring, req);
		b->n_in_flight++;
	}
}

/* Into the submission ring: a read of the bell. */
static void listen_to_bell(struct queue_background *b)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);

	ASSERT(sqe);
	io_uring_prep_read(sqe, b->bell, &b->bell_count, sizeof(b->bell_count), 0);
	io_uring_sqe_set_data(sqe, &b->listener);
	b->listening = true;
}

/* Sorts what the ring holds: over, or back into the submission ring. */
static void drain(struct queue_background *b, struct req_list *over)
{
	struct req_list again = {0};
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&b->ring, head, cqe)
	{
		struct io_req *req = io_uring_cqe_get_data(cqe);

		if (req == &b->listener)
			b->listening = false;
		else if (transfer_take(req, req_align(req), cqe->res))
			list_push(over, req);
		else
			list_push(&again, req);
		n++;
	}
	io_uring_cq_advance(&b->ring, n);
	while (again.first) {
		struct io_req *req = again.first;

		again.first = req->next;
		uring_push(&b->ring, req);
	}
}

/* Submits what was pushed. What the ring refuses, but for the listener, is over afterwards. */
static void submit_pushed(struct queue_background *b, struct req_list *over)
{
	struct req_list refused = {0};

	uring_enter_submit(&b->ring, &refused);
	while (refused.first) {
		struct io_req *req = refused.first;

		refused.first = req->next;
		if (req == &b->listener) {
			b->listening = false;
			continue;
		}
		transfer_perform(req, req_fd(req), req_align(req));
		list_push(over, req);
	}
}

/* Until the bell rings or something completes; where the ring has neither, by reading the bell. */
static void sleep_in_kernel(struct queue_background *b)
{
	if (b->listening || b->n_in_flight > 0)
		(void)io_uring_enter((unsigned)b->ring.enter_ring_fd, 0, 1, IORING_ENTER_GETEVENTS,
			NULL);
	else
		(void)eventfd_read(b->bell, &b->bell_count);
}

/* Submits, and completes what is over: sleeps until there is something to do. */
static void turn(struct queue_background *b)
{
	struct req_list over = {0};

	if (!b->listening)
		listen_to_bell(b);
	submit_pushed(b, &over);
	if (over.n == 0 && io_uring_cq_ready(&b->ring) == 0)
		sleep_in_kernel(b);
	drain(b, &over);
	b->n_in_flight -= over.n;
	uring_deliver(&over);
}

static void *background_main(void *arg)
{
	struct queue_background *b = arg;

	/* The thread that enables the ring is its issuer. If that is refused, so is each submit. */
	(void)io_uring_register((unsigned)b->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	(void)pthread_mutex_lock(&b->waiters.lock);
	while (b->first || b->n_in_flight > 0 || !b->closing) {
		take(b);
		b->asleep = true;
		(void)pthread_mutex_unlock(&b->waiters.lock);
		turn(b);
		(void)pthread_mutex_lock(&b->waiters.lock);
		b->asleep = false;
		waiters_wake(&b->waiters);
	}
	(void)pthread_mutex_unlock(&b->waiters.lock);
	return NULL;
}

/* Under the lock. Once for each time that it goes to sleep. */
static void ring_bell(struct queue_background *b)
{
	if (b->asleep) {
		b->asleep = false;
		(void)eventfd_write(b->bell, 1);
	}
}

static void background_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_background *b = background_of(q);
	size_t i = 0;

	(void)pthread_mutex_lock(&b->waiters.lock);
	if (!b->running)
		b->running = thread_start(&b->thread, background_main, b) == 0;
	for (; i < n && b->running; i++) {
		req_enter(reqs[i]);
		*b->last = reqs[i];
		b->last = &reqs[i]->next;
	}
	ring_bell(b);
	(void)pthread_mutex_unlock(&b->waiters.lock);
	for (; i < n; i++)
		req_perform(reqs[i], &b->waiters);
}

static void background_wait(struct queue *q, const struct io_req *req)
{
	struct queue_background *b = background_of(q);

	(void)pthread_mutex_lock(&b->waiters.lock);
	while (!req_is_complete(req))
		waiters_sleep(&b->waiters, req);
	(void)pthread_mutex_unlock(&b->waiters.lock);
}

static void background_poll(struct queue *q)
{
	(void)q;
}

/* One that is waited for at once is performed by calls that block, as by the other ring. */
static void background_run(struct queue *q, struct io_req *const *reqs, size_t n)
{
	if (n == 1)
		req_perform(reqs[0], &background_of(q)->waiters);
	else
		background_submit(q, reqs, n);
	for (size_t i = 0; i < n; i++)
		queue_wait(q, reqs[i]);
}

static void background_close(struct queue *q)
{
	struct queue_background *b = background_of(q);

	(void)pthread_mutex_lock(&b->waiters.lock);
	ASSERT(!b->first);
	b->closing = true;
	ring_bell(b);
	(void)pthread_mutex_unlock(&b->waiters.lock);
	if (b->running)
		(void)pthread_join(b->thread, NULL);
	io_uring_queue_exit(&b->ring);
	(void)close(b->bell);
	waiters_fini(&b->waiters);
	free(b);
}

/* Disabled: the opener is not to become the issuer. */
static int open_ring(unsigned depth, struct io_uring *ring)
{
	int rc = -EINVAL;

#ifdef IORING_SETUP_DEFER_TASKRUN
	rc = io_uring_queue_init(depth, ring,
		IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
#endif
	if (rc == -EINVAL) /* kernels before 6.1 */
		rc = io_uring_queue_init(depth, ring, IORING_SETUP_R_DISABLED);
	return rc;
}

static int background_open(unsigned depth, struct queue **ret_queue)
{
	struct queue_background *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	b->bell = eventfd(0, EFD_CLOEXEC);
	rc = b->bell < 0 ? -errno : fd_above_stdio(b->bell);
	if (rc < 0)
		goto free_queue;
	b->bell = rc;
	/* An entry more, for the bell. */
	rc = open_ring(depth + 1, &b->ring);
	if (rc < 0)
		goto close_bell;
	rc = uring_above_stdio(&b->ring);
	if (rc == 0)
		rc = io_uring_ring_dontfork(&b->ring);
	if (rc < 0)
		goto exit_ring;
	b->depth = depth;
	b->last = &b->first;
	waiters_init(&b->waiters);
	*ret_queue = &b->queue;
	return 0;

exit_ring:
	io_uring_queue_exit(&b->ring);
close_bell:
	(void)close(b->bell);
free_queue:
	free(b);
	return rc;
}

const struct queue_backend_ops queue_background = {
	.name = "background",
	.backend = QUEUE_BACKGROUND,
	.open = background_open,
	.ops =
		{
			.name = "background",
			.submit = background_submit,
			.wait = background_wait,
			.poll = background_poll,
			.run = background_run,
			.close = background_close,
		},
};
