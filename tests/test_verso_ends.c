/* SPDX-License-Identifier: MIT */
/* Threads that end: one whose id is used again, one that is cancelled in the middle of a call. */
#include "tests/api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

struct turn {
	struct verso *db;
	struct verso_txn *txn;
	pthread_t thread; /* who began it */
	_Atomic pid_t tid;
	_Atomic bool is_over;
	int rc;
};

static void *take_turn(void *arg)
{
	struct turn *turn = arg;

	turn->thread = pthread_self();
	turn->tid = gettid();
	turn->rc = verso_begin(turn->db, VERSO_WRITE, &turn->txn);
	turn->is_over = true;
	return NULL;
}

/* Returns when the thread sleeps, or has not had to. */
static void let_it_wait(struct turn *turn)
{
	char path[64], state = 'R', name[32];

	while (!turn->is_over && state != 'S') {
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)turn->tid);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%*d %31s %c", name, &state) != 2)
			state = 'R';
		(void)fclose(f);
	}
}

/* A thread that has ended leaves its pthread_t to the next one. */
START_TEST(a_new_thread_is_not_taken_for_one_that_has_ended)
{
	struct verso *db = api_open(_i, "a", 0);
	struct turn first = {.db = db}, second = {.db = db};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, take_turn, &first), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	API_OK(first.rc);
	/* The second waits for its turn, which comes with the commit. */
	ck_assert_int_eq(pthread_create(&thread, NULL, take_turn, &second), 0);
	let_it_wait(&second);
	ck_assert(pthread_equal(thread, first.thread));
	API_OK(verso_commit(first.txn));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	API_OK(second.rc);
	verso_close(db);
}
END_TEST

static void *wait_and_be_cancelled(void *arg)
{
	struct turn *turn = arg;

	(void)take_turn(turn);
	if (turn->rc == 0)
		verso_abort(turn->txn);
	for (;;)
		pthread_testcancel();
	return NULL;
}

START_TEST(a_thread_that_is_cancelled_while_it_waits_leaves_no_lock_behind)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct turn turn = {.db = db};
	pthread_t thread;
	void *how;

	ck_assert_int_eq(pthread_create(&thread, NULL, wait_and_be_cancelled, &turn), 0);
	while (turn.tid == 0)
		;
	let_it_wait(&turn);
	ck_assert_int_eq(pthread_cancel(thread), 0);
	api_put(txn, NULL, "k", "v");
	API_OK(verso_commit(txn));
	ck_assert_int_eq(pthread_join(thread, &how), 0);
	ck_assert_ptr_eq(how, PTHREAD_CANCELED);
	verso_abort(api_begin(db, VERSO_WRITE));
	verso_close(db);
}
END_TEST

struct cancelled {
	int pager;
	char path[CHECK_PATH_BYTES];
	int rc;   /* the first that was not 0 */
	bool end; /* it was reached */
};

static void expect_ok(struct cancelled *k, int rc)
{
	if (k->rc == 0)
		k->rc = rc;
}

static struct verso *open_cancelled(struct cancelled *k)
{
	struct verso_options o = {.size = sizeof(o),
		.flags = VERSO_CREATE,
		.pager = (enum verso_pager)k->pager,
		.cache_bytes = (size_t)8 << 20};
	struct verso *db = NULL;

	expect_ok(k, verso_open(k->path, &o, &db));
	return db;
}

static void write_cancelled(struct cancelled *k, struct verso *db)
{
	static const char bytes[1000];
	struct verso_table *table;
	struct verso_txn *txn;

	expect_ok(k, verso_begin(db, VERSO_WRITE, &txn));
	expect_ok(k, verso_table_open(txn, "t", VERSO_CREATE, &table));
	for (uint32_t i = 0; i < 20000 && k->rc == 0; i++)
		expect_ok(k, verso_put(txn, NULL, (struct verso_val){&i, sizeof(i)},
				     (struct verso_val){bytes, i % 1000}, 0));
	expect_ok(k, verso_commit(txn));
	expect_ok(k, verso_begin(db, VERSO_WRITE, &txn));
	expect_ok(k, verso_del(txn, NULL, (struct verso_val){"\0\0\0\0", 4}));
	expect_ok(k, verso_table_drop(txn, "t"));
	verso_abort(txn);
	expect_ok(k, verso_sync(db));
}

static void read_cancelled(struct cancelled *k, struct verso *db)
{
	struct verso_val keys[2] = {{"\1\0\0\0", 4}, {"\0\1\0\0", 4}}, vals[2], key;
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_txn *txn;
	struct verso_cursor *c;
	char buf[8];
	size_t len;

	expect_ok(k, verso_begin(db, VERSO_READ, &txn));
	expect_ok(k, verso_get(txn, NULL, keys[1], &vals[0]));
	expect_ok(k, verso_get_many(txn, NULL, 2, keys, vals, NULL));
	expect_ok(k, verso_read(txn, NULL, keys[0], 0, buf, sizeof(buf), &len));
	expect_ok(k, verso_cursor_open(txn, NULL, &c));
	while (k->rc == 0 && verso_cursor_next(c, &key, &vals[0]) == 0)
		;
	verso_cursor_close(c);
	verso_abort(txn);
	expect_ok(k, verso_check(db, 0, NULL, NULL));
	expect_ok(k, verso_stat(db, &st));
}

/* Every kind of call, while a request to cancel this thread waits. No ck_...: those may end it. */
static void *make_all_calls(void *arg)
{
	struct cancelled *k = arg;
	struct verso *db;

	(void)pthread_cancel(pthread_self());
	db = open_cancelled(k);
	if (k->rc == 0)
		write_cancelled(k, db);
	verso_close(db);
	db = open_cancelled(k); /* with nothing in memory */
	if (k->rc == 0)
		read_cancelled(k, db);
	verso_close(db);
	k->end = true;
	pthread_testcancel();
	return NULL;
}

START_TEST(no_call_ends_a_thread_that_is_to_be_cancelled)
{
	struct cancelled k = {.pager = _i};
	pthread_t thread;
	void *how;

	api_path(k.path, "a");
	ck_assert_int_eq(pthread_create(&thread, NULL, make_all_calls, &k), 0);
	ck_assert_int_eq(pthread_join(thread, &how), 0);
	ck_assert_ptr_eq(how, PTHREAD_CANCELED);
	ck_assert(k.end);
	ck_assert_int_eq(k.rc, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ends");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_new_thread_is_not_taken_for_one_that_has_ended, 0, API_PAGERS);
	tcase_add_loop_test(t, a_thread_that_is_cancelled_while_it_waits_leaves_no_lock_behind, 0,
		API_PAGERS);
	tcase_add_loop_test(t, no_call_ends_a_thread_that_is_to_be_cancelled, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
