/* SPDX-License-Identifier: MIT */
/*
 * A node: one page of the tree, a leaf (level 0) or an inner node.
 *
 * A prefix common to a node's keys is stored once, at the end of the page. It is a beginning that
 * the node's two fences have in common, the separators between which it hangs, so every key that
 * can ever come here has it: an insert never shortens it and a search need not compare it. A node
 * without a fence on one side has no prefix. What follows the prefix is the suffix of a key; its
 * first four bytes, read as a big-endian number, are its head. Heads stand in slots in key order,
 * so a search touches the slots and, but for equal heads, no cell.
 *
 * Layout behind the 40 bytes of the page header, all little-endian:
 *
 *	40 count      u16  entries n
 *	42 prefix_len u16
 *	44 heap_len   u16  bytes from the lowest cell to the end of the page, prefix included
 *	46 dead       u16  bytes of the heap that belong to no cell
 *	48 reserved   u32  0
 *	52 leftmost   12   inner: the child below the first separator; leaf: 0
 *	64 slots      8 n  {u32 head, u16 cell offset, u16 suffix length}
 *	...           free, then the heap: cells in any order, and the prefix at the very end
 *
 * Cell of a leaf: {u16 value length, suffix behind the head, value}. Bit 15 of the length: it is a
 * long value, of which the cell holds the length, the references and the odd end (overflow.c).
 * Cell of an inner node: {pgno u32, gen u64, separator's suffix behind the head}: the child that
 * holds the keys from this separator up to the next.
 *
 * Bytes from a file are never trusted: readers check each offset when they use it (NODE_BAD), which
 * costs them a compare or two; writers call node_validate() and look at order and fences once
 * before they change a page.
 */
#ifndef BTREE_NODE_H
#define BTREE_NODE_H

#include "base/assert.h"
#include "pager/page.h"

#include <assert.h>
#include <limits.h>

#define NODE_COUNT      40U
#define NODE_PREFIX_LEN 42U
#define NODE_HEAP_LEN   44U
#define NODE_DEAD       46U
#define NODE_LEFTMOST   52U
#define NODE_SLOTS      64U

/*
 * Two dials for experiments and lessons, each a build of its own (meson options node_head_bytes and
 * node_prefixes). Without heads a slot is an offset and a length, and a search touches cells; the
 * file says so, and a build with heads refuses it. Without prefixes no node is made with one; nodes
 * that have one are read as ever.
 */
#ifndef NODE_HEAD_BYTES
#define NODE_HEAD_BYTES 4U
#endif
#ifndef NODE_PREFIXES
#define NODE_PREFIXES 1
#endif
static_assert(NODE_HEAD_BYTES == 0 || NODE_HEAD_BYTES == 4, "a head is a number, or nothing");

#define NODE_SLOT_BYTES (NODE_HEAD_BYTES + 4U)
#define NODE_SLOT_OFF   NODE_HEAD_BYTES        /* of the cell offset in a slot */
#define NODE_SLOT_LEN   (NODE_HEAD_BYTES + 2U) /* of the suffix length */

#define NODE_OVERFLOW       0x8000U  /* in a leaf cell's value length */
#define NODE_OVERFLOW_BYTES 20U      /* of a long value that the cell holds at least */
#define NODE_BAD            UINT_MAX /* instead of an index: the bytes make no sense */
#define NODE_TIE_BAD        INT_MIN

/* Bytes of a page that entries and the prefix can use. */
static inline unsigned node_cap(uint32_t page_size)
{
	return page_size - NODE_SLOTS;
}

/*
 * Largest entry of a leaf, slot and whole key included: two and a prefix always fit (README, B5).
 */
static inline unsigned node_entry_max(uint32_t page_size)
{
	return node_cap(page_size) / 2;
}

/* Most bytes of a value, or of what a cell holds of a long one, beside a key. */
static inline unsigned node_value_max(uint32_t page_size, unsigned key_len)
{
	return node_entry_max(page_size) - NODE_SLOT_BYTES - 2 - key_len;
}

/* Longest key: an inner node's entry, and a leaf's without a value, takes a quarter at most. */
static inline unsigned node_key_max(uint32_t page_size)
{
	return node_cap(page_size) / 4 - 32;
}

static inline const uint8_t *node_bytes(const struct page *page)
{
	return (const uint8_t *)page;
}

static inline unsigned node_count(const struct page *page)
{
	return le16_get(node_bytes(page) + NODE_COUNT);
}

static inline unsigned node_prefix_len(const struct page *page)
{
	return le16_get(node_bytes(page) + NODE_PREFIX_LEN);
}

static inline unsigned node_heap_len(const struct page *page)
{
	return le16_get(node_bytes(page) + NODE_HEAP_LEN);
}

static inline unsigned node_dead(const struct page *page)
{
	return le16_get(node_bytes(page) + NODE_DEAD);
}

static inline const uint8_t *node_prefix(const struct page *page, uint32_t page_size)
{
	return node_bytes(page) + page_size - node_prefix_len(page);
}

static inline const uint8_t *node_slot(const struct page *page, unsigned i)
{
	return node_bytes(page) + NODE_SLOTS + (size_t)i * NODE_SLOT_BYTES;
}

static inline unsigned node_off(const struct page *page, unsigned i)
{
	return le16_get(node_slot(page, i) + NODE_SLOT_OFF);
}

static inline unsigned node_suffix_len(const struct page *page, unsigned i)
{
	return le16_get(node_slot(page, i) + NODE_SLOT_LEN);
}

/* The head in a slot; without heads all are equal. */
static inline uint32_t node_head_at(const uint8_t *slot)
{
	return NODE_HEAD_BYTES > 0 ? le32_get(slot) : 0;
}

/* Length of entry i's key. */
static inline unsigned node_key_len(const struct page *page, unsigned i)
{
	return node_prefix_len(page) + node_suffix_len(page, i);
}

/* False when the slots of so many entries would not fit the page: its bytes make no sense. */
static inline bool node_count_is_valid(const struct page *page, uint32_t page_size)
{
	return node_count(page) <= node_cap(page_size) / NODE_SLOT_BYTES;
}

/* Bytes of a suffix that the cell holds. */
static inline unsigned node_tail_len(unsigned suffix_len)
{
	return suffix_len > NODE_HEAD_BYTES ? suffix_len - NODE_HEAD_BYTES : 0;
}

/* Bytes of a cell before its tail. */
static inline unsigned node_cell_head(const struct page *page)
{
	return page->level ? PAGE_REF_BYTES : 2U;
}

/* Bytes of an entry, slot included. val_len: of a leaf's value as it lies in the cell; else 0. */
static inline unsigned node_entry_bytes(bool leaf, unsigned suffix_len, unsigned val_len)
{
	return NODE_SLOT_BYTES + (leaf ? 2U : PAGE_REF_BYTES) + node_tail_len(suffix_len) + val_len;
}

static inline uint32_t node_head(const uint8_t *suffix, unsigned len)
{
	uint32_t be = 0;

	if (NODE_HEAD_BYTES == 0)
		return 0;
	switch (len) {
	case 0:
		return 0;
	case 1:
		return (uint32_t)suffix[0] << 24;
	case 2:
		return (uint32_t)suffix[0] << 24 | (uint32_t)suffix[1] << 16;
	case 3:
		return (uint32_t)suffix[0] << 24 | (uint32_t)suffix[1] << 16 |
		       (uint32_t)suffix[2] << 8;
	default:
		memcpy(&be, suffix, sizeof(be));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		be = __builtin_bswap32(be);
#endif
		return be;
	}
}

/* Compares entry i with a suffix whose head is equal. < 0, 0, > 0 or NODE_TIE_BAD. */
static inline int node_tie(const struct page *page, uint32_t page_size, unsigned i,
	const uint8_t *suffix, unsigned len)
{
	unsigned slen = node_suffix_len(page, i), off = node_off(page, i), n;
	int c;

	if (slen <= NODE_HEAD_BYTES || len <= NODE_HEAD_BYTES)
		return (int)slen - (int)len;
	off += node_cell_head(page);
	if (off + slen - NODE_HEAD_BYTES > page_size)
		return NODE_TIE_BAD;
	n = (slen < len ? slen : len) - NODE_HEAD_BYTES;
	c = memcmp(node_bytes(page) + off, suffix + NODE_HEAD_BYTES, n);
	return c ? (c < 0 ? -1 : 1) : (int)slen - (int)len;
}

/*
 * The first entry whose key is >= key, or the count; *ret_exact says whether it is equal. NODE_BAD
 * when the bytes make no sense. A plain branchy binary search: the processor's guess fetches the
 * next probe's line; without branches, or with SIMD, it was slower (docs/measurements.md).
 */
static inline unsigned node_lower(const struct page *page, uint32_t page_size, const uint8_t *key,
	unsigned len, bool *ret_exact)
{
	/* LAB 1.1 begin: halve [lo, hi): the heads first, node_tie() where they are equal */
	unsigned lo = 0, hi = node_count(page), prefix_len = node_prefix_len(page);
	const uint8_t *slots = node_bytes(page) + NODE_SLOTS;
	uint32_t head;

	*ret_exact = false;
	if (!node_count_is_valid(page, page_size) || len < prefix_len)
		return NODE_BAD;
	key += prefix_len;
	len -= prefix_len;
	head = node_head(key, len);
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		uint32_t h = node_head_at(slots + (size_t)mid * NODE_SLOT_BYTES);

		if (h < head) {
			lo = mid + 1;
		} else if (h > head) {
			hi = mid;
		} else {
			int c = node_tie(page, page_size, mid, key, len);

			if (c == 0) {
				*ret_exact = true;
				return mid;
			}
			if (c == NODE_TIE_BAD)
				return NODE_BAD;
			if (c < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
	}
	return lo;
	/* LAB 1.1 end: LAB_TODO_VOID("1.1"); */
}

/* Whether a key lies above all of the node's, which are some: one compare instead of a search. */
static inline bool node_is_above(const struct page *page, uint32_t page_size, const uint8_t *key,
	unsigned len)
{
	unsigned n = node_count(page), prefix_len = node_prefix_len(page);
	uint32_t head, last;
	int c;

	if (n == 0 || !node_count_is_valid(page, page_size) || len < prefix_len)
		return false;
	key += prefix_len;
	len -= prefix_len;
	head = node_head(key, len);
	last = node_head_at(node_slot(page, n - 1));
	if (head != last)
		return head > last;
	c = node_tie(page, page_size, n - 1, key, len);
	return c < 0 && c != NODE_TIE_BAD;
}

/*
 * Searches in several nodes at once, for btree_get_many(): first for all of them the entry at which
 * the key's head belongs, in lockstep and without branches (where one search gains from a guessed
 * branch, eight lose more by the wrong guesses), then for each what its tail says.
 */
struct node_probe {
	const struct page *page;
	const uint8_t *suffix; /* of the key, behind the node's prefix */
	unsigned len;
	uint32_t head;
	unsigned index; /* the first entry whose head is >= head, or the count */
};

/* False when the node's bytes make no sense. The key stays where it is. */
static inline bool node_probe_init(struct node_probe *probe, const struct page *page,
	uint32_t page_size, const uint8_t *key, unsigned len)
{
	unsigned prefix_len = node_prefix_len(page);

	if (!node_count_is_valid(page, page_size) || len < prefix_len)
		return false;
	*probe = (struct node_probe){page, key + prefix_len, len - prefix_len,
		node_head(key + prefix_len, len - prefix_len), 0};
	return true;
}

/* Sets the index of each. */
void node_lower_heads(struct node_probe *probes, size_t n);

/* True when the entry at the index has the same head, so that its tail must be compared. */
static inline bool node_probe_ties(const struct node_probe *probe)
{
	return probe->index < node_count(probe->page) &&
	       node_head_at(node_slot(probe->page, probe->index)) == probe->head;
}

/* Asks for the lines of the cell that node_probe_settle() compares. */
static inline void node_prefetch_tie(const struct node_probe *probe)
{
	const uint8_t *cell;

	if (!node_probe_ties(probe))
		return;
	cell = node_bytes(probe->page) + node_off(probe->page, probe->index);
	__builtin_prefetch(cell);
	__builtin_prefetch(cell + 64);
	__builtin_prefetch(cell + 128);
}

/* The same in an inner node, and for the cell that holds the child. */
static inline void node_prefetch_child(const struct node_probe *probe)
{
	if (node_probe_ties(probe))
		__builtin_prefetch(node_bytes(probe->page) + node_off(probe->page, probe->index));
	if (probe->index > 0)
		__builtin_prefetch(node_bytes(probe->page) +
				   node_off(probe->page, probe->index - 1));
}

/* What node_lower() returns. */
static inline unsigned node_probe_settle(const struct node_probe *probe, uint32_t page_size,
	bool *ret_exact)
{
	unsigned prefix_len = node_prefix_len(probe->page);
	int c;

	*ret_exact = false;
	if (!node_probe_ties(probe))
		return probe->index;
	c = node_tie(probe->page, page_size, probe->index, probe->suffix, probe->len);
	*ret_exact = c == 0;
	if (c >= 0)
		return probe->index;
	/* Others with the same head come behind it: rare, so without haste. */
	return c == NODE_TIE_BAD ? NODE_BAD
				 : node_lower(probe->page, page_size, probe->suffix - prefix_len,
					   probe->len + prefix_len, ret_exact);
}

/*
 * Where the slots end and where the heap begins, as offsets: nothing is stored between. False when
 * the bytes make no sense.
 */
static inline bool node_free_space(const struct page *page, uint32_t page_size, unsigned *ret_from,
	unsigned *ret_to)
{
	unsigned from = NODE_SLOTS + node_count(page) * NODE_SLOT_BYTES;
	unsigned heap_len = node_heap_len(page);

	if (from > page_size || heap_len > page_size - from)
		return false;
	*ret_from = from;
	*ret_to = page_size - heap_len;
	return true;
}

#define NODE_LEAF_LINES  5U  /* of slots: 40 records, a leaf's usual ones */
#define NODE_INNER_LINES 18U /* of slots: 144 children, likewise */

/*
 * Asks for the cache lines that a search of a node of this level may read, before it reads any:
 * they arrive together, where a search would wait for one after the other. The nodes high up in
 * the tree are in the cache anyway.
 */
static inline void node_prefetch(const struct page *page, unsigned level)
{
	unsigned n = level == 0 ? NODE_LEAF_LINES : level == 1 ? NODE_INNER_LINES : 0;

	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(node_bytes(page) + NODE_SLOTS + (size_t)i * 64);
}

/* Inner: index (0 to count) of the child under which key lies, or NODE_BAD. */
static inline unsigned node_child_index(const struct page *page, uint32_t page_size,
	const uint8_t *key, unsigned len)
{
	bool exact;
	unsigned i = node_lower(page, page_size, key, len, &exact);

	return i == NODE_BAD ? NODE_BAD : i + exact;
}

/* Inner: the reference of child i (0 to count); pgno 0 when the bytes make no sense. */
static inline struct page_ref node_child(const struct page *page, uint32_t page_size, unsigned i)
{
	unsigned off = NODE_LEFTMOST;

	if (i > 0) {
		off = node_off(page, i - 1);
		if (off + PAGE_REF_BYTES > page_size)
			return (struct page_ref){0, 0};
	}
	return page_ref_get(node_bytes(page) + off);
}

/* A leaf's value, where it lies. */
struct node_value {
	const uint8_t *data;
	unsigned len;
	bool overflow; /* data is what the cell holds of a long value */
};

/* False when the bytes make no sense. */
static inline bool node_value(const struct page *page, uint32_t page_size, unsigned i,
	struct node_value *ret_val)
{
	unsigned off = node_off(page, i), len, at;

	if (off + 2 > page_size)
		return false;
	len = le16_get(node_bytes(page) + off);
	at = off + 2 + node_tail_len(node_suffix_len(page, i));
	ret_val->overflow = len & NODE_OVERFLOW;
	ret_val->len = len & ~NODE_OVERFLOW;
	ret_val->data = node_bytes(page) + at;
	return at + ret_val->len <= page_size &&
	       (!ret_val->overflow || ret_val->len >= NODE_OVERFLOW_BYTES);
}

/* Bytes behind the longest key that a buffer for node_suffix() and node_record_short() has. */
#define NODE_SUFFIX_SLACK (NODE_HEAD_BYTES + NODE_TAIL_SHORT)
#define NODE_TAIL_SHORT   16U /* bytes of a tail that are copied at once */

static inline void node_head_write(uint8_t *suffix, uint32_t head)
{
	if (NODE_HEAD_BYTES == 0)
		return;
	for (unsigned k = 0; k < sizeof(head); k++)
		suffix[k] = (uint8_t)(head >> (24 - 8 * k));
}

/*
 * Writes the suffix of a leaf's entry i to buf, of len_max + NODE_SUFFIX_SLACK bytes. Returns its
 * length, or NODE_BAD.
 */
static inline unsigned node_suffix(const struct page *leaf, uint32_t page_size, unsigned i,
	unsigned len_max, uint8_t *buf)
{
	unsigned off = node_off(leaf, i), len = node_suffix_len(leaf, i), tail = node_tail_len(len);

	if (len > len_max || off + 2 + tail > page_size)
		return NODE_BAD;
	node_head_write(buf, node_head_at(node_slot(leaf, i)));
	memcpy(buf + NODE_HEAD_BYTES, node_bytes(leaf) + off + 2, tail);
	return len;
}

/*
 * The same, and the value, of what most records are: a short tail, which one copy of fixed size
 * brings without a call, and a value in the leaf. NODE_BAD: the record is of another kind, or its
 * bytes make no sense; node_suffix() and node_value() find out which.
 */
static inline unsigned node_record_short(const struct page *leaf, uint32_t page_size, unsigned i,
	unsigned len_max, uint8_t *buf, struct node_value *ret_val)
{
	unsigned off = node_off(leaf, i), len = node_suffix_len(leaf, i), tail = node_tail_len(len);
	const uint8_t *cell = node_bytes(leaf) + off;
	unsigned val_len;

	if (tail > NODE_TAIL_SHORT || off + 2 + NODE_TAIL_SHORT > page_size)
		return NODE_BAD;
	val_len = le16_get(cell);
	if (val_len & NODE_OVERFLOW || off + 2 + tail + val_len > page_size || len > len_max)
		return NODE_BAD;
	node_head_write(buf, node_head_at(node_slot(leaf, i)));
	memcpy(buf + NODE_HEAD_BYTES, cell + 2, NODE_TAIL_SHORT);
	*ret_val = (struct node_value){cell + 2 + tail, val_len, false};
	return len;
}

/*
 * Writes the whole key of entry i to buf, of node_key_max() bytes. Its length, or NODE_BAD.
 */
unsigned node_key(const struct page *page, uint32_t page_size, unsigned i, uint8_t *buf);

/* True if the keys of a valid node ascend strictly. */
bool node_is_ordered(const struct page *page);

/* True if two cells of a valid node share a byte of the heap. */
bool node_cells_overlap(const struct page *page);

/* Bytes of a valid node's entries, were there no prefix: the minimum of filling counts these. */
unsigned node_whole_bytes(const struct page *page);

/*
 * All that memory safety and every edit rely on: 0, or a text that says what is wrong. Order of
 * keys is not looked at (btree_check does). page: of type PAGE_NODE. Linear in the entries.
 */
const char *node_validate(const struct page *page, uint32_t page_size);

/* The edits: on a writable page that node_validate accepts; they cannot fail. */

/* What is put into a node: in a leaf key and value, in an inner node separator and child. */
struct node_entry {
	const uint8_t *key; /* whole */
	unsigned key_len;
	struct node_value val;
	struct page_ref child;
};

/* Bytes used: slots, live cells, prefix. */
static inline unsigned node_used(const struct page *page)
{
	return node_count(page) * NODE_SLOT_BYTES + node_heap_len(page) - node_dead(page);
}

/* True if a node that uses so many bytes must be merged or given more. */
static inline bool node_is_low(uint32_t page_size, unsigned used)
{
	return used < node_cap(page_size) / 4;
}

/* Bytes that entry i takes, slot included. */
unsigned node_entry_size(const struct page *page, unsigned i);

/* Bytes that `entry` would take, slot included. */
static inline unsigned node_entry_need(const struct page *page, const struct node_entry *entry)
{
	return node_entry_bytes(page->level == 0, entry->key_len - node_prefix_len(page),
		page->level == 0 ? entry->val.len : 0);
}

/* True if `entry` fits, perhaps after the dead bytes have been collected. */
static inline bool node_fits(const struct page *page, uint32_t page_size,
	const struct node_entry *entry)
{
	return node_used(page) + node_entry_need(page, entry) <= node_cap(page_size);
}

/* Makes an empty node of a page whose header stands; the rest is zeroed. */
void node_init(struct page *page, uint32_t page_size, const uint8_t *prefix, unsigned prefix_len);

/* Inserts at i what node_fits. scratch: page_size bytes. entry points outside the page. */
void node_insert(struct page *page, uint32_t page_size, unsigned i, const struct node_entry *entry,
	void *scratch);

void node_remove(struct page *page, uint32_t page_size, unsigned i);

/* Points entry at entry i of the page, its key assembled in key_buf. */
void node_entry_get(const struct page *page, uint32_t page_size, unsigned i, uint8_t *key_buf,
	struct node_entry *ret_entry);

/* Appends entries [from, to) of src, which has the same level but perhaps another prefix. dst has
 * room. */
void node_append(struct page *dst, const struct page *src, uint32_t page_size, unsigned from,
	unsigned to, uint8_t *key_buf);

void node_set_child(struct page *page, unsigned i, struct page_ref ref);

/* Drops the dead bytes. scratch: page_size bytes. */
void node_compact(struct page *page, uint32_t page_size, void *scratch);

#endif
