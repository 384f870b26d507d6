/* SPDX-License-Identifier: MIT */
/* What the files of btree/ share. */
#ifndef BTREE_BTREE_INT_H
#define BTREE_BTREE_INT_H

#include "btree/btree.h"
#include "btree/node.h"

static inline uint32_t tree_page_size(const struct btree *bt)
{
	return bt->txn->pager->page_size;
}

static inline bool ref_is_null(struct page_ref ref)
{
	return ref.pgno == 0;
}

static inline bool ref_is(struct page_ref a, struct page_ref b)
{
	return a.pgno == b.pgno && a.gen == b.gen;
}

/* What readers expect of a node, and say where a file has something else (tree_corrupt). */
#define LEAF_IS_BAD "expected records that lie in this leaf, found one that reaches beyond it"
#define INNER_IS_BAD                                                                               \
	"expected an inner page of this tree, with entries that lie in it, found another"
#define REF_IS_NULL  "expected the number of a page, found 0, where the meta page lies"
#define TABLE_IS_BAD "expected the description of a table, found other bytes"

/* VERSO_ECORRUPT, with a text that names the page. */
int tree_corrupt(const struct btree *bt, struct page_ref ref, const char *what);

/* A page that a parent or the root refers to must be this tree's node of exactly this level. */
static inline bool tree_owns(const struct btree *bt, const struct page *page, unsigned level)
{
	return page->type == PAGE_NODE && page->level == level &&
	       le32_get(page->tree) == bt->root.tree;
}

/* Pins a node. 0 or an error of reading. */
int tree_get_node(struct btree *bt, struct page_ref ref, unsigned level,
	const struct page **ret_page);

/* Where a descent went: the page and the child's index at each level above the leaves. */
struct tree_trail {
	struct {
		struct page_ref ref;
		unsigned index; /* of the child taken */
		unsigned count; /* separators in the page */
	} at[BTREE_LEVELS_MAX]; /* by level; [0] is not used */
};

enum tree_aim { AIM_KEY, AIM_FIRST, AIM_LAST };

/*
 * Goes down to the leaf that `aim` (and key) says and pins it. trail may be NULL. The tree is not
 * empty.
 */
int tree_descend(struct btree *bt, enum tree_aim aim, struct btree_slice key,
	struct tree_trail *trail, const struct page **ret_leaf);

/* Fills in an item from entry i of a pinned leaf, whose pin goes over to it. */
int tree_item(struct btree *bt, const struct page *leaf, unsigned i, struct btree_item *ret_item);

/*
 * What a search of a leaf found: the pin goes to the item, or ends. i: of the record, or NODE_BAD
 */
static inline int tree_leaf_result(struct btree *bt, const struct page *leaf, unsigned i,
	bool exact, struct btree_item *ret_item)
{
	int rc = VERSO_NOTFOUND;

	if (i == NODE_BAD)
		rc = tree_corrupt(bt, page_ref(leaf), LEAF_IS_BAD);
	else if (exact)
		rc = tree_item(bt, leaf, i, ret_item);
	if (rc != 0)
		pager_put(bt->txn->pager, leaf);
	return rc;
}

/* The bound for keys of this tree: a longer key than any lies just above its own beginning. */
static inline struct btree_bound tree_bound(const struct btree *bt, struct btree_bound bound)
{
	uint32_t key_max = node_key_max(tree_page_size(bt));

	if (bound.key.len <= key_max)
		return bound;
	return (struct btree_bound){{bound.key.data, key_max}, true};
}

/*
 * Memory of a call (memory.c): what the call does not free, because a fault jumped out of it, is
 * freed with the tree. old: NULL for new memory. NULL: no memory, and `old` is as it was.
 */
void *tree_realloc(struct btree *bt, void *old, size_t len_bytes);
void tree_free(struct btree *bt, void *p); /* takes NULL */
void tree_free_all(struct btree *bt);

/* The key that a cursor stands on, or where its record was, and its tree. VERSO_NOTFOUND. */
int tree_cursor_key(struct btree_cursor *c, struct btree **ret_bt, struct btree_slice *ret_key);

/*
 * Long values (overflow.c).
 */

/* Pages gathered to be freed after an edit. */
struct ref_list {
	struct btree *bt;      /* whose memory `refs` is */
	struct page_ref *refs; /* tree_realloc() */
	size_t n, cap;
};

int ref_list_add(struct ref_list *list, struct page_ref ref);

/* Sorts the list by page numbers. VERSO_ECORRUPT: a page is there twice, but can be freed once. */
int ref_list_sort(struct ref_list *list);
size_t ref_list_runs(const struct ref_list *list); /* of neighbouring pages of one generation */
void ref_list_fini(struct ref_list *list);

/*
 * Where the bytes of a long value lie: all that fill pages, in pages; then the tail, in the cell.
 * It follows from the page size and the lengths of value and key.
 */
struct overflow {
	uint64_t len;        /* of the value */
	unsigned level;      /* of the pages that the cell refers to */
	unsigned n_refs;     /* in the cell */
	unsigned tail_len;   /* bytes of the value's end in the cell */
	const uint8_t *refs; /* in the cell, the tail behind them; NULL: not stored yet */
};

/* Bytes of the cell that a long value takes. */
static inline unsigned overflow_cell_bytes(const struct overflow *o)
{
	return 8 + o->n_refs * PAGE_REF_BYTES + o->tail_len;
}

#define OVERFLOW_PAYLOAD 48U /* offset in a page */

static inline uint64_t overflow_page_bytes(uint32_t page_size)
{
	return page_size - OVERFLOW_PAYLOAD;
}

static inline uint64_t overflow_page_refs(uint32_t page_size)
{
	return (page_size - OVERFLOW_PAYLOAD) / PAGE_REF_BYTES;
}

/* Bytes of the value under one full page of a level. */
uint64_t overflow_span(uint32_t page_size, unsigned level);

/* The shape of a value that is too long for the leaf; refs stays NULL. */
struct overflow overflow_shape(uint32_t page_size, unsigned key_len, uint64_t len);

/* Pins a page of a value; `under` bytes of the value lie in it and below it. */
int overflow_get_page(struct btree *bt, struct page_ref ref, unsigned level, uint64_t under,
	const struct page **ret_page);

/* Makes the next n <= TXN_OP_PAGES_MAX pages certain, and that all so far can be given back. */
int overflow_reserve(struct btree *bt, const struct ref_list *pages, size_t n);

/* Makes a page that holds `used` bytes, or references, and adds it to the list, which has room. */
struct page *overflow_make_page(struct btree *bt, struct ref_list *pages, unsigned level,
	size_t used);

/*
 * A long value with other bytes from `off` on, perhaps longer (piece.c): the pages that change are
 * made anew, and added to `fresh`; those whose place they take to `gone`. cell: as the leaf has it,
 * of a key of key_len bytes; o: what it says. ret_cell: node_value_max() bytes at most. On failure
 * nothing is left behind.
 */
int piece_build(struct btree *bt, unsigned key_len, const uint8_t *cell, const struct overflow *o,
	uint64_t off, struct btree_slice data, uint8_t *ret_cell, unsigned *ret_cell_bytes,
	struct ref_list *fresh, struct ref_list *gone);

/* Opens what a leaf holds of a long value, whose key has key_len bytes. NULL, or what is wrong. */
const char *overflow_open(uint32_t page_size, unsigned key_len, struct node_value val,
	struct overflow *ret_o);

static inline struct page_ref overflow_cell_ref(const struct overflow *o, unsigned i)
{
	return page_ref_get(o->refs + (size_t)i * PAGE_REF_BYTES);
}

/*
 * Writes val to new pages; cell is what the leaf will hold beside a key of key_len bytes, of
 * node_value_max() bytes at most. On failure nothing is left behind.
 */
int overflow_build(struct btree *bt, unsigned key_len, struct btree_slice val, uint8_t *cell,
	unsigned *ret_cell_bytes, struct ref_list *pages);

/*
 * Adds all pages of the value to the list. Reads its index pages. A page may be freed only once:
 * the caller sorts the list when it is whole, which finds one that stands there twice.
 */
int overflow_gather(struct btree *bt, const struct overflow *o, struct ref_list *pages);

/* Calls fn for each page of the value; checks references, sizes, levels and geometry. */
typedef int overflow_page_fn(void *arg, struct page_ref ref, const struct page *page);
int overflow_walk(struct btree *bt, const struct overflow *o, const struct page *leaf,
	overflow_page_fn *fn, void *arg);

/*
 * Copies a long value: copy() gets a copy of each page, those below before the one that refers to
 * them, may change it, and says where it lies now; the references in the pages above it, and in
 * cell, become those. cell: as from overflow_build().
 */
typedef int overflow_copy_fn(void *arg, struct page *copy, struct page_ref *ret_ref);
int overflow_copy(struct btree *bt, const struct btree_item *item, overflow_copy_fn *copy,
	void *arg, uint8_t *cell, unsigned *ret_cell_bytes);

/* References in an overflow page with level > 0; NODE_BAD when its bytes make no sense. */
unsigned overflow_count(const struct page *page, uint32_t page_size);
struct page_ref overflow_ref(const struct page *page, unsigned i);

/*
 * The path of an edit (path.c, fence.c); what edit.c does with it (split.c, merge.c).
 */

/* Buffers of an edit, so that nothing is allocated on the way. Each of page_size bytes. */
struct btree_work {
	uint8_t *input;  /* the caller's key and value, copied: they may lie in our pages */
	uint8_t *page;   /* the old page while it is built anew */
	uint8_t *page2;  /* its sibling */
	uint8_t *sep[2]; /* separators on their way up */
	uint8_t *low;    /* fences */
	uint8_t *high;
	uint8_t *key[2]; /* keys of entries */
};

struct key_span {
	const uint8_t *data; /* NULL: no such fence */
	unsigned len;
};

/* One page of the path from the root to the leaf. */
struct edit_step {
	const struct page *page; /* pinned until touched, then writable */
	struct page_ref ref;
	unsigned index;         /* of the child taken; in the leaf, of the record */
	const struct page *sib; /* neighbour under the same parent, pinned; NULL: not needed */
	struct page_ref sib_ref;
	unsigned sib_index; /* its index in the parent */
	bool own;           /* touched */
};

struct edit {
	struct btree *bt;
	uint32_t page_size;
	unsigned height; /* steps: [0] is the root, [height - 1] the leaf */
	struct edit_step steps[BTREE_LEVELS_MAX];
	unsigned n_share;     /* leaves over which the leaf's entries will be spread; 0: none */
	unsigned share_at[2]; /* where they are divided */
};

/* Begins an edit: no page is pinned. */
void edit_init(struct edit *e, struct btree *bt);

/* Ends every pin of an edit that goes no further. */
void edit_drop(struct edit *e);

/* Ends the pins of the neighbours that were not touched. */
void edit_unpin_neighbours(struct edit *e);

/*
 * Pins a page that will be changed: at depth d, child i of the page above. What came from a file
 * is validated first, so that no edit can be led astray; our own page was when it was touched.
 */
int edit_pin(struct edit *e, struct page_ref ref, unsigned d, unsigned i,
	const struct page **ret_page);

/* Step 2: pins the path to key's leaf. *ret_exact: the key is there. The tree is not empty. */
int edit_descend(struct edit *e, const uint8_t *key, unsigned key_len, bool *ret_exact);

/*
 * Step 2: pins a neighbour on each level where the page may become low. used: bytes that the leaf
 * will have. A parent may lose the separator between the two, or get a shorter one.
 */
int edit_gather(struct edit *e, unsigned used);

/* The same from the page at `depth` on, which will have `used` bytes. */
int edit_gather_from(struct edit *e, unsigned depth, unsigned used);

/* The same for a leaf and its right neighbour under the same parent, if it has one. */
int edit_gather_right(struct edit *e);

/*
 * Step 3: the path and the neighbours that were gathered; where a node may split (one that gets a
 * record, or a longer separator after a merge below), one more a level and a new root. gone: the
 * pages of the old value; n_fresh: those of a new one, which may have to be freed again.
 */
int edit_reserve(struct edit *e, enum txn_use use, bool may_split, const struct ref_list *gone,
	size_t n_fresh);

/* Step 4: copies the path, from the root down. What follows may move, split or merge leaves. */
void edit_touch(struct edit *e);

/*
 * What edits of more than one record share with those of one (edit.c).
 */

/* Makes bt->work, unless it is there. -ENOMEM. */
int edit_open_work(struct btree *bt);

/*
 * Step 2: the value of entry i of a pinned leaf, which goes; its pages, if it is a long one and
 * they are wanted. *ret_old is set in any case.
 */
int edit_old_value(struct btree *bt, const struct page *leaf, unsigned i,
	struct node_value *ret_old, struct ref_list *pages);

/* Frees the pages and the list. */
void edit_free_pages(struct btree *bt, struct ref_list *pages);

/*
 * Steps 2 to 4 of the deletion of n >= 1 records of the leaf, from its step's index on. The edit
 * has been down (edit_descend) and ends, whatever is returned.
 */
int edit_del(struct edit *e, unsigned n);

/* The separator below (or above) child i of the page at depth d - 1, from there or further up. buf:
 * a key's. */
struct key_span edit_fence(struct edit *e, unsigned d, unsigned i, bool low, uint8_t *buf);

/* Whether the edit is behind the last record: no step has anything to its right. */
bool edit_is_at_edge(const struct edit *e);

/* The page at depth d, which was touched. */
static inline struct page *edit_page(struct edit *e, unsigned d)
{
	DCHECK(e->steps[d].own);
	return (struct page *)(uintptr_t)e->steps[d].page;
}

/* Length of the prefix of a node between these fences. */
unsigned fence_prefix(struct key_span low, struct key_span high);

/* The two longest keys of a set. */
struct longest {
	unsigned first, second;
};

void longest_add(struct longest *l, unsigned len);

/*
 * Length of the prefix with which keys take the least room: each byte of it is worth its place
 * while it shortens two cells, and a cell holds nothing of a suffix that fits its head.
 */
unsigned fence_prefix_best(const struct longest *l, unsigned fences_len);

/* The shortest key above a and not above b: the beginning of b. */
struct key_span fence_separator(struct key_span a, struct key_span b);

/*
 * NULL, or what is wrong with a valid node that hangs between these fences: prefix, order, bounds.
 */
const char *fence_wrong(const struct page *page, uint32_t page_size, struct key_span low,
	struct key_span high, uint8_t *key_buf);

/*
 * Two neighbours (pair.c).
 */

/*
 * The entries of two neighbours as one sequence. Inner nodes: the separator between them is in it,
 * with the right node's first child. Leaves: perhaps with a new entry.
 */
struct pair {
	const struct page *left, *right;
	uint32_t page_size;
	unsigned slot;             /* of the separator in the parent */
	struct key_span low, high; /* fences of both together */
	struct key_span sep;
	const struct node_entry *entry; /* leaves: a new one; NULL: none */
	unsigned pos;                   /* its place in the sequence */
	bool replaces;                  /* the entry that is at pos */
};

static inline bool pair_is_leaf(const struct pair *p)
{
	return p->left->level == 0;
}

static inline unsigned pair_count(const struct pair *p)
{
	return node_count(p->left) + node_count(p->right) + !pair_is_leaf(p) +
	       (p->entry && !p->replaces);
}

/* The page at depth d and its pinned neighbour. sep is in sep[0], the fences in low and high. */
struct pair pair_of(struct edit *e, unsigned d);

/* Bytes of entry i with a prefix of prefix_len bytes; and of [from, to), prefix included. */
unsigned pair_size(const struct pair *p, unsigned i, unsigned prefix_len);
unsigned pair_bytes(const struct pair *p, unsigned from, unsigned to, unsigned prefix_len);

void pair_entry(const struct pair *p, unsigned i, uint8_t *key_buf, struct node_entry *ret_entry);

/* The prefix of a node with entries [from, to) between these fences. */
unsigned pair_prefix(const struct pair *p, unsigned from, unsigned to, struct key_span low,
	struct key_span high);

/* Appends entries [from, to) to dst, which has room. */
void pair_append(const struct pair *p, struct page *dst, unsigned from, unsigned to,
	uint8_t *key_buf);

/* The separator when the pair is divided at k: entries below k go left; inner: entry k goes up. */
struct key_span pair_separator(const struct pair *p, struct btree_work *w, unsigned k);

/* Touches the neighbour and writes its new reference into the parent. */
struct page *pair_touch_sib(struct edit *e, unsigned d);

/*
 * Sharing before a split (share.c).
 */

/*
 * Before the reserve: if the leaf has no space for entry at its step's index (replaces: instead of
 * what is there), looks for a way to place it with a neighbour's help, which stays pinned. 0, or an
 * error of reading.
 */
int share_plan(struct edit *e, const struct node_entry *entry, bool replaces);

/* Carries the plan out, if there is one; entry is as it was. False: there is none. */
bool share_insert(struct edit *e, const struct node_entry *entry, bool replaces);

/* Inserts entry at `pos` of the page at depth d, splitting pages up to the root as needed. True: it
 * split */
bool split_insert(struct edit *e, unsigned d, unsigned pos, struct node_entry entry);

/* The leaf and its right neighbour, which fit one page, become one; those above are repaired. */
void merge_right(struct edit *e);

/* Repairs the page at depth d, and then those above, that an edit left with too little. */
void merge_repair(struct edit *e, unsigned d);

static inline int key_cmp(const uint8_t *a, unsigned a_len, const uint8_t *b, unsigned b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

unsigned key_common(const uint8_t *a, unsigned a_len, const uint8_t *b, unsigned b_len);

#endif
