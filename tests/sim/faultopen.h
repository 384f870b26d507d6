/* SPDX-License-Identifier: MIT */
/* A database of the public interface over an io in which calls fail. */
#ifndef TESTS_SIM_FAULTOPEN_H
#define TESTS_SIM_FAULTOPEN_H

#include "tests/sim/faultio.h"
#include "verso.h"

/*
 * verso_open() over faultio_new(io_kernel(), plan). *ret_io outlives *ret_db, then faultio_free().
 * On failure nothing is left.
 */
int fault_open(const char *path, const struct verso_options *opts, struct fault_plan *plan,
	struct faultio **ret_io, struct verso **ret_db);

#endif
