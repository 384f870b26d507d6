/* SPDX-License-Identifier: MIT */
/* Replacement policies without a pool: a cache of a few frames, and traces. */
#include "bufpool/policy.h"
#include "tests/check_main.h"

#include <stdlib.h>
#include <string.h>

#define N_FRAMES 16
#define N_PAGES  1024

static const struct policy_ops *const policies[] = {&policy_clock, &policy_sieve};

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

static void cache_open(struct cache *c, const struct policy_ops *ops)
{
	memset((void *)c, 0, sizeof(*c));
	memset(c->frame_of, 0xff, sizeof(c->frame_of));
	ck_assert_int_eq(ops->open(&c->policy), 0);
	c->policy->ops = ops;
	c->policy->frames = c->frames;
	c->policy->used = c->used;
	c->policy->n_frames = N_FRAMES;
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

static void access_page(struct cache *c, uint32_t page)
{
	uint32_t frame = c->frame_of[page];

	if (frame != FRAME_NONE) {
		c->n_hits++;
		c->used[frame] = USED_YES;
		return;
	}
	frame = c->n < N_FRAMES ? c->n++ : evict(c);
	ck_assert_uint_ne(frame, FRAME_NONE);
	c->used[frame] = USED_NOT;
	c->page_of[frame] = page;
	c->frame_of[page] = frame;
	c->policy->ops->insert(c->policy, frame);
}

START_TEST(unused_page_goes_before_used_ones)
{
	struct cache c;

	cache_open(&c, policies[_i]);
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

	cache_open(&c, policies[_i]);
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

	cache_open(&c, policies[_i]);
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

	cache_open(&c, policies[_i]);
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

	cache_open(&c, policies[_i]);
	ck_assert_uint_eq(evict(&c), FRAME_NONE);
	cache_close(&c);
}
END_TEST

START_TEST(pages_can_leave_from_anywhere)
{
	uint64_t seed = check_seed();
	struct cache c;

	cache_open(&c, policies[_i]);
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
			c.frame_of[page] = frame;
			c.policy->ops->insert(c.policy, frame);
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

	cache_open(&c, policies[_i]);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t r = check_random(&seed);

		access_page(&c, (uint32_t)(r & 1 ? r >> 8 & 7 : (r >> 8) % N_PAGES));
	}
	/* Half of the accesses go to eight pages; most of those are hits. */
	ck_assert_uint_gt(c.n_hits, 7500);
	cache_close(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_policy");
	TCase *tc = tcase_create("policy");
	int n = sizeof(policies) / sizeof(policies[0]);

	tcase_add_loop_test(tc, unused_page_goes_before_used_ones, 0, n);
	tcase_add_loop_test(tc, scan_does_not_flush_the_working_set, 0, n);
	tcase_add_loop_test(tc, all_used_pages_lose_their_mark_and_one_goes, 0, n);
	tcase_add_loop_test(tc, pinned_pages_are_passed_over_and_all_pinned_is_none, 0, n);
	tcase_add_loop_test(tc, nothing_cached_has_no_victim, 0, n);
	tcase_add_loop_test(tc, pages_can_leave_from_anywhere, 0, n);
	tcase_add_loop_test(tc, skewed_trace_hits_the_hot_pages, 0, n);
	suite_add_tcase(s, tc);
	return check_main(s);
}
