/* SPDX-License-Identifier: MIT */
/* Joining, leaving and taking turns, by locks (members.h). */
#include "txn/members.h"
#include "base/error.h"
#include "io/io.h"

#include <pthread.h>
#include <string.h>

/* Beyond the lock of the file itself (db/open.c), and any page. */
#define LOCKS_OFF_BYTES ((UINT64_C(1) << 62) + 16)

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

/*
 * Whether somebody lives who has joined: then the board is filled in, and stays so while we hold
 * MEMBER. What it says of itself may be of long ago.
 */
static bool is_inhabited(struct members *m)
{
	uint64_t at_bytes;
	bool found;

	return file_find_lock(m->file, LOCK_EXCLUSIVE, LOCKS_OFF_BYTES + ALIVE, BOARD_MEMBERS_MAX,
		       &found, &at_bytes) == 0 &&
	       found;
}

/* Asks again and again, for what nobody tells: 0, VERSO_EBUSY after until_ns, or an error. */
static int lock_until(struct members *m, enum lock_kind kind, unsigned which, uint64_t until_ns)
{
	uint64_t pause_ns = PAUSE_NS_MIN;

	for (;;) {
		int rc = lock(m, kind, which);

		if (rc != VERSO_EBUSY || io_now_ns(m->file->io) >= until_ns)
			return rc;
		io_pause_ns(m->file->io, pause_ns);
		if (pause_ns < PAUSE_NS_MAX)
			pause_ns *= 2;
	}
}

/* --- joining and leaving ------------------------------------------------------------------- */

/* A number that no living member has; what its last owner left on the board goes. */
static int take_id(struct members *m)
{
	for (m->id = 0; m->id < BOARD_MEMBERS_MAX; m->id++) {
		int rc = lock(m, LOCK_EXCLUSIVE, ALIVE + m->id);

		if (rc == 0) {
			snapshots_forget(&m->board->snapshots, m->id);
			error_clear();
		}
		if (rc != VERSO_EBUSY)
			return rc;
	}
	return error_set(VERSO_EBUSY, "%u processes have the database open, more are not possible",
		BOARD_MEMBERS_MAX);
}

int members_join(struct members *m, struct file *file, struct board *board, uint64_t until_ns)
{
	*m = (struct members){.file = file, .board = board};
	for (;;) {
		int rc = lock(m, LOCK_EXCLUSIVE, MEMBER);

		if (rc == 0) {
			memset(board, 0, sizeof(*board));
			m->is_first = true;
			return take_id(m);
		}
		if (rc == VERSO_EBUSY)
			rc = lock_until(m, LOCK_SHARED, MEMBER, until_ns);
		if (rc < 0)
			return rc;
		if (atomic_load(&board->is_open) && is_inhabited(m))
			return take_id(m);
		/* Who was filling it in has died, or the last one has left just now. */
		unlock(m, MEMBER);
		if (io_now_ns(file->io) >= until_ns)
			return error_set(VERSO_EBUSY,
				"%s is being opened or closed by another process", file->path);
		io_pause_ns(file->io, PAUSE_NS_MIN);
	}
}

int members_ready(struct members *m)
{
	m->is_first = false;
	atomic_store(&m->board->is_open, 1);
	return lock(m, LOCK_SHARED, MEMBER);
}

void members_leave(struct members *m)
{
	snapshots_forget(&m->board->snapshots, m->id);
	unlock(m, ALIVE + m->id);
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
	static pthread_mutex_t sweeping = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&sweeping);
	for (unsigned id = 0; id < BOARD_MEMBERS_MAX; id++) {
		if (id == m->id || lock(m, LOCK_EXCLUSIVE, ALIVE + id) != 0)
			continue;
		snapshots_forget(&m->board->snapshots, id);
		unlock(m, ALIVE + id);
	}
	error_clear();
	pthread_mutex_unlock(&sweeping);
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
	return lock_until(m, LOCK_EXCLUSIVE, TURN, io_now_ns(m->file->io) + TRY_NS);
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
	return !is_held(m, MEMBER);
}

bool members_close_door(struct members *m)
{
	if (lock(m, LOCK_EXCLUSIVE, MEMBER) < 0) {
		unlock(m, MEMBER);
		error_clear();
		return false;
	}
	atomic_store(&m->board->is_open, 0);
	return true;
}
