/* SPDX-License-Identifier: MIT */
/*
 * Every call that io/ makes of the kernel and the C library fails once, and for ever, in each way
 * it can: the linker puts the wrappers below between io/ and them (--wrap, see meson.build).
 *
 * One scenario does everything that io/ offers. The n-th call in it fails, n = 1, 2, ... until a
 * scenario ends without having met the failure. After each the scenario has returned 0 or an error
 * with a text, read nothing else than was written, left no descriptor open, and ended.
 */
#include "base/error.h"
#include "io/file.h"
#include "io/map.h"
#include "io/memory.h"
#include "io/queue.h"
#include "tests/check_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#ifndef WITHOUT_LIBURING
#include <liburing.h>
#endif
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * The wrappers
 */

enum kind { KIND_ERRNO, KIND_SHORT, KIND_ZERO };

static struct {
	atomic_bool armed;
	atomic_long countdown; /* the call that brings it to 0 fails */
	atomic_bool hit;
	bool forever; /* ... and all that follow */
	enum kind kind;
	int err;
	atomic_int n_syncs;
	atomic_long network; /* f_type to pretend, or 0 */
} inject;

static bool fails(void)
{
	long left;

	if (!atomic_load(&inject.armed))
		return false;
	left = atomic_fetch_sub(&inject.countdown, 1);
	if (left > 1 || (left < 1 && !inject.forever))
		return false;
	atomic_store(&inject.hit, true);
	return true;
}

/* For calls that return -1 and errno. */
static bool fails_by_errno(void)
{
	if (!fails() || inject.kind != KIND_ERRNO)
		return false;
	errno = inject.err;
	return true;
}

#define REAL(type, name, ...)                                                                      \
	type __real_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

REAL(int, open64, const char *path, int flags, ...)
{
	mode_t mode;
	va_list args;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return fails_by_errno() ? -1 : __real_open64(path, flags, mode);
}

REAL(int, stat64, const char *path, struct stat *st)
{
	return fails_by_errno() ? -1 : __real_stat64(path, st);
}

REAL(int, fstat64, int fd, struct stat *st)
{
	return fails_by_errno() ? -1 : __real_fstat64(fd, st);
}

REAL(int, statfs64, const char *path, struct statfs *fs)
{
	int rc = fails_by_errno() ? -1 : __real_statfs64(path, fs);

	if (rc == 0 && atomic_load(&inject.network) != 0)
		fs->f_type = atomic_load(&inject.network);
	return rc;
}

REAL(int, fstatfs64, int fd, struct statfs *fs)
{
	int rc = fails_by_errno() ? -1 : __real_fstatfs64(fd, fs);

	if (rc == 0 && atomic_load(&inject.network) != 0)
		fs->f_type = atomic_load(&inject.network);
	return rc;
}

REAL(int, statx, int fd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	return fails_by_errno() ? -1 : __real_statx(fd, path, flags, mask, stx);
}

REAL(int, fcntl64, int fd, int command, ...)
{
	void *arg;
	va_list args;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return fails_by_errno() ? -1 : __real_fcntl64(fd, command, arg);
}

/* A transfer may also be short, or move nothing. */
static bool transfer_fails(ssize_t *n)
{
	if (!fails())
		return false;
	if (inject.kind == KIND_ERRNO) {
		errno = inject.err;
		*n = -1;
	} else {
		*n = inject.kind == KIND_ZERO || *n < 0 ? 0 : *n / 2;
	}
	return true;
}

REAL(ssize_t, pread64, int fd, void *buf, size_t len_bytes, off_t off_bytes)
{
	ssize_t n = __real_pread64(fd, buf, len_bytes, off_bytes);

	(void)transfer_fails(&n);
	return n;
}

REAL(ssize_t, pwrite64, int fd, const void *buf, size_t len_bytes, off_t off_bytes)
{
	ssize_t n = __real_pwrite64(fd, buf, len_bytes, off_bytes);

	(void)transfer_fails(&n);
	return n;
}

REAL(ssize_t, preadv64, int fd, const struct iovec *iov, int n_iov, off_t off_bytes)
{
	ssize_t n = __real_preadv64(fd, iov, n_iov, off_bytes);

	(void)transfer_fails(&n);
	return n;
}

REAL(ssize_t, pwritev64, int fd, const struct iovec *iov, int n_iov, off_t off_bytes)
{
	ssize_t n = __real_pwritev64(fd, iov, n_iov, off_bytes);

	(void)transfer_fails(&n);
	return n;
}

/* Nothing is to survive this program: no real flushes. */
REAL(int, fdatasync, int fd)
{
	(void)fd;
	atomic_fetch_add(&inject.n_syncs, 1);
	return fails_by_errno() ? -1 : 0;
}

REAL(int, fsync, int fd)
{
	(void)fd;
	return fails_by_errno() ? -1 : 0;
}

REAL(int, ftruncate64, int fd, off_t len_bytes)
{
	return fails_by_errno() ? -1 : __real_ftruncate64(fd, len_bytes);
}

REAL(int, fallocate64, int fd, int mode, off_t off_bytes, off_t len_bytes)
{
	return fails_by_errno() ? -1 : __real_fallocate64(fd, mode, off_bytes, len_bytes);
}

REAL(int, rename, const char *from, const char *to)
{
	return fails_by_errno() ? -1 : __real_rename(from, to);
}

REAL(int, unlink, const char *path)
{
	return fails_by_errno() ? -1 : __real_unlink(path);
}

REAL(ssize_t, getrandom, void *buf, size_t len_bytes, unsigned flags)
{
	ssize_t n = __real_getrandom(buf, len_bytes, flags);

	if (inject.kind != KIND_ZERO) /* the kernel never returns that */
		(void)transfer_fails(&n);
	return n;
}

REAL(void *, mmap64, void *at, size_t len_bytes, int prot, int flags, int fd, off_t off_bytes)
{
	return fails_by_errno() ? MAP_FAILED
				: __real_mmap64(at, len_bytes, prot, flags, fd, off_bytes);
}

REAL(int, madvise, void *at, size_t len_bytes, int advice)
{
	return fails_by_errno() ? -1 : __real_madvise(at, len_bytes, advice);
}

REAL(void *, calloc, size_t n, size_t len_bytes)
{
	return fails_by_errno() ? NULL : __real_calloc(n, len_bytes);
}

REAL(int, posix_memalign, void **ret, size_t align_bytes, size_t len_bytes)
{
	return fails_by_errno() ? inject.err : __real_posix_memalign(ret, align_bytes, len_bytes);
}

REAL(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *),
	void *arg)
{
	return fails_by_errno() ? inject.err : __real_pthread_create(thread, attr, entry, arg);
}

#ifndef WITHOUT_LIBURING
REAL(int, io_uring_queue_init, unsigned entries, struct io_uring *ring, unsigned flags)
{
	return fails_by_errno() ? -inject.err : __real_io_uring_queue_init(entries, ring, flags);
}

REAL(struct io_uring_probe *, io_uring_get_probe_ring, struct io_uring *ring)
{
	return fails_by_errno() ? NULL : __real_io_uring_get_probe_ring(ring);
}

REAL(int, io_uring_register, unsigned fd, unsigned opcode, const void *arg, unsigned n_args)
{
	return fails_by_errno() ? -inject.err : __real_io_uring_register(fd, opcode, arg, n_args);
}

REAL(int, eventfd, unsigned count, int flags)
{
	return fails_by_errno() ? -1 : __real_eventfd(count, flags);
}

REAL(int, io_uring_ring_dontfork, struct io_uring *ring)
{
	return fails_by_errno() ? -inject.err : __real_io_uring_ring_dontfork(ring);
}

REAL(int, io_uring_submit, struct io_uring *ring)
{
	return fails_by_errno() ? -inject.err : __real_io_uring_submit(ring);
}

REAL(int, io_uring_submit_and_wait, struct io_uring *ring, unsigned n)
{
	return fails_by_errno() ? -inject.err : __real_io_uring_submit_and_wait(ring, n);
}
#endif

/*
 * The scenario
 */

#define BLOCK  4096
#define N_REQS 6

static char path[CHECK_PATH_BYTES], other_path[CHECK_PATH_BYTES];
static char *out, *in;

/* Into a file of its own place, and back in several ways. */
static int do_file(struct file *f)
{
	uint64_t size_bytes = 0;
	int rc = file_write(f, out, 4 * BLOCK, 0);

	if (rc == 0)
		rc = file_write(f, out + 4 * BLOCK + 1, BLOCK, 4 * BLOCK); /* a bounce buffer */
	if (rc == 0)
		rc = file_sync(f);
	if (rc == 0)
		rc = file_read(f, in, 4 * BLOCK, 0, FILE_LIVE);
	if (rc == 0)
		ck_assert_mem_eq(in, out, 4 * BLOCK);
	if (rc == 0)
		rc = file_read(f, in + 3, 2 * BLOCK, 2 * BLOCK + 5, FILE_DEVICE);
	if (rc == 0)
		ck_assert_mem_eq(in + 3, out + 2 * BLOCK + 5, 2 * BLOCK - 5);
	if (rc == 0)
		rc = file_allocate(f, 8 * BLOCK, 8 * BLOCK);
	if (rc == 0)
		rc = file_truncate(f, 12 * BLOCK);
	if (rc == 0)
		rc = file_size(f, &size_bytes);
	if (rc == 0)
		ck_assert_uint_eq(size_bytes, 12 * BLOCK);
	if (rc == 0)
		rc = file_lock(f, LOCK_EXCLUSIVE, 0, 1);
	if (rc == 0)
		rc = file_lock(f, LOCK_NONE, 0, 1);
	return rc;
}

static int do_map(struct file *f)
{
	struct map *m;
	void *memory;
	int rc = io_map(io_kernel(), f, MAP_READ_SHARED, 0, 1 << 24, &m);

	if (rc < 0)
		return rc;
	rc = map_extend(m, 2 * BLOCK);
	if (rc == 0)
		rc = map_extend(m, 4 * BLOCK);
	if (rc == 0) {
		map_advise(m, 0, 4 * BLOCK, ADVICE_RANDOM);
		ck_assert_mem_eq(m->base, out, 4 * BLOCK);
		rc = map_extend(m, BLOCK);
	}
	map_close(m);
	if (rc == 0)
		rc = memory_reserve(BLOCK, false, &memory);
	if (rc == 0) {
		memset(memory, 1, BLOCK);
		memory_discard(memory, BLOCK);
		ck_assert_int_eq(*(char *)memory, 0);
		memory_release(memory, BLOCK);
	}
	return rc;
}

static void set_reqs(struct io_req *reqs, struct io_req **ptrs, struct iovec (*iov)[2],
	enum io_kind kind, struct file *f, char *buf)
{
	for (size_t i = 0; i < N_REQS; i++) {
		iov[i][0] = (struct iovec){buf + 2 * i * BLOCK, BLOCK};
		iov[i][1] = (struct iovec){buf + (2 * i + 1) * BLOCK, BLOCK};
		reqs[i] = (struct io_req){.kind = kind,
			.file = f,
			.iov = iov[i],
			.n_iov = 2,
			.off_bytes = 2 * i * BLOCK};
		ptrs[i] = &reqs[i];
	}
}

static int do_queue(struct file *f, enum queue_backend backend)
{
	struct io_req reqs[N_REQS], *ptrs[N_REQS], sync = {.kind = IO_SYNC, .file = f};
	struct iovec iov[N_REQS][2];
	struct queue *q;
	int rc = io_queue(io_kernel(), 4, backend, &q);

	if (rc < 0)
		return rc;
	set_reqs(reqs, ptrs, iov, IO_WRITE, f, out);
	rc = queue_run(q, ptrs, N_REQS);
	ptrs[0] = &sync;
	if (rc == 0)
		rc = queue_run(q, ptrs, 1);
	if (rc == 0) {
		set_reqs(reqs, ptrs, iov, IO_READ, f, in);
		queue_submit(q, ptrs, N_REQS);
		queue_poll(q);
		for (size_t i = N_REQS; i-- > 0;) {
			queue_wait(q, ptrs[i]);
			if (rc == 0)
				rc = queue_error(ptrs[i]);
		}
	}
	if (rc == 0)
		ck_assert_mem_eq(in, out, N_REQS * 2 * BLOCK);
	queue_close(q);
	return rc;
}

static int scenario(unsigned flags, enum queue_backend backend)
{
	struct io *io = io_kernel();
	uint64_t number;
	struct file *f;
	int rc = io_open(io, path, FILE_CREATE | flags, 0600, &f);

	if (rc < 0)
		return rc;
	rc = io_sync_dir(io, path);
	if (rc == 0)
		rc = do_file(f);
	if (rc == 0)
		rc = do_map(f);
	if (rc == 0)
		rc = do_queue(f, backend);
	file_close(f);
	if (rc == 0)
		rc = io_random(io, &number, sizeof(number));
	if (rc == 0)
		rc = io_rename(io, path, other_path);
	return rc == 0 ? io_unlink(io, other_path) : rc;
}

/*
 * The loop around it
 */

static unsigned count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder))
		n++;
	(void)closedir(folder);
	return n;
}

static void arm(long nth)
{
	atomic_store(&inject.hit, false);
	atomic_store(&inject.countdown, nth);
	atomic_store(&inject.armed, true);
}

/* Whether the failure was met. */
static bool run_with_failure(unsigned flags, enum queue_backend backend, long nth,
	unsigned n_descriptors)
{
	int rc;

	error_clear();
	memset(in, 0xee, N_REQS * 2 * BLOCK);
	atomic_store(&inject.n_syncs, 0);
	arm(nth);
	rc = scenario(flags, backend);
	atomic_store(&inject.armed, false);
	ck_assert_int_le(rc, 0);
	if (rc < 0)
		ck_assert_str_ne(error_text(), "");
	else
		ck_assert_int_eq(atomic_load(&inject.n_syncs), 2);
	ck_assert_int_le(atomic_load(&inject.n_syncs), 2); /* no sync is tried again */
	ck_assert_uint_eq(count_descriptors(), n_descriptors);
	return atomic_load(&inject.hit);
}

static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR, EAGAIN, ENOMEM, ECANCELED, EOPNOTSUPP};

#define N_ERRORS   ((int)(sizeof(errors) / sizeof(errors[0])))
#define N_BACKENDS 4
#define N_WAYS     (2 * N_BACKENDS * 2) /* two kinds of file, the backends, once and for ever */

START_TEST(whatever_fails_is_returned_and_nothing_leaks)
{
	static const enum queue_backend backends[N_BACKENDS] = {
		QUEUE_URING, QUEUE_THREADS, QUEUE_SYNC, QUEUE_BACKGROUND};
	unsigned flags = _i % 2 ? FILE_DIRECT : 0;
	enum queue_backend backend = backends[_i / 2 % N_BACKENDS];
	bool forever = _i >= 2 * N_BACKENDS;
	unsigned n_descriptors, n_faults = 0;
	struct queue *q;

	if (io_queue(io_kernel(), 4, backend, &q) < 0) {
		check_skip("%s", error_text());
		return;
	}
	queue_close(q);
	check_path(path, "errors");
	check_path(other_path, "errors-renamed");
	out = check_alloc(N_REQS * 2 * BLOCK);
	in = check_alloc(N_REQS * 2 * BLOCK);
	for (size_t i = 0; i < N_REQS * 2 * BLOCK; i++)
		out[i] = (char)(i * 7 + i / BLOCK);
	n_descriptors = count_descriptors();
	for (int e = -2; e < N_ERRORS; e++) {
		long nth = 0;

		inject.kind = e == -2 ? KIND_SHORT : e == -1 ? KIND_ZERO : KIND_ERRNO;
		inject.err = e < 0 ? EIO : errors[e];
		inject.forever = forever;
		do {
			n_faults++;
			ck_assert_int_lt(++nth, 1000);
		} while (run_with_failure(flags, backend, nth, n_descriptors));
		ck_assert_int_gt(nth, 40); /* else the wrappers are not where they should be */
	}
	(void)fprintf(stderr, "%u faults\n", n_faults);
}
END_TEST

START_TEST(network_file_systems_are_refused_before_anything_is_created)
{
	static const long types[] = {0x6969, 0x517b, (long)0xfe534d42, (long)0xff534d42, 0x00c36400,
		0x5346414f, 0x01021997, 0x65735546};
	struct file *f;

	check_path(path, "network");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		atomic_store(&inject.network, types[i]);
		ck_assert_int_eq(io_open(io_kernel(), path, FILE_CREATE, 0600, &f), -EOPNOTSUPP);
		ck_assert_ptr_nonnull(strstr(error_text(), "local disk"));
		ck_assert_int_eq(access(path, F_OK), -1);
		ck_assert_int_eq(io_open(io_kernel(), path, FILE_CREATE | FILE_ANY_FS, 0600, &f),
			0);
		file_close(f);
		ck_assert_int_eq(io_open(io_kernel(), path, 0, 0, &f), -EOPNOTSUPP);
		ck_assert_int_eq(io_unlink(io_kernel(), path), 0);
	}
}
END_TEST

START_TEST(a_sync_that_failed_is_not_tried_again)
{
	struct io_req sync = {.kind = IO_SYNC}, *ptr = &sync;
	struct queue *q;
	struct file *f;

	ck_assert_int_eq(io_open(io_kernel(), check_path(path, "sync"), FILE_CREATE, 0600, &f), 0);
	ck_assert_int_eq(io_queue(io_kernel(), 4, QUEUE_SYNC, &q), 0);
	sync.file = f;
	for (int e = 0; e < N_ERRORS; e++) {
		inject.kind = KIND_ERRNO;
		inject.err = errors[e];
		atomic_store(&inject.n_syncs, 0);
		arm(1);
		ck_assert_int_eq(file_sync(f), -errors[e]);
		arm(1);
		ck_assert_int_eq(queue_run(q, &ptr, 1), -errors[e]);
		ck_assert_int_eq(atomic_load(&inject.n_syncs), 2);
		ck_assert_ptr_nonnull(strstr(error_text(), "may be lost"));
	}
	queue_close(q);
	file_close(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_errors");
	TCase *t = tcase_create("errors");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_loop_test(t, whatever_fails_is_returned_and_nothing_leaks, 0, N_WAYS);
	tcase_add_test(t, network_file_systems_are_refused_before_anything_is_created);
	tcase_add_test(t, a_sync_that_failed_is_not_tried_again);
	suite_add_tcase(s, t);
	return check_main(s);
}
