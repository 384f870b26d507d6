/* SPDX-License-Identifier: MIT */
/* How much stack a call needs, as verso.h says it. */
#include "tests/api.h"
#include "tests/stack_used.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STACK_BYTES_MOST ((size_t)64 << 10) /* verso.h */
#define N_RECORDS        6000U
#define N_MANY           128U
#define BIG_BYTES        ((size_t)5 << 20)

static struct {
	int pager;
	uint32_t page_size;
} setting;

static void change(struct verso_txn *txn, struct verso_table *table, bool deletes)
{
	static uint8_t value[BIG_BYTES];

	for (unsigned i = 0; i < N_RECORDS; i++) {
		struct verso_val val = {value, 100 + i % 50};
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06u", i * 7919 % N_RECORDS);
		if (deletes)
			API_OK(verso_del(txn, table, api_val(key)));
		else
			API_OK(verso_put(txn, table, api_val(key), val, 0));
	}
	if (!deletes)
		API_OK(verso_put(txn, table, api_val("big"), (struct verso_val){value, BIG_BYTES},
			0));
}

static void look(struct verso_txn *txn, struct verso_table *table)
{
	static struct verso_val keys[N_MANY], vals[N_MANY];
	static char texts[N_MANY][16];
	struct verso_val key, val;
	struct verso_cursor *c;
	int rc;

	for (unsigned i = 0; i < N_MANY; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "key%06u", i * 40);
		keys[i] = api_val(texts[i]);
		API_OK(verso_get(txn, table, keys[i], &val));
	}
	API_OK(verso_get(txn, table, api_val("big"), &val));
	API_OK(verso_get_many(txn, table, N_MANY, keys, vals, NULL));
	API_OK(verso_cursor_open(txn, table, &c));
	for (rc = verso_cursor_last(c, &key, &val); rc == 0; rc = verso_cursor_prev(c, &key, &val))
		;
	verso_cursor_close(c);
}

/* Calls of every sort: spills, long values, a walk, an error, the last close. */
static void *call_all(void *arg)
{
	struct verso_options o = {.cache_bytes = 8U << 20, .page_size = setting.page_size};
	struct verso_table *table;
	struct verso_txn *txn;
	struct verso *db;

	if (setting.page_size > 4096)
		o.cache_bytes = 64U << 20;
	db = api_open_with(setting.pager, "a", o);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_open(txn, "t", VERSO_CREATE, &table));
	change(txn, table, false);
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_table_open(txn, "t", 0, &table));
	look(txn, table);
	verso_abort(txn);
	api_check(db);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_open(txn, "t", 0, &table));
	change(txn, table, true);
	API_OK(verso_table_drop(txn, "t"));
	API_OK(verso_commit(txn));
	verso_close(db);
	API_IS(verso_open("/not/there", NULL, &db), -ENOENT);
	return arg;
}

START_TEST(a_call_needs_no_more_stack_than_is_said)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	check_skip("a sanitizer's frames are larger");
#else
	size_t used;

	setting.pager = _i % API_PAGERS;
	setting.page_size = _i / API_PAGERS ? 65536 : 4096;
	used = stack_used(call_all);
	printf("total: %zu bytes of stack\n", used);
	ck_assert_uint_le(used, STACK_BYTES_MOST);
#endif
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_stack");
	TCase *t = tcase_create("stack");

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 100);
	tcase_add_loop_test(t, a_call_needs_no_more_stack_than_is_said, 0, 2 * API_PAGERS);
	return check_main(s);
}
