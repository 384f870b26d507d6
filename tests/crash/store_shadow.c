/* SPDX-License-Identifier: MIT */
/*
 * Lab 6a: shadow pages with two meta pages.
 *
 * A committed page is never changed. A changed page goes to a place that no committed state uses;
 * then a meta page says where all pages lie now. There are two meta pages, in places 0 and 1, and
 * commits use them in turn: while one is written, the other still names the state before. The write
 * of the meta page, made durable, is the commit.
 *
 * Invariants:
 *
 *	1. A place that the newest durable meta page names is not written.
 *	2. When a meta page is written, what it names is durable.
 *	3. A commit writes over the older meta page.
 *
 * A meta page, all of it in its first sector, numbers little-endian:
 *
 *	 0 checksum of the bytes 8 to 47
 *	 8 sequence: the number of the commit, from 1
 *	16 the places of the pages 0 to 3, 8 bytes each
 */
#include "tests/crash/store.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <errno.h>

#define METAS     2U /* places 0 and 1; pages have the others */
#define META_USED (16U + 8U * STORE_PAGES)

/* Whether a page is one of these. */
static bool is_in(const unsigned *places, unsigned place)
{
	for (unsigned page = 0; page < STORE_PAGES; page++)
		if (places[page] == place)
			return true;
	return false;
}

/* Whether these bytes are a meta page as meta_fill() made it: not torn, not empty. */
static bool meta_is_whole(const uint8_t *meta)
{
	/* LAB 6.1 begin: compute the checksum again and compare */
	return le64_get(meta) == hash_bytes(meta + 8, META_USED - 8, 0);
	/* LAB 6.1 end: LAB_TODO_VOID("6.1"); */
}

/* The place of the newest meta page in memory; -1: neither is whole, as before the first commit. */
static int newest_meta(const struct store *s)
{
	/* LAB 6.2 begin: of those that are whole, the one with the larger sequence */
	int newest = -1;

	for (int slot = 0; slot < (int)METAS; slot++)
		if (meta_is_whole(s->memory[slot]) &&
			(newest < 0 ||
				le64_get(s->memory[slot] + 8) > le64_get(s->memory[newest] + 8)))
			newest = slot;
	return newest;
	/* LAB 6.2 end: LAB_TODO_VOID("6.2"); */
}

/* See store.h, recover. Before the first commit, page n lies in place METAS + n. */
static int shadow_recover(struct store *s)
{
	/* LAB 6.3 begin: flush first; read every place; then believe the newest meta page */
	int rc = store_sync(s), newest;

	for (unsigned place = 0; rc == 0 && place < STORE_PLACES; place++)
		rc = store_read(s, place);
	if (rc)
		return rc;
	newest = newest_meta(s);
	s->sequence = newest < 0 ? 0 : le64_get(s->memory[newest] + 8);
	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++) {
		uint64_t place =
			newest < 0 ? METAS + page : le64_get(s->memory[newest] + 16 + 8 * page);

		if (place < METAS || place >= STORE_PLACES)
			rc = -EIO;
		else
			s->where[page] = s->committed[page] = (unsigned)place;
	}
	return rc;
	/* LAB 6.3 end: return LAB_TODO("6.3"); */
}

/* See store.h, touch: a place that neither the committed state nor this transaction uses. */
static int shadow_touch(struct store *s, unsigned page)
{
	/* LAB 6.4 begin: touched before? stay. Else find a place, and copy the page to it */
	unsigned place = METAS;
	int rc;

	if (s->touched[page])
		return (int)s->where[page];
	while (is_in(s->committed, place) || is_in(s->where, place))
		place++; /* of eight places four are committed, and at most three more touched */
	rc = store_copy(s, place, s->where[page]);
	return rc ? rc : (int)place;
	/* LAB 6.4 end: return LAB_TODO("6.4"); */
}

/* Makes a meta page that says where the pages are now, with its checksum. */
static void meta_fill(const struct store *s, uint8_t *meta, uint64_t sequence)
{
	/* LAB 6.5 begin: three kinds of numbers in their places; the checksum comes last */
	le64_set(meta + 8, sequence);
	for (unsigned page = 0; page < STORE_PAGES; page++)
		le64_set(meta + 16 + 8 * page, s->where[page]);
	le64_set(meta, hash_bytes(meta + 8, META_USED - 8, 0));
	/* LAB 6.5 end: LAB_TODO_VOID("6.5"); */
}

/* See store.h, commit. */
static int shadow_commit(struct store *s)
{
	/* LAB 6.6 begin: pages, flush; meta page, flush. A commit that fails has changed nothing */
	uint64_t sequence = s->sequence + 1;
	unsigned slot = (unsigned)(sequence % METAS);
	int rc = store_write_touched(s);

	if (rc)
		return rc;
	store_step(s, STEP_META_WRITE);
	meta_fill(s, s->memory[slot], sequence);
	rc = store_changed(s, slot);
	if (rc == 0)
		rc = store_write(s, slot);
	store_step(s, STEP_META_FLUSH);
	if (rc == 0)
		rc = store_sync(s); /* this is the commit */
	if (rc == 0)
		s->sequence = sequence;
	return rc;
	/* LAB 6.6 end: return LAB_TODO("6.6"); */
}

const struct protocol protocol_shadow = {
	.name = "shadow",
	.recover = shadow_recover,
	.touch = shadow_touch,
	.commit = shadow_commit,
};
