/* SPDX-License-Identifier: MIT */
/*
 * CLOCK: a hand goes round the frames; a used one gets a second chance and loses its mark, the
 * first unused one is the victim. The ring is memory itself, so a page costs no link.
 *
 * Source: F. Corbato, A paging experiment with the Multics system, 1968.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

struct clock {
	struct policy policy;
	uint32_t hand;
	uint32_t n; /* frames ever inserted are below */
};

static int clock_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct clock *c = calloc(1, sizeof(*c));

	(void)n_frames;
	if (!c)
		return -ENOMEM;
	*ret_policy = &c->policy;
	return 0;
}

static void clock_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct clock *c = (struct clock *)policy;

	(void)arrival;
	if (frame >= c->n)
		c->n = frame + 1;
}

static void clock_remove(struct policy *policy, uint32_t frame)
{
	(void)policy;
	(void)frame;
}

static uint32_t clock_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct clock *c = (struct clock *)policy;

	/* Twice round: the first may do nothing but clear marks. */
	for (uint64_t step = 0; step < 2 * (uint64_t)c->n; step++) {
		uint32_t frame = c->hand;
		_Atomic uint8_t *used = &policy->used[frame];

		c->hand = frame + 1 < c->n ? frame + 1 : 0;
		if (atomic_load_explicit(used, memory_order_relaxed) != USED_NOT)
			atomic_store_explicit(used, USED_NOT, memory_order_relaxed);
		else if (claim(arg, frame))
			return frame;
	}
	return FRAME_NONE;
}

static void clock_close(struct policy *policy)
{
	free(policy);
}

const struct policy_ops policy_clock = {
	.name = "clock",
	.open = clock_open,
	.insert = clock_insert,
	.remove = clock_remove,
	.victim = clock_victim,
	.close = clock_close,
};
