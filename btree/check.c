/* SPDX-License-Identifier: MIT */
/*
 * btree_check(): every invariant of btree/README.md, page by page from the root. The fences are
 * handed down; a bitmap records which pages were reached before.
 */
#include "btree/btree_int.h"

#include <errno.h>
#include <inttypes.h>

#define CHILDREN_AT_ONCE 32U /* that are asked for before the first of them is needed */

struct check {
	struct btree *bt;
	uint32_t page_size;
	btree_page_fn *each;
	void *arg;
	struct btree_check_stats stats;
	uint8_t *seen; /* a bit a page */
	size_t seen_bytes;
	uint8_t *keys; /* two fences a level, and one key */
};

static uint8_t *key_buf(struct check *c, unsigned i)
{
	return c->keys + (size_t)i * node_key_max(c->page_size);
}

static int see(struct check *c, struct page_ref ref, const struct page *page)
{
	size_t byte = ref.pgno / 8;
	uint8_t bit = (uint8_t)(1U << (ref.pgno % 8));

	if (byte >= c->seen_bytes) {
		size_t n = byte < SIZE_MAX / 4 ? 2 * byte + 4096 : byte + 1;
		uint8_t *seen = tree_realloc(c->bt, c->seen, n);

		if (!seen)
			return error_set(-ENOMEM, "no memory to note which pages were seen");
		memset(seen + c->seen_bytes, 0, n - c->seen_bytes);
		c->seen = seen;
		c->seen_bytes = n;
	}
	if (c->seen[byte] & bit) /* B7 */
		return tree_corrupt(c->bt, ref, "the page is reached twice");
	c->seen[byte] |= bit;
	return c->each ? c->each(c->arg, ref, page) : 0;
}

static int see_overflow(void *arg, struct page_ref ref, const struct page *page)
{
	struct check *c = arg;

	c->stats.n_overflow++;
	return see(c, ref, page);
}

static int check_leaf(struct check *c, struct page_ref ref, const struct page *page)
{
	c->stats.n_leaves++;
	c->stats.n_records += node_count(page);
	c->stats.used_bytes += node_used(page);
	for (unsigned i = 0; i < node_count(page); i++) {
		struct node_value val = {0};
		struct overflow o;
		const char *wrong;
		int rc;

		(void)node_value(page, c->page_size, i, &val);
		if (!val.overflow)
			continue;
		wrong = overflow_open(c->page_size, node_key_len(page, i), val, &o);
		if (wrong)
			return tree_corrupt(c->bt, ref, wrong);
		rc = overflow_walk(c->bt, &o, page, see_overflow, c);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static const char *node_wrong(struct check *c, const struct page *page, struct key_span low,
	struct key_span high)
{
	const char *wrong = node_validate(page, c->page_size);
	bool is_root = !low.data && !high.data;

	if (!wrong)
		wrong = fence_wrong(page, c->page_size, low, high,
			key_buf(c, 2 * BTREE_LEVELS_MAX));
	if (!wrong && node_cells_overlap(page))
		wrong = "two cells overlap";
	/* The right edge is where ascending keys are added; it may be nearly empty. */
	if (!wrong && !is_root && high.data &&
		node_is_low(c->page_size, node_whole_bytes(page) + NODE_HEAD_BYTES))
		wrong = "a node is less than a quarter full";
	return wrong;
}

static int check_under(struct check *c, struct page_ref ref, unsigned level,
	const struct page *parent, struct key_span low, struct key_span high);

/* The children from `first` on, which are got next, one after the other. */
static void load_children(struct check *c, const struct page *page, unsigned first)
{
	struct page_ref refs[CHILDREN_AT_ONCE];
	size_t n = 0;

	for (unsigned i = first; i <= node_count(page) && n < CHILDREN_AT_ONCE; i++) {
		refs[n] = node_child(page, c->page_size, i);
		if (!ref_is_null(refs[n])) /* else it is found when its turn comes */
			n++;
	}
	if (n > 1)
		pager_prefetch(c->bt->txn->pager, refs, n);
}

static int check_inner(struct check *c, const struct page *page, struct key_span low,
	struct key_span high)
{
	unsigned n = node_count(page);
	struct key_span sep = low;

	c->stats.n_inner++;
	for (unsigned i = 0; i <= n; i++) {
		/* Two buffers a level, in turns: the fence below and the fence above. */
		uint8_t *buf = key_buf(c, 2 * page->level + i % 2);
		struct key_span next = high;
		int rc;

		if (i % CHILDREN_AT_ONCE == 0)
			load_children(c, page, i);
		if (i < n)
			next = (struct key_span){buf, node_key(page, c->page_size, i, buf)};
		/* B1: one level below; B2: between the fences. */
		rc = check_under(c, node_child(page, c->page_size, i), page->level - 1U, page, sep,
			next);
		if (rc != 0)
			return rc;
		sep = next;
	}
	return 0;
}

/* parent: NULL for the root. */
static int check_under(struct check *c, struct page_ref ref, unsigned level,
	const struct page *parent, struct key_span low, struct key_span high)
{
	const struct page *page;
	const char *wrong = parent ? txn_ref_wrong(parent, ref) : NULL; /* B7 */
	int rc;

	if (wrong)
		return tree_corrupt(c->bt, ref, wrong);
	rc = tree_get_node(c->bt, ref, level, &page);
	if (rc < 0)
		return rc;
	wrong = node_wrong(c, page, low, high);
	rc = wrong ? tree_corrupt(c->bt, ref, wrong) : see(c, ref, page);
	if (rc == 0)
		rc = level == 0 ? check_leaf(c, ref, page) : check_inner(c, page, low, high);
	pager_put(c->bt->txn->pager, page);
	return rc;
}

int btree_check(struct btree *bt, btree_page_fn *each, void *arg,
	struct btree_check_stats *ret_stats)
{
	struct check c = {.bt = bt, .page_size = tree_page_size(bt), .each = each, .arg = arg};
	struct key_span none = {NULL, 0};
	int rc = 0;

	if (bt->root.level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, bt->root.ref, "the root claims too many levels");
	c.keys = tree_realloc(bt, NULL,
		(2 * BTREE_LEVELS_MAX + 1) * (size_t)node_key_max(c.page_size));
	if (!c.keys)
		return error_set(-ENOMEM, "no memory to check a tree");
	if (!ref_is_null(bt->root.ref))
		rc = check_under(&c, bt->root.ref, bt->root.level, NULL, none, none);
	if (rc == 0 && c.stats.n_records != bt->root.count) /* B8 */
		rc = error_set(VERSO_ECORRUPT,
			"tree %" PRIu32 ": expected %" PRIu64 " records, found %" PRIu64
			". The file is damaged: restore it from a copy",
			bt->root.tree, bt->root.count, c.stats.n_records);
	tree_free(bt, c.seen);
	tree_free(bt, c.keys);
	if (rc == 0 && ret_stats)
		*ret_stats = c.stats;
	return rc;
}
