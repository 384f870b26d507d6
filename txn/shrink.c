/* SPDX-License-Identifier: MIT */
/*
 * The last close makes the file as short as its last page in use allows. What was freed is free by
 * now, since there is no reader and all is flushed; a commit without changes writes that down, and
 * what that one frees (pages of the pending list, a root that moves) may be in the way once more,
 * so there are up to three. An error only leaves the file longer than it must be.
 */
#include "txn/compact.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

#define SHRINKS_MAX  3U
#define SHRINK_LEAST 8U  /* pages that are worth a commit, */
#define SHRINK_PART  32U /* or this part of the file */

/*
 * A tree of one page, which the meta alone refers to, is moved when it lies behind what the file
 * would need: a catalogue is one, and it would keep an emptied file long. What is read is a copy,
 * since no fault guard is set here. buf: of page_size bytes.
 */
static int move_root(struct txn *txn, struct txn_root *root, struct page *buf)
{
	const struct space *s = &txn->env->space;
	struct page_ref old = root->ref;
	struct page *page;
	int rc;

	if (!old.pgno || root->level > 0 || old.pgno < s->n_pages - space_count_free(s))
		return 0;
	rc = pager_copy(txn->pager, txn->guard, old, buf);
	if (rc == 0)
		rc = txn_reserve(txn, 1, 1);
	if (rc < 0)
		return rc;
	page = txn_alloc(txn, buf->type, buf->level, le32_get(buf->tree), &root->ref);
	memcpy(page->flags, buf->flags, sizeof(page->flags));
	memcpy(page->payload, buf->payload, txn->pager->page_size - PAGE_HEADER_BYTES);
	txn_free(txn, old);
	return 0;
}

static int shrink_write(struct txn *txn, uint32_t least)
{
	struct page *buf = page_buffers_alloc(txn->pager->page_size, 1);
	struct space *s = &txn->env->space;
	pgno_t n_pages = s->n_pages;
	int rc = buf ? reclaim(txn) : -ENOMEM;

	if (rc == 0)
		rc = space_cut(s, least, reserve_least(txn));
	space_begin(s);
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++)
		rc = move_root(txn, &txn->roots[i], buf);
	if (s->n_pages < n_pages)
		txn->writer->changed = true;
	free(buf);
	return rc;
}

/* One commit of them. 0; SHRUNK: there was nothing to do; an error. */
#define SHRUNK 1

static bool slots_are_longer(const struct txn_env *env)
{
	return env->slot_pages[0] > env->space.n_pages || env->slot_pages[1] > env->space.n_pages;
}

static int shrink_once(struct txn_env *env, uint32_t least, bool turns_slots)
{
	struct txn *txn;
	int rc = txn_begin_write(env, &txn);

	if (rc < 0)
		return rc;
	rc = shrink_write(txn, least);
	if (rc == 0 && turns_slots && slots_are_longer(env))
		txn->writer->changed = true; /* T12: the file is cut when both are as short */
	if (rc < 0 || !txn->writer->changed) {
		txn_abort(txn);
		return rc < 0 ? rc : SHRUNK;
	}
	rc = txn_commit(txn);
	return rc < 0 ? rc : txn_sync(env);
}

void env_shrink(struct txn_env *env)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < SHRINKS_MAX && env->state == ENV_WRITING; i++)
		rc = shrink_once(env, env->space.n_pages / SHRINK_PART + SHRINK_LEAST, false);
}

/*
 * The file becomes as short as both slots allow (T12): so each of them is written once more, and
 * the transaction after that cuts the file.
 */
int txn_shrink(struct txn_env *env)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < SHRINKS_MAX; i++)
		rc = shrink_once(env, 1, true);
	if (rc < 0)
		return rc;
	rc = writer_acquire(env);
	if (rc < 0)
		return rc;
	session_cut(env);
	writer_release(env);
	return 0;
}
