/* SPDX-License-Identifier: MIT */
/*
 * Memory of one call on a tree, in a list of the tree: what a call cannot free, because a fault of
 * the mapping jumped out of it (io/fault.h), is freed with the tree.
 */
#include "btree/btree_int.h"

#include <stddef.h>
#include <stdlib.h>

struct btree_block {
	struct btree_block *next, *prev; /* bt->blocks */
	max_align_t bytes[];
};

static struct btree_block *block_of(void *p)
{
	return (struct btree_block *)((char *)p - offsetof(struct btree_block, bytes));
}

static void link_block(struct btree *bt, struct btree_block *block)
{
	block->prev = NULL;
	block->next = bt->blocks;
	if (block->next)
		block->next->prev = block;
	bt->blocks = block;
}

static void unlink_block(struct btree *bt, struct btree_block *block)
{
	if (block->prev)
		block->prev->next = block->next;
	else
		bt->blocks = block->next;
	if (block->next)
		block->next->prev = block->prev;
}

void *tree_realloc(struct btree *bt, void *old, size_t len_bytes)
{
	struct btree_block *block = old ? block_of(old) : NULL, *grown;

	if (len_bytes > SIZE_MAX - sizeof(*block))
		return NULL;
	if (block)
		unlink_block(bt, block);
	grown = realloc(block, sizeof(*block) + len_bytes);
	if (grown)
		link_block(bt, grown);
	else if (block)
		link_block(bt, block);
	return grown ? grown->bytes : NULL;
}

void tree_free(struct btree *bt, void *p)
{
	if (!p)
		return;
	unlink_block(bt, block_of(p));
	free(block_of(p));
}

void tree_free_all(struct btree *bt)
{
	while (bt->blocks)
		tree_free(bt, bt->blocks->bytes);
}
