/* SPDX-License-Identifier: MIT */
/*
 * The rung that always works: submit performs each request by a call that blocks, in order.
 */
#include "base/assert.h"
#include "io/io_int.h"
#include "io/queue_int.h"
#include "io/transfer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

static int sync_open(unsigned depth, struct queue **ret_queue)
{
	*ret_queue = calloc(1, sizeof(**ret_queue));
	return *ret_queue ? 0 : -ENOMEM;
}

static void sync_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct io_req *req = reqs[i];

		req_enter(req);
		transfer_perform(req, file_kernel_of(req->file)->fd, transfer_align(req->file));
		req_leave(req);
	}
}

static void sync_wait(struct queue *q, const struct io_req *req)
{
	/* Another thread's submit may still be at it. */
	while (!atomic_load_explicit(&req->complete, memory_order_acquire))
		sched_yield();
}

static void sync_poll(struct queue *q)
{
}

static void sync_close(struct queue *q)
{
	free(q);
}

const struct queue_rung_ops queue_sync = {
	.name = "sync",
	.rung = QUEUE_SYNC,
	.open = sync_open,
	.ops =
		{
			.name = "sync",
			.submit = sync_submit,
			.wait = sync_wait,
			.poll = sync_poll,
			.close = sync_close,
		},
};
