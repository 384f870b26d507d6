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
#include <stdlib.h>
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

int tables_store(struct verso_txn *txn)
{
	for (struct verso_table *t = txn->tables; t; t = t->next) {
		int rc = 0;

		if (is_changed(t))
			rc = catalogue_update(&txn->catalogue.tree, table_name_slice(t->name),
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
	free(txn->kept);
	txn->kept = NULL;
	txn->cap_kept = 0;
}

static size_t name_max(const struct verso *db)
{
	size_t max = catalogue_name_max(db->pager->page_size);

	return max < TABLE_NAME_MAX ? max : TABLE_NAME_MAX;
}

/*
 * Copies the user's name, because it may lie in a result, which the call ends. Inside the fault
 * guard, because that may be a page of a mapping.
 */
static int take_name(const struct verso *db, const char *name, char ret_name[TABLE_NAME_MAX + 1])
{
	if (!name || name[0] == '\0')
		return misuse("a table's name has at least one byte; NULL for the table handle is "
			      "the default table");
	if (strlen(name) > name_max(db))
		return error_set(VERSO_ETOOBIG,
			"the table's name has %zu bytes; the longest possible has %zu",
			strlen(name), name_max(db));
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

/* Its name is no longer the one that was kept. */
static void forget_kept(struct verso_txn *txn, struct verso_table *table)
{
	if (table->kept > 0)
		txn->kept[table->kept - 1] = NULL;
	table->kept = 0;
}

void tables_forget(struct verso_txn *txn, struct verso_table *table)
{
	forget_kept(txn, table);
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

/* A table that is not open. */
static struct verso_table *make(struct verso_txn *txn, const char *name,
	const struct txn_root *root)
{
	struct verso_table *table = handle_alloc(HANDLE_TABLE, sizeof(*table));

	if (!table)
		return NULL;
	view_init(table, txn, root);
	memcpy(table->name, name, strlen(name) + 1);
	remember(txn, table);
	return table;
}

int tables_open(struct verso_txn *txn, const char *user_name, unsigned flags,
	struct verso_table **ret_table)
{
	char name[TABLE_NAME_MAX + 1];
	struct verso_table *table;
	struct txn_root root = {0};
	int rc = take_name(txn->db, user_name, name);

	if (rc < 0)
		return rc;
	table = *place_of(txn, name);
	if (table) {
		*ret_table = table;
		return 0;
	}
	/* The transaction knows it from now on: a fault in what follows does not lose it. */
	table = make(txn, name, &root);
	if (!table)
		return -ENOMEM;
	rc = catalogue_find(&txn->catalogue.tree, table_name_slice(name), &root);
	if (rc == VERSO_NOTFOUND && (flags & VERSO_CREATE)) {
		results_end(txn, txn->n_held, NULL);
		rc = catalogue_create(&txn->catalogue.tree, table_name_slice(name), 0, &root);
	}
	if (rc != 0) {
		tables_forget(txn, table);
		return rc;
	}
	view_init(table, txn, &root);
	*ret_table = table;
	return 0;
}

int tables_rename(struct verso_txn *txn, const char *user_from, const char *user_to)
{
	char from[TABLE_NAME_MAX + 1], to[TABLE_NAME_MAX + 1];
	struct verso_table *table;
	int rc = take_name(txn->db, user_from, from);

	if (rc == 0)
		rc = take_name(txn->db, user_to, to);
	if (rc < 0)
		return rc;
	results_end(txn, txn->n_held, NULL);
	rc = catalogue_rename(&txn->catalogue.tree, table_name_slice(from), table_name_slice(to));
	table = rc == 0 ? *place_of(txn, from) : NULL;
	if (!table)
		return rc;
	forget_kept(txn, table);
	take_out(place_of(txn, from));
	memset(table->children, 0, sizeof(table->children));
	memcpy(table->name, to, strlen(to) + 1);
	*place_of(txn, to) = table;
	return 0;
}

/* --- tables that are kept ------------------------------------------------------------------- */

static int make_place(struct verso_txn *txn, unsigned index)
{
	unsigned cap = index < 8 ? 8 : 2 * index;
	struct verso_table **kept;

	if (index < txn->cap_kept)
		return 0;
	kept = realloc(txn->kept, cap * sizeof(struct verso_table *));
	if (!kept)
		return -ENOMEM;
	memset(kept + txn->cap_kept, 0, (cap - txn->cap_kept) * sizeof(struct verso_table *));
	txn->kept = kept;
	txn->cap_kept = cap;
	return 0;
}

/* A page of that number and generation has the same bytes for ever (T3). */
static bool is_same(struct page_ref a, struct page_ref b)
{
	return a.pgno != 0 && a.pgno == b.pgno && a.gen == b.gen;
}

/* Opens the table without the catalogue, where that is as it was when the name was looked up. */
static int open_known(struct verso_txn *txn, const struct kept_table *kept,
	struct verso_table **ret_table)
{
	struct verso_table *table = *place_of(txn, kept->name);
	struct txn_root root;
	bool is_known;

	if (table || is_changed(&txn->catalogue)) {
		*ret_table = table;
		return 0;
	}
	pthread_mutex_lock(&txn->db->lock);
	root = kept->root;
	is_known = is_same(kept->catalogue, txn->catalogue.stored.ref);
	pthread_mutex_unlock(&txn->db->lock);
	*ret_table = is_known ? make(txn, kept->name, &root) : NULL;
	return is_known && !*ret_table ? -ENOMEM : 0;
}

static void note_known(struct verso_txn *txn, struct kept_table *kept,
	const struct verso_table *table)
{
	if (is_changed(&txn->catalogue))
		return;
	pthread_mutex_lock(&txn->db->lock);
	kept->catalogue = txn->catalogue.stored.ref;
	kept->root = table->stored;
	pthread_mutex_unlock(&txn->db->lock);
}

static int look_up(struct verso_txn *txn, struct kept_table *kept, struct verso_table **ret_table)
{
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = tables_open(txn, kept->name, 0, ret_table);
	call_leave(txn, &fault);
	if (rc == 0)
		note_known(txn, kept, *ret_table);
	return rc;
}

/* D11: the first use in a transaction looks for the name; the others find what that found. */
static int resolve(struct verso_txn *txn, struct kept_table *kept, struct verso_table **ret_table)
{
	struct verso_table *table;
	int rc;

	if (kept->db != txn->db)
		return misuse("the table was kept for another database");
	if (kept->index < txn->cap_kept && txn->kept[kept->index]) {
		*ret_table = txn->kept[kept->index];
		return 0;
	}
	rc = make_place(txn, kept->index);
	if (rc == 0)
		rc = open_known(txn, kept, &table);
	if (rc == 0 && !table)
		rc = look_up(txn, kept, &table);
	if (rc != 0)
		return rc;
	txn->kept[kept->index] = table;
	table->kept = kept->index + 1;
	*ret_table = table;
	return 0;
}

int boundary_table(struct verso_txn *txn, struct verso_table *table, struct verso_table **ret_table)
{
	if (!table) {
		*ret_table = &txn->main;
		return 0;
	}
	if (handle_is(table, HANDLE_KEPT))
		return resolve(txn, (struct kept_table *)table, ret_table);
	if (!handle_is(table, HANDLE_TABLE) || table->txn != txn)
		return misuse("not a table of this transaction: verso_table_open() gives one, or "
			      "verso_table_keep() for all transactions");
	*ret_table = table;
	return 0;
}

/* db->lock is held. */
static struct kept_table *find_kept(const struct verso *db, const char *name)
{
	struct kept_table *kept = db->kept;

	while (kept && strcmp(kept->name, name) != 0)
		kept = kept->next;
	return kept;
}

struct naming {
	const struct verso *db;
	const char *from;
	char *to;
};

static int take_name_outside(void *arg)
{
	const struct naming *n = arg;

	return take_name(n->db, n->from, n->to);
}

int verso_table_keep(struct verso *db, const char *name, struct verso_table **ret_table)
{
	THREAD_KEPT;
	struct kept_table *made, *kept;
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	if (!ret_table)
		return misuse("verso_table_keep: no place for the result");
	made = handle_alloc(HANDLE_KEPT, sizeof(*made));
	if (!made)
		return call_result(-ENOMEM);
	made->db = db;
	rc = boundary_read(db, take_name_outside, &(struct naming){db, name, made->name});
	pthread_mutex_lock(&db->lock);
	kept = rc == 0 ? find_kept(db, made->name) : NULL;
	if (rc == 0 && !kept) {
		kept = made;
		kept->index = db->kept ? db->kept->index + 1 : 0;
		kept->next = db->kept;
		db->kept = kept;
	}
	pthread_mutex_unlock(&db->lock);
	if (kept != made)
		handle_end(HANDLE_KEPT, made);
	if (rc == 0)
		*ret_table = (struct verso_table *)kept;
	return call_result(rc);
}

void tables_end_kept(struct verso *db)
{
	while (db->kept) {
		struct kept_table *kept = db->kept;

		db->kept = kept->next;
		handle_end(HANDLE_KEPT, kept);
	}
}
