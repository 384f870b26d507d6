/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of times: 32 buckets for each power of two, so that a bucket's bounds lie
 * within 1/32 of each other; the maximum is exact. Times below 32 ns have a bucket each.
 */
#ifndef EXPERIMENTS_CELL_HISTOGRAM_H
#define EXPERIMENTS_CELL_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_STEPS   32U
#define HISTOGRAM_BUCKETS (40U * HISTOGRAM_STEPS) /* up to 2^44 ns, five hours */

struct histogram {
	uint64_t max_ns;
	uint64_t n;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

/* The bucket of a time; the last one for all that are longer. */
static inline unsigned histogram_bucket(uint64_t ns)
{
	unsigned shift, bucket;

	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	shift = 58U - (unsigned)__builtin_clzll(ns); /* 0 for 32 to 63 */
	bucket = (shift + 1) * HISTOGRAM_STEPS + (unsigned)(ns >> shift) - HISTOGRAM_STEPS;
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The shortest time of a bucket. */
static inline uint64_t histogram_low_ns(unsigned bucket)
{
	unsigned octave = bucket / HISTOGRAM_STEPS;
	uint64_t step = bucket % HISTOGRAM_STEPS;

	return octave == 0 ? step : (HISTOGRAM_STEPS + step) << (octave - 1);
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->counts[histogram_bucket(ns)]++;
	h->n++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void histogram_merge(struct histogram *h, const struct histogram *other);

/* As JSON: [[shortest time of the bucket in ns, count], ...], empty buckets left out. */
void histogram_print(const struct histogram *h, FILE *f);

#endif
