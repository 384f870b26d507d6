/* SPDX-License-Identifier: MIT */
/*
 * Cursors: the tree's, with results that the user can keep until the next call, and an end of their
 * own.
 *
 * A cursor's transaction may end before it. It is then detached (txn NULL) and only waits to be
 * closed, because a user who closes things in the wrong order is no rarity.
 */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct open_call {
	struct verso_table *table;
	struct btree_cursor *cursor;
};

static int open_cursor(struct verso_txn *txn, void *arg)
{
	struct open_call *c = arg;

	(void)txn;
	return btree_cursor_open(&c->table->tree, &c->cursor);
}

int verso_cursor_open(struct verso_txn *txn, struct verso_table *table,
	struct verso_cursor **ret_cursor)
{
	struct open_call call = {0};
	struct verso_cursor *c;
	int rc = edge_txn(txn, false);

	if (rc < 0)
		return rc;
	call.table = edge_table(txn, table);
	if (!call.table)
		return VERSO_EMISUSE;
	if (!ret_cursor)
		return misuse("verso_cursor_open: no place for the result");
	rc = edge_call(txn, open_cursor, &call);
	if (rc < 0)
		return rc;
	c = handle_make(HANDLE_CURSOR, sizeof(*c));
	if (!c) {
		btree_cursor_close(call.cursor);
		return -ENOMEM;
	}
	c->process = txn->db->process;
	c->txn = txn;
	c->table = call.table;
	c->cursor = call.cursor;
	c->next = txn->cursors;
	if (c->next)
		c->next->prev = c;
	txn->cursors = c;
	*ret_cursor = c;
	return 0;
}

static void detach(struct verso_cursor *c)
{
	struct verso_txn *txn = c->txn;

	btree_cursor_close(c->cursor);
	if (c->prev)
		c->prev->next = c->next;
	else
		txn->cursors = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->cursor = NULL;
	c->table = NULL;
	c->txn = NULL;
	c->next = c->prev = NULL;
}

void cursors_end(struct verso_txn *txn, struct verso_table *table)
{
	struct verso_cursor *next;

	for (struct verso_cursor *c = txn->cursors; c; c = next) {
		next = c->next;
		if (!table || c->table == table)
			detach(c);
	}
}

void cursors_drop(struct verso_txn *txn)
{
	for (struct verso_cursor *c = txn->cursors; c; c = c->next) {
		btree_cursor_close(c->cursor);
		c->cursor = NULL;
		c->on = false;
	}
}

void verso_cursor_close(struct verso_cursor *c)
{
	if (!handle_is(c, HANDLE_CURSOR) || !process_is(c->process))
		return;
	if (c->txn)
		detach(c);
	free(c->buf);
	handle_end(HANDLE_CURSOR, c);
}

/* Hands the value out. copy: its pin is not the cursor's. */
static int show_value(struct verso_cursor *c, const struct btree_item *item, bool copy,
	struct verso_val *ret_val)
{
	const struct verso *db = c->txn->db;
	size_t len_bytes;
	int rc;

	if (item->val.data && !copy && !(db->options.flags & VERSO_COPY)) {
		*ret_val = (struct verso_val){item->val.data, item->val.len};
		return 0;
	}
	if (item->val.len > db->options.value_copy_max)
		return value_too_long(db, item->val.len);
	rc = buffer_reserve(&c->buf, &c->cap_bytes, item->val.len + 1);
	if (rc == 0)
		rc = btree_item_read(&c->table->tree, item, 0, c->buf, item->val.len, &len_bytes);
	if (rc == 0)
		*ret_val = (struct verso_val){c->buf, item->val.len};
	return rc;
}

static int show(struct verso_cursor *c, const struct btree_item *item, bool copy,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	int rc = ret_val ? show_value(c, item, copy, ret_val) : 0;

	if (rc == 0 && ret_key)
		*ret_key = (struct verso_val){c->key.data, c->key.len};
	return rc;
}

enum move { MOVE_FIRST, MOVE_LAST, MOVE_NEXT, MOVE_PREV, MOVE_SEEK, MOVE_STAY };

struct move_call {
	struct verso_cursor *cursor;
	enum move move;
	struct btree_slice key;
	struct verso_val *ret_key, *ret_val;
};

static int move_tree_cursor(const struct move_call *m, struct btree_slice *key,
	struct btree_item *item)
{
	struct btree_cursor *cursor = m->cursor->cursor;

	switch (m->move) {
	case MOVE_FIRST:
		return btree_cursor_first(cursor, key, item);
	case MOVE_LAST:
		return btree_cursor_last(cursor, key, item);
	case MOVE_NEXT:
		return btree_cursor_next(cursor, key, item);
	case MOVE_PREV:
		return btree_cursor_prev(cursor, key, item);
	case MOVE_SEEK:
		return btree_cursor_seek(cursor, m->key, key, item);
	case MOVE_STAY:
		break;
	}
	return VERSO_EMISUSE;
}

static int move(struct verso_txn *txn, void *arg)
{
	struct move_call *m = arg;
	struct verso_cursor *c = m->cursor;
	int rc = move_tree_cursor(m, &c->key, &c->item);

	(void)txn;
	c->on = rc == 0;
	c->n_edits = c->table->n_edits;
	return rc == 0 ? show(c, &c->item, false, m->ret_key, m->ret_val) : rc;
}

/* The record under the cursor. After an edit of the table it is looked for again, by its key. */
static int stay(struct verso_txn *txn, void *arg)
{
	struct move_call *m = arg;
	struct verso_cursor *c = m->cursor;
	struct btree_item item;
	int rc;

	(void)txn;
	if (!c->on)
		return VERSO_NOTFOUND;
	if (c->n_edits == c->table->n_edits)
		return show(c, &c->item, false, m->ret_key, m->ret_val);
	rc = btree_get(&c->table->tree, c->key, &item);
	if (rc != 0)
		return rc;
	rc = show(c, &item, true, m->ret_key, m->ret_val);
	btree_item_put(&c->table->tree, &item);
	return rc;
}

static int move_cursor(struct verso_cursor *c, enum move how, struct btree_slice key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	struct move_call m = {c, how, key, ret_key, ret_val};
	int rc = edge_cursor(c);

	if (rc < 0)
		return rc;
	return edge_call(c->txn, how == MOVE_STAY ? stay : move, &m);
}

int verso_cursor_first(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_FIRST, (struct btree_slice){0}, ret_key, ret_val);
}

int verso_cursor_last(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_LAST, (struct btree_slice){0}, ret_key, ret_val);
}

int verso_cursor_next(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_NEXT, (struct btree_slice){0}, ret_key, ret_val);
}

int verso_cursor_prev(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_PREV, (struct btree_slice){0}, ret_key, ret_val);
}

int verso_cursor_seek(struct verso_cursor *c, struct verso_val key, struct verso_val *ret_key,
	struct verso_val *ret_val)
{
	if (edge_val(key) < 0)
		return VERSO_EMISUSE;
	return move_cursor(c, MOVE_SEEK, slice_of(key), ret_key, ret_val);
}

int verso_cursor_get(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_STAY, (struct btree_slice){0}, ret_key, ret_val);
}

static int del(struct verso_txn *txn, void *arg)
{
	struct move_call *m = arg;
	struct verso_cursor *c = m->cursor;
	int rc;

	if (!c->on)
		return VERSO_NOTFOUND;
	results_end(txn, txn->n_held, NULL);
	rc = btree_cursor_del(c->cursor);
	c->table->n_edits++;
	return rc;
}

int verso_cursor_del(struct verso_cursor *c)
{
	struct move_call m = {.cursor = c};
	int rc = edge_cursor(c);

	if (rc == 0)
		rc = edge_txn(c->txn, true);
	return rc < 0 ? rc : edge_call(c->txn, del, &m);
}
