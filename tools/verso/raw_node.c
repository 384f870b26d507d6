/* SPDX-License-Identifier: MIT */
/* Pages of trees: nodes and overflow pages. */
#include "tools/verso/raw.h"

#define AT_ZERO        36u
#define AT_COUNT       40u
#define AT_PREFIX_LEN  42u
#define AT_HEAP_LEN    44u
#define AT_DEAD        46u
#define AT_NODE_ZERO   48u
#define AT_LEFTMOST    52u
#define AT_SLOTS       64u
#define AT_PIECE_USED  40u
#define AT_PIECE       48u
#define REF_BYTES      12u
#define LONG           0x8000u
#define LONG_BYTES_MAX (UINT64_C(1) << 30)

static const uint8_t *slot(const struct raw_node *node, unsigned i)
{
	return node->page + AT_SLOTS + (size_t)i * (node->head_bytes + 4);
}

unsigned raw_node_cell_off(const struct raw_node *node, unsigned i)
{
	return le16_get(slot(node, i) + node->head_bytes);
}

static unsigned suffix_len(const struct raw_node *node, unsigned i)
{
	return le16_get(slot(node, i) + node->head_bytes + 2);
}

/* Bytes of a suffix behind its head. */
static unsigned tail_len(const struct raw_node *node, unsigned i)
{
	unsigned len = suffix_len(node, i);

	return len > node->head_bytes ? len - node->head_bytes : 0;
}

/* Bytes of a cell before the tail. */
static unsigned cell_head(const struct raw_node *node)
{
	return node->level > 0 ? REF_BYTES : 2;
}

unsigned raw_node_cap(const struct raw_node *node)
{
	return node->page_size - AT_SLOTS;
}

unsigned raw_key_max(uint32_t page_size)
{
	return (page_size - AT_SLOTS) / 4 - 32;
}

unsigned raw_node_used(const struct raw_node *node)
{
	return node->n * (node->head_bytes + 4) + node->heap_len - node->dead_bytes;
}

/* Bytes of the value, or of what the cell holds of it. */
static unsigned value_len(const struct raw_node *node, unsigned i)
{
	return le16_get(node->page + raw_node_cell_off(node, i)) & ~LONG;
}

static const char *cell_wrong(const struct raw_node *node, unsigned i)
{
	unsigned off = raw_node_cell_off(node, i), len = cell_head(node) + tail_len(node, i);

	if (off < AT_SLOTS || off + len > node->page_size ||
		node->prefix_len + suffix_len(node, i) > node->page_size)
		return "a cell reaches beyond the page";
	if (node->level == 0 && off + len + value_len(node, i) > node->page_size)
		return "a value reaches beyond the page";
	return NULL;
}

const char *raw_node_open(const struct raw *r, const uint8_t *page, struct raw_node *ret_node)
{
	struct raw_node *node = ret_node;
	const char *wrong = NULL;

	*node = (struct raw_node){
		.page = page,
		.page_size = r->page_size,
		.head_bytes = r->head_bytes,
		.level = page[AT_LEVEL],
		.n = le16_get(page + AT_COUNT),
		.prefix_len = le16_get(page + AT_PREFIX_LEN),
		.heap_len = le16_get(page + AT_HEAP_LEN),
		.dead_bytes = le16_get(page + AT_DEAD),
	};
	if (AT_SLOTS + node->n * (node->head_bytes + 4) + node->heap_len > r->page_size)
		return "its entries do not fit into it";
	if (node->prefix_len > node->heap_len || node->dead_bytes > node->heap_len)
		return "its prefix or its dead bytes are longer than its heap";
	for (unsigned i = 0; !wrong && i < node->n; i++)
		wrong = cell_wrong(node, i);
	return wrong;
}

int raw_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
	int d = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return d != 0 ? d : (a_len > b_len) - (a_len < b_len);
}

static bool keys_ascend(const struct raw_node *node)
{
	static uint8_t keys[2][RAW_KEY_MAX];
	unsigned len[2] = {0};

	for (unsigned i = 0; i < node->n; i++) {
		unsigned now = i % 2, before = !now;

		len[now] = raw_node_key(node, i, keys[now]);
		if (i > 0 && raw_compare(keys[before], len[before], keys[now], len[now]) >= 0)
			return false;
	}
	return true;
}

const char *raw_node_wrong(const struct raw_node *node)
{
	unsigned heap = node->prefix_len + node->dead_bytes;

	if (node->n == 0)
		return "it has no entry, as every node has";
	if (le32_get(node->page + AT_ZERO) != 0 || le32_get(node->page + AT_NODE_ZERO) != 0 ||
		(node->level == 0 && !bytes_are_zero(node->page + AT_LEFTMOST, REF_BYTES)))
		return "bytes of it are set that are zero in every node";
	for (unsigned i = 0; i < node->n; i++) {
		if (node->prefix_len + suffix_len(node, i) > raw_key_max(node->page_size))
			return "it has a key that is longer than keys may be";
		heap += cell_head(node) + tail_len(node, i) +
			(node->level == 0 ? value_len(node, i) : 0);
	}
	if (heap != node->heap_len)
		return "its entries are more or less than its heap";
	return keys_ascend(node) ? NULL : "its keys are not in order";
}

unsigned raw_node_key(const struct raw_node *node, unsigned i, uint8_t *buf)
{
	unsigned len = suffix_len(node, i),
		 n_head = len < node->head_bytes ? len : node->head_bytes;
	uint32_t head = le32_get(slot(node, i));
	uint8_t *p = buf + node->prefix_len;

	memcpy(buf, node->page + node->page_size - node->prefix_len, node->prefix_len);
	for (unsigned k = 0; k < n_head; k++)
		*p++ = (uint8_t)(head >> (24 - 8 * k));
	memcpy(p, node->page + raw_node_cell_off(node, i) + cell_head(node), tail_len(node, i));
	return node->prefix_len + len;
}

struct raw_ref raw_node_child(const struct raw_node *node, unsigned i)
{
	return raw_ref_get(node->page + (i > 0 ? raw_node_cell_off(node, i - 1) : AT_LEFTMOST));
}

static uint64_t div_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* How a long value is divided among pages follows from its length and its key's alone. */
static void divide(const struct raw_node *node, unsigned key_len, struct raw_value *v)
{
	uint64_t cap = raw_node_cap(node), space = cap / 2 - node->head_bytes - 6 - key_len;
	uint64_t page_bytes = node->page_size - AT_PIECE, page_refs = page_bytes / REF_BYTES;
	uint64_t n = v->long_bytes / page_bytes, rest = v->long_bytes % page_bytes;
	uint64_t n_pages;

	v->len_bytes = 0;
	v->level = 0;
	if (8 + REF_BYTES * n + rest <= space) {
		v->len_bytes = (unsigned)rest;
		n_pages = n;
	} else {
		n_pages = n = div_up(v->long_bytes, page_bytes);
		for (; n > (space - 8) / REF_BYTES; v->level++) {
			n = div_up(n, page_refs);
			n_pages += n;
		}
	}
	v->n_refs = (unsigned)n;
	v->n_pages = n_pages;
}

const char *raw_node_value(const struct raw_node *node, unsigned i, struct raw_value *ret_value)
{
	const uint8_t *cell = node->page + raw_node_cell_off(node, i);
	const uint8_t *held = cell + 2 + tail_len(node, i);
	unsigned held_bytes = value_len(node, i), key_len = node->prefix_len + suffix_len(node, i);
	struct raw_value *v = ret_value;

	*v = (struct raw_value){.data = held, .len_bytes = held_bytes};
	if ((le16_get(cell) & LONG) == 0)
		return NULL;
	v->is_long = true;
	v->long_bytes = held_bytes >= 8 ? le64_get(held) : 0;
	if (v->long_bytes == 0 || v->long_bytes > LONG_BYTES_MAX ||
		key_len + node->head_bytes + 26 > raw_node_cap(node) / 2)
		return "a long value has an impossible length";
	divide(node, key_len, v);
	if (8 + (uint64_t)REF_BYTES * v->n_refs + v->len_bytes != held_bytes)
		return "a long value has not the references that its length demands";
	v->refs = held + 8;
	v->data = v->refs + (size_t)REF_BYTES * v->n_refs;
	return NULL;
}

unsigned raw_overflow_count(const struct raw *r, const uint8_t *page)
{
	uint32_t n = le32_get(page + AT_PIECE_USED), most = r->page_size - AT_PIECE;

	if (page[AT_LEVEL] > 0)
		most /= REF_BYTES;
	return n < most ? n : most;
}

struct raw_ref raw_overflow_ref(const uint8_t *page, unsigned i)
{
	return raw_ref_get(page + AT_PIECE + (size_t)i * REF_BYTES);
}
