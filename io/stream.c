/* SPDX-License-Identifier: MIT */
/* Writing to a descriptor of the caller's. */
#include "io/stream.h"

#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static int failed(int fd, const char *what, int code)
{
	return error_set(code, "descriptor %d: cannot %s: %s", fd, what, error_name(code));
}

int stream_write(int fd, const void *buf, size_t len_bytes)
{
	const char *p = buf;
	int n_vain = 0;

	while (len_bytes > 0) {
		ssize_t n = write(fd, p, len_bytes);

		if (n > 0) {
			p += n;
			len_bytes -= (size_t)n;
			n_vain = 0;
			continue;
		}
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return failed(fd, "write to it", -errno);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};

			(void)poll(&ready, 1, -1);
			continue;
		}
		if (++n_vain > EINTR_MAX)
			return failed(fd, "write to it", n < 0 ? -EINTR : -EIO);
	}
	return 0;
}

int stream_sync(int fd)
{
	if (fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP)
		return 0;
	return failed(fd, "flush it", -errno);
}
