/* SPDX-License-Identifier: MIT */
/* The calls on tables: opening, dropping, looking at them. */
#include "db/db_int.h"

#include <errno.h>
#include <string.h>

int verso_table_open(struct verso_txn *txn, const char *name, unsigned flags,
	struct verso_table **ret_table)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_txn(txn, (flags & VERSO_CREATE) != 0);

	if (rc < 0)
		return call_result(rc);
	if (flags & ~(unsigned)VERSO_CREATE)
		return misuse("verso_table_open: an unknown flag");
	if (!ret_table)
		return misuse("verso_table_open: no place for the result");
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = tables_open(txn, name, flags, ret_table);
	call_leave(txn, &fault);
	return call_result(rc);
}

static int table_drop(struct verso_txn *txn, const char *user_name)
{
	struct verso_table *table;
	int rc = tables_open(txn, user_name, 0, &table);

	if (rc != 0)
		return rc;
	cursors_end(txn, table);
	results_end(txn, txn->n_held, NULL);
	rc = btree_drop(&table->tree);
	if (rc < 0)
		return rc;
	rc = catalogue_remove(&txn->catalogue.tree, table_name_slice(table->name));
	if (rc != 0)
		return txn_break(txn->txn, rc == VERSO_NOTFOUND ? VERSO_ECORRUPT : rc);
	tables_forget(txn, table);
	return 0;
}

int verso_table_drop(struct verso_txn *txn, const char *name)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = table_drop(txn, name);
	call_leave(txn, &fault);
	return call_result(rc);
}

int verso_table_rename(struct verso_txn *txn, const char *from, const char *to)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = tables_rename(txn, from, to);
	call_leave(txn, &fault);
	return call_result(rc);
}

void close_tree_cursor(struct verso_txn *txn, struct btree_cursor *cursor)
{
	fault_notes_begin(&txn->notes);
	btree_cursor_close(cursor);
	fault_notes_end();
}

int tables_from(struct verso_txn *txn, struct btree_cursor *cursor, const struct btree_bound *from,
	struct table_record *ret_record)
{
	struct table_record *r = ret_record;
	struct btree_slice name;
	struct btree_item item;
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = from ? btree_cursor_to(cursor, from, true, &name, &item)
		  : btree_cursor_next(cursor, &name, &item);
	if (rc == 0) {
		size_t len = name.len < TABLE_NAME_MAX ? name.len : TABLE_NAME_MAX;

		memcpy(r->name, name.data, len);
		r->name[len] = '\0';
		r->name_len = name.len;
		r->makes_sense =
			item.val.data && catalogue_decode(item.val.data, item.val.len, &r->root);
	}
	call_leave(txn, &fault);
	return rc;
}

int tables_next(struct verso_txn *txn, struct btree_cursor *cursor, struct table_record *ret_record)
{
	return tables_from(txn, cursor, NULL, ret_record);
}

int verso_table_each(struct verso_txn *txn, verso_table_fn *each, void *arg)
{
	THREAD_KEPT;
	struct table_record record;
	struct btree_cursor *cursor = NULL;
	int stop = 0, rc = boundary_txn(txn, false);
	uint64_t number;

	if (rc < 0)
		return call_result(rc);
	if (!each)
		return misuse("verso_table_each: each is NULL");
	number = txn->handle.number;
	rc = btree_cursor_open(&txn->catalogue.tree, &cursor);
	while (rc == 0 && stop == 0) {
		rc = tables_next(txn, cursor, &record);
		if (rc == 0 && record.name_len > TABLE_NAME_MAX)
			rc = error_set(VERSO_ECORRUPT, "a table's name has %zu bytes",
				record.name_len);
		if (rc == 0)
			stop = each(arg, record.name);
		if (!handle_is_still(txn, HANDLE_TXN, number))
			return misuse("verso_table_each: the callback has ended the transaction");
	}
	close_tree_cursor(txn, cursor);
	if (stop != 0)
		return call_result(stop);
	return call_result(rc == VERSO_NOTFOUND ? 0 : rc);
}

int verso_table_stat(struct verso_txn *txn, struct verso_table *table,
	struct verso_table_stat *stat)
{
	struct verso_table_stat full = {0};
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &table);
	if (rc != 0)
		return call_result(rc);
	if (!stat || stat->size < sizeof(stat->size))
		return misuse(
			"verso_table_stat: set stat->size to sizeof(struct verso_table_stat)");
	full.size = stat->size < sizeof(full) ? stat->size : sizeof(full);
	full.n_records = table->tree.root.count;
	full.height = table->tree.root.ref.pgno ? table->tree.root.level + 1u : 0;
	memcpy(stat, &full, full.size);
	return 0;
}
