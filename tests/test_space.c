/* SPDX-License-Identifier: MIT */
/* Free space by itself, over a pager that is an array. */
#include "base/error.h"
#include "space/space.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES  512U
#define GROUP_PAGES 256U
#define ARRAY_PAGES (1U << 20)

/* The array is address space: what is never written costs nothing. */
struct array_pager {
	struct pager pager;
	uint8_t *bytes;
	pgno_t n_pages, n_pages_max;
};

static int array_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	struct array_pager *a = (struct array_pager *)p;

	if (pgno >= a->n_pages || n_pages > a->n_pages - pgno)
		return VERSO_EIO;
	memcpy(buf, a->bytes + (size_t)pgno * PAGE_BYTES, (size_t)n_pages * PAGE_BYTES);
	return 0;
}

static int array_resize(struct pager *p, pgno_t n_pages)
{
	struct array_pager *a = (struct array_pager *)p;

	if (n_pages > a->n_pages_max)
		return -ENOSPC;
	a->n_pages = n_pages;
	return 0;
}

static const struct pager_ops array_ops = {
	.name = "array",
	.read_device = array_read_device,
	.resize = array_resize,
};

/* A space, and the newest record and pages that it was written down in. */
struct bench {
	struct array_pager a;
	struct space_options options;
	struct space_record record;
	struct space space;
	struct space_pages pages;
	gen_t gen, taken_gen;
};

static void ok(int rc)
{
	ck_assert_msg(rc == 0, "%d: %s", rc, error_text());
}

static void bench_make(struct bench *b, uint32_t groups_max)
{
	struct layout l;

	memset(b, 0, sizeof(*b));
	b->options = (struct space_options){.group_pages = GROUP_PAGES,
		.groups_max = groups_max,
		.grow_pages = 32,
		.cut_pages = 64};
	pager_init(&b->a.pager, &array_ops, PAGE_BYTES, 7, 0);
	b->a.bytes = mmap(NULL, (size_t)ARRAY_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(b->a.bytes, MAP_FAILED);
	b->a.n_pages_max = ARRAY_PAGES;
	layout_init(&l, PAGE_BYTES, &b->options);
	b->record = (struct space_record){.n_pages = layout_first_page(&l, 0),
		.group_pages = l.group_pages,
		.n_groups = 1,
		.n_group_entries = 1,
		.groups_max = l.groups_max,
		.pending_max = l.pending_max};
	b->record.groups[0].gen = 1;
	b->a.n_pages = b->record.n_pages;
	page_init((struct page *)(void *)(b->a.bytes + layout_bitmap(&l, 0) * PAGE_BYTES),
		(struct page_ref){layout_bitmap(&l, 0), 1}, PAGE_BITMAP, 0, 0);
	page_seal((struct page *)(void *)(b->a.bytes + layout_bitmap(&l, 0) * PAGE_BYTES),
		PAGE_BYTES, b->a.pager.seed);
	space_pages_init(&b->pages, PAGE_BYTES);
	ok(space_init(&b->space, &b->a.pager, &b->record, b->a.n_pages, &b->options));
	space_begin(&b->space);
	b->gen = b->taken_gen = 1;
}

static void bench_free(struct bench *b)
{
	space_pages_fini(&b->pages);
	space_fini(&b->space);
	pager_fini(&b->a.pager);
	(void)munmap(b->a.bytes, (size_t)ARRAY_PAGES * PAGE_BYTES);
}

/* A transaction joins the open batch. */
static void bench_join(struct bench *b)
{
	ok(space_pages_reserve(&b->pages, space_count_emitted(&b->space)));
	space_emit(&b->space, ++b->gen, b->taken_gen, &b->pages, &b->record);
	space_begin(&b->space);
}

/* The open batch is flushed. */
static void bench_flush(struct bench *b)
{
	for (uint32_t i = 0; i < b->pages.n; i++)
		memcpy(b->a.bytes + (size_t)page_ref(b->pages.items[i]).pgno * PAGE_BYTES,
			b->pages.items[i], PAGE_BYTES);
	space_pages_fini(
		&b->pages); /* what earlier batches had memory for does not help this one */
	space_pages_init(&b->pages, PAGE_BYTES);
	b->taken_gen = b->gen;
}

/* Opens what was written down: no bitmap is loaded. */
static void bench_open(struct bench *b)
{
	space_fini(&b->space);
	ok(space_init(&b->space, &b->a.pager, &b->record, b->a.n_pages, &b->options));
	space_begin(&b->space);
}

/* A commit of its own, and another opening. */
static void bench_next(struct bench *b)
{
	bench_join(b);
	bench_flush(b);
	bench_open(b);
}

static void bench_cut(struct bench *b, uint32_t keep)
{
	ok(space_cut(&b->space, space_least_cut(&b->space), keep));
	space_begin(&b->space);
}

/* As a transaction does (txn/reserve.c). */
static int prepare(struct bench *b, unsigned n)
{
	int rc = space_prepare(&b->space, n, 0), grown = 0;

	while (rc == SPACE_SHORT && grown == 0) {
		grown = space_grow(&b->space, n);
		rc = space_prepare(&b->space, n, 0);
		if (rc == SPACE_SHORT)
			rc = space_gather(&b->space, n, 0);
	}
	return rc == SPACE_SHORT ? grown : rc;
}

static void take_until(struct bench *b, pgno_t n_pages)
{
	while (b->space.n_pages < n_pages) {
		ok(prepare(b, 1));
		(void)space_take(&b->space);
	}
}

static void give_one(struct space *s, pgno_t pgno)
{
	ok(space_promise_give(s, pgno, 1));
	space_give(s, pgno, 1);
}

/* Gives back what is taken of the n pages from `from` on. */
static void give(struct bench *b, pgno_t from, pgno_t n)
{
	struct space *s = &b->space;

	for (pgno_t pgno = from; pgno < s->n_pages && pgno - from < n; pgno++) {
		if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, 1))
			continue;
		ok(space_load_group(s, pgno / GROUP_PAGES));
		if (!space_is_free(s, pgno) && !window_has(&s->windows[0], pgno) &&
			!window_has(&s->windows[1], pgno))
			give_one(s, pgno);
	}
}

START_TEST(no_batch_writes_the_copies_that_the_flushed_state_uses)
{
	struct bench *b = check_alloc(sizeof(*b));
	struct space_record *durable = check_alloc(sizeof(*durable));

	bench_make(b, 2);
	take_until(b, 5 * GROUP_PAGES);
	bench_join(b);
	bench_flush(b);
	*durable = b->record;
	ck_assert_uint_gt(durable->n_groups, 2);
	/* One batch: the index is changed, becomes superfluous, is needed again. */
	give_one(&b->space, GROUP_PAGES + 100);
	bench_join(b);
	ck_assert_uint_gt(b->record.n_groups, 2);
	ck_assert_uint_ne(b->record.groups[0].copy, durable->groups[0].copy);
	give(b, GROUP_PAGES, UINT32_MAX);
	bench_cut(b, 0);
	bench_join(b);
	ck_assert_uint_le(b->record.n_groups, 2);
	take_until(b, 4 * GROUP_PAGES);
	bench_join(b);
	ck_assert_uint_gt(b->record.n_groups, 2);
	for (uint32_t i = 0; i < b->pages.n; i++) {
		struct page_ref ref = page_ref(b->pages.items[i]);

		if (b->pages.items[i]->type == PAGE_GROUPS)
			ck_assert_uint_ne(ref.pgno,
				layout_index(&b->space.layout, 0) + durable->groups[0].copy);
	}
	bench_free(b);
}
END_TEST

/*
 * The file is cut in one group while the windows lie in two others: three bitmaps change. A commit
 * has memory for what was counted, and no more (space_pages_add() asserts it).
 */
START_TEST(a_cut_adds_no_more_pages_than_were_counted)
{
	struct bench *b = check_alloc(sizeof(*b));

	bench_make(b, _i ? 2 : 64);
	take_until(b, 8 * GROUP_PAGES);
	bench_next(b);
	for (unsigned w = 0; w < RECORD_WINDOWS; w++)
		b->record.windows[w] = (struct window){w * GROUP_PAGES + 64, {UINT64_MAX}};
	bench_open(b);
	give(b, 2 * GROUP_PAGES + 100, UINT32_MAX);
	bench_next(b);
	bench_cut(b, 0);
	bench_next(b);
	ck_assert_uint_eq(b->record.n_pages, 2 * GROUP_PAGES + 100);
	bench_free(b);
}
END_TEST

START_TEST(growth_stops_at_the_last_group_that_an_index_can_hold)
{
	struct bench *b = check_alloc(sizeof(*b));
	struct layout l;
	int rc = 0;

	bench_make(b, 2);
	l = b->space.layout;
	while (rc == 0) {
		rc = prepare(b, 64);
		for (unsigned i = 0; rc == 0 && i < 64; i++)
			(void)space_take(&b->space);
	}
	ck_assert_int_eq(rc, VERSO_EFULL);
	ck_assert_uint_eq(b->space.n_pages, RECORD_GROUPS_MAX * l.index_entries * GROUP_PAGES);
	bench_join(b);
	ck_assert_uint_eq(b->record.n_group_entries, RECORD_GROUPS_MAX);
	bench_free(b);
}
END_TEST

static void take_all(struct bench *b)
{
	int rc;

	for (rc = 0; rc == 0;) {
		rc = prepare(b, 1);
		if (rc == 0)
			(void)space_take(&b->space);
	}
	ck_assert_int_eq(rc, -ENOSPC);
}

/* Free pages here and there, in no piece enough for a window that is worth it. */
START_TEST(on_a_full_disk_scattered_free_pages_are_used)
{
	struct bench *b = check_alloc(sizeof(*b));

	bench_make(b, 2);
	take_until(b, 4 * GROUP_PAGES);
	b->a.n_pages_max = b->space.n_pages;
	take_all(b);
	ck_assert_uint_eq(space_count_free(&b->space), 0);
	for (pgno_t pgno = 50; pgno < 4 * GROUP_PAGES; pgno += 20) {
		give_one(&b->space, pgno);
	}
	take_all(b);
	ck_assert_uint_eq(space_count_free(&b->space), 0);
	bench_free(b);
}
END_TEST

/* Where a window would be fetched from the piece with the most free pages, which lies high. */
START_TEST(a_transaction_that_aims_low_takes_the_lowest_free_pages)
{
	struct bench *b = check_alloc(sizeof(*b));
	struct space *s = &b->space;
	pgno_t low[8], n_pages, last;

	bench_make(b, 4);
	take_until(b, 4 * GROUP_PAGES);
	n_pages = s->n_pages;
	give(b, 3 * GROUP_PAGES, GROUP_PAGES);
	for (unsigned i = 0; i < 8; i++)
		give_one(s, low[i] = 50 + 40 * i);
	bench_next(b);
	for (unsigned aims_low = 0; aims_low < 2; aims_low++) {
		uint32_t n_free = space_count_free(s);

		if (aims_low)
			ok(space_aim_low(s));
		space_begin(s);
		ck_assert_uint_eq(space_count_free(s), n_free);
		last = 0;
		for (unsigned i = 0; i < 8; i++) {
			pgno_t pgno;

			ok(space_prepare(s, 1, 0));
			pgno = space_take(s);
			if (aims_low)
				ck_assert_uint_eq(pgno, low[i]);
			last = pgno > last ? pgno : last;
		}
		ck_assert(aims_low || last >= 3 * GROUP_PAGES);
		space_undo(s);
		space_begin(s);
	}
	ok(space_prepare(s, 1, 0)); /* it has ended */
	ck_assert_uint_gt(space_take(s), low[7]);
	ck_assert_uint_eq(s->n_pages, n_pages);
	bench_free(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("space");
	TCase *c = tcase_create("space");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, no_batch_writes_the_copies_that_the_flushed_state_uses);
	tcase_add_loop_test(c, a_cut_adds_no_more_pages_than_were_counted, 0, 2);
	tcase_add_test(c, growth_stops_at_the_last_group_that_an_index_can_hold);
	tcase_add_test(c, on_a_full_disk_scattered_free_pages_are_used);
	tcase_add_test(c, a_transaction_that_aims_low_takes_the_lowest_free_pages);
	suite_add_tcase(s, c);
	return check_main(s);
}
