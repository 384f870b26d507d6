/* SPDX-License-Identifier: MIT */
/*
 * What verso_open() promises where several have a database open: who sees what, who is refused and
 * why, what happens to whom when a file beside is gone. Two handles of one process have locks of
 * their own, as two processes do. Kills: test_verso_shared.c.
 */
#include "db/side.h"
#include "tests/api.h"
#include "tests/sim/faultopen.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534 /* a user without rights, for tests that root runs */

static char path[CHECK_PATH_BYTES], side[CHECK_PATH_BYTES + 8];

static void setup(void)
{
	(void)api_path(path, "box");
	(void)snprintf(side, sizeof(side), "%s-lock", path);
}

static int try_with(struct verso_options options, struct verso **ret_db)
{
	options.size = sizeof(options);
	options.cache_bytes = 4 << 20;
	return verso_open(path, &options, ret_db);
}

static uint32_t count_pending(struct verso *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	API_OK(verso_stat(db, &stat));
	return stat.n_pending_pages;
}

/* --- readers that may not write ------------------------------------------------------------- */

START_TEST(an_observer_sees_each_commit_and_keeps_its_snapshot)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *observer;
	struct verso_txn *old;
	char key[16];

	API_OK(api_try_put(db, "moon", "1737"));
	observer = api_must_open((_i + 1) % API_PAGERS, path, VERSO_RDONLY);
	ck_assert(api_sees(observer, "moon", "1737"));
	old = api_begin(observer, VERSO_READ);
	for (unsigned i = 0; i < 300; i++) { /* pages that are freed, used again, and growth */
		(void)snprintf(key, sizeof(key), "k%u", i);
		API_OK(api_try_put(db, "moon", key));
		API_OK(api_try_put(db, key, "v"));
		ck_assert(api_sees(observer, "moon", key));
	}
	ck_assert(api_has(old, NULL, "moon", "1737"));
	ck_assert(!api_has(old, NULL, "k7", "v"));
	verso_abort(old);
	API_IS(verso_begin(observer, VERSO_WRITE, &old), -EROFS);
	API_OK(verso_check(observer, 0, NULL, NULL));
	API_OK(verso_check(db, 0, NULL, NULL));
	verso_close(observer);
	verso_close(db);
}
END_TEST

/* The whole file. */
static uint8_t *read_file(size_t *ret_len)
{
	struct stat st;
	uint8_t *bytes;
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	bytes = check_alloc((size_t)st.st_size);
	ck_assert_int_eq(read(fd, bytes, (size_t)st.st_size), st.st_size);
	ck_assert_int_eq(close(fd), 0);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

/* Gives the pages behind the metas that differ in `from` and `other` the bytes of `from`. */
static void write_back(const uint8_t *from, const uint8_t *other, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	for (size_t at = 2 * 4096; at < len; at += 4096) {
		if (memcmp(from + at, other + at, 4096) != 0)
			ck_assert_int_eq(pwrite(fd, from + at, 4096, (off_t)at), 4096);
	}
	ck_assert_int_eq(close(fd), 0);
}

/* T7: the meta of a one-flush commit may be there before its pages are; its bytes stay the same. */
START_TEST(an_observer_believes_a_commit_once_its_pages_are_there)
{
	struct verso_options o = {.pager = (enum verso_pager)_i,
		.commit_mode = VERSO_COMMIT_ONE_FLUSH,
		.flags = VERSO_CREATE};
	struct verso *db, *observer;
	uint8_t *before, *after;
	size_t len, len_after;

	if (try_with(o, &db) == -EOPNOTSUPP) {
		check_skip("no O_DIRECT here, so no one-flush");
		return;
	}
	api_fill(db, 100, 100);
	API_OK(api_try_put(db, "moon", "1737"));
	before = read_file(&len);
	API_OK(api_try_put(db, "moon", "3474"));
	after = read_file(&len_after);
	ck_assert_uint_eq(len, len_after);
	write_back(before, after, len);
	observer = api_must_open(_i, path, VERSO_RDONLY);
	ck_assert(api_sees(observer, "moon", "1737"));
	write_back(after, before, len);
	ck_assert(api_sees(observer, "moon", "3474"));
	verso_close(observer);
	verso_close(db);
}
END_TEST

/* T4: what it can reach waits, and waits no longer when it ends. */
START_TEST(an_observer_holds_back_what_it_can_reach)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *observer;
	struct verso_txn *a, *b;
	uint32_t n_before;

	api_fill(db, 2000, 50);
	observer = api_must_open(_i, path, VERSO_RDONLY);
	a = api_begin(observer, VERSO_READ);
	b = api_begin(observer, VERSO_READ); /* of the same generation: one lock for both */
	for (unsigned i = 0; i < 20; i++)
		api_fill(db, 2000, 40 + i % 20);
	n_before = count_pending(db);
	ck_assert_uint_gt(n_before, 20);
	verso_abort(a);
	API_OK(api_try_put(db, "one", "more"));
	ck_assert_uint_ge(count_pending(db), n_before);
	ck_assert(api_has(b, NULL, "key000009",
		"jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj"));
	verso_abort(b);
	for (unsigned i = 0; i < 4; i++)
		API_OK(api_try_put(db, "one", "more"));
	ck_assert_uint_lt(count_pending(db), n_before / 2);
	verso_close(observer);
	verso_close(db);
}
END_TEST

/* As a user who may do nothing but read the file, beside a writer with another pager. */
static int observe_as_nobody(int pager)
{
	struct verso *db;
	struct verso_txn *txn;
	int rc;

	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return 1;
	if (api_try_open(pager, path, VERSO_RDONLY, &db) != 0)
		return 2;
	if (verso_begin(db, VERSO_READ, &txn) != 0)
		return 3;
	rc = api_has(txn, NULL, "moon", "1737") ? 0 : 4;
	verso_abort(txn);
	if (rc == 0 && verso_check(db, 0, NULL, NULL) != 0)
		rc = 5;
	verso_close(db);
	return rc;
}

START_TEST(reading_needs_permission_to_read_the_file_alone)
{
	char folder[] = "/tmp/verso-sharing-XXXXXX";
	struct verso *db;
	int status;
	pid_t child;

	/* The scratch folder of the tests may lie in one that others cannot enter. */
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/box", folder);
	(void)snprintf(side, sizeof(side), "%s/box-lock", folder);
	db = api_must_open(_i, path, VERSO_CREATE);
	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(chmod(side, 0), 0);
	ck_assert_int_eq(chmod(folder, 0555), 0);
	child = fork();
	if (child == 0)
		_exit(observe_as_nobody((_i + 1) % API_PAGERS));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	API_OK(api_try_put(db, "moon", "3474"));
	verso_close(db);
	ck_assert_int_eq(chmod(folder, 0755), 0);
	ck_assert_int_eq(unlink(side) | unlink(path) | rmdir(folder), 0);
}
END_TEST

START_TEST(an_immutable_file_is_read_without_a_lock)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *reader, *alone;

	API_OK(api_try_put(db, "moon", "1737"));
	verso_close(db);
	reader = api_must_open(_i, path, VERSO_RDONLY | VERSO_IMMUTABLE);
	ck_assert(api_sees(reader, "moon", "1737"));
	alone = api_must_open(_i, path, VERSO_EXCLUSIVE); /* as if nobody had it open */
	verso_close(alone);
	API_OK(verso_check(reader, 0, NULL, NULL));
	verso_close(reader);
	API_SAYS(api_try_open(_i, path, VERSO_IMMUTABLE, &db), VERSO_EMISUSE, "VERSO_RDONLY too");
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY | VERSO_EXCLUSIVE, &db), VERSO_EMISUSE,
		"exclude each other");
}
END_TEST

START_TEST(more_readers_than_slots_read_with_locks)
{
	enum { READERS = SNAPSHOT_READERS + 50 };
	struct verso *db = api_must_open(_i, path, VERSO_CREATE);
	struct verso_txn **txns = calloc(READERS, sizeof(struct verso_txn *));

	API_OK(api_try_put(db, "moon", "1737"));
	for (unsigned i = 0; i < READERS; i++) {
		txns[i] = api_begin(db, VERSO_READ);
		if (i % 500 == 499)
			API_OK(api_try_put(db, "moon", "1737"));
	}
	for (unsigned i = 0; i < 100; i++)
		API_OK(api_try_put(db, "moon", "0000"));
	for (unsigned i = 0; i < READERS; i++) {
		ck_assert(api_has(txns[i], NULL, "moon", "1737"));
		verso_abort(txns[i]);
	}
	free(txns);
	verso_close(db);
}
END_TEST

/* --- agreement ------------------------------------------------------------------------------- */

START_TEST(all_members_use_one_kind_of_pager)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	struct verso_stat stat = {.size = sizeof(stat)};

	for (int pager = 0; pager < API_PAGERS; pager++) {
		if (pager == _i)
			continue;
		API_SAYS(api_try_open(pager, path, 0, &other), VERSO_EBUSY,
			"use one kind of pager");
		API_SAYS(api_try_open(pager, path, 0, &other), VERSO_EBUSY,
			"another handle of this process");
		API_SAYS(api_try_open(pager, path, 0, &other), VERSO_EBUSY,
			"or with VERSO_PAGER_ANY");
	}
	if (_i != VERSO_MMAP)
		API_SAYS(api_try_open(_i, path, VERSO_BUFFERED, &other), VERSO_EBUSY,
			"buffered transfers");
	other = api_must_open(VERSO_PAGER_ANY, path, 0);
	API_OK(verso_stat(other, &stat));
	ck_assert_int_eq(stat.pager, _i);
	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert(api_sees(other, "moon", "1737"));
	verso_close(db);
	verso_close(other);
	other = api_must_open(VERSO_PAGER_ANY, path, 0); /* nobody has it: the default */
	API_OK(verso_stat(other, &stat));
	ck_assert_int_eq(stat.pager, VERSO_BUFPOOL);
	verso_close(other);
	db = api_must_open(_i, path, VERSO_BUFFERED);
	other = api_must_open(VERSO_PAGER_ANY, path, 0);
	API_OK(api_try_put(other, "moon", "3474"));
	ck_assert(api_sees(db, "moon", "3474"));
	verso_close(db);
	verso_close(other);
}
END_TEST

START_TEST(a_thread_with_a_writer_begins_none_through_another_handle)
{
	struct verso *a = api_must_open(_i, path, VERSO_CREATE), *b = api_must_open(_i, path, 0),
		     *observer;
	struct verso_txn *first = api_begin(a, VERSO_WRITE), *second;
	struct verso_space space = {.size = sizeof(space)};

	API_SAYS(verso_begin(b, VERSO_WRITE, &second), VERSO_EMISUSE, "another handle");
	API_SAYS(verso_check(b, 0, NULL, NULL), VERSO_EMISUSE, "wait forever");
	API_OK(verso_check(b, VERSO_CHECK_TREES, NULL, NULL));
	API_SAYS(verso_space(b, &space), VERSO_EMISUSE, "wait forever");
	observer = api_must_open(_i, path, VERSO_RDONLY);
	API_SAYS(verso_check(observer, 0, NULL, NULL), VERSO_EMISUSE, "wait forever");
	API_SAYS(verso_space(observer, &space), VERSO_EMISUSE, "wait forever");
	verso_close(observer);
	API_OK(verso_begin(b, VERSO_READ, &second));
	verso_abort(second);
	verso_abort(first);
	API_OK(api_try_put(b, "k", "v"));
	verso_close(a);
	verso_close(b);
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

static uint64_t now_ns, n_pauses;
static struct verso *held; /* closed at the third pause */
static bool held_grows;    /* before that */

static uint64_t stage_now_ns(struct io *io)
{
	(void)io;
	return now_ns;
}

static void stage_pause_ns(struct io *io, uint64_t wait_ns)
{
	(void)io;
	now_ns += wait_ns;
	if (++n_pauses == 3) {
		if (held_grows)
			api_fill(held, 3000, 100);
		verso_close(held);
	}
}

START_TEST(busy_timeout_ms_says_how_long_an_opening_waits)
{
	struct io_ops ops = *io_kernel()->ops;
	struct io io = {&ops};
	struct db_hooks hooks = {.io = &io, .shared = true};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)_i,
		.flags = VERSO_EXCLUSIVE,
		.busy_timeout_ms = 20000};
	struct verso *db, *first = api_must_open(_i, path, VERSO_CREATE);

	ops.now_ns = stage_now_ns;
	ops.pause_ns = stage_pause_ns;
	n_pauses = 3;
	API_IS(db_open_with(&hooks, path, &o, &db), VERSO_EBUSY);
	ck_assert_uint_ge(now_ns, UINT64_C(20000000000));
	ck_assert_uint_lt(now_ns, UINT64_C(21000000000));
	o.busy_timeout_ms = VERSO_BUSY_FOREVER;
	held = first;
	n_pauses = 0;
	now_ns = UINT64_MAX / 2;
	API_OK(db_open_with(&hooks, path, &o, &db));
	ck_assert_uint_eq(n_pauses, 3);
	verso_close(db);
}
END_TEST

/* What it saw of the file before it waited is old. */
START_TEST(an_opening_that_waits_for_another_pager_finds_what_that_one_wrote)
{
	struct io_ops ops = *io_kernel()->ops;
	struct io io = {&ops};
	struct db_hooks hooks = {.io = &io, .shared = true};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)((_i + 1) % API_PAGERS),
		.busy_timeout_ms = VERSO_BUSY_FOREVER};
	struct verso_txn *txn;
	struct verso *db;

	held = api_must_open(_i, path, VERSO_CREATE);
	held_grows = true;
	n_pauses = now_ns = 0;
	ops.now_ns = stage_now_ns;
	ops.pause_ns = stage_pause_ns;
	API_OK(db_open_with(&hooks, path, &o, &db));
	ck_assert_uint_eq(n_pauses, 3);
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "key002999", NULL) == 0);
	verso_abort(txn);
	API_OK(api_try_put(db, "moon", "1737"));
	API_OK(verso_check(db, 0, NULL, NULL));
	verso_close(db);
}
END_TEST

START_TEST(two_relaxed_processes_close_in_any_order)
{
	struct verso_options relaxed = {
		.pager = (enum verso_pager)_i, .sync = VERSO_SYNC_RELAXED, .flags = VERSO_CREATE};
	struct verso *a, *b;

	for (unsigned i = 0; i < 2; i++) {
		API_OK(try_with(relaxed, &a));
		API_OK(try_with(relaxed, &b));
		API_OK(api_try_put(a, "moon", "1737")); /* never alone when it commits */
		verso_close(i == 0 ? b : a);
		verso_close(i == 0 ? a : b);
	}
	a = api_must_open(_i, path, 0);
	ck_assert(api_sees(a, "moon", "1737"));
	verso_close(a);
}
END_TEST

/* --- an observer and what is durable ------------------------------------------------------- */

START_TEST(a_sync_of_an_observer_flushes_the_file)
{
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)_i, .flags = VERSO_RDONLY};
	struct fault_plan plan = {.calls = FAULT_SYNC, .nth = UINT64_MAX};
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *observer;
	struct faultio *io;
	uint64_t n;

	API_OK(api_try_put(db, "moon", "1737"));
	API_OK(fault_open(path, &o, &plan, &io, &observer));
	n = atomic_load(&plan.n);
	API_OK(verso_sync(observer));
	ck_assert_uint_eq(atomic_load(&plan.n), n + 1);
	plan.nth = n + 1;
	API_SAYS(verso_sync(observer), -EIO, "could not be flushed");
	API_SAYS(verso_sync(observer), -EIO, "could not be flushed"); /* the kernel says it once */
	verso_close(observer);
	faultio_free(io);
	verso_close(db);
}
END_TEST

START_TEST(what_is_written_and_not_flushed_is_not_durable_to_an_observer)
{
	struct verso_options o = {
		.pager = (enum verso_pager)_i, .sync = VERSO_SYNC_PROCESS, .flags = VERSO_CREATE};
	struct verso_stat stat = {.size = sizeof(stat)}, seen = {.size = sizeof(seen)};
	struct verso *db, *observer;

	if (api_skips_process(_i))
		return;
	API_OK(try_with(o, &db));
	API_OK(api_try_put(db, "moon", "1737"));
	API_OK(verso_stat(db, &stat));
	ck_assert_uint_lt(stat.durable_gen, stat.newest_gen);
	observer = api_must_open(_i, path, VERSO_RDONLY);
	API_OK(verso_stat(observer, &seen));
	ck_assert_uint_eq(seen.newest_gen, stat.newest_gen);
	ck_assert_uint_eq(seen.durable_gen, stat.durable_gen);
	verso_close(db);
	API_OK(verso_stat(observer, &seen)); /* the close has flushed, and says so */
	ck_assert_uint_eq(seen.durable_gen, seen.newest_gen);
	verso_close(observer);
}
END_TEST

/* --- a process that is idle ---------------------------------------------------------------- */

START_TEST(an_idle_relaxed_process_gives_its_turn)
{
	struct verso_options relaxed = {
		.pager = (enum verso_pager)_i, .sync = VERSO_SYNC_RELAXED, .flags = VERSO_CREATE};
	struct verso *idle, *other;
	bool has_turn;

	API_OK(try_with(relaxed, &idle));
	API_OK(api_try_put(idle, "moon", "1737"));
	API_OK(api_try_put(idle, "moon", "3474")); /* not flushed; its turn goes on */
	pthread_mutex_lock(&idle->env->lock);
	has_turn = idle->env->has_turn;
	pthread_mutex_unlock(&idle->env->lock);
	ck_assert(has_turn);
	API_OK(try_with(relaxed, &other));
	API_OK(api_try_put(other, "sun", "696"));
	ck_assert(api_sees(other, "moon", "3474"));
	ck_assert(api_sees(idle, "sun", "696"));
	verso_close(other);
	API_OK(api_try_put(idle, "moon", "1"));
	API_OK(try_with((struct verso_options){.pager = (enum verso_pager)_i,
				.flags = VERSO_RDONLY},
		&other));
	API_OK(verso_check(other, 0, NULL, NULL)); /* waits for the turn, too */
	ck_assert(api_sees(other, "moon", "1"));
	verso_close(other);
	verso_close(idle);
}
END_TEST

/* --- what is removed ----------------------------------------------------------------------- */

static void has_gone(struct verso *db, int code, const char *text)
{
	struct verso_txn *txn;

	ck_assert_int_lt(code, 0);
	API_SAYS(verso_begin(db, VERSO_WRITE, &txn), VERSO_EPOISONED, text);
	verso_close(db);
}

START_TEST(a_commit_into_a_file_that_was_removed_is_an_error)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE);

	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert_int_eq(unlink(path), 0);
	has_gone(db, api_try_put(db, "moon", "3474"), "removed");
}
END_TEST

START_TEST(a_commit_into_a_file_that_was_replaced_is_an_error)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE);
	char moved[CHECK_PATH_BYTES + 8];

	API_OK(api_try_put(db, "moon", "1737"));
	(void)snprintf(moved, sizeof(moved), "%s-moved", path);
	ck_assert_int_eq(rename(path, moved), 0);
	API_OK(api_try_put(db, "moon", "3474")); /* another name alone takes nothing away */
	ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	has_gone(db, api_try_put(db, "moon", "0"), "replaced");
}
END_TEST

START_TEST(who_comes_to_another_file_of_the_name_is_refused)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;

	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert_int_eq(unlink(path), 0);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &other), VERSO_EBUSY, "removed or replaced");
	ck_assert(api_sees(db, "moon", "1737"));
	verso_close(db);
	other = api_must_open(_i, path, VERSO_CREATE);
	ck_assert(!api_sees(other, "moon", "1737"));
	verso_close(other);
}
END_TEST

START_TEST(who_comes_without_the_lock_file_of_the_others_is_refused)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	char kept[CHECK_PATH_BYTES + 16], command[4 * CHECK_PATH_BYTES];

	API_OK(api_try_put(db, "moon", "1737"));
	(void)snprintf(kept, sizeof(kept), "%s-kept", side);
	ck_assert_int_eq(rename(side, kept), 0);
	API_SAYS(api_try_open(_i, path, 0, &other), VERSO_EBUSY, "removed or replaced");
	/* One that looks like theirs. */
	(void)snprintf(command, sizeof(command), "cp %s %s", kept, side);
	ck_assert_int_eq(system(command), 0); /* a path of the tests */
	API_SAYS(api_try_open(_i, path, 0, &other), VERSO_EBUSY, "removed or replaced");
	API_OK(api_try_put(db, "moon", "3474"));
	ck_assert_int_eq(rename(kept, side), 0);
	other = api_must_open(_i, path, 0);
	ck_assert(api_sees(other, "moon", "3474"));
	verso_close(other);
	verso_close(db);
}
END_TEST

/*
 * A store that faults is left by a jump. Where ThreadSanitizer makes the store, that leaves a lock
 * of its own taken, for which it waits at the next store to this address.
 */
static bool stores_may_fault(void)
{
#if defined(__SANITIZE_THREAD__)
	check_skip("ThreadSanitizer does not survive a fault in an atomic store");
	return false;
#else
	return true;
#endif
}

/* As a full disk does it, where what is overwritten moves: a store finds no page. */
START_TEST(a_board_that_cannot_be_written_ends_no_process)
{
	struct verso *db, *other;
	struct verso_txn *txn, *second;

	if (!stores_may_fault())
		return;
	db = api_must_open(_i, path, VERSO_CREATE);
	other = api_must_open(_i, path, 0);
	API_OK(api_try_put(db, "moon", "1737"));
	txn = api_begin(db, VERSO_READ);
	ck_assert_int_eq(truncate(side, 0), 0);
	ck_assert(api_has(txn, NULL, "moon", "1737"));
	verso_abort(txn);
	API_SAYS(verso_begin(db, VERSO_READ, &second), -ENOSPC, "lock file");
	API_SAYS(verso_begin(other, VERSO_WRITE, &second), -ENOSPC, "lock file");
	verso_close(db);
	verso_close(other);
	db = api_must_open(_i, path, 0);
	ck_assert(api_sees(db, "moon", "1737"));
	API_OK(verso_check(db, 0, NULL, NULL));
	verso_close(db);
}
END_TEST

START_TEST(a_commit_that_cannot_be_told_to_others_is_kept)
{
	struct verso *db, *other;
	struct verso_txn *txn;

	if (!stores_may_fault())
		return;
	db = api_must_open(_i, path, VERSO_CREATE);
	API_OK(api_try_put(db, "moon", "1737"));
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_put(txn, NULL, api_val("moon"), api_val("3474"), 0));
	ck_assert_int_eq(truncate(side, 0), 0);
	API_OK(verso_commit(txn)); /* it is on the disk */
	API_SAYS(verso_begin(db, VERSO_WRITE, &txn), VERSO_EPOISONED, "lock file");
	ck_assert_int_eq(truncate(side, SIDE_BYTES), 0);
	verso_close(db);
	other = api_must_open(_i, path, 0);
	ck_assert(api_sees(other, "moon", "3474"));
	API_OK(api_try_put(other, "moon", "0"));
	verso_close(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_sharing");
	TCase *tc = tcase_create("sharing");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, an_observer_sees_each_commit_and_keeps_its_snapshot, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_observer_believes_a_commit_once_its_pages_are_there, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, an_observer_holds_back_what_it_can_reach, 0, API_PAGERS);
	tcase_add_loop_test(tc, reading_needs_permission_to_read_the_file_alone, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_immutable_file_is_read_without_a_lock, 0, API_PAGERS);
	tcase_add_loop_test(tc, more_readers_than_slots_read_with_locks, 0, API_PAGERS);
	tcase_add_loop_test(tc, all_members_use_one_kind_of_pager, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_thread_with_a_writer_begins_none_through_another_handle, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, busy_timeout_ms_says_how_long_an_opening_waits, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_opening_that_waits_for_another_pager_finds_what_that_one_wrote,
		0, API_PAGERS);
	tcase_add_loop_test(tc, two_relaxed_processes_close_in_any_order, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_sync_of_an_observer_flushes_the_file, 0, API_PAGERS);
	tcase_add_loop_test(tc, what_is_written_and_not_flushed_is_not_durable_to_an_observer, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, an_idle_relaxed_process_gives_its_turn, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_commit_into_a_file_that_was_removed_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_commit_into_a_file_that_was_replaced_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(tc, who_comes_to_another_file_of_the_name_is_refused, 0, API_PAGERS);
	tcase_add_loop_test(tc, who_comes_without_the_lock_file_of_the_others_is_refused, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, a_board_that_cannot_be_written_ends_no_process, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_commit_that_cannot_be_told_to_others_is_kept, 0, API_PAGERS);
	return check_main(s);
}
