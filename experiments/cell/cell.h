/* SPDX-License-Identifier: MIT */
/*
 * A cell: one process, which opens one file with one set of options and runs one workload on it;
 * or several that do the same at once, and one more that waits for them and reports.
 * README.md has the rules that it keeps.
 */
#ifndef EXPERIMENTS_CELL_CELL_H
#define EXPERIMENTS_CELL_CELL_H

#include "experiments/cell/data.h"
#include "experiments/cell/live.h"
#include "verso.h"

#include <stdbool.h>
#include <stdio.h>

#define BATCH_MAX 1024U
#define HOLD_MAX  2000U

enum work_kind {
	WORK_GET,         /* gets, `batch` at once */
	WORK_SCAN,        /* all records in the order of their keys, `passes` times */
	WORK_SCAN_GETS,   /* gets; one more thread scans while phase `scan_phase` lasts */
	WORK_UPDATE,      /* puts, `commit` in a transaction */
	WORK_UPDATE_GETS, /* gets; one more thread updates */
	WORK_KINDS
};

extern const char *const work_names[]; /* NULL ends them */

/* Whether the file is opened for a writer. */
bool work_writes(enum work_kind work);

struct engine;

/* What the command line says. */
struct config {
	const char *file;
	const struct engine *engine;
	struct verso_options options;
	const char *trace_path; /* NULL: no trace */
	enum work_kind work;
	enum keys_kind keys;
	const char *packages_path; /* KEYS_DEBIAN; else NULL */
	double part;               /* of the records: KEYS_HOT, KEYS_LOOP, KEYS_CHAIN */
	uint64_t stride;           /* of KEYS_SPARSE */
	uint64_t n_records, seed;
	uint64_t n_ops; /* of each thread, then it ends; 0: until the harness says so */
	double seconds; /* of each phase without a harness */
	double rate;    /* operations a second of each thread, from the intended start; 0: closed
			   loop */
	unsigned n_processes; /* that have the file open, each with n_threads and a share of the
				 frames */
	unsigned n_threads, batch, commit, passes, scan_phase;
	unsigned hold; /* for how many further gets a result is kept; 0: it is not */
	bool load_scattered;
	uint64_t cache_max_bytes;   /* up to which a pool may be enlarged; 0: as it is opened */
	uint64_t evict_above_bytes; /* cooperative eviction (evict.h); 0: none */
	int live_fd;                /* -1: no harness */
	/* Faults that tests plant. */
	unsigned plant_sleep_us;  /* before each get */
	double plant_cache_share; /* of the frames that the pool was given; 1: all */
	bool plant_observer;      /* a thread that only sleeps and samples (R9) */
	bool plant_read_twice;    /* each get reads one more page of the device */
	uint64_t plant_wrong_at;  /* the record whose value is called wrong; UINT64_MAX: none */
	uint64_t plant_die_at;    /* the operation at which the last process aborts; 0: none */
};

/* Ends the process with a message on stderr and status 3. */
_Noreturn void cell_fail(const char *what, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Makes the file of n_records. */
void cell_load(const struct config *config);

/* Runs the workload and prints the result as one line of JSON. */
void cell_run(const struct config *config, FILE *out);

#endif
