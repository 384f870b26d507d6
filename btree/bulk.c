/* SPDX-License-Identifier: MIT */
/*
 * Building a tree bottom-up.
 *
 * Each level has entries that wait: those of the node that comes next. When one more comes, what
 * waits is known to fit a node, closed by the separator before the newcomer, or it is not; then the
 * node is closed before the last one that waits, where it did fit, and what follows goes on
 * waiting. A closed node is written and adds its reference, with the separator before it, to the
 * level above (B1). So a node is closed when both its fences are known, and has the prefix that
 * makes it smallest (B3).
 *
 * B6: what waited and did not fit took a page, an entry is half of one at most (an inner one a
 * quarter, and one of those goes up), so a closed node takes a quarter. The last node of a level
 * has no upper fence and no prefix; if what waits does not fit it so, one more node is closed
 * before its last entry.
 */
#include "btree/bulk.h"

#include "base/array.h"
#include "btree/btree_int.h"

#include <errno.h>
#include <stdlib.h>

struct waiting {
	uint32_t off_bytes; /* of its key in the level's bytes; its value lies behind it */
	uint32_t key_len, val_len;
	bool overflow;
	struct page_ref child; /* inner */
};

struct bulk_level {
	struct waiting *items;
	uint32_t n, cap;
	uint8_t *bytes;
	uint32_t n_bytes, cap_bytes;
	uint32_t whole_bytes;     /* that the entries take without a prefix */
	struct page_ref leftmost; /* inner: the child before the first entry; null: none yet */
	uint8_t *low;             /* the separator before the node; of a key's length */
	uint8_t *high;            /* the one behind it, when it is closed */
	unsigned low_len;
	bool has_low;
	bool is_closed; /* a node of the level was written before */
};

struct bulk {
	struct bulk_out *out;
	struct txn_root root; /* count: records so far */
	uint32_t page_size;
	struct bulk_level levels[BTREE_LEVELS_MAX];
	struct page *page; /* where a node is made */
	uint8_t *cell;     /* of a long value */
};

int bulk_open(struct bulk_out *out, const struct txn_root *like, struct bulk **ret_bulk)
{
	uint32_t page_size = out->layout->page_size;
	struct bulk *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->out = out;
	b->page_size = page_size;
	b->root = (struct txn_root){
		.flags = like->flags, .kind = like->kind, .tree = like->tree, .user = like->user};
	b->page = page_buffers_alloc(page_size, 1);
	b->cell = malloc(page_size);
	if (!b->page || !b->cell) {
		bulk_close(b);
		return -ENOMEM;
	}
	*ret_bulk = b;
	return 0;
}

void bulk_close(struct bulk *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < BTREE_LEVELS_MAX; i++) {
		free(b->levels[i].items);
		free(b->levels[i].bytes);
		free(b->levels[i].low);
		free(b->levels[i].high);
	}
	free(b->page);
	free(b->cell);
	free(b);
}

/* --- pages --------------------------------------------------------------------------------- */

static int out_take(struct bulk_out *out, pgno_t *ret_pgno)
{
	const struct layout *l = out->layout;
	pgno_t pgno = out->next, first = layout_first_page(l, pgno / l->group_pages);

	if (pgno < first)
		pgno = first;
	if (pgno >= layout_pages_max(l))
		return error_set(VERSO_EFULL, "the copy would have more pages than a file can");
	out->next = pgno + 1;
	out->n_pages++;
	*ret_pgno = pgno;
	return 0;
}

/* Seals the page under a number of its own and writes it. */
static int out_put(struct bulk_out *out, struct page *page, struct page_ref *ret_ref)
{
	struct page_ref ref = {.gen = out->gen};
	int rc = out_take(out, &ref.pgno);

	if (rc < 0)
		return rc;
	*ret_ref = ref;
	if (!out->put)
		return 0;
	page_init(page, ref, (enum page_type)page->type, page->level, le32_get(page->tree));
	page_seal(page, out->layout->page_size, out->seed);
	return out->put(out->arg, ref.pgno, page);
}

/* --- a node -------------------------------------------------------------------------------- */

static struct key_span key_of(const struct bulk_level *l, uint32_t i)
{
	return (struct key_span){l->bytes + l->items[i].off_bytes, l->items[i].key_len};
}

static struct key_span low_of(const struct bulk_level *l)
{
	return (struct key_span){l->has_low ? l->low : NULL, l->has_low ? l->low_len : 0};
}

static unsigned entry_bytes(const struct waiting *w, bool leaf, unsigned prefix_len)
{
	return node_entry_bytes(leaf, w->key_len - prefix_len, w->val_len);
}

/* The prefix of a node of the first n entries that `high` closes. */
static unsigned prefix_of(const struct bulk_level *l, uint32_t n, struct key_span high)
{
	struct longest longest = {0, 0};

	for (uint32_t i = 0; i < n; i++)
		longest_add(&longest, l->items[i].key_len);
	return fence_prefix_best(&longest, fence_prefix(low_of(l), high));
}

/* Whether all that waits fits a node that `high` closes. */
static bool fits(const struct bulk *b, unsigned level, struct key_span high)
{
	const struct bulk_level *l = &b->levels[level];
	unsigned prefix_len, sum;

	if (l->whole_bytes <= node_cap(b->page_size))
		return true;
	prefix_len = sum = prefix_of(l, l->n, high);
	for (uint32_t i = 0; i < l->n; i++)
		sum += entry_bytes(&l->items[i], level == 0, prefix_len);
	return sum <= node_cap(b->page_size);
}

/* The separator behind entry i - 1, which is kept in the level: before entry i, or before next. */
static struct key_span separator(struct bulk *b, unsigned level, uint32_t i, struct key_span next)
{
	struct bulk_level *l = &b->levels[level];
	struct key_span sep = i < l->n ? key_of(l, i) : next;

	if (level == 0)
		sep = fence_separator(key_of(l, i - 1), sep);
	memcpy(l->high, sep.data, sep.len);
	return (struct key_span){l->high, sep.len};
}

/* Makes the node of the first n entries in b->page. */
static void make_node(struct bulk *b, unsigned level, uint32_t n, struct key_span high)
{
	const struct bulk_level *l = &b->levels[level];
	struct page_ref none = {1, 1};

	page_init(b->page, none, PAGE_NODE, level, b->root.tree);
	node_init(b->page, b->page_size, high.data, prefix_of(l, n, high));
	if (level > 0)
		node_set_child(b->page, 0, l->leftmost);
	for (uint32_t i = 0; i < n; i++) {
		struct node_entry entry = {.key = key_of(l, i).data,
			.key_len = l->items[i].key_len,
			.child = l->items[i].child};

		entry.val = (struct node_value){
			entry.key + entry.key_len, l->items[i].val_len, l->items[i].overflow};
		node_insert(b->page, b->page_size, i, &entry, NULL);
	}
}

/* Forgets the first n entries. */
static void forget(struct bulk *b, unsigned level, uint32_t n)
{
	struct bulk_level *l = &b->levels[level];
	uint32_t gone = n < l->n ? l->items[n].off_bytes : l->n_bytes;

	for (uint32_t i = 0; i < n; i++)
		l->whole_bytes -= entry_bytes(&l->items[i], level == 0, 0);
	memmove(l->bytes, l->bytes + gone, l->n_bytes - gone);
	l->n_bytes -= gone;
	l->n -= n;
	memmove(l->items, l->items + n, l->n * sizeof(*l->items));
	for (uint32_t i = 0; i < l->n; i++)
		l->items[i].off_bytes -= gone;
}

static int level_add(struct bulk *b, unsigned level, struct key_span key, struct page_ref child);

/*
 * Writes a node of the first n entries, which `high` closes (data NULL: nothing does), and hands
 * its reference up, unless it is the root. What is above it goes on from `high`.
 */
static int close_node(struct bulk *b, unsigned level, uint32_t n, struct key_span high,
	bool is_last)
{
	struct bulk_level *l = &b->levels[level];
	struct page_ref ref;
	int rc;

	if (b->out->put)
		make_node(b, level, n, high);
	rc = out_put(b->out, b->page, &ref);
	if (rc < 0)
		return rc;
	if (is_last && !l->is_closed) {
		b->root.ref = ref;
		b->root.level = (uint8_t)level;
		return 0;
	}
	l->is_closed = true;
	rc = level_add(b, level + 1, low_of(l), ref);
	if (rc < 0 || is_last)
		return rc;
	memcpy(l->low, high.data, high.len);
	l->low_len = high.len;
	l->has_low = true;
	if (level > 0) {
		l->leftmost = l->items[n].child;
		n++;
	}
	forget(b, level, n);
	return 0;
}

/* --- entries ------------------------------------------------------------------------------- */

/* Puts an entry behind those that wait. */
static int wait_add(struct bulk *b, unsigned level, struct key_span key, struct node_value val,
	struct page_ref child)
{
	struct bulk_level *l = &b->levels[level];
	struct waiting *w;
	int rc = array_reserve(&l->items, &l->cap, (uint64_t)l->n + 1, sizeof(*l->items));

	if (rc == 0) /* one byte more: also an entry that has none needs a place */
		rc = array_reserve(&l->bytes, &l->cap_bytes,
			(uint64_t)l->n_bytes + key.len + val.len + 1, 1);
	if (rc < 0)
		return rc;
	w = &l->items[l->n++];
	*w = (struct waiting){l->n_bytes, key.len, val.len, val.overflow, child};
	memcpy(l->bytes + w->off_bytes, key.data, key.len);
	if (val.len > 0)
		memcpy(l->bytes + w->off_bytes + key.len, val.data, val.len);
	l->n_bytes += key.len + val.len;
	l->whole_bytes += entry_bytes(w, level == 0, 0);
	return 0;
}

/* Closes a node if what waits does not fit one that ends before next. */
static int make_way(struct bulk *b, unsigned level, struct key_span next)
{
	struct bulk_level *l = &b->levels[level];

	if (l->n == 0 || fits(b, level, separator(b, level, l->n, next)))
		return 0;
	ASSERT(l->n > 1); /* B5 */
	return close_node(b, level, l->n - 1, separator(b, level, l->n - 1, next), false);
}

static int level_begin(struct bulk *b, unsigned level)
{
	struct bulk_level *l = &b->levels[level];

	if (!l->low)
		l->low = malloc(b->page_size);
	if (!l->high)
		l->high = malloc(b->page_size);
	return l->low && l->high ? 0 : -ENOMEM;
}

/* A node below has been written; key is the separator before it, of the first one none. */
static int level_add(struct bulk *b, unsigned level, struct key_span key, struct page_ref child)
{
	struct bulk_level *l = &b->levels[level];
	int rc;

	if (level >= BTREE_LEVELS_MAX)
		return error_set(VERSO_EFULL, "a tree would have more than %u levels",
			BTREE_LEVELS_MAX);
	rc = level_begin(b, level);
	if (rc < 0)
		return rc;
	if (ref_is_null(l->leftmost)) {
		l->leftmost = child;
		return 0;
	}
	rc = make_way(b, level, key);
	return rc < 0 ? rc : wait_add(b, level, key, (struct node_value){0}, child);
}

static int add(struct bulk *b, struct key_span key, struct node_value val)
{
	struct bulk_level *l = &b->levels[0];
	struct page_ref none = {0, 0};
	struct key_span last = l->n > 0 ? key_of(l, l->n - 1) : low_of(l);
	int rc = level_begin(b, 0);

	if (rc < 0)
		return rc;
	if (b->root.count > 0 && key_cmp(last.data, last.len, key.data, key.len) >= 0)
		return error_set(VERSO_ECORRUPT,
			"tree %u: expected keys that ascend, found one that does not. The file is "
			"damaged: restore it from a copy",
			b->root.tree);
	rc = make_way(b, 0, key);
	if (rc == 0)
		rc = wait_add(b, 0, key, val, none);
	if (rc == 0)
		b->root.count++;
	return rc;
}

int bulk_add_short(struct bulk *b, struct btree_slice key, struct btree_slice val)
{
	ASSERT(val.len <= node_value_max(b->page_size, (unsigned)key.len));
	return add(b, (struct key_span){key.data, (unsigned)key.len},
		(struct node_value){val.data, (unsigned)val.len, false});
}

static int copy_page(void *arg, struct page *copy, struct page_ref *ret_ref)
{
	struct bulk *b = arg;

	return out_put(b->out, copy, ret_ref);
}

int bulk_add(struct bulk *b, struct btree *source, struct btree_slice key,
	const struct btree_item *item)
{
	struct node_value val = {.data = b->cell, .overflow = true};
	int rc;

	if (!item->overflow)
		return bulk_add_short(b, key, item->val);
	rc = overflow_copy(source, item, copy_page, b, b->cell, &val.len);
	return rc < 0 ? rc : add(b, (struct key_span){key.data, (unsigned)key.len}, val);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Closes the last node of a level: without a fence above it there is no prefix. */
static int close_last(struct bulk *b, unsigned level)
{
	struct bulk_level *l = &b->levels[level];
	struct key_span none = {NULL, 0};
	int rc = 0;

	if (l->whole_bytes > node_cap(b->page_size)) {
		uint32_t n = level == 0 ? l->n - 1 : l->n - 2;

		rc = close_node(b, level, n, separator(b, level, n, none), false);
	}
	ASSERT(rc < 0 || l->whole_bytes <= node_cap(b->page_size));
	return rc < 0 ? rc : close_node(b, level, l->n, none, true);
}

int bulk_end(struct bulk *b, struct txn_root *ret_root)
{
	int rc = 0;

	for (unsigned level = 0; rc == 0 && b->root.count > 0 && ref_is_null(b->root.ref); level++)
		rc = close_last(b, level);
	if (rc == 0)
		*ret_root = b->root;
	return rc;
}
