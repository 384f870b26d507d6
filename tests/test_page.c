/* SPDX-License-Identifier: MIT */
/* Unit tests of pager/page.c: what a seal catches, and what the header's bytes are. */
#include "base/error.h"
#include "pager/page.h"
#include "tests/check_main.h"

#include <stdlib.h>

#define SEED 0x5eed5eed5eed5eedU

static const uint32_t sizes[] = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
#define N_SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

static const struct page_ref ref = {0x01020304, 0x1112131415161718};

/* A sealed page with a payload that is nowhere zero; the caller frees it. */
static struct page *make_page(uint32_t size_bytes)
{
	struct page *page = malloc(size_bytes);

	ck_assert_ptr_nonnull(page);
	memset(page, 0x5a, size_bytes);
	page_init(page, ref, PAGE_NODE, 3, 0x21222324);
	page_seal(page, size_bytes, SEED);
	return page;
}

START_TEST(sealed_page_of_every_size_verifies)
{
	struct page *page = make_page(sizes[_i]);

	ck_assert(page_is_sealed(page));
	ck_assert_int_eq(page_verify(page, sizes[_i], ref, SEED), 0);
	free(page);
}
END_TEST

START_TEST(header_is_little_endian_at_fixed_places)
{
	static const uint8_t expected[PAGE_HEADER_BYTES - 8] = {
		0x04, 0x03, 0x02, 0x01, PAGE_NODE, 3, 0, 0,     /* pgno, type, level, flags */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* gen */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* lsn */
		0x24, 0x23, 0x22, 0x21, 0, 0, 0, 0,             /* tree, scratch */
	};
	struct page *page = make_page(512);

	ck_assert_mem_eq((const uint8_t *)page + 8, expected, sizeof(expected));
	free(page);
}
END_TEST

START_TEST(every_flipped_bit_is_detected)
{
	struct page *page = make_page(512);
	uint8_t *bytes = (uint8_t *)page;

	for (unsigned bit = 0; bit < 512 * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(page_verify(page, 512, ref, SEED), VERSO_ECORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(page_verify(page, 512, ref, SEED), 0);
	free(page);
}
END_TEST

/* Any mixture of two sealed versions of a place, in sectors of 512 bytes, is neither of them. */
START_TEST(every_torn_page_is_detected)
{
	struct page *old = make_page(4096), *new = malloc(4096), *torn = malloc(4096);
	struct page_ref newer = {ref.pgno, ref.gen + 1};

	memset(new, 0xa5, 4096);
	page_init(new, newer, PAGE_NODE, 3, 0x21222324);
	page_seal(new, 4096, SEED);
	for (unsigned mask = 1; mask < 255; mask++) {
		for (unsigned sector = 0; sector < 8; sector++)
			memcpy((uint8_t *)torn + sector * 512,
				(uint8_t *)(mask >> sector & 1 ? new : old) + sector * 512, 512);
		ck_assert_int_eq(page_verify(torn, 4096, ref, SEED), VERSO_ECORRUPT);
		ck_assert_int_eq(page_verify(torn, 4096, newer, SEED), VERSO_ECORRUPT);
	}
	free(old);
	free(new);
	free(torn);
}
END_TEST

START_TEST(pages_of_zeros_and_of_ones_are_invalid)
{
	uint8_t *bytes = malloc(sizes[_i]);
	struct page_ref zeros = {0, 0}, ones = {UINT32_MAX, UINT64_MAX};

	memset(bytes, 0, sizes[_i]);
	ck_assert_int_eq(page_verify((struct page *)bytes, sizes[_i], zeros, 0), VERSO_ECORRUPT);
	ck_assert_int_eq(page_verify((struct page *)bytes, sizes[_i], ref, SEED), VERSO_ECORRUPT);
	memset(bytes, 0xff, sizes[_i]);
	ck_assert_int_eq(page_verify((struct page *)bytes, sizes[_i], ones, 0), VERSO_ECORRUPT);
	ck_assert_int_eq(page_verify((struct page *)bytes, sizes[_i], ref, SEED), VERSO_ECORRUPT);
	free(bytes);
}
END_TEST

START_TEST(lost_write_is_told_with_both_generations)
{
	struct page *page = make_page(512);
	struct page_ref newer = {ref.pgno, ref.gen + 1}, older = {ref.pgno, ref.gen - 1};

	ck_assert_int_eq(page_verify(page, 512, older, SEED), VERSO_ECORRUPT);
	ck_assert_int_eq(page_verify(page, 512, newer, SEED), VERSO_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error_text(), "page 16909060"));
	ck_assert_ptr_nonnull(strstr(error_text(), "expected generation 1112131415161719"));
	ck_assert_ptr_nonnull(strstr(error_text(), "of generation 1112131415161718"));
	free(page);
}
END_TEST

START_TEST(misdirected_write_is_told_with_both_places)
{
	struct page *page = make_page(512);
	struct page_ref elsewhere = {7, ref.gen};

	ck_assert_int_eq(page_verify(page, 512, elsewhere, SEED), VERSO_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error_text(), "page 7:"));
	ck_assert_ptr_nonnull(strstr(error_text(), "found page 16909060"));
	free(page);
}
END_TEST

START_TEST(rot_is_told_with_place_and_generation)
{
	struct page *page = make_page(512);

	page->payload[100] ^= 1;
	ck_assert_int_eq(page_verify(page, 512, ref, SEED), VERSO_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error_text(), "page 16909060"));
	ck_assert_ptr_nonnull(strstr(error_text(), "checksum"));
	ck_assert_ptr_nonnull(strstr(error_text(), "1112131415161718"));
	free(page);
}
END_TEST

START_TEST(page_of_another_file_does_not_verify)
{
	struct page *page = make_page(512);
	uint8_t uuid[16] = {1}, other[16] = {2};

	ck_assert_uint_ne(page_seed(uuid), page_seed(other));
	ck_assert_int_eq(page_verify(page, 512, ref, SEED ^ 1), VERSO_ECORRUPT);
	free(page);
}
END_TEST

START_TEST(unknown_page_type_is_refused_though_the_checksum_fits)
{
	struct page *page = make_page(512);

	memset(page->checksum, 0, sizeof(page->checksum));
	page->type = (uint8_t)_i;
	page_seal(page, 512, SEED);
	ck_assert_int_eq(page_verify(page, 512, ref, SEED),
		_i > 0 && _i < PAGE_TYPE_END ? 0 : VERSO_ECORRUPT);
	free(page);
}
END_TEST

START_TEST(seal_wipes_the_scratch)
{
	struct page *page = calloc(1, 512);

	page_init(page, ref, PAGE_TOY, 0, 0);
	ck_assert(!page_is_sealed(page));
	le32_set(page->scratch, 12345);
	page_seal(page, 512, SEED);
	ck_assert_uint_eq(le32_get(page->scratch), 0);
	ck_assert_int_eq(page_verify(page, 512, ref, SEED), 0);
	free(page);
}
END_TEST

START_TEST(reference_on_disk_is_read_as_written)
{
	uint8_t bytes[PAGE_REF_BYTES + 1];
	struct page_ref found;

	page_ref_set(bytes + 1, ref);
	found = page_ref_get(bytes + 1);
	ck_assert_uint_eq(found.pgno, ref.pgno);
	ck_assert_uint_eq(found.gen, ref.gen);
	ck_assert_uint_eq(bytes[1], 0x04);
	ck_assert_uint_eq(bytes[5], 0x18);
}
END_TEST

START_TEST(page_sizes_are_powers_of_two_in_bounds)
{
	unsigned n_valid = 0;

	for (uint32_t size = 0; size <= 3 * PAGE_SIZE_MAX; size++)
		n_valid += page_size_is_valid(size);
	ck_assert_uint_eq(n_valid, N_SIZES);
	for (int i = 0; i < N_SIZES; i++)
		ck_assert(page_size_is_valid(sizes[i]));
	ck_assert(!page_size_is_valid(1U << 31));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("page");
	TCase *tc = tcase_create("page");

	tcase_add_loop_test(tc, sealed_page_of_every_size_verifies, 0, N_SIZES);
	tcase_add_test(tc, header_is_little_endian_at_fixed_places);
	tcase_add_test(tc, every_flipped_bit_is_detected);
	tcase_add_test(tc, every_torn_page_is_detected);
	tcase_add_loop_test(tc, pages_of_zeros_and_of_ones_are_invalid, 0, N_SIZES);
	tcase_add_test(tc, lost_write_is_told_with_both_generations);
	tcase_add_test(tc, misdirected_write_is_told_with_both_places);
	tcase_add_test(tc, rot_is_told_with_place_and_generation);
	tcase_add_test(tc, page_of_another_file_does_not_verify);
	tcase_add_loop_test(tc, unknown_page_type_is_refused_though_the_checksum_fits, 0, 256);
	tcase_add_test(tc, seal_wipes_the_scratch);
	tcase_add_test(tc, reference_on_disk_is_read_as_written);
	tcase_add_test(tc, page_sizes_are_powers_of_two_in_bounds);
	suite_add_tcase(s, tc);
	return check_main(s);
}
