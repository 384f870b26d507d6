/* SPDX-License-Identifier: MIT */
/* verso_space(): every page is counted once, and the sentence names what is largest. */
#include "tests/copy_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct verso_space space_of(struct verso *db)
{
	struct verso_space sp = {.size = sizeof(sp)};
	struct verso_stat st = {.size = sizeof(st)};

	API_OK(verso_space(db, &sp));
	API_OK(verso_stat(db, &st));
	ck_assert_uint_eq(sp.n_pages, st.n_pages);
	/* Every page is in one place. */
	ck_assert_uint_eq(sp.n_inner + sp.n_leaf + sp.n_overflow + sp.n_free_space + sp.n_free +
				  sp.n_pending,
		sp.n_pages);
	ck_assert_uint_le(sp.n_held, sp.n_pending);
	ck_assert_uint_le(sp.n_reader_held, sp.n_held);
	ck_assert_uint_le(sp.n_slack, sp.n_inner + sp.n_leaf + sp.n_overflow);
	return sp;
}

START_TEST(every_page_is_counted_once)
{
	static const uint32_t page_sizes[] = {4096, 512, 65536};

	for (unsigned i = 0; i < 3; i++) {
		struct verso *db =
			api_open_with(_i, "db", (struct verso_options){.page_size = page_sizes[i]});
		char path[CHECK_PATH_BYTES];

		(void)space_of(db);
		for (unsigned shape = 0; shape < COPY_SHAPES; shape++) {
			copy_fill(db, shape % 2 ? "t" : NULL, shape, 400, 1);
			(void)space_of(db);
			copy_thin(db, 2);
			(void)space_of(db);
		}
		ck_assert_uint_gt(space_of(db).n_overflow, 0);
		verso_close(db);
		(void)unlink(api_path(path, "db"));
	}
}
END_TEST

START_TEST(the_sentence_names_what_is_largest)
{
	struct verso *db = api_open(_i, "db", 0);
	struct verso_space sp;
	struct verso_txn *reader;

	api_fill(db, 20000, 100);
	sp = space_of(db);
	ck_assert_msg(strstr(sp.why, "as large as its records need"), "%s", sp.why);
	ck_assert_uint_eq(sp.reader_gen, 0);
	reader = api_begin(db, VERSO_READ);
	copy_thin(db, 50);
	sp = space_of(db);
	ck_assert_msg(strstr(sp.why, "kept for readers"), "%s", sp.why);
	ck_assert_uint_eq(sp.reader_pid, (uint64_t)getpid());
	ck_assert_uint_gt(sp.reader_gen, 0);
	ck_assert_uint_gt(sp.n_reader_held, 100);
	verso_abort(reader);
	/* What nothing holds is free as soon as somebody writes. */
	api_fill(db, 1, 10);
	api_fill(db, 1, 11);
	sp = space_of(db);
	ck_assert_uint_eq(sp.n_held, 0);
	ck_assert_msg(strstr(sp.why, "are free") || strstr(sp.why, "newest commits"), "%s", sp.why);
	ck_assert_msg(strstr(sp.why, "verso_compact()") != NULL, "%s", sp.why);
	verso_close(db);
	/* Two of these fit a page, and a third does not. */
	db = api_open(_i, "db2", 0);
	api_fill(db, 3000, 1500);
	sp = space_of(db);
	ck_assert_msg(strstr(sp.why, "partly empty"), "%s", sp.why);
	ck_assert_uint_gt(sp.n_slack * 5, sp.n_leaf);
	verso_close(db);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct verso *db = api_open(_i, "db", 0);
	struct verso_space sp = {.size = 0};
	struct verso_txn *txn;

	API_IS(verso_space(NULL, &sp), VERSO_EMISUSE);
	API_IS(verso_space(db, NULL), VERSO_EMISUSE);
	API_IS(verso_space(db, &sp), VERSO_EMISUSE);
	sp.size = sizeof(sp);
	txn = api_begin(db, VERSO_WRITE);
	API_IS(verso_space(db, &sp), VERSO_EMISUSE);
	verso_abort(txn);
	/* A smaller struct gets what it has room for. */
	memset(&sp, 0x55, sizeof(sp));
	sp.size = offsetof(struct verso_space, n_pages);
	API_OK(verso_space(db, &sp));
	ck_assert_uint_eq(sp.page_size, 4096);
	ck_assert_uint_eq(sp.n_pages, 0x55555555);
	verso_close(db);
	sp.size = sizeof(sp);
	API_IS(verso_space(db, &sp), VERSO_EMISUSE);
	db = api_open(_i, "db", VERSO_RDONLY);
	API_OK(verso_space(db, &sp));
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("where the space goes");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_page_is_counted_once, 0, API_PAGERS);
	tcase_add_loop_test(t, the_sentence_names_what_is_largest, 0, API_PAGERS);
	tcase_add_loop_test(t, bad_arguments_are_refused, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
