/* SPDX-License-Identifier: MIT */
/*
 * A file that another one takes the place of, between the moment when a process opens it and the
 * moment when that process has its lock: as when it waits for a copy that replaces the file.
 */
#include "db/db_int.h"
#include "tests/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[CHECK_PATH_BYTES], fresh[CHECK_PATH_BYTES];

/* The kernel, but the next n_replacing openings of `path` have it replaced behind them. */
static struct io_ops ops;
static struct io io = {&ops};
static struct db_hooks hooks = {.io = &io, .shared = true};
static unsigned n_replacing;
static struct verso *newcomer; /* has what took its place open */
static bool has_newcomer;

static void replace(void)
{
	char command[5 * CHECK_PATH_BYTES];

	(void)snprintf(command, sizeof(command), "cp %s %s-copy && mv %s-copy %s", fresh, fresh,
		fresh, path);
	ck_assert_int_eq(system(command), 0); /* paths of the tests */
	if (has_newcomer)
		API_OK(verso_open(path,
			&(struct verso_options){.size = sizeof(struct verso_options)}, &newcomer));
}

static int stage_open(struct io *self, const char *name, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	int rc = io_open(io_kernel(), name, flags, mode, ret_file);

	(void)self;
	if (rc == 0 && strcmp(name, path) == 0 && n_replacing > 0) {
		n_replacing--;
		replace();
	}
	return rc;
}

static void make(int pager, const char *name, const char *val)
{
	struct verso *db = api_open(pager, name, VERSO_CREATE);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	api_put(txn, NULL, "moon", val);
	API_OK(verso_commit(txn));
	verso_close(db);
}

/* Two databases: the one that is opened, and the one that takes its place. */
static void setup(void)
{
	(void)api_path(path, "box");
	(void)api_path(fresh, "fresh");
	ops = *io_kernel()->ops;
	ops.open = stage_open;
	make(VERSO_BUFPOOL, "box", "old");
	make(VERSO_BUFPOOL, "fresh", "new");
	n_replacing = 0;
	has_newcomer = false;
}

static const unsigned roles[] = {0, VERSO_EXCLUSIVE, VERSO_RDONLY, VERSO_BUFFERED};

#define ROLES (int)(sizeof(roles) / sizeof(roles[0]))

static int try_open(int i, struct verso **ret_db)
{
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)(i / ROLES),
		.flags = roles[i % ROLES]};

	return db_open_with(&hooks, path, &o, ret_db);
}

START_TEST(an_opening_takes_the_file_that_has_the_name_when_it_has_the_lock)
{
	for (unsigned n = 0; n <= 3; n++) {
		struct verso_txn *txn;
		struct verso *db;

		n_replacing = n;
		API_OK(try_open(_i, &db));
		ck_assert_uint_eq(n_replacing, 0);
		txn = api_begin(db, VERSO_READ);
		ck_assert(api_has(txn, NULL, "moon", n == 0 ? "old" : "new"));
		verso_abort(txn);
		if (!(roles[_i % ROLES] & VERSO_RDONLY)) {
			txn = api_begin(db, VERSO_WRITE);
			api_put(txn, NULL, "sun", "696");
			API_OK(verso_commit(txn)); /* a file without a name would refuse */
		}
		verso_close(db);
	}
}
END_TEST

START_TEST(an_opening_ends_where_the_file_is_replaced_for_ever)
{
	struct verso *db;

	n_replacing = 1000;
	API_SAYS(try_open(_i, &db), -ESTALE, "replaced");
	ck_assert_uint_gt(n_replacing, 900);
	n_replacing = 0;
	API_OK(try_open(_i, &db));
	verso_close(db);
}
END_TEST

/* Else a copy would take the place of a database that is open. */
START_TEST(a_copy_locks_the_file_that_it_replaces)
{
	struct verso_options o = {.size = sizeof(o), .pager = (enum verso_pager)_i};
	struct verso *from;

	API_OK(db_open_with(&hooks, fresh, &o, &from));
	n_replacing = 2;
	API_OK(verso_copy(from, path, VERSO_COPY_REPLACE, NULL, NULL));
	ck_assert_uint_eq(n_replacing, 0);
	n_replacing = 1000;
	API_SAYS(verso_copy(from, path, VERSO_COPY_REPLACE, NULL, NULL), -ESTALE, "replaced");
	n_replacing = 1;
	has_newcomer = true;
	API_SAYS(verso_copy(from, path, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY,
		"open already, by another handle of this process");
	ck_assert_ptr_nonnull(strstr(verso_errmsg(NULL), path));
	verso_close(newcomer);
	verso_close(from);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_replaced");
	TCase *tc = tcase_create("replaced");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, an_opening_takes_the_file_that_has_the_name_when_it_has_the_lock, 0,
		API_PAGERS * ROLES);
	tcase_add_loop_test(tc, an_opening_ends_where_the_file_is_replaced_for_ever, 0,
		API_PAGERS * ROLES);
	tcase_add_loop_test(tc, a_copy_locks_the_file_that_it_replaces, 0, API_PAGERS);
	return check_main(s);
}
