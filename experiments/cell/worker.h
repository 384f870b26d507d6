/* SPDX-License-Identifier: MIT */
/* The threads of a cell, and what each has seen in each phase. */
#ifndef EXPERIMENTS_CELL_WORKER_H
#define EXPERIMENTS_CELL_WORKER_H

#include "experiments/cell/engine.h"
#include "experiments/cell/histogram.h"
#include "experiments/cell/readings.h"

#include <pthread.h>

/* What one worker did in one phase. */
struct phase_part {
	uint64_t n_ops, n_checked, n_wrong;
	uint64_t n_minor_faults, n_major_faults, cpu_ns; /* of the thread */
	struct histogram latency;                        /* of `batch` operations at once */
};

struct worker {
	pthread_t thread;
	unsigned index;
	bool scans; /* the thread of WORK_SCAN_GETS that scans */
	struct run *run;
	struct engine_thread *engine;
	struct engine_thread *planted; /* of the bare device; kept until the process ends */
	struct keys keys;
	unsigned phase; /* 0: none yet */
	uint64_t phase_start_ns;
	struct rusage phase_usage;
	uint64_t n_ops, version;
	uint64_t intended_ns; /* when the next operation should begin: open loop */
	struct phase_part *parts[LIVE_PHASES_MAX];
};

struct run {
	const struct config *config;
	struct engine_db *db;
	struct live *live;
	bool has_harness;
	struct worker workers[LIVE_THREADS_MAX];
	unsigned n_workers;
	/* Taken by worker 0 as it enters a phase, and at the end. */
	struct readings edges[LIVE_PHASES_MAX + 1];
	unsigned edge_phases[LIVE_PHASES_MAX + 1];
	unsigned n_edges;
	uint64_t load_ns; /* from the start of the process's work to LIVE_READY */
	uint64_t evicted_bytes;
};

/* Runs until the harness stops it, or its work is done. worker: a struct worker. */
void *worker_main(void *worker);

#endif
