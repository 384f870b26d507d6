/* SPDX-License-Identifier: MIT */
/*
 * Where a promise finds its pages, and how many it leaves: a database on a full disk must be able
 * to lose records. Removing a record takes new pages for a path of its tree and of the catalogue,
 * and frees as many, which are free again after the flush. So an operation that adds leaves so
 * many pages free, from the first growth of the file on; only removing and committing use them.
 *
 * What a removal frees must be listed, and each page of a long value may lie alone: that many
 * extents, 168 of which fill a page of the list at 4 KiB. No value has more pages than are in use.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <stdio.h>

#define FANOUT_LEAST 8U  /* of trees whose height is not known here: keys of ordinary length */
#define LIST_PAGES   2U  /* of the pending list: for the path, and one that is not full */
#define NOT_VALUE    96U /* of a page of a long value, at most: headers, and references to it */

static uint32_t count_used(const struct space *s)
{
	return s->n_pages - layout_first_page(&s->layout, 0) - space_count_free(s);
}

/* The levels that a tree of all pages in use would have. */
static uint32_t levels_likely(const struct txn *txn)
{
	uint64_t n_pages = count_used(&txn->env->space);
	uint64_t n = FANOUT_LEAST;
	uint32_t levels = 1;

	for (; n < n_pages; n *= FANOUT_LEAST)
		levels++;
	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		if (txn->roots[i].ref.pgno && txn->roots[i].level + 1U > levels)
			levels = txn->roots[i].level + 1U;
	}
	return levels;
}

/* The pages that a commit changes: a path of each tree that the meta names. */
static uint32_t count_finish(const struct txn *txn)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		if (txn->roots[i].ref.pgno)
			n += txn->roots[i].level + 1U;
	}
	return n;
}

/* The pages of a removal: a path; above one level, its neighbours and what splits above them. */
static uint32_t count_remove(uint32_t levels)
{
	return levels > 1 ? 3 * levels : 1;
}

/* The pages of the pending list for what it frees. */
static uint32_t count_list(const struct space *s)
{
	uint32_t n_most = TXN_RECORD_BYTES_MAX / (s->layout.page_size - NOT_VALUE);
	uint32_t n_used = count_used(s);

	return (n_used < n_most ? n_used : n_most) / s->layout.list_page_extents + LIST_PAGES;
}

uint32_t reserve_count(const struct txn *txn, const struct txn_need *need)
{
	uint32_t n = pending_count_list_pages(&txn->env->pending, need->n_pages + need->n_extents);

	if (need->use != TXN_FINISH)
		n += count_finish(txn);
	if (need->use == TXN_ADD)
		n += count_remove(levels_likely(txn)) + count_list(&txn->env->space);
	return n;
}

uint32_t reserve_least(const struct txn *txn)
{
	return reserve_count(txn, &(struct txn_need){.use = TXN_ADD});
}

/* --- finding pages ------------------------------------------------------------------------- */

int reclaim(struct txn *txn)
{
	struct txn_env *env = txn->env;
	struct horizon h = horizon_now(env);

	return pending_reclaim_all(&env->pending, &env->space, &h, txn->gen);
}

/* Pages that were taken, used and freed, and not used again: no state refers to them. */
int return_recycled(struct txn *txn)
{
	struct txn_writer *w = txn->writer;
	int rc = space_return(&txn->env->space, w->recycled.items, w->recycled.n);

	w->recycled.n = 0;
	return rc ? txn_break(txn, rc) : 0; /* only abort knows what is back */
}

/* The file cannot grow: what only waits for a flush is flushed, and every free page will do. */
static int scrape(struct txn *txn, unsigned n, uint32_t keep, int no_room)
{
	char text[ERROR_TEXT_BYTES];
	int rc;

	(void)snprintf(text, sizeof(text), "%s", error_text());
	rc = txn_sync(txn->env);
	if (rc == 0)
		rc = reclaim(txn);
	if (rc == 0)
		rc = space_gather(&txn->env->space, n, keep);
	return rc == SPACE_SHORT ? error_set(no_room, "%s", text) : rc;
}

/* How many pages are missing; where enough are free but too scattered, n: new ones lie together. */
static uint32_t count_missing(const struct space *s, unsigned n, uint32_t keep)
{
	uint32_t n_free = space_count_free(s);

	return n + keep > n_free ? n + keep - n_free : n;
}

int promise_space(struct txn *txn, unsigned n, uint32_t keep)
{
	struct space *s = &txn->env->space;
	int rc = space_prepare(s, n, keep);

	if (rc == SPACE_SHORT && txn->writer->recycled.n > 0) {
		rc = return_recycled(txn);
		if (rc == 0)
			rc = space_prepare(s, n, keep);
	}
	if (rc == SPACE_SHORT && txn->env->pending.joined.n > 0) {
		rc = reclaim(txn);
		if (rc == 0)
			rc = space_prepare(s, n, keep);
	}
	while (rc == SPACE_SHORT) {
		rc = space_grow(s, count_missing(s, n, keep));
		if (space_is_no_room(rc))
			return scrape(txn, n, keep, rc);
		if (rc == 0)
			rc = space_prepare(s, n, keep);
		if (rc == SPACE_SHORT)
			rc = space_gather(s, n, keep);
	}
	return rc;
}
