/* SPDX-License-Identifier: MIT */
/*
 * What a write transaction does to pages: make, touch, free, spill.
 *
 * The unsealed pages stand in writer->dirty in the order in which they were made; a page remembers
 * its index in its scratch field. When there are too many, txn_reserve() seals and writes the
 * oldest leaves; after them those that were changed again since the last spill, and inner pages
 * only when there are no leaves left. Nothing that a cache does has a say in it.
 *
 * A spill ends a generation (T3). So a transaction of any size takes no more page numbers than its
 * tree has pages, and what may be unsealed: a page that it changes again after a spill moves to a
 * page number that another one has left.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int pgno_list_reserve(struct pgno_list *list, size_t n)
{
	size_t cap = list->cap ? list->cap : 64;
	pgno_t *items;

	if (list->n + n <= list->cap)
		return 0;
	while (cap < list->n + n)
		cap *= 2;
	items = realloc(list->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->cap = cap;
	return 0;
}

static int dirty_reserve(struct txn_writer *w, uint32_t n)
{
	uint32_t cap = w->cap_dirty ? w->cap_dirty : 64;
	struct dirty_page *dirty;

	if (w->n_dirty + n <= w->cap_dirty)
		return 0;
	while (cap < w->n_dirty + n)
		cap *= 2;
	dirty = realloc(w->dirty, cap * sizeof(*dirty));
	if (!dirty)
		return -ENOMEM;
	w->dirty = dirty;
	w->cap_dirty = cap;
	return 0;
}

/* --- beginning and ending ------------------------------------------------------------------ */

int writer_acquire(struct txn_env *env)
{
	int rc = 0;

	pthread_mutex_lock(&env->lock);
	while (env->writer_busy && env->state != ENV_POISONED)
		pthread_cond_wait(&env->turn, &env->lock);
	if (env->state == ENV_POISONED)
		rc = error_poisoned(env);
	else
		env->writer_busy = true;
	if (rc == 0)
		env->writer.taken_at_begin = env->taken_gen;
	pthread_mutex_unlock(&env->lock);
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
	pthread_cond_signal(&env->turn);
	pthread_mutex_unlock(&env->lock);
}

/* What may be used again by now. */
struct horizon horizon_now(struct txn_env *env)
{
	struct horizon h = {.readers = env->writer.readers};

	pthread_mutex_lock(&env->lock);
	h.flushed = env->flushed_gen;
	pthread_mutex_unlock(&env->lock);
	/* After the flush was published: a reader that is missed here begins with a newer state. */
	h.n_readers = snapshots_in_use(&env->snapshots, env->writer.readers);
	return h;
}

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
	*ret_txn = txn;
	return 0;
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
	writer_release(env);
}

int txn_break(struct txn *txn, int code)
{
	if (!txn->broken)
		txn->broken = code;
	return code;
}

/* --- spilling ------------------------------------------------------------------------------ */

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
	set = malloc(n_victims * sizeof(*set));
	if (!set)
		return -ENOMEM;
	for (unsigned victims = 0; victims < VICTIMS_END; victims++)
		n = seal_oldest(txn, n_keep, (enum victims)victims, set, n);
	page_writes_sort(set, n);
	rc = pager_write(txn->pager, set, n);
	free(set);
	if (rc)
		return txn_break(txn, rc); /* they stay in the list, to be dropped */
	dirty_compact(w);
	w->n_spilled += n;
	w->n_written += (uint32_t)n;
	/* T3: what is made from here on is of a newer generation than what is written. */
	txn->gen = txn->env->next_gen++;
	return 0;
}

/* --- promising ----------------------------------------------------------------------------- */

static int make_room(struct txn *txn, unsigned n_pages)
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
	rc = make_room(txn, n_pages);
	if (rc == 0)
		rc = write_list_pages_early(txn);
	if (rc == 0)
		rc = promise_space(txn, n_pages, reserve_count(txn, need));
	if (rc == 0)
		rc = pending_reserve(&env->pending, n_frees);
	if (rc == 0)
		rc = dirty_reserve(w, n_pages);
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
