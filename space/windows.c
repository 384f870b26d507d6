/* SPDX-License-Identifier: MIT */
/*
 * Allocation windows (ext3): two pieces of bitmaps, of up to 512 neighbouring pages, from which
 * pages are handed out. Which piece is fetched next is decided here. Every change of the bitmaps is
 * logged, so that an abort can undo it.
 */
#include "base/array.h"
#include "space/space_int.h"

#include <stdlib.h>
#include <string.h>

void windows_count_at_hand(struct space *s)
{
	s->n_at_hand = window_count(&s->windows[0]) + window_count(&s->windows[1]) + s->n_loose;
}

void window_to_bits(struct space *s, const struct window *w, bool is_free)
{
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if (w->mask[i / 64] >> (i % 64) & 1)
			group_set(s, w->first + i, is_free);
	}
}

/* --- the log ------------------------------------------------------------------------------- */

static int log_reserve(struct space *s, uint32_t n)
{
	return array_reserve(&s->log, &s->cap_log, (uint64_t)s->n_log + n, sizeof(*s->log));
}

/* Clears the bits of a window, or sets them again; there is room in the log. */
static void window_move(struct space *s, const struct window *w, bool fetched)
{
	ASSERT(s->n_log < s->cap_log);
	s->log[s->n_log++] = (struct window_log){*w, fetched};
	window_to_bits(s, w, !fetched);
}

/* S6 */
void space_undo(struct space *s)
{
	while (s->n_log > 0) {
		const struct window_log *entry = &s->log[--s->n_log];

		window_to_bits(s, &entry->window, entry->fetched);
	}
	memcpy(s->windows, s->saved, sizeof(s->windows));
	s->aims_low = false;
	s->n_loose = 0;
	windows_count_at_hand(s);
}

/* --- pieces of bitmaps --------------------------------------------------------------------- */

/* The free pages of the window-sized piece of group r that begins at word `word` of its bitmap. */
static unsigned piece_count(const struct space *s, uint32_t r, uint32_t word)
{
	uint32_t end = word + WINDOW_WORDS;
	unsigned n = 0;

	if (end > s->layout.group_pages / 64)
		end = s->layout.group_pages / 64;
	for (; word < end; word++)
		n += (unsigned)__builtin_popcountll(s->groups[r].bits[word]);
	return n;
}

/* The first piece that has n_enough free pages, else the fullest of them. */
int piece_find(struct space *s, unsigned n_enough, struct piece *ret_best)
{
	struct piece best = {0, 0, 0};

	for (uint32_t r = 0; r < s->n_groups && best.n_free < n_enough; r++) {
		int rc;

		if (s->groups[r].entry.n_free <= best.n_free)
			continue;
		rc = group_load(s, r);
		if (rc)
			return rc;
		for (uint32_t word = 0; word < s->layout.group_pages / 64; word += WINDOW_WORDS) {
			unsigned n = piece_count(s, r, word);

			if (n > best.n_free)
				best = (struct piece){r, word, n};
			if (n >= n_enough)
				break;
		}
	}
	*ret_best = best;
	return 0;
}

/* The first n_most free pages of a piece. */
static struct window piece_window(const struct space *s, const struct piece *piece, unsigned n_most)
{
	const uint64_t *bits = s->groups[piece->group].bits;
	struct window w = {.first = group_start(s, piece->group) + piece->word * 64};
	unsigned n = 0;

	for (uint32_t i = 0; i < WINDOW_WORDS && piece->word + i < s->layout.group_pages / 64;
		i++) {
		for (uint64_t rest = bits[piece->word + i]; rest && n < n_most; rest &= rest - 1) {
			w.mask[i] |= rest & -rest;
			n++;
		}
	}
	return w;
}

/* --- turning ------------------------------------------------------------------------------- */

unsigned windows_fuller(const struct space *s)
{
	return window_count(&s->windows[0]) >= window_count(&s->windows[1]) ? 0 : 1;
}

/* The fuller window stays, as the first one; the other goes back, and the piece is fetched. */
int windows_turn(struct space *s, const struct piece *piece)
{
	unsigned keep = windows_fuller(s);
	struct window *other = &s->windows[!keep];
	bool returns = window_count(other) > 0;
	int rc = log_reserve(s, 2);

	if (rc == 0)
		rc = group_promise(s, piece->group);
	if (rc == 0 && returns)
		rc = group_promise(s, group_of(s, other->first));
	if (rc)
		return rc;
	if (returns)
		window_move(s, other, false);
	s->windows[0] = s->windows[keep];
	s->windows[1] = piece_window(s, piece, WINDOW_PAGES);
	window_move(s, &s->windows[1], true);
	windows_count_at_hand(s);
	return 0;
}

/* n pages of the piece, which has so many, become loose. */
int windows_scatter(struct space *s, const struct piece *piece, unsigned n)
{
	int rc = log_reserve(s, 1);
	struct window w;

	if (rc == 0)
		rc = group_promise(s, piece->group);
	if (rc)
		return rc;
	w = piece_window(s, piece, n);
	window_move(s, &w, true);
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if (window_has(&w, w.first + i))
			s->loose[s->n_loose++] = w.first + i;
	}
	windows_count_at_hand(s);
	return 0;
}

/* The log is not needed any more: the state is about to be written down. */
void windows_end(struct space *s)
{
	s->aims_low = false;
	for (; s->n_loose > 0; s->n_loose--)
		group_set(s, s->loose[s->n_loose - 1], true);
	windows_count_at_hand(s);
}

/* --- putting back -------------------------------------------------------------------------- */

static bool window_put_back(const struct space *s, struct window *w, pgno_t pgno)
{
	pgno_t bit = pgno - w->first;

	if (pgno < w->first || bit >= WINDOW_PAGES || group_of(s, pgno) != group_of(s, w->first))
		return false;
	ASSERT(!window_has(w, pgno));
	w->mask[bit / 64] |= UINT64_C(1) << (bit % 64);
	return true;
}

/* Sorted page numbers: into a window that covers them, else to the bitmaps. */
int windows_put_back(struct space *s, pgno_t *pgnos, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n;) {
		struct window w = {.first = pgnos[i]};

		if (window_put_back(s, &s->windows[0], pgnos[i]) ||
			window_put_back(s, &s->windows[1], pgnos[i])) {
			i++;
			continue;
		}
		rc = log_reserve(s, 1);
		if (rc == 0)
			rc = group_promise(s, group_of(s, w.first));
		if (rc)
			break;
		while (i < n && window_put_back(s, &w, pgnos[i]))
			i++;
		window_move(s, &w, false);
	}
	windows_count_at_hand(s);
	return rc;
}
