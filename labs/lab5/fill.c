/* SPDX-License-Identifier: MIT */
/*
 * How full are the leaves that puts leave behind? 100,000 records come in ascending, random and
 * descending order of their keys; each order makes a tree of its own.
 *
 *	fill		a table
 *	fill leaves	a line `order, how,percent` for each leaf: for plot.py
 *
 * Linked with no_share.c a full leaf is always split; without it, it asks its neighbours first.
 */
#include "btree/btree.h"
#include "btree/node.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE    4096U
#define RECORDS 100000U
#define VAL_MIN 20U
#define VAL_MAX 80U

enum order { ASCENDING, RANDOM, DESCENDING, ORDER_END };

static const char *const names[] = {"ascending", "random", "descending"};

struct sums {
	uint64_t leaves, inner, children, used;
	const char *name; /* of the lines to print; NULL: none */
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void put(struct btree *bt, enum order order, uint64_t i)
{
	static const uint8_t val[VAL_MAX];
	uint64_t x = order == ASCENDING ? i : order == DESCENDING ? ~i : mix(i + 1);
	size_t len = VAL_MIN + mix(i) % (VAL_MAX - VAL_MIN + 1);
	uint8_t key[8];

	for (unsigned b = 0; b < sizeof(key); b++)
		key[b] = (uint8_t)(x >> (56 - 8 * b));
	if (btree_put(bt, (struct btree_slice){key, sizeof(key)}, (struct btree_slice){val, len},
		    0) != 0) {
		(void)fprintf(stderr, "fill: %s\n", error_text());
		exit(EXIT_FAILURE);
	}
}

static void look(struct double_env *env, struct page_ref ref, struct sums *s)
{
	const struct page *page = double_page(env, ref.pgno);

	if (page->level == 0) {
		s->leaves++;
		s->used += node_used(page);
		if (s->name)
			printf("%s,%u\n", s->name, node_used(page) * 100 / node_cap(PAGE));
		return;
	}
	s->inner++;
	s->children += node_count(page) + 1U;
	for (unsigned i = 0; i <= node_count(page); i++)
		look(env, node_child(page, PAGE, i), s);
}

struct tree {
	struct double_env *env;
	struct btree bt;
};

static void fill(struct tree *tree, enum order order)
{
	struct txn_root root = {.tree = 7};

	tree->env = double_open(PAGE);
	tree->env->lax = true;
	btree_init(&tree->bt, &tree->env->txn, &root);
	for (uint64_t i = 0; i < RECORDS; i++)
		put(&tree->bt, order, i);
}

static void print_leaves(const struct tree *tree, enum order order, bool shares)
{
	struct sums s = {0};
	char name[64];

	(void)snprintf(name, sizeof(name), "%s, %s", names[order],
		shares ? "with neighbours" : "splits alone");
	s.name = name;
	look(tree->env, tree->bt.root.ref, &s);
}

static void print_row(const struct tree *tree, enum order order)
{
	const struct btree_marks *m = &tree->bt.marks;
	struct sums s = {0};

	look(tree->env, tree->bt.root.ref, &s);
	printf("%-10s  %6llu  %3llu %%  %6u  %7.0f  %6llu  %6llu  %6llu\n", names[order],
		(unsigned long long)s.leaves,
		(unsigned long long)(s.used * 100 / (s.leaves * node_cap(PAGE))),
		tree->bt.root.level + 1U, (double)s.children / (double)s.inner,
		(unsigned long long)m->n_splits, (unsigned long long)m->n_shares,
		(unsigned long long)m->n_thirds);
}

int main(int argc, char **argv)
{
	bool leaves = argc == 2 && strcmp(argv[1], "leaves") == 0, shares = false;
	struct tree trees[ORDER_END];

	if (argc > 1 && !leaves) {
		(void)fprintf(stderr, "usage: fill [leaves]\n");
		return 2;
	}
	for (enum order order = ASCENDING; order < ORDER_END; order++) {
		fill(&trees[order], order);
		/* Linked with no_share.c none is ever shared. */
		shares = shares || trees[order].bt.marks.n_shares > 0;
	}
	if (!leaves)
		printf("keys        leaves   full  levels  fan-out  splits  shared  thirds\n");
	for (enum order order = ASCENDING; order < ORDER_END; order++) {
		if (leaves)
			print_leaves(&trees[order], order, shares);
		else
			print_row(&trees[order], order);
		btree_fini(&trees[order].bt);
		double_close(trees[order].env);
	}
	return 0;
}
