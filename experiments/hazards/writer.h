/* SPDX-License-Identifier: MIT */
/*
 * A writer in the middle of a transaction: a process that has changed N_CHANGED pages of its file,
 * has committed nothing, and waits. Writers differ in how their pages reach the file.
 */
#ifndef EXPERIMENTS_HAZARDS_WRITER_H
#define EXPERIMENTS_HAZARDS_WRITER_H

#include "experiments/hazards/subject.h"

#include <sys/types.h>

#define N_CHANGED 64U

struct writer {
	const char *name;
	const char *what;              /* for people */
	const struct subject *subject; /* NULL: a map of the file, stored to in place */
};

#define WRITERS_MAX 8
extern const struct writer writers[]; /* a name of NULL ends them */

/* Makes the file, durable. In a process of its own. false: text says why. */
bool writer_make_file(const struct writer *w, const char *path, char text[TEXT_BYTES]);

/*
 * Starts the writer in the group whose cgroup.procs is `group` (NULL: where the caller is), and
 * returns when its pages are changed. Its pid; -1: text says why. *ret_grown_kib: by how much its
 * anonymous memory grew as it changed them, by its page tables; UINT32_MAX: unknown.
 */
pid_t writer_start(const struct writer *w, const char *path, const char *group,
	uint32_t *ret_grown_kib, char text[TEXT_BYTES]);

/* Ends it in the middle of its transaction. */
void writer_kill(pid_t pid);

/* Whether whoever opens the file now finds the committed state. In a process of its own. */
bool writer_file_is_whole(const struct writer *w, const char *path, char text[TEXT_BYTES]);

#endif
