/* SPDX-License-Identifier: MIT */
/*
 * Finding values: one, many, a piece of one.
 *
 * The result of the get before is ended only after the tree was searched, because the key may lie
 * in it.
 */
#include "db/db_int.h"

#include <errno.h>
#include <string.h>

#define PINS_SHARE       8   /* get_many pins at most one page in so many of the pool */
#define SMALL_POOL_PAGES 256 /* beside the writer's */
#define SMALL_BATCH      4   /* lookups at a time in a small pool */
#define COPY_FEW         64  /* bytes for a value's copy that are too few to begin a batch with */

/* Assembles a value in buf, which has room. */
static int copy_value(struct btree *tree, const struct btree_item *item, void *buf)
{
	size_t len_bytes;
	int rc = btree_item_read(tree, item, 0, buf, item->val.len, &len_bytes);

	if (rc == 0)
		ASSERT(len_bytes == item->val.len);
	return rc;
}

static bool must_copy(const struct verso_txn *txn, const struct btree_item *item)
{
	return !item->val.data || (txn->db->options.flags & VERSO_COPY);
}

static int get(struct verso_txn *txn, struct btree *tree, struct btree_slice key,
	struct verso_val *ret_val)
{
	struct btree_item item;
	int rc = btree_get(tree, key, &item);

	results_end(txn, txn->n_held, txn->chunks);
	if (rc != 0)
		return rc;
	if (!must_copy(txn, &item)) {
		rc = results_hold(txn, tree, &item);
		if (rc < 0)
			btree_item_put(tree, &item);
		else
			*ret_val = (struct verso_val){item.val.data, item.val.len};
		return rc;
	}
	if (item.val.len > txn->db->options.value_copy_max)
		rc = value_too_long(txn->db, item.val.len);
	else
		rc = buffer_reserve(&txn->buf, &txn->cap_bytes, item.val.len + 1);
	if (rc == 0)
		rc = copy_value(tree, &item, txn->buf);
	if (rc == 0)
		*ret_val = (struct verso_val){txn->buf, item.val.len};
	btree_item_put(tree, &item);
	return rc;
}

int verso_get(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val *ret_val)
{
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (!ret_val)
		return misuse("verso_get: no place for the result");
	rc = boundary_val(key);
	if (rc < 0)
		return call_result(rc);
	if (!call_may_fault(txn))
		return call_result(get(txn, &in->tree, slice_of(key), ret_val));
	if (sigsetjmp(fault.env, 0) != 0)
		return call_faulted(txn);
	call_enter(txn, &fault);
	rc = get(txn, &in->tree, slice_of(key), ret_val);
	call_leave(txn, &fault);
	return call_result(rc);
}

/* One verso_get_many() and how far it has come. */
struct many {
	struct btree *tree;
	size_t n;
	const struct verso_val *keys;
	struct verso_val *ret_vals;
	int *ret_codes; /* or NULL */
	size_t n_pins_max;
	size_t copied_bytes;
	struct btree_copies room; /* of the newest chunk, for short values */
	size_t n_held_before;     /* results of earlier gets, ended in the end */
	struct chunk *chunks_before;
};

static int copies_too_long(const struct verso *db, size_t len_bytes)
{
	return error_set(VERSO_ETOOBIG,
		"the values to be copied have %zu bytes or more together, and value_copy_max is "
		"%zu: ask for fewer keys at a time, or read long values in pieces with "
		"verso_read()",
		len_bytes, db->options.value_copy_max);
}

/* A copy that lasts as long as results do; counts against value_copy_max. */
static int copy_result(struct verso_txn *txn, struct many *m, struct btree_item *item,
	struct verso_val *ret_val)
{
	size_t len_bytes = item->val.len;
	void *copy;
	int rc;

	if (len_bytes > txn->db->options.value_copy_max)
		return value_too_long(txn->db, len_bytes);
	if (len_bytes > txn->db->options.value_copy_max - m->copied_bytes)
		return copies_too_long(txn->db, m->copied_bytes + len_bytes);
	copy = results_alloc(txn, len_bytes + 1);
	if (!copy)
		return -ENOMEM;
	rc = copy_value(m->tree, item, copy);
	if (rc < 0)
		return rc;
	m->copied_bytes += len_bytes;
	*ret_val = (struct verso_val){copy, len_bytes};
	return 0;
}

/* Makes a result of an item: its pin as long as there may be more of them, else a copy. */
static int keep_item(struct verso_txn *txn, struct many *m, struct btree_item *item,
	struct verso_val *ret_val)
{
	int rc;

	if (!must_copy(txn, item) && txn->n_held - m->n_held_before < m->n_pins_max) {
		rc = results_hold(txn, m->tree, item);
		if (rc < 0)
			return rc;
		txn->held[txn->n_held - 1].result = ret_val;
		*ret_val = (struct verso_val){item->val.data, item->val.len};
		return 0;
	}
	rc = copy_result(txn, m, item, ret_val);
	if (rc == 0)
		btree_item_put(m->tree, item);
	return rc;
}

/*
 * Memory for the copies of a batch that begins at `first`: enough for the longest values at the
 * beginning of a chunk; where it gets short, the tree pins what does not fit.
 */
static int make_room(struct verso_txn *txn, struct many *m, size_t first, size_t n)
{
	size_t n_left = m->n - first;

	if (m->room.left_bytes >= n * COPY_FEW)
		return 0;
	m->room.left_bytes =
		(n_left < BTREE_BATCH_MAX ? n_left : BTREE_BATCH_MAX) * (size_t)BTREE_COPY_MAX;
	m->room.at = results_alloc(txn, m->room.left_bytes);
	if (m->room.at)
		return 0;
	m->room.left_bytes = 0;
	return -ENOMEM;
}

static int get_batch(struct verso_txn *txn, struct many *m, size_t first, size_t n)
{
	struct btree_slice keys[BTREE_BATCH_MAX];
	struct btree_item items[BTREE_BATCH_MAX];
	struct btree_copies copies;
	int codes[BTREE_BATCH_MAX], rc;
	size_t i, used_bytes;

	ASSERT(n > 0);
	for (i = 0; i < n; i++)
		keys[i] = slice_of(m->keys[first + i]);
	rc = make_room(txn, m, first, n);
	if (rc < 0)
		return rc;
	copies = (struct btree_copies){m->room.at, m->room.left_bytes};
	if (copies.left_bytes > txn->db->options.value_copy_max - m->copied_bytes)
		copies.left_bytes = txn->db->options.value_copy_max - m->copied_bytes;
	rc = btree_get_many(m->tree, n, keys, &copies, items, codes);
	if (rc < 0)
		return rc;
	used_bytes = (size_t)(copies.at - m->room.at);
	m->room.at += used_bytes;
	m->room.left_bytes -= used_bytes;
	m->copied_bytes += used_bytes;
	for (i = 0; i < n; i++) {
		m->ret_vals[first + i] = (struct verso_val){NULL, 0};
		if (m->ret_codes)
			m->ret_codes[first + i] = codes[i];
		if (codes[i] == 0 && items[i].pin)
			rc = keep_item(txn, m, &items[i], &m->ret_vals[first + i]);
		else if (codes[i] == 0)
			m->ret_vals[first + i] =
				(struct verso_val){items[i].val.data, items[i].val.len};
		if (rc < 0)
			break;
	}
	for (; i < n; i++) {
		if (codes[i] == 0)
			btree_item_put(m->tree, &items[i]);
	}
	return rc;
}

/*
 * The pool has no frame left to pin: ends all pins of this transaction's gets. Keys that lie
 * in results of before are copied, results of this call become copies.
 */
static int unpin_all(struct verso_txn *txn, struct many *m)
{
	struct verso_val *keys = results_alloc(txn, m->n * sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		struct btree_slice key = slice_of(m->keys[i]);
		int rc = results_keep_argument(txn, &key);

		if (rc < 0)
			return rc;
		keys[i] = (struct verso_val){key.data, key.len};
	}
	m->keys = keys;
	for (size_t i = m->n_held_before; i < txn->n_held; i++) {
		int rc = copy_result(txn, m, &txn->held[i].item, txn->held[i].result);

		if (rc < 0)
			return rc;
	}
	results_end(txn, txn->n_held, NULL);
	m->n_held_before = 0;
	m->n_pins_max = 0;
	return 0;
}

static int get_many(struct verso_txn *txn, struct many *m)
{
	size_t n_batch = m->n_pins_max < SMALL_BATCH ? SMALL_BATCH : m->n_pins_max, done = 0;
	bool unpinned = false;
	int rc = 0;

	if (n_batch > BTREE_BATCH_MAX)
		n_batch = BTREE_BATCH_MAX;
	while (rc == 0 && done < m->n) {
		size_t n = m->n - done < n_batch ? m->n - done : n_batch;

		rc = get_batch(txn, m, done, n);
		if (rc == VERSO_EPINNED && !unpinned) {
			unpinned = true;
			n_batch = 1;
			rc = unpin_all(txn, m);
			continue;
		}
		done += n;
	}
	results_end(txn, m->n_held_before, m->chunks_before);
	if (unpinned && rc == 0)
		error_clear(); /* that no frame was left for a pin was no error */
	return rc;
}

/*
 * How many leaves get_many may keep pinned: a share of what the pool has beside the writer's pages.
 * What describes the frames takes its part of a small cache, so there nothing is kept.
 */
static size_t pins_max(const struct verso_txn *txn)
{
	const struct pager *pager = txn->txn->pager;
	size_t n_pages = txn->db->options.cache_bytes / pager->page_size;

	if (n_pages < pager->writer_pages + SMALL_POOL_PAGES)
		return 0;
	return (n_pages - pager->writer_pages) / 2 / PINS_SHARE;
}

int verso_get_many(struct verso_txn *txn, struct verso_table *table, size_t n,
	const struct verso_val *keys, struct verso_val *ret_vals, int *ret_codes)
{
	THREAD_KEPT;
	struct many m = {.n = n, .keys = keys, .ret_vals = ret_vals, .ret_codes = ret_codes};
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (n > 0 && (!keys || !ret_vals))
		return misuse("verso_get_many: no keys, or no place for the results");
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = boundary_val(keys[i]);
	if (rc < 0)
		return call_result(rc);
	m.tree = &in->tree;
	m.n_pins_max = pins_max(txn);
	/* New pins come behind those of before, new chunks in front of them. */
	m.n_held_before = txn->n_held;
	m.chunks_before = txn->chunks;
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = get_many(txn, &m);
	call_leave(txn, &fault);
	return call_result(rc);
}

static int read_piece(struct btree *tree, struct btree_slice key, uint64_t off_bytes, void *buf,
	size_t len_bytes, size_t *ret_len)
{
	struct btree_item item;
	int rc = btree_get(tree, key, &item);

	if (rc != 0)
		return rc;
	rc = btree_item_read(tree, &item, off_bytes, buf, len_bytes, ret_len);
	btree_item_put(tree, &item);
	return rc;
}

int verso_read(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	uint64_t off_bytes, void *buf, size_t len_bytes, size_t *ret_len)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (!ret_len || (len_bytes > 0 && !buf))
		return misuse("verso_read: no place for the result");
	rc = boundary_val(key);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = read_piece(&in->tree, slice_of(key), off_bytes, buf, len_bytes, ret_len);
	call_leave(txn, &fault);
	return call_result(rc);
}
