/* SPDX-License-Identifier: MIT */
/*
 * The vmcache pager: the contract of buffer pools, and what it promises beside: the moves of the
 * state word, the bound on memory as the kernel counts it, pages that are revived, places that wait
 * for guards, and pages that a damaged reference has pinned when their number is given back.
 */
#include "tests/contract/contract_pool.h"
#include "tests/pool_fixture.h"
#include "vmcache/vmcache_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define N_PAGES 64U
#define GEN     ((gen_t)9)

static int open_as_given(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *o, struct pager **ret_pager)
{
	struct vmcache_options opts = {
		.cache_bytes = o->cache_bytes,
		.writer_pages = o->writer_pages,
		.reader_pages = o->reader_pages,
		.prefetch_pages = o->prefetch_pages,
		.checksum = o->checksum,
		.backend = o->backend,
	};

	return vmcache_open(io, file, page_size, seed, &opts, ret_pager);
}

static size_t bytes_min(uint32_t page_size, const struct bufpool_options *o)
{
	return vmcache_cache_bytes_min(page_size,
		&(struct vmcache_options){
			.writer_pages = o->writer_pages, .reader_pages = o->reader_pages});
}

static void check_vmcache(struct pager *p)
{
	struct vmcache *vm = vm_of(p);

	vm_loads_drain(vm);
	vm_check(vm);
	ck_assert_uint_le(vm->n_touched, vm->n_slots);
}

static const struct contract_pool pools[] = {
	{.name = "vmcache",
		.open = open_as_given,
		.cache_bytes_min = bytes_min,
		.check = check_vmcache,
		.one_version = true},
	{.name = "vmcache",
		.open = open_as_given,
		.cache_bytes_min = bytes_min,
		.check = check_vmcache,
		.real = true,
		.one_version = true},
};

/*
 * The word
 */

START_TEST(only_the_moves_of_the_diagram_are_legal)
{
	static const bool legal[VM_STATE_END][VM_STATE_END] = {
		/* to: EMPTY LOADING DOOMED LEAVING GONE DROPPED CACHED FRESH WRITING */
		[VM_EMPTY] = {0, 1, 0, 0, 0, 0, 0, 0, 0},
		[VM_LOADING] = {1, 0, 1, 0, 0, 0, 1, 1, 0},
		[VM_DOOMED] = {1, 0, 0, 0, 0, 0, 0, 0, 0},
		[VM_LEAVING] = {0, 0, 1, 0, 1, 0, 1, 0, 0},
		[VM_GONE] = {0, 1, 1, 0, 0, 0, 0, 0, 0},
		[VM_DROPPED] = {0, 0, 0, 0, 1, 1, 0, 1, 0},
		[VM_CACHED] = {0, 0, 0, 1, 1, 1, 1, 0, 0},
		[VM_FRESH] = {0, 0, 0, 0, 1, 1, 0, 1, 1},
		[VM_WRITING] = {0, 0, 0, 1, 0, 0, 1, 1, 1},
	};

	for (enum vm_state a = 0; a < VM_STATE_END; a++) {
		for (enum vm_state b = 0; b < VM_STATE_END; b++) {
			uint64_t from = a == VM_EMPTY ? 0 : vm_word_make(a, 3, a == VM_DROPPED);
			uint64_t to = b == VM_EMPTY ? 0 : vm_word_make(b, 3, b == VM_DROPPED);

			ck_assert_msg(vm_move_is_legal(from, to) == legal[a][b], "%d to %d", a, b);
		}
	}
	ck_assert(!vm_move_is_legal(vm_word_make(VM_CACHED, 3, 0), vm_word_make(VM_CACHED, 4, 0)));
	ck_assert(!vm_move_is_legal(vm_word_make(VM_CACHED, 3, 1), vm_word_make(VM_LEAVING, 3, 1)));
}
END_TEST

START_TEST(first_use_of_a_prefetched_page_does_not_count)
{
	uint64_t w = vm_word_make(VM_CACHED, 3, 0) | VM_AHEAD;

	ck_assert_uint_eq(vm_touched(w), vm_word_make(VM_CACHED, 3, 0));
	ck_assert_uint_eq(vm_touched(vm_touched(w)), vm_word_make(VM_CACHED, 3, 0) | VM_USED);
	ck_assert_uint_eq(vm_touched(w) + 1, vm_word_make(VM_CACHED, 3, 1));
}
END_TEST

/*
 * The pager
 */

/* Eight pages for readers, four for the writer. */
static void make(struct fixture *f)
{
	fixture_file(f, true, 4096, N_PAGES, GEN);
	fixture_open(f, &(struct bufpool_options){.reader_pages = 8, .writer_pages = 4},
		open_as_given, bytes_min);
}

static void end(struct fixture *f)
{
	check_vmcache(f->pager);
	fixture_close(f);
}

static const struct page *get(struct fixture *f, pgno_t pgno, gen_t gen)
{
	const struct page *page;

	ck_assert_msg(pager_get(f->pager, f->guard, (struct page_ref){pgno, gen}, &page) == 0, "%s",
		error_text());
	fixture_check(f, page, (struct page_ref){pgno, gen});
	return page;
}

static enum vm_state state_of(struct fixture *f, pgno_t pgno)
{
	return vm_state(atomic_load(vm_word(vm_of(f->pager), pgno)));
}

/* Of the file's places, those that the kernel has given memory. */
static unsigned n_resident(struct fixture *f)
{
	unsigned char there[N_PAGES];
	unsigned n = 0;

	ck_assert_int_eq(mincore(vm_place(vm_of(f->pager), 0), N_PAGES * 4096, there), 0);
	for (unsigned i = 0; i < N_PAGES; i++)
		n += there[i] & 1;
	return n;
}

/* V1, V7: as the kernel counts it, not as the pager does. */
START_TEST(no_more_pages_are_in_memory_than_there_are_slots)
{
	struct fixture f;
	struct pager_stats stats;

	make(&f);
	ck_assert_uint_eq(n_resident(&f), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (pgno_t i = 0; i < N_PAGES; i++) {
			pager_put(f.pager, get(&f, i, GEN));
			ck_assert_uint_le(n_resident(&f), 12);
		}
	}
	if (!HOSTILE_BUILD)
		ck_assert_uint_gt(n_resident(&f), 7);
	pager_stats(f.pager, &stats);
	ck_assert_uint_ge(stats.n_evictions, 3 * N_PAGES - 12);
	ck_assert_uint_le(stats.memory_bytes, stats.memory_bytes_max);
	end(&f);
}
END_TEST

/* What the writer does not use holds clean pages, so all slots do. */
START_TEST(page_that_is_leaving_is_revived_without_a_read)
{
	struct fixture f;
	struct pager_stats before, after;

	if (HOSTILE_BUILD) {
		check_skip("a hostile build gives memory back at the last put");
		return;
	}
	make(&f);
	for (pgno_t i = 0; i < 12; i++)
		pager_put_unneeded(f.pager, get(&f, i, GEN));
	ck_assert_int_eq(state_of(&f, 0), VM_LEAVING);
	pager_stats(f.pager, &before);
	for (pgno_t i = 0; i < 12; i++)
		pager_put(f.pager, get(&f, i, GEN));
	pager_stats(f.pager, &after);
	ck_assert_uint_eq(after.read_bytes, before.read_bytes);
	ck_assert_uint_eq(after.n_misses, 12);
	ck_assert_uint_eq(after.n_evictions, 0);
	end(&f);
}
END_TEST

/* P2, V4: memory stays as it is under a guard, and a peek under a later one does not find it. */
START_TEST(evicted_page_is_readable_until_its_guards_end)
{
	struct fixture f;
	struct guard *reader, *later;
	struct page_ref ref = {3, GEN};
	const struct page *seen;

	make(&f);
	ck_assert_int_eq(guard_open(&f.pager->guards, &reader), 0);
	ck_assert_int_eq(guard_open(&f.pager->guards, &later), 0);
	seen = get(&f, 3, GEN);
	guard_enter(reader);
	ck_assert_ptr_eq(pager_peek(f.pager, reader, ref), seen);
	pager_put_unneeded(f.pager, seen);
	ck_assert_int_eq(state_of(&f, 3), VM_LEAVING);
	ck_assert_uint_eq(vm_reap(vm_of(f.pager)), 0);
	guard_enter(later);
	ck_assert_ptr_null(pager_peek(f.pager, later, ref));
	guard_leave(later);
	fixture_check(&f, seen, ref);
	guard_leave(reader);
	ck_assert_uint_eq(vm_reap(vm_of(f.pager)), 1);
	ck_assert_int_eq(state_of(&f, 3), VM_EMPTY);
	ck_assert_uint_eq(n_resident(&f), 0);
	guard_close(reader);
	guard_close(later);
	end(&f);
}
END_TEST

static void write_fresh(struct fixture *f, struct page *page)
{
	struct page_write piece = {.pgno = le32_get(page->pgno), .n_pages = 1};

	fixture_fill(page, f->page_size);
	ck_assert_int_eq(pager_write(f->pager, &piece, 1), 0);
}

/* The owner gives a number back that a damaged reference has pinned: nothing waits, nothing is
 * lost, and no memory goes before the put. */
START_TEST(page_dropped_while_pinned_lasts_until_its_put)
{
	struct fixture f;
	struct page_ref ref = {5, GEN};
	const struct page *pinned, *page;

	make(&f);
	pinned = get(&f, 5, GEN);
	pager_drop(f.pager, 5, 1);
	ck_assert_int_eq(state_of(&f, 5), VM_DROPPED);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref, &page), VERSO_EPINNED);
	guard_enter(f.guard);
	ck_assert_ptr_null(pager_peek(f.pager, f.guard, ref));
	guard_leave(f.guard);
	fixture_check(&f, pinned, ref);
	pager_put(f.pager, pinned);
	ck_assert_int_eq(state_of(&f, 5), VM_GONE);
	pager_put(f.pager, get(&f, 5, GEN));
	end(&f);
}
END_TEST

START_TEST(page_made_anew_while_pinned_keeps_the_pins)
{
	struct fixture f;
	const struct page *pinned;
	struct page *own;

	make(&f);
	pinned = get(&f, 5, GEN);
	own = pager_fresh(f.pager, (struct page_ref){5, GEN + 1});
	write_fresh(&f, own);
	pager_put(f.pager, pinned);
	pager_put(f.pager, get(&f, 5, GEN + 1));
	end(&f);
}
END_TEST

/* The writer's own page, pinned by a damaged reference when the transaction ends. */
START_TEST(fresh_page_dropped_while_pinned_lasts_until_its_put)
{
	struct fixture f;
	struct page_ref ref = {6, GEN + 1};
	const struct page *pinned;
	struct page *own;

	make(&f);
	own = pager_fresh(f.pager, ref);
	fixture_fill(own, f.page_size);
	pinned = get(&f, 6, GEN + 1);
	pager_drop(f.pager, 6, 1);
	ck_assert_int_eq(state_of(&f, 6), VM_DROPPED);
	fixture_check(&f, pinned, ref);
	pager_put(f.pager, pinned);
	pager_put(f.pager, get(&f, 6, GEN));
	end(&f);
}
END_TEST

/* Neighbours in the file are neighbours in memory: one request, one piece. */
START_TEST(a_file_of_several_segments_is_found_page_by_page)
{
	struct fixture f;
	struct vmcache *vm;

	make(&f);
	vm = vm_of(f.pager);
	ck_assert_int_eq(vm_reach(vm, TABLE_FIRST * 4 + 1), 0);
	for (uint64_t first = TABLE_FIRST; first <= TABLE_FIRST * 4; first *= 2) {
		for (uint64_t pgno = first - 2; pgno < first + 2; pgno++)
			ck_assert_uint_eq(vm_pgno_at(vm, vm_place(vm, (pgno_t)pgno)), pgno);
		ck_assert_ptr_eq((uint8_t *)vm_place(vm, (pgno_t)first - 2) + 4096,
			vm_place(vm, (pgno_t)first - 1));
	}
	end(&f);
}
END_TEST

START_TEST(a_cache_that_is_too_small_is_refused_with_the_least_size)
{
	struct vmcache_options opts = {.writer_pages = 4, .reader_pages = 8};
	struct pager *pager = NULL;
	struct fixture f;
	char least[32];

	make(&f);
	opts.cache_bytes = vmcache_cache_bytes_min(4096, &opts) - 1;
	(void)snprintf(least, sizeof(least), "at least %zu", opts.cache_bytes + 1);
	ck_assert_int_eq(vmcache_open(f.io, f.file, 4096, FIXTURE_SEED, &opts, &pager), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(), least));
	ck_assert_ptr_null(pager);
	end(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vmcache");
	TCase *tc = tcase_create("vmcache");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, only_the_moves_of_the_diagram_are_legal);
	tcase_add_test(tc, first_use_of_a_prefetched_page_does_not_count);
	tcase_add_test(tc, no_more_pages_are_in_memory_than_there_are_slots);
	tcase_add_test(tc, page_that_is_leaving_is_revived_without_a_read);
	tcase_add_test(tc, evicted_page_is_readable_until_its_guards_end);
	tcase_add_test(tc, page_dropped_while_pinned_lasts_until_its_put);
	tcase_add_test(tc, page_made_anew_while_pinned_keeps_the_pins);
	tcase_add_test(tc, fresh_page_dropped_while_pinned_lasts_until_its_put);
	tcase_add_test(tc, a_file_of_several_segments_is_found_page_by_page);
	tcase_add_test(tc, a_cache_that_is_too_small_is_refused_with_the_least_size);
	suite_add_tcase(s, tc);
	contract_pool_add(s, pools, sizeof(pools) / sizeof(pools[0]));
	return check_main(s);
}
