/* SPDX-License-Identifier: MIT */
/*
 * A backend of the queue: how one of them is opened. Each exports one const table.
 */
#ifndef IO_QUEUE_INT_H
#define IO_QUEUE_INT_H

#include "base/assert.h"
#include "io/io_int.h"
#include "io/queue.h"
#include "io/transfer.h"
#include "io/waiters.h"

struct queue_backend_ops {
	const char *name;
	enum queue_backend backend;

	/* 0, or -errno of what refused it. ops, backend and why are filled in by the caller. */
	int (*open)(unsigned depth, struct queue **ret_queue);

	struct queue_ops ops;
};

extern const struct queue_backend_ops queue_uring;
extern const struct queue_backend_ops queue_threads;
extern const struct queue_backend_ops queue_sync;
extern const struct queue_backend_ops queue_background;

/* A thread of a queue: its signals are the application's other threads' business. 0, -errno. */
int queue_thread_start(pthread_t *ret_thread, void *(*main)(void *arg), void *arg);

/* A request as it enters a queue. */
static inline void req_enter(struct io_req *req)
{
	ASSERT(req->kind == IO_SYNC ? req->n_iov == 0 : req->n_iov >= 1);
	ASSERT(req->n_iov <= QUEUE_IOV_MAX);
	req->next = NULL;
	req->tries = 0;
	req->done_bytes = 0;
	atomic_store_explicit(&req->complete, false, memory_order_relaxed);
}

/* ... and as it leaves: after this it is the caller's, and may be gone. */
static inline void req_leave(struct io_req *req)
{
	if (req->done)
		req->done(req);
	atomic_store_explicit(&req->complete, true, memory_order_release);
}

/* From begin to end by calls that block, in this thread. Others may wait for it meanwhile. */
static inline void req_perform(struct io_req *req, struct waiters *ws)
{
	req_enter(req);
	transfer_perform(req, file_kernel_of(req->file)->fd, transfer_align(req->file));
	req_leave(req);
	(void)pthread_mutex_lock(&ws->lock);
	waiters_wake(ws);
	(void)pthread_mutex_unlock(&ws->lock);
}

#endif
