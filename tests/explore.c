/* SPDX-License-Identifier: MIT */
#include "tests/explore.h"
#include "base/hash.h"
#include "tests/check_main.h"

#include <stdlib.h>
#include <string.h>

void explore_init(struct explorer *e, size_t state_bytes)
{
	memset(e, 0, sizeof(*e));
	e->state_bytes = state_bytes;
}

void explore_fini(struct explorer *e)
{
	free(e->states);
	free(e->parents);
	free(e->table);
}

const void *explore_state(const struct explorer *e, uint32_t index)
{
	return e->states + index * e->state_bytes;
}

/* Where the state stands in the table, or would. */
static uint32_t *place_of(const struct explorer *e, const void *state)
{
	uint64_t h = hash_bytes(state, e->state_bytes, 0);

	for (;; h++) {
		uint32_t *place = &e->table[h & (e->table_size - 1)];

		if (*place == 0 || memcmp(explore_state(e, *place - 1), state, e->state_bytes) == 0)
			return place;
	}
}

static void grow(struct explorer *e)
{
	e->cap = e->cap ? 2 * e->cap : 1U << 12;
	e->states = realloc(e->states, e->cap * e->state_bytes);
	e->parents = realloc(e->parents, e->cap * sizeof(*e->parents));
	free(e->table);
	e->table_size = 4 * e->cap;
	e->table = calloc(e->table_size, sizeof(*e->table));
	ck_assert(e->states && e->parents && e->table);
	for (uint32_t i = 0; i < e->n; i++)
		*place_of(e, explore_state(e, i)) = i + 1;
}

bool explore_found(struct explorer *e, const void *state)
{
	uint32_t *place;

	if (e->n == e->cap)
		grow(e);
	place = place_of(e, state);
	if (*place != 0)
		return false;
	memcpy(e->states + e->n * e->state_bytes, state, e->state_bytes);
	e->parents[e->n] = e->at;
	*place = ++e->n;
	return true;
}

const void *explore_next(struct explorer *e)
{
	if (e->n_taken == e->n)
		return NULL;
	e->at = e->n_taken++;
	return explore_state(e, e->at);
}
