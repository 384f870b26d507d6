/* SPDX-License-Identifier: MIT */
/*
 * How much of a disk a database takes: with one record, after a random load, after updates of
 * random records in small commits, and of Verso also after all was deleted. Files beside the
 * database (logs, locks) count.
 *
 *	bench_space [FOLDER [RECORDS [UPDATES [ENGINE]]]]
 */
#include "bench/peers.h"
#include "bench/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <verso.h>

#define LOAD_COMMIT   1000U /* records a commit */
#define UPDATE_COMMIT 100U
#define CACHE_BYTES   (64U << 20)

static const struct engine *const engines[] = ENGINE_LIST(&engine_bufpool, &engine_mmap);

#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

static void put(const struct engine *e, struct engine_db *db, uint64_t record, uint64_t version)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];
	uint64_t scattered = bench_mix(record + 1);

	memcpy(key, &scattered, sizeof(key));
	memset(val, (int)version, sizeof(val));
	e->put(db, key, val);
}

static void put_many(const struct engine *e, struct engine_db *db, uint64_t n, uint64_t n_records,
	unsigned n_commit, int is_load)
{
	for (uint64_t i = 0; i < n;) {
		e->begin(db, ENGINE_WRITE);
		for (unsigned j = 0; j < n_commit && i < n; j++, i++)
			put(e, db, is_load ? i : bench_mix(i * 7919) % n_records, i);
		e->commit(db);
	}
}

static void measure(const struct engine *e, const char *path, uint64_t n_records,
	uint64_t n_updates)
{
	struct engine_options o = {.n_records = n_records, .cache_bytes = CACHE_BYTES};
	struct engine_db *db = e->open(path, &o);

	put_many(e, db, 1, 1, 1, 1);
	e->close(db);
	(void)printf("%-10s one record %7.1f KiB", e->name, bench_files_mib(path) * 1024);
	bench_files_remove(path);
	db = e->open(path, &o);
	put_many(e, db, n_records, n_records, LOAD_COMMIT, 1);
	(void)printf("   loaded %7.1f MiB", bench_files_mib(path));
	put_many(e, db, n_updates, n_records, UPDATE_COMMIT, 0);
	(void)printf("   updated %7.1f MiB", bench_files_mib(path));
	e->close(db);
	(void)printf("   closed %7.1f MiB\n", bench_files_mib(path));
	bench_files_remove(path);
	(void)fflush(stdout);
}

static void check(int rc, const char *what)
{
	engine_check(rc == 0, "verso", what, verso_errmsg(NULL));
}

/* Verso alone: a page size; then n records put, deleted in commits of LOAD_COMMIT, and closed. */
static void measure_verso(const char *path, uint32_t page_size, uint64_t n)
{
	struct verso_options o = {.size = sizeof(o), .flags = VERSO_CREATE, .page_size = page_size};
	struct verso *db;

	for (int deletes = 0; deletes <= 1; deletes++) {
		check(verso_open(path, &o, &db), "open");
		for (uint64_t i = 0; i < n;) {
			struct verso_txn *txn;

			check(verso_begin(db, VERSO_WRITE, &txn), "begin");
			for (unsigned j = 0; j < LOAD_COMMIT && i < n; j++, i++) {
				uint64_t key = bench_mix(i + 1);
				struct verso_val k = {&key, sizeof(key)}, v = {engines, 8};

				check(deletes ? verso_del(txn, NULL, k)
					      : verso_put(txn, NULL, k, v, 0),
					"put or delete");
			}
			check(verso_commit(txn), "commit");
		}
		verso_close(db);
		(void)printf("verso, pages of %2u KiB, %llu records%s: %.1f KiB\n",
			page_size / 1024, (unsigned long long)n,
			deletes ? ", all deleted, closed" : ", closed",
			bench_files_mib(path) * 1024);
	}
	bench_files_remove(path);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/var/tmp";
	uint64_t n_records = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
	uint64_t n_updates = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000;
	char path[500];

	(void)snprintf(path, sizeof(path), "%s/bench_space.%d.db", folder, (int)getpid());
	measure_verso(path, 4096, 1);
	measure_verso(path, 65536, 1);
	measure_verso(path, 4096, n_records);
	for (size_t i = 0; i < N_ENGINES; i++) {
		if (argc > 4 ? strcmp(argv[4], engines[i]->name) != 0 : engines[i]->only_if_named)
			continue;
		measure(engines[i], path, n_records, n_updates);
	}
	return 0;
}
