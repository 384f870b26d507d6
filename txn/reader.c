/* SPDX-License-Identifier: MIT */
/*
 * Read transactions: handles that are used again, each with a guard and a reader's slot; and the
 * count of all open transactions.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

static int take_slot(struct txn_env *env, unsigned *ret_slot)
{
	struct snapshots *s = &env->board->snapshots;
	unsigned id = env->members ? env->members->id : 0;
	int rc = snapshots_take_slot(s, id, ret_slot);

	if (rc == VERSO_EBUSY && env->members) {
		members_sweep(env->members);
		rc = snapshots_take_slot(s, id, ret_slot);
	}
	return rc;
}

static int reader_make(struct txn_env *env, struct txn **ret_txn)
{
	struct txn *txn = calloc(1, sizeof(*txn));
	int rc;

	if (!txn)
		return -ENOMEM;
	rc = guard_open(&env->pager->guards, &txn->guard);
	if (rc == 0) {
		rc = take_slot(env, &txn->reader_slot);
		if (rc)
			guard_close(txn->guard);
	}
	if (rc) {
		free(txn);
		return rc;
	}
	txn->env = env;
	txn->pager = env->pager;
	*ret_txn = txn;
	return 0;
}

static struct txn *reader_reuse(struct txn_env *env)
{
	struct txn *txn;

	pthread_mutex_lock(&env->handles_lock);
	txn = env->free_handles;
	if (txn)
		env->free_handles = txn->next_free;
	env->n_open++;
	pthread_mutex_unlock(&env->handles_lock);
	return txn;
}

static void reader_keep(struct txn *txn)
{
	struct txn_env *env = txn->env;

	pthread_mutex_lock(&env->handles_lock);
	txn->next_free = env->free_handles;
	env->free_handles = txn;
	env->n_open--;
	pthread_mutex_unlock(&env->handles_lock);
}

void txn_handle_closed(struct txn *txn)
{
	pthread_mutex_lock(&txn->env->handles_lock);
	txn->env->n_open--;
	pthread_mutex_unlock(&txn->env->handles_lock);
}

void txn_handle_opened(struct txn *txn)
{
	pthread_mutex_lock(&txn->env->handles_lock);
	txn->env->n_open++;
	pthread_mutex_unlock(&txn->env->handles_lock);
}

/* What is published, to this process at least, registered in a slot. */
static void begin(struct txn_env *env, unsigned slot, struct snapshot *ret_state)
{
	struct snapshots *s = &env->board->snapshots;

	while (!snapshots_begin(s, atomic_load(&env->is_ahead) ? &env->ahead : &s->published, slot,
		ret_state))
		;
}

/* Another process may have made the file longer. */
static int reach(struct txn_env *env, pgno_t n_pages)
{
	pgno_t file_pages;

	if (!env->members || n_pages <= atomic_load(&env->pager->reached_pages))
		return 0;
	return pager_reach(env->pager, &file_pages);
}

int txn_begin_read(struct txn_env *env, struct txn **ret_txn)
{
	struct txn *txn = reader_reuse(env);
	struct snapshot state;
	int rc = txn ? 0 : reader_make(env, &txn);

	if (rc) {
		pthread_mutex_lock(&env->handles_lock);
		env->n_open--;
		pthread_mutex_unlock(&env->handles_lock);
		return rc;
	}
	begin(env, txn->reader_slot, &state);
	txn->gen = state.gen;
	txn->n_pages = state.n_pages;
	txn->broken = 0;
	memcpy(txn->roots, state.roots, sizeof(txn->roots));
	rc = reach(env, state.n_pages);
	if (rc < 0) {
		txn_end_read(txn);
		return rc;
	}
	*ret_txn = txn;
	return 0;
}

void txn_end_read(struct txn *txn)
{
	snapshots_end(&txn->env->board->snapshots, txn->reader_slot);
	reader_keep(txn);
}
