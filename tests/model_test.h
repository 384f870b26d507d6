/* SPDX-License-Identifier: MIT */
/* How a model is judged: whole it keeps every promise; with a rule left out, one breaks. */
#ifndef TESTS_MODEL_TEST_H
#define TESTS_MODEL_TEST_H

#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

/* verdict: NULL, or which promise broke; n: the states that were found, at least n_min of them. */
static inline void model_kept(const char *verdict, uint32_t n, uint32_t n_min)
{
	printf("%u states\n", n);
	ck_assert_msg(!verdict, "%s", verdict);
	ck_assert_uint_gt(n, n_min); /* it went somewhere */
}

/* rule: what was left out; judgement: how the verdict begins. */
static inline void model_broke(const char *verdict, uint32_t n, const char *rule,
	const char *judgement)
{
	printf("%s: %s (%u states)\n", rule, verdict ? verdict : "nothing found", n);
	ck_assert_ptr_nonnull(verdict);
	ck_assert_int_eq(strncmp(verdict, judgement, strlen(judgement)), 0);
}

/* Runs `whole` over n_whole configurations of a model, and `broken` over n_broken. */
static inline int model_main(const char *name, const TTest *whole, size_t n_whole,
	const TTest *broken, size_t n_broken)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create("model");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, whole, 0, (int)n_whole);
	tcase_add_loop_test(tc, broken, 0, (int)n_broken);
	suite_add_tcase(s, tc);
	return check_main(s);
}

#endif
