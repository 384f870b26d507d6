/* SPDX-License-Identifier: MIT */
/*
 * The board: what the processes that have a database open tell each other, in memory that they
 * share. It is void after a power cut, and nothing on it is believed that the file contradicts.
 *
 * What stands above `snapshots` is written by the process whose turn it is to write, or that is
 * alone, and read by the next one. A turn that ended leaves the board CLEAN; one that is still open
 * when the next process has the turn belongs to a process that has died, and then only the file
 * counts.
 *
 * It lies in a file of which only this Verso and others of the same BOARD_FORMAT make use: a change
 * of its layout is another format.
 */
#ifndef TXN_BOARD_H
#define TXN_BOARD_H

#include "txn/snapshot.h"

#define BOARD_FORMAT      1U
#define BOARD_MEMBERS_MAX 256U

enum board_turn {
	BOARD_CLEAN,    /* the last turn ended, and what stands here is so */
	BOARD_OPEN,     /* a turn has begun */
	BOARD_POISONED, /* a flush failed: nobody writes until all have closed */
};

/* Who a member is, for people. Whether it lives, its lock says. */
struct board_member {
	uint64_t pid; /* in the member's own namespace */
	int64_t since_s;
	char program[32];
};

/* What a turn leaves to the next one. */
struct board_left {
	_Atomic uint32_t turn; /* enum board_turn */
	int32_t poison_code;
	uint32_t in_session;  /* the session's first meta is durable (T2) */
	uint32_t rolled_back; /* opening rejected a commit: a session begins before anything else */
	uint64_t n_turns;     /* how many have begun */
	gen_t durable_gen;    /* of the newest flushed meta */
	gen_t session_gen, next_gen;
};

struct board_head {
	_Atomic uint32_t is_open; /* BOARD_FORMAT: it is filled in, and who finds it may join */
	uint32_t pager;           /* enum verso_pager: of all members; constant while open */
	uint32_t is_buffered;     /* so are their transfers; constant while open */
};

struct board {
	struct board_head head;
	struct board_left left;
	struct snapshots snapshots;
	struct board_member members[BOARD_MEMBERS_MAX]; /* each its own */
};

/*
 * Calls fn, which touches a board that lies in a file, under a guard of its own: on a file system
 * that moves what is overwritten (Btrfs) a full disk is found by a store, as SIGBUS. False: so it
 * was; fn was left in the middle. fn takes no lock. fault_install() was called before. Any thread.
 */
typedef void board_fn(void *arg);
bool board_do(struct board *board, board_fn *fn, void *arg);

/* What it says, under such a guard. False: it cannot be read. */
bool board_read_left(struct board *board, struct board_left *ret_left);
bool board_read_published(struct board *board, struct snapshot *ret_state);

/* -ENOSPC with a text, for what could not be written there. */
int error_no_board(void);

#endif
