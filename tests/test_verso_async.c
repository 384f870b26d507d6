/* SPDX-License-Identifier: MIT */
/* Commits that are waited for later, or by another thread, or not at all. */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/simdisk.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define N_COMMITS 50

static uint64_t put_async(struct verso *db, const char *key, const char *val)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	uint64_t gen = 0;

	api_put(txn, NULL, key, val);
	API_OK(verso_commit_async(txn, &gen));
	ck_assert_uint_ne(gen, 0);
	return gen;
}

static struct verso_stat stat_of(struct verso *db)
{
	struct verso_stat st = {.size = sizeof(st)};

	API_OK(verso_stat(db, &st));
	return st;
}

START_TEST(many_commits_of_one_thread_share_a_flush)
{
	struct verso *db = api_open(_i, "a", 0);
	uint64_t gens[N_COMMITS], n_flushes;
	char key[16];

	gens[0] = put_async(db, "first", "1");
	API_OK(verso_wait(db, gens[0]));
	n_flushes = stat_of(db).n_flushes;
	for (int i = 0; i < N_COMMITS; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		gens[i] = put_async(db, key, "v");
		ck_assert(i == 0 || gens[i] > gens[i - 1]);
	}
	ck_assert_uint_eq(stat_of(db).n_flushes, n_flushes);
	for (int i = 0; i < N_COMMITS; i++) {
		API_OK(verso_wait(db, gens[i]));
		ck_assert_uint_ge(stat_of(db).durable_gen, gens[i]);
	}
	ck_assert_uint_eq(stat_of(db).n_flushes, n_flushes + 1);
	api_check(db);
	verso_close(db);
}
END_TEST

/* T9: but the next writer does. */
START_TEST(readers_see_it_after_its_flush)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	uint64_t gen = put_async(db, "moon", "1737");

	ck_assert(!api_sees(db, "moon", "1737"));
	txn = api_begin(db, VERSO_WRITE);
	ck_assert(api_has(txn, NULL, "moon", "1737"));
	verso_abort(txn);
	API_OK(verso_wait(db, gen));
	ck_assert(api_sees(db, "moon", "1737"));
	verso_close(db);
}
END_TEST

START_TEST(whatever_flushes_makes_it_durable)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	uint64_t gen = put_async(db, "a", "1");

	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "b", "2");
	API_OK(verso_commit(txn));
	ck_assert_uint_gt(stat_of(db).durable_gen, gen);
	gen = put_async(db, "c", "3");
	API_OK(verso_sync(db));
	ck_assert_uint_eq(stat_of(db).durable_gen, gen);
	(void)put_async(db, "d", "4");
	verso_close(db);
	db = api_open(_i, "a", 0);
	ck_assert(api_sees(db, "d", "4"));
	verso_close(db);
}
END_TEST

/* As much as under VERSO_SYNC_RELAXED, spilled pages too. */
START_TEST(what_waits_is_bounded)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.cache_bytes = (size_t)4 << 20});
	uint32_t most = db->env->options.unflushed_max_pages;
	static const char val[2000];

	for (int i = 0; i < 3000; i++) {
		struct verso_txn *txn = api_begin(db, VERSO_WRITE);
		uint64_t gen;

		for (int j = 0; j < 4; j++) {
			char key[24];

			(void)snprintf(key, sizeof(key), "%d.%d", i * 7919 % 3000, j);
			API_OK(verso_put(txn, NULL, api_val(key),
				(struct verso_val){val, sizeof(val)}, 0));
		}
		API_OK(verso_commit_async(txn, &gen));
		ck_assert_uint_le(db->env->open->n_own + db->env->open->n_unproved, most);
	}
	ck_assert_uint_gt(stat_of(db).n_flushes, 2);
	api_check(db);
	verso_close(db);
}
END_TEST

struct wait {
	pthread_t thread;
	struct verso *db;
	uint64_t gen;
};

static void *wait_there(void *arg)
{
	struct wait *w = arg;

	API_OK(verso_wait(w->db, w->gen));
	ck_assert(api_sees(w->db, "moon", "1737"));
	return NULL;
}

START_TEST(any_thread_may_wait)
{
	struct verso *db = api_open(_i, "a", 0);
	uint64_t gen = put_async(db, "moon", "1737");
	struct wait waits[4];

	for (int i = 0; i < 4; i++) {
		waits[i] = (struct wait){.db = db, .gen = gen};
		ck_assert_int_eq(pthread_create(&waits[i].thread, NULL, wait_there, &waits[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(waits[i].thread, NULL), 0);
	verso_close(db);
}
END_TEST

START_TEST(what_no_commit_returned_is_not_waited_for)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn;
	uint64_t gen;

	API_OK(verso_wait(db, 0));
	API_SAYS(verso_wait(db, stat_of(db).newest_gen), VERSO_EMISUSE, "no commit");
	gen = put_async(db, "a", "1");
	API_IS(verso_wait(db, gen + 1), VERSO_EMISUSE);
	API_IS(verso_wait(db, gen - 1), VERSO_EMISUSE);
	API_IS(verso_wait(db, UINT64_MAX), VERSO_EMISUSE);
	API_OK(verso_wait(db, gen));
	API_OK(verso_wait(db, gen));
	txn = api_begin(db, VERSO_READ);
	gen = 7;
	API_OK(verso_commit_async(txn, &gen));
	ck_assert_uint_eq(gen, 0);
	gen = 7;
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_commit_async(txn, &gen));
	ck_assert_uint_eq(gen, 0);
	verso_close(db);
	/* The numbers of an opening are its own. */
	db = api_open(_i, "b", 0);
	gen = put_async(db, "a", "1");
	verso_close(db);
	db = api_open(_i, "b", 0);
	API_IS(verso_wait(db, gen), VERSO_EMISUSE);
	verso_close(db);
}
END_TEST

START_TEST(under_relaxed_it_is_seen_at_once)
{
	struct verso *db =
		api_open_with(_i, "a", (struct verso_options){.sync = VERSO_SYNC_RELAXED});
	uint64_t gen = put_async(db, "moon", "1737");

	ck_assert(api_sees(db, "moon", "1737"));
	ck_assert_uint_lt(stat_of(db).durable_gen, gen);
	API_OK(verso_wait(db, gen));
	ck_assert_uint_eq(stat_of(db).durable_gen, gen);
	verso_close(db);
}
END_TEST

static bool has_turn(struct verso *db)
{
	bool has;

	pthread_mutex_lock(&db->env->lock);
	has = db->env->has_turn;
	pthread_mutex_unlock(&db->env->lock);
	return has;
}

/* Another process that comes later gets the turn, and sees what waited. */
START_TEST(an_idle_process_flushes_for_others)
{
	struct verso *idle = api_open(_i, "a", 0), *other;
	struct verso_txn *txn;
	uint64_t gen = put_async(idle, "moon", "1737");

	ck_assert(has_turn(idle));
	other = api_open(_i, "a", 0);
	txn = api_begin(other, VERSO_WRITE);
	ck_assert(api_has(txn, NULL, "moon", "1737"));
	api_put(txn, NULL, "sun", "696");
	API_OK(verso_commit(txn));
	ck_assert_uint_ge(stat_of(idle).durable_gen, gen);
	API_OK(verso_wait(idle, gen));
	ck_assert(api_sees(idle, "sun", "696"));
	verso_close(idle);
	verso_close(other);
}
END_TEST

/* Others see what is written, and an idle process flushes when one of them wants to write. */
START_TEST(an_idle_process_gives_its_turn_after_a_flush)
{
	struct verso_options o = {.sync = VERSO_SYNC_PROCESS};
	struct verso *idle, *other;
	struct verso_txn *txn;
	uint64_t gen;

	if (api_skips_process(_i))
		return;
	idle = api_open_with(_i, "a", o);
	other = api_open(_i, "a", 0);
	txn = api_begin(idle, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1737");
	API_OK(verso_commit(txn));
	gen = stat_of(idle).newest_gen;
	ck_assert(api_sees(other, "moon", "1737"));
	txn = api_begin(other, VERSO_WRITE); /* within 50 ms */
	ck_assert_uint_ge(stat_of(idle).durable_gen, gen);
	api_put(txn, NULL, "sun", "696");
	API_OK(verso_commit(txn));
	ck_assert(api_sees(idle, "sun", "696"));
	txn = api_begin(idle, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1738");
	API_OK(verso_commit(txn));
	ck_assert(api_sees(other, "moon", "1738"));
	verso_close(other);
	api_check(idle);
	verso_close(idle);
}
END_TEST

static int fail_syncs(void *arg, const struct sim_call *call)
{
	(void)arg;
	return call->kind == SIM_CALL_SYNC ? -EIO : 0;
}

START_TEST(a_flush_that_failed_is_told_to_all_who_wait)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct db_hooks hooks = {.io = simdisk_io(disk)};
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)_i, .flags = VERSO_CREATE};
	uint64_t durable, lost;
	struct verso_txn *txn;
	struct verso *db;

	API_OK(db_open_with(&hooks, "db", &o, &db));
	durable = put_async(db, "a", "1");
	API_OK(verso_wait(db, durable));
	lost = put_async(db, "b", "2");
	simdisk_set_fault(disk, fail_syncs, NULL);
	API_IS(verso_wait(db, lost), VERSO_EPOISONED);
	simdisk_set_fault(disk, NULL, NULL);
	API_SAYS(verso_wait(db, lost), VERSO_EPOISONED, "a flush failed");
	API_OK(verso_wait(db, durable));
	ck_assert(!api_sees(db, "b", "2"));
	API_IS(verso_begin(db, VERSO_WRITE, &txn), VERSO_EPOISONED);
	verso_close(db);
	simdisk_free(disk);
}
END_TEST

/* What another process has published under PROCESS is written only. */
START_TEST(a_sync_covers_what_another_process_has_written)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct db_hooks hooks = {.io = simdisk_io(disk), .shared = true};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)_i,
		.flags = VERSO_CREATE,
		.sync = VERSO_SYNC_PROCESS};
	struct verso *writes, *other;
	struct verso_txn *txn;
	uint64_t n_syncs;

	API_OK(db_open_with(&hooks, "db", &o, &writes));
	API_OK(db_open_with(&hooks, "db", &o, &other));
	txn = api_begin(writes, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1737");
	API_OK(verso_commit(txn));
	ck_assert(api_sees(other, "moon", "1737"));
	API_OK(verso_sync(writes)); /* no flush of its own comes between */
	n_syncs = simdisk_calls(disk, SIM_CALL_SYNC);
	API_OK(verso_sync(other)); /* which cannot know that */
	ck_assert_uint_gt(simdisk_calls(disk, SIM_CALL_SYNC), n_syncs);
	simdisk_set_fault(disk, fail_syncs, NULL);
	ck_assert_int_lt(verso_sync(other), 0);
	simdisk_set_fault(disk, NULL, NULL);
	API_OK(verso_sync(other));
	verso_close(other);
	verso_close(writes);
	simdisk_free(disk);
}
END_TEST

struct syncing {
	struct verso *db;
	atomic_bool is_over;
	uint64_t n;
};

static void *sync_on(void *arg)
{
	struct syncing *s = arg;

	while (!atomic_load(&s->is_over)) {
		API_OK(verso_sync(s->db));
		s->n++;
	}
	return NULL;
}

/* A flush of what is written already is nothing that a commit without room can wait for. */
START_TEST(commits_that_want_room_beside_a_sync_end)
{
	static char value[60000];
	struct verso_options o = {.sync = VERSO_SYNC_PROCESS, .cache_bytes = 2U << 20};
	struct syncing s = {0};
	pthread_t thread;

	if (api_skips_process(_i))
		return;
	s.db = api_open_with(_i, "a", o);
	ck_assert_int_eq(pthread_create(&thread, NULL, sync_on, &s), 0);
	for (int i = 0; i < 600; i++) {
		struct verso_txn *txn = api_begin(s.db, VERSO_WRITE);
		struct verso_val key = {&i, sizeof(i)}, val = {value, sizeof(value)};
		uint64_t gen;

		API_OK(verso_put(txn, NULL, key, val, 0));
		API_OK(verso_commit_async(txn, &gen));
	}
	atomic_store(&s.is_over, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_gt(s.n, 0);
	verso_close(s.db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_async");
	TCase *t = tcase_create("commits");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, many_commits_of_one_thread_share_a_flush, 0, API_PAGERS);
	tcase_add_loop_test(t, readers_see_it_after_its_flush, 0, API_PAGERS);
	tcase_add_loop_test(t, whatever_flushes_makes_it_durable, 0, API_PAGERS);
	tcase_add_loop_test(t, what_waits_is_bounded, 0, API_PAGERS);
	tcase_add_loop_test(t, any_thread_may_wait, 0, API_PAGERS);
	tcase_add_loop_test(t, what_no_commit_returned_is_not_waited_for, 0, API_PAGERS);
	tcase_add_loop_test(t, under_relaxed_it_is_seen_at_once, 0, API_PAGERS);
	tcase_add_loop_test(t, an_idle_process_flushes_for_others, 0, API_PAGERS);
	tcase_add_loop_test(t, an_idle_process_gives_its_turn_after_a_flush, 0, API_PAGERS);
	tcase_add_loop_test(t, a_flush_that_failed_is_told_to_all_who_wait, 0, API_PAGERS);
	tcase_add_loop_test(t, a_sync_covers_what_another_process_has_written, 0, API_PAGERS);
	tcase_add_loop_test(t, commits_that_want_room_beside_a_sync_end, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
