/* SPDX-License-Identifier: MIT */
/*
 * Who has a place: claims, by which one thread has it to itself, and forgetting, by which nothing
 * of a page is found any more.
 *
 * A place that is EMPTY is claimed with a new slot. One that is GONE, its page forgotten, keeps its
 * slot and its memory: the claim waits for the guards that may see the old bytes (V4).
 */
#include "vmcache/vmcache_int.h"

#include <errno.h>

#define TRIES_MAX 50000 /* about five seconds: a guard does not span I/O */

/*
 * Claims
 */

/* As vm_claim(), of an EMPTY place. */
static int claim_empty(struct vmcache *vm, pgno_t pgno, enum vm_use use, uint32_t *ret_slot)
{
	uint64_t w = 0;
	uint32_t slot;

	for (unsigned tries = 0;; tries++) {
		pthread_mutex_lock(&vm->lock);
		slot = vm_slot_take(vm, pgno);
		pthread_mutex_unlock(&vm->lock);
		if (slot != SLOT_NONE)
			break;
		if (vm_reap(vm) > 0)
			continue;
		if (use == VM_USE_PREFETCH || tries >= TRIES_MAX)
			return -EAGAIN;
		vm_count(&vm->n_waits_limbo, tries == 0);
		vm_back_off(tries);
	}
	if (!vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_LOADING, slot, 0))) {
		vm_slot_give(vm, slot);
		return 1;
	}
	vm_place_open(vm, pgno);
	*ret_slot = slot;
	return 0;
}

/* The same of one that is GONE: its slot and its memory stay. */
static int claim_gone(struct vmcache *vm, pgno_t pgno, uint32_t *ret_slot)
{
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		bool moved = false;
		uint64_t w;

		pthread_mutex_lock(&vm->lock);
		w = atomic_load_explicit(vm_word(vm, pgno), memory_order_acquire);
		if (vm_state(w) == VM_GONE && vm_has_left(vm, vm_slot(w))) {
			vm_leaving_remove(vm, vm_slot(w));
			moved = vm_move(vm_word(vm, pgno), &w,
				vm_word_make(VM_LOADING, vm_slot(w), 0));
			ASSERT(moved);
		}
		pthread_mutex_unlock(&vm->lock);
		if (moved) {
			*ret_slot = vm_slot(w);
			return 0;
		}
		if (vm_state(w) != VM_GONE)
			return 1;
		vm_count(&vm->n_waits_limbo, tries == 0);
		vm_back_off(tries);
	}
	return -EAGAIN;
}

int vm_claim(struct vmcache *vm, pgno_t pgno, enum vm_use use, uint32_t *ret_slot)
{
	uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_acquire);

	if (vm_state(w) == VM_EMPTY)
		return claim_empty(vm, pgno, use, ret_slot);
	if (vm_state(w) == VM_GONE && use != VM_USE_PREFETCH)
		return claim_gone(vm, pgno, ret_slot);
	return 1;
}

void vm_claim_end(struct vmcache *vm, pgno_t pgno, uint32_t slot)
{
	vm_place_discard(vm, pgno, 1);
	atomic_store_explicit(vm_word(vm, pgno), 0, memory_order_release);
	vm_slot_give(vm, slot);
}

/*
 * Forgetting
 */

/* A clean page, or the writer's: nothing of it is found from here on. The pins stay in the word. */
static void unlink_page(struct vmcache *vm, pgno_t pgno, uint64_t w)
{
	enum vm_state to;

	do {
		to = vm_pins(w) > 0 ? VM_DROPPED : VM_GONE;
	} while (!vm_move(vm_word(vm, pgno), &w, vm_word_make(to, vm_slot(w), vm_pins(w))));
	if (to == VM_GONE) {
		vm_leaving_add(vm, vm_slot(w));
		if (vm_state(w) == VM_CACHED)
			vm_quota_put(vm);
	}
}

void vm_forget(struct vmcache *vm, pgno_t pgno)
{
	uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_acquire);

	ASSERT(vm_state(w) != VM_WRITING);
	switch (vm_state(w)) {
	case VM_LOADING: /* unless it has just become CACHED */
		if (!vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_DOOMED, vm_slot(w), 0)))
			vm_forget(vm, pgno);
		break;
	case VM_LEAVING:
		if (!vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_GONE, vm_slot(w), 0)))
			ASSERT(false);
		break;
	case VM_CACHED:
	case VM_FRESH: /* a damaged reference may pin either at this moment, with its unit */
		unlink_page(vm, pgno, w);
		break;
	default: /* already forgotten, or nothing there */
		break;
	}
}

bool vm_dropped_end(struct vmcache *vm, pgno_t pgno, uint64_t w)
{
	bool moved;

	pthread_mutex_lock(&vm->lock);
	moved = vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_GONE, vm_slot(w), 0));
	if (moved) {
		vm_leaving_add(vm, vm_slot(w));
		vm_quota_put(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return moved;
}
