/* SPDX-License-Identifier: MIT */
/*
 * Trees of few large records, where the bounds of splitting and merging have no byte to spare
 * (btree/README.md, "Why a split always gives two pages that fit"). All sets of sizes at the
 * limits, all ways in which neighbouring keys begin alike, all orders of putting; then random lives
 * of some dozen records. btree_check holds B5 and B6 against the tree after each step.
 */
#include "btree/btree_int.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <string.h>

#define PAGE    512U
#define KEY_MAX 80U
#define N_MAX   60U

struct small {
	struct double_env *env;
	struct btree bt;
	unsigned n;
	uint8_t keys[N_MAX][KEY_MAX];
	unsigned key_lens[N_MAX];
	struct model model;
	uint64_t counter; /* seed of the next value */
};

static void small_open(struct small *s)
{
	struct txn_root root = {.tree = 7};

	memset(s, 0, sizeof(*s));
	ck_assert_uint_eq(btree_key_max(PAGE), KEY_MAX);
	s->env = double_open(PAGE);
	s->env->lax = true;
	btree_init(&s->bt, &s->env->txn, &root);
}

static void small_close(struct small *s)
{
	ck_assert_uint_eq(s->env->n_pins, 0);
	model_fini(&s->model);
	btree_fini(&s->bt);
	double_close(s->env);
}

/* n keys in order; neighbours i and i + 1 have common[i] bytes in common. */
static void make_keys(struct small *s, unsigned n, const unsigned *common, const unsigned *lens)
{
	s->n = n;
	memset(s->keys, 'a', sizeof(s->keys));
	for (unsigned i = 0; i < n; i++) {
		s->key_lens[i] = lens[i];
		if (i == 0)
			continue;
		ck_assert_uint_le(common[i - 1], lens[i - 1]);
		ck_assert_uint_lt(common[i - 1], lens[i]);
		memcpy(s->keys[i], s->keys[i - 1], common[i - 1]);
		s->keys[i][common[i - 1]] = (uint8_t)(s->keys[i - 1][common[i - 1]] + 1);
	}
}

static struct btree_slice key_of(const struct small *s, unsigned i)
{
	return (struct btree_slice){s->keys[i], s->key_lens[i]};
}

static void check(struct small *s, const char *what, unsigned i)
{
	int rc = btree_check(&s->bt, NULL, NULL, NULL);

	ck_assert_msg(rc == 0, "%s %u: %s", what, i, error_text());
}

/* Puts record i; its entry takes `size` bytes, whole key and slot included; 0: as few as can be. */
static void put(struct small *s, unsigned i, unsigned size)
{
	unsigned least = NODE_SLOT_BYTES + 2 + s->key_lens[i];
	size_t len = size > least ? size - least : 0;
	uint64_t seed = ++s->counter;
	uint8_t val[PAGE];

	ck_assert_uint_le(len, sizeof(val));
	model_value(seed, val, len);
	ck_assert_int_eq(btree_put(&s->bt, key_of(s, i), (struct btree_slice){val, len}, 0), 0);
	model_put(&s->model, key_of(s, i), seed, len);
	check(s, "after the put of record", i);
}

static void del(struct small *s, unsigned i)
{
	ck_assert_int_eq(btree_del(&s->bt, key_of(s, i)),
		model_del(&s->model, key_of(s, i)) ? 0 : 1);
	check(s, "after the delete of record", i);
}

/* The next permutation in lexical order; false after the last. */
static bool permute(unsigned *order, unsigned n)
{
	unsigned i = n - 1, k = n - 1, t;

	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[k] < order[i - 1])
		k--;
	t = order[i - 1], order[i - 1] = order[k], order[k] = t;
	for (k = n - 1; i < k; i++, k--)
		t = order[i], order[i] = order[k], order[k] = t;
	return true;
}

#define N 5U

/* _i: which neighbours have 72 bytes in common. The others are of a few bytes, or of none. */
START_TEST(every_small_tree_is_sound)
{
	const unsigned limits[] = {0, node_cap(PAGE) / 4, node_entry_max(PAGE)};
	unsigned common[N] = {0}, lens[N], order[N], n_runs = 0;
	struct small s;

	small_open(&s);
	for (unsigned i = 0; i < N - 1; i++)
		common[i] = _i >> i & 1 ? 72 : 0;
	for (unsigned i = 0; i < N; i++)
		lens[i] = common[i] || (i > 0 && common[i - 1]) ? KEY_MAX - i % 3 : i;
	make_keys(&s, N, common, lens);
	for (unsigned sizes = 0; sizes < 3 * 3 * 3 * 3 * 3; sizes++) {
		for (unsigned i = 0; i < N; i++)
			order[i] = i;
		do {
			unsigned size = sizes, turn = n_runs++ % N;

			for (unsigned i = 0; i < N; i++, size /= 3)
				put(&s, order[i], limits[size % 3]);
			/* and away in another order: forwards, backwards, from the middle */
			for (unsigned i = 0; i < N; i++)
				del(&s, order[(turn + i * (1 + n_runs % (N - 1))) % N]);
			ck_assert_uint_eq(s.env->n_live, 0);
		} while (permute(order, N));
	}
	ck_assert_uint_gt(s.bt.marks.n_splits, 1000);
	ck_assert_uint_gt(s.bt.marks.n_merges, 1000);
	small_close(&s);
}
END_TEST

/* Random keys, sizes at and beside the limits, values replaced by larger and smaller ones. */
START_TEST(random_small_trees_are_sound)
{
	static const unsigned sizes[] = {0, 1, 2, 3, 4, 6, 8};
	uint64_t rng = check_seed() * 7 + (uint64_t)_i;
	uint64_t n_redistributions = 0, n_late = 0, n_shares = 0, n_thirds = 0;

	printf("VERSO_SEED=%llu round %d\n", (unsigned long long)check_seed(), _i);
	for (unsigned round = 0; round < 150; round++) {
		unsigned common[N_MAX], lens[N_MAX], n = 4 + (unsigned)(check_random(&rng) % 9);
		bool many = round % 5 == 0; /* small records that differ in their last byte */
		struct small s;

		n *= many ? 5 : 1;
		small_open(&s);
		for (unsigned i = 0; i < n; i++) {
			uint64_t x = check_random(&rng);

			common[i] = (unsigned)(x % 4 == 0 ? 0 : x % 4 == 1 ? 75 : (x >> 8) % 76);
			if (many && x % 16 > 1)
				common[i] = 75;
			lens[i] = KEY_MAX - (unsigned)((x >> 16) % 4);
		}
		make_keys(&s, n, common, lens);
		for (unsigned ops = 0; ops < 400; ops++) {
			uint64_t x = check_random(&rng);
			unsigned of = sizes[(x >> 8) % 7];
			unsigned size = of ? node_cap(PAGE) / of : 0;

			size -= of > 1 ? (unsigned)((x >> 16) % 3) : 0;
			if (many && x % 8 > 0)
				size = 0;
			else if (of == 1) /* any */
				size = (unsigned)((x >> 16) % (node_entry_max(PAGE) + 1));
			if (x % 100 < (ops / 100 % 2 ? 35 : 65))
				put(&s, (unsigned)((x >> 32) % n), size);
			else
				del(&s, (unsigned)((x >> 32) % n));
		}
		model_same_tree(&s.model, &s.bt);
		n_redistributions += s.bt.marks.n_redistributions;
		n_late += s.bt.marks.n_late_splits;
		n_shares += s.bt.marks.n_shares;
		n_thirds += s.bt.marks.n_thirds;
		for (unsigned i = 0; i < n; i++)
			del(&s, i);
		ck_assert_uint_eq(s.env->n_live, 0);
		small_close(&s);
	}
	printf("%llu redistributions, %llu splits after one, %llu shared, %llu of two made three\n",
		(unsigned long long)n_redistributions, (unsigned long long)n_late,
		(unsigned long long)n_shares, (unsigned long long)n_thirds);
	ck_assert_uint_gt(n_redistributions, 100);
	ck_assert_uint_gt(n_shares, 100);
	ck_assert_uint_gt(n_thirds, 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_small");
	TCase *t = tcase_create("small trees");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, every_small_tree_is_sound, 0, 1 << (N - 1));
	tcase_add_loop_test(t, random_small_trees_are_sound, 0, 8);
	suite_add_tcase(s, t);
	return check_main(s);
}
