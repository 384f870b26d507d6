/* SPDX-License-Identifier: MIT */
/*
 * Compaction, in steps of one write transaction each (verso_space.h). A pass goes through the
 * default table, the named ones and the catalogue; after one that changed nothing, or made nothing
 * smaller, the end of the file is cut and all is done.
 */
#include "base/bytes.h"
#include "btree/compact.h"
#include "db/db_int.h"
#include "txn/compact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST  64U /* pages, and changes: below the one and above the other a step ends */
#define VAIN_PASSES 3U  /* that made the file no smaller */

enum stage { STAGE_DEFAULT, STAGE_NAMED, STAGE_CATALOGUE, STAGE_END };

/* Where the next step goes on. */
struct compaction {
	enum stage stage;
	bool has_name; /* the table `name` is not done; else the first one above it comes next */
	char name[TABLE_NAME_MAX + 1];
	struct btree_compact tree;
	uint64_t n_changed; /* in this pass */
	pgno_t n_pages;     /* before it */
	unsigned n_vain;    /* passes */
};

struct step {
	struct verso_txn *txn;
	struct compaction *at;
	const struct verso_compact *limits;
	uint64_t begun_ns, n_before;
};

void compaction_free(struct compaction *at)
{
	if (at)
		free(at->tree.key);
	free(at);
}

static int compaction_make(struct verso *db)
{
	struct compaction *at = calloc(1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	at->tree.key = malloc(db->pager->page_size);
	if (!at->tree.key) {
		free(at);
		return -ENOMEM;
	}
	at->n_pages = UINT32_MAX;
	db->compaction = at;
	return 0;
}

static bool is_over(const struct step *s)
{
	const struct verso_compact *l = s->limits;
	uint64_t n = s->at->tree.n_changed - s->n_before;

	if (n >= ROOM_LEAST && txn_compact_room(s->txn->txn) < ROOM_LEAST)
		return true;
	if (l->pages_max > 0 && n >= l->pages_max)
		return true;
	return l->time_max_ms > 0 &&
	       (io_now_ns(s->txn->db->io) - s->begun_ns) / 1000000 >= l->time_max_ms;
}

static int compact_leaf(struct verso_txn *txn, struct btree *tree, struct btree_compact *c)
{
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = btree_compact_leaf(tree, c);
	call_leave(txn, &fault);
	return rc;
}

/* 0: the tree is done. VERSO_MORE: the step is over before that. */
static int compact_tree(struct step *s, struct btree *tree)
{
	int rc = 0;

	while (rc == 0) {
		rc = compact_leaf(s->txn, tree, &s->at->tree);
		if (rc == 0 && is_over(s))
			return VERSO_MORE;
	}
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

/* The first named table above at->name, or that itself, if it is not done. VERSO_NOTFOUND. */
static int find_table(struct step *s, struct verso_table **ret_table)
{
	struct btree_bound from = {table_name_slice(s->at->name), !s->at->has_name};
	struct btree_cursor *cursor = NULL;
	struct table_record record;
	int rc = btree_cursor_open(&s->txn->catalogue.tree, &cursor);

	if (rc == 0)
		rc = tables_from(s->txn, cursor, &from, &record);
	if (cursor)
		close_tree_cursor(s->txn, cursor);
	if (rc != 0)
		return rc;
	/* Above a name that is not the whole one it would be found again and again. */
	if (record.name_len != strlen(record.name))
		return error_set(VERSO_ECORRUPT,
			"a table's name has %zu bytes, or a zero among them: the file is damaged. "
			"Restore it from a copy",
			record.name_len);
	if (strcmp(record.name, s->at->name) != 0)
		btree_compact_at(&s->at->tree, 0);
	memcpy(s->at->name, record.name, sizeof(record.name));
	s->at->has_name = true;
	return verso_table_open(s->txn, record.name, 0, ret_table);
}

static int compact_named(struct step *s)
{
	struct verso_table *table;
	int rc;

	while ((rc = find_table(s, &table)) == 0) {
		rc = compact_tree(s, &table->tree);
		table->n_edits++;
		if (rc != 0)
			return rc;
		s->at->has_name = false;
		btree_compact_at(&s->at->tree, 0);
		if (is_over(s)) /* of a tree's last leaf nobody asked: it may have no other */
			return VERSO_MORE;
	}
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

/* 0: the pass is done. VERSO_MORE: the step is over. */
static int compact_some(struct step *s)
{
	struct compaction *at = s->at;
	int rc = 0;

	for (; rc == 0 && at->stage < STAGE_END; at->stage += rc == 0) {
		if (at->stage == STAGE_DEFAULT)
			rc = compact_tree(s, &s->txn->main.tree);
		else if (at->stage == STAGE_NAMED)
			rc = compact_named(s);
		else
			rc = compact_tree(s, &s->txn->catalogue.tree);
		if (rc == 0)
			btree_compact_at(&at->tree, 0);
	}
	return rc;
}

/* After a pass: true when another one may make the file smaller. */
static bool begin_pass(struct verso *db)
{
	struct compaction *at = db->compaction;
	pgno_t n_pages = txn_compact_size(db->env);

	at->n_vain = n_pages < at->n_pages ? 0 : at->n_vain + 1;
	if (at->tree.n_changed == at->n_changed || at->n_vain >= VAIN_PASSES)
		return false;
	at->n_changed = at->tree.n_changed;
	at->n_pages = n_pages;
	at->stage = STAGE_DEFAULT;
	at->has_name = false;
	at->name[0] = '\0';
	btree_compact_at(&at->tree, 0);
	return true;
}

/* A transaction of it. 0: a pass is done. */
static int step(struct verso *db, struct verso_compact *limits)
{
	struct step s = {.limits = limits, .begun_ns = io_now_ns(db->io)};
	int more = 0, rc = verso_begin(db, VERSO_WRITE, &s.txn);

	if (rc < 0)
		return rc;
	if (!db->compaction)
		rc = compaction_make(db);
	s.at = db->compaction;
	if (rc == 0)
		rc = txn_compact_begin(s.txn->txn, &s.at->tree.end);
	if (rc == 0) {
		s.n_before = s.at->tree.n_changed;
		more = compact_some(&s);
		rc = more < 0 ? more : 0;
		limits->n_changed += s.at->tree.n_changed - s.n_before;
	}
	if (rc < 0) {
		verso_abort(s.txn);
		return rc;
	}
	rc = verso_commit(s.txn);
	if (rc == 0)
		rc = txn_sync(db->env); /* what it freed can be used again */
	if (rc < 0)
		return rc;
	if (more == VERSO_MORE || begin_pass(db))
		return VERSO_MORE;
	rc = txn_shrink(db->env);
	compaction_free(db->compaction);
	db->compaction = NULL;
	return rc;
}

int verso_compact(struct verso *db, struct verso_compact *limits)
{
	THREAD_KEPT;
	struct verso_compact full = {.size = sizeof(full)};
	size_t size = 0;
	int rc = boundary_db(db), size_rc;

	if (rc < 0)
		return call_result(rc);
	if (waits_for_itself(db) || check_runs_here(db))
		return misuse("verso_compact: this thread has a write transaction open, or is in "
			      "the callback of a check or a copy");
	if (limits && limits->size < sizeof(limits->size))
		return misuse("verso_compact: set size to sizeof(struct verso_compact)");
	if (limits && limits->size > sizeof(full) &&
		!bytes_are_zero(limits + 1, limits->size - sizeof(full)))
		return misuse("verso_compact: a limit that this version of the library does not "
			      "know");
	if (limits) {
		size = limits->size < sizeof(full) ? limits->size : sizeof(full);
		memcpy(&full, limits, size);
	}
	full.n_changed = 0;
	pthread_mutex_lock(&db->compact_lock);
	do
		rc = step(db, &full);
	while (rc == VERSO_MORE && !limits);
	pthread_mutex_unlock(&db->compact_lock);
	if (rc < 0 || !limits)
		return call_result(rc);
	full.n_pages = txn_compact_size(db->env);
	size_rc = file_size(db->file, &full.file_bytes);
	if (size_rc < 0)
		return call_result(size_rc);
	full.size = size;
	memcpy(limits, &full, size);
	return rc;
}
