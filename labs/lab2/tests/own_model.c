/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 2 may look like: few, and each finds several bugs. */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/check_main.h"

#include <errno.h>

START_TEST(order_of_reads_and_evictions)
{
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_LRU);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 1, 3, 1, 2, 0});
	ledger_is(&l, "r1 r2 e2 r3 e3 r2");
	ledger_close(&l);
}
END_TEST

START_TEST(pins_hold_and_a_full_pool_is_an_error)
{
	const struct page *first, *again, *second, *none;
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_FIFO);
	first = ledger_get(&l, 1);
	again = ledger_get(&l, 1);
	pager_put(l.pager, again);
	second = ledger_get(&l, 2);
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){3, 1}, &none),
		VERSO_EPINNED);
	ck_assert_uint_eq(first->payload[0], 1);
	pager_put(l.pager, second);
	ledger_visit_all(&l, (const pgno_t[]){3, 4, 0});
	ck_assert_uint_eq(first->payload[0], 1);
	pager_put(l.pager, first);
	ledger_close(&l);
}
END_TEST

START_TEST(failed_reads_cost_nothing)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_FIFO);
	l.fault = -EIO;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){1, 1}, &page), -EIO);
	l.fault = 0;
	ledger_visit(&l, 1);
	/* Another page than the one that was asked for is an error of its own. */
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){2, 9}, &page),
		VERSO_ECORRUPT);
	ledger_visit(&l, 2);
	ledger_is(&l, "r1 r1 r1 r1 r2 r2");
	ledger_close(&l);
}
END_TEST

START_TEST(forgotten_pages_are_read_again_and_keep_no_frame)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_FIFO);
	for (int i = 0; i < 3; i++) {
		page = ledger_get(&l, 1);
		pager_drop(l.pager, 1, 1);
		ledger_visit(&l, 2);
		ck_assert_uint_eq(page->payload[0], 1);
		pager_put(l.pager, page);
	}
	ledger_visit(&l, 1);
	pager_drop(l.pager, 1, 2);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 0});
	pager_drop(l.pager, 0, LEDGER_PAGES);
	ledger_visit(&l, 2);
	ledger_is(&l, "r1 r2 r1 r1 r1 r1 r2 r2");
	ledger_close(&l);
}
END_TEST

START_TEST(generations_are_pages_of_their_own)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	ledger_visit(&l, 5);
	ledger_put_page(&l, (struct page_ref){5, 2});
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){5, 2}, &page), 0);
	ck_assert(page_is(page, (struct page_ref){5, 2}));
	pager_put(l.pager, page);
	pager_drop(l.pager, 5, 1);
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){5, 1}, &page),
		VERSO_ECORRUPT);
	ledger_close(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, order_of_reads_and_evictions);
	tcase_add_test(tc, pins_hold_and_a_full_pool_is_an_error);
	tcase_add_test(tc, failed_reads_cost_nothing);
	tcase_add_test(tc, forgotten_pages_are_read_again_and_keep_no_frame);
	tcase_add_test(tc, generations_are_pages_of_their_own);
	suite_add_tcase(s, tc);
	return check_main(s);
}
