/* SPDX-License-Identifier: MIT */
#include "db/db_int.h"

struct edit_call {
	struct verso_table *table;
	struct btree_slice key, val;
	unsigned flags; /* enum btree_put_flags */
};

static int put(struct verso_txn *txn, void *arg)
{
	struct edit_call *c = arg;
	int rc = results_end_before_edit(txn, &c->key, &c->val);

	if (rc == 0)
		rc = btree_put(&c->table->tree, c->key, c->val, c->flags);
	c->table->n_edits++;
	return rc;
}

static int del(struct verso_txn *txn, void *arg)
{
	struct edit_call *c = arg;
	int rc = results_end_before_edit(txn, &c->key, &c->val);

	if (rc == 0)
		rc = btree_del(&c->table->tree, c->key);
	c->table->n_edits++;
	return rc;
}

int verso_put(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, unsigned flags)
{
	struct edit_call c = {.key = slice_of(key), .val = slice_of(val)};
	int rc = edge_txn(txn, true);

	if (rc < 0)
		return rc;
	c.table = edge_table(txn, table);
	if (!c.table)
		return VERSO_EMISUSE;
	if (flags & ~(unsigned)VERSO_NOOVERWRITE)
		return misuse("verso_put: an unknown flag");
	if (flags & VERSO_NOOVERWRITE)
		c.flags = BTREE_NOOVERWRITE;
	rc = edge_val(key);
	if (rc == 0)
		rc = edge_val(val);
	return rc < 0 ? rc : edge_call(txn, put, &c);
}

int verso_del(struct verso_txn *txn, struct verso_table *table, struct verso_val key)
{
	struct edit_call c = {.key = slice_of(key)};
	int rc = edge_txn(txn, true);

	if (rc < 0)
		return rc;
	c.table = edge_table(txn, table);
	if (!c.table)
		return VERSO_EMISUSE;
	rc = edge_val(key);
	return rc < 0 ? rc : edge_call(txn, del, &c);
}
