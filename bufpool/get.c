/* SPDX-License-Identifier: MIT */
/*
 * The hit path: get and put are one atomic step each on the page word, peek only loads it. No lock,
 * no hash table; what is wanted is compared with the page's own header, in the line that the caller
 * is about to read anyway.
 */
#include "base/thread.h"
#include "bufpool/bufpool_int.h"
#include "base/error.h"

#include <inttypes.h>

#define FRONT_LINES 5U /* the header's, and those behind it: 320 bytes */

/*
 * Ends a pin that is in the word or, when the page was forgotten meanwhile, with the frame. Returns
 * the new word, or 0 in the latter case.
 */
static uint64_t unpin(struct pool *pool, pgno_t pgno, uint32_t frame)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	uint64_t w = atomic_load_explicit(word, memory_order_relaxed);

	for (;;) {
		/* A frame that is pinned is linked from its own word, or unlinked. */
		if (word_state(w) < WORD_CACHED || word_frame(w) != frame) {
			unlinked_put(pool, frame);
			return 0;
		}
		ASSERT(word_pins(w) > 0);
		if (word_move(word, &w, w - 1))
			break;
	}
	if (__builtin_expect(word_pins(w) == 1 && is_fresh(word_state(w)), 0))
		quota_put(pool);
	if (HOSTILE && word_pins(w) == 1 && word_state(w) == WORD_CACHED)
		evict_now(pool, pgno);
	return w - 1;
}

void pool_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct pool *pool = pool_of(p);
	uint32_t frame = pool_frame(pool, page);
	pgno_t pgno = le32_get(page->pgno);

	DCHECK(frame < pool->n_frames);
	if (unpin(pool, pgno, frame) == word_make(WORD_CACHED, frame, 0) && unneeded)
		page_unneeded(pool, pgno, frame);
}

/* PAGER_CHECKSUM_ALWAYS. The writer's own page has no checksum yet. */
static int verify_hit(const struct pool *pool, struct page_ref ref, const struct page *page)
{
	if (!page_is_sealed(page))
		return 0;
	return page_verify(page, pool->pager.page_size, ref, pool->pager.seed);
}

/* A peek that finds a bad page returns NULL: the get that follows reports the error. */
static bool is_good(const struct pool *pool, struct page_ref ref, const struct page *page)
{
	bool good;

	error_mute();
	good = verify_hit(pool, ref, page) == 0;
	error_unmute();
	return good;
}

static inline const struct page *peek_one(struct pool *pool, struct page_ref ref)
{
	const struct page *page;
	uint64_t w;

	if (ref.pgno >= table_end(&pool->table))
		return NULL;
	/* Sequentially consistent, as the guard's store before it: one of both sides sees the
	 * other. */
	w = atomic_load_explicit(table_word(&pool->table, ref.pgno), memory_order_seq_cst);
	if (word_state(w) < pool->peek_from)
		return NULL;
	page = pool_page(pool, word_frame(w));
	if (!page_is(page, ref) || (pool->verifies_hits && !is_good(pool, ref, page)))
		return NULL;
	pool_touch(pool, word_frame(w));
	return page;
}

/* Asks the processor for the lines of a page that its reader is about to want. */
static inline void prefetch_front(const struct page *page)
{
	for (unsigned i = 0; i < FRONT_LINES; i++)
		__builtin_prefetch((const uint8_t *)page + (size_t)i * 64);
}

/* The words first, then the pages and their marks: two waves of misses, however many there are. */
static void peek_ahead(struct pool *pool, const struct page_ref *refs, size_t n)
{
	uint64_t end = table_end(&pool->table);

	for (size_t i = 0; i < n; i++) {
		if (refs[i].pgno < end)
			__builtin_prefetch((const void *)table_word(&pool->table, refs[i].pgno));
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t w;

		if (refs[i].pgno >= end)
			continue;
		w = atomic_load_explicit(table_word(&pool->table, refs[i].pgno),
			memory_order_relaxed);
		prefetch_front(pool_page(pool, word_frame(w)));
		__builtin_prefetch((const void *)&pool->used[word_frame(w)]);
	}
}

void pool_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	struct pool *pool = pool_of(p);

	if (n > 1)
		peek_ahead(pool, refs, n);
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(pool, refs[i]);
}

/* The first pin of a page that has no unit of the pin quota yet brings one. 0, LOOK_AGAIN or an
 * error. */
static int pin_first_of_fresh(struct pool *pool, _Atomic uint64_t *word, uint64_t w)
{
	int rc = quota_get(pool);

	if (rc < 0)
		return rc;
	if (word_move(word, &w, w + 1))
		return 0;
	quota_put(pool);
	return LOOK_AGAIN;
}

/* Pins whatever page is at pgno, *ret_w as it was. 0, LOOK_AGAIN, NOT_IN_MEMORY, or an
 * error. */
static inline int pin(struct pool *pool, pgno_t pgno, uint64_t *ret_w)
{
	_Atomic uint64_t *word = table_word(&pool->table, pgno);
	uint64_t w = *ret_w = atomic_load_explicit(word, memory_order_acquire);

	switch (word_state(w)) {
	case WORD_FRESH:
	case WORD_WRITING:
		if (word_pins(w) == 0)
			return pin_first_of_fresh(pool, word, w);
		/* fall through */
	case WORD_CACHED:
		if (__builtin_expect(word_pins(w) == WORD_PINS_MAX, 0))
			return error_set(VERSO_EPINNED,
				"page %" PRIu32 " is pinned %u times: end some transactions", pgno,
				WORD_PINS_MAX);
		return word_move(word, &w, w + 1) ? 0 : LOOK_AGAIN;
	case WORD_UNNEEDED:
	case WORD_INACTIVE:
		return page_activate(pool, pgno, ret_w);
	case WORD_LOADING:
		load_wait(pool, pgno);
		return LOOK_AGAIN;
	default:
		return NOT_IN_MEMORY;
	}
}

/* With the lock. */
static bool is_cached_in(const struct pool *pool, pgno_t pgno, uint32_t frame)
{
	uint64_t w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);

	return (word_state(w) == WORD_CACHED || is_inactive(word_state(w))) &&
	       word_frame(w) == frame;
}

/* Another page than wanted is cached under its number: a clean one is stale, the writer's is
 * not. LOOK_AGAIN, or an error. */
static int stale(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	struct page_ref found = page_ref(pool_page(pool, frame));
	uint64_t w = atomic_load_explicit(table_word(&pool->table, ref.pgno), memory_order_acquire);
	bool is_ours = is_fresh(word_state(w)) && word_frame(w) == frame;

	unpin(pool, ref.pgno, frame);
	if (is_ours)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 ": expected generation %" PRIx64
			", but it is being made anew in generation %" PRIx64,
			ref.pgno, ref.gen, found.gen);
	pthread_mutex_lock(&pool->lock);
	/* Unless another thread was faster: LOADING and what follows it is newer. */
	if (is_cached_in(pool, ref.pgno, frame) && !page_is(pool_page(pool, frame), ref))
		page_forget(pool, ref.pgno);
	pthread_mutex_unlock(&pool->lock);
	return LOOK_AGAIN;
}

/* Verifies a page that was just pinned. One that is bad is forgotten: its bytes in memory have
 * changed, and those of the file may be good. */
static int verify_pinned(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	int rc = verify_hit(pool, ref, pool_page(pool, frame));

	if (rc == 0)
		return 0;
	unpin(pool, ref.pgno, frame);
	pthread_mutex_lock(&pool->lock);
	if (is_cached_in(pool, ref.pgno, frame))
		page_forget(pool, ref.pgno);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static int get_slowly(struct pool *pool, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	THREAD_KEPT;
	for (;;) {
		uint64_t w;
		int rc = pin(pool, ref.pgno, &w);

		if (rc == NOT_IN_MEMORY)
			rc = load_page(pool, pager_get_cause(g), ref, ret_page);
		else if (rc == 0 && !page_is(pool_page(pool, word_frame(w)), ref))
			rc = stale(pool, ref, word_frame(w));
		else if (rc == 0) {
			rc = pool->verifies_hits ? verify_pinned(pool, ref, word_frame(w)) : 0;
			if (rc == 0) {
				pool_touch(pool, word_frame(w));
				*ret_page = pool_page(pool, word_frame(w));
			}
		}
		if (rc <= 0)
			return rc;
	}
}

int pool_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct pool *pool = pool_of(p);
	_Atomic uint64_t *word = table_word(&pool->table, ref.pgno);
	uint64_t w;
	const struct page *page;

	if (ref.pgno >= table_end(&pool->table))
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " lies beyond the largest size of the file", ref.pgno);
	w = atomic_load_explicit(word, memory_order_relaxed);
	/* The page's first lines on their way while the locked step holds everything else up. */
	prefetch_front(pool_page(pool, word_frame(w)));
	if (word_state(w) != WORD_CACHED || word_pins(w) == WORD_PINS_MAX ||
		__builtin_expect(pool->verifies_hits, 0) || !word_move(word, &w, w + 1))
		return get_slowly(pool, g, ref, ret_page);
	page = pool_page(pool, word_frame(w));
	if (__builtin_expect(!page_is(page, ref), 0)) {
		int rc = stale(pool, ref, word_frame(w));

		return rc <= 0 ? rc : get_slowly(pool, g, ref, ret_page);
	}
	pool_touch(pool, word_frame(w));
	*ret_page = page;
	return 0;
}
