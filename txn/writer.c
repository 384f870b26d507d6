/* SPDX-License-Identifier: MIT */
/*
 * The one writer: its lock, its accounting, what its end gives back, and what it may use again by
 * now.
 */
#include "txn/txn_int.h"

int writer_acquire(struct txn_env *env)
{
	int rc = 0;

	pthread_mutex_lock(&env->lock);
	while ((env->writer_busy || env->turn_is_promised) && env->state != ENV_POISONED)
		pthread_cond_wait(&env->turn, &env->lock);
	if (env->state == ENV_POISONED)
		rc = error_poisoned(env);
	else
		env->writer_busy = true;
	pthread_mutex_unlock(&env->lock);
	if (rc == 0) {
		rc = turn_take(env);
		if (rc)
			writer_release(env);
	}
	if (rc == 0) {
		pthread_mutex_lock(&env->lock);
		env->writer.taken_at_begin = env->taken_gen;
		pthread_mutex_unlock(&env->lock);
	}
	return rc;
}

void writer_account(struct txn_env *env)
{
	struct txn_writer *w = &env->writer;

	env->n_spilled += w->n_spilled;
	env->n_recopied += w->n_recopied;
	w->n_spilled = w->n_recopied = 0;
	env->n_list_pages_written = env->pending.n_list_pages_written;
}

void writer_release(struct txn_env *env)
{
	pthread_mutex_lock(&env->lock);
	writer_account(env);
	env->writer_busy = false;
	turn_note_awaited(env);
	if (env->turn_is_promised)
		(void)flush_until(env, env->joined_gen);
	turn_give(env);
	pthread_cond_signal(&env->turn);
	pthread_mutex_unlock(&env->lock);
}

static bool lives(void *arg, unsigned id)
{
	struct txn_env *env = arg;

	return !env->members || members_live(env->members, id);
}

size_t env_readers(struct txn_env *env, gen_t *gens)
{
	return snapshots_in_use(&env->board->snapshots, lives, env, gens);
}

/* What may be used again by now. */
struct horizon horizon_now(struct txn_env *env)
{
	struct horizon h = {.readers = env->writer.readers};

	pthread_mutex_lock(&env->lock);
	ASSERT(env->writer_busy);                     /* T4: one thread decides, and takes */
	ASSERT(env->flushed_gen <= env->durable_gen); /* T4: what counts as flushed is */
	h.flushed = env->flushed_gen;
	pthread_mutex_unlock(&env->lock);
	/* After the flush was published: a reader that is missed here begins with a newer state. */
	h.n_readers = env_readers(env, env->writer.readers);
	/* T4: a reader's snapshot is a generation that joined; the open transaction is none. */
	ASSERT(h.n_readers == 0 || h.readers[h.n_readers - 1] < env->next_gen);
	return h;
}

void txn_abort_write(struct txn *txn)
{
	struct txn_env *env = txn->env;
	struct txn_writer *w = txn->writer;

	for (uint32_t i = 0; i < w->n_dirty; i++) {
		if (w->dirty[i].page)
			pager_drop(env->pager, w->dirty[i].pgno, 1);
	}
	space_undo(&env->space);
	pending_undo(&env->pending);
	writer_release(env);
}

int txn_break(struct txn *txn, int code)
{
	if (!txn->broken)
		txn->broken = code;
	return code;
}
