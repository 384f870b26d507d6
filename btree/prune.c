/* SPDX-License-Identifier: MIT */
/*
 * Deleting a range of records, as much at a time as one edit can take.
 *
 * A step goes down to the first record that is left of the range, and then does one of these:
 *
 *	trim    removes the records of this leaf that lie in the range
 *	prune   frees several leaves of one parent that lie in the range whole; an empty leaf takes
 *		their place, which is low, so that it is merged with a neighbour at once (merge.c)
 *	pass    there is nothing in this leaf: goes on behind it
 *
 * The empty leaf is why nothing but a merge moves a fence (B3): it takes over the fences of what it
 * stands for, and the neighbour that takes it in is built anew. One leaf of a parent at least is
 * left for that. So what a step needs is what a deletion of one record needs (edit.c), and each
 * step ends with a whole tree; only what it frees may be more, as much as a parent refers to.
 *
 * A leaf that is freed is read, for the number of its records (B8) and its long values, but not
 * copied.
 */
#include "btree/btree_int.h"

#include <errno.h>

#define AT_ONCE 32U /* leaves that are named to the pager before they are read, one by one */

struct prune {
	struct btree *bt;
	struct btree_range range; /* in `keys`; `from` goes up as the steps do */
	uint8_t *keys;            /* two of the longest */
	uint64_t n;               /* records removed */
	bool done;
};

/* Whether every key below the fence `high` (data NULL: above all) lies below the range's end. */
static bool ends_above(const struct prune *p, struct key_span high)
{
	const struct btree_slice *to = &p->range.to.key;

	return !to->data ||
	       (high.data && key_cmp(to->data, (unsigned)to->len, high.data, high.len) >= 0);
}

/* The fence above the page at depth d. */
static struct key_span fence_above(struct edit *e, unsigned d)
{
	return edit_fence(e, d, d > 0 ? e->steps[d - 1].index : 0, false, e->bt->work->high);
}

/*
 * The children [*ret_first, *ret_end) of the leaf's parent that lie in the range whole, without one
 * of them if they are all. from: index of the leaf's first record in the range; whole: the range
 * goes beyond the leaf.
 */
static void whole_children(struct prune *p, struct edit *e, unsigned from, bool whole,
	unsigned *ret_first, unsigned *ret_end)
{
	const struct edit_step *up = &e->steps[e->height - 2];
	const struct btree_slice *to = &p->range.to.key;
	unsigned n = node_count(up->page) + 1;

	*ret_first = whole && from == 0 ? up->index : up->index + 1;
	*ret_end = n;
	if (!ends_above(p, fence_above(e, e->height - 2)))
		*ret_end = node_child_index(up->page, e->page_size, to->data, (unsigned)to->len);
	if (*ret_first == 0 && *ret_end == n)
		(*ret_end)--;
}

/*
 * Lists child i of the leaf's parent, a leaf that goes, and the pages of its long values. It lies
 * between its fences, so no leaf is listed twice.
 */
static int list_leaf(struct edit *e, struct page_ref ref, unsigned i, struct ref_list *gone,
	uint64_t *n_records)
{
	struct btree *bt = e->bt;
	const struct page *leaf;
	int rc = edit_pin(e, ref, e->height - 1, i, &leaf);

	if (rc < 0)
		return rc;
	rc = ref_list_add(gone, ref);
	for (unsigned k = 0; rc == 0 && k < node_count(leaf); k++) {
		struct node_value old;

		rc = edit_old_value(bt, leaf, k, &old, gone);
	}
	*n_records += node_count(leaf);
	pager_put(bt->txn->pager, leaf);
	return rc;
}

static int list_leaves(struct edit *e, unsigned first, unsigned end, struct ref_list *gone,
	uint64_t *n_records)
{
	const struct page *parent = e->steps[e->height - 2].page;
	struct page_ref refs[AT_ONCE];
	int rc = 0;

	for (unsigned i = first; rc == 0 && i < end;) {
		unsigned n = end - i < AT_ONCE ? end - i : AT_ONCE;

		for (unsigned k = 0; k < n; k++)
			refs[k] = node_child(parent, e->page_size, i + k);
		if (n > 1)
			pager_prefetch(e->bt->txn->pager, refs, n);
		for (unsigned k = 0; rc == 0 && k < n; k++, i++)
			rc = list_leaf(e, refs[k], i, gone, n_records);
	}
	return rc;
}

/* Bytes that the parent will have at least: without the separators of [first, end), and one more.
 */
static unsigned parent_used(const struct edit *e, unsigned first, unsigned end)
{
	const struct page *page = e->steps[e->height - 2].page;
	unsigned used = node_used(page);

	for (unsigned i = first; i + 1 < end; i++)
		used -= node_entry_size(page, i);
	return used - node_entry_size(page, first > 0 ? first - 1 : end - 1);
}

/* Step 2: the leaf's step becomes that of the empty leaf, with a neighbour to be merged with. */
static int pin_neighbour(struct edit *e, unsigned first, unsigned end)
{
	struct edit_step *s = &e->steps[e->height - 1], *up = s - 1;
	unsigned sib = first > 0 ? first - 1 : end;
	int rc;

	pager_put(e->bt->txn->pager, s->page);
	*s = (struct edit_step){.own = true, .sib_index = first > 0 ? sib : 1};
	s->sib_ref = node_child(up->page, e->page_size, sib);
	rc = edit_pin(e, s->sib_ref, e->height - 1, sib, &s->sib);
	if (rc < 0)
		s->sib = NULL;
	return rc;
}

/* Step 4 */
static void prune_edit(struct edit *e, unsigned first, unsigned end)
{
	struct btree *bt = e->bt;
	struct edit_step *s = &e->steps[e->height - 1], *up = s - 1;
	struct page *parent, *leaf;

	e->height--;
	edit_touch(e);
	e->height++;
	parent = edit_page(e, e->height - 2);
	for (unsigned i = end - 1; i > first; i--)
		node_remove(parent, e->page_size, i - 1);
	leaf = txn_alloc(bt->txn, PAGE_NODE, 0, bt->root.tree, &s->ref);
	node_init(leaf, e->page_size, NULL, 0);
	s->page = leaf;
	up->index = first;
	node_set_child(parent, first, s->ref);
	merge_repair(e, e->height - 1);
}

/* Frees the children [first, end) of the leaf's parent, at least two. Ends the edit. */
static int prune_leaves(struct prune *p, struct edit *e, unsigned first, unsigned end)
{
	struct btree *bt = p->bt;
	struct ref_list gone = {.bt = bt};
	uint64_t n_records = 0;
	int rc = list_leaves(e, first, end, &gone, &n_records);

	if (rc == 0)
		rc = ref_list_sort(&gone);
	if (rc == 0)
		rc = pin_neighbour(e, first, end);
	if (rc == 0)
		rc = edit_gather_from(e, e->height - 2, parent_used(e, first, end));
	if (rc == 0)
		rc = edit_reserve(e, TXN_REMOVE, false, &gone, 0);
	if (rc < 0) {
		edit_drop(e);
		ref_list_fini(&gone);
		return rc;
	}
	btree_cursors_unpin(bt);
	bt->root.count -= n_records;
	p->n += n_records;
	bt->marks.n_prunes++;
	prune_edit(e, first, end);
	edit_free_pages(bt, &gone);
	edit_unpin_neighbours(e);
	return 0;
}

/* Goes on at the fence above a leaf in which nothing is left of the range. */
static void pass(struct prune *p, struct key_span high)
{
	p->done = !high.data || !ends_above(p, high);
	if (p->done)
		return;
	memcpy(p->keys, high.data, high.len);
	p->range.from = (struct btree_bound){{p->keys, high.len}, false};
}

static int prune_step(struct prune *p)
{
	struct btree *bt = p->bt;
	struct btree_slice *from = &p->range.from.key, *to = &p->range.to.key;
	unsigned first = 0, end = 0, last;
	struct edit_step *s;
	struct key_span high;
	struct edit e;
	bool exact, whole;
	int rc;

	edit_init(&e, bt);
	rc = edit_descend(&e, from->data, (unsigned)from->len, &exact);
	if (rc < 0)
		return rc;
	s = &e.steps[e.height - 1];
	s->index += exact && p->range.from.above;
	high = fence_above(&e, e.height - 1);
	whole = ends_above(p, high);
	last = node_count(s->page);
	if (!whole) {
		last = node_lower(s->page, e.page_size, to->data, (unsigned)to->len, &exact);
		last += exact && p->range.to.above;
	}
	if (e.height > 1)
		whole_children(p, &e, s->index, whole, &first, &end);
	if (end >= first + 2)
		return prune_leaves(p, &e, first, end);
	if (last > s->index) {
		unsigned n = last - s->index;

		rc = edit_del(&e, n);
		p->n += rc == 0 ? n : 0;
		return rc;
	}
	pass(p, fence_above(&e, e.height - 1));
	edit_drop(&e);
	return 0;
}

/* The bounds may lie in our pages or in a cursor: they are copied. */
static int prune_init(struct prune *p, struct btree *bt, const struct btree_range *range)
{
	uint32_t key_max = node_key_max(tree_page_size(bt));
	struct btree_bound from = tree_bound(bt, range->from), to = tree_bound(bt, range->to);

	*p = (struct prune){.bt = bt};
	p->keys = tree_realloc(bt, NULL, 2 * (size_t)key_max);
	if (!p->keys)
		return error_set(-ENOMEM, "no memory for the bounds of a range");
	if (from.key.data)
		memcpy(p->keys, from.key.data, from.key.len);
	if (to.key.data)
		memcpy(p->keys + key_max, to.key.data, to.key.len);
	/* From now on there is a bound below: without one, it lies below the empty key. */
	p->range.from = (struct btree_bound){{p->keys, from.key.len}, from.key.data && from.above};
	if (to.key.data)
		p->range.to = (struct btree_bound){{p->keys + key_max, to.key.len}, to.above};
	return edit_open_work(bt);
}

/* Whether no key can lie in the range. */
static bool is_empty(const struct btree_range *range)
{
	const struct btree_slice *from = &range->from.key, *to = &range->to.key;
	int c;

	if (!to->data)
		return false;
	c = key_cmp(from->data, (unsigned)from->len, to->data, (unsigned)to->len);
	return c > 0 || (c == 0 && (range->from.above || !range->to.above));
}

int btree_del_range(struct btree *bt, const struct btree_range *range, uint64_t *ret_n)
{
	struct prune p;
	int rc = prune_init(&p, bt, range);

	p.done = rc == 0 && is_empty(&p.range);
	while (rc == 0 && !p.done && !ref_is_null(bt->root.ref))
		rc = prune_step(&p);
	if (rc < 0 && p.n > 0)
		(void)txn_break(bt->txn, rc);
	tree_free(bt, p.keys);
	if (rc == 0)
		*ret_n = p.n;
	return rc;
}
