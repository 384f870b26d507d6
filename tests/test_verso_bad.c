/* SPDX-License-Identifier: MIT */
/*
 * Bad files: what is no database, or a damaged one. An error with advice, or the right data; never
 * a crash, a hang, or a wrong answer.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "pager/page.h"
#include "db/db_int.h"
#include "tests/api.h"
#include "txn/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_RECORDS 400

static void write_file(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

static uint8_t *read_file(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *bytes;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(read(fd, bytes, (size_t)st.st_size), st.st_size);
	ck_assert_int_eq(close(fd), 0);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

static void nothing_beside(const char *path)
{
	char beside[CHECK_PATH_BYTES + 8];

	(void)snprintf(beside, sizeof(beside), "%s-lock", path);
	ck_assert_msg(access(beside, F_OK) < 0, "%s was left behind", beside);
}

START_TEST(a_missing_file_is_not_made_without_being_asked)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	api_path(path, "none");
	API_SAYS(api_try_open(_i, path, 0, &db), -ENOENT, "not asked for");
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY, &db), -ENOENT, path);
	ck_assert(access(path, F_OK) < 0);
	nothing_beside(path);
	API_IS(api_try_open(_i, "/no/such/folder/a", VERSO_CREATE, &db), -ENOENT);
}
END_TEST

START_TEST(an_open_that_is_refused_makes_no_file)
{
	struct verso_options o = {.size = sizeof(o), .flags = VERSO_CREATE, .cache_bytes = 1 << 20};
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	API_SAYS(verso_open(api_path(path, "small"), &o, &db), -EINVAL, "too small");
	ck_assert(access(path, F_OK) < 0);
	nothing_beside(path);
}
END_TEST

START_TEST(an_existing_file_is_not_made_again)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "a", VERSO_EXCL);

	verso_close(db);
	API_IS(api_try_open(_i, api_path(path, "a"), VERSO_CREATE | VERSO_EXCL, &db), -EEXIST);
}
END_TEST

START_TEST(a_file_of_something_else_is_refused)
{
	static const size_t sizes[] = {1, 100, 511, 512, 4095, 4096, 8192, 8193, 100000};
	char path[CHECK_PATH_BYTES];
	uint8_t *bytes = malloc(100000);
	uint64_t state = check_seed();
	struct verso *db;

	ck_assert_ptr_nonnull(bytes);
	api_path(path, "other");
	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < 100000; i++)
			bytes[i] = kind == 0   ? 0xff
				   : kind == 1 ? (uint8_t) "some text\n"[i % 10]
					       : (uint8_t)check_random(&state);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			write_file(path, bytes, sizes[i]);
			API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB, path);
			API_IS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_ENOTDB);
			nothing_beside(path);
		}
	}
	free(bytes);
}
END_TEST

START_TEST(an_empty_file_becomes_a_database_when_asked)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	api_path(path, "empty");
	write_file(path, "", 0);
	API_SAYS(api_try_open(_i, path, 0, &db), VERSO_ENOTDB, "empty");
	API_IS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_ENOTDB);
	nothing_beside(path);
	API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
	api_fill(db, 10, 10);
	verso_close(db);
	API_OK(api_try_open(_i, path, 0, &db));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(folders_pipes_and_devices_are_refused_at_once)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	api_path(path, "folder");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	API_IS(api_try_open(_i, path, VERSO_CREATE, &db), -EISDIR);
	API_IS(api_try_open(_i, path, VERSO_RDONLY, &db), -EISDIR);
	nothing_beside(path);
	api_path(path, "pipe");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	API_IS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_ENOTDB);
	API_IS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_ENOTDB);
	nothing_beside(path);
	API_IS(api_try_open(_i, "/dev/null", VERSO_RDONLY, &db), VERSO_ENOTDB);
	API_IS(api_try_open(_i, "/dev/zero", VERSO_RDONLY, &db), VERSO_ENOTDB);
}
END_TEST

/* As a user who is not root: the number of the first thing that is wrong, or 0. */
static int without_permission(int pager, const char *file, const char *missing)
{
	struct verso *db;

	if (geteuid() == 0 && (setegid(65534) < 0 || seteuid(65534) < 0))
		return 77;
	if (api_try_open(pager, file, 0, &db) != -EACCES || !strstr(verso_errmsg(NULL), file))
		return 1;
	if (api_try_open(pager, file, VERSO_RDONLY, &db) != 0)
		return 2;
	verso_close(db);
	if (getuid() == 0 && api_try_open(pager, missing, VERSO_CREATE, &db) != -EACCES)
		return 3;
	return 0;
}

START_TEST(no_permission_is_answered)
{
	char folder[CHECK_PATH_BYTES], file[CHECK_PATH_BYTES + 8], missing[CHECK_PATH_BYTES + 8];
	struct verso *db;
	int status;
	pid_t child;

	ck_assert_int_eq(mkdir(api_path(folder, "folder"), 0755), 0);
	(void)snprintf(file, sizeof(file), "%s/a", folder);
	(void)snprintf(missing, sizeof(missing), "%s/b", folder);
	API_OK(api_try_open(_i, file, VERSO_CREATE, &db));
	verso_close(db);
	ck_assert_int_eq(chmod(file, 0444), 0);
	if (geteuid() == 0) {
		/* The scratch folder is root's own: let others in. */
		*strrchr(folder, '/') = '\0';
		ck_assert_int_eq(chmod(folder, 0755), 0);
	}
	child = fork();
	if (child == 0)
		_exit(without_permission(_i, file, missing));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 77)
		check_skip("root cannot become another user here");
	else
		ck_assert_int_eq(status, 0);
}
END_TEST

/* Changes a field of both slots and makes their checksums right again. */
static void patch_slots(const char *path, unsigned off, uint32_t value)
{
	size_t len;
	uint8_t *bytes = read_file(path, &len);

	for (unsigned slot = 0; slot < 2; slot++) {
		uint8_t *p = bytes + (size_t)slot * 4096;
		uint64_t sum;

		if (le64_get(p) == 0)
			continue;
		le32_set(p + off, value);
		sum = hash_bytes(p + 8, 4096 - 8, page_seed(p + 72));
		le64_set(p, sum ? sum : 1);
	}
	write_file(path, bytes, len);
	free(bytes);
}

START_TEST(another_version_is_refused_with_advice)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "a", 0);

	api_fill(db, 10, 10);
	verso_close(db);
	api_path(path, "a");
	patch_slots(path, 48, 3);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_EVERSION, "a newer Verso");
	patch_slots(path, 48, 1);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_EVERSION, "`verso dump`");
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_EVERSION, "`verso load --lines`");
	patch_slots(path, 48, 2);
	/* Protocol and commit mode: u16 each. */
	patch_slots(path, 68, 1 | 2 << 16);
	API_SAYS(api_try_open(_i, path, 0, &db), VERSO_EVERSION, "written but not flushed");
	patch_slots(path, 68, 1 | 3 << 16);
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_EVERSION, "chained");
	patch_slots(path, 68, 1 | 0xffffU << 16);
	API_SAYS(api_try_open(_i, path, 0, &db), VERSO_EVERSION, "a newer Verso");
	patch_slots(path, 68, 2);
	API_SAYS(api_try_open(_i, path, 0, &db), VERSO_EVERSION, "a newer Verso");
	patch_slots(path, 68, 1);
	/* A feature that this Verso must know to read, one to write, one to ignore. */
	patch_slots(path, 64, 1);
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_EVERSION, "a newer Verso");
	/* Leaves with heads for a build without, and the other way round. */
	patch_slots(path, 64, META_FEATURES ^ 1U << 31);
	API_SAYS(api_try_open(_i, path, VERSO_RDONLY, &db), VERSO_EVERSION, "features");
	patch_slots(path, 64, META_FEATURES);
	patch_slots(path, 60, 1);
	API_IS(api_try_open(_i, path, 0, &db), VERSO_EVERSION);
	API_OK(api_try_open(_i, path, VERSO_RDONLY, &db));
	verso_close(db);
	patch_slots(path, 60, 0);
	patch_slots(path, 56, 1);
	API_OK(api_try_open(_i, path, 0, &db));
	verso_close(db);
}
END_TEST

static int open_in_vain(int pager, const char *path, unsigned flags)
{
	struct db_hooks hooks = {.io = api_impatient_io()};
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)pager, .flags = flags};
	struct verso *db;

	return db_open_with(&hooks, path, &o, &db);
}

START_TEST(a_database_that_is_had_alone_is_open_once)
{
	char path[CHECK_PATH_BYTES], alias[CHECK_PATH_BYTES], hard[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "a", VERSO_EXCLUSIVE), *other;

	api_path(path, "a");
	ck_assert_int_eq(symlink(path, api_path(alias, "alias")), 0);
	ck_assert_int_eq(link(path, api_path(hard, "hard")), 0);
	for (int pager = 0; pager < API_PAGERS; pager++) {
		API_SAYS(api_try_open(pager, alias, 0, &other), VERSO_EBUSY, "open already");
		API_IS(open_in_vain(pager, path, 0), VERSO_EBUSY);
		API_IS(open_in_vain(pager, path, VERSO_RDONLY), VERSO_EBUSY);
		API_IS(open_in_vain(pager, hard, 0), VERSO_EBUSY);
	}
	api_fill(db, 10, 10);
	verso_close(db);
	API_OK(api_try_open((_i + 1) % API_PAGERS, path, 0, &db));
	api_check(db);
	verso_close(db);
}
END_TEST

START_TEST(two_processes_that_want_it_alone_take_turns)
{
	char path[CHECK_PATH_BYTES];
	int to_child[2], to_parent[2], status;
	struct verso *db;
	pid_t child;
	char c;

	api_path(path, "a");
	ck_assert(pipe(to_child) == 0 && pipe(to_parent) == 0);
	child = fork();
	if (child == 0) {
		int rc = api_try_open(_i, path, VERSO_CREATE | VERSO_EXCLUSIVE, &db);

		(void)!write(to_parent[1], "o", 1);
		(void)!read(to_child[0], &c, 1);
		/* It dies without closing: the kernel gives its locks back. */
		_exit(rc == 0 ? 0 : 1);
	}
	ck_assert_int_eq(read(to_parent[0], &c, 1), 1);
	API_SAYS(api_try_open(_i, path, VERSO_CREATE, &db), VERSO_EBUSY, path);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	API_OK(api_try_open(_i, path, VERSO_CREATE, &db));
	api_fill(db, 10, 10);
	verso_close(db);
}
END_TEST

/* A database of N_RECORDS records with some long values, in small pages; its bytes. */
static uint8_t *sample(int pager, uint32_t page_size, size_t *ret_len)
{
	struct verso *db =
		api_open_with(pager, "sample", (struct verso_options){.page_size = page_size});
	struct verso_txn *txn;
	char path[CHECK_PATH_BYTES], long_val[3000];

	api_fill(db, N_RECORDS, 40);
	txn = api_begin(db, VERSO_WRITE);
	memset(long_val, 'L', sizeof(long_val));
	for (int i = 0; i < N_RECORDS; i += 50) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key%06d", i);
		API_OK(verso_put(txn, NULL, api_val(key),
			(struct verso_val){long_val, sizeof(long_val)}, 0));
	}
	API_OK(verso_commit(txn));
	verso_close(db);
	return read_file(api_path(path, "sample"), ret_len);
}

/* 1 when the value of record i is what sample() wrote, which is where it ends too. */
static int is_right(int i, struct verso_val val)
{
	size_t len = i % 50 ? 40 : 3000;
	char byte = (char)(i % 50 ? 'a' + i % 26 : 'L');

	return val.len == len && ((const char *)val.data)[0] == byte &&
	       ((const char *)val.data)[len - 1] == byte;
}

/*
 * Opens a damaged copy of the sample and reads all of it, both ways, checks it, and writes. Any
 * error is fine; a record that is answered must be right, and one that is missing must be an error:
 * but the database may be the one before the last commit.
 */
static int use_damaged(int pager, const char *path)
{
	struct verso *db;
	struct verso_txn *txn;
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc = api_try_open(pager, path, 0, &db), n_errors = 0, n = 0;

	if (rc < 0) {
		ck_assert_msg(verso_errmsg(NULL)[0] != '\0', "no text for %d", rc);
		return 1;
	}
	API_OK(verso_begin(db, VERSO_READ, &txn));
	for (int i = 0; i < N_RECORDS; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "key%06d", i);
		rc = verso_get(txn, NULL, api_val(text), &val);
		if (rc == VERSO_EIO)
			break;
		ck_assert_msg(rc <= 0, "%s: %d", text, rc);
		if (rc < 0)
			n_errors++;
		else
			ck_assert_msg(is_right(i, val), "a wrong value for %s", text);
	}
	rc = verso_cursor_open(txn, NULL, &c);
	if (rc == 0) {
		rc = verso_cursor_last(c, &key, &val);
		for (; rc == 0; n++)
			rc = verso_cursor_prev(c, &key, &val);
		ck_assert(rc < 0 || n == N_RECORDS);
		verso_cursor_close(c);
	}
	verso_abort(txn);
	if (verso_check(db, 0, NULL, NULL) < 0)
		n_errors++;
	if (verso_begin(db, VERSO_WRITE, &txn) == 0) {
		for (int i = 0; i < N_RECORDS; i += 3) {
			char text[32];

			(void)snprintf(text, sizeof(text), "key%06d", i);
			(void)verso_put(txn, NULL, api_val(text), api_val("new"), 0);
			(void)verso_del(txn, NULL, api_val(text));
		}
		(void)verso_commit(txn);
	}
	verso_close(db);
	return n_errors;
}

START_TEST(a_file_cut_anywhere_is_answered)
{
	size_t len;
	uint8_t *bytes = sample(_i, 4096, &len);
	char path[CHECK_PATH_BYTES];
	unsigned n = 0;

	api_path(path, "cut");
	for (size_t cut = 0; cut < len; cut += cut < 65536 ? 512 : 512 * 37, n++) {
		write_file(path, bytes, cut);
		(void)use_damaged(_i, path);
	}
	printf("total: a file of %zu bytes cut at %u places\n", len, n);
	free(bytes);
}
END_TEST

START_TEST(a_damaged_page_is_found)
{
	size_t len;
	uint8_t *bytes = sample(_i, 1024, &len);
	char path[CHECK_PATH_BYTES];
	uint64_t state = check_seed() + (uint64_t)_i;
	unsigned n = 0, n_found = 0;

	api_path(path, "damaged");
	for (size_t page = 0; page < len / 1024; page++) {
		size_t off = page * 1024 + check_random(&state) % 1024;
		uint8_t bit = (uint8_t)(1u << check_random(&state) % 8);

		bytes[off] ^= bit;
		write_file(path, bytes, len);
		n_found += use_damaged(_i, path) > 0;
		n++;
		bytes[off] ^= bit;
	}
	printf("total: %u pages with a bit flipped, %u found (the others hold nothing in use)\n", n,
		n_found);
	ck_assert_uint_gt(n_found, 40);
	free(bytes);
}
END_TEST

/* --- callbacks of the check ------------------------------------------------------------------- */

struct misuser {
	struct verso *db;
	int n_told, rc_write, rc_check;
};

static int close_when_told(void *arg, uint32_t pgno, const char *text)
{
	struct misuser *m = arg;
	struct verso_txn *txn;

	(void)pgno;
	(void)text;
	m->n_told++;
	m->rc_write = verso_begin(m->db, VERSO_WRITE, &txn);
	m->rc_check = verso_check(m->db, 0, NULL, NULL);
	verso_close(m->db);
	return 0;
}

static void make_damaged(int pager, const char *path)
{
	struct verso *db;
	uint8_t *bytes;
	size_t len;

	API_OK(api_try_open(pager, path, VERSO_CREATE, &db));
	api_fill(db, N_RECORDS, 100);
	verso_close(db);
	bytes = read_file(path, &len);
	for (size_t at = 2 * 4096; at + 4096 <= len; at += 4096)
		if (bytes[at + 12] == PAGE_NODE)
			bytes[at + 2000] ^= 1;
	write_file(path, bytes, len);
	free(bytes);
}

START_TEST(a_callback_of_the_check_that_closes_the_database_is_answered)
{
	static const unsigned flags[] = {0, VERSO_CHECK_TREES};
	char path[CHECK_PATH_BYTES];

	(void)check_path(path, "a");
	for (size_t i = 0; i < 2; i++) {
		struct misuser m = {0};

		make_damaged(_i, path);
		API_OK(api_try_open(_i, path, 0, &m.db));
		API_SAYS(verso_check(m.db, flags[i], close_when_told, &m), VERSO_EMISUSE, "closed");
		ck_assert_int_eq(m.n_told, 1);
		ck_assert_int_eq(m.rc_write, VERSO_EMISUSE);
		ck_assert_int_eq(m.rc_check, VERSO_EMISUSE);
		API_IS(verso_sync(m.db), VERSO_EMISUSE);  /* it is closed, */
		API_OK(api_try_open(_i, path, 0, &m.db)); /* and its lock has fallen */
		verso_close(m.db);
		ck_assert_int_eq(unlink(path), 0);
	}
}
END_TEST

static jmp_buf jump_to;

static int jump_when_told(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)pgno;
	(void)text;
	longjmp(jump_to, 1);
}

/* From a frame that has taken the place of the check's, without AddressSanitizer's gaps. */
__attribute__((noinline, no_sanitize("address"))) static void close_from_deeper(struct verso *db)
{
	volatile uint8_t deep[64 << 10];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = 0xff;
	verso_close(db);
	ck_assert_uint_eq(deep[sizeof(deep) - 1], 0xff);
}

START_TEST(a_check_that_was_left_by_a_jump_is_forgotten)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	(void)check_path(path, "a");
	make_damaged(_i, path);
	API_OK(api_try_open(_i, path, 0, &db));
	if (setjmp(jump_to) == 0) {
		(void)verso_check(db, VERSO_CHECK_TREES, jump_when_told, NULL);
		ck_abort_msg("nothing was found");
	}
	close_from_deeper(db);
	API_OK(api_try_open(_i, path, 0, &db)); /* its lock has fallen */
	verso_close(db);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bad files");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_missing_file_is_not_made_without_being_asked, 0, API_PAGERS);
	tcase_add_test(t, an_open_that_is_refused_makes_no_file);
	tcase_add_loop_test(t, an_existing_file_is_not_made_again, 0, API_PAGERS);
	tcase_add_loop_test(t, a_file_of_something_else_is_refused, 0, API_PAGERS);
	tcase_add_loop_test(t, an_empty_file_becomes_a_database_when_asked, 0, API_PAGERS);
	tcase_add_loop_test(t, folders_pipes_and_devices_are_refused_at_once, 0, API_PAGERS);
	tcase_add_loop_test(t, no_permission_is_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, another_version_is_refused_with_advice, 0, API_PAGERS);
	tcase_add_loop_test(t, a_database_that_is_had_alone_is_open_once, 0, API_PAGERS);
	tcase_add_loop_test(t, two_processes_that_want_it_alone_take_turns, 0, API_PAGERS);
	tcase_add_loop_test(t, a_file_cut_anywhere_is_answered, 0, API_PAGERS);
	tcase_add_loop_test(t, a_damaged_page_is_found, 0, API_PAGERS);
	tcase_add_loop_test(t, a_callback_of_the_check_that_closes_the_database_is_answered, 0,
		API_PAGERS);
	tcase_add_loop_test(t, a_check_that_was_left_by_a_jump_is_forgotten, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
