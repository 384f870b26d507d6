/* SPDX-License-Identifier: MIT */
/*
 * An allocator that fails at the n-th call. The program is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign,--wrap=aligned_alloc
 * (test_wrap in tests/meson.build), so that it is asked by everything in the program itself, but
 * not by the C library or other shared ones.
 */
#ifndef TESTS_SIM_FAILMALLOC_H
#define TESTS_SIM_FAILMALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the nth allocation (from 0) of any thread fails; forever: and all that follow. */
void failmalloc_arm(uint64_t nth, bool forever);

/* Nothing fails any more. Returns how many allocations failed since it was armed. */
uint64_t failmalloc_disarm(void);

/* Allocations asked for since it was armed. */
uint64_t failmalloc_calls(void);

/*
 * Around what must not fail: this thread's calls between them are neither counted nor failed. Nest.
 */
void failmalloc_pause(void);
void failmalloc_resume(void);

#endif
