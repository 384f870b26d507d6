/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 4 may look like: few, and each finds several bugs. */
#include "io/fault.h"
#include "labs/lab4/tests/map_fixture.h"

#include <signal.h>
#include <string.h>

static uint64_t n_verified(struct world *w)
{
	struct pager_stats stats;

	pager_stats(w->pager, &stats);
	return stats.n_misses;
}

START_TEST(what_is_good_is_verified_once_and_what_is_bad_is_an_error)
{
	static const char bad = 'x';
	struct world w;

	map_open_world(&w, 16);
	for (int i = 0; i < 3; i++)
		map_visit(&w, 7);
	ck_assert_uint_eq(n_verified(&w), 1);
	ck_assert_int_eq(file_write(w.file, &bad, 1, 8 * PAGE_BYTES + 1000), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(map_try_get(&w, ref_of(8)), VERSO_ECORRUPT);
	ck_assert_int_eq(map_try_get(&w, ref_of(16)), VERSO_ECORRUPT);
	map_close_world(&w);
}
END_TEST

START_TEST(generations_are_pages_of_their_own)
{
	const struct page_ref second = {7, 2}, none = {0, 0};
	struct world w;

	map_open_world(&w, 16);
	map_visit(&w, 7);
	map_put_page(&w, second);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_ECORRUPT);
	ck_assert_int_eq(map_try_get(&w, second), 0);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_ECORRUPT);
	ck_assert_int_eq(file_write(w.file, check_alloc(PAGE_BYTES), PAGE_BYTES, 0), 0);
	ck_assert_int_eq(map_try_get(&w, none), VERSO_ECORRUPT);
	map_close_world(&w);
}
END_TEST

START_TEST(dropped_numbers_are_verified_again_and_no_others)
{
	struct world w;

	map_open_world(&w, 16);
	for (pgno_t pgno = 4; pgno < 8; pgno++)
		map_visit(&w, pgno);
	pager_drop(w.pager, 5, 2);
	for (pgno_t pgno = 4; pgno < 8; pgno++)
		map_visit(&w, pgno);
	ck_assert_uint_eq(n_verified(&w), 4 + 2);
	pager_drop(w.pager, 7, UINT32_MAX);
	map_visit(&w, 7);
	ck_assert_uint_eq(n_verified(&w), 4 + 2 + 1);
	map_close_world(&w);
}
END_TEST

START_TEST(map_follows_the_length_of_the_file)
{
	const struct page *first;
	struct world w;

	map_open_world(&w, 16);
	first = map_get(&w, 7);
	ck_assert_int_eq(pager_resize(w.pager, 900), 0);
	map_put_page(&w, ref_of(899));
	map_visit(&w, 899);
	ck_assert_ptr_eq(map_get(&w, 7), first);
	ck_assert_int_eq(file_truncate(w.file, 1000 * PAGE_BYTES), 0);
	map_put_page(&w, ref_of(950));
	ck_assert_int_eq(map_try_get(&w, ref_of(950)), VERSO_ECORRUPT);
	map_close_world(&w);
}
END_TEST

START_TEST(any_number_of_pages_may_be_pinned_and_none_is_a_copy)
{
	struct world w;

	map_open_world(&w, N_PAGES);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		ck_assert_ptr_eq(map_get(&w, pgno), map_get(&w, pgno));
	map_close_world(&w);
}
END_TEST

static void stray_store(struct world *w)
{
	map_attach(w);
	memcpy((uint8_t *)(uintptr_t)map_get(w, 7)->payload, LINE, sizeof(LINE));
}

START_TEST(store_into_a_page_that_was_got_ends_the_process)
{
	struct world w;

	map_make_file(&w, 16);
	ck_assert_int_eq(ended_by(stray_store, &w), SIGSEGV);
	file_close(w.file);
}
END_TEST

START_TEST(page_that_is_gone_is_an_error_each_time)
{
	struct world w;

	map_open_world(&w, 16);
	map_visit(&w, 8);
	ck_assert_int_eq(file_truncate(w.file, 4 * PAGE_BYTES), 0);
	for (pgno_t pgno = 7; pgno < 9; pgno++) {
		ck_assert_int_eq(map_try_get(&w, ref_of(pgno)), VERSO_EIO);
		map_visit(&w, 3);
		ck_assert_ptr_null(fault_innermost);
	}
	map_close_world(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, what_is_good_is_verified_once_and_what_is_bad_is_an_error);
	tcase_add_test(tc, generations_are_pages_of_their_own);
	tcase_add_test(tc, dropped_numbers_are_verified_again_and_no_others);
	tcase_add_test(tc, map_follows_the_length_of_the_file);
	tcase_add_test(tc, any_number_of_pages_may_be_pinned_and_none_is_a_copy);
	tcase_add_test(tc, store_into_a_page_that_was_got_ends_the_process);
	tcase_add_test(tc, page_that_is_gone_is_an_error_each_time);
	suite_add_tcase(s, tc);
	return check_main(s);
}
