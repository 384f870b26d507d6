/* SPDX-License-Identifier: MIT */
/*
 * The hit path: get and put are one atomic step each on the state word, peek only loads it. Where
 * the page lies follows from its number, so its lines are asked for beside the word, not after it.
 * What is wanted is compared with the page's own header, in the line that the caller is about to
 * read anyway.
 */
#include "base/error.h"
#include "base/thread.h"
#include "vmcache/vmcache_int.h"

#include <inttypes.h>

#define FRONT_LINES   5U  /* the header's, and those behind it: 320 bytes */
#define DROPPED_TRIES 100 /* some milliseconds */

/* Ends a pin. Returns the word after it. */
static uint64_t unpin(struct vmcache *vm, pgno_t pgno)
{
	_Atomic uint64_t *word = vm_word(vm, pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_relaxed);

	for (;;) {
		ASSERT(vm_pins(w) > 0);
		if (vm_state(w) == VM_DROPPED && vm_pins(w) == 1) {
			if (vm_dropped_end(vm, pgno, w))
				return 0;
			w = atomic_load_explicit(word, memory_order_relaxed);
		} else if (vm_move(word, &w, w - 1)) {
			break;
		}
	}
	if (__builtin_expect(vm_pins(w) == 1 && vm_is_fresh(vm_state(w)), 0))
		vm_quota_put(vm);
	return w - 1;
}

void vm_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct vmcache *vm = vm_of(p);
	pgno_t pgno = vm_pgno_at(vm, page);
	uint64_t w = unpin(vm, pgno);
	bool is_last = vm_state(w) == VM_CACHED && vm_pins(w) == 0;

	/* A hostile build evicts at once what no guard reads. */
	if (is_last && (unneeded || HOSTILE) && vm_deactivate_page(vm, pgno) && HOSTILE)
		(void)vm_reap(vm);
}

/* PAGER_CHECKSUM_ALWAYS. The writer's own page has no checksum yet. */
static int verify_hit(const struct vmcache *vm, struct page_ref ref, const struct page *page)
{
	if (!page_is_sealed(page))
		return 0;
	return page_verify(page, vm->pager.page_size, ref, vm->pager.seed);
}

/* A peek that finds a bad page returns NULL: the get that follows reports the error. */
static bool is_good(const struct vmcache *vm, struct page_ref ref, const struct page *page)
{
	bool good;

	error_mute();
	good = verify_hit(vm, ref, page) == 0;
	error_unmute();
	return good;
}

static inline const struct page *peek_one(struct vmcache *vm, struct page_ref ref)
{
	const struct page *page;
	uint64_t w;

	if (ref.pgno >= table_end(&vm->table))
		return NULL;
	/* Sequentially consistent, as the guard's store before it: one of both sides sees the
	 * other. */
	w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_seq_cst);
	if (vm_state(w) < VM_CACHED)
		return NULL;
	page = vm_place(vm, ref.pgno);
	if (!page_is(page, ref) || (vm->verifies_hits && !is_good(vm, ref, page)))
		return NULL;
	if (__builtin_expect(!(w & VM_USED), 0) && vm_state(w) == VM_CACHED)
		(void)vm_move(vm_word(vm, ref.pgno), &w, vm_touched(w)); /* a mark lost is a hint
									    lost */
	return page;
}

/* Asks the processor for the lines of a page that its reader is about to want. */
static inline void prefetch_front(const struct page *page)
{
	for (unsigned i = 0; i < FRONT_LINES; i++)
		__builtin_prefetch((const uint8_t *)page + (size_t)i * 64);
}

/* Words and pages in one wave of misses. Of a page that is not in memory, nothing is fetched. */
static void peek_ahead(const struct vmcache *vm, const struct page_ref *refs, size_t n)
{
	uint64_t end = table_end(&vm->table);

	for (size_t i = 0; i < n; i++) {
		if (refs[i].pgno >= end)
			continue;
		__builtin_prefetch((const void *)vm_word(vm, refs[i].pgno));
		prefetch_front(vm_place(vm, refs[i].pgno));
	}
}

void vm_peek(struct pager *p, const struct page_ref *refs, size_t n, const struct page **ret_pages)
{
	struct vmcache *vm = vm_of(p);

	if (n > 1)
		peek_ahead(vm, refs, n);
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(vm, refs[i]);
}

/* The first pin of a page that has no unit of the pin quota yet brings one. 0; 1: look again; an
 * error. */
static int pin_first_of_fresh(struct vmcache *vm, pgno_t pgno, uint64_t w)
{
	int rc = vm_quota_get(vm);

	if (rc < 0)
		return rc;
	if (vm_move(vm_word(vm, pgno), &w, w + 1))
		return 0;
	vm_quota_put(vm);
	return 1;
}

/* Pins the page that w shows at its place, CACHED or the writer's. 0; 1: look again; an error. */
static int pin(struct vmcache *vm, pgno_t pgno, uint64_t w)
{
	if (vm_is_fresh(vm_state(w)) && vm_pins(w) == 0)
		return pin_first_of_fresh(vm, pgno, w);
	if (vm_pins(w) == VM_PINS_MAX)
		return error_set(VERSO_EPINNED,
			"page %" PRIu32 " is pinned %u times: end some transactions", pgno,
			VM_PINS_MAX);
	return vm_move(vm_word(vm, pgno), &w, vm_touched(w) + 1) ? 0 : 1;
}

/* Another page than wanted was pinned under its number: a clean one is stale, the writer's is
 * not. */
static int get_stale(struct vmcache *vm, struct page_ref ref)
{
	struct page_ref found = page_ref(vm_place(vm, ref.pgno));
	uint64_t w = unpin(vm, ref.pgno);

	if (vm_is_fresh(vm_state(w)))
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 ": expected generation %" PRIx64
			", but it is being made anew in generation %" PRIx64,
			ref.pgno, ref.gen, found.gen);
	return vm_load_over(vm, ref);
}

/* Verifies a page that was just pinned. One that is bad is forgotten: its bytes in memory have
 * changed, and those of the file may be good. */
static int verify_pinned(struct vmcache *vm, struct page_ref ref)
{
	int rc = verify_hit(vm, ref, vm_place(vm, ref.pgno));

	if (rc == 0)
		return 0;
	unpin(vm, ref.pgno);
	pthread_mutex_lock(&vm->lock);
	if (vm_state(atomic_load(vm_word(vm, ref.pgno))) == VM_CACHED)
		vm_forget(vm, ref.pgno);
	pthread_mutex_unlock(&vm->lock);
	return rc;
}

/* Pins the page that w shows, if it is `ref`. 0; 1: look again; an error. */
static int get_found(struct vmcache *vm, struct page_ref ref, uint64_t w)
{
	int rc = pin(vm, ref.pgno, w);

	if (rc != 0)
		return rc;
	if (!page_is(vm_place(vm, ref.pgno), ref))
		return get_stale(vm, ref);
	return vm->verifies_hits ? verify_pinned(vm, ref) : 0;
}

/*
 * The place is taken by the pins of a damaged reference. A get that compares the header holds one
 * for a moment; one that a user holds is not waited for (P7). 1: look again; what the file says;
 * VERSO_EPINNED.
 */
static int get_dropped(struct vmcache *vm, struct page_ref ref)
{
	int rc = vm_load_over(vm, ref);

	for (unsigned tries = 0; rc == 1 && tries < DROPPED_TRIES; tries++) {
		if (vm_state(atomic_load(vm_word(vm, ref.pgno))) != VM_DROPPED)
			return 1;
		vm_back_off(tries);
	}
	return rc < 0 ? rc
		      : error_set(VERSO_EPINNED,
				"page %" PRIu32 " was dropped while a damaged reference has it "
				"pinned: end cursors and transactions, and check the database",
				ref.pgno);
}

/* One step towards the page. 0; 1: look again; an error. */
static int get_step(struct vmcache *vm, enum pager_load_cause cause, struct page_ref ref)
{
	uint64_t w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_acquire);
	int rc;

	switch (vm_state(w)) {
	case VM_EMPTY:
	case VM_GONE:
		return vm_load(vm, cause, ref);
	case VM_LOADING:
	case VM_DOOMED:
		vm_wait(vm, ref.pgno);
		return 1;
	case VM_LEAVING:
		rc = vm_revive(vm, ref);
		if (rc == 0 && vm->verifies_hits)
			return verify_pinned(vm, ref);
		return rc == 2 ? vm_load_over(vm, ref) : rc;
	case VM_DROPPED:
		return get_dropped(vm, ref);
	default:
		return get_found(vm, ref, w);
	}
}

static int get_slowly(struct vmcache *vm, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	THREAD_KEPT;
	int rc;

	do {
		rc = get_step(vm, pager_get_cause(g), ref);
	} while (rc > 0);
	if (rc == 0)
		*ret_page = vm_place(vm, ref.pgno);
	return rc;
}

int vm_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct vmcache *vm = vm_of(p);
	const struct page *page;
	uint64_t w;

	if (ref.pgno >= table_end(&vm->table))
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " lies beyond the largest size of the file", ref.pgno);
	page = vm_place(vm, ref.pgno);
	/* The page's first lines on their way while the locked step holds everything else up. */
	prefetch_front(page);
	w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_relaxed);
	if (vm_state(w) != VM_CACHED || vm_pins(w) == VM_PINS_MAX ||
		__builtin_expect(vm->verifies_hits, 0) ||
		!vm_move(vm_word(vm, ref.pgno), &w, vm_touched(w) + 1))
		return get_slowly(vm, g, ref, ret_page);
	if (__builtin_expect(!page_is(page, ref), 0)) {
		int rc = get_stale(vm, ref);

		return rc <= 0 ? rc : get_slowly(vm, g, ref, ret_page);
	}
	*ret_page = page;
	return 0;
}
