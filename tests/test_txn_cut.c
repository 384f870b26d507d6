/* SPDX-License-Identifier: MIT */
/* What free space costs, and when the file becomes shorter. */
#include "tests/txn_fixture.h"

/* Much is free, but the last pages are not: nothing is to be cut. */
START_TEST(free_space_that_cannot_be_cut_costs_small_commits_nothing)
{
	struct txn_stat before, after;
	struct txn_stack s;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, TOY_CELLS, 1);
	txn_stack_set(&s, 0, TOY_CELLS / 2, 0);
	for (unsigned i = 0; i < 20; i++)
		txn_stack_set(&s, TOY_CELLS - 1, TOY_CELLS, i + 2);
	txn_stat(s.env, &before);
	ck_assert_uint_gt(before.n_free_pages, before.n_pages / 3);
	for (unsigned i = 0; i < 20; i++)
		txn_stack_set(&s, TOY_CELLS - 1, TOY_CELLS, i + 2);
	txn_stat(s.env, &after);
	ck_assert_uint_eq(after.n_cuts, before.n_cuts);
	ck_assert_uint_lt(after.n_bitmaps_written - before.n_bitmaps_written, 20);
	txn_stack_free(&s);
}
END_TEST

/* Each commit is larger than what may wait for a flush, and spills: flushes must come all the same,
 * else nothing that was freed is ever used again. */
START_TEST(relaxed_commits_that_spill_are_flushed)
{
	struct txn_stat before, after;
	struct txn_stack s;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_RELAXED);
	s.options.unflushed_max_pages = 1;
	txn_stack_open(&s);
	for (unsigned i = 0; i < 10; i++)
		txn_stack_set(&s, 0, TOY_CELLS, i + 1);
	txn_stat(s.env, &before);
	for (unsigned i = 0; i < 100; i++)
		txn_stack_set(&s, 0, TOY_CELLS, i + 20);
	txn_stat(s.env, &after);
	ck_assert_uint_ge(after.n_flushes, before.n_flushes + 99); /* one transaction may wait */
	ck_assert_uint_le(after.n_pages, before.n_pages * 5 / 4);
	txn_stack_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_cut");
	TCase *c = tcase_create("cut");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, free_space_that_cannot_be_cut_costs_small_commits_nothing);
	tcase_add_test(c, relaxed_commits_that_spill_are_flushed);
	suite_add_tcase(s, c);
	return check_main(s);
}
