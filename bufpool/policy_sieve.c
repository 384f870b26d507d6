/* SPDX-License-Identifier: MIT */
/*
 * SIEVE: pages are listed in the order of arrival, newest at the head; a hand goes from the tail to
 * the head, clears the marks of used pages, which stay where they are, and takes the first unused
 * one. New pages arrive behind the hand's back, so one that is not used again is sifted out soon.
 *
 * Source: Zhang, Yang, Yue, Vigfusson, Rashmi, SIEVE is simpler than LRU, NSDI 2024.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

struct sieve {
	struct policy policy;
	struct frame_list list;
	uint32_t hand; /* the next to look at; FRAME_NONE: the tail */
};

static int sieve_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct sieve *s = calloc(1, sizeof(*s));

	(void)n_frames;
	if (!s)
		return -ENOMEM;
	list_init(&s->list);
	s->hand = FRAME_NONE;
	*ret_policy = &s->policy;
	return 0;
}

static void sieve_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct sieve *s = (struct sieve *)policy;

	(void)arrival;
	list_push_head(&s->list, policy->frames, frame);
}

static void sieve_remove(struct policy *policy, uint32_t frame)
{
	struct sieve *s = (struct sieve *)policy;

	if (s->hand == frame)
		s->hand = policy->frames[frame].prev;
	list_remove(&s->list, policy->frames, frame);
}

static uint32_t sieve_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct sieve *s = (struct sieve *)policy;

	/* Twice round: the first may do nothing but clear marks. */
	for (uint64_t step = 0; step < 2 * (uint64_t)s->list.n; step++) {
		uint32_t frame = s->hand == FRAME_NONE ? s->list.tail : s->hand;
		_Atomic uint8_t *used = &policy->used[frame];

		s->hand = policy->frames[frame].prev;
		if (atomic_load_explicit(used, memory_order_relaxed) != USED_NOT)
			atomic_store_explicit(used, USED_NOT, memory_order_relaxed);
		else if (claim(arg, frame))
			return frame;
	}
	return FRAME_NONE;
}

static void sieve_close(struct policy *policy)
{
	free(policy);
}

const struct policy_ops policy_sieve = {
	.name = "sieve",
	.open = sieve_open,
	.insert = sieve_insert,
	.remove = sieve_remove,
	.victim = sieve_victim,
	.close = sieve_close,
};
