/* SPDX-License-Identifier: MIT */
/* The parts of the tree one by one: a node, long values, cursors. */
#include "btree/btree_int.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 512U

struct fixture {
	struct double_env *env;
	struct btree bt;
};

static void open_tree(struct fixture *f)
{
	struct txn_root root = {.tree = 7};

	f->env = double_open(PAGE);
	btree_init(&f->bt, &f->env->txn, &root);
}

static void close_tree(struct fixture *f)
{
	ck_assert_uint_eq(f->env->n_pins, 0);
	btree_fini(&f->bt);
	double_close(f->env);
}

static struct btree_slice text(const char *s)
{
	return (struct btree_slice){s, strlen(s)};
}

static void put(struct fixture *f, const char *key)
{
	ck_assert_int_eq(btree_put(&f->bt, text(key), text(key), 0), 0);
}

/* Keys of every length around the head's, with bytes that are easily taken for padding. */
START_TEST(search_agrees_with_memcmp)
{
	uint64_t rng = check_seed();
	uint8_t scratch[PAGE], keys[64][12], buf[128];
	unsigned lens[64];

	for (unsigned round = 0; round < 2000; round++) {
		_Alignas(8) uint8_t bytes[PAGE] = {0};
		struct page *page = (struct page *)bytes;
		unsigned n = 0, prefix_len = (unsigned)(check_random(&rng) % 3);
		static const uint8_t prefix[2] = {0xff, 0};

		page->type = PAGE_NODE;
		page->level = (uint8_t)(check_random(&rng) % 2);
		node_init(page, PAGE, prefix, prefix_len);
		for (unsigned tries = 0; tries < 40; tries++) {
			uint8_t key[12];
			unsigned len = prefix_len + (unsigned)(check_random(&rng) % 8), at = 0;
			bool exact;
			struct node_entry entry = {.key = key, .key_len = len, .child = {9, 9}};

			memcpy(key, prefix, prefix_len);
			for (unsigned i = prefix_len; i < len; i++)
				key[i] = (uint8_t)(check_random(&rng) % 3 * 127);
			while (at < n && key_cmp(keys[at], lens[at], key, len) < 0)
				at++;
			ck_assert_uint_eq(node_lower(page, PAGE, key, len, &exact), at);
			ck_assert_int_eq(exact,
				at < n && key_cmp(keys[at], lens[at], key, len) == 0);
			ck_assert_int_eq(node_is_above(page, PAGE, key, len),
				n > 0 && at == n && !exact);
			if (exact || n == 64 || !node_fits(page, PAGE, &entry))
				continue;
			node_insert(page, PAGE, at, &entry, scratch);
			memmove(keys[at + 1], keys[at], (n - at) * sizeof(keys[0]));
			memmove(&lens[at + 1], &lens[at], (n - at) * sizeof(lens[0]));
			memcpy(keys[at], key, len);
			lens[at] = len;
			n++;
			ck_assert_ptr_null(node_validate(page, PAGE));
			ck_assert(node_is_ordered(page));
		}
		for (unsigned i = 0; i < n; i++) {
			ck_assert_uint_eq(node_key(page, PAGE, i, buf), lens[i]);
			ck_assert_int_eq(memcmp(buf, keys[i], lens[i]), 0);
		}
		while (n > 0) {
			unsigned i = (unsigned)(check_random(&rng) % n);

			node_remove(page, PAGE, i);
			n--;
			if (i % 4 == 0)
				node_compact(page, PAGE, scratch);
			ck_assert_ptr_null(node_validate(page, PAGE));
		}
		ck_assert_uint_eq(node_used(page), prefix_len);
	}
}
END_TEST

/* Puts, checks and reads back a value of len bytes in all ways. */
static void long_value(struct fixture *f, struct btree_slice key, const uint8_t *val, size_t len,
	uint64_t *rng)
{
	uint8_t *got = malloc(len);
	struct btree_item item;
	size_t n = 99;

	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(btree_put(&f->bt, key, (struct btree_slice){val, len}, 0), 0);
	ck_assert_int_eq(btree_get(&f->bt, key, &item), 0);
	ck_assert_uint_eq(item.val.len, len);
	ck_assert_int_eq(btree_item_read(&f->bt, &item, 0, got, len, &n), 0);
	ck_assert_uint_eq(n, len);
	ck_assert_int_eq(memcmp(got, val, len), 0);
	for (unsigned i = 0; i < 20; i++) {
		size_t off = check_random(rng) % (len + 5);
		size_t want = check_random(rng) % (i % 2 ? 3000 : 300);

		if (i % 4 == 0) /* near the end, where the leaf's part begins */
			off = len - (off < 600 ? off : off % 600) % len;
		ck_assert_int_eq(btree_item_read(&f->bt, &item, off, got, want < len ? want : len,
					 &n),
			0);
		if (off > len)
			off = len;
		if (want > len)
			want = len;
		ck_assert_uint_eq(n, want < len - off ? want : len - off);
		ck_assert_int_eq(memcmp(got, val + off, n), 0);
	}
	btree_item_put(&f->bt, &item);
	ck_assert_int_eq(btree_check(&f->bt, NULL, NULL, NULL), 0);
	free(got);
}

/*
 * Lengths around every edge of the geometry: what the leaf can hold, full pages, an odd end that
 * fits the cell and one that does not, references that fill the cell, two levels above the bytes.
 */
START_TEST(long_values_have_every_length)
{
	static const unsigned key_lens[] = {0, 1, 37, 80};
	size_t per_page = PAGE - 48, refs = per_page / 12, size = per_page * refs * refs + 2;
	size_t room = node_value_max(PAGE, key_lens[_i]), cell_refs = (room - 8) / 12;
	size_t edges[] = {room, per_page, 2 * per_page, per_page + room - 20,
		3 * per_page + room - 44, per_page * cell_refs,
		per_page * cell_refs + (room - 8) % 12, per_page * refs,
		per_page * refs * cell_refs, per_page * refs * refs};
	uint64_t rng = check_seed();
	uint8_t *val = malloc(size), key[80] = "k";
	struct btree_slice k = {key, key_lens[_i]};
	struct fixture f;

	ck_assert_ptr_nonnull(val);
	model_value(5, val, size);
	open_tree(&f);
	for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++) {
		for (size_t len = edges[e] - 1; len <= edges[e] + 1; len++)
			long_value(&f, k, val, len, &rng);
		double_commit(f.env);
	}
	for (size_t i = 0; i < 200; i++)
		long_value(&f, k, val, 1 + check_random(&rng) % (i % 10 ? 20 * per_page : size),
			&rng);
	ck_assert_int_eq(btree_del(&f.bt, k), 0);
	ck_assert_uint_eq(f.env->n_live, 0);
	close_tree(&f);
	free(val);
}
END_TEST

/* How many pages a tree of one record has: its leaf, and what the value takes. */
START_TEST(long_values_take_full_pages)
{
	const size_t cell = node_value_max(PAGE, 1); /* bytes of a value that a leaf takes */
	const struct {
		size_t len, n_pages;
	} values[] = {
		{cell, 1},               /* half a page: in the leaf */
		{cell + 1, 2}, {464, 2}, /* no odd end would fit, or there is none */
		{464 + cell - 20, 2}, {464 + cell - 19, 3}, /* length, a reference, odd end */
		{17 * 464, 18},
		{17 * 464 + cell - 212, 18}, /* 17 references and some bytes fill the cell */
		{17 * 464 + cell - 211, 20}, {18 * 464, 20},   /* an index page */
		{17 * 38 * 464, 1 + 17 + 17 * 38},             /* 17 of them */
		{17 * 38 * 464 + 1, 1 + 1 + 18 + 17 * 38 + 1}, /* one above 18 */
	};
	size_t size = 17 * 38 * 464 + 1;
	uint8_t *val = calloc(1, size);
	struct fixture f;

	ck_assert_ptr_nonnull(val);
	open_tree(&f);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		ck_assert_int_eq(btree_put(&f.bt, text("k"),
					 (struct btree_slice){val, values[i].len}, 0),
			0);
		ck_assert_msg(f.env->n_live == values[i].n_pages,
			"%zu bytes take %zu pages, not %zu", values[i].len, f.env->n_live,
			values[i].n_pages);
	}
	close_tree(&f);
	free(val);
}
END_TEST

START_TEST(put_of_a_long_value_that_is_there_writes_nothing)
{
	static uint8_t big[100000];
	struct fixture f;
	size_t calls;

	open_tree(&f);
	put(&f, "k");
	calls = f.env->n_prepares;
	ck_assert_int_eq(btree_put(&f.bt, text("k"), (struct btree_slice){big, sizeof(big)},
				 BTREE_NOOVERWRITE),
		VERSO_EXISTS);
	ck_assert_uint_eq(f.env->n_prepares, calls);
	close_tree(&f);
}
END_TEST

static void expect(int rc, struct btree_slice key, const char *want)
{
	if (!want) {
		ck_assert_int_eq(rc, VERSO_NOTFOUND);
		return;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(key.len, strlen(want));
	ck_assert_int_eq(memcmp(key.data, want, key.len), 0);
}

#define NEXT(c, want)     expect(btree_cursor_next(c, &key, &item), key, want)
#define PREV(c, want)     expect(btree_cursor_prev(c, &key, &item), key, want)
#define SEEK(c, at, want) expect(btree_cursor_seek(c, text(at), &key, &item), key, want)

START_TEST(cursor_of_an_empty_tree_finds_nothing)
{
	struct btree_slice key = {0};
	struct btree_item item;
	struct btree_cursor *c;
	struct fixture f;

	open_tree(&f);
	ck_assert_int_eq(btree_cursor_open(&f.bt, &c), 0);
	NEXT(c, NULL);
	PREV(c, NULL);
	SEEK(c, "a", NULL);
	ck_assert_int_eq(btree_cursor_del(c), VERSO_NOTFOUND);
	put(&f, "b");
	PREV(c, "b"); /* seek had gone behind the last */
	PREV(c, NULL);
	NEXT(c, "b");
	btree_cursor_close(c);
	btree_cursor_close(NULL);
	close_tree(&f);
}
END_TEST

START_TEST(after_a_delete_next_is_above_and_prev_below)
{
	struct btree_slice key = {0};
	struct btree_item item;
	struct btree_cursor *c;
	struct fixture f;

	open_tree(&f);
	for (const char *k = "abcdefg"; *k; k++)
		put(&f, (const char[]){*k, 0});
	ck_assert_int_eq(btree_cursor_open(&f.bt, &c), 0);
	SEEK(c, "c", "c");
	ck_assert_int_eq(btree_cursor_del(c), 0);
	ck_assert_int_eq(btree_cursor_del(c), VERSO_NOTFOUND);
	NEXT(c, "d");
	ck_assert_int_eq(btree_cursor_del(c), 0);
	PREV(c, "b");
	NEXT(c, "e");
	PREV(c, "b");
	PREV(c, "a");
	ck_assert_int_eq(btree_cursor_del(c), 0);
	PREV(c, NULL);
	PREV(c, NULL);
	NEXT(c, "b");
	SEEK(c, "g", "g");
	ck_assert_int_eq(btree_cursor_del(c), 0);
	NEXT(c, NULL);
	NEXT(c, NULL);
	PREV(c, "f");
	SEEK(c, "bb", "e");
	SEEK(c, "", "b");
	SEEK(c, "zz", NULL);
	btree_cursor_close(c);
	close_tree(&f);
}
END_TEST

START_TEST(edits_elsewhere_do_not_move_a_cursor)
{
	struct btree_slice key = {0};
	struct btree_item item;
	struct btree_cursor *a, *b;
	struct fixture f;
	char name[16];

	open_tree(&f);
	put(&f, "m");
	ck_assert_int_eq(btree_cursor_open(&f.bt, &a), 0);
	ck_assert_int_eq(btree_cursor_open(&f.bt, &b), 0);
	NEXT(a, "m");
	NEXT(b, "m");
	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "%c%03u", i % 2 ? 'a' : 'z', i);
		put(&f, name);
	}
	NEXT(a, "z000");
	PREV(b, "a499");
	/* what is given of itself may be given back */
	ck_assert_int_eq(btree_cursor_seek(b, key, &key, &item), 0);
	expect(0, key, "a499");
	ck_assert_int_eq(btree_del(&f.bt, key), 0);
	NEXT(b, "m");
	ck_assert_int_eq(btree_drop(&f.bt), 0);
	NEXT(b, NULL);
	PREV(a, NULL);
	btree_cursor_close(b);
	btree_cursor_close(a);
	ck_assert_uint_eq(f.env->n_live, 0);
	close_tree(&f);
}
END_TEST

START_TEST(seek_takes_a_key_longer_than_any)
{
	struct btree_slice key = {0}, longer;
	struct btree_item item;
	struct btree_cursor *c;
	struct fixture f;
	char bytes[300];
	uint32_t max = btree_key_max(PAGE);

	memset(bytes, 'x', sizeof(bytes));
	open_tree(&f);
	ck_assert_int_eq(btree_put(&f.bt, (struct btree_slice){bytes, max}, text(""), 0), 0);
	put(&f, "y");
	ck_assert_int_eq(btree_cursor_open(&f.bt, &c), 0);
	longer = (struct btree_slice){bytes, max + 1};
	expect(btree_cursor_seek(c, longer, &key, &item), key, "y");
	bytes[max - 1] = 'w';
	ck_assert_int_eq(btree_cursor_seek(c, longer, &key, &item), 0);
	ck_assert_uint_eq(key.len, max);
	btree_cursor_close(c);
	close_tree(&f);
}
END_TEST

/* Two leaves are no scan; then the window doubles, so a short one loads little in vain. */
START_TEST(short_scan_names_few_leaves)
{
	struct btree_slice key = {0};
	struct btree_item item;
	struct btree_cursor *c;
	const struct page *leaf = NULL;
	unsigned n_leaves = 0;
	struct fixture f;
	char name[16];

	open_tree(&f);
	f.env->pager.ahead_pages = 256;
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof(name), "%07u", i * 7919 % 10000);
		put(&f, name);
	}
	ck_assert_int_eq(btree_cursor_open(&f.bt, &c), 0);
	f.env->n_prefetched = 0;
	while (n_leaves < 200 && btree_cursor_next(c, &key, &item) == 0) {
		n_leaves += item.pin != leaf;
		leaf = item.pin;
		if (n_leaves <= 2)
			ck_assert_uint_eq(f.env->n_prefetched, 0);
		else
			ck_assert_uint_gt(f.env->n_prefetched + 2, n_leaves);
		ck_assert_uint_le(f.env->n_prefetched, 16 + 4 * n_leaves);
	}
	ck_assert_uint_ge(f.env->n_prefetched, 256);
	btree_cursor_close(c);
	close_tree(&f);
}
END_TEST

/* Groups of keys with prefixes of their own: a bound has the prefix of few inner pages. */
static unsigned grouped_key(char *key, unsigned group, unsigned i)
{
	static const char *const prefixes[] = {
		"", "a", "m/long/prefix/of/a/path/", "m/long/z", "~~"};
	const unsigned n_prefixes = sizeof(prefixes) / sizeof(prefixes[0]);

	return (unsigned)snprintf(key, 64, "%s%c%05u", prefixes[group % n_prefixes],
		'0' + (char)group, i);
}

static int order(struct btree_slice a, struct btree_slice b)
{
	int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* The leaves that hold records of [from, to). */
static unsigned leaves_of_range(struct fixture *f, struct btree_slice from, struct btree_slice to)
{
	struct btree_slice key = {0};
	struct btree_item item;
	struct btree_cursor *c;
	const struct page *leaf = NULL;
	unsigned n = 0;

	ck_assert_int_eq(btree_cursor_open(&f->bt, &c), 0);
	for (int rc = btree_cursor_seek(c, from, &key, &item); rc == 0;
		rc = btree_cursor_next(c, &key, &item)) {
		if (order(key, to) >= 0)
			break;
		n += item.pin != leaf;
		leaf = item.pin;
	}
	btree_cursor_close(c);
	return n;
}

/* The first and the last leaf may hold other records; of the rest none is left out or added. */
START_TEST(advice_names_the_leaves_of_a_range)
{
	const unsigned n_groups = 10, n_keys = 300, step = 97;
	struct btree_slice from, to;
	char a[64], b[64];
	struct fixture f;

	open_tree(&f);
	for (unsigned i = 0; i < n_keys; i++) {
		for (unsigned group = 0; group < n_groups; group++) {
			(void)grouped_key(a, group, i);
			put(&f, a);
		}
	}
	for (unsigned x = 0; x < n_groups * n_keys; x += step) {
		for (unsigned y = 0; y < n_groups * n_keys; y += step) {
			unsigned n;

			from = (struct btree_slice){a, grouped_key(a, x / n_keys, x % n_keys)};
			to = (struct btree_slice){b, grouped_key(b, y / n_keys, y % n_keys)};
			if (order(from, to) >= 0)
				continue;
			n = leaves_of_range(&f, from, to);
			f.env->n_prefetched = 0;
			ck_assert_int_eq(btree_advise(&f.bt, from, to, BTREE_ADVICE_COLD), 0);
			ck_assert_int_eq(btree_advise(&f.bt, from, to, BTREE_ADVICE_WILLNEED), 0);
			ck_assert_uint_ge(f.env->n_prefetched, n);
			ck_assert_uint_le(f.env->n_prefetched, n + 2);
		}
	}
	close_tree(&f);
}
END_TEST

/* How a scan's names are taken: peeks that miss, pages taken of a call, how far ahead. */
static const struct {
	unsigned miss;
	size_t take;
	uint32_t ahead_pages;
} scans[] = {{0, 0, 256}, {2, 0, 256}, {0, 3, 256}, {3, 5, 64}, {0, 0, 1}, {0, 0, 0}};

/* A scan names nearly each leaf to the pager, none twice, whether it is in memory or not, and
 * whatever the pager takes of a call; none where the pager wants none. */
START_TEST(scan_names_leaves_ahead)
{
	bool down = _i % 2;
	struct btree_slice key = {0};
	struct btree_check_stats stats;
	struct btree_item item;
	struct btree_cursor *c;
	struct fixture f;
	char name[16];

	open_tree(&f);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "%07u", i * 7919 % 5000);
		put(&f, name);
	}
	ck_assert_int_eq(btree_check(&f.bt, NULL, NULL, &stats), 0);
	ck_assert_int_eq(btree_cursor_open(&f.bt, &c), 0);
	while (btree_cursor_next(c, &key, &item) == 0)
		;
	f.env->miss = scans[_i / 2].miss;
	f.env->take = scans[_i / 2].take;
	f.env->pager.ahead_pages = scans[_i / 2].ahead_pages;
	f.env->n_prefetched = 0;
	ck_assert_int_eq((down ? btree_cursor_last : btree_cursor_first)(c, &key, &item), 0);
	while ((down ? btree_cursor_prev : btree_cursor_next)(c, &key, &item) == 0)
		;
	if (scans[_i / 2].ahead_pages == 0)
		ck_assert_uint_eq(f.env->n_prefetched, 0);
	else
		ck_assert_uint_ge(f.env->n_prefetched, stats.n_leaves * 9 / 10);
	ck_assert_uint_le(f.env->n_prefetched, stats.n_leaves);
	btree_cursor_close(c);
	close_tree(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_parts");
	TCase *t = tcase_create("parts");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, search_agrees_with_memcmp);
	tcase_add_loop_test(t, long_values_have_every_length, 0, 4);
	tcase_add_test(t, long_values_take_full_pages);
	tcase_add_test(t, put_of_a_long_value_that_is_there_writes_nothing);
	tcase_add_test(t, cursor_of_an_empty_tree_finds_nothing);
	tcase_add_test(t, after_a_delete_next_is_above_and_prev_below);
	tcase_add_test(t, edits_elsewhere_do_not_move_a_cursor);
	tcase_add_test(t, seek_takes_a_key_longer_than_any);
	tcase_add_test(t, short_scan_names_few_leaves);
	tcase_add_test(t, advice_names_the_leaves_of_a_range);
	tcase_add_loop_test(t, scan_names_leaves_ahead, 0, 2 * sizeof(scans) / sizeof(scans[0]));
	suite_add_tcase(s, t);
	return check_main(s);
}
