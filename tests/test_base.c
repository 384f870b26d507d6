/* SPDX-License-Identifier: MIT */
/* base/: bytes, errors, the hash. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "tests/check_main.h"

#include <errno.h>

START_TEST(integers_are_little_endian_at_any_alignment)
{
	uint8_t b[17] = {0};

	le64_set(b + 1, 0x0102030405060708u);
	ck_assert_uint_eq(b[1], 8);
	ck_assert_uint_eq(b[8], 1);
	ck_assert_uint_eq(le64_get(b + 1), 0x0102030405060708u);
	ck_assert_uint_eq(le32_get(b + 1), 0x05060708u);
	ck_assert_uint_eq(le16_get(b + 7), 0x0102u);
	le32_set(b + 3, 0xa1a2a3a4u);
	ck_assert_uint_eq(b[3], 0xa4);
	le16_set(b + 5, 0xb1b2u);
	ck_assert_uint_eq(le32_get(b + 3), 0xb1b2a3a4u);
}
END_TEST

START_TEST(error_text_is_of_the_last_error_and_the_code_is_forwarded)
{
	ck_assert_int_eq(error_set(-EIO, "page %d", 7), -EIO);
	ck_assert_str_eq(error_text(), "page 7");
	error_clear();
	ck_assert_str_eq(error_text(), "");
}
END_TEST

START_TEST(muted_errors_leave_the_text_alone)
{
	(void)error_set(-EIO, "before");
	error_mute();
	error_mute();
	ck_assert_int_eq(error_set(-ENOMEM, "inside"), -ENOMEM);
	error_unmute();
	ck_assert_int_eq(error_set(-ENOMEM, "inside"), -ENOMEM);
	ck_assert_str_eq(error_text(), "before");
	error_unmute();
	(void)error_set(-EIO, "after");
	ck_assert_str_eq(error_text(), "after");
}
END_TEST

START_TEST(long_error_texts_are_cut)
{
	ck_assert_int_eq(error_set(-1, "%2000d", 1), -1);
	ck_assert_uint_eq(strlen(error_text()), ERROR_TEXT_BYTES - 1);
}
END_TEST

START_TEST(every_code_has_a_name)
{
	for (int code = VERSO_ECORRUPT; code >= VERSO_EFULL; code--)
		ck_assert_str_ne(error_name(code), "unknown code");
	ck_assert_str_eq(error_name(-ENOENT), "No such file or directory");
	ck_assert_str_eq(error_name(-30000), "unknown code");
	ck_assert_str_eq(error_name(77), "unknown code");
}
END_TEST

START_TEST(hash_is_xxh3_and_takes_the_seed_in)
{
	/* The empty input under seed 0 is a constant of the algorithm's specification. */
	ck_assert_uint_eq(hash_bytes("", 0, 0), 0x2d06800538d394c2u);
	ck_assert_uint_ne(hash_bytes("a", 1, 0), hash_bytes("a", 1, 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base");
	TCase *t = tcase_create("base");

	tcase_add_test(t, integers_are_little_endian_at_any_alignment);
	tcase_add_test(t, error_text_is_of_the_last_error_and_the_code_is_forwarded);
	tcase_add_test(t, muted_errors_leave_the_text_alone);
	tcase_add_test(t, long_error_texts_are_cut);
	tcase_add_test(t, every_code_has_a_name);
	tcase_add_test(t, hash_is_xxh3_and_takes_the_seed_in);
	suite_add_tcase(s, t);
	return check_main(s);
}
