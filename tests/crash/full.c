/* SPDX-License-Identifier: MIT */
/*
 * A disk that fills up.
 *
 * Transactions of all sorts until one is refused for lack of room, then single records until even
 * those are, then deletions of single records, and again. On a disk that overwrites in place such a
 * deletion must commit whenever no reader is open; when all is deleted, what was there must fit in
 * again.
 */
#include "tests/crash/work.h"

#include <errno.h>

/* Of a commit, or of a call before it. Where copying on write finds no block a flush may fail. */
bool is_refused(const struct work *w, int rc)
{
	if (w->shape == SHAPE_FULL)
		return rc == -ENOSPC;
	return w->shape == SHAPE_COW && (rc == -ENOSPC || rc == VERSO_EPOISONED);
}

static int put_one(struct work *w, void *txn)
{
	return w->ops->put_one(txn, w->scratch, &w->rng);
}

/* 1: there is no record whose deletion gives a state that never was. */
static int del_one(struct work *w, void *txn)
{
	int rc = w->ops->del_one(txn, w->scratch, &w->rng);

	if (rc == 0 && crash_known(w->history, w->ops->model_digest(w->scratch)))
		rc = 1;
	return rc;
}

/* 0; 1: nothing is left to delete; < 0. */
static int deletion(struct work *w)
{
	int rc = 1;

	for (unsigned i = 0; rc == 1 && i < 8; i++)
		rc = transact_edit(w, del_one);
	session_marks[MARK_FULL_DELETES].n += rc == 0;
	if (w->shape == SHAPE_FULL && is_refused(w, rc) && w->n_readers == 0 && !is_meant(w))
		return error_set(VERSO_EIO,
			"on a full disk, without a reader, the deletion of one record is refused");
	return rc;
}

static int sync_sometimes(struct work *w)
{
	return answers_late(w) && crash_draw(&w->rng) % 5 == 0 ? sync_and_ack(w) : 0;
}

static int grow_full(struct work *w)
{
	int rc = w->full == TOPPING ? transact_edit(w, put_one) : transact(w);

	if (!is_refused(w, rc) || is_poisoned(w))
		return rc;
	session_marks[w->shape == SHAPE_COW ? MARK_COW : MARK_FULL].n++;
	w->full = w->full == FILLING ? TOPPING : EMPTYING;
	w->n_to_delete = 1 + (unsigned)(crash_draw(&w->rng) % 40);
	return 0;
}

int step_full(struct work *w)
{
	int rc = w->full == EMPTYING ? 0 : readers_move(w);

	if (rc)
		return rc;
	if (w->full != EMPTYING) {
		rc = grow_full(w);
	} else {
		if (crash_draw(&w->rng) % 2)
			rc = readers_end(w, true);
		if (rc == 0)
			rc = deletion(w);
		if (rc == 1 || w->n_to_delete-- == 1)
			w->full = FILLING;
		/* Behind a reader, and by copying on write, it may be refused. */
		if (rc == 1 || (is_refused(w, rc) && !is_poisoned(w)))
			rc = 0;
	}
	return rc ? rc : sync_sometimes(w);
}

/* --- the last session ------------------------------------------------------------------------ */

static int delete_all(struct work *w)
{
	int rc;

	do {
		rc = deletion(w);
		if (rc == 0)
			rc = sync_sometimes(w);
	} while (rc == 0);
	return rc == 1 ? 0 : rc;
}

static int fill(struct work *w, unsigned *ret_n)
{
	int rc = 0;

	for (*ret_n = 0; rc == 0; *ret_n += rc == 0) {
		rc = transact_edit(w, put_one);
		if (rc == 0)
			rc = sync_sometimes(w);
	}
	return is_refused(w, rc) && !is_poisoned(w) ? 0 : rc;
}

int drain(struct work *w)
{
	unsigned n_before, n_again;
	int rc = delete_all(w);

	if (rc == 0)
		rc = fill(w, &n_before);
	if (rc == 0)
		rc = delete_all(w);
	if (rc == 0)
		rc = fill(w, &n_again);
	if (rc)
		return rc;
	session_marks[MARK_DRAINED].n++;
	/* A few records more or less are the shape of a tree on a disk that holds few. */
	if (4 * (n_again + 8) < 3 * n_before)
		return error_set(VERSO_EIO,
			"a full disk took %u records; when they were deleted, only %u again",
			n_before, n_again);
	return 0;
}
