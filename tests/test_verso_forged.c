/* SPDX-License-Identifier: MIT */
/*
 * Forged files: the checksums are right, the bytes behind them make no sense. Whoever can write the
 * file can make such a one; a bug of ours could too.
 */
#include "btree/node.h"
#include "db/db_int.h"
#include "tests/api.h"

#include <stdio.h>
#include <string.h>

#define PAGE 4096U

struct findings {
	unsigned n;
	char first[1024]; /* of the trees */
};

static int note(void *arg, uint32_t pgno, const char *text)
{
	struct findings *f = arg;

	if (f->n++ == 0)
		(void)snprintf(f->first, sizeof(f->first), "%s", text);
	return 0;
}

START_TEST(a_long_name_with_a_bad_record_is_a_finding)
{
	struct verso *db = api_open(_i, "a", 0);
	struct findings f = {0};
	struct verso_txn *txn;
	char name[976];

	ck_assert_uint_eq(sizeof(name), node_key_max(PAGE));
	memset(name, 'n', sizeof(name));
	for (size_t len = TABLE_NAME_MAX - 1; len <= sizeof(name); len += len < 400 ? 1 : 64) {
		struct btree_slice key = {name, len}, val = {"no record", 9};

		txn = api_begin(db, VERSO_WRITE);
		API_OK(btree_put(&txn->catalogue.tree, key, val, 0));
		API_OK(verso_commit(txn));
		f.n = 0;
		API_IS(verso_check(db, VERSO_CHECK_TREES, note, &f), VERSO_ECORRUPT);
		ck_assert_uint_eq(f.n, 1);
		ck_assert_msg(strstr(f.first, "nnn: its record makes no sense") != NULL, "%s",
			f.first);
		API_IS(verso_check(db, 0, note, &f), VERSO_ECORRUPT);
		txn = api_begin(db, VERSO_WRITE);
		API_OK(btree_del(&txn->catalogue.tree, key));
		API_OK(verso_commit(txn));
	}
	api_check(db);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("forged files");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_long_name_with_a_bad_record_is_a_finding, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
