/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 1 may look like: few, and each finds several bugs. */
#include "labs/lab1/tests/page_bench.h"
#include "tests/check_main.h"

#include <string.h>

static void lower_is(struct bench *b, const char *key, unsigned len, unsigned expected,
	bool expected_exact)
{
	bool exact = !expected_exact;

	ck_assert_uint_eq(node_lower(page_of(b), PAGE, (const uint8_t *)key, len, &exact),
		expected);
	ck_assert_int_eq(exact, expected_exact);
}

START_TEST(search_finds_keys_and_the_places_between_them)
{
	struct bench b;

	page_fruit(&b);
	lower_is(&b, "apple", 5, 0, true);
	lower_is(&b, "fig", 3, 1, true);
	lower_is(&b, "grape", 5, 2, false);
	lower_is(&b, "zebra", 5, 4, false);
	page_begin(&b, 0, "");
	lower_is(&b, "", 0, 0, false);
	page_lay_record(&b, "libc6", "2");
	page_lay_record(&b, "libc6-dev", "2");
	lower_is(&b, "libc6", 5, 0, true);
	lower_is(&b, "libc6-dev", 9, 1, true);
	page_begin(&b, 0, "");
	page_lay(b.bytes, PAGE, "a", 1, "\0", 2, NULL, 0);
	page_lay(b.bytes, PAGE, "a\0", 2, "\0", 2, NULL, 0);
	lower_is(&b, "a", 1, 0, true);
	lower_is(&b, "a\0", 2, 1, true);
	page_begin(&b, 1, "usr/");
	page_lay_child(&b, "bin", (struct page_ref){7, 1});
	page_lay_child(&b, "lib", (struct page_ref){8, 1});
	lower_is(&b, "usr/lib", 7, 1, true);
}
END_TEST

START_TEST(search_in_bytes_without_sense_is_bad)
{
	struct bench b;

	page_fruit(&b);
	page_set(b.bytes, NODE_COUNT, 0xffff);
	lower_is(&b, "fig", 3, NODE_BAD, false);
	page_begin(&b, 0, "usr/");
	page_lay_record(&b, "bin", "");
	lower_is(&b, "us", 2, NODE_BAD, false);
	page_begin(&b, 0, "");
	page_lay_record(&b, "libcurl4", "7");
	page_set(b.bytes, NODE_SLOTS + NODE_SLOT_OFF, 0xfff0);
	lower_is(&b, "libcap2", 7, NODE_BAD, false);
}
END_TEST

static void put(struct bench *b, unsigned i, const char *key, const char *val, unsigned val_len)
{
	struct node_entry entry = {.key = (const uint8_t *)key, .key_len = (unsigned)strlen(key)};

	entry.val.data = (const uint8_t *)val;
	entry.val.len = val_len;
	node_insert(page_of(b), PAGE, i, &entry, b->scratch);
}

static void is_record(struct bench *b, unsigned i, const char *key, const char *val)
{
	uint8_t found[128];
	struct node_value value;

	ck_assert_uint_eq(node_key(page_of(b), PAGE, i, found), strlen(key));
	ck_assert_int_eq(memcmp(found, key, strlen(key)), 0);
	ck_assert(node_value(page_of(b), PAGE, i, &value));
	ck_assert_uint_eq(value.len, strlen(val));
	ck_assert_int_eq(memcmp(value.data, val, strlen(val)), 0);
}

static void is_header(struct bench *b, unsigned heap_len, unsigned dead)
{
	ck_assert_uint_eq(node_heap_len(page_of(b)), heap_len);
	ck_assert_uint_eq(node_dead(page_of(b)), dead);
}

START_TEST(records_come_and_go)
{
	struct bench b;

	page_begin(&b, 0, "lib");
	put(&b, 0, "libjpeg62", "62", 2);
	put(&b, 0, "libc6", "2.36", 4);
	put(&b, 2, "libz", "1", 1);
	put(&b, 2, "libtiff", "6", 1);
	is_record(&b, 0, "libc6", "2.36");
	is_record(&b, 1, "libjpeg62", "62");
	is_record(&b, 2, "libtiff", "6");
	is_record(&b, 3, "libz", "1");
	is_header(&b, 3 + 6 + 6 + 3 + 3, 0);
	node_remove(page_of(&b), PAGE, 0); /* not the lowest cell, so its 6 bytes are dead */
	is_header(&b, 3 + 6 + 6 + 3 + 3, 6);
	put(&b, 0, "libc6", "2.36", 4); /* there is space: nothing is collected */
	is_header(&b, 3 + 6 + 6 + 3 + 3 + 6, 6);
	node_remove(page_of(&b), PAGE, 0); /* now it is the lowest one */
	node_remove(page_of(&b), PAGE, 1);
	is_header(&b, 3 + 6 + 6 + 3, 6);
	is_record(&b, 0, "libjpeg62", "62");
	is_record(&b, 1, "libz", "1");
	node_compact(page_of(&b), PAGE, b.scratch);
	is_header(&b, 3 + 6 + 3, 0);
	is_record(&b, 0, "libjpeg62", "62");
	is_record(&b, 1, "libz", "1");
}
END_TEST

START_TEST(full_page_is_full_to_its_last_byte_and_can_be_used_again)
{
	static const char text[PAGE] = "";
	struct bench b;

	page_begin(&b, 0, "");
	put(&b, 0, "a", text, 100);
	put(&b, 1, "b", text, 100);
	put(&b, 2, "c", text, 100);
	put(&b, 3, "d", text, node_cap(PAGE) - node_used(page_of(&b)) - NODE_SLOT_BYTES - 2);
	ck_assert_uint_eq(node_used(page_of(&b)), node_cap(PAGE));
	node_remove(page_of(&b), PAGE, 1);
	put(&b, 1, "b", text, 100);
	ck_assert_uint_eq(node_used(page_of(&b)), node_cap(PAGE));
	ck_assert_uint_eq(node_dead(page_of(&b)), 0);
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
}
END_TEST

START_TEST(children_and_long_values_are_kept)
{
	struct node_entry child = {
		.key = (const uint8_t *)"melons", .key_len = 6, .child = {0x0102, 0x0304}};
	uint8_t bytes[NODE_OVERFLOW_BYTES] = {0xaa};
	struct node_entry large = {.key = (const uint8_t *)"key",
		.key_len = 3,
		.val = {bytes, NODE_OVERFLOW_BYTES, true}};
	struct node_value val;
	struct bench b;

	page_begin(&b, 1, "m");
	node_set_child(page_of(&b), 0, (struct page_ref){5, 6});
	node_insert(page_of(&b), PAGE, 0, &child, b.scratch);
	ck_assert_uint_eq(node_heap_len(page_of(&b)), 1 + 12 + 1);
	node_compact(page_of(&b), PAGE, b.scratch);
	ck_assert_uint_eq(node_child(page_of(&b), PAGE, 0).pgno, 5);
	ck_assert_uint_eq(node_child(page_of(&b), PAGE, 1).gen, 0x0304);
	page_begin(&b, 0, "");
	node_insert(page_of(&b), PAGE, 0, &large, b.scratch);
	ck_assert(node_value(page_of(&b), PAGE, 0, &val));
	ck_assert(val.overflow);
}
END_TEST

/* The four fruits with one field of the page, or of its first slot, changed. */
static void is_refused(unsigned at, unsigned x)
{
	struct bench b;

	page_fruit(&b);
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
	page_set(b.bytes, at, x);
	ck_assert_ptr_nonnull(node_validate(page_of(&b), PAGE));
}

START_TEST(pages_without_sense_are_refused)
{
	static const char text[PAGE] = "";
	struct bench b;

	is_refused(NODE_COUNT, 0xffff);
	is_refused(NODE_HEAP_LEN, 0xffff);
	is_refused(NODE_DEAD, 1);
	is_refused(NODE_SLOTS + NODE_SLOT_OFF, 64);
	page_fruit(&b);
	page_of(&b)->type = 0;
	ck_assert_ptr_nonnull(node_validate(page_of(&b), PAGE));
	page_begin(&b, 0, "");
	page_lay_record(&b, "ab", "c");
	b.bytes[NODE_SLOTS] = 1; /* the last byte of a head of two */
	ck_assert_ptr_nonnull(node_validate(page_of(&b), PAGE));
	page_begin(&b, 0, "");
	page_lay_record(&b, "ab", "");
	page_set(b.bytes, NODE_SLOTS + NODE_SLOT_OFF, 200); /* bytes of zero, which are free */
	ck_assert_ptr_nonnull(node_validate(page_of(&b), PAGE));
	page_begin(&b, 0, "");
	put(&b, 0, "a", text, node_value_max(PAGE, 1));
	ck_assert_ptr_null(node_validate(page_of(&b), PAGE));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_test(tc, search_finds_keys_and_the_places_between_them);
	tcase_add_test(tc, search_in_bytes_without_sense_is_bad);
	tcase_add_test(tc, records_come_and_go);
	tcase_add_test(tc, full_page_is_full_to_its_last_byte_and_can_be_used_again);
	tcase_add_test(tc, children_and_long_values_are_kept);
	tcase_add_test(tc, pages_without_sense_are_refused);
	suite_add_tcase(s, tc);
	return check_main(s);
}
