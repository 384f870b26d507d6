/* SPDX-License-Identifier: MIT */
/* Growing an array by doubling. The caller's pointer is moved by memcpy, whatever its type. */
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_LEAST 64U

int array_reserve(void *array, uint32_t *cap, uint64_t n, size_t element_bytes)
{
	uint64_t new_cap = *cap ? *cap : CAP_LEAST;
	void *old, *grown;

	if (n <= *cap)
		return 0;
	while (new_cap < n)
		new_cap *= 2;
	if (new_cap > UINT32_MAX)
		return -ENOMEM;
	memcpy(&old, array, sizeof(old)); /* whatever it points to */
	grown = realloc(old, new_cap * element_bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(array, &grown, sizeof(grown));
	*cap = (uint32_t)new_cap;
	return 0;
}
