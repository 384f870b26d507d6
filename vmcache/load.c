/* SPDX-License-Identifier: MIT */
/*
 * Loading one page.
 *
 * The thread that makes a place LOADING reads the page into it; others wait for it (V5). A miss
 * reads by one synchronous call in the thread that wants the page, and verifies it there: no other
 * thread is involved, and no queue that may be full of writes.
 *
 * A page becomes visible in one step, LOADING to CACHED, after it was verified. That step fails
 * when the page number was overwritten or dropped during the read (DOOMED).
 */
#include "base/error.h"
#include "pager/growth.h"
#include "vmcache/vmcache_int.h"

#include <errno.h>
#include <inttypes.h>

int vm_verify(const struct vmcache *vm, const struct page *page, struct page_ref ref)
{
	if (vm->opts.checksum == PAGER_CHECKSUM_NONE && page_is(page, ref) && page_is_sealed(page))
		return 0;
	return page_verify(page, vm->pager.page_size, ref, vm->pager.seed);
}

bool vm_load_end(struct vmcache *vm, pgno_t pgno, uint32_t slot, bool good, uint64_t marks)
{
	uint64_t w = vm_word_make(VM_LOADING, slot, 0);

	if (good && vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_CACHED, slot, 0) | marks))
		return true;
	vm_claim_end(vm, pgno, slot);
	vm_quota_put(vm);
	return false;
}

/* Reads the page to `page` and judges it. */
static int read_page(struct vmcache *vm, struct page_ref ref, struct page *page)
{
	size_t len_bytes = vm->pager.page_size;
	uint64_t size_bytes;
	int rc = file_read(vm->file, page, len_bytes, (uint64_t)ref.pgno << vm->page_shift,
		FILE_LIVE);

	/* The file was cut by another process: report that instead. */
	if (rc == VERSO_EIO && file_size(vm->file, &size_bytes) == 0 &&
		ref.pgno >= size_bytes >> vm->page_shift)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " is gone: the file was cut to %" PRIu64
			" bytes while it was open. Restore it from a copy",
			ref.pgno, size_bytes);
	if (rc < 0)
		return rc;
	vm_count(&vm->read_bytes, len_bytes);
	return vm_verify(vm, page, ref);
}

/* Into a place that was claimed. */
static int load_place(struct vmcache *vm, enum pager_load_cause cause, struct page_ref ref,
	uint32_t slot)
{
	struct page *page = vm_place(vm, ref.pgno);
	int rc;

	vm_count(&vm->n_loads[cause], 1);
	pager_trace(&vm->pager, PAGER_MISS, ref);
	vm_reads_begin(vm, 1);
	rc = read_page(vm, ref, page);
	vm_reads_end(vm, 1);
	if (rc == 0)
		pager_trace_page(&vm->pager, PAGER_LOAD, ref, page);
	if (!vm_load_end(vm, ref.pgno, slot, rc == 0, 1) && rc == 0)
		rc = 1;
	return rc;
}

int vm_load(struct vmcache *vm, enum pager_load_cause cause, struct page_ref ref)
{
	uint32_t slot;
	int rc = growth_has(&vm->n_pages, vm->file, vm->page_shift, ref);

	if (rc == 0)
		rc = vm_quota_get(vm);
	if (rc < 0)
		return rc;
	/* Counted before the word becomes LOADING: a thread that sees LOADING may wait for it. */
	atomic_fetch_add(&vm->n_loading, 1);
	rc = vm_claim(vm, ref.pgno, VM_USE_GET, &slot);
	if (rc == 0)
		rc = load_place(vm, cause, ref, slot);
	else
		vm_quota_put(vm);
	vm_arrived(vm, 1);
	if (rc == -EAGAIN)
		rc = error_set(VERSO_EPINNED,
			"no memory for page %" PRIu32 ": a thread stays inside a guard", ref.pgno);
	return rc;
}

int vm_load_over(struct vmcache *vm, struct page_ref ref)
{
	struct page *found = page_buffers_alloc(vm->pager.page_size, 1);
	uint64_t w;
	int rc;

	if (!found)
		return error_set(-ENOMEM, "no memory to read page %" PRIu32, ref.pgno);
	rc = growth_has(&vm->n_pages, vm->file, vm->page_shift, ref);
	if (rc == 0)
		rc = read_page(vm, ref, found);
	free(found);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&vm->lock);
	w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_acquire);
	/* Unless another thread was faster. */
	if ((vm_state(w) == VM_CACHED || vm_state(w) == VM_LEAVING) &&
		!page_is(vm_place(vm, ref.pgno), ref))
		vm_forget(vm, ref.pgno);
	pthread_mutex_unlock(&vm->lock);
	return 1;
}
