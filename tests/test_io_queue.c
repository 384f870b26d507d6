/* SPDX-License-Identifier: MIT */
/*
 * The queue's contract, over every backend that this kernel allows. A hang is a failure by the time
 * limit of the test. VERSO_MUST_OPEN=uring: where that backend is refused, the test fails.
 */
#include "base/error.h"
#include "io/file.h"
#include "io/queue.h"
#include "tests/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK      4096
#define REQS_MAX   512
#define N_BACKENDS 4
#define N_FORCED   3 /* of these, those that VERSO_IO can force */
#define N_THREADS  8

static const enum queue_backend backends[N_BACKENDS] = {
	QUEUE_URING, QUEUE_THREADS, QUEUE_SYNC, QUEUE_BACKGROUND};
static const char *const backend_names[N_BACKENDS] = {"uring", "threads", "sync", "background"};

static char path[CHECK_PATH_BYTES];

static struct file *open_new(const char *name, int i, unsigned flags)
{
	struct file *f = NULL;
	char full[64];

	(void)snprintf(full, sizeof(full), "%s-%d", name, i);
	check_path(path, full);
	ck_assert_int_eq(io_open(io_kernel(), path, flags | FILE_CREATE | FILE_EXCL, 0600, &f), 0);
	return f;
}

/* NULL after a skip: the kernel refuses this backend. */
static struct queue *open_backend(int i, unsigned depth)
{
	const char *must = getenv("VERSO_MUST_OPEN");
	struct queue *q = NULL;

	if (io_queue(io_kernel(), depth, backends[i], &q) == 0)
		return q;
	ck_assert_msg(!must || strcmp(must, backend_names[i]) != 0,
		"a queue of depth %u must open here: %s", depth, error_text());
	check_skip("%s", error_text());
	return NULL;
}

struct set {
	struct io_req reqs[REQS_MAX];
	struct iovec iov[REQS_MAX];
	struct io_req *ptrs[REQS_MAX];
	size_t n;
};

static struct io_req *set_add(struct set *s, enum io_kind kind, struct file *f, void *buf,
	size_t len_bytes, uint64_t off_bytes)
{
	struct io_req *req = &s->reqs[s->n];

	s->iov[s->n] = (struct iovec){.iov_base = buf, .iov_len = len_bytes};
	*req = (struct io_req){.kind = kind, .file = f, .off_bytes = off_bytes};
	if (kind != IO_SYNC) {
		req->iov = &s->iov[s->n];
		req->n_iov = 1;
	}
	s->ptrs[s->n++] = req;
	return req;
}

static struct set *set_new(void)
{
	return check_alloc(sizeof(struct set));
}

START_TEST(a_backend_says_which_it_is)
{
	struct queue *q = open_backend(_i, 8);

	if (!q)
		return;
	ck_assert_int_eq(q->backend, backends[_i]);
	ck_assert_str_eq(q->ops->name, backend_names[_i]);
	ck_assert_str_eq(q->why, backend_names[_i]);
	ck_assert_int_eq(q->refused_errno, 0);
	queue_close(q);
}
END_TEST

START_TEST(the_environment_forces_a_backend_on_best_only)
{
	struct queue *q;

	ck_assert_int_eq(setenv("VERSO_IO", backend_names[_i], 1), 0);
	q = open_backend(_i, 8);
	if (!q)
		return;
	queue_close(q);
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_BEST, &q), 0);
	ck_assert_int_eq(q->backend, backends[_i]);
	queue_close(q);
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_SYNC, &q), 0);
	ck_assert_int_eq(q->backend, QUEUE_SYNC);
	queue_close(q);
	ck_assert_int_eq(setenv("VERSO_IO", "carrier-pigeon", 1), 0);
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_BEST, &q), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(), "carrier-pigeon"));
}
END_TEST

/* Makes a system call fail from now on, in this process and for good. 0 or -errno. */
static int forbid(unsigned nr, unsigned err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		return -errno;
	return 0;
}

static void best_falls_when(unsigned nr, unsigned err)
{
	struct queue *q;

	ck_assert_int_eq(unsetenv("VERSO_IO"), 0);
	if (io_queue(io_kernel(), 8, QUEUE_URING, &q) < 0) {
		check_skip("this system refuses io_uring by itself");
		return;
	}
	queue_close(q);
	if (forbid(nr, err) < 0) {
		check_skip("no seccomp here to refuse a call with");
		return;
	}
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_URING, &q), -(int)err);
	error_clear();
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_BEST, &q), 0);
	ck_assert_str_eq(error_text(), "");
	ck_assert_int_eq(q->backend, QUEUE_THREADS);
	ck_assert_int_eq(q->refused_errno, (int)err);
	ck_assert_ptr_nonnull(strstr(q->why, "uring was refused"));
	queue_close(q);
}

START_TEST(best_falls_to_threads_where_no_ring_can_be_set_up)
{
	best_falls_when(SYS_io_uring_setup, EPERM);
}
END_TEST

START_TEST(best_falls_to_threads_where_no_ring_can_be_entered)
{
	best_falls_when(SYS_io_uring_enter, EACCES);
}
END_TEST

/* Scattered vectors out, single blocks back, and the other way round. */
static void round_trip(int i, unsigned flags)
{
	struct queue *q = open_backend(i, 16);
	struct file *f = open_new(flags & FILE_DIRECT ? "trip-direct" : "trip", i, flags);
	const size_t n_blocks = 256;
	char *out = check_alloc(n_blocks * BLOCK), *in = check_alloc(n_blocks * BLOCK);
	struct iovec iov[32][8];
	struct set *s = set_new();
	uint64_t seed = check_seed();

	if (!q)
		return;
	for (size_t k = 0; k < n_blocks * BLOCK; k += 8) {
		uint64_t x = check_random(&seed);

		memcpy(out + k, &x, 8);
	}
	for (size_t v = 0; v < 32; v++) {
		struct io_req *req = set_add(s, IO_WRITE, f, NULL, 0, v * 8 * BLOCK);

		/* The vector's blocks lie in memory in another order than in the file. */
		for (size_t k = 0; k < 8; k++)
			iov[v][k] = (struct iovec){out + (v * 8 + (k * 3) % 8) * BLOCK, BLOCK};
		req->iov = iov[v];
		req->n_iov = 8;
	}
	ck_assert_int_eq(queue_run(q, s->ptrs, s->n), 0);
	s->n = 0;
	set_add(s, IO_SYNC, f, NULL, 0, 0);
	ck_assert_int_eq(queue_run(q, s->ptrs, 1), 0);
	s->n = 0;
	for (size_t k = 0; k < n_blocks; k++)
		set_add(s, IO_READ, f, in + k * BLOCK, BLOCK, k * BLOCK);
	queue_submit(q, s->ptrs, s->n);
	for (size_t k = n_blocks; k-- > 0;)
		queue_wait(q, s->ptrs[k]);
	for (size_t k = 0; k < n_blocks; k++) {
		ck_assert_int_eq(s->reqs[k].result, 0);
		ck_assert_mem_eq(in + k * BLOCK, out + (k / 8 * 8 + (k % 8 * 3) % 8) * BLOCK,
			BLOCK);
	}
	queue_close(q);
	file_close(f);
}

START_TEST(what_was_written_is_read_buffered)
{
	round_trip(_i, 0);
}
END_TEST

START_TEST(what_was_written_is_read_direct)
{
	round_trip(_i, FILE_DIRECT);
}
END_TEST

/* It goes to the descriptor that passes the page cache. That one wants alignment. */
START_TEST(a_device_read_passes_the_page_cache)
{
	struct queue *q = open_backend(_i, 8);
	struct file *f = open_new("device", _i, 0);
	char *out = check_alloc(2 * BLOCK), *in = check_alloc(3 * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	if (!f->device_direct) {
		queue_close(q);
		file_close(f);
		check_skip("no direct reads on this file system");
	}
	memset(out, 'o', 2 * BLOCK);
	ck_assert_int_eq(file_write(f, out, 2 * BLOCK, 0), 0);
	ck_assert_int_eq(file_sync(f), 0);
	set_add(s, IO_READ, f, in, 2 * BLOCK, 0)->view = FILE_DEVICE;
	ck_assert_int_eq(queue_run(q, s->ptrs, 1), 0);
	ck_assert_mem_eq(in, out, 2 * BLOCK);
	s->n = 0;
	set_add(s, IO_READ, f, in + 1, BLOCK, 0);
	set_add(s, IO_READ, f, in + BLOCK + 1, BLOCK, 0)->view = FILE_DEVICE;
	(void)queue_run(q, s->ptrs, 2);
	ck_assert_int_eq(s->reqs[0].result, 0);
	ck_assert_int_eq(s->reqs[1].result, -EINVAL);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(a_read_past_the_end_fails_and_the_others_do_not)
{
	struct queue *q = open_backend(_i, 8);
	struct file *f = open_new("end", _i, FILE_DIRECT);
	char *p = check_alloc(8 * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	ck_assert_int_eq(file_truncate(f, 2 * BLOCK + 100), 0);
	set_add(s, IO_READ, f, p, BLOCK, BLOCK);
	set_add(s, IO_READ, f, p + BLOCK, 2 * BLOCK, BLOCK);
	set_add(s, IO_READ, f, p + 3 * BLOCK, BLOCK, 64 * BLOCK);
	set_add(s, IO_READ, f, p + 4 * BLOCK, BLOCK, 0);
	ck_assert_int_eq(queue_run(q, s->ptrs, s->n), VERSO_EIO);
	ck_assert_ptr_nonnull(strstr(error_text(), path));
	ck_assert_int_eq(s->reqs[0].result, 0);
	ck_assert_int_eq(s->reqs[1].result, VERSO_EIO);
	ck_assert_int_eq(s->reqs[2].result, VERSO_EIO);
	ck_assert_int_eq(s->reqs[3].result, 0);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(what_the_kernel_refuses_completes_with_its_error)
{
	struct queue *q = open_backend(_i, 8);
	struct file *f;
	char *p = check_alloc(BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	file_close(open_new("ro", _i, 0));
	ck_assert_int_eq(io_open(io_kernel(), path, FILE_RDONLY, 0, &f), 0);
	set_add(s, IO_WRITE, f, p, BLOCK, 0);
	ck_assert_int_eq(queue_run(q, s->ptrs, 1), -EBADF);
	ck_assert_ptr_nonnull(strstr(error_text(), "cannot write"));
	queue_submit(q, s->ptrs, 1);
	queue_wait(q, s->ptrs[0]);
	ck_assert_int_eq(s->reqs[0].result, -EBADF);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(a_full_disk_shortens_a_write_and_then_fails_it)
{
	struct rlimit limit = {.rlim_cur = 6 * BLOCK, .rlim_max = 6 * BLOCK};
	struct queue *q = open_backend(_i, 8);
	struct file *f = open_new("full", _i, 0);
	struct set *s = set_new();
	uint64_t size_bytes;

	if (!q)
		return;
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	set_add(s, IO_WRITE, f, check_alloc(4 * BLOCK), 4 * BLOCK, 0);
	set_add(s, IO_WRITE, f, check_alloc(4 * BLOCK), 4 * BLOCK, 4 * BLOCK);
	ck_assert_int_eq(queue_run(q, s->ptrs, 2), -EFBIG);
	ck_assert_int_eq(s->reqs[0].result, 0);
	ck_assert_int_eq(s->reqs[1].result, -EFBIG);
	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 6 * BLOCK);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(more_requests_than_the_depth_complete)
{
	struct queue *q = open_backend(_i, 1 + (unsigned)(check_seed() % 3));
	struct file *f = open_new("depth", _i, FILE_DIRECT);
	char *p = check_alloc(REQS_MAX * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	for (size_t k = 0; k < REQS_MAX; k++) {
		p[k * BLOCK] = (char)k;
		set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);
	}
	ck_assert_int_eq(queue_run(q, s->ptrs, s->n), 0);
	s->n = 0;
	memset(p, 0, REQS_MAX * BLOCK);
	for (size_t k = 0; k < REQS_MAX; k++)
		set_add(s, IO_READ, f, p + k * BLOCK, BLOCK, k * BLOCK);
	queue_submit(q, s->ptrs, s->n);
	for (size_t k = 0; k < REQS_MAX; k++) {
		queue_wait(q, s->ptrs[k]);
		ck_assert_int_eq(s->reqs[k].result, 0);
		ck_assert_int_eq(p[k * BLOCK], (char)k);
	}
	queue_close(q);
	file_close(f);
}
END_TEST

static void count_done(struct io_req *req)
{
	ck_assert(!atomic_load(&req->complete));
	ck_assert_int_eq(req->result, 0);
	atomic_fetch_add((atomic_int *)req->owner, 1);
}

START_TEST(done_is_called_once_before_complete)
{
	struct queue *q = open_backend(_i, 8);
	struct file *f = open_new("done", _i, 0);
	char *p = check_alloc(64 * BLOCK);
	struct set *s = set_new();
	atomic_int n_done = 0;

	if (!q)
		return;
	for (size_t k = 0; k < 64; k++) {
		struct io_req *req = set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);

		req->done = count_done;
		req->owner = &n_done;
	}
	queue_submit(q, s->ptrs, s->n);
	for (size_t k = 0; k < 64; k++)
		queue_wait(q, s->ptrs[k]);
	ck_assert_int_eq(atomic_load(&n_done), 64);
	ck_assert_int_eq(queue_run(q, s->ptrs, 1), 0);
	ck_assert_int_eq(atomic_load(&n_done), 65);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(poll_alone_brings_everything_in)
{
	struct queue *q = open_backend(_i, 32);
	struct file *f = open_new("poll", _i, FILE_DIRECT);
	char *p = check_alloc(64 * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	for (size_t k = 0; k < 32; k++)
		set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);
	queue_submit(q, s->ptrs, s->n);
	for (size_t k = 0; k < 32; k++) {
		while (!atomic_load(&s->reqs[k].complete))
			queue_poll(q);
		ck_assert_int_eq(s->reqs[k].result, 0);
	}
	queue_close(q);
	file_close(f);
}
END_TEST

struct worker {
	struct queue *q;
	struct file *f;
	struct io_req *const *reqs; /* what to do with them is the thread's matter */
	size_t n;
	uint64_t seed;
	uint64_t off_bytes;
	int n_rounds;
	atomic_bool began;
};

static void *submit_and_end(void *arg)
{
	struct worker *w = arg;

	queue_submit(w->q, w->reqs, w->n);
	return NULL;
}

START_TEST(requests_outlive_the_thread_that_submitted_them)
{
	struct queue *q = open_backend(_i, 64);
	struct file *f = open_new("outlive", _i, FILE_DIRECT);
	char *p = check_alloc(64 * BLOCK);

	if (!q)
		return;
	for (int round = 0; round < 20; round++) {
		struct set *s = set_new();
		struct worker w = {.q = q, .reqs = s->ptrs};
		pthread_t thread;

		for (size_t k = 0; k < 32; k++)
			set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);
		w.n = s->n;
		ck_assert_int_eq(pthread_create(&thread, NULL, submit_and_end, &w), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		for (size_t k = 0; k < 32; k++) {
			queue_wait(q, s->ptrs[k]);
			ck_assert_int_eq(s->reqs[k].result, 0);
		}
	}
	queue_close(q);
	file_close(f);
}
END_TEST

static void *wait_for_all(void *arg)
{
	struct worker *w = arg;

	atomic_store(&w->began, true);
	for (size_t k = 0; k < w->n; k++) {
		queue_wait(w->q, w->reqs[k]);
		ck_assert_int_eq(w->reqs[k]->result, 0);
	}
	return NULL;
}

/* As when several miss the same page: one reads, all wait. */
START_TEST(threads_wait_for_requests_that_another_runs)
{
	struct queue *q = open_backend(_i, 8);
	struct file *f = open_new("coalesce", _i, FILE_DIRECT);
	char *p = check_alloc(16 * BLOCK);

	if (!q)
		return;
	ck_assert_int_eq(file_write(f, p, 16 * BLOCK, 0), 0);
	for (int round = 0; round < 200; round++) {
		struct set *s = set_new();
		struct worker w[3];
		pthread_t threads[3];
		size_t n = round % 2 == 0 ? 1 : 5;

		for (size_t k = 0; k < n; k++)
			set_add(s, IO_READ, f, p + k * BLOCK, BLOCK, k * BLOCK);
		for (int t = 0; t < 3; t++) {
			w[t] = (struct worker){.q = q, .reqs = s->ptrs, .n = n};
			ck_assert_int_eq(pthread_create(&threads[t], NULL, wait_for_all, &w[t]), 0);
		}
		while (round % 4 < 2 && !atomic_load(&w[0].began))
			;
		ck_assert_int_eq(queue_run(q, s->ptrs, n), 0);
		for (int t = 0; t < 3; t++)
			ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
	}
	queue_close(q);
	file_close(f);
}
END_TEST

#define REGION_BLOCKS 32

/* Writes, flushes and reads back blocks of a region of its own, in sets of every size. */
static void *churn(void *arg)
{
	struct worker *w = arg;
	char *p = check_alloc(REGION_BLOCKS * BLOCK), *in = check_alloc(REGION_BLOCKS * BLOCK);
	struct set *s = set_new();

	for (int round = 0; round < w->n_rounds; round++) {
		size_t n = 1 + check_random(&w->seed) % (round % 3 == 0 ? 1 : REGION_BLOCKS);
		uint64_t how = check_random(&w->seed);

		s->n = 0;
		for (size_t k = 0; k < n; k++) {
			uint64_t x = check_random(&w->seed);

			memcpy(p + k * BLOCK, &x, 8);
			memcpy(p + k * BLOCK + BLOCK - 8, &x, 8);
			set_add(s, IO_WRITE, w->f, p + k * BLOCK, BLOCK, w->off_bytes + k * BLOCK);
		}
		ck_assert_int_eq(queue_run(w->q, s->ptrs, n), 0);
		if (how % 32 == 0) {
			s->n = 0;
			set_add(s, IO_SYNC, w->f, NULL, 0, 0);
			ck_assert_int_eq(queue_run(w->q, s->ptrs, 1), 0);
		}
		s->n = 0;
		for (size_t k = 0; k < n; k++)
			set_add(s, IO_READ, w->f, in + k * BLOCK, BLOCK, w->off_bytes + k * BLOCK);
		queue_submit(w->q, s->ptrs, n);
		if (how % 2 == 0)
			queue_poll(w->q);
		for (size_t k = 0; k < n; k++) {
			queue_wait(w->q, s->ptrs[k]);
			ck_assert_int_eq(s->reqs[k].result, 0);
		}
		ck_assert_mem_eq(in, p, n * BLOCK);
	}
	return NULL;
}

static void churn_by_all(int i, unsigned flags, unsigned depth)
{
	struct queue *q = open_backend(i, depth);
	struct file *f = open_new(depth < 8 ? "churn-narrow" : "churn", i, flags);
	struct worker w[N_THREADS];
	pthread_t threads[N_THREADS];

	if (!q)
		return;
	ck_assert_int_eq(file_truncate(f, (uint64_t)N_THREADS * REGION_BLOCKS * BLOCK), 0);
	for (size_t t = 0; t < N_THREADS; t++) {
		w[t] = (struct worker){.q = q,
			.f = f,
			.seed = check_seed() + t,
			.off_bytes = t * REGION_BLOCKS * BLOCK,
			.n_rounds = 100};
		ck_assert_int_eq(pthread_create(&threads[t], NULL, churn, &w[t]), 0);
	}
	for (size_t t = 0; t < N_THREADS; t++)
		ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
	queue_close(q);
	file_close(f);
}

START_TEST(eight_threads_share_a_queue)
{
	churn_by_all(_i, FILE_DIRECT, 256);
}
END_TEST

START_TEST(eight_threads_share_a_queue_that_is_always_full)
{
	churn_by_all(_i, 0, 4);
}
END_TEST

/* From a moment on the ring takes nothing more: every request completes all the same. */
static void ring_dies(int i, unsigned err)
{
	struct queue *q = open_backend(0, 64);
	struct file *f = open_new("dies", i, FILE_DIRECT);
	char *p = check_alloc(64 * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	if (forbid(SYS_io_uring_enter, err) < 0) {
		check_skip("no seccomp here to refuse a call with");
		return;
	}
	for (size_t k = 0; k < 64; k++)
		set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);
	ck_assert_int_eq(queue_run(q, s->ptrs, s->n), 0);
	for (size_t k = 0; k < 64; k++)
		s->reqs[k].kind = IO_READ;
	queue_submit(q, s->ptrs, s->n);
	for (size_t k = 0; k < 64; k++) {
		queue_wait(q, s->ptrs[k]);
		ck_assert_int_eq(s->reqs[k].result, 0);
	}
	queue_close(q);
	file_close(f);
}

START_TEST(a_ring_that_refuses_for_good_is_replaced_by_hand)
{
	static const unsigned errs[] = {EAGAIN, EBUSY, ENOMEM, EPERM};

	ring_dies(_i, errs[_i]);
}
END_TEST

START_TEST(without_a_single_thread_the_caller_does_the_work)
{
	struct rlimit before, none;
	struct queue *q = open_backend(1, 8);
	struct file *f = open_new("alone", 0, 0);
	char *p = check_alloc(8 * BLOCK);
	struct set *s = set_new();

	if (!q)
		return;
	ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	if (setrlimit(RLIMIT_NPROC, &none) < 0 ||
		(geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)) {
		check_skip("root cannot become another user here");
		return;
	}
	for (size_t k = 0; k < 8; k++)
		set_add(s, IO_WRITE, f, p + k * BLOCK, BLOCK, k * BLOCK);
	ck_assert_int_eq(queue_run(q, s->ptrs, s->n), 0);
	queue_submit(q, s->ptrs, s->n);
	queue_wait(q, s->ptrs[7]);
	queue_close(q);
	file_close(f);
	ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &before), 0); /* a leak checker wants a thread */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_queue");
	TCase *t = tcase_create("queue");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_loop_test(t, a_backend_says_which_it_is, 0, N_BACKENDS);
	tcase_add_loop_test(t, the_environment_forces_a_backend_on_best_only, 0, N_FORCED);
	tcase_add_test(t, best_falls_to_threads_where_no_ring_can_be_set_up);
	tcase_add_test(t, best_falls_to_threads_where_no_ring_can_be_entered);
	tcase_add_loop_test(t, what_was_written_is_read_buffered, 0, N_BACKENDS);
	tcase_add_loop_test(t, what_was_written_is_read_direct, 0, N_BACKENDS);
	tcase_add_loop_test(t, a_device_read_passes_the_page_cache, 0, N_BACKENDS);
	tcase_add_loop_test(t, a_read_past_the_end_fails_and_the_others_do_not, 0, N_BACKENDS);
	tcase_add_loop_test(t, what_the_kernel_refuses_completes_with_its_error, 0, N_BACKENDS);
	tcase_add_loop_test(t, a_full_disk_shortens_a_write_and_then_fails_it, 0, N_BACKENDS);
	tcase_add_loop_test(t, more_requests_than_the_depth_complete, 0, N_BACKENDS);
	tcase_add_loop_test(t, done_is_called_once_before_complete, 0, N_BACKENDS);
	tcase_add_loop_test(t, poll_alone_brings_everything_in, 0, N_BACKENDS);
	tcase_add_loop_test(t, requests_outlive_the_thread_that_submitted_them, 0, N_BACKENDS);
	tcase_add_loop_test(t, threads_wait_for_requests_that_another_runs, 0, N_BACKENDS);
	tcase_add_loop_test(t, eight_threads_share_a_queue, 0, N_BACKENDS);
	tcase_add_loop_test(t, eight_threads_share_a_queue_that_is_always_full, 0, N_BACKENDS);
	tcase_add_loop_test(t, a_ring_that_refuses_for_good_is_replaced_by_hand, 0, 4);
	tcase_add_test(t, without_a_single_thread_the_caller_does_the_work);
	suite_add_tcase(s, t);
	return check_main(s);
}
