/* SPDX-License-Identifier: MIT */
#include "tests/check_main.h"
#include "base/error.h"
#include "tests/seed.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SKIPS_MAX 1024
#define TESTS_MAX 65536 /* of a program, each round of a loop */

struct skip {
	unsigned test; /* how many tests had run before the one that skips */
	char text[240];
};

enum progress { NOT_BEGUN, NOT_WANTED, BEGUN, ENDED };

struct run {
	_Atomic enum progress progress;
	char test[72];
	/* The last assertion that held; any thread of the test. */
	_Atomic(const char *) held_file; /* NULL: none yet */
	_Atomic int held_line;
};

/* Lives in memory shared with the children in which the tests run. */
struct shared {
	atomic_uint n_skips;
	struct skip skips[SKIPS_MAX];
	struct run runs[TESTS_MAX]; /* in the order of running */
};

static struct shared *shared;
static SRunner *runner; /* a child has it as it was when its test began */
static struct run *current;
static char folder[CHECK_PATH_BYTES - 128];

static unsigned test_index(void)
{
	unsigned i = (unsigned)srunner_ntests_run(runner);

	ck_assert_uint_lt(i, TESTS_MAX);
	return i;
}

/* Which of the others depends on the name, so that not all tests leave the same pager out. */
static bool is_wanted(const char *test, int round)
{
	const char *wanted = getenv("VERSO_TEST"), *every = getenv("VERSO_ROUNDS");
	char *more = NULL;
	unsigned n = every ? (unsigned)strtoul(every, &more, 10) : 1, sum = (unsigned)round;

	if (more && *more == '+')
		sum += (unsigned)strtoul(more + 1, NULL, 10);
	for (const char *c = test; *c; c++)
		sum += (unsigned char)*c;
	return (!wanted || strcmp(wanted, test) == 0) && (round == 0 || n == 0 || sum % n == 0);
}

bool check_begin(const char *test, int round)
{
	bool runs = is_wanted(test, round);

	current = &shared->runs[test_index()];
	(void)snprintf(current->test, sizeof(current->test), "%s", test);
	atomic_store(&current->progress, runs ? BEGUN : NOT_WANTED);
	return runs;
}

void check_end(void)
{
	atomic_store(&current->progress, ENDED);
}

void check_held(const char *file, int line)
{
	if (!current)
		return;
	atomic_store_explicit(&current->held_file, file, memory_order_relaxed);
	atomic_store_explicit(&current->held_line, line, memory_order_relaxed);
}

const char *check_error_note(intmax_t code)
{
	static char note[ERROR_TEXT_BYTES + 2];

	if (code >= 0)
		return "";
	(void)snprintf(note, sizeof(note), ": %s", error_text());
	return note;
}

void check_skip(const char *fmt, ...)
{
	unsigned i = atomic_fetch_add(&shared->n_skips, 1);
	struct skip *skip;
	char reason[160];
	va_list args;

	ck_assert_uint_lt(i, SKIPS_MAX);
	skip = &shared->skips[i];
	va_start(args, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	skip->test = test_index();
	(void)snprintf(skip->text, sizeof(skip->text), "%s: %s", current->test, reason);
}

const char *check_path(char *buf, const char *name)
{
	(void)snprintf(buf, CHECK_PATH_BYTES, "%s/%s", folder, name);
	return buf;
}

uint64_t check_seed(void)
{
	return seed_given(1);
}

uint64_t check_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#define ALLOC_HEAD_BYTES 4096

/* In front of what check_alloc() returns. */
struct alloc {
	struct alloc *next;
};

static _Atomic(struct alloc *) allocs;

void *check_alloc(size_t len_bytes)
{
	size_t all_bytes = ALLOC_HEAD_BYTES + (len_bytes + 4095) / 4096 * 4096;
	struct alloc *a = aligned_alloc(4096, all_bytes);

	ck_assert_ptr_nonnull(a);
	memset(a, 0, all_bytes);
	a->next = atomic_load(&allocs);
	while (!atomic_compare_exchange_weak(&allocs, &a->next, a))
		;
	return (char *)a + ALLOC_HEAD_BYTES;
}

void check_free(void)
{
	struct alloc *a = atomic_exchange(&allocs, NULL);

	while (a) {
		struct alloc *next = a->next;

		free(a);
		a = next;
	}
}

static int folder_make(void)
{
	const char *parent = getenv("VERSO_TEST_DIR");

	if (!parent)
		parent = getenv("TMPDIR");
	if (!parent)
		parent = "/var/tmp";
	(void)snprintf(folder, sizeof(folder), "%s/verso-test-XXXXXX", parent);
	if (!mkdtemp(folder)) {
		perror(folder);
		return -1;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static unsigned count_skips(void)
{
	unsigned n = atomic_load(&shared->n_skips);

	return n < SKIPS_MAX ? n : SKIPS_MAX;
}

static bool is_skipped(unsigned test)
{
	for (unsigned i = 0; i < count_skips(); i++) {
		if (shared->skips[i].test == test)
			return true;
	}
	return false;
}

/* Where a test was that did not fail by an assertion, but by a signal or its time limit. */
static void print_death(const struct run *run, TestResult *result)
{
	const char *file = atomic_load(&run->held_file);

	if (tr_rtype(result) == CK_ERROR && file)
		printf("%s: the last assertion that held: %s:%d\n", run->test, file,
			atomic_load(&run->held_line));
}

/* Each test is one of the three: one that fails is that, whatever it skipped. How many failed. */
static unsigned print_totals(void)
{
	TestResult **results = srunner_results(runner);
	unsigned n_passed = 0, n_failed = 0, n_skipped = 0;

	for (int i = 0; i < srunner_ntests_run(runner); i++) {
		enum progress progress = atomic_load(&shared->runs[i].progress);

		if (tr_rtype(results[i]) != CK_PASS) {
			n_failed++;
			print_death(&shared->runs[i], results[i]);
		} else if (progress == NOT_WANTED) {
			continue;
		} else if (progress != ENDED) {
			n_failed++;
			printf("%s: the process ended before the test did\n", shared->runs[i].test);
		} else if (is_skipped((unsigned)i)) {
			n_skipped++;
		} else {
			n_passed++;
		}
	}
	free(results);
	if (n_failed + n_passed + n_skipped == 0 && getenv("VERSO_TEST")) {
		printf("there is no test %s here\n", getenv("VERSO_TEST"));
		n_failed = 1;
	}
	if (n_failed > 0)
		printf("seed: VERSO_SEED=%llu\n", (unsigned long long)check_seed());
	for (unsigned i = 0; i < count_skips(); i++)
		printf("skipped: %s\n", shared->skips[i].text);
	printf("%u passed, %u failed, %u skipped\n", n_passed, n_failed, n_skipped);
	return n_failed;
}

int check_main(Suite *s)
{
	unsigned n_failed;

	(void)check_seed(); /* taken before anything is tested (seed.h) */
	runner = srunner_create(s);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	if (shared == MAP_FAILED || folder_make() < 0)
		return EXIT_FAILURE;
	srunner_run_all(runner, CK_NORMAL);
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	n_failed = print_totals();
	srunner_free(runner);
	(void)munmap(shared, sizeof(*shared));
	return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
