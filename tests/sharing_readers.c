/* SPDX-License-Identifier: MIT */
/* The readers of the model: by a slot, and by a lock. */
#include "tests/sharing_model_int.h"

#include <string.h>

void model_slot_step(struct model *m, const struct state *from)
{
	struct state s = *from;
	struct reader *r = &s.by_slot;

	switch ((enum reader_at)r->at) {
	case R_IDLE:
		if (!s.board.is_known)
			return;
		r->at = R_LOOK;
		break;
	case R_LOOK:
		r->state = s.board.published;
		r->at = R_HOLD;
		break;
	case R_HOLD:
		r->held = r->state.gen;
		r->at = is_left_out(m, NO_SECOND_LOOK_SLOT) ? R_READING : R_AGAIN;
		break;
	case R_AGAIN:
		r->at = s.board.published.gen == r->state.gen ? R_READING : R_LOOK;
		break;
	default:
		memset(r, 0, sizeof(*r));
		break;
	}
	model_found(m, &s);
}

/* It begins in each of the ways that there are. */
static void begin(struct model *m, const struct state *from)
{
	static const struct {
		enum readers way;
		enum reader_at at;
	} ways[] = {{LOCK, R_LOOK}, {LOCK_ALL, R_ALL}, {BOARD_LOCK, R_BOARD_LOOK}};

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct state s = *from;

		if (!(m->bounds.readers & ways[i].way) ||
			(ways[i].way == BOARD_LOCK && !s.board.is_known))
			continue;
		s.by_lock.at = (uint8_t)ways[i].at;
		model_found(m, &s);
	}
}

/* A member without a slot: as by a slot, but the generation is locked. */
static void by_board_step(const struct model *m, struct state *s, struct reader *r)
{
	switch ((enum reader_at)r->at) {
	case R_BOARD_LOOK:
		r->by_board = 1;
		r->state = s->board.published;
		r->at = R_BOARD_HOLD;
		break;
	case R_BOARD_HOLD:
		r->held = r->state.gen;
		r->at = is_left_out(m, NO_SECOND_LOOK_LOCK) ? R_READING : R_BOARD_AGAIN;
		break;
	default:
		r->at = s->board.published.gen == r->state.gen ? R_READING : R_BOARD_LOOK;
		if (r->at == R_BOARD_LOOK)
			r->held = NOTHING;
		break;
	}
}

/* It locks all, looks once, locks what it has found, and gives the lock of all back. */
static void by_lock_of_all_step(const struct model *m, struct reader *r, const struct meta *newest)
{
	bool is_given_first = is_left_out(m, ALL_GIVEN_FIRST);

	switch ((enum reader_at)r->at) {
	case R_ALL:
		r->holds_all = !is_left_out(m, ALL_TAKEN_LATE);
		r->at = R_ALL_LOOK;
		break;
	case R_ALL_LOOK_1:
		r->state = *newest;
		r->holds_all = 1;
		r->at = R_ALL_HOLD;
		if (r->state.gen == NOTHING)
			memset(r, 0, sizeof(*r));
		break;
	case R_ALL_HOLD:
		r->held = is_given_first ? NOTHING : r->state.gen;
		r->holds_all = !is_given_first;
		r->at = R_ALL_GIVE;
		break;
	default:
		r->held = r->state.gen;
		r->holds_all = 0;
		r->at = R_READING;
		break;
	}
}

/* It reads one slot after the other, then holds a lock, and reads both again. */
void model_lock_step(struct model *m, const struct state *from)
{
	struct state s = *from;
	struct reader *r = &s.by_lock;
	struct meta metas[SLOTS] = {r->first, s.cache.metas[1]};
	unsigned slot = model_newest(&s, metas, !is_left_out(m, NO_WALK_BY_LOCK));

	switch ((enum reader_at)r->at) {
	case R_IDLE:
		begin(m, from);
		return;
	case R_LOOK:
	case R_AGAIN:
	case R_ALL_LOOK:
		r->first = s.cache.metas[0];
		r->at++;
		break;
	case R_LOOK_1:
		r->state = metas[slot];
		r->at = r->state.gen == NOTHING ? R_LOOK : R_HOLD;
		break;
	case R_HOLD:
		r->held = r->state.gen;
		r->at = is_left_out(m, NO_SECOND_LOOK_LOCK) ? R_READING : R_AGAIN;
		break;
	case R_AGAIN_1:
		r->at = metas[slot].gen == r->state.gen ? R_READING : R_LOOK;
		if (r->at == R_LOOK)
			r->held = NOTHING;
		break;
	case R_ALL:
	case R_ALL_LOOK_1:
	case R_ALL_HOLD:
	case R_ALL_GIVE:
		by_lock_of_all_step(m, r, &metas[slot]);
		break;
	case R_BOARD_LOOK:
	case R_BOARD_HOLD:
	case R_BOARD_AGAIN:
		by_board_step(m, &s, r);
		break;
	case R_READING:
		memset(r, 0, sizeof(*r));
		break;
	}
	model_found(m, &s);
}
