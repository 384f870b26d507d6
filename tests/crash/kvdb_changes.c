/* SPDX-License-Identifier: MIT */
/* Changes that are not a put or a delete of one record. */
#include "base/error.h"
#include "db/db_int.h"
#include "tests/crash/kvdb_int.h"

#include <string.h>

static bool is_below(struct verso_val a, struct verso_val b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int c = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return c < 0 || (c == 0 && a.len < b.len);
}

/* Key 0, the empty one, stays, where the whole table is not the range. */
static int del_range(const struct edit *e, uint64_t *rng)
{
	char bufs[3][KEY_BYTES];
	struct verso_val a = kvdb_key(1 + (unsigned)(crash_draw(rng) % (KEYS - 1)), bufs[0]);
	struct verso_val b = kvdb_key(1 + (unsigned)(crash_draw(rng) % (KEYS - 1)), bufs[1]);
	struct verso_range range = {.from = is_below(a, b) ? a : b, .to = is_below(a, b) ? b : a};
	uint64_t n = 0, expected = 0;
	int rc = verso_del_range(e->txn, e->table, &range, &n);

	if (rc)
		return rc;
	for (unsigned i = 1; i < KEYS; i++) {
		struct verso_val key = kvdb_key(i, bufs[2]);

		if (!e->model->number[e->t][i] || is_below(key, range.from) ||
			!is_below(key, range.to))
			continue;
		kvdb_model_set(e->model, e->t, i, 0);
		expected++;
	}
	session_marks[MARK_RANGES].n++;
	return n == expected ? 0 : error_set(VERSO_EIO, "a range had other records");
}

/* A value of which some bytes are wrong, or missing at its end, and then these bytes. */
static int write_pieces(const struct edit *e, uint64_t *rng)
{
	unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));
	uint64_t number = crash_draw(rng) | IS_LONG;
	uint8_t value[VALUE_MAX], wrong[VALUE_MAX];
	char buf[KEY_BYTES];
	struct verso_val key = kvdb_key(i, buf), val = kvdb_value(number, value);
	size_t from = crash_draw(rng) % val.len, to = from + crash_draw(rng) % (val.len - from);
	int rc;

	if (crash_draw(rng) % 2)
		to = val.len;
	memcpy(wrong, value, val.len);
	memset(wrong + from, 0, to - from);
	rc = verso_put(e->txn, e->table, key,
		(struct verso_val){wrong, crash_draw(rng) % 2 && to == val.len ? from : val.len},
		0);
	if (rc == 0)
		rc = verso_write(e->txn, e->table, key, from, value + from, to - from);
	if (rc == 0)
		kvdb_model_set(e->model, e->t, i, number);
	session_marks[MARK_PIECES].n += rc == 0;
	return rc;
}

/* The value is stored by the next call: a get of it. */
static int write_room(const struct edit *e, uint64_t *rng)
{
	unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));
	uint64_t number = crash_draw(rng);
	uint8_t value[VALUE_MAX];
	char buf[KEY_BYTES];
	struct verso_val key = kvdb_key(i, buf), val = kvdb_value(number, value);
	void *room;
	int rc = verso_reserve(e->txn, e->table, key, val.len, 0, &room);

	if (rc)
		return rc;
	if (val.len > 0)
		memcpy(room, val.data, val.len);
	rc = verso_get(e->txn, e->table, key, &val);
	if (rc == 0)
		kvdb_model_set(e->model, e->t, i, number);
	return rc;
}

static int clear(const struct edit *e)
{
	int rc = verso_table_clear(e->txn, e->table);

	for (unsigned i = 0; rc == 0 && i < KEYS; i++)
		kvdb_model_set(e->model, e->t, i, 0);
	session_marks[MARK_CLEARS].n += rc == 0;
	return rc;
}

/* A named table gets the name of the other, if that is free; else nothing changes. */
static int rename_table(struct edit *e)
{
	unsigned to = e->t == 1 ? 2 : 1;
	int rc;

	if (e->t == 0)
		return 0;
	rc = verso_table_rename(e->txn, kvdb_table_names[e->t], kvdb_table_names[to]);
	if (rc < 0)
		return rc;
	if (rc != (e->model->exists[to] ? VERSO_EXISTS : 0))
		return error_set(VERSO_EIO, "a table's new name is taken, or is not");
	if (rc > 0)
		return 0;
	for (unsigned i = 0; i < KEYS; i++) {
		kvdb_model_set(e->model, to, i, e->model->number[e->t][i]);
		kvdb_model_set(e->model, e->t, i, 0);
	}
	e->model->exists[to] = 1;
	e->model->exists[e->t] = 0;
	e->t = to;
	session_marks[MARK_RENAMES].n++;
	return 0;
}

static bool is_val(struct verso_val a, struct verso_val b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A put that returns what was there. */
static int replace(const struct edit *e, uint64_t *rng)
{
	unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));
	uint64_t number = kvdb_draw_number(rng), before = e->model->number[e->t][i];
	uint8_t value[VALUE_MAX], expected[VALUE_MAX];
	char buf[KEY_BYTES];
	struct verso_val old;
	int rc = verso_replace(e->txn, e->table, kvdb_key(i, buf), kvdb_value(number, value), &old);

	if (rc)
		return rc;
	if (before ? !old.data || !is_val(old, kvdb_value(before, expected)) : old.data != NULL)
		return error_set(VERSO_EIO, "a replaced value is not the one that was there");
	kvdb_model_set(e->model, e->t, i, number);
	session_marks[MARK_REPLACED].n++;
	return 0;
}

/* The same through a handle that outlives the transaction, where the table has a name. */
static int replace_in_kept(const struct edit *e, uint64_t *rng)
{
	struct edit kept = *e;
	int rc;

	if (e->t == 0)
		return replace(e, rng);
	rc = verso_table_keep(e->txn->db, kvdb_table_names[e->t], &kept.table);
	if (rc == 0)
		rc = replace(&kept, rng);
	session_marks[MARK_KEPT].n += rc == 0;
	return rc;
}

/* A record from a drawn key on gets another value, if there is one. */
static int put_by_cursor(const struct edit *e, uint64_t *rng)
{
	unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));
	uint64_t number = crash_draw(rng);
	uint8_t value[VALUE_MAX];
	struct verso_cursor *c;
	char buf[KEY_BYTES];
	int rc;

	while (i < KEYS && !e->model->number[e->t][i])
		i++;
	if (i == KEYS)
		return 0;
	rc = verso_cursor_open(e->txn, e->table, &c);
	if (rc)
		return rc;
	rc = verso_cursor_seek(c, kvdb_key(i, buf), NULL, NULL);
	if (rc == 0)
		rc = verso_cursor_put(c, kvdb_value(number, value));
	verso_cursor_close(c);
	if (rc > 0)
		return error_set(VERSO_EIO, "a cursor does not find a record that is there");
	if (rc == 0)
		kvdb_model_set(e->model, e->t, i, number);
	session_marks[MARK_CURSOR_PUTS].n += rc == 0;
	return rc;
}

/* The highest key of all, or of those that are there; 0: none is. */
static unsigned highest(const struct edit *e, bool there)
{
	char bufs[2][KEY_BYTES];
	unsigned top = 0;

	for (unsigned i = 1; i < KEYS; i++) {
		if (there && !e->model->number[e->t][i])
			continue;
		if (top == 0 || is_below(kvdb_key(top, bufs[0]), kvdb_key(i, bufs[1])))
			top = i;
	}
	return top;
}

/* Above all others it is a put, else nothing happens. */
static int append(const struct edit *e, uint64_t *rng)
{
	unsigned i = crash_draw(rng) % 2 ? highest(e, false)
					 : 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));
	unsigned top = highest(e, true);
	uint64_t number = kvdb_draw_number(rng);
	uint8_t value[VALUE_MAX];
	char bufs[2][KEY_BYTES];
	bool is_top = top == 0 || is_below(kvdb_key(top, bufs[0]), kvdb_key(i, bufs[1]));
	int rc = verso_put(e->txn, e->table, kvdb_key(i, bufs[0]), kvdb_value(number, value),
		VERSO_APPEND);

	if (rc == VERSO_EMISUSE && !is_top)
		return 0;
	if (rc)
		return rc;
	if (!is_top)
		return error_set(VERSO_EIO, "a key below another one was appended");
	kvdb_model_set(e->model, e->t, i, number);
	session_marks[MARK_APPENDED].n++;
	return 0;
}

int kvdb_change_otherwise(struct edit *e, uint64_t *rng)
{
	switch (crash_draw(rng) % 12) {
	case 0:
	case 1:
		return del_range(e, rng);
	case 2:
	case 3:
	case 4:
		return write_pieces(e, rng);
	case 5:
		return write_room(e, rng);
	case 6:
		return e->t ? clear(e) : del_range(e, rng);
	case 7:
		return replace(e, rng);
	case 8:
		return replace_in_kept(e, rng);
	case 9:
		return put_by_cursor(e, rng);
	case 10:
		return append(e, rng);
	default:
		return rename_table(e);
	}
}
