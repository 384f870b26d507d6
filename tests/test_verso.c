/* SPDX-License-Identifier: MIT */
/* The public interface: what its calls promise, through both pagers. */
#include "tests/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(a_committed_record_is_there_after_reopening)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;

	ck_assert_str_eq(verso_errmsg(db), "");
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1737 km");
	ck_assert(api_has(txn, NULL, "moon", "1737 km"));
	API_OK(verso_commit(txn));
	verso_close(db);
	db = api_open(_i, "a", 0);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "moon", "1737 km"));
	ck_assert(api_has(txn, NULL, "sun", NULL));
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(an_aborted_record_is_not)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	api_put(txn, NULL, "moon", "1737 km");
	verso_abort(txn);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "moon", NULL));
	API_OK(verso_commit(txn));
	verso_close(db);
}
END_TEST

START_TEST(a_file_written_by_one_pager_is_read_by_another)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;

	api_fill(db, 5000, 200);
	api_check(db);
	verso_close(db);
	db = api_open((_i + 1) % API_PAGERS, "a", 0);
	txn = api_begin(db, VERSO_WRITE);
	for (unsigned i = 0; i < 5000; i++) {
		char key[32];
		struct verso_val val;

		(void)snprintf(key, sizeof(key), "key%06u", i);
		API_OK(verso_get(txn, NULL, api_val(key), &val));
		ck_assert_uint_eq(val.len, 200);
		ck_assert_int_eq(((const char *)val.data)[199], (int)('a' + i % 26));
	}
	api_put(txn, NULL, "more", "by another pager");
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	db = api_open(_i, "a", VERSO_RDONLY);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "more", "by another pager"));
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_reader_keeps_its_snapshot_while_others_write)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *reader, *writer;

	api_fill(db, 300, 300);
	reader = api_begin(db, VERSO_READ);
	for (int round = 0; round < 5; round++) {
		writer = api_begin(db, VERSO_WRITE);
		for (unsigned i = 0; i < 300; i++) {
			char key[32];

			(void)snprintf(key, sizeof(key), "key%06u", i);
			API_OK(verso_del(writer, NULL, api_val(key)));
		}
		API_OK(verso_commit(writer));
		api_fill(db, 300, 10);
	}
	for (unsigned i = 0; i < 300; i++) {
		char key[32];
		struct verso_val val;

		(void)snprintf(key, sizeof(key), "key%06u", i);
		API_OK(verso_get(reader, NULL, api_val(key), &val));
		ck_assert_uint_eq(val.len, 300);
	}
	verso_abort(reader);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(put_replaces_unless_told_not_to)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	api_put(txn, NULL, "k", "1");
	API_IS(verso_put(txn, NULL, api_val("k"), api_val("2"), VERSO_NOOVERWRITE), VERSO_EXISTS);
	ck_assert(api_has(txn, NULL, "k", "1"));
	API_OK(verso_put(txn, NULL, api_val("l"), api_val("3"), VERSO_NOOVERWRITE));
	api_put(txn, NULL, "k", "2");
	ck_assert(api_has(txn, NULL, "k", "2"));
	API_OK(verso_del(txn, NULL, api_val("k")));
	API_IS(verso_del(txn, NULL, api_val("k")), VERSO_NOTFOUND);
	API_OK(verso_commit(txn));
	verso_close(db);
}
END_TEST

START_TEST(the_empty_key_and_the_empty_value_are_records)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_val none = {NULL, 0}, val;
	struct verso_cursor *c;

	API_IS(verso_get(txn, NULL, none, &val), VERSO_NOTFOUND);
	API_OK(verso_put(txn, NULL, none, api_val("first"), 0));
	API_OK(verso_put(txn, NULL, api_val("a"), none, 0));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "", "first"));
	API_OK(verso_get(txn, NULL, api_val("a"), &val));
	ck_assert_uint_eq(val.len, 0);
	ck_assert_ptr_nonnull(val.data);
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, &val, NULL));
	ck_assert_uint_eq(val.len, 0);
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_value_of_two_hundred_megabytes_goes_in_and_comes_out)
{
	const size_t len = (size_t)200 << 20;
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	unsigned char *bytes = malloc(len), piece[5000];
	struct verso_val val = {bytes, len};
	uint64_t state = 7;
	size_t n;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t x = check_random(&state);

		memcpy(bytes + i, &x, 8);
	}
	API_OK(verso_put(txn, NULL, api_val("long"), val, 0));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_get(txn, NULL, api_val("long"), &val));
	ck_assert_uint_eq(val.len, len);
	ck_assert(memcmp(val.data, bytes, len) == 0);
	for (int i = 0; i < 200; i++) {
		uint64_t off = check_random(&state) % len;

		API_OK(verso_read(txn, NULL, api_val("long"), off, piece, sizeof(piece), &n));
		ck_assert_uint_eq(n, len - off < sizeof(piece) ? len - off : sizeof(piece));
		ck_assert(memcmp(piece, bytes + off, n) == 0);
	}
	API_OK(verso_read(txn, NULL, api_val("long"), len, piece, sizeof(piece), &n));
	ck_assert_uint_eq(n, 0);
	verso_abort(txn);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_del(txn, NULL, api_val("long")));
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	free(bytes);
}
END_TEST

START_TEST(value_copy_max_bounds_get_but_not_read)
{
	struct verso *db = api_open_with(_i, "a", (struct verso_options){.value_copy_max = 100000});
	struct verso_txn *txn;
	struct verso_val key, val;
	struct verso_cursor *c;
	char buf[100];
	size_t n;
	int code;

	api_fill(db, 3, 100001);
	txn = api_begin(db, VERSO_READ);
	key = api_val("key000001");
	API_SAYS(verso_get(txn, NULL, key, &val), VERSO_ETOOBIG, "verso_read");
	API_IS(verso_get_many(txn, NULL, 1, &key, &val, &code), VERSO_ETOOBIG);
	API_OK(verso_read(txn, NULL, key, 100000, buf, sizeof(buf), &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(buf[0], 'b');
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_IS(verso_cursor_first(c, &key, &val), VERSO_ETOOBIG);
	API_OK(verso_cursor_get(c, &key, NULL));
	ck_assert(memcmp(key.data, "key000000", 9) == 0);
	API_OK(verso_cursor_next(c, &key, NULL));
	ck_assert(memcmp(key.data, "key000001", 9) == 0);
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(value_copy_max_bounds_the_copies_together)
{
	struct verso *db = api_open_with(_i, "a", (struct verso_options){.value_copy_max = 100000});
	struct verso_val keys[] = {api_val("key000000"), api_val("key000001")}, vals[2];
	struct verso_txn *txn;

	api_fill(db, 2, 60000);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_get_many(txn, NULL, 1, keys, vals, NULL));
	API_SAYS(verso_get_many(txn, NULL, 2, keys, vals, NULL), VERSO_ETOOBIG, "120000");
	API_SAYS(verso_get_many(txn, NULL, 2, keys, vals, NULL), VERSO_ETOOBIG, "fewer keys");
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_key_or_value_beyond_the_limit_is_refused_with_the_limit)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char key[977];
	struct verso_val val;

	memset(key, 'k', sizeof(key));
	API_SAYS(verso_put(txn, NULL, (struct verso_val){key, 977}, api_val("v"), 0), VERSO_ETOOBIG,
		"976");
	API_OK(verso_put(txn, NULL, (struct verso_val){key, 976}, api_val("v"), 0));
	API_IS(verso_get(txn, NULL, (struct verso_val){key, 977}, &val), VERSO_NOTFOUND);
	API_IS(verso_del(txn, NULL, (struct verso_val){key, 977}), VERSO_NOTFOUND);
	API_IS(verso_put(txn, NULL, api_val("v"), (struct verso_val){key, ((size_t)1 << 30) + 1},
		       0),
		VERSO_ETOOBIG);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(get_many_finds_what_get_finds)
{
	enum { N = 700 };
	struct verso *db = api_open(_i, "a", 0);
	static char texts[N][16];
	struct verso_val keys[N], vals[N], val;
	int codes[N];
	struct verso_txn *txn;
	uint64_t state = check_seed();

	api_fill(db, 2000, 300);
	txn = api_begin(db, VERSO_WRITE);
	for (int i = 0; i < 50; i++) {
		char key[16], long_val[9000];

		memset(long_val, 'A' + i % 26, sizeof(long_val));
		(void)snprintf(key, sizeof(key), "key%06d", i * 40);
		API_OK(verso_put(txn, NULL, api_val(key),
			(struct verso_val){long_val, sizeof(long_val)}, 0));
	}
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			(void)snprintf(texts[i], sizeof(texts[i]), "key%06u",
				(unsigned)(check_random(&state) % 2500));
			keys[i] = api_val(texts[i]);
		}
		API_OK(verso_get_many(txn, NULL, N, keys, vals, round == 1 ? NULL : codes));
		for (int i = 0; i < N; i++) {
			struct verso_txn *other = api_begin(db, VERSO_READ);
			int rc = verso_get(other, NULL, keys[i], &val);

			ck_assert_int_eq(rc == 0, vals[i].data != NULL);
			if (round != 1)
				ck_assert_int_eq(rc, codes[i]);
			if (rc == 0) {
				ck_assert_uint_eq(val.len, vals[i].len);
				ck_assert(memcmp(val.data, vals[i].data, val.len) == 0);
			}
			verso_abort(other);
		}
	}
	API_OK(verso_get_many(txn, NULL, 0, NULL, NULL, NULL));
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(arguments_may_alias_results)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char long_val[20000];
	struct verso_val val, key;
	struct verso_cursor *c;

	memset(long_val, 'x', sizeof(long_val));
	api_put(txn, NULL, "a", "b");
	api_put(txn, NULL, "b", "c");
	API_OK(verso_put(txn, NULL, api_val("l"), (struct verso_val){long_val, sizeof(long_val)},
		0));
	/* The value of one get is the key of the next, and of an edit. */
	API_OK(verso_get(txn, NULL, api_val("a"), &val));
	API_OK(verso_get(txn, NULL, val, &val));
	ck_assert(val.len == 1 && memcmp(val.data, "c", 1) == 0);
	API_OK(verso_put(txn, NULL, val, val, 0));
	ck_assert(api_has(txn, NULL, "c", "c"));
	API_OK(verso_get(txn, NULL, api_val("a"), &val));
	API_OK(verso_del(txn, NULL, val));
	ck_assert(api_has(txn, NULL, "b", NULL));
	/* A long value under another key; a cursor's record under its own. */
	API_OK(verso_get(txn, NULL, api_val("l"), &val));
	API_OK(verso_put(txn, NULL, api_val("m"), val, 0));
	API_OK(verso_get(txn, NULL, api_val("m"), &val));
	ck_assert(val.len == sizeof(long_val) && memcmp(val.data, long_val, val.len) == 0);
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, &key, &val));
	API_OK(verso_put(txn, NULL, val, key, 0));
	ck_assert(api_has(txn, NULL, "b", "a"));
	API_OK(verso_cursor_next(c, &key, &val));
	API_OK(verso_cursor_seek(c, val, &key, &val));
	ck_assert(key.len == 1 && memcmp(key.data, "a", 1) == 0);
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(copies_do_not_point_into_pages)
{
	struct verso *db = api_open(_i, "a", VERSO_COPY);
	struct verso_txn *txn;
	struct verso_val val, key;
	struct verso_cursor *c;

	api_fill(db, 10, 100);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_get(txn, NULL, api_val("key000003"), &val));
	/* A copy is the transaction's own memory: writing to it changes no page. */
	((char *)(uintptr_t)val.data)[0] = '!';
	API_OK(verso_get(txn, NULL, api_val("key000003"), &val));
	ck_assert_int_eq(((const char *)val.data)[0], 'd');
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, &key, &val));
	((char *)(uintptr_t)val.data)[0] = '!';
	API_OK(verso_cursor_get(c, &key, &val));
	ck_assert_int_eq(((const char *)val.data)[0], 'a');
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

static int count_names(void *arg, const char *name)
{
	char *all = arg;

	(void)strcat(strcat(all, name), " ");
	return 0;
}

START_TEST(tables_keep_their_records_apart)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *birds, *fish, *again;
	struct verso_table_stat st = {.size = sizeof(st)};
	char all[100] = "";

	API_IS(verso_table_open(txn, "birds", 0, &birds), VERSO_NOTFOUND);
	API_OK(verso_table_open(txn, "birds", VERSO_CREATE, &birds));
	API_OK(verso_table_open(txn, "fish", VERSO_CREATE, &fish));
	API_OK(verso_table_open(txn, "birds", 0, &again));
	ck_assert_ptr_eq(birds, again);
	api_put(txn, birds, "name", "wren");
	api_put(txn, fish, "name", "pike");
	api_put(txn, NULL, "name", "none");
	API_OK(verso_commit(txn));
	verso_close(db);

	db = api_open(_i, "a", 0);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_table_each(txn, count_names, all));
	ck_assert_str_eq(all, "birds fish ");
	API_OK(verso_table_open(txn, "birds", 0, &birds));
	API_OK(verso_table_open(txn, "fish", 0, &fish));
	ck_assert(api_has(txn, birds, "name", "wren"));
	ck_assert(api_has(txn, fish, "name", "pike"));
	ck_assert(api_has(txn, NULL, "name", "none"));
	API_OK(verso_table_stat(txn, fish, &st));
	ck_assert_uint_eq(st.n_records, 1);
	ck_assert_uint_eq(st.height, 1);
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

static int stop_at_fish(void *arg, const char *name)
{
	return strcmp(name, "fish") == 0 ? *(int *)arg : 0;
}

START_TEST(each_table_forwards_what_it_was_stopped_with)
{
	int answers[] = {0, 1, 2, -1, VERSO_EXISTS, VERSO_ECORRUPT};
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *t;

	API_OK(verso_table_open(txn, "fish", VERSO_CREATE, &t));
	API_OK(verso_table_open(txn, "trees", VERSO_CREATE, &t));
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		API_IS(verso_table_each(txn, stop_at_fish, &answers[i]), answers[i]);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* The value of k in table t, which is text with its end. */
static const char *name_in_result(struct verso_txn *txn, struct verso_table *t, const char *k)
{
	struct verso_val val;

	API_OK(verso_get(txn, t, api_val(k), &val));
	return val.data;
}

START_TEST(a_table_name_may_lie_in_a_result)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *t;
	char all[100] = "";

	API_OK(verso_table_open(txn, "birds", VERSO_CREATE, &t));
	API_OK(verso_put(txn, NULL, api_val("1"), (struct verso_val){"fish", 5}, 0));
	API_OK(verso_put(txn, t, api_val("1"), (struct verso_val){"birds", 6}, 0));
	/* In the writer's own page; the table that is dropped holds the page. */
	API_OK(verso_table_open(txn, name_in_result(txn, NULL, "1"), VERSO_CREATE, &t));
	API_OK(verso_table_open(txn, "birds", 0, &t));
	API_OK(verso_table_drop(txn, name_in_result(txn, t, "1")));
	API_OK(verso_put(txn, NULL, api_val("2"), (struct verso_val){"trees", 6}, 0));
	API_OK(verso_commit(txn));
	/* In a page that was there before. */
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_open(txn, name_in_result(txn, NULL, "2"), VERSO_CREATE, &t));
	API_OK(verso_table_drop(txn, name_in_result(txn, NULL, "1")));
	API_OK(verso_table_each(txn, count_names, all));
	ck_assert_str_eq(all, "trees ");
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_dropped_table_is_gone_and_its_pages_are_free)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_stat before = {.size = sizeof(before)}, after = before;
	struct verso_txn *txn;
	struct verso_table *t;
	struct verso_cursor *c;
	struct verso_val key;
	char text[32];

	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "k", "v");
	API_OK(verso_commit(txn));
	API_OK(verso_stat(db, &before));
	for (int round = 0; round < 3; round++) {
		txn = api_begin(db, VERSO_WRITE);
		API_OK(verso_table_open(txn, "t", VERSO_CREATE, &t));
		for (int i = 0; i < 3000; i++) {
			(void)snprintf(text, sizeof(text), "%d", i);
			api_put(txn, t, text, text);
		}
		API_OK(verso_commit(txn));
		txn = api_begin(db, VERSO_WRITE);
		API_OK(verso_table_open(txn, "t", 0, &t));
		API_OK(verso_cursor_open(txn, t, &c));
		API_OK(verso_cursor_first(c, &key, NULL));
		API_OK(verso_table_drop(txn, "t"));
		API_IS(verso_cursor_next(c, &key, NULL), VERSO_EMISUSE);
		API_IS(verso_get(txn, t, api_val("1"), &key), VERSO_EMISUSE);
		API_IS(verso_table_open(txn, "t", 0, &t), VERSO_NOTFOUND);
		API_IS(verso_table_drop(txn, "t"), VERSO_NOTFOUND);
		verso_cursor_close(c);
		API_OK(verso_commit(txn));
		api_check(db);
	}
	/* Two empty commits let what was freed become free. */
	for (int i = 0; i < 2; i++) {
		txn = api_begin(db, VERSO_WRITE);
		api_put(txn, NULL, "k", i ? "v" : "w");
		API_OK(verso_commit(txn));
	}
	API_OK(verso_stat(db, &after));
	ck_assert_uint_le(after.n_pages - after.n_free_pages - after.n_pending_pages,
		before.n_pages - before.n_free_pages - before.n_pending_pages + 8);
	verso_close(db);
}
END_TEST

START_TEST(relaxed_commits_are_seen_at_once_and_durable_after_sync)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.sync = VERSO_SYNC_RELAXED});
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_txn *txn;

	for (int i = 0; i < 20; i++) {
		char key[16];

		txn = api_begin(db, VERSO_WRITE);
		(void)snprintf(key, sizeof(key), "%d", i);
		api_put(txn, NULL, key, "v");
		API_OK(verso_commit(txn));
		txn = api_begin(db, VERSO_READ);
		ck_assert(api_has(txn, NULL, key, "v"));
		verso_abort(txn);
	}
	API_OK(verso_sync(db));
	API_OK(verso_stat(db, &st));
	ck_assert_uint_eq(st.newest_gen, st.durable_gen);
	ck_assert_uint_eq(st.n_commits, 20);
	verso_close(db);
}
END_TEST

START_TEST(stat_and_options_grow_by_size)
{
	struct {
		struct verso_options options;
		int newer;
	} more = {.options = {.size = sizeof(more), .flags = VERSO_CREATE}};
	struct verso_stat st = {.size = offsetof(struct verso_stat, n_pages)};
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	more.options.pager = (enum verso_pager)_i;
	API_OK(verso_open(api_path(path, "a"), &more.options, &db));
	st.n_pages = 12345;
	API_OK(verso_stat(db, &st));
	ck_assert_uint_eq(st.page_size, 4096);
	ck_assert_uint_eq(st.n_pages, 12345);
	verso_close(db);
	more.newer = 1;
	API_IS(verso_open(path, &more.options, &db), VERSO_EMISUSE);
}
END_TEST

START_TEST(every_page_size_works)
{
	static const uint32_t sizes[] = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char name[16];
		struct verso_stat st = {.size = sizeof(st)};
		struct verso *db;

		(void)snprintf(name, sizeof(name), "p%u", sizes[i]);
		db = api_open_with(_i, name, (struct verso_options){.page_size = sizes[i]});
		API_OK(verso_stat(db, &st));
		ck_assert_uint_eq(st.page_size, sizes[i]);
		api_fill(db, 500, 90);
		verso_close(db);
		db = api_open((_i + 1) % API_PAGERS, name, 0);
		api_check(db);
		verso_close(db);
	}
}
END_TEST

START_TEST(every_switch_works)
{
	static const struct verso_options list[] = {
		{.flags = VERSO_BUFFERED},
		{.flags = VERSO_SMALL_PAGES},
		{.flags = VERSO_PIN_INNER},
		{.flags = VERSO_NO_VERIFY},
		{.flags = VERSO_COPY},
		{.policy = VERSO_POLICY_SIEVE},
		{.policy = VERSO_POLICY_2Q},
		{.io = VERSO_IO_THREADS},
		{.io = VERSO_IO_SYNC},
		{.madvise = VERSO_MADVISE_NORMAL},
		{.madvise = VERSO_MADVISE_CURSOR, .map_writing = VERSO_MAP_PRIVATE},
		{.madvise = VERSO_MADVISE_POPULATE},
		{.checksum = VERSO_CHECKSUM_NONE, .madvise = VERSO_MADVISE_SEQUENTIAL},
		{.checksum = VERSO_CHECKSUM_ALWAYS},
		{.commit_mode = VERSO_COMMIT_TWO_FLUSH},
		{.map_writing = VERSO_MAP_SHARED},
		{.cache_bytes = (size_t)8 << 20},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct verso *db = api_open_with(_i, "a", list[i]);
		struct verso_txn *txn;

		api_fill(db, 3000, 500 + i);
		txn = api_begin(db, VERSO_READ);
		for (unsigned k = 0; k < 3000; k += 7) {
			char key[32];
			struct verso_val val;

			(void)snprintf(key, sizeof(key), "key%06u", k);
			API_OK(verso_get(txn, NULL, api_val(key), &val));
			ck_assert_uint_eq(val.len, 500 + i);
		}
		verso_abort(txn);
		api_check(db);
		verso_close(db);
	}
}
END_TEST

START_TEST(check_of_the_trees_waits_for_no_writer)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;

	api_fill(db, 1000, 100);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "k", "v");
	API_OK(verso_check(db, VERSO_CHECK_TREES, NULL, NULL));
	API_SAYS(verso_check(db, 0, NULL, NULL), VERSO_EMISUSE, "wait forever");
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(the_smallest_cache_is_refused_with_the_minimum)
{
	struct verso_options o = {.size = sizeof(o), .flags = VERSO_CREATE, .cache_bytes = 65536};
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	API_SAYS(verso_open(api_path(path, "a"), &o, &db), -EINVAL, "cache");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_committed_record_is_there_after_reopening, 0, API_PAGERS);
	tcase_add_loop_test(t, an_aborted_record_is_not, 0, API_PAGERS);
	tcase_add_loop_test(t, a_file_written_by_one_pager_is_read_by_another, 0, API_PAGERS);
	tcase_add_loop_test(t, a_reader_keeps_its_snapshot_while_others_write, 0, API_PAGERS);
	tcase_add_loop_test(t, put_replaces_unless_told_not_to, 0, API_PAGERS);
	tcase_add_loop_test(t, the_empty_key_and_the_empty_value_are_records, 0, API_PAGERS);
	tcase_add_loop_test(t, a_value_of_two_hundred_megabytes_goes_in_and_comes_out, 0,
		API_PAGERS);
	tcase_add_loop_test(t, value_copy_max_bounds_get_but_not_read, 0, API_PAGERS);
	tcase_add_loop_test(t, value_copy_max_bounds_the_copies_together, 0, API_PAGERS);
	tcase_add_loop_test(t, a_key_or_value_beyond_the_limit_is_refused_with_the_limit, 0,
		API_PAGERS);
	tcase_add_loop_test(t, get_many_finds_what_get_finds, 0, API_PAGERS);
	tcase_add_loop_test(t, arguments_may_alias_results, 0, API_PAGERS);
	tcase_add_loop_test(t, copies_do_not_point_into_pages, 0, API_PAGERS);
	tcase_add_loop_test(t, tables_keep_their_records_apart, 0, API_PAGERS);
	tcase_add_loop_test(t, each_table_forwards_what_it_was_stopped_with, 0, API_PAGERS);
	tcase_add_loop_test(t, a_table_name_may_lie_in_a_result, 0, API_PAGERS);
	tcase_add_loop_test(t, a_dropped_table_is_gone_and_its_pages_are_free, 0, API_PAGERS);
	tcase_add_loop_test(t, relaxed_commits_are_seen_at_once_and_durable_after_sync, 0,
		API_PAGERS);
	tcase_add_loop_test(t, stat_and_options_grow_by_size, 0, API_PAGERS);
	tcase_add_loop_test(t, every_page_size_works, 0, API_PAGERS);
	tcase_add_loop_test(t, every_switch_works, 0, API_PAGERS);
	tcase_add_loop_test(t, check_of_the_trees_waits_for_no_writer, 0, API_PAGERS);
	tcase_add_test(t, the_smallest_cache_is_refused_with_the_minimum);
	suite_add_tcase(s, t);
	return check_main(s);
}
