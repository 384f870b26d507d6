/* SPDX-License-Identifier: MIT */
#include "tests/sim/failmalloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static atomic_bool armed, forever;
static atomic_uint_fast64_t nth, calls, failed;
static _Thread_local unsigned paused;

static bool fails(void)
{
	uint64_t n;

	if (!atomic_load(&armed) || paused)
		return false;
	n = atomic_fetch_add(&calls, 1);
	if (n != atomic_load(&nth) && !(atomic_load(&forever) && n > atomic_load(&nth)))
		return false;
	(void)atomic_fetch_add(&failed, 1);
	errno = ENOMEM;
	return true;
}

void failmalloc_arm(uint64_t n, bool for_ever)
{
	atomic_store(&nth, n);
	atomic_store(&forever, for_ever);
	atomic_store(&calls, 0);
	atomic_store(&failed, 0);
	atomic_store(&armed, true);
}

uint64_t failmalloc_disarm(void)
{
	atomic_store(&armed, false);
	return atomic_load(&failed);
}

uint64_t failmalloc_calls(void)
{
	return atomic_load(&calls);
}

void failmalloc_pause(void)
{
	paused++;
}

void failmalloc_resume(void)
{
	paused--;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
	return fails() ? ENOMEM : __real_posix_memalign(p, align, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __real_aligned_alloc(align, n);
}
