/* SPDX-License-Identifier: MIT */
/*
 * What a transaction writes before its commit, because it holds too much: pages, and pages of the
 * pending list.
 *
 * The oldest leaves are sealed and written first; after them those that were changed again since
 * the last spill, and inner pages only when there are no leaves left. What is in a cache plays no
 * part in it.
 *
 * A spill ends a generation (T3). So a transaction of any size takes no more page numbers than its
 * tree has pages, and what may be unsealed: a page that it changes again after a spill moves to a
 * page number that another one has left.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

/* Which pages are spilled first: a page that changes again is written again. */
enum victims { VICTIMS_COLD_LEAVES, VICTIMS_LEAVES, VICTIMS_ALL, VICTIMS_END };

/* Changed again in this generation, after a spill had passed it by. */
static bool is_hot(const struct txn *txn, const struct page *page)
{
	return page_lsn(page) == txn->gen && page_ref(page).gen < txn->gen;
}

static bool is_victim(const struct txn *txn, const struct page *page, enum victims victims)
{
	if (victims == VICTIMS_ALL)
		return true;
	return page->level == 0 && (victims == VICTIMS_LEAVES || !is_hot(txn, page));
}

/* Seals pages of a sort, in the order of making, until n_keep are left. */
static size_t seal_oldest(struct txn *txn, uint32_t n_keep, enum victims victims,
	struct page_write *set, size_t n_set)
{
	struct txn_writer *w = txn->writer;

	ASSERT(txn->env->in_session); /* T2 */
	for (uint32_t i = 0; i < w->n_dirty && w->n_unsealed > n_keep; i++) {
		struct page *page = w->dirty[i].page;

		if (!page || w->dirty[i].sealed || !is_victim(txn, page, victims))
			continue;
		DCHECK(page_ref(page).gen <= page_lsn(page)); /* T14 */
		DCHECK(page_lsn(page) <= txn->gen);           /* T14 */
		page_seal(page, txn->pager->page_size, txn->pager->seed);
		w->dirty[i].sealed = true;
		w->n_unsealed--;
		set[n_set++] = (struct page_write){w->dirty[i].pgno, 1, NULL};
	}
	return n_set;
}

/* Takes what is sealed, and the holes, out of the list of unsealed pages. */
static void dirty_compact(struct txn_writer *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_dirty; i++) {
		if (!w->dirty[i].page || w->dirty[i].sealed)
			continue;
		w->dirty[n] = w->dirty[i];
		le32_set(w->dirty[n].page->scratch, n + 1);
		n++;
	}
	w->n_dirty = n;
}

/* The writer's set, with place for n; NULL: no memory. */
static struct page_write *spilled_reach(struct txn_writer *w, uint32_t n)
{
	struct page_write *set;

	if (n <= w->cap_spilled)
		return w->spilled;
	set = realloc(w->spilled, n * sizeof(*set));
	if (!set)
		return NULL;
	w->spilled = set;
	w->cap_spilled = n;
	return set;
}

int spill(struct txn *txn, uint32_t n_keep)
{
	struct txn_writer *w = txn->writer;
	uint32_t n_victims = w->n_unsealed > n_keep ? w->n_unsealed - n_keep : 0;
	struct page_write *set;
	size_t n = 0;
	int rc;

	if (n_victims == 0)
		return 0;
	if (session_is_used_up(txn->env))
		return txn_break(txn,
			error_set(VERSO_EFULL,
				"the last generation of an incarnation is used up, which "
				"happens once in 2^40: begin the transaction again"));
	rc = session_start(txn->env);
	if (rc)
		return rc;
	set = spilled_reach(w, n_victims);
	if (!set)
		return -ENOMEM;
	for (unsigned victims = 0; victims < VICTIMS_END; victims++)
		n = seal_oldest(txn, n_keep, (enum victims)victims, set, n);
	page_writes_sort(set, n);
	rc = pager_write(txn->pager, set, n);
	if (rc)
		return txn_break(txn, rc); /* they stay in the list, to be dropped */
	dirty_compact(w);
	w->n_spilled += n;
	w->n_written += (uint32_t)n;
	/* T3: what is made from here on is of a newer generation than what is written. */
	txn->gen = txn->env->next_gen++;
	return 0;
}

int spill_for(struct txn *txn, unsigned n_pages)
{
	const struct txn_options *o = &txn->env->options;
	uint32_t n_keep = o->dirty_max_pages / 2;

	if (txn->writer->n_dirty > 2 * txn->writer->n_unsealed + TXN_OP_PAGES_MAX)
		dirty_compact(txn->writer);
	if (txn->writer->n_unsealed + n_pages <= o->dirty_max_pages)
		return 0;
	if (n_keep + n_pages > o->dirty_max_pages)
		n_keep = n_pages < o->dirty_max_pages ? o->dirty_max_pages - n_pages : 0;
	return spill(txn, n_keep);
}

int write_list_pages_early(struct txn *txn)
{
	struct txn_env *env = txn->env;
	int rc = 0;

	while (rc == 0 && pending_is_long(&env->pending)) {
		uint32_t n;

		if (!txn->writer->list_page_bufs)
			txn->writer->list_page_bufs =
				page_buffers_alloc(txn->pager->page_size, PENDING_EARLY_LIST_PAGES);
		rc = txn->writer->list_page_bufs ? promise_space(txn, PENDING_EARLY_LIST_PAGES, 0)
						 : -ENOMEM;
		if (rc == 0)
			rc = session_start(env);
		if (rc)
			return rc;
		rc = pending_write_list_pages(&env->pending, &env->space, env->pager, txn->gen,
			txn->writer->list_page_bufs, &n);
		txn->writer->n_early_list_pages += n;
		if (rc && n > 0)
			(void)txn_break(txn, rc);
	}
	return rc;
}
