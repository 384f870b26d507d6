/* SPDX-License-Identifier: MIT */
/* verso_compact() of many small tables: its limits hold, and a table costs the same among many. */
#include "tests/copy_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Tables of one record each, behind pages that are free. */
static void fill_small_tables(struct verso *db, unsigned n)
{
	struct verso_table *table;
	struct verso_txn *txn;
	char name[16];

	copy_fill(db, "first", 0, 30000, 1);
	txn = api_begin(db, VERSO_WRITE);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "t%06u", i);
		API_OK(verso_table_open(txn, name, VERSO_CREATE, &table));
		api_put(txn, table, "name", name);
	}
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_drop(txn, "first"));
	API_OK(verso_commit(txn));
}

static void check_small_tables(struct verso *db, unsigned n)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_table *table;
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "t%06u", i);
		API_OK(verso_table_open(txn, name, 0, &table));
		ck_assert(api_has(txn, table, "name", name));
	}
	verso_abort(txn);
	api_check(db);
}

static uint64_t ticking_ns;

/* A millisecond each time that somebody asks. */
static uint64_t tick_ns(struct io *io)
{
	(void)io;
	ticking_ns += 1000000;
	return ticking_ns;
}

/* Of a tree's last leaf nobody asks whether it was enough, and these trees have no other. */
START_TEST(limits_hold_over_small_tables)
{
	enum { TABLES = 600 };
	struct io_ops ops = *io_kernel()->ops;
	struct io io = {&ops};
	struct db_hooks hooks = {.io = &io};
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)_i, .flags = VERSO_CREATE};
	char path[CHECK_PATH_BYTES];
	uint64_t before, n_steps = 0;
	struct verso *db;
	int rc;

	ops.now_ns = tick_ns;
	API_OK(db_open_with(&hooks, api_path(path, "db"), &o, &db));
	fill_small_tables(db, TABLES);
	before = size_of(path);
	do {
		struct verso_compact c = {.size = sizeof(c), .pages_max = 10};

		rc = verso_compact(db, &c);
		ck_assert_msg(rc == 0 || rc == VERSO_MORE, "%d %s", rc, verso_errmsg(db));
		ck_assert_uint_le(c.n_changed, 11);
		ck_assert_uint_le(size_of(path), before);
		n_steps++;
	} while (rc == VERSO_MORE);
	ck_assert_uint_lt(size_of(path), before);
	ck_assert_uint_ge(n_steps, TABLES / 11);
	n_steps = 0;
	do { /* with nothing left to change, too */
		struct verso_compact c = {.size = sizeof(c), .time_max_ms = 10};

		rc = verso_compact(db, &c);
		n_steps++;
	} while (rc == VERSO_MORE);
	API_OK(rc);
	ck_assert_uint_ge(n_steps, TABLES / 11);
	check_small_tables(db, TABLES);
	verso_close(db);
}
END_TEST

/* Without limits, what was freed must be flushed before it is used again: then it is enough too. */
START_TEST(small_tables_move_without_growth)
{
	enum { TABLES = 600 };
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES];
	uint64_t before, n_steps = 0;
	int rc;

	fill_small_tables(db, TABLES);
	before = size_of(api_path(path, "db"));
	do {
		struct verso_compact c = {.size = sizeof(c)};

		rc = verso_compact(db, &c);
		ck_assert(rc == 0 || rc == VERSO_MORE);
		ck_assert_uint_le(size_of(path), before);
		n_steps++;
	} while (rc == VERSO_MORE);
	ck_assert_uint_lt(size_of(path), before);
	check_small_tables(db, TABLES);
	verso_close(db);
}
END_TEST

static uint64_t count_gets(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	API_OK(verso_stat(db, &stat));
	return stat.n_gets + stat.n_peeks;
}

/* Pages that are looked at when there is nothing to do. */
static uint64_t cost_of_tables(int pager, unsigned n)
{
	struct verso *db =
		api_open_with(pager, "db", (struct verso_options){.sync = VERSO_SYNC_RELAXED});
	char path[CHECK_PATH_BYTES];
	uint64_t cost;

	fill_small_tables(db, n);
	API_OK(verso_compact(db, NULL));
	cost = count_gets(db);
	API_OK(verso_compact(db, NULL));
	cost = count_gets(db) - cost;
	verso_close(db);
	(void)unlink(api_path(path, "db"));
	return cost;
}

START_TEST(a_table_costs_the_same_among_many)
{
	uint64_t few = cost_of_tables(_i, 1000), many = cost_of_tables(_i, 4000);

	printf("total: %s: %llu pages looked at for 1,000 tables, %llu for 4,000\n",
		api_pager_names[_i], (unsigned long long)few, (unsigned long long)many);
	ck_assert_uint_lt(many, 6 * few);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_compact_tables");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, limits_hold_over_small_tables, 0, API_PAGERS);
	tcase_add_loop_test(t, small_tables_move_without_growth, 0, API_PAGERS);
	tcase_add_loop_test(t, a_table_costs_the_same_among_many, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
