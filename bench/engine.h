/* SPDX-License-Identifier: MIT */
/*
 * A key-value store as bench_peers sees it. Each is one short file that exports one const table;
 * all tables stand in engines[] of bench_peers.c.
 *
 * A handle is used by one thread. Keys are ENGINE_KEY_BYTES, values ENGINE_VAL_BYTES long. Every
 * call that can fail ends the program with a message (engine_check): a measurement has no use for
 * half a result.
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#define ENGINE_KEY_BYTES 8
#define ENGINE_VAL_BYTES 100
#define ENGINE_MANY      32 /* keys of one get_many */

enum engine_access { ENGINE_READ, ENGINE_WRITE };

struct engine_options {
	uint64_t n_records;   /* that will be loaded: for those that must know a size */
	uint64_t cache_bytes; /* memory for an engine that keeps a cache of its own */
};

struct engine_db;

struct engine {
	const char *name;
	int only_if_named; /* 1: it gives less than durability, so it runs beside its likes */

	/* Creates a database at path (a name that is free; others may be made that begin so). */
	struct engine_db *(*open)(const char *path, const struct engine_options *options);

	/* What people should know of it: version, flags, how it does I/O; in buf. */
	void (*describe)(struct engine_db *db, char *buf, size_t len_bytes);

	/* One transaction at a time. commit of a writing one makes it durable. */
	void (*begin)(struct engine_db *db, enum engine_access access);
	void (*commit)(struct engine_db *db);

	/*
	 * Puts a record, replacing the one of that key. A transaction that has put nothing yet may
	 * be begun anew inside.
	 */
	void (*put)(struct engine_db *db, const void *key, const void *val);

	/* The same of a key above all others. NULL: the engine needs no hint. */
	void (*append)(struct engine_db *db, const void *key, const void *val);

	/* The value, good until the next call; NULL when there is none. */
	const void *(*get)(struct engine_db *db, const void *key);

	/*
	 * The values of n <= ENGINE_MANY keys, one after another in `keys`, good until the next
	 * call. NULL where an engine has no such call: get is called for each.
	 */
	void (*get_many)(struct engine_db *db, const unsigned char *keys, size_t n,
		const void **ret_vals);

	/* Walks all records in key order: their number, and engine_sum() of all. */
	uint64_t (*scan)(struct engine_db *db, uint64_t *ret_sum);

	/* Another handle on the same database, for another thread; ends before db does. */
	struct engine_db *(*attach)(struct engine_db *db);
	void (*detach)(struct engine_db *handle);

	void (*close)(struct engine_db *db);
};

/* Mixes a record into a sum that does not depend on the order. */
static inline uint64_t engine_sum(uint64_t sum, const void *key, const void *val)
{
	const unsigned char *k = key, *v = val;

	return sum + (uint64_t)k[7] * 31 + k[0] + v[0] * 7u + v[ENGINE_VAL_BYTES - 1];
}

/* Ends the program unless ok: what was done, and by which engine's words it failed. */
void engine_check(int ok, const char *engine, const char *what, const char *why);

/* An array of engines: the peers that are installed, then those named. */
#ifdef HAVE_LMDB
#define ENGINE_LMDB &engine_lmdb, &engine_lmdb_nosync,
#else
#define ENGINE_LMDB
#endif
#ifdef HAVE_SQLITE
#define ENGINE_SQLITE &engine_sqlite,
#else
#define ENGINE_SQLITE
#endif
#ifdef HAVE_BDB
#define ENGINE_BDB &engine_bdb,
#else
#define ENGINE_BDB
#endif
#define ENGINE_LIST(...)                                                                           \
	{                                                                                          \
		ENGINE_LMDB ENGINE_SQLITE ENGINE_BDB __VA_ARGS__                                   \
	}

extern const struct engine engine_lmdb, engine_lmdb_nosync;
extern const struct engine engine_sqlite;
extern const struct engine engine_bdb;
extern const struct engine engine_bufpool, engine_bufpool2; /* 2: by two flushes a commit */
extern const struct engine engine_mmap, engine_mmap2;
/* What a commit gives survives the death of the process alone. */
extern const struct engine engine_bufpool_process, engine_mmap_process;
extern const struct engine engine_vmcache;

#endif
