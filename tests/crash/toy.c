/* SPDX-License-Identifier: MIT */
#include "tests/crash/toy.h"
#include "base/error.h"

struct path {
	const struct page *pages[TOY_LEVELS]; /* [level], pinned; NULL: does not exist */
};

static unsigned digit(unsigned i, unsigned level)
{
	while (level-- > 0)
		i /= TOY_FANOUT;
	return i % TOY_FANOUT;
}

static struct page_ref child_ref(const struct page *page, unsigned slot)
{
	return page_ref_get(page->payload + slot * PAGE_REF_BYTES);
}

static int toy_each_ref(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg)
{
	int rc = 0;

	(void)page_size;
	if (page->type != PAGE_TOY || page->level >= TOY_LEVELS)
		return error_set(VERSO_ECORRUPT, "page %u: not a toy", page_ref(page).pgno);
	for (unsigned slot = 0; rc == 0 && page->level > 0 && slot < TOY_FANOUT; slot++) {
		if (child_ref(page, slot).pgno)
			rc = fn(arg, child_ref(page, slot), page->level - 1U);
	}
	return rc;
}

const struct txn_schema toy_schema = {.each_ref = toy_each_ref};

static void path_put(struct txn *txn, struct path *path)
{
	for (unsigned level = 0; level < TOY_LEVELS; level++) {
		if (path->pages[level])
			pager_put(txn->pager, path->pages[level]);
		path->pages[level] = NULL;
	}
}

/* Pins the pages on the way to cell i, as far as they exist. */
static int path_get(struct txn *txn, unsigned i, struct path *path)
{
	struct page_ref ref = txn->roots[0].ref;
	int rc = 0;

	memset(path, 0, sizeof(*path));
	for (unsigned level = TOY_LEVELS; rc == 0 && ref.pgno && level-- > 0;) {
		rc = pager_get(txn->pager, txn->guard, ref, &path->pages[level]);
		if (rc == 0 && level > 0)
			ref = child_ref(path->pages[level], digit(i, level));
	}
	if (rc)
		path_put(txn, path);
	return rc;
}

int toy_get(struct txn *txn, unsigned i, uint64_t *ret_value)
{
	struct path path;
	int rc = path_get(txn, i, &path);

	if (rc)
		return rc;
	*ret_value = path.pages[0] ? le64_get(path.pages[0]->payload + 8 * digit(i, 0)) : 0;
	path_put(txn, &path);
	return 0;
}

/* The writable page of a level; *ret_ref is where it is now. */
static struct page *own_page(struct txn *txn, struct path *path, unsigned level,
	struct page_ref *ret_ref)
{
	const struct page *page = path->pages[level];

	path->pages[level] = NULL;
	return page ? txn_touch(txn, page, ret_ref) : txn_alloc(txn, PAGE_TOY, level, 1, ret_ref);
}

static bool is_empty(const struct page *page)
{
	unsigned bytes = TOY_FANOUT * (page->level ? PAGE_REF_BYTES : 8);

	for (unsigned i = 0; i < bytes; i++) {
		if (page->payload[i])
			return false;
	}
	return true;
}

/* Writes where the own pages are now into their parents, from `from` up; frees what is empty. */
static void tell_parents(struct txn *txn, unsigned i, unsigned from, struct page **pages,
	const struct page_ref *refs)
{
	for (unsigned level = from; level < TOY_LEVELS; level++) {
		struct page_ref ref = refs[level];
		bool empty = is_empty(pages[level]);

		if (empty) {
			txn_free(txn, ref);
			ref = (struct page_ref){0, 0};
		}
		if (level + 1 < TOY_LEVELS)
			page_ref_set(pages[level + 1]->payload +
					     digit(i, level + 1) * PAGE_REF_BYTES,
				ref);
		else
			txn->roots[0] = (struct txn_root){.ref = ref, .level = TOY_LEVELS - 1};
	}
}

int toy_set_asking(struct txn *txn, unsigned i, uint64_t value, unsigned n_asked)
{
	struct page_ref refs[TOY_LEVELS];
	struct page *pages[TOY_LEVELS];
	struct path path;
	struct txn_need need = {value ? TXN_ADD : TXN_REMOVE, n_asked, TOY_LEVELS, TOY_LEVELS};
	int rc = txn_reserve_for(txn, &need);

	if (rc == 0)
		rc = path_get(txn, i, &path);
	if (rc)
		return rc;
	for (unsigned level = TOY_LEVELS; level-- > 0;)
		pages[level] = own_page(txn, &path, level, &refs[level]);
	le64_set(pages[0]->payload + 8 * digit(i, 0), value);
	tell_parents(txn, i, 0, pages, refs);
	return 0;
}

int toy_set(struct txn *txn, unsigned i, uint64_t value)
{
	return toy_set_asking(txn, i, value, TOY_LEVELS);
}

int toy_read(struct txn *txn, uint64_t *values)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < TOY_CELLS; i += TOY_FANOUT) {
		struct path path;

		rc = path_get(txn, i, &path);
		if (rc)
			break;
		for (unsigned j = 0; j < TOY_FANOUT; j++)
			values[i + j] =
				path.pages[0] ? le64_get(path.pages[0]->payload + 8 * j) : 0;
		path_put(txn, &path);
	}
	return rc;
}

/* --- subtrees ------------------------------------------------------------------------------ */

/* Counts the pages from ref down, and frees them when asked to. */
static int give_up(struct txn *txn, struct page_ref ref, bool really, size_t *n)
{
	const struct page *page;
	int rc = pager_get(txn->pager, txn->guard, ref, &page);

	if (rc)
		return rc;
	(*n)++;
	for (unsigned slot = 0; rc == 0 && page->level > 0 && slot < TOY_FANOUT; slot++) {
		if (child_ref(page, slot).pgno)
			rc = give_up(txn, child_ref(page, slot), really, n);
	}
	pager_put(txn->pager, page);
	if (rc == 0 && really)
		txn_free(txn, ref);
	return rc;
}

static int find_subtree(struct txn *txn, unsigned i, unsigned level, struct page_ref *ret_ref)
{
	struct path path;
	int rc = path_get(txn, i, &path);

	if (rc)
		return rc;
	*ret_ref = (struct page_ref){0, 0};
	if (path.pages[level])
		*ret_ref = page_ref(path.pages[level]);
	path_put(txn, &path);
	return 0;
}

int toy_clear(struct txn *txn, unsigned i, unsigned level)
{
	struct page_ref refs[TOY_LEVELS], ref;
	struct page *pages[TOY_LEVELS] = {NULL};
	struct path path;
	size_t n = 0;
	int rc = find_subtree(txn, i, level, &ref);

	if (rc || ref.pgno == 0)
		return rc;
	rc = give_up(txn, ref, false, &n);
	if (rc == 0)
		rc = txn_reserve_for(txn,
			&(struct txn_need){TXN_REMOVE, TOY_LEVELS, n + TOY_LEVELS, n + TOY_LEVELS});
	if (rc)
		return rc;
	rc = give_up(txn, ref, true, &n);
	if (rc)
		return txn_break(txn, rc);
	if (level == TOY_LEVELS - 1) {
		txn->roots[0] = (struct txn_root){.level = TOY_LEVELS - 1};
		return 0;
	}
	memset(&path, 0, sizeof(path));
	ref = txn->roots[0].ref;
	for (unsigned l = TOY_LEVELS - 1; l > level; l--) {
		rc = pager_get(txn->pager, txn->guard, ref, &path.pages[l]);
		if (rc)
			return txn_break(txn, rc);
		ref = child_ref(path.pages[l], digit(i, l));
		pages[l] = own_page(txn, &path, l, &refs[l]);
	}
	page_ref_set(pages[level + 1]->payload + digit(i, level + 1) * PAGE_REF_BYTES,
		(struct page_ref){0, 0});
	tell_parents(txn, i, level + 1, pages, refs);
	return 0;
}

uint64_t toy_mix(unsigned i, uint64_t value)
{
	uint64_t z = value ^ ((uint64_t)(i + 1) * 0x9e3779b97f4a7c15u);

	if (value == 0)
		return 0;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int digest_from(struct txn *txn, struct page_ref ref, unsigned level, unsigned first,
	uint64_t *sum)
{
	const struct page *page;
	unsigned span = 1;
	int rc = pager_get(txn->pager, txn->guard, ref, &page);

	if (rc)
		return rc;
	for (unsigned l = 0; l < level; l++)
		span *= TOY_FANOUT;
	if (page->type != PAGE_TOY || page->level != level)
		rc = error_set(VERSO_ECORRUPT, "page %u: not a toy of level %u", ref.pgno, level);
	for (unsigned slot = 0; rc == 0 && slot < TOY_FANOUT; slot++) {
		if (level == 0)
			*sum += toy_mix(first + slot, le64_get(page->payload + 8 * slot));
		else if (child_ref(page, slot).pgno)
			rc = digest_from(txn, child_ref(page, slot), level - 1, first + slot * span,
				sum);
	}
	pager_put(txn->pager, page);
	return rc;
}

int toy_digest(struct txn *txn, uint64_t *ret_digest)
{
	*ret_digest = 0;
	if (txn->roots[0].ref.pgno == 0)
		return 0;
	return digest_from(txn, txn->roots[0].ref, TOY_LEVELS - 1, 0, ret_digest);
}
