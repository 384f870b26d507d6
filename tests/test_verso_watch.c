/* SPDX-License-Identifier: MIT */
/*
 * verso_watch(): what is seen of another process, which does what it is told through a pipe, and
 * of one that has died; and that nothing which stands in the lock file leads anywhere.
 */
#include "db/side.h"
#include "tests/api.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_COMMITS 30U
#define N_FORGED  2000

static char path[CHECK_PATH_BYTES], side[CHECK_PATH_BYTES + 8];

static void setup(void)
{
	(void)api_path(path, "box");
	(void)snprintf(side, sizeof(side), "%s-lock", path);
}

static struct verso_watch watch(void)
{
	struct verso_watch w = {.size = sizeof(w)};

	API_OK(verso_watch(path, &w));
	ck_assert_uint_eq(w.size, sizeof(w));
	return w;
}

/* --- another process ------------------------------------------------------------------------ */

struct other {
	pid_t pid;
	int to, from;
	struct verso *db;
	struct verso_txn *reader, *writer;
};

static struct verso *open_box(int pager, unsigned flags)
{
	struct verso_options options = {.size = sizeof(options),
		.pager = (enum verso_pager)pager,
		.flags = flags,
		.cache_bytes = 4 << 20};
	struct verso *db = NULL;

	API_OK(verso_open(path, &options, &db));
	return db;
}

static void commit_one(struct verso *db, unsigned i)
{
	char key[16];
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	(void)snprintf(key, sizeof(key), "k%u", i);
	api_put(txn, NULL, key, "v");
	API_OK(verso_commit(txn));
}

/* C commits, R begins to read, W to write, E ends both, X closes. */
static void do_as_told(struct other *o, char what)
{
	switch (what) {
	case 'C':
		for (unsigned i = 0; i < N_COMMITS; i++)
			commit_one(o->db, i);
		break;
	case 'R':
		o->reader = api_begin(o->db, VERSO_READ);
		break;
	case 'W':
		o->writer = api_begin(o->db, VERSO_WRITE);
		break;
	case 'E':
		verso_abort(o->reader);
		verso_abort(o->writer);
		break;
	case 'X':
		verso_close(o->db);
		break;
	}
}

static void tell(struct other *o, char what)
{
	ck_assert_int_eq(write(o->to, &what, 1), 1);
	ck_assert_int_eq(read(o->from, &what, 1), 1);
}

static void serve(struct other *o, int in, int out, int pager, unsigned flags)
{
	char what;

	o->db = open_box(pager, flags);
	while (write(out, "+", 1) == 1 && read(in, &what, 1) == 1)
		do_as_told(o, what);
	_exit(0);
}

static struct other start(int pager, unsigned flags)
{
	struct other o = {0};
	int to[2], from[2];
	char ready;

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	o.pid = fork();
	ck_assert_int_ge(o.pid, 0);
	if (o.pid == 0) {
		(void)close(to[1]);
		(void)close(from[0]);
		serve(&o, to[0], from[1], pager, flags);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	o.to = to[1];
	o.from = from[0];
	ck_assert_int_eq(read(o.from, &ready, 1), 1);
	return o;
}

static void kill_it(struct other *o)
{
	int status;

	ck_assert_int_eq(kill(o->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(o->pid, &status, 0), o->pid);
	(void)close(o->to);
	(void)close(o->from);
}

static void make(int pager)
{
	struct verso *db = open_box(pager, VERSO_CREATE);

	commit_one(db, 0);
	verso_close(db);
}

/* --- what is seen --------------------------------------------------------------------------- */

START_TEST(what_another_process_does_is_seen)
{
	struct other o;
	struct verso_watch w;

	make(_i);
	w = watch();
	ck_assert_int_eq(w.is_open, 0);
	ck_assert_int_eq(w.pager, -1);

	o = start(_i, 0);
	w = watch();
	ck_assert_int_eq(w.is_open, 1);
	ck_assert_int_eq(w.is_alone, 0);
	ck_assert_uint_eq(w.n_processes, 1);
	ck_assert_int_eq(w.pager, _i);
	ck_assert_uint_eq(w.n_commits, 0);
	ck_assert_uint_eq(w.n_readers, 0);
	ck_assert_uint_eq(w.writer_pid, 0);

	tell(&o, 'C');
	w = watch();
	ck_assert_uint_eq(w.n_commits, N_COMMITS);
	ck_assert_uint_gt(w.n_gets + w.n_peeks, 0);
	ck_assert_uint_ge(w.n_gets + w.n_peeks, w.n_misses);
	ck_assert_uint_eq(w.writer_pid, 0);
	ck_assert_uint_eq(w.reader_pid, 0);

	tell(&o, 'R');
	w = watch();
	ck_assert_uint_eq(w.n_readers, 1);
	ck_assert_uint_eq(w.reader_pid, (uint64_t)o.pid);
	ck_assert_uint_lt(w.reader_age_ms, 600000);
	ck_assert(w.reader_program[0] != '\0');

	tell(&o, 'W');
	w = watch();
	ck_assert_uint_eq(w.writer_pid, (uint64_t)o.pid);
	ck_assert_uint_lt(w.writer_age_ms, 600000);
	ck_assert_uint_lt(w.write_age_ms, 600000);

	tell(&o, 'E');
	w = watch();
	ck_assert_uint_eq(w.n_readers, 0);
	ck_assert_uint_eq(w.writer_pid, 0);
	ck_assert_uint_eq(w.write_age_ms, VERSO_UNKNOWN);
	kill_it(&o);
	ck_assert_int_eq(watch().is_open, 0);
}
END_TEST

START_TEST(the_age_of_a_reader_of_another_process_is_known)
{
	struct verso_space space = {.size = sizeof(space)};
	struct verso *db;
	struct other o;

	make(_i);
	o = start(_i, 0);
	tell(&o, 'R');
	db = open_box(_i, 0);
	while (space.reader_age_ms == 0) /* it is one millisecond soon */
		API_OK(verso_space(db, &space));
	ck_assert_uint_eq(space.reader_pid, (uint64_t)o.pid);
	ck_assert_uint_lt(space.reader_age_ms, 600000);
	verso_close(db);
	kill_it(&o);
}
END_TEST

START_TEST(a_writer_that_was_killed_has_no_turn_and_its_commits_stay_counted)
{
	struct other a, b;
	struct verso_watch w;

	make(_i);
	a = start(_i, 0);
	b = start(_i, 0);
	tell(&a, 'C');
	tell(&b, 'C');
	tell(&a, 'R');
	tell(&a, 'W');
	w = watch();
	ck_assert_uint_eq(w.n_processes, 2);
	ck_assert_uint_eq(w.n_commits, 2 * N_COMMITS);
	ck_assert_uint_eq(w.writer_pid, (uint64_t)a.pid);
	kill_it(&a);
	w = watch();
	ck_assert_uint_eq(w.n_processes, 1);
	ck_assert_uint_eq(w.n_readers, 0);
	ck_assert_uint_eq(w.writer_pid, 0);
	ck_assert_uint_eq(w.n_commits, 2 * N_COMMITS);

	tell(&b, 'W');
	ck_assert_uint_eq(watch().writer_pid, (uint64_t)b.pid);
	tell(&b, 'E');
	a = start(_i, 0); /* it takes the number of the one that died */
	ck_assert_uint_eq(watch().n_commits, 2 * N_COMMITS);
	tell(&a, 'C');
	tell(&a, 'X');
	w = watch();
	ck_assert_uint_eq(w.n_processes, 1);
	ck_assert_uint_eq(w.n_commits, 3 * N_COMMITS);
	kill_it(&a);
	kill_it(&b);
}
END_TEST

/* Relaxed commits count when they are made, not when they are flushed. */
START_TEST(relaxed_commits_are_seen_at_once)
{
	struct verso_options options = {.size = sizeof(options),
		.pager = (enum verso_pager)_i,
		.flags = VERSO_CREATE,
		.sync = VERSO_SYNC_RELAXED};
	struct verso *db = NULL;

	API_OK(verso_open(path, &options, &db));
	for (unsigned i = 0; i < 7; i++)
		commit_one(db, i);
	ck_assert_uint_eq(watch().n_commits, 7);
	verso_abort(api_begin(db, VERSO_WRITE)); /* it keeps the turn, for what waits for a flush */
	ck_assert_uint_eq(watch().writer_pid, (uint64_t)getpid());
	ck_assert_uint_eq(watch().write_age_ms, VERSO_UNKNOWN);
	verso_close(db);
}
END_TEST

START_TEST(who_has_it_alone_or_only_reads_is_named_as_such)
{
	struct other o;
	struct verso_watch w;

	make(_i);
	o = start(_i, VERSO_EXCLUSIVE);
	w = watch();
	ck_assert_int_eq(w.is_open, 1);
	ck_assert_int_eq(w.is_alone, 1);
	ck_assert_uint_eq(w.alone_pid, (uint64_t)o.pid);
	ck_assert_uint_eq(w.n_processes, 0);
	kill_it(&o);

	o = start(_i, VERSO_RDONLY);
	tell(&o, 'R');
	w = watch();
	ck_assert_int_eq(w.is_open, 1);
	ck_assert_int_eq(w.is_alone, 0);
	ck_assert_uint_eq(w.n_processes, 0);
	ck_assert_uint_eq(w.n_locked, 1);
	tell(&o, 'E');
	ck_assert_uint_eq(watch().n_locked, 0);
	kill_it(&o);
}
END_TEST

/* Through the other ways to name it; and from the process that has it open itself. */
START_TEST(links_and_handles_of_ones_own_make_no_difference)
{
	char link[CHECK_PATH_BYTES + 8];
	struct verso_watch w = {.size = sizeof(w)};
	struct verso *db;
	struct verso_txn *txn;

	make(_i);
	(void)snprintf(link, sizeof(link), "%s-link", path);
	ck_assert_int_eq(symlink(path, link), 0);
	db = open_box(_i, 0);
	txn = api_begin(db, VERSO_WRITE);
	API_OK(verso_watch(link, &w));
	ck_assert_uint_eq(w.n_processes, 1);
	ck_assert_uint_eq(w.writer_pid, (uint64_t)getpid());
	verso_abort(txn);
	commit_one(db, 1); /* the looks took no lock away */
	verso_close(db);
}
END_TEST

/* --- what may stand in the file ------------------------------------------------------------- */

static bool is_name(const char *name)
{
	for (unsigned i = 0; i < 32; i++) {
		if (name[i] == '\0')
			return true;
		if (name[i] < ' ' || name[i] > '~')
			return false;
	}
	return false;
}

static bool is_age(uint64_t age_ms)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return age_ms == VERSO_UNKNOWN || age_ms <= (uint64_t)now.tv_sec * 1000 + 1000;
}

/* Some bytes of the board become others. */
static void forge(int fd, struct other *o, uint64_t *seed)
{
	static const uint8_t extremes[] = {0x00, 0xff, 0x80, 0x01};
	uint8_t bytes[4096];
	size_t len = 1 + check_random(seed) % sizeof(bytes);
	off_t at = (off_t)(SIDE_BOARD_OFF + 4 + check_random(seed) % (sizeof(struct board) - 4));
	bool is_mixed = check_random(seed) % 2;

	memset(bytes, extremes[check_random(seed) % 4], sizeof(bytes));
	for (size_t i = 0; is_mixed && i < len; i++)
		bytes[i] = (uint8_t)check_random(seed);
	if (at + (off_t)len > (off_t)SIDE_BYTES)
		len = (size_t)((off_t)SIDE_BYTES - at);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	ck_assert_int_eq(kill(o->pid, 0), 0);
}

START_TEST(whatever_stands_on_the_board_is_judged)
{
	uint64_t seed = check_seed();
	struct other o;
	int fd;

	make(_i);
	o = start(_i, 0);
	tell(&o, 'R');
	tell(&o, 'W');
	ck_assert_int_eq(kill(o.pid, SIGSTOP), 0); /* it must not stumble over that itself */
	fd = open(side, O_RDWR);
	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < N_FORGED; i++) {
		struct verso_watch w;

		forge(fd, &o, &seed);
		w = watch();
		ck_assert(w.pager >= -1 && w.pager < API_PAGERS);
		ck_assert_uint_le(w.n_processes, 1);
		ck_assert_uint_le(w.n_readers, 1024);
		ck_assert(is_name(w.reader_program) && is_name(w.writer_program));
		ck_assert(is_age(w.reader_age_ms) && is_age(w.writer_age_ms));
		ck_assert(is_age(w.write_age_ms));
	}
	ck_assert_int_eq(close(fd), 0);
	kill_it(&o);
}
END_TEST

START_TEST(a_board_of_another_version_is_refused)
{
	struct verso_watch w = {.size = sizeof(w)};
	uint32_t format = 77;
	struct other o;
	int fd;

	make(_i);
	o = start(_i, 0);
	fd = open(side, O_RDWR);
	ck_assert_int_eq(pwrite(fd, &format, sizeof(format), SIDE_BOARD_OFF), sizeof(format));
	API_SAYS(verso_watch(path, &w), VERSO_EVERSION, "another version");
	ck_assert_int_eq(ftruncate(fd, SIDE_BOARD_OFF + 64), 0);
	API_SAYS(verso_watch(path, &w), VERSO_EVERSION, "another version");
	ck_assert_int_eq(close(fd), 0);
	kill_it(&o);
}
END_TEST

START_TEST(what_cannot_be_watched_is_an_error)
{
	struct verso_watch w = {.size = sizeof(w)}, none = {0};
	struct verso_watch small = {.size = offsetof(struct verso_watch, is_alone), .is_alone = 9};
	int fd;

	API_SAYS(verso_watch(path, &w), -ENOENT, path);
	API_IS(verso_watch(NULL, &w), VERSO_EMISUSE);
	API_IS(verso_watch("", &w), VERSO_EMISUSE);
	API_IS(verso_watch(path, NULL), VERSO_EMISUSE);
	API_IS(verso_watch(path, &none), VERSO_EMISUSE);
	fd = open(path, O_RDWR | O_CREAT, 0666);
	ck_assert_int_eq(write(fd, "no database at all", 18), 18);
	API_SAYS(verso_watch(path, &w), VERSO_ENOTDB, path);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(unlink(path), 0);
	make(_i);
	API_OK(verso_watch(path, &small));
	ck_assert_int_eq(small.is_alone, 9); /* an older program's struct ends before it */
	ck_assert_uint_eq(small.size, offsetof(struct verso_watch, is_alone));
	ck_assert_int_eq(unlink(side), 0);
	ck_assert_int_eq(watch().is_open, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_watch");
	TCase *tc = tcase_create("watch");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, what_another_process_does_is_seen, 0, API_PAGERS);
	tcase_add_loop_test(tc, the_age_of_a_reader_of_another_process_is_known, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_writer_that_was_killed_has_no_turn_and_its_commits_stay_counted,
		0, API_PAGERS);
	tcase_add_loop_test(tc, relaxed_commits_are_seen_at_once, 0, API_PAGERS);
	tcase_add_loop_test(tc, who_has_it_alone_or_only_reads_is_named_as_such, 0, API_PAGERS);
	tcase_add_loop_test(tc, links_and_handles_of_ones_own_make_no_difference, 0, API_PAGERS);
	tcase_add_loop_test(tc, whatever_stands_on_the_board_is_judged, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_board_of_another_version_is_refused, 0, API_PAGERS);
	tcase_add_loop_test(tc, what_cannot_be_watched_is_an_error, 0, API_PAGERS);
	return check_main(s);
}
