/* SPDX-License-Identifier: MIT */
/*
 * Several processes on one file, each with a run of its own. They are children of the one that
 * reports, which opens nothing and only waits: so the group that limits its memory has them all,
 * and none outlives it. One that dies ends the others, and the cell fails: a run without it would
 * be other work.
 */
#ifndef EXPERIMENTS_CELL_PROCESSES_H
#define EXPERIMENTS_CELL_PROCESSES_H

#include "experiments/cell/worker.h"

/* One process: opens its file and starts its threads but the first, which wait for a phase. */
void process_open(struct run *r);

/* Works until the harness stops it, or some worker of the cell has done its work; closes. */
void process_work(struct run *r);

/* All are ready: the harness may begin. */
void cell_begin(struct run *r);

/* Runs config->n_processes of them, in memory that they share, until all have ended. */
void processes_run(struct run *runs);

#endif
