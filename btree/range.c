/* SPDX-License-Identifier: MIT */
/*
 * Ranges of keys: their bounds, and how many records lie between them.
 *
 * To count them exactly each leaf of the range is read, for the tree does not say how many records
 * lie below an inner page. The estimate reads two paths: it takes the subtrees of a page for
 * equally large, as they are but for the fill of their pages.
 */
#include "btree/btree_int.h"

#define AT_ONCE 32U /* pages that are named to the pager before they are read, one by one */

/* Along which edges of the range a page lies: there its bounds can be searched for. */
struct edges {
	bool from, to;
};

struct tally {
	struct btree *bt;
	struct btree_range range;
	uint64_t n;
};

bool btree_is_above(struct btree_slice key, const struct btree_bound *bound)
{
	int c = key_cmp(key.data, (unsigned)key.len, bound->key.data, (unsigned)bound->key.len);

	return c > 0 || (c == 0 && !bound->above);
}

/* The first record of a leaf above a bound, which lies between its fences. NODE_BAD: damaged. */
static unsigned index_above(const struct page *leaf, uint32_t page_size,
	const struct btree_bound *bound)
{
	bool exact;
	unsigned i = node_lower(leaf, page_size, bound->key.data, (unsigned)bound->key.len, &exact);

	return i == NODE_BAD ? NODE_BAD : i + (exact && bound->above);
}

static int count_leaf(struct tally *t, const struct page *leaf, struct edges edges)
{
	uint32_t page_size = tree_page_size(t->bt);
	unsigned first = 0, last;

	if (!node_count_is_valid(leaf, page_size))
		return tree_corrupt(t->bt, page_ref(leaf), LEAF_IS_BAD);
	last = node_count(leaf);
	if (edges.from)
		first = index_above(leaf, page_size, &t->range.from);
	if (edges.to)
		last = index_above(leaf, page_size, &t->range.to);
	if (first == NODE_BAD || last == NODE_BAD)
		return tree_corrupt(t->bt, page_ref(leaf), LEAF_IS_BAD);
	t->n += last > first ? last - first : 0;
	return 0;
}

static unsigned child_of(const struct page *page, uint32_t page_size, const struct btree_bound *b)
{
	return node_child_index(page, page_size, b->key.data, (unsigned)b->key.len);
}

/* Asks for the children [i, last], as many as are read soon. */
static void name_children(struct btree *bt, const struct page *page, unsigned i, unsigned last)
{
	struct page_ref refs[AT_ONCE];
	size_t n = 0;

	for (; i <= last && n < AT_ONCE; i++)
		refs[n++] = node_child(page, tree_page_size(bt), i);
	if (n > 1)
		pager_prefetch(bt->txn->pager, refs, n);
}

static int count_under(struct tally *t, struct page_ref ref, unsigned level, struct edges edges);

static int count_children(struct tally *t, const struct page *page, struct edges edges)
{
	uint32_t page_size = tree_page_size(t->bt);
	unsigned first = 0, last, n;
	int rc = 0;

	if (!node_count_is_valid(page, page_size))
		return tree_corrupt(t->bt, page_ref(page), INNER_IS_BAD);
	last = n = node_count(page);
	if (edges.from)
		first = child_of(page, page_size, &t->range.from);
	if (edges.to)
		last = child_of(page, page_size, &t->range.to);
	if (first > n || last > n)
		return tree_corrupt(t->bt, page_ref(page), INNER_IS_BAD);
	for (unsigned i = first; rc == 0 && i <= last; i++) {
		struct edges below = {edges.from && i == first, edges.to && i == last};

		if ((i - first) % AT_ONCE == 0)
			name_children(t->bt, page, i, last);
		rc = count_under(t, node_child(page, page_size, i), page->level - 1U, below);
	}
	return rc;
}

static int count_under(struct tally *t, struct page_ref ref, unsigned level, struct edges edges)
{
	const struct page *page;
	int rc = tree_get_node(t->bt, ref, level, &page);

	if (rc < 0)
		return rc;
	rc = level == 0 ? count_leaf(t, page, edges) : count_children(t, page, edges);
	pager_put(t->bt->txn->pager, page);
	return rc;
}

int btree_count(struct btree *bt, const struct btree_range *range, uint64_t *ret_n)
{
	struct tally t = {.bt = bt};
	struct edges edges = {range->from.key.data != NULL, range->to.key.data != NULL};
	int rc = 0;

	t.range.from = tree_bound(bt, range->from);
	t.range.to = tree_bound(bt, range->to);
	if (!edges.from && !edges.to) {
		*ret_n = bt->root.count;
		return 0;
	}
	if (bt->root.level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, bt->root.ref, "the root claims too many levels");
	if (!ref_is_null(bt->root.ref))
		rc = count_under(&t, bt->root.ref, bt->root.level, edges);
	if (rc == 0)
		*ret_n = t.n;
	return rc;
}

/* Where a bound lies: in which leaf, before which of its records; and which part of all is below.
 */
struct spot {
	struct page_ref leaf;
	unsigned index;
	double part;
};

static int spot_of(struct btree *bt, const struct btree_bound *bound, struct spot *ret_spot)
{
	struct tree_trail trail;
	const struct page *leaf;
	unsigned n;
	int rc = tree_descend(bt, AIM_KEY, bound->key, &trail, &leaf);

	if (rc < 0)
		return rc;
	ret_spot->leaf = page_ref(leaf);
	ret_spot->index = index_above(leaf, tree_page_size(bt), bound);
	n = node_count(leaf);
	pager_put(bt->txn->pager, leaf);
	if (ret_spot->index == NODE_BAD || ret_spot->index > n || n == 0)
		return tree_corrupt(bt, ret_spot->leaf, LEAF_IS_BAD);
	ret_spot->part = (double)ret_spot->index / n;
	for (unsigned level = 1; level <= bt->root.level; level++)
		ret_spot->part =
			(trail.at[level].index + ret_spot->part) / (trail.at[level].count + 1.0);
	return 0;
}

int btree_count_about(struct btree *bt, const struct btree_range *range, uint64_t *ret_n)
{
	struct btree_bound from = tree_bound(bt, range->from), to = tree_bound(bt, range->to);
	struct spot first = {.part = 0}, last = {.part = 1};
	int rc = 0;

	if (ref_is_null(bt->root.ref)) {
		*ret_n = 0;
		return 0;
	}
	if (from.key.data)
		rc = spot_of(bt, &from, &first);
	if (rc == 0 && to.key.data)
		rc = spot_of(bt, &to, &last);
	if (rc < 0)
		return rc;
	if (from.key.data && to.key.data && ref_is(first.leaf, last.leaf))
		*ret_n = last.index > first.index ? last.index - first.index : 0;
	else if (last.part > first.part)
		*ret_n = (uint64_t)((last.part - first.part) * (double)bt->root.count + 0.5);
	else
		*ret_n = 0;
	return 0;
}
