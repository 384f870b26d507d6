/* SPDX-License-Identifier: MIT */
/*
 * Opening while somebody else is at the database: what was learnt of the file before it was locked
 * may be old when it is.
 *
 * The io of these tests lets another process work just before the lock file is opened, which is
 * between the first look at the file and the lock.
 */
#include "db/db_int.h"
#include "tests/api.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_BEFORE 20
#define N_AFTER  2000
#define LEN      500

static char path[CHECK_PATH_BYTES]; /* of the one database */

static struct {
	int pager;
	void (*work)(int pager); /* by another process, once; NULL: nobody comes */
} other;

static bool is_lock_file(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, "-lock") == 0;
}

static int late_open(struct io *io, const char *name, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	void (*work)(int pager) = other.work;

	(void)io;
	if (work && is_lock_file(name)) {
		pid_t child = fork();
		int status;

		other.work = NULL;
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			work(other.pager);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
	return io_open(io_kernel(), name, flags, mode, ret_file);
}

static struct verso *open_it(int pager, unsigned flags)
{
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)pager, .flags = flags};
	struct verso *db;

	API_OK(verso_open(path, &o, &db));
	return db;
}

/* Opens it while `work` is done by another process. */
static struct verso *open_beside(int pager, void (*work)(int pager))
{
	static struct io_ops ops;
	static struct io io = {&ops};
	struct db_hooks hooks = {.io = &io};
	struct verso_options o = {.size = sizeof(o), .pager = (enum verso_pager)pager};
	struct verso *db;

	ops = *io_kernel()->ops;
	ops.open = late_open;
	other.pager = pager;
	other.work = work;
	API_OK(db_open_with(&hooks, path, &o, &db));
	ck_assert_ptr_null((void *)other.work);
	return db;
}

static void make_small(int pager)
{
	struct verso *db = open_it(pager, VERSO_CREATE);

	api_fill(db, N_BEFORE, LEN);
	verso_close(db);
}

static void grow_and_die(int pager)
{
	api_fill(open_it(pager, VERSO_CREATE), N_AFTER, LEN);
}

static void grow_and_close(int pager)
{
	struct verso *db = open_it(pager, VERSO_CREATE);

	api_fill(db, N_AFTER, LEN);
	verso_close(db);
}

static void empty_and_close(int pager)
{
	struct verso *db = open_it(pager, VERSO_CREATE);

	for (int i = 0; i < 3; i++) { /* until what it had is free, and the file is cut */
		struct verso_txn *txn = api_begin(db, VERSO_WRITE);
		struct verso_cursor *c;

		API_OK(verso_cursor_open(txn, NULL, &c));
		while (verso_cursor_first(c, NULL, NULL) == 0)
			API_OK(verso_cursor_del(c));
		verso_cursor_close(c);
		api_put(txn, NULL, "only", "one");
		API_OK(verso_commit(txn));
	}
	verso_close(db);
}

static unsigned count(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_cursor *c;
	unsigned n = 0;
	int rc;

	API_OK(verso_cursor_open(txn, NULL, &c));
	for (rc = verso_cursor_first(c, NULL, NULL); rc == 0; rc = verso_cursor_next(c, NULL, NULL))
		n++;
	API_IS(rc, VERSO_NOTFOUND);
	verso_cursor_close(c);
	verso_abort(txn);
	return n;
}

/* Works on what it found, and finds it again. */
static void goes_on(struct verso *db, int pager, unsigned n_records)
{
	ck_assert_uint_eq(count(db), n_records);
	api_fill(db, N_AFTER + 100, LEN);
	api_check(db);
	verso_close(db);
	db = open_it(pager, VERSO_RDONLY);
	ck_assert_uint_ge(count(db), N_AFTER + 100);
	verso_close(db);
}

START_TEST(commit_of_a_process_that_died_meanwhile_is_there)
{
	(void)api_path(path, "a");
	make_small(_i);
	goes_on(open_beside(_i, grow_and_die), _i, N_AFTER);
}
END_TEST

START_TEST(commit_of_a_process_that_closed_meanwhile_is_there)
{
	(void)api_path(path, "a");
	make_small(_i);
	goes_on(open_beside(_i, grow_and_close), _i, N_AFTER);
}
END_TEST

START_TEST(file_that_was_cut_meanwhile_is_known_to_be_short)
{
	(void)api_path(path, "a");
	grow_and_close(_i);
	goes_on(open_beside(_i, empty_and_close), _i, 1);
}
END_TEST

/* Evictions are counted by the pool, and by nobody under mmap; there faults say what can be. */
START_TEST(stat_says_what_is_not_known)
{
	struct verso_stat before = {.size = sizeof(before)}, after = before;
	struct verso *db;

	(void)api_path(path, "a");
	grow_and_close(_i);
	db = open_it(_i, VERSO_RDONLY);
	API_OK(verso_stat(db, &before));
	ck_assert_int_ge(count(db), N_AFTER);
	API_OK(verso_stat(db, &after));
	ck_assert_uint_ge(after.n_major_faults, before.n_major_faults);
	if (_i == VERSO_MMAP) {
		ck_assert_uint_eq(after.n_evictions, VERSO_UNKNOWN);
		ck_assert_uint_gt(after.n_minor_faults + after.n_major_faults,
			before.n_minor_faults + before.n_major_faults);
	} else {
#ifdef VERSO_HOSTILE
		ck_assert_uint_gt(after.n_evictions, 0); /* at each last put */
		ck_assert_uint_ne(after.n_evictions, VERSO_UNKNOWN);
#else
		ck_assert_uint_eq(after.n_evictions, 0);
#endif
	}
	verso_close(db);
}
END_TEST

#define READERS_MANY 1100U

/* How many readers may be open together, of READERS_MANY that are tried. */
static unsigned count_readers(struct verso *db)
{
	static struct verso_txn *txns[READERS_MANY];
	unsigned n = 0;
	int rc = 0;

	while (rc == 0 && n < READERS_MANY) {
		rc = verso_begin(db, VERSO_READ, &txns[n]);
		n += rc == 0;
	}
	if (rc < 0)
		API_SAYS(rc, VERSO_EBUSY, "1024 readers are active");
	for (unsigned i = 0; i < n; i++) {
		API_IS(api_has(txns[i], NULL, "moon", "1737 km"), 1);
		verso_abort(txns[i]);
	}
	verso_close(db);
	return n;
}

START_TEST(who_has_it_alone_has_1024_readers_and_others_any_number)
{
	struct verso_txn *txn;
	struct verso *db;

	(void)api_path(path, "a");
	db = open_it(_i, VERSO_CREATE);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1737 km");
	API_OK(verso_commit(txn));
	ck_assert_uint_eq(count_readers(db), READERS_MANY);
	ck_assert_uint_eq(count_readers(open_it(_i, VERSO_RDONLY)), READERS_MANY);
	ck_assert_uint_eq(count_readers(open_it(_i, VERSO_EXCLUSIVE)), 1024);
	ck_assert_uint_eq(count_readers(open_it(_i, VERSO_RDONLY | VERSO_IMMUTABLE)), 1024);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_open");
	TCase *tc = tcase_create("meanwhile");

	tcase_add_loop_test(tc, who_has_it_alone_has_1024_readers_and_others_any_number, 0,
		API_PAGERS);
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, commit_of_a_process_that_died_meanwhile_is_there, 0, API_PAGERS);
	tcase_add_loop_test(tc, commit_of_a_process_that_closed_meanwhile_is_there, 0, API_PAGERS);
	tcase_add_loop_test(tc, file_that_was_cut_meanwhile_is_known_to_be_short, 0, API_PAGERS);
	tcase_add_loop_test(tc, stat_says_what_is_not_known, 0, API_PAGERS);
	return check_main(s);
}
