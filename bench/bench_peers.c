/* SPDX-License-Identifier: MIT */
/*
 * Verso's two pagers, each with its best way to commit and with two flushes (-2f), beside other
 * embedded stores: random load, random get, scan, durable single puts, of records of 8 random bytes
 * and 100 bytes.
 *
 * In every round each engine makes its database anew, does all four, and removes it; who begins
 * moves on from round to round. Gets and the scan find the database as a first scan left it in
 * memory. What is printed are medians over the rounds, and ratios to the
 * first engine. Every value read is checked, and every scan must bring the same records.
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

enum phase { PHASE_LOAD, PHASE_GET, PHASE_SCAN, PHASE_PUT, N_PHASES };

static const char *const phase_names[N_PHASES] = {"load/s", "get/s", "scan/s", "durable put/s"};

struct settings {
	struct engine_options options;
	uint64_t n_gets, n_puts, batch;
	unsigned n_rounds;
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

static void load(const struct engine *e, struct engine_db *db, const struct settings *s)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	for (uint64_t i = 0; i < s->options.n_records; i++) {
		if (i % s->batch == 0)
			e->begin(db, ENGINE_WRITE);
		make_key(i, key);
		make_val(i, 0, val);
		e->put(db, key, val);
		if ((i + 1) % s->batch == 0 || i + 1 == s->options.n_records)
			e->commit(db);
	}
}

static void get(const struct engine *e, struct engine_db *db, const struct settings *s,
	unsigned round)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	e->begin(db, ENGINE_READ);
	for (uint64_t i = 0; i < s->n_gets; i++) {
		uint64_t record = mix(i ^ ((uint64_t)round << 40)) % s->options.n_records;
		const void *found;

		make_key(record, key);
		found = e->get(db, key);
		engine_check(found != NULL, e->name, "get", "a key that was put is not there");
		make_val(record, 0, val);
		engine_check(memcmp(found, val, sizeof(val)) == 0, e->name, "get",
			"another value than was put");
	}
	e->commit(db);
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

/* Answers the median time of one, which a busy machine disturbs less than their rate. */
static double put(const struct engine *e, struct engine_db *db, const struct settings *s)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];
	double *times_us = calloc(s->n_puts, sizeof(*times_us));
	double median_us;

	engine_check(times_us != NULL, e->name, "put", "no memory");
	for (uint64_t i = 0; i < s->n_puts; i++) {
		uint64_t record = mix(i ^ (1ull << 62)) % s->options.n_records;
		double begin = now();

		make_key(record, key);
		make_val(record, 1, val);
		e->begin(db, ENGINE_WRITE);
		e->put(db, key, val);
		e->commit(db);
		times_us[i] = (now() - begin) * 1e6;
	}
	median_us = median(times_us, s->n_puts);
	free(times_us);
	return median_us;
}

static void scan(const struct engine *e, struct engine_db *db, const struct settings *s,
	struct results *r)
{
	uint64_t sum, n;

	e->begin(db, ENGINE_READ);
	n = e->scan(db, &sum);
	e->commit(db);
	engine_check(n == s->options.n_records, e->name, "scan", "another number of records");
	engine_check(!r->have_sum || sum == r->sum, e->name, "scan", "other records");
	r->sum = sum;
	r->have_sum = 1;
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

static void run_engine(size_t which, unsigned round, const struct settings *s, struct results *r)
{
	const struct engine *e = engines[which];
	double times[N_PHASES + 2];
	struct engine_db *db;
	char path[3072];

	(void)snprintf(path, sizeof(path), "%s/bench_peers.%ld.%s", s->folder, (long)getpid(),
		e->name);
	files_remove(path);
	db = e->open(path, &s->options);
	if (round == 0) {
		char text[512];

		e->describe(db, text, sizeof(text));
		printf("  %-14s %s\n", e->name, text);
	}
	times[0] = now();
	load(e, db, s);
	times[1] = now();
	r->file_mib[which][round] = files_mib(path);
	scan(e, db, s, r); /* not timed: brings what has room into memory */
	times[2] = now();
	get(e, db, s, round);
	times[3] = now();
	scan(e, db, s, r);
	times[4] = now();
	r->put_us[which][round] = put(e, db, s);
	times[5] = now();
	e->close(db);
	files_remove(path);
	r->rates[which][PHASE_LOAD][round] = (double)s->options.n_records / (times[1] - times[0]);
	r->rates[which][PHASE_GET][round] = (double)s->n_gets / (times[3] - times[2]);
	r->rates[which][PHASE_SCAN][round] = (double)s->options.n_records / (times[4] - times[3]);
	r->rates[which][PHASE_PUT][round] = (double)s->n_puts / (times[5] - times[4]);
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
		printf(" %13s   ratio", phase_names[p]);
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
	struct settings s = {
		.options.n_records = 5000000,
		.n_gets = 1000000,
		.n_puts = 2000,
		.batch = 100000,
		.n_rounds = 3,
		.folder = ".",
	};
	static struct results r;

	if (parse(argc, argv, &s) < 0)
		return usage_error();
	print_header(&s);
	for (unsigned round = 0; round < s.n_rounds; round++) {
		for (size_t i = 0; i < ENGINES_MAX; i++) {
			size_t which = (i + round) % ENGINES_MAX;

			if (!is_wanted(which, &s))
				continue;
			(void)fflush(stdout);
			run_engine(which, round, &s, &r);
		}
	}
	print_table(&s, &r);
	return EXIT_SUCCESS;
}
