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
 * ends with it. The last line that a program prints is `N passed, N failed, N skipped`.
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

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
 *		check_skip(__func__, "root may open everything");
 *		return;
 *	}
 */
void check_skip(const char *test, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The path of `name` in this program's scratch folder, in buf (CHECK_PATH_BYTES); answers buf. The
 * folder lies in $VERSO_TEST_DIR, else in $TMPDIR, else in /var/tmp: a disk rather than memory.
 */
const char *check_path(char *buf, const char *name);

/*
 * Zeroed memory, aligned to 4096, that check_free() frees: the test need not, so
 * what a leak checker finds is not the tests' own. Any thread.
 */
void *check_alloc(size_t len_bytes);

/* $VERSO_SEED, or 1: what every generator of a test starts from. Printed with a failure. */
uint64_t check_seed(void);

/* The next of a sequence of well-mixed numbers (splitmix64); *state starts at a seed. */
uint64_t check_random(uint64_t *state);

#endif
