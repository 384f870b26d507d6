/* SPDX-License-Identifier: MIT */
/* Locks of generations: counted, taken and found (read_locks.h). */
#include "txn/read_locks.h"
#include "base/array.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

/* Behind the locks of members (members.c); a generation has more bits than the kernel's offsets. */
#define READ_OFF_BYTES ((UINT64_C(1) << 62) + (UINT64_C(1) << 21))
#define READ_GENS      (UINT64_C(1) << 61)

static uint64_t place_of(gen_t gen)
{
	return READ_OFF_BYTES + gen % READ_GENS;
}

/* Of all that have the place, the newest: the others are millions of crashes old. */
static gen_t gen_at(uint64_t off_bytes, gen_t newest)
{
	gen_t gen = newest - newest % READ_GENS + (off_bytes - READ_OFF_BYTES);

	return gen > newest && gen >= READ_GENS ? gen - READ_GENS : gen;
}

void read_locks_init(struct read_locks *r, struct file *file)
{
	*r = (struct read_locks){.file = file}; /* NULL: nothing will be locked */
	(void)pthread_mutex_init(&r->lock, NULL);
}

void read_locks_fini(struct read_locks *r)
{
	ASSERT(r->n == 0);
	free(r->items);
	(void)pthread_mutex_destroy(&r->lock);
}

static struct read_lock *find(struct read_locks *r, gen_t gen)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->items[i].gen == gen)
			return &r->items[i];
	}
	return NULL;
}

static int add(struct read_locks *r, gen_t gen)
{
	int rc = array_reserve(&r->items, &r->cap, r->n + (uint64_t)1, sizeof(*r->items));

	if (rc == 0)
		rc = file_lock(r->file, LOCK_SHARED, place_of(gen), 1);
	if (rc == 0)
		r->items[r->n++] = (struct read_lock){gen, 1};
	return rc;
}

int read_locks_take(struct read_locks *r, gen_t gen)
{
	struct read_lock *l;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	l = find(r, gen);
	if (l)
		l->n_readers++;
	else
		rc = add(r, gen);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void read_locks_give(struct read_locks *r, gen_t gen)
{
	struct read_lock *l;

	pthread_mutex_lock(&r->lock);
	l = find(r, gen);
	ASSERT(l);
	if (--l->n_readers == 0) {
		(void)file_lock(r->file, LOCK_NONE, place_of(gen), 1);
		*l = r->items[--r->n];
	}
	pthread_mutex_unlock(&r->lock);
}

/* --- the writer's side --------------------------------------------------------------------- */

/* gens: from the front those that were found; from the end the places that wait for their turn. */
struct search {
	struct file *file;
	gen_t newest;
	gen_t *gens;
	size_t n, n_waiting;
};

static int error_all(void)
{
	return error_set(VERSO_EBUSY, "a process is about to read: nothing is used again now");
}

static int error_too_many(void)
{
	return error_set(VERSO_EBUSY, "%u states are being read, more cannot be counted",
		READ_LOCKS_MAX);
}

/* The place that was found last, and so lies lowest. */
static uint64_t *waiting(const struct search *s)
{
	return &s->gens[READ_LOCKS_MAX - s->n_waiting];
}

/* Finds a lock in [from, *to), which waits, and is the end of what is searched next. */
static int search_below(struct search *s, uint64_t from, uint64_t *to, bool *ret_found)
{
	uint64_t at;
	int rc;

	*ret_found = false;
	if (from == *to)
		return 0;
	rc = file_find_lock(s->file, LOCK_EXCLUSIVE, from, *to - from, ret_found, &at);
	if (rc < 0 || !*ret_found)
		return rc;
	if (at == READ_OFF_BYTES)
		return error_all();
	if (s->n + s->n_waiting == READ_LOCKS_MAX)
		return error_too_many();
	s->n_waiting++;
	*waiting(s) = *to = at;
	return 0;
}

/*
 * The kernel names any lock of a range, so the rest is searched in two halves around it, without
 * recursion: others may have put a thousand locks in an order that would need a frame for each.
 * What lies lower is done first: who has READ_ALL, the lowest, gives it back when it has the lock
 * of a generation, so one of the two is found.
 */
static int search(struct search *s, uint64_t from, const uint64_t end)
{
	uint64_t to = end;
	bool found;
	int rc;

	for (;;) {
		rc = search_below(s, from, &to, &found);
		if (rc < 0 || (!found && s->n_waiting == 0))
			return rc;
		if (found)
			continue;
		from = *waiting(s) + 1;
		s->n_waiting--;
		s->gens[s->n++] = gen_at(from - 1, s->newest);
		to = s->n_waiting > 0 ? *waiting(s) : end;
	}
}

/* The kernel does not name an owner its own locks. */
static int add_own(struct read_locks *r, struct search *s)
{
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	if (r->n > READ_LOCKS_MAX - s->n)
		rc = error_too_many();
	for (uint32_t i = 0; rc == 0 && i < r->n; i++) {
		if (r->items[i].gen == READ_ALL)
			rc = error_all();
		else
			s->gens[s->n++] = r->items[i].gen;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int read_locks_list(struct read_locks *r, gen_t newest, gen_t *gens, size_t *ret_n)
{
	struct search s = {r->file, newest, gens, 0, 0};
	int rc = search(&s, READ_OFF_BYTES, READ_OFF_BYTES + READ_GENS);

	if (rc == 0)
		rc = add_own(r, &s);
	if (rc == 0)
		*ret_n = s.n;
	return rc;
}
