/* SPDX-License-Identifier: MIT */
/* The time, for who only displays it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * A monotonic clock that costs little and is a few milliseconds late. It is that of the system, so
 * processes can compare what it says (but not those of two time namespaces).
 */
static inline uint64_t clock_coarse_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
