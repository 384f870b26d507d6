/* SPDX-License-Identifier: MIT */
#include "txn/board.h"
#include "base/error.h"
#include "io/fault.h"

#include <errno.h>

static atomic_bool expects_faults;

void board_expect_faults(void)
{
	atomic_store(&expects_faults, true);
}

static bool do_guarded(struct board *board, board_fn *fn, void *arg)
{
	struct fault_guard guard;

	if (sigsetjmp(guard.env, 0) != 0)
		return false;
	fault_enter(&guard, board, sizeof(*board));
	fn(arg);
	fault_leave(&guard);
	return true;
}

bool board_do(struct board *board, board_fn *fn, void *arg)
{
	bool was_blocked =
		atomic_load_explicit(&expects_faults, memory_order_relaxed) && fault_unblock();
	bool is_done = do_guarded(board, fn, arg);

	if (was_blocked)
		fault_block();
	return is_done;
}

void board_forget(struct board *board, unsigned id)
{
	struct board_activity *activity = &board->activity[id];

	snapshots_forget(&board->snapshots, id);
	for (unsigned i = 0; i < BOARD_COUNTS; i++)
		atomic_fetch_add(&board->past[i], atomic_exchange(&activity->counts[i], 0));
	atomic_store(&activity->turn_since_ns, 0);
	atomic_store(&activity->write_since_ns, 0);
}

struct reading {
	struct board *board;
	struct board_left *left;
	struct snapshot *state;
};

static void read_left(void *arg)
{
	const struct reading *r = arg;
	struct board_left *from = &r->board->left, *to = r->left;

	atomic_store(&to->turn, atomic_load(&from->turn));
	to->poison_code = from->poison_code;
	to->in_session = from->in_session;
	to->rolled_back = from->rolled_back;
	to->n_turns = from->n_turns;
	to->durable_gen = from->durable_gen;
	to->session_gen = from->session_gen;
	to->next_gen = from->next_gen;
}

static void read_published(void *arg)
{
	const struct reading *r = arg;

	published_get(&r->board->snapshots.published, r->state);
}

bool board_read_left(struct board *board, struct board_left *ret_left)
{
	struct reading r = {.board = board, .left = ret_left};

	return board_do(board, read_left, &r);
}

bool board_read_published(struct board *board, struct snapshot *ret_state)
{
	struct reading r = {.board = board, .state = ret_state};

	return board_do(board, read_published, &r);
}

int error_no_board(void)
{
	return error_set(-ENOSPC,
		"the lock file beside the database cannot be written any more: the disk is full, "
		"or the file was cut. Make space, and open the database again");
}
