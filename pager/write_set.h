/* SPDX-License-Identifier: MIT */
/* A write set as requests of a queue, the same under every pager that writes through one. */
#ifndef PAGER_WRITE_SET_H
#define PAGER_WRITE_SET_H

#include "io/queue.h"
#include "pager/pager.h"

/* Where the bytes of a fresh page lie. */
typedef const void *page_bytes_fn(void *arg, pgno_t pgno);

struct write_set {
	const struct page_write *set; /* as pager_ops.write */
	size_t n;
	struct file *file;
	unsigned page_shift;
	page_bytes_fn *bytes; /* of pieces without a buffer */
	void *arg;
};

/*
 * Writes all of it, adjacent pieces by one request, many requests at a time. *write_bytes counts
 * what was handed over. -errno, VERSO_EIO; then an unknown part was written.
 */
int write_set_run(const struct write_set *s, struct queue *queue, _Atomic uint64_t *write_bytes);

#endif
