/* SPDX-License-Identifier: MIT */
/*
 * The contracts of pagers and of buffer pools, over the student's pool that reads ahead, on each
 * I/O backend: in submit itself, by threads, and in an order drawn by seed.
 */
#include "bufpool/bufpool.h"
#include "tests/contract/contract_pool.h"
#include "tests/contract/contract_suite.h"

static int open_lab(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	struct bufpool_options opts = {
		.writer_pages = CONTRACT_WRITER_PAGES,
		.reader_pages = CONTRACT_READER_PAGES,
		.policy = (enum bufpool_policy)c->policy,
	};

	opts.cache_bytes = bufpool_cache_bytes_min(c->page_size, &opts);
	return bufpool_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

int main(void)
{
	static const struct contract_case cases[] = {
		{.name = "lab 3, simulated disk", .page_size = 4096, .simulated = true},
		{.name = "lab 3, a file of the kernel", .page_size = 4096},
		{.name = "lab 3, a file of the kernel", .page_size = 512, .backend = "threads"},
	};
	static const struct contract_pool pools[] = {
		{.name = "lab 3", .open = bufpool_open, .cache_bytes_min = bufpool_cache_bytes_min},
		{.name = "lab 3",
			.open = bufpool_open,
			.cache_bytes_min = bufpool_cache_bytes_min,
			.real = true},
	};
	Suite *s = suite_create("lab3_contract");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contract_case c = cases[i];

		c.open = open_lab;
		contract_add_case(&c);
	}
	contract_add(s);
	contract_pool_add(s, pools, sizeof(pools) / sizeof(pools[0]));
	return check_main(s);
}
