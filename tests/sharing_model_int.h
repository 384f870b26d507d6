/* SPDX-License-Identifier: MIT */
/* The state of the model (sharing_model.h), and what its two files share. */
#ifndef TESTS_SHARING_MODEL_INT_H
#define TESTS_SHARING_MODEL_INT_H

#include "tests/explore.h"
#include "tests/sharing_model.h"

enum { PAGES = 3, WRITERS = 2, SLOTS = 2, SEQ_BITS = 4 };

#define IN_USE  0xff /* struct place, freed */
#define NOBODY  0xff
#define NOTHING 0 /* a generation: no snapshot, no page, an invalid meta */

/* id tells versions apart that a checksum and a generation cannot: no rule may look at it. */
struct version {
	uint8_t gen, id;
};

struct place {
	uint8_t birth, freed; /* IN_USE: the tree's; birth NOTHING: free */
};

struct meta {
	uint8_t gen, n_commit, root, root_id, one_flush;
	struct place places[PAGES];
};

/* A medium's content: what the page cache has, and what a power cut leaves. */
struct medium {
	struct version pages[PAGES];
	struct meta metas[SLOTS];
};

struct board {
	uint8_t is_known, is_dirty, in_session, next_gen, newest_slot;
	struct meta published;
};

enum writer_at {
	W_IDLE,
	W_LOOK,
	W_SYNC,
	W_RECOVER,
	W_SESSION_META,
	W_SESSION_FLUSH,
	W_BEGIN,
	W_SCAN_SLOTS,
	W_SCAN_ALL,
	W_SCAN_LOCKS,
	W_TAKE,
	W_PAGE,
	W_FLUSH_PAGES,
	W_META,
	W_FLUSH_META,
	W_PUBLISH,
	W_ACKNOWLEDGE,
	W_CLEAN,
	W_UNLOCK,
};

struct writer {
	uint8_t at, gen, page, slot, seen_slot, seen_lock, seen_all, knows, has_looked, has_page,
		has_meta;
	struct meta base; /* the state that it builds on */
};

enum reader_at {
	R_IDLE,
	R_LOOK,
	R_LOOK_1,
	R_HOLD,
	R_AGAIN,
	R_AGAIN_1,
	R_ALL,
	R_ALL_LOOK,
	R_ALL_LOOK_1,
	R_ALL_HOLD,
	R_ALL_GIVE,
	R_BOARD_LOOK,
	R_BOARD_HOLD,
	R_BOARD_AGAIN,
	R_READING,
};

struct reader {
	uint8_t at, held;  /* the generation in its slot, or under its lock */
	uint8_t holds_all; /* the lock of all */
	uint8_t by_board;  /* its state is what the board said */
	struct meta first, state;
};

/* Compared and hashed as bytes: uint8_t alone, so without holes. */
struct state {
	struct medium cache, disk;
	struct board board;
	struct writer writers[WRITERS];
	struct reader by_slot, by_lock;
	uint8_t turn; /* who has the writer lock */
	uint8_t next_id, acknowledged;
	uint8_t attempts_left, deaths_left, cuts_left;
};

struct model {
	struct bounds bounds;
	struct explorer explorer;
	const char *verdict; /* NULL: none failed */
	uint32_t failed;
};

static inline bool is_left_out(const struct model *m, enum rule rule)
{
	return m->bounds.left_out == rule;
}

/* A state that can follow. */
void model_found(struct model *m, const struct state *s);

/* The slot that is taken of these metas: the newest that is whole. */
unsigned model_newest(const struct state *s, const struct meta *metas, bool walks);

/* All that a reader can do next (sharing_readers.c). */
void model_slot_step(struct model *m, const struct state *from);
void model_lock_step(struct model *m, const struct state *from);

#endif
