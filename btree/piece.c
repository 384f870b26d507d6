/* SPDX-License-Identifier: MIT */
/*
 * Writing a piece of a long value: some of its bytes change, or it becomes longer.
 *
 * Where each byte lies follows from the length alone (overflow.c), and a value only becomes longer
 * here. So on each level the pages that change are neighbours: those over the bytes that were
 * written, and over the end of before, where the value goes on. They are made anew, level by level
 * from the bytes up; all others are kept by their references. A value that has become too long for
 * its levels gets one more, whose first page has all that was there under it.
 *
 * So a value of any length is written with the memory of a piece, and a piece costs its own pages
 * and one more a level.
 */
#include "base/error.h"
#include "btree/btree_int.h"

#include <errno.h>

struct piece {
	struct btree *bt;
	uint32_t page_size;
	struct overflow old, new;
	struct btree_item item; /* of the old value, to be read */
	uint64_t off;
	struct btree_slice data;
	struct ref_list *fresh, *gone;
	/* The level being made: pages [first, end) are new, at `at` in the list of fresh ones. */
	uint64_t first, end;
	size_t at;
};

static uint64_t div_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Bytes of the value that lie in pages. */
static uint64_t in_pages(const struct overflow *o)
{
	return o->len - o->tail_len;
}

/* Pages of a level that a value of this shape has. */
static uint64_t count_pages(const struct piece *p, const struct overflow *o, unsigned level)
{
	return div_up(in_pages(o), overflow_span(p->page_size, level));
}

/* Bytes of the old value under its page i of a level. */
static uint64_t old_bytes_under(const struct piece *p, unsigned level, uint64_t i)
{
	uint64_t span = overflow_span(p->page_size, level), left = in_pages(&p->old) - i * span;

	return left < span ? left : span;
}

/* The reference of the old value's page i of a level, which it has. */
static int old_ref(const struct piece *p, unsigned level, uint64_t i, struct page_ref *ret_ref)
{
	uint64_t per_page = overflow_page_refs(p->page_size), at[8];
	struct page_ref ref;

	ASSERT(p->old.level < 8); /* a page of references has 29 at least, and a value 2^30 bytes */
	at[level] = i;
	for (unsigned l = level; l < p->old.level; l++)
		at[l + 1] = at[l] / per_page;
	ref = overflow_cell_ref(&p->old, (unsigned)at[p->old.level]);
	for (unsigned l = p->old.level; l > level; l--) {
		const struct page *page;
		int rc = overflow_get_page(p->bt, ref, l, old_bytes_under(p, l, at[l]), &page);

		if (rc < 0)
			return rc;
		ref = overflow_ref(page, (unsigned)(at[l - 1] % per_page));
		pager_put(p->bt->txn->pager, page);
	}
	if (ref_is_null(ref))
		return tree_corrupt(p->bt, ref, "a long value refers to no page: " REF_IS_NULL);
	*ret_ref = ref;
	return 0;
}

static int copy_old(const struct piece *p, uint64_t from, uint64_t to, uint8_t *dst)
{
	size_t len = 0;
	int rc;

	if (from >= to)
		return 0;
	rc = btree_item_read(p->bt, &p->item, from, dst, to - from, &len);
	ASSERT(rc < 0 || len == to - from);
	return rc;
}

/* Bytes [from, to) of the new value. */
static int copy_new(const struct piece *p, uint64_t from, uint64_t to, uint8_t *dst)
{
	uint64_t end = p->off + p->data.len;
	uint64_t a = from > p->off ? from : p->off, b = to < end ? to : end;
	int rc = copy_old(p, from, to < p->off ? to : p->off, dst);

	if (rc == 0 && a < b)
		memcpy(dst + (a - from), (const uint8_t *)p->data.data + (a - p->off), b - a);
	a = from > end ? from : end;
	return rc == 0 && a < to ? copy_old(p, a, to, dst + (a - from)) : rc;
}

/* Makes page i of level 0. */
static int make_bytes(struct piece *p, uint64_t i)
{
	uint64_t span = overflow_page_bytes(p->page_size), from = i * span;
	uint64_t to = from + span < in_pages(&p->new) ? from + span : in_pages(&p->new);
	struct page *page = overflow_make_page(p->bt, p->fresh, 0, to - from);

	return copy_new(p, from, to, (uint8_t *)page + OVERFLOW_PAYLOAD);
}

/* The reference of page i of the level below the one being made, or of the cell. */
static struct page_ref ref_below(const struct piece *p, uint64_t i, const struct page *old)
{
	if (i >= p->first && i < p->end)
		return p->fresh->refs[p->at + (i - p->first)];
	return old ? overflow_ref(old, (unsigned)(i % overflow_page_refs(p->page_size)))
		   : overflow_cell_ref(&p->old, (unsigned)i);
}

/* Makes page i of a level of references. */
static int make_refs(struct piece *p, unsigned level, uint64_t i)
{
	uint64_t per_page = overflow_page_refs(p->page_size), from = i * per_page;
	uint64_t to = from + per_page, n = count_pages(p, &p->new, level - 1);
	const struct page *old = NULL;
	struct page_ref ref;
	struct page *page;
	int rc = 0;

	if (to > n)
		to = n;
	if (level <= p->old.level && (from < p->first || to > p->end)) {
		rc = old_ref(p, level, i, &ref);
		if (rc == 0)
			rc = overflow_get_page(p->bt, ref, level, old_bytes_under(p, level, i),
				&old);
	}
	if (rc < 0)
		return rc;
	page = overflow_make_page(p->bt, p->fresh, level, to - from);
	for (uint64_t k = from; k < to; k++)
		page_ref_set((uint8_t *)page + OVERFLOW_PAYLOAD + (k - from) * PAGE_REF_BYTES,
			ref_below(p, k, old));
	if (old)
		pager_put(p->bt->txn->pager, old);
	return 0;
}

/* Makes pages [first, end) of a level, and lists those that they replace. */
static int make_level(struct piece *p, unsigned level, uint64_t first, uint64_t end)
{
	size_t at = p->fresh->n;
	int rc = 0;

	for (uint64_t i = first; rc == 0 && i < end; i++) {
		uint64_t n = end - i < TXN_OP_PAGES_MAX ? end - i : TXN_OP_PAGES_MAX;

		if ((i - first) % TXN_OP_PAGES_MAX == 0)
			rc = overflow_reserve(p->bt, p->fresh, n);
		if (rc == 0)
			rc = level == 0 ? make_bytes(p, i) : make_refs(p, level, i);
	}
	for (uint64_t i = first; rc == 0 && level <= p->old.level; i++) {
		struct page_ref ref;

		if (i >= end || i >= count_pages(p, &p->old, level))
			break;
		rc = old_ref(p, level, i, &ref);
		if (rc == 0)
			rc = ref_list_add(p->gone, ref);
	}
	p->first = first;
	p->end = end;
	p->at = at;
	return rc;
}

/* The pages of a level that change: [*ret_first, *ret_end). */
static void changing(const struct piece *p, unsigned level, uint64_t *ret_first, uint64_t *ret_end)
{
	uint64_t span = overflow_span(p->page_size, level), n = count_pages(p, &p->new, level);
	uint64_t end = div_up(p->off + p->data.len, span);

	*ret_first = p->off / span;
	*ret_end = end < n ? end : n;
	if (*ret_end < *ret_first)
		*ret_end = *ret_first;
}

static int make_levels(struct piece *p)
{
	uint64_t first, end, n = 0;
	int rc = 0;

	for (unsigned level = 0; level <= p->new.level; level++) {
		changing(p, level, &first, &end);
		n += end - first;
	}
	p->fresh->refs = tree_realloc(p->bt, NULL, (n + 1) * sizeof(*p->fresh->refs));
	if (!p->fresh->refs)
		return error_set(-ENOMEM, "no memory to list the pages of a piece of %zu bytes",
			p->data.len);
	p->fresh->cap = n + 1;
	for (unsigned level = 0; rc == 0 && level <= p->new.level; level++) {
		changing(p, level, &first, &end);
		rc = make_level(p, level, first, end);
	}
	return rc;
}

/* What the leaf will hold. */
static int make_cell(struct piece *p, uint8_t *cell)
{
	le64_set(cell, p->new.len);
	cell += 8;
	for (unsigned i = 0; i < p->new.n_refs; i++, cell += PAGE_REF_BYTES)
		page_ref_set(cell, ref_below(p, i, NULL));
	return copy_new(p, in_pages(&p->new), p->new.len, cell);
}

int piece_build(struct btree *bt, unsigned key_len, const uint8_t *cell, const struct overflow *o,
	uint64_t off, struct btree_slice data, uint8_t *ret_cell, unsigned *ret_cell_bytes,
	struct ref_list *fresh, struct ref_list *gone)
{
	struct piece p = {.bt = bt, .off = off, .data = data, .fresh = fresh, .gone = gone};
	uint64_t len = off + data.len > o->len ? off + data.len : o->len;
	int rc;

	p.page_size = tree_page_size(bt);
	p.old = *o;
	p.new = overflow_shape(p.page_size, key_len, len);
	p.item = (struct btree_item){{NULL, (size_t)o->len}, NULL, cell, key_len};
	ASSERT(off <= o->len);
	ASSERT(p.new.level >= o->level);
	rc = make_levels(&p);
	if (rc == 0)
		rc = ref_list_sort(gone);
	if (rc == 0)
		rc = make_cell(&p, ret_cell);
	*ret_cell_bytes = overflow_cell_bytes(&p.new);
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < fresh->n; i++)
		txn_free(bt->txn, fresh->refs[i]);
	ref_list_fini(fresh);
	ref_list_fini(gone);
	return rc;
}
