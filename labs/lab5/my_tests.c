/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of the tree. They run with a tree that is right, where all must pass, and with
 * trees that have a planted bug each: each of those in which one of your tests fails counts.
 *
 *	./lab bugs 5		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lab5/tests/tree_bench.h, which says how a tree is written down,
 * btree/btree.h, tests/check_main.h.
 */
#include "labs/lab5/tests/tree_bench.h"
#include "tests/check_main.h"

/* An example, which finds nothing yet: a tree, an edit, and which tree should come of it? */
START_TEST(a_tree_can_be_laid_out)
{
	struct bench b;

	bench_open(&b, "([a c] g [g k])");
	bench_is(&b, "([a c] g [g k])");
	bench_close(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_test(tc, a_tree_can_be_laid_out);
	suite_add_tcase(s, tc);
	return check_main(s);
}
