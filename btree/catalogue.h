/* SPDX-License-Identifier: MIT */
/*
 * The catalogue: named tables. It is a tree itself, from a table's name to the record of its tree:
 *
 *	 0 pgno   u32   root; 0: the table is empty
 *	 4 gen    u64
 *	12 level  u8    of the root
 *	13 flags  u8    the table's own
 *	14 kind   u16   comparator id; 0: memcmp, the only one so far
 *	16 tree   u32   the table's id, never used again for another
 *	20 reserved u32 0
 *	24 count  u64   records
 *	32 user   u64   the owner's own
 *
 * The next table id stands in `user` of the catalogue's own description in the meta page.
 */
#ifndef BTREE_CATALOGUE_H
#define BTREE_CATALOGUE_H

#include "btree/btree.h"

#define CATALOGUE_TREE 1U /* id of the catalogue's own pages */
#define CATALOGUE_TABLES                                                                           \
	2U /* ids below belong to the trees in the meta page: 0 is the default table */
#define CATALOGUE_RECORD_BYTES 40U

/* The description of an empty catalogue, for a new database. */
void catalogue_root_init(struct txn_root *root);

/* False when the bytes make no sense. */
bool catalogue_decode(const uint8_t *bytes, size_t len, struct txn_root *ret_root);
void catalogue_encode(uint8_t bytes[CATALOGUE_RECORD_BYTES], const struct txn_root *root);

/*
 * Longest name in bytes. Name and record together are no longer than a key, so that the record lies
 * in the leaf, where recovery looks for it.
 */
uint32_t catalogue_name_max(uint32_t page_size);

/*
 * The table called name. VERSO_NOTFOUND; VERSO_EVERSION when this Verso does not have its
 * comparator.
 */
int catalogue_find(struct btree *catalogue, struct btree_slice name, struct txn_root *ret_root);

/*
 * Makes an empty table. VERSO_EXISTS; and what btree_put() returns. name: 1 to btree_key_max()
 * bytes.
 */
int catalogue_create(struct btree *catalogue, struct btree_slice name, unsigned flags,
	struct txn_root *ret_root);

/* Writes back the description of a table that was changed. VERSO_NOTFOUND. */
int catalogue_update(struct btree *catalogue, struct btree_slice name, const struct txn_root *root);

/*
 * Gives a table another name, which catalogue_name_max() allows. VERSO_NOTFOUND; VERSO_EXISTS:
 * there is a table called `to`. An error after the first of its two edits makes the transaction
 * abort-only.
 */
int catalogue_rename(struct btree *catalogue, struct btree_slice from, struct btree_slice to);

/* Forgets a table whose tree has been dropped (btree_drop). VERSO_NOTFOUND. */
int catalogue_remove(struct btree *catalogue, struct btree_slice name);

#endif
