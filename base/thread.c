/* SPDX-License-Identifier: MIT */
/* Numbers of threads, from a counter that never goes back; threads of our own. */
#include "base/thread.h"

#include <signal.h>
#include <stdatomic.h>

/* The attribute is not inherited from the declaration. */
_Thread_local uint64_t thread_own_number __attribute__((tls_model("initial-exec")));

uint64_t thread_take_number(void)
{
	static _Atomic uint64_t n_threads;

	thread_own_number = atomic_fetch_add(&n_threads, 1) + 1;
	return thread_own_number;
}

#define THREAD_STACK_BYTES (256u << 10)

int thread_start(pthread_t *ret_thread, void *(*main)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS); /* a fault is the thread's own */
	(void)sigdelset(&all, SIGSEGV);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret_thread, &attr, main, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return -err;
}
