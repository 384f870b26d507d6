/* SPDX-License-Identifier: MIT */
/*
 * LRU: the page that was used longest ago goes first. Every hit moves a page to the head of a list,
 * under the pool's lock: that lock is what CLOCK and SIEVE do without. A scan flushes the cache.
 *
 * Source: P. Denning, The working set model for program behavior, CACM 1968.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

struct lru {
	struct policy policy;
	struct frame_list list; /* used last at the head */
};

static int lru_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct lru *l = calloc(1, sizeof(*l));

	(void)n_frames;
	if (!l)
		return -ENOMEM;
	list_init(&l->list);
	*ret_policy = &l->policy;
	return 0;
}

static void lru_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct lru *l = (struct lru *)policy;

	(void)arrival;
	list_push_head(&l->list, policy->frames, frame);
}

static void lru_remove(struct policy *policy, uint32_t frame)
{
	struct lru *l = (struct lru *)policy;

	list_remove(&l->list, policy->frames, frame);
}

static void lru_hit(struct policy *policy, uint32_t frame)
{
	struct lru *l = (struct lru *)policy;

	list_remove(&l->list, policy->frames, frame);
	list_push_head(&l->list, policy->frames, frame);
}

static uint32_t lru_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct lru *l = (struct lru *)policy;

	return list_claim(&l->list, policy->frames, claim, arg);
}

static void lru_close(struct policy *policy)
{
	free(policy);
}

const struct policy_ops policy_lru = {
	.name = "lru",
	.open = lru_open,
	.insert = lru_insert,
	.remove = lru_remove,
	.hit = lru_hit,
	.victim = lru_victim,
	.close = lru_close,
};
