/* SPDX-License-Identifier: MIT */
/* A set of keys as ranges in their order, joined where they touch. */
#include "tools/verso/salvage.h"
#include "base/array.h"

#include <stdlib.h>

struct cover_range {
	struct verso_val low, high; /* own memory */
	bool to_end;
};

static int compare(struct verso_val a, struct verso_val b)
{
	return raw_compare(a.data, a.len, b.data, b.len);
}

/* The first range that does not end before the key; one that ends with it counts, if touches. */
static uint32_t find(const struct cover *c, struct verso_val key, bool touches)
{
	uint32_t low = 0, high = c->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct cover_range *r = &c->ranges[mid];

		if (!r->to_end && compare(r->high, key) < (touches ? 0 : 1))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool cover_has(const struct cover *c, struct verso_val key)
{
	uint32_t i = find(c, key, false);

	return i < c->n && compare(c->ranges[i].low, key) <= 0;
}

bool cover_is_all(const struct cover *c)
{
	return c->n == 1 && c->ranges[0].low.len == 0 && c->ranges[0].to_end;
}

static bool copy(struct verso_val from, struct verso_val *to)
{
	void *data = malloc(from.len + 1);

	if (!data)
		return false;
	memcpy(data, from.len ? from.data : "", from.len);
	*to = (struct verso_val){data, from.len};
	return true;
}

static void free_key(struct verso_val *key)
{
	free((void *)key->data);
	*key = (struct verso_val){NULL, 0};
}

static void free_range(struct cover_range *r)
{
	free_key(&r->low);
	free_key(&r->high);
}

/* The bounds of the span and of those that it touches, [first, last). */
static bool join(const struct cover *c, uint32_t first, uint32_t last,
	const struct cover_span *span, struct cover_range *ret_range)
{
	const struct cover_range *left = first < last ? &c->ranges[first] : NULL;
	const struct cover_range *right = first < last ? &c->ranges[last - 1] : NULL;
	struct verso_val low = span->low, high = span->high;
	bool to_end = span->to_end || (right && right->to_end);

	if (left && compare(left->low, low) < 0)
		low = left->low;
	if (right && !to_end && compare(right->high, high) > 0)
		high = right->high;
	*ret_range = (struct cover_range){.to_end = to_end};
	if (copy(low, &ret_range->low) && (to_end || copy(high, &ret_range->high)))
		return true;
	free_range(ret_range);
	return false;
}

bool cover_add(struct cover *c, const struct cover_span *span)
{
	uint32_t first = find(c, span->low, true), last = first;
	struct cover_range joined;

	if (!span->to_end && compare(span->low, span->high) >= 0)
		return true; /* it is empty */
	while (last < c->n && (span->to_end || compare(c->ranges[last].low, span->high) <= 0))
		last++;
	if (array_reserve(&c->ranges, &c->cap, c->n + UINT64_C(1), sizeof(*c->ranges)) < 0 ||
		!join(c, first, last, span, &joined))
		return false;
	for (uint32_t i = first; i < last; i++)
		free_range(&c->ranges[i]);
	memmove(&c->ranges[first + 1], &c->ranges[last], (c->n - last) * sizeof(*c->ranges));
	c->ranges[first] = joined;
	c->n = c->n - (last - first) + 1;
	return true;
}

void cover_fini(struct cover *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		free_range(&c->ranges[i]);
	free(c->ranges);
	*c = (struct cover){NULL, 0, 0};
}
