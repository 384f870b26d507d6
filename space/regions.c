/* SPDX-License-Identifier: MIT */
/*
 * Regions: a bitmap each, read when it is needed, and what is known of it without reading it.
 */
#include "base/array.h"
#include "base/error.h"
#include "space/space_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t bitmap_bytes(const struct space *s)
{
	return s->layout.region_pages / 8;
}

int regions_reserve(struct space *s, uint32_t n)
{
	uint32_t cap = s->cap_regions;
	int rc = array_reserve(&s->regions, &s->cap_regions, n, sizeof(*s->regions));

	if (rc == 0)
		memset(s->regions + cap, 0, (s->cap_regions - cap) * sizeof(*s->regions));
	return rc;
}

static int read_page(struct space *s, struct page_ref ref, enum page_type type)
{
	const struct page *page = s->buf;
	int rc = pager_read_device(s->pager, ref.pgno, 1, s->buf);

	if (rc == 0)
		rc = page_verify(page, s->layout.page_size, ref, s->pager->seed);
	if (rc == 0 && page->type != type)
		rc = error_set(VERSO_ECORRUPT, "page %u: expected type %d, found %u", ref.pgno,
			type, page->type);
	return rc;
}

/* A bitmap's bits as they were read: only of pages that can be free, and are in no window. */
static int bits_validate(const struct space *s, uint32_t r, const uint64_t *bits)
{
	for (pgno_t bit = 0; bit < s->layout.region_pages; bit++) {
		pgno_t pgno = region_start(s, r) + bit;

		if ((bits[bit / 64] >> (bit % 64) & 1) == 0)
			continue;
		if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, 1) || windows_have(s, pgno))
			return error_set(VERSO_ECORRUPT,
				"page %u: the bitmap of region %u calls it free, which it cannot "
				"be. Restore the file from a copy",
				pgno, r);
	}
	return 0;
}

int region_load(struct space *s, uint32_t r)
{
	struct region *region = &s->regions[r];
	struct page_ref ref = {
		layout_bitmap(&s->layout, r) + region->entry.copy, region->entry.gen};
	const uint8_t *bytes = ((const struct page *)s->buf)->payload;
	uint32_t n_free = 0;
	uint64_t *bits;
	int rc;

	if (region->bits)
		return 0;
	if (region->entry.gen == 0 && region->entry.n_free == 0) { /* none was ever written */
		region->bits = calloc(1, bitmap_bytes(s));
		return region->bits ? 0 : -ENOMEM;
	}
	rc = read_page(s, ref, PAGE_BITMAP);
	if (rc)
		return rc;
	bits = malloc(bitmap_bytes(s));
	if (!bits)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->layout.region_pages / 64; i++) {
		bits[i] = le64_get(bytes + 8 * i);
		n_free += (uint32_t)__builtin_popcountll(bits[i]);
	}
	if (n_free != region->entry.n_free) {
		free(bits);
		return error_set(VERSO_ECORRUPT,
			"page %u: the bitmap has %u free pages, its entry says %u", ref.pgno,
			n_free, region->entry.n_free);
	}
	rc = bits_validate(s, r, bits);
	if (rc) {
		free(bits);
		return rc;
	}
	region->bits = bits;
	return 0;
}

int region_promise(struct space *s, uint32_t r)
{
	int rc = region_load(s, r);

	if (rc == 0)
		s->regions[r].promised = true;
	return rc;
}

void region_set(struct space *s, pgno_t pgno, bool is_free)
{
	struct region *region = &s->regions[region_of(s, pgno)];
	pgno_t bit = pgno - region_start(s, region_of(s, pgno));
	uint64_t mask = UINT64_C(1) << (bit % 64);

	ASSERT(region->bits);
	ASSERT(region->promised); /* else a commit has no room for its bitmap */
	ASSERT(((region->bits[bit / 64] & mask) != 0) != is_free);
	region->bits[bit / 64] ^= mask;
	region->entry.n_free += is_free ? 1 : -1U;
	s->n_free += is_free ? 1 : -1U;
	region->dirty = true;
}

int regions_load_index(struct space *s, const struct space_record *record)
{
	for (uint32_t i = 0; i < record->n_region_entries; i++) {
		struct page_ref ref = {layout_index(&s->layout, i) + record->regions[i].copy,
			record->regions[i].gen};
		const uint8_t *bytes = ((const struct page *)s->buf)->payload;
		uint32_t first = i * s->layout.index_entries;
		int rc = read_page(s, ref, PAGE_REGIONS);

		if (rc)
			return rc;
		s->index[i] = record->regions[i];
		s->n_index = i + 1;
		for (uint32_t j = 0; j < s->layout.index_entries && first + j < s->n_regions; j++) {
			struct region_entry *entry = &s->regions[first + j].entry;

			region_entry_decode(bytes + j * REGION_ENTRY_BYTES, entry);
			if (entry->copy > 1 || entry->n_free > s->layout.region_pages)
				return error_set(VERSO_ECORRUPT,
					"page %u: a region is out of range", ref.pgno);
		}
	}
	return 0;
}

int region_make(struct space *s, uint32_t r)
{
	struct region *region = &s->regions[r];

	if (!region->bits)
		region->bits = malloc(bitmap_bytes(s));
	if (!region->bits)
		return -ENOMEM;
	memset(region->bits, 0, bitmap_bytes(s));
	ASSERT(region->entry.n_free == 0);
	region->promised = true;
	return 0;
}

void region_forget(struct space *s, uint32_t r)
{
	struct region *region = &s->regions[r];

	s->n_free -= region->entry.n_free;
	region->entry.n_free = 0;
	region->promised = region->dirty = false;
}

int space_load_region(struct space *s, uint32_t r)
{
	return region_load(s, r);
}
