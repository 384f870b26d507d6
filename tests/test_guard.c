/* SPDX-License-Identifier: MIT */
/* Unit tests of pager/guard.c. The threaded one is the ThreadSanitizer's: it races by design. */
#include "pager/guard.h"
#include "tests/check_main.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#define N_READERS 3
#define N_WORDS   64   /* of a frame */
#define N_FRAMES  4    /* that the reclaimer goes round */
#define N_SWAPS   1000 /* by the reclaimer */

static struct guard_domain domain;

static void set_up(void)
{
	guard_domain_init(&domain);
}

static void tear_down(void)
{
	guard_domain_fini(&domain);
}

static struct guard *open_guard(void)
{
	struct guard *guard;

	ck_assert_int_eq(guard_open(&domain, &guard), 0);
	return guard;
}

START_TEST(guard_that_is_not_entered_holds_nothing_back)
{
	struct guard *guard = open_guard();

	ck_assert_uint_eq(guard_oldest(&domain), UINT64_MAX);
	guard_enter(guard);
	guard_leave(guard);
	ck_assert_uint_eq(guard_oldest(&domain), UINT64_MAX);
	guard_close(guard);
}
END_TEST

START_TEST(entered_guard_holds_back_what_is_retired_until_it_leaves)
{
	struct guard *guard = open_guard();
	uint64_t epoch;

	guard_enter(guard);
	epoch = guard_retire(&domain);
	ck_assert_uint_le(guard_oldest(&domain), epoch);
	guard_leave(guard);
	ck_assert_uint_gt(guard_oldest(&domain), epoch);
	guard_close(guard);
}
END_TEST

START_TEST(guard_entered_after_a_retirement_does_not_hold_it_back)
{
	struct guard *guard = open_guard();
	uint64_t epoch = guard_retire(&domain);

	guard_enter(guard);
	ck_assert_uint_gt(guard_oldest(&domain), epoch);
	guard_leave(guard);
	guard_close(guard);
}
END_TEST

START_TEST(oldest_of_several_guards_counts)
{
	struct guard *first = open_guard(), *second = open_guard();
	uint64_t epoch;

	guard_enter(first);
	epoch = guard_retire(&domain);
	guard_enter(second);
	ck_assert_uint_le(guard_oldest(&domain), epoch);
	guard_leave(first);
	ck_assert_uint_gt(guard_oldest(&domain), epoch);
	guard_leave(second);
	guard_close(first);
	guard_close(second);
}
END_TEST

START_TEST(closed_guard_is_used_again_and_its_counts_stay)
{
	struct guard *first = open_guard(), *second;
	uint64_t n_gets, n_peeks;

	guard_count(&first->n_gets, 1);
	guard_count(&first->n_gets, 1);
	guard_count(&first->n_peeks, 1);
	guard_close(first);
	second = open_guard();
	ck_assert_ptr_eq(second, first);
	guard_count(&second->n_peeks, 1);
	guard_counts(&domain, &n_gets, &n_peeks);
	ck_assert_uint_eq(n_gets, 2);
	ck_assert_uint_eq(n_peeks, 2);
	guard_close(second);
	guard_close(NULL);
}
END_TEST

/*
 * One reclaimer goes round a few frames: fills one, publishes it, retires the one before and waits
 * until no guard can see that. Readers must find every word of a frame alike. The words are plain:
 * without the guards' order this is a data race.
 */
struct frame {
	uint64_t words[N_WORDS];
};

static struct frame frames[N_FRAMES];
static struct frame *_Atomic published;
static atomic_bool stop;
static atomic_uint n_started;

static void *read_frames(void *arg)
{
	struct guard *guard = arg;
	uintptr_t n_torn = 0;

	for (bool first = true; !atomic_load(&stop); first = false) {
		const struct frame *frame;

		guard_enter(guard);
		frame = atomic_load_explicit(&published, memory_order_acquire);
		for (unsigned i = 1; i < N_WORDS; i++)
			n_torn += frame->words[i] != frame->words[0];
		guard_leave(guard);
		sched_yield(); /* outside: a reader preempted inside holds everybody up */
		if (first)
			atomic_fetch_add(&n_started, 1);
	}
	return (void *)n_torn;
}

START_TEST(no_reader_sees_a_frame_that_is_used_again)
{
	pthread_t readers[N_READERS];
	struct guard *guards[N_READERS];
	void *n_torn;

	atomic_store(&published, &frames[0]);
	for (unsigned i = 0; i < N_READERS; i++) {
		guards[i] = open_guard();
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_frames, guards[i]), 0);
	}
	while (atomic_load(&n_started) < N_READERS)
		sched_yield();
	for (uint64_t swap = 1; swap <= N_SWAPS; swap++) {
		struct frame *next = &frames[swap % N_FRAMES];
		uint64_t epoch;

		for (unsigned i = 0; i < N_WORDS; i++)
			next->words[i] = swap;
		atomic_store(&published, next);
		epoch = guard_retire(&domain);
		while (guard_oldest(&domain) <= epoch)
			sched_yield();
		memset(frames[(swap - 1) % N_FRAMES].words, 0xdb, 8);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < N_READERS; i++) {
		ck_assert_int_eq(pthread_join(readers[i], &n_torn), 0);
		ck_assert_ptr_null(n_torn);
		guard_close(guards[i]);
	}
}
END_TEST

/* Guards come and go while the reclaimer looks for the oldest. */
static void *open_and_close(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 500; i++) {
		struct guard *guard = open_guard();

		guard_enter(guard);
		guard_leave(guard);
		guard_close(guard);
	}
	atomic_fetch_add(&n_started, 1);
	return NULL;
}

START_TEST(guards_are_opened_and_closed_while_others_look)
{
	pthread_t threads[N_READERS];

	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
	while (atomic_load(&n_started) < N_READERS) {
		uint64_t epoch = guard_retire(&domain);

		while (guard_oldest(&domain) <= epoch)
			sched_yield();
	}
	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(guard_oldest(&domain), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, guard_that_is_not_entered_holds_nothing_back);
	tcase_add_test(tc, entered_guard_holds_back_what_is_retired_until_it_leaves);
	tcase_add_test(tc, guard_entered_after_a_retirement_does_not_hold_it_back);
	tcase_add_test(tc, oldest_of_several_guards_counts);
	tcase_add_test(tc, closed_guard_is_used_again_and_its_counts_stay);
	tcase_add_test(tc, no_reader_sees_a_frame_that_is_used_again);
	tcase_add_test(tc, guards_are_opened_and_closed_while_others_look);
	suite_add_tcase(s, tc);
	return check_main(s);
}
