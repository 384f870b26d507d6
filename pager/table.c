/* SPDX-License-Identifier: MIT */
/*
 * Segments of the page table. Each is reserved once, before n_words shows its words, and stays
 * where it is until the end; so readers need no lock.
 */
#include "pager/table.h"
#include "base/assert.h"
#include "io/memory.h"

_Static_assert(TABLE_FIRST * sizeof(uint64_t) == UINT64_C(2) << 20, "a huge page of words");

static uint64_t segment_first(unsigned k)
{
	return k == 0 ? 0 : TABLE_FIRST << (k - 1);
}

static uint64_t segment_words(unsigned k)
{
	return k == 0 ? TABLE_FIRST : TABLE_FIRST << (k - 1);
}

int table_reach(struct page_table *t, uint64_t n_pages)
{
	ASSERT(n_pages <= UINT64_C(1) << 32);
	for (unsigned k = 0; table_end(t) < n_pages || k == 0; k++) {
		uint64_t first = segment_first(k);
		void *words;
		int rc;

		if (first < table_end(t))
			continue;
		rc = memory_reserve(segment_words(k) * sizeof(uint64_t), t->huge, &words);
		if (rc < 0)
			return rc;
		atomic_store_explicit(&t->origins[k],
			(uintptr_t)words - (uintptr_t)first * sizeof(uint64_t),
			memory_order_relaxed);
		atomic_store_explicit(&t->n_words, first + segment_words(k), memory_order_release);
	}
	return 0;
}

void table_fini(struct page_table *t)
{
	for (unsigned k = 0; segment_first(k) < table_end(t); k++) {
		uintptr_t origin = atomic_load(&t->origins[k]);

		memory_release((void *)(origin + (uintptr_t)segment_first(k) * sizeof(uint64_t)),
			segment_words(k) * sizeof(uint64_t));
	}
	atomic_store(&t->n_words, 0);
}
