/* SPDX-License-Identifier: MIT */
#include "tests/crash/kvdb_int.h"

#include "base/error.h"
#include "base/hash.h"
#include "db/db_int.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const struct kvdb_config kvdb_configs[KVDB_CONFIGS] = {
	{"pool-two-full", VERSO_BUFPOOL, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL, false},
	{"pool-one-full", VERSO_BUFPOOL, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_FULL, false},
	{"pool-two-relaxed", VERSO_BUFPOOL, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_RELAXED, false},
	{"pool-one-relaxed", VERSO_BUFPOOL, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_RELAXED, false},
	{"mmap-two-full", VERSO_MMAP, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL, false},
	{"mmap-one-full", VERSO_MMAP, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_FULL, false},
	{"mmap-two-relaxed", VERSO_MMAP, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_RELAXED, false},
	{"mmap-one-relaxed", VERSO_MMAP, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_RELAXED, false},
	{"vmcache-two-full", VERSO_VMCACHE, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL, false},
	{"vmcache-one-full", VERSO_VMCACHE, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_FULL, false},
	{"vmcache-two-relaxed", VERSO_VMCACHE, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_RELAXED, false},
	{"vmcache-one-relaxed", VERSO_VMCACHE, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_RELAXED, false},
	{"pool-one-async", VERSO_BUFPOOL, VERSO_COMMIT_ONE_FLUSH, VERSO_SYNC_FULL, true},
	{"mmap-two-async", VERSO_MMAP, VERSO_COMMIT_TWO_FLUSH, VERSO_SYNC_FULL, true},
	{"pool-process", VERSO_BUFPOOL, VERSO_COMMIT_BEST, VERSO_SYNC_PROCESS, false},
	{"mmap-process", VERSO_MMAP, VERSO_COMMIT_BEST, VERSO_SYNC_PROCESS, false},
	{"vmcache-process", VERSO_VMCACHE, VERSO_COMMIT_BEST, VERSO_SYNC_PROCESS, false},
};

struct kvdb {
	struct verso *db;
	const struct kvdb_config *config;
	uint64_t digest; /* of the newest version, for the further commits */
};

void kvdb_marks_init(void)
{
	static const struct crash_mark marks[] = {
		{"splits", 1000, 0, 0},
		{"merges", 500, 0, 0},
		{"redistributions", 120, 0, 0},
		{"full leaves that a neighbour helped", 200, 0, 0},
		{"sessions with a tree of height >= 4", 50, 0, 0},
		{"overflow values freed", 500, 0, 0},
		{"tables dropped", 50, 0, 0},
		{"ranges deleted", 100, 0, 0},
		{"several leaves freed in one edit", 5, 0, 0},
		{"values written in pieces", 100, 0, 0},
		{"tables cleared", 10, 0, 0},
		{"tables renamed", 10, 0, 0},
		{"values replaced", 20, 0, 0},
		{"values put by a cursor", 20, 0, 0},
		{"records appended", 10, 0, 0},
		{"values replaced in kept tables", 10, 0, 0},
		{"leaves and pages compacted", 100, 0, 0},
	};

	/* A default run has fewer images than that of txn/ alone. */
	for (unsigned i = 0; i < SESSION_MARKS; i++)
		session_marks[i].min /= 4;
	session_marks[MARK_CREATION_DIED].min = 30;
	session_marks[MARK_CREATION_FAILED].min = 30;
	session_marks[MARK_CREATION_OPENED].min = 15;
	for (unsigned i = SESSION_MARKS; i < KVDB_MARKS; i++)
		session_marks[i] = marks[i - SESSION_MARKS];
}

enum txn_sync kvdb_sync(const struct kvdb_config *c)
{
	return c->sync == VERSO_SYNC_FULL      ? TXN_FULL
	       : c->sync == VERSO_SYNC_PROCESS ? TXN_PROCESS
					       : TXN_RELAXED;
}

/* --- opening and closing --------------------------------------------------------------------- */

static int open_with(unsigned config, uint64_t seed, struct simdisk *d, unsigned flags,
	struct verso **ret_db)
{
	const struct kvdb_config *c = &kvdb_configs[config];
	struct txn_options tuning = session_txn_options(config, seed, TXN_TWO_FLUSH,
		c->is_async ? TXN_RELAXED : kvdb_sync(c));
	struct db_hooks hooks = {.io = simdisk_io(d), .txn = &tuning};
	struct verso_options o = {
		.size = sizeof(o),
		.pager = c->pager,
		.sync = c->sync,
		.flags = VERSO_SMALL_PAGES | flags,
		.cache_bytes = 2 << 20,
		.page_size = flags & VERSO_CREATE ? session_page_size(seed) : 0,
		.commit_mode = c->commit_mode,
		.policy = (enum verso_policy)(seed % VERSO_POLICIES),
		.map_writing = (enum verso_map_writing)session_map_writing(config, seed),
		.checksum = seed % 2 ? VERSO_CHECKSUM_ALWAYS : VERSO_CHECKSUM_ONCE,
	};

	return db_open_with(&hooks, "db", &o, ret_db);
}

bool kvdb_is_prepared(unsigned config, uint64_t seed)
{
	uint64_t state = seed + config;

	return crash_draw(&state) % 4 == 0;
}

/* Somebody makes an empty file, with the owner and the mode that the database shall have. */
static int prepare(struct simdisk *d)
{
	struct file *file;
	int rc = io_open(simdisk_io(d), "db", FILE_CREATE, 0600, &file);

	if (rc == 0)
		file_close(file);
	return rc ? rc : io_sync_dir(simdisk_io(d), "db");
}

int kvdb_create(unsigned config, uint64_t seed, struct simdisk *d)
{
	struct verso *db;
	uint64_t size;
	int rc = 0;

	if (kvdb_is_prepared(config, seed) && !simdisk_bytes(d, "db", &size))
		rc = prepare(d);
	if (rc == 0)
		rc = open_with(config, seed, d, VERSO_CREATE, &db);
	if (rc == 0)
		verso_close(db);
	return rc;
}

int kvdb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db)
{
	struct verso *db;
	struct kvdb *kv;
	int rc;

	session_mark_slots(d, "db", session_page_size(seed));
	rc = open_with(config, seed, d, 0, &db);
	if (rc == -ENOENT || rc == VERSO_ENOTDB) /* not begun; not ended */
		return 1;
	if (rc < 0)
		return rc;
	session_mark_opened(db->env);
	kv = calloc(1, sizeof(*kv));
	ASSERT(kv);
	kv->db = db;
	kv->config = &kvdb_configs[config];
	*ret_db = kv;
	return 0;
}

void kvdb_close(void *arg)
{
	struct kvdb *kv = arg;

	verso_close(kv->db);
	free(kv);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int digest_table(struct verso_txn *txn, unsigned t, uint64_t *sum)
{
	struct verso_table *table = NULL;
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc = 0;

	if (kvdb_table_names[t])
		rc = verso_table_open(txn, kvdb_table_names[t], 0, &table);
	if (rc == VERSO_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = verso_cursor_open(txn, table, &c);
	if (rc)
		return rc;
	if (kvdb_table_names[t])
		*sum += kvdb_hash_table(t);
	for (rc = verso_cursor_first(c, &key, &val); rc == 0; rc = verso_cursor_next(c, &key, &val))
		*sum += kvdb_hash_record(t, key, val);
	verso_cursor_close(c);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

static int digest_txn(void *txn, uint64_t *ret_digest)
{
	int rc = 0;

	*ret_digest = 0;
	for (unsigned t = 0; rc == 0 && t < TABLES; t++)
		rc = digest_table(txn, t, ret_digest);
	return rc;
}

int kvdb_digest(void *arg, uint64_t *ret_digest)
{
	struct kvdb *kv = arg;
	struct verso_txn *txn;
	int rc = verso_begin(kv->db, VERSO_READ, &txn);

	if (rc)
		return rc;
	rc = digest_txn(txn, ret_digest);
	verso_abort(txn);
	kv->digest = *ret_digest;
	return rc;
}

int kvdb_check(void *arg)
{
	return verso_check(((struct kvdb *)arg)->db, 0, NULL, NULL);
}

/* --- the further commits --------------------------------------------------------------------- */

static int put_further(struct kvdb *kv, struct verso_txn *txn, unsigned i, uint64_t number)
{
	uint8_t value[VALUE_MAX];
	char key_bytes[KEY_BYTES];
	struct verso_val key = kvdb_key(i, key_bytes), old, val;
	int rc = verso_get(txn, NULL, key, &old);

	if (rc == 0)
		kv->digest -= kvdb_hash_record(0, key, old);
	if (rc < 0)
		return rc;
	if (number == 0)
		return rc == VERSO_NOTFOUND ? 0 : verso_del(txn, NULL, key);
	val = kvdb_value(number, value);
	kv->digest += kvdb_hash_record(0, key, val);
	return verso_put(txn, NULL, key, val, 0);
}

static int further_changes(struct kvdb *kv, struct verso_txn *txn, uint64_t *rng)
{
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 4);
	/* Key 0 changes in each commit, so that no two versions are alike. */
	int rc = put_further(kv, txn, 0, kvdb_draw_number(rng) | 1);

	for (unsigned k = 1; rc == 0 && k < n; k++) {
		unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));

		rc = put_further(kv, txn, i, crash_draw(rng) % 4 ? kvdb_draw_number(rng) : 0);
	}
	return rc;
}

/* 1: there is nothing to delete. */
static int further_deletion(struct kvdb *kv, struct verso_txn *txn, uint64_t *rng)
{
	char key_bytes[KEY_BYTES];
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc = verso_cursor_open(txn, NULL, &c);

	if (rc)
		return rc;
	key = kvdb_key((unsigned)(crash_draw(rng) % KEYS), key_bytes);
	rc = verso_cursor_seek(c, key, &key, &val);
	if (rc == VERSO_NOTFOUND)
		rc = verso_cursor_first(c, &key, &val);
	if (rc == 0) {
		kv->digest -= kvdb_hash_record(0, key, val);
		memcpy(key_bytes, key.data, key.len);
		key.data = key_bytes;
	}
	verso_cursor_close(c);
	return rc ? rc : verso_del(txn, NULL, key);
}

static int commit_txn(void *txn, bool waits)
{
	uint64_t gen;

	return waits ? verso_commit(txn) : verso_commit_async(txn, &gen);
}

static int sync_db(void *arg)
{
	struct kvdb *kv = arg;

	return kv->config->is_async ? verso_wait(kv->db, kv->db->env->async_gen)
				    : verso_sync(kv->db);
}

typedef int further_fn(struct kvdb *kv, struct verso_txn *txn, uint64_t *rng);

/* 1: edit found nothing to do. */
static int commit_edit(struct kvdb *kv, uint64_t *rng, struct crash_history *h, further_fn *edit)
{
	uint64_t digest = kv->digest;
	struct verso_txn *txn;
	unsigned version;
	int rc = verso_begin(kv->db, VERSO_WRITE, &txn);

	if (rc)
		return rc;
	rc = edit(kv, txn, rng);
	if (rc == 0 && crash_known(h, kv->digest))
		rc = 1;
	if (rc) {
		verso_abort(txn);
		kv->digest = digest;
		return rc;
	}
	version = crash_begin(h, kv->digest);
	rc = commit_txn(txn, !kv->config->is_async);
	if (rc) {
		crash_abandon(h, version);
		kv->digest = digest;
	}
	if (rc == 0 && (kv->config->sync != VERSO_SYNC_FULL || kv->config->is_async)) {
		if (!kv->config->is_async && crash_draw(rng) % 2)
			return 0; /* T9: what is not waited for would not be seen */
		rc = sync_db(kv);
	}
	if (rc == 0)
		crash_ack(h, version);
	return rc;
}

int kvdb_commit(void *arg, uint64_t *rng, struct crash_history *h)
{
	int rc = commit_edit(arg, rng, h, further_changes);

	if (rc == VERSO_EFULL) /* an incarnation ends: "begin the transaction again" */
		rc = commit_edit(arg, rng, h, further_changes);
	if (rc != -ENOSPC)
		return rc;
	/* One of several gives a state that was not there before, or there is nothing. */
	rc = 1;
	for (unsigned i = 0; rc == 1 && i < 8; i++)
		rc = commit_edit(arg, rng, h, further_deletion);
	return rc < 0 ? rc : 0;
}

/* --- the changes of a session's transaction -------------------------------------------------- */

static int put(const struct edit *e, unsigned i, uint64_t number)
{
	uint8_t value[VALUE_MAX];
	char key[KEY_BYTES];
	int rc = verso_put(e->txn, e->table, kvdb_key(i, key), kvdb_value(number, value), 0);

	if (rc == 0)
		kvdb_model_set(e->model, e->t, i, number);
	return rc;
}

static int del(const struct edit *e, unsigned i)
{
	char key[KEY_BYTES];
	int rc = verso_del(e->txn, e->table, kvdb_key(i, key));
	int expected = e->model->number[e->t][i] ? 0 : VERSO_NOTFOUND;

	if (rc < 0)
		return rc;
	if (rc != expected)
		return error_set(VERSO_EIO, "delete finds what is not there, or not what is");
	kvdb_model_set(e->model, e->t, i, 0);
	return 0;
}

static int drop(const struct edit *e)
{
	int rc = verso_table_drop(e->txn, kvdb_table_names[e->t]);

	if (rc)
		return rc;
	memset(e->model->number[e->t], 0, sizeof(e->model->number[e->t]));
	memset(e->model->hash[e->t], 0, sizeof(e->model->hash[e->t]));
	e->model->exists[e->t] = 0;
	session_marks[MARK_TABLES].n++;
	return 0;
}

/*
 * Of three, two steps walk along neighbours: keys of one sort are every third. Some deletions leave
 * patches, so that a leaf runs low beside one that is full.
 */
static int many(const struct edit *e, uint64_t *rng, unsigned n, bool deleting)
{
	unsigned from = (unsigned)(crash_draw(rng) % KEYS), step = crash_draw(rng) % 3 ? 3 : 1;
	unsigned patch = deleting && crash_draw(rng) % 4 ? 3 + (unsigned)(crash_draw(rng) % 8) : n;
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < n; k++) {
		unsigned i = (from + (k + k / patch * 12) * step) % KEYS;

		rc = deleting ? del(e, i) : put(e, i, kvdb_draw_number(rng));
	}
	return rc;
}

/* Adds a run of the keys that are missing, so that the tree grows high: of their values three or
 * four fit in a page. */
static int load(const struct edit *e, uint64_t *rng)
{
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 1; rc == 0 && i < KEYS && n < LOAD_KEYS; i++) {
		uint64_t number = kvdb_draw_number(rng);

		if (e->model->number[e->t][i])
			continue;
		while (kvdb_value_len(number) < 60 || kvdb_value_len(number) > 115)
			number++;
		rc = put(e, i, number);
		n++;
	}
	return rc;
}

/* Puts or deletes a few long values, from key `from` on. */
static int some_long(const struct edit *e, uint64_t *rng, unsigned from, unsigned n, bool deleting)
{
	int rc = 0;

	for (unsigned i = from; rc == 0 && i < from + n; i++)
		rc = deleting ? del(e, i) : put(e, i, crash_draw(rng) | IS_LONG);
	return rc;
}

/*
 * A file of several allocation groups. In one session it grows: long values that stay, and more at
 * its end. In the next some of the first ones go, which leaves holes that small changes use; in a
 * third all go at its end.
 */
static int change_long(const struct edit *e, uint64_t *rng, unsigned session)
{
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 6);

	switch (session % 3) {
	case 0:
		return some_long(e, rng,
			1 + (unsigned)(crash_draw(rng) % (BASE_KEYS + END_KEYS - n)), n, false);
	case 1:
		n = 1 + n / 3;
		return some_long(e, rng, 1 + (unsigned)(crash_draw(rng) % (BASE_KEYS - n)), n,
			true);
	default:
		return some_long(e, rng, 1 + BASE_KEYS, END_KEYS, true);
	}
}

static void mark_tree(const struct edit *e)
{
	const struct verso_table *table = e->table ? e->table : &e->txn->main;
	const struct btree_marks *m = &table->tree.marks;

	session_marks[MARK_SPLITS].n += m->n_splits + m->n_edge_splits;
	session_marks[MARK_MERGES].n += m->n_merges;
	session_marks[MARK_REDISTRIBUTIONS].n += m->n_redistributions;
	session_marks[MARK_SHARES].n += m->n_shares + m->n_thirds;
	session_marks[MARK_OVERFLOW_FREED].n += m->n_overflow_freed;
	session_marks[MARK_PRUNES].n += m->n_prunes;
	session_marks[MARK_HEIGHT].n += table->tree.root.ref.pgno && table->tree.root.level >= 3;
}

static int change(void *arg, void *model, uint64_t *rng, enum session_shape shape, unsigned session)
{
	bool groups = shape == SHAPE_GROUPS;
	struct edit first = {.txn = arg, .model = model};
	struct edit e = {.txn = arg, .model = model};
	uint64_t kind = crash_draw(rng) % 16;
	int rc = 0;

	e.t = (unsigned)(crash_draw(rng) % 6);
	e.t = e.t < 4 ? 0 : e.t - 3;
	if (e.t) {
		rc = verso_table_open(e.txn, kvdb_table_names[e.t], VERSO_CREATE, &e.table);
		if (rc == 0)
			e.model->exists[e.t] = 1;
	}
	if (rc)
		return rc;
	if ((groups && kind < 6) || (shape == SHAPE_LARGE && kind < 3))
		rc = change_long(&e, rng, session);
	else if (kind > 12 && e.t == 0 && (!groups || session % 3 == 0))
		rc = load(&e, rng);
	else if (kind < 2)
		rc = many(&e, rng, 20 + (unsigned)(crash_draw(rng) % 60), false);
	else if (kind < 4)
		rc = many(&e, rng, 20 + (unsigned)(crash_draw(rng) % 80), true);
	else
		rc = many(&e, rng, 1 + (unsigned)(crash_draw(rng) % 4), crash_draw(rng) % 4 == 0);
	if (rc == 0 && kind > 12)
		rc = many(&e, rng, 40, true);
	if (rc == 0 && crash_draw(rng) % 3 == 0)
		rc = kvdb_change_otherwise(&e, rng);
	if (rc == 0)
		mark_tree(&e);
	if (rc == 0 && e.t && crash_draw(rng) % 6 == 0)
		rc = drop(&e);
	/* Key 0 changes in each commit, so that no two versions are alike. */
	return rc ? rc : put(&first, 0, kvdb_draw_number(rng) | 1);
}

/* A record that is missing, of a size that goes without other pages. */
static int put_one(void *arg, void *model, uint64_t *rng)
{
	struct edit e = {.txn = arg, .model = model};
	unsigned i = (unsigned)(crash_draw(rng) % KEYS);
	uint64_t number = kvdb_draw_number(rng) | 1;

	while (e.model->number[0][i])
		i = (i + 1) % KEYS;
	while (kvdb_value_len(number) < 60 || kvdb_value_len(number) > 115)
		number += 2;
	return put(&e, i, number);
}

static int del_one(void *arg, void *model, uint64_t *rng)
{
	struct edit e = {.txn = arg, .model = model};
	unsigned from = (unsigned)(crash_draw(rng) % (TABLES * KEYS));

	for (unsigned k = 0; k < TABLES * KEYS; k++) {
		unsigned i = (from + k) % (TABLES * KEYS);
		int rc = 0;

		e.t = i / KEYS;
		if (e.model->number[e.t][i % KEYS] == 0)
			continue;
		if (e.t)
			rc = verso_table_open(e.txn, kvdb_table_names[e.t], 0, &e.table);
		return rc ? rc : del(&e, i % KEYS);
	}
	return 1;
}

/* --- what the sessions drive ----------------------------------------------------------------- */

static int begin_read(void *arg, void **ret_txn)
{
	struct verso_txn *txn;
	int rc = verso_begin(((struct kvdb *)arg)->db, VERSO_READ, &txn);

	if (rc == 0)
		*ret_txn = txn;
	return rc;
}

static int begin_write(void *arg, void **ret_txn)
{
	struct verso_txn *txn;
	int rc = verso_begin(((struct kvdb *)arg)->db, VERSO_WRITE, &txn);

	if (rc == 0)
		*ret_txn = txn;
	return rc;
}

static int compact(void *arg, unsigned pages_max)
{
	struct verso_compact c = {.size = sizeof(c), .pages_max = pages_max};
	int rc = verso_compact(((struct kvdb *)arg)->db, &c);

	session_marks[MARK_COMPACTED].n += c.n_changed;
	return rc == VERSO_MORE ? 0 : rc;
}

static void abort_txn(void *txn)
{
	verso_abort(txn);
}

static struct txn_env *env_of(void *arg)
{
	return ((struct kvdb *)arg)->db->env;
}

static struct pager *pager_of(void *arg)
{
	return ((struct kvdb *)arg)->db->pager;
}

static struct txn *txn_of(void *txn)
{
	return ((struct verso_txn *)txn)->txn;
}

const struct session_ops kvdb_ops = {
	.model_bytes = sizeof(struct model),
	.model_digest = kvdb_model_digest,
	.create = kvdb_create,
	.creation_may_die = true,
	.open = kvdb_open,
	.close = kvdb_close,
	.sync = sync_db,
	.begin_read = begin_read,
	.digest = digest_txn,
	.begin_write = begin_write,
	.compact = compact,
	.change = change,
	.put_one = put_one,
	.del_one = del_one,
	.commit = commit_txn,
	.abort = abort_txn,
	.env = env_of,
	.pager = pager_of,
	.txn = txn_of,
};
