/* SPDX-License-Identifier: MIT */
/*
 * How a request becomes calls of the kernel: the one place that knows what a short, interrupted or
 * refused transfer means. The files and all backends of the queue use it.
 *
 *	do {
 *		transfer_next(req, align_bytes, &att);
 *		answer = ... ask the kernel for att ...
 *	} while (!transfer_take(req, align_bytes, answer));
 *
 * An attempt begins where the last one ended, rounded down to a whole aligned block. Attempts that
 * bring nothing are bounded by TRANSFER_TRIES_MAX, those that bring something by the blocks
 * (I1). A failed sync is never tried again, whatever the error (I2).
 */
#ifndef IO_TRANSFER_H
#define IO_TRANSFER_H

#include "io/file.h"
#include "io/queue.h"

#define TRANSFER_TRIES_MAX 64
#define TRANSFER_BYTES_MAX ((size_t)1 << 30) /* in one attempt: a ring counts them in 32 bits */

/* What to ask for now: the request's own vector, or the rest of one segment. */
struct attempt {
	const struct iovec *iov; /* the whole vector; NULL: the next two */
	unsigned n_iov;
	void *buf;
	size_t len_bytes;
	uint64_t off_bytes; /* in the file */
};

/* Bytes that the request moves in all. */
size_t transfer_len(const struct io_req *req);

/* The alignment that the main descriptor of a file wants. */
static inline uint32_t transfer_align(const struct file *f)
{
	return f->direct ? f->align_bytes : 1;
}

/* The next attempt of a read or write. align_bytes: of the descriptor that will be used. */
void transfer_next(const struct io_req *req, uint32_t align_bytes, struct attempt *ret_attempt);

/*
 * Takes what the kernel returned: a count of bytes or -errno. True when the request is over, its
 * result set; false when it needs another attempt.
 */
bool transfer_take(struct io_req *req, uint32_t align_bytes, int64_t answer);

/* Performs the whole request by calls that block, on fd; its result is set on return. */
void transfer_perform(struct io_req *req, int fd, uint32_t align_bytes);

#endif
