/* SPDX-License-Identifier: MIT */
/*
 * Verso's two pagers, each with its best way to commit and with two flushes (-2f), beside other
 * embedded stores: random load, random get, scan, durable single puts, of records of 8 random bytes
 * and 100 bytes.
 *
 * In every round each engine makes its database anew, and all of them are open together: each phase
 * is cut into slices, and the engines take turns at every slice, so that what else the machine does
 * meanwhile hits all alike. Gets and scans find the databases as a first scan left them in memory.
 * What is printed are medians over the rounds, and ratios to the first engine. Every value read is
 * checked, and every scan must bring the same records.
 */
#include "bench/engine.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 32
#define N_SLICES   64 /* of the gets and of the puts of a round */
#define N_SCANS    3  /* a round */

static const struct engine *const engines[] = {
#ifdef HAVE_LMDB
	&engine_lmdb,
#endif
#ifdef HAVE_SQLITE
	&engine_sqlite,
#endif
	&engine_bufpool,
	&engine_bufpool2,
	&engine_mmap,
	&engine_mmap2,
	NULL,
};

#define ENGINES_MAX (sizeof(engines) / sizeof(engines[0]))

enum phase_id { PHASE_LOAD, PHASE_GET, PHASE_SCAN, PHASE_PUT, N_PHASES };

struct results;

struct settings {
	struct engine_options options;
	uint64_t n_gets, n_puts, batch;
	unsigned n_rounds, round; /* the one that runs */
	struct results *results;
	const char *folder;
	const char *only; /* names of engines, or NULL: all */
};

struct results {
	double rates[ENGINES_MAX][N_PHASES][ROUNDS_MAX]; /* operations a second */
	double file_mib[ENGINES_MAX][ROUNDS_MAX];
	double put_us[ENGINES_MAX][ROUNDS_MAX]; /* median of the round's durable puts */
	uint64_t sum;                           /* of the first scan; all others are the same */
	int have_sum;
};

/* One engine in one round. */
struct run {
	const struct engine *engine;
	size_t which; /* in engines[] */
	struct engine_db *db;
	char path[3072];
	double *put_us; /* of each durable put */
};

void engine_check(int ok, const char *engine, const char *what, const char *why)
{
	if (ok)
		return;
	(void)fprintf(stderr, "bench_peers: %s: %s: %s\n", engine, what, why);
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* A bijection: distinct numbers give distinct keys, in random order. */
static uint64_t mix(uint64_t z)
{
	z = (z + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int ascending; /* records are loaded in the order of their keys */

static void make_key(uint64_t i, unsigned char *key)
{
	uint64_t x = ascending ? i : mix(i);

	for (int b = 0; b < ENGINE_KEY_BYTES; b++)
		key[b] = (unsigned char)(x >> (8 * (ENGINE_KEY_BYTES - 1 - b)));
}

/* Version 0 is what load stores, 1 what the durable puts leave. */
static void make_val(uint64_t i, unsigned version, unsigned char *val)
{
	memset(val, (int)(i & 0xff), ENGINE_VAL_BYTES);
	memcpy(val, &i, sizeof(i));
	val[ENGINE_VAL_BYTES - 1] = (unsigned char)version;
}

/*
 * The phases. Each does operations [from, to) of its own; that many of one slice.
 */

static void load(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	(void)s;
	r->engine->begin(r->db, ENGINE_WRITE);
	for (uint64_t i = from; i < to; i++) {
		make_key(i, key);
		make_val(i, 0, val);
		r->engine->put(r->db, key, val);
	}
	r->engine->commit(r->db);
}

static void get(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	r->engine->begin(r->db, ENGINE_READ);
	for (uint64_t i = from; i < to; i++) {
		uint64_t record = mix(i ^ ((uint64_t)s->round << 40)) % s->options.n_records;
		const void *found;

		make_key(record, key);
		found = r->engine->get(r->db, key);
		engine_check(found != NULL, r->engine->name, "get",
			"a key that was put is not there");
		make_val(record, 0, val);
		engine_check(memcmp(found, val, sizeof(val)) == 0, r->engine->name, "get",
			"another value than was put");
	}
	r->engine->commit(r->db);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, uint64_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void put(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	for (uint64_t i = from; i < to; i++) {
		uint64_t record = mix(i ^ (1ull << 62)) % s->options.n_records;
		double begin = now();

		make_key(record, key);
		make_val(record, 1, val);
		r->engine->begin(r->db, ENGINE_WRITE);
		r->engine->put(r->db, key, val);
		r->engine->commit(r->db);
		r->put_us[i] = (now() - begin) * 1e6;
	}
}

/* A slice is one scan; its operations are the records. */
static void scan(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	uint64_t sum, n;

	r->engine->begin(r->db, ENGINE_READ);
	n = r->engine->scan(r->db, &sum);
	r->engine->commit(r->db);
	engine_check(n == to - from, r->engine->name, "scan", "another number of records");
	engine_check(!s->results->have_sum || sum == s->results->sum, r->engine->name, "scan",
		"other records");
	s->results->sum = sum;
	s->results->have_sum = 1;
}

struct phase {
	const char *name;
	void (*slice)(struct run *r, const struct settings *s, uint64_t from, uint64_t to);
};

static const struct phase phases[N_PHASES] = {
	[PHASE_LOAD] = {"load/s", load},
	[PHASE_GET] = {"get/s", get},
	[PHASE_SCAN] = {"scan/s", scan},
	[PHASE_PUT] = {"durable put/s", put},
};

/* n_ops operations of a phase by every engine, who take turns after each n_slice of them. */
static void in_turns(enum phase_id phase, struct run *runs, size_t n_runs, const struct settings *s,
	uint64_t n_ops, uint64_t n_slice)
{
	double seconds[ENGINES_MAX] = {0};
	size_t first = s->round;

	for (uint64_t from = 0; from < n_ops; from += n_slice, first++) {
		uint64_t to = from + n_slice < n_ops ? from + n_slice : n_ops;

		for (size_t i = 0; i < n_runs; i++) {
			size_t at = (i + first) % n_runs;
			double begin = now();

			phases[phase].slice(&runs[at], s, from, to);
			seconds[at] += now() - begin;
		}
	}
	for (size_t i = 0; i < n_runs; i++)
		s->results->rates[runs[i].which][phase][s->round] = (double)n_ops / seconds[i];
}

static const char *const suffixes[] = {"", "-lock", "-wal", "-shm", "-journal"};

#define N_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static double files_mib(const char *path)
{
	double mib = 0;

	for (size_t i = 0; i < N_SUFFIXES; i++) {
		char name[4096];
		struct stat st;

		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		if (stat(name, &st) == 0)
			mib += (double)st.st_blocks * 512 / (1 << 20);
	}
	return mib;
}

static void files_remove(const char *path)
{
	for (size_t i = 0; i < N_SUFFIXES; i++) {
		char name[4096];

		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
}

static int is_wanted(size_t which, const struct settings *s)
{
	const char *name = engines[which] ? engines[which]->name : NULL;
	const char *at = name && s->only ? strstr(s->only, name) : NULL;
	size_t len_bytes = name ? strlen(name) : 0;

	if (!name || !s->only)
		return name != NULL;
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
	files_remove(r->path);
	r->db = r->engine->open(r->path, &s->options);
	r->put_us = calloc(s->n_puts, sizeof(*r->put_us));
	engine_check(r->put_us != NULL, r->engine->name, "open", "no memory");
	if (s->round == 0) {
		char text[512];

		r->engine->describe(r->db, text, sizeof(text));
		printf("  %-14s %s\n", r->engine->name, text);
		(void)fflush(stdout);
	}
}

static void run_close(struct run *r, const struct settings *s)
{
	s->results->put_us[r->which][s->round] = median(r->put_us, s->n_puts);
	r->engine->close(r->db);
	files_remove(r->path);
	free(r->put_us);
}

static uint64_t slice_of(uint64_t n_ops)
{
	return n_ops / N_SLICES > 0 ? n_ops / N_SLICES : 1;
}

static void run_round(const struct settings *s)
{
	static struct run runs[ENGINES_MAX];
	uint64_t n_records = s->options.n_records;
	size_t n = 0;

	for (size_t i = 0; i < ENGINES_MAX; i++) {
		if (is_wanted(i, s))
			run_open(&runs[n++], i, s);
	}
	in_turns(PHASE_LOAD, runs, n, s, n_records, s->batch);
	for (size_t i = 0; i < n; i++) {
		s->results->file_mib[runs[i].which][s->round] = files_mib(runs[i].path);
		scan(&runs[i], s, 0, n_records); /* brings what has room into memory */
	}
	in_turns(PHASE_GET, runs, n, s, s->n_gets, slice_of(s->n_gets));
	in_turns(PHASE_SCAN, runs, n, s, N_SCANS * n_records, n_records);
	in_turns(PHASE_PUT, runs, n, s, s->n_puts, slice_of(s->n_puts));
	for (size_t i = 0; i < n; i++)
		run_close(&runs[i], s);
}

static void print_header(const struct settings *s)
{
	struct utsname machine = {0};

	(void)uname(&machine);
	printf("%s %s %s, %ld processors, %ld MiB of memory, folder %s\n", machine.sysname,
		machine.release, machine.machine, sysconf(_SC_NPROCESSORS_ONLN),
		sysconf(_SC_PHYS_PAGES) / (1024 * 1024 / sysconf(_SC_PAGESIZE)), s->folder);
	printf("%llu records of %d + %d bytes%s, %llu a commit; %llu gets; %llu durable puts; %u "
	       "rounds; caches of %llu MiB\n",
		(unsigned long long)s->options.n_records, ENGINE_KEY_BYTES, ENGINE_VAL_BYTES,
		ascending ? " in ascending order" : "", (unsigned long long)s->batch,
		(unsigned long long)s->n_gets, (unsigned long long)s->n_puts, s->n_rounds,
		(unsigned long long)s->options.cache_bytes >> 20);
}

static void print_table(const struct settings *s, struct results *r)
{
	double first[N_PHASES] = {0}, first_mib = 0;

	printf("\n%-14s", "");
	for (int p = 0; p < N_PHASES; p++)
		printf(" %13s   ratio", phases[p].name);
	printf(" %8s %9s   ratio\n", "put us", "file MiB");
	for (size_t i = 0; i < ENGINES_MAX; i++) {
		double mib;

		if (!is_wanted(i, s))
			continue;
		printf("%-14s", engines[i]->name);
		for (int p = 0; p < N_PHASES; p++) {
			double rate = median(r->rates[i][p], s->n_rounds);

			if (first[p] == 0)
				first[p] = rate;
			printf(" %13.0f %7.2f", rate, rate / first[p]);
		}
		mib = median(r->file_mib[i], s->n_rounds);
		if (first_mib == 0)
			first_mib = mib;
		printf(" %8.0f %9.0f %7.2f\n", median(r->put_us[i], s->n_rounds), mib,
			mib / first_mib);
	}
}

static const char usage[] =
	"usage: bench_peers [OPTION]...\n"
	"  -n, --records=N    records to load (5000000)\n"
	"  -r, --rounds=N     rounds, 1 to 32 (3)\n"
	"  -g, --gets=N       random gets a round (1000000)\n"
	"  -p, --puts=N       durable puts a round (2000)\n"
	"  -b, --batch=N      records a commit while loading (100000)\n"
	"  -a, --ascending    keys in ascending order while loading, not random ones\n"
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
		{"ascending", no_argument, NULL, 'a'},
		{"cache", required_argument, NULL, 'c'},
		{"dir", required_argument, NULL, 'd'},
		{"engines", required_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:r:g:p:b:ac:d:e:", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == '?' || (!strchr("ade", option) && n == 0))
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
		case 'a':
			ascending = 1;
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
