/* SPDX-License-Identifier: MIT */
/* The cache's size changed while the database is used, through the public interface. */
#include "tests/api.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MIB       ((size_t)1 << 20)
#define N_RECORDS 40000U /* some 20 MiB */
#define LEN       400U

#ifdef VERSO_HOSTILE
#define HOSTILE_BUILD 1
#else
#define HOSTILE_BUILD 0
#endif

static struct verso_stat stat_of(struct verso *db)
{
	struct verso_stat st = {.size = sizeof(st)};

	API_OK(verso_stat(db, &st));
	return st;
}

static unsigned n_records(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_cursor *c;
	unsigned n = 0;
	int rc;

	API_OK(verso_cursor_open(txn, NULL, &c));
	while ((rc = verso_cursor_next(c, NULL, NULL)) == 0)
		n++;
	ck_assert_int_eq(rc, VERSO_NOTFOUND);
	verso_cursor_close(c);
	verso_abort(txn);
	return n;
}

START_TEST(cache_becomes_smaller_and_larger_while_it_is_used)
{
	struct verso *db = api_open_with(VERSO_BUFPOOL, "a",
		(struct verso_options){.cache_bytes = 16 * MIB, .cache_bytes_max = 64 * MIB});
	struct verso_txn *txn;
	uint64_t beside, misses;

	api_fill(db, N_RECORDS, LEN);
	ck_assert_uint_eq(n_records(db), N_RECORDS);
	beside = stat_of(db).memory_bytes_max - 16 * MIB;

	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "one", "1");
	API_OK(verso_cache_resize(db, 10 * MIB));
	ck_assert_uint_eq(stat_of(db).memory_bytes_max, 10 * MIB + beside);
	ck_assert_uint_le(stat_of(db).memory_bytes, 10 * MIB + beside);
	api_put(txn, NULL, "two", "2");
	API_OK(verso_commit(txn));
	ck_assert_uint_eq(n_records(db), N_RECORDS + 2);
	ck_assert_uint_le(stat_of(db).memory_bytes, 10 * MIB + beside);

	API_OK(verso_cache_resize(db, 64 * MIB));
	ck_assert_uint_eq(n_records(db), N_RECORDS + 2);
	misses = stat_of(db).read_bytes;
	ck_assert_uint_eq(n_records(db), N_RECORDS + 2);
	if (!HOSTILE_BUILD) {
		ck_assert_uint_eq(stat_of(db).read_bytes, misses);
		ck_assert_uint_gt(stat_of(db).memory_bytes, 16 * MIB + beside);
	}
	ck_assert_uint_le(stat_of(db).memory_bytes, 64 * MIB + beside);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(sizes_out_of_bounds_are_refused_with_the_bound)
{
	struct verso *db =
		api_open_with(VERSO_BUFPOOL, "a", (struct verso_options){.cache_bytes = 16 * MIB});
	const char *words = "need at least ";
	unsigned long long least;

	API_SAYS(verso_cache_resize(db, 16 * MIB + 1), -EINVAL, "cache_bytes_max");
	API_SAYS(verso_cache_resize(db, 0), -EINVAL, words);
	ck_assert_int_eq(sscanf(strstr(verso_errmsg(db), words) + strlen(words), "%llu", &least),
		1);
	API_IS(verso_cache_resize(db, (size_t)least - 1), -EINVAL);
	API_OK(verso_cache_resize(db, (size_t)least));
	api_fill(db, N_RECORDS / 4, LEN);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(results_that_are_held_forbid_it)
{
	struct verso *db =
		api_open_with(VERSO_BUFPOOL, "a", (struct verso_options){.cache_bytes = 16 * MIB});
	static struct verso_txn *txns[500];
	struct verso_val val;
	char key[16];

	if (HOSTILE_BUILD) {
		check_skip("hostile builds have the smallest pool");
		verso_close(db);
		return;
	}
	api_fill(db, N_RECORDS, LEN);
	for (unsigned i = 0; i < 500; i++) {
		txns[i] = api_begin(db, VERSO_READ);
		(void)snprintf(key, sizeof(key), "key%06u", i * (N_RECORDS / 500));
		API_OK(verso_get(txns[i], NULL, api_val(key), &val));
	}
	API_SAYS(verso_cache_resize(db, 9 * MIB + MIB / 2), VERSO_EPINNED, "pinned");
	ck_assert_uint_ge(stat_of(db).memory_bytes_max, 16 * MIB);
	for (unsigned i = 0; i < 500; i++)
		verso_abort(txns[i]);
	API_OK(verso_cache_resize(db, 9 * MIB + MIB / 2));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(mmap_has_no_cache_to_resize)
{
	struct verso *db = api_open(VERSO_MMAP, "a", 0);

	API_SAYS(verso_cache_resize(db, 64 * MIB), -EOPNOTSUPP, "the kernel decides");
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_maximum_below_the_cache_is_misuse)
{
	char path[CHECK_PATH_BYTES];
	struct verso_options o = {.size = sizeof(o),
		.flags = VERSO_CREATE,
		.pager = (enum verso_pager)_i,
		.cache_bytes_max = 63 * MIB};
	struct verso *db;

	API_SAYS(verso_open(api_path(path, "a"), &o, &db), VERSO_EMISUSE, "cache_bytes_max");
	o.cache_bytes_max = 64 * MIB;
	API_OK(verso_open(api_path(path, "a"), &o, &db));
	verso_close(db);
}
END_TEST

/* Fails no test: Check's calls are not for threads. */
struct shared {
	struct verso *db;
	_Atomic bool ends;
	_Atomic int code; /* the first that was not expected */
};

static bool failed(struct shared *sh, int rc)
{
	int none = 0;

	if (rc != 0)
		(void)atomic_compare_exchange_strong(&sh->code, &none, rc);
	return rc != 0;
}

static void *scan_body(void *arg)
{
	struct shared *sh = arg;

	while (!sh->ends) {
		struct verso_cursor *c;
		struct verso_txn *txn;
		int rc;

		if (failed(sh, verso_begin(sh->db, VERSO_READ, &txn)))
			break;
		if (!failed(sh, verso_cursor_open(txn, NULL, &c))) {
			while ((rc = verso_cursor_next(c, NULL, NULL)) == 0 && !sh->ends)
				;
			(void)failed(sh, rc == VERSO_NOTFOUND ? 0 : rc);
			verso_cursor_close(c);
		}
		verso_abort(txn);
	}
	return NULL;
}

static void *write_body(void *arg)
{
	struct shared *sh = arg;
	static char bytes[LEN];
	struct verso_val val = {bytes, sizeof(bytes)};

	for (unsigned i = 0; !sh->ends; i++) {
		struct verso_txn *txn;
		int rc = verso_begin(sh->db, VERSO_WRITE, &txn);

		if (failed(sh, rc))
			break;
		for (unsigned k = 0; k < 50 && rc == 0; k++) {
			unsigned number = (i * 7919 + k * 811) % N_RECORDS;
			char key[16];

			(void)snprintf(key, sizeof(key), "key%06u", number);
			rc = verso_put(txn, NULL, (struct verso_val){key, strlen(key)}, val, 0);
		}
		if (failed(sh, rc)) {
			verso_abort(txn);
			break;
		}
		if (failed(sh, verso_commit(txn)))
			break;
	}
	return NULL;
}

START_TEST(readers_and_a_writer_go_on_beside_it)
{
	struct shared sh = {.db = api_open_with(VERSO_BUFPOOL, "a",
				    (struct verso_options){.cache_bytes = 6 * MIB,
					    .cache_bytes_max = 32 * MIB,
					    .sync = VERSO_SYNC_RELAXED,
					    .policy = (enum verso_policy)_i})};
	pthread_t scans[2], writer;

	api_fill(sh.db, N_RECORDS, LEN);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&scans[i], NULL, scan_body, &sh), 0);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_body, &sh), 0);
	for (unsigned i = 0; i < 30 && sh.code == 0; i++)
		API_OK(verso_cache_resize(sh.db, (i % 2 ? 6 : 12 + i / 2) * MIB));
	sh.ends = true;
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(scans[i], NULL);
	(void)pthread_join(writer, NULL);
	API_OK(sh.code);
	ck_assert_uint_eq(n_records(sh.db), N_RECORDS);
	api_check(sh.db);
	verso_close(sh.db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_cache");
	TCase *tc = tcase_create("cache");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, cache_becomes_smaller_and_larger_while_it_is_used);
	tcase_add_test(tc, sizes_out_of_bounds_are_refused_with_the_bound);
	tcase_add_test(tc, results_that_are_held_forbid_it);
	tcase_add_test(tc, mmap_has_no_cache_to_resize);
	tcase_add_loop_test(tc, a_maximum_below_the_cache_is_misuse, 0, API_PAGERS);
	tcase_add_loop_test(tc, readers_and_a_writer_go_on_beside_it, 0, VERSO_POLICIES);
	suite_add_tcase(s, tc);
	return check_main(s);
}
