/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a file, which follows from the page size and the format's options alone.
 *
 * A file begins with two meta slots and is cut into allocation groups (XFS). Each group keeps two
 * copies of its bitmap at its beginning, and every index_entries-th two copies of an index page
 * behind them (docs/file-format.md).
 */
#ifndef SPACE_LAYOUT_H
#define SPACE_LAYOUT_H

#include "pager/page.h"

#include <stdbool.h>

#define META_SLOT_BYTES    4096U
#define RECORD_GROUPS_MAX  64U
#define RECORD_PENDING_MAX 112U
#define WINDOW_PAGES       512U
#define GROUP_PAGES_MIN    256U
#define GROUP_PAGES_MAX    32768U

#define GROUP_ENTRY_BYTES      16U
#define PENDING_EXTENT_BYTES   24U
#define LIST_PAGE_HEADER_BYTES 16U

#define SPACE_PREPARE_MAX 64U /* pages that one space_prepare() can promise */

/* 0: the default. */
struct space_options {
	uint32_t group_pages; /* (format) pages that a bitmap page covers; default and most 32768 */
	uint32_t groups_max;  /* (format) groups that the meta holds itself; default and most 64 */
	uint32_t pending_max; /* (format) pending extents there; default and most 112 */
	uint32_t grow_pages;  /* least growth of the file; default 256 */
	uint32_t cut_pages;   /* least free tail that is cut off; default 1024 */
};

struct layout {
	uint32_t page_size;
	uint32_t group_pages;
	uint32_t slot_pages;        /* of one meta slot */
	uint32_t index_entries;     /* group entries that an index page holds */
	uint32_t list_page_extents; /* extents that a list page holds */
	uint16_t groups_max;
	uint16_t pending_max;
};

void layout_init(struct layout *layout, uint32_t page_size, const struct space_options *options);

static inline pgno_t layout_slot(const struct layout *l, unsigned slot)
{
	return slot * l->slot_pages;
}

/* The page where group r keeps copy 0 of its bitmap; copy 1 is the next one. */
static inline pgno_t layout_bitmap(const struct layout *l, uint32_t group)
{
	return group ? group * l->group_pages : 2 * l->slot_pages;
}

/* The first of a group's pages that is not set aside for the metas and the free space itself. */
static inline pgno_t layout_first_page(const struct layout *l, uint32_t group)
{
	return layout_bitmap(l, group) + (group % l->index_entries == 0 ? 4 : 2);
}

/* The page where index page i keeps copy 0; copy 1 is the next one. */
static inline pgno_t layout_index(const struct layout *l, uint32_t index)
{
	return layout_bitmap(l, index * l->index_entries) + 2;
}

/* True when all of the n_pages from pgno on may belong to trees: neither slots nor copies of
 * bitmaps and index, in one group, and in a file of file_pages. */
static inline bool layout_is_ordinary(const struct layout *l, pgno_t file_pages, pgno_t pgno,
	uint32_t n_pages)
{
	return pgno >= layout_first_page(l, pgno / l->group_pages) && pgno < file_pages &&
	       n_pages > 0 && n_pages <= file_pages - pgno &&
	       n_pages <= l->group_pages - pgno % l->group_pages;
}

/* Where a file ends that has n_pages at least: a group that has begun holds its own pages. */
pgno_t layout_end_for(const struct layout *l, uint64_t n_pages);

/* The most pages that a file can have: whole groups. */
static inline pgno_t layout_pages_max(const struct layout *l)
{
	uint64_t n = (uint64_t)RECORD_GROUPS_MAX * l->index_entries * l->group_pages;

	return n < UINT32_MAX ? (pgno_t)n : UINT32_MAX / l->group_pages * l->group_pages;
}

#endif
