/* SPDX-License-Identifier: MIT */
/*
 * The reference pager: the page interface done in the simplest way that can be right.
 *
 * Every page is an allocation of its own, one mutex holds everything, reads and writes are
 * synchronous. It is what the other pagers are compared with, and what txn/ and btree/ are tested
 * on over the simulated disk. It is strict: it asserts what a caller owes (no more fresh pages than
 * announced, sealed pages unchanged when they are written, nothing left at close).
 *
 * It keeps every page that it has loaded, until it is dropped. refpager_forget() makes it keep
 * none: a page is freed at its last put, so that AddressSanitizer finds a use after put, and a use
 * of a fresh page after it was written.
 */
#ifndef TESTS_REFPAGER_H
#define TESTS_REFPAGER_H

#include "io/file.h"
#include "pager/pager.h"

/*
 * Opens a reference pager over `file`, which stays the caller's and outlives it. writer_pages: how
 * many pages may be fresh at a time; their memory is set aside here, so that pager_fresh() succeeds
 * under an allocator that fails. -ENOMEM, or what file_size() returns.
 */
int refpager_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	uint32_t writer_pages, struct pager **ret_pager);

/* From now on a page is freed at its last put. Before the pager is shared. */
void refpager_forget(struct pager *p);

#endif
