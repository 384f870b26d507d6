/* SPDX-License-Identifier: MIT */
/* The generator of the hostile build: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), shared by all
 * threads. */
#include "io/hostile.h"

#ifdef VERSO_HOSTILE

#include <stdatomic.h>
#include <stdlib.h>

static uint64_t random_next(void)
{
	static atomic_ullong state;
	uint64_t z;

	if (atomic_load(&state) == 0) {
		const char *seed = getenv("VERSO_SEED");
		unsigned long long start = (seed ? strtoull(seed, NULL, 0) : 1) * 2 + 1;
		unsigned long long zero = 0;

		(void)atomic_compare_exchange_strong(&state, &zero, start);
	}
	z = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

int hostile_once_in(unsigned n)
{
	return random_next() % n == 0;
}

size_t hostile_ask(size_t len_bytes, uint32_t align_bytes)
{
	size_t n_blocks = len_bytes / align_bytes;

	if (n_blocks < 2 || !hostile_once_in(4))
		return len_bytes;
	return (size_t)(1 + random_next() % (n_blocks - 1)) * align_bytes;
}

int64_t hostile_result(int64_t answer)
{
	if (answer < 2 || !hostile_once_in(4))
		return answer;
	return 1 + (int64_t)(random_next() % (uint64_t)(answer - 1));
}

#endif
