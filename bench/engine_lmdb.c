/* SPDX-License-Identifier: MIT */
/* LMDB with its default durability, without readahead, without a writable map. */
#include "bench/engine.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

struct engine_db {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;
};

static void check(int rc, const char *what)
{
	engine_check(rc == 0, "lmdb", what, mdb_strerror(rc));
}

static struct engine_db *open_by(unsigned flags, const char *path,
	const struct engine_options *options)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	size_t map_bytes = (size_t)options->n_records * 1024 + ((size_t)1 << 30);

	engine_check(db != NULL, "lmdb", "open", "no memory");
	check(mdb_env_create(&db->env), "env_create");
	check(mdb_env_set_mapsize(db->env, map_bytes), "env_set_mapsize");
	check(mdb_env_open(db->env, path, MDB_NOSUBDIR | MDB_NORDAHEAD | flags, 0600), "env_open");
	check(mdb_txn_begin(db->env, NULL, 0, &db->txn), "txn_begin");
	check(mdb_dbi_open(db->txn, NULL, 0, &db->dbi), "dbi_open");
	check(mdb_txn_commit(db->txn), "txn_commit");
	return db;
}

static struct engine_db *lmdb_open(const char *path, const struct engine_options *options)
{
	return open_by(0, path, options);
}

static struct engine_db *lmdb_nosync_open(const char *path, const struct engine_options *options)
{
	return open_by(MDB_NOSYNC, path, options);
}

static void lmdb_describe(struct engine_db *db, char *buf, size_t len_bytes)
{
	unsigned flags;

	check(mdb_env_get_flags(db->env, &flags), "env_get_flags");
	(void)snprintf(buf, len_bytes, "%s, MDB_NORDAHEAD, %s", mdb_version(NULL, NULL, NULL),
		flags & MDB_NOSYNC ? "MDB_NOSYNC" : "full sync");
}

static void lmdb_begin(struct engine_db *db, enum engine_access access)
{
	check(mdb_txn_begin(db->env, NULL, access == ENGINE_READ ? MDB_RDONLY : 0, &db->txn),
		"txn_begin");
}

static void lmdb_commit(struct engine_db *db)
{
	check(mdb_txn_commit(db->txn), "txn_commit");
}

static void lmdb_put(struct engine_db *db, const void *key, const void *val)
{
	MDB_val k = {ENGINE_KEY_BYTES, (void *)(uintptr_t)key};
	MDB_val v = {ENGINE_VAL_BYTES, (void *)(uintptr_t)val};

	check(mdb_put(db->txn, db->dbi, &k, &v, 0), "put");
}

static void lmdb_append(struct engine_db *db, const void *key, const void *val)
{
	MDB_val k = {ENGINE_KEY_BYTES, (void *)(uintptr_t)key};
	MDB_val v = {ENGINE_VAL_BYTES, (void *)(uintptr_t)val};

	check(mdb_put(db->txn, db->dbi, &k, &v, MDB_APPEND), "put");
}

static const void *lmdb_get(struct engine_db *db, const void *key)
{
	MDB_val k = {ENGINE_KEY_BYTES, (void *)(uintptr_t)key}, v;
	int rc = mdb_get(db->txn, db->dbi, &k, &v);

	if (rc == MDB_NOTFOUND)
		return NULL;
	check(rc, "get");
	return v.mv_data;
}

static uint64_t lmdb_scan(struct engine_db *db, uint64_t *ret_sum)
{
	uint64_t n = 0, sum = 0;
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc;

	check(mdb_cursor_open(db->txn, db->dbi, &cursor), "cursor_open");
	while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		sum = engine_sum(sum, k.mv_data, v.mv_data);
		n++;
	}
	engine_check(rc == MDB_NOTFOUND, "lmdb", "cursor_get", mdb_strerror(rc));
	mdb_cursor_close(cursor);
	*ret_sum = sum;
	return n;
}

static struct engine_db *lmdb_attach(struct engine_db *db)
{
	struct engine_db *handle = calloc(1, sizeof(*handle));

	engine_check(handle != NULL, "lmdb", "attach", "no memory");
	handle->env = db->env;
	handle->dbi = db->dbi;
	return handle;
}

static void lmdb_detach(struct engine_db *handle)
{
	free(handle);
}

static void lmdb_close(struct engine_db *db)
{
	mdb_env_close(db->env);
	free(db);
}

#define ENGINE_ONE(id, title, opener, if_named)                                                    \
	const struct engine id = {                                                                 \
		.name = title,                                                                     \
		.only_if_named = if_named,                                                         \
		.open = opener,                                                                    \
		.describe = lmdb_describe,                                                         \
		.begin = lmdb_begin,                                                               \
		.commit = lmdb_commit,                                                             \
		.put = lmdb_put,                                                                   \
		.append = lmdb_append,                                                             \
		.get = lmdb_get,                                                                   \
		.scan = lmdb_scan,                                                                 \
		.attach = lmdb_attach,                                                             \
		.detach = lmdb_detach,                                                             \
		.close = lmdb_close,                                                               \
	}

ENGINE_ONE(engine_lmdb, "lmdb", lmdb_open, 0);
ENGINE_ONE(engine_lmdb_nosync, "lmdb-ns", lmdb_nosync_open, 1);
