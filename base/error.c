/* SPDX-License-Identifier: MIT */
/* The error text of each thread, the names of codes, and the end of a failed assertion. */
#include "base/error.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char text[ERROR_TEXT_BYTES];
static _Thread_local unsigned n_mutes;

int error_set(int code, const char *fmt, ...)
{
	va_list args;

	if (n_mutes > 0)
		return code;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return code;
}

void error_mute(void)
{
	n_mutes++;
}

void error_unmute(void)
{
	ASSERT(n_mutes > 0);
	n_mutes--;
}

const char *error_text(void)
{
	return text;
}

void error_clear(void)
{
	text[0] = '\0';
}

#ifndef WITHOUT_STRERRORDESC_NP
#define describe_errno strerrordesc_np
#else
/* glibc and musl share memory between threads here only for numbers that they do not know. */
#define describe_errno strerror
#endif

static const char *name_of_errno(int code)
{
	const char *name = code < 0 && code > -4096 ? describe_errno(-code) : NULL;

	return name ? name : "unknown code";
}

const char *error_name(int code)
{
	switch (code) {
	case VERSO_OK:
		return "success";
	case VERSO_NOTFOUND:
		return "not found";
	case VERSO_EXISTS:
		return "it exists already";
	case VERSO_MORE:
		return "a part is done, and more is to do";
	case VERSO_ECORRUPT:
		return "the database file is damaged";
	case VERSO_ENOTDB:
		return "not a Verso database";
	case VERSO_EVERSION:
		return "the file is of another version of Verso";
	case VERSO_EPOISONED:
		return "a flush failed: reopen the database before writing";
	case VERSO_EABORTONLY:
		return "the transaction failed half-way and can only be aborted";
	case VERSO_EBUSY:
		return "in use by another process or handle";
	case VERSO_EPINNED:
		return "every frame of the cache is pinned";
	case VERSO_ETOOBIG:
		return "key or value too big";
	case VERSO_EMISUSE:
		return "wrong use of a handle, flag or order of calls";
	case VERSO_EIO:
		return "the device failed, or the file was cut under a live map";
	case VERSO_EFULL:
		return "the database has reached a limit of its format";
	default:
		return name_of_errno(code);
	}
}

_Noreturn void assert_failed(const char *file, int line, const char *condition)
{
	(void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}
