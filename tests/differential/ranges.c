/* SPDX-License-Identifier: MIT */
/* Operations on ranges. Most are of a few records; some have any two bounds. */
#include "tests/differential/run.h"

#include <string.h>

/* The key of the n-th record above `from`, in buf; of the last one if there are fewer. */
static struct verso_val key_above(struct run *r, const struct op *op, struct verso_val from,
	uint8_t *buf)
{
	sqlite3_stmt *st = view_query(&r->oracle.writer, op->table, Q_FROM, from);
	struct verso_val key = {buf, 0}, k, v;

	for (unsigned i = 0; i <= op->n && view_next(st, &k, &v); i++) {
		if (k.len > 0)
			memcpy(buf, k.data, k.len);
		key.len = k.len;
	}
	(void)sqlite3_reset(st);
	return key;
}

static struct verso_range make_range(struct run *r, const struct op *op, struct verso_val key)
{
	static uint8_t buf[KEY_MAX];
	const struct config *c = &r->stream->config;
	struct verso_range range = {.from = key};

	range.flags = (op->seed & 2 ? VERSO_FROM_ABOVE : 0u) |
		      (op->seed & 4 ? VERSO_TO_INCLUDED : 0u) |
		      (op->seed & 8 && op->kind == OP_SCAN_RANGE ? VERSO_REVERSE : 0u);
	if ((op->seed >> 4) % 4 == 0) {
		range.flags = (range.flags & VERSO_REVERSE) | VERSO_PREFIX;
		range.from.len = key.len > 0 ? key.len - op->n % key.len : 0;
		return range;
	}
	if ((op->seed >> 4) % 8 == 1)
		range.to = key_make(c, (op->key + op->n + 1) % c->n_ids, buf);
	else
		range.to = key_above(r, op, key, buf);
	if ((op->seed >> 8) % 32 == 0)
		range.from.data = NULL;
	if ((op->seed >> 8) % 32 == 1)
		range.to.data = NULL;
	if (!range.from.data)
		range.from.len = 0;
	if (!range.to.data)
		range.to.len = 0;
	return range;
}

static bool count(struct run *r, const struct op *op, struct verso_table *const *tables,
	const struct verso_range *range)
{
	uint64_t expected = oracle_count_range(&r->oracle, op->table, range), n[2] = {0}, about[2];
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_count(r->sides[s].txn, tables[s], range, 0, &n[s]);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	if (n[0] != expected || n[1] != expected)
		return run_fail(r, "counts %llu and %llu, expected %llu", (unsigned long long)n[0],
			(unsigned long long)n[1], (unsigned long long)expected);
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_count(r->sides[s].txn, tables[s], range, VERSO_ESTIMATE, &about[s]);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	if (about[0] != about[1])
		return run_fail(r, "estimates %llu and %llu", (unsigned long long)about[0],
			(unsigned long long)about[1]);
	return true;
}

static bool del_range(struct run *r, const struct op *op, struct verso_table *const *tables,
	const struct verso_range *range)
{
	uint64_t expected = oracle_del_range(&r->oracle, op->table, range), n[2] = {0};
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_del_range(r->sides[s].txn, tables[s], range, &n[s]);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	run_mark(r, MARK_RANGE_DELS, expected);
	if (n[0] != expected || n[1] != expected)
		return run_fail(r, "%llu and %llu deleted, expected %llu", (unsigned long long)n[0],
			(unsigned long long)n[1], (unsigned long long)expected);
	return true;
}

static bool scan_range(struct run *r, const struct op *op, struct verso_table *const *tables,
	const struct verso_range *range)
{
	sqlite3_stmt *st = oracle_scan_range(&r->oracle, op->table, range);
	struct verso_cursor *cs[2] = {NULL, NULL};
	bool ok = true, more = true;
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_cursor_open_range(r->sides[s].txn, tables[s], range, &cs[s]);
	ok = look_codes(r, rcs[0], rcs[1], 0);
	while (ok && more) {
		struct verso_val k[2], v[2], expected_key, expected_val;

		more = view_next(st, &expected_key, &expected_val);
		for (int s = 0; s < 2; s++)
			rcs[s] = verso_cursor_next(cs[s], &k[s], &v[s]);
		ok = look_codes(r, rcs[0], rcs[1], more ? 0 : VERSO_NOTFOUND);
		if (ok && more)
			ok = look_values(r, k[0], k[1], expected_key) &&
			     look_values(r, v[0], v[1], expected_val);
		run_mark(r, MARK_RECORDS, more);
	}
	(void)sqlite3_reset(st);
	verso_cursor_close(cs[0]);
	verso_cursor_close(cs[1]);
	return ok;
}

static bool clear(struct run *r, const struct op *op, struct verso_table *const *tables)
{
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_table_clear(r->sides[s].txn, tables[s]);
	oracle_clear(&r->oracle, op->table);
	return look_codes(r, rcs[0], rcs[1], 0);
}

bool ranges_op(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key)
{
	struct verso_range range;

	if (op->kind == OP_CLEAR)
		return clear(r, op, tables);
	range = make_range(r, op, key);
	if (op->kind == OP_COUNT)
		return count(r, op, tables, &range);
	if (op->kind == OP_DEL_RANGE)
		return del_range(r, op, tables, &range);
	return scan_range(r, op, tables, &range);
}
