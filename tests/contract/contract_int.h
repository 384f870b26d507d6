/* SPDX-License-Identifier: MIT */
/* What the sources of the contract suite share: a world to test in. */
#ifndef TESTS_CONTRACT_CONTRACT_INT_H
#define TESTS_CONTRACT_CONTRACT_INT_H

#include "base/error.h"
#include "tests/contract/contract_suite.h"
#include "tests/sim/simdisk.h"

#define WORLD_PAGES 128U /* of the file at the start */

struct world {
	const struct contract_case *c;
	struct simdisk *disk; /* NULL: the kernel's */
	struct io *io;
	struct file *file;
	struct pager *pager;
	struct guard *guard;
	uint32_t page_size;
	gen_t gen; /* of the last page that was made */
	char path[CHECK_PATH_BYTES];
};

/* Makes a file of WORLD_PAGES pages of zeros and opens the pager of case i over it. */
void world_open(struct world *w, int i);
void world_close(struct world *w);

/* Ends the pager and opens another over the same file: nothing is cached. */
void world_reopen(struct world *w);

/* As world_open(), over the i-th simulated case only. */
void world_open_simulated(struct world *w, int i);
int contract_n_cases(void);
int contract_n_simulated(void);

/* Fills a page with bytes that follow from its reference, and seals it. */
void page_fill(struct page *page, uint32_t page_size, struct page_ref ref);
bool page_is_filled(const struct page *page, uint32_t page_size, struct page_ref ref);

bool is_zero(const void *bytes, size_t len_bytes);

/* A fresh page at pgno under a new gen, filled and sealed, not written. */
struct page_ref world_make(struct world *w, pgno_t pgno);

/* Writes fresh pages that were made, in the order of their places. */
int world_try_write(struct world *w, const struct page_ref *refs, size_t n);
void world_write(struct world *w, const struct page_ref *refs, size_t n);

/* Makes and writes a page; n of them from pgno on. */
struct page_ref world_add(struct world *w, pgno_t pgno);
void world_add_many(struct world *w, pgno_t pgno, size_t n, struct page_ref *ret_refs);

/*
 * Changes the file beneath the pager, as another process or a failing device would. buf: one page.
 */
void world_overwrite(struct world *w, pgno_t pgno, const void *buf);
void world_read_file(struct world *w, pgno_t pgno, void *buf);

/* One page of memory, aligned to 4096; free() it. */
void *world_buffer(const struct world *w, size_t n_pages);

/* get, look at every byte, put. */
void check_get(struct world *w, struct page_ref ref);

/* get returns an error with a text and peek NULL: there is no such page. Nothing is pinned. */
void check_absent(struct world *w, struct page_ref ref);

const struct page *world_get(struct world *w, struct page_ref ref);

/* Each adds its tests. */
TCase *contract_reading(void);
TCase *contract_writing(void);
TCase *contract_sizes(void);
TCase *contract_threads(void);
TCase *contract_faults(void);

#define ADD_TEST(tc, test)           tcase_add_loop_test(tc, test, 0, contract_n_cases())
#define ADD_SIMULATED_TEST(tc, test) tcase_add_loop_test(tc, test, 0, contract_n_simulated())

#endif
