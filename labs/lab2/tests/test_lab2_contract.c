/* SPDX-License-Identifier: MIT */
/* The page interface's contract, over the student's pool: every promise of pager/pager.h. */
#include "bufpool/bufpool.h"
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
		{.name = "lab 2, simulated disk", .page_size = 4096, .simulated = true},
		{.name = "lab 2, simulated disk",
			.page_size = 512,
			.policy = BUFPOOL_SIEVE,
			.simulated = true},
		{.name = "lab 2, a file of the kernel", .page_size = 4096},
	};
	Suite *s = suite_create("lab2_contract");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contract_case c = cases[i];

		c.open = open_lab;
		contract_add_case(&c);
	}
	contract_add(s);
	return check_main(s);
}
