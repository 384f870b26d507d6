/* SPDX-License-Identifier: MIT */
/*
 * The backend by io_uring: one ring, into which any thread submits, and of which one thread at a
 * time is the reaper, of all threads' requests.
 *
 * The lock protects the submission side and the sleepers; it is never held in a sleep, a `done` or
 * a wait of the kernel. The reaper is the thread that set `reaping` under it: the completion side
 * is its own until it clears that again, which it does only when everything that it took off the
 * ring is complete. So no thread ever sleeps in the kernel for a completion that another has in
 * hand (I5). Every thread that gives up the reaper's part, or leaves, wakes one sleeper to take it.
 *
 * Never more than `depth` requests are in flight, and the completion ring holds twice as many: it
 * cannot overflow (I6). No SQE is left behind in the submission ring when the lock is released:
 * what the kernel refuses to take is performed by calls that block (I7).
 *
 * A single request that its submitter waits for (queue_run() of one) does not go through the ring:
 * a call that blocks costs one system call where the ring needs two, and several threads do it side
 * by side (docs/measurements.md). SINGLE_ISSUER and so DEFER_TASKRUN are out, because any thread
 * submits. COOP_TASKRUN is out, because a thread that submitted and then computes would keep others
 * waiting for its completions until its next system call.
 */
#include "base/assert.h"
#include "io/hostile.h"
#include "io/io_int.h"
#include "io/queue_int.h"
#include "io/transfer.h"
#include "io/uring.h"
#include "io/waiters.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

struct queue_uring {
	struct queue queue; /* first */
	struct waiters waiters;
	struct io_uring ring; /* submission side: under the lock; completion side: the reaper's */
	unsigned depth;       /* constant */
	unsigned n_in_flight; /* submitted and not delivered; under the lock */
	unsigned n_by_hand;   /* of these, performed by calls that block; under the lock */
	bool reaping;         /* a thread is the reaper; under the lock */
	struct io_req *held;  /* hostile: completions kept back; the reaper's */
};

static struct queue_uring *uring_of(struct queue *q)
{
	return (struct queue_uring *)q;
}

/*
 * Completion: the reaper, without the lock
 */

/* Sorts what the ring holds: over, or to be asked for again. */
static void drain(struct queue_uring *u, struct req_list *over, struct req_list *again)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe)
	{
		struct io_req *req = io_uring_cqe_get_data(cqe);

		/* Exactly once (I3). The acquire pairs with uring_push(). */
		ASSERT(!req_is_complete(req));
		n++;
		if (!transfer_take(req, req_align(req), cqe->res)) {
			list_push(again, req);
		} else if (hostile_once_in(3)) {
			req->next = u->held;
			u->held = req;
		} else {
			list_push(over, req);
		}
	}
	io_uring_cq_advance(&u->ring, n);
}

static void release_held(struct queue_uring *u, struct req_list *over)
{
	while (u->held) {
		struct io_req *req = u->held;

		u->held = req->next;
		list_push(over, req);
	}
}

/* In and out: the lock held. Meanwhile others see that the ring has nothing of these. */
static void finish_by_hand(struct queue_uring *u, struct req_list *refused)
{
	unsigned n = refused->n;

	u->n_by_hand += n;
	(void)pthread_mutex_unlock(&u->waiters.lock);
	uring_perform_all(refused);
	uring_deliver(refused);
	(void)pthread_mutex_lock(&u->waiters.lock);
	u->n_by_hand -= n;
	u->n_in_flight -= n;
	*refused = (struct req_list){0};
	waiters_wake(&u->waiters);
}

/*
 * One turn as the reaper. In and out: the lock held, no reaper. min_events: sleep until so many
 * completions are there; 0: take what is there. The caller knows that they will come.
 */
static void reap(struct queue_uring *u, unsigned min_events)
{
	struct req_list over = {0}, again = {0}, refused = {0};

	ASSERT(!u->reaping);
	u->reaping = true;
	(void)pthread_mutex_unlock(&u->waiters.lock);
	if (u->held)
		release_held(u, &over);
	else if (io_uring_cq_ready(&u->ring) < min_events)
		(void)io_uring_enter((unsigned)u->ring.enter_ring_fd, 0, min_events,
			IORING_ENTER_GETEVENTS, NULL);
	drain(u, &over, &again);

	if (again.first) {
		(void)pthread_mutex_lock(&u->waiters.lock);
		for (struct io_req *req = again.first, *next; req; req = next) {
			next = req->next;
			uring_push(&u->ring, req);
		}
		uring_enter_submit(&u->ring, &refused);
		(void)pthread_mutex_unlock(&u->waiters.lock);
		uring_perform_all(&refused);
	}
	uring_deliver(&over);
	uring_deliver(&refused);

	(void)pthread_mutex_lock(&u->waiters.lock);
	ASSERT(u->n_in_flight >= over.n + refused.n);
	u->n_in_flight -= over.n + refused.n;
	u->reaping = false;
	waiters_wake(&u->waiters);
}

/*
 * The table
 */

/*
 * Waits under the lock for something to complete: as the reaper, or asleep where there is one, or
 * where the ring has nothing to reap (a thread that submits wakes a sleeper to be the reaper).
 */
static void wait_once(struct queue_uring *u, const struct io_req *req, unsigned min_events)
{
	if (u->reaping || u->n_in_flight == u->n_by_hand)
		waiters_sleep(&u->waiters, req);
	else
		reap(u, min_events);
}

static void leave(struct queue_uring *u)
{
	if (!u->reaping)
		waiters_hand_over(&u->waiters);
	(void)pthread_mutex_unlock(&u->waiters.lock);
}

static void uring_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_uring *u = uring_of(q);
	struct req_list refused = {0};

	(void)pthread_mutex_lock(&u->waiters.lock);
	for (size_t i = 0; i < n;) {
		while (u->n_in_flight == u->depth)
			wait_once(u, NULL, 1);
		for (; i < n && u->n_in_flight < u->depth; i++) {
			req_enter(reqs[i]);
			uring_push(&u->ring, reqs[i]);
			u->n_in_flight++;
		}
		uring_enter_submit(&u->ring, &refused);
		if (refused.first)
			finish_by_hand(u, &refused);
	}
	leave(u);
}

static void uring_wait(struct queue *q, const struct io_req *req)
{
	struct queue_uring *u = uring_of(q);

	(void)pthread_mutex_lock(&u->waiters.lock);
	while (!req_is_complete(req))
		wait_once(u, req, 1);
	leave(u);
}

static void uring_poll(struct queue *q)
{
	struct queue_uring *u = uring_of(q);

	if (pthread_mutex_trylock(&u->waiters.lock) != 0)
		return; /* another thread is in the queue */
	if (!u->reaping && (u->held || io_uring_cq_ready(&u->ring) > 0))
		reap(u, 0);
	leave(u);
}

/* How many are not complete, and one of these: one look at each, others complete them meanwhile. */
static unsigned find_incomplete(struct io_req *const *reqs, size_t n, struct io_req **ret_req)
{
	unsigned n_left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!req_is_complete(reqs[i])) {
			*ret_req = reqs[i];
			n_left++;
		}
	}
	return n_left;
}

static void uring_run(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_uring *u = uring_of(q);
	struct io_req *req = NULL;
	unsigned n_left;

	if (n == 1) {
		req_perform(reqs[0], &u->waiters);
		return;
	}
	uring_submit(q, reqs, n);
	(void)pthread_mutex_lock(&u->waiters.lock);
	while ((n_left = find_incomplete(reqs, n, &req)) > 0) {
		/* Alone in the ring: one sleep for all. Else the others' go out as they come. */
		bool alone = u->n_in_flight == n_left && u->n_by_hand == 0;

		wait_once(u, req, alone ? n_left : 1);
	}
	leave(u);
}

static void uring_close(struct queue *q)
{
	struct queue_uring *u = uring_of(q);

	ASSERT(u->n_in_flight == 0);
	io_uring_queue_exit(&u->ring);
	waiters_fini(&u->waiters);
	free(u);
}

/* Some sandboxes let a ring be set up and then refuse to enter it. */
static int try_ring(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int rc;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	rc = io_uring_submit_and_wait(ring, 1);
	if (rc < 0)
		return rc;
	rc = io_uring_peek_cqe(ring, &cqe);
	if (rc < 0)
		return rc;
	rc = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return rc;
}

static int check_features(struct io_uring *ring)
{
	static const int needed[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV,
		IORING_OP_WRITEV, IORING_OP_FSYNC};
	const unsigned features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE;
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int rc = (ring->features & features) == features && probe ? 0 : -ENOSYS;

	for (size_t i = 0; rc == 0 && i < sizeof(needed) / sizeof(needed[0]); i++)
		rc = io_uring_opcode_supported(probe, needed[i]) ? 0 : -ENOSYS;
	io_uring_free_probe(probe);
	return rc;
}

static int uring_open(unsigned depth, struct queue **ret_queue)
{
	struct queue_uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = io_uring_queue_init(depth, &u->ring, 0);
	if (rc < 0)
		goto free_queue;
	rc = uring_above_stdio(&u->ring);
	if (rc == 0)
		rc = check_features(&u->ring);
	if (rc == 0)
		rc = try_ring(&u->ring);
	if (rc == 0)
		rc = io_uring_ring_dontfork(&u->ring);
	if (rc < 0)
		goto exit_ring;
	u->depth = depth;
	waiters_init(&u->waiters);
	*ret_queue = &u->queue;
	return 0;

exit_ring:
	io_uring_queue_exit(&u->ring);
free_queue:
	free(u);
	return rc;
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
			.run = uring_run,
			.close = uring_close,
		},
};
