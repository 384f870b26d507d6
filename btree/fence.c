/* SPDX-License-Identifier: MIT */
/*
 * Fences, and what follows from them: a node's prefix and a leaf's separator.
 *
 * A node's fences are the separators on either side of it in its ancestors. They say which prefix
 * it may have (B3), so code that moves a fence builds the node anew. A leaf's separator is the
 * shortest that divides (B4).
 */
#include "btree/btree_int.h"

unsigned key_common(const uint8_t *a, unsigned a_len, const uint8_t *b, unsigned b_len)
{
	unsigned n = a_len < b_len ? a_len : b_len, i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

struct key_span edit_fence(struct edit *e, unsigned d, unsigned i, bool low, uint8_t *buf)
{
	while (d-- > 0) {
		const struct page *page = e->steps[d].page;

		if (low ? i > 0 : i < node_count(page)) {
			unsigned len = node_key(page, e->page_size, low ? i - 1 : i, buf);

			ASSERT(len != NODE_BAD);
			return (struct key_span){buf, len};
		}
		if (d > 0)
			i = e->steps[d - 1].index;
	}
	return (struct key_span){NULL, 0};
}

unsigned fence_prefix(struct key_span low, struct key_span high)
{
	return low.data && high.data ? key_common(low.data, low.len, high.data, high.len) : 0;
}

void longest_add(struct longest *l, unsigned len)
{
	if (len > l->first) {
		l->second = l->first;
		l->first = len;
	} else if (len > l->second) {
		l->second = len;
	}
}

unsigned fence_prefix_best(const struct longest *l, unsigned fences_len)
{
	unsigned len = NODE_PREFIXES ? node_tail_len(l->second) : 0;

	return len < fences_len ? len : fences_len;
}

struct key_span fence_separator(struct key_span a, struct key_span b)
{
	unsigned n = key_common(a.data, a.len, b.data, b.len) + 1;

	ASSERT(n <= b.len);
	return (struct key_span){b.data, n};
}

const char *fence_wrong(const struct page *page, uint32_t page_size, struct key_span low,
	struct key_span high, uint8_t *key_buf)
{
	unsigned n = node_count(page), len, prefix_len = node_prefix_len(page);

	if (n == 0)
		return "a node has no entries";
	if (prefix_len > fence_prefix(low, high))
		return "the prefix is more than the fences have in common";
	if (prefix_len > 0 && memcmp(node_prefix(page, page_size), low.data, prefix_len) != 0)
		return "the prefix is not how the fences begin";
	if (!node_is_ordered(page))
		return "the keys do not ascend";
	len = node_key(page, page_size, 0, key_buf);
	if (low.data && key_cmp(key_buf, len, low.data, low.len) < 0)
		return "a key lies below the separator";
	len = node_key(page, page_size, n - 1, key_buf);
	if (high.data && key_cmp(key_buf, len, high.data, high.len) >= 0)
		return "a key lies above the next separator";
	return NULL;
}
