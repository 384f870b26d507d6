/* SPDX-License-Identifier: MIT */
/*
 * The queue of the simulated disk: requests in flight are carried out by the thread that waits, in
 * an order drawn from the seed.
 *
 * A write may reach the device from its submission on and shows to readers from its completion on;
 * a sync covers what was complete when it was submitted. A queue completes whole requests, so a
 * short transfer is only seen in the log: the rest becomes a write of its own, which a sync
 * submitted meanwhile does not cover. The depth is not simulated.
 */
#include "tests/sim/sim_int.h"

#include "base/hash.h"
#include "verso_codes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096U /* struct simdisk_options, whole_blocks */

static uint64_t iov_bytes(const struct io_req *req)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < req->n_iov; i++)
		len += req->iov[i].iov_len;
	return len;
}

static bool misaligned(const struct io_req *req)
{
	uint64_t bits = req->off_bytes;

	for (unsigned i = 0; i < req->n_iov; i++)
		bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return bits % req->file->align_bytes != 0;
}

static void log_write(struct simdisk *d, struct sim_pending *p, uint32_t ino)
{
	struct sim_event *e = sim_log(d, SIM_WRITE, ino);

	e->off_bytes = p->off_bytes;
	e->len_bytes = p->len_bytes;
	e->data = p->data;
	p->event = e->of;
}

static void gather(struct simdisk *d, struct sim_pending *p)
{
	uint8_t *to = sim_log_bytes(d, p->len_bytes);

	p->data = to;
	for (unsigned i = 0; i < p->req->n_iov; i++) {
		memcpy(to, p->req->iov[i].iov_base, p->req->iov[i].iov_len);
		to += p->req->iov[i].iov_len;
	}
}

/* Takes one request in. Whatever is wrong with it is told when it completes. */
static void submit_one(struct simqueue *q, struct io_req *req)
{
	struct simdisk *d = q->disk;
	struct simfile *f = (struct simfile *)req->file;
	struct sim_pending p = {
		.req = req, .off_bytes = req->off_bytes, .len_bytes = iov_bytes(req)};
	enum sim_call_kind call = req->kind == IO_READ    ? SIM_CALL_READ
				  : req->kind == IO_WRITE ? SIM_CALL_WRITE
							  : SIM_CALL_SYNC;

	ASSERT(req->kind == IO_SYNC || (req->n_iov >= 1 && req->n_iov <= QUEUE_IOV_MAX));
	p.fault = f->dead ? -EIO : sim_fault(d, call, true, f->name, p.off_bytes, p.len_bytes);
	if (!f->dead && req->kind != IO_SYNC && (f->file.direct || req->view == FILE_DEVICE) &&
		misaligned(req)) {
		p.fault = -EINVAL;
		p.len_bytes = 0;
	}
	if (!f->dead && req->kind == IO_WRITE && f->rdonly) {
		p.fault = -EBADF;
		p.len_bytes = 0;
	}
	if (!f->dead && req->kind == IO_WRITE && p.len_bytes) {
		gather(d, &p);
		log_write(d, &p, f->ino);
	}
	if (!f->dead && req->kind == IO_SYNC)
		p.event = sim_log(d, SIM_SYNC, f->ino)->of;
	if (q->n_pending == q->cap_pending) {
		q->cap_pending = q->cap_pending ? 2 * q->cap_pending : 64;
		q->pending = sim_grow(q->pending, q->cap_pending, sizeof(*q->pending));
	}
	q->pending[q->n_pending++] = p;
	sim_kill_check(d);
}

static void queue_submit_sim(struct queue *queue, struct io_req *const *reqs, size_t n)
{
	struct simqueue *q = (struct simqueue *)queue;

	(void)pthread_mutex_lock(&q->disk->lock);
	for (size_t i = 0; i < n; i++)
		submit_one(q, reqs[i]);
	/* A thread may wait already for one of these, and carries them out. */
	(void)pthread_cond_broadcast(&q->changed);
	(void)pthread_mutex_unlock(&q->disk->lock);
}

/* The first len bytes of a write take; what follows of it never will. */
static void write_took(struct simdisk *d, const struct sim_pending *p, uint32_t ino, uint64_t len)
{
	struct sim_event *e;

	sim_inode_write(d, &d->inodes[ino], p->data, p->off_bytes, len);
	e = sim_log(d, SIM_WRITE_DONE, ino);
	e->of = p->event;
	e->len_bytes = len;
}

/* What a part of `took` bytes of a write becomes where a death divides no block. */
static uint64_t whole_blocks(const struct simdisk *d, const struct sim_pending *p, uint64_t took)
{
	uint64_t end = p->off_bytes + took;

	if (!d->opts.whole_blocks || took == p->len_bytes)
		return took;
	end -= end % BLOCK_BYTES;
	return end > p->off_bytes ? end - p->off_bytes : 0;
}

/* Returns true when a part is left, which *p then is. */
static bool carry_write(struct simqueue *q, struct sim_pending *p, int *ret_result)
{
	struct simdisk *d = q->disk;
	uint32_t ino = ((struct simfile *)p->req->file)->ino;
	uint64_t sectors = p->len_bytes / SIM_SECTOR;
	uint64_t took = p->len_bytes;
	int r = p->fault;
	bool split = r == 0 && sectors > 1 && d->opts.split_one_in &&
		     sim_random(&d->rng) % d->opts.split_one_in == 0;

	if (p->len_bytes == 0) {
		*ret_result = r;
		return false;
	}
	if (r == 0)
		r = sim_room(d, &d->inodes[ino], p->off_bytes, took);
	if (r < 0)
		took = SIM_SECTOR * (sim_random(&d->rng) % (sectors + 1));
	if (r < 0 && sim_room(d, &d->inodes[ino], p->off_bytes, took) < 0)
		took = 0;
	if (split)
		took = whole_blocks(d, p, SIM_SECTOR * (1 + sim_random(&d->rng) % (sectors - 1)));
	if (split && took == 0) {
		split = false;
		took = p->len_bytes;
	}
	write_took(d, p, ino, took);
	*ret_result = r;
	if (!split || r < 0)
		return false;
	p->data += took;
	p->off_bytes += took;
	p->len_bytes -= took;
	log_write(d, p, ino);
	return true;
}

static int carry_sync(struct simdisk *d, const struct sim_pending *p)
{
	uint32_t ino = ((struct simfile *)p->req->file)->ino;

	sim_log(d, p->fault < 0 ? SIM_SYNC_FAILED : SIM_SYNC_DONE, ino)->of = p->event;
	if (p->fault < 0)
		sim_sync_failed(d, ino);
	else
		sim_room_synced(d, &d->inodes[ino]);
	return p->fault;
}

static int carry_read(struct simdisk *d, const struct sim_pending *p)
{
	struct simfile *f = (struct simfile *)p->req->file;
	uint64_t size = d->inodes[f->ino].size;
	uint64_t off = p->off_bytes;

	if (p->fault < 0)
		return p->fault;
	if (off > size || p->len_bytes > size - off)
		return VERSO_EIO;
	for (unsigned i = 0; i < p->req->n_iov; i++) {
		sim_read_bytes(d, f, p->req->iov[i].iov_base, p->req->iov[i].iov_len, off,
			p->req->view);
		off += p->req->iov[i].iov_len;
	}
	return 0;
}

/* Carries one request out; false when a part of it is in flight again. */
static bool carry_out(struct simqueue *q, struct sim_pending *p, int *ret_result)
{
	struct simdisk *d = q->disk;
	struct simfile *f = (struct simfile *)p->req->file;

	if (f->dead)
		*ret_result = -EIO;
	else if (p->req->kind == IO_READ)
		*ret_result = carry_read(d, p);
	else if (p->req->kind == IO_SYNC)
		*ret_result = carry_sync(d, p);
	else if (carry_write(q, p, ret_result)) {
		q->pending[q->n_pending++] = *p; /* the place that it has just left */
		sim_kill_check(d);
		return false;
	}
	sim_kill_check(d);
	if (f->dead)
		*ret_result = -EIO;
	return true;
}

/* Carries out one request, drawn by seed. The disk is locked; unlocks it around done(). */
static void reap_one(struct simqueue *q)
{
	struct simdisk *d = q->disk;
	unsigned i = (unsigned)(sim_random(&d->rng) % q->n_pending);
	struct sim_pending p = q->pending[i];
	struct io_req *req = p.req;
	int r = 0;

	q->pending[i] = q->pending[--q->n_pending];
	if (!carry_out(q, &p, &r))
		return;
	(void)pthread_mutex_unlock(&d->lock);
	req->result = r;
	if (req->done)
		req->done(req);
	atomic_store_explicit(&req->complete, true, memory_order_release);
	(void)pthread_mutex_lock(&d->lock);
	(void)pthread_cond_broadcast(&q->changed);
}

static void queue_wait_sim(struct queue *queue, const struct io_req *req)
{
	struct simqueue *q = (struct simqueue *)queue;

	(void)pthread_mutex_lock(&q->disk->lock);
	while (!atomic_load_explicit(&req->complete, memory_order_acquire)) {
		if (q->n_pending)
			reap_one(q);
		else
			(void)pthread_cond_wait(&q->changed, &q->disk->lock);
	}
	(void)pthread_mutex_unlock(&q->disk->lock);
}

static void queue_poll_sim(struct queue *queue)
{
	struct simqueue *q = (struct simqueue *)queue;

	(void)pthread_mutex_lock(&q->disk->lock);
	while (q->n_pending && sim_random(&q->disk->rng) % 2)
		reap_one(q);
	(void)pthread_mutex_unlock(&q->disk->lock);
}

static void queue_close_sim(struct queue *queue)
{
	struct simqueue *q = (struct simqueue *)queue;
	struct simdisk *d = q->disk;
	struct simqueue **at = &d->queues;

	(void)pthread_mutex_lock(&d->lock);
	ASSERT(q->n_pending == 0);
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	(void)pthread_mutex_unlock(&d->lock);
	(void)pthread_cond_destroy(&q->changed);
	free(q->pending);
	free(q);
}

/* The process dies: the kernel carries out what it was handed, or some of it. */
void sim_queue_kill(struct simqueue *q)
{
	struct simdisk *d = q->disk;

	for (unsigned i = 0; i < q->n_pending; i++) {
		const struct sim_pending *p = &q->pending[i];
		const struct simfile *f = (struct simfile *)p->req->file;
		uint64_t took = p->len_bytes;

		if (f->dead || p->req->kind != IO_WRITE || p->len_bytes == 0)
			continue;
		if (sim_random(&d->rng) % 2)
			took = whole_blocks(d, p,
				SIM_SECTOR * (sim_random(&d->rng) % (took / SIM_SECTOR + 1)));
		if (sim_room(d, &d->inodes[f->ino], p->off_bytes, took) < 0)
			took = 0;
		write_took(d, p, f->ino, took);
	}
}

static const struct queue_ops sim_queue_ops = {
	.name = "simulated",
	.submit = queue_submit_sim,
	.wait = queue_wait_sim,
	.poll = queue_poll_sim,
	.close = queue_close_sim,
};

int sim_queue_new(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue)
{
	struct simdisk *d = (struct simdisk *)io;
	struct simqueue *q = sim_alloc(sizeof(*q));

	q->queue.ops = &sim_queue_ops;
	q->queue.backend = backend == QUEUE_BEST ? QUEUE_URING : backend;
	(void)snprintf(q->queue.why, sizeof(q->queue.why), "simulated");
	q->disk = d;
	q->depth = depth;
	(void)pthread_cond_init(&q->changed, NULL);
	(void)pthread_mutex_lock(&d->lock);
	q->next = d->queues;
	d->queues = q;
	(void)pthread_mutex_unlock(&d->lock);
	*ret_queue = &q->queue;
	return 0;
}
