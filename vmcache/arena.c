/* SPDX-License-Identifier: MIT */
/*
 * The places: address space in which page n lies n strides from the start, whether it is in memory
 * or not.
 *
 * Leis and others reserve as much as the device has. Here the reservation follows the page table,
 * segment by segment (pager/table.h): each is as large as all before it together, so it is in
 * proportion to the file, no size has to be guessed, and nothing that has an address ever moves.
 * The kernel gives memory where a place is touched, and takes it back by MADV_DONTNEED, after which
 * the place reads as zeros. The memory is in small pages, since places come and go one by one.
 */
#include "base/asan.h"
#include "io/memory.h"
#include "vmcache/vmcache_int.h"

/* Segment k of the table begins with this word. */
static uint64_t segment_first(unsigned k)
{
	return k == 0 ? 0 : TABLE_FIRST << (k - 1);
}

static uint64_t segment_pages(unsigned k)
{
	return k == 0 ? TABLE_FIRST : TABLE_FIRST << (k - 1);
}

static uint8_t *segment_base(const struct vmcache *vm, unsigned k)
{
	uintptr_t origin = atomic_load_explicit(&vm->places[k], memory_order_relaxed);

	return (uint8_t *)(origin + (uintptr_t)segment_first(k) * vm->stride_bytes);
}

/* Places before words: a word that is seen has its place. */
int vm_reach(struct vmcache *vm, uint64_t n_pages)
{
	for (unsigned k = 0; k == 0 || segment_first(k) < n_pages; k++) {
		size_t len_bytes = segment_pages(k) * vm->stride_bytes;
		void *base;
		int rc;

		if (atomic_load_explicit(&vm->places[k], memory_order_relaxed) != 0)
			continue;
		rc = memory_reserve(len_bytes, false, &base);
		if (rc < 0)
			return rc;
		atomic_store_explicit(&vm->places[k],
			(uintptr_t)base - (uintptr_t)segment_first(k) * vm->stride_bytes,
			memory_order_relaxed);
	}
	return table_reach(&vm->table, n_pages);
}

void vm_arena_fini(struct vmcache *vm)
{
	for (unsigned k = 0; k < TABLE_SEGMENTS; k++) {
		uint64_t first = segment_first(k), n_used = 0;

		if (atomic_load(&vm->places[k]) == 0)
			continue;
		if (vm->end_pages > first)
			n_used = vm->end_pages - first;
		if (n_used > segment_pages(k))
			n_used = segment_pages(k);
		UNPOISON(segment_base(vm, k), n_used * vm->stride_bytes);
		memory_release(segment_base(vm, k), segment_pages(k) * vm->stride_bytes);
	}
	table_fini(&vm->table);
}

pgno_t vm_pgno_at(const struct vmcache *vm, const struct page *page)
{
	unsigned k = 0;
	size_t at_bytes;

	for (;;) {
		at_bytes = (size_t)((const uint8_t *)page - segment_base(vm, k));
		if (at_bytes < segment_pages(k) * vm->stride_bytes)
			break;
		k++;
		ASSERT(k < TABLE_SEGMENTS);
		ASSERT(atomic_load_explicit(&vm->places[k], memory_order_relaxed) != 0);
	}
	return (pgno_t)(segment_first(k) + at_bytes / vm->stride_bytes);
}

void vm_place_open(const struct vmcache *vm, pgno_t pgno)
{
	UNPOISON(vm_place(vm, pgno), vm->pager.page_size);
}

void vm_place_discard(const struct vmcache *vm, pgno_t pgno, uint32_t n_pages)
{
	size_t len_bytes = n_pages * vm->stride_bytes;

	UNPOISON(vm_place(vm, pgno), len_bytes);
	memory_discard(vm_place(vm, pgno), len_bytes);
	POISON(vm_place(vm, pgno), len_bytes);
}
