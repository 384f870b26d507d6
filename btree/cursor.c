/* SPDX-License-Identifier: MIT */
/*
 * Cursors.
 *
 * A cursor that stands on a record keeps its leaf pinned and remembers the inner pages above by
 * reference (they are sealed, or do not change before the next edit). Every placed cursor has its
 * key in a buffer. Before an edit of the tree each cursor ends its pin
 * (btree_cursors_unpin): it is then in the gap where its key was or still is, and the next call
 * seeks from the key. No path is ever patched.
 *
 *	state    leaf    meaning
 *	NOWHERE  -       new: next is first, prev is last
 *	ON       pinned  on record `index` of the leaf
 *	GAP      -       at the key: next is the first above it, prev the last below
 *	BEFORE   -       prev found no record
 *	BEHIND   -       next found no record
 *	BAD      -       on a record or leaf that makes no sense
 *
 * Each call ends ON or, when it finds nothing, in BEFORE or BEHIND; an error of reading leaves it
 * in GAP if it had a key, so that the call can be repeated. A record that makes no sense has no key
 * to go on from, and going on would skip it without an error: in BAD every call returns
 * VERSO_ECORRUPT until first, last or seek has placed the cursor anew.
 */
#include "base/error.h"
#include "btree/btree_int.h"

#include <errno.h>
#include <stdlib.h>

#define SCAN_LEAVES   2U  /* that many passed in one direction are a scan */
#define FRONT_MIN     16U /* the first window of a scan's read-ahead */
#define FRONT_AT_ONCE 64U /* leaves that are named to the pager in one call */
#define FRONT_INNER   32U /* inner pages before the front's that are named */
#define AHEAD_LINES   3U  /* of the next leaf, asked for at each record of this one */

enum cursor_state { NOWHERE, ON, GAP, BEFORE, BEHIND, BAD, CURSOR_STATE_END };

/*
 * The front of a scan: the leaf that was named to the pager last. It goes before the cursor by at
 * most `window` leaves. When half of them are passed, the window doubles and is filled again, so a
 * short scan loads little in vain. At the pager's ahead_pages it stays, and is filled up by
 * FRONT_AT_ONCE leaves, so a long scan keeps the disk busy. The front moves by inner pages that are
 * in memory, and waits for those that are not.
 */
struct front {
	struct tree_trail trail;            /* of the leaf named last */
	uint32_t n;                         /* leaves from the cursor's up to that one */
	uint32_t window;                    /* leaves; 0: there is no front yet */
	struct page_ref inner[FRONT_INNER]; /* pages that the front will need; not named yet */
	unsigned n_inner;
};

struct btree_cursor {
	struct btree *bt;
	struct btree_cursor *next, *prev; /* bt->cursors */
	enum cursor_state state;
	const struct page *leaf; /* ON: pinned */
	unsigned index, count;   /* ON: record of the leaf, and how many it has */
	unsigned prefix_len;     /* ON: of the leaf; the prefix stands in key */
	unsigned key_len;
	uint32_t page_size;      /* constant */
	uint32_t key_max;        /* constant */
	unsigned run;            /* leaves passed in direction `up`, up to SCAN_LEAVES + 1 */
	bool up;                 /* the direction of the last one */
	const uint8_t *ahead;    /* the neighbour leaf, for the processor's prefetch only */
	unsigned ahead_at;       /* offset in it of what is asked for next */
	unsigned ahead_end;      /* offset at which its slots end, then its heap */
	unsigned ahead_heap;     /* offset of the line in which its heap begins */
	struct page_ref bad;     /* BAD: the leaf */
	struct tree_trail trail; /* ON */
	struct front front;      /* of a scan */
	uint8_t key[];
};

int btree_cursor_open(struct btree *bt, struct btree_cursor **ret_cursor)
{
	struct btree_cursor *c;

	c = calloc(1, sizeof(*c) + node_key_max(tree_page_size(bt)) + NODE_SUFFIX_SLACK);
	if (!c)
		return -ENOMEM;
	c->bt = bt;
	c->page_size = tree_page_size(bt);
	c->key_max = node_key_max(c->page_size);
	c->next = bt->cursors;
	if (c->next)
		c->next->prev = c;
	bt->cursors = c;
	*ret_cursor = c;
	return 0;
}

/* Which state may follow which: ON is left by lift() alone, which ends the pin. */
static bool move_is_legal(enum cursor_state from, enum cursor_state to)
{
	enum { PLACED = 1 << ON | 1 << BEFORE | 1 << BEHIND };
	static const uint8_t next[CURSOR_STATE_END] = {
		[NOWHERE] = PLACED,
		[ON] = 1 << GAP,
		[GAP] = PLACED | 1 << BAD,
		[BEFORE] = PLACED,
		[BEHIND] = PLACED,
		[BAD] = PLACED,
	};

	return next[from] & 1 << to;
}

static void cursor_move(struct btree_cursor *c, enum cursor_state to)
{
	ASSERT(move_is_legal(c->state, to));
	ASSERT((to == ON) == (c->leaf != NULL));
	c->state = to;
}

/* Ends the pin; the key stays. */
static void lift(struct btree_cursor *c)
{
	if (c->state != ON)
		return;
	pager_put(c->bt->txn->pager, c->leaf);
	c->leaf = NULL;
	c->ahead = NULL;
	cursor_move(c, GAP);
}

void btree_cursor_close(struct btree_cursor *c)
{
	if (!c)
		return;
	lift(c);
	if (c->prev)
		c->prev->next = c->next;
	else
		c->bt->cursors = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

void btree_cursors_unpin(struct btree *bt)
{
	for (struct btree_cursor *c = bt->cursors; c; c = c->next)
		lift(c);
}

/* ON: the record or its leaf makes no sense. */
static void become_bad(struct btree_cursor *c)
{
	c->bad = page_ref(c->leaf);
	lift(c);
	cursor_move(c, BAD);
}

static int leaf_is_bad(struct btree_cursor *c)
{
	become_bad(c);
	return tree_corrupt(c->bt, c->bad, LEAF_IS_BAD);
}

static int still_bad(const struct btree_cursor *c)
{
	return tree_corrupt(c->bt, c->bad,
		LEAF_IS_BAD
		"; the cursor cannot go on from it: first, last and seek place it again");
}

/* Takes over a pinned leaf. */
static int enter_leaf(struct btree_cursor *c, const struct page *leaf)
{
	uint32_t page_size = tree_page_size(c->bt);
	unsigned prefix_len = node_prefix_len(leaf), count = node_count(leaf);

	lift(c);
	c->leaf = leaf;
	cursor_move(c, ON);
	c->count = count;
	c->prefix_len = prefix_len;
	if (count == 0 || !node_count_is_valid(leaf, page_size) ||
		prefix_len > node_key_max(page_size))
		return leaf_is_bad(c);
	return 0;
}

/* ON, at c->index: assembles the key and finds the value. The leaf's prefix is in key already. */
static int show(struct btree_cursor *c, struct btree_slice *ret_key, struct btree_item *ret_item)
{
	unsigned len = node_suffix(c->leaf, c->page_size, c->index, c->key_max - c->prefix_len,
		c->key + c->prefix_len);
	int rc;

	if (len == NODE_BAD)
		return leaf_is_bad(c);
	c->key_len = c->prefix_len + len;
	*ret_key = (struct btree_slice){c->key, c->key_len};
	rc = tree_item(c->bt, c->leaf, c->index, ret_item);
	if (rc < 0)
		become_bad(c);
	return rc;
}

/* The same, faster for what most records are. */
static inline int show_fast(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	struct node_value val;
	unsigned len = node_record_short(c->leaf, c->page_size, c->index,
		c->key_max - c->prefix_len, c->key + c->prefix_len, &val);

	if (len == NODE_BAD)
		return show(c, ret_key, ret_item);
	c->key_len = c->prefix_len + len;
	*ret_key = (struct btree_slice){c->key, c->key_len};
	*ret_item = (struct btree_item){{val.data, val.len}, c->leaf, NULL, 0};
	return 0;
}

/* ON: places the cursor at index i of its leaf. */
static int show_first(struct btree_cursor *c, unsigned i, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	c->index = i;
	memcpy(c->key, node_prefix(c->leaf, tree_page_size(c->bt)), c->prefix_len);
	return show(c, ret_key, ret_item);
}

/*
 * Below the inner page at `level` of the trail, goes to the outermost leaf under child i, towards
 * `aim`.
 */
static int descend_from(struct btree_cursor *c, unsigned level, unsigned i, enum tree_aim aim,
	const struct page **ret_leaf)
{
	struct btree *bt = c->bt;
	struct txn *txn = bt->txn;
	uint32_t page_size = tree_page_size(bt);

	for (; level > 0; level--) {
		const struct page *page;
		struct page_ref child;
		bool pinned = false;

		guard_enter(txn->guard);
		page = pager_peek(txn->pager, txn->guard, c->trail.at[level].ref);
		if (!page) {
			int rc;

			guard_leave(txn->guard);
			rc = tree_get_node(bt, c->trail.at[level].ref, level, &page);
			if (rc < 0)
				return rc;
			pinned = true;
		}
		c->trail.at[level].count = node_count(page);
		if (i == NODE_BAD)
			i = aim == AIM_FIRST ? 0 : node_count(page);
		c->trail.at[level].index = i;
		child = (struct page_ref){0, 0};
		if (tree_owns(bt, page, level) && i <= node_count(page) &&
			node_count_is_valid(page, page_size))
			child = node_child(page, page_size, i);
		if (pinned)
			pager_put(txn->pager, page);
		else
			guard_leave(txn->guard);
		if (ref_is_null(child))
			return tree_corrupt(bt, c->trail.at[level].ref, INNER_IS_BAD);
		if (level == 1)
			return tree_get_node(bt, child, 0, ret_leaf);
		c->trail.at[level - 1].ref = child;
		i = NODE_BAD;
	}
	return tree_corrupt(bt, bt->root.ref, "a leaf has no parent");
}

/* Remembers the neighbour of the leaf just entered, if it is in memory. Inside the guard. */
static void look_at_neighbour(struct btree_cursor *c, struct page_ref ref)
{
	struct txn *txn = c->bt->txn;
	const struct page *page = pager_peek(txn->pager, txn->guard, ref);
	unsigned slots_end, heap;

	if (!page || !node_free_space(page, c->page_size, &slots_end, &heap))
		return;
	c->ahead = (const uint8_t *)page;
	c->ahead_at = 0;
	c->ahead_end = slots_end;
	c->ahead_heap = heap & ~63U;
}

/*
 * Looks ahead from the parent of the leaf just entered, for the processor: at the next leaf, whose
 * header was asked for when it was the one behind the next, and asks for the header of the one that
 * is so now.
 */
static void look_ahead(struct btree_cursor *c, bool up)
{
	struct txn *txn = c->bt->txn;
	uint32_t page_size = tree_page_size(c->bt);
	unsigned at = c->trail.at[1].index, left = up ? c->trail.at[1].count - at : at;
	const struct page *parent;

	c->ahead = NULL;
	guard_enter(txn->guard);
	parent = pager_peek(txn->pager, txn->guard, c->trail.at[1].ref);
	if (parent && left > 0)
		look_at_neighbour(c, node_child(parent, page_size, up ? at + 1 : at - 1));
	if (parent && left > 1)
		pager_hint_use(txn->pager, parent, up ? at + 2 : at - 2);
	guard_leave(txn->guard);
	if (parent)
		pager_hint_set(txn->pager, parent, at, c->leaf);
}

/*
 * The front looks at inner pages inside a guard, without pins. Where the pager shows none that way
 * (pins_inner) it pins them: it then waits for one that is not in memory, which was most often
 * named a window before.
 */
static void front_enter(struct btree_cursor *c)
{
	if (!c->bt->txn->pager->pins_inner)
		guard_enter(c->bt->txn->guard);
}

static void front_leave(struct btree_cursor *c)
{
	if (!c->bt->txn->pager->pins_inner)
		guard_leave(c->bt->txn->guard);
}

/* Takes NULL. */
static void front_put(struct btree_cursor *c, const struct page *page)
{
	if (page && c->bt->txn->pager->pins_inner)
		pager_put(c->bt->txn->pager, page);
}

/* Entered: the inner page at `level` of the trail, if it is at hand and makes sense; else NULL, and
 * the scan reports the error when it comes there. */
static const struct page *front_get(struct btree_cursor *c, const struct tree_trail *trail,
	unsigned level)
{
	struct txn *txn = c->bt->txn;
	const struct page *page = NULL;

	if (txn->pager->pins_inner) {
		error_mute();
		if (tree_get_node(c->bt, trail->at[level].ref, level, &page) < 0)
			page = NULL;
		error_unmute();
	} else {
		page = pager_peek(txn->pager, txn->guard, trail->at[level].ref);
	}
	if (page && tree_owns(c->bt, page, level) && node_count_is_valid(page, c->page_size))
		return page;
	front_put(c, page);
	return NULL;
}

/* Is the child taken at `level` the last one in this direction? */
static bool is_outermost(const struct tree_trail *trail, unsigned level, bool up)
{
	return up ? trail->at[level].index >= trail->at[level].count : trail->at[level].index == 0;
}

static void front_miss(struct front *f, struct page_ref ref)
{
	f->inner[0] = ref;
	f->n_inner = 1;
}

/*
 * Entered: lists the parents behind child i of `page`, which the front has come to, for as
 * many leaves as the window has. All of them are asked for now: of a scan that waits for the disk
 * the front's next leaves are known when the parent named a window before has come.
 */
static void front_look_ahead(struct btree_cursor *c, const struct page *page, unsigned i, bool up)
{
	struct front *f = &c->front;
	unsigned left = up ? node_count(page) - i : i;
	unsigned n = f->window / (f->trail.at[1].count + 1) + 1;

	n = n < left ? n : left;
	n = n < FRONT_INNER ? n : FRONT_INNER;
	for (f->n_inner = 0; f->n_inner < n; f->n_inner++) {
		i += up ? 1U : -1U;
		f->inner[f->n_inner] = node_child(page, c->page_size, i);
	}
}

/*
 * Entered: moves the front to the first leaf under its next parent. False: there is no other, or an
 * inner page has to be loaded first, front.inner; then the front stays.
 */
static bool front_cross(struct btree_cursor *c, bool up, struct page_ref *ret_leaf)
{
	struct tree_trail trail = c->front.trail;
	unsigned level = 2, top = c->bt->root.level;
	unsigned i;

	while (level <= top && is_outermost(&trail, level, up))
		level++;
	if (level > top)
		return false;
	i = trail.at[level].index + (up ? 1U : -1U);
	for (;; level--) {
		const struct page *page = front_get(c, &trail, level);
		bool fits;

		if (!page) {
			front_miss(&c->front, trail.at[level].ref);
			return false;
		}
		trail.at[level].count = node_count(page);
		if (i == NODE_BAD)
			i = up ? 0 : node_count(page);
		fits = i <= node_count(page);
		if (fits) {
			trail.at[level].index = i;
			*ret_leaf = node_child(page, c->page_size, i);
		}
		if (fits && level == 2)
			front_look_ahead(c, page, i, up);
		front_put(c, page);
		if (!fits)
			return false;
		if (level == 1)
			break;
		trail.at[level - 1].ref = *ret_leaf;
		i = NODE_BAD;
	}
	c->front.trail = trail;
	return true;
}

/* Moves the front by up to n leaves, which are listed in refs. Returns by how many. */
static size_t front_move(struct btree_cursor *c, bool up, struct page_ref *refs, size_t n)
{
	struct tree_trail *trail = &c->front.trail;
	const struct page *parent;
	size_t i = 0;

	front_enter(c);
	parent = front_get(c, trail, 1);
	if (!parent)
		front_miss(&c->front, trail->at[1].ref);
	for (; parent && i < n; i++) {
		if (!is_outermost(trail, 1, up) && trail->at[1].count == node_count(parent)) {
			trail->at[1].index += up ? 1U : -1U;
			refs[i] = node_child(parent, c->page_size, trail->at[1].index);
		} else if (front_cross(c, up, &refs[i])) {
			front_put(c, parent);
			parent = front_get(c, trail, 1);
		} else {
			break;
		}
	}
	front_put(c, parent);
	front_leave(c);
	return i;
}

/* Names up to FRONT_AT_ONCE leaves more. False: no more for now. */
static bool front_advance(struct btree_cursor *c, bool up)
{
	struct front *f = &c->front;
	struct pager *pager = c->bt->txn->pager;
	struct tree_trail before = f->trail;
	struct page_ref refs[FRONT_AT_ONCE];
	size_t n = f->window - f->n, n_taken;

	n = front_move(c, up, refs, n < FRONT_AT_ONCE ? n : FRONT_AT_ONCE);
	if (f->n_inner > 0)
		(void)pager_read_ahead(pager, f->inner, f->n_inner);
	f->n_inner = 0;
	if (n == 0)
		return false;
	n_taken = pager_read_ahead(pager, refs, n);
	f->n += (uint32_t)n_taken;
	if (n_taken == n)
		return true;
	/* Back to the last one that was taken. */
	f->trail = before;
	(void)front_move(c, up, refs, n_taken);
	return false;
}

/* Names to the pager the leaves that a scan will want. It knows which are worth loading. */
static void read_ahead(struct btree_cursor *c, bool up)
{
	struct front *f = &c->front;
	uint32_t window_max = c->bt->txn->pager->ahead_pages;

	if (c->run < SCAN_LEAVES || window_max == 0)
		return;
	if (c->run == SCAN_LEAVES)
		*f = (struct front){.window = FRONT_MIN / 2};
	if (f->n > 0)
		f->n--;
	else
		f->trail = c->trail;
	if (f->n <= f->window / 2)
		f->window = 2 * f->window < window_max ? 2 * f->window : window_max;
	else if (f->window < window_max || f->window - f->n < FRONT_AT_ONCE)
		return;
	while (f->n < f->window && front_advance(c, up))
		;
}

/* Behind the neighbour's slots comes its free space, then its heap, then the end. */
static void skip_hole(struct btree_cursor *c)
{
	if (c->ahead_at < c->ahead_heap)
		c->ahead_at = c->ahead_heap;
	else
		c->ahead = NULL;
	c->ahead_end = c->page_size;
}

/* Asks for the next lines of the neighbour, a few at each record. A hint: the page may be gone. */
static inline void prefetch_ahead(struct btree_cursor *c)
{
	if (!c->ahead)
		return;
	for (unsigned k = 0; k < AHEAD_LINES; k++)
		__builtin_prefetch(c->ahead + c->ahead_at + (size_t)k * 64);
	c->ahead_at += AHEAD_LINES * 64;
	if (c->ahead_at >= c->ahead_end)
		skip_hole(c);
}

/* ON, at the edge of its leaf: to the neighbour leaf, or BEFORE or BEHIND. */
static int cross(struct btree_cursor *c, bool up, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	unsigned level = 1, top = c->bt->root.level;
	const struct page *leaf;
	int rc;

	while (level <= top && (up ? c->trail.at[level].index >= c->trail.at[level].count
				   : c->trail.at[level].index == 0))
		level++;
	if (level > top) {
		lift(c);
		cursor_move(c, up ? BEHIND : BEFORE);
		return VERSO_NOTFOUND;
	}
	rc = descend_from(c, level, c->trail.at[level].index + (up ? 1U : -1U),
		up ? AIM_FIRST : AIM_LAST, &leaf);
	if (rc == 0)
		rc = enter_leaf(c, leaf);
	if (rc < 0) {
		lift(c);
		return rc;
	}
	if (c->up != up)
		c->run = 0;
	c->up = up;
	c->run += c->run <= SCAN_LEAVES;
	look_ahead(c, up);
	read_ahead(c, up);
	return show_first(c, up ? 0 : c->count - 1, ret_key, ret_item);
}

/* To one end of the tree. */
static int go_end(struct btree_cursor *c, bool first, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	const struct page *leaf;
	int rc;

	lift(c);
	c->run = 0;
	if (ref_is_null(c->bt->root.ref)) {
		cursor_move(c, first ? BEHIND : BEFORE);
		return VERSO_NOTFOUND;
	}
	rc = tree_descend(c->bt, first ? AIM_FIRST : AIM_LAST, (struct btree_slice){0}, &c->trail,
		&leaf);
	if (rc == 0)
		rc = enter_leaf(c, leaf);
	return rc < 0 ? rc : show_first(c, first ? 0 : c->count - 1, ret_key, ret_item);
}

enum seek_to { SEEK_GE, SEEK_GT, SEEK_LT, SEEK_LE };

static int seek(struct btree_cursor *c, struct btree_slice key, enum seek_to to,
	struct btree_slice *ret_key, struct btree_item *ret_item)
{
	bool down = to == SEEK_LT || to == SEEK_LE, exact;
	const struct page *leaf;
	unsigned i;
	int rc;

	c->run = 0;
	if (ref_is_null(c->bt->root.ref)) {
		lift(c);
		cursor_move(c, down ? BEFORE : BEHIND);
		return VERSO_NOTFOUND;
	}
	rc = tree_descend(c->bt, AIM_KEY, key, &c->trail, &leaf);
	if (rc < 0) {
		lift(c);
		return rc;
	}
	i = node_lower(leaf, tree_page_size(c->bt), key.data, (unsigned)key.len, &exact);
	rc = enter_leaf(c, leaf);
	if (rc < 0)
		return rc;
	if (i == NODE_BAD)
		return leaf_is_bad(c);
	if ((to == SEEK_GT || to == SEEK_LE) && exact)
		i++;
	if (down) {
		c->index = i;
		return i == 0 ? cross(c, false, ret_key, ret_item)
			      : show_first(c, i - 1, ret_key, ret_item);
	}
	if (i >= c->count)
		return cross(c, true, ret_key, ret_item);
	return show_first(c, i, ret_key, ret_item);
}

int btree_cursor_first(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	return go_end(c, true, ret_key, ret_item);
}

int btree_cursor_last(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	return go_end(c, false, ret_key, ret_item);
}

int btree_cursor_next(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	if (__builtin_expect(c->state == ON, 1)) {
		if (c->index + 1 >= c->count)
			return cross(c, true, ret_key, ret_item);
		c->index++;
		prefetch_ahead(c);
		return show_fast(c, ret_key, ret_item);
	}
	if (c->state == GAP)
		return seek(c, (struct btree_slice){c->key, c->key_len}, SEEK_GT, ret_key,
			ret_item);
	if (c->state == BAD)
		return still_bad(c);
	return c->state == BEHIND ? VERSO_NOTFOUND : go_end(c, true, ret_key, ret_item);
}

int btree_cursor_prev(struct btree_cursor *c, struct btree_slice *ret_key,
	struct btree_item *ret_item)
{
	if (__builtin_expect(c->state == ON, 1)) {
		if (c->index == 0)
			return cross(c, false, ret_key, ret_item);
		c->index--;
		prefetch_ahead(c);
		return show_fast(c, ret_key, ret_item);
	}
	if (c->state == GAP)
		return seek(c, (struct btree_slice){c->key, c->key_len}, SEEK_LT, ret_key,
			ret_item);
	if (c->state == BAD)
		return still_bad(c);
	return c->state == BEFORE ? VERSO_NOTFOUND : go_end(c, false, ret_key, ret_item);
}

/*
 * The search compares the key where it is, so it may be the cursor's own; but then it must not be
 * overwritten before it was used.
 */
int btree_cursor_to(struct btree_cursor *c, const struct btree_bound *bound, bool up,
	struct btree_slice *ret_key, struct btree_item *ret_item)
{
	struct btree_bound b = tree_bound(c->bt, *bound);

	if (!b.key.data)
		return go_end(c, up, ret_key, ret_item);
	return seek(c, b.key, up ? (b.above ? SEEK_GT : SEEK_GE) : (b.above ? SEEK_LE : SEEK_LT),
		ret_key, ret_item);
}

int tree_cursor_key(struct btree_cursor *c, struct btree **ret_bt, struct btree_slice *ret_key)
{
	if (c->state == BAD)
		return still_bad(c);
	if (c->state != ON && c->state != GAP)
		return VERSO_NOTFOUND;
	*ret_bt = c->bt;
	*ret_key = (struct btree_slice){c->key, c->key_len};
	return 0;
}
