/* SPDX-License-Identifier: MIT */
#include "tests/differential/run.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define IMAGE_EVERY_RELAXED 8  /* commits: so that several share a flush */
#define WAIT_EVERY          5  /* commits */
#define COPY_EVERY          32 /* commits */
#define COMPACT_EVERY       20 /* commits */
#define GUESTS_EVERY        7  /* commits */

bool run_fail(struct run *r, const char *format, ...)
{
	va_list args;

	if (r->failure[0] != '\0')
		return false;
	va_start(args, format);
	(void)vsnprintf(r->failure, sizeof(r->failure), format, args);
	va_end(args);
	return false;
}

/* A fault of the oracle's, on purpose: the test of this test must see it. */
static bool is_sabotaged(const struct run *r, const struct op *op)
{
	return r->stream->config.sabotage > 0 && op->len % 97 == r->stream->config.sabotage;
}

static bool put(struct run *r, const struct op *op, struct verso_val key)
{
	struct verso_val val = value_make(op->len, op->seed, r->val_buf), k, v;
	struct view *view = &r->oracle.writer;
	bool refuse = op->kind == OP_PUT_NEW && view_find(view, op->table, Q_GET, key, &k, &v);
	unsigned flags = op->kind == OP_PUT_NEW ? VERSO_NOOVERWRITE : 0;
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_put(r->sides[s].txn, r->sides[s].tables[op->table], key, val, flags);
	if (!look_codes(r, rcs[0], rcs[1], refuse ? VERSO_EXISTS : 0))
		return false;
	if (!refuse && !is_sabotaged(r, op))
		oracle_put(&r->oracle, op->table, key, val);
	if (r->stream->config.keys == KEYS_PREFIX)
		run_mark(r, MARK_LONG_PREFIX, 1);
	return true;
}

static bool del(struct run *r, const struct op *op, struct verso_val key)
{
	bool found = oracle_del(&r->oracle, op->table, key);
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_del(r->sides[s].txn, r->sides[s].tables[op->table], key);
	return look_codes(r, rcs[0], rcs[1], found ? 0 : VERSO_NOTFOUND);
}

static bool drop(struct run *r, unsigned table)
{
	bool exists = r->oracle.writer.exists[table];
	char name[8];
	int rcs[2];

	if (table == 0)
		return true;
	cursors_forget_table(r, table);
	(void)snprintf(name, sizeof(name), "t%u", table);
	for (int s = 0; s < 2; s++) {
		rcs[s] = verso_table_drop(r->sides[s].txn, name);
		r->sides[s].tables[table] = NULL;
	}
	oracle_drop(&r->oracle, table);
	run_mark(r, MARK_DROPS, exists);
	return look_codes(r, rcs[0], rcs[1], exists ? 0 : VERSO_NOTFOUND);
}

/* Advice changes no result: the operations that follow show it. */
static bool advise(struct run *r, const struct op *op, struct verso_txn **txns,
	struct verso_table **tables, struct verso_val from)
{
	static uint8_t buf[KEY_MAX];
	struct verso_val to =
		key_make(&r->stream->config, (op->key + op->n) % r->stream->config.n_ids, buf);
	enum verso_advice advice = op->len % 2 ? VERSO_ADVICE_COLD : VERSO_ADVICE_WILLNEED;
	int rcs[2];

	if (op->len % 5 == 0)
		from = (struct verso_val){NULL, 0};
	if (op->len % 7 == 0)
		to = (struct verso_val){NULL, 0};
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_advise(txns[s], tables[s], from, to, advice);
	return look_codes(r, rcs[0], rcs[1], 0);
}

/* An operation inside the write transaction, on a table. */
static bool table_op(struct run *r, const struct op *op)
{
	struct verso_txn *txns[2];
	struct verso_table *tables[2];
	struct verso_val key = key_make(&r->stream->config, op->key, r->key_buf);

	if (!sides_begin(r))
		return false;
	if (op->kind == OP_DROP)
		return drop(r, op->table);
	if (op->kind == OP_RENAME)
		return writes_rename(r, op);
	if (!sides_table(r, op->table))
		return false;
	for (int s = 0; s < 2; s++) {
		txns[s] = r->sides[s].txn;
		tables[s] =
			op->seed % 2 ? r->sides[s].kept[op->table] : r->sides[s].tables[op->table];
	}
	switch (op->kind) {
	case OP_COUNT:
	case OP_DEL_RANGE:
	case OP_SCAN_RANGE:
	case OP_CLEAR:
		return ranges_op(r, op, tables, key);
	case OP_APPEND:
	case OP_REPLACE:
	case OP_RESERVE:
	case OP_WRITE:
		return writes_op(r, op, tables, key);
	case OP_PUT:
	case OP_PUT_NEW:
		return put(r, op, key);
	case OP_DEL:
		return del(r, op, key);
	case OP_GET:
		return look_get(r, txns, tables, &r->oracle.writer, op->table, key);
	case OP_GET_MANY:
		return look_get_many(r, op);
	case OP_READ:
		return look_read(r, op, key);
	case OP_ADVISE:
		return advise(r, op, txns, tables, key);
	default:
		return look_scan(r, txns, tables, &r->oracle.writer, op->table, key,
			op->kind == OP_SCAN_UP, op->n);
	}
}

static bool end_readers(struct run *r)
{
	for (unsigned i = 0; i < N_READERS; i++) {
		if (!readers_end(r, i))
			return false;
	}
	return true;
}

/* The two copies have what the oracle has, and are whole. */
static bool look_at_copies(struct run *r, struct verso **copies)
{
	struct verso_txn *txns[2] = {NULL, NULL};
	bool ok = true;

	for (int s = 0; ok && s < 2; s++)
		ok = look_codes(r, verso_begin(copies[s], VERSO_READ, &txns[s]), 0, 0);
	for (unsigned t = 0; ok && t < N_TABLES; t++) {
		struct verso_table *tables[2] = {NULL, NULL};
		bool exists = r->oracle.writer.exists[t];
		char name[8];
		int rcs[2];

		(void)snprintf(name, sizeof(name), "t%u", t);
		for (int s = 0; t > 0 && s < 2; s++)
			rcs[s] = verso_table_open(txns[s], name, 0, &tables[s]);
		if (t > 0)
			ok = look_codes(r, rcs[0], rcs[1], exists ? 0 : VERSO_NOTFOUND);
		if (ok && exists)
			ok = look_scan(r, txns, tables, &r->oracle.writer, t,
				(struct verso_val){NULL, 0}, t % 2 == 0, UINT64_MAX);
	}
	for (int s = 0; s < 2; s++)
		verso_abort(txns[s]);
	return ok && look_codes(r, verso_check(copies[0], 0, NULL, NULL),
			     verso_check(copies[1], 0, NULL, NULL), 0);
}

/* Copies both, one of them compact, and opens each with the other's pager. */
static bool compare_copies(struct run *r)
{
	struct verso *copies[2] = {NULL, NULL};
	char paths[2][600];
	bool ok = sides_wait(r);

	for (int s = 0; ok && s < 2; s++) {
		struct verso_options o = {.size = sizeof(o), .pager = r->sides[!s].pager};
		bool compact = (r->n_commits / COPY_EVERY + (unsigned)s) % 2;
		int rc;

		(void)snprintf(paths[s], sizeof(paths[s]), "%s.copy", r->sides[s].path);
		rc = verso_copy(r->sides[s].db, paths[s], compact ? VERSO_COPY_COMPACT : 0u, NULL,
			NULL);
		if (rc == 0)
			rc = verso_open(paths[s], &o, &copies[s]);
		ok = rc == 0 || run_fail(r, "side %d: copy: %d, %s", s, rc, verso_errmsg(NULL));
	}
	ok = ok && look_at_copies(r, copies);
	for (int s = 0; s < 2; s++) {
		verso_close(copies[s]);
		(void)unlink(paths[s]);
	}
	run_mark(r, MARK_COPIES, 2);
	return ok;
}

/* A step of a compaction, which changes no record; both files stay equal, where they are. */
static bool compact(struct run *r)
{
	struct verso_compact c[2] = {
		{.size = sizeof(c[0]), .pages_max = 40}, {.size = sizeof(c[1]), .pages_max = 40}};
	int rcs[2];

	for (int s = 0; s < 2; s++)
		rcs[s] = verso_compact(r->sides[s].db, &c[s]);
	for (int s = 0; s < 2 && !config_is_exact(&r->stream->config); s++)
		rcs[s] = rcs[s] == VERSO_MORE ? 0 : rcs[s];
	run_mark(r, MARK_COMPACTIONS, 1);
	run_mark(r, MARK_COMPACTED, c[0].n_changed);
	return look_codes(r, rcs[0], rcs[1], rcs[0] == VERSO_MORE ? VERSO_MORE : 0);
}

static bool commit(struct run *r)
{
	const struct config *c = &r->stream->config;

	if (!r->sides[0].txn)
		return true;
	if (!sides_end(r, true))
		return false;
	r->n_commits++;
	run_mark(r, MARK_COMMITS, 1);
	run_mark(r, MARK_WRITTEN, c->sync == VERSO_SYNC_PROCESS);
	run_mark(r, MARK_ASYNC, c->async);
	if (r->n_commits % COMPACT_EVERY == 0 && !compact(r))
		return false;
	if (c->guests && r->n_commits % GUESTS_EVERY == 0 && !guests_turn(r))
		return false;
	if (r->n_commits % WAIT_EVERY == 0 && !sides_wait(r))
		return false;
	if ((c->sync != VERSO_SYNC_RELAXED || r->n_commits % IMAGE_EVERY_RELAXED == 0) &&
		!sides_compare_images(r))
		return false;
	if (r->n_commits % COPY_EVERY == 0 && !compare_copies(r))
		return false;
	return r->n_commits % c->check_every != 0 || sides_check(r);
}

/* Two of the pagers, the n-th pair: each file meets each of them by turns. */
static void choose_pagers(struct run *r, uint64_t n)
{
	for (unsigned i = 0; i < 2; i++)
		r->sides[i].pager = (enum verso_pager)((n + i) % N_PAGERS);
}

/* Closes both, and opens each file with another pager. */
static bool reopen(struct run *r)
{
	if (!sides_end(r, false) || !end_readers(r) || !guests_leave(r))
		return false;
	sides_close(r);
	choose_pagers(r, r->sides[0].pager + 1);
	run_mark(r, MARK_REOPENS, 1);
	return sides_open(r) && sides_compare_images(r);
}

static bool run_op(struct run *r, const struct op *op)
{
	switch (op->kind) {
	case OP_COMMIT:
		return commit(r);
	case OP_ABORT:
		run_mark(r, MARK_ABORTS, r->sides[0].txn != NULL);
		return sides_end(r, false);
	case OP_READER_BEGIN:
		return readers_begin(r, op->seed % N_READERS);
	case OP_READER_LOOK:
		return readers_look(r, op->seed % N_READERS, op);
	case OP_READER_END:
		return readers_end(r, op->seed % N_READERS);
	case OP_REOPEN:
		return reopen(r);
	case OP_CURSOR_OPEN:
	case OP_CURSOR_FIRST:
	case OP_CURSOR_LAST:
	case OP_CURSOR_SEEK:
	case OP_CURSOR_NEXT:
	case OP_CURSOR_PREV:
	case OP_CURSOR_GET:
	case OP_CURSOR_DEL:
	case OP_CURSOR_PUT:
		return cursors_op(r, op);
	default:
		return table_op(r, op);
	}
}

bool run_stream(struct run *r, const struct stream *s, const char *folder, uint64_t *marks)
{
	char path[512];
	bool ok;

	memset(r, 0, sizeof(*r));
	r->stream = s;
	r->marks = marks;
	choose_pagers(r, s->config.seed);
	for (int i = 0; i < 2; i++)
		(void)snprintf(r->sides[i].path, sizeof(r->sides[i].path), "%s/%d", folder, i);
	(void)snprintf(path, sizeof(path), "%s/oracle", folder);
	ok = guests_start(r);
	oracle_open(&r->oracle, path);
	ok = ok && sides_open(r);
	for (r->at = 0; ok && r->at < s->n_ops; r->at++) {
		ok = run_op(r, &s->ops[r->at]);
		if (!ok)
			break;
		run_mark(r, MARK_OPS, 1);
	}
	if (ok)
		ok = commit(r) && end_readers(r) && sides_compare_images(r) && sides_check(r);
	guests_end(r);
	cursors_forget(r);
	sides_close(r);
	/* After a failure SQLite may have statements and transactions open: the process ends. */
	if (ok)
		oracle_close(&r->oracle);
	return ok;
}
