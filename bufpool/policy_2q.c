/* SPDX-License-Identifier: MIT */
/*
 * 2Q: a page that comes for the first time enters a FIFO queue of a quarter of the frames (A1in);
 * one that comes back soon after it left that queue goes into an LRU list (Am). So what is read
 * once, as by a scan, goes through the queue and never pushes out what was read again.
 *
 * Of pages that left, only the number is remembered (A1out), in a direct-mapped table: two pages of
 * one entry overwrite each other, so the worst is that a page must come once more.
 *
 * Source: T. Johnson, D. Shasha, 2Q: a low overhead high performance buffer management replacement
 * algorithm, VLDB 1994.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

/* A page that left the queue, and the number of that departure. */
struct departed {
	uint32_t pgno, when;
};

struct two_queues {
	struct policy policy;
	struct frame_list in, main; /* newest, and used last, at the head */
	uint8_t *is_main;           /* by frame */
	struct departed *departed;  /* a power of two of them */
	uint32_t mask;
	uint32_t n_departed; /* when the next one leaves; the first leaves as number 1 */
	uint32_t n_in_max;   /* frames of the queue */
	uint32_t n_out_max;  /* departures that count as soon */
};

static void two_queues_close(struct policy *policy)
{
	struct two_queues *q = (struct two_queues *)policy;

	free(q->is_main);
	free(q->departed);
	free(q);
}

static void two_queues_resize(struct policy *policy, uint32_t n_frames)
{
	struct two_queues *q = (struct two_queues *)policy;

	q->n_in_max = n_frames / 4;
	q->n_out_max = n_frames / 2;
}

static int two_queues_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct two_queues *q = calloc(1, sizeof(*q));
	uint64_t n_entries = 1;

	if (!q)
		return -ENOMEM;
	while (n_entries < 2 * (uint64_t)n_frames)
		n_entries *= 2;
	list_init(&q->in);
	list_init(&q->main);
	q->mask = (uint32_t)(n_entries - 1);
	two_queues_resize(&q->policy, n_frames);
	q->is_main = calloc(n_frames, sizeof(*q->is_main));
	q->departed = calloc(n_entries, sizeof(*q->departed));
	if (!q->is_main || !q->departed) {
		two_queues_close(&q->policy);
		return -ENOMEM;
	}
	*ret_policy = &q->policy;
	return 0;
}

static struct departed *departed_entry(struct two_queues *q, uint32_t pgno)
{
	return &q->departed[(pgno * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & q->mask];
}

static bool left_lately(struct two_queues *q, uint32_t pgno)
{
	const struct departed *d = departed_entry(q, pgno);

	return d->when != 0 && d->pgno == pgno && q->n_departed - d->when < q->n_out_max;
}

static uint32_t page_of(const struct policy *policy, uint32_t frame)
{
	return atomic_load_explicit(&policy->frames[frame].pgno, memory_order_relaxed);
}

static void two_queues_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct two_queues *q = (struct two_queues *)policy;
	bool again = arrival == ARRIVAL_AGAIN ||
		     (arrival == ARRIVAL_GET && left_lately(q, page_of(policy, frame)));

	q->is_main[frame] = again;
	list_push_head(again ? &q->main : &q->in, policy->frames, frame);
}

static void two_queues_remove(struct policy *policy, uint32_t frame)
{
	struct two_queues *q = (struct two_queues *)policy;

	list_remove(q->is_main[frame] ? &q->main : &q->in, policy->frames, frame);
}

/* In the queue a hit is ignored: two uses in a row may belong together (correlated references). */
static void two_queues_hit(struct policy *policy, uint32_t frame)
{
	struct two_queues *q = (struct two_queues *)policy;

	if (!q->is_main[frame])
		return;
	list_remove(&q->main, policy->frames, frame);
	list_push_head(&q->main, policy->frames, frame);
}

static uint32_t claim_from_queue(struct two_queues *q, policy_claim_fn *claim, void *arg)
{
	uint32_t frame = list_claim(&q->in, q->policy.frames, claim, arg);

	if (frame != FRAME_NONE) {
		uint32_t pgno = page_of(&q->policy, frame);

		*departed_entry(q, pgno) = (struct departed){pgno, ++q->n_departed};
	}
	return frame;
}

static uint32_t two_queues_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct two_queues *q = (struct two_queues *)policy;
	bool in_first = q->in.n > q->n_in_max;
	uint32_t frame = FRAME_NONE;

	if (in_first)
		frame = claim_from_queue(q, claim, arg);
	if (frame == FRAME_NONE)
		frame = list_claim(&q->main, policy->frames, claim, arg);
	if (frame == FRAME_NONE && !in_first)
		frame = claim_from_queue(q, claim, arg);
	return frame;
}

const struct policy_ops policy_2q = {
	.name = "2q",
	.frame_bytes = sizeof(uint8_t) + 4 * sizeof(struct departed),
	.open = two_queues_open,
	.insert = two_queues_insert,
	.remove = two_queues_remove,
	.hit = two_queues_hit,
	.victim = two_queues_victim,
	.resize = two_queues_resize,
	.close = two_queues_close,
};
