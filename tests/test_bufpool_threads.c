/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait for a frame in limbo; the rest is tests/contract/contract_pool_threads.c.
 */
#include "bufpool/bufpool_int.h"
#include "tests/pool_fixture.h"

#include <sched.h>

#define N_PAGES   256
#define N_THREADS 6

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

struct shared {
	struct fixture f;
	pthread_barrier_t start;
	_Atomic uint32_t n_failures;
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
	loads_drain(pool_of(sh->f.pager));
	ck_assert_uint_eq(pool_check(pool_of(sh->f.pager)), 0);
}

static void check(struct shared *sh, bool condition)
{
	if (!condition)
		sh->n_failures++;
}

/*
 * A guard that is left late
 */

/* Frames are short, and a thread waits for those in limbo. */
static bool is_waiting_for_limbo(struct pool *pool)
{
	bool waiting;

	pthread_mutex_lock(&pool->lock);
	waiting = pool->n_touched == pool->n_frames && pool->free.n == 0 &&
		  pool->limbo_n + pool->limbo_open.n > 0 && atomic_load(&pool->n_waits_limbo) > 0;
	pthread_mutex_unlock(&pool->lock);
	return waiting;
}

static void *late_body(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->shared;
	struct pager *p = sh->f.pager;
	const struct page *page = NULL;
	struct guard *guard;

	check(sh, guard_open(&p->guards, &guard) == 0);
	if (w->seed % 1000 == 0) {
		guard_enter(guard);
		page = pager_peek(p, guard, ref(0, 1));
		check(sh, page != NULL);
	}
	(void)pthread_barrier_wait(&sh->start);
	if (w->seed % 1000 == 0) {
		while (!is_waiting_for_limbo(pool_of(p)))
			(void)sched_yield();
		if (page)
			check(sh, is_whole(page, p->page_size, ref(0, 1)));
		guard_leave(guard);
	} else {
		for (pgno_t pgno = 1; pgno < N_PAGES; pgno++) {
			check(sh, pager_get(p, guard, ref(pgno, 1), &page) == 0);
			pager_put(p, page);
		}
	}
	guard_close(guard);
	return NULL;
}

START_TEST(frames_in_limbo_are_waited_for)
{
	struct shared sh = {0};

	if (HOSTILE_BUILD) {
		check_skip("hostile builds keep no page at pin 0");
		return;
	}
	fixture_file(&sh.f, _i, 4096, N_PAGES, 1);
	fixture_pool(&sh.f, NULL);
	fixture_visit(&sh.f, ref(0, 1));
	run(&sh, late_body, 2);
	fixture_close(&sh.f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_threads");
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, frames_in_limbo_are_waited_for, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
