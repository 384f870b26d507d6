/* SPDX-License-Identifier: MIT */
/*
 * Locks of an open file description: they end with its last descriptor, however the process ends.
 */
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct flock lock_range(enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes)
{
	static const short types[] = {
		[LOCK_NONE] = F_UNLCK, [LOCK_SHARED] = F_RDLCK, [LOCK_EXCLUSIVE] = F_WRLCK};

	ASSERT(len_bytes > 0); /* to the kernel 0 would mean: up to the end */
	return (struct flock){
		.l_type = types[kind],
		.l_whence = SEEK_SET,
		.l_start = (off_t)off_bytes,
		.l_len = (off_t)len_bytes,
	};
}

/* A signal of the application ends the kernel's wait, not ours. */
static int lock_once(int fd, int command, struct flock *lock)
{
	int rc;

	do
		rc = fcntl(fd, command, lock) < 0 ? -errno : 0;
	while (rc == -EINTR && command == F_OFD_SETLKW);
	return rc;
}

int fd_lock(int fd, const char *path, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes,
	bool wait)
{
	struct flock lock = lock_range(kind, off_bytes, len_bytes);
	int rc = lock_once(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);

	if (rc == -EAGAIN || rc == -EACCES)
		return error_set(VERSO_EBUSY,
			"%s is in use by another process or by another handle of this one", path);
	return rc < 0 ? error_set(rc, "cannot lock %s: %s", path, error_name(rc)) : 0;
}

int fd_find_lock(int fd, const char *path, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes)
{
	struct flock lock = lock_range(kind, off_bytes, len_bytes);
	int rc = lock_once(fd, F_OFD_GETLK, &lock);

	if (rc < 0)
		return error_set(rc, "cannot look at the locks of %s: %s", path, error_name(rc));
	*ret_found = lock.l_type != F_UNLCK;
	if (*ret_found)
		*ret_off_bytes =
			(uint64_t)lock.l_start > off_bytes ? (uint64_t)lock.l_start : off_bytes;
	return 0;
}

void fd_unlock_all(int fd)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	(void)fcntl(fd, F_OFD_SETLK, &all);
}
