/* SPDX-License-Identifier: MIT */
/* Cursors: moves at the edges, deletes, edits by others of the same transaction. */
#include "tests/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#ifdef VERSO_HOSTILE
#define HOSTILE true /* too small to read ahead */
#else
#define HOSTILE false
#endif

/* The key under the cursor, or what the call answered. */
static const char *key_after(int rc, struct verso_val key)
{
	static char text[64];

	if (rc == VERSO_NOTFOUND)
		return "-";
	if (rc != 0)
		return verso_strerror(rc);
	(void)snprintf(text, sizeof(text), "%.*s", (int)key.len, (const char *)key.data);
	return text;
}

#define FIRST(c)      (key_after(verso_cursor_first(c, &k, NULL), k))
#define LAST(c)       (key_after(verso_cursor_last(c, &k, NULL), k))
#define NEXT(c)       (key_after(verso_cursor_next(c, &k, NULL), k))
#define PREV(c)       (key_after(verso_cursor_prev(c, &k, NULL), k))
#define GET(c)        (key_after(verso_cursor_get(c, &k, NULL), k))
#define SEEK(c, text) (key_after(verso_cursor_seek(c, api_val(text), &k, NULL), k))

static struct verso *letters(int pager, const char *keys)
{
	struct verso *db = api_open(pager, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	for (; *keys; keys++)
		API_OK(verso_put(txn, NULL, (struct verso_val){keys, 1}, api_val("v"), 0));
	API_OK(verso_commit(txn));
	return db;
}

START_TEST(moves_at_the_edges)
{
	struct verso *db = letters(_i, "bdf");
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_cursor *c;
	struct verso_val k;

	API_OK(verso_cursor_open(txn, NULL, &c));
	ck_assert_str_eq(GET(c), "-");
	ck_assert_str_eq(NEXT(c), "b");
	ck_assert_str_eq(NEXT(c), "d");
	ck_assert_str_eq(GET(c), "d");
	ck_assert_str_eq(NEXT(c), "f");
	ck_assert_str_eq(NEXT(c), "-");
	ck_assert_str_eq(GET(c), "-");
	ck_assert_str_eq(NEXT(c), "-");
	ck_assert_str_eq(PREV(c), "f");
	ck_assert_str_eq(FIRST(c), "b");
	ck_assert_str_eq(PREV(c), "-");
	ck_assert_str_eq(PREV(c), "-");
	ck_assert_str_eq(NEXT(c), "b");
	ck_assert_str_eq(SEEK(c, "c"), "d");
	ck_assert_str_eq(PREV(c), "b");
	ck_assert_str_eq(SEEK(c, "d"), "d");
	ck_assert_str_eq(SEEK(c, "g"), "-");
	ck_assert_str_eq(PREV(c), "f");
	ck_assert_str_eq(SEEK(c, ""), "b");
	ck_assert_str_eq(LAST(c), "f");
	verso_cursor_close(c);
	API_OK(verso_cursor_open(txn, NULL, &c));
	ck_assert_str_eq(PREV(c), "f");
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(an_empty_table_has_nothing)
{
	struct verso *db = letters(_i, "");
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_cursor *c;
	struct verso_val k;

	API_OK(verso_cursor_open(txn, NULL, &c));
	ck_assert_str_eq(FIRST(c), "-");
	ck_assert_str_eq(LAST(c), "-");
	ck_assert_str_eq(NEXT(c), "-");
	ck_assert_str_eq(PREV(c), "-");
	ck_assert_str_eq(SEEK(c, "a"), "-");
	ck_assert_str_eq(GET(c), "-");
	API_IS(verso_cursor_del(c), VERSO_NOTFOUND);
	api_put(txn, NULL, "a", "v");
	ck_assert_str_eq(FIRST(c), "a");
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
	verso_close(db);
}
END_TEST

START_TEST(after_a_delete_next_is_above_and_prev_below)
{
	struct verso *db = letters(_i, "abcdef");
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_cursor *c;
	struct verso_val k;

	API_OK(verso_cursor_open(txn, NULL, &c));
	API_IS(verso_cursor_del(c), VERSO_NOTFOUND);
	ck_assert_str_eq(SEEK(c, "c"), "c");
	API_OK(verso_cursor_del(c));
	ck_assert_str_eq(GET(c), "-");
	API_IS(verso_cursor_del(c), VERSO_NOTFOUND);
	ck_assert_str_eq(NEXT(c), "d");
	API_OK(verso_cursor_del(c));
	ck_assert_str_eq(PREV(c), "b");
	ck_assert_str_eq(NEXT(c), "e");
	for (const char *rest = "abef"; *rest; rest++) {
		ck_assert_int_eq(FIRST(c)[0], *rest);
		API_OK(verso_cursor_del(c));
	}
	ck_assert_str_eq(NEXT(c), "-");
	ck_assert_str_eq(PREV(c), "-");
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_cursor_sees_the_edits_of_its_transaction)
{
	struct verso *db = letters(_i, "bdf");
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_cursor *c, *d;
	struct verso_val k, v;

	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_open(txn, NULL, &d));
	ck_assert_str_eq(SEEK(c, "d"), "d");
	ck_assert_str_eq(SEEK(d, "d"), "d");
	api_put(txn, NULL, "e", "v");
	api_put(txn, NULL, "d", "changed");
	API_OK(verso_cursor_get(c, &k, &v));
	ck_assert(v.len == 7 && memcmp(v.data, "changed", 7) == 0);
	ck_assert_str_eq(NEXT(c), "e");
	API_OK(verso_del(txn, NULL, api_val("d")));
	ck_assert_str_eq(GET(d), "-");
	ck_assert_str_eq(PREV(d), "b");
	ck_assert_str_eq(NEXT(d), "e");
	API_OK(verso_cursor_del(d));
	ck_assert_str_eq(GET(c), "-");
	API_IS(verso_cursor_del(c), VERSO_NOTFOUND);
	/* What comes back under the key is what the cursor stands on again. */
	api_put(txn, NULL, "e", "again");
	ck_assert_str_eq(GET(c), "e");
	API_OK(verso_cursor_del(c));
	verso_cursor_close(c);
	verso_cursor_close(d);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_scan_sees_everything_both_ways)
{
	enum { N = 20000 };
	struct verso *db = api_open_with(_i, "a", (struct verso_options){.page_size = 512});
	struct verso_txn *txn;
	struct verso_cursor *c;
	struct verso_val k, v;
	char want[32];
	int n = 0, rc;

	api_fill(db, N, 20);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_cursor_open(txn, NULL, &c));
	for (rc = verso_cursor_first(c, &k, &v); rc == 0; rc = verso_cursor_next(c, &k, &v)) {
		(void)snprintf(want, sizeof(want), "key%06d", n++);
		ck_assert(k.len == 9 && memcmp(k.data, want, 9) == 0 && v.len == 20);
	}
	API_IS(rc, VERSO_NOTFOUND);
	ck_assert_int_eq(n, N);
	for (rc = verso_cursor_last(c, &k, &v); rc == 0; rc = verso_cursor_prev(c, &k, &v)) {
		(void)snprintf(want, sizeof(want), "key%06d", --n);
		ck_assert(k.len == 9 && memcmp(k.data, want, 9) == 0 && v.len == 20);
	}
	API_IS(rc, VERSO_NOTFOUND);
	ck_assert_int_eq(n, 0);
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(pinned_cursors_never_block_writing)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.cache_bytes = (size_t)4 << 20});
	struct verso_txn *txn, *reader;
	enum { N_CURSORS = 10 }; /* the smallest pool lets 16 pages be pinned */
	struct verso_cursor *cs[N_CURSORS];
	struct verso_val k;

	api_fill(db, 20000, 300);
	reader = api_begin(db, VERSO_READ);
	for (int i = 0; i < N_CURSORS; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", i * 1900);
		API_OK(verso_cursor_open(reader, NULL, &cs[i]));
		API_OK(verso_cursor_seek(cs[i], api_val(text), &k, NULL));
	}
	txn = api_begin(db, VERSO_WRITE);
	for (int i = 0; i < 5000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", i * 4);
		api_put(txn, NULL, text, "short");
	}
	API_OK(verso_commit(txn));
	for (int i = 0; i < N_CURSORS; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", i * 1900 + 1);
		ck_assert_str_eq(NEXT(cs[i]), text);
		verso_cursor_close(cs[i]);
	}
	verso_abort(reader);
	api_check(db);
	verso_close(db);
}
END_TEST

/* A cursor on each of n_max records, until a seek fails; how many were opened, the last with
 * *ret_rc. */
static int pin_records(struct verso_txn *txn, struct verso_cursor **cursors, int n_max, int *ret_rc)
{
	struct verso_val key, val;
	int n = 0;

	for (*ret_rc = 0; n < n_max && *ret_rc == 0; n++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", n);
		API_OK(verso_cursor_open(txn, NULL, &cursors[n]));
		*ret_rc = verso_cursor_seek(cursors[n], api_val(text), &key, &val);
	}
	return n;
}

START_TEST(too_many_pins_are_an_answer_not_a_hang)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.cache_bytes = (size_t)4 << 20});
	enum { N = 3000 };
	static struct verso_cursor *cs[N];
	struct verso_txn *txn;
	struct verso_val v;
	int n, rc;

	api_fill(db, N, 900);
	txn = api_begin(db, VERSO_READ);
	n = pin_records(txn, cs, N, &rc);
	if (_i != VERSO_MMAP)
		API_IS(rc, VERSO_EPINNED);
	else
		API_OK(rc);
	for (int i = 0; i < n; i++)
		verso_cursor_close(cs[i]);
	API_OK(verso_get(txn, NULL, api_val("key002999"), &v));
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Where a batch finds no frame for another pin it goes on without: no error is returned. */
START_TEST(get_many_that_does_without_pins_leaves_no_text)
{
	enum { N = 3000, MANY = 300 };
	static struct verso_cursor *cs[N];
	static struct verso_val keys[MANY], vals[MANY];
	static char texts[MANY][16];
	struct verso *db = api_open_with(VERSO_BUFPOOL, "a",
		(struct verso_options){.cache_bytes = (size_t)4 << 20});
	struct verso_txn *txn;

	int n, rc;

	api_fill(db, N, 900);
	txn = api_begin(db, VERSO_READ);
	n = pin_records(txn, cs, N, &rc);
	API_IS(rc, VERSO_EPINNED);
	for (int i = n - 40; i < n; i++)
		verso_cursor_close(cs[i]);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "key%06d", i * (N / MANY));
		keys[i] = api_val(texts[i]);
	}
	API_OK(verso_get_many(txn, NULL, MANY, keys, vals, NULL));
	ck_assert_str_eq(verso_errmsg(db), "");
	verso_abort(txn);
	for (int i = 0; i < n - 40; i++)
		verso_cursor_close(cs[i]);
	verso_close(db);
}
END_TEST

/*
 * A scan comes back to the application while leaves are on their way into memory. Their arrival may
 * not end a call in which the application sleeps meanwhile. (The ring's completions do that to the
 * thread that submitted.)
 */
START_TEST(reads_in_flight_interrupt_no_call_of_the_application)
{
	struct verso_options options = {.cache_bytes = 4U << 20, .io = VERSO_IO_URING};
	struct verso_stat stat = {.size = sizeof(stat)};
	/* Not by the ring: the kernel's end of one interrupts too. */
	struct verso *db =
		api_open_with(VERSO_BUFPOOL, "quiet", (struct verso_options){.io = VERSO_IO_SYNC});
	struct epoll_event event;
	struct verso_cursor *c;
	struct verso_txn *txn;
	struct verso_val k;
	char path[CHECK_PATH_BYTES];
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(ep, 0);
	api_fill(db, 12000, 400);
	verso_close(db);
	options.size = sizeof(options);
	options.pager = VERSO_BUFPOOL;
	if (verso_open(api_path(path, "quiet"), &options, &db) != 0) {
		check_skip("%s", verso_errmsg(NULL));
		goto close_epoll;
	}
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_cursor_open(txn, NULL, &c));
	for (int i = 0; verso_cursor_next(c, &k, NULL) == 0; i++)
		if (i % 6 == 0) /* in each leaf */
			ck_assert_msg(epoll_wait(ep, &event, 1, 1) == 0, "record %d: %s", i,
				strerror(errno));
	verso_cursor_close(c);
	verso_abort(txn);
	API_OK(verso_stat(db, &stat));
	if (strstr(stat.how, "buffered"))
		check_skip("%s", stat.how); /* it has seen only part of it */
	else if (strstr(stat.how, "hostile"))
		check_skip("the smallest pool has no frame to read ahead into");
	else
		ck_assert_uint_gt(stat.n_prefetched, 0);
	verso_close(db);
close_epoll:
	(void)close(ep);
}
END_TEST

/* Of a database that was opened anew: what a writer's put has to read. */
START_TEST(stat_tells_the_writers_loads_from_others)
{
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_val val;
	struct verso_txn *txn;
	struct verso *db = api_open(_i, "a", 0);

	api_fill(db, 3000, 90);
	verso_close(db);
	db = api_open(_i, "a", 0);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_put(txn, NULL, api_val("key001500"), api_val("new"), 0));
	API_OK(verso_stat(db, &st));
	if (_i == VERSO_MMAP) {
		ck_assert_uint_eq(st.n_loads_writer, VERSO_UNKNOWN);
	} else {
		ck_assert_uint_gt(st.n_loads_writer, 1);
		ck_assert_uint_eq(st.n_loads_get, 0);
		ck_assert_uint_eq(st.n_misses, st.n_loads_writer);
	}
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_get(txn, NULL, api_val("key000002"), &val));
	API_OK(verso_stat(db, &st));
	if (_i != VERSO_MMAP)
		ck_assert_uint_gt(st.n_loads_get, 0);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Of a database that was opened anew, what each way of reading loads. */
START_TEST(stat_counts_loads_by_cause)
{
	enum { N = 3000, MANY = 32 };
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_val keys[MANY], vals[MANY], key, val;
	char names[MANY][16];
	struct verso_cursor *c;
	struct verso_txn *txn;
	struct verso *db = api_open(_i / 2, "a", 0);

	api_fill(db, N, 90);
	verso_close(db);
	db = api_open_with(_i / 2, "a",
		(struct verso_options){.readahead_pages = _i % 2 ? VERSO_NO_READAHEAD : 16});
	txn = api_begin(db, VERSO_READ);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "key%06u", i * 90);
		keys[i] = api_val(names[i]);
	}
	API_OK(verso_get_many(txn, NULL, MANY, keys, vals, NULL));
	API_OK(verso_stat(db, &st));
	ck_assert_uint_gt(st.n_misses, 0);
	if (_i / 2 == VERSO_BUFPOOL) {
		ck_assert_uint_gt(st.n_loads_many, 0);
		ck_assert_uint_eq(st.n_misses, st.n_loads_get + st.n_loads_many);
		ck_assert_uint_eq(st.n_loads_ahead + st.n_loads_writer, 0);
	}
	API_OK(verso_cursor_open(txn, NULL, &c));
	while (verso_cursor_next(c, &key, &val) == 0)
		;
	API_OK(verso_stat(db, &st));
	if (_i / 2 == VERSO_BUFPOOL) {
		if (_i % 2)
			ck_assert_uint_eq(st.n_loads_ahead, 0);
		else if (!HOSTILE)
			ck_assert_uint_gt(st.n_loads_ahead, 0);
		ck_assert_uint_eq(st.n_prefetched, st.n_loads_many + st.n_loads_ahead);
		ck_assert_uint_gt(st.n_reads_max, 0);
	} else {
		ck_assert(st.n_loads_get == VERSO_UNKNOWN && st.n_loads_ahead == VERSO_UNKNOWN);
		ck_assert(st.n_waits_load == VERSO_UNKNOWN && st.n_reads == VERSO_UNKNOWN);
	}
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* A switch of one mechanism leaves the others on: inner pages that are pinned do not end a scan's
 * read-ahead. */
START_TEST(scan_reads_ahead_with_inner_pages_pinned)
{
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_val key, val;
	struct verso_cursor *c;
	struct verso_txn *txn;
	struct verso *db = api_open(VERSO_BUFPOOL, "a", 0);
	unsigned n = 0;

	api_fill(db, 20000, 90);
	verso_close(db);
	db = api_open_with(VERSO_BUFPOOL, "a",
		(struct verso_options){.flags = VERSO_PIN_INNER, .readahead_pages = 64});
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_cursor_open(txn, NULL, &c));
	while ((_i ? verso_cursor_prev : verso_cursor_next)(c, &key, &val) == 0)
		n++;
	ck_assert_uint_eq(n, 20000);
	API_OK(verso_stat(db, &st));
	ck_assert_uint_eq(st.n_peeks, 0);
	if (!HOSTILE) /* too small to read ahead */
		ck_assert_uint_gt(st.n_loads_ahead, st.n_loads_get);
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cursor");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, moves_at_the_edges, 0, API_PAGERS);
	tcase_add_loop_test(t, an_empty_table_has_nothing, 0, API_PAGERS);
	tcase_add_loop_test(t, after_a_delete_next_is_above_and_prev_below, 0, API_PAGERS);
	tcase_add_loop_test(t, a_cursor_sees_the_edits_of_its_transaction, 0, API_PAGERS);
	tcase_add_loop_test(t, a_scan_sees_everything_both_ways, 0, API_PAGERS);
	tcase_add_loop_test(t, pinned_cursors_never_block_writing, 0, API_PAGERS);
	tcase_add_loop_test(t, too_many_pins_are_an_answer_not_a_hang, 0, API_PAGERS);
	tcase_add_test(t, get_many_that_does_without_pins_leaves_no_text);
	tcase_add_loop_test(t, stat_tells_the_writers_loads_from_others, 0, API_PAGERS);
	tcase_add_loop_test(t, stat_counts_loads_by_cause, 0, 4);
	tcase_add_loop_test(t, scan_reads_ahead_with_inner_pages_pinned, 0, 2);
	tcase_add_test(t, reads_in_flight_interrupt_no_call_of_the_application);
	suite_add_tcase(s, t);
	return check_main(s);
}
