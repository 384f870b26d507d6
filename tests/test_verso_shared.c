/* SPDX-License-Identifier: MIT */
/*
 * Several processes on one file (docs/several-processes.md): handles of one process, which have
 * locks of their own, and real processes, some of which are killed.
 */
#include "db/db_int.h"
#include "tests/check_main.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PAGERS 3
#define KEYS     16U

static char path[CHECK_PATH_BYTES];

static struct verso *open_shared(enum verso_pager pager, enum verso_sync sync)
{
	struct verso_options options = {.size = sizeof(options),
		.flags = VERSO_CREATE,
		.pager = pager,
		.sync = sync,
		.cache_bytes = (size_t)8 << 20};
	struct verso *db = NULL;
	int rc = verso_open(path, &options, &db);

	ck_assert_msg(rc == 0, "open: %d %s", rc, verso_errmsg(NULL));
	return db;
}

static void fresh_path(const char *name)
{
	char own[32];

	(void)snprintf(own, sizeof(own), "%s%d", name, (int)getpid());
	(void)check_path(path, own);
}

static void put(struct verso *db, const char *key, const char *value)
{
	struct verso_txn *txn;

	ck_assert_int_eq(verso_begin(db, VERSO_WRITE, &txn), 0);
	ck_assert_int_eq(verso_put(txn, NULL, (struct verso_val){key, strlen(key)},
				 (struct verso_val){value, strlen(value)}, 0),
		0);
	ck_assert_int_eq(verso_commit(txn), 0);
}

/* What a transaction sees; "" where there is nothing. */
static const char *got(struct verso_txn *txn, const char *key)
{
	static char text[64];
	struct verso_val val;
	int rc = verso_get(txn, NULL, (struct verso_val){key, strlen(key)}, &val);

	ck_assert_msg(rc == 0 || rc == VERSO_NOTFOUND, "get %s: %d %s", key, rc,
		verso_errmsg(txn->db));
	(void)snprintf(text, sizeof(text), "%.*s", rc == 0 ? (int)val.len : 0,
		rc == 0 ? (const char *)val.data : "");
	return text;
}

static void expect(struct verso *db, const char *key, const char *value)
{
	struct verso_txn *txn;

	ck_assert_int_eq(verso_begin(db, 0, &txn), 0);
	ck_assert_str_eq(got(txn, key), value);
	verso_abort(txn);
}

START_TEST(two_handles_see_each_others_commits)
{
	struct verso *a, *b;
	struct verso_txn *old;
	char key[16];

	fresh_path("two");
	a = open_shared((enum verso_pager)_i, VERSO_SYNC_FULL);
	put(a, "moon", "1737");
	b = open_shared((enum verso_pager)_i, VERSO_SYNC_FULL);
	expect(b, "moon", "1737");
	ck_assert_int_eq(verso_begin(b, 0, &old), 0);
	put(a, "moon", "3474");
	expect(b, "moon", "3474");
	ck_assert_str_eq(got(old, "moon"), "1737");
	for (unsigned i = 0; i < 200; i++) { /* turns, growth, and pages that are used again */
		(void)snprintf(key, sizeof(key), "k%u", i % 50);
		put(i % 2 ? a : b, key, i % 3 ? "x" : "y");
		expect(i % 2 ? b : a, key, i % 3 ? "x" : "y");
	}
	ck_assert_str_eq(got(old, "moon"), "1737");
	verso_abort(old);
	ck_assert_int_eq(verso_check(a, 0, NULL, NULL), 0);
	ck_assert_int_eq(verso_check(b, 0, NULL, NULL), 0);
	verso_close(a);
	put(b, "last", "word");
	verso_close(b);
	a = open_shared((enum verso_pager)_i, VERSO_SYNC_FULL);
	expect(a, "last", "word");
	ck_assert_int_eq(verso_check(a, 0, NULL, NULL), 0);
	verso_close(a);
}
END_TEST

START_TEST(relaxed_commits_are_seen_by_others_once_the_turn_goes_on)
{
	struct verso *a, *b;

	fresh_path("relaxed");
	a = open_shared((enum verso_pager)_i, VERSO_SYNC_RELAXED);
	put(a, "alone", "1");
	expect(a, "alone", "1");
	ck_assert_int_eq(verso_sync(a), 0);
	b = open_shared((enum verso_pager)_i, VERSO_SYNC_RELAXED);
	for (unsigned i = 0; i < 20; i++) {
		put(i % 2 ? a : b, "turn", i % 2 ? "a" : "b");
		expect(i % 2 ? b : a, "turn", i % 2 ? "a" : "b");
	}
	verso_close(b);
	ck_assert_int_eq(verso_check(a, 0, NULL, NULL), 0);
	verso_close(a);
}
END_TEST

/* Of how many crashes the file tells. */
static uint64_t incarnation(const struct verso *db)
{
	return db->env->session_gen >> GEN_SEQ_BITS;
}

static void *close_it(void *db)
{
	verso_close(db);
	return NULL;
}

START_TEST(the_last_to_leave_marks_a_clean_shutdown)
{
	enum verso_pager pager = (enum verso_pager)_i;
	uint64_t before = 0;

	fresh_path("leave");
	for (unsigned i = 0; i < 20; i++) {
		struct verso *a = open_shared(pager, VERSO_SYNC_FULL);
		struct verso *b = open_shared(pager, VERSO_SYNC_FULL);
		pthread_t thread;

		if (i > 0)
			ck_assert_uint_eq(incarnation(a), before);
		before = incarnation(a);
		put(i % 2 ? a : b, "who", "x");
		ck_assert_int_eq(pthread_create(&thread, NULL, close_it, a), 0);
		verso_close(b);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
}
END_TEST

/* --- real processes ------------------------------------------------------------------------ */

static uint64_t number_of(struct verso_txn *txn, const char *key)
{
	return strtoull(got(txn, key), NULL, 10);
}

/* What all processes share: how many commits were answered. */
static _Atomic uint64_t *answered;

static void make_answered(void)
{
	void *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(bytes, MAP_FAILED);
	answered = bytes;
}

/* Adds one to a counter, n times. */
static _Noreturn void count(enum verso_pager pager, unsigned n)
{
	struct verso *db = open_shared(pager, VERSO_SYNC_FULL);

	for (unsigned i = 0; i < n; i++) {
		struct verso_txn *txn;
		char text[32], key[16];
		uint64_t number;

		if (verso_begin(db, VERSO_WRITE, &txn) != 0)
			_exit(2);
		number = number_of(txn, "n");
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number + 1);
		(void)snprintf(key, sizeof(key), "k%llu", (unsigned long long)number % KEYS);
		if (verso_put(txn, NULL, (struct verso_val){"n", 1},
			    (struct verso_val){text, strlen(text)}, 0) != 0 ||
			verso_put(txn, NULL, (struct verso_val){key, strlen(key)},
				(struct verso_val){text, strlen(text)}, 0) != 0)
			_exit(3);
		if (verso_commit(txn) != 0)
			_exit(4);
		(void)atomic_fetch_add(answered, 1);
	}
	verso_close(db);
	_exit(0);
}

/* A snapshot's newest key has the counter's number, and the counter never goes back. */
static _Noreturn void watch(enum verso_pager pager)
{
	struct verso *db = open_shared(pager, VERSO_SYNC_FULL);
	uint64_t before = 0;

	for (;;) {
		struct verso_txn *txn;
		char key[16];
		uint64_t number;

		if (verso_begin(db, 0, &txn) != 0)
			_exit(2);
		number = number_of(txn, "n");
		(void)snprintf(key, sizeof(key), "k%llu", (unsigned long long)(number - 1) % KEYS);
		if (number < before || (number > 0 && number_of(txn, key) != number))
			_exit(3);
		before = number;
		verso_abort(txn);
	}
}

static pid_t start_counter(enum verso_pager pager, unsigned n)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		count(pager, n);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static uint64_t counter(struct verso *db)
{
	struct verso_txn *txn;
	uint64_t number;

	ck_assert_int_eq(verso_begin(db, 0, &txn), 0);
	number = number_of(txn, "n");
	verso_abort(txn);
	return number;
}

START_TEST(processes_take_turns)
{
	enum { PROCESSES = 4, EACH = 50 };
	enum verso_pager pager = (enum verso_pager)_i;
	pid_t pids[PROCESSES], watcher;
	struct verso *db;

	fresh_path("turns");
	make_answered();
	verso_close(open_shared(pager, VERSO_SYNC_FULL));
	watcher = fork();
	ck_assert_int_ge(watcher, 0);
	if (watcher == 0)
		watch(pager);
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = start_counter(pager, EACH);
	for (unsigned i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(status_of(pids[i]), 0);
	ck_assert_uint_eq(atomic_load(answered), PROCESSES * EACH);
	(void)kill(watcher, SIGKILL);
	ck_assert_int_eq(status_of(watcher), SIGKILL); /* nothing wrong was seen until then */
	db = open_shared(pager, VERSO_SYNC_FULL);
	ck_assert_uint_eq(counter(db), PROCESSES * EACH);
	ck_assert_int_eq(verso_check(db, 0, NULL, NULL), 0);
	verso_close(db);
}
END_TEST

START_TEST(one_of_many_makes_the_database)
{
	enum { PROCESSES = 6, EACH = 3 };
	pid_t pids[PROCESSES];
	struct verso *db;

	fresh_path("made");
	make_answered();
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = start_counter((enum verso_pager)_i, EACH);
	for (unsigned i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(status_of(pids[i]), 0);
	db = open_shared((enum verso_pager)_i, VERSO_SYNC_FULL);
	ck_assert_uint_eq(counter(db), PROCESSES * EACH);
	verso_close(db);
}
END_TEST

static unsigned kills(void)
{
	const char *text = getenv("VERSO_KILLS");

	return text ? (unsigned)strtoul(text, NULL, 10) : 60;
}

START_TEST(a_writer_that_is_killed_takes_nothing_with_it)
{
	enum { PROCESSES = 3 };
	enum verso_pager pager = (enum verso_pager)_i;
	uint64_t state = check_seed(), n_there;
	pid_t pids[PROCESSES], watcher;
	struct verso *db;

	fresh_path("killed");
	make_answered();
	verso_close(open_shared(pager, VERSO_SYNC_FULL));
	watcher = fork();
	ck_assert_int_ge(watcher, 0);
	if (watcher == 0)
		watch(pager);
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = start_counter(pager, UINT32_MAX);
	for (unsigned k = 0; k < kills(); k++) {
		pid_t *victim = &pids[check_random(&state) % PROCESSES];

		(void)usleep((useconds_t)(check_random(&state) % 20000));
		(void)kill(*victim, SIGKILL);
		ck_assert_int_eq(status_of(*victim), SIGKILL);
		*victim = start_counter(pager, UINT32_MAX);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		(void)kill(pids[i], SIGKILL);
		ck_assert_int_eq(status_of(pids[i]), SIGKILL);
	}
	(void)kill(watcher, SIGKILL);
	ck_assert_int_eq(status_of(watcher), SIGKILL);
	db = open_shared(pager, VERSO_SYNC_FULL);
	n_there = counter(db);
	printf("%u kills, %llu commits answered, %llu there\n", kills() + PROCESSES,
		(unsigned long long)atomic_load(answered), (unsigned long long)n_there);
	ck_assert_uint_ge(n_there, atomic_load(answered));
	ck_assert_uint_le(n_there, atomic_load(answered) + kills() + PROCESSES);
	ck_assert_int_eq(verso_check(db, 0, NULL, NULL), 0);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_shared");
	TCase *tc = tcase_create("shared");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, two_handles_see_each_others_commits, 0, N_PAGERS);
	tcase_add_loop_test(tc, relaxed_commits_are_seen_by_others_once_the_turn_goes_on, 0,
		N_PAGERS);
	tcase_add_loop_test(tc, the_last_to_leave_marks_a_clean_shutdown, 0, N_PAGERS);
	tcase_add_loop_test(tc, one_of_many_makes_the_database, 0, N_PAGERS);
	tcase_add_loop_test(tc, processes_take_turns, 0, N_PAGERS);
	tcase_add_loop_test(tc, a_writer_that_is_killed_takes_nothing_with_it, 0, N_PAGERS);
	suite_add_tcase(s, tc);
	return check_main(s);
}
