/* SPDX-License-Identifier: MIT */
/* verso_compact(): the file becomes smaller, and no record changes. */
#include "tests/copy_fixture.h"
#include "tests/sim/faultplan.h"
#include "tests/sim/simwalk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* To its end. Answers how many steps it took. */
static uint64_t compact_all(struct verso *db, uint64_t pages_max)
{
	struct verso_compact c = {.size = sizeof(c), .pages_max = pages_max};
	uint64_t n = 0;
	int rc;

	do {
		rc = verso_compact(db, &c);
		ck_assert_msg(rc == 0 || rc == VERSO_MORE, "step %llu: %d, %s",
			(unsigned long long)n, rc, verso_errmsg(NULL));
		ck_assert_uint_lt(++n, 100000);
	} while (rc == VERSO_MORE);
	return n;
}

static void copy_aside(struct verso *db, char *path)
{
	API_OK(verso_copy(db, api_path(path, "before"), 0, NULL, NULL));
}

static void same_as_aside(struct verso *db, const char *path)
{
	struct verso *before = copy_open(NULL, 0, path);

	copy_same(before, db);
	verso_close(before);
	(void)unlink(path);
}

/* Each hundredth, in the order of the keys; a piece at the end; random ones. */
static bool stays(unsigned way, unsigned i, unsigned n, uint64_t *seed)
{
	if (way == 0)
		return i % 100 == 0;
	return way == 1 ? i >= n - n / 100 : check_random(seed) % 100 == 0;
}

/* Commits now and then, and begins again. */
static struct verso_txn *next_txn(struct verso *db, struct verso_txn *txn, unsigned i)
{
	if (i % 10000 != 9999)
		return txn;
	API_OK(verso_commit(txn));
	return api_begin(db, VERSO_WRITE);
}

START_TEST(one_percent_is_left)
{
	enum { N = 100000, LEN = 1024 };
	const unsigned way = (unsigned)_i; /* one with each pager */
	struct verso *db =
		api_open_with(_i, "db", (struct verso_options){.sync = VERSO_SYNC_RELAXED});
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char path[CHECK_PATH_BYTES], val[LEN], key[16];
	uint64_t seed = check_seed(), left_bytes = 0;

	memset(val, 'v', sizeof(val));
	for (unsigned i = 0; i < N; i++) {
		unsigned k = way == 2 ? (unsigned)((uint64_t)i * 7919 % N) : i;

		(void)snprintf(key, sizeof(key), "%08u", k);
		API_OK(verso_put(txn, NULL, api_val(key), (struct verso_val){val, LEN}, 0));
		txn = next_txn(db, txn, i);
	}
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(key, sizeof(key), "%08u", i);
		if (stays(way, i, N, &seed))
			left_bytes += 8 + LEN;
		else
			API_OK(verso_del(txn, NULL, api_val(key)));
		txn = next_txn(db, txn, i);
	}
	API_OK(verso_commit(txn));
	API_OK(verso_sync(db));
	(void)compact_all(db, 1000);
	api_path(path, "db");
	printf("total: %s: %llu bytes of records of 1 KB in a file of %llu after the compaction\n",
		api_pager_names[_i], (unsigned long long)left_bytes,
		(unsigned long long)size_of(path));
	ck_assert_uint_le(size_of(path) * 2, left_bytes * 3);
	api_check(db);
	verso_close(db);
	ck_assert_uint_le(size_of(path) * 2, left_bytes * 3);
}
END_TEST

START_TEST(compaction_changes_no_record)
{
	static const uint32_t page_sizes[] = {4096, 512, 16384};

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned shape = 0; shape < COPY_SHAPES; shape++) {
			struct verso *db = api_open_with(_i, "db",
				(struct verso_options){.page_size = page_sizes[i]});
			char path[CHECK_PATH_BYTES], own[CHECK_PATH_BYTES];
			uint64_t before;

			copy_fill(db, "z", shape, 300, 1);
			copy_fill(db, NULL, (shape + 1) % COPY_SHAPES, 700, 1);
			copy_fill(db, "a", (shape + 3) % COPY_SHAPES, 300, 1);
			copy_fill(db, "empty", 0, 0, 0);
			copy_thin(db, 7);
			copy_aside(db, path);
			before = size_of(api_path(own, "db"));
			ck_assert_uint_gt(compact_all(db, 20), 2);
			same_as_aside(db, path);
			ck_assert_uint_lt(size_of(own), before);
			/* Once more there is nothing to do. */
			before = size_of(own);
			(void)compact_all(db, 0);
			ck_assert_uint_le(size_of(own), before);
			copy_fill(db, NULL, 0, 200, 1);
			api_check(db);
			verso_close(db);
			(void)unlink(own);
		}
	}
}
END_TEST

START_TEST(dropped_tables_leave_no_hole)
{
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES];
	struct verso_txn *txn;
	uint64_t before;

	copy_fill(db, "first", 0, 20000, 1);
	copy_fill(db, "last", 3, 200, 1);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_drop(txn, "first"));
	API_OK(verso_commit(txn));
	before = size_of(api_path(path, "db"));
	(void)compact_all(db, 100);
	ck_assert_uint_lt(size_of(path), before);
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(a_value_larger_than_what_is_free_moves_without_growth)
{
	enum { LEN = 3000000 };
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES], *val = malloc(LEN);
	struct verso_txn *txn;
	struct verso_val found;
	uint64_t before;
	int rc;

	for (unsigned i = 0; i < LEN; i++)
		val[i] = (char)(i % 251);
	copy_fill(db, "first", 0, 15000, 1);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_put(txn, NULL, api_val("long"), (struct verso_val){val, LEN}, 0));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_table_drop(txn, "first"));
	API_OK(verso_commit(txn));
	before = size_of(api_path(path, "db"));
	ck_assert_uint_lt(before, (uint64_t)2 * LEN); /* less than a value is free */
	do {
		struct verso_compact c = {.size = sizeof(c)};

		rc = verso_compact(db, &c);
		ck_assert(rc == 0 || rc == VERSO_MORE);
		ck_assert_uint_le(size_of(path), before);
	} while (rc == VERSO_MORE);
	ck_assert_uint_lt(size_of(path), (uint64_t)LEN / 10 * 11);
	txn = api_begin(db, VERSO_READ);
	API_OK(verso_get(txn, NULL, api_val("long"), &found));
	ck_assert_uint_eq(found.len, LEN);
	ck_assert(memcmp(found.data, val, LEN) == 0);
	verso_abort(txn);
	api_check(db);
	verso_close(db);
	free(val);
}
END_TEST

START_TEST(a_long_time_is_no_short_one)
{
	/* In nanoseconds it is 0, modulo 2^64. */
	struct verso_compact c = {.size = sizeof(c), .time_max_ms = UINT64_C(1) << 58};
	struct verso *db = api_open(_i, "db", 0);
	unsigned n = 1;

	api_fill(db, 2000, 100); /* some sixty leaves */
	for (; verso_compact(db, &c) == VERSO_MORE; n++)
		;
	ck_assert_uint_lt(n, 10);
	verso_close(db);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct newer {
		struct verso_compact c;
		uint64_t more;
	} newer = {.c.size = sizeof(newer), .more = 1};
	struct verso_compact c = {.size = 0};
	struct verso *db = api_open(_i, "db", 0);
	struct verso_txn *txn;

	API_IS(verso_compact(NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_compact(db, &c), VERSO_EMISUSE);
	API_SAYS(verso_compact(db, &newer.c), VERSO_EMISUSE, "does not know");
	newer.more = 0;
	API_OK(verso_compact(db, &newer.c));
	txn = api_begin(db, VERSO_WRITE);
	API_IS(verso_compact(db, NULL), VERSO_EMISUSE);
	verso_abort(txn);
	API_OK(verso_compact(db, NULL));
	verso_close(db);
	API_IS(verso_compact(db, NULL), VERSO_EMISUSE);
	db = api_open(_i, "db", VERSO_RDONLY);
	API_IS(verso_compact(db, NULL), -EROFS);
	verso_close(db);
}
END_TEST

START_TEST(what_a_reader_sees_stays)
{
	struct verso *db = api_open(_i, "db", 0);
	struct verso_txn *reader;
	char path[CHECK_PATH_BYTES], own[CHECK_PATH_BYTES];
	struct verso_cursor *c;
	struct verso_val k, v;
	uint64_t n = 0, held;

	copy_fill(db, NULL, 0, 20000, 1);
	reader = api_begin(db, VERSO_READ);
	copy_thin(db, 50);
	copy_aside(db, path);
	(void)compact_all(db, 100);
	API_OK(verso_cursor_open(reader, NULL, &c));
	while (verso_cursor_next(c, &k, &v) == 0)
		n++;
	ck_assert_uint_eq(n, 20000);
	verso_cursor_close(c);
	held = size_of(api_path(own, "db"));
	verso_abort(reader);
	(void)compact_all(db, 100);
	ck_assert_uint_lt(size_of(own) * 4, held);
	same_as_aside(db, path);
	verso_close(db);
}
END_TEST

/* Of the default table and of "t". */
static uint64_t digest_of(struct verso_txn *txn)
{
	uint64_t sum = 0;

	for (unsigned t = 0; t < 2; t++) {
		struct verso_table *table = NULL;
		struct verso_cursor *c;
		struct verso_val k, v;

		if (t)
			API_OK(verso_table_open(txn, "t", 0, &table));
		API_OK(verso_cursor_open(txn, table, &c));
		while (verso_cursor_next(c, &k, &v) == 0) {
			for (size_t i = 0; i < k.len; i++)
				sum = sum * 31 + ((const uint8_t *)k.data)[i];
			for (size_t i = 0; i < v.len; i++)
				sum = sum * 31 + ((const uint8_t *)v.data)[i];
		}
		verso_cursor_close(c);
	}
	return sum;
}

static uint64_t digest(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	uint64_t sum = digest_of(txn);

	verso_abort(txn);
	return sum;
}

/* A record of a table of its own, which no digest has. */
static void write_beside(struct verso *db, unsigned i)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *table;
	char key[16], val[300];

	memset(val, 'w', sizeof(val));
	(void)snprintf(key, sizeof(key), "%06u", i % 40);
	API_OK(verso_table_open(txn, "w", VERSO_CREATE, &table));
	API_OK(verso_put(txn, table, api_val(key), (struct verso_val){val, i * 37 % sizeof(val)},
		0));
	API_OK(verso_commit(txn));
}

static uint64_t fill_shared(int pager)
{
	struct verso *db = api_open(pager, "db", 0);
	uint64_t sum;

	copy_fill(db, NULL, 0, 5000, 1);
	copy_fill(db, "t", 3, 60, 1);
	copy_thin(db, 5);
	sum = digest(db);
	verso_close(db);
	return sum;
}

START_TEST(other_handles_see_what_they_should)
{
	uint64_t was = fill_shared(_i), seen;
	struct verso *db = api_open(_i, "db", 0), *other = api_open(_i, "db", 0);
	struct verso *observer = api_open(_i, "db", VERSO_RDONLY);
	struct verso_txn *old;
	char path[CHECK_PATH_BYTES];
	uint64_t before = size_of(api_path(path, "db"));
	int rc = VERSO_MORE;

	copy_fill(other, NULL, 0, 5000, 1);
	old = api_begin(other, VERSO_READ);
	seen = digest_of(old);
	copy_thin(other, 5);
	for (unsigned i = 0; i < 500 && rc == VERSO_MORE; i++) {
		struct verso *who = i % 16 == 15 ? other : db; /* each of them goes its own way */
		struct verso_compact c = {.size = sizeof(c), .pages_max = 5};

		rc = verso_compact(who, &c);
		ck_assert_msg(rc == 0 || rc == VERSO_MORE, "%d %s", rc, verso_errmsg(who));
		write_beside(other, i);
		ck_assert_uint_eq(digest(other), was);
		ck_assert_uint_eq(digest(observer), was);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_ne(digest_of(old), was); /* it reads what was not thinned out, to the end */
	ck_assert_uint_eq(digest_of(old), seen);
	verso_abort(old);
	(void)compact_all(other, 100);
	ck_assert_uint_lt(size_of(path), before);
	ck_assert_uint_eq(digest(db), was);
	api_check(db);
	api_check(other);
	verso_close(observer);
	verso_close(db);
	write_beside(other, 1);
	api_check(other);
	verso_close(other);
}
END_TEST

static int read_and_write(int pager, const char *path, uint64_t was)
{
	struct verso_options o = {.size = sizeof(o), .pager = (enum verso_pager)pager};
	struct verso *db;

	if (verso_open(path, &o, &db) != 0)
		return 2;

	for (unsigned i = 0; i < 100; i++) {
		write_beside(db, i);
		if (digest(db) != was)
			return 1;
	}
	verso_close(db);
	return 0;
}

START_TEST(another_process_reads_and_writes_meanwhile)
{
	uint64_t was = fill_shared(_i), n_steps = 0;
	char path[CHECK_PATH_BYTES];
	struct verso *db;
	pid_t child;
	int status;

	api_path(path, "db");
	child = fork();
	if (child == 0)
		_exit(read_and_write(_i, path, was));
	db = api_open(_i, "db", 0);
	do {
		struct verso_compact c = {.size = sizeof(c), .pages_max = 20};
		int rc = verso_compact(db, &c);

		ck_assert_msg(rc == 0 || rc == VERSO_MORE, "%d %s", rc, verso_errmsg(db));
		n_steps++;
	} while (waitpid(child, &status, WNOHANG) == 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_uint_gt(n_steps, 1);
	ck_assert_uint_eq(digest(db), was);
	api_check(db);
	verso_close(db);
}
END_TEST

struct writer {
	struct verso *db;
	_Atomic bool stop;
};

static void *put_and_del(void *arg)
{
	struct writer *w = arg;
	uint64_t state = 3;

	while (!w->stop) {
		struct verso_txn *txn = api_begin(w->db, VERSO_WRITE);
		char key[16], val[300];

		memset(val, 'w', sizeof(val));
		for (unsigned i = 0; i < 20; i++) {
			(void)snprintf(key, sizeof(key), "w%06u",
				(unsigned)(check_random(&state) % 3000));
			if (i % 2)
				(void)verso_del(txn, NULL, api_val(key));
			else
				API_OK(verso_put(txn, NULL, api_val(key),
					(struct verso_val){val, sizeof(val)}, 0));
		}
		API_OK(verso_commit(txn));
	}
	return NULL;
}

static void *count_all(void *arg)
{
	struct writer *w = arg;

	while (!w->stop) {
		struct verso_txn *txn = api_begin(w->db, VERSO_READ);
		struct verso_table *t;
		struct verso_cursor *c;
		struct verso_val k, v;
		unsigned n = 0;

		API_OK(verso_table_open(txn, "t", 0, &t));
		API_OK(verso_cursor_open(txn, t, &c));
		while (verso_cursor_next(c, &k, &v) == 0)
			n++;
		ck_assert_uint_eq(n, 300);
		verso_cursor_close(c);
		verso_abort(txn);
	}
	return NULL;
}

START_TEST(compaction_beside_readers_and_a_writer)
{
	struct verso *db = api_open(_i, "db", 0);
	struct writer w = {.db = db};
	pthread_t threads[2];

	copy_fill(db, "t", 3, 300, 1);
	copy_fill(db, NULL, 0, 3000, 1);
	copy_thin(db, 5);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, put_and_del, &w), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, count_all, &w), 0);
	for (unsigned i = 0; i < 60; i++) {
		struct verso_compact c = {.size = sizeof(c), .pages_max = 30};
		int rc = verso_compact(db, &c);

		ck_assert(rc == 0 || rc == VERSO_MORE);
	}
	w.stop = true;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	api_check(db);
	verso_close(db);
}
END_TEST

static struct verso *open_db(struct simdisk *disk, int pager, enum verso_commit_mode mode)
{
	struct txn_options txn = {.group_pages = 256, .meta_groups_max = 2, .dirty_max_pages = 40};
	struct db_hooks hooks = {.io = simdisk_io(disk), .txn = &txn};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.flags = VERSO_CREATE | VERSO_SMALL_PAGES,
		.io = VERSO_IO_SYNC,
		.cache_bytes = (size_t)2 << 20,
		.page_size = simdisk_bytes(disk, "db", &(uint64_t){0}) ? 0 : 512,
		.commit_mode = mode};
	struct verso *db = NULL;

	API_OK(db_open_with(&hooks, "db", &o, &db));
	return db;
}

static struct verso *make_db(struct simdisk *disk, int pager, enum verso_commit_mode mode)
{
	struct verso *db = open_db(disk, pager, mode);

	copy_fill(db, NULL, 0, 900, 1);
	copy_fill(db, "t", 3, 12, 1);
	copy_thin(db, 4);
	return db;
}

START_TEST(each_call_of_a_compaction_fails)
{
	bool any_struck = true;
	uint64_t n;

	for (n = 0; any_struck; n += 1 + n / 40) {
		struct simdisk *disk = simdisk_new(NULL);
		struct verso *db = make_db(disk, _i, VERSO_COMMIT_TWO_FLUSH);
		struct verso_compact c = {.size = sizeof(c), .pages_max = 50};
		struct fault_plan plan = {
			.calls = FAULT_ANY, .nth = n, .kind = n % 2 ? FAULT_EIO : FAULT_ENOSPC};
		uint64_t was = digest(db);
		int rc;

		simdisk_set_fault(disk, fault_plan_sim, &plan);
		do
			rc = verso_compact(db, &c);
		while (rc == VERSO_MORE);
		simdisk_set_fault(disk, NULL, NULL);
		any_struck = plan.struck > 0;
		ck_assert(rc == 0 || any_struck);
		ck_assert_uint_eq(digest(db), was);
		verso_close(db);
		db = open_db(disk, (_i + 1) % API_PAGERS, VERSO_COMMIT_TWO_FLUSH);
		ck_assert_uint_eq(digest(db), was);
		api_check(db);
		(void)compact_all(db, 0);
		ck_assert_uint_eq(digest(db), was);
		verso_close(db);
		simdisk_free(disk);
	}
	ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(power_is_cut_at_each_event_of_a_compaction)
{
	static const enum sim_choice_kind kinds[] = {
		SIM_LOST, SIM_APPLIED, SIM_RANDOM, SIM_OPS, SIM_TORN, SIM_FEW_OLD};
	enum verso_commit_mode mode =
		_i / API_PAGERS ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH;
	int pager = _i % API_PAGERS;
	struct simdisk *disk = simdisk_new(NULL);
	struct verso *db = make_db(disk, pager, mode);
	uint64_t seed = check_seed(), was = digest(db), n_images = 0;
	uint64_t from = simdisk_events(disk), before, after, to;
	struct simwalk *walk;

	(void)simdisk_bytes(disk, "db", &before);
	(void)compact_all(db, 60);
	to = simdisk_events(disk);
	(void)simdisk_bytes(disk, "db", &after);
	ck_assert_uint_lt(after, before);
	walk = simwalk_new(disk);
	for (uint64_t n = from; n <= to; n++) {
		simwalk_to(walk, n);
		for (unsigned i = 0; i < 2; i++) {
			struct sim_choice c = {kinds[(n + i) % 6], check_random(&seed) >> 16};
			struct simdisk *image = simwalk_image(walk, c, false, NULL);
			struct verso *found = open_db(image, pager, mode);

			n_images++;
			ck_assert_uint_eq(digest(found), was);
			api_check(found);
			if (n % 16 == 0) {
				(void)compact_all(found, 0);
				ck_assert_uint_eq(digest(found), was);
				api_check(found);
			}
			verso_close(found);
		}
	}
	printf("total: %s: %llu images of a cut compaction\n", api_pager_names[pager],
		(unsigned long long)n_images);
	simwalk_free(walk);
	verso_close(db);
	simdisk_free(disk);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compaction");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, one_percent_is_left, 0, API_PAGERS);
	tcase_add_loop_test(t, compaction_changes_no_record, 0, API_PAGERS);
	tcase_add_loop_test(t, dropped_tables_leave_no_hole, 0, API_PAGERS);
	tcase_add_loop_test(t, a_value_larger_than_what_is_free_moves_without_growth, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_long_time_is_no_short_one, 0, API_PAGERS);
	tcase_add_loop_test(t, bad_arguments_are_refused, 0, API_PAGERS);
	tcase_add_loop_test(t, what_a_reader_sees_stays, 0, API_PAGERS);
	tcase_add_loop_test(t, other_handles_see_what_they_should, 0, API_PAGERS);
	tcase_add_loop_test(t, another_process_reads_and_writes_meanwhile, 0, API_PAGERS);
	tcase_add_loop_test(t, compaction_beside_readers_and_a_writer, 0, API_PAGERS);
	tcase_add_loop_test(t, each_call_of_a_compaction_fails, 0, API_PAGERS);
	tcase_add_loop_test(t, power_is_cut_at_each_event_of_a_compaction, 0, 2 * API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
