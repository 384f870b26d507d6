/* SPDX-License-Identifier: MIT */
/*
 * Attempts of a transfer: what to ask for next, and what a result means (I1, I2). No state beside
 * the request's own: done_bytes, tries and result.
 */
#include "io/transfer.h"
#include "base/assert.h"
#include "base/error.h"
#include "io/hostile.h"

#include <errno.h>
#include <sched.h>
#include <sys/uio.h>
#include <unistd.h>

size_t transfer_len(const struct io_req *req)
{
	size_t len_bytes = 0;

	for (unsigned i = 0; i < req->n_iov; i++)
		len_bytes += req->iov[i].iov_len;
	return len_bytes;
}

void transfer_next(const struct io_req *req, uint32_t align_bytes, struct attempt *ret_attempt)
{
	size_t skip_bytes = req->done_bytes;
	unsigned i = 0;

	ASSERT(req->kind != IO_SYNC);
	/* LAB 0.7 begin: where; all of the vector, or the rest of one buffer; not too much */
	*ret_attempt = (struct attempt){.off_bytes = req->off_bytes + req->done_bytes};
	if (req->n_iov > 1 && skip_bytes == 0 && !hostile_once_in(4)) {
		ret_attempt->iov = req->iov;
		ret_attempt->n_iov = req->n_iov;
		return;
	}
	for (; i + 1 < req->n_iov && skip_bytes >= req->iov[i].iov_len; i++)
		skip_bytes -= req->iov[i].iov_len;
	ret_attempt->buf = (char *)req->iov[i].iov_base + skip_bytes;
	ret_attempt->len_bytes = req->iov[i].iov_len - skip_bytes;
	if (ret_attempt->len_bytes > TRANSFER_BYTES_MAX)
		ret_attempt->len_bytes = TRANSFER_BYTES_MAX;
	/* LAB 0.7 end: LAB_TODO_VOID("0.7"); */
	ret_attempt->len_bytes = hostile_ask(ret_attempt->len_bytes, align_bytes);
}

static bool finish(struct io_req *req, int result)
{
	req->result = result;
	return true;
}

/* An attempt that brought nothing: once more, up to a bound, beyond which `result` is final. */
static bool try_again(struct io_req *req, int result)
{
	if (++req->tries >= TRANSFER_TRIES_MAX)
		return finish(req, result);
	(void)sched_yield();
	return false;
}

bool transfer_take(struct io_req *req, uint32_t align_bytes, int64_t answer)
{
	size_t len_bytes, done_bytes;

	/* LAB 0.8 begin: a flush; errors, and those to try again; the end; all; whole blocks */
	if (req->kind == IO_SYNC)
		return finish(req, answer < 0 ? (int)answer : 0);
	/* ECANCELED: the thread that submitted it has ended; the request is still wanted. */
	if (answer == -EINTR || answer == -EAGAIN || answer == -ECANCELED)
		return try_again(req, (int)answer);
	if (answer < 0)
		return finish(req, (int)answer);
	if (answer == 0 && req->kind == IO_READ)
		return finish(req, VERSO_EIO); /* the end of the file */

	len_bytes = transfer_len(req);
	done_bytes = req->done_bytes + (size_t)hostile_result(answer);
	ASSERT(done_bytes <= len_bytes);
	if (done_bytes == len_bytes) {
		req->done_bytes = done_bytes;
		return finish(req, 0);
	}
	done_bytes -= done_bytes % align_bytes;
	if (done_bytes <= req->done_bytes)
		return try_again(req, req->kind == IO_READ ? VERSO_EIO : -EIO);
	req->done_bytes = done_bytes;
	return false;
	/* LAB 0.8 end: LAB_TODO_VOID("0.8"); */
}

static int64_t ask(const struct io_req *req, int fd, uint32_t align_bytes)
{
	struct attempt att;
	ssize_t n;

	if (req->kind == IO_SYNC)
		return fdatasync(fd) < 0 ? -errno : 0;
	transfer_next(req, align_bytes, &att);
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

void transfer_perform(struct io_req *req, int fd, uint32_t align_bytes)
{
	while (!transfer_take(req, align_bytes, ask(req, fd, align_bytes)))
		;
}

int queue_error(const struct io_req *req)
{
	const char *path = req->file->path ? req->file->path : "the file";
	unsigned long long off_bytes = req->off_bytes;
	size_t len_bytes = transfer_len(req);

	if (req->result == 0)
		return 0;
	if (req->kind == IO_SYNC)
		return error_set(req->result,
			"cannot flush %s: %s. What was written since the last flush may be lost; "
			"check the device and reopen the database",
			path, error_name(req->result));
	if (req->kind == IO_READ && req->result == VERSO_EIO)
		return error_set(req->result,
			"cannot read %zu bytes at %llu of %s: the file ends before; it was cut, or "
			"copied while it grew",
			len_bytes, off_bytes, path);
	return error_set(req->result, "cannot %s %zu bytes at %llu of %s: %s%s",
		req->kind == IO_READ ? "read" : "write", len_bytes, off_bytes, path,
		error_name(req->result),
		req->result == -ENOSPC ? "; make room on the file system" : "");
}
