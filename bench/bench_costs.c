/* SPDX-License-Identifier: MIT */
/*
 * What is written for a value and for a transaction of each size, as Verso counts it: no clock, so
 * the numbers are the same on every machine. include/verso.h sums them up.
 *
 *	bench_costs FOLDER
 */
#include "bench/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <verso.h>

#define MIB         ((size_t)1 << 20)
#define VAL_MAX     MIB
#define SMALL_BYTES (ENGINE_KEY_BYTES + ENGINE_VAL_BYTES)
#define N_SMALL     400000
#define N_PUTS      50

static char path[4096];

static void check(struct verso *db, int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "bench_costs: %s: %s\n", what, verso_errmsg(db));
	exit(EXIT_FAILURE);
}

static void remove_files(void)
{
	char lock[sizeof(path) + 8];

	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	(void)unlink(path);
	(void)unlink(lock);
}

static struct verso *make(size_t cache_bytes)
{
	struct verso_options options = {
		.size = sizeof(options),
		.flags = VERSO_CREATE | VERSO_EXCL,
		.cache_bytes = cache_bytes,
	};
	struct verso *db;

	remove_files();
	check(NULL, verso_open(path, &options, &db), path);
	return db;
}

/* Puts records [from, to), whose keys are in random order, in one transaction. */
static void put_all(struct verso *db, size_t from, size_t to, size_t val_bytes)
{
	static const char val[VAL_MAX];
	struct verso_txn *txn;

	check(db, verso_begin(db, VERSO_WRITE, &txn), "begin");
	for (uint64_t i = from; i < to; i++) {
		uint64_t key = (i + 1) * 0x9e3779b97f4a7c15u;

		check(db,
			verso_put(txn, NULL, (struct verso_val){&key, sizeof(key)},
				(struct verso_val){val, val_bytes}, 0),
			"put");
	}
	check(db, verso_commit(txn), "commit");
}

static uint64_t written_bytes(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	check(db, verso_stat(db, &stat), "stat");
	return stat.write_bytes;
}

/* Replaces N_PUTS of n values, each in a transaction. */
static void replace(struct verso *db, size_t from, size_t n, size_t val_bytes)
{
	for (size_t i = from; i < from + N_PUTS; i++)
		put_all(db, i * 7919 % n, i * 7919 % n + 1, val_bytes);
}

/* 40 MB of records are there; then single values are replaced, once the file has room for that. */
static void cost_of_value(size_t val_bytes)
{
	size_t n = 40000000 / (ENGINE_KEY_BYTES + val_bytes);
	struct verso *db = make(256 * MIB);
	uint64_t before;

	put_all(db, 0, n, val_bytes);
	replace(db, 0, n, val_bytes);
	before = written_bytes(db);
	replace(db, N_PUTS, n, val_bytes);
	printf("%8zu %16.0f\n", val_bytes, (double)(written_bytes(db) - before) / N_PUTS);
	(void)fflush(stdout);
	verso_close(db);
}

static void cost_of_transaction(size_t cache_bytes, size_t n_records)
{
	const double payload_bytes = (double)N_SMALL * SMALL_BYTES;
	struct verso *db = make(cache_bytes);
	struct stat st = {0};
	uint64_t written;

	for (size_t i = 0; i < N_SMALL; i += n_records)
		put_all(db, i, i + n_records, ENGINE_VAL_BYTES);
	written = written_bytes(db);
	verso_close(db);
	(void)stat(path, &st);
	printf("%5zu %14zu %22.1f %20.1f\n", cache_bytes / MIB, n_records,
		(double)written / payload_bytes, (double)st.st_size / payload_bytes);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	static const size_t values[] = {50, 500, 2000, 10000, 100000, 1000000};
	static const size_t records[] = {1000, 10000, 100000, 400000};
	static const size_t caches[] = {16 * MIB, 64 * MIB, 256 * MIB};

	if (argc != 2) {
		(void)fprintf(stderr, "usage: bench_costs FOLDER\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/bench_costs.%ld", argv[1], (long)getpid());
	printf("   value  written, bytes (one durable put)\n");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		cost_of_value(values[i]);
	printf("\n%d records of %d bytes in random order\n", N_SMALL, SMALL_BYTES);
	printf("cache  records a txn   written / payload   file / payload\n");
	for (size_t c = 0; c < sizeof(caches) / sizeof(caches[0]); c++) {
		for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
			cost_of_transaction(caches[c], records[i]);
	}
	remove_files();
	return EXIT_SUCCESS;
}
