/* SPDX-License-Identifier: MIT */
/* The protocol of several processes, in a model of it: kept whole, and with each rule left out. */
#include "tests/model_test.h"
#include "tests/sharing_model.h"

static const struct bounds kept[] = {
	{KEEP_ALL, false, 1, 0, 0, BOTH},
	{KEEP_ALL, false, 3, 0, 0, SLOT},
	{KEEP_ALL, false, 3, 0, 0, LOCK},
	{KEEP_ALL, false, 2, 1, 1, SLOT},
	{KEEP_ALL, true, 1, 0, 0, BOTH},
	{KEEP_ALL, true, 3, 0, 0, LOCK},
	{KEEP_ALL, true, 2, 1, 1, SLOT},
	{KEEP_ALL, false, 3, 0, 0, LOCK_ALL},
	{KEEP_ALL, true, 3, 0, 0, LOCK_ALL},
	{KEEP_ALL, false, 2, 1, 0, LOCK | LOCK_ALL},
	{KEEP_ALL, false, 3, 0, 0, BOARD_LOCK},
	{KEEP_ALL, true, 2, 1, 1, BOARD_LOCK},
};

START_TEST(every_interleaving_keeps_every_promise)
{
	const char *verdict;
	uint32_t n = model_run(&kept[_i], &verdict);

	printf("%s flush, %u attempts, %u deaths, %u power cuts: ",
		kept[_i].one_flush ? "one" : "two", kept[_i].attempts, kept[_i].deaths,
		kept[_i].cuts);
	model_kept(verdict, n, 10000);
}
END_TEST

static const struct {
	const char *name, *judgement;
	struct bounds bounds;
} left_out[] = {
	{"a reader with a slot looks once", "J1", {NO_SECOND_LOOK_SLOT, false, 3, 0, 0, SLOT}},
	{"a reader with a lock looks once", "J1", {NO_SECOND_LOOK_LOCK, false, 3, 0, 0, LOCK}},
	{"the writer does not look at slots", "J1", {NO_SCAN_OF_SLOTS, false, 3, 0, 0, SLOT}},
	{"the writer does not look at locks", "J1", {NO_SCAN_OF_LOCKS, false, 3, 0, 0, LOCK}},
	{"the writer looks before it has its turn", "J1", {SCAN_BEFORE_TURN, false, 3, 0, 0, SLOT}},
	{"who follows a dead writer does not recover", "J", {NO_TAKE_OVER, false, 3, 1, 1, 0}},
	{"who recovers does not sync first", "J", {SYNC_FORGOTTEN, false, 3, 1, 1, 0}},
	{"who recovers goes on with the incarnation", "J3", {SAME_INCARNATION, true, 3, 1, 1, 0}},
	{"the incarnation is not made durable", "J3", {INCARNATION_IN_MEMORY, true, 3, 1, 2, 0}},
	{"each process counts its own generations", "J", {OWN_SEQUENCE, true, 3, 1, 1, 0}},
	{"a process goes on from the state that it knew", "J",
		{OLD_STATE_KEPT, false, 3, 0, 0, SLOT}},
	{"a state is published before its flush", "J4", {PUBLISH_UNFLUSHED, false, 2, 0, 0, SLOT}},
	{"a reader with a lock does not walk", "J1", {NO_WALK_BY_LOCK, true, 2, 0, 0, LOCK}},
	{"who recovers does not walk", "J3", {NO_WALK_AT_OPENING, true, 2, 0, 1, 0}},
	{"a member with a lock looks once", "J1",
		{NO_SECOND_LOOK_LOCK, false, 3, 0, 0, BOARD_LOCK}},
	{"the writer does not look for members' locks", "J1",
		{NO_SCAN_OF_LOCKS, false, 3, 0, 0, BOARD_LOCK}},
	{"the writer does not look for the lock of all", "J1",
		{ALL_NOT_LOOKED_FOR, false, 3, 0, 0, LOCK_ALL}},
	{"the writer looks for the lock of all last", "J1",
		{ALL_LOOKED_FOR_LAST, false, 3, 0, 0, LOCK_ALL}},
	{"the lock of all is given before another is taken", "J1",
		{ALL_GIVEN_FIRST, false, 3, 0, 0, LOCK_ALL}},
	{"the lock of all is taken after the look", "J1",
		{ALL_TAKEN_LATE, false, 3, 0, 0, LOCK_ALL}},
};

START_TEST(each_rule_is_needed)
{
	const char *verdict;
	uint32_t n = model_run(&left_out[_i].bounds, &verdict);

	model_broke(verdict, n, left_out[_i].name, left_out[_i].judgement);
}
END_TEST

int main(void)
{
	return model_main("sharing_model", every_interleaving_keeps_every_promise,
		sizeof(kept) / sizeof(kept[0]), each_rule_is_needed,
		sizeof(left_out) / sizeof(left_out[0]));
}
