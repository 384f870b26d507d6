/* SPDX-License-Identifier: MIT */
/* What of a file is in the page cache, and how it leaves it. */
#ifndef EXPERIMENTS_CELL_RESIDENCY_H
#define EXPERIMENTS_CELL_RESIDENCY_H

#include <stdbool.h>
#include <stdint.h>

#define RESIDENCY_UNKNOWN UINT64_MAX

struct residency {
	uint64_t cached_bytes;
	uint64_t dirty_bytes;            /* RESIDENCY_UNKNOWN without cachestat */
	uint64_t recently_evicted_bytes; /* the same */
	bool by_cachestat;               /* else by mincore */
};

/* Asks cachestat (Linux 6.5), else mincore. 0, or -errno. */
int residency_get(int fd, struct residency *ret);

/* Writes dirty pages, waits, and asks the kernel to drop the file's page cache. 0, or -errno. */
int residency_drop(int fd);

#endif
