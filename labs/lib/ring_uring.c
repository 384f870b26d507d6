/* SPDX-License-Identifier: MIT */
/*
 * A ring by io_uring, without a library: two rings of memory that the kernel shares with us, and
 * one system call.
 *
 * The submission ring holds numbers of entries (SQE, 64 bytes each: what to do). We write the
 * entry, then its number, then move the tail; the kernel moves the head. The completion ring holds
 * the answers (CQE, 16 bytes each: whose, and how many bytes); there the kernel moves the tail, and
 * we the head. A tail is moved with release and looked at with acquire, so who sees it sees what
 * lies before it.
 *
 * Submission side: one thread at a time (ring.h). Completion side: the thread that waits.
 */
#include "base/assert.h"
#include "io/queue_backend.h"
#include "io/transfer.h"
#include "labs/lib/ring.h"

#include <errno.h>

#if defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#endif

#ifdef IORING_FEAT_RW_CUR_POS

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring_uring {
	struct ring ring; /* first */
	int fd;           /* constant, as all that follows but what is said otherwise */
	uint8_t *map;     /* both rings */
	size_t map_bytes;
	struct io_uring_sqe *sqes;
	size_t sqes_bytes;
	unsigned *sq_tail, *sq_array; /* ours to write */
	unsigned sq_mask;
	unsigned n_pushed; /* and not entered; the submission side's */
	unsigned *cq_head; /* ours to write */
	unsigned *cq_tail; /* the kernel's */
	unsigned cq_mask;
	struct io_uring_cqe *cqes;
};

static struct ring_uring *uring_of(struct ring *r)
{
	return (struct ring_uring *)r;
}

static int enter(struct ring_uring *u, unsigned n_submit, unsigned n_wait)
{
	unsigned flags = n_wait > 0 ? IORING_ENTER_GETEVENTS : 0;
	long n = syscall(SYS_io_uring_enter, u->fd, n_submit, n_wait, flags, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

static void fill(struct io_uring_sqe *sqe, const struct io_req *req)
{
	struct attempt att;

	sqe->fd = queue_fd(req->file);
	if (req->kind == IO_SYNC) {
		sqe->opcode = IORING_OP_FSYNC;
		sqe->fsync_flags = IORING_FSYNC_DATASYNC;
		return;
	}
	transfer_next(req, transfer_align(req->file), &att);
	sqe->off = att.off_bytes;
	if (att.iov) {
		sqe->opcode = req->kind == IO_READ ? IORING_OP_READV : IORING_OP_WRITEV;
		sqe->addr = (uintptr_t)att.iov;
		sqe->len = att.n_iov;
	} else {
		sqe->opcode = req->kind == IO_READ ? IORING_OP_READ : IORING_OP_WRITE;
		sqe->addr = (uintptr_t)att.buf;
		sqe->len = (unsigned)att.len_bytes;
	}
}

static void uring_push(struct ring *r, struct io_req *req)
{
	struct ring_uring *u = uring_of(r);
	unsigned tail = *u->sq_tail, index = tail & u->sq_mask;
	struct io_uring_sqe *sqe = &u->sqes[index];

	memset(sqe, 0, sizeof(*sqe));
	if (req) {
		fill(sqe, req);
		/* Release: the thread that waits learns of req from the kernel (below). */
		atomic_store_explicit(&req->complete, false, memory_order_release);
	} else {
		sqe->opcode = IORING_OP_NOP;
	}
	sqe->user_data = (uintptr_t)req;
	u->sq_array[index] = index;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
	u->n_pushed++;
}

/* The kernel takes all, or is asked again: what is short is memory, and for a moment. */
static void uring_enter(struct ring *r)
{
	struct ring_uring *u = uring_of(r);

	while (u->n_pushed > 0) {
		int n = enter(u, u->n_pushed, 0);

		if (n > 0) {
			u->n_pushed -= (unsigned)n;
			continue;
		}
		ASSERT(n == 0 || n == -EINTR || n == -EAGAIN || n == -EBUSY);
		(void)sched_yield();
	}
}

static unsigned uring_wait(struct ring *r, struct ring_answer *answers, unsigned n_max)
{
	struct ring_uring *u = uring_of(r);
	unsigned head = *u->cq_head, n = 0, tail;

	while ((tail = __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE)) == head) {
		int rc = enter(u, 0, 1);

		ASSERT(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
	}
	for (; head != tail && n < n_max; head++, n++) {
		const struct io_uring_cqe *cqe = &u->cqes[head & u->cq_mask];
		struct io_req *req = (struct io_req *)(uintptr_t)cqe->user_data;

		/* Acquire: pairs with uring_push(). */
		ASSERT(!req || !atomic_load_explicit(&req->complete, memory_order_acquire));
		answers[n] = (struct ring_answer){.req = req, .answer = cqe->res};
	}
	__atomic_store_n(u->cq_head, head, __ATOMIC_RELEASE);
	return n;
}

static void uring_close(struct ring *r)
{
	struct ring_uring *u = uring_of(r);

	(void)munmap(u->sqes, u->sqes_bytes);
	(void)munmap(u->map, u->map_bytes);
	(void)close(u->fd);
	free(u);
}

static const struct ring_ops uring_ops = {
	.push = uring_push,
	.enter = uring_enter,
	.wait = uring_wait,
	.close = uring_close,
};

static unsigned *at(const struct ring_uring *u, unsigned off_bytes)
{
	return (unsigned *)(void *)(u->map + off_bytes);
}

static int map_rings(struct ring_uring *u, const struct io_uring_params *p)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
	size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	u->map_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	u->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	u->map = mmap(NULL, u->map_bytes, prot, flags, u->fd, IORING_OFF_SQ_RING);
	if (u->map == MAP_FAILED)
		return -errno;
	u->sqes = mmap(NULL, u->sqes_bytes, prot, flags, u->fd, (off_t)IORING_OFF_SQES);
	if (u->sqes == MAP_FAILED) {
		int rc = -errno;

		(void)munmap(u->map, u->map_bytes);
		return rc;
	}
	u->sq_tail = at(u, p->sq_off.tail);
	u->sq_array = at(u, p->sq_off.array);
	u->sq_mask = *at(u, p->sq_off.ring_mask);
	u->cq_head = at(u, p->cq_off.head);
	u->cq_tail = at(u, p->cq_off.tail);
	u->cq_mask = *at(u, p->cq_off.ring_mask);
	u->cqes = (struct io_uring_cqe *)(void *)at(u, p->cq_off.cqes);
	return 0;
}

/* Some sandboxes let a ring be set up and then refuse to enter it. */
static int try_it(struct ring_uring *u)
{
	struct ring_answer answer;
	int n;

	uring_push(&u->ring, NULL);
	n = enter(u, 1, 1);
	if (n != 1)
		return n < 0 ? n : -EAGAIN;
	u->n_pushed = 0;
	return uring_wait(&u->ring, &answer, 1) == 1 ? 0 : -EAGAIN;
}

int ring_uring_open(unsigned depth, struct ring **ret_ring)
{
	const unsigned features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
				  IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS;
	struct io_uring_params params = {0};
	struct ring_uring *u = calloc(1, sizeof(*u));
	int rc = 0;

	if (!u)
		return -ENOMEM;
	u->ring.ops = &uring_ops;
	u->fd = (int)syscall(SYS_io_uring_setup, depth + 1, &params);
	if (u->fd < 0)
		rc = -errno;
	else if ((params.features & features) != features)
		rc = -ENOSYS;
	if (rc < 0)
		goto close_fd;
	rc = map_rings(u, &params);
	if (rc < 0)
		goto close_fd;
	rc = try_it(u);
	if (rc < 0) {
		uring_close(&u->ring);
		return rc;
	}
	*ret_ring = &u->ring;
	return 0;

close_fd:
	if (u->fd >= 0)
		(void)close(u->fd);
	free(u);
	return rc;
}

#else /* headers older than Linux 5.6 */

int ring_uring_open(unsigned depth, struct ring **ret_ring)
{
	(void)depth;
	(void)ret_ring;
	return -ENOSYS;
}

#endif
