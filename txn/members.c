/* SPDX-License-Identifier: MIT */
/* Joining, leaving and taking turns, by locks (members.h). */
#include "txn/members.h"
#include "base/error.h"
#include "io/io.h"

#include <pthread.h>
#include <string.h>

/* Beyond any page. */
#define LOCKS_OFF_BYTES (PRESENT_OFF_BYTES + 16)
#define USED_OFF_BYTES  (UINT64_C(1) << 61) /* an older Verso locks all up to 2^62 */

enum { MEMBER, QUEUE, TURN, ALIVE = 0x1000 };

#define PAUSE_NS_MIN UINT64_C(1000000)
#define PAUSE_NS_MAX UINT64_C(20000000)
#define TRY_NS       UINT64_C(200000000)

static int lock(struct members *m, enum lock_kind kind, unsigned which)
{
	return file_lock(m->file, kind, LOCKS_OFF_BYTES + which, 1);
}

static int wait_lock(struct members *m, enum lock_kind kind, unsigned which)
{
	return file_wait_lock(m->file, kind, LOCKS_OFF_BYTES + which, 1);
}

/* Cannot fail: what is given up is the own. */
static void unlock(struct members *m, unsigned which)
{
	(void)lock(m, LOCK_NONE, which);
}

/* Whether another one has it in a way that an exclusive lock would meet. On an error: yes. */
static bool is_held(struct members *m, unsigned which)
{
	uint64_t at_bytes;
	bool found;

	return file_find_lock(m->file, LOCK_EXCLUSIVE, LOCKS_OFF_BYTES + which, 1, &found,
		       &at_bytes) < 0 ||
	       found;
}

bool members_find(struct file *file, unsigned *ret_id)
{
	uint64_t at_bytes;
	bool found;

	if (file_find_lock(file, LOCK_EXCLUSIVE, LOCKS_OFF_BYTES + ALIVE, BOARD_MEMBERS_MAX, &found,
		    &at_bytes) < 0 ||
		!found)
		return false;
	*ret_id = (unsigned)(at_bytes - LOCKS_OFF_BYTES - ALIVE);
	return true;
}

bool members_use(struct file *side)
{
	uint64_t at_bytes;
	bool found;

	return file_find_lock(side, LOCK_EXCLUSIVE, USED_OFF_BYTES, 1, &found, &at_bytes) == 0 &&
	       found;
}

bool members_turn_is_taken(struct file *file)
{
	return is_held(&(struct members){.file = file}, TURN);
}

/* Who we are, for people. */
static void sign(struct members *m)
{
	struct board_member *own = &m->board->members[m->id];
	struct io_self self;

	io_self(m->file->io, &self);
	own->pid = self.pid;
	own->since_s = self.now_s;
	memcpy(own->program, self.program, sizeof(own->program));
}

/* Asks again and again: nobody tells. */
int lock_until(struct io *io, struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, uint64_t until_ns)
{
	uint64_t pause_ns = PAUSE_NS_MIN;

	for (;;) {
		int rc = file_lock(file, kind, off_bytes, len_bytes);

		if (rc != VERSO_EBUSY || io_now_ns(io) >= until_ns)
			return rc;
		io_pause_ns(io, pause_ns);
		if (pause_ns < PAUSE_NS_MAX)
			pause_ns *= 2;
	}
}

/* --- joining and leaving ------------------------------------------------------------------- */

static void enter(void *arg)
{
	struct members *m = arg;

	board_forget(m->board, m->id);
	sign(m);
}

static void forget_own(void *arg)
{
	struct members *m = arg;

	board_forget(m->board, m->id);
}

/* A number that no living member has; what its last owner left on the board goes. MEMBERS_FULL. */
static int try_id(struct members *m)
{
	for (m->id = 0; m->id < BOARD_MEMBERS_MAX; m->id++) {
		int rc = lock(m, LOCK_EXCLUSIVE, ALIVE + m->id);

		if (rc == VERSO_EBUSY)
			continue;
		if (rc == 0) {
			error_clear();
			if (!board_do(m->board, enter, m))
				rc = error_no_board();
		}
		return rc;
	}
	return MEMBERS_FULL;
}

/* Nobody tells that it leaves. Whoever waits has MEMBER, so none of those is the last. */
static int take_id(struct members *m, uint64_t until_ns)
{
	uint64_t pause_ns = PAUSE_NS_MIN;

	for (;;) {
		int rc = try_id(m);

		if (rc != MEMBERS_FULL || io_now_ns(m->file->io) >= until_ns)
			return rc;
		io_pause_ns(m->file->io, pause_ns);
		if (pause_ns < PAUSE_NS_MAX)
			pause_ns *= 2;
	}
}

static void clear_board(void *arg)
{
	memset(arg, 0, sizeof(struct board));
}

/* The board cannot be had now, but perhaps later. */
#define NOT_YET 1

/* MEMBER is ours alone, so nobody has this file open; but others may have one of its name. */
static int begin_board(struct members *m, uint64_t until_ns)
{
	int rc = file_lock(m->side, LOCK_EXCLUSIVE, USED_OFF_BYTES, 1);

	if (rc < 0)
		return rc == VERSO_EBUSY ? NOT_YET : rc;
	if (!board_do(m->board, clear_board, m->board))
		return error_no_board();
	m->is_first = true;
	return take_id(m, until_ns);
}

struct format {
	struct board *board;
	uint32_t value;
};

static void read_format(void *arg)
{
	struct format *f = arg;

	f->value = atomic_load(&f->board->head.is_open);
}

static uint32_t board_format(struct members *m)
{
	struct format f = {m->board, 0};

	(void)board_do(m->board, read_format, &f);
	return f.value;
}

/*
 * MEMBER is ours too, so whoever was here stays until we give it up. But is this their board? What
 * it says of itself may be of long ago.
 */
static int join_board(struct members *m, uint64_t until_ns)
{
	int rc = file_lock(m->side, LOCK_SHARED, USED_OFF_BYTES, 1);

	return rc < 0 ? rc : take_id(m, until_ns);
}

static int enter_board(struct members *m, uint64_t until_ns)
{
	int rc = lock_until(m->file->io, m->file, LOCK_SHARED, LOCKS_OFF_BYTES + MEMBER, 1,
		until_ns);
	unsigned id;

	if (rc < 0)
		return rc;
	if (board_format(m) != BOARD_FORMAT || !members_use(m->side) || !members_find(m->file, &id))
		return NOT_YET;
	return join_board(m, until_ns);
}

static int error_not_joined(struct members *m)
{
	uint32_t format = board_format(m);
	unsigned id;

	if (members_use(m->side) && !members_find(m->file, &id))
		return error_set(VERSO_EBUSY,
			"%s is in use for another file of the name %s, which was removed or "
			"replaced: end the processes that have that one open",
			m->side->path, m->file->path);
	if (members_use(m->side) && format != BOARD_FORMAT && format != 0)
		return error_set(VERSO_EBUSY,
			"%s is in use by a process with another version of Verso: end it, or use "
			"its version",
			m->file->path);
	if (members_find(m->file, &id))
		return error_set(VERSO_EBUSY,
			"%s is in use, and %s was removed or replaced since: end the processes "
			"that have the database open, then open it again",
			m->file->path, m->side->path);
	return error_set(VERSO_EBUSY, "%s is being opened or closed by another process",
		m->file->path);
}

int members_join(struct members *m, struct file *file, struct file *side, struct board *board,
	uint64_t until_ns)
{
	*m = (struct members){.file = file, .side = side, .board = board};
	(void)pthread_mutex_init(&m->sweeping, NULL);
	for (;;) {
		int rc = lock(m, LOCK_EXCLUSIVE, MEMBER);

		if (rc == 0)
			rc = begin_board(m, until_ns);
		else if (rc == VERSO_EBUSY)
			rc = enter_board(m, until_ns);
		if (rc != NOT_YET)
			return rc;
		/* Who was filling it in has died, the last one has left just now, or the board is
		 * another file's. */
		unlock(m, MEMBER);
		if (io_now_ns(file->io) >= until_ns)
			return error_not_joined(m);
		io_pause_ns(file->io, PAUSE_NS_MIN);
	}
}

static void open_board(void *arg)
{
	struct board *board = arg;

	atomic_store(&board->head.is_open, BOARD_FORMAT);
}

int members_ready(struct members *m)
{
	int rc = file_lock(m->side, LOCK_SHARED, USED_OFF_BYTES, 1);

	if (rc < 0)
		return rc;
	m->is_first = false;
	if (!board_do(m->board, open_board, m->board))
		return error_no_board();
	return lock(m, LOCK_SHARED, MEMBER);
}

void members_leave(struct members *m)
{
	(void)board_do(m->board, forget_own, m); /* or its death will do */
	unlock(m, ALIVE + m->id);
	(void)file_lock(m->side, LOCK_NONE, USED_OFF_BYTES, 1);
	unlock(m, MEMBER);
}

bool members_live(void *arg, unsigned id)
{
	struct members *m = arg;

	return id == m->id || is_held(m, ALIVE + id);
}

/*
 * One thread at a time: locks are a process's, and a number that one has given back may be taken.
 */
void members_sweep(struct members *m)
{
	pthread_mutex_lock(&m->sweeping);
	for (unsigned id = 0; id < BOARD_MEMBERS_MAX; id++) {
		if (id == m->id || lock(m, LOCK_EXCLUSIVE, ALIVE + id) != 0)
			continue;
		(void)board_do(m->board, forget_own,
			&(struct members){.board = m->board, .id = id});
		unlock(m, ALIVE + id);
	}
	error_clear();
	pthread_mutex_unlock(&m->sweeping);
}

/* --- the turn ------------------------------------------------------------------------------ */

int members_take_turn(struct members *m)
{
	int rc = wait_lock(m, LOCK_EXCLUSIVE, QUEUE);

	if (rc < 0)
		return rc;
	rc = wait_lock(m, LOCK_EXCLUSIVE, TURN);
	unlock(m, QUEUE);
	return rc;
}

int members_try_turn(struct members *m)
{
	return lock_until(m->file->io, m->file, LOCK_EXCLUSIVE, LOCKS_OFF_BYTES + TURN, 1,
		io_now_ns(m->file->io) + TRY_NS);
}

int members_hold_off(struct file *file)
{
	int rc = file_wait_lock(file, LOCK_SHARED, LOCKS_OFF_BYTES + QUEUE, 1);

	if (rc < 0)
		return rc;
	rc = file_wait_lock(file, LOCK_SHARED, LOCKS_OFF_BYTES + TURN, 1);
	(void)file_lock(file, LOCK_NONE, LOCKS_OFF_BYTES + QUEUE, 1);
	return rc;
}

void members_let_on(struct file *file)
{
	(void)file_lock(file, LOCK_NONE, LOCKS_OFF_BYTES + TURN, 1);
}

void members_give_turn(struct members *m)
{
	unlock(m, TURN);
}

bool members_is_awaited(struct members *m)
{
	return is_held(m, QUEUE);
}

bool members_is_alone(struct members *m)
{
	uint64_t at_bytes;
	bool found;

	/* PRESENT and MEMBER, and nothing between them. */
	return file_find_lock(m->file, LOCK_EXCLUSIVE, PRESENT_OFF_BYTES,
		       LOCKS_OFF_BYTES + MEMBER + 1 - PRESENT_OFF_BYTES, &found, &at_bytes) == 0 &&
	       !found;
}

static void close_board(void *arg)
{
	struct board *board = arg;

	atomic_store(&board->head.is_open, 0);
}

bool members_close_door(struct members *m)
{
	if (lock(m, LOCK_EXCLUSIVE, MEMBER) < 0) {
		(void)file_lock(m->side, LOCK_NONE, USED_OFF_BYTES, 1);
		unlock(m, MEMBER);
		error_clear();
		return false;
	}
	(void)board_do(m->board, close_board, m->board); /* whoever comes first clears it */
	return true;
}
