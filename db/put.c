/* SPDX-License-Identifier: MIT */
/* Changing records: put and del. */
#include "db/db_int.h"

static int put(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	struct btree_slice val, unsigned flags)
{
	int rc = results_end_before_edit(txn, &key, &val);

	if (rc == 0)
		rc = btree_put(&table->tree, key, val, flags);
	table->n_edits++;
	return rc;
}

static int del(struct verso_txn *txn, struct verso_table *table, struct btree_slice key)
{
	struct btree_slice none = {"", 0};
	int rc = results_end_before_edit(txn, &key, &none);

	if (rc == 0)
		rc = btree_del(&table->tree, key);
	table->n_edits++;
	return rc;
}

int verso_put(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, unsigned flags)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return rc;
	in = boundary_table(txn, table);
	if (!in)
		return VERSO_EMISUSE;
	if (flags & ~(unsigned)VERSO_NOOVERWRITE)
		return misuse("verso_put: an unknown flag");
	rc = boundary_val(key);
	if (rc == 0)
		rc = boundary_val(val);
	if (rc < 0)
		return rc;
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = put(txn, in, slice_of(key), slice_of(val),
		flags & VERSO_NOOVERWRITE ? BTREE_NOOVERWRITE : 0);
	call_leave(txn, &fault);
	return rc;
}

int verso_del(struct verso_txn *txn, struct verso_table *table, struct verso_val key)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return rc;
	in = boundary_table(txn, table);
	if (!in)
		return VERSO_EMISUSE;
	rc = boundary_val(key);
	if (rc < 0)
		return rc;
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = del(txn, in, slice_of(key));
	call_leave(txn, &fault);
	return rc;
}
