/* SPDX-License-Identifier: MIT */
/*
 * The proof that a database is whole, in two parts: each tree by itself, on a snapshot, and the
 * account of all pages, under the writer lock.
 */
#include "db/db_int.h"

#include <alloca.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS UINT64_C(0x9e3779b97f4a7c15) /* apart from what else lies on a stack */

struct checker {
	uint64_t number; /* of the thread's checks, as innermost_number remembers it */
	struct verso *db;
	verso_check_fn *each;
	void *arg;
	uint64_t n_findings;
	bool stopped;
	bool closed;           /* by the callback: done when the check ends */
	struct checker *outer; /* whose callback runs this check */
};

/*
 * Whose callback this thread is in. It lies in the frame of a call, which a callback may have left
 * by a jump: then it is below the frames of today, or its memory is theirs and has another number.
 * Where they left that memory alone it is taken for one that runs; the worst is VERSO_EMISUSE, and
 * a close that is not carried out.
 */
static _Thread_local struct checker *innermost;
static _Thread_local uint64_t innermost_number, n_checks;

/*
 * AddressSanitizer would not have it that other frames are looked at, and may keep variables
 * elsewhere than in the frames: so this frame's own address counts, and alloca() has the checker.
 */
__attribute__((no_sanitize("address"))) static bool is_left(const struct checker *k)
{
	return (uintptr_t)k < (uintptr_t)__builtin_frame_address(0) ||
	       k->number != innermost_number;
}

static void set_innermost(struct checker *k)
{
	innermost = k;
	innermost_number = k ? k->number : 0;
}

static struct checker *checker_of(const struct verso *db)
{
	struct checker *k;

	if (innermost && is_left(innermost))
		set_innermost(NULL);
	for (k = innermost; k && k->db != db;)
		k = k->outer;
	return k;
}

bool check_runs_here(const struct verso *db)
{
	return checker_of(db) != NULL;
}

bool check_defers_close(const struct verso *db)
{
	struct checker *k = checker_of(db);

	if (k)
		k->closed = k->stopped = true;
	return k;
}

static void found(struct checker *k, pgno_t pgno, const char *text)
{
	k->n_findings++;
	if (!k->each || k->stopped)
		return;
	(void)checker_of(NULL); /* forgets what a jump left */
	k->outer = innermost;
	set_innermost(k);
	if (k->each(k->arg, pgno, text) != 0)
		k->stopped = true;
	set_innermost(k->outer);
}

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
		found(k, 0, text);
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
		n->makes_sense ? "" : ": its record makes no sense");
	if (!n->makes_sense) {
		found(k, 0, what);
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

	found(k, pgno, finding);
	return k->stopped;
}

int verso_check(struct verso *db, unsigned flags, verso_check_fn *each, void *arg)
{
	THREAD_KEPT;
	struct checker *k = alloca(sizeof(*k));
	struct verso_txn *txn;
	int rc = boundary_db(db);

	if (rc < 0)
		return rc;
	*k = (struct checker){.number = ++n_checks * NUMBERS, .db = db, .each = each, .arg = arg};
	if (flags & ~(unsigned)VERSO_CHECK_TREES)
		return misuse("verso_check: an unknown flag");
	if (check_runs_here(db))
		return misuse("verso_check: called by the callback of a check of this database");
	if (!(flags & VERSO_CHECK_TREES) &&
		atomic_load_explicit(&db->writer, memory_order_relaxed) == thread_number())
		return misuse(
			"verso_check: this thread has a write transaction open, for which the "
			"check would wait forever; a check with VERSO_CHECK_TREES does not wait");
	rc = verso_begin(db, VERSO_READ, &txn);
	if (rc < 0)
		return rc;
	rc = check_trees(txn, k);
	verso_abort(txn);
	if (rc == 0 && !k->stopped && !(flags & VERSO_CHECK_TREES)) {
		rc = txn_check(db->env, report, k);
		if (rc == VERSO_ECORRUPT && k->n_findings == 0)
			found(k, 0, error_text());
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
	return rc;
}
