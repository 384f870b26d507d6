/* SPDX-License-Identifier: MIT */
/*
 * The calling thread: a number that no other thread of the process ever has. A pthread_t is used
 * again when its thread has ended, so it does not identify the thread that did something earlier.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* This thread's number; 0: not assigned yet. initial-exec: a load costs one instruction. */
extern _Thread_local uint64_t thread_own_number __attribute__((tls_model("initial-exec")));

uint64_t thread_take_number(void);

/* > 0. */
static inline uint64_t thread_number(void)
{
	uint64_t number = thread_own_number;

	return __builtin_expect(number != 0, 1) ? number : thread_take_number();
}

/*
 * Starts a thread of the library: no signal of the application reaches it, but for faults of its
 * own. 0 or -errno. The caller joins it.
 */
int thread_start(pthread_t *ret_thread, void *(*main)(void *arg), void *arg);

/*
 * Waits and transfers are cancellation points, and a thread that ended there would take locks with
 * it. So what may block begins with this: until the function returns the thread is not cancelled.
 *
 *	THREAD_KEPT;
 */
#define THREAD_KEPT __attribute__((cleanup(thread_let_go), unused)) int kept_before = thread_keep()

static inline int thread_keep(void)
{
	int before = PTHREAD_CANCEL_ENABLE;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void thread_let_go(const int *before)
{
	(void)pthread_setcancelstate(*before, NULL);
}

#endif
