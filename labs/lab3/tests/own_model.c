/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 3 may look like: few, and each finds several bugs. */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/check_main.h"

#include <errno.h>

START_TEST(all_are_asked_for_at_once_and_come_when_they_are_wanted)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_visit(&l, 4); /* in memory: not asked for again */
	ledger_prefetch(&l, (const pgno_t[]){4, 5, 6, 6, 7, 0});
	ck_assert_uint_eq(ledger_came(&l), 0);
	ledger_visit(&l, 9); /* another page: it waits for none of these */
	ck_assert_uint_eq(ledger_came(&l), 0);
	ledger_visit(&l, 6);
	ledger_visit(&l, 5);
	ledger_visit(&l, 7);
	ledger_is(&l, "r4 a5 a6 a7 r9");
	ck_assert_uint_eq(ledger_came(&l), 3);
	ledger_close(&l);
}
END_TEST

START_TEST(frames_that_are_read_into_belong_to_nobody)
{
	const struct page *pages[3];
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	for (pgno_t i = 0; i < 3; i++)
		pages[i] = ledger_get(&l, 1 + i);
	ledger_prefetch(&l, (const pgno_t[]){10, 0}); /* no frame: all are pinned */
	pager_put(l.pager, pages[0]);
	ledger_prefetch(&l, (const pgno_t[]){10, 11, 0}); /* one frame */
	pager_put(l.pager, pages[1]);
	ledger_visit(&l, 12);
	ledger_visit(&l, 13);
	ck_assert_uint_eq(ledger_came(&l), 0);
	ck_assert_uint_eq(pages[2]->payload[0], 3);
	ledger_visit(&l, 10);
	ledger_is(&l, "r1 r2 r3 a10 r12 r13");
	pager_put(l.pager, pages[2]);
	ledger_close(&l);
}
END_TEST

START_TEST(full_pool_waits_for_what_is_read_ahead_and_not_for_pins)
{
	const struct page *pages[3];
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	for (int i = 0; i < 3; i++) {
		ledger_prefetch(&l, (const pgno_t[]){5, 6, 7, 0});
		for (pgno_t k = 0; k < 3; k++)
			pages[k] = ledger_get(&l, 20 + k);
		ck_assert_int_eq(ledger_try(&l, (struct page_ref){30, 1}), VERSO_EPINNED);
		for (pgno_t k = 0; k < 3; k++)
			pager_put(l.pager, pages[k]);
	}
	ledger_close(&l);
}
END_TEST

START_TEST(what_was_forgotten_or_failed_is_read_again)
{
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 0});
	pager_drop(l.pager, 5, 1);
	ledger_visit(&l, 5);
	ledger_visit(&l, 6);
	ledger_is(&l, "a5 a6 r5");
	for (int i = 0; i < 5; i++) { /* each round would lose two frames of three */
		pager_drop(l.pager, 0, LEDGER_PAGES);
		l.fault = -EIO;
		ledger_prefetch(&l, (const pgno_t[]){7, 8, 0});
		l.fault = 0;
		ledger_visit(&l, 7);
		ledger_visit(&l, 8);
	}
	ck_assert_uint_eq(l.n_reads, 3 + 5 * 4);
	ledger_close(&l);
}
END_TEST

/* The page in the file is not the one that was asked for; then it is, and the older one is gone. */
START_TEST(one_generation_of_a_page_at_a_time)
{
	const struct page_ref newer = {5, 2};
	struct ledger l;

	ledger_open_for_reads(&l, 4);
	ledger_visit(&l, 5);
	for (int i = 0; i < 5; i++) {
		pager_prefetch(l.pager, &newer, 1);
		ck_assert_int_eq(ledger_try(&l, newer), VERSO_ECORRUPT);
	}
	ck_assert_uint_eq(ledger_came(&l), 0);
	ledger_put_page(&l, newer);
	ledger_visit(&l, 5);
	pager_prefetch(l.pager, &newer, 1);
	ck_assert_int_eq(ledger_try(&l, newer), 0);
	ck_assert_uint_eq(ledger_came(&l), 1);
	pager_drop(l.pager, 5, 1);
	ck_assert_int_eq(ledger_try(&l, (struct page_ref){5, 1}), VERSO_ECORRUPT);
	ledger_close(&l);
}
END_TEST

START_TEST(close_waits_for_what_is_under_way)
{
	struct ledger l;

	ledger_open_for_reads(&l, 40);
	ledger_prefetch(&l, (const pgno_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0});
	ledger_close(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, all_are_asked_for_at_once_and_come_when_they_are_wanted);
	tcase_add_test(tc, frames_that_are_read_into_belong_to_nobody);
	tcase_add_test(tc, full_pool_waits_for_what_is_read_ahead_and_not_for_pins);
	tcase_add_test(tc, what_was_forgotten_or_failed_is_read_again);
	tcase_add_test(tc, one_generation_of_a_page_at_a_time);
	tcase_add_test(tc, close_waits_for_what_is_under_way);
	suite_add_tcase(s, tc);
	return check_main(s);
}
