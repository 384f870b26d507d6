/* SPDX-License-Identifier: MIT */
/*
 * Writing it down: changed bitmaps and index pages go to the group commit, the rest into the
 * record. Each page has two copies: the one that the flushed generation uses is left alone.
 */
#include "space/space_int.h"

#include <string.h>

static bool has_index(const struct space *s)
{
	return s->n_groups > s->layout.groups_max;
}

static uint32_t index_count(const struct space *s)
{
	return (s->n_groups - 1) / s->layout.index_entries + 1;
}

static bool index_is_dirty(const struct space *s, uint32_t i)
{
	uint32_t r = i * s->layout.index_entries;

	if (i >= s->n_index)
		return true;
	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_groups; j++) {
		if (s->groups[r + j].dirty)
			return true;
	}
	return false;
}

uint32_t space_count_emitted(const struct space *s)
{
	uint32_t n = has_index(s) ? index_count(s) : 0;

	for (uint32_t r = 0; r < s->n_groups; r++)
		n += s->groups[r].promised;
	return n;
}

static bool is_between(const struct group_entry *entry, gen_t after, gen_t upto)
{
	return entry->gen > after && entry->gen <= upto;
}

bool space_has_copies(const struct space *s, gen_t after, gen_t upto)
{
	for (uint32_t r = 0; r < s->n_groups; r++) {
		if (is_between(&s->groups[r].entry, after, upto))
			return true;
	}
	return false;
}

/* Changed, or about to be: windows_end() puts loose pages back. */
static bool will_be_dirty(const struct space *s, uint32_t r)
{
	bool is_dirty = s->groups[r].dirty;

	for (unsigned i = 0; !is_dirty && i < s->n_loose; i++)
		is_dirty = group_of(s, s->loose[i]) == r;
	return is_dirty;
}

bool space_has_emitted(const struct space *s, gen_t after, gen_t upto)
{
	for (uint32_t r = 0; r < s->n_groups; r++) {
		const struct group_entry *index = &s->index[r / s->layout.index_entries];

		if (!will_be_dirty(s, r))
			continue;
		if (is_between(&s->groups[r].entry, after, upto) ||
			(has_index(s) && is_between(index, after, upto)))
			return true;
	}
	/* A page of the index that comes again remembers its copy. */
	for (uint32_t i = s->n_index; has_index(s) && i < index_count(s); i++) {
		if (is_between(&s->index[i], after, upto))
			return true;
	}
	return false;
}

/* S4: the other copy, unless this group commit has already moved there. */
static void entry_turn(struct group_entry *entry, gen_t gen, gen_t taken_gen)
{
	if (entry->gen <= taken_gen)
		entry->copy ^= 1;
	entry->gen = gen;
}

static void emit_bitmap(struct space *s, uint32_t r, struct space_pages *pages)
{
	const struct alloc_group *group = &s->groups[r];
	struct page_ref ref = {layout_bitmap(&s->layout, r) + group->entry.copy, group->entry.gen};
	struct page *page = space_pages_add(pages, ref, PAGE_BITMAP);

	for (uint32_t i = 0; i < s->layout.group_pages / 64; i++)
		le64_set(page->payload + 8 * i, group->bits[i]);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

static void emit_index(struct space *s, uint32_t i, struct space_pages *pages)
{
	struct page_ref ref = {layout_index(&s->layout, i) + s->index[i].copy, s->index[i].gen};
	struct page *page = space_pages_add(pages, ref, PAGE_GROUPS);
	uint32_t r = i * s->layout.index_entries;

	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_groups; j++)
		group_entry_encode(&s->groups[r + j].entry, page->payload + j * GROUP_ENTRY_BYTES);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

void space_emit(struct space *s, gen_t gen, gen_t taken_gen, struct space_pages *pages,
	struct space_record *record)
{
	bool index_dirty[RECORD_GROUPS_MAX] = {false};

	windows_end(s);
	for (uint32_t i = 0; has_index(s) && i < index_count(s); i++)
		index_dirty[i] = index_is_dirty(s, i);
	for (uint32_t r = 0; r < s->n_groups; r++) {
		s->groups[r].promised = false;
		if (!s->groups[r].dirty)
			continue;
		entry_turn(&s->groups[r].entry, gen, taken_gen);
		emit_bitmap(s, r, pages);
		s->groups[r].dirty = false;
	}
	record->n_pages = s->n_pages;
	record->n_groups = s->n_groups;
	memcpy(record->windows, s->windows, sizeof(record->windows));
	record->n_group_entries = has_index(s) ? index_count(s) : s->n_groups;
	for (uint32_t i = 0; i < record->n_group_entries; i++) {
		if (has_index(s) && index_dirty[i]) {
			entry_turn(&s->index[i], gen, taken_gen);
			emit_index(s, i, pages);
		}
		record->groups[i] = has_index(s) ? s->index[i] : s->groups[i].entry;
	}
	s->n_index = has_index(s) ? index_count(s) : 0;
}
