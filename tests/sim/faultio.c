/* SPDX-License-Identifier: MIT */
/*
 * Every object of the io below is wrapped in one of ours that asks the plan first. A queued request
 * that fails is held back and completes when a thread waits or polls, as from the kernel.
 */
#include "tests/sim/faultio.h"

#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"
#include "tests/sim/sim_int.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define HELD UINT_MAX /* in io_req.tries: it will fail, and is not with the queue below */

struct faultio {
	struct io io;
	struct io *below;
	struct fault_plan *plan;
};

struct faultfile {
	struct file file;
	struct faultio *io;
	struct file *below;
};

struct faultmap {
	struct map map;
	struct faultio *io;
	struct map *below;
};

struct faultqueue {
	struct queue queue;
	struct faultio *io;
	struct queue *below;
	pthread_mutex_t lock;
	struct io_req *held; /* under lock: those that will fail */
};

/* --- files ---------------------------------------------------------------------------------- */

static int ask(struct faultfile *f, enum fault_call call)
{
	return fault_plan_call(f->io->plan, call);
}

/* What a short transfer moves: whole blocks, less than all. */
static size_t short_of(const struct faultfile *f, size_t len_bytes)
{
	size_t block = f->file.align_bytes > 1 ? f->file.align_bytes : SIM_SECTOR;

	return len_bytes / block / 2 * block;
}

static bool is_short(const struct faultfile *f, int r)
{
	return r < 0 && f->io->plan->kind == FAULT_SHORT;
}

static int fault_read(struct file *file, void *buf, size_t len_bytes, uint64_t off_bytes,
	enum file_view view)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_READ);

	if (is_short(f, r) && short_of(f, len_bytes))
		(void)file_read(f->below, buf, short_of(f, len_bytes), off_bytes, view);
	return r < 0 ? r : file_read(f->below, buf, len_bytes, off_bytes, view);
}

static int fault_write(struct file *file, const void *buf, size_t len_bytes, uint64_t off_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_WRITE);

	if (is_short(f, r) && short_of(f, len_bytes))
		(void)file_write(f->below, buf, short_of(f, len_bytes), off_bytes);
	return r < 0 ? r : file_write(f->below, buf, len_bytes, off_bytes);
}

static int fault_sync(struct file *file)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_SYNC);

	return r < 0 ? r : file_sync(f->below);
}

static int fault_truncate(struct file *file, uint64_t size_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_TRUNCATE);

	return r < 0 ? r : file_truncate(f->below, size_bytes);
}

static int fault_allocate(struct file *file, uint64_t off_bytes, uint64_t len_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_ALLOCATE);

	return r < 0 ? r : file_allocate(f->below, off_bytes, len_bytes);
}

static int fault_size(struct file *file, uint64_t *ret_size_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_SIZE);

	return r < 0 ? r : file_size(f->below, ret_size_bytes);
}

static int fault_lock(struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = kind == LOCK_NONE ? 0 : ask(f, FAULT_LOCK);

	return r < 0 ? r : file_lock(f->below, kind, off_bytes, len_bytes);
}

static int fault_wait_lock(struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_LOCK);

	return r < 0 ? r : file_wait_lock(f->below, kind, off_bytes, len_bytes);
}

static int fault_find_lock(struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes)
{
	struct faultfile *f = (struct faultfile *)file;
	int r = ask(f, FAULT_LOCK);

	return r < 0 ? r
		     : file_find_lock(f->below, kind, off_bytes, len_bytes, ret_found,
			       ret_off_bytes);
}

static bool fault_is_same(struct file *file, struct file *other)
{
	return file_is_same(((struct faultfile *)file)->below, ((struct faultfile *)other)->below);
}

static void fault_imitate(struct file *file, struct file *like)
{
	file_imitate(((struct faultfile *)file)->below, ((struct faultfile *)like)->below);
}

static int fault_check_there(struct file *file, uint64_t least_bytes)
{
	return file_check_there(((struct faultfile *)file)->below, least_bytes);
}

static void fault_abandon(struct file *file)
{
	struct faultfile *f = (struct faultfile *)file;

	file_abandon(f->below);
	free(f);
}

static void fault_close(struct file *file)
{
	struct faultfile *f = (struct faultfile *)file;

	file_close(f->below);
	free(f);
}

static const struct file_ops fault_file_ops = {
	.read = fault_read,
	.write = fault_write,
	.sync = fault_sync,
	.truncate = fault_truncate,
	.allocate = fault_allocate,
	.size = fault_size,
	.check_there = fault_check_there,
	.lock = fault_lock,
	.wait_lock = fault_wait_lock,
	.find_lock = fault_find_lock,
	.is_same = fault_is_same,
	.imitate = fault_imitate,
	.close = fault_close,
	.abandon = fault_abandon,
};

/* --- maps ----------------------------------------------------------------------------------- */

static int fault_extend(struct map *map, uint64_t len_bytes)
{
	struct faultmap *m = (struct faultmap *)map;
	int r = fault_plan_call(m->io->plan, FAULT_EXTEND);

	if (r == 0)
		r = map_extend(m->below, len_bytes);
	map->len_bytes = m->below->len_bytes;
	return r;
}

static void fault_advise(struct map *map, uint64_t off_bytes, uint64_t len_bytes,
	enum map_advice advice)
{
	map_advise(((struct faultmap *)map)->below, off_bytes, len_bytes, advice);
}

static void fault_map_close(struct map *map)
{
	struct faultmap *m = (struct faultmap *)map;

	map_close(m->below);
	free(m);
}

static const struct map_ops fault_map_ops = {
	.extend = fault_extend,
	.advise = fault_advise,
	.close = fault_map_close,
};

/* --- the queue ------------------------------------------------------------------------------ */

static void fault_submit(struct queue *queue, struct io_req *const *reqs, size_t n)
{
	static const enum fault_call calls[] = {
		[IO_READ] = FAULT_READ,
		[IO_WRITE] = FAULT_WRITE,
		[IO_SYNC] = FAULT_SYNC,
	};
	struct faultqueue *q = (struct faultqueue *)queue;

	for (size_t i = 0; i < n; i++) {
		struct io_req *req = reqs[i];
		int r = fault_plan_call(q->io->plan, calls[req->kind]);

		/* A request that is submitted again may still name the file below. */
		if (req->file->ops == &fault_file_ops)
			req->file = ((struct faultfile *)req->file)->below;
		req->tries = 0;
		if (r == 0) {
			queue_submit(q->below, &req, 1);
			continue;
		}
		req->result = r;
		req->tries = HELD;
		(void)pthread_mutex_lock(&q->lock);
		req->next = q->held;
		q->held = req;
		(void)pthread_mutex_unlock(&q->lock);
	}
}

/* Half of the first piece, as a short transfer that never went on. */
static void move_short(struct io_req *req)
{
	size_t len = req->iov[0].iov_len / SIM_SECTOR / 2 * SIM_SECTOR;

	if (len && req->kind == IO_WRITE)
		(void)file_write(req->file, req->iov[0].iov_base, len, req->off_bytes);
}

static void fault_poll(struct queue *queue)
{
	struct faultqueue *q = (struct faultqueue *)queue;

	for (;;) {
		struct io_req *req;

		(void)pthread_mutex_lock(&q->lock);
		req = q->held;
		if (req)
			q->held = req->next;
		(void)pthread_mutex_unlock(&q->lock);
		if (!req)
			break;
		if (q->io->plan->kind == FAULT_SHORT && req->kind != IO_SYNC)
			move_short(req);
		if (req->done)
			req->done(req);
		atomic_store_explicit(&req->complete, true, memory_order_release);
	}
	queue_poll(q->below);
}

static void fault_wait(struct queue *queue, const struct io_req *req)
{
	struct faultqueue *q = (struct faultqueue *)queue;

	fault_poll(queue);
	while (!atomic_load_explicit(&req->complete, memory_order_acquire)) {
		if (req->tries != HELD) {
			queue_wait(q->below, req);
			return;
		}
		/* Another thread has taken it off the list and is about to complete it. */
		(void)sched_yield();
	}
}

static void fault_queue_close(struct queue *queue)
{
	struct faultqueue *q = (struct faultqueue *)queue;

	ASSERT(!q->held);
	queue_close(q->below);
	(void)pthread_mutex_destroy(&q->lock);
	free(q);
}

static const struct queue_ops fault_queue_ops = {
	.name = "faulty",
	.submit = fault_submit,
	.wait = fault_wait,
	.poll = fault_poll,
	.close = fault_queue_close,
};

/* --- the io table ---------------------------------------------------------------------------- */

static int fault_open(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_OPEN);
	struct faultfile *f;
	struct file *below;

	if (r == 0)
		r = io_open(fio->below, path, flags, mode, &below);
	if (r < 0)
		return r;
	f = sim_alloc(sizeof(*f));
	f->file = *below;
	f->file.ops = &fault_file_ops;
	f->file.io = io;
	f->io = fio;
	f->below = below;
	*ret_file = &f->file;
	return 0;
}

static int fault_sync_dir(struct io *io, const char *path)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_SYNC_DIR);

	return r < 0 ? r : io_sync_dir(fio->below, path);
}

static int fault_unlink(struct io *io, const char *path)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_UNLINK);

	return r < 0 ? r : io_unlink(fio->below, path);
}

static int fault_rename(struct io *io, const char *from, const char *to)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_RENAME);

	return r < 0 ? r : io_rename(fio->below, from, to);
}

static int fault_name_file(struct io *io, struct file *file, const char *to)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_NAME_FILE);

	return r < 0 ? r : io_name_file(fio->below, ((struct faultfile *)file)->below, to);
}

static int fault_map(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_MAP);
	struct faultmap *m;
	struct map *below;

	if (r == 0)
		r = io_map(fio->below, ((struct faultfile *)file)->below, mode, off_bytes,
			reserve_bytes, &below);
	if (r < 0)
		return r;
	m = sim_alloc(sizeof(*m));
	m->map = *below;
	m->map.ops = &fault_map_ops;
	m->io = fio;
	m->below = below;
	*ret_map = &m->map;
	return 0;
}

static int fault_queue(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_QUEUE);
	struct faultqueue *q;
	struct queue *below;

	if (r == 0)
		r = io_queue(fio->below, depth, backend, &below);
	if (r < 0)
		return r;
	q = sim_alloc(sizeof(*q));
	q->queue = *below;
	q->queue.ops = &fault_queue_ops;
	q->io = fio;
	q->below = below;
	(void)pthread_mutex_init(&q->lock, NULL);
	*ret_queue = &q->queue;
	return 0;
}

static int fault_random(struct io *io, void *buf, size_t len_bytes)
{
	struct faultio *fio = (struct faultio *)io;
	int r = fault_plan_call(fio->plan, FAULT_RANDOM);

	return r < 0 ? r : io_random(fio->below, buf, len_bytes);
}

static uint64_t fault_now_ns(struct io *io)
{
	return io_now_ns(((struct faultio *)io)->below);
}

static void fault_pause_ns(struct io *io, uint64_t wait_ns)
{
	io_pause_ns(((struct faultio *)io)->below, wait_ns);
}

static void fault_self(struct io *io, struct io_self *ret_self)
{
	io_self(((struct faultio *)io)->below, ret_self);
}

static const struct io_ops fault_io_ops = {
	.name = "faultio",
	.open = fault_open,
	.sync_dir = fault_sync_dir,
	.unlink = fault_unlink,
	.rename = fault_rename,
	.name_file = fault_name_file,
	.map = fault_map,
	.queue = fault_queue,
	.random = fault_random,
	.now_ns = fault_now_ns,
	.pause_ns = fault_pause_ns,
	.self = fault_self,
};

struct faultio *faultio_new(struct io *below, struct fault_plan *plan)
{
	struct faultio *f = sim_alloc(sizeof(*f));

	f->io.ops = &fault_io_ops;
	f->below = below;
	f->plan = plan;
	return f;
}

void faultio_free(struct faultio *f)
{
	free(f);
}

struct io *faultio_io(struct faultio *f)
{
	return &f->io;
}
