/* SPDX-License-Identifier: MIT */
/* verso_copy() and verso_copy_to(), on the real kernel. */
#include "tests/copy_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const unsigned copy_flags[] = {0, VERSO_COPY_COMPACT};

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int there_is(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Whether a folder holds a file of a copy that was not finished. */
static bool leaves_nothing(const char *path)
{
	char command[CHECK_PATH_BYTES + 64];

	(void)snprintf(command, sizeof(command), "! ls -a $(dirname %s) | grep -q verso-copy",
		path);
	return system(command) == 0;
}

START_TEST(copy_holds_the_same_records)
{
	static const uint32_t page_sizes[] = {4096, 512, 65536};
	char path[CHECK_PATH_BYTES];

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned shape = 0; shape < COPY_SHAPES; shape++) {
			struct verso_options o = {.page_size = page_sizes[i]};
			struct verso *db = api_open_with(_i, "db", o), *copy;

			copy_fill(db, NULL, shape, 700, shape);
			copy_fill(db, "table", (shape + 1) % COPY_SHAPES, 300, shape + 1);
			copy_fill(db, "empty", 0, 0, 0);
			copy_thin(db, 3);
			for (unsigned f = 0; f < 2; f++) {
				API_OK(verso_copy(db, api_path(path, "copy"), copy_flags[f], NULL,
					NULL));
				copy = copy_open(NULL, _i, path);
				copy_same(db, copy);
				/* It is written to as any other. */
				copy_fill(copy, NULL, shape, 400, 1);
				copy_thin(copy, 2);
				api_check(copy);
				verso_close(copy);
				(void)unlink(path);
			}
			verso_close(db);
			(void)unlink(api_path(path, "db"));
		}
	}
}
END_TEST

START_TEST(copy_of_an_empty_database)
{
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES];

	for (unsigned f = 0; f < 2; f++) {
		struct verso *copy;

		API_OK(verso_copy(db, api_path(path, "copy"), copy_flags[f], NULL, NULL));
		copy = copy_open(NULL, _i, path);
		copy_same(db, copy);
		copy_fill(copy, NULL, 0, 100, 0);
		api_check(copy);
		verso_close(copy);
		(void)unlink(path);
	}
	verso_close(db);
}
END_TEST

/* A copy with these flags has what the database has. */
static void copy_and_compare(struct verso *db, int pager, unsigned flags)
{
	char path[CHECK_PATH_BYTES];
	struct verso *copy;

	API_OK(verso_copy(db, api_path(path, "copy"), flags, NULL, NULL));
	copy = copy_open(NULL, pager, path);
	copy_same(db, copy);
	verso_close(copy);
	(void)unlink(path);
}

/* Its one record has no byte: nothing is ever copied from or to no place. */
START_TEST(copy_of_an_empty_record)
{
	struct verso *db = api_open(_i, "db", 0);
	struct verso_val none = {NULL, 0};
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);

	API_OK(verso_put(txn, NULL, none, none, 0));
	API_OK(verso_commit(txn));
	for (unsigned f = 0; f < 2; f++)
		copy_and_compare(db, _i, copy_flags[f]);
	verso_close(db);
}
END_TEST

START_TEST(compact_copy_is_dense)
{
	struct verso *db = api_open(_i, "db", 0), *copy;
	struct verso_stat st = {.size = sizeof(st)};
	char path[CHECK_PATH_BYTES], plain[CHECK_PATH_BYTES], of_it[CHECK_PATH_BYTES];
	uint64_t n_bytes = 0;

	copy_fill(db, NULL, 0, 20000, 1);
	copy_thin(db, 10);
	for (unsigned i = 0; i < 20000; i += 10)
		n_bytes += 8 + i * 31u % 120;
	API_OK(verso_copy(db, api_path(plain, "plain"), 0, NULL, NULL));
	API_OK(verso_copy(db, api_path(path, "copy"), VERSO_COPY_COMPACT, NULL, NULL));
	/* Ten bytes a record, and what pages of 4 KiB take. */
	ck_assert_uint_lt(size_of(path), n_bytes * 5 / 4 + 65536);
	ck_assert_uint_gt(size_of(plain), 2 * size_of(path));
	copy = copy_open(NULL, _i, path);
	API_OK(verso_stat(copy, &st));
	ck_assert_uint_eq(st.n_free_pages, 0);
	ck_assert_uint_eq(st.n_pending_pages, 0);
	/* A compact copy of a compact copy is as large. */
	API_OK(verso_copy(copy, api_path(of_it, "again"), VERSO_COPY_COMPACT, NULL, NULL));
	ck_assert_uint_eq(size_of(of_it), size_of(path));
	verso_close(copy);
	verso_close(db);
}
END_TEST

/* A file of many allocation groups, with index pages. */
START_TEST(copy_of_many_groups)
{
	struct txn_options txn = {.group_pages = 256, .meta_groups_max = 3, .grow_pages = 64};
	struct db_hooks hooks = {.txn = &txn};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)_i,
		.page_size = 512,
		.flags = VERSO_CREATE};
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	API_OK(db_open_with(&hooks, api_path(path, "db"), &o, &db));
	copy_fill(db, NULL, 3, 400, 1);
	copy_fill(db, "t", 0, 5000, 1);
	copy_thin(db, 4);
	for (unsigned f = 0; f < 2; f++) {
		struct verso *copy;
		int fd;

		API_OK(verso_copy(db, api_path(path, "copy"), copy_flags[f], NULL, NULL));
		copy = copy_open(NULL, _i, path);
		copy_same(db, copy);
		copy_fill(copy, NULL, 3, 200, 0);
		api_check(copy);
		verso_close(copy);
		(void)unlink(path);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		API_OK(verso_copy_to(db, fd, copy_flags[f], NULL, NULL));
		(void)close(fd);
		copy = copy_open(NULL, _i, path);
		copy_same(db, copy);
		verso_close(copy);
		(void)unlink(path);
	}
	verso_close(db);
}
END_TEST

struct pump {
	int from, to;
};

static void *pump(void *arg)
{
	struct pump *p = arg;
	char buf[4000];
	ssize_t n;

	while ((n = read(p->from, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(p->to, buf, (size_t)n), n);
	return NULL;
}

struct watcher {
	struct verso *db;
	uint64_t n, done_bytes;
	uint64_t first_bytes; /* done, as the first call has it */
	uint64_t stop_at;     /* calls; 0: never */
	bool closes;
};

static int watch(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct watcher *w = arg;
	struct verso_txn *txn;

	ck_assert_uint_le(w->done_bytes, done_bytes);
	ck_assert_uint_le(done_bytes, total_bytes);
	w->done_bytes = done_bytes;
	if (w->n++ == 0)
		w->first_bytes = done_bytes;
	if (w->closes) {
		verso_close(w->db);
		return 0;
	}
	/* Reading goes on; what could wait for the copy does not. */
	txn = api_begin(w->db, VERSO_READ);
	ck_assert(api_has(txn, NULL, "none", NULL));
	verso_abort(txn);
	API_IS(verso_begin(w->db, VERSO_WRITE, &txn), VERSO_EMISUSE);
	API_IS(verso_copy_to(w->db, 1, 0, NULL, NULL), VERSO_EMISUSE);
	return w->n == w->stop_at;
}

START_TEST(copy_goes_through_a_pipe)
{
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES];

	copy_fill(db, NULL, 3, 300, 1);
	copy_fill(db, "t", 0, 3000, 1);
	copy_thin(db, 3);
	for (unsigned f = 0; f < 2; f++) {
		struct watcher w = {.db = db};
		struct verso *copy;
		pthread_t thread;
		struct pump p;
		int fds[2];

		ck_assert_int_eq(pipe(fds), 0);
		/* The writer's end does not block: all the same every byte arrives. */
		ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		p.from = fds[0];
		p.to = open(api_path(path, "copy"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(pthread_create(&thread, NULL, pump, &p), 0);
		API_OK(verso_copy_to(db, fds[1], copy_flags[f], watch, &w));
		ck_assert_uint_gt(w.first_bytes, 0);
		(void)close(fds[1]);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		(void)close(fds[0]);
		(void)close(p.to);
		copy = copy_open(NULL, _i, path);
		copy_same(db, copy);
		verso_close(copy);
		(void)unlink(path);
	}
	verso_close(db);
}
END_TEST

START_TEST(a_pipe_without_a_reader_is_an_error)
{
	struct verso *db = api_open(_i, "db", 0);
	int fds[2];

	copy_fill(db, NULL, 0, 5000, 1);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe(fds), 0);
	(void)close(fds[0]);
	for (unsigned f = 0; f < 2; f++)
		API_IS(verso_copy_to(db, fds[1], copy_flags[f], NULL, NULL), -EPIPE);
	(void)close(fds[1]);
	verso_close(db);
}
END_TEST

START_TEST(what_is_there_is_not_overwritten)
{
	struct verso *db = api_open(_i, "db", 0), *copy;
	char path[CHECK_PATH_BYTES], folder[CHECK_PATH_BYTES];
	FILE *f;

	copy_fill(db, NULL, 0, 100, 1);
	f = fopen(api_path(path, "copy"), "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs("mine", f);
	(void)fclose(f);
	for (unsigned i = 0; i < 2; i++)
		API_SAYS(verso_copy(db, path, copy_flags[i], NULL, NULL), -EEXIST, "there already");
	ck_assert_uint_eq(size_of(path), 4);
	API_OK(verso_copy(db, path, VERSO_COPY_REPLACE, NULL, NULL));
	copy = copy_open(NULL, _i, path);
	copy_same(db, copy);
	/* Not even by who may replace it, while somebody has it open. */
	API_SAYS(verso_copy(db, path, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY, "open");
	API_IS(verso_copy(db, api_path(folder, "db"), VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY);
	copy_same(db, copy);
	verso_close(copy);
	copy_fill(db, "more", 0, 10, 0);
	API_OK(verso_copy(db, path, VERSO_COPY_REPLACE | VERSO_COPY_COMPACT, NULL, NULL));
	copy = copy_open(NULL, _i, path);
	copy_same(db, copy);
	verso_close(copy);
	ck_assert(leaves_nothing(path));
	/* Where nothing can be made. */
	ck_assert_int_eq(mkdir(api_path(folder, "folder"), 0700), 0);
	API_IS(verso_copy(db, folder, 0, NULL, NULL), -EISDIR);
	API_IS(verso_copy(db, "/nonexistent/copy", 0, NULL, NULL), -ENOENT);
	verso_close(db);
}
END_TEST

/* A process that has it open for a moment yet, as one has that is being killed. */
static pid_t open_for_a_moment(int pager, const char *path)
{
	int fds[2];
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		(void)copy_open(NULL, pager, path);
		(void)!write(fds[1], "", 1);
		(void)usleep(50000);
		_exit(0);
	}
	ck_assert_int_eq(read(fds[0], &(char){0}, 1), 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return child;
}

START_TEST(what_is_replaced_is_waited_for)
{
	struct verso_options patient = {.busy_timeout_ms = VERSO_BUSY_FOREVER};
	struct verso *db = api_open_with(_i, "db", patient);
	char path[CHECK_PATH_BYTES], other[CHECK_PATH_BYTES], *name;
	pid_t child;
	int status;

	copy_fill(db, NULL, 0, 100, 1);
	API_OK(verso_copy(db, api_path(path, "copy"), 0, NULL, NULL));
	child = open_for_a_moment(_i, path);
	API_OK(verso_copy(db, path, VERSO_COPY_REPLACE, NULL, NULL));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	/* Itself it does not wait for, whatever it is called. */
	ck_assert_int_eq(link(api_path(path, "db"), api_path(other, "link")), 0);
	API_SAYS(verso_copy(db, other, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY, "open");
	name = strrchr(path, '/');
	API_SAYS(verso_copy(db, path, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY, "open");
	*name = '\0';
	ck_assert_int_eq(chdir(path), 0);
	API_SAYS(verso_copy(db, name + 1, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EBUSY, "open");
	verso_close(db);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct verso *db = api_open(_i, "db", 0);
	char path[CHECK_PATH_BYTES];

	api_path(path, "copy");
	API_IS(verso_copy(NULL, path, 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy(db, NULL, 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy(db, "", 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy(db, path, 1, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy(db, path, ~0u, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy_to(db, -1, 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy_to(db, 1, VERSO_COPY_REPLACE, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy_to(NULL, 1, 0, NULL, NULL), VERSO_EMISUSE);
	API_IS(verso_copy_to(db, 4000, 0, NULL, NULL), -EBADF);
	ck_assert(!there_is(path));
	verso_close(db);
	API_IS(verso_copy(db, path, 0, NULL, NULL), VERSO_EMISUSE);
	ck_assert(!there_is(path));
}
END_TEST

START_TEST(progress_is_told_and_can_end_the_copy)
{
	enum { N_SMALL = 20 }; /* tables */
	char path[CHECK_PATH_BYTES];

	api_path(path, "copy");
	for (unsigned f = 0; f < 2; f++) {
		struct verso *db = api_open(_i, "db", 0);
		struct watcher w = {.db = db};
		uint64_t n_all;

		for (char name[] = "a small one"; *name < 'a' + N_SMALL; ++*name)
			copy_fill(db, name, 0, 1, 1);
		copy_fill(db, "t", 3, 400, 1);
		copy_fill(db, NULL, 0, 4000, 1);
		API_OK(verso_copy(db, path, copy_flags[f], watch, &w));
		n_all = w.n;
		ck_assert_uint_gt(n_all, 2);
		if (copy_flags[f] == VERSO_COPY_COMPACT)
			ck_assert_uint_gt(n_all, N_SMALL); /* after each table, too */
		(void)unlink(path);
		for (uint64_t i = 1; i <= n_all; i++) {
			w = (struct watcher){.db = db, .stop_at = i};
			API_IS(verso_copy(db, path, copy_flags[f], watch, &w), -ECANCELED);
			ck_assert_uint_eq(w.n, i);
			ck_assert(!there_is(path));
		}
		ck_assert(leaves_nothing(path));
		api_check(db);
		/* A close by the callback is carried out at the end. */
		w = (struct watcher){.db = db, .closes = true};
		API_SAYS(verso_copy(db, path, copy_flags[f], watch, &w), VERSO_EMISUSE, "closed");
		ck_assert(!there_is(path));
		API_IS(verso_begin(db, VERSO_READ, &(struct verso_txn *){NULL}), VERSO_EMISUSE);
	}
}
END_TEST

START_TEST(a_damaged_page_is_not_copied)
{
	char path[CHECK_PATH_BYTES], name[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "db", 0);
	uint8_t page[4096];
	int fd, n_damaged = 0;

	copy_fill(db, NULL, 3, 200, 1);
	verso_close(db);
	fd = open(api_path(name, "db"), O_RDWR | O_CLOEXEC);
	for (off_t at = 8 * 4096; pread(fd, page, 4096, at) == 4096; at += 5 * 4096) {
		page[2000] ^= 1;
		ck_assert_int_eq(pwrite(fd, page, 4096, at), 4096);
		db = api_open(_i, "db", VERSO_RDONLY);
		for (unsigned f = 0; f < 2; f++) {
			bool whole = verso_check(db, VERSO_CHECK_TREES, NULL, NULL) == 0;
			int rc = verso_copy(db, api_path(path, "copy"), copy_flags[f], NULL, NULL);

			ck_assert_int_eq(rc, whole ? 0 : VERSO_ECORRUPT);
			ck_assert_int_eq(there_is(path), whole);
			(void)unlink(path);
			n_damaged += !whole;
		}
		verso_close(db);
		page[2000] ^= 1;
		ck_assert_int_eq(pwrite(fd, page, 4096, at), 4096);
	}
	ck_assert_int_gt(n_damaged, 10);
	(void)close(fd);
}
END_TEST

/* A page that is whole, but an older version of itself, in its place: as a lost write leaves. */
START_TEST(a_lost_write_is_not_copied)
{
	char path[CHECK_PATH_BYTES], name[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "db", 0);
	struct txn_root root;
	uint8_t page[4096];
	int fd;

	copy_fill(db, NULL, 0, 3000, 1);
	root = (struct txn_root){0};
	{
		struct verso_txn *txn = api_begin(db, VERSO_READ);

		root = txn->txn->roots[0];
		verso_abort(txn);
	}
	fd = open(api_path(name, "db"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, page, 4096, (off_t)root.ref.pgno * 4096), 4096);
	le64_set(((struct page *)page)->gen, root.ref.gen - 1);
	page_seal_anew((struct page *)page, 4096, db->pager->seed);
	verso_close(db);
	ck_assert_int_eq(pwrite(fd, page, 4096, (off_t)root.ref.pgno * 4096), 4096);
	(void)close(fd);
	db = api_open(_i, "db", VERSO_RDONLY);
	for (unsigned f = 0; f < 2; f++) {
		API_IS(verso_copy(db, api_path(path, "copy"), copy_flags[f], NULL, NULL),
			VERSO_ECORRUPT);
		ck_assert(!there_is(path));
	}
	verso_close(db);
}
END_TEST

START_TEST(copy_has_what_is_committed_and_not_flushed)
{
	struct verso *db =
		api_open_with(_i, "db", (struct verso_options){.sync = VERSO_SYNC_RELAXED});

	for (unsigned f = 0; f < 2; f++) {
		copy_fill(db, f ? "t" : NULL, 0, 1000, 1);
		copy_and_compare(db, _i, copy_flags[f]);
	}
	verso_close(db);
}
END_TEST

START_TEST(copy_looks_like_the_database)
{
	struct verso *db = api_open_with(_i, "db", (struct verso_options){.mode = 0640});
	char path[CHECK_PATH_BYTES], name[CHECK_PATH_BYTES];
	struct stat a, b;

	API_OK(verso_copy(db, api_path(path, "copy"), 0, NULL, NULL));
	ck_assert_int_eq(stat(api_path(name, "db"), &a), 0);
	ck_assert_int_eq(stat(path, &b), 0);
	ck_assert_uint_eq(a.st_mode, b.st_mode);
	ck_assert_uint_eq(a.st_uid, b.st_uid);
	verso_close(db);
}
END_TEST

#define SUM 1000

struct bank {
	struct verso *db;
	_Atomic bool stop;
	unsigned seed;
};

/* Moves amounts between the accounts: their sum stays. */
static void *move_amounts(void *arg)
{
	struct bank *bank = arg;
	uint64_t state = bank->seed;

	while (!bank->stop) {
		struct verso_txn *txn = api_begin(bank->db, VERSO_WRITE);
		char key[16], val[64], filler[200];
		unsigned from = (unsigned)(check_random(&state) % 50);
		struct verso_val found;
		int amounts[2];

		for (unsigned i = 0; i < 2; i++) {
			(void)snprintf(key, sizeof(key), "%02u", (from + i) % 50);
			API_OK(verso_get(txn, NULL, api_val(key), &found));
			amounts[i] = atoi(found.data);
		}
		for (unsigned i = 0; i < 2; i++) {
			(void)snprintf(key, sizeof(key), "%02u", (from + i) % 50);
			(void)snprintf(val, sizeof(val), "%d", amounts[i] + (i ? 1 : -1));
			API_OK(verso_put(txn, NULL, api_val(key),
				(struct verso_val){val, strlen(val) + 1}, 0));
		}
		(void)snprintf(key, sizeof(key), "f%u", (unsigned)(check_random(&state) % 500));
		memset(filler, 'f', sizeof(filler));
		API_OK(verso_put(txn, NULL, api_val(key),
			(struct verso_val){filler, sizeof(filler)}, 0));
		API_OK(verso_commit(txn));
	}
	return NULL;
}

static int sum_of(struct verso *db)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	struct verso_val found;
	int sum = 0;

	for (unsigned i = 0; i < 50; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%02u", i);
		API_OK(verso_get(txn, NULL, api_val(key), &found));
		sum += atoi(found.data);
	}
	verso_abort(txn);
	return sum;
}

START_TEST(copies_beside_writers_are_consistent)
{
	for (int relaxed = 0; relaxed < 2; relaxed++) {
		struct verso *db = api_open_with(_i, "db",
			(struct verso_options){
				.sync = relaxed ? VERSO_SYNC_RELAXED : VERSO_SYNC_FULL});
		struct bank bank = {.db = db, .seed = 7};
		struct verso_txn *txn = api_begin(db, VERSO_WRITE);
		char path[CHECK_PATH_BYTES];
		pthread_t thread;

		for (unsigned i = 0; i < 50; i++) {
			char key[16];

			(void)snprintf(key, sizeof(key), "%02u", i);
			API_OK(verso_put(txn, NULL, api_val(key), (struct verso_val){"20", 3}, 0));
		}
		API_OK(verso_commit(txn));
		ck_assert_int_eq(pthread_create(&thread, NULL, move_amounts, &bank), 0);
		for (unsigned n = 0; n < 16; n++) {
			struct verso *copy;

			API_OK(verso_copy(db, api_path(path, "copy"), copy_flags[n % 2], NULL,
				NULL));
			copy = copy_open(NULL, _i, path);
			ck_assert_int_eq(sum_of(copy), SUM);
			api_check(copy);
			verso_close(copy);
			(void)unlink(path);
		}
		bank.stop = true;
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		api_check(db);
		verso_close(db);
		(void)unlink(api_path(path, "db"));
	}
}
END_TEST

/* The kernel, but without files that have no name, and a file that is made cannot be had. */
static int make_and_fail(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	struct file *file;
	int rc =
		flags & FILE_UNNAMED ? -EOPNOTSUPP : io_open(io_kernel(), path, flags, mode, &file);

	(void)io;
	if (rc < 0)
		return rc;
	if (strstr(path, ".verso-copy-")) {
		file_close(file);
		return -EIO;
	}
	*ret_file = file;
	return 0;
}

START_TEST(a_target_that_cannot_be_opened_leaves_no_name)
{
	struct io_ops ops = *io_kernel()->ops;
	struct io io = {&ops};
	struct db_hooks hooks = {.io = &io};
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)_i, .flags = VERSO_CREATE};
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	ops.open = make_and_fail;
	API_OK(db_open_with(&hooks, api_path(path, "db"), &o, &db));
	API_IS(verso_copy(db, api_path(path, "copy"), 0, NULL, NULL), -EIO);
	ck_assert(leaves_nothing(path));
	verso_close(db);
}
END_TEST

START_TEST(a_link_to_nothing_is_not_replaced)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db = api_open(_i, "db", 0);

	ck_assert_int_eq(symlink("nothing", api_path(path, "link")), 0);
	API_IS(verso_copy(db, path, 0, NULL, NULL), -EEXIST);
	API_IS(verso_copy(db, path, VERSO_COPY_REPLACE, NULL, NULL), -EEXIST);
	API_IS(verso_copy(db, "/tmp", VERSO_COPY_REPLACE, NULL, NULL), -EISDIR);
	API_IS(verso_copy(db, "/dev/null", VERSO_COPY_REPLACE, NULL, NULL), VERSO_ENOTDB);
	ck_assert(leaves_nothing(path));
	ck_assert_int_eq(unlink(path), 0);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("copies");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, copy_holds_the_same_records, 0, API_PAGERS);
	tcase_add_loop_test(t, a_target_that_cannot_be_opened_leaves_no_name, 0, API_PAGERS);
	tcase_add_loop_test(t, what_is_replaced_is_waited_for, 0, API_PAGERS);
	tcase_add_loop_test(t, a_link_to_nothing_is_not_replaced, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_of_an_empty_database, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_of_an_empty_record, 0, API_PAGERS);
	tcase_add_loop_test(t, compact_copy_is_dense, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_of_many_groups, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_goes_through_a_pipe, 0, API_PAGERS);
	tcase_add_loop_test(t, a_pipe_without_a_reader_is_an_error, 0, API_PAGERS);
	tcase_add_loop_test(t, what_is_there_is_not_overwritten, 0, API_PAGERS);
	tcase_add_loop_test(t, bad_arguments_are_refused, 0, API_PAGERS);
	tcase_add_loop_test(t, progress_is_told_and_can_end_the_copy, 0, API_PAGERS);
	tcase_add_loop_test(t, a_damaged_page_is_not_copied, 0, API_PAGERS);
	tcase_add_loop_test(t, a_lost_write_is_not_copied, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_has_what_is_committed_and_not_flushed, 0, API_PAGERS);
	tcase_add_loop_test(t, copy_looks_like_the_database, 0, API_PAGERS);
	tcase_add_loop_test(t, copies_beside_writers_are_consistent, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
