/* SPDX-License-Identifier: MIT */
/*
 * The contract suite over one pager on the simulated disk: what somebody's own pager begins with.
 * Copy it, put your open function in the place of open_reference(), and link your pager.
 */
#include "tests/contract/contract_suite.h"
#include "tests/refpager/refpager.h"

static int open_reference(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return refpager_open(io, file, c->page_size, CONTRACT_SEED, CONTRACT_WRITER_PAGES,
		ret_pager);
}

int main(void)
{
	Suite *s = suite_create("contract_case");

	contract_add_case(&(struct contract_case){
		.name = "reference", .open = open_reference, .page_size = 4096, .simulated = true});
	contract_add(s);
	return check_main(s);
}
