/* SPDX-License-Identifier: MIT */
/*
 * The backend that always works: submit performs each request by calls that block. A set has no
 * order, and the hostile build gives it one of its own.
 */
#include "io/hostile.h"
#include "io/queue_int.h"

#include <errno.h>
#include <stdlib.h>

struct queue_sync {
	struct queue queue; /* first */
	struct waiters waiters;
};

static int sync_open(unsigned depth, struct queue **ret_queue)
{
	struct queue_sync *s = calloc(1, sizeof(*s));

	(void)depth;
	if (!s)
		return -ENOMEM;
	waiters_init(&s->waiters);
	*ret_queue = &s->queue;
	return 0;
}

static void sync_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	struct queue_sync *s = (struct queue_sync *)q;
	bool backwards = hostile_once_in(2);

	for (size_t i = 0; i < n; i++)
		req_perform(reqs[backwards ? n - 1 - i : i], &s->waiters);
}

/* Another thread's submit may still be at it. */
static void sync_wait(struct queue *q, const struct io_req *req)
{
	struct queue_sync *s = (struct queue_sync *)q;

	(void)pthread_mutex_lock(&s->waiters.lock);
	while (!req_is_complete(req))
		waiters_sleep(&s->waiters, req);
	(void)pthread_mutex_unlock(&s->waiters.lock);
}

static void sync_poll(struct queue *q)
{
	(void)q;
}

static void sync_close(struct queue *q)
{
	struct queue_sync *s = (struct queue_sync *)q;

	waiters_fini(&s->waiters);
	free(s);
}

const struct queue_backend_ops queue_sync = {
	.name = "sync",
	.backend = QUEUE_SYNC,
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
