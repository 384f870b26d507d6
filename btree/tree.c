/* SPDX-License-Identifier: MIT */
/*
 * One transaction's view of a tree, from btree_init() to btree_fini(), and what every reader of its
 * pages needs: to pin a node of the expected level, and the error of a damaged one.
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
		return tree_corrupt(bt, ref,
			REF_IS_NULL ", or an entry that reaches beyond its inner page");
	rc = pager_get(txn->pager, txn->guard, ref, &page);
	if (rc < 0)
		return rc;
	if (!tree_owns(bt, page, level)) {
		pager_put(txn->pager, page);
		return tree_corrupt(bt, ref,
			"the page is not a node of this tree at the expected level");
	}
	*ret_page = page;
	return 0;
}
