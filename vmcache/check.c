/* SPDX-License-Identifier: MIT */
/*
 * What must be true of an idle pager: every slot is in exactly one place (V1), and the units of the
 * pin quota that are counted are those that pages hold (V2). Runs at every close in debug and
 * hostile builds.
 */
#include "vmcache/vmcache_int.h"

void vm_check(struct vmcache *vm)
{
	uint32_t n[VM_STATE_END] = {0}, n_linked = 0, n_pinned_fresh = 0;

	pthread_mutex_lock(&vm->lock);
	for (uint32_t slot = 0; slot < vm->n_touched; slot++) {
		uint64_t w = atomic_load(vm_word(vm, vm->slots[slot].pgno));

		if (vm_state(w) == VM_EMPTY || vm_slot(w) != slot)
			continue;
		n[vm_state(w)]++;
		n_linked++;
		n_pinned_fresh += vm_is_fresh(vm_state(w)) && vm_pins(w) > 0;
	}
	ASSERT(n_linked + vm->free.n == vm->n_touched);
	ASSERT(n[VM_LEAVING] + n[VM_GONE] == vm->leaving.n);
	ASSERT(n[VM_FRESH] + n[VM_WRITING] == vm->n_fresh);
	ASSERT(n[VM_CACHED] + n[VM_DROPPED] + n[VM_LOADING] + n_pinned_fresh ==
		atomic_load(&vm->n_quota_used));
	ASSERT(n[VM_DOOMED] == 0);
	ASSERT(atomic_load(&vm->n_quota_used) <= vm->n_quota);
	pthread_mutex_unlock(&vm->lock);
}
