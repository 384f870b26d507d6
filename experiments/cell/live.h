/* SPDX-License-Identifier: MIT */
/*
 * The page that a cell shares with the harness, which samples it from another process: a thread
 * that samples inside the cell would make its CPU a target of every TLB shootdown. All members are
 * written by one side only, and read at any time. lib/live.py has the same layout.
 */
#ifndef EXPERIMENTS_CELL_LIVE_H
#define EXPERIMENTS_CELL_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

#define LIVE_THREADS_MAX 64
#define LIVE_PHASES_MAX  8

enum live_state {
	LIVE_STARTING,
	LIVE_READY,   /* the file is open; the cell waits for the first phase */
	LIVE_RUNNING, /* in a phase */
	LIVE_DONE,    /* all workers have ended */
};

struct live {
	/* The harness writes these. */
	_Atomic uint64_t phase;       /* from 1 on; 0: not yet begun */
	_Atomic uint64_t stop;        /* not 0: end */
	_Atomic uint64_t batch;       /* gets at once in this phase; 0: the workload's own */
	_Atomic uint64_t cache_bytes; /* that a pool shall have from now on; 0: as it was opened */
	_Atomic uint64_t part_ppm; /* of the records, in millionths, that this phase gets from; 0:
					 as the workload says */
	uint64_t unused[3];
	/* The cell writes these. */
	_Atomic uint64_t state;         /* enum live_state */
	_Atomic uint64_t resized_bytes; /* cache_bytes, when the pool has it */
	uint64_t unused_too[6];
	struct { /* a cache line for each thread, of all processes of the cell */
		_Atomic uint64_t n_ops;
		_Atomic uint64_t pid; /* of its process; 0: no thread */
		/* Of the first thread of each process: */
		_Atomic uint64_t n_evictions; /* of the pool; UINT64_MAX: the kernel evicts */
		_Atomic uint64_t n_frames;    /* that the pool may have; 0: no pool */
		_Atomic uint64_t pool_bytes;  /* frames in use */
		uint64_t unused[3];
	} threads[LIVE_THREADS_MAX];
};

#endif
