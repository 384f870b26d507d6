/* SPDX-License-Identifier: MIT */
/* What the pool does beyond the contract of pagers: its bounds, its eviction, its loads. */
#include "bufpool/bufpool_int.h"
#include "bufpool/policies.h"
#include "tests/pool_fixture.h"

#include <errno.h>

#define N_PAGES 64

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

static uint64_t word_of(const struct fixture *f, pgno_t pgno)
{
	return atomic_load(table_word(&pool_of(f->pager)->table, pgno));
}

/* Every test runs on the simulated disk (0) and on a real one (1). */
static void set_up(struct fixture *f, int real, const struct bufpool_options *opts)
{
	fixture_file(f, real, 4096, N_PAGES, 1);
	fixture_pool(f, opts);
}

START_TEST(pins_of_fresh_pages_count_as_pins)
{
	const struct page *pages[N_PAGES], *page;
	struct page_write set[2] = {{10, 1, NULL}, {11, 1, NULL}};
	struct fixture f;
	uint32_t n = 0;

	set_up(&f, _i, NULL);
	(void)fixture_fresh(&f, ref(10, 2));
	(void)fixture_fresh(&f, ref(11, 2));
	pages[n++] = fixture_get(&f, ref(10, 2));
	while (pager_get(f.pager, f.guard, ref(40 + n, 1), &pages[n]) == 0)
		n++;
	ck_assert_uint_eq(n, pool_of(f.pager)->n_quota);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(11, 2), &page), VERSO_EPINNED);
	ck_assert_int_eq(pager_write(f.pager, set, 2), 0);
	/* The pinned one has kept its frame; the writer has all of its own back. */
	fixture_check(&f, pages[0], ref(10, 2));
	for (pgno_t pgno = 20; pgno < 24; pgno++)
		(void)fixture_fresh(&f, ref(pgno, 3));
	fixture_check(&f, pages[0], ref(10, 2));
	pager_drop(f.pager, 20, 4);
	for (uint32_t i = 0; i < n; i++)
		pager_put(f.pager, pages[i]);
	fixture_visit(&f, ref(10, 2));
	fixture_visit(&f, ref(11, 2));
	fixture_close(&f);
}
END_TEST

START_TEST(idle_frames_of_the_writer_cache_clean_pages)
{
	struct bufpool_options opts = {.writer_pages = 16, .reader_pages = 4};
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	for (int round = 0; round < 5; round++) {
		for (pgno_t pgno = 0; pgno < 20; pgno++)
			fixture_visit(&f, ref(pgno, 1));
	}
	/* Twenty frames, of which four can be pinned at a time, hold twenty pages. */
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 20);
	/* ... until the writer wants them. */
	for (pgno_t pgno = 40; pgno < 56; pgno++)
		(void)fixture_fresh(&f, ref(pgno, 2));
	ck_assert_uint_ge(fixture_stats(&f).n_evictions, 16);
	pager_drop(f.pager, 40, 16);
	fixture_close(&f);
}
END_TEST

START_TEST(inactive_page_is_peeked_and_activated_by_a_get)
{
	struct bufpool_options opts = {.writer_pages = 16, .reader_pages = 4};
	const struct page *page;
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	for (pgno_t pgno = 0; pgno < 8; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	ck_assert_int_eq(word_state(word_of(&f, 0)), WORD_INACTIVE);
	guard_enter(f.guard);
	page = pager_peek(f.pager, f.guard, ref(0, 1));
	ck_assert_ptr_nonnull(page);
	fixture_check(&f, page, ref(0, 1));
	guard_leave(f.guard);
	page = fixture_get(&f, ref(0, 1));
	ck_assert_int_eq(word_state(word_of(&f, 0)), WORD_CACHED);
	pager_put(f.pager, page);
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 8);
	fixture_close(&f);
}
END_TEST

/* How often a pool of 64 frames, so many of them the writer's, misses in skewed reads. */
static uint64_t skewed_misses(int real, enum bufpool_policy policy, uint32_t writer)
{
	struct bufpool_options opts = {
		.policy = policy, .writer_pages = writer, .reader_pages = 64 - writer};
	uint32_t state = 1;
	struct fixture f;
	uint64_t n_misses;

	fixture_file(&f, real, 4096, 512, 1);
	fixture_pool(&f, &opts);
	for (unsigned i = 0; i < 8000; i++) {
		uint32_t octave, rank;

		state = state * 1664525 + 1013904223;
		octave = (state >> 24) % 9;
		rank = (1U << octave) + (state >> 8) % (1U << octave);
		fixture_visit(&f, ref(rank * 197 % 512, 1));
	}
	n_misses = fixture_stats(&f).n_misses;
	fixture_close(&f);
	return n_misses;
}

/* What leaves is what the policy says, so the writer's share of the frames changes nothing. */
START_TEST(idle_frames_of_the_writer_are_the_policys)
{
	uint64_t few, many;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	few = skewed_misses(0, (enum bufpool_policy)_i, 1);
	many = skewed_misses(0, (enum bufpool_policy)_i, 48);
	ck_assert_uint_le(100 * few, 102 * many);
	ck_assert_uint_le(100 * many, 102 * few);
}
END_TEST

START_TEST(policies_differ_in_a_pool_that_is_mostly_the_writers)
{
	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	ck_assert_uint_gt(100 * skewed_misses(_i, BUFPOOL_RANDOM, 48),
		115 * skewed_misses(_i, BUFPOOL_SIEVE, 48));
}
END_TEST

/* A page that a get activates is where it was in the policy's order. */
START_TEST(activation_does_not_make_a_page_young)
{
	struct bufpool_options opts = {
		.policy = BUFPOOL_FIFO, .writer_pages = 12, .reader_pages = 4};
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	for (pgno_t pgno = 0; pgno < 16; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	fixture_visit(&f, ref(0, 1));
	fixture_visit(&f, ref(16, 1));
	ck_assert_int_eq(word_state(word_of(&f, 0)), WORD_EMPTY);
	ck_assert_int_ne(word_state(word_of(&f, 1)), WORD_EMPTY);
	fixture_close(&f);
}
END_TEST

/* After an abort, say: what the writer had copied is read on. */
START_TEST(unneeded_page_that_is_peeked_at_becomes_the_policys_again)
{
	struct bufpool_options opts = {
		.policy = BUFPOOL_FIFO, .writer_pages = 4, .reader_pages = 12};
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	for (pgno_t pgno = 0; pgno < 16; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	pager_put_unneeded(f.pager, fixture_get(&f, ref(9, 1)));
	guard_enter(f.guard);
	ck_assert_ptr_nonnull(pager_peek(f.pager, f.guard, ref(9, 1)));
	guard_leave(f.guard);
	fixture_visit(&f, ref(16, 1));
	ck_assert_int_eq(word_state(word_of(&f, 9)), WORD_INACTIVE);
	ck_assert_int_eq(word_state(word_of(&f, 0)), WORD_EMPTY);
	fixture_close(&f);
}
END_TEST

START_TEST(page_put_unneeded_stays_readable_and_is_the_first_to_go)
{
	struct bufpool_options opts = {.writer_pages = 4, .reader_pages = 28};
	const struct page *page, *again;
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	for (pgno_t pgno = 0; pgno < 64; pgno++)
		fixture_visit(&f, ref(pgno % 32, 1));
	page = fixture_get(&f, ref(20, 1));
	again = fixture_get(&f, ref(20, 1));
	pager_put_unneeded(f.pager, page);
	ck_assert_int_eq(word_state(word_of(&f, 20)), WORD_CACHED); /* still pinned */
	pager_put_unneeded(f.pager, again);
	ck_assert_int_eq(word_state(word_of(&f, 20)), WORD_UNNEEDED);
	fixture_visit(&f, ref(20, 1));
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 32);
	pager_put_unneeded(f.pager, fixture_get(&f, ref(20, 1)));
	fixture_visit(&f, ref(40, 1));
	ck_assert_int_eq(word_state(word_of(&f, 20)), WORD_EMPTY);
	for (pgno_t pgno = 0; pgno < 32; pgno++) {
		if (pgno != 20)
			fixture_visit(&f, ref(pgno, 1));
	}
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 33);
	fixture_close(&f);
}
END_TEST

START_TEST(page_seen_in_a_guard_stays_though_it_is_evicted)
{
	struct bufpool_options opts = {.writer_pages = 2, .reader_pages = 30};
	const struct page *page;
	struct guard *other;
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i, &opts);
	ck_assert_int_eq(guard_open(&f.pager->guards, &other), 0);
	fixture_visit(&f, ref(0, 1));
	guard_enter(other);
	page = pager_peek(f.pager, other, ref(0, 1));
	ck_assert_ptr_nonnull(page);
	pager_drop(f.pager, 0, 1);
	/* Its frame is the only one that is not to be had. */
	for (pgno_t pgno = 1; pgno < 30; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	ck_assert_uint_eq(pool_of(f.pager)->limbo_open.n + pool_of(f.pager)->limbo_n, 1);
	fixture_check(&f, page, ref(0, 1));
	guard_leave(other);
	for (pgno_t pgno = 1; pgno < N_PAGES; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	ck_assert_uint_eq(pool_of(f.pager)->limbo_open.n + pool_of(f.pager)->limbo_n, 0);
	guard_close(other);
	fixture_close(&f);
}
END_TEST

START_TEST(prefetched_page_that_rotted_is_not_shown)
{
	struct bufpool_options opts = {.reader_pages = 16, .prefetch_pages = 8};
	uint8_t bytes[4096] __attribute__((aligned(4096)));
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, &opts);
	ck_assert_int_eq(file_read(f.file, bytes, 4096, 5 * 4096, FILE_LIVE), 0);
	bytes[4000] ^= 4;
	ck_assert_int_eq(file_write(f.file, bytes, 4096, 5 * 4096), 0);
	pager_prefetch(f.pager, (struct page_ref[]){{4, 1}, {5, 1}, {6, 1}}, 3);
	loads_drain(pool_of(f.pager));
	ck_assert_uint_eq(fixture_stats(&f).n_prefetched, 3);
	guard_enter(f.guard);
	ck_assert_ptr_null(pager_peek(f.pager, f.guard, ref(5, 1)));
	guard_leave(f.guard);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), VERSO_ECORRUPT);
	fixture_visit(&f, ref(4, 1));
	fixture_visit(&f, ref(6, 1));
	fixture_close(&f);
}
END_TEST

START_TEST(scan_leaves_the_working_set_in_memory)
{
	struct bufpool_options opts = {
		.reader_pages = 16, .policy = _i / 2 ? BUFPOOL_SIEVE : BUFPOOL_CLOCK};
	uint64_t n_misses;
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	set_up(&f, _i % 2, &opts);
	for (pgno_t i = 0; i < 16; i++)
		fixture_visit(&f, ref(i % 8, 1));
	n_misses = fixture_stats(&f).n_misses;
	for (pgno_t i = 0; i < 400; i++) {
		pgno_t scanned = 8 + i % (N_PAGES - 8);

		/* By prefetch at times: its first use is no second one. */
		if (i % 3 == 0)
			pager_prefetch(f.pager, (struct page_ref[]){{scanned, 1}}, 1);
		fixture_visit(&f, ref(scanned, 1));
		fixture_visit(&f, ref(i % 8, 1));
	}
	n_misses = fixture_stats(&f).n_loads[PAGER_LOAD_GET] + fixture_stats(&f).n_prefetched -
		   n_misses;
	ck_assert_uint_eq(n_misses, 400);
	fixture_close(&f);
}
END_TEST

/* A short life of a pool. */
static void live(struct fixture *f, const struct bufpool_options *opts)
{
	struct page_write set = {3, 1, NULL};
	const struct page *page, *peeked;

	for (pgno_t pgno = 0; pgno < 20; pgno++)
		fixture_visit(f, ref(pgno, 1));
	pager_prefetch(f->pager, (struct page_ref[]){{17, 1}, {18, 1}, {2, 1}}, 3);
	(void)fixture_fresh(f, ref(3, 2));
	page = fixture_get(f, ref(3, 2));
	ck_assert_int_eq(pager_write(f->pager, &set, 1), 0);
	guard_enter(f->guard);
	peeked = pager_peek(f->pager, f->guard, ref(3, 2));
	guard_leave(f->guard);
	ck_assert_ptr_eq(peeked, opts->flags & BUFPOOL_PIN_ONLY ? NULL : page);
	pager_put(f->pager, page);
	for (pgno_t pgno = 4; pgno < 20; pgno++)
		fixture_visit(f, ref(pgno, 1));
	fixture_visit(f, ref(3, 2));
	ck_assert_ptr_nonnull(strstr(fixture_stats(f).how, "policy"));
}

START_TEST(every_switch_policy_size_and_backend_works)
{
	static const unsigned flags[] = {0, BUFPOOL_SMALL_PAGES, BUFPOOL_PIN_ONLY, 0};
	static const uint32_t sizes[] = {512, 4096, 65536};
	bool skipped = false;

	for (unsigned i = 0; i < 4 * 3 * N_POLICIES * 4; i++) {
		struct bufpool_options opts = {
			.flags = flags[i % 4],
			.checksum = (enum pager_checksum)(i % 3),
			.policy = (enum bufpool_policy)(i / 12 % N_POLICIES),
			.backend = (enum queue_backend)(i / 12 / N_POLICIES),
			.writer_pages = 4,
			.reader_pages = 4,
		};
		struct fixture f;

		fixture_file(&f, _i, sizes[i / 4 % 3], 20, 1);
		opts.cache_bytes = bufpool_cache_bytes_min(f.page_size, &opts);
		if (bufpool_open(f.io, f.file, f.page_size, FIXTURE_SEED, &opts, &f.pager) < 0) {
			ck_assert_int_ne(opts.backend, QUEUE_BEST);
			if (!skipped)
				check_skip("%s", error_text());
			skipped = true;
		} else {
			ck_assert_int_eq(guard_open(&f.pager->guards, &f.guard), 0);
			live(&f, &opts);
		}
		fixture_close(&f);
	}
}
END_TEST

START_TEST(without_verification_only_the_name_is_compared)
{
	struct bufpool_options opts = {.checksum = PAGER_CHECKSUM_NONE};
	uint8_t bytes[4096] __attribute__((aligned(4096)));
	const struct page *page;
	struct fixture f;

	set_up(&f, _i, &opts);
	ck_assert_int_eq(file_read(f.file, bytes, 4096, 5 * 4096, FILE_LIVE), 0);
	bytes[2000] ^= 1;
	ck_assert_int_eq(file_write(f.file, bytes, 4096, 5 * 4096), 0);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), 0);
	pager_put(f.pager, page);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(6, 2), &page), VERSO_ECORRUPT);
	fixture_close(&f);
}
END_TEST

/* What a stray pointer of the application does to the pool's memory. */
START_TEST(bytes_that_change_in_memory_are_found_at_each_get_when_asked)
{
	struct bufpool_options opts = {.checksum = PAGER_CHECKSUM_ALWAYS};
	const struct page *page, *peeked;
	struct fixture f;

	set_up(&f, _i, &opts);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), 0);
	((uint8_t *)(uintptr_t)page)[2000] ^= 1;
	guard_enter(f.guard);
	peeked = pager_peek(f.pager, f.guard, ref(5, 1));
	guard_leave(f.guard);
	ck_assert_ptr_null(peeked);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &page), VERSO_ECORRUPT);
	/* The file is as it was. */
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 1), &peeked), 0);
	ck_assert_ptr_ne(page, peeked);
	pager_put(f.pager, peeked);
	pager_put(f.pager, page);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_pool");
	TCase *tc = tcase_create("pool");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, pins_of_fresh_pages_count_as_pins, 0, 2);
	tcase_add_loop_test(tc, idle_frames_of_the_writer_cache_clean_pages, 0, 2);
	tcase_add_loop_test(tc, inactive_page_is_peeked_and_activated_by_a_get, 0, 2);
	tcase_add_loop_test(tc, idle_frames_of_the_writer_are_the_policys, 0, N_POLICIES);
	tcase_add_loop_test(tc, policies_differ_in_a_pool_that_is_mostly_the_writers, 0, 2);
	tcase_add_loop_test(tc, activation_does_not_make_a_page_young, 0, 2);
	tcase_add_loop_test(tc, unneeded_page_that_is_peeked_at_becomes_the_policys_again, 0, 2);
	tcase_add_loop_test(tc, page_put_unneeded_stays_readable_and_is_the_first_to_go, 0, 2);
	tcase_add_loop_test(tc, page_seen_in_a_guard_stays_though_it_is_evicted, 0, 2);
	tcase_add_loop_test(tc, prefetched_page_that_rotted_is_not_shown, 0, 2);
	tcase_add_loop_test(tc, scan_leaves_the_working_set_in_memory, 0, 4);
	tcase_add_loop_test(tc, bytes_that_change_in_memory_are_found_at_each_get_when_asked, 0, 2);
	tcase_add_loop_test(tc, every_switch_policy_size_and_backend_works, 0, 2);
	tcase_add_loop_test(tc, without_verification_only_the_name_is_compared, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
