/* SPDX-License-Identifier: MIT */
/*
 * The folder of a file's name, and descriptors that are not standard input, output or error (I9).
 */
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int path_folder(const char *path, char *buf, size_t len_bytes)
{
	const char *slash = strrchr(path, '/');
	size_t n_bytes;

	if (!slash) {
		path = ".";
		n_bytes = 1;
	} else {
		n_bytes = slash == path ? 1 : (size_t)(slash - path);
	}
	if (n_bytes >= len_bytes)
		return error_set(-ENAMETOOLONG, "the name %.64s... is too long", path);
	memcpy(buf, path, n_bytes);
	buf[n_bytes] = '\0';
	return 0;
}

int fd_above_stdio(int fd)
{
	int above;

	if (fd > STDERR_FILENO)
		return fd;
	above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (above < 0)
		above = -errno;
	(void)close(fd);
	return above;
}
