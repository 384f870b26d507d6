/* SPDX-License-Identifier: MIT */
/*
 * The board: what the processes that have a database open tell each other, in memory that they
 * share. It is void after a power cut, and nothing on it is believed that the file contradicts.
 *
 * What stands above `snapshots` is written by the process whose turn it is to write, or that is
 * alone, and read by the next one. A turn that ended leaves the board CLEAN; one that is still open
 * when the next process has the turn belongs to a process that has died, and then only the file
 * counts.
 */
#ifndef TXN_BOARD_H
#define TXN_BOARD_H

#include "txn/snapshot.h"

enum board_turn {
	BOARD_CLEAN,    /* the last turn ended, and what stands here is so */
	BOARD_OPEN,     /* a turn has begun */
	BOARD_POISONED, /* a flush failed: nobody writes until all have closed */
};

struct board {
	_Atomic uint32_t is_open; /* it is filled in, and who finds it may join */
	_Atomic uint32_t turn;    /* enum board_turn */
	int32_t poison_code;
	uint32_t in_session;  /* the session's first meta is durable (T2) */
	uint32_t rolled_back; /* opening rejected a commit: a session begins before anything else */
	uint64_t n_turns;     /* how many have begun */
	gen_t durable_gen;    /* of the newest flushed meta */
	gen_t session_gen, next_gen;
	struct snapshots snapshots;
};

#define BOARD_MEMBERS_MAX 256U

#endif
