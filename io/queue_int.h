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
