/* SPDX-License-Identifier: MIT */
#include "experiments/cell/readings.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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

/* --- dTLB misses ---------------------------------------------------------------------------- */

static int dtlb_fd = -1; /* of this process; readings_begin() */

/* Counts loads that miss the dTLB, in user mode, of this thread and those that it starts. */
static int dtlb_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HW_CACHE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
			  PERF_COUNT_HW_CACHE_RESULT_MISS << 16,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.inherit = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

void readings_begin(void)
{
	dtlb_fd = dtlb_open();
}

const char *readings_why_no_dtlb(void)
{
	int fd = dtlb_open();

	if (fd < 0)
		return strerror(-fd);
	(void)close(fd);
	return NULL;
}

/* A counter that was not always at work would be an estimate. One that has seen a process open a
 * file without a miss counts nothing, as in some virtual machines. */
static uint64_t dtlb_misses(void)
{
	struct {
		uint64_t n, enabled_ns, running_ns;
	} found;

	if (dtlb_fd < 0 || read(dtlb_fd, &found, sizeof(found)) != (ssize_t)sizeof(found))
		return UINT64_MAX;
	return found.n > 0 && found.running_ns == found.enabled_ns ? found.n : UINT64_MAX;
}

void readings_take(struct readings *ret, const struct engine *engine, struct engine_db *db)
{
	memset(ret, 0, sizeof(*ret));
	ret->time_ns = now_ns();
	(void)getrusage(RUSAGE_SELF, &ret->usage);
	take_io(ret);
	ret->dtlb_misses = dtlb_misses();
	ret->has_stat = engine->stat(db, &ret->stat);
}

static void add_known(uint64_t *sum, uint64_t other)
{
	*sum = *sum == UINT64_MAX || other == UINT64_MAX ? UINT64_MAX : *sum + other;
}

static void add_time(struct timeval *sum, struct timeval other)
{
	sum->tv_sec += other.tv_sec;
	sum->tv_usec += other.tv_usec; /* may pass a second: it is only read as a sum */
}

static void add_usage(struct rusage *sum, const struct rusage *other)
{
	add_time(&sum->ru_utime, other->ru_utime);
	add_time(&sum->ru_stime, other->ru_stime);
	sum->ru_minflt += other->ru_minflt;
	sum->ru_majflt += other->ru_majflt;
	sum->ru_nvcsw += other->ru_nvcsw;
	sum->ru_nivcsw += other->ru_nivcsw;
	if (other->ru_maxrss > sum->ru_maxrss)
		sum->ru_maxrss = other->ru_maxrss;
}

static void add_stat(struct verso_stat *sum, const struct verso_stat *other)
{
	add_known(&sum->n_gets, other->n_gets);
	add_known(&sum->n_peeks, other->n_peeks);
	add_known(&sum->n_misses, other->n_misses);
	add_known(&sum->n_loads_get, other->n_loads_get);
	add_known(&sum->n_loads_writer, other->n_loads_writer);
	add_known(&sum->n_loads_many, other->n_loads_many);
	add_known(&sum->n_loads_ahead, other->n_loads_ahead);
	add_known(&sum->n_waits_load, other->n_waits_load);
	add_known(&sum->n_prefetched, other->n_prefetched);
	add_known(&sum->n_evictions, other->n_evictions);
	add_known(&sum->read_bytes, other->read_bytes);
	add_known(&sum->write_bytes, other->write_bytes);
	add_known(&sum->n_commits, other->n_commits);
	add_known(&sum->n_flushes, other->n_flushes);
	add_known(&sum->memory_bytes, other->memory_bytes);
	add_known(&sum->memory_bytes_max, other->memory_bytes_max);
	if (other->n_reads_max > sum->n_reads_max)
		sum->n_reads_max = other->n_reads_max;
}

void readings_add(struct readings *sum, const struct readings *other, unsigned n)
{
	sum->time_ns += other->time_ns / n;
	add_usage(&sum->usage, &other->usage);
	add_known(&sum->read_bytes, other->read_bytes);
	add_known(&sum->write_bytes, other->write_bytes);
	add_known(&sum->dtlb_misses, other->dtlb_misses);
	if (other->has_stat)
		add_stat(&sum->stat, &other->stat);
}
