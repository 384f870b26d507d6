/* SPDX-License-Identifier: MIT */
/* Memory groups (cgroups, version 1 or 2) that this program makes, where it may. */
#ifndef EXPERIMENTS_HAZARDS_MEMGROUP_H
#define EXPERIMENTS_HAZARDS_MEMGROUP_H

#include "experiments/hazards/subject.h"

struct memgroup {
	char path[256];
	char procs[300]; /* to enter it, write 0 there */
};

/* A new group of at most limit_bytes. false: text says why not. */
bool memgroup_make(struct memgroup *g, const char *name, uint64_t limit_bytes,
	char text[TEXT_BYTES]);

/* Every process that was in it has ended. */
void memgroup_remove(const struct memgroup *g);

#endif
