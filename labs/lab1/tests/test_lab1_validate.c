/* SPDX-License-Identifier: MIT */
/* Single nodes: node_validate() on bytes that are not trusted. */
#include "labs/lab1/tests/page_bench.h"
#include "tests/check_main.h"

#include <string.h>

START_TEST(validate_accepts_sound_nodes)
{
	uint8_t val[PAGE] = {0}, front[2];
	unsigned val_max = node_value_max(PAGE, 3);
	struct bench b;

	page_begin(&b, 0, "");
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
	page_fruit(&b);
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
	page_begin(&b, 1, "usr/");
	page_lay_child(&b, "bin", (struct page_ref){78, 6});
	page_lay_child(&b, "", (struct page_ref){79, 6});
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
	/* The largest value that a cell may have. */
	page_begin(&b, 0, "");
	le16_set(front, (uint16_t)val_max);
	page_lay(b.bytes, PAGE, "abc", 3, front, 2, val, val_max);
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
	/* Dead bytes that are counted. */
	page_fruit(&b);
	page_set(b.bytes, NODE_HEAP_LEN, node_heap_len(page_of(&b)) + 9);
	page_set(b.bytes, NODE_DEAD, 9);
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
}
END_TEST

static void is_wrong(struct bench *b, const char *damage)
{
	ck_assert_msg(node_validate(page_of(b), PAGE) != NULL, "accepted: %s", damage);
}

/* Sound slots to the very end of the page, all of the same empty cell, and one more behind it. */
static void count_beyond_the_page(void)
{
	uint8_t *bytes = page_guarded(SMALL);
	struct page *page = (struct page *)bytes;
	unsigned n = node_cap(SMALL) / NODE_SLOT_BYTES;

	page->type = PAGE_NODE;
	for (unsigned i = 0; i < n; i++)
		page_set(bytes, NODE_SLOTS + i * NODE_SLOT_BYTES + NODE_SLOT_OFF, SMALL - 2);
	page_set(bytes, NODE_HEAP_LEN, 2);
	page_set(bytes, NODE_COUNT, n + 1);
	ck_assert_ptr_nonnull(node_validate(page, SMALL));
}

START_TEST(validate_rejects_slots_that_do_not_fit)
{
	struct bench b;

	count_beyond_the_page();
	page_fruit(&b);
	page_of(&b)->type = PAGE_NODE + 1;
	is_wrong(&b, "a page of another type");
	page_fruit(&b);
	page_set(b.bytes, NODE_COUNT, 0xffff);
	is_wrong(&b, "65,535 entries");
	page_fruit(&b);
	page_set(b.bytes, NODE_COUNT, node_cap(PAGE) / NODE_SLOT_BYTES);
	is_wrong(&b, "slots that reach into the heap");
	page_fruit(&b);
	page_set(b.bytes, NODE_HEAP_LEN, 0xffff);
	is_wrong(&b, "a heap of 65,535 bytes");
	page_begin(&b, 0, "");
	page_set(b.bytes, NODE_HEAP_LEN, node_cap(PAGE) + 1);
	page_set(b.bytes, NODE_DEAD, node_cap(PAGE) + 1);
	is_wrong(&b, "a heap that reaches one byte into the header");
}
END_TEST

START_TEST(validate_rejects_a_prefix_that_does_not_fit)
{
	struct bench b;

	page_begin(&b, 0, "usr/");
	page_set(b.bytes, NODE_PREFIX_LEN, 5);
	is_wrong(&b, "a prefix longer than the heap");
	page_begin(&b, 0, "");
	page_set(b.bytes, NODE_PREFIX_LEN, node_key_max(PAGE) + 1);
	page_set(b.bytes, NODE_HEAP_LEN, node_key_max(PAGE) + 1);
	is_wrong(&b, "a prefix longer than any key");
}
END_TEST

START_TEST(validate_rejects_cells_outside_the_heap)
{
	static const unsigned offs[] = {0, 63, 64, 100, 511, 512, 0xffff};
	struct bench b;

	for (unsigned i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		page_begin(&b, 0, "");
		page_lay_record(&b, "abc", "");
		page_set(b.bytes, NODE_SLOTS + NODE_SLOT_OFF, offs[i]);
		is_wrong(&b, "a cell outside the heap");
	}
	/* The cell is a byte longer than what is left before the prefix. */
	page_begin(&b, 1, "usr/");
	page_lay_child(&b, "binary", (struct page_ref){5, 5});
	page_set(b.bytes, NODE_SLOTS + NODE_SLOT_LEN, 7);
	page_set(b.bytes, NODE_HEAP_LEN, node_heap_len(page_of(&b)) + 1);
	is_wrong(&b, "a cell that reaches into the prefix");
	page_begin(&b, 0, "");
	page_lay_record(&b, "abcdef", "val");
	page_set(b.bytes, PAGE - node_heap_len(page_of(&b)), 4);
	page_set(b.bytes, NODE_HEAP_LEN, node_heap_len(page_of(&b)) + 1);
	is_wrong(&b, "a value that reaches beyond the page");
}
END_TEST

START_TEST(validate_rejects_entries_that_are_too_large)
{
	uint8_t bytes[PAGE] = {0}, front[2];
	unsigned len = node_key_max(PAGE) + 1, val_len = node_value_max(PAGE, 3) + 1;
	struct bench b;

	memset(bytes, 'k', sizeof(bytes));
	page_begin(&b, 0, "");
	page_lay(b.bytes, PAGE, bytes, len, "\0", 2, NULL, 0);
	is_wrong(&b, "a key that is one byte too long");
	page_begin(&b, 0, "");
	le16_set(front, (uint16_t)val_len);
	page_lay(b.bytes, PAGE, "abc", 3, front, 2, bytes, val_len);
	is_wrong(&b, "an entry larger than half a page");
	page_begin(&b, 0, "");
	le16_set(front, (uint16_t)(NODE_OVERFLOW | (NODE_OVERFLOW_BYTES - 1)));
	page_lay(b.bytes, PAGE, "abc", 3, front, 2, bytes, NODE_OVERFLOW_BYTES - 1);
	is_wrong(&b, "a long value of which the cell holds too little");
}
END_TEST

START_TEST(validate_rejects_a_head_behind_the_end_of_its_key)
{
	struct bench b;

	if (!HAS_HEADS) {
		page_begin(&b, 0, "");
		ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
		return;
	}
	for (unsigned len = 0; len < 4; len++) {
		page_begin(&b, 0, "");
		page_lay(b.bytes, PAGE, "abcd", len, "\0", 2, NULL, 0);
		ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
		b.bytes[NODE_SLOTS] = 1; /* the least significant: the fourth byte of the key */
		is_wrong(&b, "a head with a byte behind the end of its key");
	}
}
END_TEST

START_TEST(validate_adds_the_heap_up)
{
	struct bench b;

	page_fruit(&b);
	page_set(b.bytes, NODE_DEAD, 1);
	is_wrong(&b, "a dead byte too many");
	page_fruit(&b);
	page_set(b.bytes, NODE_HEAP_LEN, node_heap_len(page_of(&b)) + 1);
	is_wrong(&b, "a byte of the heap that belongs to nobody");
	page_fruit(&b);
	page_set(b.bytes, NODE_COUNT, 3);
	is_wrong(&b, "an entry that was lost");
}
END_TEST

/* Reads all of an accepted page, and edits it. The neighbours of the page are out of reach. */
static void use(struct page *page, uint8_t *scratch)
{
	static uint8_t key[SMALL + NODE_SUFFIX_SLACK];
	struct node_value val;

	for (unsigned i = 0; i < node_count(page); i++) {
		ck_assert_uint_ne(node_key(page, SMALL, i, key), NODE_BAD);
		ck_assert(page->level > 0 || node_value(page, SMALL, i, &val));
		ck_assert_uint_le(node_entry_size(page, i), node_cap(SMALL));
	}
	if (!node_cells_overlap(page))
		node_compact(page, SMALL, scratch);
	while (node_count(page) > 0)
		node_remove(page, SMALL, node_count(page) / 2);
}

START_TEST(validate_of_hostile_bytes_reads_nothing_outside_the_page)
{
	uint64_t rng = check_seed();
	uint8_t *bytes = page_guarded(SMALL), *scratch = check_alloc(SMALL);
	struct page *page = (struct page *)bytes;
	unsigned n_accepted = 0;

	for (unsigned round = 0; round < 20000; round++) {
		page_hostile(bytes, &rng);
		if (round % 8 == 0)
			for (unsigned i = 40; i < SMALL; i++)
				bytes[i] = (uint8_t)check_random(&rng);
		if (node_validate(page, SMALL))
			continue;
		n_accepted++;
		use(page, scratch);
	}
	ck_assert_uint_gt(n_accepted, 1000); /* else nothing was used */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab1_validate");
	TCase *t = tcase_create("nodes");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_test(t, validate_accepts_sound_nodes);
	tcase_add_test(t, validate_rejects_slots_that_do_not_fit);
	tcase_add_test(t, validate_rejects_a_prefix_that_does_not_fit);
	tcase_add_test(t, validate_rejects_cells_outside_the_heap);
	tcase_add_test(t, validate_rejects_entries_that_are_too_large);
	tcase_add_test(t, validate_rejects_a_head_behind_the_end_of_its_key);
	tcase_add_test(t, validate_adds_the_heap_up);
	tcase_add_test(t, validate_of_hostile_bytes_reads_nothing_outside_the_page);
	suite_add_tcase(s, t);
	return check_main(s);
}
