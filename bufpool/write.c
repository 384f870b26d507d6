/* SPDX-License-Identifier: MIT */
/*
 * The writer's side: fresh pages, writing them, and the size of the file.
 *
 * A fresh page lives in a frame like any other, outside the policy, so that nothing but write and
 * drop ends it (F8). write() runs beside the writer: the pages of its set are WRITING, which only
 * this call ends. A written page takes the unit of a page that is deactivated for it, and where
 * every clean page is pinned it is inactive itself (evict.c); either way the writer has a frame for
 * its next fresh page.
 */
#include "bufpool/bufpool_int.h"
#include "base/error.h"
#include "pager/growth.h"
#include "pager/write_set.h"

#include <errno.h>
#include <inttypes.h>

#define LOCKED_PAGES 256 /* of a set of any size, for which the lock is held at a time */

/*
 * Fresh and drop
 */

struct page *pool_fresh(struct pager *p, struct page_ref ref)
{
	struct pool *pool = pool_of(p);
	_Atomic uint64_t *word = table_word(&pool->table, ref.pgno);
	struct page *page;
	uint32_t frame;
	uint64_t w;

	ASSERT(ref.pgno < table_end(&pool->table));
	ASSERT(!is_fresh(word_state(atomic_load_explicit(word, memory_order_relaxed))));
	pthread_mutex_lock(&pool->lock);
	page_forget(pool, ref.pgno);
	pool->n_fresh++;
	ASSERT(pool->n_fresh <= p->writer_pages);
	pthread_mutex_unlock(&pool->lock);

	/* However long a reader is stopped inside a guard, by a debugger or by swap (F10). */
	do
		frame = frame_get(pool, ref.pgno, FRAME_FRESH);
	while (frame == FRAME_NONE);
	page = pool_page(pool, frame);
	page_blank(page, ref);

	/* A late prefetch of the page number may be quicker: then that is forgotten too. */
	for (w = 0; !word_move(word, &w, word_make(WORD_FRESH, frame, 0)); w = 0) {
		pthread_mutex_lock(&pool->lock);
		page_forget(pool, ref.pgno);
		pthread_mutex_unlock(&pool->lock);
	}
	return page;
}

/* Forgets the page number, whatever its state; the lock is held. */
static void drop_page(struct pool *pool, pgno_t pgno)
{
	uint64_t w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);

	if (is_fresh(word_state(w)))
		pool->n_fresh--;
	page_forget(pool, pgno);
}

static void drop_range(struct pool *pool, uint64_t first, uint64_t end)
{
	if (end > table_end(&pool->table))
		end = table_end(&pool->table);
	pthread_mutex_lock(&pool->lock);
	for (uint64_t pgno = first; pgno < end; pgno++) {
		if (atomic_load_explicit(table_word(&pool->table, (pgno_t)pgno),
			    memory_order_relaxed) != 0)
			drop_page(pool, (pgno_t)pgno);
	}
	if (HOSTILE)
		limbo_drain(pool);
	pthread_mutex_unlock(&pool->lock);
}

void pool_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	drop_range(pool_of(p), pgno, (uint64_t)pgno + n_pages);
}

/*
 * Write
 */

/* Moves the page from one of the writer's states to the other, whatever its pins do. */
static uint32_t fresh_move(struct pool *pool, pgno_t pgno, enum word_state from, enum word_state to)
{
	uint64_t w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);

	do {
		ASSERT(word_state(w) == from);
	} while (!word_move(table_word(&pool->table, pgno), &w,
		word_make(to, word_frame(w), word_pins(w))));
	return word_frame(w);
}

static void begin_page(struct pool *pool, pgno_t pgno)
{
	uint32_t frame = fresh_move(pool, pgno, WORD_FRESH, WORD_WRITING);
	const struct page *page = pool_page(pool, frame);

	/* Pairs with load_verify(): what is sealed here is verified there. */
	ASSERT(page_is_sealed(page));
	DCHECK(page_verify(page, pool->pager.page_size, page_ref(page), pool->pager.seed) == 0);
}

static const void *bytes_of(void *arg, pgno_t pgno)
{
	struct pool *pool = arg;

	return pool_page(pool, word_frame(atomic_load_explicit(table_word(&pool->table, pgno),
				       memory_order_relaxed)));
}

/* A unit of the pin quota for a written page, by deactivating another. With the lock. */
static bool quota_for_written(struct pool *pool)
{
	return quota_try(pool) || (pages_deactivate(pool, 1) > 0 && quota_try(pool));
}

/* A page of the writer's becomes an ordinary one. With the lock. */
static void page_written(struct pool *pool, pgno_t pgno)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_acquire);
	bool has_quota = false;
	uint32_t frame = word_frame(w);
	uint64_t to;

	do {
		ASSERT(word_state(w) == WORD_WRITING);
		/* A pinned page has its unit already, and keeps it in the same step. */
		if (word_pins(w) == 0 && !has_quota)
			has_quota = quota_for_written(pool);
		to = word_pins(w) > 0 || has_quota ? WORD_CACHED : WORD_INACTIVE;
		to = word_make((enum word_state)to, frame, word_pins(w));
	} while (!word_move(word, &w, to));

	if (word_pins(w) > 0 && has_quota)
		quota_put(pool);
	atomic_store_explicit(&pool->used[frame], USED_NOT, memory_order_relaxed);
	pool->n_inactive += word_state(to) == WORD_INACTIVE;
	pool->policy->ops->insert(pool->policy, frame, ARRIVAL_WRITE);
	pool->n_fresh--;
}

static void set_written(struct pool *pool, const struct page_write *set, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t end = n - i > LOCKED_PAGES ? i + LOCKED_PAGES : n;

		pthread_mutex_lock(&pool->lock);
		for (; i < end; i++) {
			if (!set[i].buf)
				page_written(pool, set[i].pgno);
		}
		pthread_mutex_unlock(&pool->lock);
	}
	for (size_t i = 0; HOSTILE && i < n; i++) {
		if (!set[i].buf)
			evict_now(pool, set[i].pgno);
	}
}

int pool_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct pool *pool = pool_of(p);
	int rc;

	for (size_t i = 0; i < n; i++) {
		ASSERT(set[i].pgno + (uint64_t)set[i].n_pages <= atomic_load(&pool->n_pages));
		if (!set[i].buf)
			begin_page(pool, set[i].pgno);
	}
	rc = write_set_run(&(struct write_set){set, n, pool->file, pool->page_shift, bytes_of,
				   pool},
		pool->queue, &pool->write_bytes);
	for (size_t i = 0; i < n; i++) {
		/* Even where the write failed: what the file holds there now is not known. */
		if (set[i].buf)
			drop_range(pool, set[i].pgno, (uint64_t)set[i].pgno + set[i].n_pages);
		else if (rc < 0)
			(void)fresh_move(pool, set[i].pgno, WORD_WRITING, WORD_FRESH);
	}
	if (rc == 0)
		set_written(pool, set, n);
	return rc;
}

int pool_flush(struct pager *p)
{
	struct pool *pool = pool_of(p);

	count(&pool->n_flushes, 1);
	return file_sync(pool->file);
}

/*
 * Size
 */

int pool_resize(struct pager *p, pgno_t n_pages)
{
	struct pool *pool = pool_of(p);
	uint64_t old_pages = atomic_load(&pool->n_pages);
	uint64_t to_bytes = (uint64_t)n_pages << pool->page_shift;
	int rc = table_reach(&pool->table, n_pages);

	if (rc < 0)
		return rc;
	if (n_pages > old_pages) {
		uint64_t old_bytes = old_pages << pool->page_shift;

		rc = growth_make(pool->file, old_bytes, to_bytes, pool->zeros, &pool->write_bytes);
		if (rc < 0)
			(void)file_truncate(pool->file, old_bytes);
	} else if (n_pages < old_pages) {
		drop_range(pool, n_pages, old_pages);
		rc = file_truncate(pool->file, to_bytes);
	} else {
		rc = file_allocate(pool->file, 0, to_bytes);
	}
	if (rc == 0)
		atomic_store(&pool->n_pages, n_pages);
	return rc;
}

int pool_reach(struct pager *p, pgno_t *ret_n_pages)
{
	struct pool *pool = pool_of(p);
	uint64_t old_pages = atomic_load(&pool->n_pages), n_pages;
	int rc = growth_look(pool->file, pool->page_shift, &n_pages);

	if (rc == 0)
		rc = table_reach(&pool->table, n_pages);
	if (rc < 0)
		return rc;
	if (n_pages < old_pages)
		drop_range(pool, n_pages, old_pages);
	atomic_store(&pool->n_pages, n_pages);
	*ret_n_pages = (pgno_t)n_pages;
	return 0;
}

int pool_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	struct pool *pool = pool_of(p);
	size_t len_bytes = (size_t)n_pages << pool->page_shift;
	int rc = file_read(pool->file, buf, len_bytes, (uint64_t)pgno << pool->page_shift,
		FILE_DEVICE);

	if (rc == 0)
		count(&pool->read_bytes, len_bytes);
	return rc;
}
