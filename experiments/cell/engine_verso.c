/* SPDX-License-Identifier: MIT */
#include "experiments/cell/engine.h"
#include "trace/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct engine_db {
	struct verso *db;
	struct trace_writer *trace;
	const char *file;
};

struct engine_thread {
	struct engine_db *owner;
	struct verso_txn *txn;
	struct verso_cursor *cursor;
	bool writes;
	uint64_t next_record; /* of the scan */
	size_t n_max;         /* for how many keys there is memory */
	unsigned char (*keys)[KEY_BYTES];
	struct verso_val *key_vals, *vals;
};

static void expect(struct engine_db *db, int rc, const char *what)
{
	if (rc != 0)
		cell_fail(what, "%s: %s", db->file,
			rc < 0 ? verso_errmsg(db->db) : verso_strerror(rc));
}

static struct engine_db *open_db(const struct config *config, bool create, bool write)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	struct verso_options options = config->options;

	if (!db)
		cell_fail("open", "no memory");
	db->file = config->file;
	options.size = sizeof(options);
	options.flags |= create ? VERSO_CREATE | VERSO_EXCL : 0U;
	options.flags |= write ? 0U : VERSO_RDONLY;
	if (config->trace_path) {
		int rc = trace_writer_open(config->trace_path, &db->trace);

		if (rc < 0)
			cell_fail("trace", "%s: %s", config->trace_path, strerror(-rc));
		options.trace = trace_writer_event;
		options.trace_arg = db->trace;
	}
	expect(db, verso_open(config->file, &options, &db->db), "open");
	return db;
}

static void close_db(struct engine_db *db)
{
	int rc;

	verso_close(db->db);
	rc = trace_writer_close(db->trace);
	if (rc < 0)
		cell_fail("trace", "%s: the trace is not whole", strerror(-rc));
	free(db);
}

static void begin(struct engine_thread *t)
{
	expect(t->owner, verso_begin(t->owner->db, t->writes ? VERSO_WRITE : VERSO_READ, &t->txn),
		"begin");
}

/* Memory for n keys and values. */
static void make_room(struct engine_thread *t, size_t n)
{
	if (n <= t->n_max)
		return;
	free(t->keys);
	free(t->key_vals);
	free(t->vals);
	t->keys = calloc(n, sizeof(*t->keys));
	t->key_vals = calloc(n, sizeof(*t->key_vals));
	t->vals = calloc(n, sizeof(*t->vals));
	if (!t->keys || !t->key_vals || !t->vals)
		cell_fail("get", "no memory");
	for (size_t i = 0; i < n; i++)
		t->key_vals[i] = (struct verso_val){t->keys[i], KEY_BYTES};
	t->n_max = n;
}

static struct engine_thread *attach(struct engine_db *db, bool write)
{
	struct engine_thread *t = calloc(1, sizeof(*t));

	if (!t)
		cell_fail("attach", "no memory");
	t->owner = db;
	t->writes = write;
	make_room(t, 1);
	begin(t);
	return t;
}

static void detach(struct engine_thread *t)
{
	verso_cursor_close(t->cursor);
	verso_abort(t->txn);
	free(t->keys);
	free(t->key_vals);
	free(t->vals);
	free(t);
}

static void refresh(struct engine_thread *t)
{
	verso_abort(t->txn);
	begin(t);
}

static size_t get(struct engine_thread *t, size_t n, const uint64_t *records,
	engine_check_fn *check, void *arg)
{
	size_t n_right = 0;

	make_room(t, n);
	for (size_t i = 0; i < n; i++)
		data_key(records[i], t->keys[i]);
	if (n == 1)
		expect(t->owner, verso_get(t->txn, NULL, t->key_vals[0], &t->vals[0]), "get");
	else
		expect(t->owner, verso_get_many(t->txn, NULL, n, t->key_vals, t->vals, NULL),
			"get_many");
	for (size_t i = 0; i < n; i++)
		n_right +=
			t->vals[i].data && check(arg, records[i], t->vals[i].data, t->vals[i].len);
	return n_right;
}

static size_t scan(struct engine_thread *t, size_t n, size_t *ret_right, engine_check_fn *check,
	void *arg)
{
	size_t n_right = 0, i;

	if (!t->cursor) {
		expect(t->owner, verso_cursor_open(t->txn, NULL, &t->cursor), "cursor");
		t->next_record = 0;
	}
	for (i = 0; i < n; i++) {
		unsigned char key[KEY_BYTES];
		struct verso_val found_key, found;
		int rc = verso_cursor_next(t->cursor, &found_key, &found);

		if (rc == VERSO_NOTFOUND) {
			verso_cursor_close(t->cursor);
			t->cursor = NULL;
			break;
		}
		expect(t->owner, rc, "cursor_next");
		data_key(t->next_record, key);
		n_right += found_key.len == KEY_BYTES &&
			   memcmp(key, found_key.data, KEY_BYTES) == 0 &&
			   check(arg, t->next_record, found.data, found.len);
		t->next_record++;
	}
	*ret_right = n_right;
	return i;
}

static void put(struct engine_thread *t, uint64_t record, uint64_t version)
{
	unsigned char value[VALUE_BYTES];

	data_key(record, t->keys[0]);
	data_value(record, version, value);
	expect(t->owner,
		verso_put(t->txn, NULL, t->key_vals[0], (struct verso_val){value, sizeof(value)},
			0),
		"put");
}

static void commit(struct engine_thread *t)
{
	expect(t->owner, verso_commit(t->txn), "commit");
	begin(t);
}

static void resize(struct engine_db *db, uint64_t cache_bytes)
{
	int rc = verso_cache_resize(db->db, (size_t)cache_bytes);

	if (rc != -EOPNOTSUPP) /* a map: the kernel gives and takes */
		expect(db, rc, "resize");
}

static bool stat(struct engine_db *db, struct verso_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = sizeof(*ret);
	expect(db, verso_stat(db->db, ret), "stat");
	return true;
}

const struct engine engine_verso = {
	.name = "verso",
	.open = open_db,
	.close = close_db,
	.attach = attach,
	.detach = detach,
	.refresh = refresh,
	.get = get,
	.scan = scan,
	.put = put,
	.commit = commit,
	.resize = resize,
	.stat = stat,
};
