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
 */
#ifndef TXN_MEMBERS_H
#define TXN_MEMBERS_H

#include "io/file.h"
#include "txn/board.h"

struct members {
	struct file *file;   /* its open file description has our locks; constant */
	struct board *board; /* constant */
	unsigned id;         /* ours; constant */
	bool is_first;       /* until members_ready() */
};

/*
 * Joins those that have `file` open, waiting until until_ns for one that is filling in the board.
 * is_first: nobody else has it open; the board is empty then, and ours to fill in. The caller has
 * made sure that `board` is the same memory in all of them. VERSO_EBUSY, I/O errors.
 */
int members_join(struct members *m, struct file *file, struct board *board, uint64_t until_ns);

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

/* Gives back the slots of members that have died. */
void members_sweep(struct members *m);

#endif
