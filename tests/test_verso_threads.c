/* SPDX-License-Identifier: MIT */
/*
 * Threads on one database: writers that move money between accounts, readers that count it. Every
 * snapshot must have the same sum, and be no older than what the thread saw before.
 */
#include "tests/api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ACCOUNTS 60
#define MONEY      1000
#define N_WRITERS  3
#define N_READERS  3

struct bank {
	struct verso *db;
	uint64_t n_snapshots; /* that each reader looks at */
	bool is_async;        /* commits are waited for later */
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

	for (uint64_t i = 0; i < bank->n_snapshots; i++) {
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

static void run_bank_of(int pager, const struct verso_options *options, bool is_async)
{
	struct bank bank = {.db = api_open_with(pager, "bank", *options),
		.n_snapshots = 8500,
		.is_async = is_async};
	struct worker writers[N_WRITERS], readers[N_READERS];
	struct verso_stat st = {.size = sizeof(st)};
	struct verso_txn *txn;
	uint64_t versions;

	/* $VERSO_SNAPSHOTS: how many a reader looks at; fewer where threads are slow. */
	if (getenv("VERSO_SNAPSHOTS"))
		bank.n_snapshots = strtoull(getenv("VERSO_SNAPSHOTS"), NULL, 0);
	open_accounts(bank.db);
	for (unsigned i = 0; i < N_WRITERS; i++) {
		writers[i] = (struct worker){.bank = &bank, .number = i};
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]),
			0);
	}
	for (unsigned i = 0; i < N_READERS; i++) {
		readers[i] = (struct worker){.bank = &bank, .number = i};
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_some, &readers[i]),
			0);
	}
	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
	atomic_store(&bank.stop, true);
	for (unsigned i = 0; i < N_WRITERS; i++)
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
	txn = api_begin(bank.db, VERSO_READ);
	ck_assert_uint_eq(count_money(txn, &versions), N_ACCOUNTS * MONEY);
	verso_abort(txn);
	api_check(bank.db);
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
	tcase_add_loop_test(t, snapshots_have_it_whatever_map_the_writer_uses, VERSO_MAP_PRIVATE,
		VERSO_MAP_SHARED + 1);
	tcase_add_loop_test(t, many_threads_miss_at_once, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
