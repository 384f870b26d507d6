/* SPDX-License-Identifier: MIT */
/*
 * Pages that describe the free space (bitmaps, index, list pages), on their way to the file: a
 * group commit holds such a list and writes it. Reserving may fail; what was reserved is then
 * added without.
 */
#ifndef SPACE_PAGES_H
#define SPACE_PAGES_H

#include "pager/page.h"

struct space_pages {
	uint32_t page_size;
	struct page **items; /* n in use, behind them spare ones up to n_all */
	uint32_t n, n_all, cap;
	uint32_t n_promised; /* what n may become: memory may go further, a promise does not */
};

void space_pages_init(struct space_pages *pages, uint32_t page_size);
void space_pages_fini(struct space_pages *pages);

/* Makes sure that space_pages_add() can be called n_more times. -ENOMEM: nothing changed. */
int space_pages_reserve(struct space_pages *pages, uint32_t n_more);

/* A page at ref, zeroed but for its header; replaces one at the same place. */
struct page *space_pages_add(struct space_pages *pages, struct page_ref ref, enum page_type type);

/* Empties the list; keeps the memory. */
void space_pages_clear(struct space_pages *pages);

#endif
