/* SPDX-License-Identifier: MIT */
/* What grows in segments: the mmap pager's view of its file, and a pager's page table. */
#include "io/file.h"
#include "mmap/view.h"
#include "pager/table.h"
#include "tests/check_main.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define MIB UINT64_C(1048576)

static struct file *file_of(const char *name, uint64_t size_bytes)
{
	char path[CHECK_PATH_BYTES];
	struct file *f = NULL;

	ck_assert_int_eq(io_open(io_kernel(), check_path(path, name), FILE_CREATE | FILE_EXCL, 0600,
				 &f),
		0);
	ck_assert_int_eq(file_truncate(f, size_bytes), 0);
	return f;
}

static uint8_t byte_at(const struct view *v, uint64_t off_bytes)
{
	return *(const volatile uint8_t *)view_at(v, off_bytes);
}

/* Places on both sides of where segments meet, and at the ends. */
static const uint64_t places[] = {0, 4095, 16 * MIB - 1, 16 * MIB, 32 * MIB - 1, 32 * MIB, 48 * MIB,
	64 * MIB - 1, 64 * MIB, 100 * MIB - 1};

#define N_PLACES (sizeof(places) / sizeof(places[0]))

START_TEST(a_view_shows_every_byte_and_moves_none_as_it_grows)
{
	struct file *f = file_of("grows", 100 * MIB);
	struct view v = {0};
	const void *at[N_PLACES] = {NULL};

	for (size_t i = 0; i < N_PLACES; i++) {
		uint8_t byte = (uint8_t)(i + 1);

		ck_assert_int_eq(file_write(f, &byte, 1, places[i]), 0);
	}
	view_init(&v, io_kernel(), f, MAP_READ_SHARED);
	for (size_t i = 0; i < N_PLACES; i++) {
		ck_assert_int_eq(view_reach(&v, places[i] + 1), 0);
		at[i] = view_at(&v, places[i]);
		for (size_t k = 0; k <= i; k++) {
			ck_assert_ptr_eq(view_at(&v, places[k]), at[k]);
			ck_assert_uint_eq(byte_at(&v, places[k]), k + 1);
			ck_assert_uint_eq(view_offset(&v, at[k]), places[k]);
		}
		ck_assert_uint_le(view_reserved_bytes(&v), 2 * places[i] + 16 * MIB);
	}
	view_advise(&v, 0, 100 * MIB, ADVICE_RANDOM);
	view_advise(&v, 15 * MIB, UINT64_C(1) << 40, ADVICE_WILLNEED);
	view_advise(&v, UINT64_C(1) << 40, MIB, ADVICE_WILLNEED);
	/* Shrunk, and grown again. */
	ck_assert_int_eq(view_reach(&v, 20 * MIB), 0);
	ck_assert_uint_eq(byte_at(&v, 16 * MIB), 4);
	ck_assert_int_eq(view_reach(&v, 100 * MIB), 0);
	for (size_t i = 0; i < N_PLACES; i++)
		ck_assert_uint_eq(byte_at(&v, places[i]), i + 1);
	view_fini(&v);
	file_close(f);
}
END_TEST

static int guarded_byte(const struct view *v, uint64_t off_bytes)
{
	struct fault_guard g;
	int byte;

	if (sigsetjmp(g.env, 0) != 0)
		return -1;
	fault_enter_areas(&g, &v->areas);
	byte = byte_at(v, off_bytes);
	fault_leave(&g);
	return byte;
}

START_TEST(a_fault_in_any_segment_is_caught)
{
	struct file *f = file_of("fault", 100 * MIB);
	struct view v = {0};

	ck_assert_int_eq(fault_install(), 0);
	view_init(&v, io_kernel(), f, MAP_READ_SHARED);
	ck_assert_int_eq(view_reach(&v, 100 * MIB), 0);
	ck_assert_int_eq(file_truncate(f, 4096), 0);
	for (size_t i = 0; i < N_PLACES; i++)
		ck_assert_int_eq(guarded_byte(&v, places[i]), places[i] < 4096 ? 0 : -1);
	view_fini(&v);
	file_close(f);
}
END_TEST

START_TEST(a_view_that_finds_no_address_space_stays_what_it_was)
{
	struct file *f = file_of("limit", 5000 * MIB);
	struct rlimit limit = {(rlim_t)1 << 31, (rlim_t)1 << 31};
	struct view v = {0};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	check_skip("sanitizers need the address space");
	file_close(f);
	return;
#endif
	view_init(&v, io_kernel(), f, MAP_READ_SHARED);
	ck_assert_int_eq(view_reach(&v, 20 * MIB), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(view_reach(&v, 5000 * MIB), -ENOMEM);
	ck_assert_int_eq(view_reach(&v, 20 * MIB), 0);
	ck_assert_uint_eq(byte_at(&v, 20 * MIB - 1), 0);
	view_fini(&v);
	file_close(f);
}
END_TEST

START_TEST(a_table_has_one_word_a_page_and_moves_none_as_it_grows)
{
	static const pgno_t pages[] = {
		0, 1, (1 << 18) - 1, 1 << 18, (1 << 19) - 1, 1 << 19, (1 << 20) + 5, (1 << 22) - 1};
	const size_t n = sizeof(pages) / sizeof(pages[0]);
	struct page_table t = {0};

	table_init(&t, false);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(table_reach(&t, (uint64_t)pages[i] + 1), 0);
		ck_assert_uint_gt(table_end(&t), pages[i]);
		ck_assert_uint_le(table_end(&t), pages[i] < 1 << 18 ? 1 << 18 : 2 * pages[i]);
		ck_assert_uint_eq(atomic_load(table_word(&t, pages[i])), 0);
		atomic_store(table_word(&t, pages[i]), i + 1);
		for (size_t k = 0; k <= i; k++)
			ck_assert_uint_eq(atomic_load(table_word(&t, pages[k])), k + 1);
	}
	table_fini(&t);
	ck_assert_uint_eq(table_segment(UINT32_MAX), TABLE_SEGMENTS - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("view");
	TCase *t = tcase_create("segments");

	tcase_add_test(t, a_view_shows_every_byte_and_moves_none_as_it_grows);
	tcase_add_test(t, a_fault_in_any_segment_is_caught);
	tcase_add_test(t, a_view_that_finds_no_address_space_stays_what_it_was);
	tcase_add_test(t, a_table_has_one_word_a_page_and_moves_none_as_it_grows);
	suite_add_tcase(s, t);
	return check_main(s);
}
