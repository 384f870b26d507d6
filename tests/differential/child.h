/* SPDX-License-Identifier: MIT */
/* Streams are run in children, so that one that crashes or hangs is a failure like any other. */
#ifndef TESTS_DIFFERENTIAL_CHILD_H
#define TESTS_DIFFERENTIAL_CHILD_H

#include "tests/differential/run.h"

#include <sys/types.h>

struct outcome {
	bool ok;
	size_t at; /* the operation that failed */
	char failure[1200];
};

/* Shared with the children. */
struct shared {
	uint64_t marks[N_MARKS];
	struct outcome outcomes[]; /* one for each child at a time */
};

/* n_jobs outcomes. Ends the process when there is no memory. */
struct shared *child_shared(unsigned n_jobs);

/* A scratch folder in `parent`; malloc'ed. */
char *child_folder(const char *parent);

/* Starts the stream in a child, in a folder of its own under `scratch`, which it removes. */
pid_t child_start(const struct stream *s, const char *scratch, struct shared *shared, unsigned job,
	unsigned seconds_max);

/* What a child that has ended with this status left. */
void child_judge(struct shared *shared, unsigned job, int status);

/* Runs it and waits. The marks do not count. */
struct outcome child_run(const struct stream *s, const char *scratch, struct shared *shared,
	unsigned job);

/*
 * Leaves out of a failing stream what it can: the shortest that still fails, in any way. Takes at
 * most seconds_max.
 */
void shrink(struct stream *s, const char *scratch, struct shared *shared, unsigned seconds_max);

#endif
