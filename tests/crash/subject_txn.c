/* SPDX-License-Identifier: MIT */
/*
 * The subject on which the commit protocol is proved: txn/ with the toy payload.
 *
 * A workload is a few sessions on one disk. Each opens, runs some ten to thirty transactions
 * (small, large enough to spill, giving up subtrees, aborted; under long readers whose snapshots
 * are compared at their end) and ends in one of four ways: closed; killed at some event, so that
 * the next session takes over from a dead writer; a sync that fails and poisons; a write that
 * fails. Thresholds are tiny so that everything happens within those few transactions.
 */
#include "tests/crash/subject_txn.h"

#include "base/error.h"
#include "tests/crash/joined.h"
#include "tests/crash/toydb.h"
#include "tests/sim/faultplan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS 3

/* One workload. */
struct work {
	const struct toydb_config *config;
	unsigned config_index;
	uint64_t seed, rng;
	struct simdisk *disk;
	struct crash_history *history;
	struct toydb *db;
	uint64_t **models; /* the cells of each version */
	unsigned n_models;
	unsigned version; /* the newest that was committed */
	unsigned newest;  /* the newest that has begun its commit; for helpers */
	struct txn *readers[READERS];
	unsigned reader_version[READERS];
	unsigned n_readers;
};

/* A page that this session took before, after the oldest reader began, and takes now. */
static void trace(struct pager_tracer *t, enum pager_trace_op op, struct page_ref ref,
	unsigned type)
{
	struct toydb *db = (struct toydb *)t;

	if (op != PAGER_FRESH || ref.pgno >= db->n_born)
		return;
	if (db->oldest_reader && db->born[ref.pgno] > db->oldest_reader)
		toydb_marks[MARK_REUSED].n++;
	db->born[ref.pgno] = ref.gen;
}

/* --- the workload ---------------------------------------------------------------- */

static unsigned model_add(struct work *w, const uint64_t *cells)
{
	uint64_t digest = 0;
	unsigned v;

	for (unsigned i = 0; i < TOY_CELLS; i++)
		digest += toy_mix(i, cells[i]);
	v = crash_begin(w->history, digest);
	w->models = realloc(w->models, (v + 1) * sizeof(*w->models));
	ASSERT(w->models);
	w->models[v] = malloc(TOY_CELLS * sizeof(*cells));
	ASSERT(w->models[v]);
	memcpy(w->models[v], cells, TOY_CELLS * sizeof(*cells));
	w->n_models = v + 1;
	return v;
}

static void note_oldest_reader(struct work *w)
{
	gen_t oldest = 0;

	for (unsigned i = 0; i < w->n_readers; i++)
		if (oldest == 0 || w->readers[i]->gen < oldest)
			oldest = w->readers[i]->gen;
	w->db->oldest_reader = oldest;
}

/* compare: its snapshot must still be what it was. */
static int reader_end(struct work *w, unsigned i, bool compare)
{
	uint64_t digest, expected = w->history->versions[w->reader_version[i]].digest;
	int rc = compare ? toy_digest(w->readers[i], &digest) : 0;

	txn_abort(w->readers[i]);
	w->n_readers--;
	w->readers[i] = w->readers[w->n_readers];
	w->reader_version[i] = w->reader_version[w->n_readers];
	note_oldest_reader(w);
	if (rc == 0 && compare) {
		toydb_marks[MARK_READERS].n++;
		if (digest != expected)
			rc = error_set(VERSO_EIO, "the snapshot of a reader has changed");
	}
	return rc;
}

static int readers_move(struct work *w)
{
	if (w->n_readers && crash_draw(&w->rng) % 6 == 0)
		return reader_end(w, (unsigned)(crash_draw(&w->rng) % w->n_readers), true);
	if (w->n_readers < READERS && crash_draw(&w->rng) % 5 == 0) {
		int rc = txn_begin_read(w->db->env, &w->readers[w->n_readers]);

		if (rc)
			return rc;
		w->reader_version[w->n_readers++] = w->version;
		note_oldest_reader(w);
	}
	return 0;
}

static int set(struct txn *txn, uint64_t *cells, unsigned i, uint64_t value)
{
	int rc = toy_set(txn, i, value);

	if (rc == 0)
		cells[i] = value;
	return rc;
}

static int clear(struct txn *txn, uint64_t *cells, unsigned i, unsigned level)
{
	unsigned span = TOY_FANOUT;
	int rc = toy_clear(txn, i, level);

	for (unsigned l = 0; l < level; l++)
		span *= TOY_FANOUT;
	if (rc == 0)
		memset(&cells[i / span * span], 0, span * sizeof(*cells));
	return rc;
}

/* One transaction's changes, to the tree and to cells. */
static int change(struct work *w, struct txn *txn, uint64_t *cells)
{
	uint64_t kind = crash_draw(&w->rng) % 16;
	unsigned from = (unsigned)(crash_draw(&w->rng) % TOY_CELLS);
	unsigned n = 1 + (unsigned)(crash_draw(&w->rng) % 3);
	int rc = 0;

	if (kind <
		2) { /* a run of leaves, and its beginning again: spills, copies of what spilled */
		n = 10 + (unsigned)(crash_draw(&w->rng) % 50);
		for (unsigned k = 0; rc == 0 && k < n; k++)
			rc = set(txn, cells, (from + k * TOY_FANOUT) % TOY_CELLS,
				crash_draw(&w->rng));
		for (unsigned k = 0; rc == 0 && k < 4; k++)
			rc = set(txn, cells, (from + k * TOY_FANOUT) % TOY_CELLS,
				crash_draw(&w->rng));
	} else if (kind < 4) {
		rc = clear(txn, cells, from, 1 + (unsigned)(crash_draw(&w->rng) % 2));
	} else if (kind == 4) {
		rc = clear(txn, cells, from, crash_draw(&w->rng) % 4 ? 2 : 3);
	} else {
		for (unsigned k = 0; rc == 0 && k < n; k++)
			rc = set(txn, cells, (unsigned)(crash_draw(&w->rng) % TOY_CELLS),
				crash_draw(&w->rng));
	}
	/* Cell 0 changes in each commit, so that no two versions are alike. */
	return rc ? rc : set(txn, cells, 0, crash_draw(&w->rng));
}

static void ack(struct work *w)
{
	crash_ack(w->history, w->version);
}

/* A commit failed: nothing of it will be seen, unless a flush failed. */
static void give_up(struct work *w, unsigned version)
{
	struct txn_stat stat;

	txn_stat(w->db->env, &stat);
	if (!stat.poisoned && !simdisk_killed(w->disk))
		crash_abandon(w->history, version);
}

/* One transaction on top of version `base`. 0, or the error that ended it; *ret_version stays as it
 * is when the transaction was aborted. */
static int transact_on(struct work *w, unsigned base, unsigned *ret_version)
{
	static uint64_t cells[TOY_CELLS];
	bool abort = crash_draw(&w->rng) % 8 == 0;
	struct txn *txn;
	unsigned version;
	int rc = txn_begin_write(w->db->env, &txn);

	if (rc)
		return rc;
	memcpy(cells, w->models[base], sizeof(cells));
	rc = change(w, txn, cells);
	if (rc || abort) {
		txn_abort(txn);
		return rc;
	}
	version = model_add(w, cells);
	w->newest = version;
	rc = txn_commit(txn);
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

	return transact_on(w, w->newest, &version);
}

/* A commit during whose flush others join: they are the next batch. */
static int transact_joined(struct work *w)
{
	unsigned before = w->version, n;
	int results[JOINED_MAX], rc;

	w->newest = w->version;
	joined_begin(w->db->env, w->db->pager, 2 + (unsigned)(crash_draw(&w->rng) % 3),
		transact_helper, w);
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

static int session_open(struct work *w)
{
	struct txn *txn;
	uint64_t digest;
	void *db;
	int rc = toydb_open(w->config_index, w->seed, w->disk, &db), v;

	if (rc)
		return rc < 0 ? rc : error_set(VERSO_EIO, "the database is gone");
	w->db = db;
	w->db->n_born = 4096;
	w->db->born = calloc(w->db->n_born, sizeof(*w->db->born));
	ASSERT(w->db->born);
	w->db->tracer.event = trace;
	w->db->pager->tracer = &w->db->tracer;
	rc = toydb_digest(w->db, &digest);
	if (rc)
		return rc;
	v = crash_find(w->history, simdisk_events(w->disk), digest);
	if (v < 0)
		return error_set(VERSO_EIO, "a session recovers what is not allowed");
	/* The first write transaction makes what was recovered durable, and retires the rest. */
	rc = txn_begin_write(w->db->env, &txn);
	if (rc)
		return rc;
	txn_abort(txn);
	crash_rebase(w->history, (unsigned)v);
	w->version = (unsigned)v;
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
	toydb_count(w->db);
	toydb_close(w->db);
	w->db = NULL;
	if (simdisk_killed(w->disk))
		expected = true;
	else if (!expected && rc == 0 && rc_reader == 0)
		ack(w); /* closing flushes what has joined */
	return expected ? 0 : rc ? rc : rc_reader;
}

enum ending { CLOSED, KILLED, SYNC_FAILED, WRITE_FAILED };

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
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		rc = readers_move(w);
		if (rc == 0)
			rc = w->config->sync == TXN_FULL && crash_draw(&w->rng) % 4 == 0
				     ? transact_joined(w)
				     : transact(w);
		if (rc == 0 && w->config->sync == TXN_RELAXED && crash_draw(&w->rng) % 5 == 0) {
			rc = txn_sync(w->db->env);
			if (rc == 0)
				ack(w);
		}
	}
	simdisk_set_fault(w->disk, NULL, NULL);
	expected = plan.struck || simdisk_killed(w->disk);
	toydb_marks[MARK_TAKE_OVER].n += simdisk_killed(w->disk);
	toydb_marks[MARK_WRITE_FAILED].n += ending == WRITE_FAILED && plan.struck;
	/* What is left of a kill that has not struck comes with the close, or never. */
	rc = session_close(w, expected, rc);
	simdisk_kill_at(w->disk, 0);
	return rc;
}

/*
 * Where O_DIRECT is refused, opening reads through the page cache. After a failed sync that shows a
 * meta page which the disk does not have, and nothing can tell: such sessions are left out there.
 */
static enum ending ending_of(struct work *w)
{
	enum ending ending = (enum ending)(crash_draw(&w->rng) % 4);

	return ending == SYNC_FAILED && w->config->no_direct ? KILLED : ending;
}

static int workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	static const uint64_t zeros[TOY_CELLS];
	struct work w = {
		.config = &toydb_configs[config],
		.config_index = config,
		.seed = seed,
		.rng = seed * 1000 + config,
		.disk = d,
		.history = h,
	};
	unsigned n_sessions = 2 + (unsigned)(crash_draw(&w.rng) % 3);
	int rc;

	w.version = model_add(&w, zeros);
	rc = toydb_create(w.config, seed, d);
	ack(&w);
	for (unsigned i = 0; rc == 0 && i < n_sessions; i++)
		rc = session(&w, ending_of(&w));
	for (unsigned i = 0; i < w.n_models; i++)
		free(w.models[i]);
	free(w.models);
	return rc;
}

/* --- the table ------------------------------------------------------------------- */

static const char *config_name(unsigned config)
{
	return toydb_configs[config].name;
}

/* The blocks that the file gets held an older database of the same shape, with another uuid. */
static const uint8_t *stale_bytes(uint32_t page_size, uint64_t *ret_len)
{
	static uint8_t *kept[2];
	static uint64_t lens[2];
	uint64_t seed = page_size == 512 ? 4 : 3, len;
	unsigned i = page_size == 512;
	struct simdisk *d;
	struct crash_history h = {0};
	const uint8_t *live;

	if (!kept[i]) {
		d = simdisk_new(&(struct simdisk_options){.seed = 4711});
		crash_history_reset(&h, d);
		(void)workload(0, seed, d, &h);
		live = simdisk_bytes(d, "db", &len);
		ASSERT(live);
		kept[i] = malloc(len);
		ASSERT(kept[i]);
		memcpy(kept[i], live, len);
		lens[i] = len;
		crash_history_fini(&h);
		simdisk_free(d);
	}
	*ret_len = lens[i];
	return kept[i];
}

static void disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	opts->no_direct = toydb_configs[config].no_direct;
	opts->file_bytes_max = 4 << 20;
	opts->loose_end = seed % 5 != 0;
	opts->split_one_in = 4;
	opts->drop_live = seed % 3 == 2;
	opts->stale = stale_bytes(toydb_page_size(seed), &opts->stale_bytes);
}

const struct crash_subject subject_txn = {
	.name = "txn",
	.n_configs = TOYDB_CONFIGS,
	.config_name = config_name,
	.disk_options = disk_options,
	.workload = workload,
	.open = toydb_open,
	.digest = toydb_digest,
	.check = toydb_check,
	.commit = toydb_commit,
	.close = toydb_close,
	.marks = toydb_marks,
	.n_marks = MARKS,
};
