/* SPDX-License-Identifier: MIT */
/* Many tables open at a time in one transaction. */
#include "tests/api.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define N_TABLES 1500

static const char *name_of(unsigned i, char buf[16])
{
	(void)snprintf(buf, 16, "table%u", i);
	return buf;
}

static bool is_dropped(unsigned i)
{
	return i % 3 == 1;
}

/* Each table is found by its name, as the handle that it was, whatever was dropped. */
static void look_at_all(struct verso_txn *txn, struct verso_table *const *tables, bool dropped)
{
	struct verso_table *again;
	char name[16];

	for (unsigned i = 0; i < N_TABLES; i++) {
		int rc = verso_table_open(txn, name_of(i, name), 0, &again);

		API_IS(rc, dropped && is_dropped(i) ? VERSO_NOTFOUND : 0);
		if (rc == 0)
			ck_assert_ptr_eq(again, tables[i]);
	}
}

START_TEST(an_open_table_is_found_among_many)
{
	static struct verso_table *tables[N_TABLES];
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char name[16];

	for (unsigned i = 0; i < N_TABLES; i++) {
		API_OK(verso_table_open(txn, name_of(i, name), VERSO_CREATE, &tables[i]));
		api_put(txn, tables[i], "name", name);
	}
	look_at_all(txn, tables, false);
	for (unsigned i = 0; i < N_TABLES; i++) {
		if (is_dropped(i))
			API_OK(verso_table_drop(txn, name_of(i, name)));
	}
	look_at_all(txn, tables, true);
	API_OK(verso_commit(txn));

	txn = api_begin(db, VERSO_READ);
	for (unsigned i = N_TABLES; i-- > 0;) {
		struct verso_table *t;
		int rc = verso_table_open(txn, name_of(i, name), 0, &t);

		API_IS(rc, is_dropped(i) ? VERSO_NOTFOUND : 0);
		if (rc == 0)
			ck_assert(api_has(txn, t, "name", name));
	}
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(the_last_open_table_can_be_dropped_and_made_anew)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *t;

	for (int i = 0; i < 3; i++) {
		API_IS(verso_table_open(txn, "one", 0, &t), VERSO_NOTFOUND);
		API_OK(verso_table_open(txn, "one", VERSO_CREATE, &t));
		ck_assert(api_has(txn, t, "key", NULL));
		api_put(txn, t, "key", "value");
		API_OK(verso_table_drop(txn, "one"));
	}
	verso_abort(txn);
	verso_close(db);
}
END_TEST

enum ending { END_ABORT, END_COMMIT, END_CLOSE, END_AND_BEGIN, ENDINGS };

struct ender {
	struct verso *db;
	struct verso_txn *txn, *other;
	enum ending ending;
	int n_told;
};

static int end_when_told(void *arg, const char *name)
{
	struct ender *e = arg;

	(void)name;
	e->n_told++;
	if (e->ending == END_COMMIT)
		API_OK(verso_commit(e->txn));
	else if (e->ending == END_CLOSE)
		verso_close(e->db);
	else
		verso_abort(e->txn);
	if (e->ending == END_AND_BEGIN) {
		e->other = api_begin(e->db, VERSO_READ);
		/* The handle's memory is used again: it is live, and another's. */
		ck_assert_ptr_eq(e->other, e->txn);
	}
	return 0;
}

static void end_in_callback(int pager, enum ending ending)
{
	struct ender e = {.db = api_open(pager, "a", 0), .ending = ending};
	struct verso_table *table;
	char name[16];

	e.txn = api_begin(e.db, VERSO_WRITE);
	for (unsigned i = 0; i < 10; i++)
		API_OK(verso_table_open(e.txn, name_of(i, name), VERSO_CREATE, &table));
	API_OK(verso_commit(e.txn));
	e.txn = api_begin(e.db, VERSO_READ);
	API_SAYS(verso_table_each(e.txn, end_when_told, &e), VERSO_EMISUSE, "ended");
	ck_assert_int_eq(e.n_told, 1);
	if (ending == END_CLOSE)
		return;
	if (e.other) {
		API_OK(verso_table_open(e.other, name_of(3, name), 0, &table));
		API_OK(verso_commit(e.other));
	}
	api_check(e.db);
	verso_close(e.db);
}

START_TEST(a_callback_that_ends_the_transaction_is_answered)
{
	for (int ending = 0; ending < ENDINGS; ending++)
		end_in_callback(_i, (enum ending)ending);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_tables");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, an_open_table_is_found_among_many, 0, API_PAGERS);
	tcase_add_loop_test(t, the_last_open_table_can_be_dropped_and_made_anew, 0, API_PAGERS);
	tcase_add_loop_test(t, a_callback_that_ends_the_transaction_is_answered, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
