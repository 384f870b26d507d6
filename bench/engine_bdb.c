/* SPDX-License-Identifier: MIT */
/*
 * Berkeley DB: a B-tree in a transactional environment, whose commits wait for the log
 * (DB_TXN_SYNC) and share its flushes. A checkpoint every 64 MiB of log, after which old logs go.
 * The deadlocks that its page locks make between threads are resolved by beginning anew.
 */
#include "bench/engine.h"

#include <db.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHECKPOINT_KIB (64 * 1024)
#define LOG_BUFFER     (1 << 20)
#define LOG_FILE       (256 << 20)
#define LOCKS_MAX      1000000 /* one for each page that a load's transaction changes */

struct engine_db {
	DB_ENV *env;
	DB *db;
	DB_TXN *txn; /* NULL: reading */
	unsigned char found[ENGINE_VAL_BYTES];
};

static void check(int rc, const char *what)
{
	engine_check(rc == 0, "bdb", what, db_strerror(rc));
}

static struct engine_db *bdb_open(const char *path, const struct engine_options *options)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	u_int32_t gib = (u_int32_t)(options->cache_bytes >> 30);
	u_int32_t bytes = (u_int32_t)(options->cache_bytes & ((1u << 30) - 1));

	engine_check(db != NULL, "bdb", "open", "no memory");
	engine_check(mkdir(path, 0700) == 0, "bdb", "open", "no folder");
	check(db_env_create(&db->env, 0), "env_create");
	check(db->env->set_cachesize(db->env, gib, bytes, 1), "set_cachesize");
	check(db->env->set_lk_detect(db->env, DB_LOCK_DEFAULT), "set_lk_detect");
	check(db->env->set_lk_max_locks(db->env, LOCKS_MAX), "set_lk_max_locks");
	check(db->env->set_lk_max_objects(db->env, LOCKS_MAX), "set_lk_max_objects");
	check(db->env->set_lg_bsize(db->env, LOG_BUFFER), "set_lg_bsize");
	check(db->env->set_lg_max(db->env, LOG_FILE), "set_lg_max");
	check(db->env->log_set_config(db->env, DB_LOG_AUTO_REMOVE, 1), "log_set_config");
	check(db->env->open(db->env, path,
		      DB_CREATE | DB_INIT_MPOOL | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_TXN |
			      DB_PRIVATE | DB_THREAD,
		      0600),
		"env_open");
	check(db_create(&db->db, db->env, 0), "db_create");
	check(db->db->set_pagesize(db->db, 4096), "set_pagesize");
	check(db->db->open(db->db, NULL, "records", NULL, DB_BTREE,
		      DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600),
		"open");
	return db;
}

static void bdb_describe(struct engine_db *db, char *buf, size_t len_bytes)
{
	(void)db;
	(void)snprintf(buf, len_bytes, "%s; transactions, DB_TXN_SYNC, pages of 4 KiB",
		db_version(NULL, NULL, NULL));
}

static void begin_write(struct engine_db *db)
{
	check(db->env->txn_begin(db->env, NULL, &db->txn, DB_TXN_SYNC), "txn_begin");
}

static void bdb_begin(struct engine_db *db, enum engine_access access)
{
	if (access == ENGINE_WRITE)
		begin_write(db);
}

static void bdb_commit(struct engine_db *db)
{
	if (!db->txn)
		return;
	check(db->txn->commit(db->txn, 0), "commit");
	db->txn = NULL;
	check(db->env->txn_checkpoint(db->env, CHECKPOINT_KIB, 0, 0), "txn_checkpoint");
}

static void bdb_put(struct engine_db *db, const void *key, const void *val)
{
	DBT k = {.data = (void *)(uintptr_t)key, .size = ENGINE_KEY_BYTES};
	DBT v = {.data = (void *)(uintptr_t)val, .size = ENGINE_VAL_BYTES};
	int rc;

	while ((rc = db->db->put(db->db, db->txn, &k, &v, 0)) == DB_LOCK_DEADLOCK) {
		check(db->txn->abort(db->txn), "abort");
		begin_write(db);
	}
	check(rc, "put");
}

static const void *bdb_get(struct engine_db *db, const void *key)
{
	DBT k = {.data = (void *)(uintptr_t)key, .size = ENGINE_KEY_BYTES};
	DBT v = {.data = db->found, .ulen = sizeof(db->found), .flags = DB_DBT_USERMEM};
	int rc = db->db->get(db->db, db->txn, &k, &v, 0);

	if (rc == DB_NOTFOUND)
		return NULL;
	check(rc, "get");
	return db->found;
}

static uint64_t bdb_scan(struct engine_db *db, uint64_t *ret_sum)
{
	static char bulk[1 << 20];
	DBT k = {.flags = 0}, v = {.data = bulk, .ulen = sizeof(bulk), .flags = DB_DBT_USERMEM};
	uint64_t n = 0, sum = 0;
	DBC *cursor;
	int rc;

	check(db->db->cursor(db->db, db->txn, &cursor, DB_CURSOR_BULK), "cursor");
	while ((rc = cursor->get(cursor, &k, &v, DB_MULTIPLE_KEY | DB_NEXT)) == 0) {
		unsigned char *key, *val;
		size_t key_len, val_len;
		void *at;

		DB_MULTIPLE_INIT(at, &v);
		for (;;) {
			DB_MULTIPLE_KEY_NEXT(at, &v, key, key_len, val, val_len);
			if (!at)
				break;
			engine_check(key_len == ENGINE_KEY_BYTES && val_len == ENGINE_VAL_BYTES,
				"bdb", "scan", "a record of another length");
			sum = engine_sum(sum, key, val);
			n++;
		}
	}
	engine_check(rc == DB_NOTFOUND, "bdb", "cursor_get", db_strerror(rc));
	check(cursor->close(cursor), "cursor_close");
	*ret_sum = sum;
	return n;
}

static struct engine_db *bdb_attach(struct engine_db *db)
{
	struct engine_db *handle = calloc(1, sizeof(*handle));

	engine_check(handle != NULL, "bdb", "attach", "no memory");
	handle->env = db->env;
	handle->db = db->db;
	return handle;
}

static void bdb_detach(struct engine_db *handle)
{
	free(handle);
}

static void bdb_close(struct engine_db *db)
{
	check(db->db->close(db->db, 0), "close");
	check(db->env->close(db->env, 0), "env_close");
	free(db);
}

const struct engine engine_bdb = {
	.name = "bdb",
	.open = bdb_open,
	.describe = bdb_describe,
	.begin = bdb_begin,
	.commit = bdb_commit,
	.put = bdb_put,
	.get = bdb_get,
	.scan = bdb_scan,
	.attach = bdb_attach,
	.detach = bdb_detach,
	.close = bdb_close,
};
