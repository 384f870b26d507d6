/* SPDX-License-Identifier: MIT */
/*
 * The choice of a queue's backend, and a batch of requests from begin to end.
 */
#include "io/queue.h"
#include "base/assert.h"
#include "base/error.h"
#include "io/io_int.h"
#include "io/queue_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What QUEUE_BEST may come to, and VERSO_IO may name. */
static const struct queue_backend_ops *const backends[] = {
#ifndef WITHOUT_LIBURING
	&queue_uring,
#endif
	&queue_threads,
	&queue_sync,
};

#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* The backend that VERSO_IO names; QUEUE_BEST when it is not set. */
static int backend_forced(enum queue_backend *ret_backend)
{
	const char *name = getenv("VERSO_IO");

	*ret_backend = QUEUE_BEST;
	if (!name || !*name)
		return 0;
	for (size_t i = 0; i < N_BACKENDS; i++) {
		if (strcmp(name, backends[i]->name) == 0) {
			*ret_backend = backends[i]->backend;
			return 0;
		}
	}
	return error_set(-EINVAL, "VERSO_IO=%s is no backend: use uring, threads or sync", name);
}

static int open_backend(const struct queue_backend_ops *r, unsigned depth, struct queue **ret_queue)
{
	struct queue *q;
	int rc = r->open(depth, &q);

	if (rc < 0)
		return error_set(rc, "no queue by %s: %s", r->name, error_name(rc));
	q->ops = &r->ops;
	q->backend = r->backend;
	(void)snprintf(q->why, sizeof(q->why), "%s", r->name);
	*ret_queue = q;
	return 0;
}

/* From backend to backend; remembers what refused the best one. */
static int open_best(unsigned depth, struct queue **ret_queue)
{
	const char *refused = NULL;
	int refused_errno = 0;
	int rc = -ENOSYS;

	for (size_t i = 0; i < N_BACKENDS; i++) {
		rc = open_backend(backends[i], depth, ret_queue);
		if (rc == 0)
			break;
		if (!refused) {
			refused = backends[i]->name;
			refused_errno = -rc;
		}
	}
	if (rc == 0 && refused) {
		struct queue *q = *ret_queue;

		error_clear(); /* the refusal was no error of the caller's; `why` records it */
		q->refused_errno = refused_errno;
		(void)snprintf(q->why, sizeof(q->why), "%s, because %s was refused: %s",
			q->ops->name, refused, error_name(-refused_errno));
	}
	return rc;
}

int queue_kernel_open(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue)
{
	enum queue_backend forced;
	int rc;

	(void)io;
	ASSERT(depth >= 1);
	ASSERT(depth <= 4096);
	if (backend != QUEUE_BEST)
		forced = backend;
	else if ((rc = backend_forced(&forced)) < 0)
		return rc;
	if (forced == QUEUE_BEST)
		return open_best(depth, ret_queue);
#ifndef WITHOUT_LIBURING
	if (forced == QUEUE_BACKGROUND)
		return open_backend(&queue_background, depth, ret_queue);
#endif
	for (size_t i = 0; i < N_BACKENDS; i++) {
		if (backends[i]->backend == forced)
			return open_backend(backends[i], depth, ret_queue);
	}
	return error_set(-ENOSYS, "no queue by uring: this Verso was built without liburing");
}

int queue_run(struct queue *q, struct io_req *const *reqs, size_t n)
{
	int rc = 0;

	if (n > 0 && q->ops->run)
		q->ops->run(q, reqs, n);
	else
		queue_submit(q, reqs, n);
	for (size_t i = 0; i < n; i++) {
		queue_wait(q, reqs[i]);
		if (rc == 0)
			rc = queue_error(reqs[i]);
	}
	return rc;
}

int queues_open(struct io *io, unsigned depth, unsigned ahead_depth, enum queue_backend backend,
	struct queue **ret_queue, struct queue **ret_ahead)
{
	int rc = io_queue(io, depth, backend, ret_queue);

	if (rc < 0)
		return rc;
	if ((*ret_queue)->backend != QUEUE_URING) {
		*ret_ahead = *ret_queue;
		return 0;
	}
	if (io_queue(io, ahead_depth, QUEUE_BACKGROUND, ret_ahead) == 0)
		return 0;
	error_clear();
	return io_queue(io, ahead_depth, QUEUE_THREADS, ret_ahead);
}
