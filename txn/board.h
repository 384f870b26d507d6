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
 * of its layout is another format. But any program that may write the file can have written there,
 * so each read of it is judged; the table stands in txn/README.md ("What is not believed"). Where
 * the judgement is that it was overwritten, nobody writes until all have closed: a word of poison
 * may be what is lost.
 */
#ifndef TXN_BOARD_H
#define TXN_BOARD_H

#include "txn/snapshot.h"

#define BOARD_FORMAT      3U
#define BOARD_MEMBERS_MAX SNAPSHOT_MEMBERS

/* Words that no accident writes: any other is none of them. */
enum board_turn {
	BOARD_CLEAN = 0x6e61656c,    /* the last turn ended, and what stands here is so */
	BOARD_OPEN = 0x6e65706f,     /* a turn has begun */
	BOARD_POISONED = 0x6e6f7370, /* a flush failed: nobody writes until all have closed */
};

/* Who a member is, for people. Whether it lives, its lock says. */
struct board_member {
	uint64_t pid; /* in the member's own namespace */
	int64_t since_s;
	char program[32];
};

/* What is counted for who watches. */
enum board_count {
	BOARD_COMMITS, /* that joined */
	BOARD_GETS,
	BOARD_PEEKS,
	BOARD_MISSES,
	BOARD_READ_BYTES,
	BOARD_WRITE_BYTES,
	BOARD_COUNTS
};

/* What a member does, for who watches (activity.h). Relaxed: nothing is decided by it. */
struct board_activity {
	_Alignas(64) _Atomic uint64_t counts[BOARD_COUNTS]; /* since it joined */
	_Atomic uint64_t turn_since_ns;                     /* clock_coarse_ns(); 0: not its turn */
	_Atomic uint64_t write_since_ns; /* the same of an open write transaction; 0: none */
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
	uint64_t sum; /* of all above, while turn is not BOARD_OPEN */
};

struct board_head {
	_Atomic uint32_t is_open; /* BOARD_FORMAT: it is filled in, and who finds it may join */
	uint32_t pager;           /* enum verso_pager: of all members; constant while open */
	uint32_t is_buffered;     /* so are their transfers; constant while open */
	uint64_t sum;             /* of these two */
};

struct board {
	struct board_head head;
	struct board_left left;
	struct snapshots snapshots;
	struct board_member members[BOARD_MEMBERS_MAX];    /* each its own */
	_Atomic uint64_t past[BOARD_COUNTS];               /* of members that are no more */
	struct board_activity activity[BOARD_MEMBERS_MAX]; /* each its own */
};

/*
 * Calls fn, which touches a board that lies in a file, under a guard of its own: on a file system
 * that moves what is overwritten (Btrfs) a full disk is found by a store, as SIGBUS. False: so it
 * was; fn was left in the middle. fn takes no lock. fault_install() was called before. Any thread.
 */
typedef void board_fn(void *arg);
bool board_do(struct board *board, board_fn *fn, void *arg);

/*
 * A board lies on a file system that moves what is overwritten: from now on guards hold in threads
 * that block SIGBUS, too, for two system calls each.
 */
void board_expect_faults(void);

/*
 * Member `id` is no more, or not yet: its slots are given back, and its counts go to the past. By
 * who holds its lock; it touches the board.
 */
void board_forget(struct board *board, unsigned id);

/*
 * The turn ends so: first the checksum, then the word that makes it count. So whoever is killed
 * between leaves an open turn. It touches the board.
 */
void board_end_turn(struct board_left *left, enum board_turn turn);

/* The same for the head, of which is_open makes it count. */
void board_seal_head(struct board_head *head);

/* Whether these are what was sealed so, of copies. Else the board was overwritten. */
bool board_left_is_sound(const struct board_left *left);
bool board_head_is_sound(const struct board_head *head);

/* What it says, under such a guard, whatever that is. -ENOSPC: it cannot be read. */
int board_read_left(struct board *board, struct board_left *ret_left);

/* The same of the published state. VERSO_EIO: nobody published what stands there. */
int board_read_published(struct board *board, struct snapshot *ret_state);

/* -ENOSPC with a text, for what could not be written there; VERSO_EIO, for what was overwritten. */
int error_no_board(void);
int error_bad_board(void);

#endif
