/* SPDX-License-Identifier: MIT */
/*
 * A sorted array of records: what the tree is compared with.
 */
#ifndef TESTS_BTREE_MODEL_H
#define TESTS_BTREE_MODEL_H

#include "btree/btree.h"

struct model_record {
	uint8_t *key;
	size_t key_len;
	uint64_t val_seed; /* the value's bytes follow from it */
	size_t val_len;
};

struct model {
	struct model_record *records;
	size_t n, cap;
};

void model_fini(struct model *m);

/* Index of the first record whose key is >= key; *ret_exact: equal. */
size_t model_find(const struct model *m, struct btree_slice key, bool *ret_exact);
void model_put(struct model *m, struct btree_slice key, uint64_t val_seed, size_t val_len);
bool model_del(struct model *m, struct btree_slice key);

/* Fills buf with the value that follows from seed. */
void model_value(uint64_t seed, uint8_t *buf, size_t len);

/* Fails the test unless the item, whole, is the value of r. */
void model_same_value(struct btree *bt, const struct btree_item *item,
	const struct model_record *r);

/*
 * Fails the test unless a scan of the tree, both ways, gives the model, and btree_check accepts it.
 */
void model_same_tree(const struct model *m, struct btree *bt);

#endif
