/* SPDX-License-Identifier: MIT */
/*
 * Lab 3a, step by step: the student's queue over a ring that does what the test
 * says (script_ring.h). No disk, no time: what happens, and in which order.
 */
#include "base/error.h"
#include "io/file.h"
#include "labs/lab3/tests/script_ring.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK    4096U
#define REQS_MAX 256U

/* The ring of the tests moves no bytes, so a file is its name and its alignment. */
static struct file file = {.path = "a file", .direct = true, .align_bytes = BLOCK};

static struct {
	struct queue *q;
	struct io_req reqs[REQS_MAX];
	struct io_req *ptrs[REQS_MAX];
	struct iovec iov[REQS_MAX];
	char block[4 * BLOCK];
} w;

static void open_queue(unsigned depth)
{
	script_install();
	ck_assert_int_eq(io_queue(io_kernel(), depth, QUEUE_URING, &w.q), 0);
	for (unsigned i = 0; i < REQS_MAX; i++)
		w.ptrs[i] = &w.reqs[i];
}

/* Request i: n_blocks from block 10 * i of the file on; n_blocks 0: a flush. */
static struct io_req *make(unsigned i, enum io_kind kind, unsigned n_blocks)
{
	struct io_req *req = &w.reqs[i];

	w.iov[i] = (struct iovec){.iov_base = w.block, .iov_len = n_blocks * BLOCK};
	*req = (struct io_req){.kind = kind, .file = &file, .off_bytes = 10UL * i * BLOCK};
	if (n_blocks > 0) {
		req->iov = &w.iov[i];
		req->n_iov = 1;
	}
	return req;
}

static void make_reads(unsigned n, unsigned n_blocks)
{
	for (unsigned i = 0; i < n; i++)
		(void)make(i, IO_READ, n_blocks);
}

static bool is_complete(unsigned i)
{
	return atomic_load_explicit(&w.reqs[i].complete, memory_order_acquire);
}

static void expect_handed_over(unsigned n)
{
	ck_assert_msg(script_await(&script.n_entered, n, PATIENCE_NS),
		"%u attempts should be with the kernel by now, and %u are (%u were pushed)", n,
		script.n_entered, script.n_pushed);
}

static void expect_complete(unsigned i, int result)
{
	ck_assert_msg(script_await_complete(&w.reqs[i], PATIENCE_NS),
		"request %u was answered, and is not complete", i);
	ck_assert_msg(w.reqs[i].result == result, "request %u: its result is %d, expected %d", i,
		w.reqs[i].result, result);
}

/* All that was submitted is over. */
static void close_queue(void)
{
	queue_close(w.q);
	ck_assert_msg(script.n_late == 0, "a thread was in the ring when it was closed");
	ck_assert(script.is_closed);
}

/* A thread that submits requests 0 to n - 1 in one call. */
struct submitter {
	pthread_t thread;
	unsigned first, n;
};

static void *submit_main(void *arg)
{
	struct submitter *s = arg;

	queue_submit(w.q, w.ptrs + s->first, s->n);
	return NULL;
}

static void submit_aside(struct submitter *s, unsigned first, unsigned n)
{
	*s = (struct submitter){.first = first, .n = n};
	ck_assert_int_eq(pthread_create(&s->thread, NULL, submit_main, s), 0);
}

START_TEST(requests_that_are_submitted_are_handed_to_the_kernel)
{
	open_queue(8);
	make_reads(3, 1);
	queue_submit(w.q, w.ptrs, 3);
	expect_handed_over(3);
	script_hold(true);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_eq(script.tries[i].req, &w.reqs[i]);
		script_answer_whole(i);
	}
	script_hold(false);
	for (unsigned i = 0; i < 3; i++)
		expect_complete(i, 0);
	close_queue();
}
END_TEST

START_TEST(answer_completes_the_request_that_it_belongs_to)
{
	open_queue(8);
	make_reads(4, 1);
	queue_submit(w.q, w.ptrs, 4);
	expect_handed_over(4);
	for (unsigned i = 4; i-- > 0;) {
		script_answer_whole(i);
		expect_complete(i, 0);
		for (unsigned other = 0; other < i; other++)
			ck_assert_msg(!is_complete(other),
				"request %u is complete, and only request %u was answered", other,
				i);
	}
	close_queue();
}
END_TEST

/* Direct: 100 bytes more than a block count for nothing (I1). */
START_TEST(short_transfer_goes_on_where_it_stopped)
{
	const struct attempt *att;

	open_queue(8);
	make_reads(2, 3);
	queue_submit(w.q, w.ptrs, 2);
	expect_handed_over(2);
	script_answer(1, BLOCK + 100);
	expect_handed_over(3);
	att = &script.tries[2].att;
	ck_assert_ptr_eq(script.tries[2].req, &w.reqs[1]);
	ck_assert_uint_eq(att->off_bytes, 11 * BLOCK);
	ck_assert_uint_eq(att->len_bytes, 2 * BLOCK);
	ck_assert_ptr_eq(att->buf, w.block + BLOCK);
	ck_assert_msg(!is_complete(1), "one block of three was read, and the request is complete");
	script_answer(2, 2 * BLOCK);
	expect_complete(1, 0);
	script_answer_whole(0);
	expect_complete(0, 0);
	ck_assert_uint_eq(script.n_pushed, 3);
	close_queue();
}
END_TEST

START_TEST(interrupted_attempt_is_made_again)
{
	open_queue(8);
	make_reads(1, 2);
	queue_submit(w.q, w.ptrs, 1);
	expect_handed_over(1);
	script_answer(0, -EINTR);
	expect_handed_over(2);
	script_answer(1, -EAGAIN);
	expect_handed_over(3);
	ck_assert_uint_eq(script.tries[2].att.len_bytes, 2 * BLOCK);
	ck_assert(!is_complete(0));
	script_answer_whole(2);
	expect_complete(0, 0);
	close_queue();
}
END_TEST

START_TEST(error_is_the_result_and_ends_the_request)
{
	open_queue(8);
	make_reads(2, 1);
	(void)make(2, IO_WRITE, 1);
	(void)make(3, IO_SYNC, 0);
	queue_submit(w.q, w.ptrs, 4);
	expect_handed_over(4);
	script_answer(0, -EIO);
	expect_complete(0, -EIO);
	script_answer(1, 0); /* nothing to read there: the end of the file */
	expect_complete(1, VERSO_EIO);
	script_answer(2, -ENOSPC);
	expect_complete(2, -ENOSPC);
	script_answer(3, -EIO); /* a flush that failed is never made again (I2) */
	expect_complete(3, -EIO);
	ck_assert_uint_eq(script.n_pushed, 4);
	close_queue();
}
END_TEST

START_TEST(no_more_than_the_depth_are_in_the_ring)
{
	struct submitter s;

	open_queue(4);
	make_reads(10, 1);
	submit_aside(&s, 0, 10);
	expect_handed_over(4);
	(void)script_await(&script.n_entered, 5, A_WHILE_NS);
	for (unsigned i = 0; i < 10; i++) {
		expect_handed_over(i + 1);
		script_answer_whole(i);
	}
	(void)pthread_join(s.thread, NULL);
	for (unsigned i = 0; i < 10; i++)
		expect_complete(i, 0);
	ck_assert_msg(script.n_in_max == 4,
		"%u requests were in a ring of depth 4 at a time, expected 4", script.n_in_max);
	close_queue();
}
END_TEST

START_TEST(submit_that_sleeps_has_handed_over_what_it_pushed)
{
	struct submitter s;

	open_queue(4);
	make_reads(6, 1);
	submit_aside(&s, 0, 6);
	ck_assert_msg(script_await(&script.n_entered, 4, PATIENCE_NS),
		"submit sleeps for a place, and %u of the 4 requests that it pushed are with the "
		"kernel: nothing will ever come back",
		script.n_entered);
	for (unsigned i = 0; i < 6; i++) {
		expect_handed_over(i + 1);
		script_answer_whole(i);
	}
	(void)pthread_join(s.thread, NULL);
	close_queue();
}
END_TEST

START_TEST(place_is_free_when_the_request_is_over_and_not_before)
{
	struct submitter s;

	open_queue(2);
	make_reads(3, 2);
	submit_aside(&s, 0, 3);
	expect_handed_over(2);
	script_answer(0, BLOCK); /* half of it: it goes in once more, and keeps its place */
	expect_handed_over(3);
	(void)script_await(&script.n_entered, 4, A_WHILE_NS);
	ck_assert_ptr_eq(script.tries[2].req, &w.reqs[0]);
	ck_assert_msg(script.n_in_max <= 2, "%u requests were in a ring of depth 2",
		script.n_in_max);
	script_answer_whole(2);
	expect_handed_over(4);
	ck_assert_ptr_eq(script.tries[3].req, &w.reqs[2]);
	(void)pthread_join(s.thread, NULL);
	script_answer_whole(1);
	script_answer_whole(3);
	for (unsigned i = 0; i < 3; i++)
		expect_complete(i, 0);
	close_queue();
}
END_TEST

/* The request is used by the test again: the queue remembers nothing of its first time. */
START_TEST(request_may_be_submitted_again)
{
	open_queue(1);
	make_reads(1, 2);
	for (unsigned round = 0; round < 3; round++) {
		queue_submit(w.q, w.ptrs, 1);
		expect_handed_over(2 * round + 1);
		ck_assert_msg(!is_complete(0),
			"it was submitted again, and is still complete from before");
		ck_assert_uint_eq(script.tries[2 * round].att.len_bytes, 2 * BLOCK);
		script_answer(2 * round, BLOCK);
		expect_handed_over(2 * round + 2);
		script_answer_whole(2 * round + 1);
		expect_complete(0, 0);
	}
	close_queue();
}
END_TEST

/* What done() saw. */
static struct {
	atomic_uint n_calls, n_complete_before;
	unsigned n_returned; /* script.lock: submits of another thread that came back */
	bool is_free;        /* ... while done() ran */
} seen;

static void note_done(struct io_req *req)
{
	atomic_fetch_add(&seen.n_calls, 1);
	if (atomic_load(&req->complete))
		atomic_fetch_add(&seen.n_complete_before, 1);
}

START_TEST(done_is_called_once_before_complete)
{
	open_queue(4);
	make_reads(4, 2);
	for (unsigned i = 0; i < 4; i++)
		w.reqs[i].done = note_done;
	queue_submit(w.q, w.ptrs, 4);
	expect_handed_over(4);
	script_answer(0, BLOCK);
	expect_handed_over(5);
	ck_assert_msg(atomic_load(&seen.n_calls) == 0, "done() was called after half a transfer");
	script_answer(1, -EIO);
	expect_complete(1, -EIO);
	for (unsigned i = 2; i < 5; i++)
		script_answer_whole(i);
	expect_complete(0, 0);
	expect_complete(2, 0);
	expect_complete(3, 0);
	ck_assert_msg(atomic_load(&seen.n_calls) == 4, "done() was called %u times for 4 requests",
		atomic_load(&seen.n_calls));
	ck_assert_msg(atomic_load(&seen.n_complete_before) == 0,
		"done() was called when the request was complete already");
	close_queue();
}
END_TEST

static void *submit_and_say(void *arg)
{
	(void)submit_main(arg);
	(void)pthread_mutex_lock(&script.lock);
	seen.n_returned++;
	(void)pthread_cond_broadcast(&script.changed);
	(void)pthread_mutex_unlock(&script.lock);
	return NULL;
}

/* Waits for what another thread can only do while the lock is free. */
static void wait_for_another(struct io_req *req)
{
	struct submitter s = {.first = 1, .n = 1};

	(void)req;
	if (pthread_create(&s.thread, NULL, submit_and_say, &s) != 0)
		return;
	seen.is_free = script_await(&seen.n_returned, 1, PATIENCE_NS);
	(void)pthread_detach(s.thread);
}

START_TEST(done_is_called_with_the_lock_free)
{
	open_queue(4);
	make_reads(2, 1);
	w.reqs[0].done = wait_for_another;
	queue_submit(w.q, w.ptrs, 1);
	expect_handed_over(1);
	script_answer_whole(0);
	expect_handed_over(2);
	ck_assert(script_await_complete(&w.reqs[0], 2 * PATIENCE_NS));
	ck_assert_msg(seen.is_free,
		"another thread could not submit while done() ran: the lock is held");
	script_answer_whole(1);
	expect_complete(1, 0);
	ck_assert(script_await(&seen.n_returned, 1, PATIENCE_NS));
	close_queue();
}
END_TEST

/* The ring lets the reaper go only a while after the wake-up. */
START_TEST(close_waits_for_the_reaper)
{
	open_queue(4);
	close_queue();
	ck_assert_uint_eq(script.n_taken, 1); /* the wake-up */
	ck_assert(!script.is_waiting);
}
END_TEST

/* Threads that wait. */
struct waiting {
	pthread_t thread;
	unsigned i;
};

static unsigned n_back; /* script.lock: threads that came back from queue_wait() */

static void *wait_main(void *arg)
{
	const struct waiting *one = arg;

	queue_wait(w.q, &w.reqs[one->i]);
	(void)pthread_mutex_lock(&script.lock);
	n_back++;
	(void)pthread_cond_broadcast(&script.changed);
	(void)pthread_mutex_unlock(&script.lock);
	return NULL;
}

static void wait_aside(struct waiting *one, unsigned i)
{
	one->i = i;
	ck_assert_int_eq(pthread_create(&one->thread, NULL, wait_main, one), 0);
}

START_TEST(wait_returns_when_its_own_request_is_complete)
{
	struct waiting one[2];

	open_queue(4);
	make_reads(2, 1);
	queue_submit(w.q, w.ptrs, 2);
	expect_handed_over(2);
	wait_aside(&one[0], 0);
	wait_aside(&one[1], 1);
	(void)script_await(&n_back, 1, A_WHILE_NS);
	ck_assert_msg(n_back == 0, "wait came back before any answer");
	script_answer_whole(1);
	ck_assert_msg(script_await(&n_back, 1, PATIENCE_NS),
		"request 1 was answered, and who waits for it sleeps on");
	(void)script_await(&n_back, 2, A_WHILE_NS);
	ck_assert_msg(n_back == 1, "request 0 was not answered, and who waits for it came back");
	script_answer_whole(0);
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(one[i].thread, NULL);
	queue_wait(w.q, &w.reqs[0]); /* complete already */
	close_queue();
}
END_TEST

START_TEST(all_who_wait_for_a_request_come_back)
{
	struct waiting all[4];

	open_queue(4);
	make_reads(1, 1);
	for (unsigned i = 0; i < 4; i++)
		wait_aside(&all[i], 0); /* submitted already, or not yet */
	queue_submit(w.q, w.ptrs, 1);
	expect_handed_over(1);
	(void)script_await(&n_back, 1, A_WHILE_NS);
	script_answer_whole(0);
	ck_assert_msg(script_await(&n_back, 4, PATIENCE_NS), "4 threads wait, and %u came back",
		n_back);
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(all[i].thread, NULL);
	close_queue();
}
END_TEST

static void *poll_main(void *arg)
{
	(void)arg;
	queue_poll(w.q);
	(void)pthread_mutex_lock(&script.lock);
	n_back++;
	(void)pthread_cond_broadcast(&script.changed);
	(void)pthread_mutex_unlock(&script.lock);
	return NULL;
}

START_TEST(poll_comes_back_at_once)
{
	pthread_t thread;

	open_queue(4);
	make_reads(1, 1);
	queue_submit(w.q, w.ptrs, 1);
	expect_handed_over(1);
	ck_assert_int_eq(pthread_create(&thread, NULL, poll_main, NULL), 0);
	ck_assert_msg(script_await(&n_back, 1, PATIENCE_NS), "nothing is complete, and poll waits");
	(void)pthread_join(thread, NULL);
	script_answer_whole(0);
	expect_complete(0, 0);
	queue_poll(w.q);
	close_queue();
}
END_TEST

/*
 * A device whose answers come in an order drawn by seed: whole, short, interrupted, failed.
 */

#define N_SUBMITTERS 3U
#define N_EACH       60U
#define N_ALL        (N_SUBMITTERS * N_EACH)

static int expected[REQS_MAX];

/* Whose result `answer` is: 0, an error, or 1 where the request needs another attempt. */
static int meaning(const struct script_try *t, int64_t answer)
{
	if (answer == -EINTR)
		return 1;
	if (answer < 0)
		return (int)answer;
	return (size_t)answer == t->att.len_bytes ? 0 : 1;
}

static int64_t draw_answer(const struct script_try *t, uint64_t *rng)
{
	uint64_t x = check_random(rng);

	if (x % 8 == 0)
		return -EINTR;
	if (x % 16 == 1)
		return -EIO;
	if (x % 4 == 2 && t->att.len_bytes > BLOCK)
		return (int64_t)(BLOCK + (x >> 32) % BLOCK);
	return (int64_t)t->att.len_bytes;
}

/* One of those that are with the kernel, drawn; waits for one. */
static unsigned draw_try(uint64_t *rng)
{
	unsigned n_open, at;

	expect_handed_over(script.n_answers + 1);
	(void)pthread_mutex_lock(&script.lock);
	n_open = script.n_entered - script.n_answers;
	at = (unsigned)(check_random(rng) % n_open);
	for (unsigned i = 0; i < script.n_entered; i++) {
		if (script.tries[i].is_answered || at-- > 0)
			continue;
		at = i;
		break;
	}
	(void)pthread_mutex_unlock(&script.lock);
	return at;
}

START_TEST(every_request_completes_once_in_whatever_order)
{
	struct submitter s[N_SUBMITTERS];
	uint64_t rng = check_seed();
	unsigned n_over = 0;

	script.is_slow = true;
	open_queue(16);
	for (unsigned i = 0; i < N_ALL; i++)
		make(i, i % 2 ? IO_READ : IO_WRITE, 1 + (unsigned)(check_random(&rng) % 4))->done =
			note_done;
	for (unsigned i = 0; i < N_SUBMITTERS; i++)
		submit_aside(&s[i], i * N_EACH, N_EACH);
	while (n_over < N_ALL) {
		unsigned nth = draw_try(&rng);
		const struct script_try *t = &script.tries[nth];
		int64_t answer = draw_answer(t, &rng);
		int result = meaning(t, answer);

		if (result <= 0) {
			expected[t->req - w.reqs] = result;
			n_over++;
		}
		script_answer(nth, answer);
	}
	for (unsigned i = 0; i < N_SUBMITTERS; i++)
		(void)pthread_join(s[i].thread, NULL);
	for (unsigned i = 0; i < N_ALL; i++) {
		queue_wait(w.q, &w.reqs[i]);
		expect_complete(i, expected[i]);
	}
	ck_assert_uint_eq(atomic_load(&seen.n_calls), N_ALL);
	ck_assert_uint_le(script.n_in_max, 16);
	close_queue();
}
END_TEST

/*
 * The ring of this machine
 */

START_TEST(your_queue_on_the_ring_of_this_machine)
{
	enum { N = 64 };
	char path[CHECK_PATH_BYTES];
	char *out = check_alloc(N * BLOCK), *back = check_alloc(N * BLOCK);
	struct io_req sync = {.kind = IO_SYNC}, *sync_ptr = &sync;
	struct file *f;

	(void)check_path(path, "ring");
	ck_assert_int_eq(io_open(io_kernel(), path, FILE_CREATE, 0600, &f), 0);
	ck_assert_int_eq(io_queue(io_kernel(), 8, QUEUE_URING, &w.q), 0);
	for (unsigned i = 0; i < N; i++) {
		memset(out + (size_t)i * BLOCK, (int)i + 1, BLOCK);
		(void)make(i, IO_WRITE, 1);
		w.reqs[i].file = f;
		w.reqs[i].off_bytes = (uint64_t)i * BLOCK;
		w.iov[i].iov_base = out + (size_t)i * BLOCK;
		w.ptrs[i] = &w.reqs[i];
	}
	ck_assert_int_eq(queue_run(w.q, w.ptrs, N), 0);
	sync.file = f;
	ck_assert_int_eq(queue_run(w.q, &sync_ptr, 1), 0);
	for (unsigned i = 0; i < N; i++) {
		w.reqs[i].kind = IO_READ;
		w.iov[i].iov_base = back + (size_t)i * BLOCK;
	}
	ck_assert_int_eq(queue_run(w.q, w.ptrs, N), 0);
	ck_assert_mem_eq(back, out, N * BLOCK);
	(void)printf("note: your queue ran %s\n", ring_how());
	(void)fflush(stdout);
	queue_close(w.q);
	file_close(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab3");
	TCase *tc = tcase_create("queue");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, requests_that_are_submitted_are_handed_to_the_kernel);
	tcase_add_test(tc, answer_completes_the_request_that_it_belongs_to);
	tcase_add_test(tc, short_transfer_goes_on_where_it_stopped);
	tcase_add_test(tc, interrupted_attempt_is_made_again);
	tcase_add_test(tc, error_is_the_result_and_ends_the_request);
	tcase_add_test(tc, no_more_than_the_depth_are_in_the_ring);
	tcase_add_test(tc, submit_that_sleeps_has_handed_over_what_it_pushed);
	tcase_add_test(tc, place_is_free_when_the_request_is_over_and_not_before);
	tcase_add_test(tc, request_may_be_submitted_again);
	tcase_add_test(tc, done_is_called_once_before_complete);
	tcase_add_test(tc, done_is_called_with_the_lock_free);
	tcase_add_test(tc, close_waits_for_the_reaper);
	tcase_add_test(tc, wait_returns_when_its_own_request_is_complete);
	tcase_add_test(tc, all_who_wait_for_a_request_come_back);
	tcase_add_test(tc, poll_comes_back_at_once);
	tcase_add_test(tc, every_request_completes_once_in_whatever_order);
	tcase_add_test(tc, your_queue_on_the_ring_of_this_machine);
	suite_add_tcase(s, tc);
	return check_main(s);
}
