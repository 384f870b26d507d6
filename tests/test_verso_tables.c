/* SPDX-License-Identifier: MIT */
/* Many tables open at a time in one transaction. */
#include "tests/api.h"

#include <stdbool.h>
#include <stdio.h>

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

int main(void)
{
	Suite *s = suite_create("verso_tables");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, an_open_table_is_found_among_many, 0, API_PAGERS);
	tcase_add_loop_test(t, the_last_open_table_can_be_dropped_and_made_anew, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
