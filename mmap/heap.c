/* SPDX-License-Identifier: MIT */
/*
 * The writer's own pages, until they are written. mmap_int.h shows the states of a copy.
 *
 * Why taking one cannot fail: at most writer_pages copies are named by words. Retired ones that are
 * pinned number at most HEAP_HELD_MAX when the last pin is granted, and at most writer_pages more
 * were pinned then and are retired later. All others wait for guards alone, and guards end by
 * themselves. The arena is as large as the sum; it is address space until touched.
 *
 * A pin is noted (io/fault.h): a fault elsewhere in the call must not lose it.
 *
 * The epoch moves only when copies are wanted, not at each that goes: every reader's guard_enter()
 * reads the line that holds it.
 */
#include "base/asan.h"
#include "base/error.h"
#include "io/fault.h"
#include "io/memory.h"
#include "mmap/mmap_int.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>

int heap_init(struct heap *h, struct guard_domain *guards, uint32_t page_size,
	uint32_t writer_pages)
{
	uint64_t n_copies = 2 * (uint64_t)writer_pages + HEAP_HELD_MAX;
	void *arena, *copies;
	int rc;

	if (n_copies >= COPY_NONE)
		return error_set(-ENOMEM, "%" PRIu32 " pages of a writer are too many",
			writer_pages);
	rc = memory_reserve(n_copies * page_size, false, &arena);
	if (rc < 0)
		return rc;
	rc = memory_reserve(n_copies * sizeof(struct copy), false, &copies);
	if (rc < 0) {
		memory_release(arena, n_copies * page_size);
		return rc;
	}
	*h = (struct heap){
		.arena = arena,
		.arena_bytes = n_copies * page_size,
		.copies = copies,
		.n_copies = (uint32_t)n_copies,
		.page_size = page_size,
		.guards = guards,
		.free = COPY_NONE,
		.leaving = COPY_NONE,
		.left = COPY_NONE,
	};
	(void)pthread_mutex_init(&h->lock, NULL);
	return 0;
}

void heap_fini(struct heap *h)
{
	if (!h->arena)
		return;
	ASSERT(h->n_idle == h->n_touched);
	UNPOISON(h->arena, h->arena_bytes);
	memory_release(h->arena, h->arena_bytes);
	memory_release(h->copies, h->n_copies * sizeof(struct copy));
	(void)pthread_mutex_destroy(&h->lock);
}

/*
 * Moves copies towards the free list; false when guards hold back all that there are. Called with
 * the lock.
 */
static bool reap(struct heap *h)
{
	if (h->left == COPY_NONE) {
		if (h->leaving == COPY_NONE)
			return false;
		h->left = h->leaving;
		h->leaving = COPY_NONE;
		h->epoch = guard_retire(h->guards);
	}
	if (guard_oldest(h->guards) <= h->epoch)
		return false;
	h->free = h->left;
	h->left = COPY_NONE;
	for (uint32_t i = h->free; POISON_FREE && i != COPY_NONE; i = h->copies[i].next)
		poison_free(heap_page(h, i), h->page_size);
	return true;
}

/* Pins may change meanwhile; its state does not, but by this thread. Returns the pins. */
static uint32_t move(struct copy *copy, enum copy_state to)
{
	uint32_t from = atomic_load(&copy->state);

	while (!copy_move(&copy->state, &from, to))
		;
	return copy_pins(from);
}

uint32_t heap_take(struct heap *h)
{
	uint32_t i;

	pthread_mutex_lock(&h->lock);
	while (h->free == COPY_NONE && !reap(h) && h->n_touched == h->n_copies) {
		pthread_mutex_unlock(&h->lock);
		sched_yield();
		pthread_mutex_lock(&h->lock);
	}
	if (h->free != COPY_NONE) {
		i = h->free;
		h->free = h->copies[i].next;
		h->n_idle--;
	} else {
		i = h->n_touched++;
	}
	pthread_mutex_unlock(&h->lock);
	(void)move(&h->copies[i], COPY_TAKEN);
	UNPOISON(heap_page(h, i), h->page_size);
	return i;
}

/* From retired to gone, by the thread that finds it retired without pins. */
static void go(struct heap *h, uint32_t i)
{
	uint32_t retired = copy_make(COPY_RETIRED, 0);

	if (!copy_move(&h->copies[i].state, &retired, COPY_GONE))
		return;
	atomic_fetch_sub(&h->n_held, 1);
	pthread_mutex_lock(&h->lock);
	h->copies[i].next = h->leaving;
	h->leaving = i;
	h->n_idle++;
	pthread_mutex_unlock(&h->lock);
}

void heap_retire(struct heap *h, uint32_t i)
{
	atomic_fetch_add(&h->n_held, 1);
	if (move(&h->copies[i], COPY_RETIRED) == 0)
		go(h, i);
}

int heap_pin(struct heap *h, uint32_t i)
{
	int rc;

	if (atomic_load_explicit(&h->n_held, memory_order_relaxed) >= HEAP_HELD_MAX)
		return error_set(VERSO_EPINNED,
			"%d pages of finished transactions are held; end results, cursors and read "
			"transactions that are no longer needed",
			HEAP_HELD_MAX);
	rc = fault_note(heap_page(h, i));
	if (rc == 0)
		atomic_fetch_add(&h->copies[i].state, 1);
	return rc;
}

void heap_unpin(struct heap *h, uint32_t i)
{
	uint32_t state = atomic_fetch_sub(&h->copies[i].state, 1);

	fault_strike(heap_page(h, i));
	ASSERT(copy_pins(state) != 0);
	if (state == copy_make(COPY_RETIRED, 1))
		go(h, i);
}
