/* SPDX-License-Identifier: MIT */
/*
 * What heads and prefixes are worth: a tree of the lines of a file, keys as given, values of eight
 * bytes; then each key is looked up, and the cache lines of 64 bytes that the searches read are
 * counted.
 *
 *	measure FILE	one key a line
 *
 * The count is of a binary search that looks at the middle entry, reads the cell only where heads
 * are equal, and compares bytes until they differ. It must come to the same entry as node_lower().
 */
#include "btree/btree.h"
#include "btree/node.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE       4096U
#define LINE_BYTES 64U
#define VAL_BYTES  8U

struct keys {
	struct btree_slice *all;
	size_t n, cap;
};

/* The lines of a page that were read; each is counted once. */
struct lines {
	bool read[PAGE / LINE_BYTES];
	unsigned n;
};

struct sums {
	uint64_t pages[2], entries, key_bytes; /* pages: leaves, inner nodes */
	uint64_t used, n_lookups, n_lines, n_steps, n_cells;
};

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "measure: %s\n", what);
	exit(EXIT_FAILURE);
}

static void read_keys(struct keys *keys, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char line[256];

	must(f != NULL, "the file of keys cannot be opened");
	while (fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n");
		char *copy = malloc(len + 1);

		if (keys->n == keys->cap) {
			keys->cap = keys->cap ? 2 * keys->cap : 1024;
			keys->all = realloc(keys->all, keys->cap * sizeof(*keys->all));
		}
		must(copy && keys->all, "no memory");
		memcpy(copy, line, len);
		keys->all[keys->n++] = (struct btree_slice){copy, len};
	}
	must(keys->n > 0, "there are no keys");
	if (f != stdin)
		(void)fclose(f);
}

static void touch(struct lines *l, unsigned at, unsigned n_bytes)
{
	for (unsigned line = at / LINE_BYTES;
		n_bytes > 0 && line <= (at + n_bytes - 1) / LINE_BYTES; line++) {
		l->n += !l->read[line];
		l->read[line] = true;
	}
}

/* Whole comparison of entry i with a suffix, by bytes; counts the lines of the cell. */
static int compare(const struct page *page, struct lines *l, unsigned i, const uint8_t *suffix,
	unsigned len)
{
	unsigned entry_len = node_suffix_len(page, i),
		 at = node_off(page, i) + node_cell_head(page);
	unsigned n = entry_len < len ? entry_len : len, k = NODE_HEAD_BYTES;

	while (k < n && node_bytes(page)[at + k - NODE_HEAD_BYTES] == suffix[k])
		k++;
	if (n > NODE_HEAD_BYTES)
		touch(l, at, (k < n ? k + 1 : n) - NODE_HEAD_BYTES);
	if (k < n)
		return node_bytes(page)[at + k - NODE_HEAD_BYTES] < suffix[k] ? -1 : 1;
	return entry_len < len ? -1 : entry_len > len;
}

/* One node: the entry that node_lower() finds, and the lines on the way. */
static unsigned walk(const struct page *page, struct btree_slice key, struct sums *s,
	bool *ret_exact)
{
	unsigned prefix_len = node_prefix_len(page), from = 0, to = node_count(page);
	const uint8_t *suffix = (const uint8_t *)key.data + prefix_len;
	unsigned len = (unsigned)key.len - prefix_len, index;
	struct lines l = {.n = 0};
	bool exact = false;

	touch(&l, NODE_COUNT, 4);
	while (from < to && !exact) {
		unsigned half = from + (to - from) / 2;
		uint32_t wanted = node_head(suffix, len),
			 found = node_head_at(node_slot(page, half));
		int c = found < wanted ? -1 : found > wanted;

		s->n_steps++;
		touch(&l, (unsigned)(node_slot(page, half) - node_bytes(page)), NODE_SLOT_BYTES);
		if (c == 0) {
			s->n_cells++;
			c = compare(page, &l, half, suffix, len);
		}
		exact = c == 0;
		if (c < 0)
			from = half + 1;
		else
			to = half;
	}
	index = node_lower(page, PAGE, key.data, (unsigned)key.len, ret_exact);
	must(index == to && exact == *ret_exact, "node_lower() finds another entry");
	s->n_lines += l.n;
	return index;
}

static void look_up(struct double_env *env, const struct btree *bt, struct btree_slice key,
	struct sums *s)
{
	struct page_ref ref = bt->root.ref;

	s->n_lookups++;
	for (;;) {
		const struct page *page = double_page(env, ref.pgno);
		bool exact;
		unsigned i = walk(page, key, s, &exact);

		if (page->level == 0) {
			must(exact, "a key that was put is not found");
			return;
		}
		ref = node_child(page, PAGE, i + exact);
	}
}

static void count_pages(struct double_env *env, struct page_ref ref, struct sums *s)
{
	const struct page *page = double_page(env, ref.pgno);

	s->pages[page->level > 0]++;
	if (page->level == 0) {
		s->used += node_used(page);
		s->entries += node_count(page);
		return;
	}
	for (unsigned i = 0; i <= node_count(page); i++)
		count_pages(env, node_child(page, PAGE, i), s);
}

static double per(uint64_t a, uint64_t b)
{
	return (double)a / (double)b;
}

int main(int argc, char **argv)
{
	struct txn_root root = {.tree = 7};
	struct keys keys = {0};
	struct sums s = {0};
	struct double_env *env;
	struct btree bt;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: measure FILE\n");
		return 2;
	}
	read_keys(&keys, argv[1]);
	env = double_open(PAGE);
	btree_init(&bt, &env->txn, &root);
	for (size_t i = 0; i < keys.n; i++) {
		static const uint8_t val[VAL_BYTES];

		must(btree_put(&bt, keys.all[i], (struct btree_slice){val, VAL_BYTES}, 0) == 0,
			"a key cannot be put");
		s.key_bytes += keys.all[i].len;
	}
	count_pages(env, bt.root.ref, &s);
	for (size_t i = 0; i < keys.n; i++)
		look_up(env, &bt, keys.all[i], &s);
	printf("heads of %u bytes, prefixes %s\n", NODE_HEAD_BYTES, NODE_PREFIXES ? "on" : "off");
	printf("records          %8llu   (keys of %.1f bytes, values of %u)\n",
		(unsigned long long)s.entries, per(s.key_bytes, keys.n), VAL_BYTES);
	printf("leaves           %8llu   inner nodes %llu\n", (unsigned long long)s.pages[0],
		(unsigned long long)s.pages[1]);
	printf("bytes a record   %8.1f   used, of %.1f with the empty part of the leaves\n",
		per(s.used, s.entries), per(s.pages[0] * PAGE, s.entries));
	printf("lines a lookup   %8.2f   of 64 bytes, in all nodes from the root\n",
		per(s.n_lines, s.n_lookups));
	printf("steps a lookup   %8.2f   of which %.2f read a cell\n", per(s.n_steps, s.n_lookups),
		per(s.n_cells, s.n_lookups));
	for (size_t i = 0; i < keys.n; i++)
		free((void *)(uintptr_t)keys.all[i].data);
	free(keys.all);
	btree_fini(&bt);
	double_close(env);
	return 0;
}
