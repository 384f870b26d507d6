/* SPDX-License-Identifier: MIT */
/*
 * Advice for a range of keys: the leaves below which it lies are named to the pager. Only inner
 * pages are read, of which there is one for some hundred leaves; they know no more than between
 * which separators a leaf lies, so the first and the last one may hold other records too.
 */
#include "btree/btree_int.h"

#define INNER_AT_ONCE 32U

/*
 * Which bounds lie below a page: those along whose edge of the range it lies. Elsewhere all
 * children count, and a bound cannot be looked up: it need not have the prefix that the page's keys
 * share.
 */
struct edges {
	bool from, to;
};

struct advise {
	struct btree *bt;
	struct btree_slice from, to; /* data NULL: no bound */
	enum btree_advice advice;
	size_t n_left; /* leaves that may be wanted yet */
	bool stopped;  /* there are none, or the pager takes no more for now */
	struct page_ref refs[BTREE_BATCH_MAX];
};

/* The children [*ret_first, *ret_last] whose keys can lie in the range. False: damaged. */
static bool children_in(const struct advise *a, const struct page *page, struct edges edges,
	unsigned *ret_first, unsigned *ret_last)
{
	uint32_t page_size = tree_page_size(a->bt);
	unsigned n;

	if (!node_count_is_valid(page, page_size))
		return false;
	n = node_count(page);
	*ret_first = 0;
	*ret_last = n;
	if (edges.from)
		*ret_first = node_child_index(page, page_size, a->from.data, (unsigned)a->from.len);
	if (edges.to)
		*ret_last = node_child_index(page, page_size, a->to.data, (unsigned)a->to.len);
	return *ret_first <= *ret_last && *ret_last <= n;
}

/* Lists up to n children from i on. False: a reference is null, or lies beyond the page. */
static bool list_children(struct advise *a, const struct page *page, unsigned i, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		a->refs[k] = node_child(page, tree_page_size(a->bt), i + (unsigned)k);
		if (ref_is_null(a->refs[k]))
			return false;
	}
	return true;
}

/* Wanted leaves are counted, too: a pager whose reads end inside the call would take them all. */
static void advise_leaves(struct advise *a, size_t n)
{
	struct pager *pager = a->bt->txn->pager;

	if (a->advice == BTREE_ADVICE_COLD) {
		pager_cool(pager, a->refs, n);
		return;
	}
	if (n > a->n_left)
		n = a->n_left;
	a->n_left -= n;
	a->stopped = pager_read_ahead(pager, a->refs, n) < n || a->n_left == 0;
}

static int advise_under(struct advise *a, struct page_ref ref, unsigned level, struct edges edges);

/* Children [first, last] of a pinned inner page. */
static int advise_children(struct advise *a, const struct page *page, struct edges edges,
	unsigned first, unsigned last)
{
	struct pager *pager = a->bt->txn->pager;
	size_t at_once = page->level == 1 ? BTREE_BATCH_MAX : INNER_AT_ONCE;
	int rc = 0;

	for (unsigned i = first; rc == 0 && !a->stopped && i <= last;) {
		size_t n = last - i + 1U < at_once ? last - i + 1U : at_once;

		if (!list_children(a, page, i, n))
			return tree_corrupt(a->bt, page_ref(page), INNER_IS_BAD);
		if (page->level == 1) {
			advise_leaves(a, n);
			i += (unsigned)n;
			continue;
		}
		if (n > 1)
			pager_prefetch(pager, a->refs, n); /* got next, one after the other */
		for (; rc == 0 && !a->stopped && n > 0; n--, i++) {
			struct edges below = {edges.from && i == first, edges.to && i == last};

			rc = advise_under(a, node_child(page, tree_page_size(a->bt), i),
				page->level - 1U, below);
		}
	}
	return rc;
}

static int advise_under(struct advise *a, struct page_ref ref, unsigned level, struct edges edges)
{
	const struct page *page;
	unsigned first, last;
	int rc = tree_get_node(a->bt, ref, level, &page);

	if (rc < 0)
		return rc;
	if (children_in(a, page, edges, &first, &last))
		rc = advise_children(a, page, edges, first, last);
	else
		rc = tree_corrupt(a->bt, ref, INNER_IS_BAD);
	pager_put(a->bt->txn->pager, page);
	return rc;
}

static int compare_slices(struct btree_slice a, struct btree_slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int c = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* A longer key than any lies just above its own beginning. */
static struct btree_slice cut(struct btree_slice key, uint32_t key_max)
{
	return (struct btree_slice){key.data, key.len < key_max ? key.len : key_max};
}

int btree_advise(struct btree *bt, struct btree_slice from, struct btree_slice to,
	enum btree_advice advice)
{
	uint32_t key_max = node_key_max(tree_page_size(bt));
	struct advise a = {.bt = bt, .from = cut(from, key_max), .to = cut(to, key_max)};
	unsigned level = bt->root.level;

	a.advice = advice;
	a.n_left = atomic_load_explicit(&bt->txn->pager->advice_pages, memory_order_relaxed);
	if (ref_is_null(bt->root.ref) || (to.data && compare_slices(from, to) >= 0))
		return 0;
	if (level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, bt->root.ref, "the root claims too many levels");
	if (level > 0)
		return advise_under(&a, bt->root.ref, level,
			(struct edges){from.data != NULL, to.data != NULL});
	a.refs[0] = bt->root.ref;
	advise_leaves(&a, 1);
	return 0;
}
