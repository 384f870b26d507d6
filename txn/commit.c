/* SPDX-License-Identifier: MIT */
/*
 * Commit = join: seal, decide what becomes free, add everything to the open group commit, pass the
 * writer lock on; the next transaction builds on it. Then, under TXN_FULL, wait until the group
 * commit is flushed (flush.c).
 *
 * What can fail comes first and changes nothing that abort could not undo; from join() on nothing
 * fails (T11). So a transaction can be aborted until join(); that no crash takes it away is certain
 * only after the last flush of its group commit: one_flush() and two_flush() in flush.c.
 */
#include "base/error.h"
#include "txn/activity.h"

#include <stdlib.h>

static bool root_is(const struct txn_root *a, const struct txn_root *b)
{
	return a->ref.pgno == b->ref.pgno && a->ref.gen == b->ref.gen && a->level == b->level &&
	       a->flags == b->flags && a->kind == b->kind && a->tree == b->tree &&
	       a->count == b->count && a->user == b->user;
}

static bool nothing_to_commit(const struct txn *txn)
{
	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		if (!root_is(&txn->roots[i], &txn->writer->roots_before[i]))
			return false;
	}
	return !txn->writer->changed;
}

static void seal_all(struct txn *txn)
{
	struct txn_writer *w = txn->writer;

	ASSERT(txn->env->in_session); /* T2 */
	for (uint32_t i = 0; i < w->n_dirty; i++) {
		if (w->dirty[i].page)
			page_seal(w->dirty[i].page, txn->pager->page_size, txn->pager->seed);
	}
}

/* What the list of pending pages needs; a look for space can make it longer or shorter. */
static int prepare_list_pages(struct txn *txn)
{
	struct pending *p = &txn->env->pending;
	uint32_t n;
	int rc;

	do {
		n = pending_count_list_pages(p, 0);
		rc = promise_space(txn, n, 0);
	} while (rc == 0 && pending_count_list_pages(p, 0) > n);
	return rc ? rc : pending_prepare_commit(p);
}

/*
 * The pages that joined and are not flushed yet: their memory is bounded. Where no thread waits for
 * a flush, those that a spill has written count too: what a crash can take away is bounded, and
 * what was freed is used again.
 */
static size_t count_unflushed(const struct txn_env *env)
{
	size_t n = (size_t)env->open->n_own + env->flight->n_own;

	if (leaves_unflushed(env))
		n += (size_t)env->open->n_unproved + env->flight->n_unproved;
	return n;
}

/* Whether a leader has something that is not written; one may also flush what is (T15). */
static bool in_flight(const struct txn_env *env)
{
	return env->flushing && env->taken_gen > env->written_gen;
}

/* Waits until this transaction may join; a larger one than the bound does when nothing else waits.
 */
static int wait_for_room(struct txn *txn)
{
	struct txn_env *env = txn->env;
	struct txn_writer *w = txn->writer;
	uint32_t most = env->options.unflushed_max_pages;
	size_t n_mine = w->n_unsealed, n_written = (size_t)w->n_written + w->n_early_list_pages;
	int rc = 0;

	if (w->n_unsealed > most)
		rc = spill(txn, 0);
	pthread_mutex_lock(&env->lock);
	if (leaves_unflushed(env))
		n_mine += n_written;
	while (rc == 0 && env->written_gen < env->joined_gen &&
		count_unflushed(env) + n_mine > most && count_unflushed(env) > 0)
		rc = answer_until(env, in_flight(env) ? env->taken_gen : env->joined_gen);
	pthread_mutex_unlock(&env->lock);
	return rc;
}

/* The newest state; env->lock is held, and room was reserved. waits: for its flush. */
static void join(struct txn *txn, bool waits)
{
	struct txn_env *env = txn->env;
	struct txn_writer *w = txn->writer;
	struct group_commit *group = env->open;
	struct meta *m = &group->meta;
	uint32_t n_pages_before; /* of the free space, without bitmaps and index */

	ASSERT(env->writer_busy);
	ASSERT(env->state == ENV_WRITING);      /* T2: the session's first meta is durable */
	ASSERT(w->first_gen > env->joined_gen); /* T13: above every joined generation */
	ASSERT(txn->gen >= w->first_gen);       /* T13 */
	ASSERT(txn->gen < env->next_gen);       /* T2: no other attempt gets it */
	if (!group->published)
		env->n_dead += group_commit_drop_dead(group, env->pager, w->dead.items, w->dead.n);
	*m = env->joined;
	m->gen = txn->gen;
	memcpy(m->roots, txn->roots, sizeof(m->roots));
	pending_commit(&env->pending, &env->space, txn->gen, &group->pages, &m->space);
	n_pages_before = group->pages.n;
	ASSERT(env->options.sync != TXN_PROCESS ||
		!space_has_emitted(&env->space, env->durable_gen, env->taken_gen)); /* T15 */
	space_emit(&env->space, txn->gen, env->taken_gen, &group->pages, &m->space);
	for (uint32_t i = 0; i < w->n_dirty; i++) {
		if (!w->dirty[i].page)
			continue;
		DCHECK(page_is_sealed(w->dirty[i].page)); /* T3: no byte changes from here on */
		DCHECK(page_lsn(w->dirty[i].page) <= txn->gen); /* T14 */
		group_commit_add_own(group, w->dirty[i].pgno);
	}
	env->n_bitmaps_written += group->pages.n - n_pages_before;
	group->n_unproved += w->n_written + w->n_early_list_pages;
	group->n_joined++;
	env->joined = *m;
	env->joined_gen = m->gen;
	if (!waits)
		env->async_gen = m->gen;
	if (!waits && env->async_first_gen == 0)
		env->async_first_gen = m->gen;
	env->n_commits++;
	activity_commit(env);
	writer_account(env);
	env->n_free_pages = space_count_free(&env->space);
	env->n_pending_pages = pending_count_pages(&env->pending);
	if (env->options.sync == TXN_RELAXED) {
		group->published = true;
		env_publish_ahead(env, m);
	}
	turn_note_awaited(env);
}

/*
 * T15: the two copies of a bitmap are those of the flushed state and of an answered one: before a
 * third is made, the second is the flushed one. env->lock is held.
 */
static int keep_written_bitmaps(struct txn_env *env)
{
	int rc = 0;

	while (rc == 0 && env->options.sync == TXN_PROCESS &&
		space_has_emitted(&env->space, env->durable_gen, env->taken_gen))
		rc = flush_until(env, env->taken_gen);
	return rc;
}

/*
 * What can be used again changes bitmaps, and under TXN_PROCESS the second change of one takes a
 * flush, after which more can be used again. So it waits, unless the transaction is short of pages.
 */
static bool puts_off_reclaiming(struct txn_env *env)
{
	bool puts_off;

	if (env->options.sync != TXN_PROCESS)
		return false;
	pthread_mutex_lock(&env->lock);
	puts_off = space_has_copies(&env->space, env->durable_gen, env->taken_gen);
	pthread_mutex_unlock(&env->lock);
	return puts_off;
}

static int prepare_join(struct txn *txn)
{
	struct txn_env *env = txn->env;
	struct horizon h = horizon_now(env);
	int rc = return_recycled(txn);

	if (rc == 0)
		rc = write_list_pages_early(txn);
	if (rc == 0 && !puts_off_reclaiming(env))
		rc = pending_reclaim_some(&env->pending, &env->space, &h, txn->gen);
	if (rc == 0)
		rc = prepare_list_pages(txn);
	if (rc == 0)
		rc = wait_for_room(txn);
	if (rc == 0 && txn->writer->dead.n)
		qsort(txn->writer->dead.items, txn->writer->dead.n, sizeof(pgno_t), pgno_compare);
	return rc;
}

/* ret_gen: NULL, or where its generation goes instead of being waited for. */
static int commit_write(struct txn *txn, gen_t *ret_gen)
{
	struct txn_env *env = txn->env;
	gen_t gen;
	int rc = session_start(env);

	if (rc == 0)
		rc = prepare_join(txn);
	if (rc) {
		txn_abort_write(txn);
		return rc;
	}
	gen = txn->gen; /* the last of the transaction's */
	seal_all(txn);
	pthread_mutex_lock(&env->lock);
	rc = keep_written_bitmaps(env);
	if (rc == 0 && env->state == ENV_POISONED)
		rc = error_poisoned(env);
	if (rc == 0)
		rc = group_commit_reserve(env->open, txn->writer->n_dirty,
			space_count_emitted(&env->space) +
				pending_count_list_pages(&env->pending, 0));
	if (rc) {
		pthread_mutex_unlock(&env->lock);
		txn_abort_write(txn);
		return rc;
	}
	join(txn, !ret_gen);
	env->writer_busy = false;
	pthread_cond_signal(&env->turn);
	if (env->options.sync != TXN_RELAXED && !ret_gen)
		rc = answer_until(env, gen);
	if (rc == 0 && env->turn_is_promised)
		rc = flush_until(env, gen);
	turn_give(env);
	pthread_mutex_unlock(&env->lock);
	if (rc == 0 && ret_gen)
		*ret_gen = gen;
	return rc;
}

void txn_abort(struct txn *txn)
{
	if (!txn)
		return;
	if (txn->writable) {
		txn_handle_closed(txn);
		txn_abort_write(txn);
	} else {
		txn_end_read(txn);
	}
}

static int commit(struct txn *txn, gen_t *ret_gen)
{
	if (txn->writable && txn->broken) {
		int broken = txn->broken;

		txn_abort(txn);
		return error_set(VERSO_EABORTONLY,
			"an earlier call of the transaction failed half-way (%s): it was aborted",
			error_name(broken));
	}
	if (!txn->writable || nothing_to_commit(txn)) {
		txn_abort(txn);
		if (ret_gen)
			*ret_gen = 0;
		return 0;
	}
	txn_handle_closed(txn);
	return commit_write(txn, ret_gen);
}

int txn_commit(struct txn *txn)
{
	return commit(txn, NULL);
}

int txn_commit_async(struct txn *txn, gen_t *ret_gen)
{
	return commit(txn, ret_gen);
}
