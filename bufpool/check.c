/* SPDX-License-Identifier: MIT */
/*
 * What must be true of an idle pool: every frame is in exactly one place (F1), and the units of the
 * pin quota that are counted are those that pages hold (F2). Runs at every close in debug and
 * hostile builds.
 */
#include "bufpool/bufpool_int.h"

struct census {
	uint32_t n[WORD_STATE_END]; /* frames linked from a word, by its state */
	uint32_t n_pinned, n_pinned_fresh;
	uint32_t n_unlinked; /* pinned, linked from nowhere */
	uint32_t n_limbo;
};

static void census_take(struct pool *pool, struct census *c)
{
	for (uint32_t frame = 0; frame < pool->n_touched; frame++) {
		const struct frame *f = &pool->frames[frame];
		uint64_t w = atomic_load(table_word(&pool->table, atomic_load(&f->pgno)));

		if (atomic_load(&f->unlinked_pins) != 0)
			c->n_unlinked++;
		else if (word_state(w) != WORD_EMPTY && word_frame(w) == frame)
			c->n[word_state(w)]++;
		else
			continue;
		if (word_frame(w) == frame && word_pins(w) > 0) {
			c->n_pinned++;
			c->n_pinned_fresh += word_state(w) >= WORD_FRESH;
		}
	}
	c->n_limbo = pool->limbo_open.n;
	for (unsigned i = 0; i < pool->limbo_n; i++)
		c->n_limbo += pool->limbo[(pool->limbo_first + i) % LIMBO_BATCHES].list.n;
}

uint32_t pool_check(struct pool *pool)
{
	struct census c = {0};
	uint32_t n_linked = 0;

	pthread_mutex_lock(&pool->lock);
	census_take(pool, &c);
	for (unsigned state = 0; state < WORD_STATE_END; state++)
		n_linked += c.n[state];
	ASSERT(n_linked + c.n_unlinked + c.n_limbo + pool->free.n + pool->parked.n ==
		pool->n_touched);
	ASSERT(pool->n_touched <= pool->n_end);
	ASSERT(c.n[WORD_INACTIVE] == pool->n_inactive);
	ASSERT(c.n[WORD_UNNEEDED] == pool->unneeded.n);
	ASSERT(c.n[WORD_FRESH] + c.n[WORD_WRITING] == pool->n_fresh);
	ASSERT(c.n[WORD_CACHED] + c.n[WORD_LOADING] + c.n_unlinked + c.n_pinned_fresh +
			n_parked(pool) ==
		atomic_load(&pool->n_quota_used));
	ASSERT(atomic_load(&pool->n_quota_used) <= pool->n_quota);
	pthread_mutex_unlock(&pool->lock);
	return c.n_pinned + c.n_unlinked;
}
