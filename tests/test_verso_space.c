/* SPDX-License-Identifier: MIT */
/*
 * How much of a disk a database takes: when it holds little, when nothing is left of what it held,
 * and when the disk is full.
 */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/simdisk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct side {
	struct simdisk *disk;
	struct verso_options options;
	struct verso *db;
	const char *table; /* NULL: the default one */
	size_t val_len;
};

static void side_open(struct side *s)
{
	struct db_hooks hooks = {.io = simdisk_io(s->disk)};

	API_OK(db_open_with(&hooks, "db", &s->options, &s->db));
}

/* Eight kinds: both pagers; the default table or a named one; flushing each commit or not. */
static void side_make(struct side *s, int i, uint64_t space_bytes)
{
	struct simdisk_options so = {.space_bytes = space_bytes};

	*s = (struct side){.disk = simdisk_new(&so),
		.options = {.size = sizeof(s->options),
			.flags = VERSO_CREATE,
			.pager = i & 1 ? VERSO_MMAP : VERSO_BUFPOOL,
			.sync = i & 4 ? VERSO_SYNC_RELAXED : VERSO_SYNC_FULL,
			.cache_bytes = (size_t)8 << 20},
		.table = i & 2 ? "things" : NULL,
		.val_len = 60};
	side_open(s);
}

static void side_reopen(struct side *s)
{
	verso_close(s->db);
	side_open(s);
}

static void side_free(struct side *s)
{
	verso_close(s->db);
	simdisk_free(s->disk);
}

/* One record in a transaction of its own: put, or deleted. */
static int change(struct side *s, int i, bool put)
{
	static char bytes[20000];
	struct verso_table *table = NULL;
	struct verso_txn *txn;
	char key[32];
	int rc = verso_begin(s->db, VERSO_WRITE, &txn);

	if (rc)
		return rc;
	(void)snprintf(key, sizeof(key), "key%06d", i);
	if (s->table)
		rc = verso_table_open(txn, s->table, VERSO_CREATE, &table);
	if (rc == 0)
		rc = put ? verso_put(txn, table, api_val(key),
				   (struct verso_val){bytes, s->val_len}, 0)
			 : verso_del(txn, table, api_val(key));
	if (rc == 0)
		return verso_commit(txn);
	verso_abort(txn);
	return rc;
}

static int fill(struct side *s)
{
	int n = 0, rc;

	while ((rc = change(s, n, true)) == 0)
		n++;
	API_IS(rc, -ENOSPC);
	return n;
}

static uint32_t file_pages(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	API_OK(verso_stat(db, &stat));
	return stat.n_pages;
}

/* Filled, emptied one record after the other, and filled again, with an opening in between. */
static void fill_and_empty(int kind, size_t val_len)
{
	struct side s;
	int n, n_again;

	side_make(&s, kind, (uint64_t)700 << 10);
	s.val_len = val_len;
	n = fill(&s);
	ck_assert_int_gt(n, 10);
	side_reopen(&s);
	for (int i = 0; i < n; i++)
		API_OK(change(&s, i % 2 ? i / 2 : n - 1 - i / 2, false));
	api_check(s.db);
	n_again = fill(&s);
	ck_assert_int_gt(n_again, n * 3 / 4);
	for (int i = n_again; i-- > 0;)
		API_OK(change(&s, i, false));
	side_reopen(&s);
	api_check(s.db);
	ck_assert_uint_le(file_pages(s.db), 32);
	side_free(&s);
}

START_TEST(a_full_disk_can_be_left_by_deleting)
{
	fill_and_empty(_i, 60);
}
END_TEST

START_TEST(a_full_disk_of_long_values_can_be_left_by_deleting)
{
	fill_and_empty(_i, 20000);
}
END_TEST

/* Every step-th of n records, put or deleted. */
static void change_many(struct side *s, int n, int step, size_t len, bool put)
{
	static char bytes[4096];
	struct verso_txn *txn = NULL;

	for (int i = 0; i < n; i += step) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06d", i);
		if (!txn)
			txn = api_begin(s->db, VERSO_WRITE);
		if (put)
			API_OK(verso_put(txn, NULL, api_val(key), (struct verso_val){bytes, len},
				0));
		else
			API_OK(verso_del(txn, NULL, api_val(key)));
		if (i % 256 == 0 || i + step >= n) {
			API_OK(verso_commit(txn));
			txn = NULL;
		}
	}
}

/* Each page of the long value lies alone, so the list of what its deletion gives up is long. */
START_TEST(a_scattered_value_can_be_deleted_on_a_full_disk)
{
	static char bytes[4150 * 4048];
	const int n = 8400;
	struct verso_val val = {bytes, sizeof(bytes)};
	struct verso_txn *txn;
	struct side s;

	side_make(&s, _i & 1 ? 5 : 0, 0);
	change_many(&s, n, 1, 3500, true);
	API_OK(verso_sync(s.db));
	change_many(&s, n, 2, 0, false);
	API_OK(verso_sync(s.db));
	txn = api_begin(s.db, VERSO_WRITE);
	API_OK(verso_put(txn, NULL, api_val("long"), val, 0));
	API_OK(verso_commit(txn));
	API_OK(verso_sync(s.db));
	simdisk_set_space(s.disk, simdisk_space_used(s.disk));
	(void)fill(&s);
	side_reopen(&s);
	txn = api_begin(s.db, VERSO_WRITE);
	API_OK(verso_del(txn, NULL, api_val("long")));
	API_OK(verso_commit(txn));
	api_check(s.db);
	side_free(&s);
}
END_TEST

/* What a transaction did before stays, although the long value behind it does not fit. */
START_TEST(a_transaction_goes_on_without_the_value_that_did_not_fit)
{
	static char bytes[4 << 20];
	struct verso_txn *txn;
	struct side s;

	side_make(&s, _i, (uint64_t)2 << 20);
	txn = api_begin(s.db, VERSO_WRITE);
	api_put(txn, NULL, "small", "record");
	API_IS(verso_put(txn, NULL, api_val("long"), (struct verso_val){bytes, sizeof(bytes)}, 0),
		-ENOSPC);
	api_put(txn, NULL, "small too", "record");
	API_OK(verso_commit(txn));
	side_reopen(&s);
	txn = api_begin(s.db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "small", "record"));
	ck_assert(api_has(txn, NULL, "small too", "record"));
	verso_abort(txn);
	api_check(s.db);
	side_free(&s);
}
END_TEST

static void check_record(struct side *s, int i, bool there)
{
	struct verso_txn *txn = api_begin(s->db, VERSO_READ);
	struct verso_table *table = NULL;
	struct verso_val val;
	char key[32];

	(void)snprintf(key, sizeof(key), "key%06d", i);
	if (s->table)
		API_OK(verso_table_open(txn, s->table, 0, &table));
	API_IS(verso_get(txn, table, api_val(key), &val), there ? 0 : VERSO_NOTFOUND);
	verso_abort(txn);
}

/* A session has its blocks before it writes: who has none is refused, and may try again. */
START_TEST(a_copy_with_holes_needs_their_room_before_anything_is_written)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct side s;

	side_make(&s, _i, 0);
	for (int i = 0; i < 200; i++)
		API_OK(change(&s, i, true));
	verso_close(s.db);
	simdisk_dig(s.disk, "db");
	simdisk_set_space(s.disk, simdisk_space_used(s.disk));
	side_open(&s);
	for (int i = 0; i < 3; i++) {
		check_record(&s, 7, true);
		API_IS(change(&s, 1000 + i, true), -ENOSPC);
		API_IS(change(&s, i, false), -ENOSPC);
		API_OK(verso_stat(s.db, &stat));
		ck_assert(!stat.poisoned);
		check_record(&s, i, true);
		check_record(&s, 1000 + i, false);
	}
	simdisk_set_space(s.disk, simdisk_space_used(s.disk) + ((uint64_t)stat.n_pages << 12));
	for (int i = 0; i < 100; i++)
		API_OK(change(&s, 1000 + i, true));
	side_reopen(&s);
	check_record(&s, 7, true);
	check_record(&s, 1007, true);
	api_check(s.db);
	side_free(&s);
}
END_TEST

/* As above: until there are blocks, no page is made by stores, which would end the process. */
START_TEST(stores_wait_for_the_blocks_of_a_copy_with_holes)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct side s;

	side_make(&s, 1, 0);
	for (int i = 0; i < 200; i++)
		API_OK(change(&s, i, true));
	verso_close(s.db);
	simdisk_dig(s.disk, "db");
	simdisk_set_space(s.disk, simdisk_space_used(s.disk));
	s.options.map_writing = VERSO_MAP_SHARED;
	side_open(&s);
	for (int i = 0; i < 3;
		i++) { /* a deletion makes pages first: it need not see the file grow */
		API_IS(change(&s, i, false), -ENOSPC);
		API_IS(change(&s, 1000 + i, true), -ENOSPC);
	}
	API_OK(verso_stat(s.db, &stat));
	simdisk_set_space(s.disk, simdisk_space_used(s.disk) + ((uint64_t)stat.n_pages << 12));
	for (int i = 0; i < 100; i++)
		API_OK(change(&s, 1000 + i, true));
	side_reopen(&s);
	check_record(&s, 7, true);
	check_record(&s, 1007, true);
	api_check(s.db);
	side_free(&s);
}
END_TEST

START_TEST(stores_are_refused_where_blocks_move)
{
	struct simdisk_options so = {.cow = true};
	struct side s = {.disk = simdisk_new(&so),
		.options = {.size = sizeof(s.options),
			.flags = VERSO_CREATE,
			.pager = VERSO_MMAP,
			.map_writing = VERSO_MAP_SHARED},
		.val_len = 60};
	struct db_hooks hooks = {.io = simdisk_io(s.disk)};

	API_SAYS(db_open_with(&hooks, "db", &s.options, &s.db), -EOPNOTSUPP, "copy-on-write");
	s.options.map_writing = VERSO_MAP_PRIVATE;
	side_open(&s);
	API_OK(change(&s, 7, true));
	verso_close(s.db);
	s.options.map_writing = VERSO_MAP_SHARED;
	s.options.flags = VERSO_RDONLY; /* no store */
	side_open(&s);
	check_record(&s, 7, true);
	side_free(&s);
}
END_TEST

START_TEST(one_record_takes_64_kib)
{
	struct side s;

	side_make(&s, _i, 0);
	API_OK(change(&s, 1, true));
	side_reopen(&s);
	ck_assert_uint_le(file_pages(s.db), 16);
	API_OK(change(&s, 2, true));
	side_reopen(&s);
	ck_assert_uint_le(file_pages(s.db), 16);
	api_check(s.db);
	side_free(&s);
}
END_TEST

START_TEST(an_emptied_database_is_small_after_its_close)
{
	struct side s;

	side_make(&s, _i, 0);
	for (int i = 0; i < 3000; i++)
		API_OK(change(&s, i, true));
	side_reopen(&s);
	ck_assert_uint_gt(file_pages(s.db), 60);
	for (int i = 0; i < 3000; i++)
		API_OK(change(&s, i, false));
	side_reopen(&s);
	ck_assert_uint_le(file_pages(s.db), 32);
	api_check(s.db);
	side_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_space");
	TCase *c = tcase_create("verso_space");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, a_full_disk_can_be_left_by_deleting, 0, 8);
	tcase_add_loop_test(c, a_full_disk_of_long_values_can_be_left_by_deleting, 0, 8);
	tcase_add_loop_test(c, a_scattered_value_can_be_deleted_on_a_full_disk, 0, 2);
	tcase_add_loop_test(c, a_transaction_goes_on_without_the_value_that_did_not_fit, 0, 8);
	tcase_add_loop_test(c, a_copy_with_holes_needs_their_room_before_anything_is_written, 0, 8);
	tcase_add_test(c, stores_wait_for_the_blocks_of_a_copy_with_holes);
	tcase_add_test(c, stores_are_refused_where_blocks_move);
	tcase_add_loop_test(c, one_record_takes_64_kib, 0, 8);
	tcase_add_loop_test(c, an_emptied_database_is_small_after_its_close, 0, 8);
	suite_add_tcase(s, c);
	return check_main(s);
}
