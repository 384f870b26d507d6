/* SPDX-License-Identifier: MIT */
/*
 * The contract suite: what pager/pager.h promises, as tests that know nothing of an implementation.
 *
 * A program lists its pagers as cases, one for each combination of kind, page size, I/O backend and
 * disk, and hands them to contract_add(). A new pager is a line in the table of
 * tests/test_contract.c. A test's name states the promise; P1 to P7 are cited where they are meant.
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
	uint32_t page_size;
	unsigned file_flags; /* FILE_DIRECT or 0 */
	const char *backend; /* VERSO_IO; NULL: whatever is best */
	bool simulated;      /* over tests/sim instead of the kernel */
	bool trusting;       /* compares no checksums */
};

/* Adds the suite for n cases, which stay as they are while it runs. Once a program. */
void contract_add(Suite *s, const struct contract_case *cases, size_t n);

#endif
