/* SPDX-License-Identifier: MIT */
/*
 * Threads on one database, of one process and of several: writers that move money between
 * accounts, readers that count it. Every snapshot must have the same sum, and be no older than what
 * the thread saw before.
 */
#include "tests/api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_ACCOUNTS 60
#define MONEY      1000
#define N_WRITERS  3
#define N_READERS  3

struct bank {
	struct verso *db;
	uint64_t n_snapshots;     /* that each reader looks at, or more, */
	uint64_t n_commits_least; /* until there are so many commits */
	bool is_async;            /* commits are waited for later */
	atomic_bool stop;
	_Atomic uint64_t n_commits, n_aborts, n_seen, n_old;
};

struct worker {
	struct bank *bank;
	unsigned number;
	pthread_t thread;
};

struct account {
	uint64_t money, version;
	char note[100]; /* what the version says, so that torn values show */
};

static struct verso_val account_key(unsigned i, char buf[16])
{
	(void)snprintf(buf, 16, "account%05u", i);
	return api_val(buf);
}

static void note_version(struct account *a)
{
	memset(a->note, (int)('a' + a->version % 26), sizeof(a->note));
}

static void get_account(struct verso_txn *txn, unsigned i, struct account *ret_account)
{
	struct verso_val val;
	char key[16];

	API_OK(verso_get(txn, NULL, account_key(i, key), &val));
	ck_assert_uint_eq(val.len, sizeof(*ret_account));
	memcpy(ret_account, val.data, sizeof(*ret_account));
}

static void put_account(struct verso_txn *txn, unsigned i, struct account *a)
{
	char key[16];

	a->version++;
	note_version(a);
	API_OK(verso_put(txn, NULL, account_key(i, key), (struct verso_val){a, sizeof(*a)}, 0));
}

/* Some wait at once, some for several commits together. */
static void commit(struct bank *bank, struct verso_txn *txn, uint64_t *gen, uint64_t *state)
{
	if (!bank->is_async) {
		API_OK(verso_commit(txn));
		return;
	}
	API_OK(verso_commit_async(txn, gen));
	if (check_random(state) % 16 == 0)
		API_OK(verso_wait(bank->db, *gen));
}

static void *write_some(void *arg)
{
	struct worker *w = arg;
	struct bank *bank = w->bank;
	uint64_t state = check_seed() * 1000 + w->number, gen = 0;

	while (!atomic_load(&bank->stop)) {
		struct verso_txn *txn = api_begin(bank->db, VERSO_WRITE);
		unsigned from = (unsigned)(check_random(&state) % N_ACCOUNTS);
		unsigned to = (unsigned)(check_random(&state) % N_ACCOUNTS);
		struct account a, b;

		get_account(txn, from, &a);
		if (from != to && a.money > 0) {
			get_account(txn, to, &b);
			a.money--;
			b.money++;
			put_account(txn, from, &a);
			put_account(txn, to, &b);
		}
		if (check_random(&state) % 8 == 0) {
			verso_abort(txn);
			atomic_fetch_add(&bank->n_aborts, 1);
		} else {
			commit(bank, txn, &gen, &state);
			atomic_fetch_add(&bank->n_commits, 1);
		}
	}
	if (gen)
		API_OK(verso_wait(bank->db, gen));
	return NULL;
}

/* The sum of a snapshot, by a scan; *ret_versions grows with each commit. */
static uint64_t count_money(struct verso_txn *txn, uint64_t *ret_versions)
{
	struct verso_cursor *c;
	struct verso_val k, v;
	uint64_t sum = 0, versions = 0;
	unsigned n = 0;
	int rc;

	API_OK(verso_cursor_open(txn, NULL, &c));
	for (rc = verso_cursor_first(c, &k, &v); rc == 0; rc = verso_cursor_next(c, &k, &v)) {
		struct account a;

		ck_assert_uint_eq(v.len, sizeof(a));
		memcpy(&a, v.data, sizeof(a));
		ck_assert_int_eq(a.note[0], (int)('a' + a.version % 26));
		ck_assert_int_eq(a.note[sizeof(a.note) - 1], a.note[0]);
		sum += a.money;
		versions += a.version;
		n++;
	}
	API_IS(rc, VERSO_NOTFOUND);
	ck_assert_uint_eq(n, N_ACCOUNTS);
	verso_cursor_close(c);
	*ret_versions = versions;
	return sum;
}

static void *read_some(void *arg)
{
	struct worker *w = arg;
	struct bank *bank = w->bank;
	struct verso_txn *old = NULL;
	uint64_t versions, last = 0, old_versions = 0;

	for (uint64_t i = 0;
		i < bank->n_snapshots || atomic_load(&bank->n_commits) < bank->n_commits_least;
		i++) {
		struct verso_txn *txn = api_begin(bank->db, VERSO_READ);

		ck_assert_uint_eq(count_money(txn, &versions), N_ACCOUNTS * MONEY);
		ck_assert_uint_ge(versions, last);
		last = versions;
		atomic_fetch_add(&bank->n_seen, 1);
		/* Now and then one is kept for a while, and must not have changed. */
		if (i % 500 != 0) {
			verso_abort(txn);
			continue;
		}
		if (old) {
			uint64_t now;

			ck_assert_uint_eq(count_money(old, &now), N_ACCOUNTS * MONEY);
			ck_assert_uint_eq(now, old_versions);
			verso_abort(old);
			atomic_fetch_add(&bank->n_old, 1);
		}
		old = txn;
		old_versions = versions;
	}
	verso_abort(old);
	return NULL;
}

static void open_accounts(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	for (unsigned i = 0; i < N_ACCOUNTS; i++) {
		struct account a = {.money = MONEY};

		put_account(txn, i, &a);
	}
	API_OK(verso_commit(txn));
}

/* $VERSO_SNAPSHOTS: how many a reader looks at; fewer where threads are slow. */
static uint64_t snapshots_to_see(void)
{
	const char *text = getenv("VERSO_SNAPSHOTS");

	return text ? strtoull(text, NULL, 0) : 8500;
}

/* All threads of this process; they end when the readers have seen enough. */
static void run_workers(struct bank *bank, unsigned n_before)
{
	struct worker writers[N_WRITERS], readers[N_READERS];

	for (unsigned i = 0; i < N_WRITERS; i++) {
		writers[i] = (struct worker){.bank = bank, .number = n_before + i};
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]),
			0);
	}
	for (unsigned i = 0; i < N_READERS; i++) {
		readers[i] = (struct worker){.bank = bank, .number = i};
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_some, &readers[i]),
			0);
	}
	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
	atomic_store(&bank->stop, true);
	for (unsigned i = 0; i < N_WRITERS; i++)
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
}

/* *ret_versions: as many as accounts were changed. */
static void has_all_the_money(struct verso *db, uint64_t *ret_versions)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);

	ck_assert_uint_eq(count_money(txn, ret_versions), N_ACCOUNTS * MONEY);
	verso_abort(txn);
	api_check(db);
}

static void run_bank_of(int pager, const struct verso_options *options, bool is_async)
{
	struct bank bank = {.db = api_open_with(pager, "bank", *options),
		.n_snapshots = snapshots_to_see(),
		.is_async = is_async};
	struct verso_stat st = {.size = sizeof(st)};
	uint64_t versions;

	open_accounts(bank.db);
	run_workers(&bank, 0);
	has_all_the_money(bank.db, &versions);
	API_OK(verso_stat(bank.db, &st));
	printf("total: %s: %llu snapshots counted beside %llu commits and %llu aborts of %d "
	       "threads, %llu of them again when old; %llu flushes, up to %u commits in one\n",
		api_pager_names[pager], (unsigned long long)bank.n_seen,
		(unsigned long long)bank.n_commits, (unsigned long long)bank.n_aborts, N_WRITERS,
		(unsigned long long)bank.n_old, (unsigned long long)st.n_flushes, st.batch_max);
	if (options->sync == VERSO_SYNC_FULL && bank.n_commits > 1000)
		ck_assert_uint_ge(st.batch_max, 2);
	verso_close(bank.db);
}

static void run_bank(int pager, const struct verso_options *options)
{
	run_bank_of(pager, options, false);
}

START_TEST(every_snapshot_has_all_the_money)
{
	run_bank(_i, &(struct verso_options){0});
}
END_TEST

START_TEST(snapshots_have_it_when_commits_are_waited_for_later)
{
	run_bank_of(_i, &(struct verso_options){0}, true);
}
END_TEST

START_TEST(snapshots_have_it_when_commits_are_written_alone)
{
	if (!api_skips_process(_i))
		run_bank(_i, &(struct verso_options){.sync = VERSO_SYNC_PROCESS});
}
END_TEST

/* Readers look at what the writer stores into the file's own pages, or into private copies. */
START_TEST(snapshots_have_it_whatever_map_the_writer_uses)
{
	run_bank(VERSO_MMAP, &(struct verso_options){.sync = VERSO_SYNC_RELAXED,
				     .map_writing = (enum verso_map_writing)_i});
}
END_TEST

START_TEST(relaxed_snapshots_have_it_too)
{
	run_bank(_i, &(struct verso_options){.sync = VERSO_SYNC_RELAXED,
			     .cache_bytes = (size_t)4 << 20,
			     .flags = VERSO_PIN_INNER});
}
END_TEST

/* --- threads of several processes ------------------------------------------------------------ */

#define N_PROCESSES 3

/* What a process has seen and done. */
struct done {
	uint64_t n_seen, n_old, n_commits;
};

static _Noreturn void run_branch(const char *path, const struct verso_options *options,
	bool is_async, unsigned number, struct done *ret_done)
{
	struct bank bank = {
		.n_snapshots = snapshots_to_see() / 8, .n_commits_least = 8, .is_async = is_async};

	API_OK(verso_open(path, options, &bank.db));
	run_workers(&bank, number * N_WRITERS);
	*ret_done = (struct done){bank.n_seen, bank.n_old, bank.n_commits};
	verso_close(bank.db);
	_exit(0);
}

/* Each has writers and readers of its own, which group commits and take turns with the others'. */
static void run_branches(const struct verso_options *options, bool is_async)
{
	struct done *done = mmap(NULL, N_PROCESSES * sizeof(*done), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct done sum = {0};
	pid_t pids[N_PROCESSES];
	char path[CHECK_PATH_BYTES];
	struct verso *db;
	uint64_t versions;
	int status;

	ck_assert_ptr_ne(done, MAP_FAILED);
	API_OK(verso_open(api_path(path, "bank"), options, &db));
	open_accounts(db);
	verso_close(db); /* no thread of it is there when this process forks */
	for (unsigned i = 0; i < N_PROCESSES; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			run_branch(path, options, is_async, i, &done[i]);
	}
	for (unsigned i = 0; i < N_PROCESSES; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
		sum.n_seen += done[i].n_seen;
		sum.n_old += done[i].n_old;
		sum.n_commits += done[i].n_commits;
	}
	API_OK(verso_open(path, options, &db));
	has_all_the_money(db, &versions);
	ck_assert_uint_le(versions, N_ACCOUNTS + 2 * sum.n_commits);
	verso_close(db);
	printf("total: %s: %llu snapshots counted beside %llu commits of %d processes with %d "
	       "threads each, %llu of them again when old\n",
		api_pager_names[options->pager], (unsigned long long)sum.n_seen,
		(unsigned long long)sum.n_commits, N_PROCESSES, N_WRITERS + N_READERS,
		(unsigned long long)sum.n_old);
	(void)munmap(done, N_PROCESSES * sizeof(*done));
}

/* FULL, RELAXED, and commits that are waited for later. */
START_TEST(threads_of_several_processes_see_all_the_money)
{
	if (getenv("VERSO_ONE_PROCESS")) {
		check_skip("the pager of a lab has a file of its own");
		return;
	}
	run_branches(&(struct verso_options){.size = sizeof(struct verso_options),
			     .flags = VERSO_CREATE,
			     .pager = (enum verso_pager)(_i / 3),
			     .busy_timeout_ms = 20000,
			     .sync = _i % 3 == 1 ? VERSO_SYNC_RELAXED : VERSO_SYNC_FULL},
		_i % 3 == 2);
}
END_TEST

static void *get_some(void *arg)
{
	struct worker *w = arg;
	uint64_t state = w->number + 1;

	for (int i = 0; i < 3000; i++) {
		struct verso_txn *txn = api_begin(w->bank->db, VERSO_READ);
		unsigned k = (unsigned)(check_random(&state) % 20000);
		struct verso_val val;
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06u", k);
		API_OK(verso_get(txn, NULL, api_val(key), &val));
		ck_assert_uint_eq(val.len, 500);
		ck_assert_int_eq(((const char *)val.data)[499], (int)('a' + k % 26));
		verso_abort(txn);
	}
	return NULL;
}

START_TEST(many_threads_miss_at_once)
{
	struct bank bank = {.db = api_open_with(_i, "m",
				    (struct verso_options){.cache_bytes = (size_t)4 << 20})};
	struct worker workers[8];

	api_fill(bank.db, 20000, 500);
	for (unsigned i = 0; i < 8; i++) {
		workers[i] = (struct worker){.bank = &bank, .number = i};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, get_some, &workers[i]),
			0);
	}
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
	verso_close(bank.db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 200);
	tcase_add_loop_test(t, every_snapshot_has_all_the_money, 0, API_PAGERS);
	tcase_add_loop_test(t, relaxed_snapshots_have_it_too, 0, API_PAGERS);
	tcase_add_loop_test(t, snapshots_have_it_when_commits_are_waited_for_later, 0, API_PAGERS);
	tcase_add_loop_test(t, snapshots_have_it_when_commits_are_written_alone, 0, API_PAGERS);
	tcase_add_loop_test(t, snapshots_have_it_whatever_map_the_writer_uses, VERSO_MAP_PRIVATE,
		VERSO_MAP_SHARED + 1);
	tcase_add_loop_test(t, threads_of_several_processes_see_all_the_money, 0, 3 * API_PAGERS);
	tcase_add_loop_test(t, many_threads_miss_at_once, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
