/* SPDX-License-Identifier: MIT */
/*
 * What the files of bench_peers share: an engine in a round, the settings, and the phases, of which
 * a table in bench_peers.c has the names and the order.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench/engine.h"

#include <stdint.h>

#define ROUNDS_MAX  32
#define ENGINES_MAX 16
#define N_WRITERS   16

enum phase_id {
	PHASE_SORTED_LOAD,
	PHASE_LOAD,
	PHASE_GET,
	PHASE_DEPENDENT,
	PHASE_MANY,
	PHASE_SCAN,
	PHASE_PUT,
	PHASE_WRITERS,
	N_PHASES
};

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
	double file_mib[ENGINES_MAX][ROUNDS_MAX];        /* after the random load */
	double put_us[ENGINES_MAX][ROUNDS_MAX];          /* median of the durable puts */
	uint64_t sum; /* of the first scan; all others are the same */
	int have_sum;
};

/* One engine in one round. */
struct run {
	const struct engine *engine;
	size_t which; /* in engines[] */
	struct engine_db *db;
	struct engine_db *writers[N_WRITERS]; /* a handle for each thread, once they have begun */
	char path[3072];
	double *put_us; /* of each durable put */
};

/*
 * A slice of a phase: its operations [from, to), by one engine. The engines take turns at every
 * slice.
 */
typedef void slice_fn(struct run *r, const struct settings *s, uint64_t from, uint64_t to);

/* peers_write.c */
slice_fn slice_sorted_load, slice_load, slice_put, slice_writers;

/* peers_read.c */
slice_fn slice_get, slice_dependent, slice_many, slice_scan;

/* common.c */

double bench_now(void); /* seconds */

/* Distinct numbers give distinct ones, in random order. */
uint64_t bench_mix(uint64_t z);

/* Record i. Version 0 of a value is what a load stores, 1 what the durable puts leave. */
void bench_key(uint64_t i, unsigned char *key);
void bench_val(uint64_t i, unsigned version, unsigned char *val);

/* Sorts the n values. */
double bench_median(double *values, uint64_t n);

/* All files that an engine made for the database at path: their blocks, and their end. */
double bench_files_mib(const char *path);
void bench_files_remove(const char *path);

#endif
