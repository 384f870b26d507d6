/* SPDX-License-Identifier: MIT */
/* What the walk and its images share. */
#ifndef TESTS_SIM_WALK_INT_H
#define TESTS_SIM_WALK_INT_H

#include "tests/sim/sim_int.h"
#include "tests/sim/simwalk.h"

enum walk_op_kind { OP_WRITE, OP_SIZE, OP_GROW, OP_NAME };

/* Something that a power cut may undo. */
struct walk_op {
	enum walk_op_kind kind;
	uint32_t ino, name, from;
	uint64_t event; /* at which it began */
	uint64_t done;  /* at which it was complete; UINT64_MAX: in flight */
	uint64_t off_bytes, len_bytes;
	const uint8_t *data;
};

struct walk_file {
	uint8_t *durable; /* file_bytes_max; zeros from size on */
	uint64_t size;
	uint64_t sum; /* of the hashes of the durable sectors */
};

/* Operation `op` touches this sector. */
struct walk_version {
	uint32_t ino, sector, op;
};

struct simwalk {
	const struct simdisk *disk;
	uint64_t at;
	uint64_t file_bytes_max;
	struct walk_file *files;
	uint32_t n_files, cap_files;
	uint32_t *names; /* durable inode of each name of the disk */
	uint32_t n_names, cap_names;
	struct walk_op *ops; /* pending, in order of submission */
	unsigned n_ops, cap_ops;

	/* By (ino, sector, op); valid for this place once built. */
	struct walk_version *versions;
	unsigned n_versions, cap_versions;
	bool versions_valid;

	struct simdisk *image;

	/* scratch of one image */
	bool *take;
	unsigned cap_take;
};

uint64_t walk_sector_hash(uint64_t sector, const uint8_t *bytes);
void walk_build_versions(struct simwalk *w);

#endif
