/* SPDX-License-Identifier: MIT */
/*
 * All states that can follow from a first one, breadth first, as a model checker finds them.
 *
 *	explore_init(&e, sizeof(struct my_state));
 *	explore_found(&e, &first);
 *	while ((s = explore_next(&e)))
 *		... explore_found(&e, &successor) for each thing that can happen in *s ...
 *
 * A state is compared and hashed as bytes: it has no pointers and no holes. Memory: a state, and
 * 20 bytes, for each that was found. One thread.
 */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explorer {
	size_t state_bytes;
	uint8_t *states;   /* n of them, in the order of finding */
	uint32_t *parents; /* whose successor each was first */
	uint32_t n, cap;
	uint32_t *table, table_size; /* index + 1, by hash; a power of two */
	uint32_t at;                 /* whose successors are being made */
	uint32_t n_taken;
};

void explore_init(struct explorer *e, size_t state_bytes);
void explore_fini(struct explorer *e);

/* Adds a state; false: it was found before. */
bool explore_found(struct explorer *e, const void *state);

/*
 * The next state whose successors were not made, valid until explore_found(); NULL: none is left.
 */
const void *explore_next(struct explorer *e);

const void *explore_state(const struct explorer *e, uint32_t index);

#endif
