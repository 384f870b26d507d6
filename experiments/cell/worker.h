/* SPDX-License-Identifier: MIT */
/* The threads of a cell, and what each has seen in each phase. */
#ifndef EXPERIMENTS_CELL_WORKER_H
#define EXPERIMENTS_CELL_WORKER_H

#include "experiments/cell/engine.h"
#include "experiments/cell/histogram.h"
#include "experiments/cell/readings.h"
#include "experiments/cell/updates.h"

#include <pthread.h>

/* What one worker did in one phase. */
struct phase_part {
	uint64_t n_ops, n_checked, n_wrong;
	uint64_t n_minor_faults, n_major_faults, cpu_ns; /* of the thread */
	struct histogram latency;                        /* of `batch` operations at once */
	/* Of config->hold: major faults until a get returned, as its result was first looked at,
	 * and as it was looked at again; how many were looked at again. */
	uint64_t n_faults_call, n_faults_caller, n_faults_held, n_held;
};

/* A result that its caller keeps (E4); the major faults of the thread when its get returned, and
 * after the first look at it. */
struct held {
	struct engine_thread *engine; /* its own transaction */
	uint64_t record;
	const void *value; /* NULL: none is kept here */
	size_t len_bytes;
	uint64_t faults_returned, faults_checked;
};

struct worker {
	pthread_t thread;
	unsigned index; /* in its process */
	unsigned slot;  /* of live->threads: in the cell; decides of its keys, too */
	bool beside;    /* the one thread that does something else than the others */
	bool scans;     /* WORK_SCAN; of WORK_SCAN_GETS the thread beside */
	bool updates;   /* WORK_UPDATE; of WORK_UPDATE_GETS the thread beside */
	struct run *run;
	struct engine_thread *engine;
	struct engine_thread *planted; /* of the bare device; kept until the process ends */
	struct keys keys, phase_keys;
	bool has_phase_keys;  /* this phase gets from a part of the records, by phase_keys */
	unsigned phase;       /* 0: none yet */
	unsigned phase_batch; /* of live->batch: how memory is filled fast; 0: the workload's own */
	uint64_t phase_start_ns;
	struct rusage phase_usage;
	uint64_t n_ops, version;
	uint64_t intended_ns; /* when the next operation should begin: open loop */
	struct held *held;    /* config->hold of them, used in turn; NULL: none are kept */
	uint64_t n_held;      /* that were kept so far */
	uint64_t n_looked;    /* values that were checked since the last count */
	struct updates updated;
	struct phase_part parts[LIVE_PHASES_MAX];
};

/* What one process does. Where a cell has several, this is memory that they share with the one that
 * reports: it reads what was counted when they have ended; what a pointer leads to is theirs. */
struct run {
	const struct config *config;
	unsigned process; /* its number in the cell */
	_Atomic bool is_ready;
	struct packages *packages; /* KEYS_DEBIAN */
	struct engine_db *db;
	struct live *live;
	bool has_harness;
	struct worker workers[LIVE_THREADS_MAX];
	unsigned n_workers;
	/* Taken by worker 0 as it enters a phase, and at the end. */
	struct readings edges[LIVE_PHASES_MAX + 1];
	unsigned edge_phases[LIVE_PHASES_MAX + 1];
	unsigned n_edges;
	uint64_t load_ns;        /* from the start of the process's work until it can begin */
	struct evictor *evictor; /* NULL: the kernel evicts */
	pthread_t observer;      /* config->plant_observer */
	uint64_t evicted_bytes;
};

/* Runs until the harness stops it, or its work is done. worker: a struct worker. */
void *worker_main(void *worker);

#endif
