/* SPDX-License-Identifier: MIT */
/* Transactions that are large: pages freed, pages made and freed again, pages spilled. */
#include "tests/sim/faultplan.h"
#include "tests/txn_fixture.h"
#include "txn/txn_int.h"
#include "verso_codes.h"

#include <errno.h>

#define N_PAGES 5000U

static void alloc_many(struct txn *txn, struct page_ref *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		txn_ok(txn_reserve(txn, 1, 0));
		(void)txn_alloc(txn, PAGE_TOY, 0, 1, &refs[i]);
	}
}

static void free_many(struct txn *txn, const struct page_ref *refs)
{
	txn_ok(txn_reserve(txn, 0, N_PAGES));
	for (unsigned i = 0; i < N_PAGES; i++)
		txn_free(txn, refs[i * 7919 % N_PAGES]);
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
		txn_ok(txn_reserve(txn, 0, 1));
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
	free_many(txn, refs);
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

/*
 * The extents of all these frees do not fit the meta: the nth write of their early list pages
 * fails.
 */
static bool fail_early_list_pages(uint64_t nth)
{
	struct fault_plan plan = {.calls = FAULT_WRITE, .nth = nth, .kind = FAULT_EIO};
	struct page_ref *refs = check_alloc(N_PAGES * sizeof(*refs));
	struct txn_stack s;
	struct txn *txn;
	int rc;

	txn_stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	s.options.cut_pages = UINT32_MAX;
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	alloc_many(txn, refs, N_PAGES);
	alloc_many(txn, refs, N_PAGES);
	txn_abort(txn); /* the file stays as long: it need not grow for the list pages */
	txn_ok(txn_begin_write(s.env, &txn));
	alloc_many(txn, refs, N_PAGES); /* no tree has them: until they are freed, they are lost */
	txn_ok(txn_commit(txn));
	txn_ok(txn_begin_write(s.env, &txn));
	free_many(txn, refs);
	simdisk_set_fault(s.disk, fault_plan_sim, &plan);
	rc = txn_reserve(txn, 1, 0);
	simdisk_set_fault(s.disk, NULL, NULL);
	ck_assert_int_eq(rc != 0, plan.struck > 0);
	if (plan.struck > 0)
		ck_assert_int_eq(txn_reserve(txn, 1, 0), VERSO_EABORTONLY);
	txn_abort(txn);
	txn_ok(txn_begin_write(s.env, &txn));
	free_many(txn, refs);
	txn_ok(txn_commit(txn));
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

START_TEST(early_list_pages_that_cannot_be_written_leave_only_an_abort)
{
	unsigned n = 0;

	while (fail_early_list_pages(n))
		n += 5;
	ck_assert_uint_ge(n, 20);
}
END_TEST

/* --- spilled pages ------------------------------------------------------------------------- */

#define N_LEAVES (TOY_CELLS / TOY_FANOUT)
#define N_ROUNDS 20U

/* Changes every leaf in each of n_rounds, in an order that has nothing to do with page numbers. */
static void set_rounds(struct txn *txn, uint64_t *cells, unsigned n_rounds, uint64_t value)
{
	for (unsigned i = 0; i < n_rounds * N_LEAVES; i++) {
		unsigned cell = i * 37 % N_LEAVES * TOY_FANOUT + i / N_LEAVES % TOY_FANOUT;

		txn_ok(toy_set(txn, cell, value + i));
		cells[cell] = value + i;
	}
}

static void large_transaction(struct txn_stack *s, uint64_t *cells, unsigned n_rounds)
{
	struct txn *txn;

	txn_ok(txn_begin_write(s->env, &txn));
	set_rounds(txn, cells, n_rounds, 1000);
	txn_ok(txn_commit(txn));
}

/* Ten thousand pages are spilled, of a tree of 585. */
START_TEST(what_is_spilled_and_changed_again_does_not_make_the_file_longer)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	struct txn_stat stat;
	struct txn_stack s;

	txn_stack_make(&s, _i % 2 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH, TXN_FULL);
	s.pager_kind = (enum txn_pager)(_i / 2);
	txn_stack_open(&s);
	large_transaction(&s, cells, N_ROUNDS);
	txn_stat(s.env, &stat);
	ck_assert_uint_gt(stat.n_spilled_pages, N_ROUNDS * N_LEAVES / 2);
	ck_assert_uint_lt(stat.n_pages, 800);
	ck_assert_uint_lt(stat.n_pending_pages, 64);
	txn_stack_expect(&s, cells);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_stack_expect(&s, cells);
	txn_stack_free(&s);
}
END_TEST

/* What was written where: the generation of each page number's last write. */
struct written {
	struct pager_tracer tracer;
	gen_t fresh[4096], written[4096];
	unsigned n_again;
};

static void trace(struct pager_tracer *t, const struct pager_event *event)
{
	struct written *w = (struct written *)t;

	if (event->op == PAGER_FRESH) {
		ck_assert_uint_lt(event->ref.pgno, 4096);
		w->fresh[event->ref.pgno] = event->ref.gen;
	} else if (event->op == PAGER_WRITE && w->fresh[event->ref.pgno]) {
		ck_assert_uint_gt(w->fresh[event->ref.pgno], w->written[event->ref.pgno]);
		w->n_again += w->written[event->ref.pgno] > 0;
		w->written[event->ref.pgno] = w->fresh[event->ref.pgno];
		w->fresh[event->ref.pgno] = 0;
	}
}

/* T3. A transaction that writes a page a second time has a later generation. */
START_TEST(no_place_is_written_twice_in_one_generation)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	struct written *w = check_alloc(sizeof(*w));
	struct txn_stack s;

	txn_stack_make(&s, TXN_ONE_FLUSH, _i ? TXN_RELAXED : TXN_FULL);
	txn_stack_open(&s);
	w->tracer.event = trace;
	s.pager->tracer = &w->tracer;
	for (unsigned i = 0; i < 3; i++)
		large_transaction(&s, cells, N_ROUNDS / 4);
	ck_assert_uint_gt(w->n_again, 3 * N_ROUNDS / 4 * N_LEAVES / 2);
	s.pager->tracer = NULL;
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_large_transaction_leaves_the_same_image_under_every_pager)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	uint64_t digests[TXN_PAGERS];

	for (unsigned kind = 0; kind < TXN_PAGERS; kind++) {
		struct txn_stack s;

		txn_stack_make(&s, TXN_TWO_FLUSH, _i ? TXN_RELAXED : TXN_FULL);
		s.pager_kind = (enum txn_pager)kind;
		txn_stack_open(&s);
		for (unsigned i = 0; i < 3; i++)
			large_transaction(&s, cells, 2);
		txn_ok(txn_image(s.env, &digests[kind]));
		txn_stack_free(&s);
		ck_assert_uint_eq(digests[kind], digests[0]);
	}
}
END_TEST

START_TEST(all_places_return_when_a_large_transaction_is_aborted)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	uint64_t *undone = check_alloc(TOY_CELLS * sizeof(*cells));
	struct txn_stat before, after;
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	s.pager_kind = (enum txn_pager)_i;
	txn_stack_open(&s);
	large_transaction(&s, cells, 2);
	for (unsigned i = 0; i < 5; i++) {
		txn_ok(txn_begin_write(s.env, &txn));
		set_rounds(txn, undone, 3, 7);
		txn_abort(txn);
		txn_ok(txn_check(s.env, NULL, NULL));
		txn_stack_expect(&s, cells);
		if (i == 1) /* the first one made the file as long as it had to be */
			before = (struct txn_stat){.n_pages = s.env->space.n_pages};
	}
	after = (struct txn_stat){.n_pages = s.env->space.n_pages};
	ck_assert_uint_eq(before.n_pages, after.n_pages);
	large_transaction(&s, cells, 3);
	txn_stack_expect(&s, cells);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

/* Makes pages until the disk is full; returns how many. */
static unsigned alloc_all(struct txn *txn, struct page_ref *refs)
{
	unsigned n = 0;
	int rc;

	while ((rc = txn_reserve(txn, 1, 0)) == 0) {
		ck_assert_uint_lt(n, N_PAGES);
		(void)txn_alloc(txn, PAGE_TOY, 0, 1, &refs[n++]);
	}
	ck_assert_int_eq(rc, -ENOSPC);
	return n;
}

START_TEST(on_a_full_disk_a_transaction_uses_what_it_has_given_up_itself)
{
	struct page_ref *refs = check_alloc(N_PAGES * sizeof(*refs));
	struct txn_stack s;
	struct txn *txn;
	unsigned n;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	simdisk_set_space(s.disk, 1 << 20);
	txn_ok(txn_begin_write(s.env, &txn));
	n = alloc_all(txn, refs);
	ck_assert_uint_gt(n, 1000);
	for (unsigned round = 0; round < 3; round++) {
		txn_ok(txn_reserve_for(txn, &(struct txn_need){TXN_REMOVE, 0, n, 0}));
		for (unsigned i = 0; i < n; i++)
			txn_free(txn, refs[i]);
		ck_assert_uint_eq(alloc_all(txn, refs), n);
	}
	txn_abort(txn);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_snapshot_outlives_large_transactions)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	uint64_t *old = check_alloc(TOY_CELLS * sizeof(*old));
	uint64_t *seen = check_alloc(TOY_CELLS * sizeof(*seen));
	struct txn_stack s;
	struct txn *reader;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_RELAXED);
	s.pager_kind = (enum txn_pager)_i;
	txn_stack_open(&s);
	large_transaction(&s, cells, 1);
	memcpy(old, cells, TOY_CELLS * sizeof(*old));
	txn_ok(txn_begin_read(s.env, &reader));
	for (unsigned i = 0; i < 3; i++) {
		large_transaction(&s, cells, 2);
		txn_ok(toy_read(reader, seen));
		ck_assert_mem_eq(seen, old, TOY_CELLS * sizeof(*old));
	}
	txn_abort(reader);
	txn_stack_expect(&s, cells);
	txn_stack_free(&s);
}
END_TEST

/* T2: the generation after the last one of an incarnation belongs to another incarnation. */
START_TEST(a_transaction_that_runs_out_of_generations_can_only_be_aborted)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	struct txn_stack s;
	struct txn *txn;
	int rc = 0;

	txn_stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	large_transaction(&s, cells, 1);
	txn_ok(txn_begin_write(s.env, &txn));
	s.env->next_gen = (((txn->gen >> GEN_SEQ_BITS) + 1) << GEN_SEQ_BITS) - 2;
	for (unsigned i = 0; rc == 0 && i < N_LEAVES; i++)
		rc = toy_set(txn, i * TOY_FANOUT, 1);
	ck_assert_int_eq(rc, VERSO_EFULL);
	ck_assert_int_eq(txn_reserve(txn, 1, 0), VERSO_EABORTONLY);
	ck_assert_int_eq(txn_commit(txn), VERSO_EABORTONLY);
	txn_ok(txn_check(s.env, NULL, NULL));
	large_transaction(&s, cells, 2);
	txn_stack_expect(&s, cells);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_large");
	TCase *c = tcase_create("large");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, what_is_spilled_and_changed_again_does_not_make_the_file_longer, 0,
		2 * TXN_PAGERS);
	tcase_add_loop_test(c, no_place_is_written_twice_in_one_generation, 0, 2);
	tcase_add_loop_test(c, a_large_transaction_leaves_the_same_image_under_every_pager, 0, 2);
	tcase_add_loop_test(c, all_places_return_when_a_large_transaction_is_aborted, 0,
		TXN_PAGERS);
	tcase_add_test(c, on_a_full_disk_a_transaction_uses_what_it_has_given_up_itself);
	tcase_add_loop_test(c, a_snapshot_outlives_large_transactions, 0, TXN_PAGERS);
	tcase_add_test(c, a_transaction_that_runs_out_of_generations_can_only_be_aborted);
	tcase_add_test(c, any_number_of_unsealed_pages_can_be_given_up);
	tcase_add_test(c, one_prepare_promises_any_number_of_frees);
	tcase_add_test(c, early_list_pages_that_cannot_be_written_leave_only_an_abort);
	suite_add_tcase(s, c);
	return check_main(s);
}
