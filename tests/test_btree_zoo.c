/* SPDX-License-Identifier: MIT */
/*
 * A zoo of damaged trees: sound pages changed by hand and sealed again, so that every checksum is
 * right. btree_check must reject each for the right reason; and get, scan, put, delete and the walk
 * of references must return, without a crash, whatever they find.
 */
#include "btree/btree_int.h"
#include "btree/catalogue.h"
#include "tests/check_main.h"
#include "tests/btree_zoo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ZOO_PAGE
#define N    3000U

static void make_key(char *key, unsigned i)
{
	(void)snprintf(key, 32, "/usr/share/%02u/%05u%s", i / 300, i, i % 3 == 0 ? "x" : "");
}

static int zoo_put(struct zoo *z, unsigned i, size_t len)
{
	static uint8_t val[40000];
	char key[32];

	make_key(key, i);
	return btree_put(&z->bt, (struct btree_slice){key, strlen(key)},
		(struct btree_slice){val, len}, 0);
}

static struct page_ref child(struct zoo *z, struct page_ref ref, unsigned i)
{
	return node_child(double_page(z->env, ref.pgno), PAGE, i);
}

static unsigned count(struct zoo *z, struct page_ref ref)
{
	return node_count(double_page(z->env, ref.pgno));
}

/* A suffix that does not fill its head. Whole keys do, and without heads there is none to fill. */
static bool is_short(const struct page *leaf, unsigned i)
{
	unsigned len = node_suffix_len(leaf, i);

	return node_tail_len(len) == 0 && len != NODE_HEAD_BYTES;
}

/*
 * A leaf of z->inner, not its first nor its last, whose keys differ in their last bytes: some
 * suffixes are shorter than a head. It and the next one have room for what a leaf holds of a long
 * value.
 */
static unsigned middle_leaf(struct zoo *z)
{
	unsigned n = count(z, z->inner);

	for (unsigned i = 1; i < n; i++) {
		struct page *leaf = double_page(z->env, child(z, z->inner, i).pgno);
		struct page *next = double_page(z->env, child(z, z->inner, i + 1).pgno);

		if (node_used(leaf) + 100 > node_cap(PAGE) ||
			node_used(next) + 100 > node_cap(PAGE))
			continue;
		for (unsigned k = 0; k < node_count(leaf); k++)
			if (NODE_HEAD_BYTES == 0 || !NODE_PREFIXES || is_short(leaf, k))
				return i;
	}
	ck_abort_msg("no leaf with short suffixes and room");
}

static void zoo_open(struct zoo *z)
{
	struct txn_root root = {.tree = 7};
	struct node_value val = {0};
	unsigned mid;

	memset(z, 0, sizeof(*z));
	z->env = double_open(PAGE);
	btree_init(&z->bt, &z->env->txn, &root);
	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(zoo_put(z, i * 7919 % N, 10), 0);
	/* Room for what the leaves are given below. */
	for (unsigned i = 4; i < N; i += 9) {
		char key[32];

		make_key(key, i);
		ck_assert_int_eq(btree_del(&z->bt, (struct btree_slice){key, strlen(key)}), 0);
	}
	double_commit(z->env);
	ck_assert_uint_ge(z->bt.root.level, 2);
	z->root = z->bt.root.ref;
	z->inner = child(z, z->root, count(z, z->root) / 2);
	while (double_page(z->env, z->inner.pgno)->level > 1)
		z->inner = child(z, z->inner, count(z, z->inner) / 2);
	/* long values in the first records of two middle leaves */
	mid = middle_leaf(z);
	for (unsigned i = 0; i < 2; i++) {
		struct page *leaf = double_page(z->env, child(z, z->inner, mid + i).pgno);
		uint8_t key[200];
		unsigned len = node_key(leaf, PAGE, 0, key);
		static uint8_t big[30000];

		/* 65 pages under two; three pages, and 50 bytes in the leaf */
		ck_assert_int_eq(btree_put(&z->bt, (struct btree_slice){key, len},
					 (struct btree_slice){big, i ? 3 * 464 + 50 : 30000}, 0),
			0);
		double_commit(z->env);
		z->root = z->bt.root.ref;
		z->inner = child(z, z->root, count(z, z->root) / 2);
		while (double_page(z->env, z->inner.pgno)->level > 1)
			z->inner = child(z, z->inner, count(z, z->inner) / 2);
	}
	z->leaf = child(z, z->inner, mid);
	z->leaf2 = child(z, z->inner, mid + 1);
	z->edge = z->root;
	while (double_page(z->env, z->edge.pgno)->level > 0)
		z->edge = child(z, z->edge, count(z, z->edge));
	ck_assert(node_value(double_page(z->env, z->leaf.pgno), PAGE, 0, &val));
	ck_assert(val.overflow);
	z->over_index = page_ref_get(val.data + 8);
	ck_assert_uint_eq(double_page(z->env, z->over_index.pgno)->level, 1);
	z->over_bytes = overflow_ref(double_page(z->env, z->over_index.pgno), 0);
	ck_assert_int_eq(btree_check(&z->bt, NULL, NULL, NULL), 0);
}

static void zoo_close(struct zoo *z)
{
	btree_fini(&z->bt);
	double_close(z->env);
}

static uint8_t *slot(struct zoo *z, struct page_ref ref, unsigned i)
{
	return zoo_bytes(z, ref) + NODE_SLOTS + (size_t)i * NODE_SLOT_BYTES;
}

static uint8_t *cell(struct zoo *z, struct page_ref ref, unsigned i)
{
	return zoo_bytes(z, ref) + le16_get(slot(z, ref, i) + NODE_SLOT_OFF);
}

/* Byte k of the suffix of entry i, which lies in the slot or in the cell. */
static uint8_t *suffix_byte(struct zoo *z, struct page_ref ref, unsigned i, unsigned k)
{
	const struct page *page = (struct page *)zoo_bytes(z, ref);

	if (node_tail_len(k + 1) == 0)
		return slot(z, ref, i) + NODE_HEAD_BYTES - 1 - k;
	return cell(z, ref, i) + node_cell_head(page) + k - NODE_HEAD_BYTES;
}

static struct page_ref leaf_type(struct zoo *z)
{
	zoo_bytes(z, z->leaf)[12] = PAGE_OVERFLOW;
	return z->leaf;
}

static struct page_ref leaf_level(struct zoo *z)
{
	zoo_bytes(z, z->leaf)[13] = 1;
	return z->leaf;
}

static struct page_ref leaf_tree(struct zoo *z)
{
	le32_set(zoo_bytes(z, z->leaf) + 32, 8);
	return z->leaf;
}

static struct page_ref root_level(struct zoo *z)
{
	z->bt.root.level++;
	return z->root;
}

static struct page_ref root_too_high(struct zoo *z)
{
	z->bt.root.level = 200;
	return z->root;
}

static struct page_ref leaf_empty(struct zoo *z)
{
	node_init((struct page *)zoo_bytes(z, z->leaf), PAGE, NULL, 0);
	return z->leaf;
}

static struct page_ref count_huge(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_COUNT, 60000);
	return z->leaf;
}

static struct page_ref count_more(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_COUNT, 45);
	return z->leaf;
}

static struct page_ref heap_huge(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_HEAP_LEN, 65000);
	return z->leaf;
}

static struct page_ref heap_short(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_HEAP_LEN,
		(uint16_t)(node_heap_len((struct page *)zoo_bytes(z, z->leaf)) - 3));
	return z->leaf;
}

static struct page_ref dead_wrong(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_DEAD, 1);
	return z->leaf;
}

static struct page_ref prefix_huge(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->leaf) + NODE_PREFIX_LEN, 400);
	return z->leaf;
}

/* A prefix byte less, and the byte dead: the heap still adds up. */
static struct page_ref prefix_short(struct zoo *z)
{
	uint8_t *p = zoo_bytes(z, z->leaf);

	le16_set(p + NODE_PREFIX_LEN, (uint16_t)(le16_get(p + NODE_PREFIX_LEN) - 1));
	le16_set(p + NODE_DEAD, (uint16_t)(le16_get(p + NODE_DEAD) + 1));
	return z->leaf;
}

static struct page_ref prefix_bytes(struct zoo *z)
{
	zoo_bytes(z, z->leaf)[PAGE - 2] ^= 1;
	return z->leaf;
}

static struct page_ref inner_prefix(struct zoo *z)
{
	zoo_bytes(z, z->inner)[PAGE - 1] ^= 1;
	return z->inner;
}

static struct page_ref cell_outside(struct zoo *z)
{
	le16_set(slot(z, z->leaf, 1) + NODE_SLOT_OFF, 511);
	return z->leaf;
}

static struct page_ref cell_in_slots(struct zoo *z)
{
	le16_set(slot(z, z->leaf, 1) + NODE_SLOT_OFF, 70);
	return z->leaf;
}

static struct page_ref cell_in_header(struct zoo *z)
{
	le16_set(slot(z, z->inner, 1) + NODE_SLOT_OFF, 0);
	return z->inner;
}

static struct page_ref cells_twice(struct zoo *z)
{
	/* the same cell for two slots: equal lengths, so the heap adds up */
	le16_set(slot(z, z->leaf, 2) + NODE_SLOT_OFF,
		le16_get(slot(z, z->leaf, 3) + NODE_SLOT_OFF));
	return z->leaf;
}

static struct page_ref suffix_huge(struct zoo *z)
{
	le16_set(slot(z, z->leaf, 1) + NODE_SLOT_LEN, 65535);
	return z->leaf;
}

static struct page_ref suffix_too_long(struct zoo *z)
{
	le16_set(slot(z, z->leaf, 1) + NODE_SLOT_LEN, 81);
	return z->leaf;
}

static struct page_ref head_padding(struct zoo *z)
{
	unsigned i = 0;

	/* a suffix shorter than its head, whose head says more */
	while (!is_short((struct page *)zoo_bytes(z, z->leaf), i))
		ck_assert_uint_lt(++i, count(z, z->leaf));
	slot(z, z->leaf, i)[0] ^= 1;
	return z->leaf;
}

static struct page_ref value_huge(struct zoo *z)
{
	le16_set(cell(z, z->leaf, 1), 0x7fff);
	return z->leaf;
}

static struct page_ref value_long_flag(struct zoo *z)
{
	le16_set(cell(z, z->leaf, 1), (uint16_t)(le16_get(cell(z, z->leaf, 1)) | NODE_OVERFLOW));
	return z->leaf;
}

static struct page_ref order_heads(struct zoo *z)
{
	uint8_t t[NODE_SLOT_BYTES];

	memcpy(t, slot(z, z->leaf, 1), NODE_SLOT_BYTES);
	memcpy(slot(z, z->leaf, 1), slot(z, z->leaf, 2), NODE_SLOT_BYTES);
	memcpy(slot(z, z->leaf, 2), t, NODE_SLOT_BYTES);
	return z->leaf;
}

static struct page_ref order_inner(struct zoo *z)
{
	uint8_t t[NODE_SLOT_BYTES];

	memcpy(t, slot(z, z->inner, 0), NODE_SLOT_BYTES);
	memcpy(slot(z, z->inner, 0), slot(z, z->inner, 1), NODE_SLOT_BYTES);
	memcpy(slot(z, z->inner, 1), t, NODE_SLOT_BYTES);
	return z->inner;
}

static struct page_ref keys_equal(struct zoo *z)
{
	const struct page *leaf = (struct page *)zoo_bytes(z, z->leaf);
	unsigned i = 0;

	while (node_suffix_len(leaf, i) != node_suffix_len(leaf, i + 1))
		ck_assert_uint_lt(++i + 1, node_count(leaf));
	for (unsigned k = 0; k < node_suffix_len(leaf, i); k++)
		*suffix_byte(z, z->leaf, i, k) = *suffix_byte(z, z->leaf, i + 1, k);
	return z->leaf;
}

/* The first key of a leaf made smaller: below its separator, though inside the prefix. */
static struct page_ref below_fence(struct zoo *z)
{
	*suffix_byte(z, z->leaf, 0, 0) = 1;
	return z->leaf;
}

static struct page_ref above_fence(struct zoo *z)
{
	*suffix_byte(z, z->leaf, count(z, z->leaf) - 1, 0) = 0xfe;
	return z->leaf;
}

/* Leaves changed places: both sound, both elsewhere. */
static struct page_ref children_swapped(struct zoo *z)
{
	unsigned i = count(z, z->inner) / 2;

	node_set_child((struct page *)zoo_bytes(z, z->inner), i, z->leaf2);
	node_set_child((struct page *)zoo_bytes(z, z->inner), i + 1, z->leaf);
	return z->inner;
}

static struct page_ref child_twice(struct zoo *z)
{
	node_set_child((struct page *)zoo_bytes(z, z->inner), count(z, z->inner) / 2, z->leaf2);
	return z->inner;
}

static struct page_ref child_is_parent(struct zoo *z)
{
	node_set_child((struct page *)zoo_bytes(z, z->inner), 1, z->inner);
	return z->inner;
}

static struct page_ref child_is_root(struct zoo *z)
{
	node_set_child((struct page *)zoo_bytes(z, z->inner), 0, z->root);
	return z->inner;
}

static struct page_ref child_null(struct zoo *z)
{
	node_set_child((struct page *)zoo_bytes(z, z->inner), 1, (struct page_ref){0, 0});
	return z->inner;
}

static struct page_ref child_beyond(struct zoo *z)
{
	node_set_child((struct page *)zoo_bytes(z, z->inner), 1, (struct page_ref){4000000000U, 1});
	return z->inner;
}

static struct page_ref child_other_gen(struct zoo *z)
{
	struct page_ref ref = child(z, z->inner, 1);

	ref.gen += 7;
	node_set_child((struct page *)zoo_bytes(z, z->inner), 1, ref);
	return z->inner;
}

/* A leaf that claims a later generation than its parent, and a parent that refers to it so. */
static struct page_ref child_newer(struct zoo *z)
{
	struct page_ref ref = child(z, z->inner, 0);

	le64_set(zoo_bytes(z, ref) + 16, page_ref((struct page *)zoo_bytes(z, z->inner)).gen + 1);
	double_reseal(z->env, ref.pgno);
	ref.gen = page_ref((struct page *)zoo_bytes(z, z->inner)).gen + 1;
	node_set_child((struct page *)zoo_bytes(z, z->inner), 0, ref);
	return z->inner;
}

static struct page_ref leaf_low(struct zoo *z)
{
	struct page *page = (struct page *)zoo_bytes(z, z->leaf2);

	while (node_count(page) > 1) {
		node_remove(page, PAGE, 0);
		z->bt.root.count--;
	}
	return z->leaf2;
}

static struct page_ref records_miscounted(struct zoo *z)
{
	z->bt.root.count++;
	return z->root;
}

static const struct beast beasts[] = {
	{"a leaf of another type", leaf_type, "not a node of this tree at the expected level"},
	{"a leaf that says level 1", leaf_level, "not a node of this tree at the expected level"},
	{"a leaf of another tree", leaf_tree, "not a node of this tree at the expected level"},
	{"a root that is said to be higher", root_level,
		"not a node of this tree at the expected level"},
	{"a root beyond all levels", root_too_high, "too many levels"},
	{"an empty leaf", leaf_empty, "no entries"},
	{"more slots than a page holds", count_huge, "slots reach beyond the page"},
	{"slots into the heap", count_more, "slots reach into the heap"},
	{"a heap larger than the page", heap_huge, "slots reach into the heap"},
	{"a heap that begins inside a cell", heap_short, "cell lies outside the heap"},
	{"dead bytes that are none", dead_wrong, "do not add up"},
	{"a prefix longer than the heap", prefix_huge, "prefix is too long"},
	{"a prefix one byte too short", prefix_short, "not how the fences begin"},
	{"a prefix with other bytes", prefix_bytes, "not how the fences begin"},
	{"an inner prefix with other bytes", inner_prefix, "not how the fences begin"},
	{"a cell beyond the page", cell_outside, "outside the heap"},
	{"a cell among the slots", cell_in_slots, "outside the heap"},
	{"a cell in the header", cell_in_header, "outside the heap"},
	/* Where more of a key lies in its cell than in its slot, the two keys are the same. */
	{"a cell used twice", cells_twice,
		NODE_HEAD_BYTES > 0 && NODE_PREFIXES ? "two cells overlap" : "do not ascend"},
	{"a key of 64 KiB", suffix_huge, "a key is too long"},
	{"a key one byte too long", suffix_too_long, "a key is too long"},
	{"a head with bytes behind the key's end", head_padding, "behind its key's end"},
	{"a value beyond the page", value_huge, "value lies outside the heap"},
	{"a short value that says it is long", value_long_flag, "value lies outside the heap"},
	{"two records exchanged", order_heads, "do not ascend"},
	{"two separators exchanged", order_inner, "do not ascend"},
	{"two keys that are equal", keys_equal, "do not ascend"},
	{"a key below its separator", below_fence, "below the separator"},
	{"a key above the next separator", above_fence, "above the next separator"},
	{"two leaves exchanged", children_swapped, NULL},
	{"a leaf in two places", child_twice, NULL},
	{"an inner page that is its own child", child_is_parent,
		"not a node of this tree at the expected level"},
	{"a child that is the root", child_is_root, NULL},
	{"a child that is null", child_null, "found 0, where the meta page lies"},
	{"a child beyond the file", child_beyond, "no such page"},
	{"a child of another generation", child_other_gen, NULL},
	{"a child newer than its parent", child_newer, "newer than the one that refers to it"},
	{"a leaf with a single record", leaf_low, "less than a quarter full"},
	{"a record too many in the count", records_miscounted, "records, found"},
};

/* This build's nodes (btree/node.h, the dials) have nothing that could be damaged so. */
static bool is_absent(const struct beast *b)
{
	if (b->damage == head_padding)
		return NODE_HEAD_BYTES == 0 || !NODE_PREFIXES; /* no suffix is so short */
	if (b->damage == prefix_short || b->damage == prefix_bytes || b->damage == inner_prefix)
		return !NODE_PREFIXES;
	return false;
}

static void damage(struct zoo *z, const struct beast *b)
{
	struct page_ref ref = b->damage(z);

	double_reseal(z->env, ref.pgno);
}

#define N_BEASTS (int)(sizeof(beasts) / sizeof(beasts[0]))

static const struct beast *beast(int i)
{
	return i < N_BEASTS ? &beasts[i] : &zoo_overflow_beasts[i - N_BEASTS];
}

START_TEST(check_says_what_is_wrong)
{
	const struct beast *b = beast(_i);
	struct zoo z;
	int rc;

	zoo_open(&z);
	damage(&z, b);
	error_clear();
	rc = btree_check(&z.bt, NULL, NULL, NULL);
	ck_assert_msg(rc == VERSO_ECORRUPT, "%s: accepted", b->name);
	ck_assert_msg(strlen(error_text()) > 0, "%s: rejected without a word", b->name);
	if (b->reason)
		ck_assert_msg(strstr(error_text(), b->reason) != NULL, "%s: rejected with \"%s\"",
			b->name, error_text());
	ck_assert_uint_eq(z.env->n_pins, 0);
	zoo_close(&z);
}
END_TEST

static int nothing(void *arg, struct page_ref ref, unsigned level)
{
	(void)arg;
	(void)ref;
	(void)level;
	return 0;
}

static const struct btree_slice no_bound;
static void advise_all(struct zoo *z)
{
	char from[32], to[32];

	for (unsigned advice = 0; advice < 2; advice++) {
		(void)btree_advise(&z->bt, no_bound, no_bound, (enum btree_advice)advice);
		for (unsigned i = 0; i + 100 < N; i += 50) {
			make_key(from, i);
			make_key(to, i + 100);
			(void)btree_advise(&z->bt, (struct btree_slice){from, strlen(from)},
				(struct btree_slice){to, strlen(to)}, (enum btree_advice)advice);
		}
	}
}

/* Every call over the damaged tree. What they answer is free; that they answer, and hold nothing,
 * is not. */
static void use_all(struct zoo *z)
{
	struct btree_cursor *c;
	struct btree_slice key;
	struct btree_item item;
	char name[32];
	size_t n, steps = 0;
	static uint8_t buf[40000];

	z->env->damaged = true;
	for (pgno_t i = 1; i < z->env->n_pages; i++)
		if (double_page(z->env, i))
			(void)btree_each_ref(double_page(z->env, i), PAGE, nothing, NULL);
	for (unsigned i = 0; i < N; i++) {
		make_key(name, i);
		if (btree_get(&z->bt, (struct btree_slice){name, strlen(name)}, &item) == 0) {
			(void)btree_item_read(&z->bt, &item, 0, buf,
				item.val.len < sizeof(buf) ? item.val.len : sizeof(buf), &n);
			(void)btree_item_read(&z->bt, &item, 29000, buf, 1000, &n);
			btree_item_put(&z->bt, &item);
		}
	}
	advise_all(z);
	ck_assert_int_eq(btree_cursor_open(&z->bt, &c), 0);
	for (int rc = btree_cursor_first(c, &key, &item); rc == 0 && steps < 2 * N; steps++)
		rc = btree_cursor_next(c, &key, &item);
	for (int rc = btree_cursor_last(c, &key, &item); rc == 0 && steps < 4 * N; steps++)
		rc = btree_cursor_prev(c, &key, &item);
	btree_cursor_close(c);
	ck_assert_uint_eq(z->env->n_pins, 0);
	for (unsigned i = 0; i < N; i++) {
		make_key(name, i * 7 % N);
		if (i % 3 == 0)
			(void)zoo_put(z, i * 7 % N, 20);
		else
			(void)btree_del(&z->bt, (struct btree_slice){name, strlen(name)});
	}
	ck_assert_uint_eq(z->env->n_pins, 0);
}

/* A reference in the middle of an inner page that lies beyond the page's end. */
static struct page_ref child_cut_off(struct zoo *z)
{
	le16_set(slot(z, z->inner, 0) + NODE_SLOT_OFF, PAGE - 4);
	return z->inner;
}

static struct page_ref inner_count_huge(struct zoo *z)
{
	le16_set(zoo_bytes(z, z->inner) + NODE_COUNT, 60000);
	return z->inner;
}

static struct page_ref inner_level(struct zoo *z)
{
	zoo_bytes(z, z->inner)[13] = 9;
	return z->inner;
}

static const struct beast inner_beasts[] = {
	{"a child that is null", child_null, INNER_IS_BAD},
	{"a child's reference beyond the page", child_cut_off, INNER_IS_BAD},
	{"more slots than an inner page holds", inner_count_huge, INNER_IS_BAD},
	{"an inner page of another level", inner_level, "at the expected level"},
	{"a root that is said to be higher", root_level, "at the expected level"},
	{"a root beyond all levels", root_too_high, "too many levels"},
};

/* _i: the damage, and the advice. */
START_TEST(advice_says_which_inner_page_is_damaged)
{
	const struct beast *b = &inner_beasts[_i / 2];
	struct zoo z;
	int rc;

	zoo_open(&z);
	damage(&z, b);
	z.env->damaged = true;
	rc = btree_advise(&z.bt, no_bound, no_bound, (enum btree_advice)(_i % 2));
	ck_assert_msg(rc == VERSO_ECORRUPT, "%s: %d", b->name, rc);
	ck_assert_msg(strstr(error_text(), b->reason) != NULL, "%s: \"%s\"", b->name, error_text());
	ck_assert_uint_eq(z.env->n_pins, 0);
	zoo_close(&z);
}
END_TEST

START_TEST(damaged_tree_never_crashes)
{
	const struct beast *b = beast(_i);
	struct zoo z;

	zoo_open(&z);
	damage(&z, b);
	use_all(&z);
	zoo_close(&z);
}
END_TEST

/* Bytes of one node or long value's page changed at random and sealed again. */
START_TEST(random_damage_never_crashes)
{
	uint64_t rng = check_seed() * 31 + (uint64_t)_i;

	printf("VERSO_SEED=%llu round %d\n", (unsigned long long)check_seed(), _i);
	for (unsigned round = 0; round < 25; round++) {
		struct zoo z;
		struct page_ref at[5];
		uint8_t *p;
		uint64_t r = check_random(&rng);

		zoo_open(&z);
		at[0] = z.leaf;
		at[1] = z.inner;
		at[2] = z.root;
		at[3] = z.leaf2;
		at[4] = z.edge;
		p = zoo_bytes(&z, at[r % 5]);
		for (unsigned k = 0; k <= (r >> 8) % 4; k++) {
			uint64_t x = check_random(&rng);
			/* mostly the head of the page, where a byte says most */
			size_t off = 40 + (x >> 8) % ((x >> 40) % 3 ? 100 : PAGE - 40);

			p[off] = (uint8_t)(x >> 32);
		}
		double_reseal(z.env, at[r % 5].pgno);
		use_all(&z);
		zoo_close(&z);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_zoo");
	TCase *t = tcase_create("zoo");
	int n = N_BEASTS + zoo_n_overflow_beasts;

	tcase_set_timeout(t, 60);
	for (int i = 0; i < n; i++) {
		if (is_absent(beast(i)))
			continue;
		tcase_add_loop_test(t, check_says_what_is_wrong, i, i + 1);
		tcase_add_loop_test(t, damaged_tree_never_crashes, i, i + 1);
	}
	tcase_add_loop_test(t, advice_says_which_inner_page_is_damaged, 0,
		2 * (int)(sizeof(inner_beasts) / sizeof(inner_beasts[0])));
	tcase_add_loop_test(t, random_damage_never_crashes, 0, 10);
	suite_add_tcase(s, t);
	return check_main(s);
}
