/* SPDX-License-Identifier: MIT */
/*
 * Tables. The meta page holds two roots: the default table's and the catalogue's, which is a tree
 * of the same kind that maps a table's name to its root. A table that changes has its new root in
 * its handle until the commit, which puts it into the catalogue (D8).
 *
 * The tables that are open form a hash trie: the top two bits of a name's hash choose one of the
 * root's four children, the next two one of that child's, and so on. There is no array to grow, so
 * adding a table cannot fail, and a table is found among any number of others in a few steps.
 */
#include "base/hash.h"
#include "db/db_int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void view_init(struct verso_table *table, struct verso_txn *txn, const struct txn_root *root)
{
	table->txn = txn;
	table->stored = *root;
	btree_init(&table->tree, txn->txn, root);
}

void tables_init(struct verso_txn *txn)
{
	struct txn_root main = txn->txn->roots[0], catalogue = txn->txn->roots[1];

	/* A database is made with all zeros here. */
	if (catalogue.tree != CATALOGUE_TREE)
		catalogue_root_init(&catalogue);
	view_init(&txn->main, txn, &main);
	view_init(&txn->catalogue, txn, &catalogue);
}

static bool is_changed(const struct verso_table *table)
{
	const struct txn_root *a = &table->tree.root, *b = &table->stored;

	return a->ref.pgno != b->ref.pgno || a->ref.gen != b->ref.gen || a->level != b->level ||
	       a->count != b->count || a->user != b->user;
}

static struct btree_slice name_slice(const char *name)
{
	return (struct btree_slice){name, strlen(name)};
}

int tables_store(struct verso_txn *txn)
{
	for (struct verso_table *t = txn->tables; t; t = t->next) {
		int rc = 0;

		if (is_changed(t))
			rc = catalogue_update(&txn->catalogue.tree, name_slice(t->name),
				&t->tree.root);
		if (rc != 0)
			return rc == VERSO_NOTFOUND ? VERSO_ECORRUPT : rc;
	}
	if (is_changed(&txn->main))
		txn->txn->roots[0] = txn->main.tree.root;
	if (is_changed(&txn->catalogue))
		txn->txn->roots[1] = txn->catalogue.tree.root;
	return 0;
}

/* A fault may have left cursors behind that no handle knows. */
static void view_fini(struct verso_table *table)
{
	while (table->tree.cursors)
		btree_cursor_close(table->tree.cursors);
	btree_fini(&table->tree);
}

void tables_fini(struct verso_txn *txn)
{
	while (txn->tables) {
		struct verso_table *t = txn->tables;

		txn->tables = t->next;
		view_fini(t);
		handle_end(HANDLE_TABLE, t);
	}
	view_fini(&txn->main);
	view_fini(&txn->catalogue);
}

static size_t name_max(const struct verso_txn *txn)
{
	size_t max = catalogue_name_max(txn->txn->pager->page_size);

	return max < TABLE_NAME_MAX ? max : TABLE_NAME_MAX;
}

/*
 * Copies the user's name, because it may lie in a result, which the call ends. Inside the fault
 * guard, because that may be a page of a mapping.
 */
static int take_name(const struct verso_txn *txn, const char *name,
	char ret_name[TABLE_NAME_MAX + 1])
{
	if (!name || name[0] == '\0')
		return misuse("a table's name has at least one byte; NULL for the table handle is "
			      "the default table");
	if (strlen(name) > name_max(txn))
		return error_set(VERSO_ETOOBIG,
			"the table's name has %zu bytes; the longest possible has %zu",
			strlen(name), name_max(txn));
	memcpy(ret_name, name, strlen(name) + 1);
	return 0;
}

/* Where the open table of that name hangs in the trie, or NULL stands when there is none. */
static struct verso_table **place_of(struct verso_txn *txn, const char *name)
{
	struct verso_table **at = &txn->by_name;
	uint64_t hash = hash_bytes(name, strlen(name), txn->txn->pager->seed);

	for (; *at && strcmp((*at)->name, name) != 0; hash <<= 2)
		at = &(*at)->children[hash >> 62];
	return at;
}

/* Takes a table out of the trie. A leaf below it, whose hash begins alike, takes its place. */
static void take_out(struct verso_table **at)
{
	struct verso_table *table = *at, **leaf = at, *last;

	for (unsigned i = 0; i < 4;) {
		if ((*leaf)->children[i]) {
			leaf = &(*leaf)->children[i];
			i = 0;
		} else {
			i++;
		}
	}
	last = *leaf;
	*leaf = NULL;
	if (last != table) {
		memcpy(last->children, table->children, sizeof(last->children));
		*at = last;
	}
}

static void remember(struct verso_txn *txn, struct verso_table *table)
{
	*place_of(txn, table->name) = table;
	table->next = txn->tables;
	if (table->next)
		table->next->prev = table;
	txn->tables = table;
}

static void forget(struct verso_txn *txn, struct verso_table *table)
{
	take_out(place_of(txn, table->name));
	if (table->prev)
		table->prev->next = table->next;
	else
		txn->tables = table->next;
	if (table->next)
		table->next->prev = table->prev;
	view_fini(table);
	handle_end(HANDLE_TABLE, table);
}

static int table_open(struct verso_txn *txn, const char *user_name, unsigned flags,
	struct verso_table **ret_table)
{
	char name[TABLE_NAME_MAX + 1];
	struct verso_table *table;
	struct txn_root root = {0};
	int rc = take_name(txn, user_name, name);

	if (rc < 0)
		return rc;
	table = *place_of(txn, name);
	if (table) {
		*ret_table = table;
		return 0;
	}
	table = handle_alloc(HANDLE_TABLE, sizeof(*table));
	if (!table)
		return -ENOMEM;
	view_init(table, txn, &root);
	memcpy(table->name, name, strlen(name) + 1);
	/* The transaction knows it from now on: a fault in what follows does not lose it. */
	remember(txn, table);
	rc = catalogue_find(&txn->catalogue.tree, name_slice(name), &root);
	if (rc == VERSO_NOTFOUND && (flags & VERSO_CREATE)) {
		results_end(txn, txn->n_held, NULL);
		rc = catalogue_create(&txn->catalogue.tree, name_slice(name), 0, &root);
	}
	if (rc != 0) {
		forget(txn, table);
		return rc;
	}
	view_init(table, txn, &root);
	*ret_table = table;
	return 0;
}

int verso_table_open(struct verso_txn *txn, const char *name, unsigned flags,
	struct verso_table **ret_table)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_txn(txn, (flags & VERSO_CREATE) != 0);

	if (rc < 0)
		return rc;
	if (flags & ~(unsigned)VERSO_CREATE)
		return misuse("verso_table_open: an unknown flag");
	if (!ret_table)
		return misuse("verso_table_open: no place for the result");
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = table_open(txn, name, flags, ret_table);
	call_leave(txn, &fault);
	return rc;
}

static int table_drop(struct verso_txn *txn, const char *user_name)
{
	struct verso_table *table;
	int rc = table_open(txn, user_name, 0, &table);

	if (rc != 0)
		return rc;
	cursors_end(txn, table);
	results_end(txn, txn->n_held, NULL);
	rc = btree_drop(&table->tree);
	if (rc < 0)
		return rc;
	rc = catalogue_remove(&txn->catalogue.tree, name_slice(table->name));
	if (rc != 0)
		return txn_break(txn->txn, rc == VERSO_NOTFOUND ? VERSO_ECORRUPT : rc);
	forget(txn, table);
	return 0;
}

int verso_table_drop(struct verso_txn *txn, const char *name)
{
	THREAD_KEPT;
	struct fault_guard fault;
	int rc = boundary_txn(txn, true);

	if (rc < 0)
		return rc;
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = table_drop(txn, name);
	call_leave(txn, &fault);
	return rc;
}

void close_tree_cursor(struct verso_txn *txn, struct btree_cursor *cursor)
{
	fault_notes_begin(&txn->notes);
	btree_cursor_close(cursor);
	fault_notes_end();
}

int tables_next(struct verso_txn *txn, struct btree_cursor *cursor, struct table_record *ret_record)
{
	struct table_record *r = ret_record;
	struct btree_slice name;
	struct btree_item item;
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = btree_cursor_next(cursor, &name, &item);
	if (rc == 0) {
		size_t len = name.len < TABLE_NAME_MAX ? name.len : TABLE_NAME_MAX;

		memcpy(r->name, name.data, len);
		r->name[len] = '\0';
		r->name_len = name.len;
		r->makes_sense =
			item.val.data && catalogue_decode(item.val.data, item.val.len, &r->root);
	}
	call_leave(txn, &fault);
	return rc;
}

int verso_table_each(struct verso_txn *txn, verso_table_fn *each, void *arg)
{
	THREAD_KEPT;
	struct table_record record;
	struct btree_cursor *cursor = NULL;
	int stop = 0, rc = boundary_txn(txn, false);
	uint64_t number;

	if (rc < 0)
		return rc;
	if (!each)
		return misuse("verso_table_each: each is NULL");
	number = txn->handle.number;
	rc = btree_cursor_open(&txn->catalogue.tree, &cursor);
	while (rc == 0 && stop == 0) {
		rc = tables_next(txn, cursor, &record);
		if (rc == 0 && record.name_len > TABLE_NAME_MAX)
			rc = error_set(VERSO_ECORRUPT, "a table's name has %zu bytes",
				record.name_len);
		if (rc == 0)
			stop = each(arg, record.name);
		if (!handle_is_still(txn, HANDLE_TXN, number))
			return misuse("verso_table_each: the callback has ended the transaction");
	}
	close_tree_cursor(txn, cursor);
	if (stop != 0)
		return stop;
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

int verso_table_stat(struct verso_txn *txn, struct verso_table *table,
	struct verso_table_stat *stat)
{
	struct verso_table_stat full = {0};
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return rc;
	table = boundary_table(txn, table);
	if (!table)
		return VERSO_EMISUSE;
	if (!stat || stat->size < sizeof(stat->size))
		return misuse(
			"verso_table_stat: set stat->size to sizeof(struct verso_table_stat)");
	full.size = stat->size < sizeof(full) ? stat->size : sizeof(full);
	full.n_records = table->tree.root.count;
	full.height = table->tree.root.ref.pgno ? table->tree.root.level + 1u : 0;
	memcpy(stat, &full, full.size);
	return 0;
}
