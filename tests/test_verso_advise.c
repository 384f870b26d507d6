/* SPDX-License-Identifier: MIT */
/* Advice for a range of keys: what it moves in a pool, and that it changes no result. */
#include "tests/api.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if VERSO_HOSTILE
#define HOSTILE_BUILD 1
#else
#define HOSTILE_BUILD 0
#endif

#define N_RECORDS 4000u /* of 500 bytes: 430 leaves of 4 KiB, below several inner pages */
#define VAL_BYTES 500u

static const struct verso_val no_bound;

static struct verso_stat stat_of(struct verso *db)
{
	struct verso_stat st = {.size = sizeof(st)};

	API_OK(verso_stat(db, &st));
	return st;
}

/* A database whose pages are on the disk alone, as far as Verso knows. */
static struct verso *open_cold(int pager, unsigned flags)
{
	struct verso *db = api_open(pager, "advise", flags);

	api_fill(db, N_RECORDS, VAL_BYTES);
	verso_close(db);
	return api_open(pager, "advise", flags);
}

static const char *key_of(unsigned i)
{
	static char text[16];

	(void)snprintf(text, sizeof(text), "key%06u", i);
	return text;
}

/* Reads the records [from, to) by a cursor, and checks them. */
static void read_all(struct verso_txn *txn, unsigned from, unsigned to)
{
	struct verso_cursor *c;
	struct verso_val key, val;
	char text[16];

	API_OK(verso_cursor_open(txn, NULL, &c));
	for (unsigned i = from; i < to; i++) {
		int n = snprintf(text, sizeof(text), "key%06u", i);

		API_OK(i == from ? verso_cursor_seek(c, api_val(text), &key, &val)
				 : verso_cursor_next(c, &key, &val));
		ck_assert_uint_eq(key.len, (size_t)n);
		ck_assert_mem_eq(key.data, text, (size_t)n);
		ck_assert_uint_eq(val.len, VAL_BYTES);
	}
	verso_cursor_close(c);
}

/* As often as the pool has room in flight; what is in memory is passed over. */
static void want(struct verso_txn *txn, struct verso_val from, struct verso_val to)
{
	for (unsigned i = 0; i < 100; i++)
		API_OK(verso_advise(txn, NULL, from, to, VERSO_ADVICE_WILLNEED));
}

START_TEST(a_wanted_range_is_loaded_before_it_is_read)
{
	struct verso *db = open_cold(_i, 0);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val from = {"key001000", 9}, to = {"key002000", 9}, val;
	uint64_t before;

	/* The kernel loads, and a hostile pool evicts at each put: only the results are seen. */
	if (_i == VERSO_MMAP || HOSTILE_BUILD) {
		want(txn, from, to);
		read_all(txn, 0, N_RECORDS);
		verso_abort(txn);
		verso_close(db);
		return;
	}
	want(txn, from, to);
	ck_assert_uint_gt(stat_of(db).n_loads_ahead, 100); /* 1000 records, seven a leaf */
	ck_assert_uint_lt(stat_of(db).n_loads_ahead, 200);
	before = stat_of(db).n_loads_get;
	for (unsigned i = 1000; i < 2000; i++)
		API_OK(verso_get(txn, NULL, api_val(key_of(i)), &val));
	ck_assert_uint_eq(stat_of(db).n_loads_get, before);
	API_OK(verso_get(txn, NULL, api_val(key_of(3000)), &val));
	ck_assert_uint_gt(stat_of(db).n_loads_get,
		before); /* its leaf, and perhaps an inner page */
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_cold_range_is_given_up_before_the_policy_has_to)
{
	struct verso *db = open_cold(_i, 0);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val from = {"key001000", 9}, to = {"key002000", 9};
	uint64_t n_unneeded;

	read_all(txn, 0, N_RECORDS);
	n_unneeded = stat_of(db).n_unneeded;
	API_OK(verso_advise(txn, NULL, from, to, VERSO_ADVICE_COLD));
	if (_i != VERSO_MMAP && !HOSTILE_BUILD) { /* test_map_advice looks at the map's */
		ck_assert_uint_gt(stat_of(db).n_unneeded, n_unneeded + 100);
		ck_assert_uint_lt(stat_of(db).n_unneeded, n_unneeded + 200);
	}
	read_all(txn, 0, N_RECORDS);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(no_bounds_mean_all_and_crossed_ones_nothing)
{
	struct verso *db = open_cold(_i, 0);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val low = {"key001000", 9}, high = {"key002000", 9};

	API_OK(verso_advise(txn, NULL, high, low, VERSO_ADVICE_WILLNEED));
	API_OK(verso_advise(txn, NULL, low, low, VERSO_ADVICE_WILLNEED));
	ck_assert_uint_eq(stat_of(db).n_prefetched, 0);
	want(txn, no_bound, no_bound);
	if (!HOSTILE_BUILD)
		ck_assert_uint_gt(stat_of(db).n_prefetched, N_RECORDS / 10);
	API_OK(verso_advise(txn, NULL, high, no_bound, VERSO_ADVICE_COLD));
	API_OK(verso_advise(txn, NULL, no_bound, low, VERSO_ADVICE_COLD));
	read_all(txn, 0, N_RECORDS);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/*
 * With io = SYNC each read ends inside the call, so nothing is ever in flight: only a count ends
 * the advice. _i is the pager.
 */
START_TEST(one_call_loads_no_more_than_a_quarter_of_the_pool)
{
	const size_t cache_bytes = (size_t)8 << 20;
	struct verso_options options = {.cache_bytes = cache_bytes, .io = VERSO_IO_SYNC};
	struct verso *db = api_open(_i, "advise", 0);
	struct verso_txn *txn;
	uint64_t n_loads;

	api_fill(db, 20 * N_RECORDS, VAL_BYTES);
	verso_close(db);
	db = api_open_with(_i, "advise", options);
	ck_assert_uint_gt(stat_of(db).n_pages, 5 * cache_bytes / 4096);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_advise(txn, NULL, no_bound, no_bound, VERSO_ADVICE_WILLNEED));
	n_loads = stat_of(db).n_loads_ahead;
	if (_i != VERSO_MMAP && !HOSTILE_BUILD) { /* test_map_advice looks at the map's */
		ck_assert_uint_gt(n_loads, 0);
		ck_assert_uint_le(n_loads, cache_bytes / 4096 / 4);
	}
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(advice_in_a_writer_leaves_its_own_pages_alone)
{
	struct verso *db = open_cold(_i, 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *empty, *small;
	char longest[2000];

	memset(longest, 'k', sizeof(longest));
	for (unsigned i = 0; i < N_RECORDS; i += 3) {
		api_put(txn, NULL, key_of(i), "new");
		if (i % 100 == 0) {
			API_OK(verso_advise(txn, NULL, no_bound, no_bound, VERSO_ADVICE_COLD));
			API_OK(verso_advise(txn, NULL, no_bound, no_bound, VERSO_ADVICE_WILLNEED));
		}
	}
	for (unsigned i = 0; i < N_RECORDS; i += 3)
		ck_assert(api_has(txn, NULL, key_of(i), "new"));
	API_OK(verso_table_open(txn, "empty", VERSO_CREATE, &empty));
	API_OK(verso_advise(txn, empty, no_bound, no_bound, VERSO_ADVICE_WILLNEED));
	API_OK(verso_table_open(txn, "small", VERSO_CREATE, &small));
	api_put(txn, small, "a", "b");
	API_OK(verso_advise(txn, small, no_bound, no_bound, VERSO_ADVICE_COLD));
	/* Longer than any key may be. */
	API_OK(verso_advise(txn, NULL, (struct verso_val){longest, sizeof(longest)}, no_bound,
		VERSO_ADVICE_COLD));
	API_OK(verso_advise(txn, NULL, no_bound, (struct verso_val){longest, sizeof(longest)},
		VERSO_ADVICE_WILLNEED));
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(what_advice_does_not_know_is_refused)
{
	struct verso *db = api_open(_i, "advise", 0);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val bad = {NULL, 3};

	API_SAYS(verso_advise(txn, NULL, no_bound, no_bound, (enum verso_advice)2), VERSO_EMISUSE,
		"verso_advise");
	API_IS(verso_advise(txn, NULL, bad, no_bound, VERSO_ADVICE_COLD), VERSO_EMISUSE);
	API_IS(verso_advise(txn, NULL, no_bound, bad, VERSO_ADVICE_COLD), VERSO_EMISUSE);
	API_IS(verso_advise(NULL, NULL, no_bound, no_bound, VERSO_ADVICE_COLD), VERSO_EMISUSE);
	API_OK(verso_advise(txn, NULL, no_bound, no_bound, VERSO_ADVICE_COLD));
	verso_abort(txn);
	API_IS(verso_advise(txn, NULL, no_bound, no_bound, VERSO_ADVICE_COLD), VERSO_EMISUSE);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_advise");
	TCase *t = tcase_create("advise");

	tcase_add_loop_test(t, a_wanted_range_is_loaded_before_it_is_read, 0, API_PAGERS);
	tcase_add_loop_test(t, a_cold_range_is_given_up_before_the_policy_has_to, 0, API_PAGERS);
	tcase_add_loop_test(t, no_bounds_mean_all_and_crossed_ones_nothing, 0, API_PAGERS);
	tcase_add_loop_test(t, one_call_loads_no_more_than_a_quarter_of_the_pool, 0, API_PAGERS);
	tcase_add_loop_test(t, advice_in_a_writer_leaves_its_own_pages_alone, 0, API_PAGERS);
	tcase_add_loop_test(t, what_advice_does_not_know_is_refused, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
