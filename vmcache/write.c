/* SPDX-License-Identifier: MIT */
/*
 * The writer's side: fresh pages, writing them, and the size of the file.
 *
 * A fresh page lies at its own place, like any other, and the clock passes it: nothing but write
 * and drop ends it (V6). So the page that lay there before must have gone: fresh() waits for the
 * guards that may see it. write() runs beside the writer: the pages of its set are WRITING, which
 * only this call ends. A written page takes the unit of a page that is deactivated for it; where
 * every clean page is pinned, it is LEAVING itself.
 */
#include "base/error.h"
#include "pager/growth.h"
#include "pager/write_set.h"
#include "vmcache/vmcache_int.h"

#include <errno.h>
#include <inttypes.h>

#define POISON_BYTE  0xa5
#define PINNED_TRIES 5000 /* about half a second */
#define LOCKED_PAGES 256  /* of a set of any size, for which the lock is held at a time */

/*
 * Fresh and drop
 */

static void forget(struct vmcache *vm, pgno_t pgno)
{
	pthread_mutex_lock(&vm->lock);
	vm_forget(vm, pgno);
	pthread_mutex_unlock(&vm->lock);
}

static void page_begin(const struct vmcache *vm, struct page *page, struct page_ref ref)
{
	if (HOSTILE)
		memset(page, POISON_BYTE, vm->pager.page_size);
	page_blank(page, ref);
}

/*
 * One step towards a fresh page; true: it is there. What lies at the place is forgotten, so it can
 * be in any state that needs no reference, and in others for the time that a late prefetch or a
 * damaged reference takes. A get by such a reference pins for as long as it compares the header,
 * and that is waited for; where a user holds the pin, it stays, and its holder sees the new bytes:
 * as it would in a map.
 */
static bool fresh_step(struct vmcache *vm, struct page_ref ref, unsigned tries)
{
	_Atomic uint64_t *word = vm_word(vm, ref.pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_acquire);
	uint32_t slot;

	switch (vm_state(w)) {
	case VM_EMPTY:
	case VM_GONE: /* however long a reader is stopped inside a guard, by a debugger or swap */
		if (vm_claim(vm, ref.pgno, VM_USE_FRESH, &slot) != 0)
			return false;
		page_begin(vm, vm_place(vm, ref.pgno), ref);
		atomic_store_explicit(word, vm_word_make(VM_FRESH, slot, 0), memory_order_seq_cst);
		vm_arrived(vm, 0);
		return true;
	case VM_DROPPED:
		if (tries < PINNED_TRIES) {
			vm_back_off(tries);
			return false;
		}
		if (!vm_move(word, &w, vm_word_make(VM_FRESH, vm_slot(w), vm_pins(w))))
			return false;
		page_begin(vm, vm_place(vm, ref.pgno), ref);
		return true;
	case VM_DOOMED:
		vm_wait(vm, ref.pgno);
		return false;
	default:
		forget(vm, ref.pgno);
		return false;
	}
}

struct page *vm_fresh(struct pager *p, struct page_ref ref)
{
	struct vmcache *vm = vm_of(p);

	ASSERT(ref.pgno < table_end(&vm->table));
	ASSERT(!vm_is_fresh(vm_state(atomic_load_explicit(vm_word(vm, ref.pgno),
		memory_order_relaxed))));
	pthread_mutex_lock(&vm->lock);
	vm->n_fresh++;
	ASSERT(vm->n_fresh <= p->writer_pages);
	pthread_mutex_unlock(&vm->lock);
	for (unsigned tries = 0; !fresh_step(vm, ref, tries); tries++)
		;
	return vm_place(vm, ref.pgno);
}

/* With the lock. */
static void drop_page(struct vmcache *vm, pgno_t pgno)
{
	uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_acquire);

	if (vm_is_fresh(vm_state(w)))
		vm->n_fresh--;
	vm_forget(vm, pgno);
}

static void drop_range(struct vmcache *vm, uint64_t first, uint64_t end)
{
	pthread_mutex_lock(&vm->lock);
	if (end > vm->end_pages)
		end = vm->end_pages;
	for (uint64_t pgno = first; pgno < end; pgno++) {
		if (atomic_load_explicit(vm_word(vm, (pgno_t)pgno), memory_order_relaxed) != 0)
			drop_page(vm, (pgno_t)pgno);
	}
	pthread_mutex_unlock(&vm->lock);
	while (HOSTILE && vm_reap(vm) > 0)
		;
}

void vm_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	drop_range(vm_of(p), pgno, (uint64_t)pgno + n_pages);
}

/*
 * Write
 */

/* Moves the page from one of the writer's states to the other, whatever its pins do. */
static void fresh_move(struct vmcache *vm, pgno_t pgno, enum vm_state from, enum vm_state to)
{
	uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_acquire);

	do {
		ASSERT(vm_state(w) == from);
	} while (!vm_move(vm_word(vm, pgno), &w, vm_word_make(to, vm_slot(w), vm_pins(w))));
}

static void begin_page(struct vmcache *vm, pgno_t pgno)
{
	const struct page *page = vm_place(vm, pgno);

	fresh_move(vm, pgno, VM_FRESH, VM_WRITING);
	/* Pairs with vm_verify(): what is sealed here is verified there. */
	ASSERT(page_is_sealed(page));
	DCHECK(page_verify(page, vm->pager.page_size, page_ref(page), vm->pager.seed) == 0);
}

static const void *bytes_of(void *arg, pgno_t pgno)
{
	return vm_place(arg, pgno);
}

/* A unit of the pin quota for a written page, by deactivating one that the clock gives up. With
 * the lock. */
static bool quota_for_written(struct vmcache *vm)
{
	return vm_quota_try(vm) || (vm_deactivate(vm, 1) > 0 && vm_quota_try(vm));
}

/* A page of the writer's becomes an ordinary one. With the lock. */
static void page_written(struct vmcache *vm, pgno_t pgno)
{
	_Atomic uint64_t *word = vm_word(vm, pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_acquire);
	bool has_quota = false;
	enum vm_state to;

	do {
		ASSERT(vm_state(w) == VM_WRITING);
		/* A pinned page has its unit already, and keeps it in the same step. */
		if (vm_pins(w) == 0 && !has_quota)
			has_quota = quota_for_written(vm);
		to = vm_pins(w) > 0 || has_quota ? VM_CACHED : VM_LEAVING;
	} while (!vm_move(word, &w, vm_word_make(to, vm_slot(w), vm_pins(w))));

	if (vm_pins(w) > 0 && has_quota)
		vm_quota_put(vm);
	if (to == VM_LEAVING)
		vm_leaving_add(vm, vm_slot(w));
	vm->n_fresh--;
}

static void set_written(struct vmcache *vm, const struct page_write *set, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t end = n - i > LOCKED_PAGES ? i + LOCKED_PAGES : n;

		pthread_mutex_lock(&vm->lock);
		for (; i < end; i++) {
			if (!set[i].buf)
				page_written(vm, set[i].pgno);
		}
		pthread_mutex_unlock(&vm->lock);
	}
	for (size_t i = 0; HOSTILE && i < n; i++) {
		if (!set[i].buf)
			(void)vm_deactivate_page(vm, set[i].pgno);
	}
	while (HOSTILE && vm_reap(vm) > 0)
		;
}

int vm_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct vmcache *vm = vm_of(p);
	int rc;

	for (size_t i = 0; i < n; i++) {
		ASSERT(set[i].pgno + (uint64_t)set[i].n_pages <= atomic_load(&vm->n_pages));
		if (!set[i].buf)
			begin_page(vm, set[i].pgno);
	}
	rc = write_set_run(&(struct write_set){set, n, vm->file, vm->page_shift, bytes_of, vm},
		vm->queue, &vm->write_bytes);
	for (size_t i = 0; i < n; i++) {
		/* Even where the write failed: what the file holds there now is not known. */
		if (set[i].buf)
			drop_range(vm, set[i].pgno, (uint64_t)set[i].pgno + set[i].n_pages);
		else if (rc < 0)
			fresh_move(vm, set[i].pgno, VM_WRITING, VM_FRESH);
	}
	if (rc == 0)
		set_written(vm, set, n);
	return rc;
}

int vm_flush(struct pager *p)
{
	struct vmcache *vm = vm_of(p);

	vm_count(&vm->n_flushes, 1);
	return file_sync(vm->file);
}

/*
 * Size
 */

int vm_resize(struct pager *p, pgno_t n_pages)
{
	struct vmcache *vm = vm_of(p);
	uint64_t old_pages = atomic_load(&vm->n_pages);
	uint64_t to_bytes = (uint64_t)n_pages << vm->page_shift;
	int rc = vm_reach(vm, n_pages);

	if (rc < 0)
		return rc;
	if (n_pages > old_pages) {
		uint64_t old_bytes = old_pages << vm->page_shift;

		rc = growth_make(vm->file, old_bytes, to_bytes, vm->zeros, &vm->write_bytes);
		if (rc < 0)
			(void)file_truncate(vm->file, old_bytes);
	} else if (n_pages < old_pages) {
		drop_range(vm, n_pages, old_pages);
		rc = file_truncate(vm->file, to_bytes);
	} else {
		rc = file_allocate(vm->file, 0, to_bytes);
	}
	if (rc == 0)
		atomic_store(&vm->n_pages, n_pages);
	return rc;
}

int vm_look(struct pager *p, pgno_t *ret_n_pages)
{
	struct vmcache *vm = vm_of(p);
	uint64_t old_pages = atomic_load(&vm->n_pages), n_pages;
	int rc = growth_look(vm->file, vm->page_shift, &n_pages);

	if (rc == 0)
		rc = vm_reach(vm, (pgno_t)n_pages);
	if (rc < 0)
		return rc;
	if (n_pages < old_pages)
		drop_range(vm, n_pages, old_pages);
	atomic_store(&vm->n_pages, n_pages);
	*ret_n_pages = (pgno_t)n_pages;
	return 0;
}

int vm_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	struct vmcache *vm = vm_of(p);
	size_t len_bytes = (size_t)n_pages << vm->page_shift;
	int rc = file_read(vm->file, buf, len_bytes, (uint64_t)pgno << vm->page_shift, FILE_DEVICE);

	if (rc == 0)
		vm_count(&vm->read_bytes, len_bytes);
	return rc;
}
