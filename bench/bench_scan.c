/* SPDX-License-Identifier: MIT */
/*
 * A cold scan through the pool: how long it takes in the order of the keys, beside fio's sequential
 * read of the same file.
 *
 * In every round fio reads the file once at each block size, eight blocks in flight, by io_uring,
 * past the page cache; the fastest counts. Then each depth of read-ahead scans the database, opened
 * anew each time, so that nothing of it is in memory. Every record is looked at. `time` is the
 * scan's over what fio needs for as many bytes as the scan has read: 1.05 is as good as a disk
 * lets it be. What is printed are medians over the rounds.
 */
#include "bench/disk.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE_BYTES 4096 /* of the database */
#define N_DEPTHS   (sizeof(depths_kib) / sizeof(depths_kib[0]))

static const char *const blocks[] = {"64k", "256k", "1m", "4m"};
static const uint64_t depths_kib[] = {0, 128, 512, 1024, 2048, 4096, 8192}; /* 0: the default */

struct plan {
	uint64_t n_records, cache_mib;
	unsigned n_rounds;
	const char *folder;
	char path[3072];
};

struct row {
	double mib[ROUNDS_MAX];    /* read a second */
	double cpu_us[ROUNDS_MAX]; /* of the process, for a page */
	double time[ROUNDS_MAX];   /* over fio's */
};

/* The fastest, in MiB a second. */
static double run_fio(const struct plan *p)
{
	double best = 0;

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		char bs[16];
		const char *const switches[] = {"--rw=read", "--iodepth=8", bs, NULL};
		double mib;

		(void)snprintf(bs, sizeof(bs), "--bs=%s", blocks[i]);
		mib = disk_fio(p->path, switches, FIO_READ_KIB_A_SECOND) / 1024;
		if (mib > best)
			best = mib;
	}
	return best;
}

static double cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void scan_all(struct verso *db, uint64_t n_records)
{
	struct verso_cursor *cursor;
	struct verso_txn *txn;
	struct verso_val key, val;
	uint64_t n = 0;
	int rc;

	disk_check(db, verso_begin(db, VERSO_READ, &txn), "begin");
	disk_check(db, verso_cursor_open(txn, NULL, &cursor), "cursor_open");
	while ((rc = verso_cursor_next(cursor, &key, &val)) == 0)
		n += val.len == ENGINE_VAL_BYTES;
	engine_check(rc == VERSO_NOTFOUND && n == n_records, "verso", "scan",
		"other records than were put");
	verso_cursor_close(cursor);
	verso_abort(txn);
}

static void measure(const struct plan *p, uint64_t depth_kib, double fio, struct row *row,
	unsigned round)
{
	struct verso_options options = {
		.size = sizeof(options),
		.flags = VERSO_RDONLY,
		.cache_bytes = p->cache_mib << 20,
		.readahead_pages = depth_kib / (PAGE_BYTES / 1024),
	};
	struct verso_stat stat = {.size = sizeof(stat)};
	double begin, seconds, cpu;
	struct verso *db = NULL;

	disk_check(db, verso_open(p->path, &options, &db), "open");
	begin = bench_now();
	cpu = cpu_us();
	scan_all(db, p->n_records);
	seconds = bench_now() - begin;
	cpu = cpu_us() - cpu;
	disk_check(db, verso_stat(db, &stat), "stat");
	verso_close(db);
	row->mib[round] = (double)stat.read_bytes / (1 << 20) / seconds;
	row->cpu_us[round] = cpu * PAGE_BYTES / (double)stat.read_bytes;
	row->time[round] = fio / row->mib[round];
}

static void print_table(const struct plan *p, double *fio, struct row *rows)
{
	printf("fio %.0f MiB/s\n%10s %10s %12s %8s\n", bench_median(fio, p->n_rounds), "depth KiB",
		"MiB/s", "cpu us/page", "time");
	for (size_t i = 0; i < N_DEPTHS; i++) {
		struct row *r = &rows[i];

		if (depths_kib[i] == 0)
			printf("%10s", "default");
		else
			printf("%10" PRIu64, depths_kib[i]);
		printf(" %10.0f %12.2f %8.2f\n", bench_median(r->mib, p->n_rounds),
			bench_median(r->cpu_us, p->n_rounds), bench_median(r->time, p->n_rounds));
	}
}

static const char usage[] = "usage: bench_scan [OPTION]...\n"
			    "  -n, --records=N    records to load (4000000: about 470 MiB)\n"
			    "  -c, --cache=MIB    of Verso (64)\n"
			    "  -r, --rounds=N     rounds, 1 to 32 (3)\n"
			    "  -d, --dir=FOLDER   where the database is made (.)\n";

static int parse(int argc, char **argv, struct plan *p)
{
	static const struct option options[] = {
		{"records", required_argument, NULL, 'n'},
		{"cache", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:c:r:d:", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == '?' || (option != 'd' && n == 0))
			return -1;
		if (option == 'n')
			p->n_records = n;
		else if (option == 'c')
			p->cache_mib = n;
		else if (option == 'r')
			p->n_rounds = (unsigned)n;
		else
			p->folder = optarg;
	}
	return optind < argc || p->n_rounds > ROUNDS_MAX ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct row rows[N_DEPTHS];
	static double fio[ROUNDS_MAX];
	struct plan p = {.n_records = 4000000, .cache_mib = 64, .n_rounds = 3, .folder = "."};

	if (parse(argc, argv, &p) < 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	(void)snprintf(p.path, sizeof(p.path), "%s/bench_scan.%ld.verso", p.folder, (long)getpid());
	bench_files_remove(p.path);
	disk_load(p.path, p.n_records);
	printf("%" PRIu64 " records, %.0f MiB of file, %" PRIu64 " MiB of cache\n", p.n_records,
		bench_files_mib(p.path), p.cache_mib);
	for (unsigned round = 0; round < p.n_rounds; round++) {
		fio[round] = run_fio(&p);
		if (fio[round] == 0)
			printf("fio is not installed, or cannot read this file by io_uring past "
			       "the page cache: no ratios\n");
		for (size_t i = 0; i < N_DEPTHS; i++)
			measure(&p, depths_kib[i], fio[round], &rows[i], round);
	}
	print_table(&p, fio, rows);
	bench_files_remove(p.path);
	return EXIT_SUCCESS;
}
