/* SPDX-License-Identifier: MIT */
/* Which advice the mmap pager gives the kernel: its maps are the kernel's, but note each call. */
#include "io/file.h"
#include "io/map.h"
#include "mmap/mmap.h"
#include "tests/check_main.h"

#include <string.h>

#define N_PAGES   1024u
#define PAGE_SIZE 4096u
#define SEED      7u
#define WINDOW    8u
#define KEPT      256u /* pages behind a cursor that stay */

/* Per page: how often it was advised so, since the pager was opened. */
static unsigned noted[ADVICE_POPULATE + 1][N_PAGES];
static struct map_ops noting_ops;
static const struct map_ops *kernel_ops;

static void note(struct map *m, uint64_t off_bytes, uint64_t len_bytes, enum map_advice advice)
{
	uint64_t from = (m->off_bytes + off_bytes) / PAGE_SIZE;

	for (uint64_t i = from; i < from + len_bytes / PAGE_SIZE && i < N_PAGES; i++)
		noted[advice][i]++;
	kernel_ops->advise(m, off_bytes, len_bytes, advice);
}

static int map_noting(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	int rc = io_map(io_kernel(), file, mode, off_bytes, reserve_bytes, ret_map);

	(void)io;
	if (rc < 0)
		return rc;
	kernel_ops = (*ret_map)->ops;
	noting_ops = *kernel_ops;
	noting_ops.advise = note;
	(*ret_map)->ops = &noting_ops;
	return 0;
}

struct world {
	struct io io;
	struct io_ops ops;
	struct file *file;
	struct pager *pager;
	struct guard *guard;
};

static struct page_ref ref_of(pgno_t pgno)
{
	return (struct page_ref){pgno, 1000 + pgno};
}

static void world_open(struct world *w, enum mmap_advice advice)
{
	struct mmap_options opts = {.advice = advice};
	char path[CHECK_PATH_BYTES];
	struct page *page = page_buffers_alloc(PAGE_SIZE, 1);

	ck_assert_ptr_nonnull(page);
	ck_assert_int_eq(io_open(io_kernel(), check_path(path, "advice"), FILE_CREATE, 0600,
				 &w->file),
		0);
	for (pgno_t i = 0; i < N_PAGES; i++) {
		memset(page, 0, PAGE_SIZE);
		page_init(page, ref_of(i), PAGE_TOY, 0, 0);
		page_seal(page, PAGE_SIZE, SEED);
		ck_assert_int_eq(file_write(w->file, page, PAGE_SIZE, (uint64_t)i * PAGE_SIZE), 0);
	}
	free(page);
	w->ops = *io_kernel()->ops;
	w->ops.map = map_noting;
	w->io.ops = &w->ops;
	ck_assert_int_eq(mmap_open(&w->io, w->file, PAGE_SIZE, SEED, &opts, &w->pager), 0);
	ck_assert_int_eq(guard_open(&w->pager->guards, &w->guard), 0);
}

static void world_close(struct world *w)
{
	guard_close(w->guard);
	pager_close(w->pager);
	file_close(w->file);
}

static void get(struct world *w, pgno_t pgno)
{
	const struct page *page;

	ck_assert_int_eq(pager_get(w->pager, w->guard, ref_of(pgno), &page), 0);
	pager_put(w->pager, page);
}

/* As a cursor does: a window is named, then its pages are got. */
static void scan(struct world *w)
{
	for (pgno_t at = 0; at < N_PAGES; at += WINDOW) {
		struct page_ref refs[WINDOW];

		for (unsigned i = 0; i < WINDOW; i++)
			refs[i] = ref_of(at + i);
		pager_read_ahead(w->pager, refs, WINDOW);
		for (unsigned i = 0; i < WINDOW; i++)
			get(w, at + i);
	}
}

static unsigned count(enum map_advice advice, pgno_t from, pgno_t to)
{
	unsigned n = 0;

	for (pgno_t i = from; i < to; i++)
		n += noted[advice][i];
	return n;
}

START_TEST(a_scan_asks_for_its_window_and_leaves_cold_what_lies_behind)
{
	struct world w;

	world_open(&w, MMAP_ADVICE_CURSOR);
	ck_assert_uint_eq(count(ADVICE_RANDOM, 0, N_PAGES), N_PAGES);
	scan(&w);
	for (pgno_t i = 0; i < N_PAGES; i++) {
		ck_assert_uint_eq(noted[ADVICE_WILLNEED][i], 1);
		ck_assert_uint_eq(noted[ADVICE_COLD][i], i < N_PAGES - KEPT);
	}
	world_close(&w);
}
END_TEST

START_TEST(a_scan_leaves_alone_what_others_use)
{
	struct world w;

	world_open(&w, MMAP_ADVICE_CURSOR);
	for (pgno_t i = 0; i < N_PAGES; i += 2)
		get(&w, i);
	pager_read_ahead(w.pager, NULL, 0); /* what was read until here does not count */
	scan(&w);
	for (pgno_t i = 0; i < N_PAGES; i++)
		ck_assert_uint_le(noted[ADVICE_COLD][i], noted[ADVICE_WILLNEED][i]);
	ck_assert_uint_gt(count(ADVICE_COLD, 0, N_PAGES), 0);
	world_close(&w);
}
END_TEST

START_TEST(gets_of_many_leave_nothing_cold)
{
	struct page_ref refs[N_PAGES];
	struct world w;

	world_open(&w, MMAP_ADVICE_CURSOR);
	for (pgno_t i = 0; i < N_PAGES; i++)
		refs[i] = ref_of(i);
	pager_prefetch(w.pager, refs, N_PAGES);
	ck_assert_uint_eq(count(ADVICE_WILLNEED, 0, N_PAGES), N_PAGES);
	ck_assert_uint_eq(count(ADVICE_COLD, 0, N_PAGES), 0);
	world_close(&w);
}
END_TEST

START_TEST(other_advice_leaves_nothing_cold)
{
	static const enum mmap_advice others[] = {MMAP_ADVICE_RANDOM, MMAP_ADVICE_NORMAL,
		MMAP_ADVICE_SEQUENTIAL, MMAP_ADVICE_POPULATE};
	static const enum map_advice whole[] = {
		ADVICE_RANDOM, ADVICE_NORMAL, ADVICE_SEQUENTIAL, ADVICE_POPULATE};
	struct world w;

	world_open(&w, others[_i]);
	ck_assert_uint_eq(count(whole[_i], 0, N_PAGES), N_PAGES);
	scan(&w);
	ck_assert_uint_eq(count(ADVICE_COLD, 0, N_PAGES), 0);
	world_close(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("map_advice");
	TCase *t = tcase_create("advice");

	tcase_add_test(t, a_scan_asks_for_its_window_and_leaves_cold_what_lies_behind);
	tcase_add_test(t, a_scan_leaves_alone_what_others_use);
	tcase_add_test(t, gets_of_many_leave_nothing_cold);
	tcase_add_loop_test(t, other_advice_leaves_nothing_cold, 0, 4);
	suite_add_tcase(s, t);
	return check_main(s);
}
