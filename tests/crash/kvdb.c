/* SPDX-License-Identifier: MIT */
#include "tests/crash/kvdb.h"

#include "base/error.h"
#include "base/hash.h"
#include "db/db_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLES    3
#define KEYS      2000
#define KEY_BYTES 80
#define LOAD_KEYS 200
#define VALUE_MAX 3000

const struct kvdb_config kvdb_configs[KVDB_CONFIGS] = {
	{"pool-two-full", VERSO_BUFPOOL, VERSO_PROTOCOL_TWO_FLUSH, VERSO_SYNC_FULL},
	{"pool-one-full", VERSO_BUFPOOL, VERSO_PROTOCOL_ONE_FLUSH, VERSO_SYNC_FULL},
	{"pool-two-relaxed", VERSO_BUFPOOL, VERSO_PROTOCOL_TWO_FLUSH, VERSO_SYNC_RELAXED},
	{"pool-one-relaxed", VERSO_BUFPOOL, VERSO_PROTOCOL_ONE_FLUSH, VERSO_SYNC_RELAXED},
	{"mmap-two-full", VERSO_MMAP, VERSO_PROTOCOL_TWO_FLUSH, VERSO_SYNC_FULL},
	{"mmap-one-full", VERSO_MMAP, VERSO_PROTOCOL_ONE_FLUSH, VERSO_SYNC_FULL},
	{"mmap-two-relaxed", VERSO_MMAP, VERSO_PROTOCOL_TWO_FLUSH, VERSO_SYNC_RELAXED},
	{"mmap-one-relaxed", VERSO_MMAP, VERSO_PROTOCOL_ONE_FLUSH, VERSO_SYNC_RELAXED},
};

static const char *const table_names[TABLES] = {NULL, "a", "b"};

/* What a record of the model is: the number of its value (0: not there), and its part of the
 * digest. */
struct model {
	uint64_t number[TABLES][KEYS];
	uint64_t hash[TABLES][KEYS];
	uint64_t exists[TABLES]; /* 1 or 0 */
};

struct kvdb {
	struct verso *db;
	const struct kvdb_config *config;
	uint64_t digest; /* of the newest version, for the further commits */
};

void kvdb_marks_init(void)
{
	static const struct crash_mark marks[] = {
		{"splits", 1000, 0},
		{"merges", 500, 0},
		{"redistributions", 200, 0},
		{"sessions with a tree of height >= 4", 50, 0},
		{"overflow values freed", 500, 0},
		{"tables dropped", 50, 0},
	};

	/* A default run has fewer images than that of txn/ alone. */
	for (unsigned i = 0; i < SESSION_MARKS; i++)
		session_marks[i].min /= 4;
	for (unsigned i = SESSION_MARKS; i < KVDB_MARKS; i++)
		session_marks[i] = marks[i - SESSION_MARKS];
}

/* --- keys and values ------------------------------------------------------------------------- */

/* Key i: the empty one, short ones, long ones that share much, eight bytes that share nothing. */
static struct verso_val make_key(unsigned i, char *buf)
{
	uint64_t mixed = i;

	if (i == 0)
		return (struct verso_val){"", 0};
	if (i % 3 == 0)
		return (struct verso_val){buf, (size_t)snprintf(buf, KEY_BYTES, "k%u", i)};
	if (i % 3 == 1)
		return (struct verso_val){
			buf, (size_t)snprintf(buf, KEY_BYTES,
				     "/a/long/prefix/that/many/keys/share/%s/%06u",
				     i % 2 ? "odd" : "even", i)};
	mixed = crash_draw(&mixed);
	memcpy(buf, &mixed, sizeof(mixed));
	return (struct verso_val){buf, sizeof(mixed)};
}

/* The value that is made of a number: mostly short, sometimes of several pages. Those of odd
 * numbers differ from all others. */
static size_t value_len(uint64_t number)
{
	uint64_t state = number, r = crash_draw(&state) % 16, size = crash_draw(&state);
	size_t len = r < 11 ? size % 40 : r < 14 ? 30 + size % 90 : 120 + size % (VALUE_MAX - 120);

	return number % 2 && len < 8 ? 8 : len;
}

static struct verso_val make_value(uint64_t number, uint8_t *buf)
{
	uint64_t state = ~number;
	size_t len = value_len(number);

	for (size_t i = 0; i < len; i += 8) {
		uint64_t x = crash_draw(&state);

		memcpy(buf + i, &x, len - i < 8 ? len - i : 8);
	}
	return (struct verso_val){buf, len};
}

static uint64_t hash_record(unsigned table, struct verso_val key, struct verso_val val)
{
	return hash_bytes(val.data, val.len, hash_bytes(key.data, key.len, table + 1));
}

static uint64_t hash_table(unsigned table)
{
	return hash_bytes(&table, sizeof(table), 77);
}

static uint64_t hash_of(unsigned table, unsigned i, uint64_t number)
{
	uint8_t value[VALUE_MAX];
	char key[KEY_BYTES];

	return number ? hash_record(table, make_key(i, key), make_value(number, value)) : 0;
}

static uint64_t model_digest(const void *arg)
{
	const struct model *m = arg;
	uint64_t digest = 0;

	for (unsigned t = 0; t < TABLES; t++) {
		digest += m->exists[t] ? hash_table(t) : 0;
		for (unsigned i = 0; i < KEYS; i++)
			digest += m->hash[t][i];
	}
	return digest;
}

/* --- opening and closing --------------------------------------------------------------------- */

static int open_with(unsigned config, uint64_t seed, struct simdisk *d, unsigned flags,
	struct verso **ret_db)
{
	const struct kvdb_config *c = &kvdb_configs[config];
	struct txn_options tuning = session_txn_options(TXN_TWO_FLUSH,
		c->sync == VERSO_SYNC_FULL ? TXN_FULL : TXN_RELAXED, seed);
	struct db_site site = {.io = simdisk_io(d), .txn = &tuning};
	struct verso_options o = {
		.size = sizeof(o),
		.pager = c->pager,
		.sync = c->sync,
		.flags = VERSO_SMALL_PAGES | flags,
		.cache_bytes = 1 << 20,
		.page_size = flags & VERSO_CREATE ? session_page_size(seed) : 0,
		.protocol = c->protocol,
		.policy = seed % 2 ? VERSO_POLICY_SIEVE : VERSO_POLICY_CLOCK,
		.mmap_checksum = seed % 2 ? VERSO_CHECKSUM_ALWAYS : VERSO_CHECKSUM_ONCE,
	};

	return db_open_on(&site, "db", &o, ret_db);
}

static int kvdb_create(unsigned config, uint64_t seed, struct simdisk *d)
{
	struct verso *db;
	int rc = open_with(config, seed, d, VERSO_CREATE | VERSO_EXCL, &db);

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
	if (rc == -ENOENT)
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

	if (table_names[t])
		rc = verso_table_open(txn, table_names[t], 0, &table);
	if (rc == VERSO_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = verso_cursor_open(txn, table, &c);
	if (rc)
		return rc;
	if (table_names[t])
		*sum += hash_table(t);
	for (rc = verso_cursor_first(c, &key, &val); rc == 0; rc = verso_cursor_next(c, &key, &val))
		*sum += hash_record(t, key, val);
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
	struct verso_val key = make_key(i, key_bytes), old, val;
	int rc = verso_get(txn, NULL, key, &old);

	if (rc == 0)
		kv->digest -= hash_record(0, key, old);
	if (rc < 0)
		return rc;
	if (number == 0)
		return rc == VERSO_NOTFOUND ? 0 : verso_del(txn, NULL, key);
	val = make_value(number, value);
	kv->digest += hash_record(0, key, val);
	return verso_put(txn, NULL, key, val, 0);
}

static int further_changes(struct kvdb *kv, struct verso_txn *txn, uint64_t *rng)
{
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 4);
	/* Key 0 changes in each commit, so that no two versions are alike. */
	int rc = put_further(kv, txn, 0, crash_draw(rng) | 1);

	for (unsigned k = 1; rc == 0 && k < n; k++) {
		unsigned i = 1 + (unsigned)(crash_draw(rng) % (KEYS - 1));

		rc = put_further(kv, txn, i, crash_draw(rng) % 4 ? crash_draw(rng) : 0);
	}
	return rc;
}

int kvdb_commit(void *arg, uint64_t *rng, struct crash_history *h)
{
	struct kvdb *kv = arg;
	struct verso_txn *txn;
	unsigned version;
	int rc = verso_begin(kv->db, VERSO_WRITE, &txn);

	if (rc)
		return rc;
	rc = further_changes(kv, txn, rng);
	if (rc) {
		verso_abort(txn);
		return rc;
	}
	version = crash_begin(h, kv->digest);
	rc = verso_commit(txn);
	if (rc == 0 && kv->config->sync == VERSO_SYNC_RELAXED) {
		if (crash_draw(rng) % 2)
			return 0;
		rc = verso_sync(kv->db);
	}
	if (rc == 0)
		crash_ack(h, version);
	return rc;
}

/* --- the changes of a session's transaction -------------------------------------------------- */

struct edit {
	struct verso_txn *txn;
	struct model *model;
	unsigned t;
	struct verso_table *table;
};

static void model_set(struct model *m, unsigned t, unsigned i, uint64_t number)
{
	m->number[t][i] = number;
	m->hash[t][i] = hash_of(t, i, number);
}

static int put(const struct edit *e, unsigned i, uint64_t number)
{
	uint8_t value[VALUE_MAX];
	char key[KEY_BYTES];
	int rc = verso_put(e->txn, e->table, make_key(i, key), make_value(number, value), 0);

	if (rc == 0)
		model_set(e->model, e->t, i, number);
	return rc;
}

static int del(const struct edit *e, unsigned i)
{
	char key[KEY_BYTES];
	int rc = verso_del(e->txn, e->table, make_key(i, key));
	int expected = e->model->number[e->t][i] ? 0 : VERSO_NOTFOUND;

	if (rc < 0)
		return rc;
	if (rc != expected)
		return error_set(VERSO_EIO, "delete finds what is not there, or not what is");
	model_set(e->model, e->t, i, 0);
	return 0;
}

static int drop(const struct edit *e)
{
	int rc = verso_table_drop(e->txn, table_names[e->t]);

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
	unsigned patch = deleting && crash_draw(rng) % 4 ? 3 : n;
	unsigned stride = patch < n ? 2 * step : step;
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < n; k++) {
		unsigned i = (from + (k + k / patch * 4) * stride) % KEYS;

		rc = deleting ? del(e, i) : put(e, i, crash_draw(rng));
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
		uint64_t number = crash_draw(rng);

		if (e->model->number[e->t][i])
			continue;
		while (value_len(number) < 60 || value_len(number) > 115)
			number++;
		rc = put(e, i, number);
		n++;
	}
	return rc;
}

static void mark_tree(const struct edit *e)
{
	const struct verso_table *table = e->table ? e->table : &e->txn->main;
	const struct btree_marks *m = &table->tree.marks;

	session_marks[MARK_SPLITS].n += m->n_splits + m->n_edge_splits;
	session_marks[MARK_MERGES].n += m->n_merges;
	session_marks[MARK_REDISTRIBUTIONS].n += m->n_redistributions;
	session_marks[MARK_OVERFLOW_FREED].n += m->n_overflow_freed;
	session_marks[MARK_HEIGHT].n += table->tree.root.ref.pgno && table->tree.root.level >= 3;
}

static int change(void *arg, void *model, uint64_t *rng)
{
	struct edit first = {.txn = arg, .model = model};
	struct edit e = {.txn = arg, .model = model};
	uint64_t kind = crash_draw(rng) % 16;
	int rc = 0;

	e.t = (unsigned)(crash_draw(rng) % 6);
	e.t = e.t < 4 ? 0 : e.t - 3;
	if (e.t) {
		rc = verso_table_open(e.txn, table_names[e.t], VERSO_CREATE, &e.table);
		if (rc == 0)
			e.model->exists[e.t] = 1;
	}
	if (rc)
		return rc;
	if (kind > 12 && e.t == 0)
		rc = load(&e, rng);
	else if (kind < 2)
		rc = many(&e, rng, 20 + (unsigned)(crash_draw(rng) % 60), false);
	else if (kind < 4)
		rc = many(&e, rng, 20 + (unsigned)(crash_draw(rng) % 80), true);
	else
		rc = many(&e, rng, 1 + (unsigned)(crash_draw(rng) % 4), crash_draw(rng) % 4 == 0);
	if (rc == 0 && kind > 12)
		rc = many(&e, rng, 40, true);
	if (rc == 0)
		mark_tree(&e);
	if (rc == 0 && e.t && crash_draw(rng) % 6 == 0)
		rc = drop(&e);
	/* Key 0 changes in each commit, so that no two versions are alike. */
	return rc ? rc : put(&first, 0, crash_draw(rng) | 1);
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

static int commit_txn(void *txn)
{
	return verso_commit(txn);
}

static void abort_txn(void *txn)
{
	verso_abort(txn);
}

static int sync_db(void *arg)
{
	return verso_sync(((struct kvdb *)arg)->db);
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
	.model_digest = model_digest,
	.create = kvdb_create,
	.open = kvdb_open,
	.close = kvdb_close,
	.sync = sync_db,
	.begin_read = begin_read,
	.digest = digest_txn,
	.begin_write = begin_write,
	.change = change,
	.commit = commit_txn,
	.abort = abort_txn,
	.env = env_of,
	.pager = pager_of,
	.txn = txn_of,
};
