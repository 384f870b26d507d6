/* SPDX-License-Identifier: MIT */
/*
 * Slots: how many pages are in memory, and the way of each slot through its life.
 *
 *	untouched --> of a page --> in `leaving` --> (memory given back) --> free --> of a page ...
 *	                  ^   \-----revived-----/  \--the same page again--/^
 *	                  \--- a claim that failed ------------------------/
 *
 * A page has one place, so its memory cannot be exchanged for other memory: whoever wants the
 * place for other bytes, or the slot for another page, waits until no guard can see the old bytes.
 * Unlinked pages stand in one list, `leaving`, oldest first. The epoch moves on when somebody wants
 * something of the list, for all that joined it since (limbo_close); a page may go once every guard
 * that is active began later (P9).
 *
 * A page that was only deactivated may be revived as long as its memory is there; so the slots that
 * the writer does not use at the moment hold the clean pages that were given up last. One that was
 * forgotten (GONE) is in the list for the guards alone.
 */
#include "vmcache/vmcache_int.h"

/*
 * Lists of slots, under the lock
 */

static void list_append(struct vmcache *vm, struct slot_list *list, uint32_t slot)
{
	vm->slots[slot].next = SLOT_NONE;
	vm->slots[slot].prev = list->tail;
	if (list->tail == SLOT_NONE)
		list->head = slot;
	else
		vm->slots[list->tail].next = slot;
	list->tail = slot;
	list->n++;
}

static void list_remove(struct vmcache *vm, struct slot_list *list, uint32_t slot)
{
	uint32_t next = vm->slots[slot].next, prev = vm->slots[slot].prev;

	if (prev == SLOT_NONE)
		list->head = next;
	else
		vm->slots[prev].next = next;
	if (next == SLOT_NONE)
		list->tail = prev;
	else
		vm->slots[next].prev = prev;
	list->n--;
}

void vm_leaving_add(struct vmcache *vm, uint32_t slot)
{
	vm->slots[slot].epoch = 0;
	list_append(vm, &vm->leaving, slot);
}

void vm_leaving_remove(struct vmcache *vm, uint32_t slot)
{
	list_remove(vm, &vm->leaving, slot);
}

/* Gives an epoch to all that joined the list since the last time: they are its end. */
static void limbo_close(struct vmcache *vm)
{
	uint64_t epoch = guard_retire(&vm->pager.guards);

	for (uint32_t s = vm->leaving.tail; s != SLOT_NONE && vm->slots[s].epoch == 0;
		s = vm->slots[s].prev)
		vm->slots[s].epoch = epoch;
}

/* V4 */
bool vm_has_left(struct vmcache *vm, uint32_t slot)
{
	if (vm->slots[slot].epoch == 0)
		limbo_close(vm);
	return guard_oldest(&vm->pager.guards) > vm->slots[slot].epoch;
}

/*
 * Giving memory back
 */

struct reaped {
	uint32_t slots[BATCH_MAX];
	pgno_t pgnos[BATCH_MAX];
	uint32_t n;
};

/* Of the list's head: its guards have ended. */
static bool may_go(const struct vmcache *vm, uint32_t slot, uint64_t oldest)
{
	return slot != SLOT_NONE && vm->slots[slot].epoch != 0 && vm->slots[slot].epoch < oldest;
}

/* With the lock: takes pages from the head of the list; from here on each place is busy. */
static void reap_begin(struct vmcache *vm, struct reaped *r)
{
	uint64_t n_evicted = 0, oldest;

	r->n = 0;
	if (vm->leaving.n == 0)
		return;
	if (vm->slots[vm->leaving.head].epoch == 0)
		limbo_close(vm);
	oldest = guard_oldest(&vm->pager.guards); /* one look for all of the batch */
	while (r->n < BATCH_MAX && may_go(vm, vm->leaving.head, oldest)) {
		uint32_t slot = vm->leaving.head;
		pgno_t pgno = vm->slots[slot].pgno;
		uint64_t w = atomic_load_explicit(vm_word(vm, pgno), memory_order_relaxed);
		bool moved;

		if (vm_state(w) == VM_LEAVING) {
			const struct page *page = vm_place(vm, pgno);

			if (vm->pager.tracer)
				pager_trace_page(&vm->pager, PAGER_EVICT, page_ref(page), page);
			n_evicted++;
		}
		moved = vm_move(vm_word(vm, pgno), &w, vm_word_make(VM_DOOMED, slot, 0));
		ASSERT(moved);
		list_remove(vm, &vm->leaving, slot);
		r->slots[r->n] = slot;
		r->pgnos[r->n++] = pgno;
	}
	vm_count(&vm->n_evictions, n_evicted);
}

/* Without the lock, which a call of the kernel should not hold up: neighbours in one call. */
static void reap_end(struct vmcache *vm, const struct reaped *r)
{
	uint32_t n_run;

	for (uint32_t i = 0; i < r->n; i += n_run) {
		n_run = 1;
		while (i + n_run < r->n && r->pgnos[i + n_run] == r->pgnos[i] + n_run &&
			table_segment(r->pgnos[i + n_run]) == table_segment(r->pgnos[i]))
			n_run++;
		vm_place_discard(vm, r->pgnos[i], n_run);
	}
	for (uint32_t i = 0; i < r->n; i++)
		atomic_store_explicit(vm_word(vm, r->pgnos[i]), 0, memory_order_release);
	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; i < r->n; i++)
		list_append(vm, &vm->free, r->slots[i]);
	pthread_mutex_unlock(&vm->lock);
	vm_arrived(vm, 0);
}

uint32_t vm_reap(struct vmcache *vm)
{
	struct reaped r;

	pthread_mutex_lock(&vm->lock);
	reap_begin(vm, &r);
	pthread_mutex_unlock(&vm->lock);
	if (r.n > 0)
		reap_end(vm, &r);
	return r.n;
}

/*
 * Free slots
 */

uint32_t vm_slot_take(struct vmcache *vm, pgno_t pgno)
{
	uint32_t slot = vm->free.head;

	if (slot != SLOT_NONE)
		list_remove(vm, &vm->free, slot);
	else if (vm->n_touched < vm->n_slots)
		slot = vm->n_touched++;
	else
		return SLOT_NONE;
	vm->slots[slot].pgno = pgno;
	if (vm->end_pages <= pgno)
		vm->end_pages = (uint64_t)pgno + 1;
	return slot;
}

void vm_slot_give(struct vmcache *vm, uint32_t slot)
{
	pthread_mutex_lock(&vm->lock);
	list_append(vm, &vm->free, slot);
	pthread_mutex_unlock(&vm->lock);
}
