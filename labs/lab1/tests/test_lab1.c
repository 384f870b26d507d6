/* SPDX-License-Identifier: MIT */
/* Single nodes: the search and the edits. With heads and without. */
#include "labs/lab1/tests/page_bench.h"
#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEY_MAX  12U /* of the random keys */
#define N_MAX    64U
#define TEXT_MAX 160

static unsigned lower(struct bench *b, const char *key, bool *ret_exact)
{
	return node_lower(page_of(b), PAGE, (const uint8_t *)key, (unsigned)strlen(key), ret_exact);
}

static void lower_is(struct bench *b, const char *key, unsigned expected, bool expected_exact)
{
	bool exact = !expected_exact;
	unsigned i = lower(b, key, &exact);

	ck_assert_msg(i == expected && exact == expected_exact,
		"node_lower() of \"%s\" is %d, %s; expected %u, %s", key, (int)i,
		exact ? "exact" : "not exact", expected, expected_exact ? "exact" : "not exact");
}

START_TEST(lower_finds_each_key)
{
	struct bench b;

	page_fruit(&b);
	lower_is(&b, "apple", 0, true);
	lower_is(&b, "fig", 1, true);
	lower_is(&b, "lemon", 2, true);
	lower_is(&b, "plum", 3, true);
}
END_TEST

START_TEST(lower_of_a_key_between_two_is_the_greater)
{
	struct bench b;

	page_fruit(&b);
	lower_is(&b, "aardvark", 0, false);
	lower_is(&b, "banana", 1, false);
	lower_is(&b, "grape", 2, false);
	lower_is(&b, "zebra", 4, false);
}
END_TEST

START_TEST(lower_of_an_empty_node_is_zero)
{
	struct bench b;

	page_begin(&b, 0, "");
	lower_is(&b, "apple", 0, false);
	lower_is(&b, "", 0, false);
}
END_TEST

START_TEST(lower_looks_behind_equal_heads)
{
	struct bench b;

	page_begin(&b, 0, "");
	page_lay_record(&b, "libasan", "8");
	page_lay_record(&b, "libc6", "2");
	page_lay_record(&b, "libc6-dev", "2");
	page_lay_record(&b, "libcap2", "1");
	page_lay_record(&b, "libcurl4", "7");
	lower_is(&b, "libc6", 1, true);
	lower_is(&b, "libc6-dev", 2, true);
	lower_is(&b, "libc6-i386", 3, false);
	lower_is(&b, "libcap", 3, false);
	lower_is(&b, "libcurl", 4, false);
	lower_is(&b, "libcurl4", 4, true);
	lower_is(&b, "libcz", 5, false);
}
END_TEST

START_TEST(lower_takes_a_key_for_smaller_than_its_continuation)
{
	static const uint8_t keys[5][6] = {"a", "a", "a", "a", "a\0\0\0\0"};
	struct bench b;

	page_begin(&b, 0, "");
	for (unsigned i = 0; i < 5; i++)
		page_lay(b.bytes, PAGE, keys[i], i + 1, "\0", 2, NULL, 0);
	for (unsigned i = 0; i < 5; i++) {
		bool exact = false;

		ck_assert_uint_eq(node_lower(page_of(&b), PAGE, keys[i], i + 1, &exact), i);
		ck_assert(exact);
	}
	lower_is(&b, "", 0, false);
	lower_is(&b, "b", 5, false);
}
END_TEST

START_TEST(lower_compares_behind_the_prefix)
{
	struct bench b;

	page_begin(&b, 1, "usr/");
	page_lay_child(&b, "bin", (struct page_ref){7, 1});
	page_lay_child(&b, "lib", (struct page_ref){8, 1});
	page_lay_child(&b, "share", (struct page_ref){9, 1});
	lower_is(&b, "usr/", 0, false);
	lower_is(&b, "usr/bin", 0, true);
	lower_is(&b, "usr/include", 1, false);
	lower_is(&b, "usr/lib", 1, true);
	lower_is(&b, "usr/shared", 3, false);
}
END_TEST

#define LARGE   65536U
#define N_LARGE 5000U

static void lower_of_number(const uint8_t *bytes, unsigned i)
{
	uint8_t key[4] = {0, 0, (uint8_t)(i >> 8), (uint8_t)i};
	bool exact = false;

	ck_assert_uint_eq(node_lower((const struct page *)bytes, LARGE, key, sizeof(key), &exact),
		i);
	ck_assert(exact);
}

START_TEST(lower_halves_what_is_left)
{
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t middle = (64 + N_LARGE / 2 * NODE_SLOT_BYTES) / os_page;
	size_t end = (64 + N_LARGE * NODE_SLOT_BYTES) / os_page;
	uint8_t *bytes;

	if (middle < 2 || end < middle + 1) {
		check_skip("the system's pages have %zu bytes: too large to see it", os_page);
		return;
	}
	bytes = page_guarded(LARGE);
	((struct page *)bytes)->type = PAGE_NODE;
	node_init((struct page *)bytes, LARGE, NULL, 0);
	for (unsigned i = 0; i < N_LARGE; i++) {
		uint8_t key[4] = {0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		page_lay(bytes, LARGE, key, sizeof(key), "\0", 2, NULL, 0);
	}
	for (unsigned i = 0; i < N_LARGE; i++)
		lower_of_number(bytes, i);
	/* The first key is searched, and the slots above the middle are out of reach. */
	ck_assert_int_eq(mprotect(bytes + (middle + 1) * os_page, (end - middle) * os_page,
				 PROT_NONE),
		0);
	lower_of_number(bytes, 0);
	ck_assert_int_eq(mprotect(bytes, LARGE, PROT_READ), 0);
	/* The last one, and those below it. */
	ck_assert_int_eq(mprotect(bytes + os_page, (middle - 1) * os_page, PROT_NONE), 0);
	lower_of_number(bytes, N_LARGE - 1);
}
END_TEST

START_TEST(lower_of_senseless_bytes_is_bad)
{
	struct bench b;
	bool exact;

	page_fruit(&b);
	page_set(b.bytes, NODE_COUNT, node_cap(PAGE) / NODE_SLOT_BYTES + 1);
	ck_assert_uint_eq(lower(&b, "fig", &exact), NODE_BAD);
	page_set(b.bytes, NODE_COUNT, 0xffff);
	ck_assert_uint_eq(lower(&b, "fig", &exact), NODE_BAD);
	page_begin(&b, 0, "usr/");
	page_lay_record(&b, "bin", "");
	ck_assert_uint_eq(lower(&b, "us", &exact), NODE_BAD);
	ck_assert(!exact);
	/* The cell of the only entry begins beyond the page, and its head is that of the key. */
	page_begin(&b, 0, "");
	page_lay_record(&b, "libcurl4", "7");
	page_set(b.bytes, NODE_SLOTS + NODE_SLOT_OFF, 0xfff0);
	ck_assert_uint_eq(lower(&b, "libcap2", &exact), NODE_BAD);
}
END_TEST

/* A sorted array of keys and values beside a node. */
struct model {
	uint8_t keys[N_MAX][KEY_MAX];
	unsigned lens[N_MAX], vals[N_MAX], n;
};

/* Some bytes that are easily taken for padding; of a length around the head's. */
static unsigned random_key(uint64_t *rng, uint8_t key[KEY_MAX])
{
	unsigned len = (unsigned)(check_random(rng) % (KEY_MAX - 3));

	for (unsigned i = 0; i < len; i++)
		key[i] = (uint8_t)(check_random(rng) % 3 * 127);
	return len;
}

static int compare(const uint8_t *a, unsigned a_len, const uint8_t *b, unsigned b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (int)a_len - (int)b_len;
}

static unsigned model_lower(const struct model *m, const uint8_t *key, unsigned len,
	bool *ret_exact)
{
	unsigned at = 0;

	while (at < m->n && compare(m->keys[at], m->lens[at], key, len) < 0)
		at++;
	*ret_exact = at < m->n && compare(m->keys[at], m->lens[at], key, len) == 0;
	return at;
}

static void model_insert(struct model *m, unsigned at, const uint8_t *key, unsigned len,
	unsigned val)
{
	memmove(m->keys[at + 1], m->keys[at], (m->n - at) * sizeof(m->keys[0]));
	memmove(&m->lens[at + 1], &m->lens[at], (m->n - at) * sizeof(m->lens[0]));
	memmove(&m->vals[at + 1], &m->vals[at], (m->n - at) * sizeof(m->vals[0]));
	memcpy(m->keys[at], key, len);
	m->lens[at] = len;
	m->vals[at] = val;
	m->n++;
}

static void model_remove(struct model *m, unsigned at)
{
	m->n--;
	memmove(m->keys[at], m->keys[at + 1], (m->n - at) * sizeof(m->keys[0]));
	memmove(&m->lens[at], &m->lens[at + 1], (m->n - at) * sizeof(m->lens[0]));
	memmove(&m->vals[at], &m->vals[at + 1], (m->n - at) * sizeof(m->vals[0]));
}

START_TEST(lower_agrees_with_a_sorted_array)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 500; round++) {
		struct model m = {.n = 0};
		uint8_t key[KEY_MAX];
		struct bench b;
		bool exact;

		for (unsigned tries = (unsigned)(check_random(&rng) % 20); tries > 0; tries--) {
			unsigned len = random_key(&rng, key),
				 at = model_lower(&m, key, len, &exact);

			if (!exact)
				model_insert(&m, at, key, len, 0);
		}
		page_begin(&b, 0, "");
		for (unsigned i = 0; i < m.n; i++)
			page_lay(b.bytes, PAGE, m.keys[i], m.lens[i], "\0", 2, NULL, 0);
		for (unsigned tries = 0; tries < 40; tries++) {
			unsigned len = random_key(&rng, key);
			bool exact_too;
			unsigned at = model_lower(&m, key, len, &exact);

			ck_assert_uint_eq(node_lower(page_of(&b), PAGE, key, len, &exact_too), at);
			ck_assert_int_eq(exact_too, exact);
		}
	}
}
END_TEST

START_TEST(lower_of_hostile_bytes_reads_nothing_outside_the_page)
{
	uint64_t rng = check_seed();
	uint8_t *bytes = page_guarded(SMALL);

	for (unsigned round = 0; round < 20000; round++) {
		uint8_t key[8] = {'k', (uint8_t)(check_random(&rng) % 32), 'a', 'b', 'c', 'd', 'e'};
		bool exact;
		unsigned i;

		page_hostile(bytes, &rng);
		i = node_lower((const struct page *)bytes, SMALL, key,
			(unsigned)(check_random(&rng) % 8), &exact);
		ck_assert(i == NODE_BAD || i <= node_count((const struct page *)bytes));
	}
}
END_TEST

static void put(struct bench *b, unsigned i, const char *key, const char *val)
{
	struct node_entry entry = {.key = (const uint8_t *)key, .key_len = (unsigned)strlen(key)};

	entry.val.data = (const uint8_t *)val;
	entry.val.len = (unsigned)strlen(val);
	node_insert(page_of(b), PAGE, i, &entry, b->scratch);
}

/* Compares bytes of the page with a text like "03 00 65"; `what` says which these are. */
static void bytes_are(struct bench *b, unsigned at, const char *expected, const char *what)
{
	char found[TEXT_MAX] = "";
	size_t n = (strlen(expected) + 1) / 3;

	for (size_t i = 0; i < n; i++)
		(void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%02x",
			i > 0 ? " " : "", b->bytes[at + i]);
	ck_assert_msg(strcmp(found, expected) == 0, "%s, at byte %u: \"%s\", expected \"%s\"", what,
		at, found, expected);
}

static void header_is(struct bench *b, unsigned count, unsigned heap_len, unsigned dead)
{
	const struct page *page = page_of(b);

	ck_assert_msg(node_count(page) == count && node_heap_len(page) == heap_len &&
			      node_dead(page) == dead,
		"count %u, heap_len %u, dead %u; expected %u, %u, %u", node_count(page),
		node_heap_len(page), node_dead(page), count, heap_len, dead);
}

START_TEST(insert_into_an_empty_leaf_has_its_bytes)
{
	struct bench b;

	page_begin(&b, 0, "");
	put(&b, 0, "apple", "red");
	header_is(&b, 1, HAS_HEADS ? 6 : 10, 0);
	bytes_are(&b, 64, HAS_HEADS ? "6c 70 70 61 fa 01 05 00" : "f6 01 05 00", "the slot");
	bytes_are(&b, HAS_HEADS ? 506 : 502,
		HAS_HEADS ? "03 00 65 72 65 64" : "03 00 61 70 70 6c 65 72 65 64", "the cell");
}
END_TEST

START_TEST(insert_keeps_slots_in_order_of_keys)
{
	static const char *const keys[] = {"apple", "fig", "lemon", "plum"};
	struct bench b;
	uint8_t key[128];

	page_begin(&b, 0, "");
	put(&b, 0, "lemon", "1");
	put(&b, 0, "apple", "2");
	put(&b, 2, "plum", "3");
	put(&b, 1, "fig", "4");
	ck_assert_uint_eq(node_count(page_of(&b)), 4);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(node_key(page_of(&b), PAGE, i, key), strlen(keys[i]));
		ck_assert_int_eq(memcmp(key, keys[i], strlen(keys[i])), 0);
	}
	/* Cells do not move: they lie in the order in which they came. */
	ck_assert_uint_gt(node_off(page_of(&b), 2), node_off(page_of(&b), 0));
	ck_assert_uint_gt(node_off(page_of(&b), 0), node_off(page_of(&b), 3));
	ck_assert_uint_gt(node_off(page_of(&b), 3), node_off(page_of(&b), 1));
}
END_TEST

START_TEST(insert_into_an_inner_node_has_its_bytes)
{
	struct node_entry entry = {
		.key = (const uint8_t *)"melon", .key_len = 5, .child = {0x0102, 0x0304}};
	struct bench b;

	page_begin(&b, 1, "");
	node_insert(page_of(&b), PAGE, 0, &entry, b.scratch);
	header_is(&b, 1, HAS_HEADS ? 13 : 17, 0);
	bytes_are(&b, HAS_HEADS ? 499 : 495,
		HAS_HEADS ? "02 01 00 00 04 03 00 00 00 00 00 00 6e"
			  : "02 01 00 00 04 03 00 00 00 00 00 00 6d 65 6c 6f 6e",
		"the cell");
}
END_TEST

START_TEST(insert_marks_a_long_value)
{
	uint8_t val[NODE_OVERFLOW_BYTES] = {0xaa};
	struct node_entry entry = {.key = (const uint8_t *)"key",
		.key_len = 3,
		.val = {val, NODE_OVERFLOW_BYTES, true}};
	struct bench b;

	page_begin(&b, 0, "");
	node_insert(page_of(&b), PAGE, 0, &entry, b.scratch);
	bytes_are(&b, HAS_HEADS ? 490 : 487, HAS_HEADS ? "14 80 aa 00" : "14 80 6b 65 79 aa 00",
		"the cell");
}
END_TEST

START_TEST(insert_stores_no_prefix_again)
{
	struct bench b;

	page_begin(&b, 0, "usr/");
	put(&b, 0, "usr/local", "x");
	put(&b, 0, "usr/", "");
	header_is(&b, 2, HAS_HEADS ? 10 : 14, 0);
	bytes_are(&b, 64,
		HAS_HEADS ? "00 00 00 00 f6 01 00 00 61 63 6f 6c f8 01 05 00"
			  : "f2 01 00 00 f4 01 05 00",
		"the slots");
	bytes_are(&b, 508, "75 73 72 2f", "the prefix");
}
END_TEST

/* Puts records of the same size until the node is full to its last byte. */
static unsigned fill(struct bench *b)
{
	unsigned n = 0;

	page_begin(b, 0, "");
	while (node_cap(PAGE) - node_used(page_of(b)) >= 32) {
		char key[8], val[32] = "";

		(void)snprintf(key, sizeof(key), "%04u", n);
		memset(val, 'v', 16 - NODE_SLOT_BYTES - 2 - (HAS_HEADS ? 0 : 4));
		put(b, n++, key, val);
	}
	{
		char val[32] = "";

		memset(val, 'w',
			node_cap(PAGE) - node_used(page_of(b)) - NODE_SLOT_BYTES - 2 -
				(HAS_HEADS ? 0 : 4));
		put(b, n++, "9999", val);
	}
	return n;
}

START_TEST(insert_fills_a_page_to_its_last_byte)
{
	struct node_value val;
	struct bench b;
	unsigned n = fill(&b);

	ck_assert_uint_eq(node_used(page_of(&b)), node_cap(PAGE));
	ck_assert_uint_eq(node_count(page_of(&b)), n);
	ck_assert_uint_eq(64 + n * NODE_SLOT_BYTES, PAGE - node_heap_len(page_of(&b)));
	for (unsigned i = 0; i < n; i++) {
		ck_assert(node_value(page_of(&b), PAGE, i, &val));
		for (unsigned k = 0; k < val.len; k++)
			ck_assert_uint_eq(val.data[k], i + 1 < n ? 'v' : 'w');
	}
}
END_TEST

START_TEST(insert_collects_dead_bytes_when_it_must)
{
	struct bench b;
	unsigned n = fill(&b), len = 10 - NODE_SLOT_BYTES + (HAS_HEADS ? 4 : 0);
	char val[32] = "";

	/* The second record goes, and is dead. One of its size fits only when it is collected. */
	node_remove(page_of(&b), PAGE, 1);
	header_is(&b, n - 1, node_heap_len(page_of(&b)), 16 - NODE_SLOT_BYTES);
	memset(val, 'z', len);
	put(&b, 1, "0001", val);
	header_is(&b, n, node_heap_len(page_of(&b)), 0);
	ck_assert_uint_eq(node_off(page_of(&b), 1), PAGE - node_heap_len(page_of(&b)));
}
END_TEST

START_TEST(insert_moves_nothing_while_there_is_space)
{
	struct bench b;
	unsigned off;

	page_fruit(&b);
	off = node_off(page_of(&b), 3);
	page_set(b.bytes, NODE_DEAD, 5);
	page_set(b.bytes, NODE_HEAP_LEN, node_heap_len(page_of(&b)) + 5);
	put(&b, 1, "cherry", "red");
	ck_assert_uint_eq(node_off(page_of(&b), 4), off);
	ck_assert_uint_eq(node_dead(page_of(&b)), 5);
}
END_TEST

/* Whether the node holds what the model does, read by what is given. */
static void agree(struct bench *b, const struct model *m)
{
	const struct page *page = page_of(b);
	uint8_t key[128];
	unsigned used = node_prefix_len(page);

	ck_assert_uint_eq(node_count(page), m->n);
	for (unsigned i = 0; i < m->n; i++) {
		struct node_value val;

		ck_assert_uint_eq(node_key(page, PAGE, i, key), m->lens[i]);
		ck_assert_int_eq(memcmp(key, m->keys[i], m->lens[i]), 0);
		ck_assert(node_value(page, PAGE, i, &val));
		ck_assert_uint_eq(val.len, m->vals[i]);
		for (unsigned k = 0; k < val.len; k++)
			ck_assert_uint_eq(val.data[k], m->vals[i]);
		used += node_entry_size(page, i);
	}
	ck_assert_uint_eq(node_used(page), used);
	ck_assert_uint_le(64 + m->n * NODE_SLOT_BYTES, PAGE - node_heap_len(page));
	ck_assert(node_is_ordered(page));
	ck_assert(!node_cells_overlap(page));
}

/* Inserts a random record, unless it is there or does not fit. */
static void random_insert(struct bench *b, struct model *m, uint64_t *rng)
{
	uint8_t key[KEY_MAX], val[32];
	unsigned len = random_key(rng, key), val_len = (unsigned)(check_random(rng) % sizeof(val));
	struct node_entry entry = {.key = key, .key_len = len, .val = {val, val_len, false}};
	bool exact;
	unsigned at = model_lower(m, key, len, &exact);

	memset(val, (int)val_len, sizeof(val));
	if (exact || m->n == N_MAX || !node_fits(page_of(b), PAGE, &entry))
		return;
	node_insert(page_of(b), PAGE, at, &entry, b->scratch);
	model_insert(m, at, key, len, val_len);
}

START_TEST(inserts_agree_with_a_sorted_array)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 300; round++) {
		struct model m = {.n = 0};
		struct bench b;

		page_begin(&b, 0, "");
		for (unsigned tries = 0; tries < 30; tries++)
			random_insert(&b, &m, &rng);
		agree(&b, &m);
	}
}
END_TEST

START_TEST(remove_of_the_lowest_cell_gives_its_bytes_back)
{
	struct bench b;
	unsigned heap_len;

	page_fruit(&b);
	heap_len = node_heap_len(page_of(&b));
	node_remove(page_of(&b), PAGE, 3); /* "plum", which came last */
	header_is(&b, 3, heap_len - (HAS_HEADS ? 6 : 10), 0);
}
END_TEST

START_TEST(remove_of_another_cell_counts_its_bytes_as_dead)
{
	struct bench b;
	unsigned heap_len;

	page_fruit(&b);
	heap_len = node_heap_len(page_of(&b));
	node_remove(page_of(&b), PAGE, 0); /* "apple" "red" */
	header_is(&b, 3, heap_len, HAS_HEADS ? 6 : 10);
	node_remove(page_of(&b), PAGE, 1); /* "lemon" "yellow" */
	header_is(&b, 2, heap_len, HAS_HEADS ? 15 : 23);
}
END_TEST

START_TEST(remove_closes_the_gap_between_slots)
{
	static const char *const left[4][3] = {{"fig", "lemon", "plum"}, {"apple", "lemon", "plum"},
		{"apple", "fig", "plum"}, {"apple", "fig", "lemon"}};
	uint8_t key[128];

	for (unsigned gone = 0; gone < 4; gone++) {
		struct bench b;

		page_fruit(&b);
		node_remove(page_of(&b), PAGE, gone);
		ck_assert_uint_eq(node_count(page_of(&b)), 3);
		for (unsigned i = 0; i < 3; i++) {
			ck_assert_uint_eq(node_key(page_of(&b), PAGE, i, key),
				strlen(left[gone][i]));
			ck_assert_int_eq(memcmp(key, left[gone][i], strlen(left[gone][i])), 0);
		}
	}
}
END_TEST

START_TEST(remove_counts_what_the_cell_holds_of_a_long_value)
{
	uint8_t front[2], val[NODE_OVERFLOW_BYTES] = {0};
	struct bench b;

	page_begin(&b, 0, "");
	le16_set(front, NODE_OVERFLOW | NODE_OVERFLOW_BYTES);
	page_lay(b.bytes, PAGE, "a", 1, front, 2, val, NODE_OVERFLOW_BYTES);
	page_lay_record(&b, "b", "");
	node_remove(page_of(&b), PAGE, 0);
	header_is(&b, 1, (HAS_HEADS ? 22 : 23) + (HAS_HEADS ? 2 : 3), HAS_HEADS ? 22 : 23);
}
END_TEST

START_TEST(compact_drops_dead_bytes)
{
	struct bench b;
	uint8_t key[128];

	/* Only the slot of "fig" is left; the cells of the others are dead. */
	page_fruit(&b);
	memmove(b.bytes + 64, b.bytes + 64 + NODE_SLOT_BYTES, NODE_SLOT_BYTES);
	page_set(b.bytes, NODE_COUNT, 1);
	page_set(b.bytes, NODE_DEAD, node_heap_len(page_of(&b)) - (HAS_HEADS ? 6 : 9));
	node_compact(page_of(&b), PAGE, b.scratch);
	header_is(&b, 1, HAS_HEADS ? 6 : 9, 0);
	ck_assert_uint_eq(node_key(page_of(&b), PAGE, 0, key), 3);
	bytes_are(&b, HAS_HEADS ? 506 : 503,
		HAS_HEADS ? "04 00 62 6c 75 65" : "04 00 66 69 67 62 6c 75 65", "the cell");
}
END_TEST

START_TEST(compact_keeps_prefix_and_leftmost_child)
{
	struct bench b;
	struct page_ref ref;

	page_begin(&b, 1, "usr/");
	page_ref_set(b.bytes + NODE_LEFTMOST, (struct page_ref){77, 6});
	page_lay_child(&b, "bin", (struct page_ref){78, 6});
	page_lay_child(&b, "lib", (struct page_ref){79, 6});
	node_compact(page_of(&b), PAGE, b.scratch);
	bytes_are(&b, 508, "75 73 72 2f", "the prefix");
	for (unsigned i = 0; i < 3; i++) {
		ref = node_child(page_of(&b), PAGE, i);
		ck_assert_uint_eq(ref.pgno, 77 + i);
		ck_assert_uint_eq(ref.gen, 6);
	}
	ck_assert_uint_eq(page_of(&b)->level, 1);
}
END_TEST

START_TEST(edits_agree_with_a_sorted_array)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 200; round++) {
		struct model m = {.n = 0};
		struct bench b;

		page_begin(&b, 0, "");
		for (unsigned step = 0; step < 100; step++) {
			unsigned what = (unsigned)(check_random(&rng) % 16);

			if (what == 0) {
				node_compact(page_of(&b), PAGE, b.scratch);
				ck_assert_uint_eq(node_dead(page_of(&b)), 0);
			} else if (what < 7 && m.n > 0) {
				unsigned i = (unsigned)(check_random(&rng) % m.n);

				node_remove(page_of(&b), PAGE, i);
				model_remove(&m, i);
			} else {
				random_insert(&b, &m, &rng);
			}
			agree(&b, &m);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab1");
	TCase *t = tcase_create("nodes");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_test(t, lower_finds_each_key);
	tcase_add_test(t, lower_of_a_key_between_two_is_the_greater);
	tcase_add_test(t, lower_of_an_empty_node_is_zero);
	tcase_add_test(t, lower_looks_behind_equal_heads);
	tcase_add_test(t, lower_takes_a_key_for_smaller_than_its_continuation);
	tcase_add_test(t, lower_compares_behind_the_prefix);
	tcase_add_test(t, lower_halves_what_is_left);
	tcase_add_test(t, lower_of_senseless_bytes_is_bad);
	tcase_add_test(t, lower_agrees_with_a_sorted_array);
	tcase_add_test(t, lower_of_hostile_bytes_reads_nothing_outside_the_page);
	tcase_add_test(t, insert_into_an_empty_leaf_has_its_bytes);
	tcase_add_test(t, insert_keeps_slots_in_order_of_keys);
	tcase_add_test(t, insert_into_an_inner_node_has_its_bytes);
	tcase_add_test(t, insert_marks_a_long_value);
	tcase_add_test(t, insert_stores_no_prefix_again);
	tcase_add_test(t, insert_fills_a_page_to_its_last_byte);
	tcase_add_test(t, insert_collects_dead_bytes_when_it_must);
	tcase_add_test(t, insert_moves_nothing_while_there_is_space);
	tcase_add_test(t, inserts_agree_with_a_sorted_array);
	tcase_add_test(t, remove_of_the_lowest_cell_gives_its_bytes_back);
	tcase_add_test(t, remove_of_another_cell_counts_its_bytes_as_dead);
	tcase_add_test(t, remove_closes_the_gap_between_slots);
	tcase_add_test(t, remove_counts_what_the_cell_holds_of_a_long_value);
	tcase_add_test(t, compact_drops_dead_bytes);
	tcase_add_test(t, compact_keeps_prefix_and_leftmost_child);
	tcase_add_test(t, edits_agree_with_a_sorted_array);
	suite_add_tcase(s, t);
	return check_main(s);
}
