/* SPDX-License-Identifier: MIT */
/*
 * Cursors: the tree's, with results that the user can keep until the next call, and an end of their
 * own.
 *
 * A cursor's transaction may end before it. It is then detached (txn NULL) and only waits to be
 * closed (D4), because programs often close things in the wrong order.
 */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* range: goes over to the cursor; NULL: the whole table. */
static int open_cursor(struct verso_txn *txn, struct verso_table *table, struct range *range,
	struct verso_cursor **ret_cursor)
{
	struct btree_cursor *cursor;
	struct verso_cursor *c;
	int rc = btree_cursor_open(&table->tree, &cursor); /* reads no page: no fault guard */

	if (rc < 0)
		return rc;
	c = handle_alloc(HANDLE_CURSOR, sizeof(*c));
	if (!c) {
		btree_cursor_close(cursor);
		return -ENOMEM;
	}
	c->process = txn->db->process;
	c->txn = txn;
	c->table = table;
	c->cursor = cursor;
	c->range = range;
	c->next = txn->cursors;
	if (c->next)
		c->next->prev = c;
	txn->cursors = c;
	*ret_cursor = c;
	return 0;
}

int verso_cursor_open(struct verso_txn *txn, struct verso_table *table,
	struct verso_cursor **ret_cursor)
{
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &table);
	if (rc != 0)
		return call_result(rc);
	if (!ret_cursor)
		return misuse("verso_cursor_open: no place for the result");
	return call_result(open_cursor(txn, table, NULL, ret_cursor));
}

/* Its own function, because it sets a fault guard. */
static int take_bounds(struct verso_txn *txn, struct range *r, const struct verso_range *range)
{
	struct fault_guard fault;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	range_take_bounds(r, range);
	call_leave(txn, &fault);
	return 0;
}

int verso_cursor_open_range(struct verso_txn *txn, struct verso_table *table,
	const struct verso_range *range, struct verso_cursor **ret_cursor)
{
	struct range *r;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &table);
	if (rc != 0)
		return call_result(rc);
	if (!ret_cursor)
		return misuse("verso_cursor_open_range: no place for the result");
	rc = range_make(range, &r);
	if (rc < 0)
		return call_result(rc);
	rc = take_bounds(txn, r, range);
	if (rc == 0)
		rc = open_cursor(txn, table, r, ret_cursor);
	if (rc < 0)
		free(r);
	return call_result(rc);
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

void verso_cursor_close(struct verso_cursor *c)
{
	if (!handle_is(c, HANDLE_CURSOR) || !process_is(c->process))
		return;
	if (c->txn) {
		fault_notes_begin(&c->txn->notes);
		detach(c);
		fault_notes_end();
	}
	free(c->buf);
	free(c->range);
	handle_end(HANDLE_CURSOR, c);
}

/* Hands out a copy of the value. */
static int show_copy(struct verso_cursor *c, const struct btree_item *item,
	struct verso_val *ret_val)
{
	const struct verso *db = c->txn->db;
	size_t len_bytes;
	int rc;

	if (item->val.len > db->options.value_copy_max)
		return value_too_long(db, item->val.len);
	rc = buffer_reserve(&c->buf, &c->cap_bytes, item->val.len + 1);
	if (rc == 0)
		rc = btree_item_read(&c->table->tree, item, 0, c->buf, item->val.len, &len_bytes);
	if (rc == 0)
		*ret_val = (struct verso_val){c->buf, item->val.len};
	return rc;
}

/* Hands the record out. copy: its pin is not the cursor's. */
static inline int show(struct verso_cursor *c, const struct btree_item *item, bool copy,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	int rc = 0;

	if (ret_val && item->val.data && !copy && !(c->txn->db->options.flags & VERSO_COPY))
		*ret_val = (struct verso_val){item->val.data, item->val.len};
	else if (ret_val)
		rc = show_copy(c, item, ret_val);
	if (rc == 0 && ret_key)
		*ret_key = (struct verso_val){c->key.data, c->key.len};
	return rc;
}

enum move { MOVE_FIRST, MOVE_LAST, MOVE_NEXT, MOVE_PREV, MOVE_SEEK, MOVE_STAY };

/* The record under the cursor. After an edit of the table it is looked for again, by its key. */
static int stay(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	struct btree_item item;
	int rc;

	if (!c->on)
		return VERSO_NOTFOUND;
	if (c->n_edits == c->table->n_edits)
		return show(c, &c->item, false, ret_key, ret_val);
	rc = btree_get(&c->table->tree, c->key, &item);
	if (rc != 0)
		return rc;
	rc = show(c, &item, true, ret_key, ret_val);
	btree_item_put(&c->table->tree, &item);
	return rc;
}

/* To the first record above the bound, or to the last below it. */
static int move_to(struct verso_cursor *c, const struct btree_bound *bound, bool up)
{
	return btree_cursor_to(c->cursor, bound, up, &c->key, &c->item);
}

/* A key is looked for from one side: what lies outside of the range is not there. */
static int move_to_key(struct verso_cursor *c, struct btree_slice key, bool up)
{
	const struct btree_range *r = &c->range->range;
	struct btree_bound bound = {key, !up};

	if (up && r->from.key.data && !btree_is_above(key, &r->from))
		bound = r->from;
	if (!up && r->to.key.data && btree_is_above(key, &r->to))
		bound = r->to;
	return move_to(c, &bound, up);
}

/* Whether the record below the cursor lies on the far side of the range's end. */
static bool is_beyond(const struct verso_cursor *c, bool up)
{
	const struct btree_range *r = &c->range->range;

	return up ? r->to.key.data && btree_is_above(c->key, &r->to)
		  : r->from.key.data && !btree_is_above(c->key, &r->from);
}

/*
 * The moves of a cursor of a range. Beyond its last record the tree's cursor may stand on one that
 * the range does not have, or anywhere: `place` says where the cursor is, and it comes back from
 * the bound.
 */
static int move_in_range(struct verso_cursor *c, enum move how, struct btree_slice key)
{
	const struct btree_range *r = &c->range->range;
	bool up = (how == MOVE_FIRST || how == MOVE_NEXT || how == MOVE_SEEK) != c->range->down;
	bool steps = how == MOVE_NEXT || how == MOVE_PREV;
	int rc;

	if (steps && c->place == (up ? RANGE_ABOVE : RANGE_BELOW))
		return VERSO_NOTFOUND;
	if (how == MOVE_SEEK)
		rc = move_to_key(c, key, up);
	else if (!steps || c->place != RANGE_IN)
		rc = move_to(c, up ? &r->from : &r->to, up);
	else
		rc = up ? btree_cursor_next(c->cursor, &c->key, &c->item)
			: btree_cursor_prev(c->cursor, &c->key, &c->item);
	if (rc == 0 && is_beyond(c, up))
		rc = VERSO_NOTFOUND;
	if (rc >= 0)
		c->place = rc == 0 ? RANGE_IN : up ? RANGE_ABOVE : RANGE_BELOW;
	return rc;
}

static inline int move(struct verso_cursor *c, enum move how, struct btree_slice key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	int rc = VERSO_EMISUSE;

	if (how == MOVE_STAY)
		return stay(c, ret_key, ret_val);
	if (__builtin_expect(c->range != NULL, 0)) {
		rc = move_in_range(c, how, key);
		c->on = rc == 0;
		c->n_edits = c->table->n_edits;
		return rc == 0 ? show(c, &c->item, false, ret_key, ret_val) : rc;
	}
	switch (how) {
	case MOVE_FIRST:
		rc = btree_cursor_first(c->cursor, &c->key, &c->item);
		break;
	case MOVE_LAST:
		rc = btree_cursor_last(c->cursor, &c->key, &c->item);
		break;
	case MOVE_NEXT:
		rc = btree_cursor_next(c->cursor, &c->key, &c->item);
		break;
	case MOVE_PREV:
		rc = btree_cursor_prev(c->cursor, &c->key, &c->item);
		break;
	case MOVE_SEEK:
		rc = btree_cursor_seek(c->cursor, key, &c->key, &c->item);
		break;
	case MOVE_STAY:
		break;
	}
	c->on = rc == 0;
	c->n_edits = c->table->n_edits;
	return rc == 0 ? show(c, &c->item, false, ret_key, ret_val) : rc;
}

static int move_guarded(struct verso_cursor *c, enum move how, struct btree_slice key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	struct fault_guard fault;
	int rc;

	if (sigsetjmp(fault.env, 0) != 0)
		return call_faulted(c->txn);
	call_enter(c->txn, &fault);
	rc = move(c, how, key, ret_key, ret_val);
	call_leave(c->txn, &fault);
	return rc;
}

/* Inline, so that each move of a scan is a straight line of its own. */
static inline int move_cursor(struct verso_cursor *c, enum move how, struct btree_slice key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	int rc = boundary_cursor(c);

	if (rc < 0)
		return call_result(rc);
	rc = call_may_fault(c->txn) ? move_guarded(c, how, key, ret_key, ret_val)
				    : move(c, how, key, ret_key, ret_val);
	return call_result(rc);
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
	if (boundary_val(key) < 0)
		return VERSO_EMISUSE;
	return move_cursor(c, MOVE_SEEK, slice_of(key), ret_key, ret_val);
}

int verso_cursor_get(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val)
{
	return move_cursor(c, MOVE_STAY, (struct btree_slice){0}, ret_key, ret_val);
}

static int del(struct verso_cursor *c)
{
	int rc;

	if (!c->on)
		return VERSO_NOTFOUND;
	results_end(c->txn, c->txn->n_held, NULL);
	rc = btree_cursor_del(c->cursor);
	c->table->n_edits++;
	return rc;
}

int verso_cursor_del(struct verso_cursor *c)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_cursor(c);

	if (rc == 0)
		rc = boundary_txn(c->txn, true);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(c->txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(c->txn);
		call_enter(c->txn, &fault);
	}
	rc = del(c);
	call_leave(c->txn, &fault);
	return call_result(rc);
}

/* The record under the cursor may have been deleted meanwhile: then there is none to change. */
static int put(struct verso_cursor *c, struct btree_slice val)
{
	struct btree *tree = &c->table->tree;
	struct btree_slice key = c->key;
	struct btree_item item;
	int rc;

	if (!c->on)
		return VERSO_NOTFOUND;
	rc = btree_get(tree, key, &item);
	if (rc != 0)
		return rc;
	btree_item_put(tree, &item);
	rc = results_end_before_edit(c->txn, &key, &val);
	if (rc == 0)
		rc = btree_put(tree, key, val, 0);
	c->table->n_edits++;
	return rc;
}

int verso_cursor_put(struct verso_cursor *c, struct verso_val val)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_cursor(c);

	if (rc == 0)
		rc = boundary_txn(c->txn, true);
	if (rc == 0)
		rc = boundary_val(val);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(c->txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(c->txn);
		call_enter(c->txn, &fault);
	}
	rc = put(c, slice_of(val));
	call_leave(c->txn, &fault);
	return call_result(rc);
}
