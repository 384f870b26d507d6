/* SPDX-License-Identifier: MIT */
/*
 * Verso's pagers, pool and map each with its best way to commit and with two flushes (-2f), beside
 * other embedded stores: sorted and random loads, random gets, scans, durable single puts by one
 * thread and by many, of records of 8 bytes and 100 bytes.
 *
 * In every round each engine makes its database anew, and all of them are open together: each phase
 * is cut into slices, and the engines take turns at every slice, so that what else the machine does
 * meanwhile hits all alike. Gets and scans find the databases as a first scan left them in memory.
 * What is printed are medians over the rounds, and ratios to the first engine. Every value read is
 * checked, and every scan must bring the same records.
 */
#include "bench/peers.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define N_SLICES        64 /* of the gets and of the puts of a round */
#define N_WRITER_SLICES 8  /* fewer, as threads begin and end with each */
#define N_SCANS         3  /* a round */
#define WRITERS_TIMES   4  /* puts of all writers for each put of the one thread */

static const struct engine *const engines[] =
	ENGINE_LIST(&engine_bufpool, &engine_bufpool2, &engine_bufpool_process, &engine_mmap,
		&engine_mmap2, &engine_mmap_process, &engine_vmcache, NULL);

static_assert(sizeof(engines) / sizeof(engines[0]) <= ENGINES_MAX, "a place for each engine");

static const struct phase {
	const char *name;
	slice_fn *slice;
} phases[N_PHASES] = {
	[PHASE_SORTED_LOAD] = {"sorted load/s", slice_sorted_load},
	[PHASE_LOAD] = {"random load/s", slice_load},
	[PHASE_GET] = {"get/s", slice_get},
	[PHASE_DEPENDENT] = {"dependent get/s", slice_dependent},
	[PHASE_MANY] = {"get_many(32)/s", slice_many},
	[PHASE_SCAN] = {"scan/s", slice_scan},
	[PHASE_PUT] = {"durable put/s", slice_put},
	[PHASE_WRITERS] = {"by 16 threads/s", slice_writers},
};

/* n_ops operations of a phase by every engine; they take turns after each n_slice of them. */
static void in_turns(enum phase_id phase, struct run *runs, size_t n_runs, const struct settings *s,
	uint64_t n_ops, uint64_t n_slice)
{
	double seconds[ENGINES_MAX] = {0};
	size_t first = s->round;

	for (uint64_t from = 0; from < n_ops; from += n_slice, first++) {
		uint64_t to = from + n_slice < n_ops ? from + n_slice : n_ops;

		for (size_t i = 0; i < n_runs; i++) {
			size_t at = (i + first) % n_runs;
			double begin = bench_now();

			phases[phase].slice(&runs[at], s, from, to);
			seconds[at] += bench_now() - begin;
		}
	}
	for (size_t i = 0; i < n_runs; i++)
		s->results->rates[runs[i].which][phase][s->round] = (double)n_ops / seconds[i];
}

static int is_wanted(size_t which, const struct settings *s)
{
	const char *name = engines[which] ? engines[which]->name : NULL;
	const char *at = name && s->only ? strstr(s->only, name) : NULL;
	size_t len_bytes = name ? strlen(name) : 0;

	if (!name || !s->only)
		return name && !engines[which]->only_if_named;
	for (; at; at = strstr(at + 1, name)) {
		if ((at == s->only || at[-1] == ',') &&
			(at[len_bytes] == '\0' || at[len_bytes] == ','))
			return 1;
	}
	return 0;
}

static void run_open(struct run *r, size_t which, const struct settings *s)
{
	*r = (struct run){.engine = engines[which], .which = which};
	(void)snprintf(r->path, sizeof(r->path), "%s/bench_peers.%ld.%s", s->folder, (long)getpid(),
		r->engine->name);
	bench_files_remove(r->path);
	r->db = r->engine->open(r->path, &s->options);
	r->put_us = calloc(s->n_puts, sizeof(*r->put_us));
	engine_check(r->put_us != NULL, r->engine->name, "open", "no memory");
}

static void run_close(struct run *r)
{
	for (int i = 0; i < N_WRITERS; i++) {
		if (r->writers[i])
			r->engine->detach(r->writers[i]);
	}
	r->engine->close(r->db);
	bench_files_remove(r->path);
	free(r->put_us);
}

static size_t runs_open(struct run *runs, const struct settings *s)
{
	size_t n = 0;

	for (size_t i = 0; engines[i]; i++) {
		if (is_wanted(i, s))
			run_open(&runs[n++], i, s);
	}
	return n;
}

static uint64_t slice_of(uint64_t n_ops, uint64_t n_slices)
{
	return n_ops / n_slices > 0 ? n_ops / n_slices : 1;
}

static void describe(const struct run *r)
{
	char text[512];

	r->engine->describe(r->db, text, sizeof(text));
	printf("  %-14s %s\n", r->engine->name, text);
	(void)fflush(stdout);
}

static void run_sorted_load(const struct settings *s)
{
	struct run runs[ENGINES_MAX];
	size_t n = runs_open(runs, s);

	for (size_t i = 0; i < n && s->round == 0; i++)
		describe(&runs[i]);
	in_turns(PHASE_SORTED_LOAD, runs, n, s, s->options.n_records, s->batch);
	for (size_t i = 0; i < n; i++)
		run_close(&runs[i]);
}

static void run_round(const struct settings *s)
{
	struct run runs[ENGINES_MAX];
	uint64_t n_records = s->options.n_records, n_puts = s->n_puts;
	size_t n;

	run_sorted_load(s);
	n = runs_open(runs, s);
	in_turns(PHASE_LOAD, runs, n, s, n_records, s->batch);
	for (size_t i = 0; i < n; i++) {
		s->results->file_mib[runs[i].which][s->round] = bench_files_mib(runs[i].path);
		slice_scan(&runs[i], s, 0, n_records); /* brings what has room into memory */
	}
	in_turns(PHASE_GET, runs, n, s, s->n_gets, slice_of(s->n_gets, N_SLICES));
	in_turns(PHASE_DEPENDENT, runs, n, s, s->n_gets, slice_of(s->n_gets, N_SLICES));
	in_turns(PHASE_MANY, runs, n, s, s->n_gets, slice_of(s->n_gets, N_SLICES));
	in_turns(PHASE_SCAN, runs, n, s, N_SCANS * n_records, n_records);
	in_turns(PHASE_PUT, runs, n, s, n_puts, slice_of(n_puts, N_SLICES));
	in_turns(PHASE_WRITERS, runs, n, s, WRITERS_TIMES * n_puts,
		slice_of(WRITERS_TIMES * n_puts, N_WRITER_SLICES));
	for (size_t i = 0; i < n; i++) {
		s->results->put_us[runs[i].which][s->round] = bench_median(runs[i].put_us, n_puts);
		run_close(&runs[i]);
	}
}

static void print_header(const struct settings *s)
{
	struct utsname machine = {0};

	(void)uname(&machine);
	printf("%s %s %s, %ld processors, %ld MiB of memory, folder %s\n", machine.sysname,
		machine.release, machine.machine, sysconf(_SC_NPROCESSORS_ONLN),
		sysconf(_SC_PHYS_PAGES) / (1024 * 1024 / sysconf(_SC_PAGESIZE)), s->folder);
	printf("%llu records of %d + %d bytes, %llu a commit; %llu gets; %llu durable puts; %u "
	       "rounds; caches of %llu MiB\n",
		(unsigned long long)s->options.n_records, ENGINE_KEY_BYTES, ENGINE_VAL_BYTES,
		(unsigned long long)s->batch, (unsigned long long)s->n_gets,
		(unsigned long long)s->n_puts, s->n_rounds,
		(unsigned long long)s->options.cache_bytes >> 20);
}

/* A row of numbers and their ratios to the first engine's. */
static void print_row(const char *name, const struct settings *s, double (*values)[ROUNDS_MAX],
	size_t stride)
{
	double first = 0;

	printf("%-16s", name);
	for (size_t i = 0; engines[i]; i++) {
		double value;

		if (!is_wanted(i, s))
			continue;
		value = bench_median(values[i * stride], s->n_rounds);
		if (first == 0)
			first = value;
		printf(" %9.0f %5.2f", value, value / first);
	}
	printf("\n");
}

static void print_table(const struct settings *s, struct results *r)
{
	printf("\n%-16s", "");
	for (size_t i = 0; engines[i]; i++) {
		if (is_wanted(i, s))
			printf(" %9s ratio", engines[i]->name);
	}
	printf("\n");
	for (int p = 0; p < N_PHASES; p++)
		print_row(phases[p].name, s, &r->rates[0][p], N_PHASES);
	print_row("put us", s, r->put_us, 1);
	print_row("file MiB", s, r->file_mib, 1);
}

static const char usage[] =
	"usage: bench_peers [OPTION]...\n"
	"  -n, --records=N    records to load (5000000)\n"
	"  -r, --rounds=N     rounds, 1 to 32 (3)\n"
	"  -g, --gets=N       random gets a round (1000000)\n"
	"  -p, --puts=N       durable puts a round (2000)\n"
	"  -b, --batch=N      records a commit while loading (100000)\n"
	"  -c, --cache=MIB    for engines with a cache (as much as holds all records)\n"
	"  -d, --dir=FOLDER   where the databases are made (.)\n"
	"  -e, --engines=A,B  only these\n";

static int usage_error(void)
{
	(void)fputs(usage, stderr);
	return 2;
}

static int parse(int argc, char **argv, struct settings *s)
{
	static const struct option options[] = {
		{"records", required_argument, NULL, 'n'},
		{"rounds", required_argument, NULL, 'r'},
		{"gets", required_argument, NULL, 'g'},
		{"puts", required_argument, NULL, 'p'},
		{"batch", required_argument, NULL, 'b'},
		{"cache", required_argument, NULL, 'c'},
		{"dir", required_argument, NULL, 'd'},
		{"engines", required_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:r:g:p:b:c:d:e:", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == '?' || (!strchr("de", option) && n == 0))
			return -1;
		switch (option) {
		case 'n':
			s->options.n_records = n;
			break;
		case 'r':
			s->n_rounds = (unsigned)n;
			break;
		case 'g':
			s->n_gets = n;
			break;
		case 'p':
			s->n_puts = n;
			break;
		case 'b':
			s->batch = n;
			break;
		case 'c':
			s->options.cache_bytes = n << 20;
			break;
		case 'd':
			s->folder = optarg;
			break;
		default:
			s->only = optarg;
		}
	}
	/* Random inserts leave pages two thirds full; with room to spare. */
	if (s->options.cache_bytes == 0)
		s->options.cache_bytes = s->options.n_records * 256 + (64 << 20);
	return optind < argc || s->n_rounds > ROUNDS_MAX ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct results r;
	struct settings s = {
		.options.n_records = 5000000,
		.n_gets = 1000000,
		.n_puts = 2000,
		.batch = 100000,
		.n_rounds = 3,
		.folder = ".",
		.results = &r,
	};

	if (parse(argc, argv, &s) < 0)
		return usage_error();
	print_header(&s);
	for (s.round = 0; s.round < s.n_rounds; s.round++)
		run_round(&s);
	print_table(&s, &r);
	return EXIT_SUCCESS;
}
