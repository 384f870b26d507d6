/* SPDX-License-Identifier: MIT */
/*
 * FIFO: the page that came first goes first, however often it was used. The baseline of every
 * comparison.
 *
 * Source: L. Belady, A study of replacement algorithms for a virtual-storage computer, 1966.
 */
#include "bufpool/policy.h"

#include <errno.h>
#include <stdlib.h>

struct fifo {
	struct policy policy;
	struct frame_list list; /* newest at the head */
};

static int fifo_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct fifo *f = calloc(1, sizeof(*f));

	(void)n_frames;
	if (!f)
		return -ENOMEM;
	list_init(&f->list);
	*ret_policy = &f->policy;
	return 0;
}

static void fifo_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	struct fifo *f = (struct fifo *)policy;

	(void)arrival;
	list_push_head(&f->list, policy->frames, frame);
}

static void fifo_remove(struct policy *policy, uint32_t frame)
{
	struct fifo *f = (struct fifo *)policy;

	list_remove(&f->list, policy->frames, frame);
}

static uint32_t fifo_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct fifo *f = (struct fifo *)policy;

	return list_claim(&f->list, policy->frames, claim, arg);
}

static void fifo_close(struct policy *policy)
{
	free(policy);
}

const struct policy_ops policy_fifo = {
	.name = "fifo",
	.open = fifo_open,
	.insert = fifo_insert,
	.remove = fifo_remove,
	.victim = fifo_victim,
	.close = fifo_close,
};
