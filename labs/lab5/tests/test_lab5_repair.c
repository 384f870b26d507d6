/* SPDX-License-Identifier: MIT */
/*
 * Lab 5b: a delete leaves a page too empty. Each test lays a tree out by hand, deletes a record,
 * and looks at the tree that comes of it. tree_text.h says how a tree is written.
 */
#include "labs/lab5/tests/tree_bench.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

/* Deletes `key`, and expects this tree, and these counts. */
static void del_makes(const char *before, const char *key, const char *after, unsigned n_merges,
	unsigned n_redistributions)
{
	struct bench b;

	bench_open(&b, before);
	bench_del(&b, key);
	bench_is(&b, after);
	ck_assert_uint_eq(b.bt.marks.n_merges, n_merges);
	ck_assert_uint_eq(b.bt.marks.n_redistributions, n_redistributions);
	bench_close(&b);
}

START_TEST(delete_that_leaves_enough_changes_one_leaf)
{
	del_makes("([a b c] g [g k])", "b", "([a c] g [g k])", 0, 0);
	del_makes("(([a b c] g [g k]) m ([m n] o [o p q]))", "q",
		"(([a b c] g [g k]) m ([m n] o [o p]))", 0, 0);
}
END_TEST

START_TEST(low_leaf_and_its_right_neighbour_merge)
{
	del_makes("([a b] g [g h] m [m n])", "a", "([b g h] m [m n])", 1, 0);
}
END_TEST

START_TEST(low_leaf_and_its_left_neighbour_merge)
{
	del_makes("([a b] g [g h] m [m n])", "n", "([a b] g [g h m])", 1, 0);
	del_makes("([a b] g [g h] m [m n] o [p q])", "g", "([a b h] m [m n] o [p q])", 1, 0);
}
END_TEST

START_TEST(merged_leaf_has_the_prefix_of_the_outer_fences)
{
	del_makes("(([a b] c [c d]) usr/a ([usr/aeeee1 usr/affff2] usr/am [usr/ammmm3 usr/annnn4] "
		  "usr/b [v1 v2] v3 [v4 v5]))",
		"usr/affff2",
		"([a b] c [c d] usr/a {usr/}[usr/aeeee1 usr/ammmm3 usr/annnn4] usr/b [v1 v2] v3 "
		"[v4 v5])",
		2, 0);
}
END_TEST

START_TEST(root_with_one_child_gives_way_to_it)
{
	struct bench b;

	bench_open(&b, "([a b] g [g h])");
	bench_del(&b, "a");
	bench_is(&b, "[b g h]");
	ck_assert_uint_eq(b.bt.root.level, 0);
	ck_assert_uint_eq(b.bt.marks.n_roots_shrunk, 1);
	bench_close(&b);
}
END_TEST

START_TEST(inner_pages_merge_and_the_separator_comes_down)
{
	del_makes("(([a b] c [c d]) g ([g h] k [k l]))", "a", "([b c d] g [g h] k [k l])", 2, 0);
	del_makes("(([a b] c [c d]) g ([g h] k [k l]))", "l", "([a b] c [c d] g [g h k])", 2, 0);
}
END_TEST

START_TEST(two_that_do_not_fit_one_page_are_divided_anew)
{
	del_makes("([a b] g [g h i j] m [m n])", "a", "([b g] h [h i j] m [m n])", 0, 1);
}
END_TEST

START_TEST(left_neighbour_gives_its_last_records)
{
	del_makes("([a b] g [g h i j] m [m n])", "n", "([a b] g [g h] i [i j m])", 0, 1);
}
END_TEST

START_TEST(division_is_counted_in_bytes)
{
	del_makes("([a b] g [g:200 h:60 i:60 j:60 k:60] m [m n])", "a",
		"([b g] h [h i j k] m [m n])", 0, 1);
}
END_TEST

/*
 * In the right leaf a record takes 20 bytes, because 67 of its key are in the prefix. On the left
 * there is no prefix, and it takes 87. Half of all would be six records; five fit.
 */
START_TEST(division_goes_back_until_both_pages_fit)
{
	del_makes("([bb bc] c~70a [c~70b:87 c~70c:87 c~70d:87 c~70e:87 c~70f:87 c~70g:87 c~70h:87 "
		  "c~70i:87 c~70j:87 c~70k:87 c~70l:87] c~70z [d e])",
		"bc",
		"([bb c~70b c~70c c~70d c~70e] c~70f {c~67}[c~70f c~70g c~70h c~70i c~70j c~70k "
		"c~70l] c~70z [d e])",
		0, 1);
}
END_TEST

/* The inner page on the right loses its only separator; the left one has four of 96 bytes. */
START_TEST(inner_pages_are_divided_and_one_entry_goes_up)
{
	del_makes("(([a aa] b~80 [c ca] d~80 [e ea] f~80 [g ga] h~80 [i ia]) k~80 ([l m] n [o p]))",
		"l", "(([a aa] b~80 [c ca] d~80 [e ea]) f~80 ([g ga] h~80 [i ia] k~80 [m o p]))", 1,
		1);
}
END_TEST

/* The new separator takes 96 bytes, the old one took 20: the parent has no space for it. */
START_TEST(longer_separator_may_split_the_parent)
{
	struct bench b;

	bench_open(&b, "([a b] g [h~79a:140 h~79b:140 h~79c:140] p~80 [q r] r~80 [s t] t~80 [u v] "
		       "v~80 [w x])");
	bench_del(&b, "a");
	bench_is(&b, "(([b h~79a] h~79b [h~79b h~79c] p~80 [q r]) r~80 ([s t] t~80 [u v] v~80 "
		     "[w x]))");
	ck_assert_uint_eq(b.bt.marks.n_late_splits, 1);
	bench_close(&b);
}
END_TEST

struct life {
	struct double_env *env;
	struct btree bt;
	struct model model;
	uint64_t rng;
};

static void life_put(struct life *l)
{
	static const char *const begins[] = {"", "lib", "lib/x86_64-linux-gnu/perl/", "usr/"};
	uint64_t x = check_random(&l->rng), seed = check_random(&l->rng);
	size_t len = seed % 80;
	uint8_t val[80];
	char key[TREE_KEY_MAX];
	struct btree_slice k = {key, 0};

	k.len = (size_t)snprintf(key, sizeof(key), "%s%x", begins[x % 4], (unsigned)(x >> 52));
	model_value(seed, val, len);
	ck_assert_int_eq(btree_put(&l->bt, k, (struct btree_slice){val, len}, 0), 0);
	model_put(&l->model, k, seed, len);
}

static void life_del(struct life *l)
{
	size_t i = check_random(&l->rng) % l->model.n;
	struct model_record *r = &l->model.records[i];
	uint8_t key[TREE_KEY_MAX];
	struct btree_slice k = {key, r->key_len};

	if (r->key_len > 0)
		memcpy(key, r->key, r->key_len);
	ck_assert_int_eq(btree_del(&l->bt, k), 0);
	ck_assert(model_del(&l->model, k));
}

/* What a stream should meet in any seed, or the stream has not shown anything. */
static void life_has_met(const struct btree_marks *m)
{
	static const char *const hints[] = {"never split a page",
		"never merged two: does merge_repair() return too early?",
		"never divided two anew: does merge() say that it did it?", "never grew a root",
		"never lost a root: is shrink_root() called?"};
	uint64_t counts[] = {m->n_splits, m->n_merges, m->n_redistributions, m->n_roots_grown,
		m->n_roots_shrunk};

	for (unsigned i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		ck_assert_msg(counts[i] > 0, "this stream %s (struct btree_marks)", hints[i]);
}

START_TEST(edits_agree_with_a_sorted_array)
{
	struct txn_root root = {.tree = 7};
	struct life l = {.env = double_open(TREE_PAGE), .rng = check_seed()};

	btree_init(&l.bt, &l.env->txn, &root);
	for (unsigned i = 0; i < 8000; i++) {
		/* grow, shrink, grow, shrink */
		unsigned put_percent = i / 2000 % 2 ? 25 : 75;

		if (l.model.n == 0 || check_random(&l.rng) % 100 < put_percent)
			life_put(&l);
		else
			life_del(&l);
		if (i % 100 == 99)
			model_same_tree(&l.model, &l.bt);
		if (i % 37 == 36)
			double_commit(l.env);
	}
	while (l.model.n > 0) {
		life_del(&l);
		if (l.model.n % 100 == 0)
			model_same_tree(&l.model, &l.bt);
	}
	ck_assert_uint_eq(l.env->n_pins, 0);
	ck_assert_msg(l.env->n_live == 0, "all records are deleted, and %zu pages are in use",
		l.env->n_live);
	life_has_met(&l.bt.marks);
	model_fini(&l.model);
	btree_fini(&l.bt);
	double_close(l.env);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab5_repair");
	TCase *t = tcase_create("merge, and divide anew");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, delete_that_leaves_enough_changes_one_leaf);
	tcase_add_test(t, low_leaf_and_its_right_neighbour_merge);
	tcase_add_test(t, low_leaf_and_its_left_neighbour_merge);
	tcase_add_test(t, merged_leaf_has_the_prefix_of_the_outer_fences);
	tcase_add_test(t, root_with_one_child_gives_way_to_it);
	tcase_add_test(t, inner_pages_merge_and_the_separator_comes_down);
	tcase_add_test(t, two_that_do_not_fit_one_page_are_divided_anew);
	tcase_add_test(t, left_neighbour_gives_its_last_records);
	tcase_add_test(t, division_is_counted_in_bytes);
	tcase_add_test(t, division_goes_back_until_both_pages_fit);
	tcase_add_test(t, inner_pages_are_divided_and_one_entry_goes_up);
	tcase_add_test(t, longer_separator_may_split_the_parent);
	tcase_add_test(t, edits_agree_with_a_sorted_array);
	suite_add_tcase(s, t);
	return check_main(s);
}
