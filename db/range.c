/* SPDX-License-Identifier: MIT */
/* Ranges of records: what bounds mean, counting, deleting, and emptying a table. */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_FLAGS                                                                                \
	((unsigned)(VERSO_FROM_ABOVE | VERSO_TO_INCLUDED | VERSO_PREFIX | VERSO_REVERSE))

static int judge(const struct verso_range *range)
{
	int rc;

	if (range->flags & ~RANGE_FLAGS)
		return misuse("a range has an unknown flag");
	if ((range->flags & VERSO_PREFIX) &&
		(range->to.data || (range->flags & (VERSO_FROM_ABOVE | VERSO_TO_INCLUDED))))
		return misuse("a range of a prefix has no other bound: `from` is the prefix");
	rc = boundary_val(range->from);
	return rc < 0 ? rc : boundary_val(range->to);
}

int range_make(const struct verso_range *range, struct range **ret_range)
{
	static const struct verso_range all;
	const struct verso_range *of = range ? range : &all;
	struct range *r;
	int rc = judge(of);

	if (rc < 0)
		return rc;
	/* The end of a prefix is no longer than that. */
	r = malloc(sizeof(*r) + of->from.len +
		   (of->flags & VERSO_PREFIX ? of->from.len : of->to.len));
	if (!r)
		return -ENOMEM;
	*r = (struct range){.down = of->flags & VERSO_REVERSE};
	*ret_range = r;
	return 0;
}

static struct btree_slice copy_key(struct verso_val key, uint8_t *at)
{
	if (!key.data)
		return (struct btree_slice){NULL, 0};
	if (key.len > 0)
		memcpy(at, key.data, key.len);
	return (struct btree_slice){at, key.len};
}

/*
 * The least key above all that begin with the prefix: without the bytes 255 at its end, and the one
 * before them higher. None, when it has no other bytes. buf: as long as the prefix.
 */
static struct btree_slice end_of_prefix(struct btree_slice prefix, uint8_t *buf)
{
	size_t len = prefix.len;

	if (len > 0)
		memcpy(buf, prefix.data, len);
	while (len > 0 && buf[len - 1] == 255)
		len--;
	if (len == 0)
		return (struct btree_slice){NULL, 0};
	buf[len - 1]++;
	return (struct btree_slice){buf, len};
}

void range_take_bounds(struct range *r, const struct verso_range *range)
{
	struct btree_range *to = &r->range;
	uint8_t *behind;

	if (!range)
		return;
	behind = r->keys + range->from.len;
	to->from = (struct btree_bound){
		copy_key(range->from, r->keys), range->flags & VERSO_FROM_ABOVE};
	if (range->flags & VERSO_PREFIX)
		to->to = (struct btree_bound){end_of_prefix(to->from.key, behind), false};
	else
		to->to = (struct btree_bound){
			copy_key(range->to, behind), range->flags & VERSO_TO_INCLUDED};
}

static int clear(struct verso_txn *txn, struct verso_table *table)
{
	int rc;

	results_end(txn, txn->n_held, NULL);
	rc = btree_drop(&table->tree);
	table->n_edits++;
	return rc;
}

int verso_table_clear(struct verso_txn *txn, struct verso_table *table)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = clear(txn, in);
	call_leave(txn, &fault);
	return call_result(rc);
}

static int count(struct btree *tree, struct range *r, const struct verso_range *range,
	unsigned flags, uint64_t *ret_n)
{
	range_take_bounds(r, range);
	return flags & VERSO_ESTIMATE ? btree_count_about(tree, &r->range, ret_n)
				      : btree_count(tree, &r->range, ret_n);
}

int verso_count(struct verso_txn *txn, struct verso_table *table, const struct verso_range *range,
	unsigned flags, uint64_t *ret_n)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	struct range *r;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (flags & ~(unsigned)VERSO_ESTIMATE)
		return misuse("verso_count: an unknown flag");
	if (!ret_n)
		return misuse("verso_count: no place for the result");
	rc = range_make(range, &r);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0) {
			free(r);
			return call_faulted(txn);
		}
		call_enter(txn, &fault);
	}
	rc = count(&in->tree, r, range, flags, ret_n);
	call_leave(txn, &fault);
	free(r);
	return call_result(rc);
}

static int del_range(struct verso_txn *txn, struct verso_table *table, struct range *r,
	const struct verso_range *range, uint64_t *ret_n)
{
	int rc;

	range_take_bounds(r, range); /* they may lie in results, which end */
	results_end(txn, txn->n_held, NULL);
	rc = btree_del_range(&table->tree, &r->range, ret_n);
	table->n_edits++;
	return rc;
}

int verso_del_range(struct verso_txn *txn, struct verso_table *table,
	const struct verso_range *range, uint64_t *ret_n)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	struct range *r;
	uint64_t n = 0;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	rc = range_make(range, &r);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0) {
			free(r);
			return call_faulted(txn);
		}
		call_enter(txn, &fault);
	}
	rc = del_range(txn, in, r, range, &n);
	call_leave(txn, &fault);
	free(r);
	if (rc == 0 && ret_n)
		*ret_n = n;
	return call_result(rc);
}
