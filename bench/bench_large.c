/* SPDX-License-Identifier: MIT */
/*
 * What it costs to load random records in one transaction that is larger than the cache, instead of
 * in commits of some thousand: the rate, and the file that is left.
 *
 * Each engine does both, into a database of its own. All are open together and take turns at every
 * slice of as many records as the small commits have, so that what else the machine does meanwhile
 * hits all alike. The large transaction's commit counts as part of its last slice. What is printed
 * are medians over the rounds.
 */
#include "bench/peers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct engine *const engines[] = {
#ifdef HAVE_LMDB
	&engine_lmdb,
#endif
	&engine_bufpool,
	&engine_mmap,
};

#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

enum way { WAY_COMMITS, WAY_ONE, N_WAYS };

struct load {
	const struct engine *engine;
	enum way way;
	struct engine_db *db;
	char path[3072];
	double seconds;
	double rates[ROUNDS_MAX], mib[ROUNDS_MAX]; /* of each round */
};

struct plan {
	struct engine_options options;
	uint64_t batch; /* records of a small commit */
	unsigned n_rounds;
	const char *folder;
};

static void load_open(struct load *l, const struct plan *p)
{
	(void)snprintf(l->path, sizeof(l->path), "%s/bench_large.%ld.%s.%d", p->folder,
		(long)getpid(), l->engine->name, (int)l->way);
	bench_files_remove(l->path);
	l->db = l->engine->open(l->path, &p->options);
	l->seconds = 0;
}

static void load_slice(struct load *l, const struct plan *p, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];
	double begin = bench_now();

	if (l->way == WAY_COMMITS || from == 0)
		l->engine->begin(l->db, ENGINE_WRITE);
	for (uint64_t i = from; i < to; i++) {
		bench_key(i, key);
		bench_val(i, 0, val);
		l->engine->put(l->db, key, val);
	}
	if (l->way == WAY_COMMITS || to == p->options.n_records)
		l->engine->commit(l->db);
	l->seconds += bench_now() - begin;
}

static void load_close(struct load *l, const struct plan *p, unsigned round)
{
	uint64_t sum, n;

	l->rates[round] = (double)p->options.n_records / l->seconds;
	l->mib[round] = bench_files_mib(l->path);
	l->engine->begin(l->db, ENGINE_READ);
	n = l->engine->scan(l->db, &sum);
	l->engine->commit(l->db);
	engine_check(n == p->options.n_records, l->engine->name, "scan",
		"another number of records than were put");
	l->engine->close(l->db);
	bench_files_remove(l->path);
}

static void run_round(struct load loads[N_ENGINES][N_WAYS], const struct plan *p, unsigned round)
{
	struct load *all = &loads[0][0];
	unsigned n = N_ENGINES * N_WAYS, first = round;

	for (unsigned i = 0; i < n; i++)
		load_open(&all[i], p);
	for (uint64_t from = 0; from < p->options.n_records; from += p->batch, first++) {
		uint64_t to = from + p->batch;

		if (to > p->options.n_records)
			to = p->options.n_records;
		for (unsigned i = 0; i < n; i++)
			load_slice(&all[(i + first) % n], p, from, to);
	}
	for (unsigned i = 0; i < n; i++)
		load_close(&all[i], p, round);
}

static void print_table(struct load loads[N_ENGINES][N_WAYS], const struct plan *p)
{
	printf("%-10s %14s %8s %14s %8s %8s %8s\n", "", "commits: put/s", "MiB", "one txn: put/s",
		"MiB", "rates", "files");
	for (size_t i = 0; i < N_ENGINES; i++) {
		double rates[N_WAYS], mib[N_WAYS];

		for (int way = 0; way < N_WAYS; way++) {
			rates[way] = bench_median(loads[i][way].rates, p->n_rounds);
			mib[way] = bench_median(loads[i][way].mib, p->n_rounds);
		}
		printf("%-10s %14.0f %8.0f %14.0f %8.0f %8.2f %8.2f\n", engines[i]->name,
			rates[WAY_COMMITS], mib[WAY_COMMITS], rates[WAY_ONE], mib[WAY_ONE],
			rates[WAY_ONE] / rates[WAY_COMMITS], mib[WAY_ONE] / mib[WAY_COMMITS]);
	}
}

static void print_header(const struct plan *p)
{
	struct utsname machine = {0};

	(void)uname(&machine);
	printf("%s %s %s, folder %s; %llu records of %d + %d bytes in random order, in commits of "
	       "%llu and in one; %u rounds; caches of %llu MiB\n",
		machine.sysname, machine.release, machine.machine, p->folder,
		(unsigned long long)p->options.n_records, ENGINE_KEY_BYTES, ENGINE_VAL_BYTES,
		(unsigned long long)p->batch, p->n_rounds,
		(unsigned long long)p->options.cache_bytes >> 20);
}

static const char usage[] = "usage: bench_large [OPTION]...\n"
			    "  -n, --records=N    records to load (800000)\n"
			    "  -b, --batch=N      records of a small commit (10000)\n"
			    "  -c, --cache=MIB    for engines with a cache (64)\n"
			    "  -r, --rounds=N     rounds, 1 to 32 (3)\n"
			    "  -d, --dir=FOLDER   where the databases are made (.)\n";

static int parse(int argc, char **argv, struct plan *p)
{
	static const struct option options[] = {
		{"records", required_argument, NULL, 'n'},
		{"batch", required_argument, NULL, 'b'},
		{"cache", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:b:c:r:d:", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == '?' || (option != 'd' && n == 0))
			return -1;
		if (option == 'n')
			p->options.n_records = n;
		else if (option == 'b')
			p->batch = n;
		else if (option == 'c')
			p->options.cache_bytes = n << 20;
		else if (option == 'r')
			p->n_rounds = (unsigned)n;
		else
			p->folder = optarg;
	}
	return optind < argc || p->n_rounds > ROUNDS_MAX ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct load loads[N_ENGINES][N_WAYS];
	struct plan p = {
		.options = {.n_records = 800000, .cache_bytes = 64 << 20},
		.batch = 10000,
		.n_rounds = 3,
		.folder = ".",
	};

	if (parse(argc, argv, &p) < 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	print_header(&p);
	for (size_t i = 0; i < N_ENGINES; i++) {
		for (int way = 0; way < N_WAYS; way++) {
			loads[i][way].engine = engines[i];
			loads[i][way].way = (enum way)way;
		}
	}
	for (unsigned round = 0; round < p.n_rounds; round++)
		run_round(loads, &p, round);
	print_table(loads, &p);
	return EXIT_SUCCESS;
}
