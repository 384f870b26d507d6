/* SPDX-License-Identifier: MIT */
/*
 * Whenever a call fails, verso_errmsg() has a text: every call of the headers, a row each, in
 * situations in which most of them fail, another table. (Allocations that fail: test_verso_oom.c.)
 */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/faultopen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the calls work on. */
struct world {
	struct verso *db;
	struct verso_txn *txn;
	struct verso_table *table, *kept;
	struct verso_cursor *cursor;
	unsigned begin_flags; /* of txn */
	struct faultio *io;
	struct fault_plan plan;
};

static char path[CHECK_PATH_BYTES], missing[CHECK_PATH_BYTES];

static const struct verso_val key = {"key000007", 9}, val = {"new", 3};
static const struct verso_range range = {.from = {"key00001", 8}, .flags = VERSO_PREFIX};
static char long_bytes[20000];

static int each_name(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

/* --- the calls ------------------------------------------------------------------------------ */

/* Defines call_NAME(): a call of verso_NAME() on a world w. */
#define CALL(name, ...)                                                                            \
	static int call_##name(struct world *w)                                                    \
	{                                                                                          \
		struct verso_val v = {NULL, 0}, k = v;                                             \
		char buf[64];                                                                      \
		uint64_t n64 = 0;                                                                  \
		size_t n = 0;                                                                      \
		void *room = NULL;                                                                 \
                                                                                                   \
		(void)w, (void)v, (void)k, (void)buf, (void)n64, (void)n, (void)room;              \
		return verso_##name(__VA_ARGS__);                                                  \
	}

CALL(advise, w->txn, w->table, key, key, VERSO_ADVICE_WILLNEED)
CALL(cache_resize, w->db, 1)
CALL(check, w->db, 0, NULL, NULL)
CALL(compact, w->db, NULL)
CALL(copy, w->db, missing, 0, NULL, NULL)
CALL(copy_to, w->db, -1, 0, NULL, NULL)
CALL(count, w->txn, w->table, &range, 0, &n64)
CALL(cursor_del, w->cursor)
CALL(cursor_first, w->cursor, &k, &v)
CALL(cursor_get, w->cursor, &k, &v)
CALL(cursor_last, w->cursor, &k, &v)
CALL(cursor_next, w->cursor, &k, &v)
CALL(cursor_prev, w->cursor, &k, &v)
CALL(cursor_put, w->cursor, val)
CALL(cursor_seek, w->cursor, key, &k, &v)
CALL(del, w->txn, w->table, key)
CALL(del_range, w->txn, w->table, &range, &n64)
CALL(get, w->txn, w->kept, key, &v)
CALL(get_many, w->txn, w->table, 1, &key, &v, NULL)
CALL(put, w->txn, w->table, key, (struct verso_val){long_bytes, sizeof(long_bytes)}, 0)
CALL(read, w->txn, w->table, key, 0, buf, sizeof(buf), &n)
CALL(replace, w->txn, w->kept, key, val, &v)
CALL(reserve, w->txn, w->table, key, 8, 0, &room)
CALL(space, w->db, &(struct verso_space){.size = sizeof(struct verso_space)})
CALL(stat, w->db, &(struct verso_stat){.size = sizeof(struct verso_stat)})
CALL(sync, w->db)
CALL(table_clear, w->txn, w->table)
CALL(table_drop, w->txn, "t")
CALL(table_each, w->txn, each_name, NULL)
CALL(table_rename, w->txn, "t", "u")
CALL(table_stat, w->txn, w->kept,
	&(struct verso_table_stat){.size = sizeof(struct verso_table_stat)})
CALL(wait, w->db, UINT64_MAX)
CALL(watch, missing, &(struct verso_watch){.size = sizeof(struct verso_watch)})
CALL(write, w->txn, w->table, key, 0, long_bytes, sizeof(long_bytes))

static int call_begin(struct world *w)
{
	struct verso_txn *txn = NULL;
	int rc = verso_begin(w->db,
		w->txn && w->begin_flags == VERSO_READ ? VERSO_WRITE : VERSO_READ, &txn);

	if (rc == 0)
		verso_abort(txn);
	return rc;
}

static int call_commit(struct world *w)
{
	struct verso_txn *txn = w->txn;

	w->txn = NULL;
	return verso_commit(txn);
}

static int call_commit_async(struct world *w)
{
	struct verso_txn *txn = w->txn;
	uint64_t gen;

	w->txn = NULL;
	return verso_commit_async(txn, &gen);
}

static int call_cursor_open(struct world *w)
{
	struct verso_cursor *c = NULL;
	int rc = verso_cursor_open(w->txn, w->table, &c);

	if (rc == 0)
		verso_cursor_close(c);
	return rc;
}

static int call_cursor_open_range(struct world *w)
{
	struct verso_cursor *c = NULL;
	int rc = verso_cursor_open_range(w->txn, w->kept, &range, &c);

	if (rc == 0)
		verso_cursor_close(c);
	return rc;
}

static int call_open(struct world *w)
{
	struct verso *db;

	(void)w;
	return verso_open(missing, NULL, &db);
}

static int call_table_keep(struct world *w)
{
	struct verso_table *table;

	return verso_table_keep(w->db, "", &table);
}

static int call_table_open(struct world *w)
{
	struct verso_table *table;

	return verso_table_open(w->txn, "u", VERSO_CREATE, &table);
}

/* tests/test_libraries.sh compares these with the names that the library exports. */
#define ROW(name)                                                                                  \
	{                                                                                          \
		"verso_" #name, call_##name                                                        \
	}

static const struct {
	const char *name;
	int (*call)(struct world *w);
} rows[] = {
	ROW(advise),
	ROW(begin),
	ROW(cache_resize),
	ROW(check),
	ROW(commit),
	ROW(commit_async),
	ROW(compact),
	ROW(copy),
	ROW(copy_to),
	ROW(count),
	ROW(cursor_del),
	ROW(cursor_first),
	ROW(cursor_get),
	ROW(cursor_last),
	ROW(cursor_next),
	ROW(cursor_open),
	ROW(cursor_open_range),
	ROW(cursor_prev),
	ROW(cursor_put),
	ROW(cursor_seek),
	ROW(del),
	ROW(del_range),
	ROW(get),
	ROW(get_many),
	ROW(open),
	ROW(put),
	ROW(read),
	ROW(replace),
	ROW(reserve),
	ROW(space),
	ROW(stat),
	ROW(sync),
	ROW(table_clear),
	ROW(table_drop),
	ROW(table_each),
	ROW(table_keep),
	ROW(table_open),
	ROW(table_rename),
	ROW(table_stat),
	ROW(wait),
	ROW(watch),
	ROW(write),
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* --- the situations ------------------------------------------------------------------------- */

static void make_file(int pager)
{
	struct verso *db = api_open(pager, "a", 0);
	struct verso_txn *txn;
	struct verso_table *table;

	api_fill(db, 500, 100);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "key%06u", i);
		API_OK(verso_put(txn, table, api_val(name),
			(struct verso_val){long_bytes, i % 7 ? 100 : sizeof(long_bytes)}, 0));
	}
	API_OK(verso_commit(txn));
	verso_close(db);
}

/* Opens it with a cache that has nothing yet. */
static void world_init(struct world *w, int pager, unsigned open_flags, unsigned begin_flags)
{
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.io = VERSO_IO_SYNC,
		.flags = open_flags};

	*w = (struct world){.begin_flags = begin_flags, .plan = {.nth = UINT64_MAX}};
	API_OK(fault_open(path, &o, &w->plan, &w->io, &w->db));
	API_OK(verso_table_keep(w->db, "t", &w->kept));
	API_OK(verso_begin(w->db, begin_flags, &w->txn));
	API_OK(verso_table_open(w->txn, "t", 0, &w->table));
	API_OK(verso_cursor_open(w->txn, w->table, &w->cursor));
}

static void world_fini(struct world *w)
{
	w->plan.nth = UINT64_MAX;
	verso_cursor_close(w->cursor);
	verso_abort(w->txn);
	verso_close(w->db);
	faultio_free(w->io);
}

/* How many errors there were, each with a text. */
static unsigned judge(size_t row, int rc, const char *situation)
{
	ck_assert_msg(rc >= 0 || verso_errmsg(NULL)[0] != '\0', "%s(), %s: %d (%s) has no text",
		rows[row].name, situation, rc, verso_strerror(rc));
	return rc < 0;
}

static void take_handles(struct world *w)
{
	world_fini(w);
	*w = (struct world){.db = NULL};
}

static void break_txn(struct world *w)
{
	(void)txn_break(w->txn->txn, -EIO);
}

/* A flush fails; the transaction is a reader then. */
static void poison(struct world *w)
{
	w->plan.calls = FAULT_SYNC;
	w->plan.forever = true;
	w->plan.nth = 0;
	API_OK(verso_put(w->txn, w->table, key, val, 0));
	ck_assert_int_lt(call_commit(w), 0);
	w->plan.nth = UINT64_MAX;
	verso_cursor_close(w->cursor);
	w->begin_flags = VERSO_READ;
	API_OK(verso_begin(w->db, VERSO_READ, &w->txn));
	API_OK(verso_table_open(w->txn, "t", 0, &w->table));
	API_OK(verso_cursor_open(w->txn, w->table, &w->cursor));
}

static const struct situation {
	const char *name;
	unsigned open_flags, begin_flags;
	void (*arrange)(struct world *w); /* NULL: as it is opened */
	bool has_ended;                   /* after that */
	bool in_child;                    /* the call is made after fork() */
	size_t n_errors_min;              /* of as many as there are rows */
} situations[] = {
	{.name = "no handle",
		.begin_flags = VERSO_WRITE,
		.arrange = take_handles,
		.has_ended = true,
		.n_errors_min = N_ROWS},
	{.name = "handles that have ended",
		.begin_flags = VERSO_WRITE,
		.arrange = world_fini,
		.has_ended = true,
		.n_errors_min = N_ROWS},
	{.name = "a child after fork",
		.begin_flags = VERSO_WRITE,
		.in_child = true,
		.n_errors_min = N_ROWS},
	{.name = "a database that may not be written",
		.open_flags = VERSO_RDONLY,
		.n_errors_min = 19},
	{.name = "a transaction that can only be aborted",
		.begin_flags = VERSO_WRITE,
		.arrange = break_txn,
		.n_errors_min = 31},
	{.name = "a poisoned database",
		.begin_flags = VERSO_WRITE,
		.arrange = poison,
		.n_errors_min = 19},
};

#define N_SITUATIONS (sizeof(situations) / sizeof(situations[0]))

/* The same of a call that a child makes. */
static unsigned judge_in_child(size_t row, struct world *w)
{
	enum { MUTE, HAS_TEXT, NO_ERROR };
	pid_t child = fork();
	int status;

	if (child == 0) {
		int rc = rows[row].call(w);

		_exit(rc >= 0 ? NO_ERROR : verso_errmsg(NULL)[0] != '\0' ? HAS_TEXT : MUTE);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_msg(WEXITSTATUS(status) != MUTE, "%s() in a child has no text", rows[row].name);
	return WEXITSTATUS(status) == HAS_TEXT;
}

START_TEST(each_error_has_a_text)
{
	const struct situation *s = &situations[_i / API_PAGERS];
	size_t n = 0;

	if (s->in_child && getenv("VERSO_VALGRIND")) {
		check_skip("valgrind looks for leaks in memory that the child has not");
		return;
	}
	make_file(_i % API_PAGERS);
	for (size_t i = 0; i < N_ROWS; i++) {
		struct world w;

		world_init(&w, _i % API_PAGERS, s->open_flags, s->begin_flags);
		if (s->arrange)
			s->arrange(&w);
		n += s->in_child ? judge_in_child(i, &w) : judge(i, rows[i].call(&w), s->name);
		if (!s->has_ended)
			world_fini(&w);
	}
	ck_assert_msg(n >= s->n_errors_min, "%s: %zu calls failed", s->name, n);
}
END_TEST

/* From the n-th call of the system on, all fail. */
static unsigned fail_from(int pager, size_t row, enum fault_kind kind, uint64_t nth)
{
	struct world w;
	unsigned n;

	world_init(&w, pager, 0, VERSO_WRITE);
	if (rows[row].call == call_commit || rows[row].call == call_commit_async)
		API_OK(verso_put(w.txn, w.table, key, val, 0));
	if (rows[row].call == call_compact || rows[row].call == call_space ||
		rows[row].call == call_check || rows[row].call == call_copy ||
		rows[row].call == call_begin) {
		verso_cursor_close(w.cursor);
		verso_abort(w.txn);
		w.txn = NULL;
		w.cursor = NULL;
	}
	w.plan.calls = FAULT_ANY;
	w.plan.kind = kind;
	w.plan.forever = true;
	atomic_store(&w.plan.n, 0);
	w.plan.nth = nth;
	n = judge(row, rows[row].call(&w), fault_name(kind));
	world_fini(&w);
	return n;
}

START_TEST(where_the_system_fails)
{
	static const enum fault_kind kinds[] = {FAULT_EIO, FAULT_ENOSPC, FAULT_ENOMEM};
	unsigned n = 0;

	make_file(_i);
	for (size_t i = 0; i < N_ROWS; i++) {
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			for (uint64_t nth = 0; nth < 4; nth++)
				n += fail_from(_i, i, kinds[k], nth);
		}
	}
	ck_assert_uint_gt(n, 100);
	printf("total: %s: %u errors of the system, each with a text\n", api_pager_names[_i], n);
}
END_TEST

static void setup(void)
{
	(void)api_path(path, "a");
	(void)api_path(missing, "no-folder/b");
}

int main(void)
{
	Suite *s = suite_create("texts of errors");
	TCase *t = tcase_create("every call");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, each_error_has_a_text, 0, (int)N_SITUATIONS * API_PAGERS);
	tcase_add_loop_test(t, where_the_system_fails, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
