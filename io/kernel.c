/* SPDX-License-Identifier: MIT */
/*
 * The real kernel as a `struct io`: names, randomness, the clock. Files, maps and the queue have
 * their own sources.
 */
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* A folder that may be entered but not listed cannot be opened: then its whole file system. */
static int sync_system(const char *path, const char *folder)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc = 0;

	if (fd < 0 || syncfs(fd) < 0)
		rc = error_set(-errno,
			"cannot flush the folder %s, which you may not read, nor %s in it: %s",
			folder, path, error_name(-errno));
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int kernel_sync_dir(struct io *io, const char *path)
{
	char folder[PATH_MAX];
	int fd, err = 0;
	int rc = path_folder(path, folder, sizeof(folder));

	(void)io;
	if (rc < 0)
		return rc;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		return sync_system(path, folder);
	if (fd < 0)
		return error_set(-errno, "cannot open the folder %s to flush it: %s", folder,
			error_name(-errno));
	if (fsync(fd) < 0)
		err = errno;
	(void)close(fd);
	/* EINVAL, EROFS: this file system has no names that wait to be flushed. */
	if (err != 0 && err != EINVAL && err != EROFS)
		return error_set(-err,
			"cannot flush the folder %s: %s. Names made in it may be lost", folder,
			error_name(-err));
	return 0;
}

static int kernel_unlink(struct io *io, const char *path)
{
	(void)io;
	if (unlink(path) < 0)
		return error_set(-errno, "cannot remove %s: %s", path, error_name(-errno));
	return 0;
}

static int kernel_rename(struct io *io, const char *from, const char *to)
{
	(void)io;
	if (rename(from, to) < 0)
		return error_set(-errno, "cannot rename %s to %s: %s", from, to,
			error_name(-errno));
	return 0;
}

/* Not every file system can do that in one step. */
static int move_to_free_name(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	(void)unlink(from);
	return 0;
}

static int kernel_name_file(struct io *io, struct file *file, const char *to)
{
	const struct file_kernel *fk = file_kernel_of(file);
	char from[64];
	int rc;

	(void)io;
	if (fk->is_unnamed) {
		(void)snprintf(from, sizeof(from), PROC_FD "/%d", fk->fd);
		rc = linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	} else {
		rc = move_to_free_name(fk->path, to);
	}
	if (rc < 0)
		return error_set(rc, "cannot give a file the name %s: %s", to, error_name(rc));
	return 0;
}

static int kernel_random(struct io *io, void *buf, size_t len_bytes)
{
	char *p = buf;
	int rc = -EINTR;

	(void)io;
	for (int i = 0; i < EINTR_MAX && len_bytes > 0; i++) {
		ssize_t n = getrandom(p, len_bytes < 256 ? len_bytes : 256, 0);

		if (n < 0 && errno != EINTR) {
			rc = -errno;
			break;
		}
		if (n > 0) {
			p += n;
			len_bytes -= (size_t)n;
			i = 0;
		}
	}
	if (len_bytes > 0)
		return error_set(rc, "no randomness from the system: %s", error_name(rc));
	return 0;
}

static uint64_t kernel_now_ns(struct io *io)
{
	struct timespec ts;

	(void)io;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void kernel_pause_ns(struct io *io, uint64_t wait_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(wait_ns / 1000000000u),
		.tv_nsec = (long)(wait_ns % 1000000000u),
	};

	(void)io;
	(void)nanosleep(&ts, NULL);
}

static void kernel_self(struct io *io, struct io_self *ret_self)
{
	(void)io;
	memset(ret_self, 0, sizeof(*ret_self));
	ret_self->pid = (uint64_t)getpid();
	ret_self->now_s = (int64_t)time(NULL);
	(void)snprintf(ret_self->program, sizeof(ret_self->program), "%s",
		program_invocation_short_name);
}

static const struct io_ops kernel_ops = {
	.name = "kernel",
	.open = file_kernel_open,
	.sync_dir = kernel_sync_dir,
	.unlink = kernel_unlink,
	.rename = kernel_rename,
	.name_file = kernel_name_file,
	.map = map_kernel_open,
	.queue = queue_kernel_open,
	.random = kernel_random,
	.now_ns = kernel_now_ns,
	.pause_ns = kernel_pause_ns,
	.self = kernel_self,
};

struct io *io_kernel(void)
{
	static struct io kernel = {.ops = &kernel_ops};

	return &kernel;
}
