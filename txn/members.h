/* SPDX-License-Identifier: MIT */
/*
 * The processes that have one database open, and whose turn it is to write.
 *
 * All of it is locks of the database file, beyond any page: the kernel drops them with a process,
 * however it ends, and after its last transfer has ended. The protocol:
 * docs/several-processes.md.
 *
 *	MEMBER      shared while open; exclusively by who fills in the board, or leaves last
 *	QUEUE       by who waits for TURN, so that who has just given it up comes behind
 *	TURN        by the process that writes
 *	ALIVE + i   by member i
 *	PRESENT     shared: by everybody who has the file open; exclusively: by who has it alone
 *
 * One is a lock of the board's file:
 *
 *	USED        shared while it is the board; so nobody takes another one for it
 */
#ifndef TXN_MEMBERS_H
#define TXN_MEMBERS_H

#include "io/file.h"
#include "txn/board.h"

#include <pthread.h>

struct members {
	struct file *file;        /* its open file description has our locks; constant */
	struct file *side;        /* the board's file; constant */
	struct board *board;      /* constant */
	unsigned id;              /* ours; constant */
	pthread_mutex_t sweeping; /* held by the one thread that looks for dead members */
	bool is_first;            /* until members_ready() */
};

#define PRESENT_OFF_BYTES (UINT64_C(1) << 62)

/*
 * Joins those that have `file` open, waiting until until_ns for one that is filling in the board,
 * or for one to leave where BOARD_MEMBERS_MAX are there. is_first: nobody else has it open; the
 * board is empty then, and ours to fill in. board: the map of `side`, of which another file may
 * have the name by now, as of `file`: then it is refused. MEMBERS_FULL: no more can join.
 * VERSO_EBUSY, I/O errors.
 */
#define MEMBERS_FULL 2
int members_join(struct members *m, struct file *file, struct file *side, struct board *board,
	uint64_t until_ns);

/* Whether `side` is the board of others, now. */
bool members_use(struct file *side);

/* A member that lives, of those that have `file` open; false: there is none, or it is not known. */
bool members_find(struct file *file, unsigned *ret_id);

/* Whether some process has the turn, or keeps it from the others. */
bool members_turn_is_taken(struct file *file);

/* The board is filled in: others may come. */
int members_ready(struct members *m);

/* Ends what members_join() has begun. */
void members_leave(struct members *m);

/* Waits for the turn. */
int members_take_turn(struct members *m);

/* The same, for a short time only. VERSO_EBUSY. */
int members_try_turn(struct members *m);

void members_give_turn(struct members *m);

/* Whether another process waits for the turn. */
bool members_is_awaited(struct members *m);

/* Whether no other process has the database open. */
bool members_is_alone(struct members *m);

/*
 * With the turn, by who leaves: whether it is the last one. Then nobody comes in until it has left.
 * Else it counts as gone from now on, so that the next one with the turn may be the last.
 */
bool members_close_door(struct members *m);

/* Of `arg`, a struct members: whether that member's process lives. */
bool members_live(void *arg, unsigned id);

/*
 * For who may only read the file, and has joined nobody: waits until no process has the turn, and
 * keeps it from them.
 */
int members_hold_off(struct file *file);
void members_let_on(struct file *file);

/* Gives back the slots of members that have died. */
void members_sweep(struct members *m);

/*
 * Takes a lock of `file`, waiting for it until until_ns: after a kill -9 the kernel may still carry
 * out what the process had asked for, and holds its locks until then. VERSO_EBUSY.
 */
int lock_until(struct io *io, struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, uint64_t until_ns);

#endif
