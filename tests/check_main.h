/* SPDX-License-Identifier: MIT */
/*
 * What every test program shares: a main, a scratch folder, a seed, and skips that are counted.
 *
 *	int main(void)
 *	{
 *		Suite *s = suite_create("page");
 *		...
 *		return check_main(s);
 *	}
 *
 * Tests run each in a child of its own (CK_FORK=no for a debugger), so what a test leaves behind
 * ends with it. VERSO_TEST=name runs that test alone; VERSO_ROUNDS=3, of each test that is repeated
 * (over pagers, sizes, seeds), the first round and every third; 3+1, another third. The last line
 * that a program prints is `N passed, N failed, N skipped`.
 *
 * A test has passed when it has come to its end, or returned. For Check an exit with status 0 is a
 * pass, wherever it happens; here it is a failure.
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As Check's own, but for the calls around the body. */
#undef START_TEST
#define START_TEST(name)                                                                           \
	static void name##_body(int _i);                                                           \
	static void name##_run(int i)                                                              \
	{                                                                                          \
		if (!check_begin(#name, i))                                                        \
			return;                                                                    \
		name##_body(i);                                                                    \
		check_end();                                                                       \
	}                                                                                          \
	static const TTest name##_test = {#name, name##_run, __FILE__, __LINE__};                  \
	static const TTest *name = &name##_test;                                                   \
	static void name##_body(int _i __attribute__((unused)))

/*
 * As Check's own, but that one that holds costs no call of the kernel: Check writes each to a file.
 * All the others, ck_assert_uint_eq() and so on, are made of it.
 */
#undef ck_assert_msg
#define ck_assert_msg(expr, ...)                                                                   \
	((expr) ? check_held(__FILE__, __LINE__)                                                   \
		: _ck_assert_failed(__FILE__, __LINE__, "Assertion '" #expr "' failed",            \
			  __VA_ARGS__))

/* As Check's own, with the text of the error where one was found. */
#undef ck_assert_int_eq
#define ck_assert_int_eq(X, Y)                                                                     \
	do {                                                                                       \
		intmax_t ck_x = (X), ck_y = (Y);                                                   \
                                                                                                   \
		ck_assert_msg(ck_x == ck_y, "Assertion '%s' failed: %s == %jd, %s == %jd%s",       \
			#X " == " #Y, #X, ck_x, #Y, ck_y, check_error_note(ck_x));                 \
	} while (0)

/* Of the assertions: one held. Where a test dies of a signal, the last that held is printed. */
void check_held(const char *file, int line);

/* Of START_TEST: false when this test, or this round of its loop, is not one that was asked for. */
bool check_begin(const char *test, int round);
void check_end(void);

/* ": " and this thread's last error text, when `code` is that of an error; else "". */
const char *check_error_note(intmax_t code);

#define CHECK_PATH_BYTES 512

/*
 * To be given each TCase that uses check_alloc(): tcase_add_checked_fixture(t, NULL, check_free).
 */
void check_free(void);

/*
 * Runs the suite, prints the failing tests, the skips with their reasons and the totals; makes the
 * scratch folder before and removes it afterwards. The exit status for main: 0 when none failed.
 */
int check_main(Suite *s);

/*
 * Counts the running test as skipped, with the reason. The test returns right afterwards:
 *
 *	if (geteuid() == 0) {
 *		check_skip("root may open everything");
 *		return;
 *	}
 */
void check_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The path of `name` in this program's scratch folder, in buf (CHECK_PATH_BYTES); returns buf. The
 * folder lies in $VERSO_TEST_DIR, else in $TMPDIR, else in /var/tmp: a disk rather than memory.
 */
const char *check_path(char *buf, const char *name);

/*
 * Zeroed memory, aligned to 4096, that check_free() frees: the test need not, so
 * what a leak checker finds is not the tests' own. Any thread.
 */
void *check_alloc(size_t len_bytes);

/* The seed that was given (seed.h), or 1: what each generator of a test starts from. Printed with a
 * failure. */
uint64_t check_seed(void);

/* The next of a sequence of well-mixed numbers (splitmix64); *state starts at a seed. */
uint64_t check_random(uint64_t *state);

#endif
