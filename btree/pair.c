/* SPDX-License-Identifier: MIT */
/*
 * Two neighbours as one sequence of entries, which is divided anew: by a merge or a redistribution
 * (merge.c), or to make room for an entry more (share.c).
 */
#include "btree/btree_int.h"

/* Bytes of entry i of page in a node with another prefix. */
static unsigned size_with_prefix(const struct page *page, uint32_t page_size, unsigned i,
	unsigned prefix_len)
{
	unsigned key_len = node_key_len(page, i), val_len = 0;
	struct node_value val;

	if (page->level == 0 && node_value(page, page_size, i, &val))
		val_len = val.len;
	return node_entry_bytes(page->level == 0, key_len - prefix_len, val_len);
}

/* The page and index of entry i; NULL: it is the separator or the new entry. */
static const struct page *pair_find(const struct pair *p, unsigned i, unsigned *ret_index)
{
	unsigned n = node_count(p->left);

	if (p->entry) {
		if (i == p->pos)
			return NULL;
		i -= i > p->pos && !p->replaces;
	}
	*ret_index = i;
	if (i < n)
		return p->left;
	i -= n;
	if (!pair_is_leaf(p) && i-- == 0)
		return NULL;
	*ret_index = i;
	return p->right;
}

static unsigned pair_key_len(const struct pair *p, unsigned i)
{
	unsigned at;
	const struct page *page = pair_find(p, i, &at);

	if (page)
		return node_key_len(page, at);
	return p->entry ? p->entry->key_len : p->sep.len;
}

unsigned pair_size(const struct pair *p, unsigned i, unsigned prefix_len)
{
	unsigned at;
	const struct page *page = pair_find(p, i, &at);

	if (page)
		return size_with_prefix(page, p->page_size, at, prefix_len);
	return node_entry_bytes(pair_is_leaf(p), pair_key_len(p, i) - prefix_len,
		p->entry ? p->entry->val.len : 0);
}

void pair_entry(const struct pair *p, unsigned i, uint8_t *key_buf, struct node_entry *ret_entry)
{
	unsigned at;
	const struct page *page = pair_find(p, i, &at);

	if (page) {
		node_entry_get(page, p->page_size, at, key_buf, ret_entry);
		return;
	}
	if (p->entry) {
		*ret_entry = *p->entry;
		return;
	}
	memcpy(key_buf, p->sep.data, p->sep.len);
	*ret_entry = (struct node_entry){.key = key_buf, .key_len = p->sep.len};
	ret_entry->child = node_child(p->right, p->page_size, 0);
}

unsigned pair_prefix(const struct pair *p, unsigned from, unsigned to, struct key_span low,
	struct key_span high)
{
	struct longest l = {0, 0};

	for (unsigned i = from; i < to; i++)
		longest_add(&l, pair_key_len(p, i));
	return fence_prefix_best(&l, fence_prefix(low, high));
}

unsigned pair_bytes(const struct pair *p, unsigned from, unsigned to, unsigned prefix_len)
{
	unsigned sum = prefix_len;

	for (unsigned i = from; i < to; i++)
		sum += pair_size(p, i, prefix_len);
	return sum;
}

void pair_append(const struct pair *p, struct page *dst, unsigned from, unsigned to,
	uint8_t *key_buf)
{
	while (from < to) {
		unsigned at, next, end = from + 1;
		const struct page *page = pair_find(p, from, &at);
		struct node_entry entry;

		if (!page) {
			pair_entry(p, from, key_buf, &entry);
			node_insert(dst, p->page_size, node_count(dst), &entry, NULL);
		} else {
			/* a run of entries that are neighbours in their page */
			while (end < to && pair_find(p, end, &next) == page &&
				next == at + (end - from))
				end++;
			node_append(dst, page, p->page_size, at, at + (end - from), key_buf);
		}
		from = end;
	}
}

struct pair pair_of(struct edit *e, unsigned d)
{
	struct btree_work *w = e->bt->work;
	struct edit_step *s = &e->steps[d], *up = &e->steps[d - 1];
	bool sib_is_left = s->sib_index < up->index;
	struct pair p = {.page_size = e->page_size};

	p.left = sib_is_left ? s->sib : s->page;
	p.right = sib_is_left ? s->page : s->sib;
	p.slot = sib_is_left ? s->sib_index : up->index;
	p.low = edit_fence(e, d, p.slot, true, w->low);
	p.high = edit_fence(e, d, p.slot + 1, false, w->high);
	p.sep.len = node_key(up->page, e->page_size, p.slot, w->sep[0]);
	p.sep.data = w->sep[0];
	ASSERT(p.sep.len != NODE_BAD);
	return p;
}

struct key_span pair_separator(const struct pair *p, struct btree_work *w, unsigned k)
{
	struct node_entry at, before;

	pair_entry(p, k, w->key[1], &at);
	if (!pair_is_leaf(p))
		return (struct key_span){at.key, at.key_len};
	pair_entry(p, k - 1, w->key[0], &before);
	return fence_separator((struct key_span){before.key, before.key_len},
		(struct key_span){at.key, at.key_len});
}

struct page *pair_touch_sib(struct edit *e, unsigned d)
{
	struct edit_step *s = &e->steps[d];
	struct page *page = txn_touch(e->bt->txn, s->sib, &s->sib_ref);

	node_set_child(edit_page(e, d - 1), s->sib_index, s->sib_ref);
	s->sib = NULL; /* the pin is gone */
	return page;
}
