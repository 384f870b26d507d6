/* SPDX-License-Identifier: MIT */
/*
 * What a write transaction does to pages: begin, reserve, make, touch, free.
 *
 * The unsealed pages stand in writer->dirty in the order in which they were made; a page remembers
 * its index in its scratch field. When there are too many, txn_reserve() writes some (spill.c).
 */
#include "base/clock.h"
#include "base/error.h"
#include "txn/activity.h"

#include <errno.h>
#include <inttypes.h>

/* --- beginning ----------------------------------------------------------------------------- */

int txn_begin_write(struct txn_env *env, struct txn **ret_txn)
{
	struct txn *txn = &env->write_handle;
	struct txn_writer *w = &env->writer;
	int rc;

	if (env->options.read_only)
		return error_set(-EROFS, "the database is open for reading only");
	rc = writer_acquire(env);
	if (rc)
		return rc;
	rc = session_take_gen(env, &txn->gen);
	/* What opening rejected could become whole again by any change of the file (T7). */
	if (rc == 0 && env->rolled_back)
		rc = session_start(env);
	if (rc) {
		writer_release(env);
		return rc;
	}
	memcpy(txn->roots, env->joined.roots, sizeof(txn->roots));
	rc = space_cut(&env->space, space_least_cut(&env->space), reserve_least(txn));
	if (rc) {
		writer_release(env);
		return rc;
	}
	session_cut(env);
	w->first_gen = txn->gen;
	space_begin(&env->space);
	txn->n_pages = env->space.n_pages;
	txn->broken = 0;
	memcpy(w->roots_before, txn->roots, sizeof(txn->roots));
	w->n_dirty = w->n_unsealed = w->n_promised = 0;
	w->recycled.n = w->dead.n = 0;
	w->n_written = 0;
	w->changed = false;
	w->n_early_list_pages = 0;
	txn_handle_opened(txn);
	txn->begun_ns = clock_coarse_ns();
	activity_begin_write(env, txn->begun_ns);
	*ret_txn = txn;
	return 0;
}

/* --- promising ----------------------------------------------------------------------------- */

int txn_reserve_for(struct txn *txn, const struct txn_need *need)
{
	struct txn_env *env = txn->env;
	struct txn_writer *w = txn->writer;
	unsigned n_pages = need->n_pages;
	size_t n_frees = n_pages + need->n_frees;
	int rc;

	ASSERT(txn->writable);
	ASSERT(n_pages <= TXN_OP_PAGES_MAX);
	w->n_promised = 0;
	if (txn->broken)
		return error_set(VERSO_EABORTONLY,
			"an earlier call of this transaction failed half-way (%s): abort it",
			error_name(txn->broken));
	if (atomic_load(&env->stopped))
		return error_poisoned(env);
	rc = spill_for(txn, n_pages);
	if (rc == 0)
		rc = write_list_pages_early(txn);
	if (rc == 0)
		rc = promise_space(txn, n_pages, reserve_count(txn, need));
	if (rc == 0)
		rc = pending_reserve(&env->pending, n_frees);
	if (rc == 0)
		rc = array_reserve(&w->dirty, &w->cap_dirty, (uint64_t)w->n_dirty + n_pages,
			sizeof(*w->dirty));
	if (rc == 0)
		rc = pgno_list_reserve(&w->recycled, n_frees);
	if (rc == 0)
		rc = pgno_list_reserve(&w->dead, n_frees);
	if (rc)
		return rc;
	w->n_promised = n_pages;
	txn->n_pages = env->space.n_pages;
	return 0;
}

/* --- pages --------------------------------------------------------------------------------- */

/* A page that this transaction made, in whichever of its generations (T13). */
static bool is_own(const struct txn *txn, struct page_ref ref)
{
	return ref.gen >= txn->writer->first_gen;
}

static struct page *make_page(struct txn *txn, struct page_ref *ret_ref)
{
	struct txn_writer *w = txn->writer;
	struct page *page;

	ASSERT(w->n_promised > 0);
	ASSERT(w->n_dirty < w->cap_dirty);
	w->n_promised--;
	w->changed = true;
	ret_ref->gen = txn->gen;
	ret_ref->pgno =
		w->recycled.n ? w->recycled.items[--w->recycled.n] : space_take(&txn->env->space);
	page = pager_fresh(txn->pager, *ret_ref);
	w->dirty[w->n_dirty++] = (struct dirty_page){ret_ref->pgno, page, false};
	w->n_unsealed++;
	return page;
}

struct page *txn_alloc(struct txn *txn, enum page_type type, unsigned level, uint32_t tree,
	struct page_ref *ret_ref)
{
	struct page *page = make_page(txn, ret_ref);

	page_init(page, *ret_ref, type, level, tree);
	memset(page->payload, 0, txn->pager->page_size - PAGE_HEADER_BYTES);
	le32_set(page->scratch, txn->writer->n_dirty);
	return page;
}

struct page *txn_touch(struct txn *txn, const struct page *page, struct page_ref *ret_ref)
{
	struct page_ref old = page_ref(page);
	struct page *copy;

	if (is_own(txn, old) && !page_is_sealed(page)) {
		struct page *own = (struct page *)(uintptr_t)page;

		le64_set(own->lsn, txn->gen);
		pager_put(txn->pager, page);
		*ret_ref = old;
		return own;
	}
	if (is_own(txn, old))
		txn->writer->n_recopied++;
	copy = make_page(txn, ret_ref);
	page_init(copy, *ret_ref, page->type, page->level, le32_get(page->tree));
	memcpy(copy->flags, page->flags, sizeof(copy->flags));
	memcpy(copy->payload, page->payload, txn->pager->page_size - PAGE_HEADER_BYTES);
	le32_set(copy->scratch, txn->writer->n_dirty);
	pager_put_unneeded(txn->pager, page);
	txn_free(txn, old);
	return copy;
}

struct page *txn_own(struct txn *txn, struct page_ref ref)
{
	struct page *page = NULL;

	if (is_own(txn, ref) && !txn->broken && !atomic_load(&txn->env->stopped))
		page = pager_own(txn->pager, txn->guard, ref);
	if (page)
		le64_set(page->lsn,
			txn->gen); /* it may get a reference to a page of this generation */
	return page;
}

/* No reader has seen the page (T13): its number can be used again (T3). */
static void free_own(struct txn *txn, struct page_ref ref)
{
	struct txn_writer *w = txn->writer;
	struct page *page = pager_own(txn->pager, txn->guard, ref);

	if (page) {
		uint32_t i = le32_get(page->scratch) - 1;

		ASSERT(w->dirty[i].page == page);
		w->dirty[i].page = NULL;
		w->n_unsealed--;
	} else if (ref.gen >= txn->gen || w->n_written == 0) {
		(void)txn_break(txn,
			error_set(VERSO_ECORRUPT,
				"page %u is of generation %" PRIx64 ", which is being written just "
				"now: the file is damaged, restore it from a copy",
				ref.pgno, ref.gen));
		return;
	} else {
		w->n_written--;
	}
	pager_drop(txn->pager, ref.pgno, 1);
	pgno_list_add(&w->recycled, ref.pgno);
}

void txn_free(struct txn *txn, struct page_ref ref)
{
	struct txn_writer *w = txn->writer;

	if (txn->broken)
		return; /* abort gives everything back */
	w->changed = true;
	if (is_own(txn, ref)) {
		free_own(txn, ref);
		return;
	}
	if (ref.gen > w->taken_at_begin)
		pgno_list_add(&w->dead, ref.pgno);
	pending_add(&txn->env->pending, ref.pgno, ref.gen, txn->gen);
}
