/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of a node. They run with a node that is right, where all must pass, and with
 * nodes that have a planted bug each: each of those in which one of your tests fails counts.
 *
 *	./lab bugs 1		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lab1/tests/page_bench.h, btree/node.h, tests/check_main.h.
 */
#include "labs/lab1/tests/page_bench.h"
#include "tests/check_main.h"

/* An example, which finds nothing yet: what should node_lower() say of this page? */
START_TEST(a_page_can_be_laid_out)
{
	struct bench b;

	page_fruit(&b);
	ck_assert_uint_eq(node_count(page_of(&b)), 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_test(tc, a_page_can_be_laid_out);
	suite_add_tcase(s, tc);
	return check_main(s);
}
