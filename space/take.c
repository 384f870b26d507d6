/* SPDX-License-Identifier: MIT */
/* Taking pages, which was promised, and giving pages. */
#include "base/error.h"
#include "space/space_int.h"

#define WINDOW_LEAST 64U /* free pages that make a window worth fetching */

int space_prepare(struct space *s, unsigned n)
{
	unsigned n_least = n < WINDOW_LEAST ? WINDOW_LEAST : n;
	unsigned n_kept;
	struct piece best;
	int rc = 0;

	ASSERT(n <= SPACE_PREPARE_MAX);
	if (s->n_at_hand >= n)
		return 0;
	n_kept = window_count(&s->windows[windows_fuller(s)]);
	for (;;) {
		int grown = rc;

		rc = piece_find(s, &best);
		if (rc)
			return rc;
		/* Where there is no room to grow, what is scattered must do. */
		if (best.n_free >= n_least || (grown && best.n_free + n_kept >= n))
			return windows_turn(s, &best);
		if (grown)
			return grown;
		rc = space_grow(s, n_least);
		if (rc && !is_no_room(rc))
			return rc;
	}
}

pgno_t space_take(struct space *s)
{
	struct window *w = s->windows;
	unsigned i = 0, bit;

	ASSERT(s->n_at_hand > 0); /* space_prepare() saw to it */
	while (w->mask[i] == 0) {
		if (++i == WINDOW_WORDS) {
			i = 0;
			w++;
		}
	}
	bit = (unsigned)__builtin_ctzll(w->mask[i]);
	w->mask[i] &= w->mask[i] - 1;
	s->n_at_hand--;
	s->n_taken++;
	return w->first + i * 64 + bit;
}

int space_load(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	int rc;

	if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, n_pages))
		return error_set(VERSO_ECORRUPT,
			"%u pages at %u were given up, where a tree can have none. The file is "
			"damaged: dump it and load it into a new one",
			n_pages, pgno);
	rc = region_load(s, region_of(s, pgno));
	for (uint32_t i = 0; rc == 0 && i < n_pages; i++) {
		if (space_is_free(s, pgno + i) || windows_have(s, pgno + i))
			rc = error_set(VERSO_ECORRUPT,
				"page %u was given up, and is free already. The file is damaged: "
				"dump it and load it into a new one",
				pgno + i);
	}
	return rc;
}

void space_give(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	for (uint32_t i = 0; i < n_pages; i++) {
		if (!space_is_free(s, pgno + i))
			region_set(s, pgno + i, true);
	}
}
