/* SPDX-License-Identifier: MIT */
/*
 * A file of which neither meta page is valid. The size of its pages is that at which most of them
 * stand where their numbers say. Checksums are under a seed that comes from the database's id,
 * which both metas have: where it is right in one of them, a page proves it.
 */
#include "tools/verso/raw.h"
#include "base/hash.h"

#include <stdlib.h>

#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 65536u
#define ID_BYTES      16u
#define AT_ZERO       36u
#define PROBES        2000u /* pages that are looked at, all over the file */

static uint64_t n_pages_of(const struct raw *r)
{
	uint64_t n = r->file_bytes / r->page_size;

	return n < UINT32_MAX ? n : UINT32_MAX;
}

/* Of the pages that are looked at, those with the right number, or with the right checksum too. */
static unsigned count_pages(struct raw *r, uint8_t *buf)
{
	uint64_t n = n_pages_of(r), step = n / PROBES + 1;
	unsigned found = 0;

	for (uint64_t pgno = 1; pgno < n; pgno += pgno < PROBES ? 1 : step) {
		if (!raw_read(r, (uint32_t)pgno, buf) && buf[AT_TYPE] != RAW_META &&
			le32_get(buf + AT_ZERO) == 0)
			found++;
	}
	return found;
}

static bool find_page_size(struct raw *r, uint8_t *buf)
{
	uint32_t best = 0;
	unsigned most = 0;

	for (r->page_size = PAGE_SIZE_MIN; r->page_size <= PAGE_SIZE_MAX; r->page_size *= 2) {
		unsigned found = count_pages(r, buf);

		if (found > most) {
			most = found;
			best = r->page_size;
		}
	}
	r->page_size = best;
	r->slot_pages = best && best < RAW_SLOT_BYTES ? RAW_SLOT_BYTES / best : 1;
	return best != 0;
}

/* Whether the id that a meta slot at this page has is the right one; the seed then follows. */
static void try_id(struct raw *r, uint32_t slot_pgno, uint8_t *buf)
{
	uint8_t id[ID_BYTES];

	r->has_seed = false;
	(void)raw_read(r, slot_pgno, buf);
	memcpy(id, buf + AT_UUID, ID_BYTES);
	r->seed = hash_bytes(id, ID_BYTES, 0);
	r->has_seed = true;
	r->has_seed = count_pages(r, buf) > 0;
}

bool raw_find(struct raw *r)
{
	uint8_t *buf = malloc(PAGE_SIZE_MAX);
	bool found;

	if (!buf)
		return false;
	r->has_seed = r->has_meta = false;
	r->head_bytes = 4;
	found = find_page_size(r, buf);
	if (found)
		try_id(r, 0, buf);
	if (found && !r->has_seed)
		try_id(r, r->slot_pages, buf);
	free(buf);
	return found;
}
