/* SPDX-License-Identifier: MIT */
/* The student's policies in the engine's own pool: what it promises beside the page interface. */
#include "bufpool/bufpool.h"
#include "tests/contract/contract_pool.h"

int main(void)
{
	static const struct contract_pool pools[] = {
		{.name = "the engine's pool, CLOCK",
			.open = bufpool_open,
			.cache_bytes_min = bufpool_cache_bytes_min,
			.policy = BUFPOOL_CLOCK},
		{.name = "the engine's pool, LRU",
			.open = bufpool_open,
			.cache_bytes_min = bufpool_cache_bytes_min,
			.policy = BUFPOOL_LRU},
		{.name = "the engine's pool, SIEVE",
			.open = bufpool_open,
			.cache_bytes_min = bufpool_cache_bytes_min,
			.policy = BUFPOOL_SIEVE},
	};
	Suite *s = suite_create("lab2_engine");

	contract_pool_add(s, pools, sizeof(pools) / sizeof(pools[0]));
	return check_main(s);
}
