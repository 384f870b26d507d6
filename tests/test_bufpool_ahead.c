/* SPDX-License-Identifier: MIT */
/* Read-ahead by the pool: which frames it takes, how much of it is taken, how far it goes. */
#include "bufpool/bufpool_int.h"
#include "tests/pool_fixture.h"

#define N_PAGES 64

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

/* Every test runs on the simulated disk (0) and on a real one (1). */
static void set_up(struct fixture *f, int real, const struct bufpool_options *opts)
{
	fixture_file(f, real, 4096, N_PAGES, 1);
	fixture_pool(f, opts);
}

/* Adjacent pages come to adjacent frames, in whatever order they are named and frames are free:
 * a device transfers those as one piece. */
START_TEST(adjacent_pages_are_prefetched_into_adjacent_frames)
{
	enum { N = 12 };
	struct bufpool_options opts = {
		.reader_pages = 64, .prefetch_pages = 32, .policy = BUFPOOL_FIFO};
	struct page_ref refs[N];
	const struct page *pages[N];
	unsigned n_gaps = 0;
	struct fixture f;

	set_up(&f, _i % 2, &opts);
	for (pgno_t at = 0; at + N <= N_PAGES; at += N) {
		for (pgno_t i = 0; i < N; i++)
			refs[i] = ref(at + (_i < 2 ? i : N - 1 - i), 1);
		ck_assert_uint_eq(pager_read_ahead(f.pager, refs, N), N);
		loads_drain(pool_of(f.pager));
		guard_enter(f.guard);
		ck_assert_uint_eq(pager_peek_many(f.pager, f.guard, refs, N, pages), N);
		guard_leave(f.guard);
		for (pgno_t i = 1; i < N; i++) {
			ptrdiff_t step = (const char *)pages[i] - (const char *)pages[i - 1];

			ck_assert_int_eq(step > 0, _i < 2);
			n_gaps += step != 4096 && step != -4096;
		}
		/* Frames become free in an order of their own. */
		pager_drop(f.pager, at, N);
	}
	/* An eviction frees a batch, which need not be a multiple of N. */
	ck_assert_uint_le(n_gaps, N_PAGES / N);
	fixture_close(&f);
}
END_TEST

/* What was not taken can be named again, and is then loaded. */
START_TEST(read_ahead_returns_how_much_it_took)
{
	struct bufpool_options opts = {.reader_pages = 40, .prefetch_pages = 8};
	struct page_ref refs[20];
	struct fixture f;
	size_t n;

	set_up(&f, _i, &opts);
	for (pgno_t i = 0; i < 20; i++)
		refs[i] = ref(3 * i, 1);
	n = pager_read_ahead(f.pager, refs, 20);
	ck_assert_uint_ge(n, 8);
	ck_assert_uint_lt(n, 20);
	for (unsigned tries = 0; n < 20 && tries < 20; tries++) {
		loads_drain(pool_of(f.pager));
		n += pager_read_ahead(f.pager, refs + n, 20 - n);
	}
	ck_assert_uint_eq(n, 20);
	for (pgno_t i = 0; i < 20; i++)
		fixture_visit(&f, refs[i]);
	ck_assert_uint_eq(fixture_stats(&f).n_misses, 0); /* what was read ahead is none */
	/* What is in memory, on its way or beyond the file counts as taken. A hostile pool has
	 * evicted what was visited. */
	refs[3] = ref(N_PAGES, 1);
	if (!HOSTILE_BUILD)
		ck_assert_uint_eq(pager_read_ahead(f.pager, refs, 20), 20);
	fixture_close(&f);
}
END_TEST

/* Each load is counted once, by why it was made; those that gets wait for are the misses. */
START_TEST(loads_are_counted_by_cause)
{
	struct bufpool_options opts = {.reader_pages = 40, .prefetch_pages = 16};
	struct page_ref refs[] = {ref(1, 1), ref(2, 1), ref(8, 1), ref(20, 1)};
	struct pager_stats st;
	struct fixture f;

	set_up(&f, _i, &opts);
	st = fixture_stats(&f);
	ck_assert_uint_eq(st.n_reads_max, 0);
	fixture_visit(&f, ref(40, 1));
	pager_prefetch(f.pager, refs, 3);
	loads_drain(pool_of(f.pager));
	pager_prefetch(f.pager, refs, 4); /* three are there */
	loads_drain(pool_of(f.pager));
	ck_assert_uint_eq(pager_read_ahead(f.pager, (struct page_ref[]){ref(30, 1), ref(31, 1)}, 2),
		2);
	loads_drain(pool_of(f.pager));
	st = fixture_stats(&f);
	ck_assert_uint_eq(st.n_loads[PAGER_LOAD_GET], 1);
	ck_assert_uint_eq(st.n_loads[PAGER_LOAD_MANY], 4);
	ck_assert_uint_eq(st.n_loads[PAGER_LOAD_AHEAD], 2);
	ck_assert_uint_eq(st.n_misses, 5);
	ck_assert_uint_eq(st.n_prefetched, 6);
	ck_assert_uint_eq(st.read_bytes, 7 * 4096);
	ck_assert_uint_eq(st.n_reads, 0);
	/* Pages 1 and 2 came by one request, page 8 by another beside it. */
	ck_assert_uint_ge(st.n_reads_max, 1);
	ck_assert_uint_le(st.n_reads_max, 2);
	fixture_close(&f);
}
END_TEST

/* A page that the policy gives up is a victim; one that is put as unneeded is not. */
START_TEST(what_is_given_up_is_counted_by_reason)
{
	struct fixture f;
	const struct page *page;
	struct pager_stats st;

	set_up(&f, 0, NULL);
	page = fixture_get(&f, ref(0, 1));
	pager_put_unneeded(f.pager, page);
	st = fixture_stats(&f);
	ck_assert_uint_eq(st.n_unneeded, 1);
	ck_assert_uint_eq(st.n_victims, 0);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	st = fixture_stats(&f);
	ck_assert_uint_eq(st.n_unneeded, 1);
	ck_assert_uint_gt(st.n_victims, 0);
	ck_assert_uint_ge(st.n_victims + st.n_unneeded, st.n_evictions);
	fixture_close(&f);
}
END_TEST

START_TEST(cursors_look_ahead_as_far_as_the_pool_lets_them)
{
	struct bufpool_options opts = {.reader_pages = 40, .prefetch_pages = 8};
	struct fixture f;

	set_up(&f, 0, &opts);
	ck_assert_uint_eq(f.pager->ahead_pages, 8);
	fixture_close_pool(&f);
	opts.ahead_pages = 5;
	fixture_pool(&f, &opts);
	ck_assert_uint_eq(f.pager->ahead_pages, 5);
	fixture_close_pool(&f);
	opts.flags = BUFPOOL_NO_AHEAD;
	fixture_pool(&f, &opts);
	ck_assert_uint_eq(f.pager->ahead_pages, 0);
	fixture_close(&f);
}
END_TEST

/* A call that finds its page come, or no load under way, has not waited. */
START_TEST(waits_for_loads_are_counted_when_there_are_any)
{
	struct bufpool_options opts = {.reader_pages = 40, .prefetch_pages = 8};
	struct fixture f;

	set_up(&f, 0, &opts);
	load_wait(pool_of(f.pager), 3);
	loads_wait(pool_of(f.pager), loads_seen(pool_of(f.pager)));
	ck_assert_uint_eq(fixture_stats(&f).n_waits_load, 0);
	/* The simulated disk completes nothing before it is waited for. */
	ck_assert_uint_eq(pager_read_ahead(f.pager, (struct page_ref[]){ref(3, 1)}, 1), 1);
	fixture_visit(&f, ref(3, 1));
	ck_assert_uint_eq(fixture_stats(&f).n_waits_load, 1);
	fixture_close(&f);
}
END_TEST

/* The sync backend reads in the call that names pages: ahead only where it is told to. */
START_TEST(sync_backend_reads_ahead_only_where_asked)
{
	struct bufpool_options opts = {
		.reader_pages = 40, .prefetch_pages = 8, .backend = QUEUE_SYNC};
	struct fixture f;

	set_up(&f, _i, &opts);
	ck_assert_uint_eq(f.pager->ahead_pages, 0);
	ck_assert_ptr_nonnull(strstr(fixture_stats(&f).how, "no read-ahead"));
	fixture_close_pool(&f);
	opts.ahead_pages = 5;
	fixture_pool(&f, &opts);
	ck_assert_uint_eq(f.pager->ahead_pages, 5);
	ck_assert_ptr_null(strstr(fixture_stats(&f).how, "no read-ahead"));
	fixture_close(&f);
}
END_TEST

/* What two threads name at a time, while others' loads end. */
struct namer {
	struct fixture *f;
	pthread_t thread;
	pgno_t from;
};

static void *name_body(void *arg)
{
	enum { RUN = 3, N_RUNS = N_PAGES / 2 / (RUN + 1) };
	struct namer *namer = arg;
	struct page_ref refs[RUN * N_RUNS];

	for (pgno_t i = 0; i < RUN * N_RUNS; i++)
		refs[i] = ref(namer->from + i / RUN * (RUN + 1) + i % RUN, 1);
	for (unsigned round = 0; round < 1000; round++) {
		for (size_t n = 0, tries = 0; n < RUN * N_RUNS && tries < 20; tries++)
			n += pager_read_ahead(namer->f->pager, refs + n, RUN * N_RUNS - n);
		pager_drop(namer->f->pager, namer->from, N_PAGES / 2);
	}
	return NULL;
}

/*
 * How many pages more may be on their way changes while a thread looks: a load may not come to have
 * more than the run that was named, which load_fill() asserts. With a
 * thread that looked twice, half of the runs failed of three times as many rounds: no single one
 * has to.
 */
START_TEST(a_load_has_no_more_than_the_run_that_was_named)
{
	struct bufpool_options opts = {.reader_pages = 64, .prefetch_pages = 8};
	struct namer namers[2];
	struct fixture f;

	set_up(&f, _i, &opts);
	for (pgno_t i = 0; i < 2; i++) {
		namers[i] = (struct namer){.f = &f, .from = i * N_PAGES / 2};
		ck_assert_int_eq(pthread_create(&namers[i].thread, NULL, name_body, &namers[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(namers[i].thread, NULL);
	loads_drain(pool_of(f.pager));
	ck_assert_uint_eq(pool_check(pool_of(f.pager)), 0);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_ahead");
	TCase *tc = tcase_create("ahead");

	tcase_set_timeout(tc, 60);
	if (!HOSTILE_BUILD) /* whose frames are as few as can be */
		tcase_add_loop_test(tc, adjacent_pages_are_prefetched_into_adjacent_frames, 0, 4);
	tcase_add_loop_test(tc, read_ahead_returns_how_much_it_took, 0, 2);
	tcase_add_loop_test(tc, a_load_has_no_more_than_the_run_that_was_named, 0, 2);
	tcase_add_loop_test(tc, loads_are_counted_by_cause, 0, 2);
	if (!HOSTILE_BUILD) /* which evicts at each put */
		tcase_add_test(tc, what_is_given_up_is_counted_by_reason);
	tcase_add_test(tc, cursors_look_ahead_as_far_as_the_pool_lets_them);
	tcase_add_test(tc, waits_for_loads_are_counted_when_there_are_any);
	tcase_add_loop_test(tc, sync_backend_reads_ahead_only_where_asked, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
