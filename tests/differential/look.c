/* SPDX-License-Identifier: MIT */
/* Reading: what both sides return is what the oracle's view says. */
#include "tests/differential/run.h"

#include <string.h>

static const char *const pager_names[N_PAGERS] = {
	[VERSO_BUFPOOL] = "bufpool", [VERSO_MMAP] = "mmap", [VERSO_VMCACHE] = "vmcache"};

bool look_codes(struct run *r, int rc0, int rc1, int expected)
{
	if (rc0 == expected && rc1 == expected)
		return true;
	return run_fail(r, "%s returns %d, %s returns %d, expected %d (%s)",
		pager_names[r->sides[0].pager], rc0, pager_names[r->sides[1].pager], rc1, expected,
		verso_errmsg(NULL));
}

static bool equal(struct verso_val a, struct verso_val b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool look_values(struct run *r, struct verso_val v0, struct verso_val v1, struct verso_val expected)
{
	for (int i = 0; i < 2; i++) {
		struct verso_val v = i == 0 ? v0 : v1;

		if (!v.data)
			return run_fail(r, "side %d: no pointer for %zu bytes", i, expected.len);
		if (!equal(v, expected))
			return run_fail(r, "side %d: %zu bytes, expected %zu, or other ones", i,
				v.len, expected.len);
	}
	return true;
}

bool look_get(struct run *r, struct verso_txn *const *txns, struct verso_table *const *tables,
	struct view *v, unsigned table, struct verso_val key)
{
	struct verso_val vals[2], expected_key, expected;
	bool found = view_find(v, table, Q_GET, key, &expected_key, &expected);
	int rc0 = verso_get(txns[0], tables[0], key, &vals[0]);
	int rc1 = verso_get(txns[1], tables[1], key, &vals[1]);

	if (!look_codes(r, rc0, rc1, found ? 0 : VERSO_NOTFOUND))
		return false;
	return !found || look_values(r, vals[0], vals[1], expected);
}

bool look_get_many(struct run *r, const struct op *op)
{
	enum { MANY = 40 };
	static uint8_t bufs[MANY][KEY_MAX];
	struct verso_val keys[MANY] = {{NULL, 0}}, vals[2][MANY];
	int codes[2][MANY], rcs[2];
	size_t n = 1 + op->n % (MANY - 1);

	for (size_t i = 0; i < n; i++)
		keys[i] = key_make(&r->stream->config,
			(op->key + (uint32_t)i * 7) % r->stream->config.n_ids, bufs[i]);
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_get_many(r->sides[s].txn, r->sides[s].tables[op->table], n, keys,
			vals[s], codes[s]);
	if (!look_codes(r, rcs[0], rcs[1], 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct verso_val k, v;
		bool found = view_find(&r->oracle.writer, op->table, Q_GET, keys[i], &k, &v);

		if (!look_codes(r, codes[0][i], codes[1][i], found ? 0 : VERSO_NOTFOUND))
			return false;
		if (found && !look_values(r, vals[0][i], vals[1][i], v))
			return false;
	}
	return true;
}

bool look_read(struct run *r, const struct op *op, struct verso_val key)
{
	static uint8_t bufs[2][65536];
	struct verso_val k, v;
	bool found = view_find(&r->oracle.writer, op->table, Q_GET, key, &k, &v);
	size_t want = op->len < sizeof(bufs[0]) ? op->len : sizeof(bufs[0]), lens[2] = {0, 0};
	size_t off = op->n;
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_read(r->sides[s].txn, r->sides[s].tables[op->table], key, off,
			bufs[s], want, &lens[s]);
	if (!look_codes(r, rcs[0], rcs[1], found ? 0 : VERSO_NOTFOUND) || !found)
		return r->failure[0] == '\0';
	off = off < v.len ? off : v.len;
	want = want < v.len - off ? want : v.len - off;
	return look_values(r, (struct verso_val){bufs[0], lens[0]},
		(struct verso_val){bufs[1], lens[1]},
		(struct verso_val){v.len > 0 ? (const uint8_t *)v.data + off : NULL, want});
}

static int scan_begin(struct verso_cursor *c, struct verso_val key, bool up, struct verso_val *k,
	struct verso_val *v)
{
	int rc;

	if (!key.data)
		return up ? verso_cursor_first(c, k, v) : verso_cursor_last(c, k, v);
	rc = verso_cursor_seek(c, key, up ? k : NULL, up ? v : NULL);
	return up || rc < 0 ? rc : verso_cursor_prev(c, k, v);
}

static bool scan_step(struct run *r, struct verso_cursor *const *cs, struct verso_val key, bool up,
	bool first, sqlite3_stmt *st, bool *ret_more)
{
	struct verso_val k[2], v[2], expected_key, expected_val;
	bool more = view_next(st, &expected_key, &expected_val);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = first ? scan_begin(cs[s], key, up, &k[s], &v[s])
			 : up  ? verso_cursor_next(cs[s], &k[s], &v[s])
			       : verso_cursor_prev(cs[s], &k[s], &v[s]);
	*ret_more = more;
	if (!look_codes(r, rcs[0], rcs[1], more ? 0 : VERSO_NOTFOUND))
		return false;
	return !more || (look_values(r, k[0], k[1], expected_key) &&
				look_values(r, v[0], v[1], expected_val));
}

bool look_scan(struct run *r, struct verso_txn *const *txns, struct verso_table *const *tables,
	struct view *v, unsigned table, struct verso_val key, bool up, uint64_t n)
{
	enum oracle_query q = !key.data ? (up ? Q_UP : Q_DOWN) : (up ? Q_FROM : Q_BELOW);
	sqlite3_stmt *st = view_query(v, table, q, key);
	struct verso_cursor *cs[2] = {NULL, NULL};
	bool ok = true, more = true;

	for (int s = 0; s < 2; s++) {
		if (verso_cursor_open(txns[s], tables[s], &cs[s]) != 0)
			ok = run_fail(r, "side %d: cursor: %s", s, verso_errmsg(NULL));
	}
	for (uint64_t i = 0; ok && more && i < n; i++) {
		ok = scan_step(r, cs, key, up, i == 0, st, &more);
		run_mark(r, MARK_RECORDS, more);
	}
	verso_cursor_close(cs[0]);
	verso_cursor_close(cs[1]);
	return ok;
}
