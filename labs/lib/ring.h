/* SPDX-License-Identifier: MIT */
/*
 * A ring: what lies between a queue and the kernel in Lab 3.
 *
 * Attempts go in on one side (push, enter), answers come out on the other (wait). An attempt is one
 * try at a request: the kernel may move less than was asked for. An answer is what the kernel says
 * of one attempt: a count of bytes, or -errno. There is no order between answers.
 *
 *	submitters --- push, push, enter ---> [ the ring ] --- wait ---> the thread that reaps
 *
 * There are three of them. Where the kernel allows io_uring it is that (ring_uring.c); else a few
 * threads make the same attempts by calls that block (ring_threads.c); and the tests have one that
 * completes what they want, when they want it.
 */
#ifndef LABS_LIB_RING_H
#define LABS_LIB_RING_H

#include "io/queue.h"

struct ring;

struct ring_answer {
	struct io_req *req; /* NULL: of the wake-up */
	int64_t answer;     /* bytes that were moved, or -errno; for transfer_take() */
};

struct ring_ops {
	/*
	 * Prepares the next attempt of a request; the kernel does not see it yet. req NULL: a
	 * wake-up, which is answered at once. No more than `depth` requests, and one wake-up, are
	 * in the ring at a time. The request is the ring's until its answer is taken. One thread at
	 * a time. Never blocks.
	 */
	void (*push)(struct ring *r, struct io_req *req);

	/* Hands to the kernel what was pushed, in one call. Not beside a push. Never blocks. */
	void (*enter)(struct ring *r);

	/*
	 * Sleeps until there is an answer; takes n_max of them, or as many as there are, and
	 * returns how many. One thread at a time; beside pushes of others.
	 */
	unsigned (*wait)(struct ring *r, struct ring_answer *answers, unsigned n_max);

	/* The ring is empty, and no thread is in it. */
	void (*close)(struct ring *r);
};

struct ring {
	const struct ring_ops *ops;
};

static inline void ring_push(struct ring *r, struct io_req *req)
{
	r->ops->push(r, req);
}

static inline void ring_enter(struct ring *r)
{
	r->ops->enter(r);
}

static inline unsigned ring_wait(struct ring *r, struct ring_answer *answers, unsigned n_max)
{
	return r->ops->wait(r, answers, n_max);
}

static inline void ring_close(struct ring *r)
{
	r->ops->close(r);
}

/*
 * Opens the best ring for so many requests. VERSO_RING=threads takes that of threads, and
 * VERSO_RING=uring refuses it. 0, or -errno.
 */
int ring_open(unsigned depth, struct ring **ret_ring);

/* For people: which ring this thread has opened last, and why no better one. */
const char *ring_how(void);

/* The two. 0, or -errno of what refused it. */
int ring_uring_open(unsigned depth, struct ring **ret_ring);
int ring_threads_open(unsigned depth, struct ring **ret_ring);

/* A test's own ring, opened in the place of these; NULL: none. */
extern int (*ring_instead)(unsigned depth, struct ring **ret_ring);

#endif
