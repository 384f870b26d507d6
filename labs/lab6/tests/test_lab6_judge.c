/* SPDX-License-Identifier: MIT */
/*
 * The judge of Lab 6 and a protocol are one process: what the judge knows, and what would survive a
 * power cut that is only played, is kept from the protocol.
 */
#include "tests/check_main.h"
#include "tests/crash/subject_store.h"

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

int main(void)
{
	Suite *s = suite_create("lab6_judge");
	TCase *t = tcase_create("judge");

	tcase_add_test(t, a_protocol_is_handed_nothing_of_the_judges);
	suite_add_tcase(s, t);
	return check_main(s);
}
