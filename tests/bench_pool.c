/* SPDX-License-Identifier: MIT */
/*
 * What the buffer pool itself costs: hits, peeks and misses, without a tree above it; and what its
 * policies keep.
 *
 *	bench_pool [hits|misses|policies|all [FILE [PAGES [CACHE_MIB]]]]
 *
 * Makes FILE with PAGES pages of 4 KiB, reads all of them into a pool that holds them, and measures
 * hits; then measures misses with a pool of CACHE_MIB, beside plain pread and hash of the same
 * pages. Hits are measured in slices of CPU time, of which the best counts, so that neighbours on
 * the machine hurt little.
 */
#include "base/error.h"
#include "base/hash.h"
#include "bufpool/bufpool.h"
#include "bufpool/policy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE_SIZE 4096U
#define SEED      1
#define RUNS      3
#define SLICES    128U
#define HOT_PAGES 512U
#define N_REFS    (1U << 22)

struct bench {
	struct io *io;
	struct file *file;
	struct pager *pager;
	pgno_t n_pages;
	pgno_t *order; /* N_REFS random page numbers below `among` */
	pgno_t among;
};

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", what, error_text());
	exit(1);
}

static void check(int rc, const char *what)
{
	if (rc < 0)
		die(what);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void choose(struct bench *b, pgno_t among)
{
	uint64_t state = among;

	b->among = among;
	for (uint32_t i = 0; i < N_REFS; i++)
		b->order[i] = (pgno_t)(next_random(&state) % among);
}

static void make_file(struct bench *b)
{
	static uint8_t chunk[1 << 20] __attribute__((aligned(4096)));
	uint32_t per_chunk = sizeof(chunk) / PAGE_SIZE;

	for (pgno_t first = 0; first < b->n_pages; first += per_chunk) {
		for (uint32_t i = 0; i < per_chunk; i++) {
			struct page *page = (struct page *)(chunk + i * PAGE_SIZE);

			page_init(page, (struct page_ref){first + i, 1}, PAGE_TOY, 0, 0);
			le32_set(page->payload, first + i);
			page_seal(page, PAGE_SIZE, SEED);
		}
		check(file_write(b->file, chunk, sizeof(chunk), (uint64_t)first * PAGE_SIZE),
			"write");
	}
	check(file_sync(b->file), "sync");
}

static void open_pool(struct bench *b, size_t cache_bytes, unsigned flags)
{
	struct bufpool_options opts = {
		.cache_bytes = cache_bytes, .writer_pages = 64, .flags = flags};

	check(bufpool_open(b->io, b->file, PAGE_SIZE, SEED, &opts, &b->pager), "open");
}

/*
 * What is measured: one function a kind, n operations from `from` on in the order.
 */

typedef uint64_t work_fn(struct bench *b, struct guard *g, uint32_t from, uint32_t n);

static uint64_t get_put(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct page_ref ref = {b->order[(from + i) % N_REFS], 1};
		const struct page *page;

		check(pager_get(b->pager, g, ref, &page), "get");
		sum += page->payload[0];
		pager_put(b->pager, page);
	}
	return sum;
}

static uint64_t peek(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i += 4) {
		guard_enter(g); /* as a descent of four levels does */
		for (uint32_t k = 0; k < 4; k++) {
			struct page_ref ref = {b->order[(from + i + k) % N_REFS], 1};
			const struct page *page = pager_peek(b->pager, g, ref);

			sum += page ? page->payload[0] : 0;
		}
		guard_leave(g);
	}
	return sum;
}

/* Each address depends on the page before, as in a descent. */
static uint64_t peek_chain(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	uint64_t sum = 0;

	guard_enter(g);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (from + i + (uint32_t)(sum >> 63)) % N_REFS;
		const struct page *page =
			pager_peek(b->pager, g, (struct page_ref){b->order[at], 1});

		sum += page ? page->payload[0] : 0;
	}
	guard_leave(g);
	return sum;
}

/*
 * The least that any pool must do: read the header of a page whose address is known. The pages were
 * loaded in order into an empty pool, so they lie in order.
 */
static uint64_t touch(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	const struct page *first;
	uint64_t sum = 0;

	check(pager_get(b->pager, g, (struct page_ref){0, 1}, &first), "get");
	for (uint32_t i = 0; i < n; i++) {
		size_t off = (size_t)b->order[(from + i) % N_REFS] * PAGE_SIZE;
		const struct page *page = (const struct page *)((const uint8_t *)first + off);

		sum += page->payload[0];
	}
	pager_put(b->pager, first);
	return sum;
}

static uint64_t pread_hash(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	static _Thread_local uint8_t bytes[PAGE_SIZE] __attribute__((aligned(4096)));
	uint64_t sum = 0;

	(void)g;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t off = (uint64_t)b->order[(from + i) % N_REFS] * PAGE_SIZE;

		check(file_read(b->file, bytes, PAGE_SIZE, off, FILE_LIVE), "read");
		sum += hash_bytes(bytes, PAGE_SIZE, SEED);
	}
	return sum;
}

static uint64_t prefetch_get(struct bench *b, struct guard *g, uint32_t from, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i += 32) {
		struct page_ref refs[32];

		for (uint32_t k = 0; k < 32; k++)
			refs[k] = (struct page_ref){b->order[(from + i + k) % N_REFS], 1};
		pager_prefetch(b->pager, refs, 32);
		sum += get_put(b, g, from + i, 32);
	}
	return sum;
}

struct job {
	struct bench *b;
	work_fn *work;
	uint32_t from, n;
	pthread_barrier_t *start;
	pthread_t thread;
	uint64_t sum;
	double best_ns; /* CPU time an operation in the best slice */
};

static double cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *job_body(void *arg)
{
	struct job *job = arg;
	uint32_t n = job->n / SLICES;
	struct guard *guard;

	check(guard_open(&job->b->pager->guards, &guard), "guard");
	(void)pthread_barrier_wait(job->start);
	for (uint32_t i = 0; i < SLICES; i++) {
		double begin_ns = cpu_ns(), ns;

		job->sum += job->work(job->b, guard, job->from + i * n, n);
		ns = (cpu_ns() - begin_ns) / n;
		if (i == 0 || ns < job->best_ns)
			job->best_ns = ns;
	}
	guard_close(guard);
	return NULL;
}

/* Nanoseconds an operation takes a thread: of CPU in the best slice, or by the clock in the best
 * run. */
static double measure(struct bench *b, work_fn *work, unsigned n_threads, uint32_t n, bool cpu)
{
	double best_ns = 0;

	for (int run = 0; run < RUNS; run++) {
		struct job jobs[16];
		pthread_barrier_t start;
		uint64_t begin_ns;
		double ns;

		(void)pthread_barrier_init(&start, NULL, n_threads + 1);
		for (unsigned i = 0; i < n_threads; i++) {
			jobs[i] = (struct job){.b = b, .work = work, .n = n, .start = &start};
			jobs[i].from = (i * 7 + (unsigned)run) * (N_REFS / 16);
			if (pthread_create(&jobs[i].thread, NULL, job_body, &jobs[i]) != 0)
				die("thread");
		}
		(void)pthread_barrier_wait(&start);
		begin_ns = io_now_ns(b->io);
		for (unsigned i = 0; i < n_threads; i++)
			(void)pthread_join(jobs[i].thread, NULL);
		ns = (double)(io_now_ns(b->io) - begin_ns) / n;
		for (unsigned i = 0; cpu && i < n_threads; i++)
			ns = jobs[i].best_ns < ns ? jobs[i].best_ns : ns;
		if (run == 0 || ns < best_ns)
			best_ns = ns;
		(void)pthread_barrier_destroy(&start);
	}
	return best_ns;
}

static void report(struct bench *b, const char *what, work_fn *work, uint32_t n, bool cpu)
{
	printf("  %-36s %9.1f ns   %9.1f ns\n", what, measure(b, work, 1, n, cpu),
		measure(b, work, 2, n, cpu));
	(void)fflush(stdout);
}

static void hits(struct bench *b, unsigned flags)
{
	struct pager_stats stats;

	open_pool(b, (size_t)b->n_pages * (PAGE_SIZE + 64) + (64 << 20), flags);
	for (pgno_t pgno = 0; pgno < b->n_pages; pgno += 64) {
		struct page_ref refs[64];
		struct guard *g;

		check(guard_open(&b->pager->guards, &g), "guard");
		for (pgno_t i = 0; i < 64; i++)
			refs[i] = (struct page_ref){pgno + i, 1};
		pager_prefetch(b->pager, refs, 64);
		for (pgno_t i = 0; i < 64; i++) {
			const struct page *page;

			check(pager_get(b->pager, g, refs[i], &page), "get");
			pager_put(b->pager, page);
		}
		guard_close(g);
	}
	pager_stats(b->pager, &stats);
	printf("%s\n  %-36s %12s   %12s\n", stats.how, "", "1 thread", "2 threads");
	choose(b, HOT_PAGES);
	report(b, "get + put, 512 pages", get_put, 1U << 24, true);
	report(b, "peek, 512 pages", peek, 1U << 24, true);
	choose(b, b->n_pages);
	report(b, "get + put, all pages", get_put, 1U << 22, true);
	report(b, "peek, all pages", peek, 1U << 22, true);
	report(b, "peek, all pages, dependent", peek_chain, 1U << 22, true);
	report(b, "a read at a known address", touch, 1U << 22, true);
	pager_close(b->pager);
}

static void misses(struct bench *b, size_t cache_bytes)
{
	struct pager_stats stats;

	open_pool(b, cache_bytes, 0);
	choose(b, b->n_pages);
	pager_stats(b->pager, &stats);
	printf("%s\n  %-36s %12s   %12s\n", stats.how, "", "1 thread", "2 threads");
	for (int cpu = 0; cpu < 2; cpu++) {
		printf(" %s\n", cpu ? "CPU" : "time");
		report(b, "pread and hash", pread_hash, 1U << 14, cpu);
		report(b, "get + put, most of them misses", get_put, 1U << 14, cpu);
		report(b, "the same, 32 prefetched at a time", prefetch_get, 1U << 16, cpu);
	}
	pager_close(b->pager);
}

/*
 * Policies: one page in eight fits. The figures are misses, which no neighbour disturbs.
 */

enum pattern { PATTERN_SKEWED, PATTERN_SKEWED_AND_SCAN, PATTERN_LOOP, PATTERN_END };

/* Zipf-like: rank r with a chance of about 1/r, the ranks spread over the file. */
static pgno_t skewed(struct bench *b, uint64_t *state)
{
	uint64_t r = next_random(state);
	uint64_t octave = r % 64 * (64 - (unsigned)__builtin_clz(b->n_pages) - 32) / 64;
	uint64_t rank = ((uint64_t)1 << octave) + (r >> 8) % ((uint64_t)1 << octave);

	return (pgno_t)(rank * 2654435761u % b->n_pages);
}

static bool is_missed(struct bench *b, struct guard *g, pgno_t pgno)
{
	struct pager_stats stats;
	const struct page *page;
	uint64_t before;

	pager_stats(b->pager, &stats);
	before = stats.n_misses;
	check(pager_get(b->pager, g, (struct page_ref){pgno, 1}, &page), "get");
	pager_put(b->pager, page);
	pager_stats(b->pager, &stats);
	return stats.n_misses > before;
}

/* Misses in a hundred accesses, of the second half of all. A scan beside takes a page for each. */
static double miss_percent(struct bench *b, enum bufpool_policy policy, uint32_t writer,
	enum pattern pattern)
{
	struct bufpool_options opts = {.policy = policy};
	uint32_t n_frames = b->n_pages / 8, n = 16 * b->n_pages, n_misses = 0;
	uint64_t state = 1;
	struct guard *g;

	opts.writer_pages = writer;
	opts.reader_pages = n_frames - writer;
	opts.cache_bytes = bufpool_cache_bytes_min(PAGE_SIZE, &opts);
	check(bufpool_open(b->io, b->file, PAGE_SIZE, SEED, &opts, &b->pager), "open");
	check(guard_open(&b->pager->guards, &g), "guard");
	for (uint32_t i = 0; i < 2 * n; i++) {
		pgno_t pgno =
			pattern == PATTERN_LOOP ? i % (n_frames + n_frames / 4) : skewed(b, &state);
		bool missed = is_missed(b, g, pgno);

		n_misses += i >= n && missed;
		if (pattern == PATTERN_SKEWED_AND_SCAN)
			(void)is_missed(b, g, i % b->n_pages);
	}
	guard_close(g);
	pager_close(b->pager);
	return 100.0 * n_misses / n;
}

static void policies(struct bench *b)
{
	static const uint32_t parts[] = {0, 25, 50, 75};
	static const char *const names[PATTERN_END] = {
		"skewed", "skewed, and a scan beside", "a loop, 1.25 times the frames"};

	printf("misses in 100 accesses, one page in eight in memory\n");
	for (unsigned pattern = 0; pattern < PATTERN_END; pattern++) {
		printf("  %-32s", names[pattern]);
		for (unsigned p = 0; p < N_POLICIES; p++)
			printf(" %8s", bufpool_policies[p]->name);
		printf("\n");
		for (unsigned i = 0; i < 4; i++) {
			uint32_t writer = b->n_pages / 8 * parts[i] / 100 + 1;

			printf("  frames of the writer %11u", writer);
			for (unsigned p = 0; p < N_POLICIES; p++)
				printf(" %8.2f", miss_percent(b, (enum bufpool_policy)p, writer,
							 (enum pattern)pattern));
			printf("\n");
			(void)fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "all";
	const char *path = argc > 2 ? argv[2] : "bench_pool.db";
	size_t cache_bytes = (size_t)(argc > 4 ? atoi(argv[4]) : 64) << 20;
	struct bench b = {
		.io = io_kernel(), .n_pages = argc > 3 ? (pgno_t)atoi(argv[3]) : 1U << 20};
	unsigned flags = FILE_CREATE | (getenv("BENCH_BUFFERED") ? 0 : FILE_DIRECT);

	b.order = malloc(N_REFS * sizeof(*b.order));
	if (!b.order || b.n_pages < HOT_PAGES || b.n_pages % 256 != 0) {
		(void)fprintf(stderr, "PAGES must be a multiple of 256, at least 512\n");
		return 2;
	}
	check(io_open(b.io, path, flags, 0600, &b.file), "open");
	make_file(&b);
	if (strcmp(what, "hits") == 0 || strcmp(what, "all") == 0) {
		hits(&b, 0);
		hits(&b, BUFPOOL_SMALL_PAGES);
	}
	if (strcmp(what, "misses") == 0 || strcmp(what, "all") == 0)
		misses(&b, cache_bytes);
	if (strcmp(what, "policies") == 0)
		policies(&b);
	file_close(b.file);
	check(io_unlink(b.io, path), "unlink");
	free(b.order);
	return 0;
}
