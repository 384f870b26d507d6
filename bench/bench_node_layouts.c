/* SPDX-License-Identifier: MIT */
/*
 * bench_node_layouts: which layout of a B-tree node should Verso have?
 *
 * Each layout fills real 4 KiB nodes of a static tree in memory from the same sorted records, then
 * does the same random lookups; every result is compared with the value that was put in. Cells
 * inside a leaf lie in the order of random insertion, as they do in a tree that grew.
 *
 * Layouts:
 *	slots	LMDB's idea: sorted u16 offsets, the whole key in the cell, memcmp at every probe
 *	inter	u32 head and u16 offset side by side in an 8-byte slot, the whole key in the cell
 *	dense4	common prefix once; u32 heads in one array, slots in another; an inner slot holds
 *		the child
 *	cellref	dense4, but an inner node's child reference lies in its cell
 *	dense8	dense4 with u64 heads
 *	packed	head, offset and suffix length side by side in an 8-byte slot, prefix and tails as
 *		dense4
 *	packd8	the same with a u64 head, 12-byte slots
 *	actual	dense4, but the prefix is that of the keys present, not of the two fences, and is
 *		compared by every search
 *
 * and, for dense4, the searches: branchy binary search, branch-free (bfree), branchy down to 16
 * heads and SSE2 in a leaf (sse2).
 *
 * Usage: bench_node_layouts LAYOUT random|FILE RECORDS LOOKUPS [VALUE_BYTES]
 * FILE holds one key a line in any order. With LOOKUPS 0 only the tree is built: the base line for
 * cachegrind.
 */
#include "bench/node_layouts.h"

#include <stdio.h>
#include <time.h>

#define ROUNDS 11

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* fill a copy of a leaf's first half, then time the inserts of its second half */
INLINE double bench_insert(struct lay l, uint32_t nleaves)
{
	static uint8_t page[PAGE];
	uint8_t vals[65536];
	double best = 1e9;

	memset(vals, 'v', sizeof(vals));
	for (int rep = 0; rep < 1; rep++) {
		size_t count = 0;
		double t = 0;
		rng_state = 12345;
		for (int r = 0; r < 1000; r++) {
			uint8_t *src = arena + (size_t)(rng() % nleaves) * PAGE;
			unsigned n = n_of(src), pl = plen_of(src);
			static uint8_t kb[1024][1024];
			struct key ks[1024];
			if (n > 1000)
				n = 1000;
			for (unsigned i = 0; i < n; i++) {
				const uint8_t *c = src + off_at(l, src, true, i);
				unsigned sl = slen_at(l, src, true, i), sk = in_head(l, sl);
				uint64_t h = l.head ? head_at(l, src, i) : 0;
				h = l.head == 8 ? __builtin_bswap64(h)
						: __builtin_bswap32((uint32_t)h);
				memcpy(kb[i], src + g16(src + 46), pl);
				memcpy(kb[i] + pl, &h, sk);
				memcpy(kb[i] + pl + sk, c + cell_hdr(l, true), sl - sk);
				ks[i] = (struct key){kb[i], pl + sl};
			}
			memcpy(page, src, PAGE);
			p16(page + 40, 0);
			p16(page + 44, PAGE - pl);
			for (unsigned i = 0; i < n; i++) {
				unsigned j = i + (unsigned)(rng() % (n - i));
				struct key x = ks[i];
				ks[i] = ks[j];
				ks[j] = x;
			}
			for (unsigned i = 0; i < n / 2; i++)
				insert(l, page, true, ks[i], vals, 0);
			double t0 = now();
			for (unsigned i = n / 2; i < n; i++)
				insert(l, page, true, ks[i], vals, 0);
			t += now() - t0;
			count += n - n / 2;
		}
		if (t / (double)count < best)
			best = t / (double)count;
	}
	return best * 1e9;
}

/* One layout and its tree. */
struct contender {
	struct lay lay;
	void (*make)(struct contender *c);
	double (*look)(struct contender *c, const struct key *qs, const size_t *at, size_t n);
	double (*put)(struct contender *c);
	uint8_t *arena;
	uint32_t root, npages;
	size_t leaves, used;
	unsigned height;
	double gets[ROUNDS], puts[ROUNDS]; /* ns of one, in each round */
};

INLINE void make(struct contender *c, struct lay l)
{
	c->root = build(l, 0.70, &c->leaves, &c->height);
	c->npages = npages;
	for (size_t i = 0; i < c->leaves; i++) {
		const uint8_t *p = arena + i * PAGE;
		c->used += PAGE - g16(p + 44) + (l.inter ? l.head + 4 : l.head + 2) * n_of(p);
	}
}

INLINE double look(struct contender *c, struct lay l, const struct key *qs, const size_t *at,
	size_t n)
{
	double t0 = now();

	for (size_t i = 0; i < n; i++) {
		const uint8_t *v = get(l, c->root, qs[i]);
		if (!v || memcmp(v, &at[i], 8) != 0) {
			printf("%s: WRONG at %zu\n", l.name, at[i]);
			exit(1);
		}
	}
	return (now() - t0) / (double)n * 1e9;
}

#define CONTENDER(x, ...)                                                                          \
	static void x##_make(struct contender *c)                                                  \
	{                                                                                          \
		make(c, (struct lay)__VA_ARGS__);                                                  \
	}                                                                                          \
	static double x##_look(struct contender *c, const struct key *qs, const size_t *at,        \
		size_t n)                                                                          \
	{                                                                                          \
		return look(c, (struct lay)__VA_ARGS__, qs, at, n);                                \
	}                                                                                          \
	static double x##_put(struct contender *c)                                                 \
	{                                                                                          \
		return bench_insert((struct lay)__VA_ARGS__, (uint32_t)c->leaves);                 \
	}                                                                                          \
	static struct contender x = {                                                              \
		.lay = __VA_ARGS__, .make = x##_make, .look = x##_look, .put = x##_put}

CONTENDER(slots, {"slots", NONE, 0, false, true, false, BRANCHY});
CONTENDER(inter, {"inter", NONE, 4, true, true, false, BRANCHY});
CONTENDER(dense4, {"dense4", FENCES, 4, false, false, false, BRANCHY});
CONTENDER(cellref, {"cellref", FENCES, 4, false, true, false, BRANCHY});
CONTENDER(dense8, {"dense8", FENCES, 8, false, false, false, BRANCHY});
CONTENDER(packed, {"packed", FENCES, 4, true, true, true, BRANCHY});
CONTENDER(packd8, {"packd8", FENCES, 8, true, true, true, BRANCHY});
CONTENDER(actual, {"actual", ACTUAL, 4, false, false, false, BRANCHY});
CONTENDER(bfree, {"bfree", FENCES, 4, false, false, false, BFREE});
CONTENDER(sse2, {"sse2", FENCES, 4, false, false, false, SSE2});

static int load(const char *what, size_t n)
{
	if (strcmp(what, "random") == 0) {
		uint8_t *b = malloc(n * 8);
		keys = malloc(n * sizeof(*keys));
		for (size_t i = 0; i < n; i++) {
			uint64_t r = rng() * 0x9e3779b97f4a7c15u;
			memcpy(b + 8 * i, &r, 8);
			keys[i] = (struct key){b + 8 * i, 8};
		}
		nkeys = n;
	} else {
		FILE *f = fopen(what, "r");
		char *line = NULL;
		size_t cap = 0, max = 1u << 22;
		ssize_t len;
		if (!f)
			return 1;
		keys = malloc(max * sizeof(*keys));
		while (nkeys < n && nkeys < max && (len = getline(&line, &cap, f)) > 0) {
			if (len > 1 && line[len - 1] == '\n')
				len--;
			if (len > 900)
				continue;
			uint8_t *b = malloc((size_t)len + 8);
			memcpy(b, line, (size_t)len);
			keys[nkeys++] = (struct key){b, (unsigned)len};
		}
		fclose(f);
	}
	qsort(keys, nkeys, sizeof(*keys), key_cmp);
	size_t u = 0;
	for (size_t i = 0; i < nkeys; i++)
		if (u == 0 || key_cmp(&keys[u - 1], &keys[i]) != 0)
			keys[u++] = keys[i];
	nkeys = u;
	return 0;
}

static struct contender *const contenders[] = {
	&slots, &inter, &dense4, &cellref, &dense8, &packed, &packd8, &actual, &bfree, &sse2};

static void choose(struct key *qs, size_t *at, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		at[i] = rng() % nkeys;
		qs[i] = keys[at[i]];
		if (qs[i].len == 8) { /* the query's own bytes are not what is measured */
			memcpy(bytes + 16 * i, qs[i].p, 8);
			qs[i].p = bytes + 16 * i;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *x, unsigned n)
{
	qsort(x, n, sizeof(*x), by_size);
	return x[n / 2];
}

static void show(struct contender *c, unsigned rounds)
{
	printf("%-8s %7zu leaves %5zu inner, height %u, %6.1f bytes/record", c->lay.name, c->leaves,
		c->npages - c->leaves, c->height, (double)c->used / (double)nkeys);
	if (rounds > 0)
		printf(", get %6.0f ns, insert %5.1f ns", median(c->gets, rounds),
			median(c->puts, rounds));
	printf("\n");
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: bench_node_layouts LAYOUT|all random|FILE RECORDS LOOKUPS "
				"[VALUE_BYTES]\n");
		return 2;
	}
	size_t n = strtoull(argv[3], NULL, 10), lookups = strtoull(argv[4], NULL, 10);
	unsigned rounds = lookups == 0 ? 0 : getenv("ONCE") ? 1 : ROUNDS;
	bool all = strcmp(argv[1], "all") == 0;

	if (argc > 5)
		val_bytes = (unsigned)strtoul(argv[5], NULL, 10);
	if (val_bytes < 8 || val_bytes > 900 || load(argv[2], n) != 0 || nkeys < 2) {
		fprintf(stderr, "bench_node_layouts: no records in %s\n", argv[2]);
		return 2;
	}
	size_t bytes = 64 * PAGE, n_all = sizeof(contenders) / sizeof(contenders[0]);
	for (size_t i = 0; i < nkeys; i++)
		bytes += (size_t)((keys[i].len + val_bytes + 24) * 1.9);
	for (size_t k = 0; k < n_all; k++) {
		struct contender *c = contenders[k];

		if (!all && strcmp(argv[1], c->lay.name) != 0)
			continue;
		arena = aligned_alloc(2u << 20, (bytes + (2u << 20)) & ~((size_t)(2u << 20) - 1));
		if (!arena)
			return 1;
		c->arena = arena;
		c->make(c);
	}
	struct key *qs = malloc((lookups + 1) * sizeof(*qs));
	size_t *at = malloc((lookups + 1) * sizeof(*at));
	uint8_t *copies = malloc(lookups * 16 + 16);
	for (unsigned r = 0; r < rounds; r++) {
		rng_state = 777 + r;
		choose(qs, at, copies, lookups);
		for (size_t k = 0; k < n_all; k++) {
			struct contender *c = contenders[(k + r) % n_all];

			if (!c->arena)
				continue;
			arena = c->arena;
			c->gets[r] = c->look(c, qs, at, lookups);
			c->puts[r] = rounds > 1 ? c->put(c) : 0;
		}
	}
	for (size_t k = 0; k < n_all; k++)
		if (contenders[k]->arena)
			show(contenders[k], rounds);
	return 0;
}
