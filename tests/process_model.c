/* SPDX-License-Identifier: MIT */
#include "tests/process_model.h"
#include "tests/explore.h"

#include <stdbool.h>
#include <string.h>

enum { PAGES = 3, COPIES = 2, SLOTS = 2, SEQ_BITS = 4 };

#define IN_USE  0xff /* struct place, freed */
#define NOTHING 0    /* a generation: no page, an invalid meta */

/* id tells versions apart that a checksum and a generation cannot: no rule may look at it. */
struct version {
	uint8_t gen, id;
};

struct place {
	uint8_t birth, freed; /* birth NOTHING: never used */
};

struct meta {
	uint8_t gen, n_commit, durable_gen, root,
		copy;                /* durable_gen == gen: flushed in two steps */
	struct version page, bitmap; /* what must lie there */
	struct place places[PAGES];
};

struct medium {
	struct version pages[PAGES], bitmaps[COPIES];
	struct meta metas[SLOTS];
};

enum at { RECOVER, SESSION_META, SESSION_FLUSH, BEGIN, PAGE, BITMAP, META, ANSWER };

struct writer {
	uint8_t at, durable_gen, durable_slot, slot, has_bitmap, next_gen;
	struct meta base; /* the newest state that was written */
	struct meta next; /* the one that is being written */
};

/* Compared and hashed as bytes: uint8_t alone, so without holes. */
struct state {
	struct medium cache, disk;
	struct writer writer;
	struct meta read; /* what the reader holds; gen NOTHING: nothing */
	uint8_t next_id, answered, flushed;
	uint8_t commits_left, deaths_left, cuts_left;
};

struct model {
	struct process_bounds bounds;
	struct explorer explorer;
	const char *verdict;
};

static bool is_left_out(const struct model *m, enum process_rule rule)
{
	return m->bounds.left_out == rule;
}

static void judged(struct model *m, const char *verdict)
{
	if (!m->verdict)
		m->verdict = verdict;
}

static bool is_same(struct version a, struct version b)
{
	return a.gen == b.gen && a.id == b.id;
}

static void found(struct model *m, const struct state *s)
{
	if (explore_found(&m->explorer, s) && s->read.gen != NOTHING &&
		!is_same(s->cache.pages[s->read.root], s->read.page))
		judged(m, "P1: a page was used again under a reader");
}

static void flush(struct state *s)
{
	s->disk = s->cache;
	s->flushed = s->writer.base.n_commit;
}

/* --- opening, as txn/recover.c does it ----------------------------------------------------- */

static bool is_whole(const struct model *m, const struct medium *c, const struct meta *meta)
{
	if (is_left_out(m, WALK_LEFT_OUT))
		return true;
	return (meta->page.gen <= meta->durable_gen ||
		       c->pages[meta->root].gen == meta->page.gen) &&
	       (meta->bitmap.gen <= meta->durable_gen ||
		       c->bitmaps[meta->copy].gen == meta->bitmap.gen);
}

static uint8_t next_incarnation(const struct meta *metas, uint8_t gen)
{
	unsigned more = metas[0].gen != NOTHING && metas[1].gen != NOTHING ? 1 : 2;

	return (uint8_t)(((gen >> SEQ_BITS) + more) << SEQ_BITS);
}

static void recover(struct model *m, struct state *s)
{
	struct writer *w = &s->writer;
	const struct meta *metas = s->cache.metas;
	unsigned newest = metas[1].gen > metas[0].gen, slot = newest;

	if (!is_left_out(m, SYNC_LEFT_OUT))
		s->disk = s->cache;
	if (!is_whole(m, &s->cache, &metas[newest])) {
		slot = 1 - newest;
		if (metas[slot].gen == NOTHING || metas[slot].gen != metas[newest].durable_gen) {
			judged(m, "P2: the state that was flushed is gone");
			return;
		}
	}
	w->base = metas[slot];
	w->durable_slot = w->slot = (uint8_t)slot;
	w->durable_gen = w->base.gen;
	w->next_gen = is_left_out(m, INCARNATION_KEPT) ? (uint8_t)(w->base.gen + 1)
						       : next_incarnation(metas, metas[newest].gen);
	if (w->base.n_commit < s->answered)
		judged(m, "P2: an answered commit is lost");
	if (!is_same(s->cache.pages[w->base.root], w->base.page) ||
		!is_same(s->cache.bitmaps[w->base.copy], w->base.bitmap))
		judged(m, "P3: the state is a mixture");
	w->at = SESSION_META;
	found(m, s);
}

static void session_meta(struct model *m, struct state *s)
{
	struct writer *w = &s->writer;

	w->base.gen = w->base.durable_gen = w->next_gen++;
	w->slot = 1 - w->durable_slot;
	s->cache.metas[w->slot] = w->base;
	w->at = SESSION_FLUSH;
	found(m, s);
}

static void durable(struct writer *w)
{
	w->durable_gen = w->base.gen;
	w->durable_slot = w->slot;
}

static void session_flush(struct model *m, struct state *s)
{
	flush(s);
	durable(&s->writer);
	s->writer.at = BEGIN;
	found(m, s);
}

/* --- a commit ------------------------------------------------------------------------------ */

/* T4 */
static bool may_take(const struct model *m, const struct state *s, const struct place *place)
{
	const struct writer *w = &s->writer;
	uint8_t horizon = is_left_out(m, FREED_IS_USED) ? w->base.gen : w->durable_gen;
	bool is_read = s->read.gen != NOTHING && !is_left_out(m, READERS_ARE_MISSED) &&
		       place->birth <= s->read.gen && s->read.gen < place->freed;

	if (place->birth == NOTHING)
		return true;
	return place->freed != IN_USE && place->freed <= horizon && !is_read;
}

static void write_page(struct state *s)
{
	s->cache.pages[s->writer.next.root] = s->writer.next.page;
}

static void write_bitmap(struct state *s)
{
	if (s->writer.has_bitmap)
		s->cache.bitmaps[s->writer.next.copy] = s->writer.next.bitmap;
}

/* What a transaction has made, before anything is written. */
static void make_next(const struct model *m, struct state *s, uint8_t page, bool has_bitmap)
{
	struct writer *w = &s->writer;
	struct meta *next = &w->next;
	uint8_t gen = w->next_gen++;
	bool flips = w->base.bitmap.gen <= w->durable_gen || is_left_out(m, BITMAP_FLIPS);

	*next = w->base;
	next->gen = gen;
	next->n_commit++;
	next->durable_gen = is_left_out(m, WRITTEN_IS_DURABLE) ? w->base.gen : w->durable_gen;
	next->places[next->root].freed = gen;
	next->places[page] = (struct place){gen, IN_USE};
	next->root = page;
	next->page = (struct version){gen, s->next_id};
	if (has_bitmap) {
		next->copy ^= flips;
		next->bitmap = (struct version){gen, s->next_id};
	}
	w->has_bitmap = has_bitmap;
	s->next_id++;
	if (is_left_out(m, SLOTS_TAKE_TURNS))
		w->slot = 1 - w->slot;
	else
		w->slot = 1 - w->durable_slot;
	w->at = is_left_out(m, META_BEFORE_PAGES) ? META : PAGE;
}

static bool needs_flush(const struct model *m, const struct writer *w, bool has_bitmap)
{
	return has_bitmap && w->base.bitmap.gen > w->durable_gen &&
	       !is_left_out(m, BITMAP_IN_PLACE) && !is_left_out(m, BITMAP_FLIPS);
}

/* A flush, for whatever reason; or another process's turn, which goes on from what is flushed. */
static void flush_or_give(struct model *m, const struct state *from)
{
	struct state s = *from;

	if (s.writer.base.gen == s.writer.durable_gen)
		return;
	if (!is_left_out(m, TURN_UNFLUSHED))
		flush(&s);
	durable(&s.writer);
	found(m, &s);
}

static void begin(struct model *m, const struct state *from)
{
	flush_or_give(m, from);
	for (uint8_t p = 0; from->commits_left && p < PAGES; p++) {
		for (unsigned has_bitmap = 0; has_bitmap < 2; has_bitmap++) {
			struct state s = *from;

			if (!may_take(m, from, &from->writer.base.places[p]) ||
				needs_flush(m, &from->writer, has_bitmap))
				continue;
			s.commits_left--;
			make_next(m, &s, p, has_bitmap);
			found(m, &s);
		}
	}
}

static void write_step(struct model *m, struct state *s)
{
	struct writer *w = &s->writer;
	bool meta_first = is_left_out(m, META_BEFORE_PAGES);

	switch ((enum at)w->at) {
	case PAGE:
		write_page(s);
		w->at = BITMAP;
		break;
	case BITMAP:
		write_bitmap(s);
		w->at = meta_first ? ANSWER : META;
		break;
	case META:
		s->cache.metas[w->slot] = w->next;
		w->at = meta_first ? PAGE : ANSWER;
		break;
	default:
		w->base = w->next;
		memset(&w->next, 0, sizeof(w->next));
		s->answered = w->base.n_commit;
		w->at = BEGIN;
		break;
	}
	found(m, s);
}

static void writer_step(struct model *m, const struct state *from)
{
	struct state s = *from;

	switch ((enum at)from->writer.at) {
	case RECOVER:
		recover(m, &s);
		break;
	case SESSION_META:
		session_meta(m, &s);
		break;
	case SESSION_FLUSH:
		session_flush(m, &s);
		break;
	case BEGIN:
		begin(m, from);
		break;
	default:
		write_step(m, &s);
		break;
	}
}

/* kill -9: what was written is in the cache; the next one takes over. A reader is another process.
 */
static void writer_dies(struct model *m, const struct state *from)
{
	struct state s = *from;

	if (from->deaths_left == 0 || from->writer.at == RECOVER)
		return;
	s.deaths_left--;
	memset(&s.writer, 0, sizeof(s.writer));
	found(m, &s);
}

static void reader_step(struct model *m, const struct state *from)
{
	struct state s = *from;

	if (from->read.gen != NOTHING)
		memset(&s.read, 0, sizeof(s.read));
	else if (from->writer.at >= BEGIN)
		s.read = from->writer.base;
	else
		return;
	found(m, &s);
}

/* --- the power ----------------------------------------------------------------------------- */

static void *thing_of(struct medium *medium, unsigned i, size_t *ret_len)
{
	*ret_len = sizeof(struct version);
	if (i < PAGES)
		return &medium->pages[i];
	i -= PAGES;
	if (i < COPIES)
		return &medium->bitmaps[i];
	*ret_len = sizeof(struct meta);
	return &medium->metas[i - COPIES];
}

#define THINGS (PAGES + COPIES + SLOTS)

static bool is_on_the_way(struct state *s, unsigned i, void **ret_disk, void **ret_cache,
	size_t *ret_len)
{
	*ret_disk = thing_of(&s->disk, i, ret_len);
	*ret_cache = thing_of(&s->cache, i, ret_len);
	return memcmp(*ret_disk, *ret_cache, *ret_len) != 0;
}

/* The device takes one thing over, whenever it likes. */
static void device_step(struct model *m, const struct state *from)
{
	for (unsigned i = 0; from->cuts_left && i < THINGS; i++) {
		struct state s = *from;
		void *disk, *cache;
		size_t len;

		if (!is_on_the_way(&s, i, &disk, &cache, &len))
			continue;
		memcpy(disk, cache, len);
		found(m, &s);
	}
}

static void restart(struct model *m, struct state *s)
{
	s->cache = s->disk;
	s->cuts_left--;
	s->answered = s->flushed;
	memset(&s->writer, 0, sizeof(s->writer));
	memset(&s->read, 0, sizeof(s->read));
	found(m, s);
}

/* What was on the way is as the device has it, or garbage; device_step() is the third choice. */
static void power_cut(struct model *m, const struct state *from, unsigned thing)
{
	struct state s = *from;
	void *disk, *cache;
	size_t len;

	if (from->cuts_left == 0)
		return;
	if (thing == THINGS) {
		restart(m, &s);
		return;
	}
	power_cut(m, &s, thing + 1);
	if (!is_on_the_way(&s, thing, &disk, &cache, &len))
		return;
	memset(disk, 0, len);
	power_cut(m, &s, thing + 1);
}

/* --- all states ---------------------------------------------------------------------------- */

static void first_state(struct model *m)
{
	const uint8_t gen = 1 << SEQ_BITS;
	struct meta made = {.gen = gen,
		.durable_gen = gen,
		.page = {gen, 1},
		.bitmap = {gen, 1},
		.places = {{gen, IN_USE}}};
	struct state s;

	memset(&s, 0, sizeof(s));
	s.cache.pages[0] = s.cache.bitmaps[0] = made.page;
	s.cache.metas[0] = s.cache.metas[1] = made;
	s.disk = s.cache;
	s.next_id = 2;
	s.commits_left = m->bounds.commits;
	s.deaths_left = m->bounds.deaths;
	s.cuts_left = m->bounds.cuts;
	found(m, &s);
}

uint32_t process_model_run(const struct process_bounds *bounds, const char **ret_verdict)
{
	struct model m = {.bounds = *bounds};
	const void *next;

	explore_init(&m.explorer, sizeof(struct state));
	first_state(&m);
	while (!m.verdict && (next = explore_next(&m.explorer))) {
		struct state s = *(const struct state *)next;

		writer_step(&m, &s);
		writer_dies(&m, &s);
		reader_step(&m, &s);
		device_step(&m, &s);
		power_cut(&m, &s, 0);
	}
	*ret_verdict = m.verdict;
	explore_fini(&m.explorer);
	return m.explorer.n;
}
