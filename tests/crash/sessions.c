/* SPDX-License-Identifier: MIT */
/*
 * The workload with sessions: it opens, commits and closes several times, near the end of an
 * incarnation too, and marks what recovery must decide.
 */
#include "tests/crash/work.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t incarnation_of(gen_t gen)
{
	return gen >> GEN_SEQ_BITS;
}

static gen_t end_of_incarnation(gen_t gen)
{
	return (incarnation_of(gen) + 1) << GEN_SEQ_BITS;
}

/* --- marks ----------------------------------------------------------------------------------- */

static void mark_session(const struct work *w)
{
	struct txn_stat s;

	txn_stat(w->ops->env(w->db), &s);
	session_marks[MARK_SPILLED].n += s.n_spilled_pages;
	session_marks[MARK_RECOPIED].n += s.n_recopied_pages;
	session_marks[MARK_LIST_PAGES].n += s.n_list_pages_written;
	session_marks[MARK_BITMAPS].n += s.n_bitmaps_written;
	session_marks[MARK_CUTS].n += s.n_cuts;
	session_marks[MARK_BATCH].n += s.n_group_max >= 3;
	session_marks[MARK_DEAD].n += s.n_rejoined_dead_pages;
	session_marks[MARK_POISONED].n += s.poisoned;
	session_marks[MARK_GROUPS].n += s.n_pages > 256;
	session_marks[MARK_THREE_GROUPS].n += s.n_pages > 512;
	session_marks[MARK_THREE_GROUPS_CUT].n += w->was_long && s.n_cuts;
}

/* How its generations went on from those of the session before (T2). */
static void mark_generations(const struct work *w)
{
	const struct txn_env *env = w->ops->env(w->db);
	bool same = incarnation_of(w->gen_begun) == incarnation_of(w->gen_found);

	if (!env->in_session)
		return;
	session_marks[MARK_SAME_INCARNATION].n += same;
	session_marks[MARK_MARK_CONSUMED].n += same && simdisk_killed(w->disk);
	session_marks[MARK_CARRIED].n +=
		incarnation_of(env->session_gen) != incarnation_of(w->gen_begun);
}

/* A page that this session took before, after the oldest reader began, and takes now. */
static void trace(struct pager_tracer *t, const struct pager_event *event)
{
	struct work *w = (struct work *)t;

	if (event->ref.pgno >= PAGES_TRACED)
		return;
	if (event->op == PAGER_DROP)
		w->born[event->ref.pgno] = 0;
	if (event->op != PAGER_FRESH)
		return;
	if (w->oldest_reader && w->born[event->ref.pgno] > w->oldest_reader)
		session_marks[MARK_REUSED].n++;
	session_marks[MARK_PAGE_AGAIN].n += w->used[event->ref.pgno] >= w->first_gen &&
					    w->used[event->ref.pgno] < event->ref.gen;
	w->born[event->ref.pgno] = w->used[event->ref.pgno] = event->ref.gen;
	w->was_long |= event->ref.pgno >= 512;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* Where growth fails for lack of room, and where an incarnation begins, a helper would wait for
 * the flush that waits for it. */
static bool may_join(const struct work *w)
{
	bool no_room = w->plan.calls & FAULT_ALLOCATE && w->plan.kind == FAULT_ENOSPC;

	return !answers_late(w) && w->shape == SHAPE_USUAL && !no_room && !w->carries &&
	       !w->config->takes_turns;
}

/* A step of a compaction, which changes no record: nothing is told to the history. */
static int compact(struct work *w)
{
	int rc = w->ops->compact(w->db, 1 + (unsigned)(crash_draw(&w->rng) % 12));

	return rc == VERSO_EFULL && w->carries ? 0 : rc;
}

static int step_usual(struct work *w)
{
	int rc = readers_move(w);

	if (rc == 0 && w->ops->compact && crash_draw(&w->rng) % 8 == 0)
		rc = compact(w);
	if (rc)
		return rc;
	if (may_join(w) && crash_draw(&w->rng) % 4 == 0)
		return transact_joined(w);
	rc = transact(w);
	return rc == 0 && answers_late(w) && crash_draw(&w->rng) % 5 == 0 ? sync_and_ack(w) : rc;
}

static int step(struct work *w)
{
	return w->shape == SHAPE_FULL || w->shape == SHAPE_COW ? step_full(w) : step_usual(w);
}

/* --- sessions -------------------------------------------------------------------------------- */

static int find_version(struct work *w)
{
	uint64_t digest;
	void *reader;
	int rc = w->ops->begin_read(w->db, &reader), v;

	if (rc)
		return rc;
	rc = w->ops->digest(reader, &digest);
	w->ops->abort(reader);
	if (rc)
		return rc;
	v = crash_find(w->history, simdisk_events(w->disk), digest);
	if (v < 0)
		return error_set(VERSO_EIO, "a session finds what is not allowed");
	if ((unsigned)v < w->answered)
		return error_set(VERSO_EIO, "the death of a process took an answered commit");
	session_marks[MARK_ANSWERED].n += w->answered > w->n_forgotten;
	w->version = w->found = (unsigned)v;
	w->n_found = w->history->n;
	return 0;
}

static int session_open(struct work *w)
{
	struct txn_stat stat;
	void *txn;
	int rc = w->ops->open(w->config->index, w->seed, w->disk, &w->db);

	if (rc == -ENOSPC)
		return error_set(VERSO_EIO, "on a full disk it does not open");
	if (rc)
		return rc < 0 ? rc : error_set(VERSO_EIO, "the database is gone");
	memset(w->born, 0, sizeof(w->born));
	memset(w->used, 0, sizeof(w->used));
	memset(&w->plan, 0, sizeof(w->plan));
	w->oldest_reader = 0;
	w->settled = w->was_long = false;
	w->ops->pager(w->db)->tracer = &w->tracer;
	txn_stat(w->ops->env(w->db), &stat);
	w->gen_found = stat.durable_gen;
	w->gen_begun = w->ops->env(w->db)->session_gen;
	w->carries =
		end_of_incarnation(w->gen_begun) - w->gen_begun < 10000; /* more than it takes */
	rc = find_version(w);
	/* Where opening rejected something, a session begins by retiring it; else with a page. */
	if (rc == 0)
		rc = w->ops->begin_write(w->db, &txn);
	if (rc) {
		w->ops->close(w->db);
		return rc;
	}
	w->ops->abort(txn);
	settle(w);
	return 0;
}

/* rc: how its steps ended. */
static int session_close(struct work *w, int rc)
{
	bool meant = is_meant(w) || is_refused(w, rc);
	int rc_reader = readers_end(w, !meant);

	session_marks[MARK_COW].n += w->shape == SHAPE_COW && is_refused(w, rc);
	mark_session(w);
	mark_generations(w);
	if (is_poisoned(w) && !simdisk_killed(w->disk))
		w->answered = 0; /* a write or a flush failed: what was flushed stays */
	w->ops->close(w->db);
	w->db = NULL;
	if (simdisk_killed(w->disk))
		meant = true;
	else if (!meant && rc == 0 && rc_reader == 0)
		ack(w); /* closing flushes what has joined */
	return meant ? 0 : rc ? rc : rc_reader;
}

enum ending { CLOSED, KILLED, SYNC_FAILED, WRITE_FAILED };

/*
 * Where O_DIRECT is refused, opening reads through the page cache. A sync that failed is told once;
 * a later opening may be shown a meta page that the disk does not have, with a sync that succeeds,
 * and no test can find out: such sessions are left out there. To write the slot once more before
 * the other one goes does not help: where it was on the disk after all, sectors in flight that
 * become garbage destroy it (tried, and found by this test).
 */
static enum ending draw_ending(struct work *w)
{
	enum ending ending = (enum ending)(crash_draw(&w->rng) % 4);

	if (w->config->sync == TXN_PROCESS && crash_draw(&w->rng) % 2)
		return KILLED; /* what was answered must stay */
	return ending == SYNC_FAILED && w->config->no_direct ? KILLED : ending;
}

static void arm(struct work *w, enum ending ending)
{
	w->plan.kind = crash_draw(&w->rng) % 2 ? FAULT_EIO : FAULT_ENOSPC;
	w->plan.nth = crash_draw(&w->rng) % 20;
	if (ending == KILLED)
		simdisk_kill_at(w->disk, simdisk_events(w->disk) + 1 + crash_draw(&w->rng) % 150);
	if (ending == SYNC_FAILED)
		w->plan.calls = FAULT_SYNC;
	if (ending == WRITE_FAILED)
		w->plan.calls = FAULT_WRITE | FAULT_TRUNCATE | FAULT_ALLOCATE;
	simdisk_set_fault(w->disk, fault_plan_sim, &w->plan);
}

/* Its sequence has been used up but for a few numbers: generations may be left out. */
static void use_up_sequence(struct work *w)
{
	struct txn_env *env = w->ops->env(w->db);
	gen_t next = end_of_incarnation(env->next_gen) - 1 - crash_draw(&w->rng) % 20;

	if (next > env->next_gen)
		env->next_gen = next;
	w->carries = true;
}

/* Where copying on write finds no block, a session may not even begin: room is made. */
static int session_open_or_make_room(struct work *w)
{
	int rc = session_open(w);

	while (is_refused(w, rc) && w->shape == SHAPE_COW) {
		session_marks[MARK_COW].n++;
		simdisk_set_space(w->disk, simdisk_space_used(w->disk) + (128 << 10));
		rc = session_open(w);
	}
	return rc;
}

static int session(struct work *w, enum ending ending)
{
	unsigned n = 6 + (unsigned)(crash_draw(&w->rng) % 16);
	int rc = session_open_or_make_room(w);

	if (rc)
		return rc;
	if (crash_draw(&w->rng) % 6 == 0)
		use_up_sequence(w);
	arm(w, ending);
	if (w->shape == SHAPE_FULL || w->shape == SHAPE_COW)
		n *= 8; /* small steps */
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = step(w);
	simdisk_set_fault(w->disk, NULL, NULL);
	session_marks[MARK_WRITE_FAILED].n += ending == WRITE_FAILED && w->plan.struck;
	/* A kill that has not struck by now comes with the close, or never. */
	rc = session_close(w, rc);
	session_marks[MARK_TAKE_OVER].n += simdisk_killed(w->disk);
	simdisk_kill_at(w->disk, 0);
	return rc;
}

static int last_session(struct work *w)
{
	int rc = session_open(w);

	if (rc)
		return rc;
	return session_close(w, drain(w));
}

static int all_sessions(struct work *w)
{
	unsigned n = 2 + (unsigned)(crash_draw(&w->rng) % 3);
	int rc = create_in_attempts(w);

	session_disk_limit(w->config->index, w->seed, w->disk);
	if (w->shape == SHAPE_GROUPS)
		n *= 2;
	for (; rc == 0 && w->n_sessions < n; w->n_sessions++)
		rc = session(w, draw_ending(w));
	if (rc == 0 && w->shape == SHAPE_FULL && crash_draw(&w->rng) % 2)
		rc = last_session(w);
	return rc;
}

int session_workload(const struct session_ops *ops, const struct session_config *c, uint64_t seed,
	struct simdisk *d, struct crash_history *h)
{
	struct work *w = calloc(1, sizeof(*w));
	int rc;

	ASSERT(w);
	w->tracer.event = trace;
	w->ops = ops;
	w->config = c;
	w->seed = seed;
	w->rng = seed * 1000 + c->index;
	w->shape = session_shape(c->index, seed);
	w->options = session_txn_options(c->index, seed, TXN_TWO_FLUSH,
		c->is_async ? TXN_RELAXED : c->sync);
	w->disk = d;
	w->history = h;
	w->scratch = calloc(1, ops->model_bytes);
	ASSERT(w->scratch);
	w->version = model_add(w, w->scratch);
	rc = all_sessions(w);
	for (unsigned i = 0; i < w->n_models; i++)
		free(w->models[i]);
	free(w->models);
	free(w->scratch);
	free(w);
	return rc;
}

/* --- what the disk held before --------------------------------------------------------------- */

/* An older database of the same shape, with another uuid. */
const uint8_t *session_stale_bytes(const struct session_ops *ops, const struct session_config *c,
	uint64_t seed, uint64_t *ret_len)
{
	static uint8_t *kept[2];
	static uint64_t lens[2];
	uint64_t old_seed = seed % 4 == 3 ? 3 : 4; /* of the same page size */
	unsigned i = old_seed == 3;
	struct crash_history h = {0};
	struct simdisk *d;
	const uint8_t *live;

	if (!kept[i]) {
		d = simdisk_new(&(struct simdisk_options){.seed = 4711, .file_bytes_max = 8 << 20});
		crash_history_reset(&h, d);
		(void)session_workload(ops, c, old_seed, d, &h);
		live = simdisk_bytes(d, "db", &lens[i]);
		ASSERT(live);
		kept[i] = malloc(lens[i]);
		ASSERT(kept[i]);
		memcpy(kept[i], live, lens[i]);
		crash_history_fini(&h);
		simdisk_free(d);
	}
	*ret_len = lens[i];
	return kept[i];
}
