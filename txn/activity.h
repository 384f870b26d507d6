/* SPDX-License-Identifier: MIT */
/*
 * What a member writes on the board for who watches (verso_watch()). Nothing is decided by it, so
 * it may be late: how many commits there were is right at each commit, and what the pager counted
 * is written at most ten times a second, by the end of a transaction. One that is open for long
 * shows when it ends. Nothing of this is called where no other process may come.
 */
#ifndef TXN_ACTIVITY_H
#define TXN_ACTIVITY_H

#include "txn/txn_int.h"

#define ACTIVITY_NS    UINT64_C(100000000) /* between two looks at what the pager has counted */
#define ACTIVITY_NEVER UINT64_MAX

void activity_init(struct txn_env *env);

/* Writes what the pager has counted; now_ns: clock_coarse_ns(), or a little earlier. Any thread. */
void activity_show(struct txn_env *env, uint64_t now_ns);

/* The same, when it is time to. A load and a comparison where it is not. */
static inline void activity_note(struct txn_env *env, uint64_t now_ns)
{
	if (now_ns >= atomic_load_explicit(&env->show_at_ns, memory_order_relaxed))
		activity_show(env, now_ns);
}

/* A write transaction has begun; it has ended. The writer lock is held. */
void activity_begin_write(struct txn_env *env, uint64_t now_ns);
void activity_end_write(struct txn_env *env);

/* It joined, which ends it. env->lock is held. */
void activity_commit(struct txn_env *env);

/* The last one: the environment closes. */
void activity_end(struct txn_env *env);

#endif
