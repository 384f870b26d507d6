/* SPDX-License-Identifier: MIT */
/*
 * The path of an edit: the pages from the root to the leaf, and the neighbours that a repair may
 * want. They are pinned on the way down, and copied (copy-on-write) from the root down once
 * txn_reserve() has made sure that nothing can fail any more. The steps are those of edit.c.
 */
#include "btree/btree_int.h"

void edit_init(struct edit *e, struct btree *bt)
{
	/* The steps are set one by one: clearing them all would cost as much as a search. */
	e->bt = bt;
	e->page_size = tree_page_size(bt);
	e->height = 0;
	e->n_share = 0;
}

void edit_unpin_neighbours(struct edit *e)
{
	for (unsigned d = 0; d < e->height; d++) {
		if (e->steps[d].sib)
			pager_put(e->bt->txn->pager, e->steps[d].sib);
		e->steps[d].sib = NULL;
	}
}

void edit_drop(struct edit *e)
{
	struct pager *pager = e->bt->txn->pager;

	edit_unpin_neighbours(e);
	for (unsigned d = 0; d < e->height; d++)
		if (!e->steps[d].own)
			pager_put(pager, e->steps[d].page);
	e->height = 0;
}

int edit_pin(struct edit *e, struct page_ref ref, unsigned d, unsigned i,
	const struct page **ret_page)
{
	struct btree *bt = e->bt;
	struct btree_work *w = bt->work;
	const struct page *page;
	const char *wrong = NULL;
	int rc = tree_get_node(bt, ref, bt->root.level - d, &page);

	if (rc < 0)
		return rc;
	if (page_is_sealed(page)) {
		wrong = node_validate(page, e->page_size);
		if (!wrong)
			wrong = fence_wrong(page, e->page_size, edit_fence(e, d, i, true, w->low),
				edit_fence(e, d, i, false, w->high), w->key[0]);
	}
	if (wrong) {
		pager_put(bt->txn->pager, page);
		return tree_corrupt(bt, ref, wrong);
	}
	*ret_page = page;
	return 0;
}

int edit_descend(struct edit *e, const uint8_t *key, unsigned key_len, bool *ret_exact)
{
	struct btree *bt = e->bt;
	struct page_ref ref = bt->root.ref;
	int rc = 0;

	*ret_exact = false;
	if (bt->root.level >= BTREE_LEVELS_MAX)
		return tree_corrupt(bt, ref, "the root claims too many levels");
	for (unsigned level = bt->root.level + 1U; level-- > 0;) {
		struct edit_step *s = &e->steps[e->height];

		*s = (struct edit_step){.ref = ref};
		rc = edit_pin(e, ref, e->height, e->height > 0 ? s[-1].index : 0, &s->page);
		if (rc < 0)
			break;
		e->height++;
		s->index = level > 0 ? node_child_index(s->page, e->page_size, key, key_len)
				     : node_lower(s->page, e->page_size, key, key_len, ret_exact);
		if (s->index == NODE_BAD) {
			rc = tree_corrupt(bt, ref, level > 0 ? INNER_IS_BAD : LEAF_IS_BAD);
			break;
		}
		if (level > 0)
			ref = node_child(s->page, e->page_size, s->index);
	}
	if (rc < 0)
		edit_drop(e);
	return rc;
}

int edit_gather(struct edit *e, unsigned used)
{
	return edit_gather_from(e, e->height - 1, used);
}

int edit_gather_from(struct edit *e, unsigned depth, unsigned used)
{
	for (unsigned d = depth + 1; --d > 0;) {
		struct edit_step *s = &e->steps[d], *up = &e->steps[d - 1];
		unsigned slot;
		int rc;

		if (!node_is_low(e->page_size, used))
			return 0;
		s->sib_index = up->index > 0 ? up->index - 1 : up->index + 1;
		slot = up->index > 0 ? up->index - 1 : up->index;
		s->sib_ref = node_child(up->page, e->page_size, s->sib_index);
		rc = edit_pin(e, s->sib_ref, d, s->sib_index, &s->sib);
		if (rc < 0) {
			s->sib = NULL;
			return rc;
		}
		used = node_used(up->page) - node_entry_size(up->page, slot);
	}
	return 0;
}

int edit_gather_right(struct edit *e)
{
	unsigned d = e->height - 1;
	struct edit_step *s = &e->steps[d], *up;
	int rc;

	if (d == 0)
		return 0;
	up = &e->steps[d - 1];
	if (up->index >= node_count(up->page))
		return 0;
	s->sib_index = up->index + 1;
	s->sib_ref = node_child(up->page, e->page_size, s->sib_index);
	rc = edit_pin(e, s->sib_ref, d, s->sib_index, &s->sib);
	if (rc < 0) {
		s->sib = NULL;
		return rc;
	}
	return edit_gather_from(e, d - 1,
		node_used(up->page) - node_entry_size(up->page, up->index));
}

int edit_reserve(struct edit *e, enum txn_use use, bool may_split, const struct ref_list *gone,
	size_t n_fresh)
{
	unsigned n_sibs = 0;
	struct txn_need need = {.use = use, .n_pages = e->height};

	for (unsigned d = 0; d < e->height; d++)
		n_sibs += e->steps[d].sib != NULL;
	need.n_pages += n_sibs;
	if (may_split || n_sibs > 0)
		need.n_pages += e->height + 1;
	need.n_frees = gone->n + n_fresh + n_sibs + 1;
	need.n_extents = ref_list_runs(gone) + n_sibs + 1;
	return txn_reserve_for(e->bt->txn, &need);
}

void edit_touch(struct edit *e)
{
	struct btree *bt = e->bt;

	bt->edge = (struct page_ref){0, 0};
	for (unsigned d = 0; d < e->height; d++) {
		struct edit_step *s = &e->steps[d];
		struct page_ref ref;

		s->page = txn_touch(bt->txn, s->page, &ref);
		s->own = true;
		if (ref_is(ref, s->ref))
			continue;
		s->ref = ref;
		if (d == 0)
			bt->root.ref = ref;
		else
			node_set_child((struct page *)(uintptr_t)e->steps[d - 1].page,
				e->steps[d - 1].index, ref);
	}
}

bool edit_is_at_edge(const struct edit *e)
{
	unsigned d = 0;

	while (d < e->height && e->steps[d].index == node_count(e->steps[d].page))
		d++;
	return d == e->height;
}
