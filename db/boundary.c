/* SPDX-License-Identifier: MIT */
/*
 * The API boundary: arguments are checked here, and faults of a mapping end here.
 *
 * The mmap pager touches a page when it is got, under a guard of its own. But the kernel may take
 * the page away again and fail to bring it back while the tree still reads it: the disk broke,
 * another program shortened the file. So each call that reads pages sets a fault guard (D5:
 * call_enter()), and a SIGBUS inside it ends in call_faulted(). Whatever the call was doing is left
 * where it was, and the transaction cannot be used any more: all that it holds is released, a
 * reader returns VERSO_EIO from then on, a writer becomes abort-only.
 */
#include "db/db_int.h"

#include <errno.h>

int misuse(const char *what)
{
	return error_set(VERSO_EMISUSE, "%s", what);
}

int call_failed(int code)
{
	if (error_text()[0] != '\0')
		return code;
	if (code == -ENOMEM)
		return error_set(code, "no memory: close cursors and transactions that are not "
				       "needed any more, or allow the process more of it");
	return error_set(code, "%s", error_name(code));
}

static int forked(void)
{
	return error_set(-EINVAL, "the process has forked since the database was opened: a child "
				  "opens databases of its own");
}

int boundary_db(struct verso *db)
{
	error_clear();
	if (!handle_is(db, HANDLE_DB))
		return misuse("the handle is not an open database");
	if (!process_is(db->process))
		return forked();
	return 0;
}

static int put_room(struct verso_txn *txn, struct verso_table *table)
{
	struct room *room = &txn->room;
	struct btree_slice key = {room->bytes + room->val_len, room->key_len};
	struct btree_slice val = {room->bytes, room->val_len};

	table->n_edits++;
	results_end(txn, txn->n_held, NULL);
	return btree_put(&table->tree, key, val, 0);
}

/*
 * D12: stores what the user has written into the room that verso_reserve() gave. The bytes stay:
 * the arguments of this call may lie in them.
 */
static int store_room(struct verso_txn *txn)
{
	struct verso_table *table = txn->room.table;
	struct fault_guard fault;
	int rc;

	txn->room.table = NULL;
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = put_room(txn, table);
	call_leave(txn, &fault);
	if (rc < 0)
		txn->room.table = table; /* the next call tries again; else the end gives it up */
	return rc;
}

/* What stands in the way of a live transaction. */
static int boundary_txn_state(struct verso_txn *txn, bool write)
{
	int failed = txn->notes.failed;

	if (failed && txn->txn->writable)
		(void)txn_break(txn->txn, failed);
	else if (failed)
		return error_set(failed,
			"an earlier call of this transaction was left in its middle, because the "
			"file could not be read through its mapping or a handler of SIGBUS jumped "
			"out of it: end it");
	if (write && !txn->txn->writable)
		return misuse("a read transaction cannot change anything: begin with VERSO_WRITE");
	if (txn->txn->writable) {
		if (txn->txn->broken)
			return error_set(VERSO_EABORTONLY,
				"an earlier call of this transaction failed half-way (%s): abort "
				"it",
				error_name(txn->txn->broken));
		atomic_store_explicit(&txn->db->writer, thread_number(), memory_order_relaxed);
		if (txn->room.table)
			return store_room(txn);
	}
	return 0;
}

int boundary_txn_in_full(struct verso_txn *txn, bool write)
{
	error_clear();
	if (!handle_is(txn, HANDLE_TXN))
		return misuse("the handle is not an open transaction");
	if (!process_is(txn->db->process))
		return forked();
	return boundary_txn_state(txn, write);
}

int boundary_cursor_in_full(struct verso_cursor *c)
{
	error_clear();
	if (!handle_is(c, HANDLE_CURSOR))
		return misuse("the handle is not an open cursor");
	if (!process_is(c->process))
		return forked();
	if (!c->txn)
		return misuse("the cursor's transaction or table has ended: close the cursor");
	return boundary_txn_state(c->txn, false);
}

int boundary_val(struct verso_val val)
{
	if (val.len > 0 && !val.data)
		return misuse("a key or value has a length but no bytes");
	return 0;
}

void call_unblock(struct verso_txn *txn)
{
	txn->mask_of = thread_number();
	txn->blocks_sigbus = fault_unblock();
}

/* Ends the pins of all cursors, which no call will use again. */
static void tables_unpin(struct verso_txn *txn)
{
	for (struct verso_table *t = txn->tables; t; t = t->next)
		btree_cursors_unpin(&t->tree);
	btree_cursors_unpin(&txn->main.tree);
	btree_cursors_unpin(&txn->catalogue.tree);
}

void call_give_back(struct verso_txn *txn)
{
	struct fault_notes *notes = &txn->notes;
	struct guard *guard = txn->txn->guard;

	if (atomic_load_explicit(&guard->epoch, memory_order_relaxed) != 0)
		guard_leave(guard);
	tables_unpin(txn);
	results_end(txn, txn->n_held, txn->chunks);
	/* What is left only the lost locals of the call knew of. */
	while (notes->n > 0)
		pager_put(txn->txn->pager, notes->items[notes->n - 1]);
}

static int error_gone(const struct verso *db)
{
	return error_set(VERSO_EIO,
		"%s: a page that was there a moment ago cannot be read any more: the disk has "
		"failed, or another program has shortened the file. Look at both, then open the "
		"database again",
		db->path);
}

int call_faulted(struct verso_txn *txn)
{
	call_give_back(txn);
	fault_notes_end();
	if (txn->blocks_sigbus)
		fault_block();
	txn->notes.failed = VERSO_EIO;
	if (txn->txn->writable)
		(void)txn_break(txn->txn, VERSO_EIO);
	return error_gone(txn->db);
}

static int read_guarded(const struct verso *db, int (*fn)(void *arg), void *arg)
{
	struct fault_guard fault;
	int rc;

	if (sigsetjmp(fault.env, 0) != 0)
		return error_gone(db);
	fault_enter_areas(&fault, db->pager->fault_areas);
	rc = fn(arg);
	fault_leave(&fault);
	return rc;
}

int boundary_read(const struct verso *db, int (*fn)(void *arg), void *arg)
{
	bool was_blocked = db->pager->may_fault && fault_unblock();
	int rc = read_guarded(db, fn, arg);

	if (was_blocked)
		fault_block();
	return rc;
}
