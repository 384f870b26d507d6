/* SPDX-License-Identifier: MIT */
/* The page interface's contract, over the student's map: every promise of pager/pager.h. */
#include "mmap/mmap.h"
#include "tests/contract/contract_suite.h"

static int open_lab(const struct contract_case *c, struct io *io, struct file *file,
	enum pager_checksum checksum, struct pager **ret_pager)
{
	struct mmap_options opts = {.writer_pages = CONTRACT_WRITER_PAGES, .checksum = checksum};

	return mmap_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

static int open_once(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_lab(c, io, file, PAGER_CHECKSUM_ONCE, ret_pager);
}

static int open_always(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_lab(c, io, file, PAGER_CHECKSUM_ALWAYS, ret_pager);
}

int main(void)
{
	static const struct contract_case cases[] = {
		{"mmap, once, simulated disk", open_once, .page_size = 4096, .simulated = true},
		{"mmap, once, simulated disk", open_once, .page_size = 512, .simulated = true},
		{"mmap, once, a file of the kernel", open_once, .page_size = 4096},
		{"mmap, once, a file of the kernel", open_once, .page_size = 65536},
		{"mmap, always, simulated disk", open_always, .page_size = 4096, .simulated = true},
		{"mmap, always, a file of the kernel", open_always, .page_size = 4096},
	};
	Suite *s = suite_create("lab4_contract");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		contract_add_case(&cases[i]);
	contract_add(s);
	return check_main(s);
}
