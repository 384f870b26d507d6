/* SPDX-License-Identifier: MIT */
/*
 * An io in which the n-th call fails: wraps any other.
 *
 * A failing call does not reach the io below, but for FAULT_SHORT, of which a part does. Over the
 * simulated disk use its own hook instead where a failed sync must lose bytes (faultplan.h).
 */
#ifndef TESTS_SIM_FAULTIO_H
#define TESTS_SIM_FAULTIO_H

#include "io/io.h"
#include "tests/sim/faultplan.h"

struct faultio;

/* Ends the test when memory is short. `below` and `plan` outlive it; the plan may be changed
 * between calls. */
struct faultio *faultio_new(struct io *below, struct fault_plan *plan);

/* Takes NULL. Everything opened through it is closed. */
void faultio_free(struct faultio *f);

struct io *faultio_io(struct faultio *f);

#endif
