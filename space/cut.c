/* SPDX-License-Identifier: MIT */
/* Cutting: when the file ends in enough free pages, it loses them. */
#include "space/space_int.h"

#include <string.h>

uint32_t space_least_cut(const struct space *s)
{
	return s->n_pages / 4 > s->cut_pages ? s->n_pages / 4 : s->cut_pages;
}

static bool is_unused(const struct space *s, pgno_t pgno)
{
	return space_is_free(s, pgno) || window_has(&s->windows[0], pgno) ||
	       window_has(&s->windows[1], pgno);
}

/* Where the file would end without its free tail, and how many pages of that are free. */
static int used_end(struct space *s, pgno_t *ret_end, uint32_t *ret_n_free)
{
	pgno_t end = s->n_pages;

	*ret_n_free = 0;
	for (;;) {
		uint32_t r = group_of(s, end - 1);
		int rc = group_promise(s, r);

		if (rc)
			return rc;
		while (end > layout_first_page(&s->layout, r) && is_unused(s, end - 1)) {
			end--;
			++*ret_n_free;
		}
		if (r == 0 || end > layout_first_page(&s->layout, r))
			break;
		end = group_start(s, r); /* nothing of the group is used: it goes too */
	}
	*ret_end = end;
	return 0;
}

/* So that a long free tail that does not suffice is not gone through again at every commit. */
static bool is_still_in_the_way(const struct space *s, uint32_t least)
{
	return s->in_the_way > 0 && s->in_the_way < s->n_pages &&
	       s->groups[group_of(s, s->in_the_way)].bits && !is_unused(s, s->in_the_way) &&
	       s->n_pages - s->in_the_way - 1 < least;
}

static int windows_empty(struct space *s)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < RECORD_WINDOWS; i++) {
		if (window_count(&s->windows[i]) == 0)
			continue;
		rc = group_promise(s, group_of(s, s->windows[i].first));
		if (rc)
			break;
		window_to_bits(s, &s->windows[i], true);
		memset(&s->windows[i], 0, sizeof(s->windows[i]));
	}
	windows_count_at_hand(s);
	return rc;
}

int space_aim_low(struct space *s)
{
	int rc = windows_empty(s);

	s->aims_low = rc == 0;
	return rc;
}

/* All from `end` on is free, and in the bitmaps. */
static void cut_to(struct space *s, pgno_t end)
{
	uint32_t n_groups = group_of(s, end - 1) + 1;

	for (uint32_t r = n_groups; r < s->n_groups; r++)
		group_forget(s, r);
	for (pgno_t pgno = end; pgno < s->n_pages && group_of(s, pgno) < n_groups; pgno++) {
		if (space_is_free(s, pgno))
			group_set(s, pgno, false);
	}
	s->n_pages = end;
	s->n_groups = n_groups;
}

int space_cut(struct space *s, uint32_t least, uint32_t keep)
{
	uint32_t n_tail, n_before;
	pgno_t end;
	int rc;

	if (space_count_free(s) < least || is_still_in_the_way(s, least))
		return 0;
	rc = used_end(s, &end, &n_tail);
	if (rc)
		return rc;
	s->in_the_way = end - 1;
	n_before = space_count_free(s) - n_tail;
	if (n_before < keep)
		end = space_end_for(s, (uint64_t)end + keep - n_before);
	/* What is in the way moves when it is changed: then to a low place. */
	rc = windows_empty(s);
	if (rc == 0 && end < s->n_pages && s->n_pages - end >= least)
		cut_to(s, end);
	return rc;
}
