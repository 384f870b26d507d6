/* SPDX-License-Identifier: MIT */
/* What must happen often for a run of the sessions to mean anything, and its counts. */
#ifndef TESTS_CRASH_MARKS_H
#define TESTS_CRASH_MARKS_H

#include "tests/crash/crash.h"
#include "txn/txn.h"

enum session_mark {
	MARK_SPILLED,
	MARK_RECOPIED,
	MARK_LIST_PAGES,
	MARK_BITMAPS,
	MARK_CUTS,
	MARK_BATCH,
	MARK_DEAD,
	MARK_TAKE_OVER,
	MARK_POISONED,
	MARK_WRITE_FAILED,
	MARK_REUSED,
	MARK_READERS,
	MARK_ANSWERED,
	MARK_GROUPS,
	MARK_THREE_GROUPS,
	MARK_THREE_GROUPS_CUT,
	MARK_LARGE,
	MARK_GENERATIONS,
	MARK_PAGE_AGAIN,
	MARK_FULL,
	MARK_FULL_DELETES,
	MARK_DRAINED,
	MARK_COW,
	MARK_SAME_INCARNATION,
	MARK_MARK_CONSUMED,
	MARK_CARRIED,
	MARK_CREATION_DIED,
	MARK_CREATION_FAILED,
	MARK_CREATION_OPENED,
	MARK_CREATED_AGAIN,
	MARK_OPEN_CLEAN,
	MARK_OPEN_TWO,
	MARK_OPEN_WALKED,
	MARK_OPEN_ROLLED,
	MARK_OPEN_SHORT,
	MARK_OPEN_TORN,
	MARK_OPEN_NONE,
	SESSION_MARKS,
	PAYLOAD_MARKS_MAX = 20, /* that a payload may add behind these */
};

/* SESSION_MARKS of them filled in here, the payload's behind them. */
extern struct crash_mark session_marks[SESSION_MARKS + PAYLOAD_MARKS_MAX];

/* To be called around each opening, so that the ways of recovery are counted. */
void session_mark_slots(struct simdisk *d, const char *path, uint32_t page_size);
void session_mark_opened(struct txn_env *env);

#endif
