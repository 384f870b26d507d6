/* SPDX-License-Identifier: MIT */
/* The writer's side of the pool: fresh pages, write sets, the size of the file. */
#include "pager/growth.h"
#include "bufpool/bufpool_int.h"
#include "tests/pool_fixture.h"

#include <errno.h>
#include <time.h>

#define N_PAGES 64

/* A reader that is stopped inside its guard, and goes on after so many naps of the thread that
 * waits for it. */
#define NAPS_STOPPED 120000 /* more than twice what a get waits */

static struct guard *stopped; /* NULL: naps are naps */
static unsigned n_naps;

/* Stands in front of the system's, so that seconds of waiting take none. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
	if (!stopped)
		return clock_nanosleep(CLOCK_REALTIME, 0, t, left);
	if (++n_naps == NAPS_STOPPED)
		guard_leave(stopped);
	return 0;
}

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

static uint64_t word_of(const struct fixture *f, pgno_t pgno)
{
	return atomic_load(table_word(&pool_of(f->pager)->table, pgno));
}

/* Every test runs on the simulated disk (0) and on a real one (1). */
static void set_up(struct fixture *f, int real, const struct bufpool_options *opts)
{
	fixture_file(f, real, 4096, N_PAGES, 1);
	fixture_pool(f, opts);
}

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
	fixture_close(&f);
}
END_TEST

/* A copy takes the frame of a page that was copied before it, not memory that costs a fault. */
START_TEST(fresh_page_takes_an_inactive_frame_before_new_memory)
{
	struct fixture f;
	struct pool *pool;
	uint32_t n_cold;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, NULL);
	pool = pool_of(f.pager);
	n_cold = 2 * pool->batch < N_PAGES / 2 ? 2 * pool->batch : N_PAGES / 2;
	ck_assert_uint_ge(n_cold, pool->batch);
	for (pgno_t pgno = 0; pgno < n_cold; pgno++)
		pager_put_unneeded(f.pager, fixture_get(&f, ref(pgno, 1)));
	for (pgno_t pgno = 0; pgno < n_cold; pgno++) {
		uint32_t n_touched = pool->n_touched;

		(void)pager_fresh(f.pager, ref(N_PAGES / 2 + pgno, 2));
		ck_assert_uint_eq(pool->n_touched, n_touched);
	}
	/* What is loaded makes the cache larger. */
	for (pgno_t pgno = 0; pgno < pool->batch; pgno++)
		pager_put_unneeded(f.pager, fixture_get(&f, ref(pgno, 1)));
	ck_assert_uint_gt(pool->n_touched, n_cold);
	pager_drop(f.pager, N_PAGES / 2, n_cold);
	fixture_close(&f);
}
END_TEST

/* While a reader is stopped nothing that is evicted comes free: then evicting more is in vain. */
START_TEST(fresh_pages_evict_no_more_than_a_batch_that_cannot_come_free)
{
	struct bufpool_options opts = {.cache_bytes = N_PAGES * 4096, .writer_pages = 8};
	struct fixture f;
	struct pool *pool;
	uint32_t n_lent;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	pool = pool_of(f.pager);
	for (pgno_t pgno = 0; pgno < N_PAGES / 2; pgno++)
		pager_put_unneeded(f.pager, fixture_get(&f, ref(pgno, 1)));
	n_lent = pool->inactive.n;
	ck_assert_uint_ge(n_lent, 8 * pool->batch);
	ck_assert_int_eq(guard_open(&f.pager->guards, &stopped), 0);
	guard_enter(stopped);
	for (pgno_t pgno = 0; pgno < 8; pgno++)
		(void)pager_fresh(f.pager, ref(N_PAGES / 2 + pgno, 2));
	ck_assert_uint_eq(pool->inactive.n + pool->batch, n_lent);
	guard_leave(stopped);
	guard_close(stopped);
	stopped = NULL;
	pager_drop(f.pager, N_PAGES / 2, 8);
	fixture_close(&f);
}
END_TEST

/* Inside its guard, while every frame comes to limbo: it may see each, so none is used again. */
static void stop_a_reader(struct fixture *f)
{
	ck_assert_int_eq(guard_open(&f->pager->guards, &stopped), 0);
	guard_enter(stopped);
	for (uint32_t i = 0; i < pool_of(f->pager)->n_frames; i++) {
		(void)pager_fresh(f->pager, ref(5, 2));
		pager_drop(f->pager, 5, 1);
	}
	ck_assert_uint_eq(n_naps, 0);
}

START_TEST(fresh_waits_for_a_reader_however_long_it_is_stopped)
{
	struct fixture f;

	set_up(&f, _i, NULL);
	stop_a_reader(&f);
	(void)fixture_fresh(&f, ref(5, 2));
	ck_assert_uint_eq(n_naps, NAPS_STOPPED);
	pager_drop(f.pager, 5, 1);
	guard_close(stopped);
	stopped = NULL;
	fixture_visit(&f, ref(5, 1));
	fixture_close(&f);
}
END_TEST

START_TEST(get_gives_up_on_a_reader_that_is_stopped)
{
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, NULL);
	stop_a_reader(&f);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(6, 1), &page), VERSO_EPINNED);
	ck_assert_uint_lt(n_naps, NAPS_STOPPED);
	guard_leave(stopped);
	guard_close(stopped);
	stopped = NULL;
	fixture_visit(&f, ref(6, 1));
	fixture_close(&f);
}
END_TEST

START_TEST(write_puts_adjacent_pages_into_one_request)
{
	struct bufpool_options opts = {.writer_pages = 40};
	struct page_write set[40];
	struct fixture f;
	uint64_t calls;

	fixture_file(&f, false, 4096, N_PAGES, 1);
	fixture_pool(&f, &opts);
	for (pgno_t i = 0; i < 40; i++) {
		/* Thirty in a row and ten apart. */
		set[i] = (struct page_write){i < 30 ? i : 2 * i - 20, 1, NULL};
		(void)fixture_fresh(&f, ref(set[i].pgno, 2));
	}
	calls = simdisk_calls(f.disk, SIM_CALL_WRITE);
	ck_assert_int_eq(pager_write(f.pager, set, 40), 0);
	ck_assert_uint_eq(simdisk_calls(f.disk, SIM_CALL_WRITE) - calls, 11);
	ck_assert_uint_eq(fixture_stats(&f).write_bytes, 40 * 4096);
	ck_assert_int_eq(pager_flush(f.pager), 0);
	for (pgno_t i = 0; i < 40; i++)
		fixture_visit(&f, ref(set[i].pgno, 2));
	fixture_close(&f);
}
END_TEST

START_TEST(large_sets_are_written_whole)
{
	struct bufpool_options opts = {.writer_pages = 1000};
	static struct page_write set[1000];
	struct fixture f;

	fixture_file(&f, _i, 512, 0, 1);
	fixture_pool(&f, &opts);
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
	fixture_close_pool(&f);
	fixture_pool(&f, NULL);
	for (pgno_t i = 0; i < 1000; i++)
		fixture_visit(&f, ref(i * 3, 4));
	fixture_close(&f);
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
	fixture_close(&f);
}
END_TEST

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

START_TEST(failed_write_leaves_the_pages_fresh)
{
	struct page_write set[3] = {{1, 1, NULL}, {5, 1, NULL}, {9, 1, NULL}};
	enum sim_call_kind kind = SIM_CALL_WRITE;
	struct fixture f;

	fixture_file(&f, false, 4096, N_PAGES, 1);
	fixture_pool(&f, NULL);
	for (int i = 0; i < 3; i++)
		(void)fixture_fresh(&f, ref(set[i].pgno, 2));
	simdisk_set_fault(f.disk, fail_kind, &kind);
	ck_assert_int_eq(pager_write(f.pager, set, 3), -EIO);
	simdisk_set_fault(f.disk, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(word_state(word_of(&f, set[i].pgno)), WORD_FRESH);
		pager_drop(f.pager, set[i].pgno, 1);
	}
	fixture_close(&f);
}
END_TEST

START_TEST(failed_growth_leaves_the_size_as_it_was)
{
	const pgno_t end = N_PAGES + PAGER_GROWTH_WRITTEN / 4096;
	uint64_t off = N_PAGES * 4096, size_bytes;
	struct fixture f;

	fixture_file(&f, false, 4096, N_PAGES, 1);
	fixture_pool(&f, NULL);
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
	fixture_close(&f);
}
END_TEST

START_TEST(cut_forgets_what_lies_beyond)
{
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, NULL);
	fixture_visit(&f, ref(40, 1));
	ck_assert_int_eq(pager_resize(f.pager, 20), 0);
	ck_assert_uint_eq(word_of(&f, 40), 0);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(40, 1), &page), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_resize(f.pager, N_PAGES), 0);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(40, 1), &page), VERSO_ECORRUPT);
	fixture_visit(&f, ref(19, 1));
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_write");
	TCase *tc = tcase_create("write");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fresh_page_is_found_by_its_gen_only, 0, 2);
	tcase_add_loop_test(tc, fresh_page_takes_an_inactive_frame_before_new_memory, 0, 2);
	tcase_add_loop_test(tc, fresh_pages_evict_no_more_than_a_batch_that_cannot_come_free, 0, 2);
	tcase_add_loop_test(tc, fresh_waits_for_a_reader_however_long_it_is_stopped, 0, 2);
	tcase_add_loop_test(tc, get_gives_up_on_a_reader_that_is_stopped, 0, 2);
	tcase_add_test(tc, write_puts_adjacent_pages_into_one_request);
	tcase_add_loop_test(tc, large_sets_are_written_whole, 0, 2);
	tcase_add_loop_test(tc, written_buffer_replaces_what_was_cached, 0, 2);
	tcase_add_test(tc, failed_write_leaves_the_pages_fresh);
	tcase_add_test(tc, failed_growth_leaves_the_size_as_it_was);
	tcase_add_loop_test(tc, cut_forgets_what_lies_beyond, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
