/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every allocation of a day's work: -ENOMEM, nothing lost that was answered as
 * durable, nothing damaged, and the same call succeeds afterwards. Of a copy: no name for a part.
 */
#include "tests/api.h"
#include "tests/sim/failmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_RECORDS 60

/* What a run came to before memory failed. */
struct progress {
	struct verso *db;
	struct verso_txn *txn;
	struct verso_cursor *cursor;
	bool committed; /* reported as durable */
	bool tried;     /* the commit was asked for */
};

static int put_records(struct verso_txn *txn)
{
	static char bytes[20000];
	struct verso_table *table;
	int rc = 0;

	memset(bytes, 'v', sizeof(bytes));
	for (int i = 0; rc == 0 && i < N_RECORDS; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06d", i);
		rc = verso_put(txn, NULL, api_val(key),
			(struct verso_val){bytes, i % 10 ? 300 : sizeof(bytes)}, 0);
	}
	if (rc == 0)
		rc = verso_table_open(txn, "table", VERSO_CREATE, &table);
	if (rc == 0)
		rc = verso_put(txn, table, api_val("k"), api_val("v"), 0);
	if (rc == 0)
		rc = verso_del(txn, NULL, api_val("key000000"));
	return rc;
}

/* The other ways to change a table, which leave nothing in it. */
static int change_table(struct verso *db, struct verso_txn *txn)
{
	struct verso_range range = {.from = api_val("k"), .flags = VERSO_PREFIX};
	struct verso_table *kept;
	struct verso_cursor *c = NULL;
	struct verso_val old;
	char bytes[10000] = "";
	void *room;
	uint64_t n;
	int rc = verso_table_keep(db, "table", &kept);

	if (rc == 0)
		rc = verso_replace(txn, kept, api_val("k"), api_val("w"), &old);
	if (rc == 0)
		rc = verso_reserve(txn, kept, api_val("k2"), 20000, 0, &room);
	if (rc == 0)
		rc = verso_write(txn, kept, api_val("k3"), 0, bytes, sizeof(bytes));
	if (rc == 0)
		rc = verso_write(txn, kept, api_val("k3"), 5000, bytes, sizeof(bytes));
	if (rc == 0)
		rc = verso_cursor_open_range(txn, kept, &range, &c);
	if (rc == 0)
		rc = verso_cursor_next(c, NULL, NULL);
	if (rc == 0)
		rc = verso_cursor_put(c, api_val("x"));
	verso_cursor_close(c);
	if (rc == 0)
		rc = verso_count(txn, kept, &range, 0, &n);
	if (rc == 0)
		rc = verso_del_range(txn, kept, &range, &n);
	if (rc == 0)
		rc = verso_table_rename(txn, "table", "renamed");
	if (rc == 0)
		rc = verso_table_rename(txn, "renamed", "table");
	return rc == 0 ? verso_table_clear(txn, kept) : rc;
}

static int read_records(struct progress *p)
{
	struct verso_val keys[3] = {api_val("key000010"), api_val("key000011"), api_val("none")};
	struct verso_val vals[3], k, v;
	struct verso_table *table;
	char buf[100];
	size_t n;
	int rc = verso_get(p->txn, NULL, keys[0], &v);

	if (rc == 0)
		rc = verso_get_many(p->txn, NULL, 3, keys, vals, NULL);
	if (rc == 0)
		rc = verso_read(p->txn, NULL, keys[0], 5000, buf, sizeof(buf), &n);
	if (rc == 0)
		rc = verso_table_open(p->txn, "table", 0, &table);
	if (rc == 0)
		rc = verso_cursor_open(p->txn, NULL, &p->cursor);
	if (rc == 0)
		rc = verso_cursor_first(p->cursor, &k, &v);
	while (rc == 0)
		rc = verso_cursor_next(p->cursor, &k, &v);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

/* A record again: the table stays as it is. */
static int commit_async(struct verso *db)
{
	struct verso_txn *txn;
	uint64_t gen = 0;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	if (rc == 0) {
		rc = verso_put(txn, NULL, api_val("key000001"), api_val("again"), 0);
		if (rc < 0)
			verso_abort(txn); /* the text stays */
		else
			rc = verso_commit_async(txn, &gen);
	}
	return rc == 0 ? verso_wait(db, gen) : rc;
}

/* The calls about the database as a whole. */
static int look_after(struct verso *db, const char *path)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct verso_space space = {.size = sizeof(space)};
	struct verso_watch watch = {.size = sizeof(watch)};
	int rc = commit_async(db);

	if (rc == 0)
		rc = verso_compact(db, NULL);
	if (rc == 0)
		rc = verso_space(db, &space);
	if (rc == 0)
		rc = verso_watch(path, &watch);
	if (rc == 0)
		rc = verso_stat(db, &stat);
	return rc == 0 ? verso_sync(db) : rc;
}

/* A day's work. The first error ends it; what is open stays open. */
static int work(int pager, const char *path, struct progress *p)
{
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.flags = VERSO_CREATE,
		.io = VERSO_IO_SYNC,
		.cache_bytes = (size_t)2 << 20};
	int rc = verso_open(path, &o, &p->db);

	if (rc == 0)
		rc = verso_begin(p->db, VERSO_WRITE, &p->txn);
	if (rc == 0)
		rc = put_records(p->txn);
	if (rc == 0)
		rc = change_table(p->db, p->txn);
	if (rc == 0) {
		p->tried = true;
		rc = verso_commit(p->txn);
		p->txn = NULL;
		p->committed = rc == 0;
	}
	if (rc == 0)
		rc = verso_begin(p->db, VERSO_READ, &p->txn);
	if (rc == 0)
		rc = read_records(p);
	if (rc == 0)
		rc = look_after(p->db, path);
	if (rc == 0)
		rc = verso_check(p->db, 0, NULL, NULL);
	return rc;
}

static void finish(struct progress *p)
{
	verso_cursor_close(p->cursor);
	verso_abort(p->txn);
	verso_close(p->db);
}

/* With memory: the database is whole, and has what was reported as durable. */
static void judge(int pager, const char *name, const struct progress *p)
{
	struct verso *db = api_open(pager, name, 0);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_table_stat st = {.size = sizeof(st)};

	api_check(db);
	API_OK(verso_table_stat(txn, NULL, &st));
	if (p->committed)
		ck_assert_uint_eq(st.n_records, N_RECORDS - 1);
	else if (!p->tried)
		ck_assert_uint_eq(st.n_records, 0);
	else
		ck_assert(st.n_records == 0 || st.n_records == N_RECORDS - 1);
	verso_abort(txn);
	verso_close(db);
}

static void remove_database(const char *path)
{
	char beside[CHECK_PATH_BYTES + 8];

	(void)unlink(path);
	(void)snprintf(beside, sizeof(beside), "%s-lock", path);
	(void)unlink(beside);
}

static void run_out(int pager, bool forever)
{
	char path[CHECK_PATH_BYTES];
	uint64_t n;
	int rc = -ENOMEM;

	api_path(path, "a");
	for (n = 0; rc != 0; n++) {
		struct progress p = {0};

		failmalloc_arm(n, forever);
		rc = work(pager, path, &p);
		(void)failmalloc_disarm();
		ck_assert_msg(rc == 0 || verso_errmsg(NULL)[0] != '\0', "%d has no text", rc);
		ck_assert_msg(rc == 0 || rc == -ENOMEM || rc == VERSO_EABORTONLY,
			"allocation %llu: %d, %s", (unsigned long long)n, rc, verso_errmsg(NULL));
		finish(&p);
		judge(pager, "a", &p);
		remove_database(path);
		ck_assert_uint_lt(n, 100000);
	}
	printf("total: %s: %llu allocations failed %s\n", api_pager_names[pager],
		(unsigned long long)n - 1, forever ? "with all that follow" : "one at a time");
}

START_TEST(one_allocation_fails)
{
	run_out(_i, false);
}
END_TEST

START_TEST(no_allocation_succeeds_from_then_on)
{
	run_out(_i, true);
}
END_TEST

/* --- copies --------------------------------------------------------------------------------- */

/* By name, plain and compact; into a descriptor, plain and compact. */
#define N_COPIES 4

static int copy(struct verso *db, int kind, const char *target)
{
	unsigned flags = kind % 2 ? VERSO_COPY_COMPACT : 0;
	int fd, rc;

	if (kind < 2)
		return verso_copy(db, target, flags, NULL, NULL);
	fd = open(target, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ck_assert_int_ge(fd, 0);
	rc = verso_copy_to(db, fd, flags, NULL, NULL);
	ck_assert_int_eq(close(fd), 0);
	return rc;
}

/* A copy is whole; one that was not answered with 0 has no name. */
static void judge_copy(int pager, int kind, int rc, const char *target)
{
	struct progress p = {.committed = true, .tried = true};

	ck_assert_msg(rc == 0 || rc == -ENOMEM, "%d, %s", rc, verso_errmsg(NULL));
	if (rc == 0)
		judge(pager, "copy", &p);
	else if (kind < 2)
		ck_assert_int_ne(access(target, F_OK), 0);
	remove_database(target);
}

static struct verso *make_source(int pager, const char *path)
{
	struct progress p = {0};

	API_OK(work(pager, path, &p));
	verso_cursor_close(p.cursor);
	verso_abort(p.txn);
	return p.db;
}

static void run_out_in_copies(int pager, int kind, bool forever)
{
	char path[CHECK_PATH_BYTES], target[CHECK_PATH_BYTES];
	struct verso *db = make_source(pager, api_path(path, "a"));
	uint64_t n;
	int rc = -ENOMEM;

	api_path(target, "copy");
	for (n = 0; rc != 0; n++) {
		failmalloc_arm(n, forever);
		rc = copy(db, kind, target);
		(void)failmalloc_disarm();
		ck_assert_msg(rc == 0 || verso_errmsg(NULL)[0] != '\0', "%d has no text", rc);
		judge_copy(pager, kind, rc, target);
		ck_assert_uint_lt(n, 10000);
	}
	ck_assert_uint_gt(n, 5); /* else nothing was made to fail */
	api_check(db);
	verso_close(db);
	printf("total: %s: %llu allocations of a copy failed %s\n", api_pager_names[pager],
		(unsigned long long)n - 1, forever ? "with all that follow" : "one at a time");
}

START_TEST(an_allocation_of_a_copy_fails)
{
	run_out_in_copies(_i / N_COPIES, _i % N_COPIES, false);
}
END_TEST

START_TEST(no_allocation_of_a_copy_succeeds_from_then_on)
{
	run_out_in_copies(_i / N_COPIES, _i % N_COPIES, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("out of memory");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, one_allocation_fails, 0, API_PAGERS);
	tcase_add_loop_test(t, no_allocation_succeeds_from_then_on, 0, API_PAGERS);
	tcase_add_loop_test(t, an_allocation_of_a_copy_fails, 0, API_PAGERS * N_COPIES);
	tcase_add_loop_test(t, no_allocation_of_a_copy_succeeds_from_then_on, 0,
		API_PAGERS * N_COPIES);
	suite_add_tcase(s, t);
	return check_main(s);
}
