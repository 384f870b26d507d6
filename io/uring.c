/* SPDX-License-Identifier: MIT */
/* Entries of an io_uring: filling, submitting, and taking back what the kernel refuses (I7). */
#include "io/uring.h"
#include "base/assert.h"
#include "io/hostile.h"
#include "io/io_int.h"
#include "io/queue_int.h"
#include "io/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

static void fill_sqe(struct io_uring_sqe *sqe, struct io_req *req)
{
	int fd = req_fd(req);
	struct attempt att;

	if (req->kind == IO_SYNC) {
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	} else {
		transfer_next(req, req_align(req), &att);
		if (req->kind == IO_READ && att.iov)
			io_uring_prep_readv(sqe, fd, att.iov, att.n_iov, att.off_bytes);
		else if (req->kind == IO_READ)
			io_uring_prep_read(sqe, fd, att.buf, (unsigned)att.len_bytes,
				att.off_bytes);
		else if (att.iov)
			io_uring_prep_writev(sqe, fd, att.iov, att.n_iov, att.off_bytes);
		else
			io_uring_prep_write(sqe, fd, att.buf, (unsigned)att.len_bytes,
				att.off_bytes);
	}
	io_uring_sqe_set_data(sqe, req);
}

/* Takes back what the kernel has not consumed. Only this thread is in the submission ring. */
static void withdraw(struct io_uring *ring, struct req_list *ret_refused)
{
	struct io_uring_sq *sq = &ring->sq;
	unsigned head = io_uring_smp_load_acquire(sq->khead);

	for (unsigned i = head; i != sq->sqe_tail; i++) {
		struct io_uring_sqe *sqe = &sq->sqes[i & *sq->kring_mask];

		list_push(ret_refused, (struct io_req *)(uintptr_t)sqe->user_data);
	}
	io_uring_smp_store_release(sq->ktail, head);
	sq->sqe_head = sq->sqe_tail = head;
}

void uring_enter_submit(struct io_uring *ring, struct req_list *ret_refused)
{
	unsigned tries = 0;

	while (io_uring_sq_ready(ring) > 0) {
		int n = hostile_once_in(16) ? -EAGAIN : io_uring_submit(ring);

		if (n > 0)
			continue;
		if ((n != 0 && n != -EAGAIN && n != -EINTR && n != -EBUSY) ||
			++tries >= TRANSFER_TRIES_MAX || hostile_once_in(4)) {
			withdraw(ring, ret_refused);
			return;
		}
		(void)sched_yield();
	}
}

void uring_push(struct io_uring *ring, struct io_req *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	ASSERT(sqe); /* n_in_flight <= depth <= entries, and no entry was left behind */
	fill_sqe(sqe, req);
	/* Release: the reaper, which learns of req from the kernel, sees what this thread did to
	 * it. */
	atomic_store_explicit(&req->complete, false, memory_order_release);
}

void uring_deliver(struct req_list *over)
{
	while (over->first) {
		struct io_req *req = over->first;

		over->first = req->next;
		req_leave(req);
	}
}

void uring_perform_all(struct req_list *list)
{
	for (struct io_req *req = list->first; req; req = req->next)
		transfer_perform(req, req_fd(req), req_align(req));
}

int uring_above_stdio(struct io_uring *ring)
{
	int fd;

	if (ring->ring_fd > STDERR_FILENO)
		return 0;
	fd = fcntl(ring->ring_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return -errno;
	(void)close(ring->ring_fd);
	ring->ring_fd = ring->enter_ring_fd = fd;
	return 0;
}
