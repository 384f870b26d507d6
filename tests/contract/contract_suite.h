/* SPDX-License-Identifier: MIT */
/*
 * The contract suite: what pager/pager.h promises, as tests that know nothing of an implementation.
 *
 * A program registers its pagers as cases, one for each combination of kind, page size, I/O backend
 * and disk. A new pager of this project is a line in the table of tests/test_contract.c; one of
 * somebody else's is a program of its own, which takes seconds (tests/contract/contract_case.c):
 *
 *	contract_add_case(&(struct contract_case){.name = "mine", .open = open_mine,
 *		.page_size = 4096, .simulated = true});
 *	contract_add(s);
 *	return check_main(s);
 *
 * A test's name states the promise; P1 to P7 are cited where they are meant.
 */
#ifndef TESTS_CONTRACT_CONTRACT_SUITE_H
#define TESTS_CONTRACT_CONTRACT_SUITE_H

#include "io/file.h"
#include "pager/pager.h"
#include "tests/check_main.h"

#define CONTRACT_SEED         UINT64_C(0x1db710641db71064)
#define CONTRACT_WRITER_PAGES 64U /* that open promises */
#define CONTRACT_READER_PAGES 16U /* different pages that can be pinned beside them, at least */

struct contract_case {
	const char *name;
	/* Opens the pager over an open file, for CONTRACT_SEED and CONTRACT_WRITER_PAGES. */
	int (*open)(const struct contract_case *c, struct io *io, struct file *file,
		struct pager **ret_pager);
	unsigned policy; /* which of its policies `open` takes, where it has some */
	uint32_t page_size;
	unsigned file_flags; /* FILE_DIRECT or 0 */
	const char *backend; /* VERSO_IO; NULL: whatever is best */
	bool simulated;      /* over tests/sim instead of the kernel */
	bool trusting;       /* compares no checksums */
	bool stores;         /* what is stored into a fresh page is the file's at once (P3) */
};

/* Registers a case, which is copied; not when $VERSO_CONTRACT is set and its name begins otherwise.
 */
void contract_add_case(const struct contract_case *c);

/* Adds the suite over all registered cases. Ends the process when there is none. Once a program. */
void contract_add(Suite *s);

#endif
