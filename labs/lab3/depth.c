/* SPDX-License-Identifier: MIT */
/*
 * How many reads a second this machine's disk does, by depth, in four ways:
 *
 *	depth [--csv] [FOLDER]
 *
 * Random reads of 4 KiB, past the page cache, from a file that it makes in FOLDER (default: where
 * you stand) and removes. At each moment `depth` reads are in flight: the oldest is waited for, and
 * another takes its place. The four ways take turns, ROUNDS times, and the best slice of each is
 * shown: whatever else the machine does can only make a read slower.
 */
#include "base/error.h"
#include "io/file.h"
#include "io/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK     4096U
#define N_BLOCKS  16384U /* 64 MiB */
#define N_DEPTHS  8U     /* 1, 2, 4, ... 128 */
#define DEPTH_MAX (1U << (N_DEPTHS - 1))
#define ROUNDS    20U
#define SLICE_NS  UINT64_C(40000000) /* of one way, depth and round */

static const struct way {
	const char *name;
	enum queue_backend backend;
	const char *ring; /* VERSO_RING */
} ways[] = {
	{"blocking calls", QUEUE_SYNC, ""},
	{"threads", QUEUE_THREADS, ""},
	{"yours, on threads", QUEUE_URING, "threads"},
	{"yours, on io_uring", QUEUE_URING, "uring"},
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static void must(int rc)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "depth: %s\n", error_text());
	exit(EXIT_FAILURE);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (z ^ z >> 27) >> 20;
}

struct slots {
	struct io_req reqs[DEPTH_MAX];
	struct iovec iov[DEPTH_MAX];
	char *memory;
	uint64_t rng;
};

static void start(struct slots *s, struct queue *q, struct file *f, unsigned i)
{
	struct io_req *req = &s->reqs[i];

	s->iov[i] = (struct iovec){s->memory + (size_t)i * BLOCK, BLOCK};
	*req = (struct io_req){.kind = IO_READ, .file = f, .iov = &s->iov[i], .n_iov = 1};
	req->off_bytes = next_random(&s->rng) % N_BLOCKS * BLOCK;
	queue_submit(q, &req, 1);
}

/* Reads a second. */
static uint64_t measure(struct slots *s, struct queue *q, struct file *f, unsigned depth)
{
	uint64_t from_ns = io_now_ns(io_kernel()), took_ns = 0, n = 0;
	unsigned at = 0;

	for (unsigned i = 0; i < depth; i++)
		start(s, q, f, i);
	for (; took_ns < SLICE_NS; n++, at = (at + 1) % depth) {
		queue_wait(q, &s->reqs[at]);
		must(queue_error(&s->reqs[at]));
		start(s, q, f, at);
		took_ns = io_now_ns(io_kernel()) - from_ns;
	}
	for (unsigned i = 0; i < depth; i++)
		queue_wait(q, &s->reqs[i]);
	return n * UINT64_C(1000000000) / took_ns;
}

static struct file *make_file(struct slots *s, const char *path)
{
	struct file *f;

	must(io_open(io_kernel(), path, FILE_CREATE | FILE_EXCL | FILE_DIRECT, 0600, &f));
	memset(s->memory, 0x5a, (size_t)DEPTH_MAX * BLOCK);
	for (uint64_t at = 0; at < (uint64_t)N_BLOCKS * BLOCK; at += DEPTH_MAX * BLOCK)
		must(file_write(f, s->memory, (size_t)DEPTH_MAX * BLOCK, at));
	must(file_sync(f));
	return f;
}

/* The best of all rounds; 0 where a way is refused. */
static uint64_t rates[N_WAYS][N_DEPTHS];

static void measure_all(struct slots *s, struct file *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < N_WAYS * N_DEPTHS; i++) {
			const struct way *way = &ways[i % N_WAYS];
			unsigned depth = 1U << i / N_WAYS;
			uint64_t *best = &rates[i % N_WAYS][i / N_WAYS], rate;
			struct queue *q;

			if (setenv("VERSO_RING", way->ring, 1) != 0 ||
				io_queue(io_kernel(), depth, way->backend, &q) < 0)
				continue;
			rate = measure(s, q, f, depth);
			if (rate > *best)
				*best = rate;
			queue_close(q);
		}
	}
}

static void print_table(void)
{
	printf("reads a second, by depth");
	for (unsigned k = 0; k < N_DEPTHS; k++)
		printf("%*u", k == 0 ? 6 : 9, 1U << k);
	printf("\n");
	for (size_t i = 0; i < N_WAYS; i++) {
		printf("%-21s", ways[i].name);
		for (unsigned k = 0; k < N_DEPTHS; k++) {
			if (rates[i][k] > 0)
				printf("%9" PRIu64, rates[i][k]);
			else
				printf("%9s", "refused");
		}
		printf("\n");
	}
}

static void print_csv(void)
{
	for (size_t i = 0; i < N_WAYS; i++) {
		for (unsigned k = 0; k < N_DEPTHS; k++) {
			if (rates[i][k] > 0)
				printf("%s;%u;%" PRIu64 "\n", ways[i].name, 1U << k, rates[i][k]);
		}
	}
}

int main(int argc, char **argv)
{
	bool as_csv = argc > 1 && strcmp(argv[1], "--csv") == 0;
	const char *folder = argc > 1 + as_csv ? argv[1 + as_csv] : ".";
	static struct slots s;
	char path[512];
	struct file *f;

	if (argc > 2 + as_csv || strlen(folder) > 400) {
		(void)fprintf(stderr, "usage: depth [--csv] [FOLDER]\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/lab3-depth.tmp", folder);
	s.memory = aligned_alloc(BLOCK, (size_t)DEPTH_MAX * BLOCK);
	if (!s.memory)
		return EXIT_FAILURE;
	f = make_file(&s, path);
	if (!f->direct)
		(void)fprintf(stderr,
			"depth: reads go through the page cache (%s): try another folder\n",
			f->direct_why);
	measure_all(&s, f);
	file_close(f);
	must(io_unlink(io_kernel(), path));
	if (as_csv)
		print_csv();
	else
		print_table();
	free(s.memory);
	return 0;
}
