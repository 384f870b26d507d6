/* SPDX-License-Identifier: MIT */
#include "tests/crash/seen.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void seen_clear(struct seen *s)
{
	if (s->cap)
		memset(s->keys, 0, s->cap * sizeof(*s->keys));
	s->n = 0;
}

void seen_fini(struct seen *s)
{
	free(s->keys);
	free(s->values);
}

static size_t place(const struct seen *s, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (s->cap - 1);

	while (s->keys[i] && s->keys[i] != key)
		i = (i + 1) & (s->cap - 1);
	return i;
}

bool seen_find(const struct seen *s, uint64_t key, uint64_t *ret_value)
{
	size_t i;

	key += !key;
	if (s->cap == 0)
		return false;
	i = place(s, key);
	if (!s->keys[i])
		return false;
	*ret_value = s->values[i];
	return true;
}

static void enlarge(struct seen *s)
{
	struct seen old = *s;

	s->cap = old.cap ? 2 * old.cap : 4096;
	s->keys = calloc(s->cap, sizeof(*s->keys));
	s->values = calloc(s->cap, sizeof(*s->values));
	ASSERT(s->keys);
	ASSERT(s->values);
	for (size_t i = 0; i < old.cap; i++)
		if (old.keys[i]) {
			size_t at = place(s, old.keys[i]);

			s->keys[at] = old.keys[i];
			s->values[at] = old.values[i];
		}
	seen_fini(&old);
}

void seen_add(struct seen *s, uint64_t key, uint64_t value)
{
	size_t i;

	key += !key;
	if (2 * (s->n + 1) > s->cap)
		enlarge(s);
	i = place(s, key);
	s->n += !s->keys[i];
	s->keys[i] = key;
	s->values[i] = value;
}
