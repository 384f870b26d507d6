/* SPDX-License-Identifier: MIT */
/* Transactions that are large in one respect: pages given up, pages made and given up again. */
#include "tests/sim/faultplan.h"
#include "tests/txn_fixture.h"
#include "verso_codes.h"

#define N_PAGES 5000U

static void alloc_many(struct txn *txn, struct page_ref *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		txn_ok(txn_prepare(txn, 1, 0));
		(void)txn_alloc(txn, PAGE_TOY, 0, 1, &refs[i]);
	}
}

START_TEST(any_number_of_unsealed_pages_can_be_given_up)
{
	struct page_ref *refs = check_alloc(N_PAGES * sizeof(*refs));
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	s.options.dirty_max_pages = N_PAGES;
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	alloc_many(txn, refs, N_PAGES);
	for (unsigned i = 0; i < N_PAGES; i++) {
		txn_ok(txn_prepare(txn, 0, 1));
		txn_free(txn, refs[i * 7919 % N_PAGES]);
	}
	txn_ok(txn_commit(txn));
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

/* As a long value does that is deleted. The pages are spilled ones, of this very transaction. */
START_TEST(one_prepare_promises_any_number_of_frees)
{
	struct page_ref *refs = check_alloc(N_PAGES * sizeof(*refs));
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	alloc_many(txn, refs, N_PAGES);
	txn_ok(txn_prepare(txn, 0, N_PAGES));
	for (unsigned i = 0; i < N_PAGES; i++)
		txn_free(txn, refs[i * 7919 % N_PAGES]);
	txn_ok(txn_commit(txn));
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_set(&s, 0, 8, 2);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

/* The extents of all these frees do not fit the meta: the nth write of their early chunks fails. */
static bool fail_early_chunks(uint64_t nth)
{
	struct fault_plan plan = {.calls = FAULT_WRITE, .nth = nth, .kind = FAULT_EIO};
	struct page_ref *refs = check_alloc(N_PAGES * sizeof(*refs));
	struct txn_stack s;
	struct txn *txn;
	int rc;

	txn_stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_ok(txn_begin_write(s.env, &txn));
	alloc_many(txn, refs, N_PAGES);
	txn_ok(txn_prepare(txn, 0, N_PAGES));
	for (unsigned i = 0; i < N_PAGES; i++)
		txn_free(txn, refs[i * 7919 % N_PAGES]);
	simdisk_set_fault(s.disk, fault_plan_sim, &plan);
	rc = txn_prepare(txn, 1, 0);
	simdisk_set_fault(s.disk, NULL, NULL);
	ck_assert_int_eq(rc != 0, plan.struck > 0);
	if (plan.struck > 0)
		ck_assert_int_eq(txn_prepare(txn, 1, 0), VERSO_EABORTONLY);
	txn_abort(txn);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_set(&s, 0, 8, 2);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
	check_free();
	return plan.struck > 0;
}

START_TEST(early_chunks_that_cannot_be_written_leave_only_an_abort)
{
	unsigned n = 0;

	while (fail_early_chunks(n))
		n += 5;
	ck_assert_uint_ge(n, 20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_large");
	TCase *c = tcase_create("large");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, any_number_of_unsealed_pages_can_be_given_up);
	tcase_add_test(c, one_prepare_promises_any_number_of_frees);
	tcase_add_test(c, early_chunks_that_cannot_be_written_leave_only_an_abort);
	suite_add_tcase(s, c);
	return check_main(s);
}
