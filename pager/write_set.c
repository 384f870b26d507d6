/* SPDX-License-Identifier: MIT */
#include "pager/write_set.h"

#define BATCH_REQS 128  /* requests handed over at once; enough to keep a disk busy */
#define BATCH_IOVS 1024 /* their pieces */

struct batch {
	struct io_req reqs[BATCH_REQS];
	struct io_req *ptrs[BATCH_REQS];
	struct iovec iov[BATCH_IOVS];
	uint32_t n_reqs, n_iov;
	uint64_t end_bytes; /* where the last request ends in the file */
};

static void batch_clear(struct batch *b)
{
	b->n_reqs = 0;
	b->n_iov = 0;
	b->end_bytes = UINT64_MAX;
}

static int batch_run(struct batch *b, struct queue *queue)
{
	int rc = b->n_reqs > 0 ? queue_run(queue, b->ptrs, b->n_reqs) : 0;

	batch_clear(b);
	return rc;
}

static void batch_new_req(struct batch *b, struct file *file, uint64_t off_bytes)
{
	struct io_req *req = &b->reqs[b->n_reqs];

	memset(req, 0, sizeof(*req));
	req->kind = IO_WRITE;
	req->file = file;
	req->iov = &b->iov[b->n_iov];
	req->off_bytes = off_bytes;
	b->ptrs[b->n_reqs++] = req;
}

/* Adds a piece: to the last request where it follows that in the file, else as a new one. */
static void batch_add(struct batch *b, struct file *file, const void *buf, size_t len_bytes,
	uint64_t off_bytes)
{
	void *base = (void *)(uintptr_t)buf;
	struct io_req *req;

	if (off_bytes != b->end_bytes || b->reqs[b->n_reqs - 1].n_iov == QUEUE_IOV_MAX)
		batch_new_req(b, file, off_bytes);
	b->end_bytes = off_bytes + len_bytes;
	req = &b->reqs[b->n_reqs - 1];
	if (req->n_iov > 0) {
		struct iovec *last = &b->iov[b->n_iov - 1];

		/* Pages that lie next to each other in memory, too, make one piece. */
		if ((char *)last->iov_base + last->iov_len == base) {
			last->iov_len += len_bytes;
			return;
		}
	}
	req->n_iov++;
	b->iov[b->n_iov++] = (struct iovec){base, len_bytes};
}

int write_set_run(const struct write_set *s, struct queue *queue, _Atomic uint64_t *write_bytes)
{
	struct batch b;

	batch_clear(&b);
	for (size_t i = 0; i < s->n; i++) {
		const struct page_write *w = &s->set[i];
		size_t len_bytes = (size_t)w->n_pages << s->page_shift;

		if (b.n_iov == BATCH_IOVS || b.n_reqs == BATCH_REQS) {
			int rc = batch_run(&b, queue);

			if (rc < 0)
				return rc;
		}
		batch_add(&b, s->file, w->buf ? w->buf : s->bytes(s->arg, w->pgno), len_bytes,
			(uint64_t)w->pgno << s->page_shift);
		atomic_fetch_add_explicit(write_bytes, len_bytes, memory_order_relaxed);
	}
	return batch_run(&b, queue);
}
