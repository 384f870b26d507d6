/* SPDX-License-Identifier: MIT */
/*
 * Reads a trace file: maps it, keeps the events that are accesses, sorts them by time, joins
 * repeated accesses in a row, and numbers the pages.
 */
#include "trace/format.h"
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* An event that is an access, and where it stood. */
struct moment {
	uint64_t time_ns, at;
	uint64_t gen;
	uint32_t pgno;
	bool is_write;
};

/* --- the file ------------------------------------------------------------------------------ */

static bool judge(const char *path, const uint8_t *bytes, size_t len_bytes, char *text,
	size_t text_bytes)
{
	size_t rest = len_bytes - TRACE_HEADER_BYTES;

	if (len_bytes < TRACE_HEADER_BYTES || memcmp(bytes, TRACE_MAGIC, TRACE_HEADER_BYTES) != 0) {
		(void)snprintf(text, text_bytes,
			"%s is no page trace: it does not begin with \"%s\". "
			"`verso trace record` makes one",
			path, TRACE_MAGIC);
		return false;
	}
	if (rest % TRACE_EVENT_BYTES != 0) {
		(void)snprintf(text, text_bytes,
			"%s: the trace was cut short: behind %zu events of %d bytes stand %zu "
			"bytes. Record it again",
			path, rest / TRACE_EVENT_BYTES, TRACE_EVENT_BYTES,
			rest % TRACE_EVENT_BYTES);
		return false;
	}
	return true;
}

/* Maps the file; NULL: text says why not. *ret_bytes: its length. */
static const uint8_t *map_file(const char *path, size_t *ret_bytes, char *text, size_t text_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *bytes = MAP_FAILED;
	struct stat st;

	*ret_bytes = 0;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		*ret_bytes = (size_t)st.st_size;
		bytes = st.st_size > 0 ? mmap(NULL, *ret_bytes, PROT_READ, MAP_PRIVATE, fd, 0)
				       : NULL;
	}
	if (bytes == MAP_FAILED)
		(void)snprintf(text, text_bytes, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (bytes == MAP_FAILED)
		return NULL;
	if (*ret_bytes == 0) {
		(void)snprintf(text, text_bytes, "%s is empty, no page trace", path);
		return NULL;
	}
	return bytes;
}

/* --- moments ------------------------------------------------------------------------------- */

static bool is_access(const struct verso_event *e)
{
	return e->kind == VERSO_EVENT_GET || e->kind == VERSO_EVENT_PEEK ||
	       e->kind == VERSO_EVENT_FRESH;
}

static int compare_moments(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static size_t gather(const uint8_t *bytes, size_t n_events, struct moment *moments)
{
	size_t n = 0;

	for (size_t i = 0; i < n_events; i++) {
		struct verso_event e;

		trace_event_decode(bytes + i * TRACE_EVENT_BYTES, &e);
		if (is_access(&e))
			moments[n++] = (struct moment){
				e.time_ns, i, e.gen, e.pgno, e.kind == VERSO_EVENT_FRESH};
	}
	qsort(moments, n, sizeof(*moments), compare_moments);
	return n;
}

/* --- numbering ----------------------------------------------------------------------------- */

/* Open addressing; a power of two of slots, at most half of them taken. */
struct numbers {
	struct {
		uint64_t gen;
		uint32_t pgno;
		uint32_t number; /* from 1; 0: free */
	} * slots;
	size_t mask;
	uint32_t n;
};

static uint32_t number_of(struct numbers *numbers, const struct moment *m)
{
	uint64_t hash =
		(m->gen * UINT64_C(0x9e3779b97f4a7c15) ^ m->pgno) * UINT64_C(0xbf58476d1ce4e5b9);
	size_t i = (size_t)(hash >> 20) & numbers->mask;

	while (numbers->slots[i].number != 0 &&
		(numbers->slots[i].pgno != m->pgno || numbers->slots[i].gen != m->gen))
		i = (i + 1) & numbers->mask;
	if (numbers->slots[i].number == 0) {
		numbers->slots[i].gen = m->gen;
		numbers->slots[i].pgno = m->pgno;
		numbers->slots[i].number = ++numbers->n;
	}
	return numbers->slots[i].number - 1;
}

static void fill(struct trace *trace, const struct moment *moments, size_t n,
	struct numbers *numbers)
{
	for (size_t i = 0; i < n; i++) {
		struct trace_access access = {number_of(numbers, &moments[i]), moments[i].is_write};

		if (trace->n > 0 && trace->accesses[trace->n - 1].page == access.page)
			continue;
		trace->accesses[trace->n++] = access;
		trace->n_reads += !access.is_write;
	}
	trace->n_pages = numbers->n;
}

bool trace_read(const char *path, struct trace *ret_trace, char *text, size_t text_bytes)
{
	struct numbers numbers = {.mask = 1};
	struct moment *moments = NULL;
	size_t len_bytes, n_events;
	const uint8_t *bytes = map_file(path, &len_bytes, text, text_bytes);
	bool good;

	*ret_trace = (struct trace){0};
	if (!bytes)
		return false;
	good = judge(path, bytes, len_bytes, text, text_bytes);
	n_events = good ? (len_bytes - TRACE_HEADER_BYTES) / TRACE_EVENT_BYTES : 0;
	while (numbers.mask < 2 * n_events)
		numbers.mask = 2 * numbers.mask + 1;
	if (good) {
		moments = malloc((n_events + 1) * sizeof(*moments));
		numbers.slots = calloc(numbers.mask + 1, sizeof(*numbers.slots));
		ret_trace->accesses = malloc((n_events + 1) * sizeof(*ret_trace->accesses));
		good = moments && numbers.slots && ret_trace->accesses;
		if (!good)
			(void)snprintf(text, text_bytes, "%s: no memory for %zu events", path,
				n_events);
	}
	if (good)
		fill(ret_trace, moments, gather(bytes + TRACE_HEADER_BYTES, n_events, moments),
			&numbers);
	else
		trace_free(ret_trace);
	free(numbers.slots);
	free(moments);
	(void)munmap((void *)(uintptr_t)bytes, len_bytes);
	return good;
}

void trace_free(struct trace *trace)
{
	free(trace->accesses);
	*trace = (struct trace){0};
}
