/* SPDX-License-Identifier: MIT */
/*
 * Values too long for a leaf: a tree of pages like an inode's.
 *
 * Level 0 pages hold the value's bytes, in order; pages of a level above hold references to those
 * of the level below. All pages but the last of each level are full, so a value's length alone says
 * how many levels and pages it has and where each byte lies; every page repeats how much it holds,
 * and readers compare. The leaf's cell holds {u64 length, pgno u32, gen u64} of the root.
 *
 * Layout behind the page header:
 *
 *	40 used      u32  level 0: bytes of the value; above: references
 *	44 reserved  u32  0
 *	48 payload        bytes, or {pgno u32, gen u64} each
 */
#include "base/error.h"
#include "btree/btree_int.h"

#include <errno.h>

#define OVERFLOW_USED    40U
#define OVERFLOW_PAYLOAD 48U

static uint64_t bytes_per_page(uint32_t page_size)
{
	return page_size - OVERFLOW_PAYLOAD;
}

static uint64_t refs_per_page(uint32_t page_size)
{
	return (page_size - OVERFLOW_PAYLOAD) / PAGE_REF_BYTES;
}

/* Bytes of the value under one full page of a level. */
static uint64_t level_span(uint32_t page_size, unsigned level)
{
	uint64_t span = bytes_per_page(page_size);

	while (level-- > 0)
		span *= refs_per_page(page_size);
	return span;
}

unsigned overflow_level(uint32_t page_size, uint64_t len)
{
	unsigned level = 0;

	while (level_span(page_size, level) < len)
		level++;
	return level;
}

unsigned overflow_count(const struct page *page, uint32_t page_size)
{
	uint32_t n = le32_get(node_bytes(page) + OVERFLOW_USED);

	return page->level == 0 || n == 0 || n > refs_per_page(page_size) ? NODE_BAD : n;
}

struct page_ref overflow_ref(const struct page *page, unsigned i)
{
	return page_ref_get(node_bytes(page) + OVERFLOW_PAYLOAD + (size_t)i * PAGE_REF_BYTES);
}

int ref_list_add(struct ref_list *list, struct page_ref ref)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		struct page_ref *refs = tree_realloc(list->bt, list->refs, cap * sizeof(*refs));

		if (!refs)
			return error_set(-ENOMEM, "no memory to list the pages of a long value");
		list->refs = refs;
		list->cap = cap;
	}
	list->refs[list->n++] = ref;
	return 0;
}

void ref_list_fini(struct ref_list *list)
{
	tree_free(list->bt, list->refs);
	*list = (struct ref_list){.bt = list->bt};
}

/*
 * Building: all byte pages, then level after level over them.
 */

/* Makes the next n <= TXN_OP_PAGES_MAX pages certain, and that all so far can be given back. */
static int build_prepare(struct btree *bt, const struct ref_list *pages, size_t n)
{
	return txn_prepare(bt->txn, (unsigned)n, pages->n + n);
}

static struct page *build_page(struct btree *bt, struct ref_list *pages, unsigned level,
	size_t used)
{
	struct page_ref ref;
	struct page *page = txn_alloc(bt->txn, PAGE_OVERFLOW, level, bt->root.tree, &ref);

	ASSERT(pages->n < pages->cap);
	pages->refs[pages->n++] = ref;
	le32_set((uint8_t *)page + OVERFLOW_USED, (uint32_t)used);
	return page;
}

/* How many pages of all levels a value has. */
static uint64_t build_total(uint32_t page_size, uint64_t len)
{
	uint64_t n = (len + bytes_per_page(page_size) - 1) / bytes_per_page(page_size), total = n;

	while (n > 1) {
		n = (n + refs_per_page(page_size) - 1) / refs_per_page(page_size);
		total += n;
	}
	return total;
}

static int build_bytes(struct btree *bt, struct btree_slice val, struct ref_list *pages)
{
	uint64_t per_page = bytes_per_page(tree_page_size(bt)), off = 0;

	while (off < val.len) {
		uint64_t n = (val.len - off + per_page - 1) / per_page;
		int rc;

		if (n > TXN_OP_PAGES_MAX)
			n = TXN_OP_PAGES_MAX;
		rc = build_prepare(bt, pages, n);
		if (rc < 0)
			return rc;
		for (uint64_t i = 0; i < n; i++) {
			size_t used = val.len - off < per_page ? val.len - off : per_page;
			struct page *page = build_page(bt, pages, 0, used);

			memcpy((uint8_t *)page + OVERFLOW_PAYLOAD, (const uint8_t *)val.data + off,
				used);
			off += used;
		}
	}
	return 0;
}

/* One level of references over pages [from, to) of the list, which are the level below. */
static int build_index(struct btree *bt, struct ref_list *pages, unsigned level, size_t from,
	size_t to)
{
	size_t per_page = refs_per_page(tree_page_size(bt));

	while (from < to) {
		size_t n = (to - from + per_page - 1) / per_page;
		int rc;

		if (n > TXN_OP_PAGES_MAX)
			n = TXN_OP_PAGES_MAX;
		rc = build_prepare(bt, pages, n);
		if (rc < 0)
			return rc;
		for (; n > 0; n--) {
			size_t used = to - from < per_page ? to - from : per_page;
			struct page *page = build_page(bt, pages, level, used);
			uint8_t *p = (uint8_t *)page + OVERFLOW_PAYLOAD;

			for (size_t i = 0; i < used; i++)
				page_ref_set(p + i * PAGE_REF_BYTES, pages->refs[from + i]);
			from += used;
		}
	}
	return 0;
}

int overflow_build(struct btree *bt, struct btree_slice val, uint8_t cell[NODE_OVERFLOW_BYTES],
	struct ref_list *pages)
{
	size_t from = 0, total = build_total(tree_page_size(bt), val.len);
	int rc;

	pages->refs = tree_realloc(bt, NULL, total * sizeof(*pages->refs));
	if (!pages->refs)
		return error_set(-ENOMEM, "no memory to list the pages of a value of %zu bytes",
			val.len);
	pages->cap = total;
	rc = build_bytes(bt, val, pages);
	for (unsigned level = 1; rc == 0 && pages->n - from > 1; level++) {
		size_t to = pages->n;

		rc = build_index(bt, pages, level, from, to);
		from = to;
	}
	if (rc < 0) {
		for (size_t i = 0; i < pages->n; i++)
			txn_free(bt->txn, pages->refs[i]);
		ref_list_fini(pages);
		return rc;
	}
	ASSERT(pages->n == total);
	le64_set(cell, val.len);
	page_ref_set(cell + 8, pages->refs[pages->n - 1]);
	return 0;
}

/*
 * Reading
 */

/* Pins a page of a value; `under` bytes of the value lie in it and below it. */
static int get_page(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	const struct page **ret_page)
{
	struct txn *txn = bt->txn;
	uint32_t page_size = tree_page_size(bt);
	uint64_t used = under;
	const struct page *page;
	int rc;

	if (ref_is_null(ref))
		return tree_corrupt(bt, ref, "a long value refers to no page");
	rc = pager_get(txn->pager, txn->guard, ref, &page);
	if (rc < 0)
		return rc;
	if (level > 0) {
		uint64_t span = level_span(page_size, level - 1);

		used = (under + span - 1) / span;
	}
	if (page->type != PAGE_OVERFLOW || page->level != level ||
		le32_get(page->tree) != bt->root.tree ||
		le32_get(node_bytes(page) + OVERFLOW_USED) != used) {
		pager_put(txn->pager, page);
		return tree_corrupt(bt, ref, "expected another page of a long value");
	}
	*ret_page = page;
	return 0;
}

/*
 * Asks for the pages below `page` that hold bytes from off up to end, both counted from its first.
 */
static void read_ahead(struct btree *bt, const struct page *page, uint64_t span, uint64_t off,
	uint64_t end)
{
	struct page_ref refs[64];
	size_t n = 0;

	for (uint64_t i = off / span; i * span < end && n < 64; i++)
		refs[n++] = overflow_ref(page, (unsigned)i);
	if (n > 1)
		pager_prefetch(bt->txn->pager, refs, n);
}

/* Copies len bytes from off of the part of a value that lies under ref: `under` bytes in all. */
static int read_under(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	uint64_t off, uint8_t *buf, uint64_t len)
{
	const struct page *page;
	int rc = get_page(bt, ref, level, under, &page);

	if (rc < 0)
		return rc;
	if (level == 0) {
		memcpy(buf, node_bytes(page) + OVERFLOW_PAYLOAD + off, len);
	} else {
		uint64_t span = level_span(tree_page_size(bt), level - 1), ahead = 0;

		while (len > 0 && rc == 0) {
			uint64_t i = off / span, start = i * span;
			uint64_t below = under - start < span ? under - start : span;
			uint64_t n = start + below - off < len ? start + below - off : len;

			if (level == 1 && ahead++ % 64 == 0)
				read_ahead(bt, page, span, off, off + len);
			rc = read_under(bt, overflow_ref(page, (unsigned)i), level - 1, below,
				off - start, buf, n);
			off += n;
			buf += n;
			len -= n;
		}
	}
	pager_put(bt->txn->pager, page);
	return rc;
}

int btree_item_read(struct btree *bt, const struct btree_item *item, uint64_t off, void *buf,
	size_t len, size_t *ret_len)
{
	uint64_t total = item->val.len;
	int rc = 0;

	if (off > total)
		off = total;
	if (len > total - off)
		len = total - off;
	if (len > 0 && ref_is_null(item->overflow))
		memcpy(buf, (const uint8_t *)item->val.data + off, len);
	else if (len > 0)
		rc = read_under(bt, item->overflow, overflow_level(tree_page_size(bt), total),
			total, off, buf, len);
	if (rc == 0)
		*ret_len = len;
	return rc;
}

/*
 * All pages of a value
 */

static int walk_under(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	gen_t gen_max, overflow_page_fn *fn, void *arg)
{
	uint64_t span;
	const struct page *page;
	int rc;

	if (ref.gen > gen_max)
		return tree_corrupt(bt, ref, "a page is newer than the one that refers to it");
	rc = get_page(bt, ref, level, under, &page);
	if (rc < 0)
		return rc;
	rc = fn(arg, ref, page);
	span = level > 0 ? level_span(tree_page_size(bt), level - 1) : 0;
	for (unsigned i = 0; rc == 0 && level > 0 && i * span < under; i++)
		rc = walk_under(bt, overflow_ref(page, i), level - 1,
			under - i * span < span ? under - i * span : span, ref.gen, fn, arg);
	pager_put(bt->txn->pager, page);
	return rc;
}

int overflow_walk(struct btree *bt, uint64_t len, struct page_ref root, gen_t gen_max,
	overflow_page_fn *fn, void *arg)
{
	if (len == 0 || len > BTREE_VALUE_MAX)
		return tree_corrupt(bt, root, "a long value has an impossible length");
	return walk_under(bt, root, overflow_level(tree_page_size(bt), len), len, gen_max, fn, arg);
}

/* Lists the pages under ref; byte pages are not read: their references are enough. */
static int gather_under(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	struct ref_list *pages)
{
	uint64_t span;
	const struct page *page;
	int rc = ref_list_add(pages, ref);

	if (rc < 0 || level == 0)
		return rc;
	rc = get_page(bt, ref, level, under, &page);
	if (rc < 0)
		return rc;
	span = level_span(tree_page_size(bt), level - 1);
	for (unsigned i = 0; rc == 0 && i * span < under; i++)
		rc = gather_under(bt, overflow_ref(page, i), level - 1,
			under - i * span < span ? under - i * span : span, pages);
	pager_put(bt->txn->pager, page);
	return rc;
}

static int by_pgno(const void *a, const void *b)
{
	const struct page_ref *x = a, *y = b;

	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

int overflow_gather(struct btree *bt, const uint8_t *cell, struct ref_list *pages)
{
	uint64_t len = le64_get(cell);
	struct page_ref root = page_ref_get(cell + 8);
	int rc;

	if (len == 0 || len > BTREE_VALUE_MAX || ref_is_null(root))
		return tree_corrupt(bt, root, "a long value has an impossible length or place");
	rc = gather_under(bt, root, overflow_level(tree_page_size(bt), len), len, pages);
	if (rc < 0)
		return rc;
	/* A page may be given up once only. */
	qsort(pages->refs, pages->n, sizeof(*pages->refs), by_pgno);
	for (size_t i = 1; i < pages->n; i++)
		if (pages->refs[i - 1].pgno == pages->refs[i].pgno)
			return tree_corrupt(bt, pages->refs[i], "a long value holds a page twice");
	return 0;
}
