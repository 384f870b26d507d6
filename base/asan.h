/* SPDX-License-Identifier: MIT */
/*
 * Memory of an arena that is free may not be touched: AddressSanitizer reports it, and a hostile
 * build overwrites it, so that what is read there is no page. For gcc and clang.
 */
#ifndef BASE_ASAN_H
#define BASE_ASAN_H

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, len_bytes)   ASAN_POISON_MEMORY_REGION(p, len_bytes)
#define UNPOISON(p, len_bytes) ASAN_UNPOISON_MEMORY_REGION(p, len_bytes)
#else
#define HAVE_ASAN              0
#define POISON(p, len_bytes)   ((void)(p), (void)(len_bytes))
#define UNPOISON(p, len_bytes) ((void)(p), (void)(len_bytes))
#endif

#define POISON_BYTE 0xa5

/* Whether poison_free() does anything. */
#ifdef VERSO_HOSTILE
#define POISON_FREE 1
#else
#define POISON_FREE HAVE_ASAN
#endif

/* The memory is free from now on; UNPOISON() before it is used again. */
static inline void poison_free(void *p, size_t len_bytes)
{
#ifdef VERSO_HOSTILE
	memset(p, POISON_BYTE, len_bytes);
#endif
	POISON(p, len_bytes);
}

#endif
