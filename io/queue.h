/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous queue: requests go in as a set, complete in any order, and are reaped by any
 * thread that waits.
 *
 * To transfer: fill `struct io_req`s, queue_submit() them, queue_wait() for those that matter. A
 * request belongs to the queue from submit until it is `complete`; its buffers are not touched
 * meanwhile. Every request completes exactly once, with 0 or an error: short transfers are
 * re-issued inside as whole aligned blocks, EINTR and EAGAIN a bounded number of times.
 *
 * There is no order between requests (I4). A flush (IO_SYNC) covers only the writes that had
 * completed before it was submitted, so a caller waits for its writes first: no links, no drains.
 */
#ifndef IO_QUEUE_H
#define IO_QUEUE_H

#include "io/file.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

#define QUEUE_IOV_MAX 64

enum io_kind { IO_READ, IO_WRITE, IO_SYNC };

struct io_req {
	enum io_kind kind;
	struct file *file;
	const struct iovec *iov; /* the caller's, until complete; each of 1 byte or more */
	unsigned n_iov;          /* 1..QUEUE_IOV_MAX; 0 for IO_SYNC */
	uint64_t off_bytes;      /* in the file */
	/* Of IO_READ. FILE_DEVICE: of a file that is device_direct, aligned as that asks for. */
	enum file_view view;
	/*
	 * Called once by the thread that reaps, with no lock of the queue held, just before
	 * `complete` is set. It may not block nor call the queue. May be NULL.
	 */
	void (*done)(struct io_req *req);
	void *owner;          /* the caller's */
	int result;           /* 0 or an error; valid in done() and once `complete` */
	atomic_bool complete; /* set last, with release; the caller clears it before submit */
	struct io_req *next;  /* the queue's while in flight */
	unsigned tries;       /* the queue's, zeroed by submit: attempts that brought nothing */
	size_t done_bytes;    /* the queue's, zeroed by submit: a short transfer goes on here */
};

struct queue_ops {
	const char *name;

	/*
	 * Hands n requests over. Cannot fail: what cannot be submitted completes with its error.
	 * Blocks only while the queue is full. Any thread.
	 */
	void (*submit)(struct queue *q, struct io_req *const *reqs, size_t n);

	/*
	 * Reaps completions, those of other threads too, until *req is complete. The caller holds
	 * no lock that a `done` takes. Any number of threads may wait for the same request,
	 * submitted already or not yet; it outlives the last of these calls.
	 */
	void (*wait)(struct queue *q, const struct io_req *req);

	/* Reaps what is complete now, without blocking. */
	void (*poll)(struct queue *q);

	/*
	 * Submits n requests and waits for all; may perform them in the calling thread. NULL:
	 * submit, then wait for each.
	 */
	void (*run)(struct queue *q, struct io_req *const *reqs, size_t n);

	/* The queue must be empty. */
	void (*close)(struct queue *q);
};

struct queue {
	const struct queue_ops *ops;
	enum queue_backend backend; /* never QUEUE_BEST; constant */
	int refused_errno; /* what refused a better backend, 0 when nothing did; constant */
	char why[128];     /* for people: the backend, and why no better one; constant */
};

static inline void queue_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	q->ops->submit(q, reqs, n);
}

static inline void queue_wait(struct queue *q, const struct io_req *req)
{
	if (!atomic_load_explicit(&req->complete, memory_order_acquire))
		q->ops->wait(q, req);
}

static inline void queue_poll(struct queue *q)
{
	q->ops->poll(q);
}

/* Takes NULL. */
static inline void queue_close(struct queue *q)
{
	if (q)
		q->ops->close(q);
}

/*
 * A completed request's result; when that is an error, this thread's error text says what failed
 * where. (The thread that reaped it may have been another.)
 */
int queue_error(const struct io_req *req);

/*
 * Submits all and waits for all: the fastest way when the caller has nothing else to do, a single
 * request included. Other threads may queue_wait() for the same requests. Returns the first error
 * in the order of reqs, with this thread's error text, or 0.
 */
int queue_run(struct queue *q, struct io_req *const *reqs, size_t n);

/*
 * Opens the queue of a pager, and the one that reads ahead, which may be the same; both are the
 * caller's, also what was opened before a failure. backend, errors: as of io_queue().
 *
 * The ring completes a request in the thread that submitted it, by a kind of signal: where that
 * thread sleeps in a call of the application's meanwhile (epoll_wait, recv, nanosleep), the call
 * returns EINTR. IOSQE_ASYNC and COOP_TASKRUN do not change it for direct reads. So the ring has
 * what its submitter waits for before it returns, and reads ahead go to a ring in the background,
 * or to threads, where a second ring is refused.
 */
int queues_open(struct io *io, unsigned depth, unsigned ahead_depth, enum queue_backend backend,
	struct queue **ret_queue, struct queue **ret_ahead);

#endif
