/* SPDX-License-Identifier: MIT */
/* The last updates of a writer, to be read back when its last commit has returned (rule R1): what a
 * put returned says nothing of what is there. */
#ifndef EXPERIMENTS_CELL_UPDATES_H
#define EXPERIMENTS_CELL_UPDATES_H

#include "experiments/cell/engine.h"

#define UPDATES_KEPT 100U /* read back: less than the harness takes for a disturbance (rule R10) */

struct update {
	uint64_t record, version;
};

struct updates {
	struct update last[UPDATES_KEPT]; /* used in turn */
	uint64_t n;                       /* that were noted so far */
	uint64_t n_checked, n_wrong;      /* by updates_read_back */
};

void updates_note(struct updates *u, uint64_t record, uint64_t version);

/* Reads those that nobody has overwritten since, in a snapshot of now. No writer is at work. */
void updates_read_back(struct updates *u, const struct config *config, struct engine_db *db);

#endif
