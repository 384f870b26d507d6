/* SPDX-License-Identifier: MIT */
/*
 * The memory of handles, and the number of this process.
 *
 * Handles are the user's to misuse: a cursor used after its transaction, a database closed twice.
 * That is found by reading the handle, which is only safe while its memory is a handle's. So it is
 * never given back (D1); each kind has a queue of dead ones, used again from the oldest on, so that
 * a dead handle stays recognisable for as long as possible.
 *
 * A child after fork() has a copy of every handle but not of the ring, the arena and the maps, and
 * its writes would destroy the parent's file. One word lies in a page that the kernel wipes in a
 * child (MADV_WIPEONFORK); each open remembers it, each call compares (D2).
 */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct pool {
	struct handle *oldest, *newest;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool pools[HANDLE_KINDS]; /* lock */
static uint64_t n_made;                 /* lock */

void *handle_alloc(enum handle_kind kind, size_t len_bytes)
{
	struct pool *pool = &pools[kind];
	struct handle *h;
	uint64_t number;

	pthread_mutex_lock(&lock);
	number = ++n_made;
	h = pool->oldest;
	if (h) {
		pool->oldest = h->next_dead;
		if (!pool->oldest)
			pool->newest = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (!h)
		h = malloc(len_bytes);
	if (!h)
		return NULL;
	memset(h, 0, len_bytes);
	h->number = number;
	atomic_store_explicit(&h->live, HANDLE_MAGIC + kind, memory_order_release);
	return h;
}

void handle_end(enum handle_kind kind, void *handle)
{
	struct pool *pool = &pools[kind];
	struct handle *h = handle;

	ASSERT(handle_is(h, kind));
	atomic_store_explicit(&h->live, 0, memory_order_release);
	h->next_dead = NULL;
	pthread_mutex_lock(&lock);
	if (pool->newest)
		pool->newest->next_dead = h;
	else
		pool->oldest = h;
	pool->newest = h;
	pthread_mutex_unlock(&lock);
}

/* --- open databases ------------------------------------------------------------------------ */

static struct verso *open_here; /* lock; those of a parent process may be among them */

void open_add(struct verso *db)
{
	pthread_mutex_lock(&lock);
	db->next_open = open_here;
	open_here = db;
	pthread_mutex_unlock(&lock);
}

void open_remove(const struct verso *db)
{
	pthread_mutex_lock(&lock);
	for (struct verso **at = &open_here; *at; at = &(*at)->next_open) {
		if (*at == db) {
			*at = db->next_open;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Both of this process, and of the same file by whatever name; one is open. */
static bool is_twin(const struct verso *one, const struct verso *other)
{
	return one != other && process_is(one->process) && one->io == other->io &&
	       (strcmp(one->path, other->path) == 0 ||
		       (other->file && file_is_same(one->file, other->file)));
}

/* Who only reads excludes nobody who shares; members agree on a pager. */
static bool excludes(const struct verso *one, const struct verso *other)
{
	return is_twin(one, other) &&
	       (one->role == ROLE_ALONE || other->role == ROLE_ALONE ||
		       (one->role == ROLE_MEMBER && other->role == ROLE_MEMBER &&
			       (one->options.pager != other->options.pager ||
				       (one->options.flags ^ other->options.flags) &
					       VERSO_BUFFERED)));
}

bool open_has(const struct verso *db)
{
	bool has = false;

	pthread_mutex_lock(&lock);
	for (const struct verso *one = open_here; one && !has; one = one->next_open)
		has = excludes(one, db);
	pthread_mutex_unlock(&lock);
	return has;
}

bool open_has_file(struct file *file)
{
	bool has = false;

	pthread_mutex_lock(&lock);
	for (const struct verso *one = open_here; one && !has; one = one->next_open)
		has = process_is(one->process) && one->io == file->io &&
		      file_is_same(one->file, file);
	pthread_mutex_unlock(&lock);
	return has;
}

bool open_writes_here(const struct verso *db)
{
	bool has = false;

	pthread_mutex_lock(&lock);
	for (const struct verso *one = open_here; one && !has; one = one->next_open)
		has = is_twin(one, db) &&
		      atomic_load_explicit(&one->writer, memory_order_relaxed) == thread_number();
	pthread_mutex_unlock(&lock);
	return has;
}

/* --- processes ----------------------------------------------------------------------------- */

/* A child must not find the lock held by a thread that it does not have. */
static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static const _Atomic uint32_t no_process = 0;

const _Atomic uint32_t *process_word = &no_process;

/* The number that the next process to need one takes; a child goes on from its parent's. */
static uint32_t n_processes;

int process_init(void)
{
	_Atomic uint32_t *word;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (process_word == &no_process) {
		size_t len_bytes = (size_t)sysconf(_SC_PAGESIZE);

		word = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		if (word == MAP_FAILED) {
			rc = -ENOMEM;
		} else if (madvise(word, len_bytes, MADV_WIPEONFORK) < 0) {
			rc = error_set(-errno, "this kernel does not wipe memory on fork (Linux "
					       "4.14 and later do)");
			(void)munmap(word, len_bytes);
		} else if (pthread_atfork(before_fork, after_fork, after_fork) != 0) {
			rc = -ENOMEM;
			(void)munmap(word, len_bytes);
		} else {
			process_word = word;
		}
	}
	if (rc == 0 && atomic_load(process_word) == 0) {
		word = (_Atomic uint32_t *)(uintptr_t)process_word;
		atomic_store(word, ++n_processes);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}
