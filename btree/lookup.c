/* SPDX-License-Identifier: MIT */
/*
 * Reading one record: down the inner pages under a guard, then one pin on the leaf.
 *
 * A guard never spans I/O. A page that is not in memory is therefore pinned outside the guard,
 * used, and given back before the guard is entered again for the next level: a descent never starts
 * over.
 */
#include "btree/btree_int.h"

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
	struct btree_slice key, struct tree_trail *trail, struct page_ref *ref, unsigned level,
	unsigned *ret_index)
{
	uint32_t page_size = tree_page_size(bt);
	unsigned i, n = node_count(page);

	if (!tree_owns(bt, page, level) || !node_count_is_valid(page, page_size))
		return false;
	i = aim_index(page, page_size, aim, key);
	if (i > n)
		return false;
	if (trail) {
		trail->at[level].ref = *ref;
		trail->at[level].index = i;
		trail->at[level].count = n;
	}
	pager_hint_use(bt->txn->pager, page, i);
	*ref = node_child(page, page_size, i);
	*ret_index = i;
	return true;
}

static inline int descend(struct btree *bt, enum tree_aim aim, struct btree_slice key,
	struct tree_trail *trail, const struct page **ret_leaf)
{
	struct pager *pager = bt->txn->pager;
	struct guard *guard = bt->txn->guard;
	struct page_ref ref = bt->root.ref;
	unsigned level = bt->root.level;
	const struct page *page, *parent = NULL; /* the latter for hints only: it may be gone */
	unsigned index = 0;
	int rc;

	if (level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, ref, "the root claims too many levels");
	/* LAB 5.1 begin: peek under the guard, or pin outside it; a level down; then the leaf */
	if (level > 0)
		guard_enter(guard);
	for (; level > 0; level--) {
		struct page_ref at = ref;
		bool ok;

		page = pager_peek(pager, guard, ref);
		if (page) {
			node_prefetch(page, level);
			if (parent)
				pager_hint_set(pager, parent, index, page);
			ok = step_down(bt, page, aim, key, trail, &ref, level, &index);
		} else {
			guard_leave(guard);
			rc = tree_get_node(bt, ref, level, &page);
			if (rc < 0)
				return rc;
			ok = step_down(bt, page, aim, key, trail, &ref, level, &index);
			pager_put(pager, page);
			guard_enter(guard);
		}
		if (!ok) {
			guard_leave(guard);
			return tree_corrupt(bt, at, INNER_IS_BAD);
		}
		parent = page;
	}
	if (bt->root.level > 0)
		guard_leave(guard);
	rc = tree_get_node(bt, ref, 0, ret_leaf);
	if (rc == 0 && parent)
		pager_hint_set(pager, parent, index, *ret_leaf);
	return rc;
	/* LAB 5.1 end: return LAB_TODO("5.1"); */
}

int tree_descend(struct btree *bt, enum tree_aim aim, struct btree_slice key,
	struct tree_trail *trail, const struct page **ret_leaf)
{
	return descend(bt, aim, key, trail, ret_leaf);
}

int tree_item(struct btree *bt, const struct page *leaf, unsigned i, struct btree_item *ret_item)
{
	unsigned key_len = node_key_len(leaf, i);
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
	return tree_leaf_result(bt, leaf, i, exact, ret_item);
}
