/* SPDX-License-Identifier: MIT */
/* The contract of buffer pools over the engine's own, with each policy, and over the stub. */
#include "bufpool/bufpool_int.h"
#include "tests/contract/contract_pool.h"
#include "tests/refpager/stub_pager.h"
#include "tests/refpager/stub_pager.h"

/* No test asks for a larger cache than these frames. */
static void check_pool(struct pager *p)
{
	struct pool *pool = pool_of(p);

	loads_drain(pool);
	ck_assert_uint_eq(pool_check(pool), 0);
	ck_assert_uint_le(pool->n_touched, pool->opts.writer_pages + pool->opts.reader_pages);
}

#define POOL(how, ...)                                                                             \
	{                                                                                          \
		.name = "bufpool, " how, .open = bufpool_open,                                     \
		.cache_bytes_min = bufpool_cache_bytes_min, .check = check_pool, __VA_ARGS__       \
	}

#define POOLS(how, ...) POOL(how, __VA_ARGS__), POOL(how, .real = true, __VA_ARGS__)

/* Another pool, of which the suite knows nothing. */
static int open_stub(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager)
{
	(void)io;
	return stub_pager_open(file, page_size, seed, opts->writer_pages, opts->reader_pages,
		ret_pager);
}

static size_t stub_bytes_min(uint32_t page_size, const struct bufpool_options *opts)
{
	return (size_t)(opts->writer_pages + opts->reader_pages) * page_size;
}

static const struct contract_pool pools[] = {
	POOLS("clock", .policy = BUFPOOL_CLOCK),
	POOLS("sieve", .policy = BUFPOOL_SIEVE),
	POOLS("fifo", .policy = BUFPOOL_FIFO),
	POOLS("lru", .policy = BUFPOOL_LRU),
	POOLS("2q", .policy = BUFPOOL_2Q),
	POOLS("random", .policy = BUFPOOL_RANDOM),
	POOLS("pins only", .flags = BUFPOOL_PIN_ONLY),
	{.name = "stub",
		.open = open_stub,
		.cache_bytes_min = stub_bytes_min,
		.no_prefetch = true,
		.one_version = true},
};

int main(void)
{
	Suite *s = suite_create("bufpool_contract");

	contract_pool_add(s, pools, sizeof(pools) / sizeof(pools[0]));
	return check_main(s);
}
