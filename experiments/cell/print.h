/* SPDX-License-Identifier: MIT */
#ifndef EXPERIMENTS_CELL_PRINT_H
#define EXPERIMENTS_CELL_PRINT_H

#include "experiments/cell/worker.h"

/* What the processes of a cell have seen, as one line of JSON (docs/experiments-format.md). They
 * have been in the same phases. */
void print_run(const struct run *runs, FILE *f);

#endif
