/* SPDX-License-Identifier: MIT */
/*
 * A backend of the queue: how one of them is opened, and what each does with a request that comes
 * and goes. Each backend is a file that exports one const table. The file may stand elsewhere, in
 * front of this folder's own (labs/lab3).
 */
#ifndef IO_QUEUE_BACKEND_H
#define IO_QUEUE_BACKEND_H

#include "base/assert.h"
#include "io/queue.h"
#include "io/waiters.h"

struct queue_backend_ops {
	const char *name;
	enum queue_backend backend;

	/* 0, or -errno of what refused it. ops, backend and why are filled in by the caller. */
	int (*open)(unsigned depth, struct queue **ret_queue);

	struct queue_ops ops;
};

/* Those that may be displaced. */
extern const struct queue_backend_ops queue_uring;
extern const struct queue_backend_ops queue_background;

/* The descriptor to which the transfers of a file go; the file must be the kernel's. */
int queue_fd(struct file *f);

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

#endif
