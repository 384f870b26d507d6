/* SPDX-License-Identifier: MIT */
/*
 * Random: any page goes. It remembers nothing, so what a policy is worth is what it is better than
 * this. The numbers are the same in every run (xorshift from a constant).
 *
 * Source of the generator: G. Marsaglia, Xorshift RNGs, 2003.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

struct random_policy {
	struct policy policy;
	uint64_t state;
	uint32_t n; /* frames ever inserted are below */
};

static int random_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct random_policy *r = calloc(1, sizeof(*r));

	(void)n_frames;
	if (!r)
		return -ENOMEM;
	r->state = UINT64_C(0x9e3779b97f4a7c15);
	*ret_policy = &r->policy;
	return 0;
}

static void random_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct random_policy *r = (struct random_policy *)policy;

	(void)arrival;
	if (frame >= r->n)
		r->n = frame + 1;
}

static void random_remove(struct policy *policy, uint32_t frame)
{
	(void)policy;
	(void)frame;
}

static uint64_t random_next(struct random_policy *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

/* From a random frame on, so that each is offered once: a pinned one's neighbour goes instead. */
static uint32_t random_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct random_policy *r = (struct random_policy *)policy;
	uint32_t frame = r->n ? (uint32_t)(random_next(r) % r->n) : 0;

	for (uint32_t step = 0; step < r->n; step++) {
		if (claim(arg, frame))
			return frame;
		frame = frame + 1 < r->n ? frame + 1 : 0;
	}
	return FRAME_NONE;
}

static void random_close(struct policy *policy)
{
	free(policy);
}

const struct policy_ops policy_random = {
	.name = "random",
	.open = random_open,
	.insert = random_insert,
	.remove = random_remove,
	.victim = random_victim,
	.close = random_close,
};
