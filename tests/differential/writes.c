/* SPDX-License-Identifier: MIT */
/* Ways to write a record other than put; and tables that get another name. */
#include "tests/differential/run.h"

#include <string.h>

static bool append(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	struct verso_val val = value_make(op->len, op->seed, r->val_buf), k, v;
	bool refuse = view_find(&r->oracle.writer, op->table, Q_FROM, key, &k, &v);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_put(r->sides[s].txn, tables[s], key, val, VERSO_APPEND);
	if (!refuse)
		oracle_put(&r->oracle, op->table, key, val);
	return look_codes(r, rcs[0], rcs[1], refuse ? VERSO_EMISUSE : 0);
}

static bool replace(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	struct verso_val val = value_make(op->len, op->seed, r->val_buf), k, v, old[2];
	bool found = view_find(&r->oracle.writer, op->table, Q_GET, key, &k, &v);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_replace(r->sides[s].txn, tables[s], key, val, &old[s]);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	if (found && !look_values(r, old[0], old[1], v))
		return false;
	if (!found && (old[0].data || old[1].data))
		return run_fail(r, "there was no old value, but one is returned");
	oracle_put(&r->oracle, op->table, key, val);
	return true;
}

static bool reserve(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	struct verso_val val = value_make(op->len, op->seed, r->val_buf);
	void *room;
	int rcs[2];

	for (int s = 0; s < 2; s++) {
		rcs[s] = verso_reserve(r->sides[s].txn, tables[s], key, val.len, 0, &room);
		if (rcs[s] == 0 && val.len > 0)
			memcpy(room, val.data, val.len);
	}
	oracle_put(&r->oracle, op->table, key, val);
	return look_codes(r, rcs[0], rcs[1], 0);
}

/* Half of the pieces begin at the value's end; a few behind it. */
static bool write(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	static uint8_t whole[2 * VALUE_MAX];
	struct verso_val piece = value_make(op->len, op->seed, r->val_buf), k, v = {NULL, 0};
	size_t off, len;
	int rcs[2];

	(void)view_find(&r->oracle.writer, op->table, Q_GET, key, &k, &v);
	off = op->n % 2 ? v.len : op->seed % (v.len + 1);
	if (v.len + piece.len > VALUE_MAX)
		off = 0;
	len = off + piece.len > v.len ? off + piece.len : v.len;
	if (v.len > 0)
		memcpy(whole, v.data, v.len);
	if (piece.len > 0)
		memcpy(whole + off, piece.data, piece.len);
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_write(r->sides[s].txn, tables[s], key, off, piece.data, piece.len);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	oracle_put(&r->oracle, op->table, key, (struct verso_val){whole, len});
	run_mark(r, MARK_PIECES, 1);
	return true;
}

bool writes_op(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	switch (op->kind) {
	case OP_APPEND:
		return append(r, op, tables, key);
	case OP_REPLACE:
		return replace(r, op, tables, key);
	case OP_RESERVE:
		return reserve(r, op, tables, key);
	default:
		return write(r, op, tables, key);
	}
}

bool writes_rename(struct run *r, const struct op *op)
{
	unsigned from = 1 + op->table % (N_TABLES - 1), to = 1 + op->n % (N_TABLES - 1);
	bool *exists = r->oracle.writer.exists;
	int expected = !exists[from] ? VERSO_NOTFOUND : exists[to] ? VERSO_EXISTS : 0;
	char names[2][8];
	int rcs[2];

	cursors_forget_table(r, from);
	(void)snprintf(names[0], sizeof(names[0]), "t%u", from);
	(void)snprintf(names[1], sizeof(names[1]), "t%u", to);
	for (int s = 0; s < 2; s++) {
		struct verso_table **tables = r->sides[s].tables;

		rcs[s] = verso_table_rename(r->sides[s].txn, names[0], names[1]);
		if (expected == 0) {
			tables[to] = tables[from];
			tables[from] = NULL;
		}
	}
	if (!look_codes(r, rcs[0], rcs[1], expected))
		return false;
	if (expected == 0) {
		oracle_rename(&r->oracle, from, to);
		run_mark(r, MARK_RENAMES, 1);
	}
	return true;
}
