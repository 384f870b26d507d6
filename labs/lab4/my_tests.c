/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of a map. They run against a map that is right, where all must pass, and against
 * maps with a planted bug each: each of those in which one of your tests fails counts.
 *
 *	./lab bugs 4		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lab4/tests/map_fixture.h, tests/check_main.h, pager/pager.h, io/fault.h.
 */
#include "labs/lab4/tests/map_fixture.h"

/* An example, which finds nothing yet: what should happen when page 16 is asked for? */
START_TEST(a_map_can_be_opened)
{
	struct world w;

	map_open_world(&w, 16);
	map_close_world(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, a_map_can_be_opened);
	suite_add_tcase(s, tc);
	return check_main(s);
}
