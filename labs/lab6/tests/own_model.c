/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 6 may look like: few, and each finds several bugs. */
#include "labs/lab6/tests/store_bench.h"
#include "tests/check_main.h"

#include <string.h>

static const struct protocol *const protocols[] = {&protocol_shadow, &protocol_log};

#define N_PROTOCOLS 2
#define N_WAYS      (N_PROTOCOLS * STORE_MEMORIES) /* a protocol over a memory */

START_TEST(commits_are_there_and_nothing_else_is)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, protocols[_i % N_PROTOCOLS], (enum store_memory)(_i / N_PROTOCOLS));
	bench_is_model(&b, "at the beginning");
	for (unsigned i = 0; i < 20; i++) {
		bench_random_commit(&b, &rng);
		bench_is_model(&b, "after a commit");
		/* A log over a map may show an edit that was never committed: it is not safe. */
		if (b.protocol != &protocol_log || b.memory != STORE_MAP)
			bench_set(&b, i, 77);
		bench_die(&b);
		bench_is_model(&b, "after a commit, an edit and a death");
	}
	bench_close(&b);
}
END_TEST

START_TEST(disk_is_asked_in_this_order)
{
	static const char *const expected[] = {
		"page page flush meta flush", "log log-flush page page flush"};
	struct bench b;

	bench_open(&b, protocols[_i], STORE_POOL);
	bench_set(&b, 0, 1);
	bench_set(&b, 1, 2);
	bench_set(&b, STORE_PAGE_NUMBERS, 3);
	bench_commit(&b);
	bench_is_ledger(&b, expected[_i]);
	bench_close(&b);
}
END_TEST

/* One bit of each byte of the newest meta page: the state of the commit before is found. */
START_TEST(damaged_meta_page_is_not_believed)
{
	for (unsigned off = 0; off < 48; off++) {
		uint64_t rng = check_seed(), before[STORE_NUMBERS];
		struct bench b;

		bench_open(&b, &protocol_shadow, STORE_POOL);
		bench_random_commit(&b, &rng);
		memcpy(before, b.model, sizeof(before));
		bench_random_commit(&b, &rng);
		store_close(&b.store);
		bench_flip(&b, PATH_STORE, b.last_meta * STORE_PAGE_BYTES + off);
		ck_assert_int_eq(bench_reopen(&b), 0);
		ck_assert(bench_holds(&b, before));
		bench_close(&b);
	}
}
END_TEST

START_TEST(damaged_record_is_not_believed)
{
	static const unsigned offs[] = {8, 16, 600, STORE_LOG_BYTES - 1};

	for (unsigned i = 0; i < 4; i++) {
		uint64_t rng = check_seed();
		struct bench b;

		bench_open(&b, &protocol_log, STORE_POOL);
		bench_random_commit(&b, &rng);
		store_close(&b.store);
		bench_flip(&b, PATH_LOG, offs[i]);
		b.ledger[0] = '\0';
		ck_assert_int_eq(bench_reopen(&b), 0);
		bench_is_model(&b, "with a damaged record");
		ck_assert_ptr_null(strstr(b.ledger, "page"));
		bench_close(&b);
	}
}
END_TEST

START_TEST(record_that_is_whole_mends_the_pages)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, &protocol_log, STORE_POOL);
	bench_lose_the_pages(&b, &rng);
	ck_assert_int_eq(bench_reopen(&b), 0);
	bench_is_model(&b, "after redo");
	bench_nothing_is_pending(&b);
	ck_assert_int_eq(memcmp(bench_bytes(&b, PATH_STORE), b.store.memory[0], STORE_PAGE_BYTES),
		0);
	bench_close(&b);
}
END_TEST

/* Each call of a commit fails once; the error is reported, and the next commit does no harm. */
START_TEST(commit_that_fails_says_so_and_leaves_a_state)
{
	for (int n = 1; n <= 5; n++) {
		uint64_t rng = check_seed();
		struct bench b;

		bench_open(&b, protocols[_i], STORE_POOL);
		bench_random_commit(&b, &rng);
		b.model[1] = 11;
		b.model[9] = 99;
		bench_set(&b, 1, 11);
		bench_set(&b, 9, 99);
		b.fail_in = n;
		ck_assert_int_eq(store_commit(&b.store), FAIL_WITH);
		bench_commit(&b);
		if (b.protocol == &protocol_shadow)
			ck_assert_uint_eq(b.last_meta, 0); /* of commit 2, as if none had failed */
		bench_die(&b);
		bench_is_model(&b, "after a commit that failed, and one that did not");
		bench_close(&b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_loop_test(tc, commits_are_there_and_nothing_else_is, 0, N_WAYS);
	tcase_add_loop_test(tc, disk_is_asked_in_this_order, 0, N_PROTOCOLS);
	tcase_add_test(tc, damaged_meta_page_is_not_believed);
	tcase_add_test(tc, damaged_record_is_not_believed);
	tcase_add_test(tc, record_that_is_whole_mends_the_pages);
	tcase_add_loop_test(tc, commit_that_fails_says_so_and_leaves_a_state, 0, N_PROTOCOLS);
	suite_add_tcase(s, tc);
	return check_main(s);
}
