/* SPDX-License-Identifier: MIT */
/* Growing an array by doubling, so that adding to it is cheap. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Grows *array, a pointer to elements of element_bytes of which *cap have memory, to at least n.
 * -ENOMEM: nothing changed.
 */
int array_reserve(void *array, uint32_t *cap, uint64_t n, size_t element_bytes);

#endif
