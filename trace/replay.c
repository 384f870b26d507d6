/* SPDX-License-Identifier: MIT */
/* A cache without bytes: frames, a policy, and which page is where. */
#include "trace/trace.h"
#include "bufpool/policies.h"
#include "bufpool/policy.h"

#include <stdlib.h>
#include <string.h>

#define POLICY(NAME, name) #name,
const char *const trace_policy_names[] = {BUFPOOL_POLICIES(POLICY) NULL};
#undef POLICY

struct cache {
	struct policy *policy;
	struct frame *frames;
	_Atomic uint8_t *used;
	uint32_t *frame_of; /* by page; FRAME_NONE: not cached */
	uint32_t n, n_frames;
};

static bool claim(void *arg, uint32_t frame)
{
	const struct cache *c = arg;

	return frame < c->n;
}

static void cache_close(struct cache *c)
{
	if (c->policy)
		c->policy->ops->close(c->policy);
	free(c->frames);
	free((void *)c->used);
	free(c->frame_of);
}

static bool cache_open(struct cache *c, const struct policy_ops *ops, uint32_t n_pages,
	uint32_t n_frames)
{
	*c = (struct cache){.n_frames = n_frames};
	c->frames = calloc(n_frames, sizeof(*c->frames));
	c->used = calloc(n_frames, 1);
	c->frame_of = malloc((size_t)n_pages * sizeof(*c->frame_of) + 1);
	if (!c->frames || !c->used || !c->frame_of || ops->open(n_frames, &c->policy) < 0) {
		cache_close(c);
		return false;
	}
	memset(c->frame_of, 0xff, (size_t)n_pages * sizeof(*c->frame_of));
	c->policy->ops = ops;
	c->policy->frames = c->frames;
	c->policy->used = c->used;
	return true;
}

static void hit(struct cache *c, uint32_t frame)
{
	atomic_store_explicit(&c->used[frame], USED_YES, memory_order_relaxed);
	if (c->policy->ops->hit)
		c->policy->ops->hit(c->policy, frame);
}

static void bring_in(struct cache *c, uint32_t page, enum arrival arrival)
{
	uint32_t frame = c->n;

	if (c->n < c->n_frames) {
		c->n++;
	} else {
		frame = c->policy->ops->victim(c->policy, claim, c);
		c->policy->ops->remove(c->policy, frame);
		c->frame_of[atomic_load_explicit(&c->frames[frame].pgno, memory_order_relaxed)] =
			FRAME_NONE;
	}
	atomic_store_explicit(&c->used[frame], USED_NOT, memory_order_relaxed);
	atomic_store_explicit(&c->frames[frame].pgno, page, memory_order_relaxed);
	c->frame_of[page] = frame;
	c->policy->ops->insert(c->policy, frame, arrival);
}

uint64_t trace_replay(const struct trace *trace, unsigned policy, uint32_t n_frames)
{
	uint64_t n_misses = 0;
	struct cache c;

	if (!cache_open(&c, bufpool_policies[policy], trace->n_pages, n_frames))
		return UINT64_MAX;
	for (size_t i = 0; i < trace->n; i++) {
		const struct trace_access *a = &trace->accesses[i];

		if (c.frame_of[a->page] != FRAME_NONE) {
			hit(&c, c.frame_of[a->page]);
			continue;
		}
		n_misses += !a->is_write;
		bring_in(&c, a->page, a->is_write ? ARRIVAL_WRITE : ARRIVAL_GET);
	}
	cache_close(&c);
	return n_misses;
}
