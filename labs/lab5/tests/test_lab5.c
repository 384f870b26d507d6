/* SPDX-License-Identifier: MIT */
/*
 * Lab 5a: a lookup goes down, and an insert splits. Each test lays a tree out by hand and looks at
 * the tree that comes of one call. tree_text.h says how a tree is written.
 */
#include "btree/node.h"
#include "labs/lab5/tests/tree_bench.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define THREE_LEVELS "(([a c] e [e g]) i ([i k] m [m o]))"

START_TEST(get_finds_each_key_of_three_levels)
{
	static const char *const there[] = {"a", "c", "e", "g", "i", "k", "m", "o"};
	static const char *const not_there[] = {"A", "b", "d", "ee", "h", "j", "l", "n", "p"};
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	for (unsigned i = 0; i < sizeof(there) / sizeof(*there); i++)
		bench_finds(&b, there[i], true);
	for (unsigned i = 0; i < sizeof(not_there) / sizeof(*not_there); i++)
		bench_finds(&b, not_there[i], false);
	bench_close(&b);
	bench_open(&b, "[a c]");
	bench_finds(&b, "c", true);
	bench_finds(&b, "b", false);
	bench_close(&b);
}
END_TEST

/* A cursor has its way from the trail of the descent. */
START_TEST(cursor_goes_from_the_first_leaf_to_the_last_and_back)
{
	static const char keys[] = "acegikmo";
	struct btree_cursor *c;
	struct btree_slice key;
	struct btree_item item;
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	ck_assert_int_eq(btree_cursor_open(&b.bt, &c), 0);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(btree_cursor_next(c, &key, &item), 0);
		ck_assert_msg(*(const char *)key.data == keys[i],
			"record %u of the scan is \"%c\", expected \"%c\"", i,
			*(const char *)key.data, keys[i]);
	}
	ck_assert_int_eq(btree_cursor_next(c, &key, &item), VERSO_NOTFOUND);
	ck_assert_int_eq(btree_cursor_last(c, &key, &item), 0);
	for (unsigned i = 8; i-- > 0;) {
		ck_assert_msg(*(const char *)key.data == keys[i],
			"on the way back record %u is \"%c\", expected \"%c\"", i,
			*(const char *)key.data, keys[i]);
		ck_assert_int_eq(btree_cursor_prev(c, &key, &item), i > 0 ? 0 : VERSO_NOTFOUND);
	}
	btree_cursor_close(c);
	bench_close(&b);
}
END_TEST

START_TEST(inner_pages_in_memory_are_not_pinned)
{
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	bench_finds(&b, "k", true);
	ck_assert_msg(b.n_gets == 1 && b.n_peeks == 2,
		"three levels, all in memory: a lookup peeked at %u and pinned %u; expected 2, 1",
		b.n_peeks, b.n_gets);
	bench_close(&b);
	bench_open(&b, "[a c]");
	bench_finds(&b, "a", true);
	ck_assert_msg(b.n_gets == 1 && b.n_peeks == 0,
		"one leaf: a lookup peeked at %u and pinned %u; expected 0, 1", b.n_peeks,
		b.n_gets);
	bench_close(&b);
}
END_TEST

START_TEST(page_that_is_not_in_memory_is_pinned_and_given_back)
{
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	b.env->miss = 1;
	bench_finds(&b, "a", true);
	ck_assert_msg(b.n_gets == 3, "no page was in memory, and %u of 3 were pinned", b.n_gets);
	bench_finds(&b, "o", true);
	bench_finds(&b, "h", false);
	b.env->miss = 2;
	bench_finds(&b, "g", true);
	bench_finds(&b, "i", true);
	bench_close(&b);
}
END_TEST

START_TEST(no_page_is_loaded_inside_a_guard)
{
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	for (unsigned miss = 0; miss < 3; miss++) {
		b.env->miss = miss;
		bench_finds(&b, "c", true);
		bench_finds(&b, "m", true);
	}
	ck_assert_msg(b.n_wrong == 0, "%u pages were got inside the guard, or peeked at outside",
		b.n_wrong);
	bench_close(&b);
}
END_TEST

START_TEST(failed_read_is_returned_and_leaves_nothing_behind)
{
	struct bench b;

	bench_open(&b, THREE_LEVELS);
	b.env->miss = 1;
	for (unsigned n = 1; n <= 3; n++) {
		struct btree_item item;
		int rc;

		b.env->fail_at = b.env->n_calls + n;
		rc = btree_get(&b.bt, (struct btree_slice){"m", 1}, &item);
		ck_assert_msg(rc == -EIO, "read %u of a lookup failed, and it returned %d", n, rc);
		bench_is_quiet(&b, "after a failed read");
	}
	b.env->fail_at = 0;
	bench_finds(&b, "m", true);
	bench_close(&b);
}
END_TEST

/* The inner page above k, with a level or a tree that it should not have. */
START_TEST(damaged_inner_page_is_an_error)
{
	for (unsigned i = 0; i < 4; i++) {
		struct btree_item item;
		struct page_ref ref;
		struct page *page;
		struct bench b;
		int rc;

		bench_open(&b, THREE_LEVELS);
		ref = node_child(double_page(b.env, b.bt.root.ref.pgno), TREE_PAGE, 1);
		page = double_page(b.env, ref.pgno);
		if (i % 2)
			page->level = 2;
		else
			le32_set(page->tree, 8);
		double_reseal(b.env, ref.pgno);
		b.env->miss = i / 2;
		rc = btree_get(&b.bt, (struct btree_slice){"k", 1}, &item);
		ck_assert_msg(rc == VERSO_ECORRUPT,
			"an inner page has the wrong %s, and btree_get() returned %d",
			i % 2 ? "level" : "tree", rc);
		bench_is_quiet(&b, "after a damaged page");
		bench_finds(&b, "c", true);
		bench_close(&b);
	}
}
END_TEST

/* Writes a random tree; its keys are numbers in *n, of which those in `has` are there. */
#define NUMBERS 1000U

static unsigned random_size(uint64_t *rng, unsigned from, unsigned to)
{
	return from + (unsigned)(check_random(rng) % (to - from + 1));
}

static size_t random_node(uint64_t *rng, unsigned level, unsigned *n, bool *has, char *to)
{
	unsigned kids = random_size(rng, 2, 4);
	size_t len = 0;

	to[len++] = level > 0 ? '(' : '[';
	for (unsigned i = 0; i < kids; i++) {
		if (level > 0 && i > 0) /* between the keys on its two sides, and at times one */
			len += (size_t)snprintf(to + len, 16, " %03u ", *n + 1);
		if (level > 0) {
			len += random_node(rng, level - 1, n, has, to + len);
			continue;
		}
		*n += random_size(rng, 1, 2);
		has[*n] = true;
		len += (size_t)snprintf(to + len, 16, "%s%03u", i > 0 ? " " : "", *n);
	}
	to[len++] = level > 0 ? ')' : ']';
	to[len] = '\0';
	return len;
}

START_TEST(lookups_agree_with_a_sorted_array)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 60; round++) {
		bool has[NUMBERS] = {false};
		char text[TREE_TEXT_MAX];
		unsigned n = 0;
		struct bench b;

		(void)random_node(&rng, round % 4, &n, has, text);
		bench_open(&b, text);
		b.env->miss = random_size(&rng, 0, 4);
		for (unsigned i = 0; i <= n + 1; i++) {
			char key[8];

			(void)snprintf(key, sizeof(key), "%03u", i);
			bench_finds(&b, key, has[i]);
		}
		bench_close(&b);
	}
}
END_TEST

START_TEST(put_that_fits_changes_one_leaf)
{
	struct bench b;

	bench_open(&b, "([a c] g [g k])");
	bench_put(&b, "b");
	bench_is(&b, "([a b c] g [g k])");
	bench_put(&b, "h");
	bench_is(&b, "([a b c] g [g h k])");
	ck_assert_uint_eq(b.bt.marks.n_splits, 0);
	bench_close(&b);
}
END_TEST

START_TEST(full_leaf_becomes_two_halves)
{
	struct bench b;

	bench_open(&b, "([a b c d] g [g k])");
	bench_put(&b, "bb");
	bench_is(&b, "([a b] bb [bb c d] g [g k])");
	ck_assert_uint_eq(b.bt.marks.n_splits, 1);
	bench_close(&b);
	bench_open(&b, "([a b] g [g h i j] m [m n])");
	bench_put(&b, "gg");
	bench_is(&b, "([a b] g [g gg] h [h i j] m [m n])");
	bench_close(&b);
}
END_TEST

START_TEST(halves_are_counted_in_bytes)
{
	struct bench b;

	bench_open(&b, "([a:200 b:40 c:40 d:40 e:40 f:40] g [g k])");
	bench_put(&b, "ca");
	bench_is(&b, "([a b] c [c ca d e f] g [g k])");
	bench_close(&b);
	bench_open(&b, "([a:40 b:40 c:40 d:40 e:40 f:200] g [g k])");
	bench_put(&b, "da:60");
	bench_is(&b, "([a b c d da] e [e f] g [g k])");
	bench_close(&b);
}
END_TEST

START_TEST(separator_of_leaves_is_as_short_as_can_be)
{
	struct bench b;

	bench_open(&b, "([apple fig grape guava] p [pear plum])");
	bench_put(&b, "lemon");
	bench_is(&b, "([apple fig] g [grape guava lemon] p [pear plum])");
	bench_close(&b);
	bench_open(&b, "([libc6 libcap libcurl libm] p [perl python])");
	bench_put(&b, "libn");
	bench_is(&b, "([libc6 libcap] libcu [libcurl libm libn] p [perl python])");
	bench_close(&b);
}
END_TEST

START_TEST(each_half_has_the_prefix_of_its_own_fences)
{
	struct bench b;

	bench_open(&b, "([u1 u2] usr/a [usr/aeeee1 usr/affff2 usr/ammmm3 usr/annnn4] usr/b "
		       "[v1 v2])");
	bench_put(&b, "usr/azzzz5");
	bench_is(&b, "([u1 u2] usr/a {usr/a}[usr/aeeee1 usr/affff2] usr/am "
		     "{usr/}[usr/ammmm3 usr/annnn4 usr/azzzz5] usr/b [v1 v2])");
	bench_close(&b);
}
END_TEST

START_TEST(last_record_of_the_tree_leaves_a_full_leaf_behind)
{
	struct bench b;

	bench_open(&b, "([a b c] g [g h i j])");
	bench_put(&b, "k");
	bench_is(&b, "([a b c] g [g h i j] k [k])");
	ck_assert_uint_eq(b.bt.marks.n_edge_splits, 1);
	bench_close(&b);
}
END_TEST

START_TEST(splits_elsewhere_leave_halves)
{
	struct bench b;

	bench_open(&b, "([a b c] g [g h i j])"); /* in the last leaf, not at its end */
	bench_put(&b, "ha");
	bench_is(&b, "([a b c] g [g h] ha [ha i j])");
	ck_assert_uint_eq(b.bt.marks.n_edge_splits, 0);
	bench_close(&b);
	bench_open(&b, "([a b c d] g [g h])"); /* at the end of a leaf that is not the last */
	bench_put(&b, "e");
	bench_is(&b, "([a b] c [c d e] g [g h])");
	ck_assert_uint_eq(b.bt.marks.n_edge_splits, 0);
	bench_close(&b);
}
END_TEST

/* An entry of an inner page with a separator of 80 bytes takes 96; four fit its page, not five. */
START_TEST(inner_page_splits_and_one_entry_goes_up)
{
	struct bench b;

	bench_open(&b, "(([a aa] b~80 [c ca] d~80 [e ea] f~80 [g~79a g~79b g~79c g~79d] h~80 "
		       "[i ia]) k ([l m] n [o p]))");
	bench_put(&b, "g~79e");
	bench_is(&b, "(([a aa] b~80 [c ca] d~80 [e ea]) f~80 ([g~79a g~79b] g~79c "
		     "[g~79c g~79d g~79e] h~80 [i ia]) k ([l m] n [o p]))");
	ck_assert_uint_eq(b.bt.marks.n_splits, 2);
	bench_close(&b);
}
END_TEST

START_TEST(root_leaf_becomes_two_under_a_new_root)
{
	struct bench b;

	bench_open(&b, "[a b c d]");
	bench_put(&b, "bb");
	bench_is(&b, "([a b] bb [bb c d])");
	ck_assert_uint_eq(b.bt.root.level, 1);
	ck_assert_uint_eq(b.bt.marks.n_roots_grown, 1);
	bench_close(&b);
}
END_TEST

START_TEST(root_of_inner_pages_grows_too)
{
	struct bench b;

	bench_open(&b, "([a aa] b~80 [c ca] d~80 [e ea] f~80 [g~79a g~79b g~79c g~79d] h~80 "
		       "[i ia])");
	bench_put(&b, "g~79e");
	bench_is(&b, "(([a aa] b~80 [c ca] d~80 [e ea]) f~80 ([g~79a g~79b] g~79c "
		     "[g~79c g~79d g~79e] h~80 [i ia]))");
	ck_assert_uint_eq(b.bt.root.level, 2);
	bench_close(&b);
}
END_TEST

/* Keys that begin alike, so that separators are long and inner pages split. */
static unsigned random_key(uint64_t *rng, uint8_t key[TREE_KEY_MAX])
{
	static const char *const begins[] = {"", "lib", "lib/x86_64-linux-gnu/perl/", "usr/"};
	uint64_t x = check_random(rng);
	int n = snprintf((char *)key, TREE_KEY_MAX, "%s%x", begins[x % 4], (unsigned)(x >> 40));

	return (unsigned)n;
}

START_TEST(puts_alone_agree_with_a_sorted_array)
{
	struct double_env *env = double_open(TREE_PAGE);
	struct txn_root root = {.tree = 7};
	struct model model = {0};
	uint64_t rng = check_seed();
	const struct btree_marks *m;
	struct btree bt;

	btree_init(&bt, &env->txn, &root);
	m = &bt.marks;
	for (unsigned i = 0; i < 3000; i++) {
		uint8_t key[TREE_KEY_MAX], val[64];
		struct btree_slice k = {key, random_key(&rng, key)};
		uint64_t seed = check_random(&rng);
		size_t len = seed % sizeof(val);
		bool exact;

		(void)model_find(&model, k, &exact);
		if (exact) /* a value that gets smaller is for the second half */
			continue;
		model_value(seed, val, len);
		ck_assert_int_eq(btree_put(&bt, k, (struct btree_slice){val, len}, 0), 0);
		model_put(&model, k, seed, len);
		if (i % 100 == 99)
			model_same_tree(&model, &bt);
		if (i % 37 == 36)
			double_commit(env);
	}
	model_same_tree(&model, &bt);
	ck_assert_uint_eq(env->n_pins, 0);
	ck_assert_msg(m->n_splits > 300,
		"this stream splits some 400 pages, and marks.n_splits is %llu",
		(unsigned long long)m->n_splits);
	ck_assert_msg(m->n_roots_grown >= 2 && bt.root.level >= 2,
		"this stream should grow two roots, and has %u levels after %llu",
		bt.root.level + 1U, (unsigned long long)m->n_roots_grown);
	model_fini(&model);
	btree_fini(&bt);
	double_close(env);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab5");
	TCase *t = tcase_create("down, and split");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, get_finds_each_key_of_three_levels);
	tcase_add_test(t, cursor_goes_from_the_first_leaf_to_the_last_and_back);
	tcase_add_test(t, inner_pages_in_memory_are_not_pinned);
	tcase_add_test(t, page_that_is_not_in_memory_is_pinned_and_given_back);
	tcase_add_test(t, no_page_is_loaded_inside_a_guard);
	tcase_add_test(t, failed_read_is_returned_and_leaves_nothing_behind);
	tcase_add_test(t, damaged_inner_page_is_an_error);
	tcase_add_test(t, lookups_agree_with_a_sorted_array);
	tcase_add_test(t, put_that_fits_changes_one_leaf);
	tcase_add_test(t, full_leaf_becomes_two_halves);
	tcase_add_test(t, halves_are_counted_in_bytes);
	tcase_add_test(t, separator_of_leaves_is_as_short_as_can_be);
	tcase_add_test(t, each_half_has_the_prefix_of_its_own_fences);
	tcase_add_test(t, last_record_of_the_tree_leaves_a_full_leaf_behind);
	tcase_add_test(t, splits_elsewhere_leave_halves);
	tcase_add_test(t, inner_page_splits_and_one_entry_goes_up);
	tcase_add_test(t, root_leaf_becomes_two_under_a_new_root);
	tcase_add_test(t, root_of_inner_pages_grows_too);
	tcase_add_test(t, puts_alone_agree_with_a_sorted_array);
	suite_add_tcase(s, t);
	return check_main(s);
}
