/* SPDX-License-Identifier: MIT */
/* Taking pages, and giving pages: what was promised cannot fail. */
#include "base/error.h"
#include "space/space_int.h"

#include <stdlib.h>

#define WINDOW_LEAST 16U /* free pages that make a window worth fetching, in a file of some size */
#define WINDOW_PART  32U /* else that part of the file */

/* --- taking -------------------------------------------------------------------------------- */

static unsigned worth_fetching(const struct space *s, unsigned n)
{
	unsigned least =
		s->n_pages / WINDOW_PART < WINDOW_LEAST ? s->n_pages / WINDOW_PART : WINDOW_LEAST;

	return n > least ? n : least;
}

/* A piece that is half free is taken where it is first found: what is in use lies low. */
static unsigned half_a_piece(const struct space *s)
{
	return (s->layout.group_pages < WINDOW_PAGES ? s->layout.group_pages : WINDOW_PAGES) / 2;
}

int space_prepare(struct space *s, unsigned n, uint32_t keep)
{
	struct piece best;
	int rc;

	ASSERT(n <= SPACE_PREPARE_MAX);
	if (space_count_free(s) < (uint64_t)n + keep)
		return SPACE_SHORT;
	if (s->n_at_hand >= n)
		return 0;
	if (s->aims_low)
		return space_gather(s, n, keep);
	rc = piece_find(s, half_a_piece(s), &best);
	if (rc)
		return rc;
	return best.n_free >= worth_fetching(s, n) ? windows_turn(s, &best) : SPACE_SHORT;
}

int space_gather(struct space *s, unsigned n, uint32_t keep)
{
	int rc = 0;

	ASSERT(n <= SPACE_PREPARE_MAX);
	if (space_count_free(s) < (uint64_t)n + keep)
		return SPACE_SHORT;
	while (rc == 0 && s->n_at_hand < n) {
		unsigned n_missing = n - s->n_at_hand;
		struct piece best;

		rc = piece_find(s, s->aims_low ? 1 : n_missing, &best);
		ASSERT(rc || best.n_free > 0); /* space_count_free() says so */
		if (rc == 0)
			rc = windows_scatter(s, &best,
				best.n_free < n_missing ? best.n_free : n_missing);
	}
	return rc;
}

pgno_t space_take(struct space *s)
{
	struct window *w = s->windows;
	unsigned i = 0, bit;

	ASSERT(s->n_at_hand > 0); /* S3: space_prepare() saw to it */
	s->n_at_hand--;
	if (s->n_loose > 0)
		return s->loose[--s->n_loose];
	while (w->mask[i] == 0) {
		if (++i == WINDOW_WORDS) {
			i = 0;
			w++;
		}
	}
	bit = (unsigned)__builtin_ctzll(w->mask[i]);
	w->mask[i] &= w->mask[i] - 1;
	return w->first + i * 64 + bit;
}

static int compare_pgnos(const void *a, const void *b)
{
	pgno_t x = *(const pgno_t *)a, y = *(const pgno_t *)b;

	return (x > y) - (x < y);
}

int space_return(struct space *s, pgno_t *pgnos, size_t n)
{
	if (n == 0)
		return 0;
	qsort(pgnos, n, sizeof(*pgnos), compare_pgnos);
	return windows_put_back(s, pgnos, n);
}

/* --- giving -------------------------------------------------------------------------------- */

int space_promise_give(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	int rc;

	if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, n_pages))
		return error_set(VERSO_ECORRUPT,
			"%u pages at %u were freed where a tree can have none. The file is "
			"damaged: dump it and load it into a new one",
			n_pages, pgno);
	rc = group_promise(s, group_of(s, pgno));
	for (uint32_t i = 0; rc == 0 && i < n_pages; i++) {
		if (space_is_free(s, pgno + i) || windows_have(s, pgno + i))
			rc = error_set(VERSO_ECORRUPT,
				"page %u was freed, and is free already. The file is damaged: "
				"dump it and load it into a new one",
				pgno + i);
	}
	return rc;
}

void space_give(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	for (uint32_t i = 0; i < n_pages; i++) {
		if (!space_is_free(s, pgno + i))
			group_set(s, pgno + i, true);
	}
}
