/* SPDX-License-Identifier: MIT */
/* What a queue's backend needs, wherever it stands: a thread of its own, a file's descriptor. */
#include "io/queue_int.h"

#include <signal.h>

#define THREAD_STACK_BYTES (256u << 10)

int queue_thread_start(pthread_t *ret_thread, void *(*main)(void *arg), void *arg)
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

int queue_fd(struct file *f)
{
	return file_kernel_of(f)->fd;
}
