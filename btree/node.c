/* SPDX-License-Identifier: MIT */
#include "btree/node.h"

static uint8_t *writable(struct page *page)
{
	return (uint8_t *)page;
}

static void set16(struct page *page, unsigned at, unsigned x)
{
	le16_set(writable(page) + at, (uint16_t)x);
}

static uint8_t *slot_at(struct page *page, unsigned i)
{
	return writable(page) + NODE_SLOTS + (size_t)i * NODE_SLOT_BYTES;
}

/* Bytes of a cell that node_validate has seen. */
static unsigned cell_bytes(const struct page *page, unsigned i)
{
	unsigned n = node_cell_head(page) + node_tail_len(node_suffix_len(page, i));

	if (page->level == 0)
		n += le16_get(node_bytes(page) + node_off(page, i)) & ~NODE_OVERFLOW;
	return n;
}

unsigned node_entry_size(const struct page *page, unsigned i)
{
	return NODE_SLOT_BYTES + cell_bytes(page, i);
}

unsigned node_key(const struct page *page, uint32_t page_size, unsigned i, uint8_t *buf)
{
	unsigned prefix_len = node_prefix_len(page), len = node_suffix_len(page, i);
	unsigned off = node_off(page, i) + node_cell_head(page), tail = node_tail_len(len);
	uint32_t head = node_head_at(node_slot(page, i));

	if (prefix_len + len > node_key_max(page_size) || off + tail > page_size)
		return NODE_BAD;
	memcpy(buf, node_prefix(page, page_size), prefix_len);
	buf += prefix_len;
	for (unsigned k = 0; k < len - tail; k++)
		buf[k] = (uint8_t)(head >> (24 - 8 * k));
	if (tail > 0)
		memcpy(buf + NODE_HEAD_BYTES, node_bytes(page) + off, tail);
	return prefix_len + len;
}

#define LANES 8U

/* Halves the range of each lane until one entry is left; a lane that has ended does nothing. */
static void lower_heads(struct node_probe *probes)
{
	const uint8_t *base[LANES];
	unsigned left[LANES], longest = 0;

	for (unsigned l = 0; l < LANES; l++) {
		base[l] = node_slot(probes[l].page, 0);
		left[l] = node_count(probes[l].page);
		longest = left[l] > longest ? left[l] : longest;
	}
	for (; longest > 1; longest -= longest / 2) {
		for (unsigned l = 0; l < LANES; l++) {
			unsigned half = left[l] / 2;
			/* A half of 0 looks at the bytes before the first slot, and moves by 0. */
			const uint8_t *mid = base[l] + (size_t)half * NODE_SLOT_BYTES;
			bool is_below = node_head_at(mid - NODE_SLOT_BYTES) < probes[l].head;

			base[l] += half * NODE_SLOT_BYTES & -(size_t)is_below;
			left[l] -= half;
		}
	}
	for (unsigned l = 0; l < LANES; l++) {
		const uint8_t *slots = node_slot(probes[l].page, 0);
		bool is_below = left[l] == 1 && node_head_at(base[l]) < probes[l].head;

		probes[l].index =
			(unsigned)((size_t)(base[l] - slots) / NODE_SLOT_BYTES) + is_below;
	}
}

void node_lower_heads(struct node_probe *probes, size_t n)
{
	struct node_probe rest[LANES];
	size_t i;

	for (i = 0; i + LANES <= n; i += LANES)
		lower_heads(probes + i);
	if (i == n)
		return;
	for (size_t l = 0; l < LANES; l++)
		rest[l] = probes[i + l < n ? i + l : i];
	lower_heads(rest);
	for (size_t l = 0; i + l < n; l++)
		probes[i + l].index = rest[l].index;
}

static const char *cell_validate(const struct page *page, uint32_t page_size, unsigned i,
	unsigned heap, unsigned heap_end)
{
	/* LAB 1.7 begin: key, head, the place of the cell, its value, its end */
	unsigned off = node_off(page, i), suffix_len = node_suffix_len(page, i), n;
	unsigned n_head = suffix_len - node_tail_len(suffix_len);
	unsigned key_len = node_key_len(page, i);
	struct node_value val;

	if (key_len > node_key_max(page_size))
		return "a key is too long";
	if ((uint64_t)node_head_at(node_slot(page, i)) << (8 * n_head) & UINT32_MAX)
		return "a head has bytes behind its key's end";
	if (off < heap || off + 2 > heap_end)
		return "a cell lies outside the heap";
	n = node_cell_head(page) + node_tail_len(suffix_len);
	if (page->level == 0) {
		if (!node_value(page, page_size, i, &val))
			return "a value lies outside the heap";
		n += val.len;
		if (val.len > node_value_max(page_size, key_len))
			return "a cell is larger than half a page";
	}
	return off + n > heap_end ? "a cell lies outside the heap" : NULL;
	/* LAB 1.7 end: LAB_TODO_VOID("1.7"); */
}

const char *node_validate(const struct page *page, uint32_t page_size)
{
	/* LAB 1.8 begin: type, slots, heap, prefix; each cell; the sum */
	unsigned n = node_count(page), prefix_len = node_prefix_len(page);
	unsigned heap_len = node_heap_len(page), heap, sum = 0;

	if (page->type != PAGE_NODE)
		return "the page is no node";
	if (!node_count_is_valid(page, page_size))
		return "the slots reach beyond the page";
	if (heap_len > node_cap(page_size) - n * NODE_SLOT_BYTES)
		return "the slots reach into the heap";
	if (prefix_len > heap_len || prefix_len > node_key_max(page_size))
		return "the prefix is too long";
	heap = page_size - heap_len;
	for (unsigned i = 0; i < n; i++) {
		const char *wrong = cell_validate(page, page_size, i, heap, page_size - prefix_len);

		if (wrong)
			return wrong;
		sum += cell_bytes(page, i);
	}
	if (sum + prefix_len + node_dead(page) != heap_len)
		return "the heap's bytes do not add up";
	return NULL;
	/* LAB 1.8 end: LAB_TODO_VOID("1.8"); */
}

/* Compares the keys of entries i and i + 1 by their tails, heads being equal. */
static bool ties_ascend(const struct page *page, unsigned i)
{
	unsigned a_len = node_suffix_len(page, i), b_len = node_suffix_len(page, i + 1), n;
	const uint8_t *a = node_bytes(page) + node_off(page, i) + node_cell_head(page);
	const uint8_t *b = node_bytes(page) + node_off(page, i + 1) + node_cell_head(page);
	int c;

	if (a_len <= NODE_HEAD_BYTES || b_len <= NODE_HEAD_BYTES)
		return a_len < b_len;
	n = (a_len < b_len ? a_len : b_len) - NODE_HEAD_BYTES;
	c = memcmp(a, b, n);
	return c < 0 || (c == 0 && a_len < b_len);
}

bool node_is_ordered(const struct page *page)
{
	for (unsigned i = 0; i + 1 < node_count(page); i++) {
		uint32_t a = node_head_at(node_slot(page, i)),
			 b = node_head_at(node_slot(page, i + 1));

		if (a > b || (a == b && !ties_ascend(page, i)))
			return false;
	}
	return true;
}

bool node_cells_overlap(const struct page *page)
{
	uint8_t taken[PAGE_SIZE_MAX / 8] = {0};

	for (unsigned i = 0; i < node_count(page); i++) {
		unsigned off = node_off(page, i), n = cell_bytes(page, i);

		for (unsigned at = off; at < off + n; at++) {
			if (taken[at / 8] & 1U << at % 8)
				return true;
			taken[at / 8] |= (uint8_t)(1U << at % 8);
		}
	}
	return false;
}

unsigned node_whole_bytes(const struct page *page)
{
	unsigned sum = 0, prefix_len = node_prefix_len(page);

	for (unsigned i = 0; i < node_count(page); i++) {
		unsigned n = node_suffix_len(page, i);

		sum += node_entry_size(page, i) - node_tail_len(n) + node_tail_len(n + prefix_len);
	}
	return sum;
}

void node_init(struct page *page, uint32_t page_size, const uint8_t *prefix, unsigned prefix_len)
{
	memset(writable(page) + NODE_COUNT, 0, page_size - NODE_COUNT);
	set16(page, NODE_PREFIX_LEN, prefix_len);
	set16(page, NODE_HEAP_LEN, prefix_len);
	if (prefix_len > 0)
		memcpy(writable(page) + page_size - prefix_len, prefix, prefix_len);
}

/* Makes place for a slot at i and n bytes of cell; the cell's place in the page. */
static uint8_t *open_entry(struct page *page, uint32_t page_size, unsigned i, unsigned n,
	uint32_t head, unsigned suffix_len)
{
	/* LAB 1.2 begin: move slots up, write the new one; the heap grows down */
	unsigned count = node_count(page), heap_len = node_heap_len(page) + n;
	uint8_t *slot = slot_at(page, i);

	ASSERT((count + 1) * NODE_SLOT_BYTES + heap_len <= node_cap(page_size));
	memmove(slot + NODE_SLOT_BYTES, slot, (size_t)(count - i) * NODE_SLOT_BYTES);
	if (NODE_HEAD_BYTES > 0)
		le32_set(slot, head);
	le16_set(slot + NODE_SLOT_OFF, (uint16_t)(page_size - heap_len));
	le16_set(slot + NODE_SLOT_LEN, (uint16_t)suffix_len);
	set16(page, NODE_COUNT, count + 1);
	set16(page, NODE_HEAP_LEN, heap_len);
	return writable(page) + page_size - heap_len;
	/* LAB 1.2 end: LAB_TODO_VOID("1.2"); */
}

static void write_entry(struct page *page, uint32_t page_size, unsigned i,
	const struct node_entry *entry)
{
	/* LAB 1.3 begin: open_entry(); then length or child, the key's tail, the value */
	unsigned prefix_len = node_prefix_len(page), len = entry->key_len - prefix_len;
	const uint8_t *suffix = entry->key + prefix_len;
	unsigned tail = node_tail_len(len), n = node_entry_need(page, entry) - NODE_SLOT_BYTES;
	uint8_t *cell = open_entry(page, page_size, i, n, node_head(suffix, len), len);

	if (page->level == 0) {
		le16_set(cell,
			(uint16_t)(entry->val.len | (entry->val.overflow ? NODE_OVERFLOW : 0)));
		if (entry->val.len > 0)
			memcpy(cell + 2 + tail, entry->val.data, entry->val.len);
		cell += 2;
	} else {
		page_ref_set(cell, entry->child);
		cell += PAGE_REF_BYTES;
	}
	if (tail > 0)
		memcpy(cell, suffix + NODE_HEAD_BYTES, tail);
	/* LAB 1.3 end: LAB_TODO_VOID("1.3"); */
}

void node_insert(struct page *page, uint32_t page_size, unsigned i, const struct node_entry *entry,
	void *scratch)
{
	/* LAB 1.4 begin: node_compact() first when only dead bytes make it fit */
	unsigned taken = node_count(page) * NODE_SLOT_BYTES + node_heap_len(page);

	DCHECK(entry->key_len >= node_prefix_len(page));
	ASSERT(node_fits(page, page_size, entry));
	if (taken + node_entry_need(page, entry) > node_cap(page_size))
		node_compact(page, page_size, scratch);
	write_entry(page, page_size, i, entry);
	/* LAB 1.4 end: LAB_TODO_VOID("1.4"); */
}

void node_remove(struct page *page, uint32_t page_size, unsigned i)
{
	/* LAB 1.5 begin: the lowest cell gives its bytes back, another is dead; close the slots */
	unsigned count = node_count(page), n = cell_bytes(page, i);
	uint8_t *slot = slot_at(page, i);

	ASSERT(i < count);
	if (node_off(page, i) == page_size - node_heap_len(page))
		set16(page, NODE_HEAP_LEN, node_heap_len(page) - n);
	else
		set16(page, NODE_DEAD, node_dead(page) + n);
	memmove(slot, slot + NODE_SLOT_BYTES, (size_t)(count - i - 1) * NODE_SLOT_BYTES);
	set16(page, NODE_COUNT, count - 1);
	/* LAB 1.5 end: LAB_TODO_VOID("1.5"); */
}

void node_entry_get(const struct page *page, uint32_t page_size, unsigned i, uint8_t *key_buf,
	struct node_entry *ret_entry)
{
	bool sound = true;

	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->key = key_buf;
	ret_entry->key_len = node_key(page, page_size, i, key_buf);
	if (page->level == 0)
		sound = node_value(page, page_size, i, &ret_entry->val);
	else
		ret_entry->child = node_child(page, page_size, i + 1);
	ASSERT(sound); /* the page is one that node_validate accepted */
	ASSERT(ret_entry->key_len != NODE_BAD);
}

/* node_append between nodes of the same prefix: cells are copied as they are. */
static void append_alike(struct page *dst, const struct page *src, uint32_t page_size,
	unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		unsigned n = cell_bytes(src, i);
		uint8_t *cell = open_entry(dst, page_size, node_count(dst), n,
			node_head_at(node_slot(src, i)), node_suffix_len(src, i));

		memcpy(cell, node_bytes(src) + node_off(src, i), n);
	}
}

void node_append(struct page *dst, const struct page *src, uint32_t page_size, unsigned from,
	unsigned to, uint8_t *key_buf)
{
	if (node_prefix_len(dst) == node_prefix_len(src)) {
		append_alike(dst, src, page_size, from, to);
		return;
	}
	for (unsigned i = from; i < to; i++) {
		struct node_entry entry;

		node_entry_get(src, page_size, i, key_buf, &entry);
		write_entry(dst, page_size, node_count(dst), &entry);
	}
}

void node_set_child(struct page *page, unsigned i, struct page_ref ref)
{
	unsigned off = i == 0 ? NODE_LEFTMOST : node_off(page, i - 1);

	page_ref_set(writable(page) + off, ref);
}

void node_compact(struct page *page, uint32_t page_size, void *scratch)
{
	/* LAB 1.6 begin: a copy; an empty node; append_alike(); an inner node's leftmost child */
	struct page *old = scratch;

	memcpy(old, page, page_size);
	node_init(page, page_size, node_prefix(old, page_size), node_prefix_len(old));
	append_alike(page, old, page_size, 0, node_count(old));
	if (page->level > 0)
		node_set_child(page, 0, node_child(old, page_size, 0));
	/* LAB 1.6 end: LAB_TODO_VOID("1.6"); */
}
