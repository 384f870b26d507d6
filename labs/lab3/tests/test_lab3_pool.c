/* SPDX-License-Identifier: MIT */
/*
 * Lab 3b, step by step: what a pool reads ahead, and what it does meanwhile. Most tests are on the
 * simulated disk, whose queue carries nothing out before somebody waits in it; some on a file of
 * the kernel, where requests are carried out in submit itself (sync), or beside us (threads).
 */
#include "base/error.h"
#include "labs/lib/ledger.h"
#include "tests/check_main.h"
#include "tests/pool_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct page_ref ref(pgno_t pgno, gen_t gen)
{
	return (struct page_ref){pgno, gen};
}

/*
 * A file of the kernel, and a queue that performs each request in submit.
 */

static void open_real(struct fixture *f, const char *backend, uint32_t n_frames)
{
	struct bufpool_options opts = {.reader_pages = n_frames};

	ck_assert_int_eq(setenv("VERSO_IO", backend, 1), 0);
	fixture_file(f, true, 4096, 256, 1);
	fixture_pool(f, &opts);
}

START_TEST(page_read_ahead_is_in_memory_when_it_is_wanted)
{
	struct fixture f;

	open_real(&f, "sync", 8);
	pager_prefetch(f.pager, (struct page_ref[]){ref(5, 1), ref(6, 1), ref(7, 1)}, 3);
	ck_assert_uint_eq(fixture_stats(&f).n_prefetched, 3);
	for (pgno_t pgno = 5; pgno < 8; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	ck_assert_msg(fixture_stats(&f).n_loads[PAGER_LOAD_GET] == 0,
		"3 pages were read ahead, and gets read %llu of them once more",
		(unsigned long long)fixture_stats(&f).n_loads[PAGER_LOAD_GET]);
	ck_assert_uint_eq(fixture_stats(&f).read_bytes, 3 * 4096);
	fixture_close(&f);
}
END_TEST

/* Of another generation than is asked for, and beyond the file's end. */
START_TEST(page_that_is_not_good_is_not_kept_and_no_error)
{
	const struct page *page;
	struct fixture f;

	open_real(&f, "sync", 4);
	error_clear();
	for (int i = 0; i < 10; i++)
		pager_prefetch(f.pager,
			(struct page_ref[]){ref(5, 2), ref(9000, 1), ref(UINT32_MAX, 1), ref(6, 1)},
			4);
	ck_assert_str_eq(error_text(), "");
	ck_assert_uint_eq(fixture_stats(&f).n_prefetched, 1);
	ck_assert_int_eq(pager_get(f.pager, f.guard, ref(5, 2), &page), VERSO_ECORRUPT);
	for (pgno_t pgno = 1; pgno < 6; pgno++)
		fixture_visit(&f, ref(pgno, 1));
	fixture_close(&f);
}
END_TEST

/* A second version of a page takes the place of the first: one frame a number (invariant 2). */
START_TEST(newer_generation_takes_the_place_of_the_older)
{
	const struct page *page;
	struct fixture f;

	open_real(&f, "sync", 4);
	fixture_visit(&f, ref(5, 1));
	fixture_put_page(&f, ref(5, 2));
	pager_prefetch(f.pager, (struct page_ref[]){ref(5, 2)}, 1);
	ck_assert_uint_eq(fixture_stats(&f).n_prefetched, 1);
	fixture_visit(&f, ref(5, 2));
	pager_drop(f.pager, 5, 1);
	ck_assert_msg(pager_get(f.pager, f.guard, ref(5, 1), &page) == VERSO_ECORRUPT,
		"page 5 was forgotten, and its generation 1 is still in memory: two frames had the "
		"number");
	fixture_close(&f);
}
END_TEST

/*
 * A queue that carries a request out when it is waited for, and does something between the two last
 * steps of each: done() was called, and `complete` is not set yet.
 */

static struct {
	struct queue queue; /* first */
	struct io io;
	struct io_ops ops;
	struct io_req *held[64];
	size_t n_held;
	size_t n_submitted;
	unsigned n_too_early; /* submitted again before it was complete */
	void (*between)(void);
} slow;

static void slow_submit(struct queue *q, struct io_req *const *reqs, size_t n)
{
	(void)q;
	for (size_t i = 0; i < n; i++) {
		bool is_held = false;

		for (size_t k = 0; k < slow.n_held; k++)
			is_held |= slow.held[k] == reqs[i];
		slow.n_submitted++;
		slow.n_too_early += is_held;
		if (!is_held)
			slow.held[slow.n_held++] = reqs[i];
	}
}

static void slow_wait(struct queue *q, const struct io_req *wanted)
{
	(void)q;
	while (!atomic_load(&wanted->complete)) {
		struct io_req *req = slow.held[0];

		ck_assert_uint_gt(slow.n_held, 0);
		req->result = file_read(req->file, req->iov->iov_base, req->iov->iov_len,
			req->off_bytes, FILE_LIVE);
		req->done(req);
		if (slow.between)
			slow.between();
		memmove(slow.held, slow.held + 1, --slow.n_held * sizeof(struct io_req *));
		atomic_store(&req->complete, true);
	}
}

static void slow_nothing(struct queue *q)
{
	(void)q;
}

static int slow_queue(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue)
{
	static const struct queue_ops ops = {
		.name = "slow",
		.submit = slow_submit,
		.wait = slow_wait,
		.poll = slow_nothing,
		.close = slow_nothing,
	};

	(void)io;
	if (backend != QUEUE_BEST) /* that of the writing half */
		return io_queue(io_kernel(), depth, backend, ret_queue);
	slow.queue.ops = &ops;
	*ret_queue = &slow.queue;
	return 0;
}

static struct fixture slow_fixture;

static void prefetch_many(void)
{
	struct page_ref refs[40];

	slow.between = NULL;
	for (pgno_t i = 0; i < 40; i++)
		refs[i] = ref(10 + i, 1);
	pager_prefetch(slow_fixture.pager, refs, 40);
}

START_TEST(place_is_free_when_its_request_is_complete_and_not_before)
{
	struct bufpool_options opts = {.reader_pages = 60};
	struct fixture *f = &slow_fixture;

	fixture_file(f, true, 4096, 64, 1);
	slow.ops = *io_kernel()->ops;
	slow.ops.queue = slow_queue;
	slow.io.ops = &slow.ops;
	f->io = &slow.io;
	fixture_pool(f, &opts);
	slow.between = prefetch_many;
	pager_prefetch(f->pager, (struct page_ref[]){ref(5, 1)}, 1);
	ck_assert_uint_eq(slow.n_submitted, 1);
	slow_wait(&slow.queue, slow.held[0]);
	ck_assert_msg(slow.n_too_early == 0,
		"a request was used again after done() and before it was complete: it was still "
		"the queue's");
	ck_assert_msg(slow.n_submitted > 1, "no other place was free");
	fixture_visit(f, ref(5, 1));
	fixture_close(f);
}
END_TEST

/*
 * The simulated disk
 */

START_TEST(prefetch_asks_for_all_and_waits_for_none)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 7, 0});
	ledger_is(&l, "a5 a6 a7");
	ck_assert_msg(ledger_came(&l) == 0, "prefetch has waited: %llu pages are there already",
		(unsigned long long)ledger_came(&l));
	ledger_close(&l);
}
END_TEST

START_TEST(close_waits_for_what_is_read_ahead)
{
	struct ledger l;

	ledger_open_for_reads(&l, 40);
	ledger_prefetch(&l, (const pgno_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0});
	ck_assert_uint_eq(l.n_reads, 12);
	ledger_close(&l);
}
END_TEST

START_TEST(page_in_memory_is_not_read_ahead)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_visit(&l, 5);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 0});
	ledger_is(&l, "r5 a6");
	ledger_close(&l);
}
END_TEST

START_TEST(page_named_twice_is_read_once)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_prefetch(&l, (const pgno_t[]){5, 5, 6, 0});
	ledger_prefetch(&l, (const pgno_t[]){6, 7, 5, 0});
	ledger_is(&l, "a5 a6 a7");
	ledger_close(&l);
}
END_TEST

START_TEST(prefetch_takes_no_frame_that_is_pinned)
{
	const struct page *pages[3];
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	for (pgno_t i = 0; i < 3; i++)
		pages[i] = ledger_get(&l, i + 1);
	ledger_prefetch(&l, (const pgno_t[]){10, 11, 0});
	ledger_is(&l, "r1 r2 r3");
	pager_put(l.pager, pages[1]);
	ledger_prefetch(&l, (const pgno_t[]){10, 11, 0});
	ledger_is(&l, "r1 r2 r3 a10");
	ck_assert_uint_eq(pages[0]->payload[0], 1);
	ck_assert_uint_eq(pages[2]->payload[0], 3);
	pager_put(l.pager, pages[0]);
	pager_put(l.pager, pages[2]);
	ledger_close(&l);
}
END_TEST

/* CLOCK offers every frame, also those that it was not told of. */
START_TEST(frame_that_is_read_into_is_not_given_to_another)
{
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 0});
	for (pgno_t pgno = 10; pgno < 14; pgno++)
		ledger_visit(&l, pgno);
	ledger_is(&l, "a5 a6 r10 r11 r12 r13");
	ck_assert_uint_eq(ledger_came(&l), 0);
	ledger_close(&l);
}
END_TEST

START_TEST(get_of_another_page_does_not_wait_for_it)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 0});
	ledger_visit(&l, 9);
	ledger_is(&l, "a5 a6 r9");
	ck_assert_msg(ledger_came(&l) == 0,
		"page 9 was wanted, and the get waited for page 5 or 6");
	ledger_close(&l);
}
END_TEST

START_TEST(get_waits_for_its_page_and_does_not_read_it)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 7, 0});
	ledger_visit(&l, 7);
	ledger_visit(&l, 5);
	ledger_visit(&l, 6);
	ledger_is(&l, "a5 a6 a7");
	ck_assert_uint_eq(ledger_came(&l), 3);
	ledger_close(&l);
}
END_TEST

START_TEST(page_forgotten_while_it_is_read_ahead_is_not_kept)
{
	struct ledger l;

	ledger_open_for_reads(&l, 8);
	ledger_prefetch(&l, (const pgno_t[]){5, 6, 7, 0});
	pager_drop(l.pager, 5, 2);
	ledger_visit(&l, 5);
	ledger_visit(&l, 6);
	ledger_visit(&l, 7);
	ledger_is(&l, "a5 a6 a7 r5 r6");
	ledger_close(&l);
}
END_TEST

/* Each round would lose two frames of four. */
START_TEST(failed_read_ahead_loses_nothing)
{
	struct ledger l;

	ledger_open_for_reads(&l, 4);
	error_clear();
	for (int i = 0; i < 10; i++) {
		l.fault = -EIO;
		ledger_prefetch(&l, (const pgno_t[]){5, 6, 0});
		l.fault = 0;
		ledger_visit(&l, 5);
		ledger_visit(&l, 6);
		ck_assert_str_eq(error_text(), "");
		pager_drop(l.pager, 5, 2);
	}
	ck_assert_uint_eq(l.n_reads, 40);
	ck_assert_uint_eq(ledger_came(&l), 0);
	ledger_close(&l);
}
END_TEST

START_TEST(get_in_a_full_pool_waits_for_what_is_read_ahead)
{
	const struct page *pages[3], *none;
	struct ledger l;

	ledger_open_for_reads(&l, 3);
	for (int i = 0; i < 4; i++) {
		ledger_prefetch(&l, (const pgno_t[]){5, 6, 7, 0});
		for (pgno_t k = 0; k < 3; k++)
			pages[k] = ledger_get(&l, 20 + k);
		/* ... and no longer than that: these are pinned. */
		ck_assert_int_eq(pager_get(l.pager, l.guard, ref(30, 1), &none), VERSO_EPINNED);
		for (pgno_t k = 0; k < 3; k++)
			pager_put(l.pager, pages[k]);
	}
	ledger_close(&l);
}
END_TEST

/*
 * Any sequence of these, drawn by seed, against a model: a page number has one generation at a
 * time, and what a get returns is that page. In the end no frame is lost.
 */

#define N_FRAMES 10U
#define N_PINS   4U
#define N_STEPS  4000

struct stream {
	struct ledger l;
	uint64_t rng;
	gen_t gens[LEDGER_PAGES]; /* of the file */
	const struct page *pinned[N_PINS];
};

static void stream_prefetch(struct stream *s)
{
	struct page_ref refs[12];
	size_t n = 1 + check_random(&s->rng) % 12;

	for (size_t i = 0; i < n; i++) {
		uint64_t x = check_random(&s->rng);

		refs[i] = ref((pgno_t)(x % LEDGER_PAGES), 1);
		/* Now and then one that there is no more, or not yet. */
		refs[i].gen = s->gens[refs[i].pgno] + (x >> 60 == 0);
	}
	pager_prefetch(s->l.pager, refs, n);
}

static void stream_get(struct stream *s)
{
	uint64_t x = check_random(&s->rng);
	struct page_ref r = ref((pgno_t)(x % LEDGER_PAGES), 1);
	size_t at = (x >> 32) % N_PINS;
	const struct page *page = NULL;

	r.gen = s->gens[r.pgno];
	ck_assert_int_eq(pager_get(s->l.pager, s->l.guard, r, &page), 0);
	ck_assert_uint_eq(page->payload[0], r.pgno);
	ck_assert(page_is(page, r));
	if (s->pinned[at])
		pager_put(s->l.pager, s->pinned[at]);
	s->pinned[at] = page;
}

/* The file has another page there: forgotten before its bytes change, and after they have. */
static void stream_replace(struct stream *s)
{
	pgno_t pgno = (pgno_t)(check_random(&s->rng) % LEDGER_PAGES);

	pager_drop(s->l.pager, pgno, 1);
	ledger_put_page(&s->l, ref(pgno, ++s->gens[pgno]));
	pager_drop(s->l.pager, pgno, 1);
}

START_TEST(long_stream_of_prefetches_and_gets_is_right)
{
	static struct stream s;
	const struct page *all[N_FRAMES];

	ledger_open_for_reads(&s.l, N_FRAMES);
	s.rng = check_seed();
	for (pgno_t pgno = 0; pgno < LEDGER_PAGES; pgno++)
		s.gens[pgno] = 1;
	for (int i = 0; i < N_STEPS; i++) {
		uint64_t x = check_random(&s.rng);

		if (x % 4 == 0)
			stream_prefetch(&s);
		else if (x % 16 == 1)
			stream_replace(&s);
		else
			stream_get(&s);
		s.l.fault = x % 64 == 2 ? -EIO : 0;
		if (s.l.fault < 0)
			stream_prefetch(&s);
		s.l.fault = 0;
	}
	for (size_t i = 0; i < N_PINS; i++)
		if (s.pinned[i])
			pager_put(s.l.pager, s.pinned[i]);
	/* Each frame is still there. */
	for (uint32_t i = 0; i < N_FRAMES; i++)
		ck_assert_int_eq(pager_get(s.l.pager, s.l.guard, ref(i, s.gens[i]), &all[i]), 0);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		pager_put(s.l.pager, all[i]);
	ledger_close(&s.l);
}
END_TEST

/*
 * Threads
 */

#define N_THREADS 4U
#define N_ROUNDS  150

struct reader {
	struct fixture *f;
	pthread_t thread;
	uint64_t rng;
	unsigned n_bad;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct pager *p = r->f->pager;
	struct guard *guard;

	if (guard_open(&p->guards, &guard) < 0)
		return NULL;
	for (int i = 0; i < N_ROUNDS; i++) {
		pgno_t first = (pgno_t)(check_random(&r->rng) % 240);
		struct page_ref refs[8];

		for (pgno_t k = 0; k < 8; k++)
			refs[k] = ref(first + k, 1);
		pager_prefetch(p, refs, 8);
		for (pgno_t k = 0; k < 8; k += 3) {
			const struct page *page = NULL;

			if (pager_get(p, guard, refs[k], &page) < 0) {
				r->n_bad++;
				continue;
			}
			r->n_bad += page_verify(page, p->page_size, refs[k], FIXTURE_SEED) < 0;
			pager_put(p, page);
		}
	}
	guard_close(guard);
	return NULL;
}

/* Requests are carried out by threads of the queue, beside threads that want the pages. */
START_TEST(threads_read_ahead_and_get_beside_each_other)
{
	struct reader readers[N_THREADS];
	struct fixture f;

	open_real(&f, "threads", 24);
	for (unsigned i = 0; i < N_THREADS; i++) {
		readers[i] = (struct reader){.f = &f, .rng = check_seed() * 100 + i};
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]),
			0);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		(void)pthread_join(readers[i].thread, NULL);
		ck_assert_uint_eq(readers[i].n_bad, 0);
	}
	ck_assert_uint_gt(fixture_stats(&f).n_prefetched, 100);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab3_pool");
	TCase *tc = tcase_create("ahead");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, page_read_ahead_is_in_memory_when_it_is_wanted);
	tcase_add_test(tc, page_that_is_not_good_is_not_kept_and_no_error);
	tcase_add_test(tc, newer_generation_takes_the_place_of_the_older);
	tcase_add_test(tc, place_is_free_when_its_request_is_complete_and_not_before);
	tcase_add_test(tc, prefetch_asks_for_all_and_waits_for_none);
	tcase_add_test(tc, close_waits_for_what_is_read_ahead);
	tcase_add_test(tc, page_in_memory_is_not_read_ahead);
	tcase_add_test(tc, page_named_twice_is_read_once);
	tcase_add_test(tc, prefetch_takes_no_frame_that_is_pinned);
	tcase_add_test(tc, frame_that_is_read_into_is_not_given_to_another);
	tcase_add_test(tc, get_of_another_page_does_not_wait_for_it);
	tcase_add_test(tc, get_waits_for_its_page_and_does_not_read_it);
	tcase_add_test(tc, page_forgotten_while_it_is_read_ahead_is_not_kept);
	tcase_add_test(tc, failed_read_ahead_loses_nothing);
	tcase_add_test(tc, get_in_a_full_pool_waits_for_what_is_read_ahead);
	tcase_add_test(tc, long_stream_of_prefetches_and_gets_is_right);
	tcase_add_test(tc, threads_read_ahead_and_get_beside_each_other);
	suite_add_tcase(s, tc);
	return check_main(s);
}
