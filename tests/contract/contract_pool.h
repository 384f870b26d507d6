/* SPDX-License-Identifier: MIT */
/*
 * The contract of buffer pools: what bufpool/bufpool.h promises beside pager/pager.h, as tests that
 * look at no private field.
 *
 * A pool has frames for writer_pages and reader_pages, holds no more pages than that, reads a page
 * that it holds no second time, and returns VERSO_EPINNED when a get finds all frames of readers
 * pinned. Which page leaves it, how many latches it has, and whether peek finds more than the
 * writer's pages is its own affair.
 *
 * A program of one's own runs it like this; in the place of bufpool_open() may stand anything with
 * its parameters:
 *
 *	static const struct contract_pool mine[] = {
 *		{.name = "mine", .open = my_open, .cache_bytes_min = my_cache_bytes_min},
 *	};
 *	...
 *	contract_pool_add(s, mine, 1);
 *	return check_main(s);
 */
#ifndef TESTS_CONTRACT_CONTRACT_POOL_H
#define TESTS_CONTRACT_CONTRACT_POOL_H

#include "bufpool/bufpool.h"
#include "tests/check_main.h"

struct contract_pool {
	const char *name;
	/* As bufpool_open(). The options have sizes of the test's, policy and flags of this. */
	int (*open)(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
		const struct bufpool_options *opts, struct pager **ret_pager);
	/* As bufpool_cache_bytes_min(): every test opens its pool with just so much. */
	size_t (*cache_bytes_min)(uint32_t page_size, const struct bufpool_options *opts);
	/* Asserts what only the implementation can see, at the end of each test; NULL: nothing. */
	void (*check)(struct pager *p);
	enum bufpool_policy policy;
	unsigned flags; /* enum bufpool_flags */
	bool real;      /* over a file of the kernel instead of tests/sim */
	/* What a pool need not do, and is not tested then: */
	bool no_prefetch; /* prefetch does nothing */
	bool one_version; /* it holds one page of a number at a time: it sees no page that another
			     process wrote, and a pinned page is not written anew */
};

/* Adds the suite for n pools, which stay as they are while it runs. Once a program. */
void contract_pool_add(Suite *s, const struct contract_pool *pools, size_t n);

#endif
