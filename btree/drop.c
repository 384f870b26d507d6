/* SPDX-License-Identifier: MIT */
/*
 * Freeing a whole tree: list its pages, make sure that they can be freed, free them. Leaves are
 * read too, because only they know the long values.
 */
#include "btree/btree_int.h"

static int list_page(void *arg, struct page_ref ref, const struct page *page)
{
	(void)page;
	return ref_list_add(arg, ref);
}

int btree_drop(struct btree *bt)
{
	struct ref_list pages = {.bt = bt};
	int rc;

	btree_cursors_unpin(bt);
	if (ref_is_null(bt->root.ref))
		return 0;
	rc = btree_check(bt, list_page, &pages, NULL);
	if (rc == 0)
		rc = txn_reserve_for(bt->txn, &(struct txn_need){.use = TXN_REMOVE,
						      .n_frees = pages.n,
						      .n_extents = ref_list_runs(&pages)});
	for (size_t i = 0; rc == 0 && i < pages.n; i++)
		txn_free(bt->txn, pages.refs[i]);
	ref_list_fini(&pages);
	if (rc == 0) {
		bt->root.ref = bt->edge = (struct page_ref){0, 0};
		bt->root.level = 0;
		bt->root.count = 0;
	}
	return rc;
}
