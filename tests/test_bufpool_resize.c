/* SPDX-License-Identifier: MIT */
/*
 * A cache that becomes smaller and larger while it is used.
 *
 * Hostile builds have the smallest pool from the start, so there a resize parks nothing; what is
 * refused is refused there too, and the threads run.
 */
#include "bufpool/bufpool_int.h"
#include "tests/pool_fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SIZE 4096U
#define N_FRAMES  1024U
#define N_PAGES   1200U
#define WRITER    8U
#define READERS   8U

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

/* A cache with memory for n pages, all descriptors paid. */
static size_t bytes_for(struct fixture *f, uint32_t n)
{
	return pool_of(f->pager)->described_bytes + (size_t)n * PAGE_SIZE;
}

static uint32_t n_live(struct fixture *f)
{
	return pool_of(f->pager)->n_frames - n_parked(pool_of(f->pager));
}

static struct bufpool_options options_for(uint32_t n_frames, enum bufpool_policy policy)
{
	struct bufpool_options opts = {
		.writer_pages = WRITER, .reader_pages = n_frames - WRITER, .policy = policy};

	opts.cache_bytes = bufpool_cache_bytes_min(PAGE_SIZE, &opts);
	opts.reader_pages = READERS;
	return opts;
}

/* A pool of N_FRAMES frames over N_PAGES pages of generation 1. */
static void open_pool(struct fixture *f, enum bufpool_policy policy)
{
	struct bufpool_options opts = options_for(N_FRAMES, policy);

	fixture_file(f, false, PAGE_SIZE, N_PAGES, 1);
	fixture_pool(f, &opts);
	if (!HOSTILE_BUILD)
		ck_assert_uint_eq(n_live(f), N_FRAMES);
}

static int resize(struct fixture *f, uint32_t n_frames)
{
	return pager_cache_resize(f->pager, bytes_for(f, n_frames));
}

static void visit_all(struct fixture *f, uint32_t n)
{
	for (pgno_t pgno = 0; pgno < n; pgno++)
		fixture_visit(f, ref(pgno, 1));
}

static void check_idle(struct fixture *f)
{
	loads_drain(pool_of(f->pager));
	ck_assert_uint_eq(pool_check(pool_of(f->pager)), 0);
}

/* Pages of the arena that the process has, as the kernel counts them. */
static uint32_t n_resident(struct fixture *f)
{
	const struct pool *pool = pool_of(f->pager);
	unsigned char *resident = malloc(pool->n_frames);
	uint32_t n = 0;

	ck_assert_ptr_nonnull(resident);
	ck_assert_int_eq(sysconf(_SC_PAGESIZE), PAGE_SIZE);
	ck_assert_int_eq(mincore(pool->arena, (size_t)pool->n_frames * PAGE_SIZE, resident), 0);
	for (uint32_t i = 0; i < pool->n_frames; i++)
		n += resident[i] & 1;
	free(resident);
	return n;
}

/* Of so many pages, how many a second look at each has to load: for `random`, a late one. */
static uint64_t n_missed(struct fixture *f, uint32_t n_pages)
{
	unsigned n_looks = pool_of(f->pager)->opts.policy == BUFPOOL_RANDOM ? 200 : 1;
	uint64_t before;

	for (unsigned i = 0; i < n_looks; i++)
		visit_all(f, n_pages);
	before = fixture_stats(f).n_misses;
	visit_all(f, n_pages);
	return fixture_stats(f).n_misses - before;
}

/* cache_bytes bounds everything but the page table, which grows with the file: 4 MiB for 2 GiB. */
START_TEST(page_table_alone_is_beside_the_bound)
{
	struct pager_stats stats;
	struct fixture f;

	open_pool(&f, (enum bufpool_policy)_i);
	visit_all(&f, N_PAGES);
	stats = fixture_stats(&f);
	ck_assert_uint_le(stats.memory_bytes_max,
		pool_of(f.pager)->opts.cache_bytes + N_PAGES * sizeof(uint64_t));
	ck_assert_uint_le(stats.memory_bytes, stats.memory_bytes_max);
	ck_assert_uint_le((size_t)n_resident(&f) * PAGE_SIZE + pool_of(f.pager)->described_bytes,
		pool_of(f.pager)->opts.cache_bytes);
	fixture_close(&f);
}
END_TEST

START_TEST(memory_of_a_smaller_cache_goes_back_and_a_larger_one_fills_again)
{
	const uint32_t n_small = 300, n_fit = 280;
	struct pager_stats stats;
	struct fixture f;
	uint64_t beside;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds have the smallest pool");
		return;
	}
	open_pool(&f, (enum bufpool_policy)_i);
	visit_all(&f, N_PAGES);
	stats = fixture_stats(&f);
	beside = stats.memory_bytes_max - bytes_for(&f, N_FRAMES);
	ck_assert_uint_eq(stats.memory_bytes, stats.memory_bytes_max);
	ck_assert_uint_ge(n_resident(&f), N_FRAMES);

	ck_assert_int_eq(resize(&f, n_small), 0);
	ck_assert_uint_eq(n_live(&f), n_small);
	ck_assert_uint_le(n_resident(&f), n_small);
	stats = fixture_stats(&f);
	ck_assert_uint_eq(stats.memory_bytes_max, bytes_for(&f, n_small) + beside);
	ck_assert_uint_eq(stats.memory_bytes, stats.memory_bytes_max);
	check_idle(&f);
	visit_all(&f, N_PAGES);
	ck_assert_uint_le(n_resident(&f), n_small);
	ck_assert_uint_eq(n_missed(&f, n_fit), 0);

	ck_assert_int_eq(resize(&f, N_FRAMES), 0);
	ck_assert_uint_eq(n_live(&f), N_FRAMES);
	ck_assert_uint_eq(n_missed(&f, N_FRAMES - 20), 0);
	stats = fixture_stats(&f);
	ck_assert_uint_eq(stats.memory_bytes_max, bytes_for(&f, N_FRAMES) + beside);
	ck_assert_uint_eq(stats.memory_bytes, stats.memory_bytes_max);
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(memory_that_was_never_used_leaves_first)
{
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds have the smallest pool");
		return;
	}
	open_pool(&f, BUFPOOL_CLOCK);
	visit_all(&f, 100);
	ck_assert_int_eq(resize(&f, 200), 0);
	ck_assert_uint_eq(n_missed(&f, 100), 0);
	ck_assert_uint_eq(fixture_stats(&f).n_evictions, 0);
	ck_assert_int_eq(resize(&f, 50), 0);
	ck_assert_uint_ge(fixture_stats(&f).n_evictions, 50);
	ck_assert_uint_lt(fixture_stats(&f).n_evictions, 50 + 32);
	ck_assert_uint_le(n_resident(&f), 50);
	ck_assert_int_eq(resize(&f, N_FRAMES), 0);
	ck_assert_uint_eq(n_missed(&f, N_FRAMES - 20), 0);
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(sizes_out_of_bounds_are_refused_with_the_bound)
{
	const size_t least = WRITER + READERS;
	struct fixture f;
	char text[64];

	open_pool(&f, BUFPOOL_CLOCK);
	visit_all(&f, N_PAGES);
	(void)snprintf(text, sizeof(text), "at least %zu", bytes_for(&f, least));
	ck_assert_int_eq(pager_cache_resize(f.pager, bytes_for(&f, least) - 1), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(), text));
	ck_assert_int_eq(pager_cache_resize(f.pager, 0), -EINVAL);
	(void)snprintf(text, sizeof(text), "larger than the %zu",
		pool_of(f.pager)->opts.cache_bytes_max);
	ck_assert_int_eq(pager_cache_resize(f.pager, pool_of(f.pager)->opts.cache_bytes_max + 1),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(), text));
	if (!HOSTILE_BUILD)
		ck_assert_uint_eq(n_live(&f), N_FRAMES);

	ck_assert_int_eq(resize(&f, least), 0);
	ck_assert_uint_eq(n_live(&f), least);
	visit_all(&f, N_PAGES);
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(the_least_cache_has_all_that_was_promised)
{
	const struct page *pages[READERS], *more;
	struct page_write set[WRITER];
	struct fixture f;

	open_pool(&f, (enum bufpool_policy)_i);
	visit_all(&f, N_PAGES);
	ck_assert_int_eq(resize(&f, WRITER + READERS), 0);
	for (uint32_t i = 0; i < READERS; i++)
		pages[i] = fixture_get(&f, ref(i, 1));
	for (uint32_t i = 0; i < WRITER; i++) {
		(void)fixture_fresh(&f, ref(100 + i, 2));
		set[i] = (struct page_write){100 + i, 1, NULL};
	}
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(200, 1), &more), VERSO_EPINNED);
	ck_assert_ptr_nonnull(strstr(error_text(), "all 8 pages"));
	ck_assert_int_eq(pager_write(f.pager, set, WRITER), 0);
	for (uint32_t i = 0; i < READERS; i++)
		pager_put(f.pager, pages[i]);
	for (uint32_t i = 0; i < WRITER; i++)
		fixture_visit(&f, ref(100 + i, 2));
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(pinned_pages_forbid_it_and_leave_all_as_it_was)
{
	const uint32_t n_pinned = 100;
	const struct page *pages[100];
	struct pager_stats before, after;
	struct fixture f;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds have the smallest pool");
		return;
	}
	open_pool(&f, (enum bufpool_policy)_i);
	visit_all(&f, N_PAGES);
	for (uint32_t i = 0; i < n_pinned; i++)
		pages[i] = fixture_get(&f, ref(3 * i, 1));
	before = fixture_stats(&f);
	ck_assert_int_eq(resize(&f, WRITER + n_pinned - 1), VERSO_EPINNED);
	ck_assert_ptr_nonnull(strstr(error_text(), "pinned"));
	after = fixture_stats(&f);
	ck_assert_uint_eq(after.memory_bytes_max, before.memory_bytes_max);
	ck_assert_uint_eq(after.memory_bytes, before.memory_bytes);
	ck_assert_uint_eq(after.n_evictions, before.n_evictions);
	ck_assert_uint_eq(n_live(&f), N_FRAMES);
	ck_assert_uint_eq(pool_check(pool_of(f.pager)), n_pinned);

	ck_assert_int_eq(resize(&f, WRITER + n_pinned), 0);
	for (uint32_t i = 0; i < n_pinned; i++) {
		fixture_check(&f, pages[i], ref(3 * i, 1));
		pager_put(f.pager, pages[i]);
	}
	ck_assert_int_eq(resize(&f, WRITER + READERS), 0);
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(any_sizes_between_reads_and_writes_keep_the_accounting)
{
	uint64_t seed = check_seed();
	gen_t gens[N_PAGES];
	struct fixture f;

	open_pool(&f, (enum bufpool_policy)_i);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		gens[pgno] = 1;
	for (gen_t round = 2; round < 40; round++) {
		uint32_t n = WRITER + READERS +
			     (uint32_t)(check_random(&seed) % (N_FRAMES - WRITER - READERS));

		for (unsigned i = 0; i < 500; i++) {
			pgno_t pgno = (pgno_t)(check_random(&seed) % N_PAGES);

			fixture_visit(&f, ref(pgno, gens[pgno]));
		}
		for (unsigned i = 0; i < WRITER; i++) {
			pgno_t pgno = (pgno_t)(check_random(&seed) % N_PAGES);
			struct page_write set = {pgno, 1, NULL};

			gens[pgno] = round * WRITER + i;
			(void)fixture_fresh(&f, ref(pgno, gens[pgno]));
			if (i % 2)
				ck_assert_int_eq(resize(&f, n), 0);
			ck_assert_int_eq(pager_write(f.pager, &set, 1), 0);
		}
		ck_assert_int_eq(resize(&f, n), 0);
		if (!HOSTILE_BUILD)
			ck_assert_uint_eq(n_live(&f), n);
		check_idle(&f);
	}
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		fixture_visit(&f, ref(pgno, gens[pgno]));
	fixture_close(&f);
}
END_TEST

START_TEST(cache_can_grow_to_its_maximum)
{
	struct bufpool_options opts = options_for(N_FRAMES, (enum bufpool_policy)_i);
	size_t max_bytes = opts.cache_bytes;
	struct fixture f;

	fixture_file(&f, false, PAGE_SIZE, N_PAGES, 1);
	opts.cache_bytes_max = max_bytes;
	opts.cache_bytes = bufpool_cache_bytes_min(PAGE_SIZE, &opts);
	opts.cache_bytes--;
	ck_assert_int_eq(bufpool_open(f.io, f.file, PAGE_SIZE, FIXTURE_SEED, &opts, &f.pager),
		-EINVAL);
	opts.cache_bytes++;
	fixture_pool(&f, &opts);
	ck_assert_uint_eq(n_live(&f), WRITER + READERS);
	ck_assert_uint_eq(pool_of(f.pager)->n_ahead_max, READERS / 4);
	visit_all(&f, N_PAGES);
	ck_assert_uint_le(fixture_stats(&f).memory_bytes, fixture_stats(&f).memory_bytes_max);
	ck_assert_uint_le(n_resident(&f), WRITER + READERS);
	check_idle(&f);

	ck_assert_int_eq(pager_cache_resize(f.pager, max_bytes + 1), -EINVAL);
	ck_assert_int_eq(pager_cache_resize(f.pager, max_bytes), 0);
	if (!HOSTILE_BUILD) {
		ck_assert_uint_eq(n_live(&f), N_FRAMES);
		ck_assert_uint_eq(n_missed(&f, N_FRAMES - 20), 0);
		ck_assert_uint_eq(pool_of(f.pager)->n_ahead_max, (N_FRAMES - WRITER) / 4);
	}
	check_idle(&f);
	ck_assert_int_eq(resize(&f, WRITER + READERS), 0);
	if (!HOSTILE_BUILD)
		ck_assert_uint_le(n_resident(&f), WRITER + READERS);
	visit_all(&f, N_PAGES);
	check_idle(&f);
	fixture_close(&f);
}
END_TEST

START_TEST(maximum_below_the_cache_is_refused)
{
	struct bufpool_options opts = options_for(N_FRAMES, BUFPOOL_CLOCK);
	struct fixture f;

	fixture_file(&f, false, PAGE_SIZE, 1, 1);
	opts.cache_bytes_max = opts.cache_bytes - 1;
	ck_assert_int_eq(bufpool_open(f.io, f.file, PAGE_SIZE, FIXTURE_SEED, &opts, &f.pager),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(), "maximum"));
	f.pager = NULL;
	fixture_close(&f);
}
END_TEST

/*
 * Threads
 */

#define N_ROUNDS  60
#define N_READERS 2

struct shared {
	struct fixture f;
	_Atomic uint32_t n_failures;
	_Atomic bool ends;
	_Atomic gen_t gens[WRITER]; /* of the last pages, which the writer makes anew */
};

static void check(struct shared *sh, bool condition)
{
	if (!condition)
		sh->n_failures++;
}

static void read_one(struct shared *sh, struct guard *guard, struct page_ref r)
{
	struct pager *p = sh->f.pager;
	const struct page *page;

	guard_enter(guard);
	page = pager_peek(p, guard, r);
	if (page)
		check(sh, page_verify(page, p->page_size, r, FIXTURE_SEED) == 0);
	guard_leave(guard);
	if (pager_get(p, guard, r, &page) < 0) {
		check(sh, false);
		return;
	}
	check(sh, page_verify(page, p->page_size, r, FIXTURE_SEED) == 0);
	pager_put(p, page);
}

static void *reader_body(void *arg)
{
	struct shared *sh = arg;
	uint64_t seed = check_seed() + (uintptr_t)pthread_self();
	struct guard *guard;

	check(sh, guard_open(&sh->f.pager->guards, &guard) == 0);
	while (!sh->ends) {
		struct page_ref refs[8];

		for (unsigned i = 0; i < 8; i++)
			refs[i] = ref((pgno_t)(check_random(&seed) % (N_PAGES - WRITER)), 1);
		for (unsigned i = 1; i < 4; i++)
			refs[i] =
				ref(refs[0].pgno + i < N_PAGES - WRITER ? refs[0].pgno + i : i, 1);
		(void)pager_read_ahead(sh->f.pager, refs, 4);
		for (unsigned i = 0; i < 8; i++)
			read_one(sh, guard, refs[i]);
	}
	guard_close(guard);
	return NULL;
}

static void *writer_body(void *arg)
{
	struct shared *sh = arg;
	struct pager *p = sh->f.pager;
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	for (gen_t gen = 2; !sh->ends; gen++) {
		struct page_write set[WRITER];

		for (pgno_t i = 0; i < WRITER; i++) {
			pgno_t pgno = N_PAGES - WRITER + i;

			fixture_fill(pager_fresh(p, ref(pgno, gen)), p->page_size);
			set[i] = (struct page_write){pgno, 1, NULL};
		}
		check(sh, pager_write(p, set, WRITER) == 0);
		for (pgno_t i = 0; i < WRITER; i++)
			read_one(sh, guard, ref(N_PAGES - WRITER + i, gen));
	}
	guard_close(guard);
	return NULL;
}

static void *resizer_body(void *arg)
{
	struct shared *sh = arg;
	uint64_t seed = check_seed() + (uintptr_t)pthread_self();

	for (unsigned i = 0; i < N_ROUNDS; i++) {
		uint32_t n = (uint32_t)(check_random(&seed) % (N_FRAMES - 64));

		check(sh, resize(&sh->f, i % 2 ? N_FRAMES : 64 + n) == 0);
	}
	return NULL;
}

START_TEST(readers_and_the_writer_go_on_beside_two_resizers)
{
	pthread_t readers[N_READERS], writer, resizers[2];
	struct shared sh = {0};

	open_pool(&sh.f, (enum bufpool_policy)_i);
	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_body, &sh), 0);
	ck_assert_int_eq(pthread_create(&writer, NULL, writer_body, &sh), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&resizers[i], NULL, resizer_body, &sh), 0);
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(resizers[i], NULL);
	sh.ends = true;
	for (unsigned i = 0; i < N_READERS; i++)
		(void)pthread_join(readers[i], NULL);
	(void)pthread_join(writer, NULL);
	ck_assert_uint_eq(sh.n_failures, 0);
	check_idle(&sh.f);
	fixture_close(&sh.f);
}
END_TEST

static void *least_body(void *arg)
{
	struct shared *sh = arg;

	check(sh, resize(&sh->f, WRITER + READERS) == 0);
	return NULL;
}

START_TEST(page_that_a_guard_sees_stays_until_the_guard_is_left)
{
	struct shared sh = {0};
	struct pool *pool;
	const struct page *page;
	pthread_t thread;
	bool waits = false;

	if (HOSTILE_BUILD) {
		check_skip("hostile builds have the smallest pool");
		return;
	}
	open_pool(&sh.f, BUFPOOL_FIFO);
	pool = pool_of(sh.f.pager);
	visit_all(&sh.f, N_FRAMES);
	guard_enter(sh.f.guard);
	page = pager_peek(sh.f.pager, sh.f.guard, ref(0, 1)); /* the first that FIFO gives up */
	ck_assert_ptr_nonnull(page);
	ck_assert_int_eq(pthread_create(&thread, NULL, least_body, &sh), 0);
	while (!waits) { /* until the page has left the table, and only limbo has frames */
		pthread_mutex_lock(&pool->lock);
		waits = pool->free.n == 0 && pool->limbo_n + pool->limbo_open.n > 0 &&
			atomic_load(table_word(&pool->table, 0)) == 0;
		pthread_mutex_unlock(&pool->lock);
		(void)sched_yield();
	}
	/* What the guard keeps from being used again is no reason to evict more. */
	for (unsigned i = 0; i < 100; i++)
		(void)sched_yield();
	ck_assert_uint_le(fixture_stats(&sh.f).n_evictions, pool->batch);
	fixture_check(&sh.f, page, ref(0, 1));
	guard_leave(sh.f.guard);
	(void)pthread_join(thread, NULL);
	ck_assert_uint_eq(sh.n_failures, 0);
	ck_assert_uint_le(n_resident(&sh.f), WRITER + READERS);
	check_idle(&sh.f);
	fixture_close(&sh.f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_resize");
	TCase *tc = tcase_create("resize");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, page_table_alone_is_beside_the_bound, 0, N_POLICIES);
	tcase_add_loop_test(tc, memory_of_a_smaller_cache_goes_back_and_a_larger_one_fills_again, 0,
		N_POLICIES);
	tcase_add_test(tc, memory_that_was_never_used_leaves_first);
	tcase_add_test(tc, sizes_out_of_bounds_are_refused_with_the_bound);
	tcase_add_loop_test(tc, the_least_cache_has_all_that_was_promised, 0, N_POLICIES);
	tcase_add_loop_test(tc, pinned_pages_forbid_it_and_leave_all_as_it_was, 0, N_POLICIES);
	tcase_add_loop_test(tc, any_sizes_between_reads_and_writes_keep_the_accounting, 0,
		N_POLICIES);
	tcase_add_loop_test(tc, cache_can_grow_to_its_maximum, 0, N_POLICIES);
	tcase_add_test(tc, maximum_below_the_cache_is_refused);
	tcase_add_loop_test(tc, readers_and_the_writer_go_on_beside_two_resizers, 0, N_POLICIES);
	tcase_add_test(tc, page_that_a_guard_sees_stays_until_the_guard_is_left);
	suite_add_tcase(s, tc);
	return check_main(s);
}
