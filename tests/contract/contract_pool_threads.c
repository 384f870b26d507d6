/* SPDX-License-Identifier: MIT */
/*
 * The contract of buffer pools, many threads on a small one: hits, misses, evictions, writes. For
 * ThreadSanitizer above all.
 */
#include "tests/contract/contract_pool_int.h"

#include <pthread.h>
#include <stdatomic.h>

#define N_PAGES   256
#define N_THREADS 6

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

struct shared {
	struct fixture f;
	pthread_barrier_t start;
	_Atomic uint64_t gens[N_PAGES]; /* newest generation written of each page */
	atomic_bool stop;
	_Atomic uint32_t n_failures;
	uint32_t n_steps;
};

struct worker {
	struct shared *shared;
	pthread_t thread;
	uint64_t seed;
};

/* As fixture_check, without Check's calls, which are not for threads. */
static bool is_whole(const struct page *page, uint32_t page_size, struct page_ref r)
{
	return page_verify(page, page_size, r, FIXTURE_SEED) == 0;
}

static void run(struct shared *sh, void *(*body)(void *), unsigned n)
{
	struct worker workers[N_THREADS];

	ck_assert_uint_le(n, N_THREADS);
	(void)pthread_barrier_init(&sh->start, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		workers[i] = (struct worker){.shared = sh, .seed = check_seed() * 1000 + i};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	}
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(workers[i].thread, NULL);
	(void)pthread_barrier_destroy(&sh->start);
	ck_assert_uint_eq(sh->n_failures, 0);
}

static void check(struct shared *sh, bool condition)
{
	if (!condition)
		sh->n_failures++;
}

/*
 * One miss, one read
 */

static void *miss_body(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	const struct page *pages[N_PAGES];
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++) {
		(void)pthread_barrier_wait(&sh->start);
		check(sh, pager_get(p, guard, ref(pgno, 1), &pages[pgno]) == 0);
		check(sh, is_whole(pages[pgno], p->page_size, ref(pgno, 1)));
		(void)pthread_barrier_wait(&sh->start); /* pinned by all: no build evicts it */
		pager_put(p, pages[pgno]);
	}
	guard_close(guard);
	return NULL;
}

START_TEST(several_threads_missing_a_page_cause_one_read)
{
	struct bufpool_options opts = {.reader_pages = 32};
	struct shared sh = {0};
	uint64_t n_reads;

	fixture_file(&sh.f, contract_pool_nth(_i)->real, 4096, N_PAGES, 1);
	contract_pool_open(&sh.f, _i, &opts);
	n_reads = sh.f.disk ? simdisk_calls(sh.f.disk, SIM_CALL_READ) : 0;
	run(&sh, miss_body, N_THREADS);
	if (sh.f.disk)
		ck_assert_uint_eq(simdisk_calls(sh.f.disk, SIM_CALL_READ) - n_reads, N_PAGES);
	ck_assert_uint_eq(fixture_stats(&sh.f).n_misses, N_PAGES);
	ck_assert_uint_eq(fixture_stats(&sh.f).read_bytes, N_PAGES * 4096);
	contract_pool_close(&sh.f, _i);
}
END_TEST

/*
 * Readers on a pool much smaller than the file
 */

static void peek_at(struct shared *sh, struct guard *guard, struct page_ref r)
{
	struct pager *p = sh->f.pager;
	const struct page *page;

	guard_enter(guard);
	page = pager_peek(p, guard, r);
	if (page)
		check(sh, is_whole(page, p->page_size, r));
	guard_leave(guard);
}

static void *reader_body(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	for (uint32_t i = 0; i < sh->n_steps; i++) {
		uint64_t r = check_random(&w->seed);
		struct page_ref a = ref(r % N_PAGES, 1), b = ref((r >> 8) % N_PAGES, 1);
		const struct page *pa, *pb;

		if (r >> 60 == 0)
			pager_prefetch(p, (struct page_ref[]){a, b, ref((a.pgno + 1) % N_PAGES, 1)},
				3);
		if (r >> 62 == 1) {
			peek_at(sh, guard, a);
			continue;
		}
		check(sh, pager_get(p, guard, a, &pa) == 0);
		peek_at(sh, guard, b);
		check(sh, pager_get(p, guard, b, &pb) == 0);
		check(sh, is_whole(pa, p->page_size, a));
		if (a.pgno % 3 == 0)
			pager_put_unneeded(p, pa);
		else
			pager_put(p, pa);
		check(sh, is_whole(pb, p->page_size, b));
		pager_put(p, pb);
	}
	guard_close(guard);
	return NULL;
}

START_TEST(readers_of_a_tiny_pool_always_see_whole_pages)
{
	/* Two pins a thread, one page being loaded, prefetches beside. */
	struct bufpool_options opts = {.reader_pages = 2 * N_THREADS + 4, .prefetch_pages = 4};
	struct shared sh = {.n_steps = 3000};

	fixture_file(&sh.f, contract_pool_nth(_i)->real, 4096, N_PAGES, 1);
	contract_pool_open(&sh.f, _i, &opts);
	run(&sh, reader_body, N_THREADS);
	ck_assert_uint_gt(fixture_stats(&sh.f).n_evictions, 1000);
	contract_pool_close(&sh.f, _i);
}
END_TEST

/*
 * A writer and its flush leader beside readers
 */

#define SET_PAGES 8

/* Writes sets of pages anew, each a generation; readers see a page once it was written. */
static void *writer_body(struct worker *w)
{
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	for (gen_t gen = 2; gen < 2 + sh->n_steps / 20; gen++) {
		struct page_write set[SET_PAGES];
		pgno_t first = (pgno_t)(check_random(&w->seed) % (N_PAGES / 2 / SET_PAGES));
		pgno_t stray = (pgno_t)(check_random(&w->seed) % (N_PAGES / 2));

		/* The lower half of the file is the writer's; no reader refers to what it makes
		 * anew. */
		for (uint32_t i = 0; i < SET_PAGES; i++) {
			pgno_t pgno = first * SET_PAGES + i;
			const struct page *page;

			atomic_store(&sh->gens[pgno], 0);
			fixture_fill(pager_fresh(p, ref(pgno, gen)), p->page_size);
			check(sh, pager_own(p, guard, ref(pgno, gen)) == NULL);
			check(sh, pager_get(p, guard, ref(pgno, gen), &page) == 0);
			pager_put(p, page);
			set[i] = (struct page_write){pgno, 1, NULL};
		}
		check(sh, pager_write(p, set, SET_PAGES) == 0);
		for (uint32_t i = 0; i < SET_PAGES; i++)
			atomic_store(&sh->gens[first * SET_PAGES + i], gen);
		/* One that is abandoned. */
		if (atomic_load(&sh->gens[stray]) > 0) {
			gen_t old = atomic_exchange(&sh->gens[stray], 0);

			(void)pager_fresh(p, ref(stray, gen | (gen_t)1 << 40));
			pager_drop(p, stray, 1);
			atomic_store(&sh->gens[stray], old);
		}
	}
	guard_close(guard);
	atomic_store(&sh->stop, true);
	return NULL;
}

static void *mixed_body(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	struct guard *guard;

	if (w->seed % 1000 == 0)
		return writer_body(w);
	check(sh, guard_open(&p->guards, &guard) == 0);
	while (!atomic_load(&sh->stop)) {
		uint64_t r = check_random(&w->seed);
		pgno_t pgno = r % N_PAGES;
		gen_t gen = atomic_load(&sh->gens[pgno]);
		const struct page *page;
		int rc;

		if (gen == 0)
			continue;
		if (r >> 62 == 0)
			pager_prefetch(p, (struct page_ref[]){ref(pgno, gen)}, 1);
		if (r >> 62 == 1)
			peek_at(sh, guard, ref(pgno, gen));
		rc = pager_get(p, guard, ref(pgno, gen), &page);
		/* The writer may have taken the page meanwhile: then it is another, never a wrong
		 * one. */
		if (rc == 0) {
			check(sh, is_whole(page, p->page_size, ref(pgno, gen)));
			pager_put(p, page);
		} else {
			check(sh, rc == VERSO_ECORRUPT);
			check(sh, atomic_load(&sh->gens[pgno]) != gen || pgno < N_PAGES / 2);
		}
	}
	guard_close(guard);
	return NULL;
}

START_TEST(writer_and_readers_work_beside_each_other)
{
	struct bufpool_options opts = {.writer_pages = SET_PAGES + 1,
		.reader_pages = 2 * N_THREADS + 4,
		.prefetch_pages = 4};
	struct shared sh = {.n_steps = 6000};

	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		sh.gens[pgno] = 1;
	fixture_file(&sh.f, contract_pool_nth(_i)->real, 4096, N_PAGES, 1);
	contract_pool_open(&sh.f, _i, &opts);
	run(&sh, mixed_body, N_THREADS);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		fixture_visit(&sh.f, ref(pgno, sh.gens[pgno]));
	contract_pool_close(&sh.f, _i);
}
END_TEST

/*
 * A damaged reference to a page that is being made anew
 */

/* The writer abandons page 0 again and again; the others ask for it in a generation that it never
 * has, as a damaged page would have them do. */
static void *damaged_body(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	(void)pthread_barrier_wait(&sh->start);
	if (w->seed % 1000 == 0) {
		for (uint32_t i = 0; i < sh->n_steps; i++) {
			(void)pager_fresh(p, ref(0, 2));
			pager_drop(p, 0, 1);
		}
		atomic_store(&sh->stop, true);
	}
	while (!atomic_load(&sh->stop)) {
		const struct page *page;

		check(sh, pager_get(p, guard, ref(0, 3), &page) == VERSO_ECORRUPT);
	}
	guard_close(guard);
	return NULL;
}

START_TEST(fresh_page_is_dropped_though_a_damaged_reference_pins_it)
{
	struct bufpool_options opts = {.writer_pages = 1, .reader_pages = 8};
	struct shared sh = {.n_steps = 20000};

	fixture_file(&sh.f, contract_pool_nth(_i)->real, 4096, N_PAGES, 1);
	contract_pool_open(&sh.f, _i, &opts);
	run(&sh, damaged_body, 3);
	contract_pool_close(&sh.f, _i);
}
END_TEST

TCase *contract_pool_threads(int n)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 60);
	ADD_POOL_TEST(tc, several_threads_missing_a_page_cause_one_read, n, 0);
	ADD_POOL_TEST(tc, readers_of_a_tiny_pool_always_see_whole_pages, n, 0);
	ADD_POOL_TEST(tc, writer_and_readers_work_beside_each_other, n, NEEDS_VERSIONS);
	ADD_POOL_TEST(tc, fresh_page_is_dropped_though_a_damaged_reference_pins_it, n, 0);
	return tc;
}
