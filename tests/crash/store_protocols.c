/* SPDX-License-Identifier: MIT */
/*
 * Three commit protocols on one page. Each recovery syncs before it believes what it reads: a
 * process may have died without a power cut, and what it wrote is then visible but not durable.
 */
#include "tests/crash/store.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>

/* --- none: in place, no log ------------------------------------------------------------------ */

static int read_in_place(struct store *s)
{
	int rc = 0;

	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++) {
		s->where[page] = s->committed[page] = page;
		rc = store_read(s, page);
	}
	return rc;
}

static int write_touched(struct store *s)
{
	int rc = 0;

	store_step(s, STEP_PAGE_WRITE);
	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++)
		if (s->touched[page])
			rc = store_write(s, s->where[page]);
	store_step(s, STEP_PAGE_FLUSH);
	return rc ? rc : store_sync(s);
}

static int none_recover(struct store *s)
{
	int rc = store_sync(s);

	return rc ? rc : read_in_place(s);
}

static int in_place(struct store *s, unsigned page)
{
	return (int)s->where[page];
}

const struct protocol protocol_none = {
	.name = "none",
	.recover = none_recover,
	.touch = in_place,
	.commit = write_touched,
};

/* --- log: a record of the pages as they will be, durable before any of them is written ------- */

/*
 * The record, at the beginning of the log, over the one before, whose pages are durable by then:
 *
 *	 0 checksum of what follows, 8 which pages, 16 sequence; at 512 the pages, by number
 */
static void log_seal(uint8_t *record)
{
	le64_set(record, hash_bytes(record + 8, STORE_LOG_BYTES - 8, 0));
}

static bool log_is_whole(const uint8_t *record)
{
	return le64_get(record) == hash_bytes(record + 8, STORE_LOG_BYTES - 8, 0);
}

static int log_commit(struct store *s)
{
	uint8_t record[STORE_LOG_BYTES] = {0};
	uint64_t mask = 0;
	int rc;

	for (unsigned page = 0; page < STORE_PAGES; page++)
		if (s->touched[page]) {
			mask |= UINT64_C(1) << page;
			memcpy(record + 512 + page * STORE_PAGE_BYTES, s->memory[page],
				STORE_PAGE_BYTES);
		}
	le64_set(record + 8, mask);
	le64_set(record + 16, ++s->sequence);
	log_seal(record);
	store_step(s, STEP_LOG_WRITE);
	rc = store_log_write(s, record);
	store_step(s, STEP_LOG_FLUSH);
	if (rc == 0)
		rc = store_log_sync(s); /* this is the commit */
	return rc ? rc : write_touched(s);
}

/* Writes again what the record says, once or for the second time: the result is the same. */
static int log_redo(struct store *s, const uint8_t *record)
{
	uint64_t mask = le64_get(record + 8);
	int rc = 0;

	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++) {
		if (!(mask >> page & 1))
			continue;
		memcpy(s->memory[page], record + 512 + page * STORE_PAGE_BYTES, STORE_PAGE_BYTES);
		rc = store_changed(s, page);
		if (rc == 0)
			rc = store_write(s, page);
	}
	s->sequence = le64_get(record + 16);
	return rc ? rc : store_sync(s);
}

static int log_recover(struct store *s)
{
	uint8_t record[STORE_LOG_BYTES];
	int rc = store_log_sync(s);

	if (rc == 0)
		rc = store_log_read(s, record);
	if (rc == 0)
		rc = read_in_place(s);
	if (rc)
		return rc;
	return log_is_whole(record) ? log_redo(s, record) : store_sync(s);
}

const struct protocol protocol_log = {
	.name = "log",
	.recover = log_recover,
	.touch = in_place,
	.commit = log_commit,
};

/* --- shadow: pages to places that no committed state uses, then one of two meta pages -------- */

#define METAS 2U /* places 0 and 1; pages have the others */

/* A meta page, in its first sector: 0 checksum, 8 sequence, 16 the places, 8 bytes each. */
#define META_USED (16U + 8U * STORE_PAGES)

static bool meta_is_whole(const uint8_t *meta)
{
	return le64_get(meta) == hash_bytes(meta + 8, META_USED - 8, 0);
}

static bool is_in(const unsigned *places, unsigned place)
{
	for (unsigned page = 0; page < STORE_PAGES; page++)
		if (places[page] == place)
			return true;
	return false;
}

static int shadow_touch(struct store *s, unsigned page)
{
	unsigned place = METAS;
	int rc;

	if (s->touched[page])
		return (int)s->where[page];
	while (is_in(s->committed, place) || is_in(s->where, place))
		place++; /* of eight places four are committed, and at most three more touched */
	rc = store_copy(s, place, s->where[page]);
	return rc ? rc : (int)place;
}

static int shadow_commit(struct store *s)
{
	unsigned slot = (unsigned)(++s->sequence % METAS);
	uint8_t *meta = s->memory[slot];
	int rc = write_touched(s);

	if (rc)
		return rc;
	le64_set(meta + 8, s->sequence);
	for (unsigned page = 0; page < STORE_PAGES; page++)
		le64_set(meta + 16 + 8 * page, s->where[page]);
	le64_set(meta, hash_bytes(meta + 8, META_USED - 8, 0));
	store_step(s, STEP_META_WRITE);
	rc = store_changed(s, slot);
	if (rc == 0)
		rc = store_write(s, slot);
	store_step(s, STEP_META_FLUSH);
	return rc ? rc : store_sync(s); /* this is the commit */
}

/* Which meta page is the newest; -1: none is whole, which is so before the first commit. */
static int newest_meta(const struct store *s)
{
	int newest = -1;

	for (int slot = 0; slot < (int)METAS; slot++)
		if (meta_is_whole(s->memory[slot]) &&
			(newest < 0 ||
				le64_get(s->memory[slot] + 8) > le64_get(s->memory[newest] + 8)))
			newest = slot;
	return newest;
}

static int shadow_recover(struct store *s)
{
	int rc = store_sync(s), newest;

	for (unsigned place = 0; rc == 0 && place < STORE_PLACES; place++)
		rc = store_read(s, place);
	if (rc)
		return rc;
	newest = newest_meta(s);
	s->sequence = newest < 0 ? 0 : le64_get(s->memory[newest] + 8);
	for (unsigned page = 0; page < STORE_PAGES; page++) {
		uint64_t place =
			newest < 0 ? METAS + page : le64_get(s->memory[newest] + 16 + 8 * page);

		if (place < METAS || place >= STORE_PLACES)
			return -EIO;
		s->where[page] = s->committed[page] = (unsigned)place;
	}
	return 0;
}

const struct protocol protocol_shadow = {
	.name = "shadow",
	.recover = shadow_recover,
	.touch = shadow_touch,
	.commit = shadow_commit,
};
