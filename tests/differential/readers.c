/* SPDX-License-Identifier: MIT */
/* Readers held open on old snapshots, compared with SQLite's snapshots of the same moment. */
#include "tests/differential/run.h"

#include <string.h>

bool readers_begin(struct run *r, unsigned reader)
{
	int rcs[2];

	if (r->sides[0].readers[reader])
		return true;
	if (!sides_wait(r))
		return false;
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_begin(r->sides[s].db, VERSO_READ, &r->sides[s].readers[reader]);
	oracle_reader_begin(&r->oracle, reader);
	r->reader_commit[reader] = r->n_commits;
	return look_codes(r, rcs[0], rcs[1], 0);
}

/* The table as the reader's snapshot has it. *ret_exists: it was there. */
static bool open_table(struct run *r, unsigned reader, unsigned table, struct verso_table **tables,
	bool *ret_exists)
{
	bool exists = r->oracle.readers[reader].exists[table];
	char name[8];
	int rcs[2];

	tables[0] = tables[1] = NULL;
	*ret_exists = exists;
	if (table == 0)
		return true;
	(void)snprintf(name, sizeof(name), "t%u", table);
	for (int s = 0; s < 2; s++)
		rcs[s] = verso_table_open(r->sides[s].readers[reader], name, 0, &tables[s]);
	return look_codes(r, rcs[0], rcs[1], exists ? 0 : VERSO_NOTFOUND);
}

bool readers_look(struct run *r, unsigned reader, const struct op *op)
{
	struct verso_txn *txns[2] = {r->sides[0].readers[reader], r->sides[1].readers[reader]};
	struct view *v = &r->oracle.readers[reader];
	struct verso_table *tables[2];
	struct verso_val key;
	bool exists;

	if (!txns[0])
		return true;
	if (!open_table(r, reader, op->table, tables, &exists))
		return false;
	if (!exists)
		return true;
	key = key_make(&r->stream->config, op->key, r->key_buf);
	return look_get(r, txns, tables, v, op->table, key) &&
	       look_scan(r, txns, tables, v, op->table, key, op->seed & 4, op->n);
}

bool readers_end(struct run *r, unsigned reader)
{
	struct verso_txn *txns[2] = {r->sides[0].readers[reader], r->sides[1].readers[reader]};
	struct view *v = &r->oracle.readers[reader];
	bool ok = true;

	if (!txns[0])
		return true;
	for (unsigned t = 0; ok && t < N_TABLES; t++) {
		struct verso_table_stat st = {.size = sizeof(st)};
		struct verso_table *tables[2];
		bool exists;

		ok = open_table(r, reader, t, tables, &exists);
		if (!ok || !exists)
			continue;
		ok = look_scan(r, txns, tables, v, t, (struct verso_val){NULL, 0}, t % 2 == 0,
			UINT64_MAX);
		if (ok && (verso_table_stat(txns[0], tables[0], &st) != 0 ||
				  st.n_records != view_count(v, t)))
			ok = run_fail(r, "table %u: the snapshot counts %llu records", t,
				(unsigned long long)st.n_records);
	}
	verso_abort(txns[0]);
	verso_abort(txns[1]);
	r->sides[0].readers[reader] = r->sides[1].readers[reader] = NULL;
	oracle_reader_end(&r->oracle, reader);
	run_mark(r, MARK_SNAPSHOTS, 1);
	run_mark(r, MARK_OLD, r->n_commits > r->reader_commit[reader]);
	return ok;
}
