/* SPDX-License-Identifier: MIT */
/* Where the space of a database goes. A part of verso.h, which includes it. */
#ifndef VERSO_SPACE_H
#define VERSO_SPACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct verso; /* an open database (verso.h) */

/* Counts are pages. What is in no tree is of the newest commit, as writers have it; what is in
 * trees, of the newest one that readers see. */
struct verso_space {
	size_t size; /* set it to sizeof(struct verso_space) before the call */

	uint32_t page_size;  /* bytes */
	uint64_t file_bytes; /* of the file now; a close may cut it */
	uint32_t n_pages;    /* of the newest commit */

	/* In trees. */
	uint32_t n_inner, n_leaf, n_overflow;
	uint64_t slack_bytes; /* of these pages, not used by records and references; see n_slack */
	uint32_t n_slack;     /* the same in pages */

	/* In none. */
	uint32_t n_free_space; /* bitmaps, their index, the list of pending pages, meta pages */
	uint32_t n_free;       /* to be used again at once */
	uint32_t n_pending;    /* freed, but not to be used again yet, */
	uint32_t n_held;       /* of these, what open readers may still see */
	uint32_t n_reserve;    /* of the free ones, what a full disk keeps for removals */

	/* The reader that sees the oldest state; 0 where there is none, or where something else
	 * than Verso has locked bytes of the file, or written into DB-lock: then all is held.
	 * Of one with VERSO_RDONLY in another process, which writes nothing down, pid and age are
	 * 0: not known. */
	uint64_t reader_gen;
	uint64_t reader_pid;
	uint64_t reader_age_ms; /* since it began */
	uint32_t n_reader_held; /* pending pages that it may see */

	char why[320]; /* a sentence for people: why the file is as large, and what shrinks it */
};

/*
 * Fills in *space, of which size is set. Reads the whole file once, past the cache, and before
 * that waits for its turn as a writer does: as long as a write transaction, of whatever process, is
 * open. VERSO_ECORRUPT, I/O errors, -ENOMEM, VERSO_EPOISONED, VERSO_EBUSY as of
 * verso_begin(). VERSO_EMISUSE: this thread has a write transaction open, for which the call
 * would wait forever. Any thread.
 */
int verso_space(struct verso *db, struct verso_space *space);

/* How much one call of verso_compact() may do, and what it did. */
struct verso_compact {
	size_t size; /* set it to sizeof(struct verso_compact) before the call */

	/* Limits; 0: none. The call ends soon after the first of them is reached. */
	uint64_t pages_max; /* that it writes, but for the path above each */
	uint64_t time_max_ms;

	uint64_t n_changed;  /* leaves that it wrote, and pages of long values that it moved */
	uint32_t n_pages;    /* of the newest commit, afterwards */
	uint64_t file_bytes; /* of the file, afterwards */
};

/*
 * Makes the file smaller, a step a call, while readers and writers go on: leaves that are partly
 * empty are filled from their neighbours, pages at the end of the file move towards its beginning,
 * and the file is cut when its end is free. Call it until it returns 0:
 *
 *	struct verso_compact c = {.size = sizeof(c), .pages_max = 1000, .time_max_ms = 50};
 *
 *	while ((rc = verso_compact(db, &c)) == VERSO_MORE)
 *		;
 *
 * limits: NULL for none, and no account. A step is a write transaction: it waits for the writer
 * before it, others wait for it, and it is durable as any commit. Where it goes on is remembered
 * until the close. What readers may still see stays where it is, and the file as long, until they
 * end. No record changes.
 *
 * 0: nothing more to do now. VERSO_MORE: there is. -EROFS, VERSO_EPOISONED, VERSO_ECORRUPT, I/O
 * errors, -ENOSPC: what was done before stays. VERSO_EMISUSE: this thread has a write transaction
 * open. Any thread. Costs: reads all tables, writes what moves, twice where it moves twice.
 */
int verso_compact(struct verso *db, struct verso_compact *limits);

#ifdef __cplusplus
}
#endif

#endif
