/* SPDX-License-Identifier: MIT */
/* The list of replacement policies. How to add one: docs/EXTENDING.md. */
#include "bufpool/bufpool.h"
#include "bufpool/policy.h"

extern const struct policy_ops policy_clock;
extern const struct policy_ops policy_sieve;
extern const struct policy_ops policy_fifo;
extern const struct policy_ops policy_lru;
extern const struct policy_ops policy_2q;
extern const struct policy_ops policy_random;

const struct policy_ops *const bufpool_policies[N_POLICIES] = {
	[BUFPOOL_CLOCK] = &policy_clock,
	[BUFPOOL_SIEVE] = &policy_sieve,
	[BUFPOOL_FIFO] = &policy_fifo,
	[BUFPOOL_LRU] = &policy_lru,
	[BUFPOOL_2Q] = &policy_2q,
	[BUFPOOL_RANDOM] = &policy_random,
};
