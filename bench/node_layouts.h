/* SPDX-License-Identifier: MIT */
/* The nodes that bench_node_layouts.c compares, and static trees of them. */
#ifndef BENCH_NODE_LAYOUTS_H
#define BENCH_NODE_LAYOUTS_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE   4096u
#define HEADS  64u
#define INLINE static inline __attribute__((always_inline))

enum search { BRANCHY, BFREE, SSE2 };
enum prefix { NONE, FENCES, ACTUAL };

struct lay {
	const char *name;
	enum prefix prefix;
	unsigned head; /* bytes of a head, 0 for none */
	bool inter;    /* head and slot in one array */
	bool cellref;  /* child reference in the cell */
	bool packed; /* inter, with the suffix length in the slot and the head's bytes only there */
	enum search search;
};

struct key {
	const uint8_t *p;
	unsigned len;
};

static struct key *keys;
static size_t nkeys;
static unsigned val_bytes = 100;
static uint8_t *arena;
static uint32_t npages;

INLINE unsigned g16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}

INLINE void p16(uint8_t *p, unsigned v)
{
	uint16_t w = (uint16_t)v;
	memcpy(p, &w, 2);
}

INLINE uint32_t g32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

INLINE uint64_t g64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

/*
 * node header: 13 level, 40 n, 42 prefix length, 44 heap start, 46 prefix offset, 52 leftmost child
 */
INLINE unsigned n_of(const uint8_t *p)
{
	return g16(p + 40);
}
INLINE unsigned plen_of(const uint8_t *p)
{
	return g16(p + 42);
}

INLINE unsigned stride(struct lay l, bool leaf)
{
	return l.inter ? l.head + 4 : leaf || l.cellref ? 2 : 14;
}

INLINE uint8_t *slot_at(struct lay l, const uint8_t *p, bool leaf, unsigned i)
{
	unsigned arr = l.inter ? HEADS : HEADS + l.head * n_of(p);

	return (uint8_t *)(uintptr_t)p + arr + i * stride(l, leaf);
}

INLINE unsigned off_at(struct lay l, const uint8_t *p, bool leaf, unsigned i)
{
	return g16(slot_at(l, p, leaf, i) + (l.inter ? l.head : 0));
}

/* suffix length of entry i */
INLINE unsigned slen_at(struct lay l, const uint8_t *p, bool leaf, unsigned i)
{
	if (l.packed)
		return g16(slot_at(l, p, leaf, i) + l.head + 2);
	return g16(p + off_at(l, p, leaf, i));
}

INLINE uint64_t head_of(struct lay l, const uint8_t *k, unsigned len)
{
	uint64_t h = 0;

	if (l.head == 4) {
		if (len >= 4)
			return __builtin_bswap32(g32(k));
		for (unsigned i = 0; i < len; i++)
			h |= (uint64_t)k[i] << (24 - 8 * i);
		return h;
	}
	if (len >= 8)
		return __builtin_bswap64(g64(k));
	for (unsigned i = 0; i < len; i++)
		h |= (uint64_t)k[i] << (56 - 8 * i);
	return h;
}

INLINE uint64_t head_at(struct lay l, const uint8_t *p, unsigned i)
{
	if (l.inter)
		return l.head == 4 ? g32(p + HEADS + 8 * i) : g64(p + HEADS + 12 * i);
	return l.head == 4 ? g32(p + HEADS + 4 * i) : g64(p + HEADS + 8 * i);
}

/*
 * Cell: u16 suffix length, [u16 value length | 12-byte reference], bytes. Dense layouts leave out
 * of the cell what the head holds.
 */
INLINE unsigned cell_hdr(struct lay l, bool leaf)
{
	if (l.packed)
		return leaf ? 2 : 14;
	if (leaf)
		return 4;
	return l.cellref || l.inter || !l.head ? 14 : 2;
}

INLINE unsigned in_head(struct lay l, unsigned len)
{
	if (!l.head || (l.inter && !l.packed))
		return 0;
	return len < l.head ? len : l.head;
}

static int tail_cmp(const uint8_t *a, unsigned al, const uint8_t *b, unsigned bl)
{
	int c = memcmp(a, b, al < bl ? al : bl);

	return c ? c : (int)al - (int)bl;
}

/* compare stored key i with q (prefix already skipped); heads, if any, were equal */
INLINE int cell_cmp(struct lay l, const uint8_t *p, bool leaf, unsigned i, const uint8_t *q,
	unsigned len)
{
	const uint8_t *c = p + off_at(l, p, leaf, i);
	unsigned sl = slen_at(l, p, leaf, i), sk = in_head(l, sl), qk = in_head(l, len);

	if (l.head && (!l.inter || l.packed) && (sl <= l.head || len <= l.head))
		return (int)sl - (int)len;
	return tail_cmp(c + cell_hdr(l, leaf), sl - sk, q + qk, len - qk);
}

/* branchy: probes [lo, hi) by head, and by cell where heads are equal; stops when few are left */
INLINE unsigned search_branchy(struct lay l, const uint8_t *p, bool leaf, const uint8_t *q,
	unsigned len, unsigned lo, unsigned hi, unsigned few, unsigned *ret_hi, bool *exact)
{
	uint64_t h = l.head ? head_of(l, q, len) : 0;

	while (hi - lo > few) {
		unsigned mid = (lo + hi) / 2;
		uint64_t m = l.head ? head_at(l, p, mid) : 0;
		int c = m < h ? -1 : 1;
		if (m < h) {
			lo = mid + 1;
			continue;
		}
		if (m > h) {
			hi = mid;
			continue;
		}
		c = cell_cmp(l, p, leaf, mid, q, len);
		if (c == 0) {
			*exact = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_hi = hi;
	return lo;
}

/* branch-free: the first head >= h */
INLINE unsigned search_bfree(struct lay l, const uint8_t *p, uint64_t h, unsigned n)
{
	unsigned base = 0;

	if (n == 0)
		return 0;
	while (n > 1) {
		unsigned half = n / 2;
		base = head_at(l, p, base + half - 1) < h ? base + half : base;
		n -= half;
	}
	return base + (head_at(l, p, base) < h);
}

/* SSE2: the first head >= h among [lo, hi). Up to three heads after hi may be read: slots follow */
INLINE unsigned search_sse2(const uint8_t *p, uint32_t h, unsigned lo, unsigned hi)
{
	const __m128i flip = _mm_set1_epi32((int)0x80000000u);
	const __m128i k = _mm_xor_si128(_mm_set1_epi32((int)h), flip);
	unsigned less = 0;

	for (unsigned i = lo; i < hi; i += 4) {
		__m128i v = _mm_loadu_si128((const void *)(p + HEADS + 4 * i));
		__m128i lt = _mm_cmplt_epi32(_mm_xor_si128(v, flip), k);
		unsigned m = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(lt));
		if (hi - i < 4)
			m &= (1u << (hi - i)) - 1;
		less += (unsigned)__builtin_popcount(m);
	}
	return lo + less;
}

/* first i with key_i >= q; *exact says whether it is equal */
INLINE unsigned lower(struct lay l, const uint8_t *p, bool leaf, const uint8_t *q, unsigned len,
	bool *exact)
{
	unsigned lo = 0, hi = n_of(p), n = hi;

	*exact = false;
	if (l.prefix != NONE) {
		unsigned pl = plen_of(p);
		int c = l.prefix == ACTUAL ? memcmp(q, p + g16(p + 46), len < pl ? len : pl) : 0;

		if (c < 0 || (l.prefix == ACTUAL && c == 0 && len < pl))
			return 0;
		if (c > 0)
			return hi;
		q += pl;
		len -= pl;
	}
	if (l.search == BRANCHY)
		return search_branchy(l, p, leaf, q, len, 0, hi, 0, &hi, exact);
	uint64_t h = head_of(l, q, len);
	if (l.search == BFREE) {
		lo = search_bfree(l, p, h, hi);
	} else {
		lo = search_branchy(l, p, leaf, q, len, 0, hi, leaf ? 16 : 0, &hi, exact);
		if (*exact || !leaf)
			return lo;
		lo = search_sse2(p, (uint32_t)h, lo, hi);
	}
	if (lo >= n || head_at(l, p, lo) != h)
		return lo;
	return search_branchy(l, p, leaf, q, len, lo, n, 0, &hi, exact);
}

INLINE size_t cell_size(struct lay l, bool leaf, unsigned sl)
{
	return cell_hdr(l, leaf) + sl - in_head(l, sl) + (leaf ? val_bytes : 0);
}

INLINE size_t rec_size(struct lay l, bool leaf, unsigned sl)
{
	return (l.inter ? l.head + 4 : l.head + stride(l, leaf)) + cell_size(l, leaf, sl);
}

/* put a key (whole; the prefix is skipped here) at its place; val is a leaf's value or NULL */
INLINE void insert(struct lay l, uint8_t *p, bool leaf, struct key k, const uint8_t *val,
	uint32_t child)
{
	bool exact;
	unsigned i = lower(l, p, leaf, k.p, k.len, &exact), n = n_of(p);
	unsigned pl = l.prefix == NONE ? 0 : plen_of(p), sl = k.len - pl, sk = in_head(l, sl);
	unsigned st = stride(l, leaf), off = g16(p + 44) - (unsigned)cell_size(l, leaf, sl);
	uint64_t h = l.head ? head_of(l, k.p + pl, sl) : 0;
	uint8_t *s;

	if (l.inter || !l.head) {
		s = slot_at(l, p, leaf, i);
		memmove(s + st, s, (n - i) * st);
	} else {
		uint8_t *a = p + HEADS, *o = a + l.head * n;
		memmove(o + l.head + (i + 1) * st, o + i * st, (n - i) * st);
		memmove(o + l.head, o, i * st);
		memmove(a + (i + 1) * l.head, a + i * l.head, (n - i) * l.head);
		if (l.head == 4)
			memcpy(a + 4 * i, &(uint32_t){(uint32_t)h}, 4);
		else
			memcpy(a + 8 * i, &h, 8);
	}
	p16(p + 40, n + 1);
	p16(p + 44, off);
	s = slot_at(l, p, leaf, i);
	if (l.inter && l.head == 4)
		memcpy(s, &(uint32_t){(uint32_t)h}, 4);
	else if (l.inter)
		memcpy(s, &h, 8);
	p16(s + (l.inter ? l.head : 0), off);
	if (l.packed)
		p16(s + l.head + 2, sl);
	else
		p16(p + off, sl);
	unsigned ch = cell_hdr(l, leaf);
	memcpy(p + off + ch, k.p + pl + sk, sl - sk);
	if (leaf) {
		p16(p + off + ch - 2, val_bytes);
		memcpy(p + off + ch + sl - sk, val, val_bytes);
	} else {
		memcpy((ch == 14 ? p + off : s) + 2, &child, 4);
	}
}

INLINE uint32_t child_at(struct lay l, const uint8_t *p, unsigned i)
{
	if (i == 0)
		return g32(p + 52);
	if (l.cellref || l.inter || !l.head)
		return g32(p + off_at(l, p, false, i - 1) + 2);
	return g32(slot_at(l, p, false, i - 1) + 2);
}

INLINE const uint8_t *get(struct lay l, uint32_t root, struct key k)
{
	const uint8_t *p = arena + (size_t)root * PAGE;
	bool exact;

	while (p[13]) {
		unsigned i = lower(l, p, false, k.p, k.len, &exact) + exact;
		/* the lines that the next search begins with: header and first heads */
		p = arena + (size_t)child_at(l, p, i) * PAGE;
		if (p[13] == 0) {
			__builtin_prefetch(p + 64);
			__builtin_prefetch(p + 128);
		}
	}
	unsigned i = lower(l, p, true, k.p, k.len, &exact);
	if (!exact)
		return NULL;
	const uint8_t *c = p + off_at(l, p, true, i);
	unsigned sl = slen_at(l, p, true, i);
	return c + cell_hdr(l, true) + sl - in_head(l, sl);
}

static unsigned lcp(struct key a, struct key b)
{
	unsigned i = 0, m = a.len < b.len ? a.len : b.len;

	while (i < m && a.p[i] == b.p[i])
		i++;
	return i;
}

static int key_cmp(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return tail_cmp(x->p, x->len, y->p, y->len);
}

/* shortest s with a < s <= b: a prefix of b */
static struct key separator(struct key a, struct key b)
{
	return (struct key){b.p, lcp(a, b) + 1};
}

static uint64_t rng_state = 88172645463325252u;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	return rng_state ^= rng_state << 17;
}

struct entry {
	struct key key; /* fence below: records of the node are >= key */
	uint32_t page;
};

static uint8_t *node_new(struct lay l, bool leaf, unsigned level, struct key lo, unsigned pl)
{
	uint8_t *p = arena + (size_t)npages++ * PAGE;

	(void)l;
	(void)leaf;
	memset(p, 0, PAGE);
	p[13] = (uint8_t)level;
	p16(p + 42, pl);
	p16(p + 44, PAGE - pl);
	p16(p + 46, PAGE - pl);
	memcpy(p + PAGE - pl, lo.p, pl);
	return p;
}

/* how long the prefix of a node with keys[a..b) between fences lo and hi is */
INLINE unsigned prefix_len(struct lay l, struct key first, struct key last, const struct key *lo,
	const struct key *hi)
{
	if (l.prefix == NONE)
		return 0;
	if (l.prefix == ACTUAL)
		return lcp(first, last);
	return lo && hi ? lcp(*lo, *hi) : 0;
}

/* how many keys from a on go into a leaf, and its prefix */
INLINE size_t leaf_end(struct lay l, size_t a, size_t room, unsigned *ret_pl)
{
	struct key lo = a ? separator(keys[a - 1], keys[a]) : keys[0];
	size_t b = a, bytes = 0;

	for (; b < nkeys; b++) {
		struct key hi = b + 1 < nkeys ? separator(keys[b], keys[b + 1]) : lo;
		unsigned pl =
			prefix_len(l, keys[a], keys[b], a ? &lo : NULL, b + 1 < nkeys ? &hi : NULL);
		size_t sum = bytes + keys[b].len, n = b - a + 1;
		/* what heads hold of short keys counts twice: an upper bound is enough */
		if (pl + sum - n * pl + n * (rec_size(l, true, 1000) - 1000) > room && n > 1)
			break;
		bytes = sum;
		*ret_pl = pl;
	}
	return b;
}

/* the leaves, their records put in random order */
INLINE size_t build_leaves(struct lay l, double fill, struct entry *es)
{
	size_t ne = 0, room = (size_t)((PAGE - HEADS) * fill);
	uint8_t vals[65536];

	memset(vals, 'v', sizeof(vals));
	for (size_t a = 0, b; a < nkeys; a = b) {
		struct key lo = a ? separator(keys[a - 1], keys[a]) : keys[0];
		unsigned pl = 0;
		size_t n, order[2048];
		uint8_t *p;

		b = leaf_end(l, a, room, &pl);
		p = node_new(l, true, 0, keys[a], pl);
		n = b - a;
		for (size_t i = 0; i < n; i++)
			order[i] = a + i;
		for (size_t i = n - 1; i > 0; i--) {
			size_t j = rng() % (i + 1), t = order[i];
			order[i] = order[j];
			order[j] = t;
		}
		for (size_t i = 0; i < n; i++) {
			memcpy(vals, &order[i], 8);
			insert(l, p, true, keys[order[i]], vals, 0);
		}
		es[ne++] = (struct entry){lo, (uint32_t)((size_t)(p - arena) / PAGE)};
	}
	return ne;
}

/* how many of the entries from a on go into an inner node, and its prefix */
INLINE size_t inner_end(struct lay l, const struct entry *es, size_t ne, size_t a, size_t room,
	unsigned *ret_pl)
{
	size_t b = a + 1, bytes = 0;

	for (; b < ne; b++) {
		const struct key *hi = b + 1 < ne ? &es[b + 1].key : NULL;
		unsigned pl = prefix_len(l, es[a + 1].key, es[b].key, a ? &es[a].key : NULL, hi);
		size_t sum = bytes + es[b].key.len, n = b - a;
		size_t need = pl + sum + n * (rec_size(l, false, 1000) - 1000) - n * pl;
		if (l.head && !l.inter)
			need += n * l.head; /* short suffixes: heads are whole */
		if (need > room && n > 2)
			break;
		bytes = sum;
		*ret_pl = pl;
	}
	return b;
}

/* one level over the entries, in place; how many there are now */
INLINE size_t build_inner(struct lay l, double fill, struct entry *es, size_t ne, unsigned level)
{
	size_t up = 0, room = (size_t)((PAGE - HEADS) * fill);

	for (size_t a = 0, b; a < ne; a = b) {
		unsigned pl = 0;
		struct key low = es[a].key;
		uint8_t *p;

		b = inner_end(l, es, ne, a, room, &pl);
		if (l.prefix == ACTUAL && b - a > 1)
			low = es[a + 1].key;
		p = node_new(l, false, level, low, b - a == 1 ? 0 : pl);
		memcpy(p + 52, &es[a].page, 4);
		for (size_t i = a + 1; i < b; i++)
			insert(l, p, false, es[i].key, NULL, es[i].page);
		es[up++] = (struct entry){es[a].key, (uint32_t)((size_t)(p - arena) / PAGE)};
	}
	return up;
}

INLINE uint32_t build(struct lay l, double fill, size_t *ret_leaves, unsigned *ret_height)
{
	struct entry *es = malloc((nkeys / 4 + 2) * sizeof(*es));
	unsigned level = 1;
	uint32_t root;
	size_t ne;

	npages = 0;
	*ret_leaves = ne = build_leaves(l, fill, es);
	for (; ne > 1; level++)
		ne = build_inner(l, fill, es, ne, level);
	*ret_height = level;
	root = es[0].page;
	free(es);
	return root;
}

#endif
