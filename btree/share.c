/* SPDX-License-Identifier: MIT */
/*
 * Sharing before a split: a full leaf divides its entries with a neighbour that has space.
 *
 * A leaf and a neighbour that hold the new entry between them are divided anew; where both are
 * full, their entries go into three leaves. So leaves that random puts fill are about seven eighths
 * full, instead of the two thirds that splitting in two leaves behind (the B*-tree of Knuth, The
 * Art of Computer Programming, volume 3, section 6.2.4). It costs a neighbour's copy when a leaf is
 * full, and nothing otherwise.
 *
 * The plan is made before anything may fail, and only if its result keeps B5 and B6: each leaf fits
 * and holds a quarter, the parent has room for the separators and does not become low. If there is
 * no such plan, or the entry is the last of the tree, the leaf is split in two (split.c), which
 * always works.
 */
#include "btree/btree_int.h"

#define SHARE_FREE 16U /* of two leaves together, that part of one stays free */

static unsigned leaf_depth(const struct edit *e)
{
	return e->height - 1;
}

/* The leaf, its pinned neighbour and the entry in one sequence. */
static struct pair pair_with(struct edit *e, const struct node_entry *entry, bool replaces)
{
	const struct edit_step *s = &e->steps[leaf_depth(e)];
	struct pair p = pair_of(e, leaf_depth(e));

	p.entry = entry;
	p.replaces = replaces;
	p.pos = s->index + (p.left == s->page ? 0 : node_count(p.left));
	return p;
}

/* Of the sequence into leaves: where the second and third begin, and bytes without prefixes. */
struct division {
	unsigned at[2], bytes[3];
};

/* The leaves differ as little as can be. */
static void divide(const struct pair *p, unsigned n, struct division *ret)
{
	unsigned count = pair_count(p), total = pair_bytes(p, 0, count, 0), sum = 0, from = 0,
		 k = 0;

	for (unsigned i = 1; i < n; i++) {
		for (; k < count; k++) {
			unsigned size = pair_size(p, k, 0);

			if (2 * n * sum + n * size >= 2 * i * total)
				break;
			sum += size;
		}
		ret->at[i - 1] = k;
		ret->bytes[i - 1] = sum - from;
		from = sum;
	}
	ret->bytes[n - 1] = total - from;
}

/* Whether the parent can have these separators, in all `bytes`, in place of the one of the pair. */
static bool parent_can(struct edit *e, const struct pair *p, unsigned bytes)
{
	unsigned d = leaf_depth(e) - 1;
	const struct page *up = e->steps[d].page;
	unsigned used = node_used(up) - node_entry_size(up, p->slot) + bytes;

	return used <= node_cap(e->page_size) && (d == 0 || !node_is_low(e->page_size, used));
}

/*
 * Whether entries [from, to), of `bytes` without a prefix, fit one leaf between these fences. An
 * entry only gets smaller by a prefix, so it is counted exactly where that is not enough.
 */
static bool leaf_holds(const struct pair *p, unsigned from, unsigned to, unsigned bytes,
	struct key_span low, struct key_span high)
{
	unsigned cap = node_cap(p->page_size);

	return bytes + fence_prefix(low, high) <= cap ||
	       pair_bytes(p, from, to, pair_prefix(p, from, to, low, high)) <= cap;
}

/* Whether a division of the pair into n leaves keeps all that has to hold. */
static bool division_holds(struct edit *e, const struct pair *p, unsigned n,
	const struct division *division)
{
	struct btree_work *w = e->bt->work;
	const struct page *up = e->steps[leaf_depth(e) - 1].page;
	struct key_span low = p->low;
	unsigned from = 0, sep_bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned to = i + 1 < n ? division->at[i] : pair_count(p);
		struct key_span high = p->high;

		if (from >= to || node_is_low(e->page_size, division->bytes[i]))
			return false;
		if (i + 1 < n) {
			high = pair_separator(p, w, to);
			memcpy(w->sep[i], high.data, high.len);
			high.data = w->sep[i];
			sep_bytes += node_entry_bytes(false, high.len - node_prefix_len(up), 0);
		}
		if (!leaf_holds(p, from, to, division->bytes[i], low, high))
			return false;
		from = to;
		low = high;
	}
	return parent_can(e, p, sep_bytes);
}

/*
 * Whether it is worth the work to compute a division into n leaves. Two that are left nearly full
 * would soon be full again.
 */
static bool is_worth_it(const struct edit *e, unsigned n, const struct node_entry *entry)
{
	const struct edit_step *s = &e->steps[leaf_depth(e)];
	unsigned used = node_used(s->page) + node_used(s->sib) + node_entry_need(s->page, entry);

	return n > 2 || used <= node_cap(e->page_size) * 2 - node_cap(e->page_size) / SHARE_FREE;
}

/* Whether the pinned neighbour can help by a division into n leaves: then the plan stands. */
static bool plan(struct edit *e, unsigned n, const struct node_entry *entry, bool replaces)
{
	struct division division = {0};
	struct pair p;

	if (!is_worth_it(e, n, entry))
		return false;
	p = pair_with(e, entry, replaces);
	divide(&p, n, &division);
	memcpy(e->share_at, division.at, sizeof(e->share_at));
	e->n_share = division_holds(e, &p, n, &division) ? n : 0;
	return e->n_share > 0;
}

static bool has_room(const struct edit *e, const struct node_entry *entry, bool replaces)
{
	const struct edit_step *s = &e->steps[leaf_depth(e)];
	unsigned used = node_used(s->page) + node_entry_need(s->page, entry);

	return used - (replaces ? node_entry_size(s->page, s->index) : 0) <= node_cap(e->page_size);
}

/* Pins the left or right neighbour, if there is one under the same parent. */
static int pin_neighbour(struct edit *e, bool left)
{
	struct edit_step *s = &e->steps[leaf_depth(e)], *up = s - 1;
	int rc;

	if (left ? up->index == 0 : up->index == node_count(up->page))
		return 0;
	s->sib_index = left ? up->index - 1 : up->index + 1;
	s->sib_ref = node_child(up->page, e->page_size, s->sib_index);
	rc = edit_pin(e, s->sib_ref, leaf_depth(e), s->sib_index, &s->sib);
	if (rc < 0)
		s->sib = NULL;
	return rc;
}

static void unpin_neighbour(struct edit *e)
{
	struct edit_step *s = &e->steps[leaf_depth(e)];

	if (s->sib)
		pager_put(e->bt->txn->pager, s->sib);
	s->sib = NULL;
}

int share_plan(struct edit *e, const struct node_entry *entry, bool replaces)
{
	if (e->height < 2 || has_room(e, entry, replaces) || edit_is_at_edge(e))
		return 0;
	for (unsigned n = 2; n <= 3; n++) {
		for (unsigned side = 0; side < 2; side++) {
			int rc = pin_neighbour(e, side == 0);

			if (rc < 0)
				return rc;
			if (e->steps[leaf_depth(e)].sib && plan(e, n, entry, replaces))
				return 0;
			unpin_neighbour(e);
		}
	}
	return 0;
}

/* The leaves of the plan, in order; the middle one of three is new. */
static void leaves_of(struct edit *e, bool sib_is_left, struct page **ret_pages,
	struct page_ref *ret_refs)
{
	unsigned d = leaf_depth(e), last = e->n_share - 1;
	struct edit_step *s = &e->steps[d];
	struct page *own = edit_page(e, d), *sib = pair_touch_sib(e, d);

	ret_pages[0] = sib_is_left ? sib : own;
	ret_refs[0] = sib_is_left ? s->sib_ref : s->ref;
	ret_pages[last] = sib_is_left ? own : sib;
	ret_refs[last] = sib_is_left ? s->ref : s->sib_ref;
	if (last == 2)
		ret_pages[1] = txn_alloc(e->bt->txn, PAGE_NODE, 0, e->bt->root.tree, &ret_refs[1]);
}

bool share_insert(struct edit *e, const struct node_entry *entry, bool replaces)
{
	unsigned d = leaf_depth(e), n = e->n_share, from = 0;
	struct btree_work *w = e->bt->work;
	struct node_entry seps[2];
	struct page_ref refs[3];
	struct page *pages[3];
	struct key_span low;
	struct pair p;

	if (n == 0)
		return false;
	p = pair_with(e, entry, replaces);
	memcpy(w->page, p.left, e->page_size);
	memcpy(w->page2, p.right, e->page_size);
	leaves_of(e, p.left == e->steps[d].sib, pages, refs);
	p.left = (struct page *)w->page;
	p.right = (struct page *)w->page2;
	low = p.low;
	for (unsigned i = 0; i < n; i++) {
		unsigned to = i + 1 < n ? e->share_at[i] : pair_count(&p);
		struct key_span high = p.high;

		if (i + 1 < n) {
			high = pair_separator(&p, w, to);
			memcpy(w->sep[i], high.data, high.len);
			high.data = w->sep[i];
			seps[i] = (struct node_entry){
				.key = high.data, .key_len = high.len, .child = refs[i + 1]};
		}
		node_init(pages[i], e->page_size, low.data, pair_prefix(&p, from, to, low, high));
		pair_append(&p, pages[i], from, to, w->key[0]);
		from = to;
		low = high;
	}
	node_remove(edit_page(e, d - 1), e->page_size, p.slot);
	for (unsigned i = 0; i + 1 < n; i++)
		node_insert(edit_page(e, d - 1), e->page_size, p.slot + i, &seps[i], w->page);
	e->bt->marks.n_shares += n == 2;
	e->bt->marks.n_thirds += n == 3;
	return true;
}
