/* SPDX-License-Identifier: MIT */
/*
 * The pin quota and the clock: which page is deactivated when another needs its unit.
 *
 * Every page that a reader may pin holds a unit of the quota, so that the writer, whose fresh()
 * cannot fail, always finds a slot that is not pinned (V2). When all units are in use, the clock
 * hand goes round the slots: a page that was used since it came by last loses its mark, one that
 * was not is *deactivated*, CACHED to LEAVING, in one step that fails when the page is pinned. The
 * marks lie in the state words, and a hit sets them in the step that pins.
 *
 * Sources: CLOCK, Corbato 1968; over the pages in memory, as in vmcache (Leis and others 2023).
 */
#include "base/error.h"
#include "vmcache/vmcache_int.h"

#include <inttypes.h>

#define TRIES_MAX 1000 /* rounds of waiting for other threads' loads */
#define TRIES_MIN 4    /* rounds with no load at all: a page may change its state */

/* With the lock: the page that has the slot leaves if it is clean, not pinned and not marked. */
static bool clock_takes(struct vmcache *vm, uint32_t slot)
{
	pgno_t pgno = vm->slots[slot].pgno;
	uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_relaxed);
	const struct page *page = vm_place(vm, pgno);

	if (vm_state(w) != VM_CACHED || vm_slot(w) != slot || vm_pins(w) > 0)
		return false;
	if (w & (VM_USED | VM_AHEAD)) {
		(void)vm_move(vm_word(vm, pgno), &w, w & ~(VM_USED | VM_AHEAD));
		return false;
	}
	if (!vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_LEAVING, slot, 0)))
		return false;
	if (vm->pager.tracer)
		pager_trace_page(&vm->pager, PAGER_VICTIM, page_ref(page), page);
	vm_count(&vm->n_victims, 1);
	vm_leaving_add(vm, slot);
	vm_quota_put(vm);
	return true;
}

uint32_t vm_deactivate(struct vmcache *vm, uint32_t n)
{
	uint32_t n_taken = 0;

	/* Twice round: the first may do nothing but clear marks. */
	for (uint64_t step = 0; n_taken < n && step < 2 * (uint64_t)vm->n_touched; step++) {
		n_taken += clock_takes(vm, vm->hand);
		vm->hand = vm->hand + 1 < vm->n_touched ? vm->hand + 1 : 0;
	}
	return n_taken;
}

bool vm_deactivate_page(struct vmcache *vm, pgno_t pgno)
{
	const struct page *page = vm_place(vm, pgno);
	bool moved = false;
	uint64_t w;

	pthread_mutex_lock(&vm->lock);
	w = atomic_load_explicit(vm_word(vm, pgno), memory_order_relaxed);
	if (vm_state(w) == VM_CACHED && vm_pins(w) == 0)
		moved = vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_LEAVING, vm_slot(w), 0));
	if (moved) {
		if (vm->pager.tracer)
			pager_trace_page(&vm->pager, PAGER_UNNEEDED, page_ref(page), page);
		vm_count(&vm->n_unneeded, 1);
		vm_leaving_add(vm, vm_slot(w));
		vm_quota_put(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return moved;
}

void vm_cool(struct pager *p, const struct page_ref *refs, size_t n)
{
	struct vmcache *vm = vm_of(p);
	uint64_t end = table_end(&vm->table);

	for (size_t i = 0; i < n; i++) {
		if (refs[i].pgno < end)
			(void)vm_deactivate_page(vm, refs[i].pgno);
	}
}

static int error_pinned(const struct vmcache *vm)
{
	return error_set(VERSO_EPINNED,
		"all %" PRIu32 " pages that can be pinned in a cache of %zu bytes are pinned: end "
		"cursors and transactions, or open the database with a larger cache",
		vm->n_quota, vm->opts.cache_bytes);
}

int vm_quota_get(struct vmcache *vm)
{
	for (unsigned tries = 0;; tries++) {
		uint64_t seen;
		uint32_t n;

		if (vm_quota_try(vm))
			return 0;
		seen = vm_loads_seen(vm);
		pthread_mutex_lock(&vm->lock);
		n = vm_deactivate(vm, vm->batch);
		pthread_mutex_unlock(&vm->lock);
		if (n > 0)
			continue;
		if (tries >= TRIES_MAX)
			return error_pinned(vm);
		if (tries >= TRIES_MIN && atomic_load(&vm->n_loading) == 0)
			return error_pinned(vm);
		vm_loads_wait(vm, seen);
		vm_back_off(0);
	}
}

int vm_revive(struct vmcache *vm, struct page_ref ref)
{
	uint64_t w;
	int rc = vm_quota_get(vm);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&vm->lock);
	w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_acquire);
	rc = 1;
	if (vm_state(w) == VM_LEAVING && !page_is(vm_place(vm, ref.pgno), ref)) {
		rc = 2;
	} else if (vm_state(w) == VM_LEAVING) {
		bool moved =
			vm_move(vm_word(vm, ref.pgno), &w, vm_word_make(VM_CACHED, vm_slot(w), 1));

		ASSERT(moved);
		vm_leaving_remove(vm, vm_slot(w));
		rc = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	if (rc != 0)
		vm_quota_put(vm);
	return rc;
}
