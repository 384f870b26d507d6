/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of a pool that reads ahead (3b). They run against a pool that is right, where all
 * must pass, and against pools with a planted bug each: each of those in which one of your tests
 * fails counts.
 *
 *	./lab bugs 3		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lib/ledger.h, tests/check_main.h, pager/pager.h. Nothing is carried out
 * before somebody waits for it: so a test decides what has come and what has not.
 */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/check_main.h"

#include <errno.h>

/* An example, which finds nothing yet: what should the ledger hold? What has come by then? */
START_TEST(a_page_can_be_asked_for)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_visit(&l, 5);
	ledger_is(&l, "r5");
	ledger_close(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, a_page_can_be_asked_for);
	suite_add_tcase(s, tc);
	return check_main(s);
}
