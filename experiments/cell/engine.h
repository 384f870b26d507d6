/* SPDX-License-Identifier: MIT */
/*
 * What a workload runs on: Verso; LMDB, beside the map (rule R11); the bare device, beside the
 * pool. An engine that fails ends the process (cell_fail).
 */
#ifndef EXPERIMENTS_CELL_ENGINE_H
#define EXPERIMENTS_CELL_ENGINE_H

#include "experiments/cell/cell.h"

struct engine_db;
struct engine_thread;

/* Called with each record. False: its value is wrong, which the engine passes on. */
typedef bool engine_check_fn(void *arg, uint64_t record, const void *value, size_t len_bytes);

struct engine {
	const char *name;
	/* Opens config->file, for writing when asked to. One for the process. */
	struct engine_db *(*open)(const struct config *config, bool create, bool write);
	void (*close)(struct engine_db *db);
	/* What one thread needs. Reads see one snapshot until refresh. */
	struct engine_thread *(*attach)(struct engine_db *db, bool write);
	void (*detach)(struct engine_thread *t);
	void (*refresh)(struct engine_thread *t);
	/* Reads n records, n <= BATCH_MAX, and checks each. Returns how many were right. */
	size_t (*get)(struct engine_thread *t, size_t n, const uint64_t *records,
		engine_check_fn *check, void *arg);
	/* The next n records of a scan, in the order of keys. Fewer: it has come to the end, and
	 * the next call begins anew. *ret_right: how many of them were right. NULL: no scans. */
	size_t (*scan)(struct engine_thread *t, size_t n, size_t *ret_right, engine_check_fn *check,
		void *arg);
	/* Sets a record to a version; commit makes what came before durable. NULL: read only. */
	void (*put)(struct engine_thread *t, uint64_t record, uint64_t version);
	void (*commit)(struct engine_thread *t);
	/* Its cache shall have so many bytes. NULL: it has none of its own. */
	void (*resize)(struct engine_db *db, uint64_t cache_bytes);
	/* Counters; false: it has none. */
	bool (*stat)(struct engine_db *db, struct verso_stat *ret);
};

extern const struct engine engine_verso, engine_lmdb, engine_device;

/* NULL: no engine of that name in this build. */
const struct engine *engine_find(const char *name);

#endif
