/* SPDX-License-Identifier: MIT */
/*
 * Writing it down: changed bitmaps and index pages go to the batch, the rest into the record. Each
 * page has two places: the one that the flushed generation uses is left alone.
 */
#include "space/space_int.h"

#include <string.h>

static bool has_index(const struct space *s)
{
	return s->n_regions > s->layout.regions_max;
}

static uint32_t index_count(const struct space *s)
{
	return (s->n_regions - 1) / s->layout.index_entries + 1;
}

static bool index_is_dirty(const struct space *s, uint32_t i)
{
	uint32_t r = i * s->layout.index_entries;

	if (i >= s->n_index)
		return true;
	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_regions; j++) {
		if (s->regions[r + j].dirty)
			return true;
	}
	return false;
}

uint32_t space_count_emitted(const struct space *s)
{
	uint32_t n = has_index(s) ? index_count(s) : 0;

	for (uint32_t r = 0; r < s->n_regions; r++)
		n += s->regions[r].promised;
	return n;
}

/* The other place, unless this batch has already moved there. */
static void entry_turn(struct region_entry *entry, gen_t gen, gen_t taken_gen)
{
	if (entry->gen <= taken_gen)
		entry->copy ^= 1;
	entry->gen = gen;
}

static void emit_bitmap(struct space *s, uint32_t r, struct space_pages *pages)
{
	const struct region *region = &s->regions[r];
	struct page_ref ref = {
		layout_bitmap(&s->layout, r) + region->entry.copy, region->entry.gen};
	struct page *page = space_pages_add(pages, ref, PAGE_BITMAP);

	for (uint32_t i = 0; i < s->layout.region_pages / 64; i++)
		le64_set(page->payload + 8 * i, region->bits[i]);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

static void emit_index(struct space *s, uint32_t i, struct space_pages *pages)
{
	struct page_ref ref = {layout_index(&s->layout, i) + s->index[i].copy, s->index[i].gen};
	struct page *page = space_pages_add(pages, ref, PAGE_REGIONS);
	uint32_t r = i * s->layout.index_entries;

	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_regions; j++)
		region_entry_encode(&s->regions[r + j].entry,
			page->payload + j * REGION_ENTRY_BYTES);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

void space_emit(struct space *s, gen_t gen, gen_t taken_gen, struct space_pages *pages,
	struct space_record *record)
{
	bool index_dirty[RECORD_REGIONS_MAX] = {false};

	windows_end(s);
	for (uint32_t i = 0; has_index(s) && i < index_count(s); i++)
		index_dirty[i] = index_is_dirty(s, i);
	for (uint32_t r = 0; r < s->n_regions; r++) {
		s->regions[r].promised = false;
		if (!s->regions[r].dirty)
			continue;
		entry_turn(&s->regions[r].entry, gen, taken_gen);
		emit_bitmap(s, r, pages);
		s->regions[r].dirty = false;
	}
	record->n_pages = s->n_pages;
	record->n_regions = s->n_regions;
	memcpy(record->windows, s->windows, sizeof(record->windows));
	record->n_region_entries = has_index(s) ? index_count(s) : s->n_regions;
	for (uint32_t i = 0; i < record->n_region_entries; i++) {
		if (has_index(s) && index_dirty[i]) {
			entry_turn(&s->index[i], gen, taken_gen);
			emit_index(s, i, pages);
		}
		record->regions[i] = has_index(s) ? s->index[i] : s->regions[i].entry;
	}
	s->n_index = has_index(s) ? index_count(s) : 0;
}
