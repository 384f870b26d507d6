/* SPDX-License-Identifier: MIT */
#include "tests/crash/sessions.h"

#include "base/error.h"
#include "tests/crash/joined.h"
#include "tests/sim/faultplan.h"
#include "txn/meta.h"

#include <stdlib.h>

#define READERS      3
#define PAGES_TRACED 4096

struct crash_mark session_marks[SESSION_MARKS + PAYLOAD_MARKS_MAX] = {
	[MARK_SPILLED] = {"pages spilled", 10000, 0},
	[MARK_RECOPIED] = {"spilled pages copied again", 1000, 0},
	[MARK_CHUNKS] = {"pending chunks written", 1000, 0},
	[MARK_BITMAPS] = {"bitmaps written (flips)", 5000, 0},
	[MARK_CUTS] = {"files cut", 500, 0},
	[MARK_BATCH] = {"sessions with a batch of >= 3 commits", 200, 0},
	[MARK_DEAD] = {"pages that died within a batch", 1000, 0},
	[MARK_TAKE_OVER] = {"take-overs from a dead writer", 200, 0},
	[MARK_POISONED] = {"sessions poisoned by a flush", 200, 0},
	[MARK_WRITE_FAILED] = {"sessions with a failed write or growth", 100, 0},
	[MARK_REUSED] = {"pages reused below a long reader", 1000, 0},
	[MARK_READERS] = {"snapshots compared", 1000, 0},
	[MARK_REGIONS] = {"sessions with an index of regions", 50, 0},
	[MARK_OPEN_STAMPED] = {"opened: newest is known as flushed", 1000, 0},
	[MARK_OPEN_TWO] = {"opened: newest took two flushes", 10000, 0},
	[MARK_OPEN_WALKED] = {"opened: newest batch verified", 10000, 0},
	[MARK_OPEN_ROLLED] = {"opened: rolled back", 5000, 0},
	[MARK_OPEN_SHORT] = {"opened: file too short for the newest", 50, 0},
	[MARK_OPEN_TORN] = {"opened: one meta torn", 2000, 0},
	[MARK_OPEN_NONE] = {"opened: no database yet", 100, 0},
};

/* One workload. */
struct work {
	struct pager_tracer tracer; /* first */
	const struct session_ops *ops;
	const struct session_config *config;
	uint64_t seed, rng;
	struct simdisk *disk;
	struct crash_history *history;
	void *db;
	void **models; /* of each version */
	unsigned n_models;
	void *scratch;    /* a model that is being changed */
	unsigned version; /* the newest that was committed */
	unsigned newest;  /* the newest that has begun its commit; for helpers */
	void *readers[READERS];
	unsigned reader_version[READERS];
	unsigned n_readers;
	gen_t oldest_reader;      /* 0: none */
	gen_t born[PAGES_TRACED]; /* generation that took each page last, in this session */
};

/* --- marks ----------------------------------------------------------------------------------- */

void session_mark_slots(struct simdisk *d, const char *path, uint32_t page_size)
{
	static struct meta m[2];
	uint64_t slot_pages = META_BYTES < page_size ? 1 : META_BYTES / page_size;
	bool valid[2];
	uint64_t size;
	const uint8_t *bytes = simdisk_bytes(d, path, &size);
	unsigned newest;

	if (!bytes) {
		session_marks[MARK_OPEN_NONE].n++;
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t off = i * slot_pages * page_size;

		valid[i] = off + META_BYTES <= size &&
			   meta_decode(bytes + off, (pgno_t)(i * slot_pages), &m[i]) == 0;
	}
	error_clear();
	if (!valid[0] || !valid[1])
		session_marks[MARK_OPEN_TORN].n++;
	newest = !valid[0] || (valid[1] && m[1].gen > m[0].gen);
	if (!valid[newest])
		return;
	if (m[newest].space.n_pages > size / page_size)
		session_marks[MARK_OPEN_SHORT].n++;
	if (m[newest].durable_gen >= m[newest].gen)
		session_marks[MARK_OPEN_STAMPED].n++;
	else if (m[newest].mode == TXN_TWO_FLUSH)
		session_marks[MARK_OPEN_TWO].n++;
}

void session_mark_opened(struct txn_env *env)
{
	struct txn_stat s;

	txn_stat(env, &s);
	session_marks[MARK_OPEN_WALKED].n += s.walked;
	session_marks[MARK_OPEN_ROLLED].n += s.rolled_back;
}

static void mark_session(const struct work *w)
{
	struct txn_stat s;

	txn_stat(w->ops->env(w->db), &s);
	session_marks[MARK_SPILLED].n += s.n_spilled_pages;
	session_marks[MARK_RECOPIED].n += s.n_recopied_pages;
	session_marks[MARK_CHUNKS].n += s.n_chunks_written;
	session_marks[MARK_BITMAPS].n += s.n_bitmaps_written;
	session_marks[MARK_CUTS].n += s.n_cuts;
	session_marks[MARK_BATCH].n += s.n_batch_max >= 3;
	session_marks[MARK_DEAD].n += s.n_rejoined_dead_pages;
	session_marks[MARK_POISONED].n += s.poisoned;
	session_marks[MARK_REGIONS].n += s.n_pages > 256;
}

/* A page that this session took before, after the oldest reader began, and takes now. */
static void trace(struct pager_tracer *t, enum pager_trace_op op, struct page_ref ref,
	unsigned type)
{
	struct work *w = (struct work *)t;

	(void)type;
	if (op != PAGER_FRESH || ref.pgno >= PAGES_TRACED)
		return;
	if (w->oldest_reader && w->born[ref.pgno] > w->oldest_reader)
		session_marks[MARK_REUSED].n++;
	w->born[ref.pgno] = ref.gen;
}

/* --- versions -------------------------------------------------------------------------------- */

static unsigned model_add(struct work *w, const void *model)
{
	unsigned v = crash_begin(w->history, w->ops->model_digest(model));

	w->models = realloc(w->models, (v + 1) * sizeof(*w->models));
	ASSERT(w->models);
	w->models[v] = malloc(w->ops->model_bytes);
	ASSERT(w->models[v]);
	memcpy(w->models[v], model, w->ops->model_bytes);
	w->n_models = v + 1;
	return v;
}

static void ack(struct work *w)
{
	crash_ack(w->history, w->version);
}

/* --- readers --------------------------------------------------------------------------------- */

static void note_oldest_reader(struct work *w)
{
	w->oldest_reader = 0;
	for (unsigned i = 0; i < w->n_readers; i++) {
		gen_t gen = w->ops->txn(w->readers[i])->gen;

		if (w->oldest_reader == 0 || gen < w->oldest_reader)
			w->oldest_reader = gen;
	}
}

/* A snapshot must be that version's state. */
static int compare(struct work *w, void *reader, unsigned version, const char *otherwise)
{
	uint64_t digest;
	int rc = w->ops->digest(reader, &digest);

	session_marks[MARK_READERS].n++;
	if (rc == 0 && digest != w->history->versions[version].digest)
		rc = error_set(VERSO_EIO, "%s", otherwise);
	return rc;
}

static int reader_end(struct work *w, unsigned i, bool look)
{
	int rc = 0;

	if (look)
		rc = compare(w, w->readers[i], w->reader_version[i],
			"the snapshot of a reader has changed");
	w->ops->abort(w->readers[i]);
	w->n_readers--;
	w->readers[i] = w->readers[w->n_readers];
	w->reader_version[i] = w->reader_version[w->n_readers];
	note_oldest_reader(w);
	return rc;
}

static int readers_move(struct work *w)
{
	if (w->n_readers && crash_draw(&w->rng) % 6 == 0)
		return reader_end(w, (unsigned)(crash_draw(&w->rng) % w->n_readers), true);
	if (w->n_readers < READERS && crash_draw(&w->rng) % 5 == 0) {
		int rc = w->ops->begin_read(w->db, &w->readers[w->n_readers]);

		if (rc)
			return rc;
		w->reader_version[w->n_readers++] = w->version;
		note_oldest_reader(w);
	}
	return 0;
}

/* T9: in the middle of a flush readers see what was acknowledged before it. */
static int look_during_flush(struct work *w)
{
	void *reader;
	int rc = w->ops->begin_read(w->db, &reader);

	if (rc)
		return rc;
	rc = compare(w, reader, w->version, "a reader sees a commit before its flush");
	w->ops->abort(reader);
	return rc;
}

/* --- transactions ---------------------------------------------------------------------------- */

/* A commit failed: nothing of it will be seen, unless a flush failed. */
static void give_up(struct work *w, unsigned version)
{
	struct txn_stat stat;

	txn_stat(w->ops->env(w->db), &stat);
	if (!stat.poisoned && !simdisk_killed(w->disk))
		crash_abandon(w->history, version);
}

/* One transaction on top of version `base`. 0, or the error that ended it; *ret_version stays as it
 * is when the transaction was aborted. */
static int transact_on(struct work *w, unsigned base, unsigned *ret_version)
{
	bool abort = crash_draw(&w->rng) % 8 == 0;
	unsigned version;
	void *txn;
	int rc = w->ops->begin_write(w->db, &txn);

	if (rc)
		return rc;
	memcpy(w->scratch, w->models[base], w->ops->model_bytes);
	rc = w->ops->change(txn, w->scratch, &w->rng);
	if (rc || abort) {
		w->ops->abort(txn);
		return rc;
	}
	version = model_add(w, w->scratch);
	w->newest = version;
	rc = w->ops->commit(txn);
	if (rc)
		give_up(w, version);
	else
		*ret_version = version;
	return rc;
}

static int transact(struct work *w)
{
	int rc = transact_on(w, w->version, &w->version);

	if (rc == 0 && w->config->sync == TXN_FULL)
		ack(w);
	return rc;
}

/* A helper's: on top of what joined before it, acknowledged or not. */
static int transact_helper(void *arg)
{
	struct work *w = arg;
	unsigned version = w->newest;
	int rc = look_during_flush(w);

	return rc ? rc : transact_on(w, w->newest, &version);
}

/* A commit during whose flush others join: they are the next batch. */
static int transact_joined(struct work *w)
{
	unsigned before = w->version, n;
	int results[JOINED_MAX], rc;

	w->newest = w->version;
	joined_begin(w->ops->env(w->db), w->ops->pager(w->db),
		2 + (unsigned)(crash_draw(&w->rng) % 3), transact_helper, w);
	rc = transact(w);
	joined_end(&n, results);
	for (unsigned i = 0; i < n; i++)
		rc = rc ? rc : results[i];
	if (rc == 0 && (n || w->version != before)) {
		w->version = w->newest;
		ack(w);
	}
	return rc;
}

static int step(struct work *w)
{
	int rc = readers_move(w);

	if (rc)
		return rc;
	if (w->config->sync == TXN_FULL)
		return crash_draw(&w->rng) % 4 ? transact(w) : transact_joined(w);
	rc = transact(w);
	if (rc == 0 && crash_draw(&w->rng) % 5 == 0) {
		rc = w->ops->sync(w->db);
		if (rc == 0)
			ack(w);
	}
	return rc;
}

/* --- sessions -------------------------------------------------------------------------------- */

static int find_version(struct work *w, unsigned *ret_version)
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
	*ret_version = (unsigned)v;
	return 0;
}

static int session_open(struct work *w)
{
	unsigned version = 0;
	void *txn;
	int rc = w->ops->open(w->config->index, w->seed, w->disk, &w->db);

	if (rc)
		return rc < 0 ? rc : error_set(VERSO_EIO, "the database is gone");
	memset(w->born, 0, sizeof(w->born));
	w->oldest_reader = 0;
	w->ops->pager(w->db)->tracer = &w->tracer;
	rc = find_version(w, &version);
	/* The first write transaction makes what was found durable, and retires the rest. */
	if (rc == 0)
		rc = w->ops->begin_write(w->db, &txn);
	if (rc) {
		w->ops->close(w->db);
		return rc;
	}
	w->ops->abort(txn);
	crash_rebase(w->history, version);
	w->version = version;
	return 0;
}

/* expected: what failed was meant to. */
static int session_close(struct work *w, bool expected, int rc)
{
	int rc_reader = 0;

	while (w->n_readers) {
		int r = reader_end(w, 0, !expected);

		rc_reader = rc_reader ? rc_reader : r;
	}
	mark_session(w);
	w->ops->close(w->db);
	w->db = NULL;
	if (simdisk_killed(w->disk))
		expected = true;
	else if (!expected && rc == 0 && rc_reader == 0)
		ack(w); /* closing flushes what has joined */
	return expected ? 0 : rc ? rc : rc_reader;
}

enum ending { CLOSED, KILLED, SYNC_FAILED, WRITE_FAILED };

/*
 * Where O_DIRECT is refused, opening reads through the page cache. A sync that failed is told once;
 * a later opening may be shown a meta page that the disk does not have, with a sync that succeeds,
 * and nothing can tell: such sessions are left out there. To write the slot once more before the
 * other one goes does not help: where it was on the disk after all, sectors in flight that become
 * garbage destroy it (tried, and found by this test).
 */
static enum ending draw_ending(struct work *w)
{
	enum ending ending = (enum ending)(crash_draw(&w->rng) % 4);

	return ending == SYNC_FAILED && w->config->no_direct ? KILLED : ending;
}

static int session(struct work *w, enum ending ending)
{
	struct fault_plan plan = {.kind = crash_draw(&w->rng) % 2 ? FAULT_EIO : FAULT_ENOSPC};
	unsigned n = 6 + (unsigned)(crash_draw(&w->rng) % 16);
	bool expected;
	int rc = session_open(w);

	if (rc)
		return rc;
	if (ending == KILLED)
		simdisk_kill_at(w->disk, simdisk_events(w->disk) + 1 + crash_draw(&w->rng) % 150);
	plan.nth = crash_draw(&w->rng) % 20;
	if (ending == SYNC_FAILED)
		plan.calls = FAULT_SYNC;
	if (ending == WRITE_FAILED)
		plan.calls = FAULT_WRITE | FAULT_TRUNCATE | FAULT_ALLOCATE;
	simdisk_set_fault(w->disk, fault_plan_sim, &plan);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = step(w);
	simdisk_set_fault(w->disk, NULL, NULL);
	expected = plan.struck || simdisk_killed(w->disk);
	session_marks[MARK_WRITE_FAILED].n += ending == WRITE_FAILED && plan.struck;
	/* A kill that has not struck by now comes with the close, or never. */
	rc = session_close(w, expected, rc);
	session_marks[MARK_TAKE_OVER].n += simdisk_killed(w->disk);
	simdisk_kill_at(w->disk, 0);
	return rc;
}

int session_workload(const struct session_ops *ops, const struct session_config *c, uint64_t seed,
	struct simdisk *d, struct crash_history *h)
{
	struct work *w = calloc(1, sizeof(*w));
	unsigned n_sessions;
	int rc;

	ASSERT(w);
	w->tracer.event = trace;
	w->ops = ops;
	w->config = c;
	w->seed = seed;
	w->rng = seed * 1000 + c->index;
	w->disk = d;
	w->history = h;
	w->scratch = calloc(1, ops->model_bytes);
	ASSERT(w->scratch);
	n_sessions = 2 + (unsigned)(crash_draw(&w->rng) % 3);
	w->version = model_add(w, w->scratch);
	rc = ops->create(c->index, seed, d);
	ack(w);
	for (unsigned i = 0; rc == 0 && i < n_sessions; i++)
		rc = session(w, draw_ending(w));
	for (unsigned i = 0; i < w->n_models; i++)
		free(w->models[i]);
	free(w->models);
	free(w->scratch);
	free(w);
	return rc;
}

/* --- options --------------------------------------------------------------------------------- */

uint32_t session_page_size(uint64_t seed)
{
	return seed % 4 == 3 ? 1024 : 512;
}

struct txn_options session_txn_options(enum txn_commit_mode mode, enum txn_sync sync, uint64_t seed)
{
	return (struct txn_options){
		.mode = mode,
		.sync = sync,
		.region_pages = 256,
		.meta_pending_max = 4,
		.meta_regions_max = seed % 2 ? 1 : 2,
		.dirty_max_pages = seed % 3 ? 8 : 16,
		/* Under TXN_FULL nobody waits for room: helpers must join while others flush. */
		.unflushed_max_pages = sync == TXN_FULL ? 200 : 40,
		.one_flush_max_pages = 48,
		.grow_pages = 8,
		.cut_pages = 16,
	};
}

/* An older database of the same shape, with another uuid: what the blocks held before. */
static const uint8_t *stale_bytes(const struct session_ops *ops, const struct session_config *c,
	uint32_t page_size, uint64_t *ret_len)
{
	static uint8_t *kept[2];
	static uint64_t lens[2];
	unsigned i = page_size == 512;
	struct crash_history h = {0};
	struct simdisk *d;
	const uint8_t *live;

	if (!kept[i]) {
		d = simdisk_new(&(struct simdisk_options){.seed = 4711, .file_bytes_max = 8 << 20});
		crash_history_reset(&h, d);
		(void)session_workload(ops, c, page_size == 512 ? 4 : 3, d, &h);
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

void session_disk_options(const struct session_ops *ops, const struct session_config *c,
	uint64_t seed, struct simdisk_options *opts)
{
	opts->no_direct = c->no_direct;
	opts->file_bytes_max = 8 << 20;
	opts->loose_end = seed % 5 != 0;
	opts->split_one_in = 4;
	opts->drop_live = seed % 3 == 2;
	opts->stale = stale_bytes(ops, c, session_page_size(seed), &opts->stale_bytes);
}
