/* SPDX-License-Identifier: MIT */
/*
 * Cooperative eviction: where no memory limit can be had, a thread of the cell keeps the file's
 * part of the page cache below a bound by taking chunks at random out of its own mappings and out
 * of the page cache. It takes the choice away from the kernel and costs CPU, so results that used
 * it are marked as a substitute. Works for the owner of the file.
 */
#ifndef EXPERIMENTS_CELL_EVICT_H
#define EXPERIMENTS_CELL_EVICT_H

#include <stdint.h>

struct evictor;

struct evictor *evictor_start(const char *path, uint64_t above_bytes, uint64_t seed);

/* Takes NULL. Returns how many bytes were evicted. */
uint64_t evictor_stop(struct evictor *e);

#endif
