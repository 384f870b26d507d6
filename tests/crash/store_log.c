/* SPDX-License-Identifier: MIT */
/*
 * Lab 6b: a redo log of pages.
 *
 * Pages stay in their places. Before any of them is written, a record of all that changed, as it
 * will be, is made durable in the log: that is the commit. After a crash, a record that is whole is
 * written to the pages again ("redo"): once or twice, the result is the same.
 *
 * Invariants:
 *
 *	1. No page is written before the record that has it is durable.
 *	2. The record is not written over before the pages that it has are durable.
 *
 * The record begins at byte 0 of the log, and takes all of it; numbers little-endian:
 *
 *	  0 checksum of all that follows
 *	  8 which pages it has: bit n is page n
 *	 16 sequence: the number of the commit, from 1
 *	512 the pages, page n at 512 + 1024 n; zeros for those it does not have
 */
#include "tests/crash/store.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <string.h>

#define RECORD_PAGES 512U /* where the pages begin */

/* Whether these bytes are a record as record_fill() made it: not torn, not empty. */
static bool record_is_whole(const uint8_t *record)
{
	/* LAB 6.7 begin: compute the checksum again and compare */
	return le64_get(record) == hash_bytes(record + 8, STORE_LOG_BYTES - 8, 0);
	/* LAB 6.7 end: LAB_TODO_VOID("6.7"); */
}

/* Writes again the pages that a whole record has, to memory and to the file, and flushes them. */
static int log_redo(struct store *s, const uint8_t *record)
{
	/* LAB 6.8 begin: for each page of the mask: memory, store_changed(), store_write() */
	uint64_t mask = le64_get(record + 8);
	int rc = 0;

	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++) {
		if (!(mask >> page & 1))
			continue;
		memcpy(s->memory[page], record + RECORD_PAGES + page * STORE_PAGE_BYTES,
			STORE_PAGE_BYTES);
		rc = store_changed(s, page);
		if (rc == 0)
			rc = store_write(s, page);
	}
	s->sequence = le64_get(record + 16);
	return rc ? rc : store_sync(s);
	/* LAB 6.8 end: return LAB_TODO("6.8"); */
}

/* See store.h, recover. */
static int log_recover(struct store *s)
{
	/* LAB 6.9 begin: flush the log, read it and the pages; redo what is whole */
	uint8_t record[STORE_LOG_BYTES];
	int rc = store_log_sync(s);

	if (rc == 0)
		rc = store_log_read(s, record);
	if (rc == 0)
		rc = store_read_in_place(s);
	if (rc)
		return rc;
	return record_is_whole(record) ? log_redo(s, record) : store_sync(s);
	/* LAB 6.9 end: return LAB_TODO("6.9"); */
}

static int log_touch(struct store *s, unsigned page)
{
	return (int)s->where[page];
}

/* Makes the record of what was touched, with its checksum. */
static void record_fill(const struct store *s, uint8_t *record, uint64_t sequence)
{
	/* LAB 6.10 begin: begin with zeros; pages, mask, sequence; the checksum comes last */
	uint64_t mask = 0;

	memset(record, 0, STORE_LOG_BYTES);
	for (unsigned page = 0; page < STORE_PAGES; page++)
		if (s->touched[page]) {
			mask |= UINT64_C(1) << page;
			memcpy(record + RECORD_PAGES + page * STORE_PAGE_BYTES, s->memory[page],
				STORE_PAGE_BYTES);
		}
	le64_set(record + 8, mask);
	le64_set(record + 16, sequence);
	le64_set(record, hash_bytes(record + 8, STORE_LOG_BYTES - 8, 0));
	/* LAB 6.10 end: LAB_TODO_VOID("6.10"); */
}

/* See store.h, commit. */
static int log_commit(struct store *s)
{
	/* LAB 6.11 begin: record, flush of the log; then store_write_touched() */
	uint8_t record[STORE_LOG_BYTES];
	int rc;

	record_fill(s, record, s->sequence + 1);
	store_step(s, STEP_LOG_WRITE);
	rc = store_log_write(s, record);
	store_step(s, STEP_LOG_FLUSH);
	if (rc == 0)
		rc = store_log_sync(s); /* this is the commit */
	if (rc)
		return rc;
	s->sequence++;
	return store_write_touched(s);
	/* LAB 6.11 end: return LAB_TODO("6.11"); */
}

const struct protocol protocol_log = {
	.name = "log",
	.recover = log_recover,
	.touch = log_touch,
	.commit = log_commit,
};
