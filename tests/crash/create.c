/* SPDX-License-Identifier: MIT */
/*
 * Creation, in one attempt or in several: the process dies at some event of it, or a call fails.
 * What an attempt left may be a database, which another process opens and commits to; then it is a
 * session's part never to lose what it acknowledges, its name included.
 */
#include "tests/crash/work.h"

static void arm(struct work *w)
{
	memset(&w->plan, 0, sizeof(w->plan));
	w->plan.kind = crash_draw(&w->rng) % 2 ? FAULT_EIO : FAULT_ENOSPC;
	w->plan.nth = crash_draw(&w->rng) % 4;
	if (crash_draw(&w->rng) % 2)
		simdisk_kill_at(w->disk, simdisk_events(w->disk) + 1 + crash_draw(&w->rng) % 20);
	else
		w->plan.calls =
			crash_draw(&w->rng) % 2
				? FAULT_SYNC_DIR | FAULT_RENAME | FAULT_UNLINK
				: FAULT_SYNC | FAULT_WRITE | FAULT_TRUNCATE | FAULT_ALLOCATE;
	simdisk_set_fault(w->disk, fault_plan_sim, &w->plan);
}

/* *ret_cut: it died, or a call failed. */
static int attempt(struct work *w, bool *ret_cut)
{
	int rc;

	if (w->ops->creation_may_die && crash_draw(&w->rng) % 2)
		arm(w);
	rc = w->ops->create(w->config->index, w->seed, w->disk);
	simdisk_set_fault(w->disk, NULL, NULL);
	*ret_cut = is_meant(w);
	session_marks[MARK_CREATION_DIED].n += simdisk_killed(w->disk);
	session_marks[MARK_CREATION_FAILED].n += w->plan.struck > 0;
	simdisk_kill_at(w->disk, 0);
	memset(&w->plan, 0, sizeof(w->plan));
	return *ret_cut ? 0 : rc;
}

int create_in_attempts(struct work *w)
{
	bool cut = false, any_cut = false;

	for (;;) {
		int rc = attempt(w, &cut);

		if (rc)
			return rc;
		any_cut |= cut;
		/* Who only opens what another one made need not make its name durable. */
		if (!cut && !any_cut) {
			ack(w);
			crash_name(w->history);
		}
		if (!cut)
			return 0;
		/* The next to come opens what there is, or makes it. */
		if (crash_draw(&w->rng) % 2) {
			rc = w->ops->open(w->config->index, w->seed, w->disk, &w->db);
			if (rc < 0)
				return rc;
			if (rc == 0) {
				session_marks[MARK_CREATION_OPENED].n++;
				w->ops->close(w->db);
				return 0;
			}
		}
	}
}
