/* SPDX-License-Identifier: MIT */
/*
 * A file cut in the middle of a call, at each page that the call gets, and whole again afterwards.
 *
 * Where the call had got its page already, the fault jumps out of the midst of the tree: what the
 * call held at that moment has to be given back by another call. A pin that is lost shows at the
 * close, which asserts that there is none.
 */
#include "db/db_int.h"
#include "io/fault.h"
#include "tests/api.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_RECORDS  400
#define KEPT_BYTES 8192

/* Cuts the file right after the n-th get of a page, counted from 1; 0: never. */
struct cutter {
	struct pager_tracer tracer;
	int fd;
	unsigned n_gets, cut_at;
	char *image; /* what was cut off, from the beginning on; NULL: nothing was */
	size_t image_bytes;
};

static void cut(struct cutter *k)
{
	struct stat st;

	ck_assert_int_eq(fstat(k->fd, &st), 0);
	k->image_bytes = (size_t)st.st_size;
	k->image = malloc(k->image_bytes);
	ck_assert_ptr_nonnull(k->image);
	ck_assert_int_eq(pread(k->fd, k->image, k->image_bytes, 0), st.st_size);
	ck_assert_int_eq(ftruncate(k->fd, KEPT_BYTES), 0);
}

static void restore(struct cutter *k)
{
	if (k->image)
		ck_assert_int_eq(pwrite(k->fd, k->image, k->image_bytes, 0),
			(ssize_t)k->image_bytes);
	free(k->image);
	k->image = NULL;
}

static void count_and_cut(struct pager_tracer *t, const struct pager_event *event)
{
	struct cutter *k = (struct cutter *)t; /* its first member */

	if (event->op == PAGER_GET && ++k->n_gets == k->cut_at)
		cut(k);
}

static struct verso_val key_of(char *buf, unsigned i)
{
	(void)snprintf(buf, 16, "key%06u", i);
	return api_val(buf);
}

static char long_bytes[100000];

static int put_long(struct verso_txn *txn, const char *key)
{
	return verso_put(txn, NULL, api_val(key),
		(struct verso_val){long_bytes, sizeof(long_bytes)}, 0);
}

/* Leaves some of the pages in the writer's own memory and others in the file. */
static int touch_some(struct verso_txn *txn)
{
	char buf[16];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < N_RECORDS; i += 40)
		rc = verso_put(txn, NULL, key_of(buf, i), api_val("touched"), 0);
	return rc;
}

/*
 * The calls. Each is made in a transaction of its own, once for each page that it gets.
 */
static int get_one(struct verso_txn *txn)
{
	struct verso_val val;
	char buf[16];

	return verso_get(txn, NULL, key_of(buf, 217), &val);
}

static int get_some(struct verso_txn *txn)
{
	struct verso_val keys[N_RECORDS], vals[N_RECORDS];
	char bufs[N_RECORDS][16];

	for (unsigned i = 0; i < N_RECORDS; i++)
		keys[i] = key_of(bufs[i], i);
	return verso_get_many(txn, NULL, N_RECORDS, keys, vals, NULL);
}

static int read_long(struct verso_txn *txn)
{
	static char buf[sizeof(long_bytes)];
	size_t len;

	return verso_read(txn, NULL, api_val("long"), 0, buf, sizeof(buf), &len);
}

static int scan(struct verso_txn *txn)
{
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc = verso_cursor_open(txn, NULL, &c);

	if (rc < 0)
		return rc;
	while (rc == 0)
		rc = verso_cursor_next(c, &key, &val);
	while (rc == VERSO_NOTFOUND || rc == 0) {
		rc = verso_cursor_prev(c, &key, &val);
		if (rc == VERSO_NOTFOUND)
			break;
	}
	verso_cursor_close(c);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

static int advise(struct verso_txn *txn)
{
	const struct verso_val none = {NULL, 0};
	int rc = verso_advise(txn, NULL, none, none, VERSO_ADVICE_WILLNEED);

	if (rc == 0)
		rc = verso_advise(txn, NULL, api_val("key000100"), none, VERSO_ADVICE_COLD);
	return rc;
}

static int name_tables(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static int each_table(struct verso_txn *txn)
{
	return verso_table_each(txn, name_tables, NULL);
}

static int check_trees(struct verso_txn *txn)
{
	return verso_check(txn->db, VERSO_CHECK_TREES, NULL, NULL);
}

static int check_all(struct verso_txn *txn)
{
	return verso_check(txn->db, 0, NULL, NULL);
}

static int update(struct verso_txn *txn)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < N_RECORDS; i += 3) {
		char buf[16];

		rc = verso_put(txn, NULL, key_of(buf, i), api_val("new"), 0);
	}
	return rc;
}

static int insert(struct verso_txn *txn)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 40; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06u-%u", i % 8 * 50, i);
		rc = verso_put(txn, NULL, api_val(key), (struct verso_val){long_bytes, 700}, 0);
	}
	return rc;
}

static int delete (struct verso_txn *txn)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < N_RECORDS / 2; i++) {
		char buf[16];

		rc = verso_del(txn, NULL, key_of(buf, i));
	}
	return rc;
}

static int replace_long(struct verso_txn *txn)
{
	return put_long(txn, "long");
}

static int delete_at_cursor(struct verso_txn *txn)
{
	struct verso_cursor *c;
	struct verso_val key;
	int rc = verso_cursor_open(txn, NULL, &c);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; rc == 0 && i < 20; i++) {
		rc = verso_cursor_next(c, &key, NULL);
		if (rc == 0)
			rc = verso_cursor_del(c);
	}
	verso_cursor_close(c);
	return rc;
}

static int make_table(struct verso_txn *txn)
{
	struct verso_table *table;

	return verso_table_open(txn, "another", VERSO_CREATE, &table);
}

static int drop_table(struct verso_txn *txn)
{
	return verso_table_drop(txn, "named");
}

static const struct call {
	const char *name;
	int (*make)(struct verso_txn *txn);
	bool writes;
} calls[] = {
	{"get", get_one, false},
	{"get_many", get_some, false},
	{"read", read_long, false},
	{"scan", scan, false},
	{"advise", advise, false},
	{"table_each", each_table, false},
	{"check_trees", check_trees, false},
	{"check_all", check_all, false},
	{"update", update, true},
	{"insert", insert, true},
	{"delete", delete, true},
	{"replace_long", replace_long, true},
	{"delete_at_cursor", delete_at_cursor, true},
	{"make_table", make_table, true},
	{"drop_table", drop_table, true},
};

#define N_CALLS ((int)(sizeof(calls) / sizeof(calls[0])))

static struct verso *database(struct cutter *k)
{
	struct verso *db = api_open_with(VERSO_MMAP, "a",
		(struct verso_options){.sync = VERSO_SYNC_RELAXED,
			.mmap_checksum = VERSO_CHECKSUM_NONE,
			.cache_bytes = (size_t)8 << 20});
	struct verso_table *table;
	struct verso_txn *txn;
	char path[CHECK_PATH_BYTES];

	api_fill(db, N_RECORDS, 700);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(put_long(txn, "long"));
	API_OK(verso_table_open(txn, "named", VERSO_CREATE, &table));
	for (unsigned i = 0; i < 50; i++) {
		char buf[16];

		API_OK(verso_put(txn, table, key_of(buf, i), (struct verso_val){long_bytes, 700},
			0));
	}
	API_OK(verso_commit(txn));
	API_OK(verso_sync(db));
	/* And a commit that waits for its flush: readers find its pages on the heap. */
	txn = api_begin(db, VERSO_WRITE);
	API_OK(touch_some(txn));
	API_OK(verso_commit(txn));
	k->fd = open(api_path(path, "a"), O_RDWR);
	ck_assert_int_ge(k->fd, 0);
	db->pager->tracer = &k->tracer;
	return db;
}

/* Makes the call with a cut after its n-th get; false: it got no so many pages. */
static bool make_and_cut(struct verso *db, struct cutter *k, const struct call *call, unsigned n)
{
	struct verso_txn *txn = api_begin(db, call->writes ? VERSO_WRITE : VERSO_READ);
	bool was_cut;
	int rc;

	if (call->writes)
		API_OK(touch_some(txn));
	k->n_gets = 0;
	k->cut_at = n;
	rc = call->make(txn);
	k->cut_at = 0;
	was_cut = k->image != NULL;
	verso_abort(txn);
	restore(k);
	/* Damaged: a writer that lets the file grow after the cut finds zeros, not its end. */
	ck_assert_msg(rc == 0 || (was_cut && (rc == VERSO_EIO || rc == VERSO_ECORRUPT)),
		"%s, cut at get %u: %d (%s)", call->name, n, rc, verso_errmsg(db));
	return was_cut;
}

START_TEST(a_call_that_a_fault_leaves_gives_back_all_that_it_held)
{
	const struct call *call = &calls[_i];
	struct cutter k = {.tracer = {count_and_cut}};
	struct verso *db = database(&k);
	struct verso_txn *txn;
	unsigned n = 1;

	while (make_and_cut(db, &k, call, n))
		n++;
	ck_assert_uint_gt(n, 1);
	/* The file is whole again, and the database never noticed. */
	txn = api_begin(db, call->writes ? VERSO_WRITE : VERSO_READ);
	API_OK(call->make(txn));
	API_OK(verso_commit(txn));
	api_check(db);
	ck_assert_int_eq(close(k.fd), 0);
	verso_close(db);
}
END_TEST

static bool blocks(int sig)
{
	sigset_t now;

	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	return sigismember(&now, sig);
}

/* Its own pages lie in the second map, once the file is known to have all its blocks. */
START_TEST(a_writer_whose_own_pages_are_cut_away_gets_an_error)
{
	struct verso *db = api_open_with(VERSO_MMAP, "own",
		(struct verso_options){.map_writing = (enum verso_map_writing)_i});
	struct cutter k = {0};
	struct verso_val val;
	struct verso_txn *txn;
	char path[CHECK_PATH_BYTES], buf[16];
	sigset_t all, before;

	api_fill(db, N_RECORDS, 100);
	k.fd = open(api_path(path, "own"), O_RDWR);
	ck_assert_int_ge(k.fd, 0);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(touch_some(txn));
	API_OK(verso_get(txn, NULL, key_of(buf, 40), &val));
	cut(&k);
	API_IS(verso_get(txn, NULL, key_of(buf, 80), &val), VERSO_EIO);
	ck_assert_int_lt(verso_put(txn, NULL, key_of(buf, 80), api_val("later"), 0), 0);
	API_IS(verso_commit(txn), VERSO_EABORTONLY);
	restore(&k);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(touch_some(txn));
	(void)sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
	cut(&k);
	verso_abort(txn);
	ck_assert(blocks(SIGBUS));
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	restore(&k);
	api_put(txn = api_begin(db, VERSO_WRITE), NULL, "after", "it");
	API_OK(verso_commit(txn));
	api_check(db);
	verso_close(db);
	(void)close(k.fd);
}
END_TEST

/* Cuts the file away before a flush, which a spill makes before it seals its first page. */
struct flush_cutter {
	struct cutter k;
	bool armed;
};

static void cut_at_flush(struct pager_tracer *t, const struct pager_event *event)
{
	struct flush_cutter *f = (struct flush_cutter *)t; /* its first member's first member */

	if (event->op == PAGER_FLUSH && f->armed)
		cut(&f->k);
	if (event->op == PAGER_FLUSH)
		f->armed = false;
}

/* What the spill had allocated is given back: the leak checker of a build with one looks. */
START_TEST(a_spill_whose_pages_are_cut_away_gives_back_its_memory)
{
	struct flush_cutter f = {.k = {.tracer = {cut_at_flush}}, .armed = true};
	struct verso_options options = {
		.map_writing = (enum verso_map_writing)_i, .cache_bytes = (size_t)2 << 20};
	struct verso *db = api_open_with(VERSO_MMAP, "spill", options);
	struct verso_txn *txn;
	char path[CHECK_PATH_BYTES], buf[16];
	int rc = 0;

	api_fill(db, 10 * N_RECORDS, 700);
	verso_close(db);
	db = api_open_with(VERSO_MMAP, "spill", options);
	f.k.fd = open(api_path(path, "spill"), O_RDWR);
	ck_assert_int_ge(f.k.fd, 0);
	db->pager->tracer = &f.k.tracer;
	txn = api_begin(db, VERSO_WRITE);
	for (unsigned i = 0; rc == 0 && i < 10 * N_RECORDS; i++)
		rc = verso_put(txn, NULL, key_of(buf, i), (struct verso_val){long_bytes, 700}, 0);
	API_IS(rc, VERSO_EIO);
	ck_assert_ptr_nonnull(f.k.image);
	verso_abort(txn);
	restore(&f.k);
	api_check(db);
	verso_close(db);
	(void)close(f.k.fd);
}
END_TEST

/* As workers of servers do. The kernel ends a process whose fault finds its signal blocked. */
START_TEST(a_thread_that_blocks_all_signals_gets_an_error_too)
{
	const struct call *call = &calls[_i];
	struct cutter k = {.tracer = {count_and_cut}};
	struct verso *db = database(&k);
	sigset_t all;
	unsigned n = 1;

	(void)sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	while (make_and_cut(db, &k, call, n)) {
		ck_assert(blocks(SIGBUS));
		ck_assert(blocks(SIGTERM));
		n += n < 10 ? 1 : 17;
	}
	ck_assert_uint_gt(n, 1);
	ck_assert(blocks(SIGBUS));
	ck_assert_int_eq(close(k.fd), 0);
	verso_close(db);
}
END_TEST

static void *get_with_signals_blocked(void *txn)
{
	struct verso_val val;
	sigset_t all;

	(void)sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	API_IS(verso_get(txn, NULL, api_val("key000217"), &val), VERSO_EIO);
	ck_assert(blocks(SIGBUS));
	return NULL;
}

START_TEST(a_transaction_that_moves_to_such_a_thread_gets_an_error_too)
{
	struct cutter k = {.tracer = {count_and_cut}};
	struct verso *db = database(&k);
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val val;
	pthread_t thread;

	API_OK(verso_get(txn, NULL, api_val("key000000"), &val));
	k.n_gets = 0;
	k.cut_at = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, get_with_signals_blocked, txn), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(!blocks(SIGBUS));
	verso_abort(txn);
	restore(&k);
	ck_assert_int_eq(close(k.fd), 0);
	verso_close(db);
}
END_TEST

/*
 * The last close moves the root of a small tree forward, to make the file short. Cut before the
 * close (_i is even) or when it has got the page; signals are blocked where _i is 2 or more.
 */
START_TEST(the_last_close_of_a_file_that_is_cut_ends_like_any_other)
{
	struct cutter k = {.tracer = {count_and_cut}};
	struct verso *db = database(&k);
	struct verso_txn *txn;
	sigset_t all;

	verso_close(db);
	db = api_open(VERSO_MMAP, "a", 0);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_del(txn, NULL, api_val("long")));
	for (unsigned i = 0; i < N_RECORDS; i++) {
		char buf[16];

		API_OK(verso_del(txn, NULL, key_of(buf, i)));
	}
	API_OK(verso_commit(txn));
	(void)sigfillset(&all);
	if (_i >= 2)
		ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	db->pager->tracer = &k.tracer;
	k.n_gets = 0;
	k.cut_at = 1;
	if (_i % 2 == 0) {
		k.cut_at = 0;
		cut(&k);
	}
	verso_close(db);
	ck_assert_ptr_nonnull(k.image);
	ck_assert(blocks(SIGBUS) == (_i >= 2));
	restore(&k);
	ck_assert_int_eq(close(k.fd), 0);
	db = api_open(VERSO_MMAP, "a", 0);
	api_check(db);
	verso_close(db);
}
END_TEST

static jmp_buf out;
static volatile int n_told;

static int tell_and_leave(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	n_told++;
	longjmp(out, 1);
}

static int find_and_leave(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)pgno;
	(void)text;
	n_told++;
	longjmp(out, 1);
}

START_TEST(a_callback_that_does_not_return_leaves_no_guard_behind)
{
	struct cutter k = {.tracer = {count_and_cut}};
	struct verso *db = database(&k);
	struct verso_txn *txn = api_begin(db, VERSO_READ);

	if (setjmp(out) == 0)
		(void)verso_table_each(txn, tell_and_leave, NULL);
	ck_assert_int_eq(n_told, 1);
	ck_assert_ptr_null(fault_innermost);
	verso_abort(txn);
	verso_close(db);
	/* Damage, which is what a check reports. */
	ck_assert_int_eq(pwrite(k.fd, long_bytes, sizeof(long_bytes), KEPT_BYTES),
		sizeof(long_bytes));
	db = api_open(VERSO_MMAP, "a", 0);
	if (setjmp(out) == 0)
		(void)verso_check(db, VERSO_CHECK_TREES, find_and_leave, NULL);
	ck_assert_int_eq(n_told, 2);
	ck_assert_ptr_null(fault_innermost);
	ck_assert_int_eq(close(k.fd), 0);
	verso_close(db);
}
END_TEST

static sigjmp_buf handled;

static void jump_away(int sig)
{
	(void)sig;
	siglongjmp(handled, 1);
}

static struct verso_cursor *cursor_in_use; /* known to who closes it, after a jump too */

/* The calls that read or write the application's memory, which is `lost`: a map of no file. */
static int call_with(unsigned i, struct verso_txn *txn, char *lost)
{
	static struct verso_val vals[2];
	struct verso_val keys[2] = {{"key000007", 9}, {lost, 9}};
	struct verso_table *table;
	char buf[16];
	size_t len;

	switch (i) {
	case 0:
		return verso_put(txn, NULL, key_of(buf, 7), (struct verso_val){lost, 50}, 0);
	case 1:
		return verso_put(txn, NULL, api_val("new"), (struct verso_val){lost, 60000}, 0);
	case 2:
		return verso_put(txn, NULL, keys[1], keys[0], 0);
	case 3:
		return verso_del(txn, NULL, keys[1]);
	case 4:
		return verso_get_many(txn, NULL, 2, keys, vals, NULL);
	case 5:
		return verso_read(txn, NULL, api_val("long"), 0, lost, 9000, &len);
	case 6:
		return verso_table_open(txn, lost, VERSO_CREATE, &table);
	default:
		API_OK(verso_cursor_open(txn, NULL, &cursor_in_use));
		return verso_cursor_seek(cursor_in_use, keys[1], NULL, NULL);
	}
}

#define N_CALLS_WITH 8

/* _i: the call, and whether the transaction writes. */
START_TEST(a_transaction_that_a_handler_jumps_out_of_can_be_ended)
{
	struct sigaction before, theirs = {.sa_handler = jump_away};
	struct cutter k = {.tracer = {count_and_cut}};
	bool writes = _i < N_CALLS_WITH;
	struct verso *db;
	struct verso_txn *txn;
	struct verso_val val;
	char path[CHECK_PATH_BYTES];
	int fd = open(api_path(path, "theirs"), O_RDWR | O_CREAT, 0600);
	char *lost = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(lost, MAP_FAILED);
	ck_assert_int_eq(sigaction(SIGBUS, &theirs, &before), 0);
	db = database(&k);
	txn = api_begin(db, writes ? VERSO_WRITE : VERSO_READ);
	if (writes)
		API_OK(touch_some(txn));
	API_OK(verso_get(txn, NULL, api_val("key000217"), &val));
	if (sigsetjmp(handled, 1) == 0) {
		int rc = call_with((unsigned)_i % N_CALLS_WITH, txn, lost);

		ck_assert_msg(!writes && rc == VERSO_EMISUSE, "no fault, but %d", rc);
	} else {
		ck_assert_ptr_null(fault_innermost);
		ck_assert_ptr_null(fault_noting);
		API_IS(verso_get(txn, NULL, api_val("key000217"), &val),
			writes ? VERSO_EABORTONLY : VERSO_EIO);
		API_IS(verso_put(txn, NULL, api_val("a"), api_val("b"), 0),
			writes ? VERSO_EABORTONLY : VERSO_EIO);
	}
	if (_i % 2)
		verso_abort(txn);
	else
		(void)verso_commit(txn);
	verso_cursor_close(cursor_in_use);
	txn = api_begin(db, VERSO_WRITE);
	ck_assert(api_has(txn, NULL, "new", NULL));
	api_put(txn, NULL, "new", "value");
	API_OK(verso_commit(txn));
	api_check(db);
	ck_assert_int_eq(close(k.fd), 0);
	verso_close(db);
	ck_assert_int_eq(munmap(lost, 65536), 0);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cut");
	TCase *t = tcase_create("mmap");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_call_that_a_fault_leaves_gives_back_all_that_it_held, 0, N_CALLS);
	tcase_add_loop_test(t, a_writer_whose_own_pages_are_cut_away_gets_an_error,
		VERSO_MAP_PRIVATE, VERSO_MAP_SHARED + 1);
	tcase_add_loop_test(t, a_spill_whose_pages_are_cut_away_gives_back_its_memory,
		VERSO_MAP_PRIVATE, VERSO_MAP_SHARED + 1);
	tcase_add_loop_test(t, a_thread_that_blocks_all_signals_gets_an_error_too, 0, N_CALLS);
	tcase_add_test(t, a_transaction_that_moves_to_such_a_thread_gets_an_error_too);
	tcase_add_loop_test(t, the_last_close_of_a_file_that_is_cut_ends_like_any_other, 0, 4);
	tcase_add_test(t, a_callback_that_does_not_return_leaves_no_guard_behind);
	tcase_add_loop_test(t, a_transaction_that_a_handler_jumps_out_of_can_be_ended, 0,
		2 * N_CALLS_WITH);
	suite_add_tcase(s, t);
	return check_main(s);
}
