/* SPDX-License-Identifier: MIT */
#include "experiments/cell/readings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void take_io(struct readings *r)
{
	FILE *f = fopen("/proc/self/io", "re");
	char name[64];
	uint64_t value;

	r->read_bytes = r->write_bytes = UINT64_MAX;
	while (f && fscanf(f, "%63[^:]: %" SCNu64 " ", name, &value) == 2) {
		if (strcmp(name, "read_bytes") == 0)
			r->read_bytes = value;
		else if (strcmp(name, "write_bytes") == 0)
			r->write_bytes = value;
	}
	if (f)
		(void)fclose(f);
}

void readings_take(struct readings *ret, const struct engine *engine, struct engine_db *db)
{
	memset(ret, 0, sizeof(*ret));
	ret->time_ns = now_ns();
	(void)getrusage(RUSAGE_SELF, &ret->usage);
	take_io(ret);
	ret->has_stat = engine->stat(db, &ret->stat);
}
