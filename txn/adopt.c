/* SPDX-License-Identifier: MIT */
/*
 * Going on from the state that the file has: at the opening, and when another process has written.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int group_commits_init(struct txn_env *env)
{
	int rc = group_commit_init(&env->group_commits[0], &env->layout);

	if (rc)
		return rc;
	env->open = &env->group_commits[0];
	rc = group_commit_init(&env->group_commits[1], &env->layout);
	if (rc == 0)
		env->flight = &env->group_commits[1];
	return rc;
}

int adopt_layout(struct txn_env *env, const struct meta *m)
{
	if (m->ro_compat != 0 && !env->options.read_only)
		return error_set(VERSO_EVERSION,
			"the file uses features (%x) that this Verso can read but not write: open "
			"it for reading only, or with a newer Verso",
			m->ro_compat);
	meta_layout(m, &env->layout);
	return group_commits_init(env);
}

/* What the writer knows of the file's space and pending pages, anew. */
static int load_space(struct txn_env *env, const struct recovered *r)
{
	struct space_options options = space_options_of(&env->options);
	int rc;

	space_fini(&env->space);
	pending_fini(&env->pending);
	rc = space_init(&env->space, env->pager, &r->meta.space, r->file_pages, &options);
	if (rc == 0)
		rc = pending_init(&env->pending, env->pager, &env->layout, &r->meta.space,
			r->meta.gen);
	return rc;
}

/* env->lock is held. */
static void take(struct txn_env *env, const struct recovered *r)
{
	const gen_t gen = r->meta.gen;

	ASSERT(group_commit_is_empty(env->open));     /* T6: nothing that joined is left behind */
	ASSERT(env->written_gen == env->durable_gen); /* T15: nor anything that was written */
	env->durable = env->joined = r->meta;
	env->durable_slot = r->slot;
	memcpy(env->slot_pages, r->slot_pages, sizeof(env->slot_pages));
	env->joined_gen = env->taken_gen = gen;
	env->written_gen = env->durable_gen = env->flushed_gen = gen;
	env->n_written_pages = 0;
	env->session_gen = r->session_gen;
	env->next_gen = r->session_gen + 1;
	env->in_session = false;
	env->rolled_back = r->rolled_back;
	env->n_free_pages = space_count_free(&env->space);
	env->n_pending_pages = pending_count_pages(&env->pending);
	if (r->sync_code && env->pager->device_is_cached && env->state != ENV_POISONED)
		env_stop_writing(env, r->sync_code);
}

int adopt_recovered(struct txn_env *env, const struct recovered *r)
{
	int rc = load_space(env, r);

	if (rc)
		return rc;
	pthread_mutex_lock(&env->lock);
	take(env, r);
	if (r->flushed_gen == 0)
		env_publish(env, &r->meta);
	pthread_mutex_unlock(&env->lock);
	return 0;
}

/* The board knows a newer state than the file shows: its meta cannot be read. */
static int judge_age(struct txn_env *env, const struct recovered *r)
{
	struct snapshot published = {0};
	gen_t least = r->flushed_gen;
	int rc = 0;

	if (least == 0 && env->members) /* an observer's board is its own, and says nothing */
		rc = board_read_published(env->board, &published);
	if (rc < 0)
		return rc;
	if (least == 0)
		least = published.gen;
	if (r->meta.gen >= least)
		return 0;
	return error_set(VERSO_EIO,
		"the file shows generation %" PRIx64 ", but %" PRIx64
		" was written: its meta page cannot be read. Look at the disk",
		r->meta.gen, least);
}

/* A pager that has its file to itself cannot follow its growth; beside an observer it need not. */
static int reach_file(struct txn_env *env, pgno_t *ret_n_pages)
{
	uint64_t size_bytes;
	int rc;

	if (env->pager->ops->reach || !env->options.observed)
		return pager_reach(env->pager, ret_n_pages);
	rc = file_size(env->options.observed, &size_bytes);
	if (rc == 0)
		*ret_n_pages = (pgno_t)(size_bytes / env->layout.page_size);
	return rc;
}

int adopt(struct txn_env *env, gen_t flushed_gen)
{
	struct recovered *r = calloc(1, sizeof(*r));
	int rc = r ? reach_file(env, &r->file_pages) : -ENOMEM;

	if (rc == 0) {
		r->flushed_gen = flushed_gen;
		rc = recover(env, r);
	}
	if (rc == 0)
		rc = judge_age(env, r);
	if (rc == 0)
		rc = adopt_recovered(env, r);
	free(r);
	return rc;
}
