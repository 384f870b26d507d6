/* SPDX-License-Identifier: MIT */
/*
 * Building trees from their records in ascending order, bottom-up: leaves are filled one after the
 * other, and each full one adds its reference to the node above. So nodes are as full as entries
 * allow, records that follow each other lie in pages that do, and nothing is written twice. The
 * pages go to a file that is written in one go (bulk_out), not into a transaction's.
 *
 * Several trees may be built at a time over one bulk_out: their pages take turns.
 */
#ifndef BTREE_BULK_H
#define BTREE_BULK_H

#include "btree/btree.h"

/* Where the pages go. */
struct bulk_out {
	const struct layout *layout; /* the caller's; constant */
	uint64_t seed;               /* of the file's checksums; constant */
	gen_t gen;                   /* of all pages; constant */
	pgno_t next;                 /* no ordinary page from there on was given out */
	uint64_t n_pages;            /* given out */

	/* Takes a sealed page, in the order of their numbers. NULL: pages are only counted. < 0: it
	 * failed, which ends the building. */
	int (*put)(void *arg, pgno_t pgno, const struct page *page);
	void *arg;
};

struct bulk;

/* Begins a tree with the id, kind, flags and user of `like`. -ENOMEM. */
int bulk_open(struct bulk_out *out, const struct txn_root *like, struct bulk **ret_bulk);

/*
 * Adds a record, whose key is above all before. item: its value as a cursor of `source` returns it;
 * pages of a long one are copied. VERSO_ECORRUPT: the key is not above; what put() and reading
 * return; -ENOMEM, VERSO_EFULL. A fault of a mapping may jump out of it: then bulk_close() is what
 * remains.
 */
int bulk_add(struct bulk *b, struct btree *source, struct btree_slice key,
	const struct btree_item *item);

/* The same with a value of the caller's, which fits a leaf. */
int bulk_add_short(struct bulk *b, struct btree_slice key, struct btree_slice val);

/* Writes what waits, and describes the tree. */
int bulk_end(struct bulk *b, struct txn_root *ret_root);

/* Takes NULL. */
void bulk_close(struct bulk *b);

#endif
