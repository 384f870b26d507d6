/* SPDX-License-Identifier: MIT */
/*
 * The judge of Lab 6 and a protocol are one process: what the judge knows, and what would survive a
 * power cut that is only played, is kept from the protocol.
 */
#include "base/error.h"
#include "tests/check_main.h"
#include "tests/crash/subject_store.h"

#include <errno.h>
#include <string.h>

START_TEST(a_protocol_is_handed_nothing_of_the_judges)
{
	struct simdisk *d = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	const struct store *s;
	void *db;

	ck_assert_int_eq(subject_store.create(0, 1, d), 0);
	ck_assert_int_eq(subject_store.open(0, 1, d, &db), 0);
	s = db;
	ck_assert_ptr_nonnull(s->file);
	ck_assert_ptr_null(s->on_step_arg);
	subject_store.close(db);
	simdisk_free(d);
}
END_TEST

#define MARK '#'

static unsigned n_left; /* bytes of the error text that an opening found */

static int recover(struct store *s)
{
	(void)s;
	n_left = 0;
	for (unsigned i = 0; i < ERROR_TEXT_BYTES; i++)
		n_left += error_text()[i] == MARK;
	return 0;
}

/* error_clear() alone ends the text before its first byte, and leaves the others. */
START_TEST(an_opening_finds_nothing_of_an_error_text)
{
	static const struct protocol p = {.name = "curious", .recover = recover};
	struct simdisk *d = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	char text[ERROR_TEXT_BYTES];
	struct store s;

	memset(text, MARK, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(store_create(simdisk_io(d)), 0);
	(void)error_set(-EIO, "%s", text);
	error_clear();
	ck_assert_int_eq(recover(NULL), 0);
	ck_assert_uint_gt(n_left, ERROR_TEXT_BYTES / 2);
	ck_assert_int_eq(store_open(&s, simdisk_io(d), &p, STORE_POOL), 0);
	ck_assert_uint_eq(n_left, 0);
	store_close(&s);
	simdisk_free(d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab6_judge");
	TCase *t = tcase_create("judge");

	tcase_add_test(t, a_protocol_is_handed_nothing_of_the_judges);
	tcase_add_test(t, an_opening_finds_nothing_of_an_error_text);
	suite_add_tcase(s, t);
	return check_main(s);
}
