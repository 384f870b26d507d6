/* SPDX-License-Identifier: MIT */
/* Cutting: when the file ends in enough free pages, it loses them. */
#include "space/space_int.h"

#include <string.h>

static uint32_t least_cut(const struct space *s)
{
	return s->n_pages / 4 > s->cut_pages ? s->n_pages / 4 : s->cut_pages;
}

int space_cut_prepare(struct space *s)
{
	int rc = 0;

	if (space_count_free(s) < least_cut(s))
		return 0;
	for (uint32_t r = 0; rc == 0 && r < s->n_regions; r++)
		rc = region_load(s, r);
	return rc;
}

static bool is_unused(const struct space *s, pgno_t pgno)
{
	return space_is_free(s, pgno) || window_has(&s->windows[0], pgno) ||
	       window_has(&s->windows[1], pgno);
}

/* Where the file would end without its free tail. All regions are loaded. */
static pgno_t used_end(const struct space *s)
{
	pgno_t end = s->n_pages;

	for (;;) {
		uint32_t r = region_of(s, end - 1);

		while (end > layout_first_page(&s->layout, r) && is_unused(s, end - 1))
			end--;
		if (r == 0 || end > layout_first_page(&s->layout, r))
			return end;
		end = region_start(s, r); /* nothing of the region is used: it goes too */
	}
}

/* So that a long free tail that does not suffice is not gone through again at every commit. */
static bool is_still_in_the_way(const struct space *s)
{
	return s->in_the_way > 0 && s->in_the_way < s->n_pages && !is_unused(s, s->in_the_way) &&
	       s->n_pages - s->in_the_way - 1 < least_cut(s);
}

bool space_cut(struct space *s)
{
	pgno_t end;

	if (space_count_free(s) < least_cut(s))
		return false;
	for (uint32_t r = 0; r < s->n_regions; r++) {
		if (!s->regions[r].bits)
			return false;
	}
	if (is_still_in_the_way(s))
		return false;
	end = used_end(s);
	s->in_the_way = end - 1;
	if (s->n_pages - end < least_cut(s))
		return false;
	for (unsigned i = 0; i < RECORD_WINDOWS; i++) {
		window_to_bits(s, &s->windows[i], true);
		memset(&s->windows[i], 0, sizeof(s->windows[i]));
	}
	s->n_at_hand = 0;
	for (pgno_t pgno = end; pgno < s->n_pages; pgno++) {
		if (space_is_free(s, pgno))
			region_set(s, pgno, false);
	}
	s->n_pages = end;
	s->n_regions = region_of(s, end - 1) + 1;
	for (uint32_t r = s->n_regions; r < s->cap_regions; r++)
		s->regions[r].dirty = false;
	return true;
}
