/* SPDX-License-Identifier: MIT */
/*
 * A writing session: from its first page to its close, and the generations that it uses (T2).
 *
 * It begins, before it writes a page, by writing a meta of its first generation over the older
 * slot: that overwrites what opening rejected (T7), and from then on no later opening can give out
 * the same generations again. Before that it has blocks allocated where a copy of the file has
 * holes, so that no flush can meet a full disk there. It ends by a clean-shutdown mark in the older
 * slot: the newest state as one that was flushed, so that opening walks nothing and the loss of
 * either slot loses nothing (T8), and the highest generation used, so that the next session goes on
 * behind it.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#define INCARNATION_MAX ((UINT64_C(1) << (64 - GEN_SEQ_BITS)) - 1)

static uint64_t incarnation_of(gen_t gen)
{
	return gen >> GEN_SEQ_BITS;
}

/*
 * A clean-shutdown mark counts while it stands beside an equal state: as soon as a session has
 * begun, the other slot is newer, or was damaged in becoming so. Else the session before may have
 * crashed, with pages of its incarnation anywhere; and where a slot cannot be read, of an
 * incarnation that only it knew.
 */
gen_t session_first_gen(const struct meta *a, const struct meta *b)
{
	const gen_t gen = a && (!b || a->gen > b->gen) ? a->gen : b ? b->gen : 0;
	uint64_t incarnation;

	if (a && b && a->gen == b->gen && (a->mark >= gen || b->mark >= gen))
		return (a->mark > b->mark ? a->mark : b->mark) + 1;
	incarnation = incarnation_of(gen) + (a && b ? 1 : 2);
	return incarnation <= INCARNATION_MAX ? incarnation << GEN_SEQ_BITS : 0;
}

bool session_is_used_up(const struct txn_env *env)
{
	return incarnation_of(env->next_gen) != incarnation_of(env->session_gen);
}

/* A sequence that is full carries into the incarnation, which then begins as a session does. */
static int incarnation_carry(struct txn_env *env)
{
	int rc;

	pthread_mutex_lock(&env->lock);
	rc = flush_until(env, env->joined_gen);
	pthread_mutex_unlock(&env->lock);
	if (rc < 0)
		return rc;
	env->in_session = false;
	env->session_gen = env->next_gen++;
	return 0;
}

int session_take_gen(struct txn_env *env, gen_t *ret_gen)
{
	if (env->session_gen != 0 && session_is_used_up(env)) {
		int rc = incarnation_carry(env);

		if (rc < 0)
			return rc;
	}
	if (env->session_gen == 0)
		return error_set(VERSO_EFULL,
			"the file has seen %llu crashes while it was written, which is all that "
			"its format can count: dump it and load it into a new one",
			(unsigned long long)INCARNATION_MAX);
	*ret_gen = env->next_gen++;
	return 0;
}

/*
 * A meta that lost a sector could become whole again while it is overwritten, by a sector in which
 * the new one has the same bytes (zeros, mostly): a power cut there would bring back what was
 * rejected. So bytes that no meta has come first.
 */
static int erase_torn(struct txn_env *env, unsigned slot)
{
	struct page_write write = {
		layout_slot(&env->layout, slot), env->layout.slot_pages, env->flight->meta_bytes};
	int rc;

	if (env->slot_pages[slot] != UINT32_MAX)
		return 0;
	memset(env->flight->meta_bytes, 0xff, env->flight->slot_bytes);
	rc = pager_write(env->pager, &write, 1);
	return rc ? rc : pager_flush(env->pager);
}

/* Overwrites the older meta page with m, between two flushes, and takes it as the durable state. */
static int overwrite_older_meta(struct txn_env *env, const struct meta *m)
{
	unsigned slot = 1 - env->durable_slot; /* T5: never the newest flushed one */
	int rc;

	ASSERT(env->written_gen == env->durable_gen); /* T15 */
	ASSERT(!env->flushing);                    /* the buffer is that of the group in flight */
	ASSERT(m->gen >= env->durable_gen);        /* T2 */
	ASSERT(m->mark == 0 || m->mark >= m->gen); /* T8 */
	rc = pager_flush(env->pager);
	if (rc == 0)
		rc = erase_torn(env, slot);
	if (rc == 0)
		rc = meta_write(env, m, slot, env->flight->meta_bytes);
	if (rc == 0)
		rc = pager_flush(env->pager);
	if (rc)
		return rc;
	env->durable = *m;
	env->written_gen = env->durable_gen = m->gen;
	env->durable_slot = slot;
	env->slot_pages[slot] = m->space.n_pages;
	return 0;
}

int session_start(struct txn_env *env)
{
	struct meta m;
	int rc;

	if (env->in_session)
		return 0;
	if (atomic_load(&env->stopped))
		return error_poisoned(env);
	/* Blocks for the holes of a copy: may take long, so it does not hold up env->lock. */
	rc = pager_resize(env->pager, env->space.file_pages);
	if (rc)
		return rc;
	pthread_mutex_lock(&env->lock);
	ASSERT(group_commit_is_empty(env->open));
	m = env->durable;
	m.gen = env->session_gen;
	m.durable_gen = env->durable_gen;
	m.mark = 0;
	m.mode = TXN_TWO_FLUSH;
	if (env->state == ENV_POISONED)
		rc = error_poisoned(env);
	if (rc == 0) {
		rc = overwrite_older_meta(env, &m);
		if (rc)
			env_poison(env, rc);
	}
	if (rc == 0) {
		env->joined = m;
		env->joined_gen = m.gen;
		env->taken_gen = m.gen;
		env_move(env, ENV_WRITING);
		env->in_session = true;
		env_publish(env, &m);
	}
	pthread_mutex_unlock(&env->lock);
	return rc;
}

void session_mark_clean(struct txn_env *env)
{
	struct meta m = env->durable;

	if (env->state != ENV_WRITING)
		return;
	m.durable_gen = m.gen;
	m.mark = env->next_gen - 1;
	if (overwrite_older_meta(env, &m) == 0)
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
	if (env->flushing || !group_commit_is_empty(env->open))
		n = env->space.file_pages;
	ASSERT(n >= env->space.n_pages); /* T12: nothing in use lies beyond */
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
