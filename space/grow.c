/* SPDX-License-Identifier: MIT */
/* Growth of the file: its new pages are free. */
#include "base/error.h"
#include "space/space_int.h"

#include <errno.h>

#define GROW_PAGES_MAX 16384U /* 64 MiB of 4 KiB pages at a time */
#define GROW_PART      32U    /* else that part of the file */

/* Gives the pages of groups that are new, from `from` to n_pages, to their bitmaps. */
static void groups_extend(struct space *s, pgno_t from)
{
	for (pgno_t pgno = from; pgno < s->n_pages; pgno++) {
		uint32_t r = group_of(s, pgno);

		if (pgno >= layout_first_page(&s->layout, r))
			group_set(s, pgno, true);
	}
}

pgno_t space_end_for(const struct space *s, uint64_t n_pages)
{
	return layout_end_for(&s->layout, n_pages);
}

static int grow_to(struct space *s, pgno_t n_pages)
{
	uint32_t n_groups = (n_pages - 1) / s->layout.group_pages + 1;
	pgno_t from = s->n_pages;
	int rc = groups_reserve(s, n_groups);

	if (rc == 0)
		rc = group_promise(s, group_of(s, from - 1));
	for (uint32_t r = s->n_groups; rc == 0 && r < n_groups; r++)
		rc = group_make(s, r);
	if (rc == 0 && n_pages > s->file_pages) {
		rc = pager_resize(s->pager, n_pages);
		if (rc == 0)
			s->file_pages = n_pages;
	}
	if (rc)
		return rc;
	s->n_pages = n_pages;
	s->n_groups = n_groups;
	groups_extend(s, from);
	return 0;
}

bool space_is_no_room(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG || rc == VERSO_EFULL;
}

/* In proportion to the file, so that its length is at most so much more than it needs. */
static uint32_t growth_wanted(const struct space *s, uint32_t n)
{
	uint32_t wanted = s->n_pages / GROW_PART;

	if (wanted > GROW_PAGES_MAX)
		wanted = GROW_PAGES_MAX;
	if (wanted < s->grow_pages)
		wanted = s->grow_pages;
	return wanted > n ? wanted : n;
}

int space_grow(struct space *s, uint32_t n)
{
	uint32_t wanted = growth_wanted(s, n);
	int rc;

	/* A group that begins takes some of the pages for itself. */
	if (space_end_for(s, (uint64_t)s->n_pages + n) - s->n_pages < n)
		return error_set(VERSO_EFULL, "the database has %u pages and cannot have more",
			s->n_pages);
	rc = grow_to(s, space_end_for(s, (uint64_t)s->n_pages + wanted));
	if (space_is_no_room(rc) && wanted > n + 8)
		rc = grow_to(s, space_end_for(s, (uint64_t)s->n_pages + n + 8));
	return rc;
}
