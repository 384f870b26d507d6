/* SPDX-License-Identifier: MIT */
/*
 * Writes a trace file. Each thread fills a buffer of its own without a lock; a full buffer is
 * written at the end of the file in one piece, so events of one thread stay in order and those of
 * several are ordered by their times when the file is read.
 */
#include "trace/format.h"
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_EVENTS 4096

/* One thread's events that are not written yet. Lives until the writer is closed. */
struct buffer {
	struct buffer *next; /* the writer's lock */
	unsigned n;          /* its thread's */
	uint8_t bytes[BUFFER_EVENTS * TRACE_EVENT_BYTES];
};

struct trace_writer {
	uint64_t number; /* no other writer of the process has it; constant */
	int fd;
	pthread_mutex_t lock;
	struct buffer *buffers; /* lock */
	int rc;                 /* the first error; lock */
};

static _Atomic uint64_t n_writers;

/* The buffer that this thread used last; of a writer that was closed it is never looked at. */
static _Thread_local struct buffer *latest;
static _Thread_local uint64_t latest_writer;

static int write_all(int fd, const uint8_t *bytes, size_t len_bytes)
{
	while (len_bytes > 0) {
		ssize_t n = write(fd, bytes, len_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len_bytes -= (size_t)n;
	}
	return 0;
}

int trace_writer_open(const char *path, struct trace_writer **ret_writer)
{
	struct trace_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->number = atomic_fetch_add(&n_writers, 1) + 1;
	w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	rc = w->fd < 0 ? -errno
		       : write_all(w->fd, (const uint8_t *)TRACE_MAGIC, TRACE_HEADER_BYTES);
	if (rc < 0) {
		if (w->fd >= 0)
			(void)close(w->fd);
		free(w);
		return rc;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	*ret_writer = w;
	return 0;
}

/* With the lock, or alone. */
static void buffer_write(struct trace_writer *w, struct buffer *b)
{
	int rc = write_all(w->fd, b->bytes, (size_t)b->n * TRACE_EVENT_BYTES);

	if (w->rc == 0)
		w->rc = rc;
	b->n = 0;
}

/* A thread that turns from one writer to another and back has two buffers there: no harm. */
static struct buffer *buffer_make(struct trace_writer *w)
{
	struct buffer *b = malloc(sizeof(*b));

	pthread_mutex_lock(&w->lock);
	if (b) {
		b->n = 0;
		b->next = w->buffers;
		w->buffers = b;
	} else if (w->rc == 0) {
		w->rc = -ENOMEM;
	}
	pthread_mutex_unlock(&w->lock);
	return b;
}

void trace_writer_event(void *arg, const struct verso_event *event)
{
	struct trace_writer *w = arg;

	if (latest_writer != w->number) {
		latest = buffer_make(w);
		latest_writer = latest ? w->number : 0;
	}
	if (!latest)
		return;
	trace_event_encode(event, latest->bytes + (size_t)latest->n * TRACE_EVENT_BYTES);
	if (++latest->n < BUFFER_EVENTS)
		return;
	pthread_mutex_lock(&w->lock);
	buffer_write(w, latest);
	pthread_mutex_unlock(&w->lock);
}

int trace_writer_close(struct trace_writer *w)
{
	int rc;

	if (!w)
		return 0;
	while (w->buffers) {
		struct buffer *b = w->buffers;

		w->buffers = b->next;
		buffer_write(w, b);
		free(b);
	}
	rc = w->rc;
	if (close(w->fd) < 0 && rc == 0)
		rc = -errno;
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	return rc;
}
