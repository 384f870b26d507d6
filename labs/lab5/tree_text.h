/* SPDX-License-Identifier: MIT */
/*
 * Trees as lines of text: laid out by hand, without a call of what a student writes, and printed to
 * be compared.
 *
 *	[a c:60]           a leaf with two records; c's entry takes 60 bytes, with its slot; a's 100
 *	([a c] g [g k])    an inner page: two children, and between them a separator
 *	{usr/}[usr/b]      printed: the prefix that the page has; passed over when it is read
 *	k~70x              the byte k, dots up to 70 bytes, then x: a key of 71 bytes
 *	?                  printed: a reference to no page, or to one of another level
 */
#ifndef LABS_LAB5_TREE_TEXT_H
#define LABS_LAB5_TREE_TEXT_H

#include "btree/btree.h"
#include "tests/double_txn.h"

#define TREE_PAGE     512U  /* bytes of a page */
#define TREE_TEXT_MAX 8192U /* bytes of a text, its end included */
#define TREE_KEY_MAX  80U   /* btree_key_max(TREE_PAGE) */
#define TREE_VAL_MAX  512U

struct tree_key {
	uint8_t data[TREE_KEY_MAX];
	unsigned len;
};

/*
 * Makes the tree of `text` the tree of bt, and commits it: each page of it is to be copied before
 * it may change. A text that makes no sense ends the process with a sentence.
 */
void tree_lay(struct double_env *env, struct btree *bt, const char *text);

/* Reads `key` or `key:size`; the size is that of its entry in a leaf. Likewise. */
void tree_record(const char *text, struct tree_key *ret_key, unsigned *ret_val_len);

/* Writes the tree to buf, of TREE_TEXT_MAX bytes; what does not fit ends with "...". */
void tree_print(struct double_env *env, const struct txn_root *root, char *buf);

/* The page that a reference names, of this level; NULL: there is none. */
const struct page *tree_page(struct double_env *env, struct page_ref ref, unsigned level);

#endif
