/* SPDX-License-Identifier: MIT */
/*
 * What the transactions know of trees: the references in a page. Recovery walks them; the checksum
 * of the page is right, but whether its bytes make sense has not been checked before.
 */
#include "btree/btree_int.h"
#include "btree/catalogue.h"

#include <inttypes.h>

static int page_is_wrong(const struct page *page, const char *what)
{
	return error_set(VERSO_ECORRUPT, "page %" PRIu32 ": %s", page_ref(page).pgno, what);
}

static int each_child(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	for (unsigned i = 0; i <= node_count(page); i++) {
		struct page_ref ref = node_child(page, page_size, i);
		int rc;

		if (ref_is_null(ref))
			return page_is_wrong(page, REF_IS_NULL);
		rc = fn(arg, ref, page->level - 1U);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int each_long_value(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	for (unsigned i = 0; i < node_count(page); i++) {
		struct node_value val;
		struct overflow o;
		const char *wrong;

		if (!node_value(page, page_size, i, &val))
			return page_is_wrong(page, "a value lies outside its page");
		if (!val.overflow)
			continue;
		wrong = overflow_open(page_size, node_key_len(page, i), val, &o);
		if (wrong)
			return page_is_wrong(page, wrong);
		for (unsigned k = 0; k < o.n_refs; k++) {
			int rc = fn(arg, overflow_cell_ref(&o, k), o.level);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int each_piece(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	unsigned n;

	if (page->level == 0)
		return 0;
	n = overflow_count(page, page_size);
	if (n == NODE_BAD)
		return page_is_wrong(page, "it refers to an impossible number of pages");
	for (unsigned i = 0; i < n; i++) {
		struct page_ref ref = overflow_ref(page, i);
		int rc;

		if (ref_is_null(ref))
			return page_is_wrong(page, "a long value refers to no page");
		rc = fn(arg, ref, page->level - 1U);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The catalogue's leaves refer to the roots of the named tables. */
static int each_table(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	for (unsigned i = 0; i < node_count(page); i++) {
		struct node_value val;
		struct txn_root root;
		int rc;

		if (!node_value(page, page_size, i, &val))
			return page_is_wrong(page, "a value lies outside its page");
		if (val.overflow || !catalogue_decode(val.data, val.len, &root))
			return page_is_wrong(page, TABLE_IS_BAD);
		if (ref_is_null(root.ref))
			continue;
		rc = fn(arg, root.ref, root.level);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int btree_each_ref(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	const char *wrong;

	if (page->type == PAGE_OVERFLOW)
		return each_piece(page, page_size, fn, arg);
	wrong = node_validate(page, page_size);
	if (wrong)
		return page_is_wrong(page, wrong);
	if (page->level > 0)
		return each_child(page, page_size, fn, arg);
	if (le32_get(page->tree) == CATALOGUE_TREE)
		return each_table(page, page_size, fn, arg);
	return each_long_value(page, page_size, fn, arg);
}

const struct txn_schema btree_schema = {.each_ref = btree_each_ref};
