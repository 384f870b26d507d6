/* SPDX-License-Identifier: MIT */
/* The zoo of test_btree_zoo.c: the tree that is damaged, and what is done to it. */
#ifndef TESTS_BTREE_ZOO_H
#define TESTS_BTREE_ZOO_H

#include "btree/btree_int.h"
#include "tests/double_txn.h"

#define ZOO_PAGE 512U

struct zoo {
	struct double_env *env;
	struct btree bt;
	struct page_ref root, inner, leaf, leaf2,
		edge; /* leaf and leaf2: neighbours in the middle */
	struct page_ref over_index,
		over_bytes; /* of the long value in leaf; leaf2's has none above */
};

static inline uint8_t *zoo_bytes(struct zoo *z, struct page_ref ref)
{
	return (uint8_t *)double_page(z->env, ref.pgno);
}

struct beast {
	const char *name;
	struct page_ref (*damage)(struct zoo *z); /* returns the page that is to be sealed again */
	const char *reason;                       /* words of btree_check's text; NULL: any */
};

/* Damages of long values (zoo_overflow.c). */
extern const struct beast zoo_overflow_beasts[];
extern const int zoo_n_overflow_beasts;

#endif
