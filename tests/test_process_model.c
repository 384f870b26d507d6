/* SPDX-License-Identifier: MIT */
/* Commits that are written, not flushed, in a model of them: kept whole, and each rule left out. */
#include "tests/model_test.h"
#include "tests/process_model.h"

static const struct process_bounds kept[] = {
	{PROCESS_KEEP_ALL, 4, 1, 0},
	{PROCESS_KEEP_ALL, 3, 0, 1},
	{PROCESS_KEEP_ALL, 2, 1, 1},
	{PROCESS_KEEP_ALL, 1, 1, 2},
};

START_TEST(every_course_of_events_keeps_every_promise)
{
	const char *verdict;
	uint32_t n = process_model_run(&kept[_i], &verdict);

	printf("%u commits, %u deaths, %u power cuts: ", kept[_i].commits, kept[_i].deaths,
		kept[_i].cuts);
	model_kept(verdict, n, 5000);
}
END_TEST

static const struct {
	const char *name, *judgement;
	struct process_bounds bounds;
} left_out[] = {
	{"the meta is written before the pages", "P2", {META_BEFORE_PAGES, 2, 1, 0}},
	{"a bitmap is overwritten that an answered commit needs", "P2", {BITMAP_IN_PLACE, 3, 1, 0}},
	{"a bitmap is overwritten that the flushed state needs", "P", {BITMAP_FLIPS, 3, 0, 1}},
	{"slots take turns without a flush", "P", {SLOTS_TAKE_TURNS, 2, 0, 1}},
	{"what was freed is used again without a flush", "P", {FREED_IS_USED, 3, 0, 1}},
	{"readers are not looked for", "P1", {READERS_ARE_MISSED, 3, 0, 0}},
	{"a meta names what was written, not flushed, before it", "P2",
		{WRITTEN_IS_DURABLE, 2, 0, 1}},
	{"opening does not walk", "P3", {WALK_LEFT_OUT, 1, 0, 1}},
	{"who follows a dead writer does not sync", "P", {SYNC_LEFT_OUT, 2, 1, 1}},
	{"the turn is given without a flush", "P", {TURN_UNFLUSHED, 2, 0, 1}},
	{"who recovers goes on with the incarnation", "P3", {INCARNATION_KEPT, 3, 0, 2}},
};

START_TEST(each_rule_is_needed)
{
	const char *verdict;
	uint32_t n = process_model_run(&left_out[_i].bounds, &verdict);

	model_broke(verdict, n, left_out[_i].name, left_out[_i].judgement);
}
END_TEST

int main(void)
{
	return model_main("process_model", every_course_of_events_keeps_every_promise,
		sizeof(kept) / sizeof(kept[0]), each_rule_is_needed,
		sizeof(left_out) / sizeof(left_out[0]));
}
