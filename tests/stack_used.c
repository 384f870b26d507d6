/* SPDX-License-Identifier: MIT */
/* The stack is painted before the thread begins; what has another colour afterwards was used. */
#include "tests/stack_used.h"

#include "tests/check_main.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_BYTES ((size_t)1 << 20)
#define PAINT       0xA5

size_t stack_used(void *(*call)(void *arg))
{
	uint8_t *stack =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	size_t unused = 0;

	ck_assert_ptr_ne(stack, MAP_FAILED);
	memset(stack, PAINT, STACK_BYTES);
	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, call, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	while (unused < STACK_BYTES && stack[unused] == PAINT)
		unused++;
	ck_assert_int_eq(munmap(stack, STACK_BYTES), 0);
	return STACK_BYTES - unused;
}
