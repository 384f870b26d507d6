/* SPDX-License-Identifier: MIT */
/*
 * Page traces: what a database did, page by page, in a file; and what a buffer pool of any size and
 * policy would have made of it. How they are used: trace/README.md.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "verso.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * writer.c. Gathers events in a buffer for each thread and writes them to a file: options.trace is
 * trace_writer_event, options.trace_arg the writer. Every database that uses it is closed before
 * trace_writer_close().
 */
struct trace_writer;

/* Makes the file, or empties it. -errno. */
int trace_writer_open(const char *path, struct trace_writer **ret_writer);

/* A verso_trace_fn. Any thread. A write that fails is reported by the close. */
void trace_writer_event(void *arg, const struct verso_event *event);

/* Writes what is left. 0, or the -errno of the first write that failed. Takes NULL. */
int trace_writer_close(struct trace_writer *writer);

/*
 * reader.c: a file as the accesses that a cache sees. An access is a get or a peek, or a page that
 * the writer makes, in the order of their times; of several in a row to one page the first. Pages
 * are numbered from 0 in the order in which they come; a page number that is used again in another
 * generation is another page.
 */
struct trace_access {
	uint32_t page;
	bool is_write; /* the page was made in memory: no policy has to read it */
};

struct trace {
	struct trace_access *accesses;
	size_t n;
	size_t n_reads;
	uint32_t n_pages;
};

/*
 * 0; else ret_trace is empty and text (of len_bytes) says what was expected and found: a file that
 * cannot be read, is no trace, or was cut short. trace_free() frees it.
 */
bool trace_read(const char *path, struct trace *ret_trace, char *text, size_t len_bytes);
void trace_free(struct trace *trace);

/* replay.c. The policies' names, by enum verso_policy; NULL ends them. */
extern const char *const trace_policy_names[];

/*
 * replay.c. How many of the reads miss in a cache of n_frames (1 or more) that begins empty.
 * policy: an index of bufpool_policies[]. UINT64_MAX: no memory. Costs some steps an access.
 */
uint64_t trace_replay(const struct trace *trace, unsigned policy, uint32_t n_frames);

/*
 * belady.c: the same under the policy that knows the future, and takes the page whose next access
 * is farthest. No policy does better. log(n_frames) steps an access.
 */
uint64_t trace_replay_optimum(const struct trace *trace, uint32_t n_frames);

#endif
