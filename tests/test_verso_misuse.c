/* SPDX-License-Identifier: MIT */
/* Wrong use of handles, in the wrong order, in a child after fork: an error, never a crash. */
#include "tests/api.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(null_handles_are_answered)
{
	struct verso_options o = {.size = sizeof(o)};
	struct verso_val k = {"k", 1}, v;
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_txn *txn;
	struct verso_table *table;
	struct verso_cursor *c;
	struct verso *db;
	char buf[8];
	uint64_t n64;
	void *room;
	size_t n;

	API_IS(verso_open(NULL, &o, &db), VERSO_EMISUSE);
	API_IS(verso_open("", &o, &db), VERSO_EMISUSE);
	API_IS(verso_open("x", &o, NULL), VERSO_EMISUSE);
	verso_close(NULL);
	API_IS(verso_begin(NULL, VERSO_READ, &txn), VERSO_EMISUSE);
	API_IS(verso_commit(NULL), VERSO_EMISUSE);
	API_IS(verso_commit_async(NULL, &n64), VERSO_EMISUSE);
	API_IS(verso_wait(NULL, 0), VERSO_EMISUSE);
	verso_abort(NULL);
	API_IS(verso_sync(NULL), VERSO_EMISUSE);
	API_IS(verso_table_open(NULL, "t", 0, &table), VERSO_EMISUSE);
	API_IS(verso_table_drop(NULL, "t"), VERSO_EMISUSE);
	API_IS(verso_table_each(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_table_stat(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_get(NULL, NULL, k, &v), VERSO_EMISUSE);
	API_IS(verso_get_many(NULL, NULL, 1, &k, &v, NULL), VERSO_EMISUSE);
	API_IS(verso_read(NULL, NULL, k, 0, buf, sizeof(buf), &n), VERSO_EMISUSE);
	API_IS(verso_advise(NULL, NULL, k, k, VERSO_ADVICE_COLD), VERSO_EMISUSE);
	API_IS(verso_put(NULL, NULL, k, k, 0), VERSO_EMISUSE);
	API_IS(verso_del(NULL, NULL, k), VERSO_EMISUSE);
	API_IS(verso_cursor_open(NULL, NULL, &c), VERSO_EMISUSE);
	API_IS(verso_cursor_first(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_last(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_next(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_prev(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_seek(NULL, k, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_get(NULL, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_del(NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_put(NULL, k), VERSO_EMISUSE);
	verso_cursor_close(NULL);
	API_IS(verso_cursor_open_range(NULL, NULL, NULL, &c), VERSO_EMISUSE);
	API_IS(verso_count(NULL, NULL, NULL, 0, &n64), VERSO_EMISUSE);
	API_IS(verso_del_range(NULL, NULL, NULL, &n64), VERSO_EMISUSE);
	API_IS(verso_table_keep(NULL, "t", &table), VERSO_EMISUSE);
	API_IS(verso_table_clear(NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_table_rename(NULL, "t", "u"), VERSO_EMISUSE);
	API_IS(verso_replace(NULL, NULL, k, k, &v), VERSO_EMISUSE);
	API_IS(verso_reserve(NULL, NULL, k, 1, 0, &room), VERSO_EMISUSE);
	API_IS(verso_write(NULL, NULL, k, 0, buf, 1), VERSO_EMISUSE);
	API_IS(verso_check(NULL, 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_stat(NULL, &st), VERSO_EMISUSE);
	API_IS(verso_cache_resize(NULL, 1 << 20), VERSO_EMISUSE);
}
END_TEST

START_TEST(places_for_results_that_are_missing_are_answered)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_val k = {"k", 1}, bad = {NULL, 3}, v;
	struct verso_table_stat tst = {.size = 0};
	struct verso_stat st = {.size = 0};
	struct verso_cursor *c;
	size_t n;

	API_IS(verso_begin(db, VERSO_READ, NULL), VERSO_EMISUSE);
	API_IS(verso_get(txn, NULL, k, NULL), VERSO_EMISUSE);
	API_IS(verso_get_many(txn, NULL, 1, NULL, &v, NULL), VERSO_EMISUSE);
	API_IS(verso_get_many(txn, NULL, 1, &k, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_read(txn, NULL, k, 0, NULL, 8, &n), VERSO_EMISUSE);
	API_IS(verso_read(txn, NULL, k, 0, &n, 8, NULL), VERSO_EMISUSE);
	API_IS(verso_table_open(txn, "t", VERSO_CREATE, NULL), VERSO_EMISUSE);
	API_IS(verso_table_open(txn, NULL, 0, NULL), VERSO_EMISUSE);
	API_IS(verso_cursor_open(txn, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_table_each(txn, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_table_stat(txn, NULL, &tst), VERSO_EMISUSE);
	API_IS(verso_table_stat(txn, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_stat(db, &st), VERSO_EMISUSE);
	API_IS(verso_stat(db, NULL), VERSO_EMISUSE);
	/* A length without bytes. */
	API_IS(verso_get(txn, NULL, bad, &v), VERSO_EMISUSE);
	API_IS(verso_get_many(txn, NULL, 1, &bad, &v, NULL), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, bad, k, 0), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, k, bad, 0), VERSO_EMISUSE);
	API_IS(verso_del(txn, NULL, bad), VERSO_EMISUSE);
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_IS(verso_cursor_seek(c, bad, NULL, NULL), VERSO_EMISUSE);
	verso_cursor_close(c);
	API_IS(verso_commit_async(txn, NULL), VERSO_EMISUSE);
	API_OK(verso_commit(txn));
	verso_close(db);
}
END_TEST

START_TEST(unknown_flags_and_values_are_answered)
{
	static const struct verso_options list[] = {
		{.flags = 1u << 30},
		{.flags = VERSO_CREATE | VERSO_RDONLY},
		{.pager = (enum verso_pager)3},
		{.sync = (enum verso_sync)3},
		{.sync = VERSO_SYNC_PROCESS, .commit_mode = VERSO_COMMIT_TWO_FLUSH},
		{.commit_mode = (enum verso_commit_mode)3},
		{.madvise = (enum verso_madvise)5},
		{.checksum = (enum verso_checksum)3},
		{.checksum = VERSO_CHECKSUM_ALWAYS, .flags = VERSO_NO_VERIFY},
		{.io = (enum verso_io)4},
		{.policy = VERSO_POLICIES},
		{.map_writing = (enum verso_map_writing)3},
		{.page_size = 5000},
		{.page_size = 256},
		{.page_size = 131072},
		{.mode = 0100600},
	};
	char path[CHECK_PATH_BYTES];
	struct verso *db;
	struct verso_txn *txn;
	struct verso_val k = {"k", 1};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct verso_options o = list[i];

		o.size = sizeof(o);
		API_IS(verso_open(api_path(path, "b"), &o, &db), VERSO_EMISUSE);
		ck_assert(access(path, F_OK) < 0);
	}
	db = api_open(_i, "a", 0);
	API_IS(verso_begin(db, VERSO_CREATE, &txn), VERSO_EMISUSE);
	API_IS(verso_check(db, VERSO_CREATE, NULL, NULL), VERSO_EMISUSE);
	txn = api_begin(db, VERSO_WRITE);
	API_IS(verso_put(txn, NULL, k, k, VERSO_CREATE), VERSO_EMISUSE);
	verso_abort(txn);
	verso_close(db);
	/* Another page size than the file's. */
	{
		struct verso_options o = {.size = sizeof(o), .page_size = 8192};

		API_SAYS(verso_open(api_path(path, "a"), &o, &db), VERSO_EMISUSE, "4096");
	}
}
END_TEST

START_TEST(handles_that_have_ended_are_answered)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *next;
	struct verso_table *table;
	struct verso_cursor *c;
	struct verso_val k = {"k", 1}, v;
	uint64_t gen = 0;

	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	api_put(txn, table, "k", "v");
	API_OK(verso_cursor_open(txn, table, &c));
	API_OK(verso_commit(txn));
	API_IS(verso_commit(txn), VERSO_EMISUSE);
	API_IS(verso_commit_async(txn, &gen), VERSO_EMISUSE);
	verso_abort(txn);
	API_IS(verso_get(txn, NULL, k, &v), VERSO_EMISUSE);
	API_IS(verso_put(txn, NULL, k, k, 0), VERSO_EMISUSE);
	API_SAYS(verso_cursor_first(c, &v, NULL), VERSO_EMISUSE, "has ended");
	next = api_begin(db, VERSO_READ);
	API_IS(verso_get(next, table, k, &v), VERSO_EMISUSE);
	verso_cursor_close(c);
	verso_cursor_close(c);
	verso_close(db);
	verso_close(db);
	API_IS(verso_get(next, NULL, k, &v), VERSO_EMISUSE);
	API_IS(verso_begin(db, VERSO_READ, &txn), VERSO_EMISUSE);
	API_IS(verso_sync(db), VERSO_EMISUSE);
	API_IS(verso_wait(db, gen), VERSO_EMISUSE);
}
END_TEST

START_TEST(a_cursor_is_closed_after_its_transaction_and_database)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	struct verso_cursor *a, *b;
	struct verso_val k;

	api_fill(db, 100, 2000);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_cursor_open(txn, NULL, &a));
	API_OK(verso_cursor_open(txn, NULL, &b));
	API_OK(verso_cursor_first(a, &k, NULL));
	API_OK(verso_cursor_last(b, &k, NULL));
	verso_abort(txn);
	verso_cursor_close(a);
	verso_close(db);
	verso_cursor_close(b);
}
END_TEST

START_TEST(a_handle_of_another_transaction_is_answered)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *one, *two;
	struct verso_table *table;
	struct verso_val k = {"k", 1}, v;
	struct verso_cursor *c;

	one = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_open(one, "t", VERSO_CREATE, &table));
	two = api_begin(db, VERSO_READ);
	API_SAYS(verso_get(two, table, k, &v), VERSO_EMISUSE, "not a table of this transaction");
	API_IS(verso_cursor_open(two, table, &c), VERSO_EMISUSE);
	/* One kind of handle for another. */
	API_IS(verso_get((struct verso_txn *)table, NULL, k, &v), VERSO_EMISUSE);
	API_IS(verso_get(one, (struct verso_table *)two, k, &v), VERSO_EMISUSE);
	API_IS(verso_begin((struct verso *)one, VERSO_READ, &two), VERSO_EMISUSE);
	verso_cursor_close((struct verso_cursor *)one);
	verso_close(db);
}
END_TEST

START_TEST(writing_in_a_reader_is_answered)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	struct verso_table *table;
	struct verso_cursor *c;
	struct verso_val k = {"key000000", 9};

	api_fill(db, 3, 10);
	txn = api_begin(db, VERSO_READ);
	API_SAYS(verso_put(txn, NULL, k, k, 0), VERSO_EMISUSE, "VERSO_WRITE");
	API_IS(verso_del(txn, NULL, k), VERSO_EMISUSE);
	API_IS(verso_table_open(txn, "t", VERSO_CREATE, &table), VERSO_EMISUSE);
	API_IS(verso_table_drop(txn, "t"), VERSO_EMISUSE);
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, NULL, NULL));
	API_IS(verso_cursor_del(c), VERSO_EMISUSE);
	API_OK(verso_cursor_next(c, NULL, NULL));
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(a_read_only_database_begins_no_writer)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;

	api_fill(db, 10, 10);
	verso_close(db);
	db = api_open(_i, "a", VERSO_RDONLY);
	API_IS(verso_begin(db, VERSO_WRITE, &txn), -EROFS);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "key000001", "bbbbbbbbbb"));
	verso_abort(txn);
	API_OK(verso_sync(db));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_second_writer_of_one_thread_does_not_wait_for_itself)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE), *second;

	API_SAYS(verso_begin(db, VERSO_WRITE, &second), VERSO_EMISUSE, "wait for itself");
	second = api_begin(db, VERSO_READ);
	verso_abort(second);
	verso_abort(txn);
	txn = api_begin(db, VERSO_WRITE);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

START_TEST(closing_ends_open_transactions)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *writer = api_begin(db, VERSO_WRITE), *reader = api_begin(db, VERSO_READ);
	struct verso_cursor *c;
	struct verso_val k;

	api_put(writer, NULL, "lost", "");
	API_OK(verso_cursor_open(writer, NULL, &c));
	API_OK(verso_cursor_first(c, &k, NULL));
	verso_close(db);
	API_IS(verso_commit(writer), VERSO_EMISUSE);
	verso_abort(reader);
	verso_cursor_close(c);
	db = api_open(_i, "a", 0);
	reader = api_begin(db, VERSO_READ);
	ck_assert(api_has(reader, NULL, "lost", NULL));
	verso_close(db);
}
END_TEST

/* Runs in a child: every call on what the parent opened. The child's status is how many erred. */
static int use_in_child(struct verso *db, struct verso_txn *txn, struct verso_table *table,
	struct verso_cursor *c)
{
	struct verso_val k = {"k", 1}, v;
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_table_stat tst = {.size = sizeof(tst)};
	struct verso_txn *other;
	struct verso_table *t;
	struct verso_cursor *d;
	char buf[8];
	uint64_t gen;
	size_t n;
	const int rcs[] = {
		verso_begin(db, VERSO_READ, &other),
		verso_begin(db, VERSO_WRITE, &other),
		verso_sync(db),
		verso_check(db, 0, NULL, NULL),
		verso_stat(db, &st),
		verso_cache_resize(db, 64 << 20),
		verso_table_open(txn, "t", VERSO_CREATE, &t),
		verso_table_drop(txn, "t"),
		verso_table_each(txn, NULL, NULL),
		verso_table_stat(txn, NULL, &tst),
		verso_get(txn, NULL, k, &v),
		verso_get(txn, table, k, &v),
		verso_get_many(txn, NULL, 1, &k, &v, NULL),
		verso_read(txn, NULL, k, 0, buf, sizeof(buf), &n),
		verso_put(txn, NULL, k, k, 0),
		verso_del(txn, NULL, k),
		verso_cursor_open(txn, NULL, &d),
		verso_cursor_first(c, &k, &v),
		verso_cursor_last(c, &k, &v),
		verso_cursor_next(c, &k, &v),
		verso_cursor_prev(c, &k, &v),
		verso_cursor_seek(c, k, &k, &v),
		verso_cursor_get(c, &k, &v),
		verso_cursor_del(c),
		verso_wait(db, 0),
		verso_commit_async(txn, &gen),
		verso_commit(txn),
	};
	int n_wrong = 0;

	for (size_t i = 0; i < sizeof(rcs) / sizeof(rcs[0]); i++)
		n_wrong += rcs[i] != -EINVAL;
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
	return n_wrong;
}

static int wait_for(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool skips_a_child(void)
{
	if (!getenv("VERSO_VALGRIND"))
		return false;
	check_skip("valgrind looks for leaks in memory that the child has not");
	return true;
}

START_TEST(a_child_may_not_use_what_its_parent_opened)
{
	struct verso_table *table;
	struct verso_cursor *c;
	struct verso_txn *txn;
	struct verso *db;
	pid_t child;

	if (skips_a_child())
		return;
	db = api_open(_i, "a", 0);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "k", "v");
	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, NULL, NULL));
	child = fork();
	if (child == 0)
		_exit(use_in_child(db, txn, table, c));
	ck_assert_int_eq(wait_for(child), 0);
	API_OK(verso_cursor_get(c, NULL, NULL));
	API_OK(verso_commit(txn));
	verso_cursor_close(c);
	api_check(db);
	verso_close(db);
}
END_TEST

/* In a child: what the parent has open, as any process, and another database. */
static int open_in_child(int pager)
{
	struct verso_options o = {
		.size = sizeof(o), .flags = VERSO_CREATE, .pager = (enum verso_pager)pager};
	char path[CHECK_PATH_BYTES];
	struct verso_txn *txn;
	struct verso *db;

	(void)snprintf(path, sizeof(path), "%s-own", getenv("VERSO_TEST_PATH"));
	if (verso_open(getenv("VERSO_TEST_PATH"), &o, &db) != 0)
		return 1;
	verso_close(db);
	if (verso_open(path, &o, &db) != 0 || verso_begin(db, VERSO_WRITE, &txn) != 0)
		return 2;
	if (verso_put(txn, NULL, api_val("k"), api_val("v"), 0) != 0 || verso_commit(txn) != 0)
		return 3;
	verso_close(db);
	return 0;
}

START_TEST(a_child_opens_databases_of_its_own)
{
	struct verso *db = api_open(_i, "a", 0);
	char path[CHECK_PATH_BYTES];
	struct verso_txn *txn;
	pid_t child;

	(void)setenv("VERSO_TEST_PATH", api_path(path, "a"), 1);
	child = fork();
	if (child == 0)
		_exit(open_in_child(_i));
	ck_assert_int_eq(wait_for(child), 0);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "k", "v");
	API_OK(verso_commit(txn));
	verso_close(db);
}
END_TEST

static struct verso *open_at(int pager, const char *path)
{
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)pager, .flags = VERSO_CREATE};
	struct verso *db;

	API_OK(verso_open(path, &o, &db));
	return db;
}

/* A server whose worker lets go of the database, says its pid, and lives on. */
static _Noreturn void serve(int pager, const char *path, int fd)
{
	struct verso *db = open_at(pager, path);

	if (fork() == 0) {
		pid_t worker = getpid();

		verso_close(db);
		verso_close(db); /* has no more to let go of */
		(void)!write(fd, &worker, sizeof(worker));
	}
	for (;;)
		(void)pause();
}

START_TEST(a_child_lets_go_of_its_parents_lock_when_it_closes)
{
	char path[CHECK_PATH_BYTES];
	pid_t server, worker;
	int pipe_fds[2];

	if (skips_a_child())
		return;
	api_path(path, "a");
	ck_assert_int_eq(pipe(pipe_fds), 0);
	server = fork();
	if (server == 0)
		serve(_i, path, pipe_fds[1]);
	ck_assert_int_eq(read(pipe_fds[0], &worker, sizeof(worker)), (ssize_t)sizeof(worker));
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
	verso_close(open_at(_i, path));
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
}
END_TEST

START_TEST(a_living_child_does_not_keep_the_lock)
{
	struct verso *db;
	int pipe_fds[2];
	pid_t child;
	char byte;

	if (skips_a_child())
		return;
	db = api_open(_i, "a", 0);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		(void)close(pipe_fds[1]);
		_exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes */
	}
	verso_close(db);
	db = api_open(_i, "a", 0);
	verso_close(db);
	(void)close(pipe_fds[1]);
	ck_assert_int_eq(wait_for(child), 0);
	(void)close(pipe_fds[0]);
}
END_TEST

/* A writer that another thread began may be ended here, and the thread begin another. */
static void *begin_elsewhere(void *db)
{
	return api_begin(db, VERSO_WRITE);
}

START_TEST(a_transaction_may_move_to_another_thread)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	pthread_t thread;
	void *moved;

	ck_assert_int_eq(pthread_create(&thread, NULL, begin_elsewhere, db), 0);
	ck_assert_int_eq(pthread_join(thread, &moved), 0);
	txn = moved;
	api_put(txn, NULL, "k", "v");
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "k", "v"));
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("misuse");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, null_handles_are_answered);
	tcase_add_loop_test(t, places_for_results_that_are_missing_are_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, unknown_flags_and_values_are_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, handles_that_have_ended_are_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, a_cursor_is_closed_after_its_transaction_and_database, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_handle_of_another_transaction_is_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, writing_in_a_reader_is_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, a_read_only_database_begins_no_writer, 0, API_PAGERS);
	tcase_add_loop_test(t, a_second_writer_of_one_thread_does_not_wait_for_itself, 0,
		API_PAGERS);
	tcase_add_loop_test(t, closing_ends_open_transactions, 0, API_PAGERS);
	tcase_add_loop_test(t, a_child_may_not_use_what_its_parent_opened, 0, API_PAGERS);
	tcase_add_loop_test(t, a_child_opens_databases_of_its_own, 0, API_PAGERS);
	tcase_add_loop_test(t, a_child_lets_go_of_its_parents_lock_when_it_closes, 0, API_PAGERS);
	tcase_add_loop_test(t, a_living_child_does_not_keep_the_lock, 0, API_PAGERS);
	tcase_add_loop_test(t, a_transaction_may_move_to_another_thread, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
