/* SPDX-License-Identifier: MIT */
/*
 * An observer: an environment that may write neither the file nor a board, beside others that do.
 *
 * Each of its transactions begins with what the metas say:
 *
 *	1 look: the newest generation that is whole
 *	2 lock that generation (read_locks.h)
 *	3 look again: when the metas have changed, give the lock up and begin anew
 *
 * The writer asks for the locks after it has published and before it uses a page again (T4). So
 * either it finds the lock, or the observer finds the newer meta. Neither waits for the other: the
 * observer repeats only when somebody has committed meanwhile. When that happens again and again,
 * it first locks READ_ALL, so that no transaction that begins now uses a page again, and gives that
 * up when it has its lock.
 *
 * A look reads both metas as any reader sees them, which is cheap. Bytes that were seen before mean
 * what they meant; others are judged as at an opening: from the device, with a walk (recover.c).
 */
#include "base/error.h"
#include "io/io.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

/* A look that fails while others write may succeed a moment later; a damaged file stays so. */
#define LOOKS_MAX 50U
#define PAUSE_NS  UINT64_C(1000000)

#define TRIES_MAX 4U /* without READ_ALL */

struct observer {
	pthread_mutex_t lock;
	bool has_seen;                             /* lock */
	uint8_t seen[2][META_BYTES];               /* lock: the metas of the newest look */
	struct recovered meaning;                  /* lock: what they mean */
	gen_t newest_gen;                          /* lock: of all that was found */
	_Alignas(4096) uint8_t now[2][META_BYTES]; /* lock */
};

static int observe_init(struct txn_env *env)
{
	env->observer = aligned_alloc(4096, (sizeof(*env->observer) + 4095) / 4096 * 4096);
	if (!env->observer)
		return -ENOMEM;
	memset(env->observer, 0, sizeof(*env->observer));
	(void)pthread_mutex_init(&env->observer->lock, NULL);
	return 0;
}

void observe_fini(struct txn_env *env)
{
	if (env->observer)
		(void)pthread_mutex_destroy(&env->observer->lock);
	free(env->observer);
}

static int read_metas(struct txn_env *env, uint8_t (*metas)[META_BYTES])
{
	struct space_options none = {0};
	uint64_t slot_bytes;
	struct layout l;
	int rc = 0;

	layout_init(&l, env->layout.page_size, &none); /* the slots of all files lie alike */
	slot_bytes = (uint64_t)l.slot_pages * l.page_size;

	for (unsigned slot = 0; rc == 0 && slot < 2; slot++)
		rc = file_read(env->options.observed, metas[slot], META_BYTES, slot * slot_bytes,
			FILE_LIVE);
	return rc;
}

/* The metas of o->now are new to it: what they mean is what the device has. */
static int judge_metas(struct txn_env *env, struct observer *o)
{
	uint64_t size_bytes;
	int rc = file_size(env->options.observed, &size_bytes);

	o->has_seen = false;
	if (rc < 0)
		return rc;
	memcpy(o->seen, o->now, sizeof(o->seen));
	memset(&o->meaning, 0, sizeof(o->meaning));
	o->meaning.file_pages = (pgno_t)(size_bytes / env->layout.page_size);
	rc = recover(env, &o->meaning);
	/* One that is not whole may become so, with the same bytes: its flush may be under way. */
	o->has_seen = rc == 0 && !o->meaning.rolled_back;
	return rc;
}

/*
 * look_once(): what it found is older than what it found before. Under TXN_PROCESS the newest meta
 * is overwritten in its place (T15), and may be met in the middle of that.
 */
#define WENT_BACK 1

/*
 * One that is not whole: was it cut off, or did writers go on while it was walked, and use its
 * pages again? Then the metas have moved.
 */
static bool was_overtaken(struct txn_env *env, struct observer *o)
{
	return o->meaning.rolled_back &&
	       (read_metas(env, o->now) < 0 || memcmp(o->now, o->seen, sizeof(o->now)) != 0);
}

static int look_once(struct txn_env *env, struct recovered *r)
{
	struct observer *o = env->observer;
	int rc;

	pthread_mutex_lock(&o->lock);
	rc = read_metas(env, o->now);
	if (rc == 0 && (!o->has_seen || memcmp(o->now, o->seen, sizeof(o->now)) != 0))
		rc = judge_metas(env, o);
	if (rc == 0) {
		*r = o->meaning;
		if (r->meta.gen < o->newest_gen || was_overtaken(env, o))
			rc = WENT_BACK;
		else
			o->newest_gen = r->meta.gen;
	}
	pthread_mutex_unlock(&o->lock);
	return rc;
}

int observe_look(struct txn_env *env, struct recovered *r)
{
	int rc;

	for (unsigned i = 0;; i++) {
		rc = look_once(env, r);
		/* A flush failed, and the file has it so; or each look met another commit. */
		if (rc == WENT_BACK && i == LOOKS_MAX)
			return 0;
		if ((rc != WENT_BACK && rc != VERSO_ECORRUPT && rc != VERSO_EIO) || i == LOOKS_MAX)
			return rc;
		io_pause_ns(env->options.observed->io, PAUSE_NS);
	}
}

/* Steps 2 and 3. *ret_moved: another generation is the newest, and r has it. */
static int lock_and_look(struct txn_env *env, struct recovered *r, bool *ret_moved)
{
	gen_t gen = r->meta.gen;
	int rc = read_locks_take(&env->read_locks, gen);

	if (rc < 0)
		return rc;
	rc = observe_look(env, r);
	*ret_moved = rc == 0 && r->meta.gen != gen;
	if (rc < 0 || *ret_moved)
		read_locks_give(&env->read_locks, gen);
	return rc;
}

/* While nothing is used again the state may move on: what the look finds stays. */
static int lock_all_and_look(struct txn_env *env, struct recovered *r)
{
	int rc = read_locks_take(&env->read_locks, READ_ALL);

	if (rc < 0)
		return rc;
	rc = observe_look(env, r);
	if (rc == 0)
		rc = read_locks_take(&env->read_locks, r->meta.gen);
	read_locks_give(&env->read_locks, READ_ALL);
	return rc;
}

static int look_and_lock(struct txn_env *env, struct recovered *r)
{
	bool has_moved = true;
	int rc = observe_look(env, r);

	for (unsigned i = 0; rc == 0 && has_moved && i < TRIES_MAX; i++)
		rc = lock_and_look(env, r, &has_moved);
	return rc < 0 || !has_moved ? rc : lock_all_and_look(env, r);
}

int observe_begin(struct txn_env *env, struct snapshot *ret_state)
{
	struct recovered *r = malloc(sizeof(*r));
	int rc = r ? look_and_lock(env, r) : -ENOMEM;

	if (rc == 0) {
		ret_state->gen = r->meta.gen;
		ret_state->n_pages = r->meta.space.n_pages;
		memcpy(ret_state->roots, r->meta.roots, sizeof(ret_state->roots));
		error_clear(); /* of looks that were repeated */
	}
	free(r);
	return rc;
}

/* A commit that is being written looks like one that opening takes away; time tells them apart. */
static int look_twice(struct txn_env *env, struct recovered *r)
{
	int rc = observe_look(env, r);

	for (unsigned i = 0; rc == 0 && r->rolled_back && i < LOOKS_MAX; i++) {
		io_pause_ns(env->options.observed->io, PAUSE_NS);
		rc = observe_look(env, r);
	}
	return rc;
}

int observe_load(struct txn_env *env)
{
	struct recovered *r = malloc(sizeof(*r));
	int rc = observe_init(env);

	if (rc == 0)
		rc = r ? look_twice(env, r) : -ENOMEM;

	if (rc == 0)
		rc = adopt_layout(env, &r->meta);
	if (rc == 0) {
		env->durable = env->joined = r->meta;
		env->joined_gen = env->taken_gen = r->meta.gen;
		env->written_gen = env->durable_gen = env->flushed_gen = r->meta.gen;
		env->rolled_back = r->rolled_back;
		env->walked = r->walked;
	}
	free(r);
	return rc;
}

/* --- for people ---------------------------------------------------------------------------- */

/*
 * Of the state in r, which is locked. What is kept at two places by turns may be overwritten
 * nevertheless: VERSO_ECORRUPT.
 */
static int count_space(struct txn_env *env, const struct recovered *r, struct txn_stat *stat)
{
	struct space_options options = space_options_of(&env->options);
	struct space space = {0};
	struct pending pending = {0};
	int rc = space_init(&space, env->pager, &r->meta.space, r->file_pages, &options);

	if (rc == 0)
		rc = pending_init(&pending, env->pager, &env->layout, &r->meta.space, r->meta.gen);
	if (rc == 0) {
		stat->newest_gen = stat->published_gen = r->meta.gen;
		/* Whether the newest is flushed, pages and meta, its own meta does not know. */
		stat->durable_gen = r->meta.durable_gen;
		stat->n_pages = r->meta.space.n_pages;
		stat->n_free_pages = space_count_free(&space);
		stat->n_pending_pages = pending_count_pages(&pending);
	}
	pending_fini(&pending);
	space_fini(&space);
	return rc;
}

static int look_and_count(struct txn_env *env, struct recovered *r, struct txn_stat *stat)
{
	int rc = look_and_lock(env, r);

	if (rc < 0)
		return rc;
	if (env->pager->ops->reach &&
		r->meta.space.n_pages > atomic_load(&env->pager->reached_pages))
		rc = pager_reach(env->pager, &r->file_pages);
	if (rc == 0)
		rc = count_space(env, r, stat);
	read_locks_give(&env->read_locks, r->meta.gen);
	return rc;
}

void observe_stat(struct txn_env *env, struct txn_stat *stat)
{
	struct recovered *r = malloc(sizeof(*r));

	stat->durable_gen = env->durable.durable_gen; /* if nothing newer is found */
	for (unsigned i = 0; r && i < LOOKS_MAX; i++) {
		if (look_and_count(env, r, stat) != VERSO_ECORRUPT)
			break;
	}
	error_clear();
	free(r);
}

/* --- for a check: nobody else writes ------------------------------------------------------- */

int observe_take_turn(struct txn_env *env)
{
	int rc = members_hold_off(env->options.observed);

	if (rc < 0)
		return rc;
	rc = adopt(env, 0);
	if (rc < 0)
		members_let_on(env->options.observed);
	else
		env->has_turn = true;
	return rc;
}

void observe_give_turn(struct txn_env *env)
{
	env->has_turn = false;
	members_let_on(env->options.observed);
}
