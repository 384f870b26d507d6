/* SPDX-License-Identifier: MIT */
/*
 * Read transactions: handles that are used again, each with a guard and a reader's slot; and the
 * count of all open transactions.
 */
#include "base/clock.h"
#include "base/error.h"
#include "txn/activity.h"

#include <errno.h>
#include <stdlib.h>

/* Where there are no members, the only one. */
static unsigned member_id(const struct txn_env *env)
{
	return env->members ? env->members->id : 0;
}

struct taking {
	struct snapshots *s;
	unsigned id;
	unsigned *ret_slot;
	int rc;
};

static void take(void *arg)
{
	struct taking *t = arg;

	t->rc = snapshots_take_slot(t->s, t->id, t->ret_slot);
}

/* VERSO_EBUSY: none is free. -ENOSPC: the board cannot be written. */
static int take_slot(struct txn_env *env, unsigned *ret_slot)
{
	struct taking t = {&env->board->snapshots, member_id(env), ret_slot, 0};

	if (!board_do(env->board, take, &t))
		return error_no_board();
	if (t.rc == VERSO_EBUSY && env->members) {
		members_sweep(env->members);
		if (!board_do(env->board, take, &t))
			return error_no_board();
	}
	return t.rc;
}

/* Where there are others a lock of the file will do; an observer's readers have nothing else. */
static int reader_register(struct txn_env *env, struct txn *txn)
{
	int rc = 0;

	txn->has_slot = false;
	if (!env->options.observed)
		rc = take_slot(env, &txn->reader_slot);
	txn->has_slot = rc == 0 && !env->options.observed;
	return rc < 0 && env->members ? 0 : rc;
}

static int reader_make(struct txn_env *env, struct txn **ret_txn)
{
	struct txn *txn = calloc(1, sizeof(*txn));
	int rc;

	if (!txn)
		return -ENOMEM;
	rc = guard_open(&env->pager->guards, &txn->guard);
	if (rc == 0) {
		rc = reader_register(env, txn);
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

/* What is published, to this process at least. */
static struct published *published_here(struct txn_env *env)
{
	return atomic_load(&env->is_ahead) ? &env->ahead : &env->board->snapshots.published;
}

struct beginning {
	struct txn_env *env;
	unsigned slot;
	struct snapshot *state;
	uint64_t now_ns;
	enum snapshot_begun begun;
};

static void begin_in_slot(void *arg)
{
	struct beginning *b = arg;
	struct reader_slot *slot = &b->env->board->snapshots.readers[b->slot];

	atomic_store_explicit(&slot->begun_ns, b->now_ns, memory_order_relaxed);
	do
		b->begun = snapshots_begin(&b->env->board->snapshots, published_here(b->env),
			member_id(b->env), b->slot, b->state);
	while (b->begun == SNAPSHOT_MOVED);
}

/* Where the board cannot be written, others may have gone on from what this process alone sees. */
static bool look_at_both(struct txn_env *env, struct snapshot *ret_state)
{
	struct snapshot ahead = {0}, board = {0};

	(void)published_get(&env->ahead, &ahead);
	(void)published_get(&env->board->snapshots.published, &board);
	*ret_state = ahead.gen > board.gen ? ahead : board;
	return ret_state->gen != 0;
}

/* As snapshots_begin(), but for the slot. */
static enum snapshot_begun look_once(struct txn_env *env, struct snapshot *ret_state)
{
	const struct published *p = published_here(env);

	if (atomic_load(&env->board_lost))
		return look_at_both(env, ret_state) ? SNAPSHOT_BEGUN : SNAPSHOT_DAMAGED;
	if (!published_get(p, ret_state))
		return SNAPSHOT_DAMAGED;
	if (ret_state->gen != 0)
		return SNAPSHOT_BEGUN;
	return p == &env->ahead ? SNAPSHOT_MOVED : SNAPSHOT_DAMAGED;
}

static void look(void *arg)
{
	struct beginning *b = arg;

	do
		b->begun = look_once(b->env, b->state);
	while (b->begun == SNAPSHOT_MOVED);
}

static int look_at_board(struct beginning *b)
{
	if (!board_do(b->env->board, look, b))
		return error_no_board();
	return b->begun == SNAPSHOT_DAMAGED ? error_bad_board() : 0;
}

/* The same by a lock of the generation: looked at, locked, looked at again. */
static int begin_with_lock(struct txn_env *env, struct snapshot *ret_state)
{
	struct snapshot again = {0};
	struct beginning first = {.env = env, .state = ret_state},
			 second = {.env = env, .state = &again};

	for (;;) {
		int rc = look_at_board(&first);

		if (rc == 0)
			rc = read_locks_take(&env->read_locks, ret_state->gen);
		if (rc < 0)
			return rc;
		rc = look_at_board(&second);
		if (rc == 0 && again.gen == ret_state->gen)
			return 0;
		read_locks_give(&env->read_locks, ret_state->gen);
		if (rc < 0)
			return rc;
	}
}

static int begin(struct txn_env *env, struct txn *txn, struct snapshot *ret_state)
{
	struct beginning b = {
		.env = env, .slot = txn->reader_slot, .state = ret_state, .now_ns = txn->begun_ns};

	txn->is_locked = !txn->has_slot || atomic_load(&env->board_lost);
	if (env->options.observed)
		return observe_begin(env, ret_state);
	if (!txn->is_locked && board_do(env->board, begin_in_slot, &b)) {
		if (b.begun == SNAPSHOT_DAMAGED)
			return error_bad_board();
		if (b.begun == SNAPSHOT_BEGUN)
			return 0;
		txn->has_slot = false; /* something else has written there: it may have another */
	}
	if (!env->members)
		return error_no_board();
	txn->is_locked = true;
	return begin_with_lock(env, ret_state);
}

static void leave_slot(void *arg)
{
	const struct beginning *b = arg;

	snapshots_end(&b->env->board->snapshots, b->slot);
}

/* Another process may have made the file longer. */
static int reach(struct txn_env *env, pgno_t n_pages)
{
	pgno_t file_pages;

	if ((!env->members && !env->options.observed) || !env->pager->ops->reach ||
		n_pages <= atomic_load(&env->pager->reached_pages))
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
	txn->begun_ns = clock_coarse_ns();
	rc = begin(env, txn, &state);
	if (rc < 0) {
		reader_keep(txn);
		return rc;
	}
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
	struct txn_env *env = txn->env;
	struct beginning b = {.env = env, .slot = txn->reader_slot};

	activity_note(env, txn->begun_ns); /* a clock that is late does, and costs nothing */
	if (txn->is_locked)
		read_locks_give(&env->read_locks, txn->gen);
	else
		(void)board_do(env->board, leave_slot, &b); /* else it holds pages back */
	reader_keep(txn);
}
