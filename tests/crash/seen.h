/* SPDX-License-Identifier: MIT */
/* A map from 64-bit hashes to 64-bit values, for images that were judged already. */
#ifndef TESTS_CRASH_SEEN_H
#define TESTS_CRASH_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {           /* zeroed: empty */
	uint64_t *keys; /* 0: free */
	uint64_t *values;
	size_t n, cap; /* cap: 0 or a power of two */
};

void seen_clear(struct seen *s);
void seen_fini(struct seen *s);

/* True and *ret_value when the key is there; else adds it with `value`. */
bool seen_find(const struct seen *s, uint64_t key, uint64_t *ret_value);
void seen_add(struct seen *s, uint64_t key, uint64_t value);

#endif
