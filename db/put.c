/* SPDX-License-Identifier: MIT */
/* Changing records: put, replace, del; writing a value in pieces, or into room for it. */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What every call of this file is refused for: its transaction, its table, its key. */
static int boundary_edit(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_table **ret)
{
	int rc = boundary_txn(txn, true);

	if (rc == 0)
		rc = boundary_table(txn, table, ret);
	return rc == 0 ? boundary_val(key) : rc;
}

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

#define PUT_FLAGS ((unsigned)(VERSO_NOOVERWRITE | VERSO_APPEND))

static unsigned btree_flags(unsigned flags)
{
	return (flags & VERSO_NOOVERWRITE ? BTREE_NOOVERWRITE : 0u) |
	       (flags & VERSO_APPEND ? BTREE_APPEND : 0u);
}

int verso_put(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, unsigned flags)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_edit(txn, table, key, &in);

	if (rc != 0)
		return call_result(rc);
	if (flags & ~PUT_FLAGS)
		return misuse("verso_put: an unknown flag");
	rc = boundary_val(val);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = put(txn, in, slice_of(key), slice_of(val), btree_flags(flags));
	call_leave(txn, &fault);
	return call_result(rc);
}

/*
 * The value of before, in memory that lasts as long as results do; *ret_old has no bytes when there
 * was none. The copies of earlier results stay for now: the arguments may lie in them.
 */
static int copy_old(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	struct verso_val *ret_old)
{
	struct btree_item item;
	void *copy = NULL;
	size_t len_bytes;
	int rc = btree_get(&table->tree, key, &item);

	*ret_old = (struct verso_val){NULL, 0};
	if (rc != 0)
		return rc == VERSO_NOTFOUND ? 0 : rc;
	if (item.val.len > txn->db->options.value_copy_max)
		rc = value_too_long(txn->db, item.val.len);
	else
		copy = results_alloc(txn, item.val.len + 1);
	if (rc == 0 && !copy)
		rc = -ENOMEM;
	if (rc == 0)
		rc = btree_item_read(&table->tree, &item, 0, copy, item.val.len, &len_bytes);
	if (rc == 0)
		*ret_old = (struct verso_val){copy, item.val.len};
	btree_item_put(&table->tree, &item);
	return rc;
}

static int replace(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	struct btree_slice val, struct verso_val *ret_old)
{
	struct chunk *before = txn->chunks;
	struct verso_val old;
	int rc = copy_old(txn, table, key, &old);

	if (rc == 0)
		rc = put(txn, table, key, val, 0);
	if (rc != 0)
		return rc;
	results_end(txn, 0, before);
	*ret_old = old;
	return 0;
}

int verso_replace(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, struct verso_val *ret_old)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_edit(txn, table, key, &in);

	if (rc != 0)
		return call_result(rc);
	if (!ret_old)
		return misuse("verso_replace: no place for the result");
	rc = boundary_val(val);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = replace(txn, in, slice_of(key), slice_of(val), ret_old);
	call_leave(txn, &fault);
	return call_result(rc);
}

int verso_del(struct verso_txn *txn, struct verso_table *table, struct verso_val key)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_edit(txn, table, key, &in);

	if (rc != 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = del(txn, in, slice_of(key));
	call_leave(txn, &fault);
	return call_result(rc);
}

static int write_piece(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	uint64_t off_bytes, struct btree_slice data)
{
	int rc = results_end_before_edit(txn, &key, &data);

	if (rc == 0)
		rc = btree_write(&table->tree, key, off_bytes, data);
	table->n_edits++;
	return rc;
}

int verso_write(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	uint64_t off_bytes, const void *buf, size_t len_bytes)
{
	THREAD_KEPT;
	struct verso_val data = {buf, len_bytes};
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_edit(txn, table, key, &in);

	if (rc != 0)
		return call_result(rc);
	rc = boundary_val(data);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = write_piece(txn, in, slice_of(key), off_bytes, slice_of(data));
	call_leave(txn, &fault);
	return call_result(rc);
}

/* A long value: memory, and a copy of the key, for the next call. */
static int make_room(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	size_t len_bytes, unsigned flags, void **ret_room)
{
	struct btree_item item;
	uint8_t *bytes;
	int rc = btree_put_check(&table->tree, key.len, len_bytes);

	if (rc == 0 && (flags & VERSO_NOOVERWRITE)) {
		rc = btree_get(&table->tree, key, &item);
		if (rc == 0)
			btree_item_put(&table->tree, &item);
		rc = rc == 0 ? VERSO_EXISTS : rc == VERSO_NOTFOUND ? 0 : rc;
	}
	if (rc != 0)
		return rc;
	bytes = calloc(1, len_bytes + key.len);
	if (!bytes)
		return error_set(-ENOMEM,
			"no memory for a value of %zu bytes: write it in pieces "
			"with verso_write()",
			len_bytes);
	memcpy(bytes + len_bytes, key.data, key.len);
	free(txn->room.bytes);
	txn->room = (struct room){bytes, len_bytes, key.len, table};
	*ret_room = bytes;
	return 0;
}

static int reserve(struct verso_txn *txn, struct verso_table *table, struct btree_slice key,
	size_t len_bytes, unsigned flags, void **ret_room)
{
	struct btree_slice none = {"", 0};
	int rc = results_end_before_edit(txn, &key, &none);

	if (rc == 0 && btree_is_short(&table->tree, key.len, len_bytes))
		rc = btree_put_room(&table->tree, key, len_bytes, btree_flags(flags), ret_room);
	else if (rc == 0)
		rc = make_room(txn, table, key, len_bytes, flags, ret_room);
	table->n_edits++;
	return rc;
}

int verso_reserve(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	size_t len_bytes, unsigned flags, void **ret_room)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_edit(txn, table, key, &in);

	if (rc != 0)
		return call_result(rc);
	if (flags & ~(unsigned)VERSO_NOOVERWRITE)
		return misuse("verso_reserve: an unknown flag");
	if (!ret_room)
		return misuse("verso_reserve: no place for the result");
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = reserve(txn, in, slice_of(key), len_bytes, flags, ret_room);
	call_leave(txn, &fault);
	return call_result(rc);
}
