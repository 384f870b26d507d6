/* SPDX-License-Identifier: MIT */
/* The records of named tables, and the tree that holds them. */
#include "btree/catalogue.h"
#include "btree/btree_int.h"

#include <errno.h>
#include <inttypes.h>

#define AT_COUNTS 24U /* in a record, behind four bytes that are kept free */

void catalogue_root_init(struct txn_root *root)
{
	*root = (struct txn_root){.tree = CATALOGUE_TREE, .user = CATALOGUE_TABLES};
}

void catalogue_encode(uint8_t bytes[CATALOGUE_RECORD_BYTES], const struct txn_root *root)
{
	memset(bytes, 0, CATALOGUE_RECORD_BYTES);
	txn_root_encode(root, bytes, bytes + AT_COUNTS);
}

bool catalogue_decode(const uint8_t *bytes, size_t len, struct txn_root *ret_root)
{
	struct txn_root root;

	if (len != CATALOGUE_RECORD_BYTES)
		return false;
	txn_root_decode(bytes, bytes + AT_COUNTS, &root);
	if (root.level >= BTREE_LEVELS_MAX || root.tree < CATALOGUE_TABLES)
		return false;
	if (ref_is_null(root.ref) != (root.count == 0))
		return false;
	*ret_root = root;
	return true;
}

uint32_t catalogue_name_max(uint32_t page_size)
{
	return node_key_max(page_size) - CATALOGUE_RECORD_BYTES;
}

int catalogue_find(struct btree *catalogue, struct btree_slice name, struct txn_root *ret_root)
{
	struct txn_root root = {0};
	struct btree_item item;
	bool ok;
	int rc = btree_get(catalogue, name, &item);

	if (rc != 0)
		return rc;
	ok = !item.overflow && catalogue_decode(item.val.data, item.val.len, &root);
	btree_item_put(catalogue, &item);
	if (!ok)
		return tree_corrupt(catalogue, catalogue->root.ref, TABLE_IS_BAD);
	if (root.kind != 0)
		return error_set(VERSO_EVERSION,
			"the table's order is comparator %u, which this Verso does not have",
			root.kind);
	*ret_root = root;
	return 0;
}

int catalogue_create(struct btree *catalogue, struct btree_slice name, unsigned flags,
	struct txn_root *ret_root)
{
	struct txn_root root = {.flags = (uint8_t)flags, .tree = (uint32_t)catalogue->root.user};
	uint8_t bytes[CATALOGUE_RECORD_BYTES];
	int rc;

	if (name.len == 0)
		return error_set(VERSO_EMISUSE, "a table needs a name of at least one byte");
	if (name.len > catalogue_name_max(tree_page_size(catalogue)))
		return error_set(VERSO_ETOOBIG,
			"the table's name has %zu bytes; the longest possible has %u", name.len,
			catalogue_name_max(tree_page_size(catalogue)));
	if (catalogue->root.user < CATALOGUE_TABLES)
		return error_set(VERSO_ECORRUPT,
			"expected a next table id of %u at least, found %" PRIu64
			". The file is damaged: restore it from a copy",
			CATALOGUE_TABLES, catalogue->root.user);
	if (catalogue->root.user > UINT32_MAX)
		return error_set(VERSO_EFULL, "all table ids have been used");
	catalogue_encode(bytes, &root);
	rc = btree_put(catalogue, name, (struct btree_slice){bytes, sizeof(bytes)},
		BTREE_NOOVERWRITE);
	if (rc != 0)
		return rc;
	catalogue->root.user++;
	*ret_root = root;
	return 0;
}

int catalogue_update(struct btree *catalogue, struct btree_slice name, const struct txn_root *root)
{
	uint8_t bytes[CATALOGUE_RECORD_BYTES];
	struct txn_root old;
	int rc = catalogue_find(catalogue, name, &old);

	if (rc != 0)
		return rc;
	catalogue_encode(bytes, root);
	return btree_put(catalogue, name, (struct btree_slice){bytes, sizeof(bytes)}, BTREE_FINISH);
}

int catalogue_remove(struct btree *catalogue, struct btree_slice name)
{
	return btree_del(catalogue, name);
}

int catalogue_rename(struct btree *catalogue, struct btree_slice from, struct btree_slice to)
{
	uint8_t bytes[CATALOGUE_RECORD_BYTES];
	struct txn_root root;
	int rc = catalogue_find(catalogue, from, &root);

	if (rc != 0)
		return rc;
	catalogue_encode(bytes, &root);
	rc = btree_put(catalogue, to, (struct btree_slice){bytes, sizeof(bytes)},
		BTREE_NOOVERWRITE);
	if (rc != 0)
		return rc;
	rc = btree_del(catalogue, from);
	return rc == 0 ? 0 : txn_break(catalogue->txn, rc < 0 ? rc : VERSO_ECORRUPT);
}
