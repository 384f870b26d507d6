/* SPDX-License-Identifier: MIT */
/*
 * The one writer: its lock, its accounting, what its end gives back, and what it may use again by
 * now.
 */
#include "base/error.h"
#include "txn/activity.h"

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

struct scan {
	struct txn_env *env;
	gen_t *gens;
	size_t n;
	bool is_known;
};

static void scan_slots(void *arg)
{
	struct scan *s = arg;

	struct snapshots *in = &s->env->board->snapshots;

	s->is_known = snapshots_in_use(in, lives, s->env, s->gens, &s->n);
}

static int error_unknown_reader(void)
{
	return error_set(VERSO_EBUSY,
		"what is read is not known: something else has locked a byte of the database, or "
		"written into the lock file beside it, where readers do. Nothing is used again "
		"now");
}

int env_readers(struct txn_env *env, gen_t newest, gen_t *gens, size_t *ret_n)
{
	struct scan s = {env, gens, 0, true};
	size_t n_locked = 0;
	int rc = board_do(env->board, scan_slots, &s) ? 0 : error_no_board();

	if (rc == 0 && !s.is_known)
		rc = error_unknown_reader();
	if (rc == 0 && env->read_locks.file)
		rc = read_locks_list(&env->read_locks, newest, gens + s.n, &n_locked);
	if (n_locked > 0)
		snapshots_sort(gens, s.n + n_locked);
	if (rc == 0)
		*ret_n = s.n + n_locked;
	return rc;
}

/* What may be used again by now. */
struct horizon horizon_now(struct txn_env *env)
{
	struct horizon h = {.readers = env->writer.readers};
	int rc;

	pthread_mutex_lock(&env->lock);
	ASSERT(env->writer_busy);                     /* T4: one thread decides, and takes */
	ASSERT(env->flushed_gen <= env->durable_gen); /* T4: what counts as flushed is */
	h.flushed = env->flushed_gen;
	pthread_mutex_unlock(&env->lock);
	/* After the flush was published: a reader that is missed here begins with a newer state. */
	rc = env_readers(env, env->next_gen - 1, env->writer.readers, &h.n_readers);
	/*
	 * T4: a reader's snapshot is a generation that joined; the open transaction is none. Any
	 * other was put there by something else: with a lock, for which permission to read the
	 * file is enough, or by a store into a slot, perhaps over that of a reader.
	 */
	if (rc == 0 && h.n_readers > 0 && h.readers[h.n_readers - 1] >= env->next_gen)
		rc = error_unknown_reader();
	if (rc < 0) {
		/* Who reads what is not known: so nothing is used again. The file grows, at worst,
		 * as it does beside a reader that never ends. */
		h.n_readers = 0;
		h.flushed = 0;
		error_clear();
	}
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
	activity_end_write(env);
	writer_release(env);
}

int txn_break(struct txn *txn, int code)
{
	if (!txn->broken)
		txn->broken = code;
	return code;
}
