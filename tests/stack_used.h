/* SPDX-License-Identifier: MIT */
/* How much stack a call takes. */
#ifndef TESTS_STACK_USED_H
#define TESTS_STACK_USED_H

#include <stddef.h>

/* Bytes of stack that call(NULL) touches in a thread of its own, with all that it calls; at most
 * 1 MiB. */
size_t stack_used(void *(*call)(void *arg));

#endif
