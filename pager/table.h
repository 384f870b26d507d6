/* SPDX-License-Identifier: MIT */
/*
 * A page table: one atomic 64-bit word for each page number, found without a search.
 *
 * The words lie in segments. The first has TABLE_FIRST words; each further one has as many as all
 * before it together. So the address space is in proportion to the file, and no word ever moves: a
 * table grows while others use it. Which segment a word lies in follows from the highest bit of its
 * number.
 */
#ifndef PAGER_TABLE_H
#define PAGER_TABLE_H

#include "pager/page.h"

#include <stdatomic.h>
#include <stdbool.h>

#define TABLE_FIRST_BITS 18U /* 2 MiB of words: a huge page */
#define TABLE_FIRST      (UINT64_C(1) << TABLE_FIRST_BITS)
#define TABLE_SEGMENTS   (32 - TABLE_FIRST_BITS + 1)

struct page_table {
	_Atomic uint64_t n_words; /* that there are; written by the thread that grows the table */
	/* Of each segment: where word 0 would lie if it began with that. Constant once made. */
	_Atomic uintptr_t origins[TABLE_SEGMENTS];
	bool huge; /* ask for huge pages; constant */
};

/* A table without words, in zeroed memory. */
static inline void table_init(struct page_table *t, bool huge)
{
	t->huge = huge;
}

/* Makes words for at least n_pages. -ENOMEM: as before. One thread at a time. */
int table_reach(struct page_table *t, uint64_t n_pages);

void table_fini(struct page_table *t);

static inline unsigned table_segment(pgno_t pgno)
{
	return 31U - TABLE_FIRST_BITS + 1 -
	       (unsigned)__builtin_clz(pgno | (uint32_t)(TABLE_FIRST - 1));
}

/* The pages that have a word: those below. */
static inline uint64_t table_end(const struct page_table *t)
{
	return atomic_load_explicit(&t->n_words, memory_order_acquire);
}

/* pgno < table_end(). */
static inline _Atomic uint64_t *table_word(const struct page_table *t, pgno_t pgno)
{
	uintptr_t origin =
		atomic_load_explicit(&t->origins[table_segment(pgno)], memory_order_relaxed);

	return (_Atomic uint64_t *)(origin + (uintptr_t)pgno * sizeof(uint64_t));
}

#endif
