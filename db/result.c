/* SPDX-License-Identifier: MIT */
/*
 * What get hands out: pointers into pinned pages, and copies where the value is in pieces or the
 * user wants none of the mapping. Each lasts until the next get (D3).
 */
#include "db/db_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void chunks_free(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void results_end(struct verso_txn *txn, size_t n_held, struct chunk *chunks)
{
	ASSERT(n_held <= txn->n_held);
	for (size_t i = 0; i < n_held; i++)
		btree_item_put(txn->held[i].tree, &txn->held[i].item);
	txn->n_held -= n_held;
	if (txn->n_held > 0)
		memmove(txn->held, txn->held + n_held, txn->n_held * sizeof(*txn->held));
	if (!chunks)
		return;
	if (txn->chunks == chunks) {
		txn->chunks = NULL;
	} else {
		struct chunk *c = txn->chunks;

		while (c->next != chunks)
			c = c->next;
		c->next = NULL;
	}
	chunks_free(chunks);
}

void results_fini(struct verso_txn *txn)
{
	results_end(txn, txn->n_held, txn->chunks);
	free(txn->held);
	free(txn->buf);
	free(txn->room.bytes);
	txn->room = (struct room){0};
	txn->held = NULL;
	txn->buf = NULL;
	txn->cap_held = txn->cap_bytes = 0;
}

/* Not base/array.h, which begins with 64: most transactions hold one result at a time. */
static int hold_more(struct verso_txn *txn)
{
	size_t cap = txn->cap_held ? 2 * txn->cap_held : 4;
	struct held *held = realloc(txn->held, cap * sizeof(*held));

	if (!held)
		return -ENOMEM;
	txn->held = held;
	txn->cap_held = cap;
	return 0;
}

int results_hold(struct verso_txn *txn, struct btree *tree, const struct btree_item *item)
{
	if (txn->n_held == txn->cap_held) {
		int rc = hold_more(txn);

		if (rc < 0)
			return rc;
	}
	txn->held[txn->n_held++] = (struct held){tree, *item, NULL};
	return 0;
}

void *results_alloc(struct verso_txn *txn, size_t len_bytes)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + len_bytes);

	if (!chunk)
		return NULL;
	chunk->next = txn->chunks;
	txn->chunks = chunk;
	return chunk->bytes;
}

int buffer_reserve(void **buf, size_t *cap_bytes, size_t len_bytes)
{
	void *larger;

	if (len_bytes <= *cap_bytes)
		return 0;
	larger = malloc(len_bytes);
	if (!larger)
		return -ENOMEM;
	free(*buf);
	*buf = larger;
	*cap_bytes = len_bytes;
	return 0;
}

static bool lies_in_a_result(const struct verso_txn *txn, const void *data)
{
	uint32_t page_size = txn->txn->pager->page_size;

	for (size_t i = 0; i < txn->n_held; i++) {
		if ((uintptr_t)data - (uintptr_t)txn->held[i].item.pin < page_size)
			return true;
	}
	return false;
}

int results_keep_argument(struct verso_txn *txn, struct btree_slice *arg)
{
	void *copy;

	if (arg->len == 0 || !lies_in_a_result(txn, arg->data))
		return 0;
	copy = results_alloc(txn, arg->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, arg->data, arg->len);
	arg->data = copy;
	return 0;
}

int results_end_before_edit(struct verso_txn *txn, struct btree_slice *key, struct btree_slice *val)
{
	int rc;

	if (txn->n_held == 0)
		return 0;
	rc = results_keep_argument(txn, key);
	if (rc == 0)
		rc = results_keep_argument(txn, val);
	if (rc == 0)
		results_end(txn, txn->n_held, NULL);
	return rc;
}

int value_too_long(const struct verso *db, uint64_t len_bytes)
{
	return error_set(VERSO_ETOOBIG,
		"the value has %" PRIu64
		" bytes, more than value_copy_max (%zu) allows to assemble in memory: read it in "
		"pieces with verso_read()",
		len_bytes, db->options.value_copy_max);
}
