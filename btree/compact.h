/* SPDX-License-Identifier: MIT */
/*
 * Compaction of a tree, leaf by leaf, in a write transaction: leaves pull records from their right
 * neighbours until they are full, and pages that lie behind a given end move.
 */
#ifndef BTREE_COMPACT_H
#define BTREE_COMPACT_H

#include "btree/btree.h"

struct btree_compact {
	pgno_t end;   /* pages from there on are copied to where the transaction takes pages */
	uint8_t *key; /* the leaf that comes next is the one where this key belongs; the caller's,
			 of a page */
	unsigned key_len;
	unsigned entry;     /* of that leaf, with a long value: it comes next, */
	uint64_t byte_page; /* from this page of its bytes on */
	uint64_t n_changed; /* edits of leaves, and pages of long values that moved */
};

/* Goes on from a key: 0 bytes of it for the beginning. */
static inline void btree_compact_at(struct btree_compact *c, unsigned key_len)
{
	c->key_len = key_len;
	c->entry = 0;
	c->byte_page = 0;
}

/*
 * Looks at one leaf, and its path, and does one thing of what there is to do: a change of the leaf,
 * or up to 32 pages of a long value move. Then key is that of the leaf that comes next, or as it
 * was, when the same one needs another look. VERSO_NOTFOUND: it was the last. VERSO_ECORRUPT, I/O
 * errors; of txn_reserve(): -ENOSPC and others.
 */
int btree_compact_leaf(struct btree *bt, struct btree_compact *c);

#endif
