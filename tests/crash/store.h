/* SPDX-License-Identifier: MIT */
/*
 * The small store: 32 numbers on four pages of two sectors each, so that a page can tear. It shows
 * what a commit protocol owes to the way in which its pages reach the file. The library has settled
 * that for good (shadow paging): writing in place, with a log or without one, is here only.
 *
 * One file of STORE_PLACES places, and one log. Where a page lies, how it may be changed, and how a
 * change becomes durable is a `struct protocol`. How a change reaches the file is the memory:
 *
 *	STORE_POOL	frames of the process; only store_write() reaches the file
 *	STORE_MAP	the file itself, mapped: the kernel may write at any time what is stored.
 *			On the simulated disk a store is a write from that moment on, pending until
 *			a sync, which is exactly what the kernel may make of it
 *	STORE_COPIED	a private map: copied when it is stored to, so the file sees a pool
 */
#ifndef TESTS_CRASH_STORE_H
#define TESTS_CRASH_STORE_H

#include "io/file.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_PAGES        4U
#define STORE_PAGE_BYTES   1024U
#define STORE_PAGE_NUMBERS 8U
#define STORE_NUMBERS      (STORE_PAGES * STORE_PAGE_NUMBERS)
#define STORE_PLACES       10U
#define STORE_LOG_BYTES    (512U + STORE_PAGES * STORE_PAGE_BYTES)

enum store_memory { STORE_POOL, STORE_MAP, STORE_COPIED, STORE_MEMORIES };

/* What comes next: for those who want to know where a power cut struck. */
enum store_step {
	STEP_EDIT,
	STEP_LOG_WRITE,
	STEP_LOG_FLUSH,
	STEP_PAGE_WRITE,
	STEP_PAGE_FLUSH,
	STEP_META_WRITE,
	STEP_META_FLUSH,
	STEP_ACKNOWLEDGED,
	STORE_STEPS
};

struct store;

struct protocol {
	const char *name;

	/* After opening: memory becomes the newest committed state, which is durable then; the file
	 * is repaired. 0 or < 0. */
	int (*recover)(struct store *s);

	/* The place where this page may be changed now; its bytes are the page's. < 0: error. */
	int (*touch)(struct store *s, unsigned page);

	/* What was touched becomes durable, all of it or nothing. 0 or < 0. */
	int (*commit)(struct store *s);
};

struct store {
	const struct protocol *protocol;
	enum store_memory kind;
	struct file *file, *log;
	uint8_t memory[STORE_PLACES][STORE_PAGE_BYTES]; /* by place */
	unsigned where[STORE_PAGES];                    /* the place of each page now */
	bool touched[STORE_PAGES];                      /* since the last commit */
	uint64_t sequence;                              /* of the last commit; the protocol's */
	unsigned committed[STORE_PAGES];                /* the place of each page at that commit */
	void (*on_step)(void *arg, enum store_step step); /* before each; NULL: nobody listens */
	void *on_step_arg;
};

extern const struct protocol protocol_none;   /* in place, without a log: not safe anywhere */
extern const struct protocol protocol_log;    /* in place, a redo log of pages before it */
extern const struct protocol protocol_shadow; /* elsewhere, then one of two meta pages */

/* Each stands in store_<name>.c. A recovery flushes before it believes what it reads: a process may
 * have died without a power cut, and what it wrote is then visible, but not durable. */

/* Makes a store of zeros where there is none: whole, or not at all. */
int store_create(struct io *io);

/* 0: open. 1: there is none. < 0. *s is the caller's memory; store_close() takes it however far the
 * opening came, once it was zeroed. */
int store_open(struct store *s, struct io *io, const struct protocol *p, enum store_memory kind);
void store_close(struct store *s);

uint64_t store_get(const struct store *s, unsigned i);
int store_set(struct store *s, unsigned i, uint64_t value);
int store_commit(struct store *s);

/* --- what a protocol is made of -------------------------------------------------------------- */

/* In words: "page write". */
const char *store_step_name(enum store_step step);

/* This comes next. */
void store_step(struct store *s, enum store_step next);

/* memory[place] was changed. */
int store_changed(struct store *s, unsigned place);

/* Writes memory[place] to its place in the file; of a map it is there already. */
int store_write(struct store *s, unsigned place);

/* What was written is durable. */
int store_sync(struct store *s);

/* The file's bytes of one place, into memory. */
int store_read(struct store *s, unsigned place);

/* memory[to] becomes a copy of memory[from]. */
int store_copy(struct store *s, unsigned to, unsigned from);

/* Every page lies in the place of its own number: reads them all. */
int store_read_in_place(struct store *s);

/* Writes the pages that were touched to where they are now, and makes them durable. */
int store_write_touched(struct store *s);

/* STORE_LOG_BYTES at the beginning of the log, which is the only record in it. */
int store_log_write(struct store *s, const uint8_t *bytes);
int store_log_sync(struct store *s);
int store_log_read(struct store *s, uint8_t *bytes);

#endif
