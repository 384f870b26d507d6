/* SPDX-License-Identifier: MIT */
/*
 * The backends of the queue that this folder has, and what they share.
 */
#ifndef IO_QUEUE_INT_H
#define IO_QUEUE_INT_H

#include "io/io_int.h"
#include "io/queue_backend.h"
#include "io/transfer.h"

extern const struct queue_backend_ops queue_threads;
extern const struct queue_backend_ops queue_sync;

/* The descriptor to which a request goes, and what it wants aligned. */
static inline int req_fd(const struct io_req *req)
{
	const struct file_kernel *fk = file_kernel_of(req->file);

	return req->view == FILE_DEVICE ? fk->fd_device : fk->fd;
}

static inline uint32_t req_align(const struct io_req *req)
{
	return req->view == FILE_DEVICE ? req->file->align_bytes : transfer_align(req->file);
}

/* From begin to end by calls that block, in this thread. Others may wait for it meanwhile. */
static inline void req_perform(struct io_req *req, struct waiters *ws)
{
	req_enter(req);
	transfer_perform(req, req_fd(req), req_align(req));
	req_leave(req);
	(void)pthread_mutex_lock(&ws->lock);
	waiters_wake(ws);
	(void)pthread_mutex_unlock(&ws->lock);
}

#endif
