/* SPDX-License-Identifier: MIT */
/* The layout of a file, from its page size and the options of its format. */
#include "space/layout.h"

static uint32_t option_or(uint32_t option, uint32_t most)
{
	return option && option < most ? option : most;
}

void layout_init(struct layout *l, uint32_t page_size, const struct space_options *options)
{
	uint32_t bits = ((page_size - PAGE_HEADER_BYTES) * 8) / WINDOW_PAGES * WINDOW_PAGES;

	l->page_size = page_size;
	l->group_pages = option_or(options->group_pages, option_or(bits, GROUP_PAGES_MAX));
	l->slot_pages = page_size < META_SLOT_BYTES ? META_SLOT_BYTES / page_size : 1;
	l->index_entries = (page_size - PAGE_HEADER_BYTES) / GROUP_ENTRY_BYTES;
	l->list_page_extents =
		(page_size - PAGE_HEADER_BYTES - LIST_PAGE_HEADER_BYTES) / PENDING_EXTENT_BYTES;
	l->groups_max = (uint16_t)option_or(options->groups_max, RECORD_GROUPS_MAX);
	l->pending_max = (uint16_t)option_or(options->pending_max, RECORD_PENDING_MAX);
}

pgno_t layout_end_for(const struct layout *l, uint64_t n_pages)
{
	uint64_t start = n_pages / l->group_pages * l->group_pages;

	if (n_pages >= layout_pages_max(l))
		return layout_pages_max(l);
	return (pgno_t)(n_pages > start && n_pages < start + 8 ? start + 8 : n_pages);
}
