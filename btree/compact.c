/* SPDX-License-Identifier: MIT */
/*
 * Compaction of a tree. Each step is an edit as any other (edit.c): pins, txn_reserve(), then what
 * cannot fail. What it does to a leaf:
 *
 *	1. Of long values the pages that lie behind the end are written anew, a few at a time, as by
 *	   btree_write() of the bytes that are there, and with them the pages above. All others
 *	   stay: a copy of a whole value could need more pages than are free, and the file would
 *	   grow.
 *	2. The leaf and its right neighbour under the same parent merge, if they fit one page. If
 *	   they do not and a quarter of the leaf is free, records of the neighbour move to the
 *	   leaf, as many as fit and leave the neighbour a quarter (B6). Then the leaf is looked at
 *	   again: the next neighbour may have something for it.
 *	3. Else the path is copied if a page of it lies behind the end.
 *
 * Inner nodes follow: with fewer leaves they become low, and merge_repair() joins them.
 */
#include "btree/compact.h"

#include "base/error.h"
#include "btree/btree_int.h"

#include <errno.h>

/* --- long values --------------------------------------------------------------------------- */

#define MOVE_MOST 32U /* pages of bytes at a time */
#define RUN_ENDS  1

/* Neighbouring byte pages of a long value, which are to move. */
struct run {
	pgno_t end;        /* of the file: what lies behind it moves */
	uint64_t from;     /* byte pages before this one are not looked at */
	uint64_t first, n; /* the run */
};

static int run_add(struct run *run, uint64_t byte_page, bool moves)
{
	if (!moves)
		return run->n > 0 ? RUN_ENDS : 0;
	if (run->n == 0)
		run->first = byte_page;
	return ++run->n == MOVE_MOST ? RUN_ENDS : 0;
}

/*
 * The first run under refs, which are of pages of `level` with `under` bytes; first: their first
 * byte page. Below a page that moves, one byte page is enough: the pages above it come with it.
 */
static int run_find(struct btree *bt, struct run *run, const uint8_t *refs, unsigned level,
	uint64_t under, uint64_t first, bool parent_moves)
{
	uint32_t page_size = tree_page_size(bt);
	uint64_t span = overflow_span(page_size, level), n = span / overflow_page_bytes(page_size);
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i * span < under; i++, first += n) {
		struct page_ref ref = page_ref_get(refs + i * PAGE_REF_BYTES);
		uint64_t below = under - i * span < span ? under - i * span : span;
		bool moves = ref.pgno >= run->end || (parent_moves && run->n == 0);
		const struct page *page;

		if (first + n <= run->from)
			continue;
		if (level == 0) {
			rc = ref_is_null(ref)
				     ? tree_corrupt(bt, ref,
					       "a long value refers to no page: " REF_IS_NULL)
				     : run_add(run, first, moves);
			continue;
		}
		rc = overflow_get_page(bt, ref, level, below, &page);
		if (rc < 0)
			break;
		rc = run_find(bt, run, node_bytes(page) + OVERFLOW_PAYLOAD, level - 1, below, first,
			moves);
		pager_put(bt->txn->pager, page);
	}
	return rc;
}

/* The next run in a leaf, from where c says on; c->entry: whose; the count: there is none. */
static int run_next(struct btree *bt, struct btree_compact *c, const struct page *leaf,
	struct run *run)
{
	uint32_t page_size = tree_page_size(bt);

	for (; c->entry < node_count(leaf); c->entry++, c->byte_page = 0) {
		struct node_value val;
		struct overflow o;
		int rc;

		if (!node_value(leaf, page_size, c->entry, &val))
			return tree_corrupt(bt, page_ref(leaf), LEAF_IS_BAD);
		if (!val.overflow)
			continue;
		if (overflow_open(page_size, node_key_len(leaf, c->entry), val, &o))
			return tree_corrupt(bt, page_ref(leaf), LEAF_IS_BAD);
		*run = (struct run){.end = c->end, .from = c->byte_page};
		rc = run_find(bt, run, o.refs, o.level, o.len - o.tail_len, 0, false);
		if (rc < 0 || run->n > 0)
			return rc < 0 ? rc : 0;
	}
	return 0;
}

/* Copies the bytes of the run, and the key, to buf. */
static int run_read(struct btree *bt, const struct page *leaf, unsigned i, const struct run *run,
	uint8_t *buf, struct btree_slice *ret_key, struct btree_slice *ret_data)
{
	uint64_t per_page = overflow_page_bytes(tree_page_size(bt));
	unsigned key_len = node_key(leaf, tree_page_size(bt), i, buf);
	struct btree_item item;
	int rc = tree_item(bt, leaf, i, &item);

	if (rc == 0 && key_len == NODE_BAD)
		rc = tree_corrupt(bt, page_ref(leaf), LEAF_IS_BAD);
	if (rc < 0)
		return rc;
	*ret_key = (struct btree_slice){buf, key_len};
	ret_data->data = buf + key_len;
	return btree_item_read(bt, &item, run->first * per_page, buf + key_len, run->n * per_page,
		&ret_data->len);
}

/* Moves one run of the leaf. *ret_moved: false: none of its values has one. */
static int move_run(struct btree *bt, struct btree_compact *c, bool *ret_moved)
{
	uint32_t page_size = tree_page_size(bt);
	struct run run = {.n = 0};
	struct btree_slice key, data;
	const struct page *leaf;
	uint8_t *buf = NULL;
	int rc = tree_descend(bt, AIM_KEY, (struct btree_slice){c->key, c->key_len}, NULL, &leaf);

	if (rc < 0)
		return rc;
	rc = node_count_is_valid(leaf, page_size) ? run_next(bt, c, leaf, &run)
						  : tree_corrupt(bt, page_ref(leaf), LEAF_IS_BAD);
	*ret_moved = run.n > 0;
	if (rc == 0 && run.n > 0) {
		buf = tree_realloc(bt, NULL, (run.n + 1) * page_size);
		rc = buf ? run_read(bt, leaf, c->entry, &run, buf, &key, &data)
			 : error_set(-ENOMEM, "no memory to move pages of a long value");
	}
	pager_put(bt->txn->pager, leaf);
	if (rc == 0 && buf)
		rc = btree_write(bt, key, run.first * overflow_page_bytes(page_size), data);
	tree_free(bt, buf);
	if (rc == 0) {
		c->byte_page = run.first + run.n;
		c->n_changed += run.n;
	}
	return rc;
}

/* --- leaves -------------------------------------------------------------------------------- */

/*
 * How many entries the left leaf of the pair shall have: all, if both fit one page; as now, if
 * moving some does not pay.
 */
static unsigned pull_count(struct edit *e, const struct pair *p)
{
	struct btree_work *w = e->bt->work;
	unsigned n = pair_count(p), now = node_count(p->left), k = now, rest = 0;
	unsigned prefix_len = pair_prefix(p, 0, n, p->low, p->high);

	if (pair_bytes(p, 0, n, prefix_len) <= node_cap(e->page_size))
		return n;
	if (node_used(p->left) > node_cap(e->page_size) / 4 * 3)
		return now;
	for (unsigned i = now; i < n; i++)
		rest += pair_size(p, i, 0);
	while (k + 1 < n) {
		struct key_span sep = pair_separator(p, w, k + 1);
		unsigned left = pair_bytes(p, 0, k + 1, pair_prefix(p, 0, k + 1, p->low, sep));
		unsigned right = pair_bytes(p, k + 1, n, pair_prefix(p, k + 1, n, sep, p->high));

		rest -= pair_size(p, k, 0);
		if (left > node_cap(e->page_size) || right > node_cap(e->page_size) ||
			(p->high.data && node_is_low(e->page_size, rest)))
			break;
		k++;
	}
	return k;
}

/* Divides the leaf and its right neighbour at k, as a redistribution does. */
static void divide(struct edit *e, unsigned k)
{
	struct btree_work *w = e->bt->work;
	unsigned d = e->height - 1;
	struct edit_step *s = &e->steps[d];
	struct pair p = pair_of(e, d);
	unsigned n = pair_count(&p);
	struct page *left = edit_page(e, d), *right;
	struct node_entry up = {0};
	struct key_span sep;

	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	right = pair_touch_sib(e, d);
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;
	sep = pair_separator(&p, w, k);
	memcpy(w->sep[1], sep.data, sep.len);
	sep.data = w->sep[1];
	node_init(left, e->page_size, sep.data, pair_prefix(&p, 0, k, p.low, sep));
	pair_append(&p, left, 0, k, w->key[0]);
	node_init(right, e->page_size, sep.data, pair_prefix(&p, k, n, sep, p.high));
	pair_append(&p, right, k, n, w->key[0]);
	up.key = sep.data;
	up.key_len = sep.len;
	up.child = s->sib_ref;
	node_remove(edit_page(e, d - 1), e->page_size, p.slot);
	(void)split_insert(e, d - 1, p.slot, up);
}

static bool is_path_behind(const struct edit *e, const struct btree_compact *c)
{
	for (unsigned d = 0; d < e->height; d++) {
		if (e->steps[d].ref.pgno >= c->end)
			return true;
	}
	return false;
}

/* The leaf that comes next begins where this one's upper fence is. False: it is the last. */
static bool go_on(struct edit *e, struct btree_compact *c)
{
	unsigned d = e->height - 1, index = d > 0 ? e->steps[d - 1].index : 0;
	struct key_span high = edit_fence(e, d, index, false, e->bt->work->high);

	if (high.data) {
		memcpy(c->key, high.data, high.len);
		btree_compact_at(c, high.len);
	}
	return high.data;
}

/* With the path, and a right neighbour, pinned. */
static int change(struct edit *e, struct btree_compact *c, unsigned k, unsigned n)
{
	struct ref_list gone = {.bt = e->bt};
	int rc = 0;

	rc = edit_reserve(e, TXN_REMOVE, true, &gone, 0);
	if (rc < 0) {
		edit_drop(e);
		return rc;
	}
	btree_cursors_unpin(e->bt);
	edit_touch(e);
	c->n_changed++;
	if (k > 0 && k == n)
		merge_right(e);
	else if (k > 0)
		divide(e, k);
	edit_unpin_neighbours(e);
	return 0;
}

int btree_compact_leaf(struct btree *bt, struct btree_compact *c)
{
	struct edit e;
	struct pair p;
	unsigned k = 0, n = 0;
	bool exact, is_behind, is_last, moved;
	int rc = ref_is_null(bt->root.ref) ? VERSO_NOTFOUND : edit_open_work(bt);

	if (rc == 0)
		rc = move_run(bt, c, &moved);
	if (rc != 0 || moved)
		return rc;
	edit_init(&e, bt);
	rc = edit_descend(&e, c->key, c->key_len, &exact);
	if (rc < 0)
		return rc;
	rc = edit_gather_right(&e);
	if (rc < 0) {
		edit_drop(&e);
		return rc;
	}
	if (e.steps[e.height - 1].sib) {
		p = pair_of(&e, e.height - 1);
		n = pair_count(&p);
		k = pull_count(&e, &p);
		if (k == node_count(p.left))
			k = 0;
	}
	if (k > 0) { /* and look at it again */
		btree_compact_at(c, c->key_len);
		return change(&e, c, k, n);
	}
	edit_unpin_neighbours(&e);
	is_behind = is_path_behind(&e, c);
	is_last = !go_on(&e, c);
	if (is_behind)
		rc = change(&e, c, 0, 0);
	else
		edit_drop(&e);
	return rc == 0 && is_last ? VERSO_NOTFOUND : rc;
}
