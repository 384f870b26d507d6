/* SPDX-License-Identifier: MIT */
/* Transactions: begin, commit, abort, sync; and the list of open ones. */
#include "db/db_int.h"

#include <errno.h>
#include <stdlib.h>

static void list_add(struct verso *db, struct verso_txn *txn)
{
	pthread_mutex_lock(&db->lock);
	txn->next = db->txns;
	if (txn->next)
		txn->next->prev = txn;
	db->txns = txn;
	pthread_mutex_unlock(&db->lock);
}

static void list_remove(struct verso_txn *txn)
{
	struct verso *db = txn->db;

	pthread_mutex_lock(&db->lock);
	if (txn->prev)
		txn->prev->next = txn->next;
	else
		db->txns = txn->next;
	if (txn->next)
		txn->next->prev = txn->prev;
	pthread_mutex_unlock(&db->lock);
}

int verso_begin(struct verso *db, unsigned flags, struct verso_txn **ret_txn)
{
	THREAD_KEPT;
	struct verso_txn *txn;
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	if (flags & ~(unsigned)VERSO_WRITE)
		return misuse("verso_begin: an unknown flag");
	if (!ret_txn)
		return misuse("verso_begin: no place for the result");
	if ((flags & VERSO_WRITE) && waits_for_itself(db))
		return misuse("verso_begin: this thread has a write transaction open already and "
			      "would wait for itself");
	if ((flags & VERSO_WRITE) && db->role == ROLE_MEMBER && open_writes_here(db))
		return misuse("verso_begin: this thread has a write transaction open through "
			      "another handle of the database, for which this one would wait "
			      "forever: end that one first");
	if ((flags & VERSO_WRITE) && check_runs_here(db))
		return misuse("verso_begin: called by the callback of a check or a copy of this "
			      "database, where it can only be read");
	txn = handle_alloc(HANDLE_TXN, sizeof(*txn));
	if (!txn)
		return call_result(-ENOMEM);
	txn->db = db;
	rc = flags & VERSO_WRITE ? txn_begin_write(db->env, &txn->txn)
				 : txn_begin_read(db->env, &txn->txn);
	if (rc < 0) {
		handle_end(HANDLE_TXN, txn);
		return call_result(rc);
	}
	if (flags & VERSO_WRITE)
		atomic_store_explicit(&db->writer, thread_number(), memory_order_relaxed);
	tables_init(txn);
	list_add(db, txn);
	*ret_txn = txn;
	return 0;
}

/* Gives up everything but the transaction below. */
static struct txn *take_apart(struct verso_txn *txn)
{
	struct txn *below = txn->txn;

	fault_notes_begin(&txn->notes);
	if (txn->notes.failed)
		call_give_back(txn);
	cursors_end(txn, NULL);
	results_fini(txn);
	tables_fini(txn);
	fault_notes_end();
	fault_notes_fini(&txn->notes);
	list_remove(txn);
	if (below->writable)
		atomic_store_explicit(&txn->db->writer, 0, memory_order_relaxed);
	handle_end(HANDLE_TXN, txn);
	return below;
}

/* Puts the roots of the tables that changed where the commit finds them. */
static int store_roots(struct verso_txn *txn)
{
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	results_end(txn, txn->n_held, txn->chunks);
	rc = tables_store(txn);
	call_leave(txn, &fault);
	return rc;
}

/*
 * Before the first commit is answered: nobody need have made the file's name durable. Whoever made
 * it may have died before, or copied it. A folder's flush that failed is not tried again, since the
 * next one may succeed without the name. The writer lock is held.
 */
static int make_name_durable(struct verso *db)
{
	if (!db->name_is_durable && !db->name_error) {
		db->name_error = io_sync_dir(db->io, db->path);
		db->name_is_durable = db->name_error == 0;
	} else if (db->name_error) {
		(void)error_set(db->name_error,
			"the folder of %s could not be flushed (%s), so a power cut may take the "
			"file's name: nothing is committed. Look at the disk, then open it again",
			db->path, error_name(db->name_error));
	}
	return db->name_error;
}

/* rc: what its boundary said. ret_gen: NULL, or of a commit that is not waited for. */
static int commit(struct verso_txn *txn, int rc, uint64_t *ret_gen)
{
	struct txn *below;

	if (rc == VERSO_EMISUSE || rc == -EINVAL)
		return call_result(rc);
	if (rc == 0 && txn->txn->writable)
		rc = store_roots(txn);
	if (rc == 0 && txn->txn->writable)
		rc = make_name_durable(txn->db);
	below = take_apart(txn);
	if (rc == 0 && ret_gen)
		return call_result(txn_commit_async(below, ret_gen));
	if (rc == 0)
		return call_result(txn_commit(below));
	txn_abort(below);
	return call_result(rc);
}

int verso_commit(struct verso_txn *txn)
{
	THREAD_KEPT;

	return commit(txn, boundary_txn(txn, false), NULL);
}

int verso_commit_async(struct verso_txn *txn, uint64_t *ret_gen)
{
	THREAD_KEPT;
	int rc = boundary_txn(txn, false);

	if (rc != VERSO_EMISUSE && rc != -EINVAL && !ret_gen)
		return misuse("verso_commit_async: no place for the result");
	return commit(txn, rc, ret_gen);
}

int verso_wait(struct verso *db, uint64_t gen)
{
	THREAD_KEPT;
	int rc = boundary_db(db);

	return call_result(rc < 0 ? rc : txn_wait(db->env, gen));
}

void verso_abort(struct verso_txn *txn)
{
	THREAD_KEPT;
	if (handle_is(txn, HANDLE_TXN) && process_is(txn->db->process))
		txn_abort(take_apart(txn));
}

/*
 * Of a handle that may not write: what others have written is in the file. Some read-only file
 * systems flush nothing, and need not: -EINVAL, -EROFS. The kernel tells of a failure once.
 */
static int sync_file(struct verso *db)
{
	int rc = atomic_load(&db->sync_error);

	if (rc == 0)
		rc = file_sync(db->file);
	if (rc == 0 || rc == -EINVAL || rc == -EROFS)
		return 0;
	atomic_store(&db->sync_error, rc);
	return error_set(rc,
		"%s could not be flushed (%s): what other programs have written since the last "
		"flush may be lost at a power cut. Look at the disk",
		db->path, error_name(rc));
}

int verso_sync(struct verso *db)
{
	THREAD_KEPT;
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	return call_result(db->options.flags & VERSO_RDONLY ? sync_file(db) : txn_sync(db->env));
}
