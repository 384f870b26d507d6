/* SPDX-License-Identifier: MIT */
/*
 * The short way of a put behind the last record (btree/README.md, "The right edge"), against a
 * sorted array, mixed with everything that takes the leaf away which the tree remembers.
 */
#include "btree/btree.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/double_txn.h"

#include <string.h>

#define PAGE_SIZE 512U
#define VAL_MAX   (8 * PAGE_SIZE)

struct edge {
	struct double_env *env;
	struct btree bt;
	struct model model;
	uint64_t rng, counter;
	uint8_t key[8];
};

static uint64_t pick(struct edge *e, uint64_t n)
{
	return check_random(&e->rng) % n;
}

static void edge_open(struct edge *e)
{
	struct txn_root root = {.tree = 7};

	memset(e, 0, sizeof(*e));
	e->env = double_open(PAGE_SIZE);
	e->rng = check_seed();
	btree_init(&e->bt, &e->env->txn, &root);
}

static void edge_close(struct edge *e)
{
	btree_fini(&e->bt);
	model_fini(&e->model);
	double_close(e->env);
}

static struct btree_slice key_of(struct edge *e, uint64_t n)
{
	for (unsigned b = 0; b < sizeof(e->key); b++)
		e->key[b] = (uint8_t)(n >> (56 - 8 * b));
	return (struct btree_slice){e->key, sizeof(e->key)};
}

/* A key above all that were. */
static struct btree_slice next_key(struct edge *e)
{
	return key_of(e, e->counter++);
}

/* The key of the record that is the back-th from the end. */
static struct btree_slice late_key(struct edge *e, size_t back)
{
	memcpy(e->key, e->model.records[e->model.n - back].key, sizeof(e->key));
	return (struct btree_slice){e->key, sizeof(e->key)};
}

static void put(struct edge *e, struct btree_slice key, size_t len)
{
	static uint8_t val[VAL_MAX];
	uint64_t seed = check_random(&e->rng);

	model_value(seed, val, len);
	ck_assert_int_eq(btree_put(&e->bt, key, (struct btree_slice){val, len}, 0), 0);
	model_put(&e->model, key, seed, len);
}

static void del(struct edge *e, struct btree_slice key)
{
	ck_assert_int_eq(btree_del(&e->bt, key), 0);
	ck_assert(model_del(&e->model, key));
}

START_TEST(edits_at_the_edge_agree_with_model)
{
	struct edge e;

	edge_open(&e);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t what = pick(&e, 100);
		size_t back = 1 + pick(&e, 3), len = pick(&e, pick(&e, 40) ? 60 : VAL_MAX);

		if (what < 70 || e.model.n <= back)
			put(&e, next_key(&e), len);
		else if (what < 80)
			put(&e, late_key(&e, back), len);
		else if (what < 95)
			del(&e, late_key(&e, back));
		else if (what < 97)
			del(&e, late_key(&e, 1 + pick(&e, e.model.n)));
		else if (what < 99)
			e.env->spill = (unsigned)pick(&e, 3);
		else
			double_commit(e.env);
		if (i % 1000 == 0)
			model_same_tree(&e.model, &e.bt);
	}
	model_same_tree(&e.model, &e.bt);
	ck_assert_uint_eq(e.env->n_pins, 0);
	ck_assert_uint_ge(e.bt.marks.n_edge_puts, 1000);
	while (e.model.n > 0)
		del(&e, late_key(&e, 1));
	ck_assert_uint_eq(e.env->n_live, 0);
	edge_close(&e);
}
END_TEST

START_TEST(ascending_puts_take_the_short_way)
{
	struct btree_check_stats stats;
	struct edge e;

	edge_open(&e);
	for (unsigned i = 0; i < 20000; i++)
		put(&e, next_key(&e), 10);
	ck_assert_int_eq(btree_check(&e.bt, NULL, NULL, &stats), 0);
	ck_assert_uint_eq(stats.n_records, 20000);
	/* But the first two of each leaf: one splits, one goes down and remembers. */
	ck_assert_uint_ge(e.bt.marks.n_edge_puts, 20000 - 2 * stats.n_leaves);
	edge_close(&e);
}
END_TEST

/* The place of the leaf that one tree knew is another tree's leaf, of the same transaction. */
START_TEST(edge_of_a_dropped_tree_is_forgotten)
{
	struct txn_root root = {.tree = 8};
	struct btree other;
	struct edge e;

	edge_open(&e);
	for (unsigned i = 0; i < 300; i++)
		put(&e, next_key(&e), 60);
	ck_assert_uint_ne(e.bt.edge.pgno, 0);
	ck_assert_int_eq(btree_drop(&e.bt), 0);
	model_fini(&e.model);
	memset(&e.model, 0, sizeof(e.model));
	btree_init(&other, &e.env->txn, &root);
	/* Descending, so that its leaves have room. */
	for (unsigned i = 600; i > 300; i--)
		ck_assert_int_eq(btree_put(&other, key_of(&e, i), (struct btree_slice){"v", 1}, 0),
			0);
	e.counter = 601;
	put(&e, next_key(&e), 60);
	put(&e, next_key(&e), 60);
	model_same_tree(&e.model, &e.bt);
	ck_assert_uint_eq(other.root.count, 300);
	ck_assert_int_eq(btree_check(&other, NULL, NULL, NULL), 0);
	btree_fini(&other);
	edge_close(&e);
}
END_TEST

/* A spill that another tree's edit brings about seals the leaf that this one knows. */
START_TEST(edge_that_was_spilled_is_not_written_to)
{
	struct txn_root root = {.tree = 8};
	struct btree other;
	struct edge e;

	edge_open(&e);
	btree_init(&other, &e.env->txn, &root);
	for (unsigned i = 0; i < 50; i++) {
		put(&e, next_key(&e), 20);
		put(&e, next_key(&e), 20);
		e.env->spill = 1;
		ck_assert_int_eq(btree_put(&other, key_of(&e, i), (struct btree_slice){"v", 1}, 0),
			0);
		e.env->spill = 0;
	}
	model_same_tree(&e.model, &e.bt);
	ck_assert_int_eq(btree_check(&other, NULL, NULL, NULL), 0);
	btree_fini(&other);
	edge_close(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_edge");
	TCase *t = tcase_create("edge");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, edits_at_the_edge_agree_with_model);
	tcase_add_test(t, ascending_puts_take_the_short_way);
	tcase_add_test(t, edge_of_a_dropped_tree_is_forgotten);
	tcase_add_test(t, edge_that_was_spilled_is_not_written_to);
	suite_add_tcase(s, t);
	return check_main(s);
}
