/* SPDX-License-Identifier: MIT */
/*
 * Cursors that stay open while their table changes. Where one must be is a key, or an end; what
 * comes next is the oracle's first key above that, or the last below.
 */
#include "tests/differential/run.h"

#include <string.h>

static void forget(struct run *r, unsigned i)
{
	r->places[i].open = false;
	for (int s = 0; s < 2; s++) {
		verso_cursor_close(r->sides[s].cursors[i]);
		r->sides[s].cursors[i] = NULL;
	}
}

void cursors_forget(struct run *r)
{
	for (unsigned i = 0; i < N_CURSORS; i++)
		forget(r, i);
}

void cursors_forget_table(struct run *r, unsigned table)
{
	for (unsigned i = 0; i < N_CURSORS; i++) {
		if (r->places[i].open && r->places[i].table == table)
			forget(r, i);
	}
}

static bool open_cursor(struct run *r, unsigned i, unsigned table)
{
	int rcs[2];

	forget(r, i);
	if (!sides_table(r, table))
		return false;
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_cursor_open(r->sides[s].txn, r->sides[s].tables[table],
			&r->sides[s].cursors[i]);
	r->places[i].open = true;
	r->places[i].table = (uint8_t)table;
	r->places[i].state = PLACE_NEW;
	return look_codes(r, rcs[0], rcs[1], 0);
}

/* What the oracle finds for a move of a cursor that is at `p`. */
static bool expected_move(struct run *r, const struct place *p, unsigned kind, struct verso_val key,
	struct verso_val *ret_key, struct verso_val *ret_val)
{
	struct view *v = &r->oracle.writer;
	struct verso_val at = {p->key, p->key_len};

	switch (kind) {
	case OP_CURSOR_FIRST:
		return view_find(v, p->table, Q_UP, at, ret_key, ret_val);
	case OP_CURSOR_LAST:
		return view_find(v, p->table, Q_DOWN, at, ret_key, ret_val);
	case OP_CURSOR_SEEK:
		return view_find(v, p->table, Q_FROM, key, ret_key, ret_val);
	case OP_CURSOR_NEXT:
		if (p->state == PLACE_BEHIND)
			return false;
		return view_find(v, p->table, p->state == PLACE_AT ? Q_ABOVE : Q_UP, at, ret_key,
			ret_val);
	case OP_CURSOR_PREV:
		if (p->state == PLACE_BEFORE)
			return false;
		return view_find(v, p->table, p->state == PLACE_AT ? Q_BELOW : Q_DOWN, at, ret_key,
			ret_val);
	default:
		return p->state == PLACE_AT && view_find(v, p->table, Q_GET, at, ret_key, ret_val);
	}
}

static int move(struct verso_cursor *c, unsigned kind, struct verso_val key, struct verso_val *k,
	struct verso_val *v)
{
	switch (kind) {
	case OP_CURSOR_FIRST:
		return verso_cursor_first(c, k, v);
	case OP_CURSOR_LAST:
		return verso_cursor_last(c, k, v);
	case OP_CURSOR_SEEK:
		return verso_cursor_seek(c, key, k, v);
	case OP_CURSOR_NEXT:
		return verso_cursor_next(c, k, v);
	case OP_CURSOR_PREV:
		return verso_cursor_prev(c, k, v);
	default:
		return verso_cursor_get(c, k, v);
	}
}

static bool move_and_compare(struct run *r, unsigned i, const struct op *op)
{
	struct place *p = &r->places[i];
	struct verso_val key = key_make(&r->stream->config, op->key, r->key_buf);
	struct verso_val k[2], v[2], expected_key, expected_val;
	bool found = expected_move(r, p, op->kind, key, &expected_key, &expected_val);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = move(r->sides[s].cursors[i], op->kind, key, &k[s], &v[s]);
	if (!look_codes(r, rcs[0], rcs[1], found ? 0 : VERSO_NOTFOUND))
		return false;
	if (found && (!look_values(r, k[0], k[1], expected_key) ||
			     !look_values(r, v[0], v[1], expected_val)))
		return false;
	if (op->kind == OP_CURSOR_GET)
		return true;
	if (found) {
		p->state = PLACE_AT;
		p->key_len = expected_key.len;
		if (p->key_len > 0)
			memcpy(p->key, expected_key.data, p->key_len);
	} else {
		p->state = op->kind == OP_CURSOR_PREV || op->kind == OP_CURSOR_LAST ? PLACE_BEFORE
										    : PLACE_BEHIND;
	}
	return true;
}

static bool delete_at(struct run *r, unsigned i)
{
	struct place *p = &r->places[i];
	struct verso_val at = {p->key, p->key_len};
	bool found = p->state == PLACE_AT && oracle_del(&r->oracle, p->table, at);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_cursor_del(r->sides[s].cursors[i]);
	run_mark(r, MARK_CURSOR_DELS, found);
	return look_codes(r, rcs[0], rcs[1], found ? 0 : VERSO_NOTFOUND);
}

static bool put_at(struct run *r, unsigned i, const struct op *op)
{
	struct place *p = &r->places[i];
	struct verso_val at = {p->key, p->key_len}, val = value_make(op->len, op->seed, r->val_buf);
	struct verso_val k, v;
	bool found =
		p->state == PLACE_AT && view_find(&r->oracle.writer, p->table, Q_GET, at, &k, &v);
	int rcs[2];

	if (found)
		oracle_put(&r->oracle, p->table, at, val);
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_cursor_put(r->sides[s].cursors[i], val);
	return look_codes(r, rcs[0], rcs[1], found ? 0 : VERSO_NOTFOUND);
}

bool cursors_op(struct run *r, const struct op *op)
{
	unsigned i = op->seed % N_CURSORS;

	if (!sides_begin(r))
		return false;
	if (op->kind == OP_CURSOR_OPEN || !r->places[i].open) {
		if (!open_cursor(r, i, op->table) || op->kind == OP_CURSOR_OPEN)
			return r->failure[0] == '\0';
	}
	if (op->kind == OP_CURSOR_PUT)
		return put_at(r, i, op);
	return op->kind == OP_CURSOR_DEL ? delete_at(r, i) : move_and_compare(r, i, op);
}
