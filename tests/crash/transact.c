/* SPDX-License-Identifier: MIT */
/* The transactions of a session, its readers, and the versions that come of them. */
#include "tests/crash/joined.h"
#include "tests/crash/work.h"

#include <stdlib.h>

/* --- versions -------------------------------------------------------------------------------- */

unsigned model_add(struct work *w, const void *model)
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

void ack(struct work *w)
{
	crash_ack(w->history, w->version);
	/* Nothing older can be found again. */
	for (; w->n_forgotten < w->version; w->n_forgotten++) {
		free(w->models[w->n_forgotten]);
		w->models[w->n_forgotten] = NULL;
	}
}

void settle(struct work *w)
{
	struct txn_stat stat;

	if (w->settled)
		return;
	txn_stat(w->ops->env(w->db), &stat);
	if (stat.durable_gen == w->gen_found)
		return;
	crash_rebase(w->history, w->found, w->n_found);
	w->settled = true;
}

bool is_meant(const struct work *w)
{
	return w->plan.struck || simdisk_killed(w->disk);
}

bool is_poisoned(const struct work *w)
{
	struct txn_stat stat;

	txn_stat(w->ops->env(w->db), &stat);
	return stat.poisoned;
}

bool answers_late(const struct work *w)
{
	return w->config->sync != TXN_FULL || w->config->is_async;
}

int sync_and_ack(struct work *w)
{
	int rc = w->ops->sync(w->db);

	if (rc == 0)
		ack(w);
	return rc;
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

int readers_move(struct work *w)
{
	if (w->n_readers && crash_draw(&w->rng) % 6 == 0)
		return reader_end(w, (unsigned)(crash_draw(&w->rng) % w->n_readers), true);
	if (w->n_readers < READERS && crash_draw(&w->rng) % 5 == 0) {
		/* T9: they see what is flushed. */
		int rc = w->config->is_async ? sync_and_ack(w) : 0;

		if (rc == 0)
			rc = w->ops->begin_read(w->db, &w->readers[w->n_readers]);
		if (rc)
			return rc;
		w->reader_version[w->n_readers++] = w->version;
		note_oldest_reader(w);
	}
	return 0;
}

int readers_end(struct work *w, bool look)
{
	int rc = 0;

	while (w->n_readers) {
		int r = reader_end(w, 0, look);

		rc = rc ? rc : r;
	}
	return rc;
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
	if (!is_poisoned(w) && !simdisk_killed(w->disk))
		crash_abandon(w->history, version);
}

/* What an aborted transaction had written belongs to no state. */
static void born_forget(struct work *w)
{
	for (unsigned i = 0; i < PAGES_TRACED; i++)
		if (w->born[i] >= w->first_gen)
			w->born[i] = 0;
}

/* The payload's own edits. */
static int change(struct work *w, void *txn)
{
	return w->ops->change(txn, w->scratch, &w->rng, w->shape, w->n_sessions);
}

/* "Begin the transaction again." */
static bool is_end_of_incarnation(const struct work *w, int rc)
{
	return rc == VERSO_EFULL && w->carries;
}

/*
 * One transaction on top of version `base`. 0, or what ended it: an error, or what edit returned;
 * *ret_version stays as it is when the transaction was aborted.
 */
static int transact_on(struct work *w, unsigned base, bool abort, edit_fn *edit,
	unsigned *ret_version)
{
	unsigned version;
	void *txn;
	int rc = w->ops->begin_write(w->db, &txn);

	if (rc)
		return rc;
	w->first_gen = w->ops->txn(txn)->gen;
	memcpy(w->scratch, w->models[base], w->ops->model_bytes);
	rc = edit(w, txn);
	if (is_end_of_incarnation(w, rc)) {
		abort = true;
		rc = 0;
	}
	session_marks[MARK_GENERATIONS].n += w->ops->txn(txn)->gen > w->first_gen;
	if (rc || abort) {
		w->ops->abort(txn);
		born_forget(w);
		return rc;
	}
	version = model_add(w, w->scratch);
	w->newest = version;
	rc = w->ops->commit(txn, !w->config->is_async);
	if (rc) {
		give_up(w, version);
		born_forget(w);
		if (is_end_of_incarnation(w, rc))
			rc = 0;
	} else {
		crash_name(w->history);
		*ret_version = version;
	}
	return rc;
}

static bool draw_abort(struct work *w)
{
	return crash_draw(&w->rng) % 8 == 0;
}

/* The pages that commits newer than `gen` made and wrote, or will write. */
static unsigned count_born_after(const struct work *w, gen_t gen)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES_TRACED; i++)
		n += w->born[i] > gen;
	return n;
}

/*
 * What is promised where commits do not wait: a crash takes unflushed_max pages at most, or the
 * newest transaction alone. before: the newest generation before it.
 */
static int check_unflushed(struct work *w, gen_t before)
{
	struct txn_stat stat;
	unsigned n, n_own,
		most = w->config->sync == TXN_PROCESS ? w->options.one_flush_max_pages
						      : w->options.unflushed_max_pages;

	txn_stat(w->ops->env(w->db), &stat);
	n = count_born_after(w, stat.durable_gen);
	n_own = count_born_after(w, before);
	session_marks[MARK_LARGE].n += n_own > most;
	if (n_own == 0 || n <= (n_own > most ? n_own : most))
		return 0;
	return error_set(VERSO_EIO,
		"%u pages are not flushed: the promise is %u, or the %u of the newest transaction "
		"alone",
		n, most, n_own);
}

static int transact_with(struct work *w, bool abort, edit_fn *edit)
{
	struct txn_stat before;
	int rc;

	txn_stat(w->ops->env(w->db), &before);
	rc = transact_on(w, w->version, abort, edit, &w->version);
	settle(w);
	if (rc)
		return rc;
	if (w->config->sync == TXN_PROCESS && !w->config->is_async)
		w->answered = w->version;
	if (!answers_late(w))
		ack(w);
	else
		rc = check_unflushed(w, before.newest_gen);
	return rc;
}

int transact(struct work *w)
{
	return transact_with(w, draw_abort(w), change);
}

int transact_edit(struct work *w, edit_fn *edit)
{
	return transact_with(w, false, edit);
}

/* A helper's: on top of what joined before it, acknowledged or not. */
static int transact_helper(void *arg)
{
	struct work *w = arg;
	unsigned version = w->newest;
	int rc = look_during_flush(w);

	return rc ? rc : transact_on(w, w->newest, draw_abort(w), change, &version);
}

/* A commit during whose flush others join: they are the next batch. */
int transact_joined(struct work *w)
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
