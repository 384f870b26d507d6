/* SPDX-License-Identifier: MIT */
/*
 * E9, what a TLB shootdown costs: a thread drops pages of its process and touches them again, while
 * another CPU does something. Counts interrupts, and takes CPU time of both sides.
 *
 * It is measured in parts of PAGES_MAX pages. A part in which a victim did not run all the time
 * does not count: it needs no interrupt while it waits for its CPU.
 *
 * The sender is on the first CPU that this process may use, each victim on one of its own: a
 * victim that shares the sender's CPU is never interrupted. Rows take turns in each repetition, so
 * that what else happens on the machine hits all of them; the median of the repetitions counts.
 */
#include "experiments/hazards/line.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES    4096U
#define PAGES_MAX     512U /* of one call */
#define SIZES         10U  /* 1, 2, 4 ... 512 */
#define VICTIMS_MAX   15U
#define REPEATS_MAX   99U
#define VICTIM_BYTES  (256U << 10) /* that a victim touches: more than a first-level TLB holds */
#define CALIBRATE_NS  4000000
#define ITERATION_OPS 256U
#define SAYS_EACH     32U  /* iterations of a process, some us */
#define TRIES         6U   /* of a part, on a busy machine */
#define RUNS_SHARE    0.95 /* of the time, that a victim has to run in a part that counts */

enum work { WORK_SPIN, WORK_TOUCH };

#define BUSY "the machine was too busy: its victims did not run beside the sender"

static const struct row {
	const char *name;
	unsigned n_victims;
	enum work work;
	bool is_process; /* the victim is another process */
} rows[] = {
	{"none", 0, WORK_SPIN, false},
	{"spins", 1, WORK_SPIN, false},
	{"touches", 1, WORK_TOUCH, false},
	{"elsewhere", 1, WORK_SPIN, true},
	{"spins-3", 3, WORK_SPIN, false},
	{"spins-7", 7, WORK_SPIN, false},
	{"spins-15", 15, WORK_SPIN, false},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

enum count { COUNT_INTERRUPTS, COUNT_SENDER, COUNT_VICTIM, COUNTS };

static const char *const count_names[COUNTS] = {"interrupts", "sender ns", "victim ns"};

struct settings {
	const char *json;
	uint32_t n_pages, n_repeats;
};

/* Of a victim, in memory that another process shares. */
struct victim {
	_Alignas(64) _Atomic uint64_t iterations; /* written by the victim alone */
	_Atomic bool ends;
	clockid_t clock; /* of a thread: its CPU time; set before it runs */
	/* Of a process: its CPU time as it last said; from outside it is known to a tick only. */
	_Atomic uint64_t said_ns;
	bool is_process;
	_Atomic bool runs;
	int cpu;
	enum work work;
	pthread_t thread;
	pid_t pid;
	uint8_t *memory;
};

static struct victim *victims;
static cpu_set_t cpus;
static uint64_t found[ROWS][SIZES][COUNTS][REPEATS_MAX];
static uint32_t n_found[ROWS][SIZES]; /* of the repeats */

static _Noreturn void give_up(const char *what, const char *text)
{
	(void)fprintf(stderr, "hazard_shootdown: %s: %s\n", what, text);
	exit(3);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		give_up("the CPU time of a thread", strerror(errno));
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The n-th CPU that this process may use, or -1. */
static int nth_cpu(unsigned n)
{
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && n-- == 0)
			return (int)cpu;
	return -1;
}

static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		give_up("sched_setaffinity", strerror(errno));
}

/* --- interrupts ------------------------------------------------------------------------------- */

/*
 * The row TLB of /proc/interrupts, over all CPUs. false: this kernel does not count them; it has no
 * such row, or only zeros on several CPUs, as where the hypervisor empties the TLBs of the others.
 */
static bool read_interrupts(uint64_t *ret_n)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char *line = NULL, *at;
	bool found = false;
	unsigned n_cpus = 0;
	size_t cap = 0;

	while (f && !found && getline(&line, &cap, f) > 0) {
		at = line + strspn(line, " ");
		if (strncmp(at, "TLB:", 4) != 0)
			continue;
		found = true;
		*ret_n = 0;
		for (at += 4;; n_cpus++) {
			char *end;
			uint64_t n = strtoull(at, &end, 10);

			if (end == at)
				break;
			*ret_n += n;
			at = end;
		}
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found && (*ret_n > 0 || n_cpus == 1);
}

/* --- victims ---------------------------------------------------------------------------------- */

static void iterate(struct victim *v)
{
	static _Atomic unsigned sink;
	unsigned x = 0;

	for (unsigned i = 0; i < ITERATION_OPS; i++) {
		if (v->work == WORK_TOUCH)
			x += ((volatile uint8_t *)v->memory)[i * PAGE_BYTES % VICTIM_BYTES];
		else
			x = x * 5 + 1;
		__asm__ volatile("" : "+r"(x));
	}
	atomic_store_explicit(&sink, x, memory_order_relaxed);
}

static void *run_victim(void *arg)
{
	struct victim *v = arg;

	pin(v->cpu);
	if (pthread_getcpuclockid(pthread_self(), &v->clock) != 0)
		v->clock = CLOCK_THREAD_CPUTIME_ID;
	atomic_store(&v->runs, true);
	for (uint64_t n = 1; !atomic_load_explicit(&v->ends, memory_order_relaxed); n++) {
		iterate(v);
		atomic_store_explicit(&v->iterations, n, memory_order_relaxed);
		if (v->is_process && n % SAYS_EACH == 0)
			atomic_store(&v->said_ns, now_ns(CLOCK_THREAD_CPUTIME_ID));
	}
	return NULL;
}

static void victim_start(struct victim *v, const struct row *row, unsigned i)
{
	int rc = 0;

	*v = (struct victim){
		.cpu = nth_cpu(i + 1), .work = row->work, .is_process = row->is_process};
	v->memory = malloc(VICTIM_BYTES);
	if (!v->memory)
		give_up("memory", strerror(ENOMEM));
	memset(v->memory, 1, VICTIM_BYTES);
	if (row->is_process) {
		v->pid = fork();
		if (v->pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)run_victim(v);
			_exit(0);
		}
		rc = v->pid < 0 ? errno : 0;
	} else {
		rc = pthread_create(&v->thread, NULL, run_victim, v);
	}
	if (rc)
		give_up("a victim", strerror(rc));
	while (!atomic_load(&v->runs))
		(void)sched_yield();
}

static void victim_end(struct victim *v, const struct row *row)
{
	atomic_store(&v->ends, true);
	if (row->is_process)
		(void)waitpid(v->pid, NULL, 0);
	else
		(void)pthread_join(v->thread, NULL);
	free(v->memory);
}

/* CPU time and iterations of all victims so far. */
static void look(const struct row *row, uint64_t *ret_ns, uint64_t *ret_iterations)
{
	*ret_ns = *ret_iterations = 0;
	for (unsigned i = 0; i < row->n_victims; i++) {
		*ret_ns += row->is_process ? atomic_load(&victims[i].said_ns)
					   : now_ns(victims[i].clock);
		*ret_iterations += atomic_load(&victims[i].iterations);
	}
}

/* --- one measurement -------------------------------------------------------------------------- */

/* Drops n pages by one call and touches them, until n_pages were. */
static void send(uint8_t *pages, uint32_t n, uint32_t n_pages)
{
	for (uint32_t done = 0; done < n_pages; done += n) {
		if (madvise(pages, (size_t)n * PAGE_BYTES, MADV_DONTNEED) < 0)
			give_up("MADV_DONTNEED", strerror(errno));
		for (uint32_t i = 0; i < n; i++)
			((volatile uint8_t *)pages)[(size_t)i * PAGE_BYTES] = 1;
	}
}

/* CPU time that an iteration takes while nobody disturbs the victims; 0: they did not run. */
static double calibrate(const struct row *row)
{
	uint64_t ns[2], n[2], began = now_ns(CLOCK_MONOTONIC);

	look(row, &ns[0], &n[0]);
	while (now_ns(CLOCK_MONOTONIC) - began < CALIBRATE_NS)
		;
	look(row, &ns[1], &n[1]);
	if ((double)(ns[1] - ns[0]) < RUNS_SHARE * CALIBRATE_NS * row->n_victims || n[1] == n[0])
		return 0;
	return (double)(ns[1] - ns[0]) / (double)(n[1] - n[0]);
}

/* One part, PAGES_MAX pages. false: a victim did not run all the time, so nothing of it counts. */
static bool measure_part(const struct row *row, uint8_t *pages, uint32_t n, double iteration_ns,
	double ret[COUNTS])
{
	uint64_t before = 0, after = 0, wall, began, ns[2], iterations[2];

	(void)read_interrupts(&before);
	look(row, &ns[0], &iterations[0]);
	wall = now_ns(CLOCK_MONOTONIC);
	began = now_ns(CLOCK_THREAD_CPUTIME_ID);
	send(pages, n, PAGES_MAX);
	ret[COUNT_SENDER] = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	wall = now_ns(CLOCK_MONOTONIC) - wall;
	look(row, &ns[1], &iterations[1]);
	(void)read_interrupts(&after);
	ret[COUNT_INTERRUPTS] = (double)(after - before);
	ret[COUNT_VICTIM] =
		(double)(ns[1] - ns[0]) - (double)(iterations[1] - iterations[0]) * iteration_ns;
	return (double)(ns[1] - ns[0]) >= RUNS_SHARE * (double)wall * row->n_victims;
}

/* false: the machine was too busy. */
static bool measure(const struct row *row, uint8_t *pages, uint32_t n, uint32_t n_pages,
	uint64_t ret[COUNTS])
{
	double iteration_ns = 0, sum[COUNTS] = {0}, one[COUNTS];
	uint32_t parts = n_pages / PAGES_MAX, done = 0;

	for (uint32_t tries = 0; row->n_victims && iteration_ns <= 0 && tries < TRIES; tries++)
		iteration_ns = calibrate(row);
	if (row->n_victims && iteration_ns <= 0)
		return false;
	send(pages, n, n);
	for (uint32_t tries = 0; done < parts && tries < TRIES * parts; tries++) {
		if (!measure_part(row, pages, n, iteration_ns, one))
			continue;
		done++;
		for (unsigned c = 0; c < COUNTS; c++)
			sum[c] += one[c];
	}
	for (unsigned c = 0; c < COUNTS; c++)
		ret[c] = sum[c] > 0 ? (uint64_t)sum[c] : 0;
	return done == parts;
}

static const char *why_not(const struct row *row, char *buf, size_t len)
{
	uint64_t n;

	if ((int)row->n_victims < CPU_COUNT(&cpus))
		return read_interrupts(&n) ? NULL : "no row TLB in /proc/interrupts that counts";
	(void)snprintf(buf, len, "needs %u CPUs, one for each thread; this process may use %d",
		row->n_victims + 1, CPU_COUNT(&cpus));
	return buf;
}

static void measure_all(const struct settings *set)
{
	uint8_t *pages = mmap(NULL, (size_t)PAGES_MAX * PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[128];

	if (pages == MAP_FAILED)
		give_up("memory", strerror(errno));
	(void)madvise(pages, (size_t)PAGES_MAX * PAGE_BYTES, MADV_NOHUGEPAGE);
	pin(nth_cpu(0));
	for (uint32_t repeat = 0; repeat < set->n_repeats; repeat++)
		for (unsigned r = 0; r < ROWS; r++) {
			if (why_not(&rows[r], buf, sizeof(buf)))
				continue;
			for (unsigned i = 0; i < rows[r].n_victims; i++)
				victim_start(&victims[i], &rows[r], i);
			for (unsigned s = 0; s < SIZES; s++) {
				uint64_t counts[COUNTS];

				if (!measure(&rows[r], pages, 1U << s, set->n_pages, counts))
					continue;
				for (unsigned c = 0; c < COUNTS; c++)
					found[r][s][c][n_found[r][s]] = counts[c];
				n_found[r][s]++;
			}
			for (unsigned i = 0; i < rows[r].n_victims; i++)
				victim_end(&victims[i], &rows[r]);
		}
	(void)munmap(pages, (size_t)PAGES_MAX * PAGE_BYTES);
}

/* --- output ----------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(const uint64_t *values, uint32_t n)
{
	uint64_t sorted[REPEATS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return n ? sorted[n / 2] : 0;
}

static void print_line(FILE *f, const struct settings *set, unsigned r, unsigned s,
	const char *skipped)
{
	char hazard[32], details[64 + REPEATS_MAX * 24];
	uint64_t counts[COUNTS];
	size_t used;

	(void)snprintf(hazard, sizeof(hazard), "pages-%u", 1U << s);
	used = (size_t)snprintf(details, sizeof(details),
		"\"pages_a_call\":%u,\"threads\":%u,\"sender_ns\":[", 1U << s,
		rows[r].is_process ? 1 : rows[r].n_victims + 1);
	for (uint32_t i = 0; i < n_found[r][s]; i++)
		used += (size_t)snprintf(details + used, sizeof(details) - used, "%s%llu",
			i ? "," : "", (unsigned long long)found[r][s][COUNT_SENDER][i]);
	(void)snprintf(details + used, sizeof(details) - used, "]");
	for (unsigned c = 0; c < COUNTS; c++)
		counts[c] = median(found[r][s][c], n_found[r][s]);
	if (!n_found[r][s] && !skipped)
		skipped = BUSY;
	line_print(f, &(struct line){.cell = rows[r].name,
			      .hazard = hazard,
			      .skipped = skipped,
			      .names = count_names,
			      .counts = counts,
			      .n_counts = COUNTS,
			      .trials = skipped ? 0 : set->n_pages,
			      .details = details});
}

static void print_all(const struct settings *set, FILE *json)
{
	char buf[128];

	printf("\nE9: what a shootdown costs, for each page: interrupts, sender's ns, victims' ns\n"
	       "%u pages, median of %u\n\n%-12s",
		set->n_pages, set->n_repeats, "pages a call");
	for (unsigned r = 0; r < ROWS; r++)
		if (!why_not(&rows[r], buf, sizeof(buf)))
			printf(" %22s", rows[r].name);
	for (unsigned s = 0; s < SIZES; s++) {
		printf("\n%-12u", 1U << s);
		for (unsigned r = 0; r < ROWS; r++) {
			const char *skipped = why_not(&rows[r], buf, sizeof(buf));

			if (json)
				print_line(json, set, r, s, skipped);
			if (!skipped && !n_found[r][s])
				printf(" %22s", "too busy");
			else if (!skipped)
				printf(" %6.3f %7.0f %7.0f",
					(double)median(found[r][s][0], n_found[r][s]) /
						set->n_pages,
					(double)median(found[r][s][1], n_found[r][s]) /
						set->n_pages,
					(double)median(found[r][s][2], n_found[r][s]) /
						set->n_pages);
		}
	}
	printf("\n");
	for (unsigned r = 0; r < ROWS; r++)
		if (why_not(&rows[r], buf, sizeof(buf)))
			printf("  - %s: not measured: %s\n", rows[r].name,
				why_not(&rows[r], buf, sizeof(buf)));
}

/* --- arguments -------------------------------------------------------------------------------- */

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"hazard_shootdown: %s\n"
		"usage: hazard_shootdown [--pages N] [--repeats N] [--json FILE]\n"
		"  --pages    that each measurement drops (512 to 16777216, of 512; 16384)\n"
		"  --repeats  of which the median counts (1 to 99; 9)\n"
		"  --json     append one line of JSON for each row and size; -: stdout\n",
		why);
	return 2;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	*ret = (uint32_t)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && n >= min &&
	       n <= max;
}

int main(int argc, char **argv)
{
	struct settings set = {.n_pages = 16384, .n_repeats = 9};
	FILE *json = NULL;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--json") == 0)
			set.json = argv[i + 1];
		else if (i + 1 == argc ||
			 !((strcmp(argv[i], "--pages") == 0 &&
				   number(argv[i + 1], PAGES_MAX, 1U << 24, &set.n_pages) &&
				   set.n_pages % PAGES_MAX == 0) ||
				 (strcmp(argv[i], "--repeats") == 0 &&
					 number(argv[i + 1], 1, REPEATS_MAX, &set.n_repeats))))
			return usage(argv[i]);
	}
	if (set.json)
		json = strcmp(set.json, "-") == 0 ? stdout : fopen(set.json, "ae");
	if (set.json && !json)
		give_up(set.json, strerror(errno));
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		give_up("sched_getaffinity", strerror(errno));
	victims = mmap(NULL, VICTIMS_MAX * sizeof(*victims), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (victims == MAP_FAILED)
		give_up("memory", strerror(errno));
	measure_all(&set);
	print_all(&set, json);
	if (json && json != stdout)
		(void)fclose(json);
	return 0;
}
