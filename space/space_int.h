/* SPDX-License-Identifier: MIT */
/* What the files of free space share. The idea and the life of a page number: space/README.md. */
#ifndef SPACE_SPACE_INT_H
#define SPACE_SPACE_INT_H

#include "base/assert.h"
#include "space/space.h"

static inline uint32_t group_of(const struct space *s, pgno_t pgno)
{
	return pgno / s->layout.group_pages;
}

static inline pgno_t group_start(const struct space *s, uint32_t r)
{
	return r * s->layout.group_pages;
}

/* Whether the page is free in a window: now, or when the transaction began. */
static inline bool windows_have(const struct space *s, pgno_t pgno)
{
	return window_has(&s->windows[0], pgno) || window_has(&s->windows[1], pgno) ||
	       window_has(&s->saved[0], pgno) || window_has(&s->saved[1], pgno);
}

/* groups.c */
int groups_reserve(struct space *s, uint32_t n); /* memory for that many */
int groups_load_index(struct space *s, const struct space_record *record);
int group_load(struct space *s, uint32_t r);    /* reads its bitmap, unless it was read */
int group_promise(struct space *s, uint32_t r); /* and counts it among those that change */
int group_make(struct space *s, uint32_t r);    /* one without free pages, promised */
void group_forget(struct space *s, uint32_t r); /* it lies behind the end */
void group_set(struct space *s, pgno_t pgno, bool is_free); /* it is promised, and changes */

/* A piece of a bitmap, of window size, that begins at a word of it. */
struct piece {
	uint32_t group, word;
	unsigned n_free;
};

/* windows.c */
void windows_count_at_hand(struct space *s);
void window_to_bits(struct space *s, const struct window *w, bool is_free);
unsigned windows_fuller(const struct space *s);
int piece_find(struct space *s, unsigned n_enough, struct piece *ret_best);
int windows_turn(struct space *s, const struct piece *piece);
int windows_scatter(struct space *s, const struct piece *piece, unsigned n);
int windows_put_back(struct space *s, pgno_t *pgnos, size_t n);
void windows_end(struct space *s); /* what is loose goes back */

/* grow.c: where the file ends that has n_pages at least: a group has room for its own pages. */
pgno_t space_end_for(const struct space *s, uint64_t n_pages);

#endif
