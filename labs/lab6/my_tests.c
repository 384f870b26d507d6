/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of the two protocols. They run against protocols that are right, where all must
 * pass, and against some with a planted bug: each of those in which one of your tests fails counts.
 *
 *	./lab bugs 6		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: labs/lab6/tests/store_bench.h, tests/crash/store.h, tests/check_main.h.
 */
#include "labs/lab6/tests/store_bench.h"
#include "tests/check_main.h"

/* An example, which finds little: what should be found after a commit, and a death? */
START_TEST(a_store_can_be_opened)
{
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	bench_close(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_test(tc, a_store_can_be_opened);
	suite_add_tcase(s, tc);
	return check_main(s);
}
