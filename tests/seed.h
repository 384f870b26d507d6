/* SPDX-License-Identifier: MIT */
/*
 * The seed of a test program, as it was given: in VERSO_SEED, for people; or on the descriptor that
 * VERSO_SEED_FD names, for the grader of the labs. A pipe that was read is empty, and no variable,
 * argument or file has the number: code that is judged does not find it outside of this process.
 */
#ifndef TESTS_SEED_H
#define TESTS_SEED_H

#include <stdint.h>

/* otherwise: the seed when none was given. One thread, until it has returned once. */
uint64_t seed_given(uint64_t otherwise);

#endif
