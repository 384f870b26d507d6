/* SPDX-License-Identifier: MIT */
/*
 * The hostile build (-Dhostile=true): the kernel at its worst, within its rights. Transfers are cut
 * short, completions wait and overtake each other, by a generator that VERSO_SEED starts. In other
 * builds everything here is nothing.
 */
#ifndef IO_HOSTILE_H
#define IO_HOSTILE_H

#include <stddef.h>
#include <stdint.h>

#ifdef VERSO_HOSTILE

/* True once in n, by the generator. Any thread. */
int hostile_once_in(unsigned n);

/* How much of len_bytes to ask for: at least one block, sometimes not all. */
size_t hostile_ask(size_t len_bytes, uint32_t align_bytes);

/* How much of the kernel's result to believe: sometimes less than it moved, and no whole block. */
int64_t hostile_result(int64_t answer);

#else

static inline int hostile_once_in(unsigned n)
{
	(void)n;
	return 0;
}

static inline size_t hostile_ask(size_t len_bytes, uint32_t align_bytes)
{
	(void)align_bytes;
	return len_bytes;
}

static inline int64_t hostile_result(int64_t answer)
{
	return answer;
}

#endif
#endif
