/* SPDX-License-Identifier: MIT */
/*
 * Storage that fails under an open database: a full disk, a file cut by another program under a
 * live map, reads and writes that fail.
 */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct verso *open_on(struct simdisk *disk, int pager, struct verso_options o)
{
	struct db_hooks hooks = {.io = simdisk_io(disk)};
	struct verso *db;

	o.size = sizeof(o);
	o.pager = (enum verso_pager)pager;
	o.flags |= VERSO_CREATE;
	API_OK(db_open_with(&hooks, "db", &o, &db));
	return db;
}

/* Puts n records of len bytes from `from` on. Answers the first error. */
static int put_some(struct verso_txn *txn, int from, int n, size_t len)
{
	static char bytes[4096];
	int rc = 0;

	memset(bytes, 'x', sizeof(bytes));
	for (int i = from; rc == 0 && i < from + n; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06d", i);
		rc = verso_put(txn, NULL, api_val(key), (struct verso_val){bytes, len}, 0);
	}
	return rc;
}

static int count_records(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_table_stat st = {.size = sizeof(st)};

	API_OK(verso_table_stat(txn, NULL, &st));
	verso_abort(txn);
	return (int)st.n_records;
}

START_TEST(a_full_disk_is_an_error_and_nothing_is_lost)
{
	struct simdisk_options so = {.space_bytes = (uint64_t)6 << 20};
	struct simdisk *disk = simdisk_new(&so);
	struct verso *db =
		open_on(disk, _i, (struct verso_options){.cache_bytes = (size_t)8 << 20});
	int n_committed = 0, n_full = 0;
	struct verso_txn *txn;

	/* Fill until it is full, three times over, with a transaction that is undone each time. */
	while (n_full < 3) {
		int rc;

		rc = verso_begin(db, VERSO_WRITE, &txn);
		if (rc == 0) {
			rc = put_some(txn, n_committed, 100, 700);
			if (rc == 0)
				rc = verso_commit(txn);
			else
				verso_abort(txn);
		}
		if (rc == 0) {
			n_committed += 100;
			ck_assert_int_lt(n_committed, 20000);
		} else {
			API_IS(rc, -ENOSPC);
			n_full++;
		}
		ck_assert_int_eq(count_records(db), n_committed);
	}
	ck_assert_int_gt(n_committed, 2000);
	api_check(db);
	verso_close(db);
	db = open_on(disk, (_i + 1) % API_PAGERS,
		(struct verso_options){.cache_bytes = (size_t)8 << 20});
	ck_assert_int_eq(count_records(db), n_committed);
	api_check(db);
	verso_close(db);
	simdisk_free(disk);
}
END_TEST

struct failing {
	enum sim_call_kind kind;
	uint64_t after; /* calls of the kind that succeed first */
	int code;
};

static int fail_late(void *arg, const struct sim_call *call)
{
	const struct failing *f = arg;

	return call->kind == f->kind && call->nth >= f->after ? f->code : 0;
}

START_TEST(a_failed_flush_poisons_and_reopening_heals)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct verso *db = open_on(disk, _i, (struct verso_options){0});
	struct verso_stat st = {.size = sizeof(st)};
	struct failing failing = {SIM_CALL_SYNC, 0, -EIO};
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	int n;

	API_OK(put_some(txn, 0, 100, 100));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_WRITE);
	API_OK(put_some(txn, 100, 100, 100));
	simdisk_set_fault(disk, fail_late, &failing);
	ck_assert_int_lt(verso_commit(txn), 0);
	simdisk_set_fault(disk, NULL, NULL);
	API_IS(verso_begin(db, VERSO_WRITE, &txn), VERSO_EPOISONED);
	API_OK(verso_stat(db, &st));
	ck_assert_int_eq(st.poisoned, 1);
	ck_assert_int_eq(count_records(db), 100);
	verso_close(db);
	db = open_on(disk, _i, (struct verso_options){0});
	n = count_records(db);
	ck_assert(n == 100 || n == 200);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(put_some(txn, 200, 10, 100));
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	simdisk_free(disk);
}
END_TEST

START_TEST(a_read_that_fails_is_an_error_and_the_next_may_succeed)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct verso *db = open_on(disk, _i, (struct verso_options){0});
	struct failing failing = {SIM_CALL_READ, 0, -EIO};
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_val val;

	if (_i == VERSO_MMAP) {
		/* A map does not read: see the tests below. */
		verso_close(db);
		simdisk_free(disk);
		return;
	}
	API_OK(put_some(txn, 0, 2000, 500));
	API_OK(verso_commit(txn));
	verso_close(db);
	db = open_on(disk, _i, (struct verso_options){0});
	txn = api_begin(db, VERSO_READ);
	simdisk_set_fault(disk, fail_late, &failing);
	API_IS(verso_get(txn, NULL, api_val("key001000"), &val), -EIO);
	API_IS(verso_get(txn, NULL, api_val("key000001"), &val), -EIO);
	simdisk_set_fault(disk, NULL, NULL);
	API_OK(verso_get(txn, NULL, api_val("key001000"), &val));
	verso_abort(txn);
	api_check(db);
	verso_close(db);
	simdisk_free(disk);
}
END_TEST

/* A file on the real disk, of which the test cuts off all but n pages behind Verso's back. */
static struct verso *cut_under(int pager, const char *name, off_t size)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db =
		api_open_with(pager, name, (struct verso_options){.cache_bytes = (size_t)4 << 20});
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	API_OK(put_some(txn, 0, 20000, 700));
	API_OK(verso_commit(txn));
	if (size >= 0)
		ck_assert_int_eq(truncate(api_path(path, name), size), 0);
	return db;
}

/* What may be answered for a page that the file has no more. */
static int is_gone(int rc)
{
	return rc == VERSO_EIO || rc == VERSO_ECORRUPT || rc == -EIO;
}

START_TEST(a_file_cut_under_an_open_database_is_an_error)
{
	struct verso *db = cut_under(_i, "a", 65536);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val key, val;
	struct verso_cursor *c;
	int n_gone = 0, rc;

	for (int i = 0; i < 20000; i += 100) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", i);
		rc = verso_get(txn, NULL, api_val(text), &val);
		ck_assert_msg(rc == 0 || is_gone(rc), "%d", rc);
		n_gone += rc != 0;
	}
	ck_assert_int_gt(n_gone, 0);
	rc = verso_cursor_open(txn, NULL, &c);
	if (rc == 0) {
		for (rc = verso_cursor_first(c, &key, &val); rc == 0;)
			rc = verso_cursor_next(c, &key, &val);
		ck_assert_msg(is_gone(rc), "%d", rc);
		verso_cursor_close(c);
	}
	verso_abort(txn);
	ck_assert_int_lt(verso_check(db, 0, NULL, NULL), 0);
	verso_close(db);
}
END_TEST

START_TEST(a_leaf_cut_away_under_a_cursor_is_an_error)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db = cut_under(_i, "a", -1);
	struct verso_txn *txn = api_begin(db, VERSO_READ), *other;
	struct verso_val key, val;
	struct verso_cursor *c;
	int rc = 0;

	API_OK(verso_get(txn, NULL, api_val("key000007"), &val));
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_first(c, &key, &val));
	ck_assert_int_eq(truncate(api_path(path, "a"), 8192), 0);
	/* The cursor's leaf was there when it was got. */
	while (rc == 0)
		rc = verso_cursor_next(c, &key, &val);
	ck_assert_msg(is_gone(rc), "%d", rc);
	if (_i == VERSO_MMAP) {
		API_SAYS(verso_cursor_next(c, &key, &val), VERSO_EIO, "end it");
		API_IS(verso_get(txn, NULL, api_val("key000007"), &val), VERSO_EIO);
		API_IS(verso_cursor_open(txn, NULL, &c), VERSO_EIO);
		API_IS(verso_table_each(txn, NULL, NULL), VERSO_EIO);
	}
	verso_cursor_close(c);
	API_IS(verso_commit(txn), _i == VERSO_MMAP ? VERSO_EIO : 0);
	/* The database goes on: other transactions are not affected. */
	other = api_begin(db, VERSO_READ);
	rc = verso_get(other, NULL, api_val("key019999"), &val);
	ck_assert(rc == 0 || is_gone(rc));
	verso_abort(other);
	verso_close(db);
}
END_TEST

START_TEST(a_writer_that_meets_a_cut_file_can_only_be_aborted)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db = cut_under(_i, "a", -1);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_cursor *c;
	struct verso_val key;
	int rc = 0;

	API_OK(put_some(txn, 0, 10, 400));
	API_OK(verso_cursor_open(txn, NULL, &c));
	API_OK(verso_cursor_last(c, &key, NULL));
	ck_assert_int_eq(truncate(api_path(path, "a"), 8192), 0);
	while (rc == 0)
		rc = verso_cursor_prev(c, &key, NULL);
	if (_i == VERSO_MMAP) {
		API_IS(rc, VERSO_EIO);
		API_SAYS(verso_put(txn, NULL, key, key, 0), VERSO_EABORTONLY, "abort it");
		API_IS(verso_cursor_first(c, &key, NULL), VERSO_EABORTONLY);
	}
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* A result, which arguments may lie in: a name, and a prefix. */
static struct verso_val lying_in_a_page(struct verso_txn *txn, const char *path)
{
	struct verso_val val;

	API_OK(verso_get(txn, NULL, api_val("named"), &val));
	API_IS(memcmp(val.data, "key", 4), 0);
	ck_assert_int_eq(truncate(path, 8192), 0);
	return val;
}

static int count_it(struct verso_txn *txn, struct verso_val val)
{
	struct verso_range range = {.from = val, .flags = VERSO_PREFIX};
	uint64_t n;

	return verso_count(txn, NULL, &range, 0, &n);
}

static int delete_it(struct verso_txn *txn, struct verso_val val)
{
	struct verso_range range = {.from = val, .flags = VERSO_PREFIX};

	return verso_del_range(txn, NULL, &range, NULL);
}

static int open_it(struct verso_txn *txn, struct verso_val val)
{
	struct verso_range range = {.from = val, .to = val, .flags = VERSO_TO_INCLUDED};
	struct verso_cursor *c;
	int rc = verso_cursor_open_range(txn, NULL, &range, &c);

	if (rc == 0)
		verso_cursor_close(c);
	return rc;
}

static int keep_it(struct verso_txn *txn, struct verso_val val)
{
	struct verso_table *table;

	return verso_table_keep(txn->db, val.data, &table);
}

static int copy_it(struct verso_txn *txn, struct verso_val val)
{
	return verso_copy(txn->db, val.data, 0, NULL, NULL);
}

static int (*const uses[])(struct verso_txn *, struct verso_val) = {
	count_it, delete_it, open_it, keep_it, copy_it};

#define N_USES (int)(sizeof(uses) / sizeof(uses[0]))

/* Each use of an argument whose page is cut away, in a thread that blocks SIGBUS and in another. */
START_TEST(an_argument_that_is_cut_away_is_an_error)
{
	int pager = _i / (2 * N_USES), use = _i / 2 % N_USES;
	struct verso *db = cut_under(pager, "a", -1);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char path[CHECK_PATH_BYTES];
	sigset_t bus;
	int rc;

	API_OK(verso_put(txn, NULL, api_val("named"), (struct verso_val){"key", 4}, 0));
	API_OK(verso_commit(txn));
	txn = api_begin(db, uses[use] == delete_it ? VERSO_WRITE : VERSO_READ);
	(void)sigemptyset(&bus);
	(void)sigaddset(&bus, SIGBUS);
	if (_i % 2)
		ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &bus, NULL), 0);
	rc = uses[use](txn, lying_in_a_page(txn, api_path(path, "a")));
	if (pager == VERSO_MMAP)
		API_SAYS(rc, VERSO_EIO, "cannot be read any more");
	else
		ck_assert_msg(rc == 0 || is_gone(rc), "%d", rc);
	(void)pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

#define N_EDITS 2858

/* The key of edit i; no two edits have the same. */
static int edit_key(int i)
{
	return i * 917 % 20000;
}

/* Edits records all over the file, cutting it before one of the edits, and commits. */
static int edit_and_cut(struct verso *db, const char *path, int step)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	int rc = 0;

	for (int i = 0; rc == 0 && i < N_EDITS; i++) {
		char text[32];

		if (i == step * 100)
			ck_assert_int_eq(truncate(path, 40960), 0);
		(void)snprintf(text, sizeof(text), "key%06d", edit_key(i));
		if (step % 2)
			rc = verso_del(txn, NULL, api_val(text));
		else
			rc = verso_put(txn, NULL, api_val(text), api_val("new"), 0);
	}
	if (rc == 0)
		return verso_commit(txn);
	verso_abort(txn);
	return rc;
}

/* Opened again it is damaged, and says so, or has every record as it was answered. */
static void is_damaged_or_complete(int pager, const char *path, int step, bool committed)
{
	struct verso_options o = {.size = sizeof(o), .pager = (enum verso_pager)pager};
	bool edited[20000] = {false};
	struct verso_txn *txn;
	struct verso *db;

	if (verso_open(path, &o, &db) < 0)
		return;
	for (int i = 0; committed && i < N_EDITS; i++)
		edited[edit_key(i)] = true;
	if (verso_check(db, 0, NULL, NULL) == 0) {
		txn = api_begin(db, VERSO_READ);
		for (int i = 0; i < 20000; i++) {
			struct verso_val val = {NULL, 0};
			char text[32];

			(void)snprintf(text, sizeof(text), "key%06d", i);
			API_IS(verso_get(txn, NULL, api_val(text), &val),
				edited[i] && step % 2 ? VERSO_NOTFOUND : 0);
			ck_assert_uint_eq(val.len, !edited[i] ? 700 : step % 2 ? 0 : 3);
		}
		verso_abort(txn);
	}
	verso_close(db);
}

START_TEST(a_file_cut_under_a_writer_in_the_middle_is_an_error)
{
	int n_failed = 0;

	/* Cut while edits go on: wherever they notice it, they return. */
	for (int step = 0; step < 12; step++) {
		char path[CHECK_PATH_BYTES], name[16];
		struct verso *db;
		int rc;

		(void)snprintf(name, sizeof(name), "w%d", step);
		db = cut_under(_i, name, -1);
		rc = edit_and_cut(db, api_path(path, name), step);
		n_failed += rc != 0;
		verso_close(db);
		is_damaged_or_complete(_i, path, step, rc == 0);
		(void)unlink(path);
	}
	ck_assert_int_gt(n_failed, 0);
}
END_TEST

/* Cuts the file right after the n-th get of a page, counted from 1; 0: never. */
struct cutter {
	struct pager_tracer tracer;
	char path[CHECK_PATH_BYTES];
	uint64_t n_gets, cut_at;
};

static void cut_at_get(struct pager_tracer *t, const struct pager_event *event)
{
	struct cutter *k = (struct cutter *)t; /* its first member */

	if (event->op == PAGER_GET && ++k->n_gets == k->cut_at)
		ck_assert_int_eq(truncate(k->path, 8192), 0);
}

/* Checks a new database of which all but the beginning is cut off after `cut_at` gets. */
static int check_and_cut(int pager, struct cutter *k, unsigned flags)
{
	struct verso *db = api_open(pager, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	int rc;

	API_OK(put_some(txn, 0, 2000, 700));
	API_OK(verso_commit(txn));
	k->n_gets = 0;
	db->pager->tracer = &k->tracer;
	rc = verso_check(db, flags, NULL, NULL);
	db->pager->tracer = NULL;
	/* A writer need not wait for the check any more, whatever it finds. */
	if (verso_begin(db, VERSO_WRITE, &txn) == 0)
		verso_abort(txn);
	verso_close(db);
	ck_assert_int_eq(unlink(k->path), 0);
	return rc;
}

START_TEST(a_file_cut_under_the_account_of_all_pages_is_an_error)
{
	struct cutter k = {.tracer = {cut_at_get}};
	uint64_t n_trees, n_all;

	api_path(k.path, "a");
	API_OK(check_and_cut(_i, &k, VERSO_CHECK_TREES));
	n_trees = k.n_gets;
	API_OK(check_and_cut(_i, &k, 0));
	n_all = k.n_gets;
	ck_assert_uint_gt(n_all, n_trees + 100);
	for (k.cut_at = n_trees + 1; k.cut_at <= n_all;
		k.cut_at += k.cut_at < n_trees + 4 ? 1 : 29) {
		int rc = check_and_cut(_i, &k, 0);

		if (_i == VERSO_MMAP)
			ck_assert_int_eq(rc, VERSO_EIO);
		else
			ck_assert_msg(rc == 0 || is_gone(rc), "%d", rc);
	}
}
END_TEST

/* Flips a bit of some leaf of the closed database. Returns the leaf's place. */
static uint32_t flip_leaf(const char *path)
{
	int fd = open(path, O_RDWR);
	uint8_t bytes[4096];
	const struct page *page = (const struct page *)bytes;
	uint32_t pgno = 0;

	ck_assert_int_ge(fd, 0);
	do {
		pgno++;
		ck_assert_int_eq(pread(fd, bytes, 4096, (off_t)pgno * 4096), 4096);
	} while (page->type != PAGE_NODE || page->level != 0 || page_ref(page).pgno != pgno);
	bytes[2000] ^= 1;
	ck_assert_int_eq(pwrite(fd, bytes, 4096, (off_t)pgno * 4096), 4096);
	ck_assert_int_eq(close(fd), 0);
	return pgno;
}

struct told {
	char path[CHECK_PATH_BYTES];
	uint32_t pgno; /* of the damaged leaf */
	int n_cuts;
};

static int cut_when_told(void *arg, uint32_t pgno, const char *text)
{
	struct told *t = arg;

	(void)text;
	if (pgno == t->pgno) {
		ck_assert_int_eq(truncate(t->path, 8192), 0);
		t->n_cuts++;
	}
	return 0;
}

START_TEST(a_file_cut_by_who_is_told_of_a_finding_is_an_error)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct told t = {.n_cuts = 0};

	API_OK(put_some(txn, 0, 2000, 700));
	API_OK(verso_commit(txn));
	verso_close(db);
	t.pgno = flip_leaf(api_path(t.path, "a"));
	db = api_open(_i, "a", 0);
	/* The leaf is told when its parent is being read. */
	API_IS(verso_check(db, 0, cut_when_told, &t), VERSO_ECORRUPT);
	ck_assert_int_eq(t.n_cuts, 1);
	if (verso_begin(db, VERSO_WRITE, &txn) == 0)
		verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Cuts the file inside the last page that was made, which is sealed and about to be written. */
struct page_cutter {
	struct pager_tracer tracer;
	int fd;
	pgno_t pgno;
	bool was_cut;
};

static void cut_inside(struct pager_tracer *t, const struct pager_event *event)
{
	struct page_cutter *k = (struct page_cutter *)t; /* its first member */

	if (event->op == PAGER_FRESH && event->ref.pgno > k->pgno)
		k->pgno = event->ref.pgno;
	if (event->op != PAGER_WRITE || event->ref.pgno != k->pgno || k->was_cut)
		return;
	k->was_cut = true;
	ck_assert_int_eq(ftruncate(k->fd, (off_t)k->pgno * 65536 + 4096), 0);
}

START_TEST(a_commit_of_a_page_that_is_cut_in_its_middle_fails)
{
	struct page_cutter k = {.tracer = {cut_inside}};
	struct verso *db = api_open_with(VERSO_MMAP, "large",
		(struct verso_options){
			.map_writing = (enum verso_map_writing)_i, .page_size = 65536});
	struct verso_txn *txn;
	char path[CHECK_PATH_BYTES];

	api_fill(db, 400, 100);
	k.fd = open(api_path(path, "large"), O_RDWR);
	ck_assert_int_ge(k.fd, 0);
	db->pager->tracer = &k.tracer;
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "key000100", "touched");
	API_SAYS(verso_commit(txn), VERSO_EPOISONED, "the file was cut");
	ck_assert(k.was_cut);
	verso_close(db);
	(void)close(k.fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("faults");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_full_disk_is_an_error_and_nothing_is_lost, 0, API_PAGERS);
	tcase_add_loop_test(t, a_failed_flush_poisons_and_reopening_heals, 0, API_PAGERS);
	tcase_add_loop_test(t, a_read_that_fails_is_an_error_and_the_next_may_succeed, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_file_cut_under_an_open_database_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(t, a_leaf_cut_away_under_a_cursor_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(t, a_writer_that_meets_a_cut_file_can_only_be_aborted, 0, API_PAGERS);
	tcase_add_loop_test(t, an_argument_that_is_cut_away_is_an_error, 0,
		API_PAGERS * 2 * N_USES);
	tcase_add_loop_test(t, a_file_cut_under_a_writer_in_the_middle_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(t, a_file_cut_under_the_account_of_all_pages_is_an_error, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_file_cut_by_who_is_told_of_a_finding_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(t, a_commit_of_a_page_that_is_cut_in_its_middle_fails,
		VERSO_MAP_PRIVATE, VERSO_MAP_SHARED + 1);
	suite_add_tcase(s, t);
	return check_main(s);
}
