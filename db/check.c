/* SPDX-License-Identifier: MIT */
/*
 * The proof that a database is whole, in two parts: each tree by itself, on a snapshot, and the
 * account of all pages, under the writer lock.
 */
#include "db/db_int.h"

#include <alloca.h>
#include <stdio.h>

static int check_pages(struct verso_txn *txn, struct btree *tree)
{
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = btree_check(tree, NULL, NULL, NULL);
	call_leave(txn, &fault);
	return rc;
}

/* One tree. Damage is a finding, and 0 is returned; other errors end the check. */
static int check_tree(struct checker *k, struct verso_txn *txn, struct btree *tree,
	const char *what)
{
	char text[ERROR_TEXT_BYTES + TABLE_NAME_MAX];
	int rc = check_pages(txn, tree);

	if (rc == VERSO_ECORRUPT) {
		(void)snprintf(text, sizeof(text), "%s: %s", what, error_text());
		checker_found(k, 0, text);
		return 0;
	}
	return rc;
}

static int check_named(struct checker *k, struct verso_txn *txn, const struct table_record *n)
{
	char what[TABLE_NAME_MAX + 64];
	struct btree tree;
	int rc;

	(void)snprintf(what, sizeof(what), "table %s%s", n->name,
		n->makes_sense ? "" : ": expected its description, found other bytes");
	if (!n->makes_sense) {
		checker_found(k, 0, what);
		return 0;
	}
	btree_init(&tree, txn->txn, &n->root);
	rc = check_tree(k, txn, &tree, what);
	btree_fini(&tree);
	return rc;
}

static int check_trees(struct verso_txn *txn, struct checker *k)
{
	struct btree_cursor *cursor = NULL;
	struct table_record named;
	int rc = check_tree(k, txn, &txn->main.tree, "the default table");

	if (rc == 0)
		rc = check_tree(k, txn, &txn->catalogue.tree, "the catalogue of tables");
	if (rc == 0)
		rc = btree_cursor_open(&txn->catalogue.tree, &cursor);
	if (rc < 0)
		return rc;
	while (rc == 0 && !k->stopped) {
		rc = tables_next(txn, cursor, &named);
		if (rc == 0)
			rc = check_named(k, txn, &named);
	}
	close_tree_cursor(txn, cursor);
	/* Damage of the catalogue was found already. */
	return rc == VERSO_NOTFOUND || (rc == VERSO_ECORRUPT && k->n_findings > 0) ? 0 : rc;
}

static int report(void *arg, pgno_t pgno, const char *finding)
{
	struct checker *k = arg;

	checker_found(k, pgno, finding);
	return k->stopped;
}

int verso_check(struct verso *db, unsigned flags, verso_check_fn *each, void *arg)
{
	THREAD_KEPT;
	struct checker *k = alloca(sizeof(*k));
	struct verso_txn *txn;
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	checker_init(k, db, each, arg);
	if (flags & ~(unsigned)VERSO_CHECK_TREES)
		return misuse("verso_check: an unknown flag");
	if (check_runs_here(db))
		return misuse("verso_check: called by the callback of a check or a copy of this "
			      "database");
	if (!(flags & VERSO_CHECK_TREES) && (waits_for_itself(db) || open_writes_here(db)))
		return misuse(
			"verso_check: this thread has a write transaction open, for which the "
			"check would wait forever; a check with VERSO_CHECK_TREES does not wait");
	rc = verso_begin(db, VERSO_READ, &txn);
	if (rc < 0)
		return call_result(rc);
	rc = check_trees(txn, k);
	verso_abort(txn);
	if (rc == 0 && !k->stopped && !(flags & VERSO_CHECK_TREES)) {
		rc = txn_check(db->env, report, k);
		if (rc == VERSO_ECORRUPT && k->n_findings == 0)
			checker_found(k, 0, error_text());
		if (rc > 0 || (rc < 0 && k->n_findings > 0))
			rc = 0;
	}
	if (k->closed) {
		verso_close(db);
		return misuse("verso_check: the callback has closed the database");
	}
	if (rc == 0 && k->n_findings > 0)
		rc = error_set(VERSO_ECORRUPT, "%s: the check found %llu faults", db->path,
			(unsigned long long)k->n_findings);
	return call_result(rc);
}
