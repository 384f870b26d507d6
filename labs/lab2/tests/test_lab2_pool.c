/* SPDX-License-Identifier: MIT */
/*
 * What a buffer pool promises beside the page interface (tests/contract/contract_pool.h), and the
 * ledger: each read and each eviction of a small pool, in order, as it must be.
 */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/contract/contract_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

START_TEST(ledger_of_a_miss_is_one_read)
{
	struct ledger l;

	ledger_open(&l, 4, BUFPOOL_FIFO);
	ledger_visit_all(&l, (const pgno_t[]){7, 8, 9, 0});
	ledger_is(&l, "r7 r8 r9");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_of_a_hit_is_empty)
{
	struct ledger l;

	ledger_open(&l, 4, BUFPOOL_FIFO);
	ledger_visit_all(&l, (const pgno_t[]){7, 8, 7, 7, 8, 0});
	ledger_is(&l, "r7 r8");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_uses_free_frames_before_it_evicts)
{
	struct ledger l;

	ledger_open(&l, 4, BUFPOOL_FIFO);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 4, 5, 0});
	ledger_is(&l, "r1 r2 r3 r4 e1 r5");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_evicts_in_the_order_of_fifo)
{
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	/* Belady's anomaly, with three frames: nine misses. */
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5, 0});
	ledger_is(&l, "r1 r2 r3 e1 r4 e2 r1 e3 r2 e4 r5 e1 r3 e2 r4");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_evicts_in_the_order_of_lru)
{
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_LRU);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 1, 4, 1, 2, 0});
	ledger_is(&l, "r1 r2 r3 e2 r4 e3 r2");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_gives_a_used_page_its_second_chance)
{
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_CLOCK);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 1, 4, 5, 0});
	ledger_is(&l, "r1 r2 r3 e2 r4 e3 r5");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_passes_a_pinned_page_over)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	page = ledger_get(&l, 1);
	ledger_visit_all(&l, (const pgno_t[]){2, 3, 4, 5, 0});
	ledger_is(&l, "r1 r2 r3 e2 r4 e3 r5");
	ck_assert_uint_eq(page->payload[0], 1);
	pager_put(l.pager, page);
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_of_a_full_pool_is_an_error_and_no_read)
{
	const struct page *pages[3], *page;
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	for (pgno_t i = 0; i < 3; i++)
		pages[i] = ledger_get(&l, i + 1);
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){4, 1}, &page),
		VERSO_EPINNED);
	ledger_is(&l, "r1 r2 r3");
	for (pgno_t i = 0; i < 3; i++)
		pager_put(l.pager, pages[i]);
	ledger_visit(&l, 4);
	ledger_is(&l, "r1 r2 r3 e1 r4");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_of_a_failed_read_keeps_no_frame)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_FIFO);
	l.fault = -EIO;
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){1, 1}, &page), -EIO);
	l.fault = 0;
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 1, 0});
	ledger_is(&l, "r1 r1 r1 r1 r1 r1 r2");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_of_a_forgotten_page_is_another_read)
{
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 0});
	pager_drop(l.pager, 2, 2);
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 3, 0});
	ledger_is(&l, "r1 r2 r3 r2 r3");
	pager_drop(l.pager, 1, LEDGER_PAGES - 1);
	ledger_visit_all(&l, (const pgno_t[]){1, 3, 0});
	ledger_is(&l, "r1 r2 r3 r2 r3 r1 r3");
	ledger_close(&l);
}
END_TEST

START_TEST(ledger_of_another_generation_is_another_read)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 3, BUFPOOL_FIFO);
	ledger_visit(&l, 5);
	ledger_put_page(&l, (struct page_ref){5, 2});
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){5, 2}, &page), 0);
	ck_assert(page_is(page, (struct page_ref){5, 2}));
	pager_put(l.pager, page);
	ledger_is(&l, "r5 r5");
	/* Both are forgotten: what the file does not have any more is an error. */
	pager_drop(l.pager, 5, 1);
	ck_assert_int_eq(pager_get(l.pager, l.guard, (struct page_ref){5, 1}, &page),
		VERSO_ECORRUPT);
	ledger_close(&l);
}
END_TEST

/* A pin on a page that was forgotten: its bytes stay, and the frame comes back at the last put. */
START_TEST(ledger_frees_a_forgotten_page_at_its_last_put)
{
	const struct page *page;
	struct ledger l;

	ledger_open(&l, 2, BUFPOOL_FIFO);
	for (int i = 0; i < 5; i++) {
		page = ledger_get(&l, 1);
		pager_drop(l.pager, 1, 1);
		ledger_visit(&l, 2);
		ck_assert_uint_eq(page->payload[0], 1);
		pager_put(l.pager, page);
	}
	ledger_visit_all(&l, (const pgno_t[]){1, 2, 0});
	ledger_is(&l, "r1 r2 r1 r1 r1 r1 r1");
	ledger_close(&l);
}
END_TEST

/* A stream drawn by seed, on a pool and on a list of what it must hold. */
START_TEST(ledger_of_a_long_stream_has_no_read_too_many)
{
	static const uint32_t n_frames = 8;
	uint64_t state = check_seed(), n_misses = 0;
	pgno_t held[8];
	uint32_t n_held = 0;
	struct pager_stats stats;
	struct ledger l;

	ledger_open(&l, n_frames, BUFPOOL_FIFO);
	simdisk_set_fault(l.disk, NULL, NULL);
	l.pager->tracer = NULL;
	for (int i = 0; i < 5000; i++) {
		pgno_t pgno = (pgno_t)(check_random(&state) % 12);
		bool hit = false;

		for (uint32_t k = 0; k < n_held; k++)
			hit = hit || held[k] == pgno;
		if (!hit) {
			if (n_held == n_frames)
				memmove(held, held + 1, --n_held * sizeof(held[0]));
			held[n_held++] = pgno;
			n_misses++;
		}
		ledger_visit(&l, pgno);
	}
	pager_stats(l.pager, &stats);
	ck_assert_uint_eq(stats.n_misses, n_misses);
	ck_assert_uint_eq(stats.n_evictions, n_misses - n_frames);
	ledger_close(&l);
}
END_TEST

/*
 * Of what is given (lab_pager.c): a page of the writer that was seen inside a guard keeps its bytes
 * until the guard is left, whatever the writer makes meanwhile.
 */
#define WRITER_FRAMES (4 + 4 + 64) /* writer_pages, pin_pages, and what may lie in limbo */

struct looker {
	struct ledger *ledger;
	_Atomic bool has_seen;
	_Atomic uint32_t n_made;
	bool was_whole;
};

static void *look(void *arg)
{
	struct looker *k = arg;
	struct pager *p = k->ledger->pager;
	const struct page *page;
	struct guard *guard;

	ck_assert_int_eq(guard_open(&p->guards, &guard), 0);
	guard_enter(guard);
	page = pager_peek(p, guard, (struct page_ref){1, 2});
	k->has_seen = true;
	while (k->n_made < WRITER_FRAMES - 1)
		(void)sched_yield();
	/* The next one has to wait for this guard; one that does not wait comes to its end here. */
	for (int i = 0; i < 2000 && k->n_made < 2 * WRITER_FRAMES; i++)
		(void)sched_yield();
	k->was_whole = page && page_is(page, (struct page_ref){1, 2});
	guard_leave(guard);
	guard_close(guard);
	return NULL;
}

START_TEST(writers_frame_is_not_used_again_under_a_guard)
{
	struct ledger l;
	struct looker k = {.ledger = &l};
	pthread_t thread;

	ledger_open(&l, 4, BUFPOOL_FIFO);
	l.pager->tracer = NULL;
	(void)pager_fresh(l.pager, (struct page_ref){1, 2});
	ck_assert_int_eq(pthread_create(&thread, NULL, look, &k), 0);
	while (!k.has_seen)
		(void)sched_yield();
	pager_drop(l.pager, 1, 1);
	for (gen_t gen = 3; gen < 3 + 2 * WRITER_FRAMES; gen++) {
		(void)pager_fresh(l.pager, (struct page_ref){2, gen});
		pager_drop(l.pager, 2, 1);
		k.n_made++;
	}
	(void)pthread_join(thread, NULL);
	ck_assert(k.was_whole);
	ledger_close(&l);
}
END_TEST

static TCase *ledger_case(void)
{
	TCase *tc = tcase_create("ledger");

	tcase_set_timeout(tc, 20);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, ledger_of_a_miss_is_one_read);
	tcase_add_test(tc, ledger_of_a_hit_is_empty);
	tcase_add_test(tc, ledger_uses_free_frames_before_it_evicts);
	tcase_add_test(tc, ledger_evicts_in_the_order_of_fifo);
	tcase_add_test(tc, ledger_evicts_in_the_order_of_lru);
	tcase_add_test(tc, ledger_gives_a_used_page_its_second_chance);
	tcase_add_test(tc, ledger_passes_a_pinned_page_over);
	tcase_add_test(tc, ledger_of_a_full_pool_is_an_error_and_no_read);
	tcase_add_test(tc, ledger_of_a_failed_read_keeps_no_frame);
	tcase_add_test(tc, ledger_of_a_forgotten_page_is_another_read);
	tcase_add_test(tc, ledger_of_another_generation_is_another_read);
	tcase_add_test(tc, ledger_frees_a_forgotten_page_at_its_last_put);
	tcase_add_test(tc, ledger_of_a_long_stream_has_no_read_too_many);
	tcase_add_test(tc, writers_frame_is_not_used_again_under_a_guard);
	return tc;
}

int main(void)
{
	static const struct contract_pool lab = {.name = "lab 2",
		.open = bufpool_open,
		.cache_bytes_min = bufpool_cache_bytes_min,
		.no_prefetch = true};
	Suite *s = suite_create("lab2_pool");

	suite_add_tcase(s, ledger_case());
	contract_pool_add(s, &lab, 1);
	return check_main(s);
}
