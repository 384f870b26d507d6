/* SPDX-License-Identifier: MIT */
#include "txn/board.h"
#include "base/error.h"
#include "base/hash.h"
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

/* --- checksums ----------------------------------------------------------------------------- */

#define HEAD_SEED 1U
#define LEFT_SEED 2U

static uint64_t left_sum(const struct board_left *left, uint32_t turn)
{
	const uint64_t words[] = {turn, (uint32_t)left->poison_code, left->in_session,
		left->rolled_back, left->n_turns, left->durable_gen, left->session_gen,
		left->next_gen};

	return hash_bytes(words, sizeof(words), LEFT_SEED);
}

static uint64_t head_sum(const struct board_head *head)
{
	const uint32_t words[] = {head->pager, head->is_buffered};

	return hash_bytes(words, sizeof(words), HEAD_SEED);
}

void board_end_turn(struct board_left *left, enum board_turn turn)
{
	left->sum = left_sum(left, turn);
	atomic_store(&left->turn, turn);
}

bool board_left_is_sound(const struct board_left *left)
{
	return left->sum == left_sum(left, atomic_load(&left->turn));
}

void board_seal_head(struct board_head *head)
{
	head->sum = head_sum(head);
}

bool board_head_is_sound(const struct board_head *head)
{
	return head->sum == head_sum(head);
}

/* --- reading ------------------------------------------------------------------------------- */

struct reading {
	struct board *board;
	struct board_left *left;
	struct snapshot *state;
	bool is_sound;
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
	to->sum = from->sum;
}

static void read_published(void *arg)
{
	struct reading *r = arg;

	r->is_sound = published_get(&r->board->snapshots.published, r->state);
}

int board_read_left(struct board *board, struct board_left *ret_left)
{
	struct reading r = {.board = board, .left = ret_left};

	return board_do(board, read_left, &r) ? 0 : error_no_board();
}

int board_read_published(struct board *board, struct snapshot *ret_state)
{
	struct reading r = {.board = board, .state = ret_state};

	if (!board_do(board, read_published, &r))
		return error_no_board();
	return r.is_sound ? 0 : error_bad_board();
}

int error_no_board(void)
{
	return error_set(-ENOSPC,
		"the lock file beside the database cannot be written any more: the disk is full, "
		"or the file was cut. Make space, and open the database again");
}

int error_bad_board(void)
{
	return error_set(VERSO_EIO,
		"the lock file beside the database was overwritten by something else while it was "
		"open, so what processes tell each other there is not believed. What was committed "
		"is safe: close the database in all of them, then open it again");
}
