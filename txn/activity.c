/* SPDX-License-Identifier: MIT */
#include "txn/activity.h"
#include "base/clock.h"

struct showing {
	struct board_activity *to;
	const struct pager_stats *stats;
	uint64_t value;
};

static struct board_activity *activity_of(struct txn_env *env)
{
	return &env->board->activity[env->members->id];
}

static bool is_shown(struct txn_env *env)
{
	return env->members && !atomic_load_explicit(&env->board_lost, memory_order_relaxed);
}

void activity_init(struct txn_env *env)
{
	atomic_init(&env->show_at_ns, env->members ? 0 : ACTIVITY_NEVER);
}

static void set_count(struct board_activity *to, enum board_count which, uint64_t value)
{
	atomic_store_explicit(&to->counts[which], value, memory_order_relaxed);
}

static void show_stats(void *arg)
{
	const struct showing *s = arg;

	set_count(s->to, BOARD_GETS, s->stats->n_gets);
	set_count(s->to, BOARD_PEEKS, s->stats->n_peeks);
	set_count(s->to, BOARD_MISSES, s->stats->n_misses);
	set_count(s->to, BOARD_READ_BYTES, s->stats->read_bytes);
	set_count(s->to, BOARD_WRITE_BYTES, s->stats->write_bytes);
}

static void show_now(struct txn_env *env)
{
	struct pager_stats stats;
	struct showing s = {.to = activity_of(env), .stats = &stats};

	pager_stats(env->pager, &stats);
	(void)board_do(env->board, show_stats, &s);
}

void activity_show(struct txn_env *env, uint64_t now_ns)
{
	uint64_t at_ns = atomic_load_explicit(&env->show_at_ns, memory_order_relaxed);

	/* One thread of those that find it is time. */
	if (now_ns >= at_ns && is_shown(env) &&
		atomic_compare_exchange_strong(&env->show_at_ns, &at_ns, now_ns + ACTIVITY_NS))
		show_now(env);
}

static void set_write_since(void *arg)
{
	const struct showing *s = arg;

	atomic_store_explicit(&s->to->write_since_ns, s->value, memory_order_relaxed);
}

void activity_begin_write(struct txn_env *env, uint64_t now_ns)
{
	if (is_shown(env))
		(void)board_do(env->board, set_write_since,
			&(struct showing){.to = activity_of(env), .value = now_ns});
}

void activity_end_write(struct txn_env *env)
{
	activity_begin_write(env, 0);
}

static void count_commit(void *arg)
{
	const struct showing *s = arg;

	set_count(s->to, BOARD_COMMITS, s->value);
	atomic_store_explicit(&s->to->write_since_ns, 0, memory_order_relaxed);
}

void activity_commit(struct txn_env *env)
{
	if (!is_shown(env))
		return;
	(void)board_do(env->board, count_commit,
		&(struct showing){.to = activity_of(env), .value = env->n_commits});
	activity_note(env, clock_coarse_ns());
}

void activity_end(struct txn_env *env)
{
	if (is_shown(env))
		show_now(env);
}
