/* SPDX-License-Identifier: MIT */
/*
 * Assertions: a broken one is a bug of Verso's, never a property of a file.
 *
 * ASSERT stays in release builds; DCHECK is for what costs too much there. One condition each.
 * Bytes that come from a disk are validated, and damage is returned as an error; they are never
 * asserted.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

_Noreturn void assert_failed(const char *file, int line, const char *condition);

#define ASSERT(cond)                                                                               \
	(__builtin_expect(!!(cond), 1) ? (void)0 : assert_failed(__FILE__, __LINE__, #cond))

#ifdef NDEBUG
#define DCHECK(cond) ((void)sizeof(!!(cond)))
#else
#define DCHECK(cond) ASSERT(cond)
#endif

#endif
