/* SPDX-License-Identifier: MIT */
/*
 * Generations that are read by who may write nothing: no slot, but a lock of the database file.
 *
 * A reader of generation g holds a shared lock of the byte READ + g, far beyond any page, for which
 * permission to read is enough. The kernel drops it with the process. The writer asks the kernel
 * which of these bytes are locked before it uses a page again (T4). Which generation may be locked
 * at all: observe.c.
 */
#ifndef TXN_READ_LOCKS_H
#define TXN_READ_LOCKS_H

#include "io/file.h"
#include "pager/page.h"

#include <pthread.h>

#define READ_ALL ((gen_t)0) /* no generation: whatever is there may be about to be read */

#define READ_LOCKS_MAX 1024U /* generations that read_locks_list() finds */

struct read_lock {
	gen_t gen;
	uint32_t n_readers;
};

/* Of one process, whose locks are all of one open file description. */
struct read_locks {
	struct file *file; /* constant */
	pthread_mutex_t lock;
	struct read_lock *items; /* lock */
	uint32_t n, cap;         /* lock */
};

void read_locks_init(struct read_locks *r, struct file *file);
void read_locks_fini(struct read_locks *r);

/* One more reader of gen. -ENOMEM, I/O errors. Any thread. */
int read_locks_take(struct read_locks *r, gen_t gen);

/* One less. Cannot fail. */
void read_locks_give(struct read_locks *r, gen_t gen);

/*
 * The generations that are locked, here or by others, into gens (room for READ_LOCKS_MAX). newest:
 * no reader's lock is of a newer one; that of another program may be, and is in gens as such. Two
 * system calls for each of the others', and one. VERSO_EBUSY: there are more, or READ_ALL is; I/O
 * errors.
 */
int read_locks_list(struct read_locks *r, gen_t newest, gen_t *gens, size_t *ret_n);

#endif
