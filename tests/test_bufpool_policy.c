/* SPDX-License-Identifier: MIT */
/* Replacement policies without a pool: a cache of a few frames, and traces. */
#include "bufpool/bufpool.h"
#include "bufpool/policy.h"
#include "tests/check_main.h"

#include <stdlib.h>
#include <string.h>

#define N_FRAMES 16
#define N_PAGES  1024

/* What a policy promises beyond the contract; those that are not named here promise nothing. */
enum promise {
	KEEPS_USED = 1 << 0,   /* an unused page goes before used ones */
	KEEPS_HOT = 1 << 1,    /* most accesses to a few hot pages hit */
	RESISTS_SCAN = 1 << 2, /* what came back outlives a scan during which it is not used */
	FLUSHED = 1 << 3,      /* it does not: so the scan is one that flushes */
	IN_ORDER = 1 << 4,     /* the victim is the one that its name says, always */
};

static const unsigned promises[N_POLICIES] = {
	[BUFPOOL_CLOCK] = KEEPS_USED | KEEPS_HOT,
	[BUFPOOL_SIEVE] = KEEPS_USED | KEEPS_HOT,
	[BUFPOOL_FIFO] = FLUSHED | IN_ORDER,
	[BUFPOOL_LRU] = KEEPS_USED | FLUSHED | IN_ORDER,
	[BUFPOOL_2Q] = KEEPS_HOT | RESISTS_SCAN,
};

struct cache {
	struct policy *policy;
	struct frame frames[N_FRAMES];
	_Atomic uint8_t used[N_FRAMES];
	bool pinned[N_FRAMES];
	uint32_t page_of[N_FRAMES];
	uint32_t frame_of[N_PAGES]; /* FRAME_NONE: not cached */
	uint32_t n;
	uint32_t n_hits;
};

static void cache_open(struct cache *c, enum bufpool_policy policy)
{
	const struct policy_ops *ops = bufpool_policies[policy];

	memset((void *)c, 0, sizeof(*c));
	memset(c->frame_of, 0xff, sizeof(c->frame_of));
	ck_assert_int_eq(ops->open(N_FRAMES, &c->policy), 0);
	c->policy->ops = ops;
	c->policy->frames = c->frames;
	c->policy->used = c->used;
}

static void cache_close(struct cache *c)
{
	c->policy->ops->close(c->policy);
}

static bool claim(void *arg, uint32_t frame)
{
	struct cache *c = arg;

	return frame < c->n && !c->pinned[frame];
}

static uint32_t evict(struct cache *c)
{
	uint32_t frame = c->policy->ops->victim(c->policy, claim, c);

	if (frame != FRAME_NONE) {
		c->policy->ops->remove(c->policy, frame);
		c->frame_of[c->page_of[frame]] = FRAME_NONE;
	}
	return frame;
}

static void access_for(struct cache *c, uint32_t page, enum arrival arrival)
{
	uint32_t frame = c->frame_of[page];

	if (frame != FRAME_NONE) {
		c->n_hits++;
		c->used[frame] = USED_YES;
		if (c->policy->ops->hit)
			c->policy->ops->hit(c->policy, frame);
		return;
	}
	frame = c->n < N_FRAMES ? c->n++ : evict(c);
	ck_assert_uint_ne(frame, FRAME_NONE);
	c->used[frame] = USED_NOT;
	c->page_of[frame] = page;
	atomic_store(&c->frames[frame].pgno, page);
	c->frame_of[page] = frame;
	c->policy->ops->insert(c->policy, frame, arrival);
}

static void access_page(struct cache *c, uint32_t page)
{
	access_for(c, page, ARRIVAL_GET);
}

START_TEST(unused_page_goes_before_used_ones)
{
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint32_t page = 0; page < N_FRAMES; page++)
		access_page(&c, page);
	for (uint32_t page = 0; page < N_FRAMES; page++) {
		if (page != 5)
			access_page(&c, page);
	}
	access_page(&c, 100);
	ck_assert_uint_eq(c.frame_of[5], FRAME_NONE);
	ck_assert_uint_eq(c.n_hits, N_FRAMES - 1);
	cache_close(&c);
}
END_TEST

START_TEST(scan_does_not_flush_the_working_set)
{
	struct cache c;
	uint32_t hits;

	cache_open(&c, (enum bufpool_policy)_i);
	/* Eight hot pages, each read again for every four pages of the scan. */
	for (uint32_t round = 0; round < 4; round++) {
		for (uint32_t page = 0; page < 8; page++)
			access_page(&c, page);
	}
	hits = c.n_hits;
	for (uint32_t i = 0; i < 512; i++) {
		access_page(&c, 100 + i);
		access_page(&c, i % 8);
		access_page(&c, (i + 4) % 8);
	}
	ck_assert_uint_eq(c.n_hits - hits, 2 * 512);
	cache_close(&c);
}
END_TEST

START_TEST(all_used_pages_lose_their_mark_and_one_goes)
{
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint32_t page = 0; page < N_FRAMES; page++)
		access_page(&c, page);
	for (uint32_t page = 0; page < N_FRAMES; page++)
		access_page(&c, page);
	ck_assert_uint_ne(evict(&c), FRAME_NONE);
	cache_close(&c);
}
END_TEST

START_TEST(pinned_pages_are_passed_over_and_all_pinned_is_none)
{
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint32_t page = 0; page < N_FRAMES; page++)
		access_page(&c, page);
	memset(c.pinned, 1, sizeof(c.pinned));
	ck_assert_uint_eq(evict(&c), FRAME_NONE);
	c.pinned[11] = false;
	ck_assert_uint_eq(evict(&c), 11);
	c.pinned[11] = true;
	ck_assert_uint_eq(evict(&c), FRAME_NONE);
	cache_close(&c);
}
END_TEST

START_TEST(nothing_cached_has_no_victim)
{
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	ck_assert_uint_eq(evict(&c), FRAME_NONE);
	cache_close(&c);
}
END_TEST

START_TEST(pages_can_leave_from_anywhere)
{
	uint64_t seed = check_seed();
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t r = check_random(&seed);
		uint32_t frame = (uint32_t)(r >> 20) % N_FRAMES;

		access_page(&c, (uint32_t)r % N_PAGES);
		if (c.n == N_FRAMES && r >> 60 == 0) {
			/* As a drop does; and the frame is used again for another page. */
			uint32_t page = (uint32_t)(r >> 30) % N_PAGES;

			c.policy->ops->remove(c.policy, frame);
			c.frame_of[c.page_of[frame]] = FRAME_NONE;
			while (c.frame_of[page] != FRAME_NONE)
				page = (page + 1) % N_PAGES;
			c.used[frame] = USED_NOT;
			c.page_of[frame] = page;
			atomic_store(&c.frames[frame].pgno, page);
			c.frame_of[page] = frame;
			c.policy->ops->insert(c.policy, frame, (enum arrival)(r >> 50 & 3));
		}
	}
	/* Each frame can still be had, once. */
	memset(c.pinned, 0, sizeof(c.pinned));
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		uint32_t frame = evict(&c);

		ck_assert_uint_ne(frame, FRAME_NONE);
		ck_assert(!c.pinned[frame]);
		c.pinned[frame] = true;
	}
	ck_assert_uint_eq(evict(&c), FRAME_NONE);
	cache_close(&c);
}
END_TEST

START_TEST(skewed_trace_hits_the_hot_pages)
{
	uint64_t seed = check_seed();
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t r = check_random(&seed);

		access_page(&c, (uint32_t)(r >> 40 & 1 ? r >> 50 & 7 : (r >> 24) % N_PAGES));
	}
	/* Half of the accesses go to eight pages; most of those are hits. */
	ck_assert_uint_gt(c.n_hits, 7500);
	cache_close(&c);
}
END_TEST

START_TEST(a_scan_without_interruption)
{
	struct cache c;
	uint32_t n_left = 0;

	cache_open(&c, (enum bufpool_policy)_i);
	/* Four hot pages, between others, so that they leave and come back. */
	for (uint32_t i = 0; i < 400; i++)
		access_page(&c, i % 2 ? i / 2 % 4 : 100 + i);
	for (uint32_t i = 0; i < 200; i++)
		access_for(&c, 600 + i, ARRIVAL_SCAN);
	for (uint32_t page = 0; page < 4; page++)
		n_left += c.frame_of[page] != FRAME_NONE;
	ck_assert_uint_eq(n_left, promises[_i] & RESISTS_SCAN ? 4 : 0);
	cache_close(&c);
}
END_TEST

START_TEST(fifo_and_lru_take_what_their_names_say)
{
	uint64_t seed = check_seed();
	uint64_t when[N_PAGES] = {0};
	struct cache c;

	cache_open(&c, (enum bufpool_policy)_i);
	for (uint64_t step = 1; step < 5000; step++) {
		uint32_t page = (uint32_t)(check_random(&seed) >> 20) % 32;
		uint32_t oldest = FRAME_NONE;
		bool is_hit = c.frame_of[page] != FRAME_NONE;

		for (uint32_t i = 0; i < 32; i++) {
			if (c.frame_of[i] != FRAME_NONE &&
				(oldest == FRAME_NONE || when[i] < when[oldest]))
				oldest = i;
		}
		access_page(&c, page);
		if (!is_hit && step > N_FRAMES * 8)
			ck_assert_uint_eq(c.frame_of[oldest], FRAME_NONE);
		if (!is_hit || _i == BUFPOOL_LRU)
			when[page] = step;
	}
	cache_close(&c);
}
END_TEST

/* The test for each policy that promises one of these; 0: for every policy. */
static void add(TCase *tc, const TTest *test, unsigned wanted)
{
	for (int i = 0; i < N_POLICIES; i++) {
		if (wanted == 0 || promises[i] & wanted)
			tcase_add_loop_test(tc, test, i, i + 1);
	}
}

int main(void)
{
	Suite *s = suite_create("bufpool_policy");
	TCase *tc = tcase_create("policy");

	add(tc, all_used_pages_lose_their_mark_and_one_goes, 0);
	add(tc, pinned_pages_are_passed_over_and_all_pinned_is_none, 0);
	add(tc, nothing_cached_has_no_victim, 0);
	add(tc, pages_can_leave_from_anywhere, 0);
	add(tc, unused_page_goes_before_used_ones, KEEPS_USED);
	add(tc, scan_does_not_flush_the_working_set, KEEPS_USED);
	add(tc, skewed_trace_hits_the_hot_pages, KEEPS_HOT);
	add(tc, a_scan_without_interruption, RESISTS_SCAN | FLUSHED);
	add(tc, fifo_and_lru_take_what_their_names_say, IN_ORDER);
	suite_add_tcase(s, tc);
	return check_main(s);
}
