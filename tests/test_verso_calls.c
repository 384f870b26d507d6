/* SPDX-License-Identifier: MIT */
/*
 * Ways to write a record other than put, and tables that are renamed or kept: append, replace,
 * through a cursor, into room, in pieces.
 */
#include "tests/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_BYTES 50000

static char *long_text(size_t len, char letter)
{
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, letter, len);
	text[len] = '\0';
	return text;
}

START_TEST(append_is_refused_unless_the_key_is_above_all_others)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char *text = long_text(LONG_BYTES, 'x');

	API_OK(verso_put(txn, NULL, api_val("b"), api_val("1"), VERSO_APPEND));
	API_SAYS(verso_put(txn, NULL, api_val("b"), api_val("2"), VERSO_APPEND), VERSO_EMISUSE,
		"not above all others");
	API_IS(verso_put(txn, NULL, api_val("a"), api_val("2"), VERSO_APPEND), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, api_val("a"), api_val(text), VERSO_APPEND), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, api_val("b"), api_val("2"), VERSO_APPEND | VERSO_NOOVERWRITE),
		VERSO_EXISTS);
	API_IS(verso_put(txn, NULL, api_val("b"), api_val(text), VERSO_APPEND | VERSO_NOOVERWRITE),
		VERSO_EXISTS);
	for (unsigned i = 0; i < 2000; i++) {
		char key[16];
		struct verso_val k = {key, (size_t)snprintf(key, sizeof(key), "c%06u", i)};

		API_OK(verso_put(txn, NULL, k, i % 500 ? k : api_val(text), VERSO_APPEND));
		API_IS(verso_put(txn, NULL, k, k, VERSO_APPEND), VERSO_EMISUSE);
	}
	API_IS(verso_put(txn, NULL, api_val("c0005"), api_val(text), VERSO_APPEND), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, api_val("c000500"), api_val(text), VERSO_APPEND),
		VERSO_EMISUSE);
	ck_assert(api_has(txn, NULL, "b", "1"));
	ck_assert(api_has(txn, NULL, "a", NULL));
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	free(text);
}
END_TEST

static void is_text(struct verso_val val, const char *expected)
{
	if (!expected) {
		ck_assert_ptr_null(val.data);
		return;
	}
	ck_assert_ptr_nonnull(val.data);
	ck_assert_uint_eq(val.len, strlen(expected));
	ck_assert_int_eq(memcmp(val.data, expected, val.len), 0);
}

START_TEST(replace_returns_the_value_of_before)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.value_copy_max = LONG_BYTES});
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char *text = long_text(LONG_BYTES, 'x'), *longer = long_text(LONG_BYTES + 1, 'y');
	struct verso_val old = {"?", 1}, val;

	API_OK(verso_replace(txn, NULL, api_val("k"), api_val("1"), &old));
	is_text(old, NULL);
	API_OK(verso_replace(txn, NULL, api_val("k"), api_val(""), &old));
	is_text(old, "1");
	API_OK(verso_replace(txn, NULL, api_val("k"), api_val(text), &old));
	is_text(old, "");
	API_OK(verso_replace(txn, NULL, api_val("k"), api_val("2"), &old));
	is_text(old, text);
	/* The new value may be the old one that the call before returned, or a result. */
	API_OK(verso_replace(txn, NULL, api_val("k"), old, &old));
	is_text(old, "2");
	API_OK(verso_replace(txn, NULL, old, old, &old));
	is_text(old, NULL);
	ck_assert(api_has(txn, NULL, "2", "2"));
	API_OK(verso_get(txn, NULL, api_val("2"), &val));
	API_OK(verso_replace(txn, NULL, val, val, &old));
	is_text(old, "2");
	ck_assert(api_has(txn, NULL, "k", text));
	api_put(txn, NULL, "k", longer);
	API_SAYS(verso_replace(txn, NULL, api_val("k"), api_val("3"), &old), VERSO_ETOOBIG,
		"value_copy_max");
	API_OK(verso_replace(txn, NULL, api_val("2"), api_val("4"), &old));
	API_IS(verso_replace(txn, NULL, api_val("k"), api_val("3"), NULL), VERSO_EMISUSE);
	API_IS(verso_replace(txn, NULL, (struct verso_val){NULL, 1}, old, &old), VERSO_EMISUSE);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	free(text);
	free(longer);
}
END_TEST

START_TEST(a_cursor_sets_the_value_of_its_record)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *reader;
	char *text = long_text(LONG_BYTES, 'x');
	struct verso_cursor *c;
	struct verso_val key, val;

	for (unsigned i = 0; i < 1000; i++) {
		char k[16];

		(void)snprintf(k, sizeof(k), "key%04u", i);
		api_put(txn, NULL, k, k);
	}
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_IS(verso_cursor_put(c, api_val("x")), VERSO_NOTFOUND);
	for (unsigned i = 0; i < 1000; i++) {
		API_OK(verso_cursor_next(c, &key, &val));
		/* The value that it returns may be the new one. */
		API_OK(verso_cursor_put(c, i % 3 ? val : api_val(i % 100 ? "short" : text)));
		API_OK(verso_cursor_get(c, &key, &val));
		ck_assert_uint_eq(val.len, i % 3 ? 7 : i % 100 ? 5 : LONG_BYTES);
	}
	API_IS(verso_cursor_next(c, &key, &val), VERSO_NOTFOUND);
	API_IS(verso_cursor_put(c, api_val("x")), VERSO_NOTFOUND);
	API_OK(verso_cursor_first(c, &key, &val));
	API_IS(verso_cursor_put(c, (struct verso_val){NULL, 2}), VERSO_EMISUSE);
	API_OK(verso_del(txn, NULL, api_val("key0000")));
	API_IS(verso_cursor_put(c, api_val("x")), VERSO_NOTFOUND);
	ck_assert(api_has(txn, NULL, "key0000", NULL));
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
	reader = api_begin(db, VERSO_READ);
	API_OK(verso_cursor_open(reader, NULL, &c));
	API_OK(verso_cursor_first(c, NULL, NULL));
	API_IS(verso_cursor_put(c, api_val("x")), VERSO_EMISUSE);
	verso_cursor_close(c);
	verso_abort(reader);
	api_check(db);
	verso_close(db);
	free(text);
}
END_TEST

static int append_name(void *arg, const char *name)
{
	strcat(arg, name);
	strcat(arg, ",");
	return 0;
}

START_TEST(a_table_is_renamed_with_its_records_and_handles)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *table, *other, *again;
	struct verso_cursor *c;
	char names[64] = "", long_name[300];

	API_OK(verso_table_open(txn, "old", VERSO_CREATE, &table));
	API_OK(verso_table_open(txn, "other", VERSO_CREATE, &other));
	api_put(txn, table, "k", "1");
	API_OK(verso_cursor_open(txn, table, &c));
	API_OK(verso_table_rename(txn, "old", "new"));
	API_OK(verso_cursor_first(c, NULL, NULL));
	verso_cursor_close(c);
	api_put(txn, table, "l", "2");
	API_IS(verso_table_open(txn, "old", 0, &again), VERSO_NOTFOUND);
	API_OK(verso_table_open(txn, "new", 0, &again));
	ck_assert_ptr_eq(again, table);
	API_IS(verso_table_rename(txn, "old", "x"), VERSO_NOTFOUND);
	API_IS(verso_table_rename(txn, "new", "other"), VERSO_EXISTS);
	API_IS(verso_table_rename(txn, "new", "new"), VERSO_EXISTS);
	API_IS(verso_table_rename(txn, "new", ""), VERSO_EMISUSE);
	API_IS(verso_table_rename(txn, NULL, "new"), VERSO_EMISUSE);
	API_IS(verso_table_rename(txn, "new", NULL), VERSO_EMISUSE);
	memset(long_name, 'n', sizeof(long_name));
	long_name[299] = '\0';
	API_IS(verso_table_rename(txn, "new", long_name), VERSO_ETOOBIG);
	API_OK(verso_table_open(txn, "old", VERSO_CREATE, &again));
	ck_assert(api_has(txn, again, "k", NULL));
	API_OK(verso_commit(txn));

	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_rename(txn, "other", "last")); /* which is not open */
	API_OK(verso_table_each(txn, append_name, names));
	ck_assert_str_eq(names, "last,new,old,");
	API_OK(verso_table_open(txn, "new", 0, &table));
	ck_assert(api_has(txn, table, "k", "1"));
	ck_assert(api_has(txn, table, "l", "2"));
	API_OK(verso_table_rename(txn, "new", "newer"));
	API_OK(verso_table_drop(txn, "newer"));
	API_IS(verso_put(txn, table, api_val("k"), api_val("v"), 0), VERSO_EMISUSE);
	verso_abort(txn);
	txn = api_begin(db, VERSO_READ);
	API_IS(verso_table_rename(txn, "new", "x"), VERSO_EMISUSE);
	API_OK(verso_table_open(txn, "new", 0, &table));
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_kept_table_is_that_of_its_name_in_every_transaction)
{
	struct verso *db = api_open(_i, "a", 0), *other_db = api_open(_i, "b", 0);
	struct verso_table *kept, *same, *second, *opened;
	struct verso_txn *txn, *reader;
	struct verso_cursor *c;
	struct verso_val val;
	uint64_t n;

	API_OK(verso_table_keep(db, "t", &kept));
	API_OK(verso_table_keep(db, "t", &same));
	ck_assert_ptr_eq(kept, same);
	API_OK(verso_table_keep(db, "u", &second));
	ck_assert_ptr_ne(kept, second);
	txn = api_begin(db, VERSO_WRITE);
	API_IS(verso_put(txn, kept, api_val("k"), api_val("v"), 0), VERSO_NOTFOUND);
	API_IS(verso_get(txn, kept, api_val("k"), &val), VERSO_NOTFOUND);
	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &opened));
	API_OK(verso_put(txn, kept, api_val("k"), api_val("v"), 0));
	ck_assert(api_has(txn, opened, "k", "v"));
	reader = api_begin(db, VERSO_READ);
	API_OK(verso_commit(txn));
	API_IS(verso_get(reader, kept, api_val("k"), &val), VERSO_NOTFOUND);
	verso_abort(reader);
	reader = api_begin(db, VERSO_READ);
	ck_assert(api_has(reader, kept, "k", "v"));
	API_OK(verso_cursor_open(reader, kept, &c));
	API_OK(verso_cursor_first(c, NULL, &val));
	verso_cursor_close(c);
	API_OK(verso_count(reader, kept, NULL, 0, &n));
	ck_assert_uint_eq(n, 1);

	txn = api_begin(db, VERSO_WRITE);
	ck_assert(api_has(txn, kept, "k", "v"));
	API_OK(verso_table_rename(txn, "t", "u"));
	API_IS(verso_get(txn, kept, api_val("k"), &val), VERSO_NOTFOUND);
	ck_assert(api_has(txn, second, "k", "v"));
	API_OK(verso_table_drop(txn, "u"));
	API_IS(verso_del(txn, second, api_val("k")), VERSO_NOTFOUND);
	API_IS(verso_cursor_open(txn, second, &c), VERSO_NOTFOUND);
	API_OK(verso_table_open(txn, "u", VERSO_CREATE, &opened));
	API_IS(verso_del(txn, second, api_val("k")), VERSO_NOTFOUND);
	API_OK(verso_put(txn, second, api_val("l"), api_val("w"), 0));
	ck_assert(api_has(txn, opened, "l", "w"));
	ck_assert(api_has(reader, kept, "k", "v"));
	API_OK(verso_commit(txn));
	verso_abort(reader);

	txn = api_begin(other_db, VERSO_READ);
	API_SAYS(verso_get(txn, kept, api_val("k"), &val), VERSO_EMISUSE, "another database");
	verso_abort(txn);
	API_IS(verso_table_keep(db, "", &kept), VERSO_EMISUSE);
	API_IS(verso_table_keep(db, NULL, &kept), VERSO_EMISUSE);
	API_IS(verso_table_keep(db, "t", NULL), VERSO_EMISUSE);
	api_check(db);
	verso_close(db);
	API_IS(verso_table_keep(db, "t", &kept), VERSO_EMISUSE);
	txn = api_begin(other_db, VERSO_READ);
	API_IS(verso_get(txn, kept, api_val("k"), &val), VERSO_EMISUSE);
	verso_abort(txn);
	verso_close(other_db);
}
END_TEST

/* Pages that are looked at by a transaction which gets `key` once. */
static uint64_t count_pages(struct verso *db, struct verso_table *table, const char *key)
{
	struct verso_stat before = {.size = sizeof(before)}, after = before;
	struct verso_txn *txn;

	API_OK(verso_stat(db, &before));
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, table, key, "v"));
	verso_abort(txn);
	API_OK(verso_stat(db, &after));
	return after.n_gets + after.n_peeks - before.n_gets - before.n_peeks;
}

START_TEST(a_kept_table_is_looked_up_once_until_a_table_changes)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *old;
	struct verso_table *kept, *other, *table;
	uint64_t n_default, n_first;

	api_put(txn, NULL, "k", "v");
	for (unsigned i = 0; i < 500; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%u", i);
		API_OK(verso_table_open(txn, name, VERSO_CREATE, &table));
		api_put(txn, table, "k", "v");
		api_put(txn, table, "name", name);
	}
	API_OK(verso_commit(txn));
	API_OK(verso_table_keep(db, "t77", &kept));
	API_OK(verso_table_keep(db, "t78", &other));
	n_default = count_pages(db, NULL, "k");
	n_first = count_pages(db, kept, "k");
	ck_assert_uint_gt(n_first, n_default);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(count_pages(db, kept, "k"), n_default);
	/* A writer that ends without a commit leaves nothing that others would take for known. */
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_drop(txn, "t78"));
	API_OK(verso_table_rename(txn, "t77", "t78"));
	ck_assert(api_has(txn, other, "name", "t77"));
	verso_abort(txn);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, other, "name", "t78"));
	ck_assert(api_has(txn, kept, "name", "t77"));
	verso_abort(txn);
	ck_assert_uint_eq(count_pages(db, kept, "k"), n_default);
	/* Each snapshot has its own. */
	old = api_begin(db, VERSO_READ);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, kept, "k", "w");
	API_OK(verso_commit(txn));
	ck_assert(api_has(old, kept, "k", "v"));
	verso_abort(old);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, kept, "k", "w"));
	verso_abort(txn);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, kept, "k", "v");
	API_OK(verso_table_rename(txn, "t77", "new"));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	API_IS(verso_del(txn, kept, api_val("k")), VERSO_EMISUSE);
	API_IS(verso_count(txn, kept, NULL, 0, &n_first), VERSO_NOTFOUND);
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(many_tables_are_kept_at_a_time)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	static struct verso_table *kept[300], *opened;
	char name[16];

	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		API_OK(verso_table_keep(db, name, &kept[i]));
		API_OK(verso_table_open(txn, name, VERSO_CREATE, &opened));
	}
	for (unsigned i = 300; i-- > 0;) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		api_put(txn, kept[i], "name", name);
	}
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	for (unsigned i = 0; i < 300; i += 7) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		ck_assert(api_has(txn, kept[i], "name", name));
	}
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(what_is_written_into_room_is_the_value)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *reader;
	char *text = long_text(LONG_BYTES, 'x');
	struct verso_val val;
	void *room;

	API_OK(verso_reserve(txn, NULL, api_val("short"), 5, 0, &room));
	memcpy(room, "12345", 5);
	ck_assert(api_has(txn, NULL, "short", "12345"));
	API_OK(verso_reserve(txn, NULL, api_val("empty"), 0, 0, &room));
	ck_assert(api_has(txn, NULL, "empty", ""));
	API_OK(verso_reserve(txn, NULL, api_val("long"), LONG_BYTES, 0, &room));
	ck_assert_int_eq(((const char *)room)[LONG_BYTES - 1], 0);
	memcpy(room, text, LONG_BYTES);
	/* The next call may use what was written as its argument. */
	API_OK(verso_put(txn, NULL, api_val("copy"), (struct verso_val){room, LONG_BYTES}, 0));
	ck_assert(api_has(txn, NULL, "long", text));
	ck_assert(api_has(txn, NULL, "copy", text));
	API_IS(verso_reserve(txn, NULL, api_val("short"), 5, VERSO_NOOVERWRITE, &room),
		VERSO_EXISTS);
	API_IS(verso_reserve(txn, NULL, api_val("long"), LONG_BYTES, VERSO_NOOVERWRITE, &room),
		VERSO_EXISTS);
	API_OK(verso_reserve(txn, NULL, api_val("long2"), LONG_BYTES, VERSO_NOOVERWRITE, &room));
	memset(room, 'x', LONG_BYTES);
	API_IS(verso_reserve(txn, NULL, api_val("x"), ((size_t)1 << 30) + 1, 0, &room),
		VERSO_ETOOBIG);
	API_IS(verso_reserve(txn, NULL, api_val(text), 5, 0, &room), VERSO_ETOOBIG);
	API_IS(verso_reserve(txn, NULL, api_val("x"), 5, VERSO_APPEND, &room), VERSO_EMISUSE);
	API_IS(verso_reserve(txn, NULL, api_val("x"), 5, 0, NULL), VERSO_EMISUSE);
	API_OK(verso_reserve(txn, NULL, api_val("last"), LONG_BYTES, 0, &room));
	memset(room, 'x', LONG_BYTES);
	API_OK(verso_commit(txn)); /* is the next call */
	reader = api_begin(db, VERSO_READ);
	ck_assert(api_has(reader, NULL, "long2", text));
	ck_assert(api_has(reader, NULL, "last", text));
	API_IS(verso_reserve(reader, NULL, api_val("x"), 5, 0, &room), VERSO_EMISUSE);
	verso_abort(reader);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_reserve(txn, NULL, api_val("never"), LONG_BYTES, 0, &room));
	verso_abort(txn);
	txn = api_begin(db, VERSO_READ);
	API_IS(verso_get(txn, NULL, api_val("never"), &val), VERSO_NOTFOUND);
	verso_abort(txn);
	api_check(db);
	verso_close(db);
	free(text);
}
END_TEST

/* The table into which the room's value belongs may be dropped, or its record, by the next call. */
START_TEST(room_is_stored_before_what_the_next_call_does)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *table;
	struct verso_cursor *c;
	struct verso_val key;
	void *room;

	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	API_OK(verso_reserve(txn, table, api_val("k"), LONG_BYTES, 0, &room));
	API_OK(verso_del(txn, table, api_val("k")));
	API_OK(verso_cursor_open(txn, table, &c));
	API_OK(verso_reserve(txn, table, api_val("k"), LONG_BYTES, 0, &room));
	API_OK(verso_cursor_next(c, &key, NULL));
	API_OK(verso_reserve(txn, table, api_val("l"), LONG_BYTES, 0, &room));
	API_OK(verso_table_drop(txn, "t"));
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_value_is_written_in_pieces)
{
	struct verso *db = api_open_with(_i, "a",
		(struct verso_options){.cache_bytes = 2 << 20, .flags = VERSO_SMALL_PAGES});
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	enum { PIECE = 65536, N_PIECES = 400 };
	static uint8_t piece[PIECE], back[PIECE];
	size_t len;

	for (unsigned i = 0; i < N_PIECES; i++) {
		memset(piece, (int)i, PIECE);
		API_OK(verso_write(txn, NULL, api_val("large"), (uint64_t)i * PIECE, piece, PIECE));
	}
	API_OK(verso_write(txn, NULL, api_val("large"), PIECE - 10, "0123456789abcdefghij", 20));
	API_OK(verso_write(txn, NULL, api_val("large"), 5, NULL, 0));
	API_OK(verso_write(txn, NULL, api_val("new"), 0, NULL, 0));
	ck_assert(api_has(txn, NULL, "new", ""));
	API_OK(verso_write(txn, NULL, api_val("new"), 0, "abc", 3));
	API_OK(verso_write(txn, NULL, api_val("new"), 2, "xy", 2));
	ck_assert(api_has(txn, NULL, "new", "abxy"));
	API_SAYS(verso_write(txn, NULL, api_val("new"), 5, "x", 1), VERSO_EMISUSE, "byte 5");
	API_IS(verso_write(txn, NULL, api_val("none"), 1, "x", 1), VERSO_EMISUSE);
	API_IS(verso_write(txn, NULL, api_val("new"), UINT64_MAX, "x", 1), VERSO_EMISUSE);
	API_IS(verso_write(txn, NULL, api_val("new"), 0, NULL, 1), VERSO_EMISUSE);
	API_IS(verso_write(txn, NULL, api_val("new"), 0, "x", ((size_t)1 << 30) + 1),
		VERSO_ETOOBIG);
	API_OK(verso_commit(txn));
	api_check(db);
	txn = api_begin(db, VERSO_READ);
	for (unsigned i = 0; i < N_PIECES; i++) {
		API_OK(verso_read(txn, NULL, api_val("large"), (uint64_t)i * PIECE, back, PIECE,
			&len));
		ck_assert_uint_eq(len, PIECE);
		memset(piece, (int)i, PIECE);
		if (i == 0)
			memcpy(piece + PIECE - 10, "0123456789", 10);
		if (i == 1)
			memcpy(piece, "abcdefghij", 10);
		ck_assert_int_eq(memcmp(piece, back, PIECE), 0);
	}
	API_OK(verso_read(txn, NULL, api_val("large"), (uint64_t)N_PIECES * PIECE, back, 1, &len));
	ck_assert_uint_eq(len, 0);
	API_IS(verso_write(txn, NULL, api_val("new"), 0, "x", 1), VERSO_EMISUSE);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_calls");
	TCase *t = tcase_create("all pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, append_is_refused_unless_the_key_is_above_all_others, 0, API_PAGERS);
	tcase_add_loop_test(t, replace_returns_the_value_of_before, 0, API_PAGERS);
	tcase_add_loop_test(t, a_cursor_sets_the_value_of_its_record, 0, API_PAGERS);
	tcase_add_loop_test(t, a_table_is_renamed_with_its_records_and_handles, 0, API_PAGERS);
	tcase_add_loop_test(t, a_kept_table_is_that_of_its_name_in_every_transaction, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_kept_table_is_looked_up_once_until_a_table_changes, 0, API_PAGERS);
	tcase_add_loop_test(t, many_tables_are_kept_at_a_time, 0, API_PAGERS);
	tcase_add_loop_test(t, what_is_written_into_room_is_the_value, 0, API_PAGERS);
	tcase_add_loop_test(t, room_is_stored_before_what_the_next_call_does, 0, API_PAGERS);
	tcase_add_loop_test(t, a_value_is_written_in_pieces, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
