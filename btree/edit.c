/* SPDX-License-Identifier: MIT */
/*
 * Edits of one record. Each goes the same way, so that nothing changes before nothing can fail:
 *
 *	1. copy the input (it may lie in our own pages), build overflow pages of a new value
 *	2. go down, pinning the path; look; gather the overflow pages of an old value and the
 *	   neighbours that a merge may want, all of them pinned
 *	3. txn_reserve(): the last step that can fail. It may seal our own pages; pins keep them
 *	   readable, and touch moves them
 *	4. touch the path from the root down, edit the leaf, split or merge upwards (split.c,
 *	   merge.c), free old overflow pages
 *
 * Bound of step 3: on each level the page itself is touched, its neighbour may be, and one page may
 * be made by a split; and one new root.
 */
#include "base/error.h"
#include "btree/btree_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

_Static_assert(BTREE_VALUE_MAX <= TXN_RECORD_BYTES_MAX, "a full disk can be left by deleting it");
_Static_assert(3 * BTREE_LEVELS_MAX + 1 <= TXN_OP_PAGES_MAX, "an edit fits one txn_reserve");

int edit_open_work(struct btree *bt)
{
	size_t size = tree_page_size(bt), key = node_key_max((uint32_t)size);
	struct btree_work *w;
	uint8_t *p;

	if (bt->work)
		return 0;
	w = malloc(sizeof(*w) + 3 * size + 6 * key);
	if (!w)
		return error_set(-ENOMEM, "no memory for the buffers of an edit");
	p = (uint8_t *)(w + 1);
	w->input = p;
	w->page = p + size;
	w->page2 = p + 2 * size;
	p += 3 * size;
	w->sep[0] = p;
	w->sep[1] = p + key;
	w->low = p + 2 * key;
	w->high = p + 3 * key;
	w->key[0] = p + 4 * key;
	w->key[1] = p + 5 * key;
	bt->work = w;
	return 0;
}

static struct page *leaf_of(struct edit *e)
{
	return (struct page *)(uintptr_t)e->steps[e->height - 1].page;
}

void edit_free_pages(struct btree *bt, struct ref_list *pages)
{
	for (size_t i = 0; i < pages->n; i++)
		txn_free(bt->txn, pages->refs[i]);
	ref_list_fini(pages);
}

/* The first record of an empty tree. */
static int put_first(struct btree *bt, const struct node_entry *entry)
{
	uint32_t page_size = tree_page_size(bt);
	struct page *page;
	struct page_ref ref;
	int rc = txn_reserve(bt->txn, 1, 0);

	if (rc < 0)
		return rc;
	page = txn_alloc(bt->txn, PAGE_NODE, 0, bt->root.tree, &ref);
	node_init(page, page_size, NULL, 0);
	node_insert(page, page_size, 0, entry, bt->work->page);
	bt->root.ref = ref;
	bt->root.level = 0;
	bt->root.count = 1;
	return 0;
}

int edit_old_value(struct btree *bt, const struct page *leaf, unsigned i,
	struct node_value *ret_old, struct ref_list *pages)
{
	unsigned key_len = node_key_len(leaf, i);
	const char *wrong = NULL;
	struct overflow o;

	*ret_old = (struct node_value){0};
	if (!node_value(leaf, tree_page_size(bt), i, ret_old))
		wrong = "a value lies outside its page";
	else if (ret_old->overflow)
		wrong = overflow_open(tree_page_size(bt), key_len, *ret_old, &o);
	if (wrong)
		return tree_corrupt(bt, page_ref(leaf), wrong);
	return ret_old->overflow && pages ? overflow_gather(bt, &o, pages) : 0;
}

/*
 * The short way of a put whose key is above all others, when the rightmost leaf is known and ours
 * and has room: nothing above it changes and nothing is obtained, so there is no path to pin and
 * nothing to reserve. False: it is not so, and nothing has changed.
 *
 * A leaf that is known is the last one until edit_touch() of any other edit; a spill, by whichever
 * tree, seals it, and then it is not ours to change any more.
 */
static bool put_at_edge(struct btree *bt, const struct node_entry *entry)
{
	uint32_t page_size = tree_page_size(bt);
	struct page *leaf = txn_own(bt->txn, bt->edge);

	if (!leaf || !node_is_above(leaf, page_size, entry->key, entry->key_len) ||
		!node_fits(leaf, page_size, entry))
		return false;
	node_insert(leaf, page_size, node_count(leaf), entry, bt->work->page);
	bt->root.count++;
	bt->marks.n_edge_puts++;
	return true;
}

/* The new value takes exactly the old one's bytes. */
static bool is_in_place(const struct node_value *old, const struct node_value *val)
{
	return old->overflow == val->overflow && old->len == val->len;
}

/* Step 4 of a put. */
static void put_edit(struct edit *e, const struct node_entry *entry, bool exact)
{
	struct btree *bt = e->bt;
	unsigned pos = e->steps[e->height - 1].index, used;
	bool edge = edit_is_at_edge(e);
	struct page *leaf;
	struct node_value old;

	edit_touch(e);
	leaf = leaf_of(e);
	bt->root.count += !exact;
	if (share_insert(e, entry, exact))
		return;
	if (!exact) {
		if (!split_insert(e, e->height - 1, pos, *entry) && edge)
			bt->edge = e->steps[e->height - 1].ref;
		return;
	}
	if (node_value(leaf, e->page_size, pos, &old) && is_in_place(&old, &entry->val)) {
		if (old.len > 0)
			memcpy((uint8_t *)(uintptr_t)old.data, entry->val.data, old.len);
		return;
	}
	used = node_used(leaf);
	node_remove(leaf, e->page_size, pos);
	if (!split_insert(e, e->height - 1, pos, *entry) && node_used(leaf) < used)
		merge_repair(e, e->height - 1);
}

/* Why a put must not be, for what was found in its place: at_edge, behind all records. */
static int put_refusal(bool exact, bool at_edge, unsigned flags)
{
	if (exact && (flags & BTREE_NOOVERWRITE))
		return VERSO_EXISTS;
	if (!at_edge && (flags & BTREE_APPEND))
		return error_set(VERSO_EMISUSE,
			"the record was to be appended, but its key is not above all others of the "
			"table: sort the records, or put this one without VERSO_APPEND");
	return 0;
}

/* The same before hundreds of megabytes are written for nothing. The tree may be empty. */
static int put_refusal_early(struct btree *bt, const struct node_entry *entry, unsigned flags)
{
	struct tree_trail trail;
	const struct page *leaf;
	bool exact, at_edge;
	unsigned i;
	int rc;

	if (ref_is_null(bt->root.ref) || !(flags & (BTREE_NOOVERWRITE | BTREE_APPEND)))
		return 0;
	rc = tree_descend(bt, AIM_KEY, (struct btree_slice){entry->key, entry->key_len}, &trail,
		&leaf);
	if (rc < 0)
		return rc;
	i = node_lower(leaf, tree_page_size(bt), entry->key, entry->key_len, &exact);
	at_edge = i == node_count(leaf);
	for (unsigned level = 1; level <= bt->root.level; level++)
		at_edge &= trail.at[level].index == trail.at[level].count;
	pager_put(bt->txn->pager, leaf);
	return i == NODE_BAD ? 0 : put_refusal(exact, at_edge, flags);
}

/*
 * Steps 2 to 4 of a put into a tree that has records. replaced: the pages that the old value loses,
 * whose list ends; NULL: all that it has.
 */
static int put_entry(struct btree *bt, const struct node_entry *entry, unsigned flags,
	size_t n_fresh, struct ref_list *replaced)
{
	struct edit e;
	struct ref_list own = {.bt = bt}, *gone = replaced ? replaced : &own;
	bool exact, in_place = false;
	int rc;

	if (put_at_edge(bt, entry))
		return 0;
	edit_init(&e, bt);
	rc = edit_descend(&e, entry->key, entry->key_len, &exact);
	if (rc < 0) {
		ref_list_fini(gone);
		return rc;
	}
	rc = put_refusal(exact, edit_is_at_edge(&e), flags);
	if (rc != 0) {
		edit_drop(&e);
		ref_list_fini(gone);
		return rc;
	}
	if (exact) {
		const struct page *leaf = e.steps[e.height - 1].page;
		unsigned pos = e.steps[e.height - 1].index;
		struct node_value old;

		rc = edit_old_value(bt, leaf, pos, &old, replaced ? NULL : gone);
		if (rc == 0 && !replaced)
			rc = ref_list_sort(gone);
		in_place = rc == 0 && is_in_place(&old, &entry->val);
		if (rc == 0 && entry->val.len < old.len)
			rc = edit_gather(&e, node_used(leaf) - (old.len - entry->val.len));
	} else if (e.height + 2 > BTREE_LEVELS_MAX) {
		rc = error_set(VERSO_EFULL, "tree %u has grown to its %u levels", bt->root.tree,
			BTREE_LEVELS_MAX);
	}
	if (rc == 0)
		rc = share_plan(&e, entry, exact);
	if (rc == 0)
		rc = edit_reserve(&e, flags & BTREE_FINISH ? TXN_FINISH : TXN_ADD, !in_place, gone,
			n_fresh);
	if (rc < 0) {
		edit_drop(&e);
		ref_list_fini(gone);
		return rc;
	}
	put_edit(&e, entry, exact);
	bt->marks.n_overflow_freed += gone->n > 0;
	edit_free_pages(bt, gone);
	edit_unpin_neighbours(&e);
	return 0;
}

int btree_put_check(const struct btree *bt, size_t key_len, size_t val_len)
{
	uint32_t key_max = node_key_max(tree_page_size(bt));

	if (key_len > key_max)
		return error_set(VERSO_ETOOBIG,
			"the key has %zu bytes; with pages of %u bytes the longest possible has %u",
			key_len, tree_page_size(bt), key_max);
	if (val_len > BTREE_VALUE_MAX)
		return error_set(VERSO_ETOOBIG,
			"the value has %zu bytes; the longest possible has %zu", val_len,
			(size_t)BTREE_VALUE_MAX);
	return 0;
}

int btree_put(struct btree *bt, struct btree_slice key, struct btree_slice val, unsigned flags)
{
	uint32_t page_size = tree_page_size(bt);
	struct ref_list fresh = {.bt = bt};
	struct node_entry entry = {0};
	uint8_t *data;
	unsigned len = (unsigned)val.len;
	int rc = btree_put_check(bt, key.len, val.len);

	if (rc == 0)
		rc = edit_open_work(bt);
	if (rc < 0)
		return rc;
	if (key.len > 0)
		memcpy(bt->work->input, key.data, key.len);
	entry.key = bt->work->input;
	entry.key_len = (unsigned)key.len;
	data = bt->work->input + key.len;
	if (val.len <= node_value_max(page_size, entry.key_len)) {
		if (val.data && val.len > 0)
			memcpy(data, val.data, val.len);
		else
			memset(data, 0, val.len);
	} else {
		rc = put_refusal_early(bt, &entry, flags);
		if (rc != 0)
			return rc;
		rc = overflow_build(bt, entry.key_len, val, data, &len, &fresh);
		if (rc < 0)
			return rc;
		bt->marks.n_overflow_made++;
	}
	entry.val = (struct node_value){data, len, fresh.n > 0};
	btree_cursors_unpin(bt);
	rc = ref_is_null(bt->root.ref) ? put_first(bt, &entry)
				       : put_entry(bt, &entry, flags, fresh.n, NULL);
	if (rc != 0)
		edit_free_pages(bt, &fresh);
	ref_list_fini(&fresh);
	return rc;
}

/*
 * The piece begins in a value that lies in the leaf, or there is none yet: it is put anew. Ends the
 * item, which may lie in a page that the edit frees.
 */
static int write_short(struct btree *bt, struct btree_slice key, struct btree_item *old,
	uint64_t off, struct btree_slice data)
{
	size_t old_len = old->val.len, len = off + data.len > old_len ? off + data.len : old_len;
	uint8_t *whole = tree_realloc(bt, NULL, len + 1);
	int rc;

	if (whole && old_len > 0)
		memcpy(whole, old->val.data, old_len);
	btree_item_put(bt, old);
	if (!whole)
		return error_set(-ENOMEM, "no memory for a value of %zu bytes", len);
	if (data.len > 0)
		memcpy(whole + off, data.data, data.len);
	rc = btree_put(bt, key, (struct btree_slice){whole, len}, 0);
	tree_free(bt, whole);
	return rc;
}

/*
 * The value is a long one. What the leaf has of it and the key are copied first: an edit may free
 * the page in which the item lies, and the key may lie anywhere. Ends the item.
 */
static int write_long(struct btree *bt, struct btree_slice key, struct btree_item *old,
	uint64_t off, struct btree_slice data)
{
	struct btree_work *w = bt->work;
	unsigned key_len = (unsigned)key.len;
	struct overflow o = overflow_shape(tree_page_size(bt), key_len, old->val.len);
	struct node_entry entry = {.key = w->input, .key_len = key_len};
	struct ref_list fresh = {.bt = bt}, gone = {.bt = bt};
	int rc;

	memcpy(w->page2, old->overflow, overflow_cell_bytes(&o));
	if (key_len > 0)
		memcpy(w->input, key.data, key_len);
	btree_item_put(bt, old);
	o.refs = w->page2 + 8;
	entry.val = (struct node_value){w->input + key_len, 0, true};
	rc = piece_build(bt, key_len, w->page2, &o, off, data, w->input + key_len, &entry.val.len,
		&fresh, &gone);
	if (rc < 0)
		return rc;
	btree_cursors_unpin(bt);
	rc = put_entry(bt, &entry, 0, fresh.n, &gone);
	if (rc < 0)
		edit_free_pages(bt, &fresh);
	ref_list_fini(&fresh);
	return rc;
}

static int write_check(uint64_t off, size_t len, size_t old_len)
{
	if (off > old_len)
		return error_set(VERSO_EMISUSE,
			"the piece begins at byte %" PRIu64 ", but the value has %zu bytes: a "
			"piece begins in the value or at its end",
			off, old_len);
	if (len > BTREE_VALUE_MAX - off)
		return error_set(VERSO_ETOOBIG,
			"the piece of %zu bytes from byte %" PRIu64 " on goes beyond the longest "
			"possible value, which has %" PRIu64,
			len, off, BTREE_VALUE_MAX);
	return 0;
}

int btree_write(struct btree *bt, struct btree_slice key, uint64_t off, struct btree_slice data)
{
	struct btree_item item = {.val = {"", 0}};
	int rc = btree_put_check(bt, key.len, 0), found;

	if (rc == 0)
		rc = edit_open_work(bt);
	if (rc < 0)
		return rc;
	found = btree_get(bt, key, &item);
	if (found < 0)
		return found;
	rc = write_check(off, data.len, item.val.len);
	if (rc < 0 || (found == 0 && data.len == 0)) {
		btree_item_put(bt, &item);
		return rc;
	}
	return item.overflow ? write_long(bt, key, &item, off, data)
			     : write_short(bt, key, &item, off, data);
}

bool btree_is_short(const struct btree *bt, size_t key_len, size_t len)
{
	return key_len <= node_key_max(tree_page_size(bt)) &&
	       len <= node_value_max(tree_page_size(bt), (unsigned)key_len);
}

int btree_put_room(struct btree *bt, struct btree_slice key, size_t len, unsigned flags,
	void **ret_room)
{
	struct btree_item item;
	int rc;

	ASSERT(btree_is_short(bt, key.len, len));
	rc = btree_put(bt, key, (struct btree_slice){NULL, len}, flags);
	if (rc != 0)
		return rc;
	/* The way there is the writer's own by now: nothing is read. Else the zeros would stay. */
	rc = btree_get(bt, (struct btree_slice){bt->work->input, key.len}, &item);
	if (rc != 0)
		return txn_break(bt->txn, rc < 0 ? rc : VERSO_ECORRUPT);
	*ret_room = (void *)(uintptr_t)item.val.data;
	btree_item_put(bt, &item);
	return 0;
}

/* Step 4 of a deletion of n records, from the leaf's index on. */
static void del_edit(struct edit *e, unsigned n)
{
	struct btree *bt = e->bt;
	struct page *leaf;

	edit_touch(e);
	leaf = leaf_of(e);
	for (unsigned i = e->steps[e->height - 1].index + n; n > 0; n--)
		node_remove(leaf, e->page_size, --i);
	if (e->height > 1) {
		merge_repair(e, e->height - 1);
	} else if (node_count(leaf) == 0) {
		txn_free(bt->txn, bt->root.ref);
		bt->root.ref = (struct page_ref){0, 0};
	}
}

int edit_del(struct edit *e, unsigned n)
{
	struct btree *bt = e->bt;
	struct edit_step *s = &e->steps[e->height - 1];
	struct ref_list gone = {.bt = bt};
	unsigned used = node_used(s->page), n_long = 0;
	int rc = 0;

	for (unsigned i = s->index; rc == 0 && i < s->index + n; i++) {
		struct node_value old;

		used -= node_entry_size(s->page, i);
		rc = edit_old_value(bt, s->page, i, &old, &gone);
		n_long += old.overflow;
	}
	if (rc == 0)
		rc = ref_list_sort(&gone);
	if (rc == 0)
		rc = edit_gather(e, used);
	if (rc == 0)
		rc = edit_reserve(e, TXN_REMOVE, false, &gone, 0);
	if (rc < 0) {
		edit_drop(e);
		ref_list_fini(&gone);
		return rc;
	}
	btree_cursors_unpin(bt);
	bt->root.count -= n;
	del_edit(e, n);
	bt->marks.n_overflow_freed += n_long;
	edit_free_pages(bt, &gone);
	edit_unpin_neighbours(e);
	return 0;
}

int btree_del(struct btree *bt, struct btree_slice key)
{
	struct edit e;
	bool exact;
	int rc;

	edit_init(&e, bt);
	if (ref_is_null(bt->root.ref) || key.len > node_key_max(e.page_size))
		return VERSO_NOTFOUND;
	rc = edit_open_work(bt);
	if (rc == 0)
		rc = edit_descend(&e, key.data, (unsigned)key.len, &exact);
	if (rc < 0)
		return rc;
	if (!exact) {
		edit_drop(&e);
		return VERSO_NOTFOUND;
	}
	return edit_del(&e, 1);
}

int btree_cursor_del(struct btree_cursor *c)
{
	struct btree *bt;
	struct btree_slice key;
	int rc = tree_cursor_key(c, &bt, &key);

	return rc != 0 ? rc : btree_del(bt, key);
}
