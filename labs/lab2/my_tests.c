/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of a buffer pool. They run against a pool that is right, where all must pass, and
 * against pools with a planted bug each: each of those in which one of your tests fails counts.
 *
 *	./lab bugs 2		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lib/ledger.h, tests/check_main.h, pager/pager.h.
 */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/check_main.h"

#include <errno.h>

/* An example, which finds nothing yet: what should the ledger hold in the end? */
START_TEST(a_pool_can_be_opened)
{
	struct ledger l;

	ledger_open(&l, 4, BUFPOOL_FIFO);
	ledger_close(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, a_pool_can_be_opened);
	suite_add_tcase(s, tc);
	return check_main(s);
}
