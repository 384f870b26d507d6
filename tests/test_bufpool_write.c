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

/* Every test runs on the simulated disk (0) and on a real one (1). */
static void set_up(struct fixture *f, int real, const struct bufpool_options *opts)
{
	fixture_file(f, real, 4096, N_PAGES, 1);
	fixture_pool(f, opts);
}

/* A copy takes the frame of a page that was copied before it, not memory that costs a fault. */
START_TEST(fresh_page_takes_an_unneeded_frame_before_new_memory)
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
	struct bufpool_options opts = {.cache_bytes = 96 * 4096, .writer_pages = 8};
	struct fixture f;
	struct pool *pool;
	uint32_t n_unneeded;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	pool = pool_of(f.pager);
	for (pgno_t pgno = 0; pgno < N_PAGES / 2; pgno++)
		pager_put_unneeded(f.pager, fixture_get(&f, ref(pgno, 1)));
	n_unneeded = pool->unneeded.n;
	ck_assert_uint_ge(n_unneeded, 8 * pool->batch);
	ck_assert_int_eq(guard_open(&f.pager->guards, &stopped), 0);
	guard_enter(stopped);
	for (pgno_t pgno = 0; pgno < 8; pgno++)
		(void)pager_fresh(f.pager, ref(N_PAGES / 2 + pgno, 2));
	ck_assert_uint_eq(pool->unneeded.n + pool->batch, n_unneeded);
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

int main(void)
{
	Suite *s = suite_create("bufpool_write");
	TCase *tc = tcase_create("write");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fresh_page_takes_an_unneeded_frame_before_new_memory, 0, 2);
	tcase_add_loop_test(tc, fresh_pages_evict_no_more_than_a_batch_that_cannot_come_free, 0, 2);
	tcase_add_loop_test(tc, fresh_waits_for_a_reader_however_long_it_is_stopped, 0, 2);
	tcase_add_loop_test(tc, get_gives_up_on_a_reader_that_is_stopped, 0, 2);
	tcase_add_test(tc, write_puts_adjacent_pages_into_one_request);
	suite_add_tcase(s, tc);
	return check_main(s);
}
