/* SPDX-License-Identifier: MIT */
/*
 * The turn of this process among all that have the file open (members.h).
 *
 * A process that has the turn is as if it were alone. It takes the turn when a transaction begins,
 * goes on from what the board or the file says, and gives it up when no transaction is open and all
 * that joined is flushed. While others wait, no further transaction begins here before that.
 */
#include "base/error.h"
#include "txn/txn_int.h"

/* With env->lock. */
static void begin_turn(struct txn_env *env)
{
	struct board *b = env->board;

	atomic_store(&b->turn, BOARD_OPEN);
	env->turn_seen = ++b->n_turns;
	env->has_turn = true;
}

/* Of a turn that another process has ended: what only it knew. */
static void take_over_session(struct txn_env *env)
{
	const struct board *b = env->board;

	env->session_gen = b->session_gen;
	env->next_gen = b->next_gen;
	env->in_session = b->in_session;
	env->rolled_back = b->rolled_back;
	ASSERT(env->session_gen == 0 || env->next_gen > env->durable_gen); /* T2 */
	if (env->in_session && env->state == ENV_READING)
		env_move(env, ENV_WRITING);
}

/* A sync that fails is told once, so the others are told what it told us. */
static int follow_the_dead(struct txn_env *env)
{
	int rc = adopt(env, 0);

	pthread_mutex_lock(&env->lock);
	if (rc == 0 && env->state == ENV_POISONED) {
		env->board->poison_code = env->poison_code;
		atomic_store(&env->board->turn, BOARD_POISONED);
		rc = error_poisoned(env);
	}
	pthread_mutex_unlock(&env->lock);
	return rc;
}

static int go_on(struct txn_env *env)
{
	struct board *b = env->board;
	uint32_t turn = atomic_load(&b->turn);
	int rc;

	if (turn == BOARD_POISONED) {
		pthread_mutex_lock(&env->lock);
		env_poison(env, b->poison_code);
		rc = error_poisoned(env);
		pthread_mutex_unlock(&env->lock);
		return rc;
	}
	if (turn == BOARD_OPEN) /* whose turn it was has died */
		return follow_the_dead(env);
	if (b->n_turns == env->turn_seen) /* the last turn was ours */
		return 0;
	rc = adopt(env, b->durable_gen);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&env->lock);
	take_over_session(env);
	pthread_mutex_unlock(&env->lock);
	return 0;
}

int turn_take(struct txn_env *env)
{
	int rc;

	if (!env->members || env->has_turn)
		return 0;
	rc = members_take_turn(env->members);
	if (rc < 0)
		return rc;
	rc = go_on(env);
	if (rc < 0) {
		members_give_turn(env->members);
		return rc;
	}
	pthread_mutex_lock(&env->lock);
	begin_turn(env);
	pthread_mutex_unlock(&env->lock);
	return 0;
}

void turn_note_awaited(struct txn_env *env)
{
	if (!env->members || !env->has_turn || env->turn_is_promised)
		return;
	/* Under TXN_RELAXED nobody comes back to flush when somebody begins to wait. */
	env->turn_is_promised =
		members_is_awaited(env->members) ||
		(env->options.sync == TXN_RELAXED && !members_is_alone(env->members));
}

/* What the next process must know. */
static void write_board(struct txn_env *env)
{
	struct board *b = env->board;

	b->durable_gen = env->durable_gen;
	b->session_gen = env->session_gen;
	b->next_gen = env->next_gen;
	b->in_session = env->in_session;
	b->rolled_back = env->rolled_back;
	b->poison_code = env->poison_code;
	atomic_store(&b->turn, env->state == ENV_POISONED ? BOARD_POISONED : BOARD_CLEAN);
}

int turn_found(struct txn_env *env)
{
	write_board(env);
	return members_ready(env->members);
}

void turn_give(struct txn_env *env)
{
	bool is_done = env->state == ENV_POISONED || env->durable_gen >= env->joined_gen;

	if (!env->members || !env->has_turn || env->writer_busy || env->flushing || !is_done)
		return;
	/* Readers that begin see the board again. One that has been told to look at the state ahead
	 * finds it moved, or nothing there, however late it looks. */
	if (atomic_exchange(&env->is_ahead, false))
		published_clear(&env->ahead);
	write_board(env);
	env->has_turn = false;
	env->turn_is_promised = false;
	members_give_turn(env->members);
	pthread_cond_broadcast(&env->turn);
}

int txn_sync(struct txn_env *env)
{
	int rc;

	pthread_mutex_lock(&env->lock);
	rc = flush_until(env, env->joined_gen);
	turn_give(env);
	pthread_mutex_unlock(&env->lock);
	return rc;
}

/* While another process writes, it will leave after us. */
bool turn_begins_last(struct txn_env *env)
{
	if (!env->members)
		return true;
	if (env->state == ENV_POISONED || members_try_turn(env->members) < 0)
		return false;
	if (!members_close_door(env->members) || go_on(env) < 0) {
		members_give_turn(env->members);
		return false;
	}
	begin_turn(env);
	return true;
}
