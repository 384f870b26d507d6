/* SPDX-License-Identifier: MIT */
/* The contract of buffer pools, one thread: bounds, misses, what fails, prefetch, the writer. */
#include "tests/contract/contract_pool.h"
#include "pager/growth.h"
#include "tests/contract/contract_pool_int.h"

#include <errno.h>
#include <stdio.h>

#define N_PAGES      64
#define READER_PAGES 4 /* what set_up() asks for when a test asks for nothing */

static const struct contract_pool *pools;
static int n_pools;

const struct contract_pool *contract_pool_nth(int i)
{
	return &pools[i];
}

bool contract_pool_has(int i, unsigned needs)
{
	const struct contract_pool *c = &pools[i];

	return !(needs & NEEDS_SIMULATED && c->real) &&
	       !(needs & NEEDS_PREFETCH && c->no_prefetch) &&
	       !(needs & NEEDS_VERSIONS && c->one_version);
}

void contract_pool_open(struct fixture *f, int i, const struct bufpool_options *given)
{
	const struct contract_pool *c = &pools[i];
	struct bufpool_options opts = {0};

	(void)printf("# %s, %s\n", c->name, c->real ? "a file of the kernel" : "simulated disk");
	if (given)
		opts = *given;
	opts.policy = c->policy;
	opts.flags = c->flags;
	fixture_open(f, &opts, c->open, c->cache_bytes_min);
}

/* Nothing is pinned. */
static void close_pool(struct fixture *f, int i)
{
	if (pools[i].check)
		pools[i].check(f->pager);
	fixture_close_pool(f);
}

void contract_pool_close(struct fixture *f, int i)
{
	close_pool(f, i);
	fixture_close(f);
}

static void set_up(struct fixture *f, int i, const struct bufpool_options *given)
{
	fixture_file(f, pools[i].real, 4096, N_PAGES, 1);
	contract_pool_open(f, i, given);
}

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

static int fail_kind(void *arg, const struct sim_call *call)
{
	enum sim_call_kind *kind = arg;

	return call->kind == *kind ? -EIO : 0;
}

static int fail_far_writes(void *arg, const struct sim_call *call)
{
	const uint64_t *off = arg;

	return call->kind == SIM_CALL_WRITE && call->off_bytes >= *off ? -ENOSPC : 0;
}

START_TEST(more_pages_than_frames_can_be_read)
{
	struct fixture f;

	set_up(&f, _i, NULL);
	for (int round = 0; round < 3; round++) {
		for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
			fixture_visit(&f, ref(pgno, 1));
	}
	ck_assert_uint_ge(fixture_stats(&f).n_evictions, 2 * N_PAGES);
	ck_assert_uint_le(fixture_stats(&f).memory_bytes, fixture_stats(&f).memory_bytes_max);
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(page_in_memory_is_not_read_again)
{
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, NULL);
	for (int round = 0; round < 10; round++) {
		fixture_visit(&f, ref(3, 1));
		fixture_visit(&f, ref(4, 1));
	}
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 2);
	ck_assert_uint_eq(fixture_stats(&f).read_bytes, 2 * 4096);
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(all_frames_pinned_is_an_error_and_one_put_ends_it)
{
	const struct page *pages[N_PAGES], *page;
	struct fixture f;
	uint32_t n = 0;

	set_up(&f, _i, NULL);
	while (pager_get(f.pager, f.guard, ref(n, 1), &pages[n]) == 0)
		n++;
	ck_assert_uint_eq(n, READER_PAGES);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(n, 1), &page), VERSO_EPINNED);
	ck_assert_ptr_nonnull(strstr(error_text(), "pinned"));
	/* What is pinned already can be pinned again. */
	fixture_visit(&f, ref(0, 1));
	pager_put(f.pager, pages[0]);
	fixture_visit(&f, ref(n, 1));
	for (uint32_t i = 1; i < n; i++) {
		fixture_check(&f, pages[i], ref(i, 1));
		pager_put(f.pager, pages[i]);
	}
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(writer_gets_its_pages_though_users_pin_all_they_can)
{
	const struct page *pages[N_PAGES];
	struct page_write set[4] = {{10, 1, NULL}, {11, 1, NULL}, {20, 1, NULL}, {30, 1, NULL}};
	struct fixture f;
	uint32_t n = 0;

	set_up(&f, _i, NULL);
	while (pager_get(f.pager, f.guard, ref(40 + n, 1), &pages[n]) == 0)
		n++;
	for (gen_t gen = 2; gen < 20; gen++) {
		for (int i = 0; i < 4; i++)
			(void)fixture_fresh(&f, ref(set[i].pgno, gen));
		ck_assert_int_eq(pager_write(f.pager, set, 4), 0);
	}
	for (uint32_t i = 0; i < n; i++) {
		fixture_check(&f, pages[i], ref(40 + i, 1));
		pager_put(f.pager, pages[i]);
	}
	for (int i = 0; i < 4; i++)
		fixture_visit(&f, ref(set[i].pgno, 19));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(bytes_that_rotted_are_an_error_and_not_cached)
{
	const struct page *pages[READER_PAGES], *page;
	struct fixture f;
	uint8_t bytes[4096] __attribute__((aligned(4096)));
	uint64_t bit = check_seed() * 7919 % (4096 * 8);

	set_up(&f, _i, NULL);
	ck_assert_int_eq(file_read(f.file, bytes, 4096, 5 * 4096, FILE_LIVE), 0);
	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	ck_assert_int_eq(file_write(f.file, bytes, 4096, 5 * 4096), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), VERSO_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error_text(), "page 5"));
	/* None of them has kept a frame. */
	for (uint32_t i = 0; i < READER_PAGES; i++)
		pages[i] = fixture_get(&f, ref(10 + i, 1));
	for (uint32_t i = 0; i < READER_PAGES; i++)
		pager_put(f.pager, pages[i]);
	guard_enter(f.guard);
	ck_assert_ptr_null(pager_peek(f.pager, f.guard, ref(5, 1)));
	guard_leave(f.guard);
	/* It is read again each time: a page that was mended is found. */
	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	ck_assert_int_eq(file_write(f.file, bytes, 4096, 5 * 4096), 0);
	fixture_visit(&f, ref(5, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(wrong_gen_and_beyond_the_end_are_corruption)
{
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, NULL);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 2), &page), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(N_PAGES, 1), &page), VERSO_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error_text(), "page 64"));
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(UINT32_MAX, 1), &page), VERSO_ECORRUPT);
	fixture_visit(&f, ref(5, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(stale_page_is_loaded_again_and_a_pin_on_it_holds)
{
	const struct page *old;
	struct fixture f;

	set_up(&f, _i, NULL);
	old = fixture_get(&f, ref(5, 1));
	fixture_put_page(&f, ref(5, 2)); /* as another process would */
	fixture_visit(&f, ref(5, 2));
	for (pgno_t pgno = 10; pgno < N_PAGES; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	fixture_check(&f, old, ref(5, 1));
	pager_put(f.pager, old);
	fixture_visit(&f, ref(5, 2));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(file_grown_by_another_process_is_seen)
{
	struct fixture f;

	set_up(&f, _i, NULL);
	fixture_put_page(&f, ref(N_PAGES, 9));
	fixture_visit(&f, ref(N_PAGES, 9));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(failed_read_is_reported_and_nothing_stays)
{
	enum sim_call_kind kind = SIM_CALL_READ;
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, NULL);
	simdisk_set_fault(f.disk, fail_kind, &kind);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), -EIO);
	pager_prefetch(f.pager, (struct page_ref[]){{6, 1}, {7, 1}, {30, 1}}, 3);
	simdisk_set_fault(f.disk, NULL, NULL);
	fixture_visit(&f, ref(5, 1));
	fixture_visit(&f, ref(6, 1));
	fixture_visit(&f, ref(30, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(prefetched_pages_are_not_read_again)
{
	struct bufpool_options opts = {.reader_pages = 40, .prefetch_pages = 30};
	struct page_ref refs[20];
	struct fixture f;

	set_up(&f, _i, &opts);
	for (pgno_t i = 0; i < 20; i++)
		refs[i] = ref(i < 10 ? i : 3 * i, 1);
	pager_prefetch(f.pager, refs, 20);
	for (pgno_t i = 0; i < 20; i++)
		fixture_visit(&f, refs[i]);
	ck_assert_uint_eq(fixture_stats(&f).n_prefetched, 20);
	ck_assert_uint_eq(fixture_stats(&f).n_loads[PAGER_LOAD_GET], 0);
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 20);
	ck_assert_uint_eq(fixture_stats(&f).read_bytes, 20 * 4096);
	/* Never got: close has to wait for them. */
	for (pgno_t i = 0; i < 20; i++)
		refs[i].pgno++;
	pager_prefetch(f.pager, refs, 20);
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(prefetch_of_bad_pages_is_no_error)
{
	struct page_ref refs[] = {{5, 2}, {6, 1}, {N_PAGES, 1}, {UINT32_MAX, 1}, {7, 1}};
	struct bufpool_options opts = {.reader_pages = 16, .prefetch_pages = 8};
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, &opts);
	error_clear();
	pager_prefetch(f.pager, refs, 5);
	fixture_visit(&f, ref(6, 1)); /* read ahead by one request with the bad page before it */
	ck_assert_str_eq(error_text(), "");
	ck_assert_int_eq(pager_get(f.pager, f.guard, refs[0], &page), VERSO_ECORRUPT);
	fixture_visit(&f, ref(6, 1));
	fixture_visit(&f, ref(7, 1));
	fixture_visit(&f, ref(5, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(page_number_being_prefetched_can_be_made_anew)
{
	struct page_write set = {5, 1, NULL};
	struct fixture f;

	set_up(&f, _i, NULL);
	for (gen_t gen = 2; gen < 40; gen++) {
		pager_prefetch(f.pager, (struct page_ref[]){{5, gen - 1}, {6, 1}}, 2);
		(void)fixture_fresh(&f, ref(5, gen));
		fixture_visit(&f, ref(6, 1));
		ck_assert_int_eq(pager_write(f.pager, &set, 1), 0);
		fixture_visit(&f, ref(5, gen));
		pager_prefetch(f.pager, (struct page_ref[]){{5, gen}, {6, 1}}, 2);
		pager_drop(f.pager, 5, 2);
	}
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(prefetch_takes_no_frame_that_is_pinned)
{
	const struct page *pages[8];
	struct page_ref refs[N_PAGES];
	struct fixture f;

	set_up(&f, _i, NULL);
	for (uint32_t i = 0; i < N_PAGES; i++)
		refs[i] = ref(i, 1);
	for (uint32_t i = 0; i < READER_PAGES; i++)
		pages[i] = fixture_get(&f, refs[i]);
	pager_prefetch(f.pager, refs, N_PAGES);
	for (uint32_t i = 0; i < READER_PAGES; i++) {
		fixture_check(&f, pages[i], refs[i]);
		pager_put(f.pager, pages[i]);
	}
	pager_prefetch(f.pager, refs, N_PAGES);
	for (uint32_t i = 0; i < N_PAGES; i++)
		fixture_visit(&f, refs[i]);
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(fresh_page_is_found_by_its_gen_only)
{
	const struct page *page;
	struct page *fresh;
	struct fixture f;

	set_up(&f, _i, NULL);
	fixture_visit(&f, ref(5, 1));
	fresh = pager_fresh(f.pager, ref(5, 2));
	ck_assert_ptr_eq(pager_own(f.pager, f.guard, ref(5, 2)), fresh);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 2), &page), 0);
	ck_assert_ptr_eq(page, fresh);
	pager_put(f.pager, page);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), VERSO_ECORRUPT);
	ck_assert_ptr_null(pager_own(f.pager, f.guard, ref(5, 1)));
	ck_assert(!page_is_sealed(fresh));
	ck_assert_uint_eq(le32_get(fresh->scratch), 0);
	/* Not evicted, whatever happens. */
	for (pgno_t pgno = 10; pgno < N_PAGES; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	ck_assert_ptr_eq(pager_own(f.pager, f.guard, ref(5, 2)), fresh);
	pager_drop(f.pager, 5, 1);
	fixture_visit(&f, ref(5, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(large_sets_are_written_whole)
{
	struct bufpool_options opts = {.writer_pages = 1000};
	static struct page_write set[1000];
	struct fixture f;

	fixture_file(&f, pools[_i].real, 512, 0, 1);
	contract_pool_open(&f, _i, &opts);
	ck_assert_int_eq(pager_resize(f.pager, 3000), 0);
	for (uint32_t step = 1; step <= 3; step++) {
		for (pgno_t i = 0; i < 1000; i++) {
			set[i] = (struct page_write){i * step, 1, NULL};
			(void)fixture_fresh(&f, ref(i * step, 1 + step));
		}
		ck_assert_int_eq(pager_write(f.pager, set, 1000), 0);
		for (pgno_t i = 0; i < 1000; i++)
			fixture_visit(&f, ref(i * step, 1 + step));
	}
	close_pool(&f, _i);
	contract_pool_open(&f, _i, NULL);
	for (pgno_t i = 0; i < 1000; i++)
		fixture_visit(&f, ref(i * 3, 4));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(written_buffer_replaces_what_was_cached)
{
	uint8_t bytes[8192] __attribute__((aligned(4096)));
	struct page_write set = {7, 2, bytes};
	const struct page *old;
	struct fixture f;

	set_up(&f, _i, NULL);
	fixture_visit(&f, ref(8, 1));
	old = fixture_get(&f, ref(7, 1));
	for (pgno_t i = 0; i < 2; i++) {
		struct page *page = (struct page *)(bytes + 4096 * (size_t)i);

		memset(page, 0, 4096);
		page_init(page, ref(7 + i, 5), PAGE_TOY, 0, 0);
		fixture_fill(page, 4096);
	}
	ck_assert_int_eq(pager_write(f.pager, &set, 1), 0);
	fixture_check(&f, old, ref(7, 1));
	guard_enter(f.guard);
	ck_assert_ptr_null(pager_peek(f.pager, f.guard, ref(7, 1)));
	ck_assert_ptr_null(pager_peek(f.pager, f.guard, ref(8, 1)));
	guard_leave(f.guard);
	fixture_visit(&f, ref(7, 5));
	fixture_visit(&f, ref(8, 5));
	pager_put(f.pager, old);
	memset(bytes, 0xff, sizeof(bytes));
	ck_assert_int_eq(pager_read_device(f.pager, 7, 2, bytes), 0);
	fixture_check(&f, (struct page *)bytes, ref(7, 5));
	fixture_check(&f, (struct page *)(bytes + 4096), ref(8, 5));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(failed_write_leaves_the_pages_fresh)
{
	struct page_write set[3] = {{1, 1, NULL}, {5, 1, NULL}, {9, 1, NULL}};
	enum sim_call_kind kind = SIM_CALL_WRITE;
	struct fixture f;

	set_up(&f, _i, NULL);
	for (int i = 0; i < 3; i++)
		(void)fixture_fresh(&f, ref(set[i].pgno, 2));
	simdisk_set_fault(f.disk, fail_kind, &kind);
	ck_assert_int_eq(pager_write(f.pager, set, 3), -EIO);
	simdisk_set_fault(f.disk, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		fixture_visit(&f, ref(set[i].pgno, 2)); /* which the file has never had */
		pager_drop(f.pager, set[i].pgno, 1);
	}
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(failed_growth_leaves_the_size_as_it_was)
{
	const pgno_t end = N_PAGES + PAGER_GROWTH_WRITTEN / 4096;
	uint64_t off = N_PAGES * 4096, size_bytes;
	struct fixture f;

	set_up(&f, _i, NULL);
	/* The blocks are there; writing zeros to them fails. */
	simdisk_set_fault(f.disk, fail_far_writes, &off);
	ck_assert_int_eq(pager_resize(f.pager, end), -ENOSPC);
	ck_assert_int_eq(file_size(f.file, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, N_PAGES * 4096);
	simdisk_set_fault(f.disk, NULL, NULL);
	ck_assert_int_eq(pager_resize(f.pager, end), 0);
	ck_assert_int_eq(pager_resize(f.pager, N_PAGES), 0);
	ck_assert_int_eq(file_size(f.file, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, N_PAGES * 4096);
	fixture_visit(&f, ref(N_PAGES - 1, 1));
	contract_pool_close(&f, _i);
}
END_TEST

START_TEST(cut_forgets_what_lies_beyond)
{
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, NULL);
	fixture_visit(&f, ref(40, 1));
	ck_assert_int_eq(pager_resize(f.pager, 20), 0);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(40, 1), &page), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_resize(f.pager, N_PAGES), 0);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(40, 1), &page), VERSO_ECORRUPT);
	fixture_visit(&f, ref(19, 1));
	contract_pool_close(&f, _i);
}
END_TEST

void contract_pool_add(Suite *s, const struct contract_pool *all, size_t n)
{
	TCase *tc = tcase_create("pool");

	pools = all;
	n_pools = (int)n;
	tcase_set_timeout(tc, 60);
	ADD_POOL_TEST(tc, more_pages_than_frames_can_be_read, n_pools, 0);
	ADD_POOL_TEST(tc, page_in_memory_is_not_read_again, n_pools, 0);
	ADD_POOL_TEST(tc, all_frames_pinned_is_an_error_and_one_put_ends_it, n_pools, 0);
	ADD_POOL_TEST(tc, writer_gets_its_pages_though_users_pin_all_they_can, n_pools, 0);
	ADD_POOL_TEST(tc, bytes_that_rotted_are_an_error_and_not_cached, n_pools, 0);
	ADD_POOL_TEST(tc, wrong_gen_and_beyond_the_end_are_corruption, n_pools, 0);
	ADD_POOL_TEST(tc, stale_page_is_loaded_again_and_a_pin_on_it_holds, n_pools,
		NEEDS_VERSIONS);
	ADD_POOL_TEST(tc, file_grown_by_another_process_is_seen, n_pools, NEEDS_VERSIONS);
	ADD_POOL_TEST(tc, failed_read_is_reported_and_nothing_stays, n_pools, NEEDS_SIMULATED);
	ADD_POOL_TEST(tc, prefetched_pages_are_not_read_again, n_pools, NEEDS_PREFETCH);
	ADD_POOL_TEST(tc, prefetch_of_bad_pages_is_no_error, n_pools, 0);
	ADD_POOL_TEST(tc, page_number_being_prefetched_can_be_made_anew, n_pools, 0);
	ADD_POOL_TEST(tc, prefetch_takes_no_frame_that_is_pinned, n_pools, 0);
	ADD_POOL_TEST(tc, fresh_page_is_found_by_its_gen_only, n_pools, 0);
	ADD_POOL_TEST(tc, large_sets_are_written_whole, n_pools, 0);
	ADD_POOL_TEST(tc, written_buffer_replaces_what_was_cached, n_pools, NEEDS_VERSIONS);
	ADD_POOL_TEST(tc, failed_write_leaves_the_pages_fresh, n_pools, NEEDS_SIMULATED);
	ADD_POOL_TEST(tc, failed_growth_leaves_the_size_as_it_was, n_pools, NEEDS_SIMULATED);
	ADD_POOL_TEST(tc, cut_forgets_what_lies_beyond, n_pools, 0);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, contract_pool_threads(n_pools));
}
