/* SPDX-License-Identifier: MIT */
/*
 * The side file DB-lock: whose files it spares, whom it names, and what goes on without it.
 */
#include "db/side.h"
#include "tests/api.h"
#include "tests/sim/simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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

static struct verso_options options(int pager, unsigned flags)
{
	return (struct verso_options){
		.size = sizeof(struct verso_options),
		.pager = (enum verso_pager)pager,
		.flags = flags,
		.cache_bytes = 4 << 20,
	};
}

static void make(int pager)
{
	struct verso *db = api_must_open(pager, path, VERSO_CREATE);

	api_fill(db, 10, 10);
	verso_close(db);
}

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

static void file_is(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_RDONLY);
	char *found = check_alloc(len + 1);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, found, len + 1), (ssize_t)len);
	ck_assert_mem_eq(found, bytes, len);
	ck_assert_int_eq(close(fd), 0);
}

/* --- whose files ---------------------------------------------------------------------------- */

START_TEST(a_users_file_of_that_name_is_left_alone)
{
	static const size_t sizes[] = {1, 7, 8, 512, 567, 568, 569, 4096, 70000, 200000};
	char *text = check_alloc(200000);
	struct verso *db;

	for (int kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			/* Text; zeros with something in their middle and behind them. */
			memset(text, kind ? 0 : 'x', 200000);
			text[sizes[i] / 2] = text[sizes[i] - 1] = 'x';
			write_file(side, text, sizes[i]);
			API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), -EEXIST, "in the way");
			API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), -EEXIST, side);
			file_is(side, text, sizes[i]);
			ck_assert_int_lt(access(path, F_OK), 0);
		}
	}
	ck_assert_int_eq(unlink(side), 0);
	ck_assert_int_eq(mkdir(side, 0700), 0);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), -EEXIST, "in the way");
	ck_assert_int_eq(rmdir(side), 0);
	make(_i);
}
END_TEST

START_TEST(what_a_link_of_that_name_points_to_is_left_alone)
{
	char precious[CHECK_PATH_BYTES];
	struct verso *db;

	make(_i);
	ck_assert_int_eq(unlink(side), 0);
	write_file(api_path(precious, "precious"), "", 0);
	ck_assert_int_eq(symlink(precious, side), 0);
	API_SAYS(api_try_open(_i, path, 0, &db), -EEXIST, "in the way");
	verso_close(api_must_open(_i, path,
		VERSO_RDONLY)); /* which needs nothing beside the file */
	file_is(precious, "", 0);
	ck_assert_int_eq(unlink(precious), 0);
	API_SAYS(api_try_open(_i, path, 0, &db), -EEXIST, "in the way");
	ck_assert_int_lt(access(precious, F_OK), 0);
}
END_TEST

START_TEST(an_open_database_of_that_name_is_left_alone)
{
	struct verso *other = api_must_open(_i, side, VERSO_CREATE), *db;
	struct verso_txn *txn;

	api_fill(other, 10, 10);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), -EEXIST, "in the way");
	verso_close(other);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), -EEXIST, "in the way");
	other = api_must_open(_i, side, 0);
	txn = api_begin(other, VERSO_READ);
	ck_assert(api_has(txn, NULL, "key000009", "jjjjjjjjjj"));
	verso_abort(txn);
	verso_close(other);
}
END_TEST

START_TEST(a_side_file_does_not_become_a_database)
{
	struct verso *db, *other;

	make(_i);
	API_IS(api_try_open(_i, side, VERSO_CREATE, &other), VERSO_ENOTDB);
	db = api_must_open(_i, path, 0);
	API_IS(api_try_open(_i, side, VERSO_CREATE, &other), VERSO_ENOTDB);
	verso_close(db);
}
END_TEST

START_TEST(what_is_left_of_a_side_file_is_used_again)
{
	static const size_t sizes[] = {0, 568, 86016, SIDE_BYTES, 70000};
	char *bytes = check_alloc(SIDE_BYTES), *found = check_alloc(12);

	make(_i);
	for (int kind = 0; kind < 3; kind++) {
		/* Zeros; of version 1; cut short by a power cut that left garbage. */
		memcpy(bytes, kind == 1 ? "VersoLk\n\1" : "garbage!", kind ? 9 : 0);
		for (size_t i = 0; i < (kind < 2 ? 4 : 3); i++) {
			int fd;

			write_file(side, bytes, sizes[i]);
			verso_close(api_must_open(_i, path, 0));
			fd = open(side, O_RDONLY);
			ck_assert_int_eq(read(fd, found, 12), 12);
			ck_assert_int_eq(close(fd), 0);
			ck_assert_mem_eq(found, "VersoLk\n\3\0\0\0", 12);
		}
	}
}
END_TEST

/* --- who has it ------------------------------------------------------------------------------ */

/* A process that has the database open until it is killed. */
static pid_t open_in_child(int pager, unsigned flags, char *words, size_t len_bytes)
{
	struct verso *db;
	int fds[2];
	pid_t child;
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		int rc = api_try_open(pager, path, flags, &db);

		(void)!write(fds[1], rc == 0 ? "o" : "-", 1);
		(void)pause();
		_exit(rc);
	}
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert_int_eq(c, 'o');
	(void)snprintf(words, len_bytes, "by process %d (test_verso_side) since 20", (int)child);
	return child;
}

static void end_child(pid_t child)
{
	int status;

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
}

/* Others hold what it needs until they end: there is nothing to wait for. */
static int open_in_vain(int pager, unsigned flags)
{
	struct verso_options o = options(pager, flags);
	struct verso *db;

	o.busy_timeout_ms = 1;
	return verso_open(path, &o, &db);
}

START_TEST(the_text_of_ebusy_names_the_process)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	char words[80];
	pid_t child;

	API_SAYS(api_try_open(_i, path, VERSO_EXCLUSIVE, &other), VERSO_EBUSY,
		"another handle of this process");
	verso_close(db);
	child = open_in_child(_i, 0, words, sizeof(words));
	API_SAYS(open_in_vain(_i, VERSO_EXCLUSIVE), VERSO_EBUSY, words);
	end_child(child);
	child = open_in_child(_i, VERSO_EXCLUSIVE, words, sizeof(words));
	API_SAYS(open_in_vain(_i, 0), VERSO_EBUSY, words);
	API_SAYS(open_in_vain(_i, VERSO_RDONLY), VERSO_EBUSY, words);
	API_SAYS(open_in_vain(_i, VERSO_EXCLUSIVE), VERSO_EBUSY, words);
	end_child(child);
	child = open_in_child(_i, VERSO_RDONLY, words, sizeof(words));
	API_SAYS(open_in_vain(_i, VERSO_EXCLUSIVE), VERSO_EBUSY, "is not known");
	verso_close(api_must_open(_i, path, 0));
	end_child(child);
	verso_close(api_must_open(_i, path, VERSO_EXCLUSIVE));
}
END_TEST

START_TEST(a_closed_database_has_a_record_of_nobody)
{
	char bytes[SIDE_BYTES + 1];
	int fd;

	make(_i);
	verso_close(api_must_open(_i, path, VERSO_EXCLUSIVE));
	fd = open(side, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, bytes, sizeof(bytes)), SIDE_BYTES);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_mem_eq(bytes, "VersoLk\n\3\0\0\0", 12);
	ck_assert_mem_eq(bytes + 512, "\0\0\0\0\0\0\0\0", 8);
}
END_TEST

/* An io in which others' locks are waited for without time. */
static struct {
	struct verso *held; /* closed at the third pause; NULL: held for ever */
	uint64_t now_ns;
	unsigned n_pauses;
	int side_rc;
} stage;

static uint64_t stage_now_ns(struct io *io)
{
	(void)io;
	return stage.now_ns;
}

static void stage_pause_ns(struct io *io, uint64_t wait_ns)
{
	(void)io;
	stage.now_ns += wait_ns;
	if (++stage.n_pauses == 3)
		verso_close(stage.held);
}

static int stage_open(struct io *io, const char *name, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	size_t len = strlen(name);

	(void)io;
	if (stage.side_rc < 0 && strcmp(name + len - 5, "-lock") == 0)
		return stage.side_rc;
	return io_open(io_kernel(), name, flags, mode, ret_file);
}

static int open_on_stage(int pager, unsigned flags, struct verso **ret_db)
{
	static struct io_ops ops;
	static struct io io = {&ops};
	struct db_hooks hooks = {.io = &io};
	struct verso_options o = options(pager, flags);

	ops = *io_kernel()->ops;
	ops.open = stage_open;
	ops.now_ns = stage_now_ns;
	ops.pause_ns = stage_pause_ns;
	return db_open_with(&hooks, path, &o, ret_db);
}

START_TEST(an_opening_waits_a_second_for_the_lock)
{
	struct verso *db;

	stage.held = api_must_open(_i, path, VERSO_CREATE);
	API_OK(open_on_stage(_i, 0, &db));
	ck_assert_uint_eq(stage.n_pauses, 3);
	ck_assert_uint_lt(stage.now_ns, 1000000000);
	verso_close(db);
	/* On another io than the stage's: as another process. */
	db = api_must_open(_i, path, 0);
	stage.held = NULL;
	stage.n_pauses = 3;
	stage.now_ns = 0;
	API_IS(open_on_stage(_i, 0, &stage.held), VERSO_EBUSY);
	ck_assert_uint_ge(stage.now_ns, 1000000000);
	ck_assert_uint_lt(stage.now_ns, 1200000000);
	ck_assert_uint_lt(stage.n_pauses, 40);
	verso_close(db);
}
END_TEST

START_TEST(an_opening_does_not_wait_for_its_own_process)
{
	struct verso *db, *other;

	make(_i);
	API_OK(open_on_stage(_i, 0, &db));
	API_SAYS(open_on_stage(_i, 0, &other), VERSO_EBUSY, "another handle of this process");
	API_SAYS(open_on_stage(_i, VERSO_RDONLY, &other), VERSO_EBUSY, "another handle of this");
	ck_assert_uint_eq(stage.n_pauses, 0);
	verso_close(db);
	API_OK(open_on_stage(_i, 0, &db));
	verso_close(db);
}
END_TEST

/* The name alone says nothing: what the old handle has open may be gone from there. */
START_TEST(another_file_of_the_same_name_is_opened)
{
	struct verso *db, *other;

	make(_i);
	db = api_must_open(_i, path, 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(unlink(side), 0);
	other = api_must_open(_i, path, VERSO_CREATE);
	verso_close(db);
	api_fill(other, 10, 10);
	verso_close(other);
}
END_TEST

/* --- without it ------------------------------------------------------------------------------ */

START_TEST(a_database_is_opened_without_a_side_file_that_cannot_be_had)
{
	static const int codes[] = {-EROFS, -EACCES, -EPERM, -ENOSPC, -EDQUOT, -ENAMETOOLONG};
	struct verso *db, *other;

	make(_i);
	stage.n_pauses = 3;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		stage.side_rc = codes[i];
		API_OK(open_on_stage(_i, 0, &db));
		api_fill(db, 20, 10);
		/* The file's own lock keeps everybody away, with a side file or without. */
		API_SAYS(open_on_stage(_i, 0, &other), VERSO_EBUSY, "is not known");
		API_SAYS(open_on_stage(_i, VERSO_RDONLY, &other), VERSO_EBUSY, "is not known");
		stage.side_rc = 0;
		API_SAYS(open_on_stage(_i, 0, &other), VERSO_EBUSY, "is not known");
		stage.side_rc = codes[i];
		verso_close(db);
		API_OK(open_on_stage(_i, VERSO_RDONLY, &db));
		API_OK(open_on_stage(_i, VERSO_RDONLY,
			&other)); /* readers do not disturb each other */
		API_IS(open_on_stage(_i, 0, &(struct verso *){NULL}), VERSO_EBUSY);
		api_check(db);
		verso_close(other);
		verso_close(db);
	}
	stage.side_rc = -EIO;
	API_IS(open_on_stage(_i, 0, &db), -EIO);
}
END_TEST

START_TEST(a_full_disk_is_no_reason_not_to_read)
{
	struct simdisk_options so = {.space_bytes = 4 << 20};
	struct simdisk *disk = simdisk_new(&so);
	struct db_hooks hooks = {.io = simdisk_io(disk)};
	struct verso_options o = options(_i, VERSO_CREATE);
	struct file *junk;
	struct verso *db;
	uint64_t n = 0;

	API_OK(db_open_with(&hooks, "db", &o, &db));
	api_fill(db, 10, 10);
	verso_close(db);
	API_OK(io_unlink(hooks.io, "db-lock"));
	API_OK(io_open(hooks.io, "junk", FILE_CREATE, 0600, &junk));
	while (file_allocate(junk, 0, n + 512) == 0)
		n += 512;
	for (unsigned i = 0; i < 4; i++) {
		o.flags = i % 2 ? VERSO_RDONLY : 0;
		hooks.shared = i / 2;
		API_OK(db_open_with(&hooks, "db", &o, &db));
		ck_assert_str_eq(verso_errmsg(NULL), "");
		api_check(db);
		verso_close(db);
	}
	file_close(junk);
	simdisk_free(disk);
}
END_TEST

/* --- owners ---------------------------------------------------------------------------------- */

START_TEST(a_side_file_belongs_to_the_databases_owner)
{
	struct stat st;

	make(_i);
	ck_assert_int_eq(unlink(side), 0);
	ck_assert_int_eq(chmod(path, 0660), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 1234, 5678), 0);
	verso_close(api_must_open(_i, path, VERSO_RDONLY));
	ck_assert_int_lt(stat(side, &st), 0);
	verso_close(api_must_open(_i, path, 0));
	ck_assert_int_eq(stat(side, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	if (geteuid() == 0)
		ck_assert(st.st_uid == 1234 && st.st_gid == 5678);
}
END_TEST

/* As a user without rights, who may enter the folder and no more. */
static int use_as_nobody(int pager)
{
	struct verso_options o = options(pager, 0);
	struct verso_txn *txn;
	struct verso *db;

	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	o.flags = VERSO_RDONLY;
	if (verso_open(path, &o, &db) != 0)
		return 2;
	if (verso_check(db, 0, NULL, NULL) != 0)
		return 3;
	verso_close(db);
	o.flags = 0;
	if (verso_open(path, &o, &db) != 0 || verso_begin(db, VERSO_WRITE, &txn) != 0)
		return 4;
	if (verso_put(txn, NULL, api_val("k"), api_val("v"), 0) != 0 || verso_commit(txn) != 0)
		return 5;
	verso_close(db);
	return 0;
}

/* The scratch folder of the tests may lie in one that others cannot enter. */
static bool in_open_folder(void)
{
	char folder[] = "/tmp/verso-side-XXXXXX";

	if (geteuid() != 0) {
		check_skip("only root can become another user");
		return false;
	}
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/box", folder);
	(void)snprintf(side, sizeof(side), "%s/box-lock", folder);
	return true;
}

static void leave_open_folder(void)
{
	(void)unlink(side);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
}

static int as_nobody(int pager)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(use_as_nobody(pager));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_folder_that_cannot_be_written_is_used)
{
	int mode, answer;

	if (!in_open_folder())
		return;
	/* With roots side file, which no other user may read; then without. */
	for (int has_side = 1; has_side >= 0; has_side--) {
		make(_i);
		ck_assert_int_eq(has_side ? chmod(side, 0600) : unlink(side), 0);
		ck_assert_int_eq(chmod(path, 0666), 0);
		for (mode = 0555; mode >= 0511; mode -= 044) { /* listed; entered only */
			*strrchr(path, '/') = '\0';
			ck_assert_int_eq(chmod(path, (mode_t)mode), 0);
			path[strlen(path)] = '/';
			answer = as_nobody(_i);
			ck_assert_int_eq(answer, 0);
		}
	}
	leave_open_folder();
}
END_TEST

static int use_read_only_system(int pager)
{
	struct verso *db;

	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	*strrchr(path, '/') = '\0';
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 ||
		mount(path, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 77;
	path[strlen(path)] = '/';
	if (api_try_open(pager, path, 0, &db) != -EROFS || !strstr(verso_errmsg(NULL), "read-only"))
		return 1;
	if (api_try_open(pager, path, VERSO_RDONLY, &db) != 0)
		return 2;
	if (verso_check(db, 0, NULL, NULL) != 0)
		return 3;
	verso_close(db);
	return 0;
}

START_TEST(a_read_only_file_system_is_read)
{
	pid_t child;
	int status;

	make(_i);
	for (int has_side = 1; has_side >= 0; has_side--) {
		if (!has_side)
			ck_assert_int_eq(unlink(side), 0);
		child = fork();
		if (child == 0)
			_exit(use_read_only_system(_i));
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77) {
			check_skip("no mount can be made here");
			return;
		}
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_side");
	TCase *tc = tcase_create("side");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, a_users_file_of_that_name_is_left_alone, 0, API_PAGERS);
	tcase_add_loop_test(tc, what_a_link_of_that_name_points_to_is_left_alone, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_open_database_of_that_name_is_left_alone, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_side_file_does_not_become_a_database, 0, API_PAGERS);
	tcase_add_loop_test(tc, what_is_left_of_a_side_file_is_used_again, 0, API_PAGERS);
	tcase_add_loop_test(tc, the_text_of_ebusy_names_the_process, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_closed_database_has_a_record_of_nobody, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_opening_waits_a_second_for_the_lock, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_opening_does_not_wait_for_its_own_process, 0, API_PAGERS);
	tcase_add_loop_test(tc, another_file_of_the_same_name_is_opened, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_database_is_opened_without_a_side_file_that_cannot_be_had, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, a_full_disk_is_no_reason_not_to_read, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_side_file_belongs_to_the_databases_owner, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_folder_that_cannot_be_written_is_used, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_read_only_file_system_is_read, 0, API_PAGERS);
	return check_main(s);
}
