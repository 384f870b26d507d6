/* SPDX-License-Identifier: MIT */
/*
 * Reading one record: down the inner pages under a guard, then one pin on the leaf.
 *
 * A guard never spans I/O. A page that is not in memory is therefore pinned outside the guard,
 * used, and given back before the guard is entered again for the next level: a descent never starts
 * over.
 */
#include "base/error.h"
#include "btree/btree_int.h"

#include <inttypes.h>
#include <stdlib.h>

uint32_t btree_key_max(uint32_t page_size)
{
	return node_key_max(page_size);
}

void btree_init(struct btree *bt, struct txn *txn, const struct txn_root *root)
{
	*bt = (struct btree){.txn = txn, .root = *root};
}

void btree_fini(struct btree *bt)
{
	ASSERT(bt->cursors == NULL);
	tree_free_all(bt);
	free(bt->work);
	bt->work = NULL;
}

int tree_corrupt(const struct btree *bt, struct page_ref ref, const char *what)
{
	return error_set(VERSO_ECORRUPT,
		"tree %" PRIu32 ", page %" PRIu32 " of generation %" PRIx64
		": %s. The file is damaged: restore it from a copy",
		bt->root.tree, ref.pgno, ref.gen, what);
}

int tree_get_node(struct btree *bt, struct page_ref ref, unsigned level,
	const struct page **ret_page)
{
	struct txn *txn = bt->txn;
	const struct page *page;
	int rc;

	if (ref_is_null(ref))
		return tree_corrupt(bt, ref, "a child's reference makes no sense");
	rc = pager_get(txn->pager, txn->guard, ref, &page);
	if (rc < 0)
		return rc;
	if (!tree_owns(bt, page, level)) {
		pager_put(txn->pager, page);
		return tree_corrupt(bt, ref, "expected this tree's node of another level");
	}
	*ret_page = page;
	return 0;
}

static inline unsigned aim_index(const struct page *page, uint32_t page_size, enum tree_aim aim,
	struct btree_slice key)
{
	switch (aim) {
	case AIM_FIRST:
		return 0;
	case AIM_LAST:
		return node_count(page);
	case AIM_KEY:
		break;
	}
	return node_child_index(page, page_size, key.data, (unsigned)key.len);
}

/* One level down from an inner page that stays put meanwhile. False: its bytes make no sense. */
static inline bool step_down(const struct btree *bt, const struct page *page, enum tree_aim aim,
	struct btree_slice key, struct tree_trail *trail, struct page_ref *ref, unsigned level)
{
	uint32_t page_size = tree_page_size(bt);
	unsigned i, n = node_count(page);

	if (!tree_owns(bt, page, level) || n > node_cap(page_size) / NODE_SLOT_BYTES)
		return false;
	i = aim_index(page, page_size, aim, key);
	if (i > n)
		return false;
	if (trail) {
		trail->at[level].ref = *ref;
		trail->at[level].index = i;
		trail->at[level].count = n;
	}
	*ref = node_child(page, page_size, i);
	return true;
}

static inline int descend(struct btree *bt, enum tree_aim aim, struct btree_slice key,
	struct tree_trail *trail, const struct page **ret_leaf)
{
	struct pager *pager = bt->txn->pager;
	struct guard *guard = bt->txn->guard;
	struct page_ref ref = bt->root.ref;
	unsigned level = bt->root.level;
	const struct page *page;
	int rc;

	if (level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, ref, "the root claims too many levels");
	if (level > 0)
		guard_enter(guard);
	for (; level > 0; level--) {
		struct page_ref at = ref;
		bool ok;

		page = pager_peek(pager, guard, ref);
		if (page) {
			node_prefetch(page, level);
			ok = step_down(bt, page, aim, key, trail, &ref, level);
		} else {
			guard_leave(guard);
			rc = tree_get_node(bt, ref, level, &page);
			if (rc < 0)
				return rc;
			ok = step_down(bt, page, aim, key, trail, &ref, level);
			pager_put(pager, page);
			guard_enter(guard);
		}
		if (!ok) {
			guard_leave(guard);
			return tree_corrupt(bt, at, "an inner page makes no sense here");
		}
	}
	if (bt->root.level > 0)
		guard_leave(guard);
	return tree_get_node(bt, ref, 0, ret_leaf);
}

int tree_descend(struct btree *bt, enum tree_aim aim, struct btree_slice key,
	struct tree_trail *trail, const struct page **ret_leaf)
{
	return descend(bt, aim, key, trail, ret_leaf);
}

int tree_item(struct btree *bt, const struct page *leaf, unsigned i, struct btree_item *ret_item)
{
	unsigned key_len = node_prefix_len(leaf) + node_suffix_len(leaf, i);
	struct node_value val;
	struct overflow o;
	const char *wrong;

	if (!node_value(leaf, tree_page_size(bt), i, &val))
		return tree_corrupt(bt, page_ref(leaf), "a value lies outside its page");
	if (!val.overflow) {
		*ret_item = (struct btree_item){{val.data, val.len}, leaf, NULL, 0};
		return 0;
	}
	wrong = overflow_open(tree_page_size(bt), key_len, val, &o);
	if (wrong)
		return tree_corrupt(bt, page_ref(leaf), wrong);
	*ret_item = (struct btree_item){{NULL, (size_t)o.len}, leaf, val.data, key_len};
	return 0;
}

void btree_item_put(struct btree *bt, struct btree_item *item)
{
	if (item->pin)
		pager_put(bt->txn->pager, item->pin);
	item->pin = NULL;
}

/*
 * What a search of a leaf found: the pin goes to the item, or ends. i: of the record, or NODE_BAD
 */
static inline int leaf_answer(struct btree *bt, const struct page *leaf, unsigned i, bool exact,
	struct btree_item *ret_item)
{
	int rc = VERSO_NOTFOUND;

	if (i == NODE_BAD)
		rc = tree_corrupt(bt, page_ref(leaf), "a leaf makes no sense");
	else if (exact)
		rc = tree_item(bt, leaf, i, ret_item);
	if (rc != 0)
		pager_put(bt->txn->pager, leaf);
	return rc;
}

int btree_get(struct btree *bt, struct btree_slice key, struct btree_item *ret_item)
{
	const struct page *leaf;
	bool exact;
	unsigned i;
	int rc;

	if (ref_is_null(bt->root.ref) || key.len > node_key_max(tree_page_size(bt)))
		return VERSO_NOTFOUND;
	rc = descend(bt, AIM_KEY, key, NULL, &leaf);
	if (rc < 0)
		return rc;
	node_prefetch(leaf, 0);
	i = node_lower(leaf, tree_page_size(bt), key.data, (unsigned)key.len, &exact);
	return leaf_answer(bt, leaf, i, exact, ret_item);
}

/*
 * Several lookups at once
 */

struct batch {
	size_t n;
	size_t at[BTREE_BATCH_MAX]; /* index of the caller's lookup */
	struct page_ref refs[BTREE_BATCH_MAX];
	const struct page *pages[BTREE_BATCH_MAX];
};

/* Inside the guard: finds the pages of all refs; how many are not in memory, listed in missing. */
static size_t batch_peek(struct btree *bt, struct batch *b, struct page_ref *missing)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		b->pages[i] = pager_peek(bt->txn->pager, bt->txn->guard, b->refs[i]);
		if (b->pages[i])
			node_prefetch(b->pages[i], 0); /* the others of the batch hide the rest */
		else
			missing[n++] = b->refs[i];
	}
	return n;
}

/*
 * Inside the guard: b->pages for the refs of this level, loading what is missing. 0, an error
 * (outside the guard), or VERSO_NOTFOUND (outside it) when memory is too small to hold them at
 * once.
 */
static int batch_load(struct btree *bt, struct batch *b, unsigned level)
{
	struct page_ref missing[BTREE_BATCH_MAX];
	struct pager *pager = bt->txn->pager;

	for (int tries = 0; tries < 3; tries++) {
		size_t n = batch_peek(bt, b, missing);

		if (n == 0)
			return 0;
		guard_leave(bt->txn->guard);
		pager_prefetch(pager, missing, n);
		for (size_t i = 0; i < n; i++) {
			const struct page *page;
			int rc = tree_get_node(bt, missing[i], level, &page);

			if (rc < 0)
				return rc;
			pager_put(pager, page);
		}
		guard_enter(bt->txn->guard);
	}
	guard_leave(bt->txn->guard);
	return VERSO_NOTFOUND;
}

/* From the root down to the refs of the leaves. Codes as batch_load; outside the guard. */
static int batch_descend(struct btree *bt, struct batch *b, const struct btree_slice *keys)
{
	unsigned level = bt->root.level;

	if (level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, bt->root.ref, "the root claims too many levels");
	for (size_t i = 0; i < b->n; i++)
		b->refs[i] = bt->root.ref;
	guard_enter(bt->txn->guard);
	for (; level > 0; level--) {
		int rc = batch_load(bt, b, level);

		if (rc != 0)
			return rc;
		for (size_t i = 0; i < b->n; i++) {
			struct page_ref at = b->refs[i];

			if (!step_down(bt, b->pages[i], AIM_KEY, keys[b->at[i]], NULL, &b->refs[i],
				    level)) {
				guard_leave(bt->txn->guard);
				return tree_corrupt(bt, at, "an inner page makes no sense here");
			}
		}
	}
	{
		struct page_ref missing[BTREE_BATCH_MAX];
		size_t n = batch_peek(bt, b, missing);

		guard_leave(bt->txn->guard);
		if (n > 0)
			pager_prefetch(bt->txn->pager, missing, n);
	}
	return 0;
}

/* Searches the pinned leaves, asking for the lines of what was found. */
static void batch_search(struct btree *bt, const struct batch *b, const struct btree_slice *keys,
	unsigned *index, bool *exact)
{
	uint32_t page_size = tree_page_size(bt);

	for (size_t i = 0; i < b->n; i++) {
		struct btree_slice key = keys[b->at[i]];

		index[i] =
			node_lower(b->pages[i], page_size, key.data, (unsigned)key.len, &exact[i]);
		if (exact[i]) {
			const uint8_t *cell =
				node_bytes(b->pages[i]) + node_off(b->pages[i], index[i]);

			__builtin_prefetch(cell);
			__builtin_prefetch(cell + 64);
		}
	}
}

/* Pins the leaves and looks into them. On an error nothing stays pinned. */
static int batch_leaves(struct btree *bt, struct batch *b, const struct btree_slice *keys,
	struct btree_item *items, int *codes)
{
	struct pager *pager = bt->txn->pager;
	unsigned index[BTREE_BATCH_MAX];
	bool exact[BTREE_BATCH_MAX];
	size_t n_pinned = 0, n_done = 0;
	int rc = 0;

	for (; n_pinned < b->n; n_pinned++) {
		rc = tree_get_node(bt, b->refs[n_pinned], 0, &b->pages[n_pinned]);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		batch_search(bt, b, keys, index, exact);
	for (; n_done < n_pinned && rc == 0; n_done++) {
		size_t at = b->at[n_done];

		codes[at] =
			leaf_answer(bt, b->pages[n_done], index[n_done], exact[n_done], &items[at]);
		if (codes[at] < 0)
			rc = codes[at];
	}
	if (rc == 0)
		return 0;
	for (size_t i = n_done; i < n_pinned; i++)
		pager_put(pager, b->pages[i]);
	for (size_t i = 0; i < n_done; i++)
		if (codes[b->at[i]] == 0)
			btree_item_put(bt, &items[b->at[i]]);
	return rc;
}

static int get_one_by_one(struct btree *bt, const struct batch *b, const struct btree_slice *keys,
	struct btree_item *items, int *codes)
{
	for (size_t i = 0; i < b->n; i++) {
		size_t at = b->at[i];

		codes[at] = btree_get(bt, keys[at], &items[at]);
		if (codes[at] < 0) {
			for (size_t k = 0; k < i; k++)
				if (codes[b->at[k]] == 0)
					btree_item_put(bt, &items[b->at[k]]);
			return codes[at];
		}
	}
	return 0;
}

int btree_get_many(struct btree *bt, size_t n, const struct btree_slice *keys,
	struct btree_item *items, int *codes)
{
	struct batch b = {.n = 0};
	int rc;

	ASSERT(n <= BTREE_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		codes[i] = VERSO_NOTFOUND;
		if (keys[i].len <= node_key_max(tree_page_size(bt)))
			b.at[b.n++] = i;
	}
	if (ref_is_null(bt->root.ref) || b.n == 0)
		return 0;
	rc = batch_descend(bt, &b, keys);
	if (rc == VERSO_NOTFOUND)
		return get_one_by_one(bt, &b, keys, items, codes);
	return rc < 0 ? rc : batch_leaves(bt, &b, keys, items, codes);
}
