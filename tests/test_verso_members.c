/* SPDX-License-Identifier: MIT */
/*
 * Those that share a database: how many there may be, and what they do when a flush fails in one of
 * them. Two handles of one process have locks of their own, as two processes do.
 */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/faultplan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ALIVE_OFF ((UINT64_C(1) << 62) + 4112) /* docs/file-format.md */

/* --- poison: a flush fails in one, and none of them writes until all have closed ------------- */

static struct verso *open_on(struct simdisk *disk, int round, unsigned flags)
{
	struct db_hooks hooks = {.io = simdisk_io(disk), .shared = true};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)(round % API_PAGERS),
		.flags = flags,
		.io = VERSO_IO_SYNC,
		.cache_bytes = (size_t)4 << 20,
		.commit_mode =
			round / API_PAGERS ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH};
	struct verso *db = NULL;

	API_OK(db_open_with(&hooks, "db", &o, &db));
	return db;
}

static void is_poisoned(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	API_SAYS(api_try_put(db, "moon", "0"), VERSO_EPOISONED, "Input/output error");
	API_SAYS(verso_compact(db, NULL), VERSO_EPOISONED, "Input/output error");
	API_OK(verso_stat(db, &stat));
	ck_assert_int_eq(stat.poisoned, 1);
	ck_assert(api_sees(db, "moon", "1737"));
}

/* The n-th flush of a commit fails. False: it has none. */
static bool fail_at(struct simdisk *disk, int round, uint64_t nth)
{
	struct verso *a = open_on(disk, round, VERSO_CREATE), *b = open_on(disk, round, 0), *c;
	struct verso *observer = open_on(disk, round, VERSO_RDONLY);
	struct fault_plan plan = {.calls = FAULT_SYNC, .nth = nth, .kind = FAULT_EIO};
	struct verso_txn *txn, *old;
	int rc;

	API_OK(api_try_put(a, "moon", "0"));
	API_OK(api_try_put(b, "moon", "1737"));
	old = api_begin(b, VERSO_READ);
	txn = api_begin(a, VERSO_WRITE);
	API_OK(verso_put(txn, NULL, api_val("sun"), api_val("696340"), 0));
	simdisk_set_fault(disk, fault_plan_sim, &plan);
	rc = verso_commit(txn);
	simdisk_set_fault(disk, NULL, NULL);
	if (plan.struck == 0) {
		API_OK(rc);
		API_OK(api_try_put(b, "moon", "0"));
		verso_abort(old);
		verso_close(observer);
		verso_close(a);
		verso_close(b);
		return false;
	}
	ck_assert_int_lt(rc, 0);
	is_poisoned(b); /* which has not seen it fail */
	is_poisoned(a);
	c = open_on(disk, round, 0);
	is_poisoned(c);
	ck_assert(api_has(old, NULL, "moon", "1737"));
	verso_abort(old);
	verso_close(a); /* whose flush it was */
	is_poisoned(b);
	a = open_on(disk, round, 0);
	is_poisoned(a);
	verso_close(c);
	verso_close(b);
	is_poisoned(a);
	ck_assert(api_sees(observer, "moon", "1737"));
	verso_close(a); /* the last one that can write */
	a = open_on(disk, round, 0);
	ck_assert(api_sees(a, "moon", "1737")); /* and the sun, or not */
	API_OK(api_try_put(a, "moon", "3474"));
	b = open_on(disk, round, 0);
	API_OK(api_try_put(b, "earth", "6371"));
	ck_assert(api_sees(observer, "earth", "6371"));
	verso_close(observer);
	API_OK(verso_check(a, 0, NULL, NULL));
	verso_close(a);
	verso_close(b);
	return true;
}

START_TEST(a_flush_that_fails_ends_writing_for_all_until_all_have_closed)
{
	uint64_t n = 0;
	bool any = true;

	for (; any; n++) {
		struct simdisk *disk = simdisk_new(NULL);

		any = fail_at(disk, _i, n);
		simdisk_free(disk);
	}
	ck_assert_uint_gt(n, 1);
}
END_TEST

/* --- how many there may be ------------------------------------------------------------------- */

static char path[CHECK_PATH_BYTES];

static void setup(void)
{
	(void)api_path(path, "box");
}

static uint64_t now_ns;
static unsigned n_pauses;
static struct verso *leaves; /* closed at the third pause; NULL: nobody leaves */

static uint64_t stage_now_ns(struct io *io)
{
	(void)io;
	return now_ns;
}

static void stage_pause_ns(struct io *io, uint64_t wait_ns)
{
	(void)io;
	now_ns += wait_ns;
	if (++n_pauses == 3)
		verso_close(leaves);
}

/* An opening as of another process, in which waiting takes no time. */
static int open_on_stage(int pager, unsigned timeout_ms, struct verso **ret_db)
{
	static struct io_ops ops;
	static struct io io = {&ops};
	struct db_hooks hooks = {.io = &io, .shared = true};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.cache_bytes = 4 << 20,
		.busy_timeout_ms = timeout_ms};

	ops = *io_kernel()->ops;
	ops.now_ns = stage_now_ns;
	ops.pause_ns = stage_pause_ns;
	now_ns = n_pauses = 0;
	return db_open_with(&hooks, path, &o, ret_db);
}

/* Of 256 places one is a database's of this process, the others have locks alone. */
START_TEST(an_opening_waits_for_one_of_those_that_are_too_many)
{
	struct flock others = {.l_type = F_WRLCK,
		.l_start = (off_t)(ALIVE_OFF + 1),
		.l_len = BOARD_MEMBERS_MAX - 1};
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	char words[32];
	int fd = open(path, O_RDWR);

	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &others), 0);
	leaves = NULL;
	API_SAYS(open_on_stage(_i, 20000, &other), VERSO_EBUSY, "and 255 times more");
	ck_assert_uint_ge(now_ns, UINT64_C(20000000000));
	ck_assert_uint_lt(now_ns, UINT64_C(21000000000));
	(void)snprintf(words, sizeof(words), "process %d (", (int)getpid());
	API_SAYS(open_on_stage(_i, 1, &other), VERSO_EBUSY, words);
	API_SAYS(open_on_stage(_i, 1, &other), VERSO_EBUSY, "for reading only");
	verso_close(api_must_open(_i, path, VERSO_RDONLY)); /* which need no place */
	API_OK(api_try_put(db, "moon", "3474"));
	leaves = db;
	API_OK(open_on_stage(_i, VERSO_BUSY_FOREVER, &other));
	ck_assert_uint_eq(n_pauses, 3);
	ck_assert(api_sees(other, "moon", "3474"));
	API_OK(api_try_put(other, "moon", "0"));
	verso_close(other);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(so_many_handles_share_a_database_and_no_more)
{
	static struct verso *dbs[BOARD_MEMBERS_MAX];
	struct rlimit files;
	struct verso *other;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 2048 && files.rlim_max >= 2048) {
		files.rlim_cur = 2048;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	}
	for (unsigned i = 0; i < BOARD_MEMBERS_MAX; i++) {
		dbs[i] = api_must_open(VERSO_MMAP, path, VERSO_CREATE);
		API_OK(api_try_put(dbs[i], "moon", i % 2 ? "1737" : "3474"));
		ck_assert(api_sees(dbs[i / 2], "moon", i % 2 ? "1737" : "3474"));
	}
	API_SAYS(api_try_open(VERSO_MMAP, path, 0, &other), VERSO_EBUSY,
		"another handle of this process");
	API_SAYS(api_try_open(VERSO_MMAP, path, 0, &other), VERSO_EBUSY, "and 255 times more");
	verso_close(dbs[100]);
	dbs[100] = api_must_open(VERSO_MMAP, path, 0);
	API_OK(api_try_put(dbs[100], "moon", "0"));
	for (unsigned i = 0; i < BOARD_MEMBERS_MAX; i++) {
		ck_assert(api_sees(dbs[i], "moon", "0"));
		verso_close(dbs[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_members");
	TCase *tc = tcase_create("members");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, a_flush_that_fails_ends_writing_for_all_until_all_have_closed, 0,
		2 * API_PAGERS);
	tcase_add_loop_test(tc, an_opening_waits_for_one_of_those_that_are_too_many, 0, API_PAGERS);
	tcase_add_test(tc, so_many_handles_share_a_database_and_no_more);
	return check_main(s);
}
