/* SPDX-License-Identifier: MIT */
/* The contract of buffer pools over the engine's own, with each policy, and over the plain pool. */
#include "bufpool/bufpool_int.h"
#include "tests/contract/contract_pool.h"
#include "tests/refpager/plain_pool.h"

#include <stdio.h>

/* No test asks for a larger cache than these frames. */
static void check_pool(struct pager *p)
{
	struct pool *pool = pool_of(p);

	loads_drain(pool);
	ck_assert_uint_eq(pool_check(pool), 0);
	ck_assert_uint_le(pool->n_touched, pool->opts.writer_pages + pool->opts.reader_pages);
}

/* Another pool, of which the suite knows nothing. */
static int open_plain(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager)
{
	(void)io;
	return plain_pool_open(file, page_size, seed, opts->writer_pages, opts->reader_pages,
		ret_pager);
}

static size_t plain_bytes_min(uint32_t page_size, const struct bufpool_options *opts)
{
	return (size_t)(opts->writer_pages + opts->reader_pages) * page_size;
}

static const struct contract_pool engines = {
	.open = bufpool_open, .cache_bytes_min = bufpool_cache_bytes_min, .check = check_pool};

/* With each policy, pins only, and the plain pool; the engine's own on a real file too. */
#define N_POOLS (2 * (N_POLICIES + 1) + 1)

static size_t list_pools(struct contract_pool *pools)
{
	static char names[N_POLICIES][32];
	size_t n = 0;

	for (unsigned i = 0; i <= N_POLICIES; i++) {
		struct contract_pool p = engines;

		p.name = "bufpool, pins only";
		p.flags = BUFPOOL_PIN_ONLY;
		if (i < N_POLICIES) {
			(void)snprintf(names[i], sizeof(names[i]), "bufpool, %s",
				bufpool_policies[i]->name);
			p.name = names[i];
			p.flags = 0;
			p.policy = (enum bufpool_policy)i;
		}
		pools[n++] = p;
		p.real = true;
		pools[n++] = p;
	}
	pools[n++] = (struct contract_pool){.name = "plain",
		.open = open_plain,
		.cache_bytes_min = plain_bytes_min,
		.no_prefetch = true,
		.one_version = true};
	return n;
}

int main(void)
{
	static struct contract_pool pools[N_POOLS];
	Suite *s = suite_create("bufpool_contract");

	contract_pool_add(s, pools, list_pools(pools));
	return check_main(s);
}
