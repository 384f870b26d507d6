/* SPDX-License-Identifier: MIT */
/*
 * Your own tests of pages and transfers. They run with functions that are right, where all must
 * pass, and with functions that have a planted bug each: each of those in which one of your tests
 * fails counts.
 *
 *	./lab bugs 0		in an unpacked lab on your own files; the others are your teacher's
 *
 * What you can use: pager/page.h, io/transfer.h, base/error.h, base/hash.h, tests/check_main.h. No
 * disk is needed: a page is an array of bytes, and an answer of the kernel is a number.
 */
#include "base/error.h"
#include "io/transfer.h"
#include "pager/page.h"
#include "tests/check_main.h"

#include <errno.h>

#define PAGE 512U

/* An example, which finds nothing yet: what should the header hold? */
START_TEST(a_page_can_be_made)
{
	static _Alignas(8) uint8_t bytes[PAGE];
	struct page *page = (struct page *)bytes;

	page_init(page, (struct page_ref){7, 3}, PAGE_NODE, 0, 1);
	ck_assert_uint_eq(le32_get(page->pgno), 7);
}
END_TEST

/* Another one: the kernel moves all that was asked for. What if it moves less, or nothing? */
START_TEST(an_answer_can_be_taken)
{
	static uint8_t buffer[PAGE];
	struct iovec iov = {buffer, PAGE};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = 4096};

	ck_assert_uint_eq(transfer_len(&req), PAGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("my_tests");
	TCase *tc = tcase_create("my_tests");

	tcase_add_test(tc, a_page_can_be_made);
	tcase_add_test(tc, an_answer_can_be_taken);
	suite_add_tcase(s, tc);
	return check_main(s);
}
