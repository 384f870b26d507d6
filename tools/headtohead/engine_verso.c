/* SPDX-License-Identifier: MIT */
/*
 * Verso with its pagers: the same calls, one option apart.
 */
#include "tools/headtohead/headtohead.h"
#include "trace/trace.h"

#include <stdlib.h>
#include <string.h>

struct verso_options verso_switches;

struct verso_engine {
	struct verso *db;
	struct verso_txn *txn;
	bool write;
	struct trace_writer *trace; /* NULL: off */
};

static int failed(const char *what, int code)
{
	(void)fprintf(stderr, "headtohead: verso: %s: %s (%s)\n", what, verso_strerror(code),
		verso_errmsg(NULL));
	return code;
}

static int open_with(struct verso_engine *e, const char *path, size_t cache_bytes,
	enum verso_pager pager)
{
	struct verso_options options = verso_switches;
	int rc;

	options.size = sizeof(options);
	options.pager = pager;
	options.flags |= VERSO_CREATE;
	options.cache_bytes = cache_bytes;

	if (e->trace) {
		options.trace = trace_writer_event;
		options.trace_arg = e->trace;
	}
	rc = verso_open(path, &options, &e->db);
	return rc < 0 ? failed(path, rc) : 0;
}

static int open_bufpool(void *engine, const char *path, size_t cache_bytes)
{
	struct verso_engine *e = engine;
	const char *trace = getenv("HEADTOHEAD_TRACE");
	int rc = trace ? trace_writer_open(trace, &e->trace) : 0;

	if (rc < 0)
		return failed(trace, rc);
	return open_with(engine, path, cache_bytes, VERSO_BUFPOOL);
}

static int open_mmap(void *engine, const char *path, size_t cache_bytes)
{
	return open_with(engine, path, cache_bytes, VERSO_MMAP);
}

static int open_vmcache(void *engine, const char *path, size_t cache_bytes)
{
	return open_with(engine, path, cache_bytes, VERSO_VMCACHE);
}

static int begin(void *engine, bool write)
{
	struct verso_engine *e = engine;
	int rc = verso_begin(e->db, write ? VERSO_WRITE : VERSO_READ, &e->txn);

	return rc < 0 ? failed("begin", rc) : 0;
}

static int put(void *engine, struct verso_val key, struct verso_val val)
{
	struct verso_engine *e = engine;
	int rc = verso_put(e->txn, NULL, key, val, 0);

	return rc != 0 ? failed("put", rc) : 0;
}

static int del(void *engine, struct verso_val key)
{
	struct verso_engine *e = engine;
	int rc = verso_del(e->txn, NULL, key);

	return rc != 0 ? failed("del", rc) : 0;
}

static int get(void *engine, struct verso_val key, struct verso_val *ret_val)
{
	struct verso_engine *e = engine;
	int rc = verso_get(e->txn, NULL, key, ret_val);

	return rc < 0 ? failed("get", rc) : rc;
}

static int scan(void *engine, record_fn *fn, void *arg)
{
	struct verso_engine *e = engine;
	struct verso_cursor *cursor;
	struct verso_val key, val;
	int rc = verso_cursor_open(e->txn, NULL, &cursor);

	if (rc < 0)
		return failed("cursor", rc);
	rc = verso_cursor_first(cursor, &key, &val);
	while (rc == 0 && fn(arg, key, val) == 0)
		rc = verso_cursor_next(cursor, &key, &val);
	verso_cursor_close(cursor);
	return rc < 0 ? failed("scan", rc) : 0;
}

static int commit(void *engine)
{
	struct verso_engine *e = engine;
	int rc = verso_commit(e->txn);

	e->txn = NULL;
	return rc < 0 ? failed("commit", rc) : 0;
}

static int tell(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "headtohead: verso: page %u: %s\n", (unsigned)pgno, text);
	return 0;
}

static int check(void *engine)
{
	struct verso_engine *e = engine;
	int rc = verso_check(e->db, 0, tell, NULL);

	return rc < 0 ? failed("check", rc) : 0;
}

static void figures(void *engine, struct engine_figures *f)
{
	struct verso_engine *e = engine;
	struct verso_stat stat = {.size = sizeof(stat)};

	if (verso_stat(e->db, &stat) < 0)
		return;
	f->has_cache = stat.pager != VERSO_MMAP;
	f->n_misses += stat.n_misses;
	f->n_hits += stat.n_gets + stat.n_peeks - stat.n_misses;
	(void)snprintf(f->how, sizeof(f->how), "%s; %.220s",
		stat.commit_mode == VERSO_COMMIT_ONE_FLUSH ? "one flush a commit"
							   : "two flushes a commit",
		stat.how);
}

static int close_db(void *engine)
{
	struct verso_engine *e = engine;
	int rc;

	verso_close(e->db);
	rc = trace_writer_close(e->trace);
	e->trace = NULL;
	return rc < 0 ? failed("the trace", rc) : 0;
}

#define VERSO_ENGINE(the_title, the_file, the_percent, the_open)                                   \
	{                                                                                          \
		.title = the_title, .file = the_file, .small_cache_percent = the_percent,          \
		.open = the_open, .begin = begin, .put = put, .del = del, .get = get,              \
		.scan = scan, .commit = commit, .check = check, .figures = figures,                \
		.close = close_db, .size = sizeof(struct verso_engine)                             \
	}

const struct engine_ops engine_bufpool =
	VERSO_ENGINE("Verso, pool", "bufpool.verso", 60, open_bufpool);
const struct engine_ops engine_mmap = VERSO_ENGINE("Verso, map", "mmap.verso", 0, open_mmap);
const struct engine_ops engine_vmcache =
	VERSO_ENGINE("Verso, vmcache", "vmcache.verso", 60, open_vmcache);
