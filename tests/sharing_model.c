/* SPDX-License-Identifier: MIT */
#include "tests/sharing_model_int.h"
#include "tests/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void judged(struct model *m, const char *verdict)
{
	if (m->verdict)
		return;
	m->verdict = verdict;
	m->failed = m->explorer.n - 1;
}

static bool is_version(const struct state *s, const struct meta *meta)
{
	const struct version *page = &s->cache.pages[meta->root];

	return page->gen == meta->places[meta->root].birth && page->id == meta->root_id;
}

/* J1, J4 */
static void judge(struct model *m, const struct state *s)
{
	const struct reader *slot = &s->by_slot, *lock = &s->by_lock;
	const struct meta *disk = s->disk.metas;
	uint8_t flushed = disk[0].n_commit > disk[1].n_commit ? disk[0].n_commit : disk[1].n_commit;

	if (slot->at == R_READING && !is_version(s, &slot->state))
		judged(m, "J1: a page was used again under a reader with a slot");
	if (lock->at == R_READING && !is_version(s, &lock->state))
		judged(m, "J1: a page was used again under a reader with a lock");
	if (slot->at == R_READING && slot->state.n_commit > flushed)
		judged(m, "J4: a reader with a slot sees what is not flushed");
	if (lock->at == R_READING && lock->by_board && lock->state.n_commit > flushed)
		judged(m, "J4: a reader with a lock sees what is not flushed");
}

void model_found(struct model *m, const struct state *s)
{
	if (explore_found(&m->explorer, s))
		judge(m, s);
}

/* --- opening, as txn/recover.c does it ----------------------------------------------------- */

static bool is_whole(const struct state *s, const struct meta *meta)
{
	return !meta->one_flush || s->cache.pages[meta->root].gen == meta->places[meta->root].birth;
}

unsigned model_newest(const struct state *s, const struct meta *metas, bool walks)
{
	unsigned slot = metas[1].gen > metas[0].gen;

	if (walks && !is_whole(s, &metas[slot]) && metas[1 - slot].gen != NOTHING)
		return 1 - slot;
	return slot;
}

static uint8_t next_incarnation(const struct meta *metas)
{
	uint8_t gen = metas[metas[1].gen > metas[0].gen].gen;
	unsigned more = metas[0].gen != NOTHING && metas[1].gen != NOTHING ? 1 : 2;

	return (uint8_t)(((gen >> SEQ_BITS) + more) << SEQ_BITS);
}

static void recover(struct model *m, struct state *s, struct writer *w)
{
	const struct meta *metas = s->cache.metas;
	unsigned slot = model_newest(s, metas, !is_left_out(m, NO_WALK_AT_OPENING));

	w->base = metas[slot];
	s->board.newest_slot = (uint8_t)slot;
	s->board.is_known = s->board.is_dirty = 1;
	s->board.in_session = 0;
	s->board.next_gen = is_left_out(m, SAME_INCARNATION) ? (uint8_t)(w->base.gen + 1)
							     : next_incarnation(metas);
	s->board.published = w->base;
	w->at = W_SESSION_META;
	model_found(m, s);
	if (w->base.n_commit < s->acknowledged)
		judged(m, "J2: an acknowledged commit is lost");
	if (!is_version(s, &w->base))
		judged(m, "J3: the tree leads to a page of another attempt");
}

/* --- a writer ------------------------------------------------------------------------------ */

static bool is_seen(uint8_t snapshot, const struct place *place)
{
	return snapshot != NOTHING && place->birth <= snapshot && snapshot < place->freed;
}

/* Whether no reader sees what lies there, as far as the writer has looked. */
static bool is_unseen(const struct writer *w, const struct place *place)
{
	return !w->seen_all && !is_seen(w->seen_slot, place) && !is_seen(w->seen_lock, place);
}

/* T4 */
static bool may_take(const struct writer *w, const struct place *place)
{
	if (place->freed == IN_USE)
		return false;
	return place->birth == NOTHING || (place->freed <= w->base.gen && is_unseen(w, place));
}

static struct meta next_meta(const struct model *m, const struct writer *w, uint8_t id)
{
	struct meta next = w->base;

	next.gen = w->gen;
	next.n_commit++;
	next.places[next.root].freed = w->gen;
	next.places[w->page] = (struct place){w->gen, IN_USE};
	for (unsigned p = 0; p < PAGES; p++) {
		if (next.places[p].freed != IN_USE && next.places[p].freed < w->base.gen &&
			is_unseen(w, &next.places[p]))
			next.places[p] = (struct place){0};
	}
	next.root = w->page;
	next.root_id = id;
	next.one_flush = m->bounds.one_flush;
	return next;
}

static void look(struct model *m, struct state *s, struct writer *w)
{
	bool is_dirty = s->board.is_dirty && !is_left_out(m, NO_TAKE_OVER);

	if (!s->board.is_known || is_dirty) {
		w->at = is_left_out(m, SYNC_FORGOTTEN) ? W_RECOVER : W_SYNC;
	} else {
		if (!is_left_out(m, OLD_STATE_KEPT) || !w->knows)
			w->base = s->board.published;
		w->at = s->board.in_session ? W_BEGIN : W_SESSION_META;
	}
	model_found(m, s);
}

static void session_meta(struct model *m, struct state *s, struct writer *w)
{
	unsigned slot = 1U - s->board.newest_slot;

	s->board.is_dirty = 1;
	w->base.gen = s->board.next_gen++;
	w->base.one_flush = 0;
	if (!is_left_out(m, INCARNATION_IN_MEMORY))
		s->cache.metas[slot] = w->base;
	w->at = W_SESSION_FLUSH;
	model_found(m, s);
}

static void session_flush(struct model *m, struct state *s, struct writer *w)
{
	s->disk = s->cache;
	if (!is_left_out(m, INCARNATION_IN_MEMORY))
		s->board.newest_slot ^= 1;
	s->board.in_session = 1;
	s->board.published = w->base;
	w->at = W_BEGIN;
	model_found(m, s);
}

static void begin(struct model *m, struct state *s, struct writer *w)
{
	if (s->attempts_left == 0) {
		w->at = W_CLEAN;
		model_found(m, s);
		return;
	}
	s->attempts_left--;
	s->board.is_dirty = 1;
	w->gen = is_left_out(m, OWN_SEQUENCE) ? (uint8_t)(w->base.gen + 1) : s->board.next_gen++;
	w->slot = 1 - s->board.newest_slot;
	w->has_page = w->has_meta = 0;
	w->at = is_left_out(m, SCAN_BEFORE_TURN) ? W_TAKE : W_SCAN_SLOTS;
	model_found(m, s);
}

static void take(struct model *m, const struct state *from, unsigned who)
{
	bool took = false;

	for (unsigned p = 0; p < PAGES; p++) {
		struct state s = *from;

		if (!may_take(&from->writers[who], &from->writers[who].base.places[p]))
			continue;
		took = true;
		s.writers[who].page = (uint8_t)p;
		s.writers[who].at = W_PAGE;
		model_found(m, &s);
	}
	if (!took) {
		struct state s = *from;

		s.writers[who].at = W_CLEAN;
		model_found(m, &s);
	}
}

static void write_page(struct state *s, struct writer *w)
{
	s->cache.pages[w->page] = (struct version){w->gen, s->next_id};
	w->has_page = 1;
}

static void write_meta(struct model *m, struct state *s, struct writer *w)
{
	s->cache.metas[w->slot] = next_meta(m, w, s->next_id);
	w->has_meta = 1;
}

/* One-flush: page and meta in either order, then the flush; before the meta it can be aborted. */
static void write_one_flush(struct model *m, const struct state *from, unsigned who)
{
	struct state s = *from;

	if (!from->writers[who].has_page) {
		write_page(&s, &s.writers[who]);
		s.writers[who].at = s.writers[who].has_meta ? W_FLUSH_META : W_PAGE;
		model_found(m, &s);
		s = *from;
	}
	if (!from->writers[who].has_meta) {
		write_meta(m, &s, &s.writers[who]);
		s.writers[who].at = s.writers[who].has_page ? W_FLUSH_META : W_PAGE;
		model_found(m, &s);
		s = *from;
		s.next_id++;
		s.writers[who].at = W_CLEAN;
		model_found(m, &s);
	}
}

/* After the page is written the transaction goes on, or is aborted. */
static void write_two_flush(struct model *m, struct state *s, struct writer *w)
{
	write_page(s, w);
	w->at = W_FLUSH_PAGES;
	model_found(m, s);
	s->next_id++;
	w->at = W_CLEAN;
	model_found(m, s);
}

static void publish(struct state *s, const struct meta *meta)
{
	s->board.published = *meta;
}

static void flush_meta(struct model *m, struct state *s, struct writer *w)
{
	struct meta mine = s->cache.metas[w->slot];

	if (is_left_out(m, PUBLISH_UNFLUSHED) && s->board.published.gen != w->gen) {
		publish(s, &mine); /* and once more, after the flush */
		model_found(m, s);
	}
	s->disk = s->cache;
	s->next_id++;
	s->board.newest_slot = w->slot;
	w->base = mine;
	w->at = W_PUBLISH;
	model_found(m, s);
}

/* False: its turn does not come. */
static bool wait_for_turn(const struct model *m, struct state *s, struct writer *w, unsigned who)
{
	if (is_left_out(m, SCAN_BEFORE_TURN) && !w->has_looked) {
		w->seen_slot = s->by_slot.held;
		w->seen_lock = s->by_lock.held;
		w->seen_all = s->by_lock.holds_all;
		w->has_looked = 1;
		return true;
	}
	/* Also with nothing left to write, where something must be recovered. */
	if (s->turn != NOBODY || (s->attempts_left == 0 && s->board.is_known && !s->board.is_dirty))
		return false;
	s->turn = (uint8_t)who;
	w->at = W_LOOK;
	return true;
}

/* After it nothing of the turn is left. */
static void end_turn(const struct model *m, struct state *s, struct writer *w)
{
	struct meta known = w->base;

	memset(w, 0, sizeof(*w));
	w->knows = 1;
	if (is_left_out(m, OLD_STATE_KEPT))
		w->base = known;
	s->turn = NOBODY;
}

/* What changes one thing, and always goes on in the same place. */
static void writer_simple_step(struct model *m, struct state *s, struct writer *w)
{
	enum writer_at at = (enum writer_at)w->at;

	w->at++;
	if (at == W_SYNC || at == W_FLUSH_PAGES)
		s->disk = s->cache;
	if (at == W_SCAN_SLOTS)
		w->seen_slot = is_left_out(m, NO_SCAN_OF_SLOTS) ? NOTHING : s->by_slot.held;
	if (at == (is_left_out(m, ALL_LOOKED_FOR_LAST) ? W_SCAN_LOCKS : W_SCAN_ALL))
		w->seen_all = !is_left_out(m, ALL_NOT_LOOKED_FOR) && s->by_lock.holds_all;
	if (at == (is_left_out(m, ALL_LOOKED_FOR_LAST) ? W_SCAN_ALL : W_SCAN_LOCKS))
		w->seen_lock = is_left_out(m, NO_SCAN_OF_LOCKS) ? NOTHING : s->by_lock.held;
	if (at == W_META)
		write_meta(m, s, w);
	if (at == W_PUBLISH)
		publish(s, &w->base);
	if (at == W_ACKNOWLEDGE)
		s->acknowledged = w->base.n_commit;
	if (at == W_CLEAN)
		s->board.is_dirty = 0;
	if (at == W_UNLOCK)
		end_turn(m, s, w);
	model_found(m, s);
}

static void writer_step(struct model *m, const struct state *from, unsigned who)
{
	struct state s = *from;
	struct writer *w = &s.writers[who];

	switch ((enum writer_at)w->at) {
	case W_IDLE:
		if (wait_for_turn(m, &s, w, who))
			model_found(m, &s);
		break;
	case W_LOOK:
		look(m, &s, w);
		break;
	case W_RECOVER:
		recover(m, &s, w);
		break;
	case W_SESSION_META:
		session_meta(m, &s, w);
		break;
	case W_SESSION_FLUSH:
		session_flush(m, &s, w);
		break;
	case W_BEGIN:
		begin(m, &s, w);
		break;
	case W_TAKE:
		take(m, from, who);
		break;
	case W_PAGE:
		if (m->bounds.one_flush)
			write_one_flush(m, from, who);
		else
			write_two_flush(m, &s, w);
		break;
	case W_FLUSH_META:
		flush_meta(m, &s, w);
		break;
	default:
		writer_simple_step(m, &s, w);
		break;
	}
}

/* kill -9: what it has written is in the page cache, its lock is free, its memory is gone. */
static void writer_dies(struct model *m, const struct state *from, unsigned who)
{
	struct state s = *from;

	if (from->deaths_left == 0 || from->writers[who].at == W_IDLE)
		return;
	s.deaths_left--;
	s.next_id++;
	memset(&s.writers[who], 0, sizeof(s.writers[who]));
	if (s.turn == who)
		s.turn = NOBODY;
	model_found(m, &s);
}

/* --- the power ----------------------------------------------------------------------------- */

static void restart(struct model *m, struct state *s)
{
	s->cache = s->disk;
	s->cuts_left--;
	s->next_id++;
	s->turn = NOBODY;
	memset(&s->board, 0, sizeof(s->board));
	memset(s->writers, 0, sizeof(s->writers));
	memset(&s->by_slot, 0, sizeof(s->by_slot));
	memset(&s->by_lock, 0, sizeof(s->by_lock));
	model_found(m, s);
}

/* Of each thing that is not flushed: the old one, the new one, or a mixture that no checksum knows.
 */
static void power_cut(struct model *m, const struct state *from, unsigned thing)
{
	struct state s = *from;

	if (from->cuts_left == 0)
		return;
	if (thing == PAGES + SLOTS) {
		restart(m, &s);
		return;
	}
	power_cut(m, &s, thing + 1);
	if (thing < PAGES) {
		if (memcmp(&s.disk.pages[thing], &s.cache.pages[thing], sizeof(struct version)) ==
			0)
			return;
		s.disk.pages[thing] = s.cache.pages[thing];
		power_cut(m, &s, thing + 1);
		memset(&s.disk.pages[thing], 0, sizeof(struct version));
	} else {
		unsigned slot = thing - PAGES;

		if (memcmp(&s.disk.metas[slot], &s.cache.metas[slot], sizeof(struct meta)) == 0)
			return;
		s.disk.metas[slot] = s.cache.metas[slot];
		power_cut(m, &s, thing + 1);
		memset(&s.disk.metas[slot], 0, sizeof(struct meta));
	}
	power_cut(m, &s, thing + 1);
}

/* --- all states ---------------------------------------------------------------------------- */

static void first_state(struct model *m)
{
	const uint8_t gen = 1 << SEQ_BITS;
	struct meta made = {.gen = gen, .root_id = 1, .places = {{gen, IN_USE}}};
	struct state s;

	memset(&s, 0, sizeof(s));
	s.cache.pages[0] = (struct version){gen, 1};
	s.cache.metas[0] = s.cache.metas[1] = made;
	s.disk = s.cache;
	s.turn = NOBODY;
	s.next_id = 2;
	s.attempts_left = m->bounds.attempts;
	s.deaths_left = m->bounds.deaths;
	s.cuts_left = m->bounds.cuts;
	model_found(m, &s);
}

static void explore(struct model *m)
{
	const void *next;

	first_state(m);
	while (!m->verdict && (next = explore_next(&m->explorer))) {
		struct state s = *(const struct state *)next;

		for (unsigned who = 0; who < WRITERS; who++) {
			writer_step(m, &s, who);
			writer_dies(m, &s, who);
		}
		if (m->bounds.readers & SLOT)
			model_slot_step(m, &s);
		if (m->bounds.readers & (LOCK | LOCK_ALL | BOARD_LOCK))
			model_lock_step(m, &s);
		power_cut(m, &s, 0);
	}
}

/* How it came to the state that failed. */
static void print_way(const struct explorer *e, uint32_t index)
{
	const struct state *s = explore_state(e, index);

	if (index != 0)
		print_way(e, e->parents[index]);
	printf("  turn %u, writers %u %u, slot %u holds %u, lock %u holds %u, metas %u %u\n",
		s->turn, s->writers[0].at, s->writers[1].at, s->by_slot.at, s->by_slot.held,
		s->by_lock.at, s->by_lock.held, s->cache.metas[0].gen, s->cache.metas[1].gen);
}

uint32_t model_run(const struct bounds *bounds, const char **ret_verdict)
{
	struct model m = {.bounds = *bounds};

	explore_init(&m.explorer, sizeof(struct state));
	explore(&m);
	*ret_verdict = m.verdict;
	if (m.verdict && bounds->left_out == KEEP_ALL)
		print_way(&m.explorer, m.failed);
	explore_fini(&m.explorer);
	return m.explorer.n;
}
