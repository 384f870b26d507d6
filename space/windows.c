/* SPDX-License-Identifier: MIT */
/*
 * Windows: two pieces of bitmaps, of up to 512 neighbouring pages, from which pages are handed out.
 * Where the next window is fetched from is decided here; every change is logged, so that an abort
 * can undo it.
 */
#include "base/array.h"
#include "space/space_int.h"

#include <string.h>

void windows_count_at_hand(struct space *s)
{
	s->n_at_hand = window_count(&s->windows[0]) + window_count(&s->windows[1]);
}

bool windows_have(const struct space *s, pgno_t pgno)
{
	return window_has(&s->windows[0], pgno) || window_has(&s->windows[1], pgno) ||
	       window_has(&s->saved[0], pgno) || window_has(&s->saved[1], pgno);
}

void window_to_bits(struct space *s, const struct window *w, bool is_free)
{
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if (w->mask[i / 64] >> (i % 64) & 1)
			region_set(s, w->first + i, is_free);
	}
}

/* A turn returns one window and fetches another. */
static int log_reserve(struct space *s)
{
	return array_reserve(&s->log, &s->cap_log, s->n_log + 2, sizeof(*s->log));
}

static void log_add(struct space *s, const struct window *w, bool fetched)
{
	s->log[s->n_log++] = (struct window_log){*w, fetched};
}

/* The free pages of the window-sized piece of region r that begins at word `word` of its bitmap. */
static unsigned piece_count(const struct space *s, uint32_t r, uint32_t word)
{
	uint32_t end = word + WINDOW_WORDS;
	unsigned n = 0;

	if (end > s->layout.region_pages / 64)
		end = s->layout.region_pages / 64;
	for (; word < end; word++)
		n += (unsigned)__builtin_popcountll(s->regions[r].bits[word]);
	return n;
}

/* The first piece that is at least half free, else the fullest of free pages. */
int piece_find(struct space *s, struct piece *ret_best)
{
	struct piece best = {0, 0, 0};

	for (uint32_t r = 0; r < s->n_regions && best.n_free < WINDOW_PAGES / 2; r++) {
		int rc;

		if (s->regions[r].entry.n_free <= best.n_free)
			continue;
		rc = region_load(s, r);
		if (rc)
			return rc;
		for (uint32_t word = 0; word < s->layout.region_pages / 64; word += WINDOW_WORDS) {
			unsigned n = piece_count(s, r, word);

			if (n > best.n_free)
				best = (struct piece){r, word, n};
			if (n >= WINDOW_PAGES / 2)
				break;
		}
	}
	*ret_best = best;
	return 0;
}

static void window_fetch(struct space *s, struct window *w, const struct piece *piece)
{
	const uint64_t *bits = s->regions[piece->region].bits;

	memset(w, 0, sizeof(*w));
	w->first = region_start(s, piece->region) + piece->word * 64;
	for (uint32_t i = 0; i < WINDOW_WORDS && piece->word + i < s->layout.region_pages / 64; i++)
		w->mask[i] = bits[piece->word + i];
	log_add(s, w, true);
	window_to_bits(s, w, false);
}

static void window_return(struct space *s, struct window *w)
{
	log_add(s, w, false);
	window_to_bits(s, w, true);
	memset(w, 0, sizeof(*w));
}

unsigned windows_fuller(const struct space *s)
{
	return window_count(&s->windows[0]) >= window_count(&s->windows[1]) ? 0 : 1;
}

/* The fuller window stays, as the first one; the other goes back, and the piece is fetched. */
int windows_turn(struct space *s, const struct piece *piece)
{
	unsigned keep = windows_fuller(s);
	int rc = log_reserve(s);

	for (unsigned i = 0; rc == 0 && i < RECORD_WINDOWS; i++) {
		if (window_count(&s->windows[i]))
			rc = region_load(s, region_of(s, s->windows[i].first));
	}
	if (rc)
		return rc;
	if (window_count(&s->windows[!keep]))
		window_return(s, &s->windows[!keep]);
	s->windows[0] = s->windows[keep];
	window_fetch(s, &s->windows[1], piece);
	windows_count_at_hand(s);
	return 0;
}
