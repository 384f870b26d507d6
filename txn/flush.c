/* SPDX-License-Identifier: MIT */
/*
 * Flushing: a leader takes what has joined and makes it durable with one meta (T5, T6, T9).
 *
 * A thread that wants a generation durable calls flush_until(). If no thread leads, it becomes the
 * leader: it takes the open group commit and releases env->lock while it writes. What joins
 * meanwhile is the next group commit. Afterwards the leader wakes the threads that wait for its
 * group commit, and of those that wait for the next one the one that will lead it; the others sleep
 * on until that is flushed. So a commit wakes only threads that have something to do.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>

int meta_write(struct txn_env *env, const struct meta *m, unsigned slot, void *slot_bytes)
{
	struct page_write write = {
		layout_slot(&env->layout, slot), env->layout.slot_pages, slot_bytes};

	meta_encode(m, &env->layout, slot, env->pager->seed, slot_bytes);
	return pager_write(env->pager, &write, 1);
}

static void publish(struct published *p, const struct meta *m)
{
	struct snapshot state = {.gen = m->gen, .n_pages = m->space.n_pages};

	memcpy(state.roots, m->roots, sizeof(state.roots));
	published_set(p, &state);
}

struct publication {
	struct published *to;
	const struct meta *meta;
};

static void publish_to_all(void *arg)
{
	const struct publication *p = arg;

	publish(p->to, p->meta);
}

/*
 * What is flushed cannot be told to the others. This process sees it, and writes no more; its turn
 * stays open on the board, so that whoever has the next one finds it in the file.
 */
static void lose_board(struct txn_env *env, const struct meta *m)
{
	env->board_lost = true;
	publish(&env->ahead, m);
	atomic_store(&env->is_ahead, true);
	if (env->state != ENV_POISONED)
		env_stop_writing(env, -ENOSPC);
}

void env_publish(struct txn_env *env, const struct meta *m)
{
	struct publication p = {&env->board->snapshots.published, m};

	ASSERT(m->gen <= env->written_gen); /* T9, T15 */
	ASSERT(m->gen <= env->durable_gen || env->options.sync == TXN_PROCESS);
	if (!board_do(env->board, publish_to_all, &p))
		lose_board(env, m);
}

void env_publish_ahead(struct txn_env *env, const struct meta *m)
{
	ASSERT(env->options.sync == TXN_RELAXED); /* T9 */
	publish(&env->ahead, m);
	atomic_store(&env->is_ahead, true);
}

void env_move(struct txn_env *env, enum env_state to)
{
	ASSERT(env_move_is_legal(env->state, to));
	env->state = to;
}

void env_stop_writing(struct txn_env *env, int code)
{
	env_move(env, ENV_POISONED);
	env->poison_code = code;
	atomic_store(&env->stopped, true);
}

void env_poison(struct txn_env *env, int code)
{
	env_stop_writing(env, code);
	(void)error_poisoned(env);
	pthread_cond_broadcast(&env->turn);
	pthread_cond_broadcast(&env->open->moved);
	pthread_cond_broadcast(&env->flight->moved);
}

int error_poisoned(const struct txn_env *env)
{
	if (env->board_lost)
		return error_set(VERSO_EPOISONED,
			"the lock file beside the database cannot be written (the disk is full, or "
			"it was cut): this process writes no more. What was committed is safe; "
			"make space, then open the database again");
	if (env->poison_code == -ENOENT || env->poison_code == -ESTALE)
		return error_set(VERSO_EPOISONED,
			"the file of the database was %s while it was open: nothing more is "
			"written. Commits that were answered before are in the file that was; "
			"close the database everywhere, and put that file back or restore a copy",
			env->poison_code == -ENOENT ? "removed" : "replaced by another one");
	return error_set(VERSO_EPOISONED,
		"a flush failed (%s): nothing more is written. What was reported as durable is "
		"safe: close the database everywhere, look at the disk, and open it again",
		error_name(env->poison_code));
}

/* Pages, flush, meta, flush: the second flush is the commit. */
static int two_flush(struct txn_env *env, struct group_commit *group, unsigned slot)
{
	size_t n = group_commit_make_set(group, NULL);
	int rc = n ? pager_write(env->pager, group->set, n) : 0;

	if (rc == 0)
		rc = pager_flush(env->pager); /* the pages are on the disk, and unreachable */
	if (rc == 0)
		rc = meta_write(env, &group->meta, slot, group->meta_bytes);
	if (rc == 0)
		rc = pager_flush(env->pager); /* the commit: from here on opening finds it */
	return rc;
}

/* Pages and meta, flush: opening takes the meta if all pages are there (T7). */
static int one_flush(struct txn_env *env, struct group_commit *group, unsigned slot)
{
	struct page_write meta = {
		layout_slot(&env->layout, slot), env->layout.slot_pages, group->meta_bytes};
	int rc;

	meta_encode(&group->meta, &env->layout, slot, env->pager->seed, group->meta_bytes);
	rc = pager_write(env->pager, group->set, group_commit_make_set(group, &meta));
	if (rc == 0)
		rc = pager_flush(env->pager); /* the commit: from here on opening finds it whole */
	return rc;
}

/* Takes the open group commit; env->lock is held. */
static struct group_commit *take_open(struct txn_env *env)
{
	struct group_commit *taken = env->open;

	ASSERT(!env->flushing);
	ASSERT(!group_commit_is_empty(taken));
	ASSERT(group_commit_is_empty(env->flight)); /* T6: one at a time is in flight */
	ASSERT(taken->meta.gen == env->joined_gen); /* T6: under one meta, the newest */
	ASSERT(taken->meta.gen > env->durable_gen); /* T2: generations ascend */
	env->open = env->flight;
	env->flight = taken;
	env->flushing = true;
	env->taken_gen = taken->meta.gen;
	return taken;
}

static void state_flushed(struct txn_env *env, const struct meta *m, unsigned slot)
{
	env->durable = *m;
	env->written_gen = env->durable_gen = env->flushed_gen = m->gen;
	env->durable_slot = slot;
	env->slot_pages[slot] = m->space.n_pages;
	env->n_written_pages = 0;
	env->n_flushes++;
}

/* Readers may see it, and its commits may be answered. */
static void group_commit_ended(struct txn_env *env, struct group_commit *group)
{
	if (group->n_joined > env->n_group_max)
		env->n_group_max = group->n_joined;
	env_publish(env, &group->meta);
	group_commit_clear(group);
}

/* A file that was removed takes what was written with it. */
static int check_file(struct txn_env *env, const struct group_commit *group)
{
	struct file *file = env->options.file;

	if (!file)
		return 0;
	return file_check_there(file, (uint64_t)group->meta.space.n_pages * env->layout.page_size);
}

/* What opening would walk (T7). */
static uint32_t count_unproved(const struct group_commit *group)
{
	return group->n_unproved + group->n_own + group->pages.n;
}

/* Wakes those who wait for what was in flight, and one of the others, who leads next. */
static void end_lead(struct txn_env *env)
{
	pthread_cond_broadcast(&env->flight->moved);
	pthread_cond_signal(&env->open->moved);
}

static void lead_flush(struct txn_env *env)
{
	struct group_commit *group = take_open(env);
	unsigned slot = 1 - env->durable_slot;
	uint32_t n_unproved = count_unproved(group);
	int rc;

	ASSERT(slot != env->durable_slot);            /* T5 */
	ASSERT(env->written_gen == env->durable_gen); /* T15 */
	group->meta.durable_gen = env->durable_gen;
	group->meta.mode = TXN_TWO_FLUSH;
	if (env->options.mode == TXN_ONE_FLUSH && n_unproved <= env->options.one_flush_max_pages)
		group->meta.mode = TXN_ONE_FLUSH;
	pthread_mutex_unlock(&env->lock);
	rc = group->meta.mode == TXN_ONE_FLUSH ? one_flush(env, group, slot)
					       : two_flush(env, group, slot);
	if (rc == 0)
		rc = check_file(env, group);
	pthread_mutex_lock(&env->lock);
	env->flushing = false;
	if (rc) {
		env_poison(env, rc);
	} else {
		state_flushed(env, &group->meta, slot);
		group_commit_ended(env, group);
	}
	end_lead(env);
}

/* --- TXN_PROCESS ---------------------------------------------------------------------------- */

/*
 * What is written becomes durable (T15): its slot is from here on that of the newest flushed
 * generation. The caller leads.
 */
static int flush_written(struct txn_env *env)
{
	int rc;

	ASSERT(env->flushing);
	ASSERT(env->written_gen > env->durable_gen);
	ASSERT(env->written.gen == env->written_gen);
	pthread_mutex_unlock(&env->lock);
	rc = pager_flush(env->pager);
	pthread_mutex_lock(&env->lock);
	if (rc == 0)
		state_flushed(env, &env->written, 1 - env->durable_slot);
	return rc;
}

/* Pages, then the meta: who dies between the two leaves the state before (T15). */
static int write_in_order(struct txn_env *env, struct group_commit *group, unsigned slot)
{
	size_t n = group_commit_make_set(group, NULL);
	int rc = n ? pager_write(env->pager, group->set, n) : 0;

	return rc ? rc : meta_write(env, &group->meta, slot, group->meta_bytes);
}

static void state_written(struct txn_env *env, const struct group_commit *group, unsigned slot)
{
	const struct meta *m = &group->meta;

	env->written = *m;
	env->written_gen = m->gen;
	env->n_written_pages += count_unproved(group);
	/* T12: after a power cut any of those that were written since the flush may stand there. */
	if (env->slot_pages[slot] < m->space.n_pages)
		env->slot_pages[slot] = m->space.n_pages;
}

static int write_group(struct txn_env *env, struct group_commit *group)
{
	unsigned slot = 1 - env->durable_slot; /* T5 */
	bool is_small = count_unproved(group) <= env->options.one_flush_max_pages;
	int rc;

	group->meta.durable_gen = env->durable_gen;
	group->meta.mode = is_small ? TXN_ONE_FLUSH : TXN_TWO_FLUSH;
	pthread_mutex_unlock(&env->lock);
	rc = is_small ? write_in_order(env, group, slot) : two_flush(env, group, slot);
	if (rc == 0)
		rc = check_file(env, group);
	pthread_mutex_lock(&env->lock);
	if (rc == 0 && is_small)
		state_written(env, group, slot);
	else if (rc == 0)
		state_flushed(env, &group->meta, slot);
	return rc;
}

/* As lead_flush(), without the flush; but what opening would walk stays small (T15). */
static void lead_write(struct txn_env *env)
{
	struct group_commit *group = take_open(env);
	uint32_t n_unproved = env->n_written_pages + count_unproved(group);
	int rc = 0;

	if (env->written_gen > env->durable_gen && n_unproved > env->options.one_flush_max_pages)
		rc = flush_written(env);
	if (rc == 0)
		rc = write_group(env, group);
	env->flushing = false;
	if (rc)
		env_poison(env, rc);
	else
		group_commit_ended(env, group);
	end_lead(env);
}

static void lead_flush_of_written(struct txn_env *env)
{
	int rc;

	env->flushing = true;
	rc = flush_written(env);
	env->flushing = false;
	if (rc)
		env_poison(env, rc);
	end_lead(env);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* The next step towards `gen`, which no thread makes. */
static void lead(struct txn_env *env, gen_t gen)
{
	if (env->options.sync != TXN_PROCESS)
		lead_flush(env);
	else if (env->written_gen < gen)
		lead_write(env);
	else
		lead_flush_of_written(env);
}

/* Until *reached, a generation of env's, is at least gen. */
static int wait_until(struct txn_env *env, const gen_t *reached, gen_t gen)
{
	while (*reached < gen) {
		if (env->state == ENV_POISONED)
			return error_poisoned(env);
		if (!env->flushing)
			lead(env, gen);
		else if (gen <= env->taken_gen)
			pthread_cond_wait(&env->flight->moved, &env->lock);
		else
			pthread_cond_wait(&env->open->moved, &env->lock);
	}
	return 0;
}

int flush_until(struct txn_env *env, gen_t gen)
{
	return wait_until(env, &env->durable_gen, gen);
}

int answer_until(struct txn_env *env, gen_t gen)
{
	return wait_until(env,
		env->options.sync == TXN_PROCESS ? &env->written_gen : &env->durable_gen, gen);
}
