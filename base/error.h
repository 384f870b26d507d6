/* SPDX-License-Identifier: MIT */
/*
 * Errors: a code that is forwarded unchanged, and this thread's advice in words.
 *
 * The floor that finds an error calls error_set() once, with what was being done, to which file
 * and page, what was expected and found, and what to try. Floors above forward the code and leave
 * the text alone. Codes are those of verso_codes.h, or a negated errno.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "verso_codes.h"

#define ERROR_TEXT_BYTES 512

/*
 * Remembers a text for this thread and returns `code`, so that `return error_set(...)` reads well.
 * code: < 0. fmt: as printf; longer texts are cut at ERROR_TEXT_BYTES - 1.
 */
int error_set(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Until error_unmute() this thread's error_set() only returns its code: for hints, which look at
 * pages and cannot fail, inside a call that may succeed. They nest.
 */
void error_mute(void);
void error_unmute(void);

/* The text of this thread's last error_set(), or "" when there was none since error_clear(). */
const char *error_text(void);

void error_clear(void);

/* The standing meaning of a code: a constant, never NULL. Unknown codes say so. */
const char *error_name(int code);

#endif
