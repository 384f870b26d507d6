/* SPDX-License-Identifier: MIT */
#include "labs/lab3/tests/script_ring.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct script script = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct timespec in(long ns)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (until.tv_nsec + ns) / 1000000000;
	until.tv_nsec = (until.tv_nsec + ns) % 1000000000;
	return until;
}

/* ThreadSanitizer sees two calls that are in here together, and no lock between them. */
static void count_call(struct script *s)
{
	const struct timespec slow = {.tv_nsec = 300000};
	unsigned n_calls = s->n_calls;

	if (s->is_slow)
		(void)nanosleep(&slow, NULL);
	s->n_calls = n_calls + 1;
}

static void script_push(struct ring *r, struct io_req *req)
{
	struct script *s = (struct script *)r;
	struct script_try *t;

	count_call(s);
	(void)pthread_mutex_lock(&s->lock);
	if (s->n_pushed == SCRIPT_MAX)
		abort(); /* more than any test needs */
	t = &s->tries[s->n_pushed++];
	t->req = req;
	if (req && req->kind != IO_SYNC)
		transfer_next(req, transfer_align(req->file), &t->att);
	s->n_in += req != NULL;
	if (s->n_in > s->n_in_max)
		s->n_in_max = s->n_in;
	s->n_late += s->is_closed;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void script_enter(struct ring *r)
{
	struct script *s = (struct script *)r;

	count_call(s);
	(void)pthread_mutex_lock(&s->lock);
	for (; s->n_entered < s->n_pushed; s->n_entered++) {
		if (s->tries[s->n_entered].req)
			continue;
		s->tries[s->n_entered].is_answered = true;
		s->answers[s->n_answers++] = (struct ring_answer){0};
	}
	s->n_late += s->is_closed;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static unsigned script_wait(struct ring *r, struct ring_answer *answers, unsigned n_max)
{
	const struct timespec slow = {.tv_nsec = A_WHILE_NS};
	struct script *s = (struct script *)r;
	bool is_woken = false;
	unsigned n = 0;

	(void)pthread_mutex_lock(&s->lock);
	s->n_late += s->is_closed;
	s->is_waiting = true;
	(void)pthread_cond_broadcast(&s->changed);
	while (s->is_held || s->n_taken == s->n_answers)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	for (; n < n_max && s->n_taken < s->n_answers; n++) {
		answers[n] = s->answers[s->n_taken++];
		s->n_in -= answers[n].req != NULL;
		is_woken |= answers[n].req == NULL;
	}
	if (is_woken) {
		/* A reaper that is slow to end: close has to wait for it. */
		(void)pthread_mutex_unlock(&s->lock);
		(void)nanosleep(&slow, NULL);
		(void)pthread_mutex_lock(&s->lock);
	}
	s->is_waiting = false;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

static void script_close(struct ring *r)
{
	struct script *s = (struct script *)r;

	(void)pthread_mutex_lock(&s->lock);
	s->n_late += s->is_waiting; /* the reaper is still in the ring */
	s->is_closed = true;
	(void)pthread_mutex_unlock(&s->lock);
}

static const struct ring_ops script_ops = {
	.push = script_push,
	.enter = script_enter,
	.wait = script_wait,
	.close = script_close,
};

static int script_open(unsigned depth, struct ring **ret_ring)
{
	(void)depth;
	script.ring.ops = &script_ops;
	*ret_ring = &script.ring;
	return 0;
}

void script_install(void)
{
	ring_instead = script_open;
}

bool script_await(const unsigned *n, unsigned wanted, long patience_ns)
{
	struct timespec until = in(patience_ns);
	bool came;

	(void)pthread_mutex_lock(&script.lock);
	while (*n < wanted &&
		pthread_cond_timedwait(&script.changed, &script.lock, &until) != ETIMEDOUT)
		;
	came = *n >= wanted;
	(void)pthread_mutex_unlock(&script.lock);
	return came;
}

void script_answer(unsigned nth, int64_t answer)
{
	bool is_there;

	(void)pthread_mutex_lock(&script.lock);
	is_there = nth < script.n_entered && !script.tries[nth].is_answered;
	if (is_there) {
		script.tries[nth].is_answered = true;
		script.answers[script.n_answers++] =
			(struct ring_answer){.req = script.tries[nth].req, .answer = answer};
		(void)pthread_cond_broadcast(&script.changed);
	}
	(void)pthread_mutex_unlock(&script.lock);
	ck_assert_msg(is_there, "attempt %u is not with the kernel: it was not handed over", nth);
}

void script_answer_whole(unsigned nth)
{
	const struct attempt *att = &script.tries[nth].att;
	size_t len_bytes = att->len_bytes;

	for (unsigned i = 0; i < att->n_iov; i++)
		len_bytes += att->iov[i].iov_len;
	script_answer(nth, (int64_t)len_bytes);
}

void script_hold(bool is_held)
{
	(void)pthread_mutex_lock(&script.lock);
	script.is_held = is_held;
	(void)pthread_cond_broadcast(&script.changed);
	(void)pthread_mutex_unlock(&script.lock);
}

bool script_await_complete(const struct io_req *req, long patience_ns)
{
	const struct timespec pause = {.tv_nsec = 200000};

	for (long waited_ns = 0; waited_ns < patience_ns; waited_ns += pause.tv_nsec) {
		if (atomic_load_explicit(&req->complete, memory_order_acquire))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}
