/* SPDX-License-Identifier: MIT */
/*
 * Repairing a node that an edit left with too little: merge with a neighbour, or redistribution,
 * and the root's end.
 *
 * A merge moves fences apart: entries may grow, so its size is computed before. When two neighbours
 * do not fit one page, there is a place to divide them that leaves each a quarter of the page at
 * least, counted without prefix compression; README has the proof.
 *
 * A redistribution changes a separator, which may be longer than the one before: the parent may
 * split. So a delete can make the tree higher. Nothing here can fail.
 */
#include "btree/btree_int.h"

/* Puts both into the left page, if they fit. */
static bool merge(struct edit *e, unsigned d)
{
	/* LAB 5.8 begin: count first; copy both; all into the left one; give the other up */
	struct btree_work *w = e->bt->work;
	struct edit_step *s = &e->steps[d];
	struct pair p = pair_of(e, d);
	unsigned n = pair_count(&p), prefix_len = pair_prefix(&p, 0, n, p.low, p.high);
	struct page *left;
	struct page_ref gone;

	if (pair_bytes(&p, 0, n, prefix_len) > node_cap(e->page_size))
		return false;
	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	if (s->sib == p.left) {
		left = pair_touch_sib(e, d);
		gone = s->ref;
	} else {
		left = edit_page(e, d);
		gone = s->sib_ref;
		pager_put(e->bt->txn->pager, s->sib);
		s->sib = NULL;
	}
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;
	node_init(left, e->page_size, p.low.data, prefix_len);
	pair_append(&p, left, 0, n, w->key[0]);
	if (!pair_is_leaf(&p))
		node_set_child(left, 0, node_child(p.left, e->page_size, 0));
	e->bt->marks.n_merges++;
	txn_free(e->bt->txn, gone);
	node_remove(edit_page(e, d - 1), e->page_size, p.slot);
	return true;
	/* LAB 5.8 end: LAB_TODO_VOID("5.8"); */
}

static bool pair_fits(const struct pair *p, struct btree_work *w, unsigned k)
{
	struct key_span sep = pair_separator(p, w, k);
	unsigned from = pair_is_leaf(p) ? k : k + 1, n = pair_count(p);
	unsigned left = pair_bytes(p, 0, k, pair_prefix(p, 0, k, p->low, sep));
	unsigned right = pair_bytes(p, from, n, pair_prefix(p, from, n, sep, p->high));

	return left <= node_cap(p->page_size) && right <= node_cap(p->page_size);
}

/*
 * Where to divide the pair: as near to balance as fits, searched towards where it is divided now.
 */
static unsigned pair_divide(const struct pair *p, struct btree_work *w)
{
	/* LAB 5.9 begin: as in a split, but by bytes without prefix; then until both fit */
	unsigned n = pair_count(p), now = node_count(p->left), k = 0, sum = 0;
	bool leaf = pair_is_leaf(p);
	unsigned last = leaf ? n - 1 : n - 2;
	unsigned total = pair_bytes(p, 0, n, 0);

	while (k < last && 2 * sum + pair_size(p, k, 0) * (leaf ? 1 : 2) < total)
		sum += pair_size(p, k++, 0);
	ASSERT(k > 0); /* no entry is as large as all the others */
	while (k != now && !pair_fits(p, w, k))
		k = k < now ? k + 1 : k - 1;
	return k;
	/* LAB 5.9 end: LAB_TODO_VOID("5.9"); */
}

/* Divides the two anew. True if the parent split: then nothing above has become low. */
static bool redistribute(struct edit *e, unsigned d)
{
	/* LAB 5.10 begin: divide; copy; both anew; the separator above gives way to the new one */
	struct btree_work *w = e->bt->work;
	struct edit_step *s = &e->steps[d];
	struct pair p = pair_of(e, d);
	unsigned k = pair_divide(&p, w), n = pair_count(&p), from = pair_is_leaf(&p) ? k : k + 1;
	bool sib_is_left = s->sib == p.left, leaf = pair_is_leaf(&p), has_split;
	struct page *own, *sib, *left, *right;
	struct key_span sep;
	struct node_entry up = {0};

	if (k == node_count(p.left))
		return true;
	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	own = edit_page(e, d);
	sib = pair_touch_sib(e, d);
	left = sib_is_left ? sib : own;
	right = sib_is_left ? own : sib;
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;

	sep = pair_separator(&p, w, k);
	memcpy(w->sep[1], sep.data, sep.len);
	sep.data = w->sep[1];
	node_init(left, e->page_size, sep.data, pair_prefix(&p, 0, k, p.low, sep));
	pair_append(&p, left, 0, k, w->key[0]);
	node_init(right, e->page_size, sep.data, pair_prefix(&p, from, n, sep, p.high));
	pair_append(&p, right, from, n, w->key[0]);
	if (!leaf) {
		struct node_entry at;

		pair_entry(&p, k, w->key[0], &at);
		node_set_child(right, 0, at.child);
		node_set_child(left, 0, node_child(p.left, e->page_size, 0));
	}
	up.key = sep.data;
	up.key_len = sep.len;
	up.child = sib_is_left ? s->ref : s->sib_ref;
	e->bt->marks.n_redistributions++;
	node_remove(edit_page(e, d - 1), e->page_size, p.slot);
	has_split = split_insert(e, d - 1, p.slot, up);
	e->bt->marks.n_late_splits += has_split;
	return has_split;
	/* LAB 5.10 end: LAB_TODO_VOID("5.10"); */
}

/* An inner root with one child gives way to it. */
static void shrink_root(struct edit *e)
{
	/* LAB 5.7 begin: its only child becomes the root */
	struct txn_root *root = &e->bt->root;
	const struct page *page = e->steps[0].page;

	if (root->level == 0 || node_count(page) > 0)
		return;
	root->ref = node_child(page, e->page_size, 0);
	root->level--;
	e->bt->marks.n_roots_shrunk++;
	txn_free(e->bt->txn, e->steps[0].ref);
	/* LAB 5.7 end: LAB_TODO_VOID("5.7"); */
}

void merge_repair(struct edit *e, unsigned d)
{
	/* LAB 5.6 begin: while a page is low: merge, or redistribute; then up; at last the root */
	for (; d > 0; d--) {
		struct edit_step *s = &e->steps[d];

		if (!node_is_low(e->page_size, node_used(s->page)) || !s->sib)
			return;
		if (!merge(e, d) && redistribute(e, d))
			return;
	}
	shrink_root(e);
	/* LAB 5.6 end: LAB_TODO_VOID("5.6"); */
}

void merge_right(struct edit *e)
{
	bool fitted = merge(e, e->height - 1);

	ASSERT(fitted);
	merge_repair(e, e->height - 2);
}
