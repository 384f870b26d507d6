/* SPDX-License-Identifier: MIT */
/* LMDB, alone in its file: no lock file, no readahead. */
#include "experiments/hazards/subject.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With MDB_WRITEMAP the file is as long as the map: no more than five versions need. */
#define MAP_BYTES(n_records) (((size_t)4 << 20) + (size_t)(n_records)*700)

struct subject_db {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn; /* a reader's */
};

static bool failed(int rc, char text[TEXT_BYTES], const char *call)
{
	(void)snprintf(text, TEXT_BYTES, "%s: %s", call, mdb_strerror(rc));
	return false;
}

static int put(MDB_txn *txn, MDB_dbi dbi, uint32_t record, uint32_t version)
{
	uint8_t key[RECORD_KEY_BYTES], value[RECORD_VALUE_BYTES];
	MDB_val k = {sizeof(key), key}, v = {sizeof(value), value};

	record_key(record, key);
	record_value(record, version, value);
	return mdb_put(txn, dbi, &k, &v, 0);
}

static void lmdb_close(struct subject_db *db)
{
	if (!db)
		return;
	if (db->txn)
		mdb_txn_abort(db->txn);
	if (db->env)
		mdb_env_close(db->env);
	free(db);
}

/* map_bytes: 0: what the file says. */
static int open_env(struct subject_db *db, const struct subject *s, const char *path, bool write,
	size_t map_bytes)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOLOCK | (write ? 0U : MDB_RDONLY);
	int rc = mdb_env_create(&db->env);

	if (rc == 0 && map_bytes)
		rc = mdb_env_set_mapsize(db->env, map_bytes);
	if (rc == 0)
		rc = mdb_env_open(db->env, path, flags | (write ? s->flags : 0), 0600);
	if (rc == 0)
		rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &db->txn);
	if (rc == 0)
		rc = mdb_dbi_open(db->txn, NULL, 0, &db->dbi);
	return rc;
}

static bool lmdb_update(const struct subject *s, const char *path, uint32_t n_records,
	uint32_t version, char text[TEXT_BYTES])
{
	struct subject_db *db = calloc(1, sizeof(*db));
	int rc = db ? open_env(db, s, path, true, MAP_BYTES(n_records)) : MDB_PANIC;

	for (uint32_t r = 0; rc == 0 && r < n_records; r++)
		rc = put(db->txn, db->dbi, r, version);
	if (rc == 0) {
		rc = mdb_txn_commit(db->txn);
		db->txn = NULL;
	}
	lmdb_close(db);
	return rc == 0 || failed(rc, text, "an update of all records");
}

static struct subject_db *lmdb_open(const struct subject *s, const char *path,
	enum subject_access access, char text[TEXT_BYTES])
{
	struct subject_db *db = calloc(1, sizeof(*db));
	int rc = db ? open_env(db, s, path, access == SUBJECT_WRITE, 0) : MDB_PANIC;

	if (rc == 0 && access == SUBJECT_WRITE) {
		rc = mdb_txn_commit(db->txn);
		db->txn = NULL;
	}
	if (rc == 0)
		return db;
	(void)failed(rc, text, "mdb_env_open");
	lmdb_close(db);
	return NULL;
}

static enum got lmdb_get(struct subject_db *db, uint32_t record,
	uint8_t ret_value[RECORD_VALUE_BYTES], char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES];
	MDB_val k = {sizeof(key), key}, v;
	int rc;

	record_key(record, key);
	rc = mdb_get(db->txn, db->dbi, &k, &v);
	if (rc == MDB_NOTFOUND)
		return GOT_NOTHING;
	if (rc) {
		(void)failed(rc, text, "mdb_get");
		return GOT_ERROR;
	}
	memset(ret_value, 0, RECORD_VALUE_BYTES);
	memcpy(ret_value, v.mv_data,
		v.mv_size < RECORD_VALUE_BYTES ? v.mv_size : RECORD_VALUE_BYTES);
	return GOT_VALUE;
}

static bool lmdb_set(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(db->env, NULL, 0, &txn);

	if (rc)
		return failed(rc, text, "mdb_txn_begin");
	rc = put(txn, db->dbi, record, version);
	if (rc) {
		mdb_txn_abort(txn);
		return failed(rc, text, "mdb_put");
	}
	rc = mdb_txn_commit(txn);
	return rc == 0 || failed(rc, text, "mdb_txn_commit");
}

static bool lmdb_begin(struct subject_db *db, bool write, char text[TEXT_BYTES])
{
	int rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &db->txn);

	return rc == 0 || failed(rc, text, "mdb_txn_begin");
}

static bool lmdb_put(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	int rc = put(db->txn, db->dbi, record, version);

	return rc == 0 || failed(rc, text, "mdb_put");
}

static bool lmdb_end(struct subject_db *db, char text[TEXT_BYTES])
{
	int rc = mdb_txn_commit(db->txn);

	db->txn = NULL;
	return rc == 0 || failed(rc, text, "mdb_txn_commit");
}

static const uint8_t *lmdb_address(struct subject_db *db, uint32_t record, char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES];
	MDB_val k = {sizeof(key), key}, v;
	int rc;

	record_key(record, key);
	rc = mdb_get(db->txn, db->dbi, &k, &v);
	if (rc == 0)
		return v.mv_data;
	(void)failed(rc, text, "mdb_get");
	return NULL;
}

const struct subject subject_lmdb = {
	.name = "lmdb",
	.what = "LMDB",
	.is_map = true,
	.update = lmdb_update,
	.open = lmdb_open,
	.get = lmdb_get,
	.set = lmdb_set,
	.begin = lmdb_begin,
	.put = lmdb_put,
	.end = lmdb_end,
	.address = lmdb_address,
	.close = lmdb_close,
};

const struct subject subject_lmdb_writemap = {
	.name = "lmdb_writemap",
	.what = "LMDB with MDB_WRITEMAP",
	.is_map = true,
	.flags = MDB_WRITEMAP,
	.update = lmdb_update,
	.open = lmdb_open,
	.get = lmdb_get,
	.set = lmdb_set,
	.begin = lmdb_begin,
	.put = lmdb_put,
	.end = lmdb_end,
	.address = lmdb_address,
	.close = lmdb_close,
};
