/* SPDX-License-Identifier: MIT */
/*
 * The turn of this process among all that have the file open (members.h).
 *
 * A process that has the turn is as if it were alone. It takes the turn when a transaction begins,
 * goes on from what the board or the file says, and gives it up when no transaction is open and all
 * that joined is flushed. While others wait, no further transaction begins here before that.
 */
#include "base/clock.h"
#include "base/error.h"
#include "txn/txn_int.h"

#include <inttypes.h>

static void open_turn(void *arg)
{
	struct txn_env *env = arg;
	struct board_left *left = &env->board->left;

	atomic_store(&left->turn, BOARD_OPEN); /* first: from here on its checksum is not right */
	env->turn_seen = ++left->n_turns;
	atomic_store_explicit(&env->board->activity[env->members->id].turn_since_ns,
		clock_coarse_ns(), memory_order_relaxed);
}

/* With env->lock. */
static int begin_turn(struct txn_env *env)
{
	if (!board_do(env->board, open_turn, env))
		return error_no_board();
	env->has_turn = true;
	courtesy_wake(&env->courtesy);
	return 0;
}

/*
 * T2: whether a turn can have left these generations, where the file has this one. A session takes
 * what is newer than the file's; in it, what is newer than its own first one.
 */
static bool is_session(const struct board_left *left, gen_t durable_gen)
{
	const uint64_t n_carried =
		(left->next_gen >> GEN_SEQ_BITS) - (left->session_gen >> GEN_SEQ_BITS);

	if (left->session_gen == 0) /* no incarnation is left */
		return left->in_session == 0 && left->next_gen == 1;
	return left->next_gen > left->session_gen && left->next_gen > durable_gen &&
	       n_carried <= 1 && (left->session_gen <= durable_gen) == (left->in_session != 0);
}

/* Of a turn that another process has ended: what only it knew. */
static void take_over_session(struct txn_env *env, const struct board_left *left)
{
	env->session_gen = left->session_gen;
	env->next_gen = left->next_gen;
	env->in_session = left->in_session;
	env->rolled_back = left->rolled_back;
	if (env->in_session && env->state == ENV_READING)
		env_move(env, ENV_WRITING);
}

static void poison_board(void *arg)
{
	struct txn_env *env = arg;

	env->board->left.poison_code = env->poison_code;
	board_end_turn(&env->board->left, BOARD_POISONED);
}

/* A sync that fails is told once, so the others are told what it told us. */
static int follow_the_dead(struct txn_env *env)
{
	int rc = adopt(env, 0);

	pthread_mutex_lock(&env->lock);
	if (rc == 0 && env->state == ENV_POISONED) {
		if (!env->board_lost)
			(void)board_do(env->board, poison_board, env);
		rc = error_poisoned(env);
	}
	pthread_mutex_unlock(&env->lock);
	return rc;
}

static int stay_poisoned(struct txn_env *env, int code)
{
	int rc;

	pthread_mutex_lock(&env->lock);
	env_poison(env, code);
	rc = error_poisoned(env);
	pthread_mutex_unlock(&env->lock);
	return rc;
}

/*
 * Whether the last turn was ours. Every attempt takes a generation, so where none was taken since,
 * what we know is so, even if something else has changed the count of turns.
 */
static bool is_own_turn(const struct txn_env *env, const struct board_left *left)
{
	return left->n_turns == env->turn_seen && left->next_gen == env->next_gen &&
	       left->durable_gen == env->durable_gen;
}

static int go_on(struct txn_env *env)
{
	struct board_left left;
	int rc = board_read_left(env->board, &left);

	if (rc < 0)
		return rc;
	if (atomic_load(&left.turn) == BOARD_OPEN) /* whose turn it was has died */
		return follow_the_dead(env);
	if (!board_left_is_sound(&left))
		return error_bad_board();
	if (atomic_load(&left.turn) == BOARD_POISONED)
		return stay_poisoned(env, left.poison_code);
	if (atomic_load(&left.turn) != BOARD_CLEAN)
		return error_bad_board();
	if (is_own_turn(env, &left))
		return 0;
	rc = adopt(env, left.durable_gen);
	if (rc == 0 && !is_session(&left, env->durable_gen))
		rc = error_bad_board();
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&env->lock);
	take_over_session(env, &left);
	pthread_mutex_unlock(&env->lock);
	return 0;
}

int turn_take(struct txn_env *env)
{
	int rc;

	if (env->options.observed)
		return observe_take_turn(env);
	if (!env->members || env->has_turn)
		return 0;
	rc = members_take_turn(env->members);
	if (rc < 0)
		return rc;
	rc = go_on(env);
	if (rc == 0) {
		pthread_mutex_lock(&env->lock);
		rc = begin_turn(env);
		pthread_mutex_unlock(&env->lock);
	}
	if (rc < 0)
		members_give_turn(env->members);
	return rc;
}

/*
 * What is left without a flush keeps the turn from those who come later, unless there is a thread
 * that looks for them. Under TXN_RELAXED those who are there would not see what was committed.
 */
static bool needs_flush_for_others(struct txn_env *env)
{
	if (!leaves_unflushed(env) && env->options.sync != TXN_PROCESS)
		return false;
	if (env->options.sync == TXN_RELAXED && !members_is_alone(env->members))
		return true;
	return !env->options.courtesy || !courtesy_runs(&env->courtesy);
}

void turn_note_awaited(struct txn_env *env)
{
	if (!env->members || !env->has_turn || env->turn_is_promised || env->is_last)
		return;
	env->turn_is_promised = members_is_awaited(env->members) || needs_flush_for_others(env);
}

/* What the next process must know. */
static void write_board(void *arg)
{
	struct txn_env *env = arg;
	struct board_left *b = &env->board->left;

	atomic_store_explicit(&env->board->activity[env->members->id].turn_since_ns, 0,
		memory_order_relaxed);
	b->n_turns = env->turn_seen;
	b->durable_gen = env->durable_gen;
	b->session_gen = env->session_gen;
	b->next_gen = env->next_gen;
	b->in_session = env->in_session;
	b->rolled_back = env->rolled_back;
	b->poison_code = env->poison_code;
	board_end_turn(b, env->state == ENV_POISONED ? BOARD_POISONED : BOARD_CLEAN);
}

int turn_found(struct txn_env *env)
{
	if (!board_do(env->board, write_board, env))
		return error_no_board();
	return members_ready(env->members);
}

/*
 * Readers that begin see the board again. One that has been told to look at the state ahead finds
 * it moved, or nothing there, however late it looks. Where the board cannot be written its turn
 * stays OPEN, and the next process looks at the file.
 */
static void leave_board(struct txn_env *env)
{
	if (atomic_exchange(&env->is_ahead, false))
		published_clear(&env->ahead);
	(void)board_do(env->board, write_board, env);
}

void turn_give(struct txn_env *env)
{
	bool is_done = env->state == ENV_POISONED || env->durable_gen >= env->joined_gen;

	if (env->options.observed && env->has_turn && !env->writer_busy)
		observe_give_turn(env);
	if (!env->members || !env->has_turn || env->writer_busy || env->flushing || !is_done ||
		env->is_last)
		return;
	if (!env->board_lost)
		leave_board(env);
	env->has_turn = false;
	env->turn_is_promised = false;
	members_give_turn(env->members);
	pthread_cond_broadcast(&env->turn);
}

/*
 * What joined may wait for a flush, and the turn with it, perhaps for ever. Others need not wait
 * for that.
 */
bool turn_look_for_others(void *arg)
{
	struct txn_env *env = arg;

	if (env->has_turn && !env->writer_busy && !env->flushing &&
		!members_is_alone(env->members)) {
		(void)flush_until(env, env->joined_gen);
		turn_give(env);
	}
	return env->has_turn;
}

int txn_sync(struct txn_env *env)
{
	bool have_others;
	int rc;

	pthread_mutex_lock(&env->lock);
	rc = flush_until(env, env->joined_gen);
	/* What another process has published may be written only (T15). */
	have_others = env->members && !env->has_turn;
	turn_give(env);
	pthread_mutex_unlock(&env->lock);
	return rc == 0 && have_others ? pager_flush(env->pager) : rc;
}

int txn_wait(struct txn_env *env, gen_t gen)
{
	int rc = 0;

	if (gen == 0) /* nothing was changed */
		return 0;
	pthread_mutex_lock(&env->lock);
	if (gen < env->async_first_gen || gen > env->async_gen)
		rc = error_set(VERSO_EMISUSE,
			"generation %" PRIx64 ": no commit here that can be waited for returned it",
			gen);
	if (rc == 0) {
		rc = flush_until(env, gen);
		turn_give(env);
	}
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
	if (!members_close_door(env->members) || go_on(env) < 0 || begin_turn(env) < 0) {
		members_give_turn(env->members);
		return false;
	}
	env->is_last = true;
	return true;
}
