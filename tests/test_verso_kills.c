/* SPDX-License-Identifier: MIT */
/*
 * Real processes on one file, killed at random moments (docs/several-processes.md).
 *
 * Writers count: each adds one to a number, and writes the number under some key too, in one
 * transaction; when the commit has returned, or was waited for, it sends the number through a
 * pipe. So an answered commit that is lost shows: its number is sent twice, or the end is below
 * it. Readers look at snapshots: the number, and the key that it was written under, must agree,
 * and never go back. Some readers are members, some may only read. One process wastes space and
 * compacts; one copies the database, and what it leaves is whole. Meanwhile processes are killed
 * (SIGKILL), or stopped for a while; now and then all are stopped and the file is copied as it is:
 * the copy must open, check clean, and have every number that was sent. Where the system allows it
 * some of them live in process-id namespaces of their own. The pager changes from time to time,
 * when all have died; so does what a commit waits for: a flush, or only that it is written.
 *
 *	VERSO_KILLS=20000   how many
 *	VERSO_SEED=7        another order of events
 */
#include "tests/api.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS           16U
#define ASYNC_MAX      8U
#define WASTE          300U /* records */
#define KILLS_WHOLE    2000U
#define KILLS_AN_EPOCH 100U /* with one kind of pager */
#define PAUSE_US_MAX   8000U
#define STOP_US_MAX    20000U

enum part { WRITER, READER, OBSERVER, COMPACTER, COPIER, PARTS };

static const enum part parts[] = {WRITER, WRITER, WRITER, READER, OBSERVER, COMPACTER, COPIER};

#define PROCESSES (sizeof(parts) / sizeof(parts[0]))

struct process {
	pid_t pid;
	bool is_apart; /* in a namespace of its own */
};

static struct {
	char path[CHECK_PATH_BYTES];
	int pager;
	enum verso_sync sync; /* of the epoch's writers */
	int acks[2];
	uint64_t rng;
	struct process processes[PROCESSES];
	uint8_t *sent; /* which numbers were: a byte each */
	uint64_t cap_sent, n_sent, max_sent;
	unsigned n_kills[PARTS], n_apart, n_stops, n_copies, n_copied;
} run;

/* --- the processes ---------------------------------------------------------------------------- */

static struct verso *open_here(enum part part, const char *path, int pager)
{
	struct verso_options options = {.size = sizeof(options),
		.pager = (enum verso_pager)pager,
		.sync = run.sync,
		.flags = part == OBSERVER ? VERSO_RDONLY : VERSO_CREATE,
		.cache_bytes = (size_t)4 << 20,
		.busy_timeout_ms = 20000};
	struct verso *db;

	if (verso_open(path, &options, &db) == 0)
		return db;
	fprintf(stderr, "%s\n", verso_errmsg(NULL));
	_exit(2);
}

/* What a transaction sees; 0 where there is nothing. */
static int number_of(struct verso_txn *txn, const char *key, uint64_t *ret_number)
{
	struct verso_val val;
	char text[32] = "";
	int rc = verso_get(txn, NULL, api_val(key), &val);

	if (rc == 0 && val.len < sizeof(text))
		memcpy(text, val.data, val.len);
	*ret_number = strtoull(text, NULL, 10);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

static const char *key_of(char *buf, size_t len_bytes, uint64_t number)
{
	(void)snprintf(buf, len_bytes, "k%llu", (unsigned long long)number % KEYS);
	return buf;
}

static _Noreturn void give_up(struct verso *db, const char *what, int status)
{
	fprintf(stderr, "%s: %s\n", what, verso_errmsg(db));
	_exit(status);
}

/* The next number, in a transaction that is to be committed. */
static struct verso_txn *count_on(struct verso *db, uint64_t *ret_number)
{
	struct verso_txn *txn;
	char text[32], key[16];
	uint64_t number;

	if (verso_begin(db, VERSO_WRITE, &txn) != 0 || number_of(txn, "n", &number) != 0)
		give_up(db, "a writer", 3);
	number++;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	if (verso_put(txn, NULL, api_val("n"), api_val(text), 0) != 0 ||
		verso_put(txn, NULL, api_val(key_of(key, sizeof(key), number)), api_val(text), 0) !=
			0)
		give_up(db, "a writer", 4);
	*ret_number = number;
	return txn;
}

/* One commit, or several that are waited for together. */
static _Noreturn void write_on(struct verso *db, int ack_fd)
{
	for (unsigned i = 0;; i++) {
		uint64_t numbers[ASYNC_MAX], gen = 0;
		unsigned n = i % 2 ? 1 : 1 + i / 2 % ASYNC_MAX;

		for (unsigned k = 0; k < n; k++) {
			struct verso_txn *txn = count_on(db, &numbers[k]);

			if (i % 2 ? verso_commit(txn) : verso_commit_async(txn, &gen))
				give_up(db, "a writer", 4);
		}
		if (verso_wait(db, gen) != 0)
			give_up(db, "a writer that waits", 4);
		for (unsigned k = 0; k < n; k++) {
			if (write(ack_fd, &numbers[k], sizeof(*numbers)) != sizeof(*numbers))
				_exit(5);
		}
	}
}

static _Noreturn void read_on(struct verso *db)
{
	uint64_t before = 0;

	for (;;) {
		struct verso_txn *txn;
		uint64_t number, under;
		char key[16];

		if (verso_begin(db, VERSO_READ, &txn) != 0 || number_of(txn, "n", &number) != 0 ||
			number_of(txn, key_of(key, sizeof(key), number), &under) != 0)
			give_up(db, "a reader", 6);
		if (number < before || (number > 0 && under != number))
			give_up(db, "a reader saw half of a commit, or an older one", 7);
		before = number;
		verso_abort(txn);
	}
}

/* Two transactions that leave pages which are nearly empty. */
static int make_waste(struct verso *db)
{
	static const char bytes[900];
	struct verso_table *table;
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	if (rc == 0)
		rc = verso_table_open(txn, "waste", VERSO_CREATE, &table);
	for (unsigned i = 0; rc == 0 && i < WASTE; i++)
		rc = verso_put(txn, table, (struct verso_val){&i, sizeof(i)},
			(struct verso_val){bytes, sizeof(bytes)}, 0);
	if (rc == 0)
		rc = verso_commit(txn);
	if (rc == 0)
		rc = verso_begin(db, VERSO_WRITE, &txn);
	if (rc == 0)
		rc = verso_table_open(txn, "waste", 0, &table);
	for (unsigned i = 0; rc == 0 && i < WASTE; i++)
		rc = i % 8 ? verso_del(txn, table, (struct verso_val){&i, sizeof(i)}) : 0;
	return rc == 0 ? verso_commit(txn) : rc;
}

/* Begins with what those before it have left, or with more of it. */
static _Noreturn void compact_on(struct verso *db)
{
	for (unsigned i = (unsigned)getpid();; i++) {
		struct verso_compact c = {.size = sizeof(c), .pages_max = 8};
		int rc = i % 2 ? make_waste(db) : VERSO_MORE;

		while (rc == VERSO_MORE)
			rc = verso_compact(db, &c);
		if (rc != 0)
			give_up(db, "a compaction", 10);
	}
}

static const char *copied_path(char *buf, size_t len_bytes)
{
	(void)snprintf(buf, len_bytes, "%s-copied", run.path);
	return buf;
}

static _Noreturn void copy_on(struct verso *db)
{
	char path[CHECK_PATH_BYTES + 8];

	for (unsigned i = (unsigned)getpid();; i++) {
		unsigned flags = VERSO_COPY_REPLACE | (i % 2 ? VERSO_COPY_COMPACT : 0u);

		if (verso_copy(db, copied_path(path, sizeof(path)), flags, NULL, NULL) != 0)
			give_up(db, "a copy", 11);
	}
}

static _Noreturn void live(enum part part)
{
	struct verso *db;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	db = open_here(part, run.path, run.pager);
	if (part == WRITER)
		write_on(db, run.acks[1]);
	if (part == COMPACTER)
		compact_on(db);
	if (part == COPIER)
		copy_on(db);
	read_on(db);
}

/* A child that is the first process of a namespace, and ends with its parent, which waits. */
static _Noreturn void live_apart(enum part part)
{
	int alive[2]; /* at its end when this process is gone */
	pid_t inner;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWPID) < 0 || pipe2(alive, O_CLOEXEC | O_NONBLOCK) < 0)
		live(part);
	inner = fork();
	if (inner == 0) {
		(void)close(alive[1]);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(alive[0], &(char){0}, 1) == 0) /* it died before it could be told */
			_exit(9);
		live(part);
	}
	(void)waitpid(inner, &(int){0}, 0);
	_exit(8);
}

static bool namespaces_are_allowed(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(unshare(CLONE_NEWPID) < 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status == 0;
}

static void start(size_t i, bool is_apart)
{
	struct process *p = &run.processes[i];

	p->is_apart = is_apart;
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0 && is_apart)
		live_apart(parts[i]);
	if (p->pid == 0)
		live(parts[i]);
}

/* --- what happens to them --------------------------------------------------------------------- */

/* Takes the numbers that were sent; no number twice. */
static void take_acks(void)
{
	uint64_t number;

	while (read(run.acks[0], &number, sizeof(number)) == sizeof(number)) {
		if (number >= run.cap_sent) {
			uint64_t cap = 2 * number + 4096;

			run.sent = realloc(run.sent, cap);
			ck_assert_ptr_nonnull(run.sent);
			memset(run.sent + run.cap_sent, 0, cap - run.cap_sent);
			run.cap_sent = cap;
		}
		ck_assert_msg(!run.sent[number], "commit %llu was answered twice: one was lost",
			(unsigned long long)number);
		run.sent[number] = 1;
		run.n_sent++;
		if (number > run.max_sent)
			run.max_sent = number;
	}
}

static void kill_one(size_t i)
{
	struct process *p = &run.processes[i];
	int status;

	ck_assert_int_eq(kill(p->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(p->pid, &status, 0), p->pid);
	ck_assert_msg(WIFSIGNALED(status), "a process ended by itself: status %d", status);
	run.n_kills[parts[i]]++;
	run.n_apart += p->is_apart;
}

static void wait_a_while(unsigned us_max)
{
	(void)usleep((useconds_t)(check_random(&run.rng) % us_max));
}

static void stop_one_for_a_while(void)
{
	struct process *p = &run.processes[check_random(&run.rng) % PROCESSES];

	(void)kill(p->pid, SIGSTOP);
	wait_a_while(STOP_US_MAX);
	(void)kill(p->pid, SIGCONT);
	run.n_stops++;
}

/* What a copy that was made meanwhile has: a commit, whole; if there is one. */
static void check_copied(void)
{
	char path[CHECK_PATH_BYTES + 8], key[16];
	uint64_t number, under = 0;
	struct verso_txn *txn;
	struct verso *db;

	if (access(copied_path(path, sizeof(path)), F_OK) < 0)
		return;
	db = open_here(WRITER, path, run.pager);
	txn = api_begin(db, VERSO_READ);
	API_OK(number_of(txn, "n", &number));
	API_OK(number_of(txn, key_of(key, sizeof(key), number), &under));
	ck_assert_uint_eq(number, under);
	verso_abort(txn);
	API_OK(verso_check(db, 0, NULL, NULL));
	verso_close(db);
	ck_assert_int_eq(unlink(path), 0);
	run.n_copied++;
}

static void check_file(const char *path)
{
	struct verso *db = open_here(WRITER, path, run.pager);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	uint64_t number;

	API_OK(number_of(txn, "n", &number));
	ck_assert_msg(number >= run.max_sent, "%s ends with %llu, but %llu was answered", path,
		(unsigned long long)number, (unsigned long long)run.max_sent);
	verso_abort(txn);
	API_OK(verso_check(db, 0, NULL, NULL));
	verso_close(db);
}

/* Those that live apart go on below their stopped parents: they are not to be there. */
static void copy_while_all_stand_still(void)
{
	char copy[CHECK_PATH_BYTES + 8], command[4 * CHECK_PATH_BYTES];

	for (size_t i = 0; i < PROCESSES; i++) {
		if (run.processes[i].is_apart)
			return;
	}
	for (size_t i = 0; i < PROCESSES; i++) {
		ck_assert_int_eq(kill(run.processes[i].pid, SIGSTOP), 0);
		ck_assert_int_eq(waitpid(run.processes[i].pid, &(int){0}, WUNTRACED),
			run.processes[i].pid);
	}
	take_acks();
	(void)snprintf(copy, sizeof(copy), "%s-copy", run.path);
	(void)snprintf(command, sizeof(command), "cp %s %s", run.path, copy);
	ck_assert_int_eq(system(command), 0); /* a path of the tests */
	check_file(copy);
	ck_assert_int_eq(unlink(copy), 0);
	for (size_t i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(kill(run.processes[i].pid, SIGCONT), 0);
	run.n_copies++;
}

static void epoch(unsigned n_kills, bool may_live_apart)
{
	verso_close(open_here(WRITER, run.path, run.pager)); /* who only reads makes no file */
	for (size_t i = 0; i < PROCESSES; i++)
		start(i, false);
	for (unsigned k = 0; k < n_kills; k++) {
		size_t i = check_random(&run.rng) % PROCESSES;

		wait_a_while(PAUSE_US_MAX);
		take_acks();
		if (check_random(&run.rng) % 8 == 0)
			stop_one_for_a_while();
		if (check_random(&run.rng) % 32 == 0)
			copy_while_all_stand_still();
		kill_one(i);
		start(i, may_live_apart && check_random(&run.rng) % 8 == 0);
	}
	for (size_t i = 0; i < PROCESSES; i++)
		kill_one(i);
	take_acks();
	check_file(run.path);
	check_copied();
}

static unsigned kills(void)
{
	const char *text = getenv("VERSO_KILLS");

	return text ? (unsigned)strtoul(text, NULL, 10) : KILLS_WHOLE;
}

/* What a death takes nothing from: written, not flushed, where the file system allows it. */
static enum verso_sync weaker_sync(const char *path)
{
	struct verso_options options = {
		.size = sizeof(options), .sync = VERSO_SYNC_PROCESS, .flags = VERSO_CREATE};
	struct verso *db;
	int rc = verso_open(path, &options, &db);

	if (rc == 0)
		verso_close(db);
	(void)unlink(path);
	if (rc == -EOPNOTSUPP)
		printf("no O_DIRECT here: commits are flushed in all epochs\n");
	return rc == 0 ? VERSO_SYNC_PROCESS : VERSO_SYNC_FULL;
}

START_TEST(no_answered_commit_is_lost_whoever_is_killed)
{
	bool may_live_apart = namespaces_are_allowed();
	enum verso_sync weaker;
	unsigned n = 0;

	(void)api_path(run.path, "kills");
	weaker = weaker_sync(run.path);
	run.rng = check_seed();
	ck_assert_int_eq(pipe2(run.acks, O_NONBLOCK), 0);
	ck_assert_int_eq(fcntl(run.acks[1], F_SETFL, 0), 0); /* writers wait for room */
	for (unsigned e = 0; n < kills(); e++) {
		run.pager = (int)(e % API_PAGERS);
		run.sync = e % 2 ? weaker : VERSO_SYNC_FULL;
		epoch(KILLS_AN_EPOCH < kills() - n ? KILLS_AN_EPOCH : kills() - n, may_live_apart);
		n = 0;
		for (unsigned p = 0; p < PARTS; p++)
			n += run.n_kills[p];
	}
	printf("total: %u processes killed (%u writers, %u readers, %u that only read, %u that "
	       "compact, %u that copy; %u in other pid namespaces), %u stops, %u copies, %u made "
	       "by those killed; %llu commits answered, 0 lost\n",
		n, run.n_kills[WRITER], run.n_kills[READER], run.n_kills[OBSERVER],
		run.n_kills[COMPACTER], run.n_kills[COPIER], run.n_apart, run.n_stops, run.n_copies,
		run.n_copied, (unsigned long long)run.n_sent);
	free(run.sent);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_kills");
	TCase *tc = tcase_create("kills");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, no_answered_commit_is_lost_whoever_is_killed);
	return check_main(s);
}
