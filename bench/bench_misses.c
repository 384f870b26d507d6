/* SPDX-License-Identifier: MIT */
/*
 * get_many on disk: how many pages a second it brings from a database larger than the cache, beside
 * what fio reads at random from the same file at the same depth.
 *
 * In every round, for every number of keys, fio and get_many take turns for some seconds each: fio
 * with as many reads of 4 KiB in flight as a call has keys, by io_uring, past the page cache. Keys
 * are at random, so some are found in the cache; what counts is the pages that were read. Every
 * value is checked. What is printed are medians over the rounds.
 */
#include "bench/disk.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define KEYS_MAX 256
#define N_SIZES  (sizeof(sizes) / sizeof(sizes[0]))

static const unsigned sizes[] = {1, 32, 64, 128, 256}; /* keys of a call */

struct plan {
	uint64_t n_records, cache_mib;
	unsigned n_rounds, seconds;
	unsigned only; /* this number of keys; 0: all of sizes[] */
	const char *folder;
	char path[3072];
	uint64_t n_asked; /* keys so far: no two calls ask for the same */
};

struct row {
	double fio[ROUNDS_MAX];    /* reads a second; 0: there is no fio */
	double pages[ROUNDS_MAX];  /* read a second by get_many */
	double keys[ROUNDS_MAX];   /* a second */
	double cpu_us[ROUNDS_MAX]; /* of the process, for a page */
	double sleeps[ROUNDS_MAX]; /* voluntary context switches for a call */
	double ratio[ROUNDS_MAX];
};

static struct verso *open_db(const struct plan *p)
{
	struct verso_options o = {
		.size = sizeof(o),
		.flags = VERSO_RDONLY,
		.cache_bytes = p->cache_mib << 20,
	};
	struct verso *db = NULL;

	disk_check(db, verso_open(p->path, &o, &db), "open");
	return db;
}

/* One call for n keys at random, and a look at each value. */
static void get_batch(struct verso *db, struct verso_txn *txn, struct plan *p, unsigned n)
{
	unsigned char bytes[KEYS_MAX][ENGINE_KEY_BYTES], wanted[ENGINE_VAL_BYTES];
	struct verso_val keys[KEYS_MAX], vals[KEYS_MAX];
	uint64_t records[KEYS_MAX];

	for (unsigned i = 0; i < n; i++) {
		records[i] = bench_mix(p->n_asked++) % p->n_records;
		bench_key(records[i], bytes[i]);
		keys[i] = (struct verso_val){bytes[i], ENGINE_KEY_BYTES};
	}
	disk_check(db, verso_get_many(txn, NULL, n, keys, vals, NULL), "get_many");
	for (unsigned i = 0; i < n; i++) {
		bench_val(records[i], 0, wanted);
		engine_check(vals[i].len == sizeof(wanted) &&
				     memcmp(vals[i].data, wanted, sizeof(wanted)) == 0,
			"verso", "get_many", "another value than was put");
	}
}

static double cpu_us_of(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static uint64_t read_bytes_of(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	disk_check(db, verso_stat(db, &stat), "stat");
	return stat.read_bytes;
}

static void measure(struct verso *db, struct plan *p, unsigned n, struct row *row, unsigned round)
{
	struct rusage before, after;
	struct verso_txn *txn;
	uint64_t n_calls = 0, read_bytes = read_bytes_of(db);
	double begin = bench_now(), seconds, n_pages;

	(void)getrusage(RUSAGE_SELF, &before);
	disk_check(db, verso_begin(db, VERSO_READ, &txn), "begin");
	while (bench_now() < begin + p->seconds) {
		get_batch(db, txn, p, n);
		n_calls++;
	}
	verso_abort(txn);
	seconds = bench_now() - begin;
	(void)getrusage(RUSAGE_SELF, &after);
	n_pages = (double)(read_bytes_of(db) - read_bytes) / 4096;
	row->pages[round] = n_pages / seconds;
	row->keys[round] = (double)(n_calls * n) / seconds;
	row->cpu_us[round] = (cpu_us_of(&after) - cpu_us_of(&before)) / n_pages;
	row->sleeps[round] = (double)(after.ru_nvcsw - before.ru_nvcsw) / (double)n_calls;
}

/* At random, `depth` reads of 4 KiB in flight. */
static double run_fio(const struct plan *p, unsigned depth)
{
	char iodepth[32], runtime[32];
	const char *const switches[] = {"--rw=randread", "--bs=4k", "--time_based", "--norandommap",
		"--randrepeat=0", iodepth, runtime, NULL};

	(void)snprintf(iodepth, sizeof(iodepth), "--iodepth=%u", depth);
	(void)snprintf(runtime, sizeof(runtime), "--runtime=%u", p->seconds);
	return disk_fio(p->path, switches, FIO_READS_A_SECOND);
}

static int is_asked(const struct plan *p, unsigned n_keys)
{
	return p->only == 0 || p->only == n_keys;
}

static void run_round(struct verso *db, struct plan *p, struct row *rows, unsigned round)
{
	for (size_t i = 0; i < N_SIZES; i++) {
		if (!is_asked(p, sizes[i]))
			continue;
		rows[i].fio[round] = run_fio(p, sizes[i]);
		measure(db, p, sizes[i], &rows[i], round);
		if (rows[i].fio[round] > 0)
			rows[i].ratio[round] = rows[i].pages[round] / rows[i].fio[round];
	}
}

static void print_table(const struct plan *p, struct row *rows)
{
	printf("\n%8s %12s %12s %12s %8s %12s %12s\n", "keys", "fio reads/s", "pages/s", "keys/s",
		"ratio", "cpu us/page", "sleeps/call");
	for (size_t i = 0; i < N_SIZES; i++) {
		struct row *r = &rows[i];

		if (!is_asked(p, sizes[i]))
			continue;
		printf("%8u %12.0f %12.0f %12.0f %8.2f %12.2f %12.1f\n", sizes[i],
			bench_median(r->fio, p->n_rounds), bench_median(r->pages, p->n_rounds),
			bench_median(r->keys, p->n_rounds), bench_median(r->ratio, p->n_rounds),
			bench_median(r->cpu_us, p->n_rounds), bench_median(r->sleeps, p->n_rounds));
	}
}

static const char usage[] = "usage: bench_misses [OPTION]...\n"
			    "  -n, --records=N    records to load (8000000: about 1 GiB)\n"
			    "  -c, --cache=MIB    of Verso (128)\n"
			    "  -r, --rounds=N     rounds, 1 to 32 (3)\n"
			    "  -s, --seconds=N    of each turn (2)\n"
			    "  -d, --dir=FOLDER   where the database is made (.)\n";

static int parse(int argc, char **argv, struct plan *p)
{
	static const struct option options[] = {
		{"records", required_argument, NULL, 'n'},
		{"cache", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'},
		{"keys", required_argument, NULL, 'k'},
		{"dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:c:r:s:k:d:", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == '?' || (option != 'd' && n == 0))
			return -1;
		if (option == 'n')
			p->n_records = n;
		else if (option == 'c')
			p->cache_mib = n;
		else if (option == 'r')
			p->n_rounds = (unsigned)n;
		else if (option == 's')
			p->seconds = (unsigned)n;
		else if (option == 'k')
			p->only = (unsigned)n;
		else
			p->folder = optarg;
	}
	return optind < argc || p->n_rounds > ROUNDS_MAX ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct row rows[N_SIZES];
	struct plan p = {
		.n_records = 8000000, .cache_mib = 128, .n_rounds = 3, .seconds = 2, .folder = "."};
	struct verso_stat stat = {.size = sizeof(stat)};
	struct verso *db;

	if (parse(argc, argv, &p) < 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	(void)snprintf(p.path, sizeof(p.path), "%s/bench_misses.%ld.verso", p.folder,
		(long)getpid());
	bench_files_remove(p.path);
	disk_load(p.path, p.n_records);
	db = open_db(&p);
	disk_check(db, verso_stat(db, &stat), "stat");
	printf("%" PRIu64 " records, %.0f MiB of file, %" PRIu64 " MiB of cache; %s\n", p.n_records,
		bench_files_mib(p.path), p.cache_mib, stat.how);
	if (run_fio(&p, 1) == 0)
		printf("fio is not installed, or cannot read this file by io_uring past the page "
		       "cache: no ratios\n");
	for (unsigned round = 0; round < p.n_rounds; round++)
		run_round(db, &p, rows, round);
	print_table(&p, rows);
	verso_close(db);
	bench_files_remove(p.path);
	return EXIT_SUCCESS;
}
