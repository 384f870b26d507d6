/* SPDX-License-Identifier: MIT */
#ifndef EXPERIMENTS_CELL_PRINT_H
#define EXPERIMENTS_CELL_PRINT_H

#include "experiments/cell/worker.h"

/* What a run has seen, as one line of JSON (docs/experiments-format.md). */
void print_run(const struct run *r, FILE *f);

#endif
