/* SPDX-License-Identifier: MIT */
/*
 * The tree: ordered records of key and value over the page interface.
 *
 * A struct btree is one transaction's view of one tree. It is made from the description that the
 * meta page or the catalogue holds (struct txn_root) with btree_init(), and the description, which
 * changes with every edit, is taken back from bt.root before the commit. Keys are ordered by
 * memcmp, the shorter of two equal ones first; the empty key is legal. A value that makes a cell
 * larger than half a page lies in pages of its own.
 *
 * Items are put before the next edit of their tree: an edit may free the page that they pin.
 *
 * Calls return 0, VERSO_NOTFOUND or VERSO_EXISTS where named, or an error < 0. An edit that fails
 * has changed nothing (T11). Inputs may lie in the tree's own pages: they are copied before
 * anything moves. One thread at a time uses a transaction and its trees.
 *
 * What it deliberately does not do: no latches (one writer, snapshots), no sibling pointers (they
 * cannot be copied on write), no patching of cursors' paths (a changed tree is searched again).
 */
#ifndef BTREE_BTREE_H
#define BTREE_BTREE_H

#include "base/error.h"
#include "pager/page.h"
#include "txn/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BTREE_LEVELS_MAX 20U                 /* of a tree; a file that claims more is damaged */
#define BTREE_VALUE_MAX  ((uint64_t)1 << 30) /* bytes of a value */
#define BTREE_BATCH_MAX  128U                /* lookups of one btree_get_many() */
#define BTREE_COPY_MAX   512U                /* bytes of a value that it copies */

struct btree_cursor;
struct btree_work;
struct btree_block;

/* What edits did since btree_init(): coverage marks of tests, and statistics. */
struct btree_marks {
	uint64_t n_splits, n_edge_splits; /* the latter leave the left page full */
	uint64_t n_edge_puts;             /* without a descent */
	uint64_t n_shares,
		n_thirds; /* full leaves that a neighbour helped, by room or by a third leaf */
	uint64_t n_merges, n_redistributions;
	uint64_t n_late_splits; /* of a parent, by a redistribution's longer separator */
	uint64_t n_roots_grown, n_roots_shrunk;
	uint64_t n_overflow_made, n_overflow_freed; /* values */
	uint64_t n_prunes;                          /* several leaves freed in one edit */
};

struct btree {
	struct txn *txn;              /* constant */
	struct txn_root root;         /* what is stored of the tree; edits change it */
	struct page_ref edge;         /* our own rightmost leaf, or null: not known */
	struct btree_cursor *cursors; /* open ones */
	struct btree_work *work;      /* buffers of edits, made by the first */
	struct btree_block *blocks;   /* memory of the call that goes on, or that a fault ended */
	struct btree_marks marks;
};

struct btree_slice {
	const void *data;
	size_t len;
};

/* A place in the order of keys: just below `key`, or just above it. */
struct btree_bound {
	struct btree_slice key; /* data NULL: there is no bound */
	bool above;
};

/* The records above `from` and below `to`. */
struct btree_range {
	struct btree_bound from, to;
};

/* Whether the key lies above the bound, which there is. */
bool btree_is_above(struct btree_slice key, const struct btree_bound *bound);

/*
 * A value found. Inline: data points into a leaf that stays pinned until btree_item_put(). In
 * overflow pages: data is NULL; btree_item_read() copies what is wanted of it.
 */
struct btree_item {
	struct btree_slice val;
	const struct page *pin;  /* private */
	const uint8_t *overflow; /* private: a long value's cell in the leaf; NULL: inline */
	unsigned key_len;        /* private; of a long value's key */
};

/* Longest key in bytes: (page_size - 64) / 4 - 32. */
uint32_t btree_key_max(uint32_t page_size);

/* A view of the tree `root` in txn; root is copied. The caller's memory; end with btree_fini(). */
void btree_init(struct btree *bt, struct txn *txn, const struct txn_root *root);

/* Frees buffers. All cursors are closed. The pages stay. */
void btree_fini(struct btree *bt);

/* Finds key. 0: *ret_item holds a pin; VERSO_NOTFOUND; an error of reading. */
int btree_get(struct btree *bt, struct btree_slice key, struct btree_item *ret_item);

/* Ends an item's pin; takes an item that holds none. */
void btree_item_put(struct btree *bt, struct btree_item *item);

/*
 * Copies up to len bytes from offset off of the item's value to buf; *ret_len is how many there
 * were: fewer only at the value's end. O(log) to find the place; prefetches the pages of a long
 * read.
 */
int btree_item_read(struct btree *bt, const struct btree_item *item, uint64_t off, void *buf,
	size_t len, size_t *ret_len);

/* Memory of the caller for copies of values, used from its beginning on. */
struct btree_copies {
	uint8_t *at; /* not NULL */
	size_t left_bytes;
};

/*
 * Finds n <= BTREE_BATCH_MAX keys together: each level of all lookups before the next, so that the
 * misses of memory overlap, and pages that are not in memory are loaded as one batch. items[i] as
 * from btree_get() where codes[i] is 0; but a value of at most BTREE_COPY_MAX bytes is copied,
 * where `copies` has room, and its item holds no pin. Returns 0 or the first error < 0, and then
 * holds nothing.
 */
int btree_get_many(struct btree *bt, size_t n, const struct btree_slice *keys,
	struct btree_copies *copies, struct btree_item *items, int *codes);

enum btree_put_flags {
	BTREE_NOOVERWRITE = 1, /* VERSO_EXISTS, and nothing changed, when the key is there */
	BTREE_FINISH = 2,      /* a part of the commit (TXN_FINISH) */
	BTREE_APPEND = 4,      /* VERSO_EMISUSE, and nothing changed, when a key is not below */
};

/*
 * Stores val under key, replacing what was there. VERSO_EXISTS (see flags), VERSO_ETOOBIG,
 * VERSO_EFULL, and errors of txn_reserve() and of reading.
 */
int btree_put(struct btree *bt, struct btree_slice key, struct btree_slice val, unsigned flags);

/* Whether a value of so many bytes lies in the leaf, beside a key of so many. */
bool btree_is_short(const struct btree *bt, size_t key_len, size_t len);

/*
 * btree_put() of a short value of zeros; *ret_room is where it lies in the leaf, to be written to
 * until the next call on any tree of the transaction.
 */
int btree_put_room(struct btree *bt, struct btree_slice key, size_t len, unsigned flags,
	void **ret_room);

/* 0, or why such a record cannot be put: VERSO_ETOOBIG. */
int btree_put_check(const struct btree *bt, size_t key_len, size_t val_len);

/*
 * Writes bytes of key's value from offset off on, which is its length at most, or 0 where there is
 * no record. The value becomes longer where the bytes go beyond its end. Of a long value only the
 * pages that change are made anew. VERSO_EMISUSE: a higher offset; others as btree_put().
 */
int btree_write(struct btree *bt, struct btree_slice key, uint64_t off, struct btree_slice data);

/* Removes key. VERSO_NOTFOUND, and errors of txn_reserve() and of reading. */
int btree_del(struct btree *bt, struct btree_slice key);

/* Frees all pages of the tree, which is empty afterwards. On failure the transaction is abort-only
 * if anything was freed. Reads the inner pages and the leaves. */
int btree_drop(struct btree *bt);

/*
 * Cursors. A cursor stands on a record, or in the gap where its record was (after
 * btree_cursor_del(), or when an edit took it away), or before the first or behind the last. next
 * goes to the first record above, prev to the last below; on a new cursor they are first and last.
 * VERSO_NOTFOUND when there is no such record. ret_key and ret_item last until the next call on
 * this cursor or the next edit of the tree; the item's pin is the cursor's: no btree_item_put().
 */
int btree_cursor_open(struct btree *bt, struct btree_cursor **ret_cursor);
void btree_cursor_close(struct btree_cursor *c); /* takes NULL */
int btree_cursor_first(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item);
int btree_cursor_last(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item);
int btree_cursor_next(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item);
int btree_cursor_prev(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item);

/*
 * up: to the first record above the bound; else to the last one below it. No bound: to the first of
 * the tree, or the last.
 */
int btree_cursor_to(struct btree_cursor *c, const struct btree_bound *bound, bool up,
	struct btree_slice *ret_key, struct btree_item *ret_item);

/* To the first record whose key is >= key, which is not NULL. */
static inline int btree_cursor_seek(struct btree_cursor *c, struct btree_slice key,
	struct btree_slice *ret_key, struct btree_item *ret_item)
{
	return btree_cursor_to(c, &(struct btree_bound){key, false}, true, ret_key, ret_item);
}

/* Removes the record under the cursor. VERSO_NOTFOUND when it is not on a record. */
int btree_cursor_del(struct btree_cursor *c);

/*
 * The records of a range: exactly, for which its leaves are read; or about how many, from the pages
 * on the way to its two ends, as if the subtrees of a page had one size. 0, or an error of reading.
 */
int btree_count(struct btree *bt, const struct btree_range *range, uint64_t *ret_n);
int btree_count_about(struct btree *bt, const struct btree_range *range, uint64_t *ret_n);

/*
 * Removes the records of a range; *ret_n of them. Its leaves are read, and freed without being
 * copied, as many in a step as a page refers to. Errors as of btree_del(); when one comes after a
 * step has changed something, the transaction is abort-only.
 */
int btree_del_range(struct btree *bt, const struct btree_range *range, uint64_t *ret_n);

/* What a caller knows of a range's use. */
enum btree_advice {
	BTREE_ADVICE_WILLNEED, /* read soon: what is not in memory begins to load */
	BTREE_ADVICE_COLD,     /* hardly read again: it leaves memory before other pages */
};

/*
 * Advises the pager about the leaves that hold keys with from <= key < to; from.data or to.data
 * NULL: from the first one on, to the last one. A hint: it changes no result, and WILLNEED ends
 * where the pager takes no more for now, or after its advice_pages. Reads inner pages, and may wait
 * for them. 0, or an error of reading those.
 */
int btree_advise(struct btree *bt, struct btree_slice from, struct btree_slice to,
	enum btree_advice advice);

/* Every cursor of the tree keeps its key and ends its pin, as before an edit. */
void btree_cursors_unpin(struct btree *bt);

/*
 * The references in a PAGE_NODE or PAGE_OVERFLOW page: what recovery walks. As txn_schema.each_ref.
 */
int btree_each_ref(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg);

/* Bytes of a verified PAGE_NODE or PAGE_OVERFLOW page that hold nothing. */
unsigned btree_page_slack(const struct page *page, uint32_t page_size);

/* The schema of databases made of trees. */
extern const struct txn_schema btree_schema;

/*
 * Verifies every invariant of the tree (btree/README.md) and that no page is reached twice. each,
 * when not NULL, is called with every page of the tree, overflow pages included; when it returns
 * non-zero, the check stops and returns that. 0; VERSO_ECORRUPT with a text that names the page,
 * the invariant and the reason.
 */
typedef int btree_page_fn(void *arg, struct page_ref ref, const struct page *page);

struct btree_check_stats {
	uint64_t n_records, n_leaves, n_inner, n_overflow;
	uint64_t used_bytes; /* of leaves */
};

int btree_check(struct btree *bt, btree_page_fn *each, void *arg,
	struct btree_check_stats *ret_stats);

#endif
