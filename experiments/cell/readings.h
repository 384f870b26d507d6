/* SPDX-License-Identifier: MIT */
/* What the kernel and the engine have counted up to now, taken at the ends of phases. */
#ifndef EXPERIMENTS_CELL_READINGS_H
#define EXPERIMENTS_CELL_READINGS_H

#include "experiments/cell/engine.h"

#include <stdint.h>
#include <sys/resource.h>

struct readings {
	uint64_t time_ns; /* of CLOCK_MONOTONIC */
	struct rusage usage;
	uint64_t read_bytes, write_bytes; /* at the device, of /proc/self/io; UINT64_MAX: unknown */
	uint64_t dtlb_misses; /* of loads by all threads, in user mode; UINT64_MAX: unknown */
	bool has_stat;
	struct verso_stat stat;
};

uint64_t now_ns(void);

/* Once in a process, before it starts threads: what is counted for it from here on. */
void readings_begin(void);

/* Why dTLB misses are not counted here; NULL: they are. */
const char *readings_why_no_dtlb(void);

/* Adds what one of n processes has counted. A clock adds an n-th, so that the sum of n is their
 * mean; what is a maximum stays one. */
void readings_add(struct readings *sum, const struct readings *other, unsigned n);

void readings_take(struct readings *ret, const struct engine *engine, struct engine_db *db);

#endif
