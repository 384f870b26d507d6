/* SPDX-License-Identifier: MIT */
/*
 * A descriptor of the caller's, written from where it stands to its end: a pipe, a socket, a
 * terminal, a file. Nothing is known of it, so nothing is promised but that every byte was taken.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <stddef.h>

/*
 * Writes all len_bytes, in pieces as the descriptor takes them; waits where it would not block.
 * -errno: an unknown part was written. A pipe without a reader raises SIGPIPE, as write() does.
 */
int stream_write(int fd, const void *buf, size_t len_bytes);

/* Makes durable what was written, where that means anything: a pipe has nothing to flush. */
int stream_sync(int fd);

#endif
