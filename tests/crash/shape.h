/* SPDX-License-Identifier: MIT */
/*
 * What a workload is about, drawn from its seed: each shape brings about what the others reach too
 * rarely. Tiny thresholds in all of them, so that everything happens within a few transactions.
 */
#ifndef TESTS_CRASH_SHAPE_H
#define TESTS_CRASH_SHAPE_H

#include "tests/sim/simdisk.h"
#include "txn/txn.h"

enum session_shape {
	SHAPE_USUAL,  /* a bit of all */
	SHAPE_FULL,   /* a disk that fills up, is deleted from, fills up again */
	SHAPE_COW,    /* the same on a disk that copies on write */
	SHAPE_GROUPS, /* three allocation groups and more, whose end becomes free and is cut off */
	SHAPE_LARGE,  /* transactions larger than every limit */
	SHAPES
};

enum session_shape session_shape(unsigned config, uint64_t seed);

uint32_t session_page_size(uint64_t seed);

/* Which way of writing a map has (enum mmap_writing); none that a disk which copies on write has
 * no block for. */
unsigned session_map_writing(unsigned config, uint64_t seed);

/* config: the subject's; of its mode and sync. */
struct txn_options session_txn_options(unsigned config, uint64_t seed, enum txn_commit_mode mode,
	enum txn_sync sync);

/* All but the stale bytes. */
void session_disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts);

/*
 * Gives the disk of a SHAPE_FULL or SHAPE_COW its size: what it holds now and a little more. To be
 * called once the database is made.
 */
void session_disk_limit(unsigned config, uint64_t seed, struct simdisk *d);

#endif
