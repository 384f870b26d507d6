/* SPDX-License-Identifier: MIT */
/*
 * Making a database: in which files, under which names, and what is left when it is cut short.
 */
#include "db/db_int.h"
#include "tests/api.h"
#include "tests/sim/faultio.h"
#include "tests/sim/faultplan.h"
#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_open_on(struct io *io, int pager, unsigned flags, struct verso **ret_db)
{
	struct db_hooks hooks = {.io = io};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.flags = flags,
		.page_size = 512,
		.cache_bytes = 1 << 20};

	return db_open_with(&hooks, "db", &o, ret_db);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

static int put_one(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	api_put(txn, NULL, "k", "v");
	return verso_commit(txn);
}

static void has_one(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);

	ck_assert(api_has(txn, NULL, "k", "v"));
	verso_abort(txn);
	api_check(db);
}

/* --- which file ------------------------------------------------------------------------------ */

START_TEST(an_empty_file_that_was_prepared_stays_the_same_file)
{
	char path[CHECK_PATH_BYTES];
	struct stat before, after;
	struct verso *db;

	write_file(api_path(path, "a"), "", 0);
	ck_assert_int_eq(chmod(path, 0640), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 1234, 5678), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	API_IS(api_try_open(_i, path, 0, &db), VERSO_ENOTDB);
	API_IS(api_try_open(_i, path, VERSO_CREATE | VERSO_EXCL, &db), -EEXIST);
	API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
	API_OK(put_one(db));
	verso_close(db);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	ck_assert_uint_eq(after.st_mode, before.st_mode);
	ck_assert(after.st_uid == before.st_uid && after.st_gid == before.st_gid);
}
END_TEST

START_TEST(zeros_are_empty_up_to_what_a_creation_leaves)
{
	static const size_t sizes[] = {1, 511, 512, 4096, 100000, 1 << 20, (1 << 20) + 1};
	char path[CHECK_PATH_BYTES], *bytes = check_alloc((1 << 20) + 1);
	struct verso *db;

	api_path(path, "a");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_file(path, bytes, sizes[i]);
		API_IS(api_try_open(_i, path, 0, &db), VERSO_ENOTDB);
		API_IS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_ENOTDB);
		if (sizes[i] > 1 << 20) {
			API_IS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB);
			continue;
		}
		API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
		API_OK(put_one(db));
		verso_close(db);
		bytes[sizes[i] - 1] = 'x';
		write_file(path, bytes, sizes[i]);
		API_IS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB);
		bytes[sizes[i] - 1] = 0;
	}
}
END_TEST

/* Sizes of a new database, and where its first meta is written. */
static const struct {
	size_t size, slot;
} new_files[] = {
	{64 << 10, 4 << 10},
	{128 << 10, 8 << 10},
	{256 << 10, 16 << 10},
	{512 << 10, 32 << 10},
	{1 << 20, 64 << 10},
};

START_TEST(a_file_that_begins_with_anything_is_not_empty)
{
	char path[CHECK_PATH_BYTES];
	uint64_t seed = check_seed();
	struct verso *db;

	api_path(path, "a");
	for (size_t i = 0; i < sizeof(new_files) / sizeof(new_files[0]); i++) {
		size_t size = new_files[i].size;
		uint8_t *bytes = check_alloc(size), *after = check_alloc(size);
		FILE *f;

		for (size_t at = 0; at < 512; at++)
			bytes[at] = (uint8_t)(check_random(&seed) >> 16) | 1;
		write_file(path, bytes, size);
		API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB,
			"not a Verso database");
		f = fopen(path, "rb");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(fread(after, 1, size, f), size);
		ck_assert_int_eq(fgetc(f), EOF);
		(void)fclose(f);
		ck_assert_mem_eq(bytes, after, size);
		/* Behind zeros, where a creation may have been cut short, and only there. */
		memcpy(bytes + new_files[i].slot, bytes, 512);
		memset(bytes, 0, 512);
		bytes[new_files[i].slot + 512] = 1;
		write_file(path, bytes, size);
		API_IS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB);
		bytes[new_files[i].slot + 512] = 0;
		write_file(path, bytes, size);
		API_IS(api_try_open(_i, path, 0, &db), VERSO_ENOTDB);
		API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
		API_OK(put_one(db));
		verso_close(db);
	}
}
END_TEST

/* --- which name ------------------------------------------------------------------------------ */

START_TEST(a_link_to_nothing_makes_its_target)
{
	char link[CHECK_PATH_BYTES], second[CHECK_PATH_BYTES], target[CHECK_PATH_BYTES];
	struct verso *db, *other;
	struct stat st;

	api_path(target, "target");
	api_path(link, "link");
	ck_assert_int_eq(symlink(strrchr(target, '/') + 1, link), 0); /* a relative one */
	ck_assert_int_eq(symlink(link, api_path(second, "second")), 0);
	API_IS(api_try_open(_i, second, 0, &db), -ENOENT);
	API_OK(api_try_open(_i, second, VERSO_CREATE, &db));
	ck_assert_int_eq(lstat(link, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(lstat(target, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	API_OK(put_one(db));
	API_SAYS(api_try_open(_i, target, VERSO_CREATE | VERSO_EXCLUSIVE, &other), VERSO_EBUSY,
		"another handle");
	verso_close(db);
	API_OK(api_try_open(_i, target, 0, &db));
	has_one(db);
	verso_close(db);
}
END_TEST

START_TEST(a_link_to_itself_is_answered)
{
	char link[CHECK_PATH_BYTES];
	struct verso *db;

	ck_assert_int_eq(symlink(api_path(link, "loop"), link), 0);
	API_IS(api_try_open(_i, link, VERSO_CREATE, &db), -ELOOP);
}
END_TEST

START_TEST(no_other_name_is_used_or_left)
{
	char path[CHECK_PATH_BYTES], fresh[CHECK_PATH_BYTES + 16];
	struct verso *db, *other;

	(void)snprintf(fresh, sizeof(fresh), "%s-verso-new", api_path(path, "a"));
	API_OK(api_try_open(_i, fresh, VERSO_CREATE, &other));
	API_OK(put_one(other));
	API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
	verso_close(db);
	verso_close(other);
	API_OK(api_try_open(_i, fresh, 0, &other));
	has_one(other);
	verso_close(other);
}
END_TEST

/* --- durable names --------------------------------------------------------------------------- */

static int no_sync_dir(void *arg, const struct sim_call *call)
{
	(void)arg;
	return call->kind == SIM_CALL_SYNC_DIR ? -EIO : 0;
}

/* What a power cut leaves that takes whatever is not durable. */
static struct simdisk *cut_power(struct simdisk *d, struct simwalk **ret_walk)
{
	*ret_walk = simwalk_new(d);
	simwalk_to(*ret_walk, simdisk_events(d));
	return simwalk_image(*ret_walk, (struct sim_choice){SIM_LOST, 0}, false, NULL);
}

START_TEST(an_acknowledged_commit_has_a_durable_name)
{
	/* Its maker dies, or fails, between the database and the flush of its folder. */
	for (int dies = 0; dies < 2; dies++) {
		struct simdisk *d = simdisk_new(NULL), *image;
		struct simwalk *walk;
		struct verso *db;

		simdisk_set_fault(d, no_sync_dir, NULL);
		API_IS(try_open_on(simdisk_io(d), _i, VERSO_CREATE, &db), -EIO);
		if (dies)
			simdisk_kill(d);
		simdisk_set_fault(d, NULL, NULL);
		API_OK(try_open_on(simdisk_io(d), _i, 0, &db));
		API_OK(put_one(db));
		image = cut_power(d, &walk);
		verso_close(db);
		API_OK(try_open_on(simdisk_io(image), _i, 0, &db));
		has_one(db);
		verso_close(db);
		simwalk_free(walk);
		simdisk_free(d);
	}
}
END_TEST

START_TEST(a_folder_that_cannot_be_flushed_keeps_commits_away)
{
	struct simdisk *d = simdisk_new(NULL);
	struct verso_txn *txn;
	struct verso *db;
	uint64_t n;

	API_OK(try_open_on(simdisk_io(d), _i, VERSO_CREATE, &db));
	n = simdisk_calls(d, SIM_CALL_SYNC_DIR);
	API_OK(put_one(db));
	ck_assert_uint_eq(simdisk_calls(d, SIM_CALL_SYNC_DIR), n); /* its maker knows */
	verso_close(db);
	API_OK(try_open_on(simdisk_io(d), _i, 0, &db));
	simdisk_set_fault(d, no_sync_dir, NULL);
	API_IS(put_one(db), -EIO);
	n = simdisk_calls(d, SIM_CALL_SYNC_DIR);
	simdisk_set_fault(d, NULL, NULL);
	API_SAYS(put_one(db), -EIO, "could not be flushed");
	ck_assert_uint_eq(simdisk_calls(d, SIM_CALL_SYNC_DIR), n); /* not asked again */
	txn = api_begin(db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "k", "v"));
	verso_abort(txn);
	verso_close(db);
	API_OK(try_open_on(simdisk_io(d), _i, 0, &db));
	API_OK(put_one(db));
	API_OK(put_one(db));
	ck_assert_uint_eq(simdisk_calls(d, SIM_CALL_SYNC_DIR), n + 1);
	verso_close(db);
	simdisk_free(d);
}
END_TEST

/* --- cut short ------------------------------------------------------------------------------- */

static void made_again(struct simdisk *image, int pager)
{
	struct verso *db;
	int rc = try_open_on(simdisk_io(image), pager, 0, &db);

	if (rc == 0)
		verso_close(db);
	else
		ck_assert_msg(rc == -ENOENT || rc == VERSO_ENOTDB, "%d: %s", rc,
			verso_errmsg(NULL));
	API_OK(try_open_on(simdisk_io(image), pager, VERSO_CREATE, &db));
	API_OK(put_one(db));
	has_one(db);
	verso_close(db);
}

START_TEST(a_creation_that_a_power_cut_ends_is_made_again)
{
	static const enum sim_choice_kind kinds[] = {SIM_RANDOM, SIM_GARBAGE, SIM_STALE, SIM_OPS};

	for (int prepared = 0; prepared < 2; prepared++) {
		struct simdisk *d = simdisk_new(NULL);
		uint64_t from, seed = check_seed();
		struct simwalk *walk;
		struct file *file;
		struct verso *db;

		if (prepared) {
			API_OK(io_open(simdisk_io(d), "db", FILE_CREATE, 0600, &file));
			API_OK(io_sync_dir(simdisk_io(d), "db"));
			file_close(file);
		}
		from = simdisk_events(d);
		API_OK(try_open_on(simdisk_io(d), _i, VERSO_CREATE, &db));
		verso_close(db);
		walk = simwalk_new(d);
		for (uint64_t n = from; n <= simdisk_events(d); n++) {
			simwalk_to(walk, n);
			for (unsigned i = 0; i < 40; i++) {
				struct sim_choice c = {kinds[i % 4], check_random(&seed) >> 16};

				made_again(simwalk_image(walk, c, false, NULL), _i);
			}
		}
		simwalk_free(walk);
		simdisk_free(d);
	}
}
END_TEST

/*
 * The calls that say that a file is blank and no other process has it. Where one fails a file is
 * left as it is, so a new one is left empty.
 */
#define TO_KNOW ((unsigned)(FAULT_LOCK | FAULT_SIZE | FAULT_READ))

static void fail_at_each(unsigned calls, bool prepared, int pager)
{
	struct fault_plan plan = {.calls = calls};

	do {
		struct simdisk *d = simdisk_new(NULL);
		struct faultio *faulty = faultio_new(simdisk_io(d), &plan);
		struct file *file;
		uint64_t size = 0;
		struct verso *db = NULL;
		int rc;

		atomic_store(&plan.n, 0);
		atomic_store(&plan.struck, 0);
		if (prepared) {
			API_OK(io_open(simdisk_io(d), "db", FILE_CREATE, 0600, &file));
			file_close(file);
		}
		rc = try_open_on(faultio_io(faulty), pager, VERSO_CREATE, &db);
		if (rc == 0)
			verso_close(db);
		if (rc < 0 && simdisk_bytes(d, "db", &size) && !prepared && !(calls & TO_KNOW))
			ck_assert_uint_gt(size, 0); /* made, but not opened */
		made_again(d, pager);
		faultio_free(faulty);
		simdisk_free(d);
		plan.nth++;
	} while (atomic_load(&plan.struck));
}

START_TEST(a_creation_that_fails_leaves_what_was_there)
{
	for (int prepared = 0; prepared < 2; prepared++) {
		fail_at_each(FAULT_ANY & ~TO_KNOW, prepared, _i);
		fail_at_each(TO_KNOW, prepared, _i);
	}
}
END_TEST

/* Somebody else, who makes a database while the opening under test opens its side file. */
static struct {
	struct io_ops ops; /* faultio's but for open */
	int (*open)(struct io *, const char *, unsigned, unsigned, struct file **);
	struct simdisk *disk; /* NULL: it is made */
	int pager;
} other;

static int open_late(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	struct simdisk *disk = other.disk;
	struct verso *db;

	if (disk && strcmp(path, "db-lock") == 0) {
		other.disk = NULL;
		API_OK(try_open_on(simdisk_io(disk), other.pager, VERSO_CREATE, &db));
		API_OK(put_one(db));
		verso_close(db);
	}
	return other.open(io, path, flags, mode, ret_file);
}

START_TEST(a_creation_that_fails_leaves_a_database_that_was_made_meanwhile)
{
	for (uint64_t nth = 0;; nth++) {
		struct simdisk *d = simdisk_new(NULL);
		struct fault_plan plan = {.calls = FAULT_ANY, .nth = nth};
		struct faultio *faulty = faultio_new(simdisk_io(d), &plan);
		struct io *io = faultio_io(faulty);
		struct verso *db;

		other.ops = *io->ops;
		other.open = other.ops.open;
		other.ops.open = open_late;
		other.disk = d;
		other.pager = _i;
		io->ops = &other.ops;
		if (try_open_on(io, _i, VERSO_CREATE, &db) == 0)
			verso_close(db);
		if (!other.disk) {
			API_OK(try_open_on(simdisk_io(d), _i, 0, &db));
			has_one(db);
			verso_close(db);
		}
		faultio_free(faulty);
		simdisk_free(d);
		if (!atomic_load(&plan.struck))
			break;
	}
	ck_assert_ptr_null(other.disk);
}
END_TEST

/* Somebody who has the new file open from its beginning on, and waits for a lock. */
static struct {
	struct io_ops ops;
	int (*open)(struct io *, const char *, unsigned, unsigned, struct file **);
	struct simdisk *disk;
	struct file *file; /* NULL: it is not there yet */
} waiter;

static int open_both(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	int rc = waiter.open(io, path, flags, mode, ret_file);

	if (rc == 0 && strcmp(path, "db") == 0 && !waiter.file)
		API_OK(io_open(simdisk_io(waiter.disk), path, 0, 0, &waiter.file));
	return rc;
}

/* Else that one would open, and commit to, a file that has no name any more. */
START_TEST(a_file_that_a_failed_creation_removed_is_empty)
{
	unsigned n_removed = 0;
	bool struck = true;

	for (uint64_t nth = 0; struck; nth++) {
		struct simdisk *d = simdisk_new(NULL);
		struct fault_plan plan = {.calls = FAULT_WRITE | FAULT_SYNC, .nth = nth};
		struct faultio *faulty = faultio_new(simdisk_io(d), &plan);
		struct io *io = faultio_io(faulty);
		uint64_t size = 0;
		struct verso *db;

		waiter.ops = *io->ops;
		waiter.open = waiter.ops.open;
		waiter.ops.open = open_both;
		waiter.disk = d;
		waiter.file = NULL;
		io->ops = &waiter.ops;
		if (try_open_on(io, _i, VERSO_CREATE, &db) == 0)
			verso_close(db);
		if (waiter.file && !simdisk_bytes(d, "db", &size)) {
			API_OK(file_size(waiter.file, &size));
			ck_assert_uint_eq(size, 0);
			n_removed++;
		}
		file_close(waiter.file);
		struck = atomic_load(&plan.struck);
		faultio_free(faulty);
		simdisk_free(d);
	}
	ck_assert_uint_gt(n_removed, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_create");
	TCase *tc = tcase_create("create");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_loop_test(tc, an_empty_file_that_was_prepared_stays_the_same_file, 0, API_PAGERS);
	tcase_add_loop_test(tc, zeros_are_empty_up_to_what_a_creation_leaves, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_file_that_begins_with_anything_is_not_empty, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_link_to_nothing_makes_its_target, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_link_to_itself_is_answered, 0, API_PAGERS);
	tcase_add_loop_test(tc, no_other_name_is_used_or_left, 0, API_PAGERS);
	tcase_add_loop_test(tc, an_acknowledged_commit_has_a_durable_name, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_folder_that_cannot_be_flushed_keeps_commits_away, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_creation_that_a_power_cut_ends_is_made_again, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_creation_that_fails_leaves_what_was_there, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_file_that_a_failed_creation_removed_is_empty, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_creation_that_fails_leaves_a_database_that_was_made_meanwhile, 0,
		API_PAGERS);
	return check_main(s);
}
