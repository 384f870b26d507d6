/* SPDX-License-Identifier: MIT */
/* Tests of which test_check_self.py knows how each must end: what check_main.c says of them. */
#include "tests/check_main.h"
#include "base/error.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(comes_to_its_end)
{
	ck_assert_int_eq(_i, _i);
}
END_TEST

START_TEST(returns_early)
{
	if (_i == 0)
		return;
	ck_abort();
}
END_TEST

START_TEST(leaves_by_exit)
{
	if (_i == 0)
		exit(0);
	ck_abort();
}
END_TEST

START_TEST(is_skipped)
{
	check_skip("there is no %s here", "reason");
}
END_TEST

/* How often this process has called write(). */
static unsigned long long writes(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/self/io", "r");
	char line[80];

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "syscw: %llu", &n);
	if (f)
		(void)fclose(f);
	return n;
}

START_TEST(assertion_that_holds_calls_no_kernel)
{
	unsigned long long before = writes();

	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(i, i);
	ck_assert_uint_eq(writes(), before);
}
END_TEST

START_TEST(dies_of_a_signal)
{
	ck_assert_ptr_null(NULL);
	(void)raise(SIGSEGV);
}
END_TEST

START_TEST(fails_with_a_text)
{
	ck_assert_int_eq(error_set(VERSO_EFULL, "the jar is full"), 0);
}
END_TEST

START_TEST(skips_and_fails)
{
	check_skip("first this");
	ck_abort_msg("then that");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("self");
	TCase *tc = tcase_create("self");

	tcase_add_loop_test(tc, comes_to_its_end, 0, 3);
	tcase_add_test(tc, returns_early);
	tcase_add_test(tc, leaves_by_exit);
	tcase_add_test(tc, is_skipped);
	tcase_add_test(tc, assertion_that_holds_calls_no_kernel);
	tcase_add_test(tc, dies_of_a_signal);
	tcase_add_test(tc, fails_with_a_text);
	tcase_add_test(tc, skips_and_fails);
	suite_add_tcase(s, tc);
	return check_main(s);
}
