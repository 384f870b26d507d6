/* SPDX-License-Identifier: MIT */
/* AddressSanitizer: memory of an arena that is free may not be touched. For gcc and clang. */
#ifndef BASE_ASAN_H
#define BASE_ASAN_H

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

#endif
