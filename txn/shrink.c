/* SPDX-License-Identifier: MIT */
/*
 * The last close makes the file as short as its last page in use allows. What was given up is free
 * by now, since nobody reads and all is flushed; a commit without changes writes that down, and
 * what that one gives up (pages of the pending list, a root that moves) may be in the way once
 * more, so there are up to three. An error only leaves the file longer than it must be.
 */
#include "txn/txn_int.h"

#define SHRINKS_MAX  3U
#define SHRINK_LEAST 8U  /* pages that are worth a commit, */
#define SHRINK_PART  32U /* or this part of the file */

/*
 * A tree of one page, which the meta alone refers to, is moved when it lies behind what the file
 * would need: a catalogue is one, and it would keep an emptied file long.
 */
static int move_root(struct txn *txn, struct txn_root *root)
{
	const struct space *s = &txn->env->space;
	const struct page *page;
	int rc;

	if (!root->ref.pgno || root->level > 0 || root->ref.pgno < s->n_pages - space_count_free(s))
		return 0;
	rc = txn_prepare(txn, 1, 0);
	if (rc == 0)
		rc = pager_get(txn->pager, txn->guard, root->ref, &page);
	if (rc == 0)
		(void)txn_touch(txn, page, &root->ref);
	return rc;
}

static int shrink_write(struct txn *txn)
{
	struct space *s = &txn->env->space;
	uint32_t least = s->n_pages / SHRINK_PART + SHRINK_LEAST;
	pgno_t n_pages = s->n_pages;
	int rc = reclaim(txn);

	if (rc == 0)
		rc = space_cut(s, least, reserve_least(txn));
	space_begin(s);
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++)
		rc = move_root(txn, &txn->roots[i]);
	if (s->n_pages < n_pages)
		txn->writer->changed = true;
	return rc;
}

void env_shrink(struct txn_env *env)
{
	for (unsigned i = 0; i < SHRINKS_MAX && env->state == ENV_WRITING; i++) {
		struct txn *txn;

		if (txn_begin_write(env, &txn))
			return;
		if (shrink_write(txn) || !txn->writer->changed) {
			txn_abort(txn);
			return;
		}
		if (txn_commit(txn) || txn_sync(env))
			return;
	}
}
