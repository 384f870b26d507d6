/* SPDX-License-Identifier: MIT */
/*
 * Which call fails, and how: shared by faultio and by the simulated disk's hook.
 *
 *	struct fault_plan plan = {.calls = FAULT_SYNC, .nth = 3, .kind = FAULT_EIO};
 *
 * To reach every error path, run the same work with nth = 0, 1, ... until plan.struck stays 0.
 */
#ifndef TESTS_SIM_FAULTPLAN_H
#define TESTS_SIM_FAULTPLAN_H

#include "tests/sim/simdisk.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum fault_call {
	FAULT_OPEN = 1 << 0,
	FAULT_READ = 1 << 1, /* queued ones too, and so for writes and syncs */
	FAULT_WRITE = 1 << 2,
	FAULT_SYNC = 1 << 3,
	FAULT_TRUNCATE = 1 << 4,
	FAULT_ALLOCATE = 1 << 5,
	FAULT_SIZE = 1 << 6,
	FAULT_LOCK = 1 << 7,
	FAULT_SYNC_DIR = 1 << 8,
	FAULT_UNLINK = 1 << 9,
	FAULT_RENAME = 1 << 10,
	FAULT_MAP = 1 << 11,
	FAULT_EXTEND = 1 << 12,
	FAULT_QUEUE = 1 << 13,
	FAULT_RANDOM = 1 << 14,
	FAULT_NAME_FILE = 1 << 15,
	FAULT_ANY = (1 << 16) - 1,
};

enum fault_kind {
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_EDQUOT,
	FAULT_EINTR,
	FAULT_EAGAIN,
	FAULT_SHORT, /* a part was moved, again and again nothing more: VERSO_EIO */
	FAULT_ZERO,  /* nothing was moved: VERSO_EIO */
	FAULT_ECANCELED,
	FAULT_ENOMEM,
	FAULT_KINDS,
};

struct fault_plan {
	unsigned calls; /* which: enum fault_call, or-ed */
	uint64_t nth;   /* the first of them that fails, from 0 */
	enum fault_kind kind;
	bool forever;           /* and all of them that follow */
	atomic_uint_fast64_t n; /* calls of those kinds seen so far */
	atomic_uint_fast64_t struck;
};

/* Counts a call. 0, or the error that it returns. Any thread. */
int fault_plan_call(struct fault_plan *plan, enum fault_call call);

/* The error code of a kind, and its name for messages. */
int fault_code(enum fault_kind kind);
const char *fault_name(enum fault_kind kind);

/* For simdisk_set_fault(); arg: the plan. A failed sync then loses what it covered. */
int fault_plan_sim(void *arg, const struct sim_call *call);

#endif
