/* SPDX-License-Identifier: MIT */
/*
 * Values too long for a leaf.
 *
 * What fills pages lies in byte pages (level 0), in order. The leaf's cell holds {u64 length, the
 * references of these pages, the odd end}: so all byte pages are full. Where that is more than an
 * entry may take, the odd end gets a byte page as well, the last. Where the references alone are
 * more, pages of level 1 hold them, full but the last one, and the cell refers to these; or to
 * those of level 2 that refer to them. Of the ways that fit the cell, in this order, the first is
 * taken. So page size and lengths of key and value alone say how many levels and pages there are
 * and where each byte lies (B9); every page repeats how much it holds, and readers compare.
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
#include <stdlib.h>

#define OVERFLOW_USED 40U
#define AHEAD_PAGES   BTREE_BATCH_MAX /* byte pages asked for at a time */

uint64_t overflow_span(uint32_t page_size, unsigned level)
{
	uint64_t span = overflow_page_bytes(page_size);

	while (level-- > 0)
		span *= overflow_page_refs(page_size);
	return span;
}

static uint64_t div_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Bytes of the value under reference i of a level: of all but the last page, a full one's. */
static uint64_t bytes_under(uint64_t span, uint64_t under, uint64_t i)
{
	return under - i * span < span ? under - i * span : span;
}

struct overflow overflow_shape(uint32_t page_size, unsigned key_len, uint64_t len)
{
	uint64_t refs_max = (node_value_max(page_size, key_len) - 8) / PAGE_REF_BYTES;
	uint64_t n = len / overflow_page_bytes(page_size);
	struct overflow o = {.len = len};

	o.tail_len = (unsigned)(len % overflow_page_bytes(page_size));
	if (n <= refs_max &&
		8 + n * PAGE_REF_BYTES + o.tail_len <= node_value_max(page_size, key_len)) {
		o.n_refs = (unsigned)n;
		return o;
	}
	o.tail_len = 0;
	n = div_up(len, overflow_page_bytes(page_size));
	for (; n > refs_max; o.level++)
		n = div_up(n, overflow_page_refs(page_size));
	o.n_refs = (unsigned)n;
	return o;
}

const char *overflow_open(uint32_t page_size, unsigned key_len, struct node_value val,
	struct overflow *ret_o)
{
	uint64_t len = le64_get(val.data);

	if (key_len > node_key_max(page_size))
		return "a key is too long";
	if (len == 0 || len > BTREE_VALUE_MAX)
		return "a long value has an impossible length";
	if (len <= node_value_max(page_size, key_len))
		return "a short value lies in overflow pages";
	*ret_o = overflow_shape(page_size, key_len, len);
	if (val.len != overflow_cell_bytes(ret_o))
		return "a long value has not the references that its length demands";
	ret_o->refs = val.data + 8;
	for (unsigned i = 0; i < ret_o->n_refs; i++)
		if (ref_is_null(overflow_cell_ref(ret_o, i)))
			return "a long value refers to no page";
	return NULL;
}

unsigned overflow_count(const struct page *page, uint32_t page_size)
{
	uint32_t n = le32_get(node_bytes(page) + OVERFLOW_USED);

	return page->level == 0 || n == 0 || n > overflow_page_refs(page_size) ? NODE_BAD : n;
}

struct page_ref overflow_ref(const struct page *page, unsigned i)
{
	return page_ref_get(node_bytes(page) + OVERFLOW_PAYLOAD + (size_t)i * PAGE_REF_BYTES);
}

/* Of a page whose bytes make sense or not. */
static unsigned overflow_slack(const struct page *page, uint32_t page_size)
{
	uint64_t used = le32_get(node_bytes(page) + OVERFLOW_USED);
	uint64_t room = page_size - OVERFLOW_PAYLOAD;

	if (page->level > 0)
		used *= PAGE_REF_BYTES;
	return used < room ? (unsigned)(room - used) : 0;
}

unsigned btree_page_slack(const struct page *page, uint32_t page_size)
{
	unsigned used;

	if (page->type == PAGE_OVERFLOW)
		return overflow_slack(page, page_size);
	used = node_used(page);
	return used < node_cap(page_size) ? node_cap(page_size) - used : 0;
}

/* Not base/array.h: what a fault leaves behind is freed with the tree (memory.c). */
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

size_t ref_list_runs(const struct ref_list *list)
{
	size_t n = list->n > 0;

	for (size_t i = 1; i < list->n; i++) {
		const struct page_ref *a = &list->refs[i - 1], *b = &list->refs[i];

		n += a->gen != b->gen || (a->pgno + 1 != b->pgno && b->pgno + 1 != a->pgno);
	}
	return n;
}

static int by_pgno(const void *a, const void *b)
{
	const struct page_ref *x = a, *y = b;

	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

int ref_list_sort(struct ref_list *list)
{
	if (list->n > 1) /* an empty list has no memory */
		qsort(list->refs, list->n, sizeof(*list->refs), by_pgno);
	for (size_t i = 1; i < list->n; i++)
		if (list->refs[i - 1].pgno == list->refs[i].pgno)
			return tree_corrupt(list->bt, list->refs[i],
				"a long value holds a page twice");
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

int overflow_reserve(struct btree *bt, const struct ref_list *pages, size_t n)
{
	return txn_reserve_for(bt->txn,
		&(struct txn_need){
			.use = TXN_ADD, .n_pages = (unsigned)n, .n_frees = pages->n + n});
}

struct page *overflow_make_page(struct btree *bt, struct ref_list *pages, unsigned level,
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
static uint64_t build_total(uint32_t page_size, const struct overflow *o)
{
	uint64_t n = div_up(o->len - o->tail_len, overflow_page_bytes(page_size)), total = n;

	for (unsigned level = 0; level < o->level; level++) {
		n = div_up(n, overflow_page_refs(page_size));
		total += n;
	}
	return total;
}

static int build_bytes(struct btree *bt, const uint8_t *data, uint64_t len, struct ref_list *pages)
{
	uint64_t per_page = overflow_page_bytes(tree_page_size(bt)), off = 0;

	while (off < len) {
		uint64_t n = div_up(len - off, per_page);
		int rc;

		if (n > TXN_OP_PAGES_MAX)
			n = TXN_OP_PAGES_MAX;
		rc = overflow_reserve(bt, pages, n);
		if (rc < 0)
			return rc;
		for (uint64_t i = 0; i < n; i++) {
			size_t used = len - off < per_page ? len - off : per_page;
			struct page *page = overflow_make_page(bt, pages, 0, used);

			memcpy((uint8_t *)page + OVERFLOW_PAYLOAD, data + off, used);
			off += used;
		}
	}
	return 0;
}

/* One level of references over pages [from, to) of the list, which are the level below. */
static int build_index(struct btree *bt, struct ref_list *pages, unsigned level, size_t from,
	size_t to)
{
	size_t per_page = overflow_page_refs(tree_page_size(bt));

	while (from < to) {
		size_t n = (to - from + per_page - 1) / per_page;
		int rc;

		if (n > TXN_OP_PAGES_MAX)
			n = TXN_OP_PAGES_MAX;
		rc = overflow_reserve(bt, pages, n);
		if (rc < 0)
			return rc;
		for (; n > 0; n--) {
			size_t used = to - from < per_page ? to - from : per_page;
			struct page *page = overflow_make_page(bt, pages, level, used);
			uint8_t *p = (uint8_t *)page + OVERFLOW_PAYLOAD;

			for (size_t i = 0; i < used; i++)
				page_ref_set(p + i * PAGE_REF_BYTES, pages->refs[from + i]);
			from += used;
		}
	}
	return 0;
}

/* What the leaf holds: the references of pages [from, ...) of the list, and the tail. */
static void build_cell(const struct overflow *o, struct btree_slice val,
	const struct ref_list *pages, size_t from, uint8_t *cell)
{
	le64_set(cell, o->len);
	cell += 8;
	for (size_t i = from; i < pages->n; i++, cell += PAGE_REF_BYTES)
		page_ref_set(cell, pages->refs[i]);
	if (o->tail_len > 0)
		memcpy(cell, (const uint8_t *)val.data + o->len - o->tail_len, o->tail_len);
}

int overflow_build(struct btree *bt, unsigned key_len, struct btree_slice val, uint8_t *cell,
	unsigned *ret_cell_bytes, struct ref_list *pages)
{
	struct overflow o = overflow_shape(tree_page_size(bt), key_len, val.len);
	size_t from = 0, total = build_total(tree_page_size(bt), &o);
	int rc;

	pages->refs = tree_realloc(bt, NULL, total * sizeof(*pages->refs));
	if (!pages->refs)
		return error_set(-ENOMEM, "no memory to list the pages of a value of %zu bytes",
			val.len);
	pages->cap = total;
	rc = build_bytes(bt, val.data, val.len - o.tail_len, pages);
	for (unsigned level = 1; rc == 0 && level <= o.level; level++) {
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
	ASSERT(pages->n - from == o.n_refs);
	build_cell(&o, val, pages, from, cell);
	*ret_cell_bytes = overflow_cell_bytes(&o);
	return 0;
}

/*
 * Reading
 */

int overflow_get_page(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	const struct page **ret_page)
{
	struct txn *txn = bt->txn;
	uint32_t page_size = tree_page_size(bt);
	uint64_t used = under;
	const struct page *page;
	int rc;

	if (ref_is_null(ref))
		return tree_corrupt(bt, ref, "a long value refers to no page: " REF_IS_NULL);
	rc = pager_get(txn->pager, txn->guard, ref, &page);
	if (rc < 0)
		return rc;
	if (level > 0) {
		uint64_t span = overflow_span(page_size, level - 1);

		used = (under + span - 1) / span;
	}
	if (page->type != PAGE_OVERFLOW || page->level != level ||
		le32_get(page->tree) != bt->root.tree ||
		le32_get(node_bytes(page) + OVERFLOW_USED) != used) {
		pager_put(txn->pager, page);
		return tree_corrupt(bt, ref, "expected a page of a long value, found another page");
	}
	*ret_page = page;
	return 0;
}

/*
 * Asks for the byte pages that hold bytes from off up to end, both counted from the first of refs.
 */
static void read_ahead(struct btree *bt, const uint8_t *refs, uint64_t off, uint64_t end)
{
	uint64_t span = overflow_page_bytes(tree_page_size(bt));
	struct page_ref ahead[AHEAD_PAGES];
	size_t n = 0;

	for (uint64_t i = off / span; i * span < end && n < AHEAD_PAGES; i++)
		ahead[n++] = page_ref_get(refs + i * PAGE_REF_BYTES);
	if (n > 1)
		pager_prefetch(bt->txn->pager, ahead, n);
}

static int read_refs(struct btree *bt, const uint8_t *refs, unsigned level, uint64_t under,
	uint64_t off, uint8_t *buf, uint64_t len);

/* Copies len bytes from off of the part of a value that lies under ref: `under` bytes in all. */
static int read_page(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	uint64_t off, uint8_t *buf, uint64_t len)
{
	const struct page *page;
	int rc = overflow_get_page(bt, ref, level, under, &page);

	if (rc < 0)
		return rc;
	if (level == 0)
		memcpy(buf, node_bytes(page) + OVERFLOW_PAYLOAD + off, len);
	else
		rc = read_refs(bt, node_bytes(page) + OVERFLOW_PAYLOAD, level - 1, under, off, buf,
			len);
	pager_put(bt->txn->pager, page);
	return rc;
}

/* The same of the part under all of refs, which refer to pages of `level`. */
static int read_refs(struct btree *bt, const uint8_t *refs, unsigned level, uint64_t under,
	uint64_t off, uint8_t *buf, uint64_t len)
{
	uint64_t span = overflow_span(tree_page_size(bt), level), ahead = 0;
	int rc = 0;

	while (len > 0 && rc == 0) {
		uint64_t i = off / span, start = i * span, below = bytes_under(span, under, i);
		uint64_t n = start + below - off < len ? start + below - off : len;

		if (level == 0 && ahead++ % AHEAD_PAGES == 0)
			read_ahead(bt, refs, off, off + len);
		rc = read_page(bt, page_ref_get(refs + i * PAGE_REF_BYTES), level, below,
			off - start, buf, n);
		off += n;
		buf += n;
		len -= n;
	}
	return rc;
}

/* len bytes from off of a long value, which has them. */
static int read_long(struct btree *bt, const struct btree_item *item, uint64_t off, uint8_t *buf,
	uint64_t len)
{
	struct overflow o = overflow_shape(tree_page_size(bt), item->key_len, item->val.len);
	uint64_t in_pages = o.len - o.tail_len, n = 0;
	int rc = 0;

	o.refs = item->overflow + 8;
	if (off < in_pages) {
		n = len < in_pages - off ? len : in_pages - off;
		rc = read_refs(bt, o.refs, o.level, in_pages, off, buf, n);
	}
	if (rc == 0 && n < len)
		memcpy(buf + n, o.refs + o.n_refs * PAGE_REF_BYTES + (off + n - in_pages), len - n);
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
	if (len > 0 && !item->overflow)
		memcpy(buf, (const uint8_t *)item->val.data + off, len);
	else if (len > 0)
		rc = read_long(bt, item, off, buf, len);
	if (rc == 0)
		*ret_len = len;
	return rc;
}

/*
 * Copying: the pages below first, so that their new references are known
 */

struct copying {
	struct btree *bt;
	overflow_copy_fn *copy;
	void *arg;
};

/* refs: of pages of `level`, under which `under` bytes lie; each becomes that of its copy. */
static int copy_refs(const struct copying *c, uint8_t *refs, unsigned level, uint64_t under)
{
	uint32_t page_size = tree_page_size(c->bt);
	uint64_t span = overflow_span(page_size, level);
	struct page *buf = tree_realloc(c->bt, NULL, page_size);
	int rc = buf ? 0 : error_set(-ENOMEM, "no memory to copy a long value");

	for (uint64_t i = 0; rc == 0 && i * span < under; i++) {
		uint64_t below = bytes_under(span, under, i);
		const struct page *page;
		struct page_ref ref;

		if (level == 0 && i % AHEAD_PAGES == 0)
			read_ahead(c->bt, refs, i * span, under);
		rc = overflow_get_page(c->bt, page_ref_get(refs + i * PAGE_REF_BYTES), level, below,
			&page);
		if (rc < 0)
			break;
		memcpy(buf, page, page_size);
		pager_put(c->bt->txn->pager, page);
		if (level > 0)
			rc = copy_refs(c, (uint8_t *)buf + OVERFLOW_PAYLOAD, level - 1, below);
		if (rc == 0)
			rc = c->copy(c->arg, buf, &ref);
		if (rc == 0)
			page_ref_set(refs + i * PAGE_REF_BYTES, ref);
	}
	tree_free(c->bt, buf);
	return rc;
}

int overflow_copy(struct btree *bt, const struct btree_item *item, overflow_copy_fn *copy,
	void *arg, uint8_t *cell, unsigned *ret_cell_bytes)
{
	struct copying c = {bt, copy, arg};
	struct overflow o = overflow_shape(tree_page_size(bt), item->key_len, item->val.len);

	*ret_cell_bytes = overflow_cell_bytes(&o);
	memcpy(cell, item->overflow, *ret_cell_bytes);
	return copy_refs(&c, cell + 8, o.level, o.len - o.tail_len);
}

/*
 * All pages of a value
 */

static int walk_refs(struct btree *bt, const uint8_t *refs, unsigned level, uint64_t under,
	const struct page *parent, overflow_page_fn *fn, void *arg);

static int walk_page(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	const struct page *parent, overflow_page_fn *fn, void *arg)
{
	const char *wrong = txn_ref_wrong(parent, ref); /* B7 */
	const struct page *page;
	int rc;

	if (wrong)
		return tree_corrupt(bt, ref, wrong);
	rc = overflow_get_page(bt, ref, level, under, &page);
	if (rc < 0)
		return rc;
	rc = fn(arg, ref, page);
	if (rc == 0 && level > 0)
		rc = walk_refs(bt, node_bytes(page) + OVERFLOW_PAYLOAD, level - 1, under, page, fn,
			arg);
	pager_put(bt->txn->pager, page);
	return rc;
}

static int walk_refs(struct btree *bt, const uint8_t *refs, unsigned level, uint64_t under,
	const struct page *parent, overflow_page_fn *fn, void *arg)
{
	uint64_t span = overflow_span(tree_page_size(bt), level);
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i * span < under; i++)
		rc = walk_page(bt, page_ref_get(refs + i * PAGE_REF_BYTES), level,
			bytes_under(span, under, i), parent, fn, arg);
	return rc;
}

int overflow_walk(struct btree *bt, const struct overflow *o, const struct page *leaf,
	overflow_page_fn *fn, void *arg)
{
	return walk_refs(bt, o->refs, o->level, o->len - o->tail_len, leaf, fn, arg);
}

/* Lists the pages under refs; byte pages are not read: their references are enough. */
static int gather_refs(struct btree *bt, const uint8_t *refs, unsigned level, uint64_t under,
	struct ref_list *pages)
{
	uint64_t span = overflow_span(tree_page_size(bt), level);
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i * span < under; i++) {
		struct page_ref ref = page_ref_get(refs + i * PAGE_REF_BYTES);
		uint64_t below = bytes_under(span, under, i);
		const struct page *page;

		if (ref_is_null(ref))
			return tree_corrupt(bt, ref,
				"a long value refers to no page: " REF_IS_NULL);
		rc = ref_list_add(pages, ref);
		if (rc < 0 || level == 0)
			continue;
		rc = overflow_get_page(bt, ref, level, below, &page);
		if (rc < 0)
			continue;
		rc = gather_refs(bt, node_bytes(page) + OVERFLOW_PAYLOAD, level - 1, below, pages);
		pager_put(bt->txn->pager, page);
	}
	return rc;
}

int overflow_gather(struct btree *bt, const struct overflow *o, struct ref_list *pages)
{
	return gather_refs(bt, o->refs, o->level, o->len - o->tail_len, pages);
}
