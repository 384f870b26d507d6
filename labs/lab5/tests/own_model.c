/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 5 may look like: a tree, an edit, the tree that is expected. */
#include "labs/lab5/tests/tree_bench.h"
#include "tests/check_main.h"

#include <errno.h>

#define THREE "(([a c] e [e g]) i ([i k] m [m o]))"
#define WIDE  "([a aa] b~80 [c ca] d~80 [e ea] f~80 [g~79a g~79b g~79c g~79d] h~80 [i ia])"
#define HALF  "([a aa] b~80 [c ca] d~80 [e ea])"
#define REST  "([g~79a g~79b] g~79c [g~79c g~79d g~79e] h~80 [i ia])"

START_TEST(lookups_pin_nothing_that_they_keep)
{
	struct bench b;

	bench_open(&b, THREE);
	bench_finds(&b, "k", true);
	ck_assert_uint_eq(b.n_gets, 1);
	ck_assert_uint_eq(b.n_peeks, 2);
	for (unsigned miss = 0; miss < 3; miss++) {
		b.env->miss = miss;
		bench_finds(&b, "a", true);
		bench_finds(&b, "o", true);
		bench_finds(&b, "h", false);
	}
	ck_assert_uint_eq(b.n_wrong, 0);
	bench_close(&b);
}
END_TEST

START_TEST(lookups_that_fail_leave_nothing_behind)
{
	struct btree_item item;
	struct bench b;

	bench_open(&b, THREE);
	b.env->miss = 1;
	for (unsigned n = 1; n <= 3; n++) {
		b.env->fail_at = b.env->n_calls + n;
		ck_assert_int_eq(btree_get(&b.bt, (struct btree_slice){"m", 1}, &item), -EIO);
		bench_is_quiet(&b, "after a failed read");
	}
	b.env->fail_at = 0;
	b.env->miss = 0;
	le32_set(double_page(b.env, b.bt.root.ref.pgno)->tree, 8);
	double_reseal(b.env, b.bt.root.ref.pgno);
	ck_assert_int_eq(btree_get(&b.bt, (struct btree_slice){"m", 1}, &item), VERSO_ECORRUPT);
	bench_is_quiet(&b, "after a damaged page");
	bench_close(&b);
}
END_TEST

/* The records of a scan, in their order, and back. */
START_TEST(cursor_goes_there_and_back)
{
	struct btree_cursor *c;
	struct btree_slice key;
	struct btree_item item;
	struct bench b;

	bench_open(&b, THREE);
	ck_assert_int_eq(btree_cursor_open(&b.bt, &c), 0);
	for (const char *at = "acegikmo"; *at; at++) {
		ck_assert_int_eq(btree_cursor_next(c, &key, &item), 0);
		ck_assert_int_eq(*(const char *)key.data, *at);
	}
	btree_cursor_close(c);
	bench_close(&b);
}
END_TEST

static void put_makes(const char *before, const char *key, const char *after, unsigned n_splits,
	unsigned n_edge_splits)
{
	struct bench b;

	bench_open(&b, before);
	bench_put(&b, key);
	bench_is(&b, after);
	ck_assert_uint_eq(b.bt.marks.n_splits, n_splits);
	ck_assert_uint_eq(b.bt.marks.n_edge_splits, n_edge_splits);
	bench_close(&b);
}

START_TEST(puts_into_leaves)
{
	put_makes("([a c] g [g k])", "b", "([a b c] g [g k])", 0, 0);
	put_makes("([a b] g [g h i j] m [m n])", "gg", "([a b] g [g gg] h [h i j] m [m n])", 1, 0);
	put_makes("([a:200 b:40 c:40 d:40 e:40 f:40] g [g k])", "ca",
		"([a b] c [c ca d e f] g [g k])", 1, 0);
	put_makes("([libc6 libcap libcurl libm] p [perl python])", "libn",
		"([libc6 libcap] libcu [libcurl libm libn] p [perl python])", 1, 0);
	put_makes("([a b c] g [g h i j])", "k", "([a b c] g [g h i j] k [k])", 1, 1);
	put_makes("([a b c] g [g h i j])", "ha", "([a b c] g [g h] ha [ha i j])", 1, 0);
	put_makes("([a b c d] g [g h])", "e", "([a b] c [c d e] g [g h])", 1, 0);
	put_makes("([u1 u2] usr/a [usr/aeeee1 usr/affff2 usr/ammmm3 usr/annnn4] usr/b [v1 v2])",
		"usr/azzzz5",
		"([u1 u2] usr/a {usr/a}[usr/aeeee1 usr/affff2] usr/am "
		"{usr/}[usr/ammmm3 usr/annnn4 usr/azzzz5] usr/b [v1 v2])",
		1, 0);
}
END_TEST

START_TEST(puts_that_change_the_root)
{
	put_makes("[a b c d]", "bb", "([a b] bb [bb c d])", 1, 0);
	put_makes(WIDE, "g~79e", "(" HALF " f~80 " REST ")", 2, 0);
	put_makes("(" WIDE " k ([l m] n [o p]))", "g~79e",
		"(" HALF " f~80 " REST " k ([l m] n [o p]))", 2, 0);
}
END_TEST

static void del_makes(const char *before, const char *key, const char *after, unsigned n_merges,
	unsigned n_redistributions, unsigned n_late_splits)
{
	struct bench b;

	bench_open(&b, before);
	bench_del(&b, key);
	bench_is(&b, after);
	ck_assert_uint_eq(b.bt.marks.n_merges, n_merges);
	ck_assert_uint_eq(b.bt.marks.n_redistributions, n_redistributions);
	ck_assert_uint_eq(b.bt.marks.n_late_splits, n_late_splits);
	bench_close(&b);
}

START_TEST(deletes_that_merge)
{
	del_makes("([a b c] g [g k])", "b", "([a c] g [g k])", 0, 0, 0);
	del_makes("([a b] g [g h] m [m n])", "a", "([b g h] m [m n])", 1, 0, 0);
	del_makes("([a b] g [g h] m [m n])", "n", "([a b] g [g h m])", 1, 0, 0);
	del_makes("([a b] g [g h])", "a", "[b g h]", 1, 0, 0);
	del_makes("(([a b] c [c d]) g ([g h] k [k l]))", "a", "([b c d] g [g h] k [k l])", 2, 0, 0);
	del_makes("(([a b] c [c d]) g ([g h] k [k l]))", "l", "([a b] c [c d] g [g h k])", 2, 0, 0);
	del_makes("(([a b] c [c d]) usr/a ([usr/aeeee1 usr/affff2] usr/am [usr/ammmm3 usr/annnn4] "
		  "usr/b [v1 v2] v3 [v4 v5]))",
		"usr/affff2",
		"([a b] c [c d] usr/a {usr/}[usr/aeeee1 usr/ammmm3 usr/annnn4] usr/b [v1 v2] v3 "
		"[v4 v5])",
		2, 0, 0);
}
END_TEST

START_TEST(deletes_that_divide_anew)
{
	del_makes("([a b] g [g h i j] m [m n])", "a", "([b g] h [h i j] m [m n])", 0, 1, 0);
	del_makes("([a b] g [g h i j] m [m n])", "n", "([a b] g [g h] i [i j m])", 0, 1, 0);
	del_makes("([a b] g [g:200 h:60 i:60 j:60 k:60] m [m n])", "a",
		"([b g] h [h i j k] m [m n])", 0, 1, 0);
	del_makes("(([a aa] b~80 [c ca] d~80 [e ea] f~80 [g ga] h~80 [i ia]) k~80 ([l m] n [o p]))",
		"l", "(" HALF " f~80 ([g ga] h~80 [i ia] k~80 [m o p]))", 1, 1, 0);
	del_makes("([a b] g [h~79a:140 h~79b:140 h~79c:140] p~80 [q r] r~80 [s t] t~80 [u v] "
		  "v~80 [w x])",
		"a",
		"(([b h~79a] h~79b [h~79b h~79c] p~80 [q r]) r~80 ([s t] t~80 [u v] v~80 [w x]))",
		0, 1, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_test(tc, lookups_pin_nothing_that_they_keep);
	tcase_add_test(tc, lookups_that_fail_leave_nothing_behind);
	tcase_add_test(tc, cursor_goes_there_and_back);
	tcase_add_test(tc, puts_into_leaves);
	tcase_add_test(tc, puts_that_change_the_root);
	tcase_add_test(tc, deletes_that_merge);
	tcase_add_test(tc, deletes_that_divide_anew);
	suite_add_tcase(s, tc);
	return check_main(s);
}
