/* SPDX-License-Identifier: MIT */
/*
 * Keeping nodes neither too full nor too empty: split, merge, redistribution, the root.
 *
 * A node's fences are the separators on either side of it in its ancestors; they say which prefix
 * it may have, so whoever moves a fence builds the node anew. A split tightens fences: entries only
 * get smaller. A merge widens them: entries may grow, so its size is computed before.
 *
 * No entry takes more than a quarter of a page (node_validate, btree_put). So a page and one entry
 * too many always split into two that fit, each at least 3/8 less an entry full; and when two
 * neighbours do not fit one page, there is a place to divide them that leaves each a quarter of
 * the page at least, counted without prefix compression. (A place that balances
 * the uncompressed bytes does; where one side does not fit there, it holds more than a page even
 * compressed, and the nearest place where it fits leaves it three quarters at least.)
 *
 * A redistribution changes a separator, which may be longer than the one before: the parent may
 * split. So a delete can make the tree higher. Nothing here can fail.
 */
#include "btree/btree_int.h"

unsigned key_common(const uint8_t *a, unsigned a_len, const uint8_t *b, unsigned b_len)
{
	unsigned n = a_len < b_len ? a_len : b_len, i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

static struct page *own_page(struct edit *e, unsigned d)
{
	DCHECK(e->steps[d].own);
	return (struct page *)(uintptr_t)e->steps[d].page;
}

struct key_span edit_fence(struct edit *e, unsigned d, unsigned i, bool low, uint8_t *buf)
{
	while (d-- > 0) {
		const struct page *page = e->steps[d].page;

		if (low ? i > 0 : i < node_count(page)) {
			unsigned len = node_key(page, e->page_size, low ? i - 1 : i, buf);

			ASSERT(len != NODE_BAD);
			return (struct key_span){buf, len};
		}
		if (d > 0)
			i = e->steps[d - 1].index;
	}
	return (struct key_span){NULL, 0};
}

unsigned fence_prefix(struct key_span low, struct key_span high)
{
	return low.data && high.data ? key_common(low.data, low.len, high.data, high.len) : 0;
}

/* The two longest keys of a set. */
struct longest {
	unsigned first, second;
};

static void longest_add(struct longest *l, unsigned len)
{
	if (len > l->first) {
		l->second = l->first;
		l->first = len;
	} else if (len > l->second) {
		l->second = len;
	}
}

/*
 * Length of the prefix with which keys take the least room: each byte of it is worth its place
 * while it shortens two cells, and a cell holds nothing of a suffix that fits its head.
 */
static unsigned prefix_best(const struct longest *l, unsigned fences_len)
{
	unsigned len = node_tail_len(l->second);

	return len < fences_len ? len : fences_len;
}

/* The shortest key above a and not above b: the beginning of b. */
static struct key_span separator(struct key_span a, struct key_span b)
{
	unsigned n = key_common(a.data, a.len, b.data, b.len) + 1;

	ASSERT(n <= b.len);
	return (struct key_span){b.data, n};
}

/* Bytes of entry i of page in a node with another prefix. */
static unsigned size_with_prefix(const struct page *page, uint32_t page_size, unsigned i,
	unsigned prefix_len)
{
	unsigned key_len = node_prefix_len(page) + node_suffix_len(page, i), val_len = 0;
	struct node_value val;

	if (page->level == 0 && node_value(page, page_size, i, &val))
		val_len = val.len;
	return node_entry_bytes(page->level == 0, key_len - prefix_len, val_len);
}

/*
 * Split
 */

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
	unsigned prefix_len = node_prefix_len(c->page);
	struct longest l = {0, 0};

	for (unsigned i = from; i < to; i++)
		longest_add(&l, i == c->pos ? c->entry->key_len
					    : prefix_len + node_suffix_len(c->page,
								   i < c->pos ? i : i - 1));
	return prefix_best(&l, fence_prefix(low, high));
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
	unsigned n = node_count(c->page) + 1, sum = 0, half = 0, k = 0;
	bool leaf = c->page->level == 0;
	unsigned last = leaf ? n - 1 : n - 2;

	if (right_edge && c->pos == n - 1)
		return last;
	for (unsigned i = 0; i < n; i++)
		half += crowd_size(c, i);
	half /= 2;
	while (k < last && sum + crowd_size(c, k) / (leaf ? 2 : 1) < half)
		sum += crowd_size(c, k++);
	return k > 0 ? k : 1;
}

/*
 * Splits the page at depth d around the entry that does not fit at pos. Answers the entry for the
 * parent: the separator, in sep_buf, and the new right page.
 */
static struct node_entry split(struct edit *e, unsigned d, unsigned pos,
	const struct node_entry *entry, uint8_t *sep_buf)
{
	struct btree_work *w = e->bt->work;
	struct page *left = own_page(e, d), *right;
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
		sep = separator((struct key_span){before.key, before.key_len}, sep);
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
}

/* A new root over the old one and the page that it was split into. */
static void grow_root(struct edit *e, const struct node_entry *entry)
{
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
}

bool balance_insert(struct edit *e, unsigned d, unsigned pos, struct node_entry entry)
{
	struct btree_work *w = e->bt->work;
	unsigned turn = entry.key == w->sep[0] ? 1 : 0;
	bool has_split = false;

	while (!node_fits(own_page(e, d), e->page_size, &entry)) {
		entry = split(e, d, pos, &entry, w->sep[turn]);
		has_split = true;
		turn ^= 1;
		if (d == 0) {
			grow_root(e, &entry);
			return true;
		}
		pos = e->steps[--d].index;
	}
	node_insert(own_page(e, d), e->page_size, pos, &entry, w->page);
	return has_split;
}

/*
 * Merge and redistribution
 */

/* Two neighbours and the separator between them, as one sequence; inner: the separator is in it. */
struct pair {
	const struct page *left, *right;
	uint32_t page_size;
	unsigned slot;             /* of the separator in the parent */
	struct key_span low, high; /* fences of both together */
	struct key_span sep;
};

static bool pair_is_leaf(const struct pair *p)
{
	return p->left->level == 0;
}

static unsigned pair_count(const struct pair *p)
{
	return node_count(p->left) + node_count(p->right) + !pair_is_leaf(p);
}

/* The page and index of entry i, or NULL for the separator. */
static const struct page *pair_find(const struct pair *p, unsigned i, unsigned *ret_index)
{
	unsigned n = node_count(p->left);

	*ret_index = i;
	if (i < n)
		return p->left;
	i -= n;
	if (!pair_is_leaf(p) && i-- == 0)
		return NULL;
	*ret_index = i;
	return p->right;
}

static unsigned pair_size(const struct pair *p, unsigned i, unsigned prefix_len)
{
	unsigned at;
	const struct page *page = pair_find(p, i, &at);

	return page ? size_with_prefix(page, p->page_size, at, prefix_len)
		    : node_entry_bytes(false, p->sep.len - prefix_len, 0);
}

static void pair_entry(const struct pair *p, unsigned i, uint8_t *key_buf,
	struct node_entry *ret_entry)
{
	unsigned at;
	const struct page *page = pair_find(p, i, &at);

	if (page) {
		node_entry_get(page, p->page_size, at, key_buf, ret_entry);
		return;
	}
	memcpy(key_buf, p->sep.data, p->sep.len);
	*ret_entry = (struct node_entry){.key = key_buf, .key_len = p->sep.len};
	ret_entry->child = node_child(p->right, p->page_size, 0);
}

/* The prefix of a node with entries [from, to) between these fences. */
static unsigned pair_prefix(const struct pair *p, unsigned from, unsigned to, struct key_span low,
	struct key_span high)
{
	struct longest l = {0, 0};

	for (unsigned i = from; i < to; i++) {
		unsigned at;
		const struct page *page = pair_find(p, i, &at);

		longest_add(&l,
			page ? node_prefix_len(page) + node_suffix_len(page, at) : p->sep.len);
	}
	return prefix_best(&l, fence_prefix(low, high));
}

static unsigned pair_bytes(const struct pair *p, unsigned from, unsigned to, unsigned prefix_len)
{
	unsigned sum = prefix_len;

	for (unsigned i = from; i < to; i++)
		sum += pair_size(p, i, prefix_len);
	return sum;
}

static void pair_append(const struct pair *p, struct page *dst, unsigned from, unsigned to,
	uint8_t *key_buf)
{
	for (unsigned i = from; i < to; i++) {
		struct node_entry entry;

		pair_entry(p, i, key_buf, &entry);
		node_insert(dst, p->page_size, node_count(dst), &entry, NULL);
	}
}

/* The page at depth d and its neighbour. */
static struct pair pair_of(struct edit *e, unsigned d)
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

/* Makes the neighbour ours and tells the parent. */
static struct page *touch_sib(struct edit *e, unsigned d)
{
	struct edit_step *s = &e->steps[d];
	struct page *page = txn_touch(e->bt->txn, s->sib, &s->sib_ref);

	node_set_child(own_page(e, d - 1), s->sib_index, s->sib_ref);
	s->sib = NULL; /* the pin is gone */
	return page;
}

/* Puts both into the left page, if they fit. */
static bool merge(struct edit *e, unsigned d)
{
	struct btree_work *w = e->bt->work;
	struct edit_step *s = &e->steps[d];
	struct pair p = pair_of(e, d);
	unsigned n = pair_count(&p), prefix_len = pair_prefix(&p, 0, n, p.low, p.high);
	struct page *left;
	struct page_ref gone;

	if (pair_bytes(&p, 0, n, prefix_len) > node_cap(e->page_size))
		return false;
	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	if (s->sib == p.left) {
		left = touch_sib(e, d);
		gone = s->ref;
	} else {
		left = own_page(e, d);
		gone = s->sib_ref;
		pager_put(e->bt->txn->pager, s->sib);
		s->sib = NULL;
	}
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;
	node_init(left, e->page_size, p.low.data, prefix_len);
	pair_append(&p, left, 0, n, w->key[0]);
	if (!pair_is_leaf(&p))
		node_set_child(left, 0, node_child(p.left, e->page_size, 0));
	e->bt->marks.n_merges++;
	txn_free(e->bt->txn, gone);
	node_remove(own_page(e, d - 1), e->page_size, p.slot);
	return true;
}

/* The separator when the pair is divided at k: entries below k go left; inner: entry k goes up. */
static struct key_span pair_separator(const struct pair *p, struct btree_work *w, unsigned k)
{
	struct node_entry at, before;

	pair_entry(p, k, w->key[1], &at);
	if (!pair_is_leaf(p))
		return (struct key_span){at.key, at.key_len};
	pair_entry(p, k - 1, w->key[0], &before);
	return separator((struct key_span){before.key, before.key_len},
		(struct key_span){at.key, at.key_len});
}

static bool pair_fits(const struct pair *p, struct btree_work *w, unsigned k)
{
	struct key_span sep = pair_separator(p, w, k);
	unsigned from = pair_is_leaf(p) ? k : k + 1, n = pair_count(p);
	unsigned left = pair_bytes(p, 0, k, pair_prefix(p, 0, k, p->low, sep));
	unsigned right = pair_bytes(p, from, n, pair_prefix(p, from, n, sep, p->high));

	return left <= node_cap(p->page_size) && right <= node_cap(p->page_size);
}

/*
 * Where to divide the pair: as near to balance as fits, searched towards where it is divided now.
 */
static unsigned pair_divide(const struct pair *p, struct btree_work *w)
{
	unsigned n = pair_count(p), now = node_count(p->left), k = 0, sum = 0;
	bool leaf = pair_is_leaf(p);
	unsigned last = leaf ? n - 1 : n - 2;
	unsigned half = pair_bytes(p, 0, n, 0) / 2;

	while (k < last && sum + pair_size(p, k, 0) / (leaf ? 2 : 1) < half)
		sum += pair_size(p, k++, 0);
	if (k == 0)
		k = 1;
	while (k != now && !pair_fits(p, w, k))
		k = k < now ? k + 1 : k - 1;
	return k;
}

/* Divides the two anew. True if the parent split: then nothing above has become low. */
static bool redistribute(struct edit *e, unsigned d)
{
	struct btree_work *w = e->bt->work;
	struct edit_step *s = &e->steps[d];
	struct pair p = pair_of(e, d);
	unsigned k = pair_divide(&p, w), n = pair_count(&p), from = pair_is_leaf(&p) ? k : k + 1;
	bool sib_is_left = s->sib == p.left, leaf = pair_is_leaf(&p), has_split;
	struct page *own, *sib, *left, *right;
	struct key_span sep;
	struct node_entry up = {0};

	if (k == node_count(p.left))
		return true;
	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	own = own_page(e, d);
	sib = touch_sib(e, d);
	left = sib_is_left ? sib : own;
	right = sib_is_left ? own : sib;
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;

	sep = pair_separator(&p, w, k);
	memcpy(w->sep[1], sep.data, sep.len);
	sep.data = w->sep[1];
	node_init(left, e->page_size, sep.data, pair_prefix(&p, 0, k, p.low, sep));
	pair_append(&p, left, 0, k, w->key[0]);
	node_init(right, e->page_size, sep.data, pair_prefix(&p, from, n, sep, p.high));
	pair_append(&p, right, from, n, w->key[0]);
	if (!leaf) {
		struct node_entry at;

		pair_entry(&p, k, w->key[0], &at);
		node_set_child(right, 0, at.child);
		node_set_child(left, 0, node_child(p.left, e->page_size, 0));
	}
	up.key = sep.data;
	up.key_len = sep.len;
	up.child = sib_is_left ? s->ref : s->sib_ref;
	e->bt->marks.n_redistributions++;
	node_remove(own_page(e, d - 1), e->page_size, p.slot);
	has_split = balance_insert(e, d - 1, p.slot, up);
	e->bt->marks.n_late_splits += has_split;
	return has_split;
}

/* An inner root with one child gives way to it. */
static void shrink_root(struct edit *e)
{
	struct txn_root *root = &e->bt->root;
	const struct page *page = e->steps[0].page;

	if (root->level == 0 || node_count(page) > 0)
		return;
	root->ref = node_child(page, e->page_size, 0);
	root->level--;
	e->bt->marks.n_roots_shrunk++;
	txn_free(e->bt->txn, e->steps[0].ref);
}

void balance_repair(struct edit *e, unsigned d)
{
	for (; d > 0; d--) {
		struct edit_step *s = &e->steps[d];

		if (!balance_is_low(e->page_size, node_used(s->page)) || !s->sib)
			return;
		if (!merge(e, d) && redistribute(e, d))
			return;
	}
	shrink_root(e);
}
