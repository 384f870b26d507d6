/* SPDX-License-Identifier: MIT */
/*
 * A writing session: from its first write transaction to its close.
 *
 * It begins by raising the epoch durably, in the same write that retires the losing slot (T2, T7):
 * every page that it writes afterwards has a generation that no earlier attempt can have used. It
 * ends by writing the newest generation into the losing slot too, as one that was flushed (T8), so
 * that opening walks nothing and the loss of either slot loses nothing.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#define EPOCH_MAX ((UINT64_C(1) << (64 - GEN_SEQ_BITS)) - 1)

/* Writes m into the losing slot, between two flushes, and takes it as the durable state. */
static int replace_loser(struct txn_env *env, const struct meta *m)
{
	unsigned slot = 1 - env->durable_slot;
	int rc = pager_barrier(env->pager);

	if (rc == 0)
		rc = meta_write(env, m, slot, env->flight->meta_bytes);
	if (rc == 0)
		rc = pager_barrier(env->pager);
	if (rc)
		return rc;
	env->durable = *m;
	env->durable_gen = m->gen;
	env->durable_slot = slot;
	env->slot_pages[slot] = m->space.n_pages;
	return 0;
}

int session_start(struct txn_env *env)
{
	struct meta m = env->durable;
	uint64_t epoch = (env->epoch_base >> GEN_SEQ_BITS) + 1;
	int rc;

	if (epoch > EPOCH_MAX)
		return error_set(VERSO_EFULL,
			"the file has been written in %llu sessions, which is all that its format "
			"can count: dump it and load it into a new one",
			(unsigned long long)EPOCH_MAX);
	m.gen = epoch << GEN_SEQ_BITS;
	m.durable_gen = env->durable_gen;
	m.mode = TXN_TWO_FLUSH;
	pthread_mutex_lock(&env->lock);
	rc = replace_loser(env, &m);
	if (rc) {
		env_poison(env, rc);
	} else {
		env->epoch_base = m.gen;
		env->next_seq = 1;
		env->joined = m;
		env->joined_gen = m.gen;
		env->taken_gen = m.gen;
		env->state = ENV_WRITING;
		env->in_session = true;
		env_publish(env, &m);
	}
	pthread_mutex_unlock(&env->lock);
	return rc;
}

void session_stamp(struct txn_env *env)
{
	struct meta m = env->durable;

	if (env->state != ENV_WRITING)
		return;
	m.durable_gen = m.gen;
	if (replace_loser(env, &m) == 0)
		session_cut(env);
}

void session_cut(struct txn_env *env)
{
	pgno_t n = env->space.n_pages;

	pthread_mutex_lock(&env->lock);
	for (unsigned slot = 0; slot < 2; slot++) {
		if (env->slot_pages[slot] > n)
			n = env->slot_pages[slot];
	}
	if (env->flushing || !batch_is_empty(env->open))
		n = env->space.file_pages;
	pthread_mutex_unlock(&env->lock);
	if (n >= env->space.file_pages)
		return;
	/* A file that could not be cut is only longer than it must be. */
	if (pager_resize(env->pager, n) == 0) {
		env->space.file_pages = n;
		pthread_mutex_lock(&env->lock);
		env->n_cuts++;
		pthread_mutex_unlock(&env->lock);
	}
}
