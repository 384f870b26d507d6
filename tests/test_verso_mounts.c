/* SPDX-License-Identifier: MIT */
/* Databases on file systems that are mounted for the test, and that only its process sees. */
#include "tests/api.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char path[CHECK_PATH_BYTES];

/* Runs the commands in the scratch folder, where there is a folder `disk`. False: skipped. */
static bool mounted(const char *commands, const char *what)
{
	char folder[CHECK_PATH_BYTES], command[2 * CHECK_PATH_BYTES];

	check_path(folder, "");
	(void)snprintf(command, sizeof(command),
		"exec >/dev/null 2>&1; PATH=$PATH:/sbin:/usr/sbin; cd %s && mkdir -p disk && %s",
		folder, commands);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		system(command) != 0) {
		check_skip("no right to mount, or no tools for: %s", what);
		return false;
	}
	return true;
}

START_TEST(a_database_is_read_on_a_squashfs)
{
	struct verso_txn *txn;
	struct verso *db;

	check_path(path, "box");
	API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
	api_fill(db, 100, 20);
	txn = api_begin(db, VERSO_WRITE);
	api_put(txn, NULL, "moon", "1737");
	API_OK(verso_commit(txn));
	verso_close(db);
	if (!mounted("mksquashfs box image -quiet && mount -t squashfs -o loop image disk",
		    "squashfs (squashfs-tools)"))
		return;
	check_path(path, "disk/box");
	API_SAYS(api_try_open(_i, path, 0, &db), -EROFS, "open it read-only");
	API_OK(api_try_open(_i, path, VERSO_RDONLY, &db));
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "moon", "1737"));
	verso_abort(txn);
	api_check(db);
	verso_close(db);
}
END_TEST

/* --- a full disk on which a store takes a block --- */

static int fill_disk(const char *folder)
{
	static char bytes[1 << 20];
	char name[CHECK_PATH_BYTES + 8];
	size_t len_bytes = sizeof(bytes);
	int fd;

	memset(bytes, 'f', sizeof(bytes));
	(void)snprintf(name, sizeof(name), "%s/junk", folder);
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (len_bytes >= 512) {
		if (write(fd, bytes, len_bytes) < 0 || fsync(fd) < 0)
			len_bytes /= 2;
	}
	return fd;
}

struct blocked {
	struct verso *db;
	int fd;                     /* of its file system */
	unsigned n_ends, n_refused; /* for want of room */
	bool blocks_still;
};

/* With all signals blocked, as threads of servers have them. */
static void *use_blocked(void *arg)
{
	struct blocked *b = arg;
	sigset_t all, now;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (unsigned i = 0; i < 60; i++) {
		struct verso_txn *txn;
		int rc;

		(void)syncfs(b->fd); /* from now on a store into the board takes a block */
		rc = verso_begin(b->db, i % 3 ? VERSO_READ : VERSO_WRITE, &txn);
		if (rc == 0 && i % 3 == 0 &&
			verso_put(txn, NULL, api_val("k"), api_val("w"), 0) == 0)
			rc = verso_commit(txn);
		else if (rc == 0)
			verso_abort(txn);
		b->n_refused += rc == -ENOSPC;
		b->n_ends++;
	}
	(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
	b->blocks_still = sigismember(&now, SIGBUS) == 1;
	return NULL;
}

START_TEST(a_full_disk_that_moves_blocks_kills_no_thread)
{
	char folder[CHECK_PATH_BYTES];
	struct blocked b = {0};
	pthread_t thread;

	if (!mounted("truncate -s 128M image && mkfs.btrfs -qf image && mount -o loop image disk",
		    "Btrfs (btrfs-progs)"))
		return;
	check_path(folder, "disk");
	check_path(path, "disk/box");
	API_OK(api_try_open(_i, path, VERSO_CREATE, &b.db));
	api_fill(b.db, 100, 20);
	b.fd = fill_disk(folder);
	ck_assert_int_eq(pthread_create(&thread, NULL, use_blocked, &b), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(b.n_ends, 60);
	ck_assert_uint_gt(b.n_refused, 0); /* the disk is full indeed */
	ck_assert(b.blocks_still);
	ck_assert_int_eq(ftruncate(b.fd, 0), 0);
	verso_close(b.db);
	API_OK(api_try_open(_i, path, 0, &b.db));
	api_check(b.db);
	verso_close(b.db);
	(void)close(b.fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_mounts");
	TCase *tc = tcase_create("mounts");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_database_is_read_on_a_squashfs, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_full_disk_that_moves_blocks_kills_no_thread, 0, API_PAGERS);
	return check_main(s);
}
