/* SPDX-License-Identifier: MIT */
/* LMDB without the kernel's readahead: what a map can reach (rule R11). It has its own file. */
#include "experiments/cell/engine.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

struct engine_db {
	MDB_env *env;
	MDB_dbi table;
};

struct engine_thread {
	struct engine_db *owner;
	MDB_txn *txn;
	MDB_cursor *cursor;
	bool writes;
	uint64_t next_record;
};

static void expect(int rc, const char *what)
{
	if (rc != 0)
		cell_fail(what, "lmdb: %s", mdb_strerror(rc));
}

static struct engine_db *open_db(const struct config *config, bool create, bool write)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	size_t map_bytes = config->n_records * 400 + ((size_t)64 << 20);
	unsigned flags = MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOTLS;
	MDB_txn *txn;

	if (!db)
		cell_fail("open", "no memory");
	(void)create;
	expect(mdb_env_create(&db->env), "create");
	expect(mdb_env_set_mapsize(db->env, map_bytes), "mapsize");
	expect(mdb_env_open(db->env, config->file, flags | (write ? 0 : MDB_RDONLY), 0644), "open");
	expect(mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &txn), "begin");
	expect(mdb_dbi_open(txn, NULL, 0, &db->table), "table");
	expect(mdb_txn_commit(txn), "commit");
	return db;
}

static void close_db(struct engine_db *db)
{
	mdb_env_close(db->env);
	free(db);
}

static void begin(struct engine_thread *t)
{
	expect(mdb_txn_begin(t->owner->env, NULL, t->writes ? 0 : MDB_RDONLY, &t->txn), "begin");
}

static struct engine_thread *attach(struct engine_db *db, bool write)
{
	struct engine_thread *t = calloc(1, sizeof(*t));

	if (!t)
		cell_fail("attach", "no memory");
	t->owner = db;
	t->writes = write;
	begin(t);
	return t;
}

static void detach(struct engine_thread *t)
{
	mdb_cursor_close(t->cursor);
	mdb_txn_abort(t->txn);
	free(t);
}

static void refresh(struct engine_thread *t)
{
	mdb_txn_abort(t->txn);
	begin(t);
}

static size_t get(struct engine_thread *t, size_t n, const uint64_t *records,
	engine_check_fn *check, void *arg)
{
	size_t n_right = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char key[KEY_BYTES];
		MDB_val k = {KEY_BYTES, key}, v;

		data_key(records[i], key);
		expect(mdb_get(t->txn, t->owner->table, &k, &v), "get");
		n_right += check(arg, records[i], v.mv_data, v.mv_size);
	}
	return n_right;
}

static size_t scan(struct engine_thread *t, size_t n, size_t *ret_right, engine_check_fn *check,
	void *arg)
{
	size_t n_right = 0, i;

	if (!t->cursor) {
		expect(mdb_cursor_open(t->txn, t->owner->table, &t->cursor), "cursor");
		t->next_record = 0;
	}
	for (i = 0; i < n; i++) {
		unsigned char key[KEY_BYTES];
		MDB_val k, v;
		int rc = mdb_cursor_get(t->cursor, &k, &v, MDB_NEXT);

		if (rc == MDB_NOTFOUND) {
			mdb_cursor_close(t->cursor);
			t->cursor = NULL;
			break;
		}
		expect(rc, "cursor_next");
		data_key(t->next_record, key);
		n_right += k.mv_size == KEY_BYTES && memcmp(key, k.mv_data, KEY_BYTES) == 0 &&
			   check(arg, t->next_record, v.mv_data, v.mv_size);
		t->next_record++;
	}
	*ret_right = n_right;
	return i;
}

static void put(struct engine_thread *t, uint64_t record, uint64_t version)
{
	unsigned char key[KEY_BYTES], value[VALUE_BYTES];
	MDB_val k = {KEY_BYTES, key}, v = {VALUE_BYTES, value};

	data_key(record, key);
	data_value(record, version, value);
	expect(mdb_put(t->txn, t->owner->table, &k, &v, 0), "put");
}

static void commit(struct engine_thread *t)
{
	expect(mdb_txn_commit(t->txn), "commit");
	begin(t);
}

static bool stat(struct engine_db *db, struct verso_stat *ret)
{
	(void)db;
	(void)ret;
	return false;
}

const struct engine engine_lmdb = {
	.name = "lmdb",
	.open = open_db,
	.close = close_db,
	.attach = attach,
	.detach = detach,
	.refresh = refresh,
	.get = get,
	.scan = scan,
	.put = put,
	.commit = commit,
	.stat = stat,
};
