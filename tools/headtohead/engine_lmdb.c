/* SPDX-License-Identifier: MIT */
/*
 * LMDB with its default durability. Without the kernel's readahead, as its documentation advises
 * for random reads of a database that may be larger than memory, and as Verso's map has it.
 */
#include "tools/headtohead/headtohead.h"

#include <lmdb.h>
#include <sys/stat.h>

#define MAP_BYTES_MORE ((size_t)4 << 30) /* of address space, beside what the file takes */

struct lmdb_engine {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;
};

static int failed(const char *what, int code)
{
	(void)fprintf(stderr, "headtohead: lmdb: %s: %s\n", what, mdb_strerror(code));
	return -1;
}

static int open_db(void *engine, const char *path, size_t cache_bytes)
{
	struct lmdb_engine *e = engine;
	size_t file_bytes = 0;
	struct stat st;
	int rc = mdb_env_create(&e->env);

	(void)cache_bytes; /* the kernel's page cache */
	if (stat(path, &st) == 0)
		file_bytes = (size_t)st.st_size;
	if (rc == 0)
		rc = mdb_env_set_mapsize(e->env, file_bytes + MAP_BYTES_MORE);
	if (rc == 0)
		rc = mdb_env_open(e->env, path, MDB_NOSUBDIR | MDB_NORDAHEAD, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(e->env, NULL, 0, &e->txn);
	if (rc == 0)
		rc = mdb_dbi_open(e->txn, NULL, 0, &e->dbi);
	if (rc == 0)
		rc = mdb_txn_commit(e->txn);
	e->txn = NULL;
	return rc == 0 ? 0 : failed(path, rc);
}

static int begin(void *engine, bool write)
{
	struct lmdb_engine *e = engine;
	int rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, &e->txn);

	return rc == 0 ? 0 : failed("begin", rc);
}

/* LMDB does not write through the pointer. */
static MDB_val of(struct verso_val v)
{
	return (MDB_val){v.len, (void *)(uintptr_t)v.data};
}

static int put(void *engine, struct verso_val key, struct verso_val val)
{
	struct lmdb_engine *e = engine;
	MDB_val k = of(key), v = of(val);
	int rc = mdb_put(e->txn, e->dbi, &k, &v, 0);

	return rc == 0 ? 0 : failed("put", rc);
}

static int del(void *engine, struct verso_val key)
{
	struct lmdb_engine *e = engine;
	MDB_val k = of(key);
	int rc = mdb_del(e->txn, e->dbi, &k, NULL);

	return rc == 0 ? 0 : failed("del", rc);
}

static int get(void *engine, struct verso_val key, struct verso_val *ret_val)
{
	struct lmdb_engine *e = engine;
	MDB_val k = of(key), v;
	int rc = mdb_get(e->txn, e->dbi, &k, &v);

	if (rc == MDB_NOTFOUND)
		return VERSO_NOTFOUND;
	if (rc != 0)
		return failed("get", rc);
	*ret_val = (struct verso_val){v.mv_data, v.mv_size};
	return 0;
}

static int scan(void *engine, record_fn *fn, void *arg)
{
	struct lmdb_engine *e = engine;
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc = mdb_cursor_open(e->txn, e->dbi, &cursor);

	if (rc != 0)
		return failed("cursor", rc);
	while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		if (fn(arg, (struct verso_val){k.mv_data, k.mv_size},
			    (struct verso_val){v.mv_data, v.mv_size}) != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : failed("scan", rc);
}

static int commit(void *engine)
{
	struct lmdb_engine *e = engine;
	int rc = mdb_txn_commit(e->txn);

	e->txn = NULL;
	return rc == 0 ? 0 : failed("commit", rc);
}

/* LMDB has no check of a file: the scan that compares every record is what there is. */
static int check(void *engine)
{
	(void)engine;
	return 0;
}

static void figures(void *engine, struct engine_figures *f)
{
	(void)engine;
	(void)snprintf(f->how, sizeof(f->how),
		"%s; full sync, without readahead, through the page cache; no checksums, no check",
		mdb_version(NULL, NULL, NULL));
}

static int close_db(void *engine)
{
	struct lmdb_engine *e = engine;

	mdb_env_close(e->env);
	return 0;
}

const struct engine_ops engine_lmdb = {
	.title = "LMDB",
	.file = "lmdb.mdb",
	.open = open_db,
	.begin = begin,
	.put = put,
	.del = del,
	.get = get,
	.scan = scan,
	.commit = commit,
	.check = check,
	.figures = figures,
	.close = close_db,
	.size = sizeof(struct lmdb_engine),
};
