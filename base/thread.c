/* SPDX-License-Identifier: MIT */
/* Numbers of threads, from a counter that never goes back. */
#include "base/thread.h"

#include <stdatomic.h>

/* The attribute is not inherited from the declaration. */
_Thread_local uint64_t thread_own_number __attribute__((tls_model("initial-exec")));

uint64_t thread_take_number(void)
{
	static _Atomic uint64_t n_threads;

	thread_own_number = atomic_fetch_add(&n_threads, 1) + 1;
	return thread_own_number;
}
