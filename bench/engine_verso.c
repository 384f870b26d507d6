/* SPDX-License-Identifier: MIT */
/* Verso, through its public interface: the same file format and calls over all pagers. */
#include "bench/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <verso.h>

struct engine_db {
	const char *name;
	struct verso *db;
	struct verso_txn *txn;
	struct verso_val found;
};

static void check(struct engine_db *e, int rc, const char *what)
{
	engine_check(rc == 0, e->name, what, rc < 0 ? verso_errmsg(e->db) : verso_strerror(rc));
}

/* How one engine of this file differs from another. */
struct how {
	const char *name;
	enum verso_pager pager;
	enum verso_commit_mode mode;
	enum verso_sync sync;
};

static struct engine_db *open_by(const struct how *how, const char *path,
	const struct engine_options *options)
{
	struct engine_db *e = calloc(1, sizeof(*e));
	struct verso_options o = {
		.size = sizeof(o),
		.pager = how->pager,
		.commit_mode = how->mode,
		.sync = how->sync,
		.flags = VERSO_CREATE | VERSO_EXCL,
		.cache_bytes = options->cache_bytes,
	};

	engine_check(e != NULL, how->name, "open", "no memory");
	e->name = how->name;
	check(e, verso_open(path, &o, &e->db), "open");
	return e;
}

static void v_describe(struct engine_db *e, char *buf, size_t len_bytes)
{
	static const char *const pagers[] = {
		[VERSO_BUFPOOL] = "bufpool", [VERSO_MMAP] = "mmap", [VERSO_VMCACHE] = "vmcache"};
	struct verso_stat stat = {.size = sizeof(stat)};

	check(e, verso_stat(e->db, &stat), "stat");
	(void)snprintf(buf, len_bytes, "Verso %s, %s, %s; %s", verso_version(), pagers[stat.pager],
		stat.sync == VERSO_SYNC_PROCESS              ? "written, not flushed"
		: stat.commit_mode == VERSO_COMMIT_ONE_FLUSH ? "one flush"
							     : "two flushes",
		stat.how);
}

static void v_begin(struct engine_db *e, enum engine_access access)
{
	check(e, verso_begin(e->db, access == ENGINE_READ ? VERSO_READ : VERSO_WRITE, &e->txn),
		"begin");
}

static void v_commit(struct engine_db *e)
{
	check(e, verso_commit(e->txn), "commit");
}

static void v_put(struct engine_db *e, const void *key, const void *val)
{
	struct verso_val k = {key, ENGINE_KEY_BYTES}, v = {val, ENGINE_VAL_BYTES};

	check(e, verso_put(e->txn, NULL, k, v, 0), "put");
}

static const void *v_get(struct engine_db *e, const void *key)
{
	struct verso_val k = {key, ENGINE_KEY_BYTES};
	int rc = verso_get(e->txn, NULL, k, &e->found);

	if (rc == VERSO_NOTFOUND)
		return NULL;
	check(e, rc, "get");
	engine_check(e->found.len == ENGINE_VAL_BYTES, e->name, "get", "a value of another length");
	return e->found.data;
}

static void v_get_many(struct engine_db *e, const unsigned char *keys, size_t n,
	const void **ret_vals)
{
	struct verso_val k[ENGINE_MANY], v[ENGINE_MANY];

	for (size_t i = 0; i < n; i++)
		k[i] = (struct verso_val){keys + i * ENGINE_KEY_BYTES, ENGINE_KEY_BYTES};
	check(e, verso_get_many(e->txn, NULL, n, k, v, NULL), "get_many");
	for (size_t i = 0; i < n; i++) {
		engine_check(v[i].len == ENGINE_VAL_BYTES, e->name, "get_many",
			"a value of another length");
		ret_vals[i] = v[i].data;
	}
}

static uint64_t v_scan(struct engine_db *e, uint64_t *ret_sum)
{
	struct verso_cursor *cursor;
	struct verso_val k, v;
	uint64_t n = 0, sum = 0;
	int rc;

	check(e, verso_cursor_open(e->txn, NULL, &cursor), "cursor_open");
	while ((rc = verso_cursor_next(cursor, &k, &v)) == 0) {
		sum = engine_sum(sum, k.data, v.data);
		n++;
	}
	engine_check(rc == VERSO_NOTFOUND, e->name, "cursor_next", verso_errmsg(e->db));
	verso_cursor_close(cursor);
	*ret_sum = sum;
	return n;
}

static struct engine_db *v_attach(struct engine_db *e)
{
	struct engine_db *handle = calloc(1, sizeof(*handle));

	engine_check(handle != NULL, e->name, "attach", "no memory");
	handle->name = e->name;
	handle->db = e->db;
	return handle;
}

static void v_detach(struct engine_db *handle)
{
	free(handle);
}

static void v_close(struct engine_db *e)
{
	verso_close(e->db);
	free(e);
}

#define ENGINE_VERSO(id, title, which_pager, which_mode, which_sync, if_named)                     \
	static struct engine_db *id##_open(const char *path, const struct engine_options *options) \
	{                                                                                          \
		static const struct how how = {title, which_pager, which_mode, which_sync};        \
                                                                                                   \
		return open_by(&how, path, options);                                               \
	}                                                                                          \
	const struct engine id = {                                                                 \
		.name = title,                                                                     \
		.only_if_named = if_named,                                                         \
		.open = id##_open,                                                                 \
		.describe = v_describe,                                                            \
		.begin = v_begin,                                                                  \
		.commit = v_commit,                                                                \
		.put = v_put,                                                                      \
		.get = v_get,                                                                      \
		.get_many = v_get_many,                                                            \
		.scan = v_scan,                                                                    \
		.attach = v_attach,                                                                \
		.detach = v_detach,                                                                \
		.close = v_close,                                                                  \
	}

ENGINE_VERSO(engine_bufpool, "bufpool", VERSO_BUFPOOL, VERSO_COMMIT_BEST, VERSO_SYNC_FULL, 0);
ENGINE_VERSO(engine_bufpool2, "bufpool-2f", VERSO_BUFPOOL, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL,
	0);
ENGINE_VERSO(engine_bufpool_process, "bufpool-p", VERSO_BUFPOOL, VERSO_COMMIT_BEST,
	VERSO_SYNC_PROCESS, 1);
ENGINE_VERSO(engine_mmap, "mmap", VERSO_MMAP, VERSO_COMMIT_BEST, VERSO_SYNC_FULL, 0);
ENGINE_VERSO(engine_mmap2, "mmap-2f", VERSO_MMAP, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL, 0);
ENGINE_VERSO(engine_mmap_process, "mmap-p", VERSO_MMAP, VERSO_COMMIT_BEST, VERSO_SYNC_PROCESS, 1);
ENGINE_VERSO(engine_vmcache, "vmcache", VERSO_VMCACHE, VERSO_COMMIT_BEST, VERSO_SYNC_FULL, 0);
