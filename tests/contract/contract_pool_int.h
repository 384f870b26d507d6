/* SPDX-License-Identifier: MIT */
/* What the sources of the pools' contract share. */
#ifndef TESTS_CONTRACT_CONTRACT_POOL_INT_H
#define TESTS_CONTRACT_CONTRACT_POOL_INT_H

#include "tests/contract/contract_pool.h"
#include "tests/pool_fixture.h"

/* What a test needs that not every pool has. */
enum contract_pool_needs {
	NEEDS_SIMULATED = 1 << 0, /* a disk that fails when it is told to */
	NEEDS_PREFETCH = 1 << 1,
	NEEDS_VERSIONS = 1 << 2, /* two pages of one number at a time */
};

/* True when the test runs on pool i. */
bool contract_pool_has(int i, unsigned needs);

#define ADD_POOL_TEST(tc, test, n, needs)                                                          \
	do {                                                                                       \
		for (int i_ = 0; i_ < (n); i_++)                                                   \
			if (contract_pool_has(i_, needs))                                          \
				tcase_add_loop_test(tc, test, i_, i_ + 1);                         \
	} while (0)

const struct contract_pool *contract_pool_nth(int i);

/* Opens pool i over the fixture's file. given: sizes; NULL: four frames for the writer, four for
 * readers. */
void contract_pool_open(struct fixture *f, int i, const struct bufpool_options *given);

/* Asks what the pool can check itself, and ends it and the file. Nothing is pinned. */
void contract_pool_close(struct fixture *f, int i);

/* The tests of several threads, for n pools. */
TCase *contract_pool_threads(int n);

#endif
