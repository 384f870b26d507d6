/* SPDX-License-Identifier: MIT */
/* Files of the real kernel. */
#include "base/error.h"
#include "io/file.h"
#include "io/queue.h"
#include "tests/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[CHECK_PATH_BYTES];

static struct file *open_new(const char *name, unsigned flags)
{
	struct file *f = NULL;

	check_path(path, name);
	ck_assert_int_eq(io_open(io_kernel(), path, flags | FILE_CREATE | FILE_EXCL, 0600, &f), 0);
	ck_assert_ptr_nonnull(f);
	return f;
}

static int open_fails(const char *name, unsigned flags)
{
	struct file *f = (struct file *)8;
	int rc = io_open(io_kernel(), check_path(path, name), flags, 0600, &f);

	ck_assert_int_lt(rc, 0);
	ck_assert_ptr_eq(f, (struct file *)8);
	ck_assert_ptr_nonnull(strstr(error_text(), path));
	return rc;
}

static char *block(size_t len_bytes, int fill)
{
	return memset(check_alloc(len_bytes), fill, len_bytes);
}

static void round_trip(unsigned flags)
{
	struct file *f = open_new(flags & FILE_DIRECT ? "trip-direct" : "trip", flags);
	char *out = block(3 << 20, 0), *in = block(3 << 20, 0xee);
	uint64_t seed = check_seed(), size_bytes = 0;

	for (size_t i = 0; i < 3 << 20; i += 8) {
		uint64_t x = check_random(&seed);

		memcpy(out + i, &x, 8);
	}
	ck_assert_int_eq(file_write(f, out, 3 << 20, 8192), 0);
	ck_assert_int_eq(file_sync(f), 0);
	ck_assert_int_eq(io_sync_dir(io_kernel(), path), 0);
	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 8192 + (3 << 20));
	for (int view = FILE_LIVE; view <= FILE_DEVICE; view++) {
		memset(in, 0xee, 3 << 20);
		ck_assert_int_eq(file_read(f, in, 3 << 20, 8192, (enum file_view)view), 0);
		ck_assert_mem_eq(in, out, 3 << 20);
		/* Anywhere, into any buffer. */
		ck_assert_int_eq(file_read(f, in + 1, (2 << 20) + 77, 8192 + 4099,
					 (enum file_view)view),
			0);
		ck_assert_mem_eq(in + 1, out + 4099, (2 << 20) + 77);
		ck_assert_int_eq(file_read(f, in, 4096, 0, (enum file_view)view), 0);
		ck_assert_mem_eq(in, memset(block(4096, 1), 0, 4096), 4096);
	}
	file_close(f);
}

START_TEST(what_was_written_is_read_buffered)
{
	round_trip(0);
}
END_TEST

START_TEST(what_was_written_is_read_direct)
{
	round_trip(FILE_DIRECT);
}
END_TEST

START_TEST(direct_reports_its_alignment_or_why_not)
{
	struct file *f = open_new("direct", FILE_DIRECT);

	ck_assert_ptr_nonnull(f->direct_why);
	if (!f->direct) {
		ck_assert_uint_eq(f->align_bytes == 1, !f->device_direct);
		check_skip("%s", f->direct_why);
		file_close(f);
		return;
	}
	ck_assert(f->device_direct);
	ck_assert_uint_ge(f->align_bytes, 512);
	file_close(f);
}
END_TEST

START_TEST(direct_takes_unaligned_buffers_and_refuses_unaligned_offsets)
{
	struct file *f = open_new("unaligned", FILE_DIRECT);
	char *p = block(8192, 'a'), *in = block(4096, 0);

	if (!f->direct) {
		check_skip("%s", f->direct_why);
		file_close(f);
		return;
	}
	ck_assert_int_eq(file_write(f, p + 3, 4096, 4096), 0);
	ck_assert_int_eq(file_read(f, in, 4096, 4096, FILE_LIVE), 0);
	ck_assert_mem_eq(in, p, 4096);
	ck_assert_int_eq(file_write(f, p, 100, 4096), VERSO_EMISUSE);
	file_close(f);
}
END_TEST

START_TEST(device_reads_use_the_alignment_beside_a_buffered_file)
{
	struct file *f = open_new("device", 0);
	char *p = block(8192, 'm');

	ck_assert(!f->direct);
	ck_assert_int_eq(file_write(f, p, 5000, 0), 0);
	memset(p, 0, 8192);
	ck_assert_int_eq(file_read(f, p + 1, 5000, 0, FILE_DEVICE), 0);
	for (int i = 1; i <= 5000; i++)
		ck_assert_int_eq(p[i], 'm');
	ck_assert_int_eq(file_read(f, p, 5001, 0, FILE_DEVICE), VERSO_EIO);
	if (!f->device_direct)
		check_skip("no O_DIRECT here: the device is read through the cache");
	file_close(f);
}
END_TEST

static void past_the_end(unsigned flags)
{
	struct file *f = open_new(flags & FILE_DIRECT ? "end-direct" : "end", flags);
	char *p = block(8192, 'e');

	ck_assert_int_eq(file_read(f, p, 4096, 0, FILE_LIVE), VERSO_EIO);
	ck_assert_int_eq(file_write(f, p, 4096, 0), 0);
	ck_assert_int_eq(file_read(f, p, 8192, 0, FILE_LIVE), VERSO_EIO);
	ck_assert_ptr_nonnull(strstr(error_text(), "the file ends before"));
	ck_assert_int_eq(file_read(f, p, 4096, 1 << 20, FILE_DEVICE), VERSO_EIO);
	/* A size that is no multiple of any block. */
	ck_assert_int_eq(file_truncate(f, 4096 + 100), 0);
	ck_assert_int_eq(file_read(f, p, 8192, 0, FILE_LIVE), VERSO_EIO);
	ck_assert_int_eq(file_read(f, p, 8192, 0, FILE_DEVICE), VERSO_EIO);
	ck_assert_int_eq(file_read(f, p, 4096 + 100, 0, FILE_DEVICE), 0);
	ck_assert_int_eq(file_read(f, p, 4096 + 100, 0, FILE_LIVE), 0);
	ck_assert_int_eq(file_read(f, p, 4096 + 101, 0, FILE_LIVE), VERSO_EIO);
	ck_assert_int_eq(p[4095], 'e');
	ck_assert_int_eq(p[4096], 0);
	file_close(f);
}

START_TEST(reading_past_the_end_is_an_error)
{
	past_the_end(0);
}
END_TEST

START_TEST(reading_past_the_end_direct_is_an_error)
{
	past_the_end(FILE_DIRECT);
}
END_TEST

START_TEST(a_folder_is_refused)
{
	mkdir(check_path(path, "folder"), 0700);
	ck_assert_int_eq(open_fails("folder", 0), -EISDIR);
	ck_assert_int_eq(open_fails("folder", FILE_RDONLY), -EISDIR);
	ck_assert_int_eq(open_fails("folder", FILE_CREATE), -EISDIR);
}
END_TEST

START_TEST(a_fifo_is_refused_and_never_waited_for)
{
	ck_assert_int_eq(mkfifo(check_path(path, "fifo"), 0600), 0);
	ck_assert_int_eq(open_fails("fifo", 0), VERSO_ENOTDB);
	ck_assert_int_eq(open_fails("fifo", FILE_RDONLY), VERSO_ENOTDB);
	ck_assert_ptr_nonnull(strstr(error_text(), "FIFO"));
}
END_TEST

START_TEST(sockets_and_devices_are_refused)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct file *f;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_uint_lt(strlen(check_path(path, "socket")), sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(open_fails("socket", 0), VERSO_ENOTDB);
	ck_assert_int_eq(io_open(io_kernel(), "/dev/null", 0, 0, &f), VERSO_ENOTDB);
}
END_TEST

START_TEST(missing_files_and_folders_get_different_advice)
{
	ck_assert_int_eq(open_fails("nowhere", 0), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(), "check the name"));
	ck_assert_int_eq(open_fails("no/where", FILE_CREATE), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(), "make its folder"));
	file_close(open_new("there", 0));
	ck_assert_int_eq(open_fails("there", FILE_CREATE | FILE_EXCL), -EEXIST);
	ck_assert_int_eq(io_unlink(io_kernel(), check_path(path, "there")), 0);
	ck_assert_int_eq(io_unlink(io_kernel(), path), -ENOENT);
}
END_TEST

START_TEST(no_permission_is_an_error_with_advice)
{
	file_close(open_new("locked", 0));
	ck_assert_int_eq(chmod(path, 0444), 0);
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) {
		check_skip("root cannot become another user here");
		return;
	}
	/* The scratch folder may be closed to that user altogether: EACCES all the same. */
	ck_assert_int_eq(open_fails("locked", 0), -EACCES);
	ck_assert_ptr_nonnull(strstr(error_text(), "check who may write"));
}
END_TEST

START_TEST(a_read_only_file_cannot_be_written)
{
	struct file *f;
	char *p = block(4096, 'r');

	file_close(open_new("ro", 0));
	ck_assert_int_eq(io_open(io_kernel(), path, FILE_RDONLY, 0, &f), 0);
	ck_assert_int_eq(file_write(f, p, 4096, 0), -EBADF);
	file_close(f);
}
END_TEST

START_TEST(truncate_allocate_and_size_agree)
{
	struct file *f = open_new("size", 0);
	uint64_t size_bytes = 1;
	struct stat st;

	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 0);
	ck_assert_int_eq(file_allocate(f, 4096, 1 << 20), 0);
	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 4096 + (1 << 20));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(file_truncate(f, 1000), 0);
	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 1000);
	file_close(f);
}
END_TEST

START_TEST(a_full_disk_is_an_error_of_the_call_that_needs_blocks)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	struct file *f = open_new("full", 0);
	char *p = block(1 << 20, 'f');

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(file_allocate(f, 0, 2 << 20), -EFBIG);
	ck_assert_ptr_nonnull(strstr(error_text(), "ulimit -f"));
	ck_assert_int_eq(file_truncate(f, 2 << 20), -EFBIG);
	/* The first half fits, so the kernel takes a short write before it says why. */
	ck_assert_int_eq(file_write(f, p, 1 << 20, 1 << 19), -EFBIG);
	ck_assert_int_eq(file_write(f, p, 1 << 19, 1 << 19), 0);
	file_close(f);
}
END_TEST

/* A file system of 1 MiB that only this test's process sees; false where that is not allowed. */
static bool small_disk(void)
{
	char options[] = "size=1m";

	check_path(path, "disk");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		(mkdir(path, 0700) < 0 && errno != EEXIST) ||
		mount("tmpfs", path, "tmpfs", 0, options) < 0) {
		check_skip("no right to mount a small file system");
		return false;
	}
	return true;
}

START_TEST(a_disk_that_is_really_full_returns_enospc_and_goes_on)
{
	char *p = block(2 << 20, 'f');
	uint64_t size_bytes = 1;
	struct file *f;

	if (!small_disk())
		return;
	f = open_new("disk/file", 0);
	ck_assert_int_eq(file_allocate(f, 0, 2 << 20), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(), "make room"));
	ck_assert_int_eq(file_size(f, &size_bytes), 0);
	ck_assert_uint_eq(size_bytes, 0);
	ck_assert_int_eq(file_write(f, p, 2 << 20, 0), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(), "make room"));
	ck_assert_int_eq(file_truncate(f, 0), 0);
	ck_assert_int_eq(file_allocate(f, 0, 1 << 19), 0);
	ck_assert_int_eq(file_write(f, p, 1 << 19, 0), 0);
	file_close(f);
}
END_TEST

/* A small ext4 that only this test's process sees; false where that is not allowed. */
static bool small_ext4(void)
{
	char disk[CHECK_PATH_BYTES], command[6 * CHECK_PATH_BYTES];

	check_path(path, "image");
	check_path(disk, "ext4");
	(void)snprintf(command, sizeof(command),
		"exec >/dev/null 2>&1; PATH=$PATH:/sbin:/usr/sbin; truncate -s 8M %s && "
		"mkfs.ext4 -qF %s && mkdir -p %s && mount -o loop %s %s",
		path, path, disk, path, disk);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		system(command) != 0) {
		check_skip("no right to mount a small ext4, or no mkfs.ext4");
		return false;
	}
	return true;
}

/* A hole of 1 MiB, and as many blocks that wait beyond the end. */
START_TEST(blocks_beyond_the_end_fill_no_hole)
{
	char *p = block(64 << 10, 'f');
	uint64_t off_bytes = 0;
	struct file *f, *junk;
	struct stat st;
	int fd;

	if (!small_ext4())
		return;
	f = open_new("ext4/file", 0);
	ck_assert_int_eq(file_truncate(f, 1 << 20), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20), 0);
	(void)close(fd);
	junk = open_new("ext4/junk", 0);
	while (file_write(junk, p, 64 << 10, off_bytes) == 0)
		off_bytes += 64 << 10;
	ck_assert_int_eq(stat(check_path(path, "ext4/file"), &st), 0);
	ck_assert_int_ge((int64_t)st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(file_allocate(f, 0, 1 << 20), -ENOSPC);
	ck_assert_int_eq(file_truncate(junk, 0), 0);
	ck_assert_int_eq(file_allocate(f, 0, 1 << 20), 0);
	file_close(f);
	file_close(junk);
}
END_TEST

/* A page, a hole of 63 and a page; the disk has room for 32 more. */
START_TEST(allocation_fills_holes_or_returns_enospc)
{
	char *p = block(256 << 10, 'f');
	struct file *f, *junk;
	struct stat st;

	if (!small_disk())
		return;
	junk = open_new("disk/junk", 0);
	f = open_new("disk/file", 0);
	ck_assert_int_eq(file_write(f, p, 4096, 0), 0);
	ck_assert_int_eq(file_write(f, p, 4096, 64 * 4096), 0);
	ck_assert_int_eq(file_allocate(junk, 0, (1 << 20) - 34 * 4096), 0);
	ck_assert_int_eq(file_allocate(f, 0, 65 * 4096), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(), "no room for the 266240 bytes of "));
	ck_assert_ptr_nonnull(strstr(error_text(), "disk/file"));
	ck_assert_int_eq(file_truncate(junk, 512 << 10), 0);
	ck_assert_int_eq(file_allocate(f, 0, 65 * 4096), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 65 * 4096);
	ck_assert_int_eq(st.st_blocks, 65 * 8);
	for (uint64_t n = 512 << 10; file_allocate(junk, 0, n) == 0;)
		n += 4096;
	ck_assert_int_eq(file_allocate(f, 0, 65 * 4096), 0); /* full, and nothing is needed */
	ck_assert_int_eq(file_write(f, p, 256 << 10, 0), 0);
	file_close(f);
	file_close(junk);
}
END_TEST

START_TEST(locks_hold_between_handles_and_end_with_them)
{
	struct file *a = open_new("lock", 0), *b;

	ck_assert_int_eq(io_open(io_kernel(), path, 0, 0, &b), 0);
	ck_assert_int_eq(file_lock(a, LOCK_EXCLUSIVE, 10, 1), 0);
	ck_assert_int_eq(file_lock(b, LOCK_SHARED, 10, 1), VERSO_EBUSY);
	ck_assert_int_eq(file_lock(b, LOCK_EXCLUSIVE, 11, 5), 0);
	ck_assert_int_eq(file_lock(a, LOCK_SHARED, 10, 1), 0);
	ck_assert_int_eq(file_lock(b, LOCK_SHARED, 10, 1), 0);
	ck_assert_int_eq(file_lock(b, LOCK_EXCLUSIVE, 10, 1), VERSO_EBUSY);
	ck_assert_int_eq(file_lock(a, LOCK_NONE, 10, 1), 0);
	ck_assert_int_eq(file_lock(b, LOCK_EXCLUSIVE, 10, 1), 0);
	file_close(b);
	ck_assert_int_eq(file_lock(a, LOCK_EXCLUSIVE, 0, 100), 0);
	file_close(a);
}
END_TEST

START_TEST(locks_hold_between_processes_and_end_with_them)
{
	static struct file *mine; /* static: the child's copy is no leak */
	struct file *theirs;
	int to_child[2], to_parent[2];
	uint64_t at_bytes;
	bool found;
	char byte;
	pid_t pid;

	mine = open_new("processes", 0);
	ck_assert_int_eq(pipe(to_child), 0);
	ck_assert_int_eq(pipe(to_parent), 0);
	pid = fork();
	if (pid == 0) {
		int rc = io_open(io_kernel(), path, 0, 0, &theirs);

		byte = rc == 0 && file_lock(theirs, LOCK_EXCLUSIVE, 5, 1) == 0 ? 'y' : 'n';
		(void)!write(to_parent[1], &byte, 1);
		(void)!read(to_child[0], &byte, 1);
		_exit(0); /* no close, no unlock */
	}
	ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	ck_assert_int_eq(file_lock(mine, LOCK_EXCLUSIVE, 5, 1), VERSO_EBUSY);
	ck_assert_int_eq(file_lock(mine, LOCK_EXCLUSIVE, 6, 1), 0);
	ck_assert_int_eq(file_find_lock(mine, LOCK_SHARED, 0, 100, &found, &at_bytes), 0);
	ck_assert(found);
	ck_assert_uint_eq(at_bytes, 5);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
	ck_assert_int_eq(file_wait_lock(mine, LOCK_EXCLUSIVE, 5, 1), 0); /* until it has ended */
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(file_find_lock(mine, LOCK_EXCLUSIVE, 0, 100, &found, &at_bytes), 0);
	ck_assert(!found);
	file_close(mine);
}
END_TEST

/* In a child whose descriptors 0 to 2 are closed: whether they still are, afterwards. */
static int open_without_stdio(unsigned flags, enum queue_backend backend)
{
	struct file *f;
	struct queue *q;

	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	if (io_open(io_kernel(), path, flags, 0, &f) < 0)
		return 1;
	if (io_queue(io_kernel(), 4, backend, &q) < 0)
		return 2;
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return 3;
	}
	queue_close(q);
	file_close(f);
	return 0;
}

START_TEST(no_descriptor_of_standard_input_or_output_is_taken)
{
	static const unsigned flags[] = {0, FILE_DIRECT, FILE_RDONLY};

	file_close(open_new("stdio", 0));
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(open_without_stdio(flags[i], QUEUE_BEST));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

START_TEST(want_of_a_descriptor_does_not_turn_the_device_into_the_page_cache)
{
	struct file *f = open_new("emfile", 0), *g = (struct file *)8;
	bool has_device = f->device_direct;
	struct rlimit limit;
	int next;

	file_close(f);
	if (!has_device) {
		check_skip("no O_DIRECT here: the device is read through the cache");
		return;
	}
	next = dup(0);
	(void)close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)next + 1; /* room for one */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(io_open(io_kernel(), path, 0, 0, &g), -EMFILE);
	ck_assert_ptr_eq(g, (struct file *)8);
	limit.rlim_cur++;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(io_open(io_kernel(), path, 0, 0, &g), 0);
	ck_assert(g->device_direct);
	file_close(g);
}
END_TEST

START_TEST(a_link_is_followed_without_nofollow)
{
	char link[CHECK_PATH_BYTES];
	struct file *f = open_new("target", 0);

	file_close(f);
	ck_assert_int_eq(symlink(path, check_path(link, "link")), 0);
	ck_assert_int_eq(open_fails("link", FILE_NOFOLLOW), -ELOOP);
	ck_assert_int_eq(open_fails("link", FILE_NOFOLLOW | FILE_CREATE), -ELOOP);
	ck_assert_int_eq(unlink(check_path(path, "target")), 0);
	ck_assert_int_eq(open_fails("link", FILE_NOFOLLOW | FILE_CREATE), -ELOOP);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(io_open(io_kernel(), link, FILE_CREATE, 0600, &f), 0);
	ck_assert_int_eq(access(check_path(path, "target"), F_OK), 0);
	file_close(f);
}
END_TEST

START_TEST(a_file_imitates_another)
{
	struct file *like = open_new("like", 0), *f;
	struct stat st;

	ck_assert_int_eq(chmod(path, 04751), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 1234, 5678), 0);
	f = open_new("imitates", 0);
	file_imitate(f, like);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640); /* not executable */
	if (geteuid() == 0)
		ck_assert(st.st_uid == 1234 && st.st_gid == 5678);
	file_close(f);
	file_close(like);
}
END_TEST

START_TEST(a_file_is_the_same_by_another_name)
{
	struct file *other = open_new("other", 0), *f = open_new("one", 0), *again;
	char name[CHECK_PATH_BYTES];

	ck_assert_int_eq(link(path, check_path(name, "another name")), 0);
	ck_assert_int_eq(io_open(io_kernel(), name, 0, 0, &again), 0);
	ck_assert(file_is_same(f, again));
	ck_assert(!file_is_same(f, other));
	file_close(again);
	file_close(f);
	file_close(other);
}
END_TEST

START_TEST(a_child_lets_go_of_a_file_without_its_parents_lock)
{
	static struct file *mine; /* static: the child's copy is no leak */
	struct file *other;
	int status;
	pid_t pid;

	mine = open_new("abandon", 0);
	ck_assert_int_eq(file_lock(mine, LOCK_EXCLUSIVE, 0, 1), 0);
	pid = fork();
	if (pid == 0) {
		file_abandon(mine);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(io_open(io_kernel(), path, 0, 0, &other), 0);
	ck_assert_int_eq(file_lock(other, LOCK_EXCLUSIVE, 0, 1), VERSO_EBUSY);
	file_abandon(mine); /* of the last process that has it: now the lock falls */
	ck_assert_int_eq(file_lock(other, LOCK_EXCLUSIVE, 0, 1), 0);
	file_close(other);
}
END_TEST

START_TEST(folders_of_every_kind_of_name_can_be_flushed)
{
	file_close(open_new("name", 0));
	ck_assert_int_eq(io_sync_dir(io_kernel(), path), 0);
	ck_assert_int_eq(io_sync_dir(io_kernel(), "name-without-folder"), 0);
	ck_assert_int_eq(io_sync_dir(io_kernel(), "/name-in-root"), 0);
	ck_assert_int_eq(io_sync_dir(io_kernel(), check_path(path, "no/where")), -ENOENT);
}
END_TEST

START_TEST(rename_replaces_the_file_of_that_name)
{
	char to[CHECK_PATH_BYTES];
	struct file *f = open_new("old-name", 0);
	char byte = 'n';

	ck_assert_int_eq(file_write(f, "n", 1, 0), 0);
	file_close(f);
	file_close(open_new("new-name", 0));
	strcpy(to, path);
	ck_assert_int_eq(io_rename(io_kernel(), check_path(path, "old-name"), to), 0);
	ck_assert_int_eq(open_fails("old-name", 0), -ENOENT);
	ck_assert_int_eq(io_open(io_kernel(), to, 0, 0, &f), 0);
	ck_assert_int_eq(file_read(f, &byte, 1, 0, FILE_LIVE), 0);
	ck_assert_int_eq(byte, 'n');
	file_close(f);
	ck_assert_int_eq(io_rename(io_kernel(), check_path(path, "old-name"), to), -ENOENT);
}
END_TEST

START_TEST(randomness_differs_and_the_clock_goes_forward)
{
	struct io *io = io_kernel();
	uint8_t a[1000] = {0}, b[1000] = {0};
	uint64_t t = io_now_ns(io);

	ck_assert_int_eq(io_random(io, a, sizeof(a)), 0);
	ck_assert_int_eq(io_random(io, b, sizeof(b)), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert_uint_ge(io_now_ns(io), t);
	t = io_now_ns(io);
	io_pause_ns(io, 1000000);
	ck_assert_uint_gt(io_now_ns(io), t);
}
END_TEST

START_TEST(a_process_knows_itself)
{
	struct io_self self;

	io_self(io_kernel(), &self);
	ck_assert_uint_eq(self.pid, (uint64_t)getpid());
	ck_assert_int_gt(self.now_s, 1700000000);
	ck_assert_ptr_nonnull(strstr(self.program, "test_io_file"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_file");
	TCase *t = tcase_create("file");

	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_test(t, what_was_written_is_read_buffered);
	tcase_add_test(t, what_was_written_is_read_direct);
	tcase_add_test(t, direct_reports_its_alignment_or_why_not);
	tcase_add_test(t, direct_takes_unaligned_buffers_and_refuses_unaligned_offsets);
	tcase_add_test(t, device_reads_use_the_alignment_beside_a_buffered_file);
	tcase_add_test(t, reading_past_the_end_is_an_error);
	tcase_add_test(t, reading_past_the_end_direct_is_an_error);
	tcase_add_test(t, a_folder_is_refused);
	tcase_add_test(t, a_fifo_is_refused_and_never_waited_for);
	tcase_add_test(t, sockets_and_devices_are_refused);
	tcase_add_test(t, missing_files_and_folders_get_different_advice);
	tcase_add_test(t, no_permission_is_an_error_with_advice);
	tcase_add_test(t, a_read_only_file_cannot_be_written);
	tcase_add_test(t, truncate_allocate_and_size_agree);
	tcase_add_test(t, a_full_disk_is_an_error_of_the_call_that_needs_blocks);
	tcase_add_test(t, a_disk_that_is_really_full_returns_enospc_and_goes_on);
	tcase_add_test(t, allocation_fills_holes_or_returns_enospc);
	tcase_add_test(t, blocks_beyond_the_end_fill_no_hole);
	tcase_add_test(t, locks_hold_between_handles_and_end_with_them);
	tcase_add_test(t, locks_hold_between_processes_and_end_with_them);
	tcase_add_test(t, no_descriptor_of_standard_input_or_output_is_taken);
	tcase_add_test(t, want_of_a_descriptor_does_not_turn_the_device_into_the_page_cache);
	tcase_add_test(t, a_link_is_followed_without_nofollow);
	tcase_add_test(t, a_file_imitates_another);
	tcase_add_test(t, a_file_is_the_same_by_another_name);
	tcase_add_test(t, a_child_lets_go_of_a_file_without_its_parents_lock);
	tcase_add_test(t, a_process_knows_itself);
	tcase_add_test(t, folders_of_every_kind_of_name_can_be_flushed);
	tcase_add_test(t, rename_replaces_the_file_of_that_name);
	tcase_add_test(t, randomness_differs_and_the_clock_goes_forward);
	suite_add_tcase(s, t);
	return check_main(s);
}
