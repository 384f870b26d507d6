/* SPDX-License-Identifier: MIT */
/*
 * Inserting an entry, with a page for it where there is no room: split, and a new root.
 *
 * A split moves fences towards each other: entries only get smaller. No entry takes more than half
 * a page (B5), so a page and one entry too many always split into two that fit, each a quarter full
 * at least; README has the proof. Nothing here can fail.
 */
#include "btree/btree_int.h"

/* A full page with the entry that it has no room for: count + 1 entries in order. */
struct crowd {
	const struct page *page;
	uint32_t page_size;
	unsigned pos; /* of the new entry */
	const struct node_entry *entry;
};

static void crowd_entry(const struct crowd *c, unsigned i, uint8_t *key_buf,
	struct node_entry *ret_entry)
{
	if (i == c->pos)
		*ret_entry = *c->entry;
	else
		node_entry_get(c->page, c->page_size, i < c->pos ? i : i - 1, key_buf, ret_entry);
}

static unsigned crowd_size(const struct crowd *c, unsigned i)
{
	if (i == c->pos)
		return node_entry_need(c->page, c->entry);
	return node_entry_size(c->page, i < c->pos ? i : i - 1);
}

/* The prefix of a node with entries [from, to) between these fences. */
static unsigned crowd_prefix(const struct crowd *c, unsigned from, unsigned to, struct key_span low,
	struct key_span high)
{
	struct longest l = {0, 0};

	for (unsigned i = from; i < to; i++)
		longest_add(&l, i == c->pos ? c->entry->key_len
					    : node_key_len(c->page, i < c->pos ? i : i - 1));
	return fence_prefix_best(&l, fence_prefix(low, high));
}

/* Appends entries [from, to) to dst. */
static void crowd_append(const struct crowd *c, struct page *dst, unsigned from, unsigned to,
	uint8_t *key_buf)
{
	if (from < c->pos)
		node_append(dst, c->page, c->page_size, from, to < c->pos ? to : c->pos, key_buf);
	if (from <= c->pos && c->pos < to)
		node_insert(dst, c->page_size, node_count(dst), c->entry, NULL);
	if (to > c->pos + 1)
		node_append(dst, c->page, c->page_size, from > c->pos ? from - 1 : c->pos, to - 1,
			key_buf);
}

/*
 * Where to split: a leaf's entries below k go left; of an inner page entry k goes up. By bytes; but
 * when keys arrive in ascending order at the tree's right edge, the left page stays full.
 */
static unsigned crowd_split(const struct crowd *c, bool right_edge)
{
	/* LAB 5.3 begin: where the halves differ least; the last entry of all goes alone */
	unsigned n = node_count(c->page) + 1, sum = 0, total = 0, k = 0;
	bool leaf = c->page->level == 0;
	unsigned last = leaf ? n - 1 : n - 2;

	if (right_edge && c->pos == n - 1)
		return last;
	for (unsigned i = 0; i < n; i++)
		total += crowd_size(c, i);
	while (k < last && 2 * sum + crowd_size(c, k) * (leaf ? 1 : 2) < total)
		sum += crowd_size(c, k++);
	ASSERT(k > 0); /* no entry is as large as all the others */
	return k;
	/* LAB 5.3 end: LAB_TODO_VOID("5.3"); */
}

/*
 * Splits the page at depth d around the entry that does not fit at pos. Returns the entry for the
 * parent: the separator, in sep_buf, and the new right page.
 */
static struct node_entry split(struct edit *e, unsigned d, unsigned pos,
	const struct node_entry *entry, uint8_t *sep_buf)
{
	/* LAB 5.4 begin: copy; choose; separator; a new right page, the left one anew; children */
	struct btree_work *w = e->bt->work;
	struct page *left = edit_page(e, d), *right;
	unsigned index = d > 0 ? e->steps[d - 1].index : 0, k, from, n = node_count(left) + 1;
	struct key_span low = edit_fence(e, d, index, true, w->low);
	struct key_span high = edit_fence(e, d, index, false, w->high), sep;
	struct crowd crowd = {(struct page *)w->page, e->page_size, pos, entry};
	struct node_entry at, up = {0};
	bool leaf = left->level == 0;

	memcpy(w->page, left, e->page_size);
	k = crowd_split(&crowd, high.data == NULL);
	e->bt->marks.n_splits++;
	if (high.data == NULL && pos + 1 == n)
		e->bt->marks.n_edge_splits++;
	crowd_entry(&crowd, k, w->key[1], &at);
	sep = (struct key_span){at.key, at.key_len};
	if (leaf) {
		struct node_entry before;

		crowd_entry(&crowd, k - 1, w->key[0], &before);
		sep = fence_separator((struct key_span){before.key, before.key_len}, sep);
	}
	memcpy(sep_buf, sep.data, sep.len);
	sep.data = sep_buf;

	right = txn_alloc(e->bt->txn, PAGE_NODE, left->level, e->bt->root.tree, &up.child);
	from = leaf ? k : k + 1;
	node_init(right, e->page_size, sep.data, crowd_prefix(&crowd, from, n, sep, high));
	crowd_append(&crowd, right, from, n, w->key[0]);
	node_init(left, e->page_size, sep.data, crowd_prefix(&crowd, 0, k, low, sep));
	crowd_append(&crowd, left, 0, k, w->key[0]);
	if (!leaf) {
		node_set_child(right, 0, at.child);
		node_set_child(left, 0, node_child(crowd.page, e->page_size, 0));
	}
	up.key = sep.data;
	up.key_len = sep.len;
	return up;
	/* LAB 5.4 end: LAB_TODO_VOID("5.4"); */
}

/* A new root over the old one and the page that it was split into. */
static void grow_root(struct edit *e, const struct node_entry *entry)
{
	/* LAB 5.5 begin: a page one level up, with two children */
	struct txn_root *root = &e->bt->root;
	struct page_ref ref;
	struct page *page;

	ASSERT(root->level + 1U < BTREE_LEVELS_MAX);
	page = txn_alloc(e->bt->txn, PAGE_NODE, root->level + 1U, root->tree, &ref);
	node_init(page, e->page_size, NULL, 0);
	node_set_child(page, 0, root->ref);
	node_insert(page, e->page_size, 0, entry, NULL);
	root->ref = ref;
	root->level++;
	e->bt->marks.n_roots_grown++;
	/* LAB 5.5 end: LAB_TODO_VOID("5.5"); */
}

bool split_insert(struct edit *e, unsigned d, unsigned pos, struct node_entry entry)
{
	/* LAB 5.2 begin: while it does not fit, split, and go up with the separator */
	struct btree_work *w = e->bt->work;
	unsigned turn = entry.key == w->sep[0] ? 1 : 0;
	bool has_split = false;

	while (!node_fits(edit_page(e, d), e->page_size, &entry)) {
		entry = split(e, d, pos, &entry, w->sep[turn]);
		has_split = true;
		turn ^= 1;
		if (d == 0) {
			grow_root(e, &entry);
			return true;
		}
		pos = e->steps[--d].index;
	}
	node_insert(edit_page(e, d), e->page_size, pos, &entry, w->page);
	return has_split;
	/* LAB 5.2 end: LAB_TODO_VOID("5.2"); */
}
