/* SPDX-License-Identifier: MIT */
/* Which advice the mmap pager gives the kernel: its maps are the kernel's, but note each call. */
#include "db/db_int.h"
#include "io/file.h"
#include "io/map.h"
#include "mmap/mmap.h"
#include "tests/api.h"

#include <stdio.h>
#include <string.h>

#define N_PAGES   1024u
#define PAGE_SIZE 4096u
#define SEED      7u
#define WINDOW    8u
#define KEPT      256u /* pages behind a cursor that stay, beside those of the window */

/* Per page: how often it was advised so, since the pager was opened. */
static unsigned noted[ADVICE_POPULATE + 1][N_PAGES];
static void (*note_cold)(uint64_t pgno); /* NULL, or called for each page that becomes cold */
static struct map_ops noting_ops;
static const struct map_ops *kernel_ops;

static void note(struct map *m, uint64_t off_bytes, uint64_t len_bytes, enum map_advice advice)
{
	uint64_t from = (m->off_bytes + off_bytes) / PAGE_SIZE;

	for (uint64_t i = from; i < from + len_bytes / PAGE_SIZE && i < N_PAGES; i++)
		noted[advice][i]++;
	for (uint64_t i = 0; note_cold && advice == ADVICE_COLD && i < len_bytes / PAGE_SIZE; i++)
		note_cold(from + i);
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
	struct mmap_options opts = {.advice = advice, .ahead_pages = WINDOW};
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
		ck_assert_uint_eq(noted[ADVICE_COLD][i], i < N_PAGES - KEPT - WINDOW);
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

START_TEST(cooled_pages_become_cold_in_runs_and_no_others)
{
	struct page_ref refs[N_PAGES / 2];
	struct world w;

	world_open(&w, MMAP_ADVICE_RANDOM);
	for (pgno_t i = 0; i < N_PAGES; i++)
		get(&w, i);
	for (pgno_t i = 0; i < N_PAGES / 2; i++)
		refs[i] = ref_of(i + N_PAGES / 4);
	refs[N_PAGES / 2 - 1] = ref_of(N_PAGES + 5); /* beyond the end */
	pager_cool(w.pager, refs, N_PAGES / 2);
	for (pgno_t i = 0; i < N_PAGES; i++)
		ck_assert_uint_eq(noted[ADVICE_COLD][i],
			i >= N_PAGES / 4 && i < N_PAGES / 4 + N_PAGES / 2 - 1);
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

/* --- a cursor of a database, with the read-ahead that it has by default ---------------------- */

#define DB_RECORDS   10000u
#define DB_PAGES_MAX 20000u

static bool was_read[DB_PAGES_MAX]; /* by the cursor, or by its front */
static unsigned n_cold, n_cold_early;

static void note_read(struct pager_tracer *t, const struct pager_event *event)
{
	(void)t;
	if ((event->op == PAGER_GET || event->op == PAGER_PEEK) && event->ref.pgno < DB_PAGES_MAX)
		was_read[event->ref.pgno] = true;
}

static void note_early(uint64_t pgno)
{
	ck_assert_uint_lt(pgno, DB_PAGES_MAX);
	n_cold++;
	n_cold_early += !was_read[pgno];
}

START_TEST(no_page_becomes_cold_before_the_cursor_has_read_it)
{
	struct io_ops ops = *io_kernel()->ops;
	struct io io = {.ops = &ops};
	struct db_hooks hooks = {.io = &io};
	struct verso_options opts = {.size = sizeof(opts),
		.pager = VERSO_MMAP,
		.page_size = PAGE_SIZE,
		.madvise = VERSO_MADVISE_CURSOR};
	struct pager_tracer tracer = {.event = note_read};
	char path[CHECK_PATH_BYTES];
	struct verso_cursor *cursor;
	struct verso_txn *txn;
	struct verso_val key;
	struct verso *db =
		api_open_with(VERSO_MMAP, "scan", (struct verso_options){.page_size = PAGE_SIZE});
	unsigned n = 0;

	api_fill(db, DB_RECORDS, 1000);
	verso_close(db);
	ops.map = map_noting;
	API_OK(db_open_with(&hooks, api_path(path, "scan"), &opts, &db));
	txn = api_begin(db, VERSO_READ);
	/* A front crosses inner pages that are known; so gets come first, of few leaves each. */
	for (unsigned i = 0; i < DB_RECORDS; i += 100) {
		char text[16];

		(void)snprintf(text, sizeof(text), "key%06u", i);
		ck_assert_int_eq(verso_get(txn, NULL, api_val(text), &key), 0);
	}
	db->pager->tracer = &tracer;
	note_cold = note_early;
	API_OK(verso_cursor_open(txn, NULL, &cursor));
	while (verso_cursor_next(cursor, &key, NULL) == 0)
		n++;
	ck_assert_uint_eq(n, DB_RECORDS);
	ck_assert_uint_eq(n_cold_early, 0);
	ck_assert_uint_gt(n_cold, DB_RECORDS / 10);
	note_cold = NULL;
	verso_cursor_close(cursor);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("map_advice");
	TCase *t = tcase_create("advice");

	tcase_add_test(t, a_scan_asks_for_its_window_and_leaves_cold_what_lies_behind);
	tcase_add_test(t, a_scan_leaves_alone_what_others_use);
	tcase_add_test(t, gets_of_many_leave_nothing_cold);
	tcase_add_test(t, cooled_pages_become_cold_in_runs_and_no_others);
	tcase_add_loop_test(t, other_advice_leaves_nothing_cold, 0, 4);
	tcase_add_test(t, no_page_becomes_cold_before_the_cursor_has_read_it);
	suite_add_tcase(s, t);
	return check_main(s);
}
