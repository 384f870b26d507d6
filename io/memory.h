/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory in large pieces: arenas of frames and sparse arrays.
 *
 * Address space first, memory where it is touched; MADV_DONTFORK, so that a child after fork cannot
 * use it by accident.
 */
#ifndef IO_MEMORY_H
#define IO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reserves len_bytes of zeroed memory aligned to 2 MiB; huge: ask the kernel for huge pages.
 * Memory is committed where it is touched. -ENOMEM.
 */
int memory_reserve(size_t len_bytes, bool huge, void **ret_base);

/* Asks the kernel for huge pages there from now on, or for small ones. What is there stays. */
void memory_set_huge(void *base, size_t len_bytes, bool huge);

/* Gives the memory of [p, p + len_bytes) back to the kernel; it reads as zeros afterwards. */
void memory_discard(void *p, size_t len_bytes);

/* Takes NULL. */
void memory_release(void *base, size_t len_bytes);

#endif
