/* SPDX-License-Identifier: MIT */
/*
 * What the queue's backends cost beside plain system calls: random reads of 4 KiB past the page
 * cache, alone and in batches, by one thread and by several, and small durable writes.
 *
 * All ways take turns within each round, so that a ratio is of the same minute; the table shows
 * each way's median over the rounds and its ratio to the first of its group.
 */
#include "base/error.h"
#include "io/fault.h"
#include "io/file.h"
#include "io/queue.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#define BLOCK       4096
#define DEPTH_MAX   64
#define ROUNDS_MAX  64
#define THREADS_MAX 8

struct bench {
	struct file *f;
	struct queue *q[QUEUE_SYNC + 1];
	uint64_t n_blocks;
	unsigned n_ops; /* a way and round */
};

/* One way to do the work: n_ops blocks, by n_threads threads, in sets of depth. */
struct way {
	const char *group, *name;
	void (*work)(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed);
	enum queue_backend backend;
	unsigned depth;
	unsigned n_threads;
	unsigned part; /* of n_ops that this way does: 1/part */
};

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void check(int rc)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "bench_io: %s\n", error_text());
	exit(EXIT_FAILURE);
}

static void *alloc_blocks(size_t n)
{
	void *p = aligned_alloc(BLOCK, n * BLOCK);

	if (!p) {
		(void)fprintf(stderr, "bench_io: no memory\n");
		exit(EXIT_FAILURE);
	}
	return memset(p, 0x5a, n * BLOCK);
}

/* By system calls, without a queue. */
static void work_calls(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed)
{
	void *buf = alloc_blocks(1);

	(void)way;
	for (unsigned i = 0; i < n_ops; i++)
		check(file_read(b->f, buf, BLOCK, mix(&seed) % b->n_blocks * BLOCK, FILE_LIVE));
	free(buf);
}

static void fill(struct io_req *req, struct iovec *iov, struct bench *b, void *buf, uint64_t block)
{
	*iov = (struct iovec){.iov_base = buf, .iov_len = BLOCK};
	*req = (struct io_req){
		.kind = IO_READ, .file = b->f, .iov = iov, .n_iov = 1, .off_bytes = block * BLOCK};
}

static void read_sets(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed,
	int run)
{
	struct queue *q = b->q[way->backend];
	char *buf = alloc_blocks(way->depth);
	struct io_req reqs[DEPTH_MAX], *ptrs[DEPTH_MAX];
	struct iovec iov[DEPTH_MAX];

	for (unsigned i = 0; i < n_ops; i += way->depth) {
		for (unsigned k = 0; k < way->depth; k++) {
			fill(&reqs[k], &iov[k], b, buf + (size_t)k * BLOCK,
				mix(&seed) % b->n_blocks);
			ptrs[k] = &reqs[k];
		}
		if (run) {
			check(queue_run(q, ptrs, way->depth));
			continue;
		}
		queue_submit(q, ptrs, way->depth);
		for (unsigned k = 0; k < way->depth; k++) {
			queue_wait(q, ptrs[k]);
			check(queue_error(ptrs[k]));
		}
	}
	free(buf);
}

static void work_run(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed)
{
	read_sets(b, way, n_ops, seed, 1);
}

static void work_wait(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed)
{
	read_sets(b, way, n_ops, seed, 0);
}

static void write_and_sync_calls(struct bench *b, const struct way *way, unsigned n_ops,
	uint64_t seed)
{
	void *buf = alloc_blocks(1);

	(void)way;
	for (unsigned i = 0; i < n_ops; i++) {
		check(file_write(b->f, buf, BLOCK, mix(&seed) % b->n_blocks * BLOCK));
		check(file_sync(b->f));
	}
	free(buf);
}

static void write_and_sync(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed)
{
	void *buf = alloc_blocks(1);
	struct io_req write, sync = {.kind = IO_SYNC, .file = b->f}, *ptr;
	struct iovec iov;

	for (unsigned i = 0; i < n_ops; i++) {
		fill(&write, &iov, b, buf, mix(&seed) % b->n_blocks);
		write.kind = IO_WRITE;
		ptr = &write;
		check(queue_run(b->q[way->backend], &ptr, 1));
		ptr = &sync;
		check(queue_run(b->q[way->backend], &ptr, 1));
	}
	free(buf);
}

static void write_and_sync_wait(struct bench *b, const struct way *way, unsigned n_ops,
	uint64_t seed)
{
	void *buf = alloc_blocks(1);
	struct io_req write, sync = {.kind = IO_SYNC, .file = b->f}, *ptr;
	struct iovec iov;

	for (unsigned i = 0; i < n_ops; i++) {
		fill(&write, &iov, b, buf, mix(&seed) % b->n_blocks);
		write.kind = IO_WRITE;
		for (int k = 0; k < 2; k++) {
			ptr = k == 0 ? &write : &sync;
			atomic_store(&ptr->complete, false);
			queue_submit(b->q[way->backend], &ptr, 1);
			queue_wait(b->q[way->backend], ptr);
			check(queue_error(ptr));
		}
	}
	free(buf);
}

static void guard_in_and_out(struct bench *b, const struct way *way, unsigned n_ops, uint64_t seed)
{
	static volatile char byte;

	(void)b;
	(void)way;
	(void)seed;
	for (volatile unsigned i = 0; i < n_ops; i++) {
		struct fault_guard g;

		if (sigsetjmp(g.env, 0) != 0)
			return;
		fault_enter(&g, (const void *)&byte, 1);
		byte++;
		fault_leave(&g);
	}
}

static const struct way ways[] = {
	{"read, 1 thread, 1 at a time", "pread", work_calls, QUEUE_BEST, 1, 1, 1},
	{NULL, "uring: run", work_run, QUEUE_URING, 1, 1, 1},
	{NULL, "uring: submit, wait", work_wait, QUEUE_URING, 1, 1, 1},
	{NULL, "threads: run", work_run, QUEUE_THREADS, 1, 1, 1},
	{NULL, "threads: submit, wait", work_wait, QUEUE_THREADS, 1, 1, 1},
	{"read, 1 thread, 8 at a time", "uring: run", work_run, QUEUE_URING, 8, 1, 1},
	{NULL, "uring: submit, wait", work_wait, QUEUE_URING, 8, 1, 1},
	{NULL, "threads: run", work_run, QUEUE_THREADS, 8, 1, 1},
	{NULL, "sync: run", work_run, QUEUE_SYNC, 8, 1, 1},
	{"read, 1 thread, 64 at a time", "uring: run", work_run, QUEUE_URING, 64, 1, 1},
	{NULL, "uring: submit, wait", work_wait, QUEUE_URING, 64, 1, 1},
	{NULL, "threads: run", work_run, QUEUE_THREADS, 64, 1, 1},
	{"read, 8 threads, 1 at a time", "pread", work_calls, QUEUE_BEST, 1, 8, 1},
	{NULL, "uring: run", work_run, QUEUE_URING, 1, 8, 1},
	{NULL, "uring: submit, wait", work_wait, QUEUE_URING, 1, 8, 1},
	{NULL, "threads: submit, wait", work_wait, QUEUE_THREADS, 1, 8, 1},
	{"write + fdatasync", "calls", write_and_sync_calls, QUEUE_BEST, 1, 1, 8},
	{NULL, "uring: run", write_and_sync, QUEUE_URING, 1, 1, 8},
	{NULL, "uring: submit, wait", write_and_sync_wait, QUEUE_URING, 1, 1, 8},
	{NULL, "threads: submit, wait", write_and_sync_wait, QUEUE_THREADS, 1, 1, 8},
	{"fault guard", "in and out", guard_in_and_out, QUEUE_BEST, 1, 1, 1},
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct job {
	struct bench *b;
	const struct way *way;
	unsigned n_ops;
	uint64_t seed;
};

static void *job_main(void *arg)
{
	struct job *job = arg;

	job->way->work(job->b, job->way, job->n_ops, job->seed);
	return NULL;
}

/* What one way did in one round. */
struct rate {
	double ops;    /* a second */
	double cpu_us; /* an operation, user and system, of all threads */
};

static double cpu_seconds(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

static struct rate measure(struct bench *b, const struct way *way, uint64_t seed)
{
	double n_all, cpu = cpu_seconds();
	struct job jobs[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	unsigned n_ops = b->n_ops / way->part / way->n_threads / way->depth * way->depth;
	uint64_t begin_ns = io_now_ns(io_kernel());

	for (unsigned t = 0; t < way->n_threads; t++) {
		jobs[t] = (struct job){b, way, n_ops, seed + t};
		if (pthread_create(&threads[t], NULL, job_main, &jobs[t]) != 0)
			exit(EXIT_FAILURE);
	}
	for (unsigned t = 0; t < way->n_threads; t++)
		(void)pthread_join(threads[t], NULL);
	n_all = (double)n_ops * way->n_threads;
	return (struct rate){
		.ops = n_all * 1e9 / (double)(io_now_ns(io_kernel()) - begin_ns + 1),
		.cpu_us = (cpu_seconds() - cpu) * 1e6 / n_all,
	};
}

static int compare(const void *a, const void *b)
{
	const struct rate *x = a, *y = b;

	return (x->ops > y->ops) - (x->ops < y->ops);
}

static void print_table(struct rate rates[N_WAYS][ROUNDS_MAX], unsigned n_rounds, struct bench *b)
{
	double first = 0;

	for (size_t i = 0; i < N_WAYS; i++) {
		struct rate median;

		qsort(rates[i], n_rounds, sizeof(rates[i][0]), compare);
		median = rates[i][n_rounds / 2];
		if (ways[i].group) {
			printf("%-30s %10s %10s %8s\n", ways[i].group, "a second", "CPU us",
				"ratio");
			first = median.ops;
		}
		if (!b->q[ways[i].backend] && ways[i].backend != QUEUE_BEST)
			printf("  %-28s refused\n", ways[i].name);
		else
			printf("  %-28s %10.0f %10.2f %8.2f\n", ways[i].name, median.ops,
				median.cpu_us, median.ops / first);
	}
}

static void open_all(struct bench *b, const char *path, uint64_t size_bytes)
{
	const size_t chunk_bytes = (size_t)256 * BLOCK;
	char *chunk = alloc_blocks(256);
	struct utsname machine;

	check(io_open(io_kernel(), path, FILE_CREATE | FILE_EXCL | FILE_DIRECT, 0600, &b->f));
	(void)uname(&machine);
	printf("%s %s, %s; file %s, blocks of %u\n", machine.sysname, machine.release,
		machine.machine, b->f->direct_why, b->f->align_bytes);
	for (uint64_t off_bytes = 0; off_bytes < size_bytes; off_bytes += chunk_bytes)
		check(file_write(b->f, chunk, chunk_bytes, off_bytes));
	check(file_sync(b->f));
	b->n_blocks = size_bytes / BLOCK;
	for (int backend = QUEUE_URING; backend <= QUEUE_SYNC; backend++) {
		if (io_queue(io_kernel(), 128, (enum queue_backend)backend, &b->q[backend]) < 0)
			printf("%s\n", error_text());
	}
	free(chunk);
}

int main(int argc, char **argv)
{
	static const char usage[] = "usage: bench_io [-d FOLDER] [-m MIB] [-n OPS] [-r ROUNDS]\n";
	static struct rate rates[N_WAYS][ROUNDS_MAX];
	struct bench b = {.n_ops = 4096};
	const char *folder = ".";
	unsigned long mib = 1024;
	unsigned n_rounds = 5;
	char path[4096];
	int option;

	while ((option = getopt(argc, argv, "d:m:n:r:")) != -1) {
		if (option == 'd') {
			folder = optarg;
		} else if (option == 'm') {
			mib = strtoul(optarg, NULL, 10);
		} else if (option == 'n') {
			b.n_ops = (unsigned)strtoul(optarg, NULL, 10);
		} else if (option == 'r') {
			n_rounds = (unsigned)strtoul(optarg, NULL, 10);
		} else {
			(void)fputs(usage, stderr);
			return 2;
		}
	}
	if (mib == 0 || b.n_ops < 512 || n_rounds == 0 || n_rounds > ROUNDS_MAX) {
		(void)fputs(usage, stderr);
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/bench_io.tmp", folder);
	open_all(&b, path, (uint64_t)mib << 20);
	(void)io_unlink(io_kernel(), path);
	check(fault_install());
	for (unsigned round = 0; round < n_rounds; round++) {
		for (size_t i = 0; i < N_WAYS; i++) {
			if (b.q[ways[i].backend] || ways[i].backend == QUEUE_BEST)
				rates[i][round] = measure(&b, &ways[i], round * 100 + i);
		}
	}
	print_table(rates, n_rounds, &b);
	for (int backend = QUEUE_URING; backend <= QUEUE_SYNC; backend++)
		queue_close(b.q[backend]);
	file_close(b.f);
	return EXIT_SUCCESS;
}
