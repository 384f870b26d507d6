/* SPDX-License-Identifier: MIT */
/*
 * Several lookups at once, in stages: each stage does for all lookups what the next one waits for,
 * so that their misses of memory overlap. For each level of the tree:
 *
 *	peek	page words, then the pages' first lines (the pager's two waves)
 *	search	all nodes in lockstep, without branches (node_lower_heads)
 *	cells	ask for the cells that the next stage reads
 *	settle	compare the key's tail; find the child, or the value
 *
 * No leaf is pinned for a short value: it is copied before the guard is left. What remains, long
 * values and leaves that are not in memory, is got one by one with a pin, after all that has to be
 * loaded was asked for together.
 */
#include "base/error.h"
#include "btree/btree_int.h"

struct wave {
	struct btree *bt;
	const struct btree_slice *keys; /* the caller's */
	struct btree_copies *copies;
	struct btree_item *items;
	int *codes;
	size_t n;
	size_t at[BTREE_BATCH_MAX];                /* index of the caller's lookup */
	struct page_ref refs[BTREE_BATCH_MAX];     /* where it goes on */
	const struct page *pages[BTREE_BATCH_MAX]; /* inside the guard: that node; NULL: missing */
	struct node_probe probes[BTREE_BATCH_MAX]; /* of the nodes that are there */
};

/* The place for an item's value, copied, when it is short and there is room. */
static bool copy_short(struct btree_copies *copies, const void *data, size_t len_bytes,
	struct btree_item *ret_item)
{
	if (len_bytes > BTREE_COPY_MAX || len_bytes > copies->left_bytes)
		return false;
	memcpy(copies->at, data, len_bytes);
	*ret_item = (struct btree_item){.val = {copies->at, len_bytes}};
	copies->at += len_bytes;
	copies->left_bytes -= len_bytes;
	return true;
}

/* Turns a pinned item into a copy, if it may be one. */
static void unpin_short(struct wave *b, struct btree_item *item)
{
	struct btree_item copy;

	if (!item->val.data || !copy_short(b->copies, item->val.data, item->val.len, &copy))
		return;
	btree_item_put(b->bt, item);
	*item = copy;
}

/* Fills in a probe for lookup i in its node. False: the node makes no sense here. */
static bool probe_init(const struct wave *b, struct node_probe *probe, size_t i, unsigned level)
{
	struct btree_slice key = b->keys[b->at[i]];

	return tree_owns(b->bt, b->pages[i], level) &&
	       node_probe_init(probe, b->pages[i], tree_page_size(b->bt), key.data,
		       (unsigned)key.len);
}

/* Inside the guard: b->pages for the refs; how many are not in memory, listed in missing. */
static size_t peek_all(struct wave *b, struct page_ref *missing)
{
	struct txn *txn = b->bt->txn;
	size_t n = 0;

	if (pager_peek_many(txn->pager, txn->guard, b->refs, b->n, b->pages) < b->n) {
		for (size_t i = 0; i < b->n; i++)
			if (!b->pages[i])
				missing[n++] = b->refs[i];
	}
	return n;
}

/*
 * Inside the guard: b->pages for the refs of this level, loading what is missing. 0, an error
 * (outside the guard), or VERSO_NOTFOUND (outside it) when memory is too small to hold them at
 * once.
 */
static int load_all(struct wave *b, unsigned level)
{
	struct page_ref missing[BTREE_BATCH_MAX];
	struct txn *txn = b->bt->txn;

	for (int tries = 0; tries < 3; tries++) {
		size_t n = peek_all(b, missing);

		if (n == 0)
			return 0;
		guard_leave(txn->guard);
		pager_prefetch(txn->pager, missing, n);
		for (size_t i = 0; i < n; i++) {
			const struct page *page;
			int rc = tree_get_node(b->bt, missing[i], level, &page);

			if (rc < 0)
				return rc;
			pager_put(txn->pager, page);
		}
		guard_enter(txn->guard);
	}
	guard_leave(txn->guard);
	return VERSO_NOTFOUND;
}

/* Inside the guard: from the nodes of a level to the refs of their children. */
static bool step_down(struct wave *b, unsigned level)
{
	uint32_t page_size = tree_page_size(b->bt);

	for (size_t i = 0; i < b->n; i++)
		if (!probe_init(b, &b->probes[i], i, level))
			return false;
	node_lower_heads(b->probes, b->n);
	for (size_t i = 0; i < b->n; i++)
		node_prefetch_child(&b->probes[i]);
	for (size_t i = 0; i < b->n; i++) {
		bool exact;
		unsigned at = node_probe_settle(&b->probes[i], page_size, &exact);

		if (at == NODE_BAD)
			return false;
		b->refs[i] = node_child(b->pages[i], page_size, at + exact);
	}
	return true;
}

/* From the root down to the refs of the leaves, inside the guard. Codes as load_all(). */
static int descend_all(struct wave *b)
{
	struct btree *bt = b->bt;
	unsigned level = bt->root.level;

	for (size_t i = 0; i < b->n; i++)
		b->refs[i] = bt->root.ref;
	guard_enter(bt->txn->guard);
	for (; level > 0; level--) {
		int rc = load_all(b, level);

		if (rc != 0)
			return rc;
		if (!step_down(b, level)) {
			guard_leave(bt->txn->guard);
			return tree_corrupt(bt, bt->root.ref, "below it: " INNER_IS_BAD);
		}
	}
	return 0;
}

/*
 * Inside the guard: looks into the leaves that are in memory. Moves those lookups to the front that
 * are not finished yet, and returns their number.
 */
static size_t finish_copies(struct wave *b)
{
	uint32_t page_size = tree_page_size(b->bt);
	size_t found[BTREE_BATCH_MAX], n = 0, n_left = 0;
	bool open[BTREE_BATCH_MAX] = {false};

	for (size_t i = 0; i < b->n; i++) {
		if (b->pages[i] && probe_init(b, &b->probes[n], i, 0))
			found[n++] = i;
		else
			open[i] = true;
	}
	node_lower_heads(b->probes, n);
	for (size_t k = 0; k < n; k++)
		node_prefetch_tie(&b->probes[k]);
	for (size_t k = 0; k < n; k++) {
		size_t i = found[k];
		struct node_value val;
		bool exact;
		unsigned at = node_probe_settle(&b->probes[k], page_size, &exact);

		if (at != NODE_BAD && !exact)
			continue; /* its code says so already */
		if (at != NODE_BAD && node_value(b->pages[i], page_size, at, &val) &&
			!val.overflow &&
			copy_short(b->copies, val.data, val.len, &b->items[b->at[i]]))
			b->codes[b->at[i]] = 0;
		else
			open[i] = true;
	}
	for (size_t i = 0; i < b->n; i++) {
		if (!open[i])
			continue;
		b->at[n_left] = b->at[i];
		b->refs[n_left++] = b->refs[i];
	}
	return n_left;
}

/* Outside the guard: finishes a lookup in its leaf, with a pin if the value is not short. */
static int finish_pinned(struct wave *b, size_t i)
{
	struct btree_slice key = b->keys[b->at[i]];
	const struct page *leaf;
	bool exact;
	unsigned at;
	int rc = tree_get_node(b->bt, b->refs[i], 0, &leaf);

	if (rc < 0)
		return rc;
	at = node_lower(leaf, tree_page_size(b->bt), key.data, (unsigned)key.len, &exact);
	rc = tree_leaf_result(b->bt, leaf, at, exact, &b->items[b->at[i]]);
	if (rc == 0)
		unpin_short(b, &b->items[b->at[i]]);
	return rc;
}

/* Memory is too small for the inner pages of all lookups. */
static int finish_from_the_root(struct wave *b, size_t i)
{
	int rc = btree_get(b->bt, b->keys[b->at[i]], &b->items[b->at[i]]);

	if (rc == 0)
		unpin_short(b, &b->items[b->at[i]]);
	return rc;
}

/* Finishes each of the lookups; after an error all results that were found end. */
static int finish_each(struct wave *b, int (*finish)(struct wave *b, size_t i))
{
	int rc = 0;

	for (size_t i = 0; i < b->n && rc >= 0; i++) {
		rc = finish(b, i);
		b->codes[b->at[i]] = rc;
	}
	if (rc >= 0)
		return 0;
	for (size_t i = 0; i < b->n; i++)
		if (b->codes[b->at[i]] == 0)
			btree_item_put(b->bt, &b->items[b->at[i]]);
	return rc;
}

int btree_get_many(struct btree *bt, size_t n, const struct btree_slice *keys,
	struct btree_copies *copies, struct btree_item *items, int *codes)
{
	struct page_ref missing[BTREE_BATCH_MAX];
	struct wave b;
	size_t n_missing;
	int rc;

	ASSERT(n <= BTREE_BATCH_MAX);
	b.bt = bt;
	b.keys = keys;
	b.copies = copies;
	b.items = items;
	b.codes = codes;
	b.n = 0;
	for (size_t i = 0; i < n; i++) {
		codes[i] = VERSO_NOTFOUND;
		if (keys[i].len <= node_key_max(tree_page_size(bt)))
			b.at[b.n++] = i;
	}
	if (ref_is_null(bt->root.ref) || b.n == 0)
		return 0;
	if (bt->root.level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, bt->root.ref, "the root claims too many levels");
	rc = descend_all(&b);
	if (rc == VERSO_NOTFOUND)
		return finish_each(&b, finish_from_the_root);
	if (rc < 0)
		return rc;
	n_missing = peek_all(&b, missing);
	b.n = finish_copies(&b);
	guard_leave(bt->txn->guard);
	if (n_missing > 0)
		pager_prefetch(bt->txn->pager, missing, n_missing);
	return finish_each(&b, finish_pinned);
}
