/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the public interface share. A loop test runs once with each pager: its _i is
 * the enum verso_pager.
 */
#ifndef TESTS_API_H
#define TESTS_API_H

#include "tests/check_main.h"
#include "verso.h"

#include <stdbool.h>

#define API_PAGERS 3

extern const char *const api_pager_names[API_PAGERS];

/*
 * Fails the test, with the library's text, unless expr, a call of the library, returns `code`. An
 * error has a text.
 */
#define API_IS(expr, code)                                                                         \
	do {                                                                                       \
		int api_rc = (expr);                                                               \
                                                                                                   \
		ck_assert_msg(api_rc == (code), "%s returns %d (%s; %s), not %d", #expr, api_rc,   \
			verso_strerror(api_rc), verso_errmsg(NULL), (code));                       \
		ck_assert_msg(api_rc >= 0 || verso_errmsg(NULL)[0] != '\0',                        \
			"%s returns %d without a text", #expr, api_rc);                            \
	} while (0)

#define API_OK(expr) API_IS(expr, 0)

/* Fails unless expr returns `code` with a text that has the words `words` in it. */
#define API_SAYS(expr, code, words)                                                                \
	do {                                                                                       \
		API_IS(expr, code);                                                                \
		ck_assert_msg(strstr(verso_errmsg(NULL), words) != NULL, "\"%s\" has no \"%s\"",   \
			verso_errmsg(NULL), words);                                                \
	} while (0)

/* The path of `name` in the scratch folder, this test's own; buf as check_path(). */
const char *api_path(char *buf, const char *name);

/* Opens `name` in the scratch folder with the pager, making it. flags: beside VERSO_CREATE. */
struct verso *api_open(int pager, const char *name, unsigned flags);

/* The same, with all options; size, pager and VERSO_CREATE are filled in. */
struct verso *api_open_with(int pager, const char *name, struct verso_options options);

/* verso_open() of a path as it is, with a small cache; or one that has to succeed. */
int api_try_open(int pager, const char *path, unsigned flags, struct verso **ret_db);
struct verso *api_must_open(int pager, const char *path, unsigned flags);

/* Skips the test where VERSO_SYNC_PROCESS is refused: there is no O_DIRECT. */
bool api_skips_process(int pager);

/* The real kernel, but pauses take no time: for openings that wait in vain for a lock. */
struct io *api_impatient_io(void);

struct verso_txn *api_begin(struct verso *db, unsigned flags);

struct verso_val api_val(const char *text);

/* A transaction of one record of the default table: what its first failing call returns. */
int api_try_put(struct verso *db, const char *key, const char *val);

/* Whether a new reader finds this record there. */
bool api_sees(struct verso *db, const char *key, const char *val);

/* In a transaction: puts, or fails the test. */
void api_put(struct verso_txn *txn, struct verso_table *table, const char *key, const char *val);

/* Whether key is there with val; val NULL: whether it is missing. */
int api_has(struct verso_txn *txn, struct verso_table *table, const char *key, const char *val);

/* In a transaction of its own: puts n records `key000000`, ... with a value of len bytes each. */
void api_fill(struct verso *db, unsigned n, size_t len);

/* Fails the test unless the database checks clean. */
void api_check(struct verso *db);

#endif
