/* SPDX-License-Identifier: MIT */
/* XXH3-64 by libxxhash. Source: Y. Collet, the xxHash specification. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t len_bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len_bytes, seed);
}
