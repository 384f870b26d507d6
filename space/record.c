/* SPDX-License-Identifier: MIT */
/* The record: what must hold of one that was read, and how its parts are encoded. */
#include "space/record.h"

#include <string.h>

void record_layout(const struct space_record *record, uint32_t page_size, struct layout *ret_layout)
{
	struct space_options options = {
		.group_pages = record->group_pages,
		.groups_max = record->groups_max,
		.pending_max = record->pending_max,
	};

	layout_init(ret_layout, page_size, &options);
}

/* --- validation ---------------------------------------------------------------------------- */

/* Its pages lie where free pages can, in one group. */
static bool window_is_sane(const struct window *w, const struct layout *l, pgno_t n_pages)
{
	for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
		uint64_t pgno = w->first + i;

		if ((w->mask[i / 64] >> (i % 64) & 1) == 0)
			continue;
		if (pgno >= n_pages || pgno / l->group_pages != w->first / l->group_pages ||
			!layout_is_ordinary(l, n_pages, (pgno_t)pgno, 1))
			return false;
	}
	return true;
}

static bool windows_are_sane(const struct window *w, const struct layout *l, pgno_t n_pages)
{
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if ((w[0].mask[i / 64] >> (i % 64) & 1) && window_has(&w[1], w[0].first + i))
			return false;
	}
	return window_is_sane(&w[0], l, n_pages) && window_is_sane(&w[1], l, n_pages);
}

const char *record_find_fault(const struct space_record *r, uint32_t page_size)
{
	struct layout l;
	uint32_t n_entries = r->n_groups;

	if (r->group_pages < GROUP_PAGES_MIN || r->group_pages > GROUP_PAGES_MAX ||
		r->group_pages % 64 != 0 || r->group_pages > (page_size - PAGE_HEADER_BYTES) * 8)
		return "expected allocation groups of a multiple of 64 pages that one page "
		       "can map, found another size";
	if (r->groups_max == 0 || r->groups_max > RECORD_GROUPS_MAX || r->pending_max == 0 ||
		r->pending_max > RECORD_PENDING_MAX || r->n_pending > r->pending_max)
		return "expected counts of groups and pending extents that fit the meta page, "
		       "found larger ones";
	record_layout(r, page_size, &l);
	if (r->group_pages != l.group_pages)
		return "expected allocation groups as large as the layout makes them, found "
		       "another size";
	if (r->n_pages < layout_first_page(&l, 0))
		return "the file is shorter than its own metas";
	if (r->n_pages > layout_pages_max(&l))
		return "the file has more pages than its groups can have";
	if (r->n_pages < layout_first_page(&l, (r->n_pages - 1) / l.group_pages))
		return "the last allocation group is too short";
	if (r->n_groups != (r->n_pages - 1) / l.group_pages + 1)
		return "the number of allocation groups does not fit the size";
	if (n_entries > l.groups_max)
		n_entries = (r->n_groups - 1) / l.index_entries + 1;
	if (n_entries > RECORD_GROUPS_MAX || n_entries != r->n_group_entries)
		return "too many allocation groups";
	for (uint32_t i = 0; i < n_entries; i++) {
		if (r->groups[i].copy > 1 || r->groups[i].n_free > l.group_pages)
			return "expected allocation groups with copy 0 or 1 and no more free pages "
			       "than pages, found others";
	}
	if (!windows_are_sane(r->windows, &l, r->n_pages))
		return "an allocation window lies where pages cannot be free";
	return NULL;
}

/* --- codecs -------------------------------------------------------------------------------- */

void window_encode(const struct window *window, uint8_t *bytes)
{
	le32_set(bytes, window->first);
	for (unsigned i = 0; i < WINDOW_WORDS; i++)
		le64_set(bytes + 4 + 8 * i, window->mask[i]);
}

void window_decode(const uint8_t *bytes, struct window *ret_window)
{
	ret_window->first = le32_get(bytes);
	for (unsigned i = 0; i < WINDOW_WORDS; i++)
		ret_window->mask[i] = le64_get(bytes + 4 + 8 * i);
}

void group_entry_encode(const struct group_entry *entry, uint8_t *bytes)
{
	memset(bytes, 0, GROUP_ENTRY_BYTES);
	le64_set(bytes, entry->gen);
	le16_set(bytes + 8, (uint16_t)entry->n_free);
	bytes[10] = entry->copy;
}

void group_entry_decode(const uint8_t *bytes, struct group_entry *ret_entry)
{
	ret_entry->gen = le64_get(bytes);
	ret_entry->n_free = le16_get(bytes + 8);
	ret_entry->copy = bytes[10];
}

void pending_extent_encode(const struct pending_extent *extent, uint8_t *bytes)
{
	le32_set(bytes, extent->pgno);
	le32_set(bytes + 4, extent->n_pages);
	le64_set(bytes + 8, extent->birth);
	le64_set(bytes + 16, extent->free);
}

void pending_extent_decode(const uint8_t *bytes, struct pending_extent *ret_extent)
{
	ret_extent->pgno = le32_get(bytes);
	ret_extent->n_pages = le32_get(bytes + 4);
	ret_extent->birth = le64_get(bytes + 8);
	ret_extent->free = le64_get(bytes + 16);
}
