/* SPDX-License-Identifier: MIT */
/*
 * Frames: the pieces of the arena, and the way of each through its life.
 *
 *	untouched --> in use --> limbo --> free --> in use ...
 *	                 \------------------^  (a load that failed: it was never visible)
 *
 * A frame whose page was unlinked may still be read by a thread inside a guard. It waits in limbo:
 * retired frames gather in an open batch; when frames run short the batch is closed with the epoch
 * of that moment (guard_retire), and once no guard of that epoch or an older one is active, all of
 * the batch is free. One look at the guards pays for a batch of frames.
 *
 * A page that is forgotten while it is pinned becomes an unlinked frame: its pins move from the
 * page word to the frame, where the puts that are still to come find them.
 */
#include "base/asan.h"
#include "bufpool/bufpool_int.h"
#include "io/memory.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#define YIELDS_MAX 64

void pool_back_off(unsigned tries)
{
	static const struct timespec nap = {.tv_sec = 0, .tv_nsec = 50000};

	if (tries < YIELDS_MAX)
		(void)sched_yield();
	else
		(void)nanosleep(&nap, NULL);
}

/*
 * Limbo
 */

/* Gives the frames retired so far an epoch, when the ring takes one more batch. */
static void limbo_close(struct pool *pool)
{
	struct limbo_batch *batch;

	if (pool->limbo_open.n == 0 || pool->limbo_n == LIMBO_BATCHES)
		return;
	batch = &pool->limbo[(pool->limbo_first + pool->limbo_n) % LIMBO_BATCHES];
	batch->epoch = guard_retire(&pool->pager.guards);
	batch->list = pool->limbo_open;
	list_init(&pool->limbo_open);
	pool->limbo_n++;
}

static void free_list_take(struct pool *pool, struct frame_list *list)
{
	while (list->n > 0) {
		uint32_t frame = list->head;

		list_remove(list, pool->frames, frame);
		frame_free(pool, frame);
	}
}

void limbo_drain(struct pool *pool)
{
	uint64_t oldest;

	limbo_close(pool);
	if (pool->limbo_n == 0)
		return;
	oldest = guard_oldest(&pool->pager.guards); /* F7 */
	while (pool->limbo_n > 0 && pool->limbo[pool->limbo_first].epoch < oldest) {
		free_list_take(pool, &pool->limbo[pool->limbo_first].list);
		pool->limbo_first = (pool->limbo_first + 1) % LIMBO_BATCHES;
		pool->limbo_n--;
	}
}

void frame_retire(struct pool *pool, uint32_t frame)
{
	/* With BUFPOOL_PIN_ONLY too: a guard may still see a page that was the writer's. */
	list_push_tail(&pool->limbo_open, pool->frames, frame);
}

/*
 * Free frames
 */

void frames_release(struct pool *pool)
{
	size_t len_bytes = (size_t)pool->n_frames << pool->page_shift;

	if (!pool->arena)
		return;
	UNPOISON(pool->arena, len_bytes);
	memory_release(pool->arena, len_bytes);
}

void frame_free(struct pool *pool, uint32_t frame)
{
	ASSERT(atomic_load_explicit(&pool->frames[frame].unlinked_pins, memory_order_relaxed) == 0);
	poison_free(pool_page(pool, frame), pool->pager.page_size);
	list_push_head(&pool->free, pool->frames, frame);
}

/*
 * Forgetting
 */

/* Frees the frame of an unlinked page, after its last pin. */
static void frame_leave(struct pool *pool, uint32_t frame)
{
	quota_put(pool);
	frame_retire(pool, frame);
}

void unlinked_put(struct pool *pool, uint32_t frame)
{
	/* The pins are added after the unlink, so puts that are quicker make this negative. */
	if (atomic_fetch_sub_explicit(&pool->frames[frame].unlinked_pins, 1,
		    memory_order_acq_rel) != 1)
		return;
	pthread_mutex_lock(&pool->lock);
	frame_leave(pool, frame);
	pthread_mutex_unlock(&pool->lock);
}

static void unlinked_make(struct pool *pool, uint32_t frame, uint32_t pins)
{
	int32_t before = atomic_fetch_add_explicit(&pool->frames[frame].unlinked_pins,
		(int32_t)pins, memory_order_acq_rel);

	if (before + (int32_t)pins == 0)
		frame_leave(pool, frame);
}

void page_forget(struct pool *pool, pgno_t pgno)
{
	uint64_t w = atomic_load_explicit(table_word(&pool->table, pgno), memory_order_acquire);

	while (word_state(w) != WORD_EMPTY) {
		ASSERT(word_state(w) != WORD_WRITING);
		if (word_move(table_word(&pool->table, pgno), &w, 0))
			break;
	}
	switch (word_state(w)) {
	case WORD_UNNEEDED:
		list_remove(&pool->unneeded, pool->frames, word_frame(w));
		frame_retire(pool, word_frame(w));
		break;
	case WORD_INACTIVE:
		pool->policy->ops->remove(pool->policy, word_frame(w));
		pool->n_inactive--;
		frame_retire(pool, word_frame(w));
		break;
	case WORD_CACHED:
		pool->policy->ops->remove(pool->policy, word_frame(w));
		unlinked_make(pool, word_frame(w), word_pins(w));
		break;
	case WORD_FRESH:
		/* A damaged reference may pin it at this moment: with its unit, as F2 has it. */
		if (word_pins(w) == 0)
			frame_retire(pool, word_frame(w));
		else
			unlinked_make(pool, word_frame(w), word_pins(w));
		break;
	default: /* a load finds out when it ends that the page is not wanted any more */
		break;
	}
}
