/* SPDX-License-Identifier: MIT */
/*
 * A ring by threads, for where io_uring is refused: a few workers make attempts by calls that
 * block, and put down the answers. As with io_uring an attempt may move less than was asked for.
 */
#include "base/assert.h"
#include "base/thread.h"
#include "io/queue_backend.h"
#include "io/transfer.h"
#include "labs/lib/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define WORKERS_MAX 8U

struct ring_threads {
	struct ring ring;       /* first */
	unsigned cap;           /* requests, and a wake-up; constant */
	struct io_req **pushed; /* the submission side's */
	unsigned n_pushed;      /* the submission side's */
	pthread_mutex_t lock;   /* what follows */
	pthread_cond_t more;    /* work, or the end */
	pthread_cond_t answered;
	struct io_req **work; /* the oldest first */
	unsigned n_work;
	struct ring_answer *answers; /* the oldest first */
	unsigned n_answers;
	bool closing;
	unsigned n_workers; /* constant once it is open */
	pthread_t workers[WORKERS_MAX];
};

static struct ring_threads *threads_of(struct ring *r)
{
	return (struct ring_threads *)r;
}

static int64_t attempt(const struct io_req *req)
{
	int fd = queue_fd(req->file);
	struct attempt att;
	ssize_t n;

	if (req->kind == IO_SYNC)
		return fdatasync(fd) < 0 ? -errno : 0;
	transfer_next(req, transfer_align(req->file), &att);
	if (req->kind == IO_READ && att.iov)
		n = preadv(fd, att.iov, (int)att.n_iov, (off_t)att.off_bytes);
	else if (req->kind == IO_READ)
		n = pread(fd, att.buf, att.len_bytes, (off_t)att.off_bytes);
	else if (att.iov)
		n = pwritev(fd, att.iov, (int)att.n_iov, (off_t)att.off_bytes);
	else
		n = pwrite(fd, att.buf, att.len_bytes, (off_t)att.off_bytes);
	return n < 0 ? -errno : n;
}

/* Lock held. */
static void put_answer(struct ring_threads *t, struct io_req *req, int64_t answer)
{
	ASSERT(t->n_answers < t->cap);
	t->answers[t->n_answers++] = (struct ring_answer){.req = req, .answer = answer};
	(void)pthread_cond_signal(&t->answered);
}

static void *worker_main(void *arg)
{
	struct ring_threads *t = arg;

	(void)pthread_mutex_lock(&t->lock);
	for (;;) {
		struct io_req *req;
		int64_t answer;

		while (t->n_work == 0 && !t->closing)
			(void)pthread_cond_wait(&t->more, &t->lock);
		if (t->n_work == 0)
			break;
		req = t->work[0];
		memmove(t->work, t->work + 1, --t->n_work * sizeof(struct io_req *));
		(void)pthread_mutex_unlock(&t->lock);
		answer = attempt(req);
		(void)pthread_mutex_lock(&t->lock);
		put_answer(t, req, answer);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void threads_push(struct ring *r, struct io_req *req)
{
	struct ring_threads *t = threads_of(r);

	ASSERT(t->n_pushed < t->cap);
	t->pushed[t->n_pushed++] = req;
}

static void threads_enter(struct ring *r)
{
	struct ring_threads *t = threads_of(r);

	(void)pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n_pushed; i++) {
		if (t->pushed[i]) {
			ASSERT(t->n_work < t->cap);
			t->work[t->n_work++] = t->pushed[i];
			(void)pthread_cond_signal(&t->more);
		} else {
			put_answer(t, NULL, 0);
		}
	}
	t->n_pushed = 0;
	(void)pthread_mutex_unlock(&t->lock);
}

static unsigned threads_wait(struct ring *r, struct ring_answer *answers, unsigned n_max)
{
	struct ring_threads *t = threads_of(r);
	unsigned n;

	(void)pthread_mutex_lock(&t->lock);
	while (t->n_answers == 0)
		(void)pthread_cond_wait(&t->answered, &t->lock);
	n = t->n_answers < n_max ? t->n_answers : n_max;
	memcpy(answers, t->answers, n * sizeof(*answers));
	t->n_answers -= n;
	memmove(t->answers, t->answers + n, t->n_answers * sizeof(*answers));
	(void)pthread_mutex_unlock(&t->lock);
	return n;
}

static void threads_close(struct ring *r)
{
	struct ring_threads *t = threads_of(r);

	(void)pthread_mutex_lock(&t->lock);
	t->closing = true;
	(void)pthread_cond_broadcast(&t->more);
	(void)pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->n_workers; i++)
		(void)pthread_join(t->workers[i], NULL);
	(void)pthread_cond_destroy(&t->answered);
	(void)pthread_cond_destroy(&t->more);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->pushed);
	free(t->work);
	free(t->answers);
	free(t);
}

static const struct ring_ops threads_ops = {
	.push = threads_push,
	.enter = threads_enter,
	.wait = threads_wait,
	.close = threads_close,
};

int ring_threads_open(unsigned depth, struct ring **ret_ring)
{
	struct ring_threads *t = calloc(1, sizeof(*t));
	unsigned n = depth < WORKERS_MAX ? depth : WORKERS_MAX;
	int rc = 0;

	if (!t)
		return -ENOMEM;
	t->ring.ops = &threads_ops;
	t->cap = depth + 1;
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_cond_init(&t->more, NULL);
	(void)pthread_cond_init(&t->answered, NULL);
	t->pushed = calloc(t->cap, sizeof(struct io_req *));
	t->work = calloc(t->cap, sizeof(struct io_req *));
	t->answers = calloc(t->cap, sizeof(*t->answers));
	if (!t->pushed || !t->work || !t->answers)
		rc = -ENOMEM;
	while (rc == 0 && t->n_workers < n) {
		rc = thread_start(&t->workers[t->n_workers], worker_main, t);
		if (rc == 0)
			t->n_workers++;
	}
	if (t->n_workers == 0) {
		threads_close(&t->ring);
		return rc;
	}
	*ret_ring = &t->ring;
	return 0;
}
