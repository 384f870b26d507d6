/* SPDX-License-Identifier: MIT */
/*
 * The list of replacement policies: the enum, the table, the names of the tool and the files that
 * are compiled are made of it. POLICY(X, x): BUFPOOL_X, policy_x of bufpool/policy_x.c, "x". How to
 * add one: docs/EXTENDING.md. meson.build reads the lines that begin with a tab and POLICY.
 */
#ifndef BUFPOOL_POLICIES_H
#define BUFPOOL_POLICIES_H

/* clang-format off */
#define BUFPOOL_POLICIES(POLICY) \
	POLICY(CLOCK, clock)     /* second chance, over the frames in the order of memory */ \
	POLICY(SIEVE, sieve)     /* lazy promotion, over the pages in the order of arrival */ \
	POLICY(FIFO, fifo) \
	POLICY(LRU, lru)         /* every hit costs the pool's lock, as with 2Q */ \
	POLICY(2Q, 2q) \
	POLICY(RANDOM, random)
/* clang-format on */

enum bufpool_policy {
#define POLICY(NAME, name) BUFPOOL_##NAME,
	BUFPOOL_POLICIES(POLICY)
#undef POLICY
		N_POLICIES
};

#endif
