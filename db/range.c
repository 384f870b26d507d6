/* SPDX-License-Identifier: MIT */
/* Ranges of records: what bounds mean, counting, deleting, and emptying a table. */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_FLAGS                                                                                \
	((unsigned)(VERSO_FROM_ABOVE | VERSO_TO_INCLUDED | VERSO_PREFIX | VERSO_REVERSE))

static struct btree_slice bound_of(struct verso_val val)
{
	return (struct btree_slice){val.data, val.data ? val.len : 0};
}

/*
 * The least key above all that begin with the prefix: without the bytes 255 at its end, and the one
 * before them higher. None, when it has no other bytes. buf: as long as the prefix.
 */
static struct btree_bound end_of_prefix(struct verso_val prefix, uint8_t *buf)
{
	size_t len = prefix.len;

	if (len > 0)
		memcpy(buf, prefix.data, len);
	while (len > 0 && buf[len - 1] == 255)
		len--;
	if (len == 0)
		return (struct btree_bound){{NULL, 0}, false};
	buf[len - 1]++;
	return (struct btree_bound){{buf, len}, false};
}

int range_open(const struct verso_range *range, struct range *ret_range)
{
	struct range r = {0};
	int rc;

	if (!range) {
		*ret_range = r;
		return 0;
	}
	if (range->flags & ~RANGE_FLAGS)
		return misuse("a range has an unknown flag");
	if ((range->flags & VERSO_PREFIX) &&
		(range->to.data || (range->flags & (VERSO_FROM_ABOVE | VERSO_TO_INCLUDED))))
		return misuse("a range of a prefix has no other bound: `from` is the prefix");
	rc = boundary_val(range->from);
	if (rc == 0)
		rc = boundary_val(range->to);
	if (rc < 0)
		return rc;
	r.down = range->flags & VERSO_REVERSE;
	r.range.from = (struct btree_bound){bound_of(range->from), range->flags & VERSO_FROM_ABOVE};
	r.range.to = (struct btree_bound){bound_of(range->to), range->flags & VERSO_TO_INCLUDED};
	if (range->flags & VERSO_PREFIX) {
		r.end = malloc(range->from.len + 1);
		if (!r.end)
			return -ENOMEM;
		r.range.to = end_of_prefix(range->from, r.end);
	}
	*ret_range = r;
	return 0;
}

void range_close(struct range *r)
{
	free(r->end);
	r->end = NULL;
}

static uint8_t *copy_key(struct btree_slice *key, uint8_t *at)
{
	if (!key->data)
		return at;
	if (key->len > 0)
		memcpy(at, key->data, key->len);
	key->data = at;
	return at + key->len;
}

struct range *range_copy(const struct range *range)
{
	const struct btree_range *r = &range->range;
	struct range *copy = malloc(sizeof(*copy) + r->from.key.len + r->to.key.len + 1);

	if (!copy)
		return NULL;
	*copy = (struct range){.range = *r, .down = range->down};
	(void)copy_key(&copy->range.to.key, copy_key(&copy->range.from.key, (uint8_t *)(copy + 1)));
	return copy;
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

int verso_count(struct verso_txn *txn, struct verso_table *table, const struct verso_range *range,
	unsigned flags, uint64_t *ret_n)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	struct range r;
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
	rc = range_open(range, &r);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0) {
			range_close(&r);
			return call_faulted(txn);
		}
		call_enter(txn, &fault);
	}
	rc = flags & VERSO_ESTIMATE ? btree_count_about(&in->tree, &r.range, ret_n)
				    : btree_count(&in->tree, &r.range, ret_n);
	call_leave(txn, &fault);
	range_close(&r);
	return call_result(rc);
}

/* The bounds may lie in results, which end. */
static int del_range(struct verso_txn *txn, struct verso_table *table, struct btree_range *range,
	uint64_t *ret_n)
{
	int rc = results_keep_argument(txn, &range->from.key);

	if (rc == 0)
		rc = results_keep_argument(txn, &range->to.key);
	if (rc < 0)
		return rc;
	results_end(txn, txn->n_held, NULL);
	rc = btree_del_range(&table->tree, range, ret_n);
	table->n_edits++;
	return rc;
}

int verso_del_range(struct verso_txn *txn, struct verso_table *table,
	const struct verso_range *range, uint64_t *ret_n)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	struct range r;
	uint64_t n = 0;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	rc = range_open(range, &r);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0) {
			range_close(&r);
			return call_faulted(txn);
		}
		call_enter(txn, &fault);
	}
	rc = del_range(txn, in, &r.range, &n);
	call_leave(txn, &fault);
	range_close(&r);
	if (rc == 0 && ret_n)
		*ret_n = n;
	return call_result(rc);
}
