/* SPDX-License-Identifier: MIT */
/* SQLite with mmap_size over the whole file and a rollback journal, so that all is in one file. */
#include "experiments/hazards/failing_vfs.h"
#include "experiments/hazards/subject.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject_db {
	sqlite3 *db;
	sqlite3_stmt *get;
};

static bool failed(sqlite3 *db, char text[TEXT_BYTES], const char *call)
{
	(void)snprintf(text, TEXT_BYTES, "%s: %s", call, sqlite3_errmsg(db));
	return false;
}

static void sqlite_close(struct subject_db *db)
{
	if (!db)
		return;
	(void)sqlite3_finalize(db->get);
	(void)sqlite3_close(db->db);
	free(db);
}

/* The snapshot lasts as long as the other engines' readers: until the close. */
static bool begin_read(struct subject_db *db)
{
	return sqlite3_prepare_v2(db->db, "SELECT v FROM records WHERE k = ?1", -1, &db->get,
		       NULL) == SQLITE_OK &&
	       sqlite3_exec(db->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
}

static struct subject_db *sqlite_open(const struct subject *s, const char *path,
	enum subject_access access, char text[TEXT_BYTES])
{
	struct subject_db *db = calloc(1, sizeof(*db));
	int flags = access == SUBJECT_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
					    : SQLITE_OPEN_READONLY;
	const char *vfs = access == SUBJECT_READ_FAULTY ? failing_vfs() : NULL;

	(void)s;
	if (db && sqlite3_open_v2(path, &db->db, flags, vfs) == SQLITE_OK &&
		sqlite3_exec(db->db,
			"PRAGMA page_size=4096; PRAGMA mmap_size=268435456; "
			"PRAGMA synchronous=FULL",
			NULL, NULL, NULL) == SQLITE_OK &&
		(access == SUBJECT_WRITE || begin_read(db)))
		return db;
	if (db)
		(void)failed(db->db, text, "sqlite3_open");
	sqlite_close(db);
	return NULL;
}

/* In the transaction that is open. */
static bool put_some(struct subject_db *db, uint32_t first, uint32_t n, uint32_t version)
{
	uint8_t key[RECORD_KEY_BYTES], value[RECORD_VALUE_BYTES];
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(db->db, "INSERT OR REPLACE INTO records(k, v) VALUES(?1, ?2)",
			  -1, &st, NULL) == SQLITE_OK;

	for (uint32_t r = first; ok && r < first + n; r++) {
		record_key(r, key);
		record_value(r, version, value);
		ok = sqlite3_bind_blob(st, 1, key, sizeof(key), SQLITE_STATIC) == SQLITE_OK &&
		     sqlite3_bind_blob(st, 2, value, sizeof(value), SQLITE_STATIC) == SQLITE_OK &&
		     sqlite3_step(st) == SQLITE_DONE;
		ok = sqlite3_reset(st) == SQLITE_OK && ok;
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool run(struct subject_db *db, const char *sql)
{
	return sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool put(struct subject_db *db, uint32_t first, uint32_t n, uint32_t version)
{
	return run(db, "BEGIN IMMEDIATE") && put_some(db, first, n, version) && run(db, "COMMIT");
}

static bool sqlite_update(const struct subject *s, const char *path, uint32_t n_records,
	uint32_t version, char text[TEXT_BYTES])
{
	struct subject_db *db = sqlite_open(s, path, SUBJECT_WRITE, text);
	bool ok = db != NULL;

	if (ok && version == 1)
		ok = sqlite3_exec(db->db,
			     "CREATE TABLE records(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", NULL,
			     NULL, NULL) == SQLITE_OK;
	ok = ok && put(db, 0, n_records, version);
	if (db && !ok)
		(void)failed(db->db, text, "an update of all records");
	sqlite_close(db);
	return ok;
}

static enum got sqlite_get(struct subject_db *db, uint32_t record,
	uint8_t ret_value[RECORD_VALUE_BYTES], char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES];
	enum got got = GOT_NOTHING;
	int rc, len;

	record_key(record, key);
	(void)sqlite3_bind_blob(db->get, 1, key, sizeof(key), SQLITE_STATIC);
	rc = sqlite3_step(db->get);
	if (rc == SQLITE_ROW) {
		len = sqlite3_column_bytes(db->get, 0);
		memset(ret_value, 0, RECORD_VALUE_BYTES);
		if (len > 0)
			memcpy(ret_value, sqlite3_column_blob(db->get, 0),
				len < (int)RECORD_VALUE_BYTES ? (size_t)len : RECORD_VALUE_BYTES);
		got = GOT_VALUE;
	} else if (rc != SQLITE_DONE) {
		(void)failed(db->db, text, "SELECT");
		got = GOT_ERROR;
	}
	(void)sqlite3_reset(db->get);
	return got;
}

static bool sqlite_set(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	return put(db, record, 1, version) || failed(db->db, text, "INSERT");
}

static bool sqlite_begin(struct subject_db *db, bool write, char text[TEXT_BYTES])
{
	return (write ? run(db, "BEGIN IMMEDIATE") : begin_read(db)) ||
	       failed(db->db, text, "BEGIN");
}

static bool sqlite_put(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	return put_some(db, record, 1, version) || failed(db->db, text, "INSERT");
}

static bool sqlite_end(struct subject_db *db, char text[TEXT_BYTES])
{
	(void)sqlite3_finalize(db->get);
	db->get = NULL;
	return run(db, "COMMIT") || failed(db->db, text, "COMMIT");
}

static void sqlite_fail_reads(struct subject_db *db)
{
	(void)db;
	failing_vfs_fail();
}

const struct subject subject_sqlite = {
	.name = "sqlite",
	.what = "SQLite with mmap_size",
	.is_map = true,
	.update = sqlite_update,
	.open = sqlite_open,
	.get = sqlite_get,
	.set = sqlite_set,
	.fail_reads = sqlite_fail_reads,
	.begin = sqlite_begin,
	.put = sqlite_put,
	.end = sqlite_end,
	.close = sqlite_close,
};
