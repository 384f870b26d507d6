/* SPDX-License-Identifier: MIT */
/*
 * Lab 2a: policies on a cache without bytes. A story is told in a line, as "abcad": pages are
 * asked for in this order; what leaves is written down in the order in which it leaves.
 */
#include "bufpool/policies.h"
#include "bufpool/policy.h"
#include "tests/check_main.h"
#include "trace/trace.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 32
#define PAGES_MAX  128
#define NO_PAGE    UINT32_MAX

struct cache {
	struct policy *policy;
	struct frame frames[FRAMES_MAX];
	_Atomic uint8_t used[FRAMES_MAX];
	uint32_t page_of[FRAMES_MAX]; /* NO_PAGE: the frame is free */
	bool pinned[FRAMES_MAX];
	uint32_t n_frames, n_offered;
	char left[PAGES_MAX + 1]; /* the pages that were evicted, as letters */
};

static void cache_open(struct cache *c, enum bufpool_policy policy, uint32_t n_frames)
{
	const struct policy_ops *ops = bufpool_policies[policy];

	memset((void *)c, 0, sizeof(*c));
	memset(c->page_of, 0xff, sizeof(c->page_of));
	c->n_frames = n_frames;
	ck_assert_int_eq(ops->open(n_frames, &c->policy), 0);
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

	ck_assert_uint_lt(frame, c->n_frames);
	c->n_offered++;
	return c->page_of[frame] != NO_PAGE && !c->pinned[frame];
}

static uint32_t frame_of(const struct cache *c, uint32_t page)
{
	for (uint32_t frame = 0; frame < c->n_frames; frame++) {
		if (c->page_of[frame] == page)
			return frame;
	}
	return FRAME_NONE;
}

static void forget(struct cache *c, uint32_t frame)
{
	c->policy->ops->remove(c->policy, frame);
	c->page_of[frame] = NO_PAGE;
}

/* The page that leaves, which is one that may. */
static uint32_t evict(struct cache *c)
{
	uint32_t frame = c->policy->ops->victim(c->policy, claim, c), page;

	ck_assert_msg(frame != FRAME_NONE, "victim() found no page, though some may leave");
	ck_assert_msg(frame < c->n_frames && c->page_of[frame] != NO_PAGE && !c->pinned[frame],
		"victim() returned frame %u, which was not claimed", frame);
	page = c->page_of[frame];
	forget(c, frame);
	return page;
}

/* Asks for a page. The page that left for it, or NO_PAGE. */
static uint32_t ask(struct cache *c, uint32_t page)
{
	uint32_t frame = frame_of(c, page), left = NO_PAGE;

	if (frame != FRAME_NONE) {
		c->used[frame] = USED_YES;
		if (c->policy->ops->hit)
			c->policy->ops->hit(c->policy, frame);
		return NO_PAGE;
	}
	frame = frame_of(c, NO_PAGE);
	if (frame == FRAME_NONE) {
		left = evict(c);
		frame = frame_of(c, NO_PAGE);
	}
	c->used[frame] = USED_NOT;
	c->page_of[frame] = page;
	c->frames[frame].pgno = page;
	c->policy->ops->insert(c->policy, frame, ARRIVAL_GET);
	return left;
}

static void tell(struct cache *c, const char *story)
{
	for (; *story; story++) {
		uint32_t left = ask(c, (uint32_t)*story);

		if (left != NO_PAGE)
			c->left[strlen(c->left)] = (char)left;
	}
}

static void has_left(const struct cache *c, const char *expected)
{
	ck_assert_msg(strcmp(c->left, expected) == 0,
		"the pages left in the order \"%s\", expected \"%s\"", c->left, expected);
}

START_TEST(clock_takes_unused_pages_in_turn)
{
	struct cache c;

	cache_open(&c, BUFPOOL_CLOCK, 3);
	tell(&c, "abcdefg");
	has_left(&c, "abcd");
	cache_close(&c);
}
END_TEST

START_TEST(clock_gives_a_used_page_a_second_chance)
{
	struct cache c;

	cache_open(&c, BUFPOOL_CLOCK, 3);
	/* The hand clears the mark of a, takes b; then c, and a, which was not used since. */
	tell(&c, "abcadef");
	has_left(&c, "bca");
	cache_close(&c);
}
END_TEST

START_TEST(clock_of_used_pages_alone_goes_round_and_finds_one)
{
	struct cache c;

	cache_open(&c, BUFPOOL_CLOCK, 3);
	tell(&c, "abcabcde");
	has_left(&c, "ab");
	cache_close(&c);
}
END_TEST

START_TEST(clock_offers_each_page_before_it_gives_up)
{
	struct cache c;

	cache_open(&c, BUFPOOL_CLOCK, 4);
	ck_assert_uint_eq(c.policy->ops->victim(c.policy, claim, &c), FRAME_NONE);
	tell(&c, "abcdabcd");
	memset(c.pinned, true, sizeof(c.pinned));
	ck_assert_uint_eq(c.policy->ops->victim(c.policy, claim, &c), FRAME_NONE);
	ck_assert_uint_ge(c.n_offered, 4);
	c.pinned[2] = false;
	ck_assert_uint_eq(evict(&c), 'c');
	cache_close(&c);
}
END_TEST

/* The page of number `at` goes to the end of a row of n. */
static void to_the_end(uint32_t *row, uint32_t n, uint32_t at)
{
	uint32_t page = row[at];

	memmove(row + at, row + at + 1, (n - at - 1) * sizeof(*row));
	row[n - 1] = page;
}

static uint32_t where(const uint32_t *row, uint32_t n, uint32_t page)
{
	uint32_t at = 0;

	while (at < n && row[at] != page)
		at++;
	return at;
}

#define STREAM_FRAMES 8
#define STREAM_PAGES  20
#define STREAM_STEPS  4000

static void says(uint32_t step, uint32_t page, uint32_t left, uint32_t expected)
{
	ck_assert_msg(left == expected, "step %u, page %u came and page %d left, expected %d", step,
		page, (int)left, (int)expected);
}

/* Another form of CLOCK, a queue: who is at its head and was used goes to the end, unused. */
START_TEST(clock_of_a_long_stream)
{
	uint32_t row[STREAM_FRAMES], n = 0;
	bool used[STREAM_PAGES] = {false};
	uint64_t state = check_seed();
	struct cache c;

	cache_open(&c, BUFPOOL_CLOCK, STREAM_FRAMES);
	for (uint32_t step = 0; step < STREAM_STEPS; step++) {
		uint32_t page = (uint32_t)(check_random(&state) % STREAM_PAGES), left = NO_PAGE;
		uint32_t at = where(row, n, page);

		if (at == n && n == STREAM_FRAMES) {
			while (used[row[0]]) {
				used[row[0]] = false;
				to_the_end(row, n, 0);
			}
			left = row[0];
			to_the_end(row, n, 0);
			row[n - 1] = page;
		} else if (at == n) {
			row[n++] = page;
		} else {
			used[page] = true;
		}
		says(step, page, ask(&c, page), left);
	}
	cache_close(&c);
}
END_TEST

START_TEST(lru_keeps_what_was_used_last)
{
	struct cache c;

	cache_open(&c, BUFPOOL_LRU, 3);
	tell(&c, "abcadaeafbb");
	has_left(&c, "bcde");
	cache_close(&c);
}
END_TEST

START_TEST(lru_passes_a_pinned_page_over)
{
	struct cache c;

	cache_open(&c, BUFPOOL_LRU, 3);
	tell(&c, "abc");
	c.pinned[0] = true;
	tell(&c, "de");
	has_left(&c, "bc");
	memset(c.pinned, true, sizeof(c.pinned));
	ck_assert_uint_eq(c.policy->ops->victim(c.policy, claim, &c), FRAME_NONE);
	memset(c.pinned, false, sizeof(c.pinned));
	tell(&c, "f");
	has_left(&c, "bca");
	cache_close(&c);
}
END_TEST

START_TEST(lru_of_a_long_stream)
{
	uint32_t row[STREAM_FRAMES], n = 0;
	uint64_t state = check_seed();
	struct cache c;

	cache_open(&c, BUFPOOL_LRU, STREAM_FRAMES);
	for (uint32_t step = 0; step < STREAM_STEPS; step++) {
		uint32_t page = (uint32_t)(check_random(&state) % STREAM_PAGES), left = NO_PAGE;
		uint32_t at = where(row, n, page);

		if (at == n && n == STREAM_FRAMES) {
			left = row[0];
			row[0] = page;
			at = 0;
		} else if (at == n) {
			row[n++] = page;
		}
		to_the_end(row, n, at);
		says(step, page, ask(&c, page), left);
	}
	cache_close(&c);
}
END_TEST

START_TEST(sieve_spares_used_pages_and_moves_on)
{
	struct cache c;

	cache_open(&c, BUFPOOL_SIEVE, 3);
	/* a loses its mark and stays the oldest. The hand is beyond it, and takes what is new. */
	tell(&c, "abcadef");
	has_left(&c, "bcd");
	tell(&c, "gh");
	has_left(&c, "bcdef");
	cache_close(&c);
}
END_TEST

START_TEST(sieve_starts_again_at_the_oldest)
{
	struct cache c;

	cache_open(&c, BUFPOOL_SIEVE, 3);
	tell(&c, "abcabcd");
	has_left(&c, "a");
	/* The hand is at b, whose mark is gone. */
	tell(&c, "ef");
	has_left(&c, "abc");
	cache_close(&c);
}
END_TEST

START_TEST(sieve_hand_survives_a_page_that_is_forgotten)
{
	struct cache c;

	cache_open(&c, BUFPOOL_SIEVE, 4);
	tell(&c, "abcdae");
	has_left(&c, "b");
	forget(&c, frame_of(&c, 'c')); /* the hand was here */
	tell(&c, "fg");
	has_left(&c, "bd");
	for (uint32_t i = 0; i < 3; i++)
		(void)evict(&c);
	(void)evict(&c);
	ck_assert_uint_eq(c.policy->ops->victim(c.policy, claim, &c), FRAME_NONE);
	tell(&c, "xyz");
	has_left(&c, "bd");
	cache_close(&c);
}
END_TEST

/* The same with an array, oldest first, and now and then a page that is forgotten. */
START_TEST(sieve_of_a_long_stream)
{
	uint32_t row[STREAM_FRAMES], n = 0, hand = 0;
	bool used[STREAM_PAGES] = {false};
	uint64_t state = check_seed();
	struct cache c;

	cache_open(&c, BUFPOOL_SIEVE, STREAM_FRAMES);
	for (uint32_t step = 0; step < STREAM_STEPS; step++) {
		uint32_t page = (uint32_t)(check_random(&state) % STREAM_PAGES), left = NO_PAGE;
		uint32_t at = where(row, n, page);

		if (at < n && check_random(&state) % 16 == 0) {
			forget(&c, frame_of(&c, page));
		} else if (at < n) {
			used[page] = true;
			at = n;
		} else if (n == STREAM_FRAMES) {
			for (at = hand % n; used[row[at]]; at = (at + 1) % n)
				used[row[at]] = false;
			left = row[at];
			hand = at;
		}
		if (at < n) {
			hand -= at < hand;
			to_the_end(row, n--, at);
			hand = hand >= n ? 0 : hand;
		}
		if (frame_of(&c, page) == FRAME_NONE && where(row, n, page) == n) {
			used[page] = false;
			row[n++] = page;
		}
		says(step, page, ask(&c, page), left);
	}
	cache_close(&c);
}
END_TEST

static uint64_t misses(const struct trace *t, enum bufpool_policy policy, uint32_t n_frames)
{
	uint64_t n = trace_replay(t, policy, n_frames);

	ck_assert_uint_ne(n, UINT64_MAX);
	return n;
}

/* n reads of pages by a rule; trace_free() frees them. */
static void trace_new(struct trace *t, size_t n, uint32_t n_pages)
{
	*t = (struct trace){.n = n, .n_reads = n, .n_pages = n_pages};
	t->accesses = calloc(n, sizeof(*t->accesses));
	ck_assert_ptr_nonnull(t->accesses);
}

static const enum bufpool_policy mine[] = {BUFPOOL_CLOCK, BUFPOOL_LRU, BUFPOOL_SIEVE};

START_TEST(loop_of_one_page_too_many_misses_every_time)
{
	struct trace t;

	trace_new(&t, 20 * 501, 501);
	for (size_t i = 0; i < t.n; i++)
		t.accesses[i].page = (uint32_t)(i % 501);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(misses(&t, mine[i], 500), t.n);
	/* The one that looks ahead reads 501 pages once, and one more in each round. */
	ck_assert_uint_le(trace_replay_optimum(&t, 500), 501 + 20);
	free(t.accesses);
}
END_TEST

START_TEST(optimum_is_never_beaten)
{
	uint64_t state = check_seed();
	struct trace t;

	trace_new(&t, 8000, 100);
	for (size_t i = 0; i < t.n; i++) {
		uint64_t r = check_random(&state);

		t.accesses[i].page = (uint32_t)(r >> 60 < 11 ? r % 20 : r % 100);
	}
	for (uint32_t n_frames = 10; n_frames <= 100; n_frames += 10) {
		uint64_t best = trace_replay_optimum(&t, n_frames);

		for (size_t i = 0; i < 3; i++)
			ck_assert_uint_ge(misses(&t, mine[i], n_frames), best);
		/* What LRU holds in n frames it holds in n + 1 too: no anomaly of Belady's. */
		ck_assert_uint_ge(misses(&t, BUFPOOL_LRU, n_frames),
			misses(&t, BUFPOOL_LRU, n_frames + 1));
	}
	/* Where there is room for all, each page is read once. */
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(misses(&t, mine[i], 100), trace_replay_optimum(&t, 100));
	free(t.accesses);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab2_policies");
	TCase *tc = tcase_create("policies");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, clock_takes_unused_pages_in_turn);
	tcase_add_test(tc, clock_gives_a_used_page_a_second_chance);
	tcase_add_test(tc, clock_of_used_pages_alone_goes_round_and_finds_one);
	tcase_add_test(tc, clock_offers_each_page_before_it_gives_up);
	tcase_add_test(tc, clock_of_a_long_stream);
	tcase_add_test(tc, lru_keeps_what_was_used_last);
	tcase_add_test(tc, lru_passes_a_pinned_page_over);
	tcase_add_test(tc, lru_of_a_long_stream);
	tcase_add_test(tc, sieve_spares_used_pages_and_moves_on);
	tcase_add_test(tc, sieve_starts_again_at_the_oldest);
	tcase_add_test(tc, sieve_hand_survives_a_page_that_is_forgotten);
	tcase_add_test(tc, sieve_of_a_long_stream);
	tcase_add_test(tc, loop_of_one_page_too_many_misses_every_time);
	tcase_add_test(tc, optimum_is_never_beaten);
	suite_add_tcase(s, tc);
	return check_main(s);
}
