/* SPDX-License-Identifier: MIT */
/* The environment: opening, closing, readers, and what there is to say about it. */
#include "base/error.h"
#include "txn/activity.h"

#include <errno.h>
#include <stdlib.h>

#define DIRTY_PAGES_DEFAULT 4096U
#define ONE_FLUSH_PAGES_MAX 1024U

static uint32_t dirty_max(const struct txn_options *o)
{
	return o->dirty_max_pages ? o->dirty_max_pages : DIRTY_PAGES_DEFAULT;
}

static uint32_t unflushed_max(const struct txn_options *o)
{
	return o->unflushed_max_pages ? o->unflushed_max_pages : dirty_max(o);
}

uint32_t txn_writer_pages(const struct txn_options *options)
{
	return dirty_max(options) + TXN_OP_PAGES_MAX + unflushed_max(options);
}

static void options_fill(struct txn_options *o)
{
	o->dirty_max_pages = dirty_max(o);
	o->unflushed_max_pages = unflushed_max(o);
	/* T15: each change of a bitmap but the first takes a flush, so a file grows by much. */
	if (o->sync == TXN_PROCESS && o->grow_pages == 0)
		o->grow_pages = WINDOW_PAGES;
	if (o->one_flush_max_pages == 0 || o->one_flush_max_pages > ONE_FLUSH_PAGES_MAX)
		o->one_flush_max_pages = ONE_FLUSH_PAGES_MAX;
}

/* --- opening and closing ------------------------------------------------------------------- */

static int writer_init(struct txn_env *env)
{
	struct txn *txn = &env->write_handle;
	int rc;

	txn->env = env;
	txn->pager = env->pager;
	txn->writable = true;
	txn->writer = &env->writer;
	rc = guard_open(&env->pager->guards, &txn->guard);
	if (rc == 0)
		txn->guard->is_writers = true;
	return rc;
}

static void writer_fini(struct txn_env *env)
{
	struct txn_writer *w = &env->writer;

	guard_close(env->write_handle.guard);
	free(w->spilled);
	free(w->list_page_bufs);
	free(w->dirty);
	free(w->recycled.items);
	free(w->dead.items);
}

/* What was joined but could not be flushed still lies in the pager. */
static void group_commit_abandon(struct txn_env *env, struct group_commit *group)
{
	if (!group)
		return;
	for (uint32_t i = 0; i < group->n_own; i++)
		pager_drop(env->pager, group->own[i], 1);
	group_commit_fini(group);
}

static void env_free(struct txn_env *env)
{
	while (env->free_handles) {
		struct txn *txn = env->free_handles;

		env->free_handles = txn->next_free;
		guard_close(txn->guard);
		free(txn);
	}
	writer_fini(env);
	group_commit_abandon(env, env->open);
	group_commit_abandon(env, env->flight);
	pending_fini(&env->pending);
	space_fini(&env->space);
	courtesy_fini(&env->courtesy);
	(void)pthread_cond_destroy(&env->turn);
	(void)pthread_mutex_destroy(&env->lock);
	(void)pthread_mutex_destroy(&env->handles_lock);
	observe_fini(env);
	read_locks_fini(&env->read_locks);
	free(env->own_board);
	free(env);
}

/* Nobody else has the file open. */
static int load(struct txn_env *env, pgno_t file_pages)
{
	struct recovered *r = calloc(1, sizeof(*r));
	int rc = r ? 0 : -ENOMEM;

	if (rc == 0) {
		r->file_pages = file_pages;
		rc = recover(env, r);
	}
	if (rc == 0)
		rc = adopt_layout(env, &r->meta);
	if (rc == 0)
		rc = adopt_recovered(env, r);
	if (rc == 0)
		env->walked = r->walked;
	free(r);
	return rc;
}

/* Others have: what is published stands on the board, and the rest is learned with the turn. */
static int join(struct txn_env *env)
{
	struct meta *m = malloc(sizeof(*m));
	int rc = m ? recover_any(env, m) : -ENOMEM;

	if (rc == 0)
		rc = adopt_layout(env, m);
	if (rc == 0) {
		env->joined = env->durable = *m;
		env->turn_seen = UINT64_MAX;
	}
	free(m);
	return rc;
}

static int env_load(struct txn_env *env, pgno_t file_pages)
{
	bool joins = env->members && !env->members->is_first;
	int rc = env->options.observed ? observe_load(env)
		 : joins               ? join(env)
				       : load(env, file_pages);

	if (rc == 0)
		rc = writer_init(env);
	if (rc == 0 && env->members && env->members->is_first)
		rc = turn_found(env);
	return rc;
}

/* Memory for the board, where no other process has one. */
static int board_init(struct txn_env *env)
{
	size_t len_bytes = (sizeof(*env->board) + 63) / 64 * 64;

	env->members = env->options.members;
	if (env->members) {
		env->board = env->members->board;
		return 0;
	}
	env->board = env->own_board = aligned_alloc(64, len_bytes);
	if (!env->board)
		return -ENOMEM;
	memset(env->board, 0, len_bytes);
	return 0;
}

int txn_env_open(struct pager *pager, const struct txn_probe *probe,
	const struct txn_schema *schema, const struct txn_options *options,
	struct txn_env **ret_env)
{
	struct txn_env *env = aligned_alloc(64, (sizeof(*env) + 63) / 64 * 64);
	int rc;

	if (!env)
		return -ENOMEM;
	memset(env, 0, sizeof(*env));
	env->pager = pager;
	env->schema = schema;
	env->options = *options;
	options_fill(&env->options);
	env->layout.page_size = probe->page_size;
	memcpy(env->uuid, probe->uuid, sizeof(env->uuid));
	(void)pthread_mutex_init(&env->lock, NULL);
	(void)pthread_mutex_init(&env->handles_lock, NULL);
	(void)pthread_cond_init(&env->turn, NULL);
	courtesy_init(&env->courtesy, &env->lock, turn_look_for_others, env);
	read_locks_init(&env->read_locks,
		options->members ? options->members->file : options->observed);
	if (pager->device_is_cached && env->options.mode == TXN_ONE_FLUSH && !options->read_only)
		rc = refuse_one_flush(&env->options);
	else if (pager->writer_pages < txn_writer_pages(&env->options))
		rc = error_set(-EINVAL,
			"the pager keeps %u pages for the writer, these options need %u: give the "
			"cache more memory",
			pager->writer_pages, txn_writer_pages(&env->options));
	else
		rc = board_init(env);
	if (rc == 0)
		rc = env_load(env, probe->file_pages);
	if (rc) {
		env_free(env);
		return rc;
	}
	*ret_env = env;
	return 0;
}

void txn_env_close(struct txn_env *env)
{
	if (!env)
		return;
	ASSERT(env->n_open == 0);
	courtesy_end(&env->courtesy);
	activity_end(env);
	if (txn_sync(env) == 0 && turn_begins_last(env)) {
		env_shrink(env);
		session_mark_clean(env);
	}
	env_free(env);
}

/* --- looking ------------------------------------------------------------------------------- */

static void stat_readers(struct txn_env *env, struct txn_stat *stat)
{
	gen_t *readers = malloc(READERS_MAX * sizeof(*readers));
	struct snapshot published = {0}; /* nothing, on an observer's own board */
	int rc = readers ? 0 : -ENOMEM;
	size_t n;

	if (rc == 0 && !env->options.observed)
		rc = board_read_published(env->board, &published);
	if (rc == 0 && env_readers(env, published.gen, readers, &n) == 0 && n > 0) {
		stat->n_readers = (uint32_t)n;
		stat->oldest_reader_gen = readers[0];
	}
	free(readers);
}

/* Without the turn, what others have published; env->lock is held. */
static void look_at_board(struct txn_env *env, struct txn_stat *stat)
{
	struct snapshot state;
	struct board_left left;

	if (!env->members || env->has_turn)
		return;
	if (board_read_published(env->board, &state) < 0 || board_read_left(env->board, &left) < 0)
		return;
	stat->newest_gen = stat->published_gen = state.gen;
	/* Who has the turn may have flushed more (T15): that is told when it is given. */
	stat->durable_gen = left.durable_gen < state.gen ? left.durable_gen : state.gen;
	stat->n_pages = state.n_pages;
	stat->poisoned = stat->poisoned || atomic_load(&left.turn) == BOARD_POISONED;
}

void txn_stat(struct txn_env *env, struct txn_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	stat_readers(env, stat);
	pthread_mutex_lock(&env->lock);
	stat->newest_gen = env->joined_gen;
	stat->durable_gen = env->durable_gen;
	stat->published_gen = env->options.sync == TXN_RELAXED ? env->joined_gen : env->written_gen;
	stat->n_pages = env->joined.space.n_pages;
	stat->n_free_pages = env->n_free_pages;
	stat->n_pending_pages = env->n_pending_pages;
	stat->n_commits = env->n_commits;
	stat->n_flushes = env->n_flushes;
	stat->n_spilled_pages = env->n_spilled;
	stat->n_recopied_pages = env->n_recopied;
	stat->n_list_pages_written = env->n_list_pages_written;
	stat->n_bitmaps_written = env->n_bitmaps_written;
	stat->n_cuts = env->n_cuts;
	stat->n_group_max = env->n_group_max;
	stat->n_rejoined_dead_pages = env->n_dead;
	stat->rolled_back = env->rolled_back;
	stat->walked = env->walked;
	stat->poisoned = env->state == ENV_POISONED;
	stat->mode = env->options.mode;
	stat->sync = env->options.sync;
	look_at_board(env, stat);
	pthread_mutex_unlock(&env->lock);
	if (env->options.observed)
		observe_stat(env, stat);
}
