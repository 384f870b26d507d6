/* SPDX-License-Identifier: MIT */
/* The contract of resize. */
#include "tests/contract/contract_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void check_size(struct world *w, uint64_t n_pages)
{
	uint64_t size_bytes;

	ck_assert_int_eq(file_size(w->file, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, n_pages * w->page_size);
	check_absent(w, (struct page_ref){(pgno_t)n_pages, 1});
}

START_TEST(growth_keeps_what_was_there_and_adds_zeros)
{
	static const pgno_t sizes[] = {WORLD_PAGES + 1, WORLD_PAGES + 2, 200, 257};
	struct world w;
	struct page_ref refs[WORLD_PAGES], ref;
	uint8_t *buf;

	world_open(&w, _i);
	buf = world_buffer(&w, 1);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(pager_resize(w.pager, sizes[i]), 0);
		check_size(&w, sizes[i]);
		check_absent(&w, (struct page_ref){sizes[i] - 1, 1});
		world_read_file(&w, sizes[i] - 1, buf);
		ck_assert(is_zero(buf, w.page_size));
		ref = world_add(&w, sizes[i] - 1);
		check_get(&w, ref);
	}
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		check_get(&w, refs[i]);
	world_reopen(&w);
	check_get(&w, ref);
	free(buf);
	world_close(&w);
}
END_TEST

/* A full disk is met when the file grows, not when a page is written. */
START_TEST(growth_makes_blocks)
{
	struct world w;
	struct stat st;

	world_open(&w, _i);
	ck_assert_int_eq(pager_resize(w.pager, 4 * WORLD_PAGES), 0);
	if (!w.disk) {
		ck_assert_int_eq(stat(w.path, &st), 0);
		ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 4ull * WORLD_PAGES * w.page_size);
	}
	world_close(&w);
}
END_TEST

START_TEST(growth_disturbs_no_pin)
{
	struct world w;
	struct page_ref ref;
	const struct page *page;

	world_open(&w, _i);
	ref = world_add(&w, WORLD_PAGES - 1);
	page = world_get(&w, ref);
	for (pgno_t n_pages = WORLD_PAGES + 3; n_pages < 3 * WORLD_PAGES; n_pages += 37) {
		ck_assert_int_eq(pager_resize(w.pager, n_pages), 0);
		ck_assert(page_is_filled(page, w.page_size, ref));
	}
	pager_put(w.pager, page);
	check_get(&w, ref);
	world_close(&w);
}
END_TEST

START_TEST(cut_removes_the_end_and_no_more)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];
	pgno_t n_pages = WORLD_PAGES;

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	while (n_pages > 3) {
		n_pages = n_pages > 20 ? n_pages - 19 : n_pages - 1;
		ck_assert_int_eq(pager_resize(w.pager, n_pages), 0);
		check_size(&w, n_pages);
		for (pgno_t i = 0; i < WORLD_PAGES; i++) {
			if (i < n_pages)
				check_get(&w, refs[i]);
			else
				check_absent(&w, refs[i]);
		}
	}
	world_close(&w);
}
END_TEST

/* P6: nothing of what was cut comes back with the place. */
START_TEST(page_that_was_cut_comes_back_empty)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES], newer[WORLD_PAGES];

	world_open(&w, _i);
	for (unsigned round = 0; round < 3; round++) {
		pgno_t n_pages = 40 * round;

		world_add_many(&w, 0, WORLD_PAGES, refs);
		for (unsigned i = 0; i < WORLD_PAGES; i++)
			check_get(&w, refs[i]);
		pager_prefetch(w.pager, refs, WORLD_PAGES);
		ck_assert_int_eq(pager_resize(w.pager, n_pages), 0);
		ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES), 0);
		for (unsigned i = n_pages; i < WORLD_PAGES; i++)
			check_absent(&w, refs[i]);
		world_add_many(&w, n_pages, WORLD_PAGES - n_pages, newer);
		for (unsigned i = n_pages; i < WORLD_PAGES; i++) {
			check_absent(&w, refs[i]);
			check_get(&w, newer[i - n_pages]);
		}
		for (unsigned i = 0; i < n_pages; i++)
			check_get(&w, refs[i]);
	}
	world_close(&w);
}
END_TEST

START_TEST(resize_to_the_same_size_changes_no_byte)
{
	struct world w;
	struct page_ref ref;

	world_open(&w, _i);
	ref = world_add(&w, WORLD_PAGES - 1);
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES), 0);
	check_size(&w, WORLD_PAGES);
	check_get(&w, ref);
	world_close(&w);
}
END_TEST

START_TEST(resize_to_the_same_size_fills_holes)
{
	struct world w;
	struct page_ref ref;
	uint64_t size_bytes;

	world_open_simulated(&w, _i);
	ref = world_add(&w, WORLD_PAGES - 1);
	ck_assert_ptr_nonnull(simdisk_bytes(w.disk, w.path, &size_bytes));
	simdisk_dig(w.disk, w.path);
	simdisk_set_space(w.disk, size_bytes - 1);
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES), -ENOSPC);
	check_size(&w, WORLD_PAGES);
	check_get(&w, ref);
	simdisk_set_space(w.disk, size_bytes);
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES), 0);
	ck_assert_uint_eq(simdisk_space_used(w.disk), size_bytes);
	check_size(&w, WORLD_PAGES);
	check_get(&w, ref);
	world_close(&w);
}
END_TEST

START_TEST(fresh_page_waits_for_the_file_to_grow)
{
	struct world w;
	struct page_ref ref;

	world_open(&w, _i);
	ref = world_make(&w, 2 * WORLD_PAGES);
	check_get(&w, ref);
	ck_assert_int_eq(pager_resize(w.pager, 3 * WORLD_PAGES), 0);
	check_get(&w, ref);
	world_write(&w, &ref, 1);
	check_get(&w, ref);
	world_reopen(&w);
	check_get(&w, ref);
	world_close(&w);
}
END_TEST

/* The kernel's own refusal: a limit on the size of files. Each test is a process of its own. */
START_TEST(growth_that_fails_leaves_the_size)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];
	struct rlimit limit;

	world_open(&w, _i);
	if (w.disk) { /* its own way: contract_faults.c */
		world_close(&w);
		return;
	}
	world_add_many(&w, 0, WORLD_PAGES, refs);
	ck_assert_int_eq(pager_flush(w.pager), 0);
	ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = (WORLD_PAGES + 10) * (rlim_t)w.page_size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (pgno_t n_pages = 4 * WORLD_PAGES; n_pages > WORLD_PAGES + 10; n_pages /= 2) {
		ck_assert_int_lt(pager_resize(w.pager, n_pages), 0);
		ck_assert_str_ne(error_text(), "");
		check_size(&w, WORLD_PAGES);
	}
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES + 10), 0);
	check_size(&w, WORLD_PAGES + 10);
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		check_get(&w, refs[i]);
	world_close(&w);
}
END_TEST

/* What another process writes: the file's own page, without the pager's knowledge. */
static struct page_ref make_beneath(struct world *w, pgno_t pgno, void *buf)
{
	struct page_ref ref = {pgno, ++w->gen};

	page_fill(buf, w->page_size, ref);
	world_overwrite(w, pgno, buf);
	return ref;
}

/* The file's size is another process's for once: it grows, pages are used again, it is cut. */
START_TEST(what_another_process_makes_is_reached)
{
	enum { LONGER = 3 * WORLD_PAGES };
	struct world w;
	struct page_ref refs[WORLD_PAGES], newer, last;
	uint64_t page_size;
	pgno_t n_pages;
	uint8_t *buf;

	world_open(&w, _i);
	if (!w.pager->ops->reach) { /* no process shares its file */
		ck_assert_int_eq(pager_reach(w.pager, &n_pages), -EOPNOTSUPP);
		world_close(&w);
		return;
	}
	page_size = w.page_size;
	buf = world_buffer(&w, 1);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		check_get(&w, refs[i]);
	ck_assert_int_eq(file_truncate(w.file, LONGER * page_size), 0);
	newer = make_beneath(&w, 5, buf);
	last = make_beneath(&w, LONGER - 1, buf);
	ck_assert_int_eq(pager_reach(w.pager, &n_pages), 0);
	ck_assert_uint_eq(n_pages, LONGER);
	check_get(&w, last);
	check_get(&w, newer); /* what is cached there is stale */
	check_get(&w, refs[6]);
	ck_assert_int_eq(file_truncate(w.file, WORLD_PAGES / 2 * page_size), 0);
	ck_assert_int_eq(pager_reach(w.pager, &n_pages), 0);
	ck_assert_uint_eq(n_pages, WORLD_PAGES / 2);
	check_absent(&w, last);
	check_absent(&w, refs[WORLD_PAGES - 1]);
	check_get(&w, refs[6]);
	/* It grows here again, and nothing comes back. */
	ck_assert_int_eq(pager_resize(w.pager, LONGER), 0);
	ck_assert_uint_eq(atomic_load(&w.pager->reached_pages), LONGER);
	check_absent(&w, last);
	check_absent(&w, refs[WORLD_PAGES - 1]);
	check_get(&w, world_add(&w, LONGER - 1));
	free(buf);
	world_close(&w);
}
END_TEST

TCase *contract_sizes(void)
{
	TCase *tc = tcase_create("sizes");

	tcase_set_timeout(tc, 60);
	ADD_TEST(tc, growth_keeps_what_was_there_and_adds_zeros);
	ADD_TEST(tc, growth_makes_blocks);
	ADD_TEST(tc, growth_disturbs_no_pin);
	ADD_TEST(tc, cut_removes_the_end_and_no_more);
	ADD_TEST(tc, page_that_was_cut_comes_back_empty);
	ADD_TEST(tc, resize_to_the_same_size_changes_no_byte);
	ADD_SIMULATED_TEST(tc, resize_to_the_same_size_fills_holes);
	ADD_TEST(tc, fresh_page_waits_for_the_file_to_grow);
	ADD_TEST(tc, growth_that_fails_leaves_the_size);
	ADD_TEST(tc, what_another_process_makes_is_reached);
	return tc;
}
