/* SPDX-License-Identifier: MIT */
/* Ranges of the public interface: cursors on them, counting, deleting, and emptying a table. */
#include "tests/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "b\x7f", "ba", "c", "ca"};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

static struct verso *open_words(int pager)
{
	struct verso *db = api_open(pager, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	for (size_t i = 0; i < N_WORDS; i++)
		api_put(txn, NULL, words[i], words[i]);
	API_OK(verso_commit(txn));
	return db;
}

/* The keys of a range, with commas. */
static const char *keys_of(struct verso_txn *txn, struct verso_range range)
{
	static char text[256];
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc;

	text[0] = '\0';
	API_OK(verso_cursor_open_range(txn, NULL, &range, &c));
	while ((rc = verso_cursor_next(c, &key, &val)) == 0) {
		ck_assert_uint_eq(key.len, val.len);
		strncat(text, key.data, key.len);
		strcat(text, ",");
	}
	API_IS(rc, VERSO_NOTFOUND);
	API_IS(verso_cursor_get(c, &key, &val), VERSO_NOTFOUND);
	verso_cursor_close(c);
	return text;
}

START_TEST(a_range_has_the_records_between_its_bounds)
{
	struct verso *db = open_words(_i);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val none = {NULL, 0}, empty = {"", 0};

	ck_assert_str_eq(keys_of(txn, (struct verso_range){none, none, 0}),
		",a,ab,abc,abd,b,ba,b\x7f,c,ca,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){empty, none, VERSO_FROM_ABOVE}),
		"a,ab,abc,abd,b,ba,b\x7f,c,ca,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){none, empty, 0}), "");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){none, empty, VERSO_TO_INCLUDED}), ",");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("ab"), api_val("b"), 0}),
		"ab,abc,abd,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("ab"), api_val("b"),
					      VERSO_FROM_ABOVE | VERSO_TO_INCLUDED}),
		"abc,abd,b,");
	ck_assert_str_eq(keys_of(txn,
				 (struct verso_range){api_val("ab"), api_val("b"),
					 VERSO_FROM_ABOVE | VERSO_TO_INCLUDED | VERSO_REVERSE}),
		"b,abd,abc,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("c"), api_val("b"), 0}), "");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("b"), none, VERSO_PREFIX}),
		"b,ba,b\x7f,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("ab"), none,
					      VERSO_PREFIX | VERSO_REVERSE}),
		"abd,abc,ab,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){empty, none, VERSO_PREFIX}),
		",a,ab,abc,abd,b,ba,b\x7f,c,ca,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){api_val("\xff"), none, VERSO_PREFIX}),
		"");
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Bytes 255 at a prefix's end: the key above them is that without them, and one higher. */
START_TEST(a_prefix_may_end_in_the_highest_bytes)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	api_put(txn, NULL, "a\xff\xff", "a\xff\xff");
	api_put(txn, NULL, "a\xff\xff\x01", "a\xff\xff\x01");
	api_put(txn, NULL, "a\xff", "a\xff");
	api_put(txn, NULL, "b", "b");
	api_put(txn, NULL, "\xff\xff", "\xff\xff");
	api_put(txn, NULL, "\xff", "\xff");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){.from = api_val("a\xff\xff"),
					      .flags = VERSO_PREFIX}),
		"a\xff\xff,a\xff\xff\x01,");
	ck_assert_str_eq(keys_of(txn, (struct verso_range){.from = api_val("\xff"),
					      .flags = VERSO_PREFIX}),
		"\xff,\xff\xff,");
	verso_abort(txn);
	verso_close(db);
}
END_TEST

static void is_at(int rc, struct verso_val key, const char *expected)
{
	API_IS(rc, expected ? 0 : VERSO_NOTFOUND);
	if (expected) {
		ck_assert_uint_eq(key.len, strlen(expected));
		ck_assert_int_eq(memcmp(key.data, expected, key.len), 0);
	}
}

START_TEST(a_cursor_of_a_range_turns_at_both_of_its_ends)
{
	struct verso *db = open_words(_i);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_range range = {api_val("ab"), api_val("b"), 0};
	struct verso_cursor *c;
	struct verso_val key = {NULL, 0};

	API_OK(verso_cursor_open_range(txn, NULL, &range, &c));
	is_at(verso_cursor_prev(c, &key, NULL), key, "abd");
	is_at(verso_cursor_next(c, &key, NULL), key, NULL);
	is_at(verso_cursor_next(c, &key, NULL), key, NULL);
	API_IS(verso_cursor_del(c), VERSO_NOTFOUND);
	is_at(verso_cursor_prev(c, &key, NULL), key, "abd");
	is_at(verso_cursor_first(c, &key, NULL), key, "ab");
	is_at(verso_cursor_prev(c, &key, NULL), key, NULL);
	is_at(verso_cursor_get(c, &key, NULL), key, NULL);
	is_at(verso_cursor_next(c, &key, NULL), key, "ab");
	is_at(verso_cursor_last(c, &key, NULL), key, "abd");
	is_at(verso_cursor_seek(c, api_val("a"), &key, NULL), key, "ab");
	is_at(verso_cursor_seek(c, api_val("abcc"), &key, NULL), key, "abd");
	is_at(verso_cursor_seek(c, api_val("b"), &key, NULL), key, NULL);
	is_at(verso_cursor_prev(c, &key, NULL), key, "abd");
	/* Records that come and go while it stands at its end. */
	is_at(verso_cursor_next(c, &key, NULL), key, NULL);
	api_put(txn, NULL, "aba", "aba");
	API_OK(verso_del(txn, NULL, api_val("abd")));
	is_at(verso_cursor_prev(c, &key, NULL), key, "abc");
	is_at(verso_cursor_prev(c, &key, NULL), key, "aba");
	API_OK(verso_cursor_del(c));
	is_at(verso_cursor_prev(c, &key, NULL), key, "ab");
	verso_cursor_close(c);

	range.flags = VERSO_REVERSE;
	API_OK(verso_cursor_open_range(txn, NULL, &range, &c));
	is_at(verso_cursor_next(c, &key, NULL), key, "abc");
	is_at(verso_cursor_first(c, &key, NULL), key, "abc");
	is_at(verso_cursor_last(c, &key, NULL), key, "ab");
	is_at(verso_cursor_next(c, &key, NULL), key, NULL);
	is_at(verso_cursor_prev(c, &key, NULL), key, "ab");
	is_at(verso_cursor_seek(c, api_val("abb"), &key, NULL), key, "ab");
	is_at(verso_cursor_seek(c, api_val("ab"), &key, NULL), key, "ab");
	is_at(verso_cursor_seek(c, api_val("x"), &key, NULL), key, "abc");
	is_at(verso_cursor_seek(c, api_val("a"), &key, NULL), key, NULL);
	is_at(verso_cursor_prev(c, &key, NULL), key, "ab");
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Long values among the records, in a database whose pool is much smaller than it. */
static struct verso *open_large(int pager, unsigned n)
{
	struct verso *db = api_open_with(pager, "large",
		(struct verso_options){.cache_bytes = 2 << 20, .flags = VERSO_SMALL_PAGES});
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char *val = calloc(1, 20000);

	ck_assert_ptr_nonnull(val);
	for (unsigned i = 0; i < n; i++) {
		char key[16];
		struct verso_val k = {key, (size_t)snprintf(key, sizeof(key), "key%06u", i)};

		API_OK(verso_put(txn, NULL, k,
			(struct verso_val){val, i % 100 == 0 ? 20000 : i % 60}, 0));
	}
	free(val);
	API_OK(verso_commit(txn));
	return db;
}

static struct verso_val number_key(unsigned i, char buf[16])
{
	return (struct verso_val){buf, (size_t)snprintf(buf, 16, "key%06u", i)};
}

static uint64_t count_all(struct verso_txn *txn)
{
	uint64_t n = 0;

	API_OK(verso_count(txn, NULL, NULL, 0, &n));
	return n;
}

START_TEST(a_large_range_is_counted_and_deleted)
{
	struct verso *db = open_large(_i, 60000);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char from[16], to[16];
	struct verso_range range = {number_key(1234, from), number_key(45678, to), 0};
	struct verso_table_stat stat = {.size = sizeof(stat)};
	struct verso_cursor *c;
	struct verso_val key;
	uint64_t n = 0;

	API_OK(verso_count(txn, NULL, &range, 0, &n));
	ck_assert_uint_eq(n, 45678 - 1234);
	API_OK(verso_count(txn, NULL, &range, VERSO_ESTIMATE, &n));
	ck_assert_uint_ge(n, (45678 - 1234) / 2);
	ck_assert_uint_le(n, (45678 - 1234) * 2);
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_seek(c, api_val("key020000"), &key, NULL));
	/* The bounds may be what the cursor has just returned. */
	API_OK(verso_del_range(txn, NULL, &(struct verso_range){key, key, VERSO_TO_INCLUDED}, &n));
	ck_assert_uint_eq(n, 1);
	API_IS(verso_cursor_get(c, &key, NULL), VERSO_NOTFOUND);
	API_OK(verso_del_range(txn, NULL, &range, &n));
	ck_assert_uint_eq(n, 45678 - 1234 - 1);
	API_OK(verso_cursor_next(c, &key, NULL));
	ck_assert_int_eq(memcmp(key.data, "key045678", key.len), 0);
	API_OK(verso_cursor_prev(c, &key, NULL));
	ck_assert_int_eq(memcmp(key.data, "key001233", key.len), 0);
	verso_cursor_close(c);
	ck_assert_uint_eq(count_all(txn), 60000 - 45678 + 1234);
	API_OK(verso_table_stat(txn, NULL, &stat));
	ck_assert_uint_eq(stat.n_records, 60000 - 45678 + 1234);
	API_OK(verso_commit(txn));
	api_check(db);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_del_range(txn, NULL, NULL, NULL));
	ck_assert_uint_eq(count_all(txn), 0);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

/* Only pages at the ends of the range and above are copied. */
START_TEST(deleting_a_range_writes_few_pages)
{
	struct verso *db = open_large(_i, 30000);
	struct verso_stat before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
	struct verso_txn *txn;
	char from[16], to[16];
	struct verso_range range = {number_key(1000, from), number_key(29000, to), 0};

	API_OK(verso_stat(db, &before));
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_del_range(txn, NULL, &range, NULL));
	API_OK(verso_commit(txn));
	API_OK(verso_stat(db, &after));
	printf("  %llu bytes written, of a file of %llu\n",
		(unsigned long long)(after.write_bytes - before.write_bytes),
		(unsigned long long)before.n_pages * before.page_size);
	ck_assert_uint_lt(after.write_bytes - before.write_bytes,
		(uint64_t)before.n_pages * before.page_size / 20);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_table_that_is_cleared_is_empty_and_still_there)
{
	struct verso *db = open_large(_i, 5000);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *old = api_begin(db, VERSO_READ);
	struct verso_table *table, *again;
	struct verso_cursor *c;
	struct verso_val key;

	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	api_put(txn, table, "a", "1");
	API_OK(verso_cursor_open(txn, table, &c));
	API_OK(verso_cursor_first(c, &key, NULL));
	API_OK(verso_table_clear(txn, table));
	API_IS(verso_cursor_get(c, &key, NULL), VERSO_NOTFOUND);
	API_IS(verso_cursor_first(c, &key, NULL), VERSO_NOTFOUND);
	api_put(txn, table, "b", "2");
	API_OK(verso_cursor_first(c, &key, NULL));
	verso_cursor_close(c);
	API_OK(verso_table_clear(txn, NULL));
	API_OK(verso_table_clear(txn, NULL));
	ck_assert_uint_eq(count_all(txn), 0);
	API_OK(verso_commit(txn));
	ck_assert_uint_eq(count_all(old), 5000);
	verso_abort(old);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_table_open(txn, "t", 0, &again));
	ck_assert(api_has(txn, again, "a", NULL));
	ck_assert(api_has(txn, again, "b", "2"));
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(wrong_ranges_are_refused)
{
	struct verso *db = open_words(_i);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *reader;
	struct verso_val bad = {NULL, 3}, a = api_val("a");
	const struct verso_range wrong[] = {
		{a, a, 1u << 30},
		{a, a, VERSO_PREFIX},
		{a, {NULL, 0}, VERSO_PREFIX | VERSO_FROM_ABOVE},
		{a, {NULL, 0}, VERSO_PREFIX | VERSO_TO_INCLUDED},
		{bad, a, 0},
		{a, bad, 0},
		{bad, {NULL, 0}, VERSO_PREFIX},
	};
	struct verso_cursor *c;
	uint64_t n = 77;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		API_IS(verso_cursor_open_range(txn, NULL, &wrong[i], &c), VERSO_EMISUSE);
		ck_assert_str_ne(verso_errmsg(db), "");
		API_IS(verso_count(txn, NULL, &wrong[i], 0, &n), VERSO_EMISUSE);
		API_IS(verso_del_range(txn, NULL, &wrong[i], &n), VERSO_EMISUSE);
	}
	API_IS(verso_count(txn, NULL, NULL, VERSO_REVERSE, &n), VERSO_EMISUSE);
	API_IS(verso_count(txn, NULL, NULL, 0, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_open_range(txn, NULL, NULL, NULL), VERSO_EMISUSE);
	ck_assert_uint_eq(n, 77);
	ck_assert_uint_eq(count_all(txn), N_WORDS);
	API_OK(verso_commit(txn));
	reader = api_begin(db, VERSO_READ);
	API_IS(verso_del_range(reader, NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_table_clear(reader, NULL), VERSO_EMISUSE);
	API_OK(verso_cursor_open_range(reader, NULL, NULL, &c));
	API_OK(verso_cursor_next(c, NULL, NULL));
	verso_abort(reader);
	API_IS(verso_cursor_next(c, NULL, NULL), VERSO_EMISUSE);
	verso_cursor_close(c);
	API_IS(verso_count(reader, NULL, NULL, 0, &n), VERSO_EMISUSE);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_range");
	TCase *t = tcase_create("all pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_range_has_the_records_between_its_bounds, 0, API_PAGERS);
	tcase_add_loop_test(t, a_prefix_may_end_in_the_highest_bytes, 0, API_PAGERS);
	tcase_add_loop_test(t, a_cursor_of_a_range_turns_at_both_of_its_ends, 0, API_PAGERS);
	tcase_add_loop_test(t, a_large_range_is_counted_and_deleted, 0, API_PAGERS);
	tcase_add_loop_test(t, deleting_a_range_writes_few_pages, 0, API_PAGERS);
	tcase_add_loop_test(t, a_table_that_is_cleared_is_empty_and_still_there, 0, API_PAGERS);
	tcase_add_loop_test(t, wrong_ranges_are_refused, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
