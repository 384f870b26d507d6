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

/* It reads one slot after the other, then holds a lock, and reads both again. */
void model_lock_step(struct model *m, const struct state *from)
{
	struct state s = *from;
	struct reader *r = &s.by_lock;
	struct meta metas[SLOTS] = {r->first, s.cache.metas[1]};
	unsigned slot = model_newest(&s, metas, !is_left_out(m, NO_WALK_BY_LOCK));

	switch ((enum reader_at)r->at) {
	case R_IDLE:
		r->at = R_LOOK;
		break;
	case R_LOOK:
	case R_AGAIN:
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
	case R_READING:
		memset(r, 0, sizeof(*r));
		break;
	}
	model_found(m, &s);
}
