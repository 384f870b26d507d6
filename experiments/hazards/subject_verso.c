/* SPDX-License-Identifier: MIT */
/*
 * Verso, by its public interface; where reads have to fail, over the io of tests/sim that makes
 * them fail.
 */
#include "experiments/hazards/subject.h"

#include "tests/sim/faultopen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES_WRITER ((size_t)32 << 20) /* no transaction spills */
#define CACHE_BYTES_STEP   ((size_t)128 << 10)
#define CACHE_BYTES_MIN    (8 * CACHE_BYTES_STEP) /* of a reader, at first */

struct subject_db {
	struct verso *db;
	struct verso_txn *txn; /* a reader's; NULL: for writing */
	struct faultio *faults;
	struct fault_plan plan;
};

static bool failed(char text[TEXT_BYTES], const char *call)
{
	(void)snprintf(text, TEXT_BYTES, "%s: %s", call, verso_errmsg(NULL));
	return false;
}

static int put(struct verso_txn *txn, uint32_t record, uint32_t version)
{
	uint8_t key[RECORD_KEY_BYTES], value[RECORD_VALUE_BYTES];

	record_key(record, key);
	record_value(record, version, value);
	return verso_put(txn, NULL, (struct verso_val){key, sizeof(key)},
		(struct verso_val){value, sizeof(value)}, 0);
}

static bool verso_update(const struct subject *s, const char *path, uint32_t n_records,
	uint32_t version, char text[TEXT_BYTES])
{
	struct verso_options options = s->options;
	struct verso_txn *txn;
	struct verso *db;
	int rc;

	options.size = sizeof(options);
	options.page_size = version == 1 ? PAGE_BYTES : 0;
	options.flags |= version == 1 ? VERSO_CREATE | VERSO_EXCL : 0;
	options.cache_bytes = CACHE_BYTES_WRITER;
	if (verso_open(path, &options, &db) < 0)
		return failed(text, "verso_open");
	rc = verso_begin(db, VERSO_WRITE, &txn);
	for (uint32_t r = 0; rc == 0 && r < n_records; r++)
		rc = put(txn, r, version);
	if (rc == 0)
		rc = verso_commit(txn);
	if (rc < 0)
		(void)failed(text, "an update of all records");
	verso_close(db);
	return rc == 0;
}

static int open_once(struct subject_db *db, const char *path, const struct verso_options *options,
	enum subject_access access)
{
	int rc = access == SUBJECT_READ_FAULTY
			 ? fault_open(path, options, &db->plan, &db->faults, &db->db)
			 : verso_open(path, options, &db->db);

	return rc == 0 && access != SUBJECT_WRITE ? verso_begin(db->db, VERSO_READ, &db->txn) : rc;
}

/* A reader's cache is hardly larger than verso_open() asks for, so that pages leave it. */
static struct subject_db *verso_open_subject(const struct subject *s, const char *path,
	enum subject_access access, char text[TEXT_BYTES])
{
	struct subject_db *db = calloc(1, sizeof(*db));
	struct verso_options options = s->options;
	int rc;

	if (!db)
		return NULL;
	options.size = sizeof(options);
	options.flags |= access == SUBJECT_WRITE ? 0 : VERSO_RDONLY;
	options.cache_bytes = access == SUBJECT_WRITE ? CACHE_BYTES_WRITER : CACHE_BYTES_MIN;
	do
		rc = open_once(db, path, &options, access);
	while (rc == -EINVAL && (options.cache_bytes += CACHE_BYTES_STEP) < CACHE_BYTES_WRITER);
	if (rc == 0)
		return db;
	(void)failed(text, "verso_open");
	verso_close(db->db);
	faultio_free(db->faults);
	free(db);
	return NULL;
}

static enum got verso_get_subject(struct subject_db *db, uint32_t record,
	uint8_t ret_value[RECORD_VALUE_BYTES], char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES];
	struct verso_val val;
	int rc;

	record_key(record, key);
	rc = verso_get(db->txn, NULL, (struct verso_val){key, sizeof(key)}, &val);
	if (rc < 0) {
		(void)failed(text, "verso_get");
		return GOT_ERROR;
	}
	if (rc > 0)
		return GOT_NOTHING;
	memset(ret_value, 0, RECORD_VALUE_BYTES);
	memcpy(ret_value, val.data, val.len < RECORD_VALUE_BYTES ? val.len : RECORD_VALUE_BYTES);
	return GOT_VALUE;
}

static bool verso_set(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	struct verso_txn *txn;

	if (verso_begin(db->db, VERSO_WRITE, &txn) < 0)
		return failed(text, "verso_begin");
	if (put(txn, record, version) < 0) {
		(void)failed(text, "verso_put");
		verso_abort(txn);
		return false;
	}
	return verso_commit(txn) == 0 || failed(text, "verso_commit");
}

static bool verso_begin_subject(struct subject_db *db, bool write, char text[TEXT_BYTES])
{
	return verso_begin(db->db, write ? VERSO_WRITE : VERSO_READ, &db->txn) == 0 ||
	       failed(text, "verso_begin");
}

static bool verso_put_subject(struct subject_db *db, uint32_t record, uint32_t version,
	char text[TEXT_BYTES])
{
	return put(db->txn, record, version) == 0 || failed(text, "verso_put");
}

static bool verso_end_subject(struct subject_db *db, char text[TEXT_BYTES])
{
	int rc = verso_commit(db->txn);

	db->txn = NULL;
	return rc == 0 || failed(text, "verso_commit");
}

static const uint8_t *verso_address(struct subject_db *db, uint32_t record, char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES];
	struct verso_val val;

	record_key(record, key);
	if (verso_get(db->txn, NULL, (struct verso_val){key, sizeof(key)}, &val) == 0)
		return val.data;
	(void)failed(text, "verso_get");
	return NULL;
}

static uint64_t verso_loads(struct subject_db *db)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	return verso_stat(db->db, &stat) == 0 ? stat.n_misses : 0;
}

static void verso_fail_reads(struct subject_db *db)
{
	db->plan.kind = FAULT_EIO;
	db->plan.forever = true;
	db->plan.calls = FAULT_READ;
}

static void verso_close_subject(struct subject_db *db)
{
	if (!db)
		return;
	verso_abort(db->txn);
	verso_close(db->db);
	faultio_free(db->faults);
	free(db);
}

/* clang-format off */
#define VERSO_OPS .update = verso_update, .open = verso_open_subject, .get = verso_get_subject, \
	.set = verso_set, .begin = verso_begin_subject, .put = verso_put_subject, \
	.end = verso_end_subject, .address = verso_address, .close = verso_close_subject
/* clang-format on */

const struct subject subject_pool = {
	.name = "pool",
	.what = "buffer pool, each load verified",
	.promise = PROMISE_ALWAYS,
	.options = {.pager = VERSO_BUFPOOL, .checksum = VERSO_CHECKSUM_ONCE},
	.loads = verso_loads,
	.fail_reads = verso_fail_reads,
	VERSO_OPS,
};

const struct subject subject_pool_none = {
	.name = "pool_none",
	.what = "buffer pool without checksums",
	.promise = PROMISE_PLACE,
	.options = {.pager = VERSO_BUFPOOL, .checksum = VERSO_CHECKSUM_NONE},
	.loads = verso_loads,
	.fail_reads = verso_fail_reads,
	VERSO_OPS,
};

const struct subject subject_map_none = {
	.name = "map_none",
	.what = "map without checksums",
	.promise = PROMISE_PLACE,
	.is_map = true,
	.options = {.pager = VERSO_MMAP, .checksum = VERSO_CHECKSUM_NONE},
	VERSO_OPS,
};

const struct subject subject_map_once = {
	.name = "map_once",
	.what = "map, each page verified once",
	.promise = PROMISE_LOADED,
	.is_map = true,
	.options = {.pager = VERSO_MMAP, .checksum = VERSO_CHECKSUM_ONCE},
	VERSO_OPS,
};

const struct subject subject_map_always = {
	.name = "map_always",
	.what = "map, verified at each get",
	.promise = PROMISE_ALWAYS,
	.is_map = true,
	.options = {.pager = VERSO_MMAP, .checksum = VERSO_CHECKSUM_ALWAYS},
	VERSO_OPS,
};

/* --- how a writer's pages reach the file ------------------------------------------------------ */

const struct subject subject_vmcache = {
	.name = "vmcache",
	.what = "third pager: pages at fixed places in memory of its own",
	.options = {.pager = VERSO_VMCACHE, .checksum = VERSO_CHECKSUM_ONCE},
	.loads = verso_loads,
	VERSO_OPS,
};

const struct subject subject_map_heap = {
	.name = "map_heap",
	.what = "read-only map, pages written from the heap",
	.is_map = true,
	.options = {.pager = VERSO_MMAP,
		.checksum = VERSO_CHECKSUM_ONCE,
		.map_writing = VERSO_MAP_HEAP},
	VERSO_OPS,
};

const struct subject subject_map_private = {
	.name = "map_private",
	.what = "private map",
	.is_map = true,
	.options = {.pager = VERSO_MMAP,
		.checksum = VERSO_CHECKSUM_ONCE,
		.map_writing = VERSO_MAP_PRIVATE},
	VERSO_OPS,
};

const struct subject subject_map_shared = {
	.name = "map_shared",
	.what = "shared map that is written",
	.is_map = true,
	.options = {.pager = VERSO_MMAP,
		.checksum = VERSO_CHECKSUM_ONCE,
		.map_writing = VERSO_MAP_SHARED},
	VERSO_OPS,
};
