/* SPDX-License-Identifier: MIT */
/*
 * Lab 2a: replacement policies. A pool is full, another page is wanted: which page must leave?
 *
 * The same object serves three users: a replay of page traces without any pages (trace/), the pool
 * of Lab 2b, and the engine's own pool. All three know a policy by `struct policy_ops`
 * (bufpool/policy.h) alone, and never ask which one it is.
 *
 * Invariants, whenever a function of a policy returns:
 *
 *	1. A frame is in the list of its policy from insert() to remove(), and at no other time.
 *	2. victim() returns a frame that was claimed, or FRAME_NONE; the frame stays inserted.
 *	3. Of frames that can be claimed, one is claimed: victim() gives up only after it has
 *	   offered each of them.
 */
#include "bufpool/policy.h"
#include "labs/lib/todo.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Given: a list of all frames, newest at the head; LRU and SIEVE keep theirs in it. `hand` is
 * where the next search begins; LRU does not need it.
 */
struct listed {
	struct policy policy;
	struct frame_list list; /* links: policy.frames[frame].next (to the tail), .prev (head) */
	uint32_t hand;          /* a frame of the list; FRAME_NONE: the tail */
};

static struct listed *listed_of(struct policy *policy)
{
	return (struct listed *)policy;
}

static int listed_open(uint32_t n_frames, struct policy **ret_policy)
{
	struct listed *l = calloc(1, sizeof(*l));

	(void)n_frames;
	if (!l)
		return -ENOMEM;
	list_init(&l->list);
	l->hand = FRAME_NONE;
	*ret_policy = &l->policy;
	return 0;
}

static void listed_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	(void)arrival;
	list_push_head(&listed_of(policy)->list, policy->frames, frame);
}

static void close_policy(struct policy *policy)
{
	free(policy);
}

/* Given: the mark of a page that was used since it came, or since it was cleared. */
static bool is_used(const struct policy *policy, uint32_t frame)
{
	return atomic_load_explicit(&policy->used[frame], memory_order_relaxed) != USED_NOT;
}

static void clear_used(struct policy *policy, uint32_t frame)
{
	atomic_store_explicit(&policy->used[frame], USED_NOT, memory_order_relaxed);
}

/*
 * CLOCK: a hand goes round the frames 0, 1, ..., n - 1, 0, ... A hit costs one mark, and no list.
 */

struct clock {
	struct policy policy;
	uint32_t hand; /* the frame to look at next */
	uint32_t n;    /* frames ever inserted are below */
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
	/* LAB 2.1 begin: turn the hand, twice round at most; clear a mark, else claim */
	uint32_t n_left = 2 * c->n;

	while (n_left-- > 0) {
		uint32_t at = c->hand;

		c->hand = (at + 1) % c->n;
		if (is_used(policy, at))
			clear_used(policy, at);
		else if (claim(arg, at))
			return at;
	}
	return FRAME_NONE;
	/* LAB 2.1 end: LAB_TODO_VOID("2.1"); */
}

const struct policy_ops policy_clock = {
	.name = "clock",
	.open = clock_open,
	.insert = clock_insert,
	.remove = clock_remove,
	.victim = clock_victim,
	.close = close_policy,
};

/*
 * LRU: the page that was used longest ago leaves. The list is in the order of use.
 */

static void lru_remove(struct policy *policy, uint32_t frame)
{
	list_remove(&listed_of(policy)->list, policy->frames, frame);
}

/* The page in `frame` is used again. */
static void lru_hit(struct policy *policy, uint32_t frame)
{
	/* LAB 2.2 begin: it is the one that was used last now */
	struct listed *lru = listed_of(policy);

	if (lru->list.head == frame)
		return;
	list_remove(&lru->list, policy->frames, frame);
	list_push_head(&lru->list, policy->frames, frame);
	/* LAB 2.2 end: LAB_TODO_VOID("2.2"); */
}

static uint32_t lru_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	/* LAB 2.3 begin: from the end of the list that was used longest ago to the other */
	uint32_t at = listed_of(policy)->list.tail;

	for (; at != FRAME_NONE; at = policy->frames[at].prev) {
		if (claim(arg, at))
			return at;
	}
	return FRAME_NONE;
	/* LAB 2.3 end: LAB_TODO_VOID("2.3"); */
}

const struct policy_ops policy_lru = {
	.name = "lru",
	.open = listed_open,
	.insert = listed_insert,
	.remove = lru_remove,
	.hit = lru_hit,
	.victim = lru_victim,
	.close = close_policy,
};

/*
 * SIEVE: the list is in the order of arrival, and no hit moves a page. A hand goes from the oldest
 * page towards the newest. It clears marks as CLOCK does, but what it spares stays where it is, so
 * new pages are looked at sooner than old ones that have proved their worth.
 */

/* The page in `frame` leaves, for whatever reason. */
static void sieve_remove(struct policy *policy, uint32_t frame)
{
	/* LAB 2.4 begin: out of the list; what if the hand points at it? */
	struct listed *sieve = listed_of(policy);

	if (sieve->hand == frame)
		sieve->hand = policy->frames[frame].prev;
	list_remove(&sieve->list, policy->frames, frame);
	/* LAB 2.4 end: LAB_TODO_VOID("2.4"); */
}

static uint32_t sieve_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	/* LAB 2.5 begin: as CLOCK, along the list, from the hand towards the head, then the tail */
	struct listed *sieve = listed_of(policy);
	uint32_t n_left = 2 * sieve->list.n;

	while (n_left-- > 0) {
		uint32_t at = sieve->hand != FRAME_NONE ? sieve->hand : sieve->list.tail;

		sieve->hand = policy->frames[at].prev;
		if (is_used(policy, at))
			clear_used(policy, at);
		else if (claim(arg, at))
			return at;
	}
	return FRAME_NONE;
	/* LAB 2.5 end: LAB_TODO_VOID("2.5"); */
}

const struct policy_ops policy_sieve = {
	.name = "sieve",
	.open = listed_open,
	.insert = listed_insert,
	.remove = sieve_remove,
	.victim = sieve_victim,
	.close = close_policy,
};
