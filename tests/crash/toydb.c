/* SPDX-License-Identifier: MIT */
#include "tests/crash/toydb.h"

#include "base/error.h"
#include "bufpool/bufpool.h"
#include "io/file.h"
#include "mmap/mmap.h"
#include "tests/crash/toy.h"
#include "tests/refpager/refpager.h"
#include "txn/txn_int.h"
#include "vmcache/vmcache.h"

#include <errno.h>
#include <stdlib.h>

const struct toydb_config toydb_configs[TOYDB_CONFIGS] = {
	{"ref-two-full", REFERENCE, TXN_TWO_FLUSH, TXN_FULL, false, false, false},
	{"ref-one-full", REFERENCE, TXN_ONE_FLUSH, TXN_FULL, false, false, false},
	{"ref-two-relaxed", REFERENCE, TXN_TWO_FLUSH, TXN_RELAXED, false, false, false},
	{"ref-one-relaxed", REFERENCE, TXN_ONE_FLUSH, TXN_RELAXED, false, false, false},
	{"mmap-two-full", MMAP, TXN_TWO_FLUSH, TXN_FULL, false, false, false},
	{"mmap-one-full", MMAP, TXN_ONE_FLUSH, TXN_FULL, false, false, false},
	{"mmap-two-relaxed", MMAP, TXN_TWO_FLUSH, TXN_RELAXED, false, false, false},
	{"mmap-one-relaxed", MMAP, TXN_ONE_FLUSH, TXN_RELAXED, false, false, false},
	{"pool-two-full", BUFPOOL, TXN_TWO_FLUSH, TXN_FULL, false, false, false},
	{"pool-one-full", BUFPOOL, TXN_ONE_FLUSH, TXN_FULL, false, false, false},
	{"pool-two-relaxed", BUFPOOL, TXN_TWO_FLUSH, TXN_RELAXED, false, false, false},
	{"pool-one-relaxed", BUFPOOL, TXN_ONE_FLUSH, TXN_RELAXED, false, false, false},
	{"vmcache-two-full", VMCACHE, TXN_TWO_FLUSH, TXN_FULL, false, false, false},
	{"vmcache-one-full", VMCACHE, TXN_ONE_FLUSH, TXN_FULL, false, false, false},
	{"vmcache-two-relaxed", VMCACHE, TXN_TWO_FLUSH, TXN_RELAXED, false, false, false},
	{"vmcache-one-relaxed", VMCACHE, TXN_ONE_FLUSH, TXN_RELAXED, false, false, false},
	{"ref-buffered", REFERENCE, TXN_TWO_FLUSH, TXN_FULL, true, false, false},
	{"mmap-shared", MMAP, TXN_ONE_FLUSH, TXN_FULL, false, true, false},
	{"pool-shared", BUFPOOL, TXN_ONE_FLUSH, TXN_FULL, false, true, false},
	{"pool-two-shared", BUFPOOL, TXN_TWO_FLUSH, TXN_FULL, false, true, false},
	{"vmcache-relaxed-shared", VMCACHE, TXN_ONE_FLUSH, TXN_RELAXED, false, true, false},
	{"ref-one-async", REFERENCE, TXN_ONE_FLUSH, TXN_FULL, false, false, true},
	{"pool-two-async", BUFPOOL, TXN_TWO_FLUSH, TXN_FULL, false, false, true},
	{"ref-process", REFERENCE, TXN_ONE_FLUSH, TXN_PROCESS, false, false, false},
	{"mmap-process", MMAP, TXN_ONE_FLUSH, TXN_PROCESS, false, false, false},
	{"pool-process", BUFPOOL, TXN_ONE_FLUSH, TXN_PROCESS, false, false, false},
	{"vmcache-process", VMCACHE, TXN_ONE_FLUSH, TXN_PROCESS, false, false, false},
	{"pool-process-shared", BUFPOOL, TXN_ONE_FLUSH, TXN_PROCESS, false, true, false},
	{"mmap-process-shared", MMAP, TXN_ONE_FLUSH, TXN_PROCESS, false, true, false},
};

/* Behind a model's cells: where its newest run of leaves begins; no part of the digest. */
#define LAST_RUN TOY_CELLS

struct toydb {
	const struct toydb_config *config;
	struct simdisk *disk;
	struct file *file;
	struct pager *pager;
	struct txn_env *env;
	uint64_t seed;
	uint64_t digest; /* of the newest version, for the further commits */
	/* Of two processes. The board is memory, which no power cut leaves. */
	struct toydb *peer;     /* the second one; the first one's */
	struct toydb *observer; /* a third one, which may only read; the first one's */
	struct file *observed;  /* the observer's */
	struct board *board;
	struct members members;
	bool owns_board, has_joined;
	unsigned n_begun, n_read;
};

/* --- opening and closing -------------------------------------------------------------------- */

void toydb_close(void *arg)
{
	struct toydb *db = arg;

	if (db->observer)
		toydb_close(db->observer);
	db->observer = NULL;
	if (db->peer)
		toydb_close(db->peer);
	db->peer = NULL;
	txn_env_close(db->env);
	pager_close(db->pager);
	if (db->has_joined)
		members_leave(&db->members);
	file_close(db->observed);
	file_close(db->file);
	if (db->owns_board)
		free(db->board);
	free(db);
}

static int open_pager(struct toydb *db, const struct txn_probe *probe, uint32_t writer_pages,
	uint64_t seed)
{
	unsigned config = (unsigned)(db->config - toydb_configs);
	struct mmap_options mo = {
		.writer_pages = writer_pages,
		.writing = (enum mmap_writing)session_map_writing(config, seed),
	};
	int rc;

	if (db->config->pager == BUFPOOL) {
		struct bufpool_options bo = {
			.writer_pages = writer_pages,
			.policy = (enum bufpool_policy)(seed % N_POLICIES),
			.flags = BUFPOOL_SMALL_PAGES,
		};

		bo.cache_bytes = bufpool_cache_bytes_min(probe->page_size, &bo);
		return bufpool_open(simdisk_io(db->disk), db->file, probe->page_size, probe->seed,
			&bo, &db->pager);
	}
	if (db->config->pager == VMCACHE) {
		struct vmcache_options vo = {.writer_pages = writer_pages};

		vo.cache_bytes = vmcache_cache_bytes_min(probe->page_size, &vo);
		return vmcache_open(simdisk_io(db->disk), db->file, probe->page_size, probe->seed,
			&vo, &db->pager);
	}
	if (db->config->pager == MMAP)
		return mmap_open(simdisk_io(db->disk), db->file, probe->page_size, probe->seed, &mo,
			&db->pager);
	rc = refpager_open(simdisk_io(db->disk), db->file, probe->page_size, probe->seed,
		writer_pages, &db->pager);
	if (rc == 0 && seed % 2)
		refpager_forget(db->pager);
	return rc;
}

static bool is_direct(const struct toydb *db)
{
	return db->config->pager == BUFPOOL || db->config->pager == VMCACHE;
}

/* 0, 1: there is no database, < 0. db is the caller's to close whatever is returned. */
static int toydb_open_at(struct toydb *db, uint64_t seed)
{
	const struct toydb_config *c = db->config;
	struct txn_options o = session_txn_options((unsigned)(c - toydb_configs), seed, c->mode,
		c->is_async ? TXN_RELAXED : c->sync);
	struct io *io = simdisk_io(db->disk);
	struct txn_probe probe;
	int rc = io_open(io, "db", is_direct(db) ? FILE_DIRECT : 0, 0600, &db->file);

	o.sync = c->sync;
	if (rc == -ENOENT)
		return 1;
	if (rc == 0)
		rc = txn_probe(db->file, &probe);
	if (rc)
		return rc;
	if (db->board) {
		rc = members_join(&db->members, db->file, db->file, db->board, 0);
		db->has_joined = rc == 0;
		o.members = &db->members;
	}
	if (rc == 0 && !db->board && db->config->shared) {
		rc = io_open(io, "db", FILE_RDONLY, 0, &db->observed);
		o.observed = db->observed;
		o.read_only = true;
	}
	if (rc == 0)
		rc = open_pager(db, &probe, txn_writer_pages(&o), seed);
	if (rc)
		return rc;
	rc = txn_env_open(db->pager, &probe, &toy_schema, &o, &db->env);
	if (rc)
		return rc;
	session_mark_opened(db->env);
	return 0;
}

static struct toydb *toydb_new(unsigned config, struct simdisk *d)
{
	struct toydb *db = calloc(1, sizeof(*db));

	ASSERT(db);
	db->config = &toydb_configs[config];
	db->disk = d;
	return db;
}

/* The second process. */
static int peer_open(struct toydb *db, uint64_t seed)
{
	int rc;

	db->peer = toydb_new((unsigned)(db->config - toydb_configs), db->disk);
	db->peer->board = db->board;
	rc = toydb_open_at(db->peer, seed);
	if (rc) {
		toydb_close(db->peer);
		db->peer = NULL;
	}
	return rc;
}

static int observer_open(struct toydb *db)
{
	int rc;

	db->observer = toydb_new((unsigned)(db->config - toydb_configs), db->disk);
	rc = toydb_open_at(db->observer, db->seed);
	if (rc) {
		toydb_close(db->observer);
		db->observer = NULL;
	}
	return rc;
}

int toydb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db)
{
	struct toydb *db = toydb_new(config, d);
	int rc;

	db->seed = seed;
	if (db->config->shared) {
		db->board = aligned_alloc(64, (sizeof(*db->board) + 63) / 64 * 64);
		ASSERT(db->board);
		memset(db->board, 0xa5, sizeof(*db->board)); /* of long ago */
		db->owns_board = true;
	}
	session_mark_slots(d, "db", session_page_size(seed));
	rc = toydb_open_at(db, seed);
	if (rc == 0 && db->board)
		rc = peer_open(db, seed);
	if (rc == 0 && db->board)
		rc = observer_open(db);
	if (rc == 0) {
		*ret_db = db;
		return 0;
	}
	toydb_close(db);
	return rc;
}

/* Makes an empty database under another name first: a crash leaves none, or a whole one. */
int toydb_create(unsigned config, uint64_t seed, struct simdisk *d)
{
	const struct toydb_config *c = &toydb_configs[config];
	struct txn_options o = session_txn_options(config, seed, c->mode, c->sync);
	struct io *io = simdisk_io(d);
	uint8_t uuid[16];
	struct file *f;
	int rc = io_random(io, uuid, sizeof(uuid));

	(void)io_unlink(io, "db.new");
	if (rc == 0)
		rc = io_open(io, "db.new", FILE_CREATE | FILE_EXCL, 0600, &f);
	if (rc)
		return rc;
	rc = txn_format(f, session_page_size(seed), uuid, &o);
	file_close(f);
	if (rc == 0)
		rc = io_rename(io, "db.new", "db");
	if (rc == 0)
		rc = io_sync_dir(io, "db");
	return rc;
}

static int read_digest(struct toydb *db, uint64_t *ret_digest)
{
	struct txn *txn;
	int rc = txn_begin_read(db->env, &txn);

	if (rc)
		return rc;
	rc = toy_digest(txn, ret_digest);
	txn_abort(txn);
	return rc;
}

int toydb_digest(void *arg, uint64_t *ret_digest)
{
	struct toydb *db = arg;
	int rc = read_digest(db, ret_digest);

	db->digest = *ret_digest;
	return rc;
}

int toydb_check(void *arg)
{
	return txn_check(((struct toydb *)arg)->env, NULL, NULL);
}

/* --- the further commits ---------------------------------------------------------------------- */

static int further_changes(struct toydb *db, struct txn *txn, uint64_t *rng, uint64_t *digest)
{
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 4);
	int rc = 0;

	*digest = db->digest;
	for (unsigned k = 0; rc == 0 && k < n; k++) {
		/* Cell 0 changes in each commit, so that no two versions are alike. */
		unsigned i = k ? (unsigned)(crash_draw(rng) % TOY_CELLS) : 0;
		uint64_t value = crash_draw(rng), old;

		rc = toy_get(txn, i, &old);
		if (rc == 0)
			rc = toy_set(txn, i, value);
		if (rc == 0)
			*digest += toy_mix(i, value) - toy_mix(i, old);
	}
	return rc;
}

/* 1: there is nothing to delete. */
static int further_deletion(struct toydb *db, struct txn *txn, uint64_t *rng, uint64_t *digest)
{
	uint64_t values[TOY_CELLS];
	unsigned from = (unsigned)(crash_draw(rng) % TOY_CELLS);
	int rc = toy_read(txn, values);

	*digest = db->digest;
	for (unsigned k = 0; rc == 0 && k < TOY_CELLS; k++) {
		unsigned i = (from + k) % TOY_CELLS;

		if (values[i] == 0)
			continue;
		*digest -= toy_mix(i, values[i]);
		return toy_set(txn, i, 0);
	}
	return rc ? rc : 1;
}

static int commit_txn(void *txn, bool waits)
{
	gen_t gen;

	return waits ? txn_commit(txn) : txn_commit_async(txn, &gen);
}

static int sync_one(struct toydb *db)
{
	return db->config->is_async ? txn_wait(db->env, db->env->async_gen) : txn_sync(db->env);
}

typedef int further_fn(struct toydb *db, struct txn *txn, uint64_t *rng, uint64_t *digest);

/* 1: edit found nothing to do. */
static int commit_edit(struct toydb *db, uint64_t *rng, struct crash_history *h, further_fn *edit)
{
	struct txn *txn;
	uint64_t digest;
	unsigned version;
	int rc = txn_begin_write(db->env, &txn);

	if (rc)
		return rc;
	rc = edit(db, txn, rng, &digest);
	if (rc == 0 && crash_known(h, digest))
		rc = 1;
	if (rc) {
		txn_abort(txn);
		return rc;
	}
	version = crash_begin(h, digest);
	rc = commit_txn(txn, !db->config->is_async);
	if (rc) {
		crash_abandon(h, version);
		return rc;
	}
	db->digest = digest;
	if (db->config->sync != TXN_FULL || db->config->is_async) {
		if (!db->config->is_async && crash_draw(rng) % 2)
			return 0; /* T9: what is not waited for would not be seen */
		rc = sync_one(db);
	}
	if (rc == 0)
		crash_ack(h, version);
	return rc;
}

int toydb_commit(void *arg, uint64_t *rng, struct crash_history *h)
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

/* --- what the sessions drive -------------------------------------------------------- */

static int set(struct txn *txn, uint64_t *cells, unsigned i, uint64_t value)
{
	int rc = toy_set(txn, i, value);

	if (rc == 0)
		cells[i] = value;
	return rc;
}

static int clear(struct txn *txn, uint64_t *cells, unsigned i, unsigned level)
{
	unsigned span = TOY_FANOUT;
	int rc = toy_clear(txn, i, level);

	for (unsigned l = 0; l < level; l++)
		span *= TOY_FANOUT;
	if (rc == 0)
		memset(&cells[i / span * span], 0, span * sizeof(*cells));
	return rc;
}

/* A run of leaves, and its beginning again: spills, copies of what spilled. */
static int write_run(struct txn *txn, uint64_t *cells, uint64_t *rng, unsigned n)
{
	unsigned from = (unsigned)(crash_draw(rng) % TOY_CELLS);
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < n; k++)
		rc = set(txn, cells, (from + k * TOY_FANOUT) % TOY_CELLS, crash_draw(rng));
	for (unsigned k = 0; rc == 0 && k < 4; k++)
		rc = set(txn, cells, (from + k * TOY_FANOUT) % TOY_CELLS, crash_draw(rng));
	cells[LAST_RUN] = from;
	return rc;
}

/* Frees the leaves of the newest run, which mostly lie together, at the end of the file. */
static int clear_run(struct txn *txn, uint64_t *cells, unsigned n)
{
	unsigned from = (unsigned)cells[LAST_RUN];
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < n; k += TOY_FANOUT)
		rc = clear(txn, cells, (from + k * TOY_FANOUT) % TOY_CELLS, 1);
	return rc;
}

static int set_some(struct txn *txn, uint64_t *cells, uint64_t *rng, unsigned n, unsigned n_asked)
{
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < n; k++) {
		unsigned i = (unsigned)(crash_draw(rng) % TOY_CELLS);
		uint64_t value = crash_draw(rng);

		rc = toy_set_asking(txn, i, value, n_asked);
		if (rc == 0)
			cells[i] = value;
	}
	return rc;
}

/*
 * A file of several allocation groups: in one session it grows, in the next some leaves go here and
 * there, in a third the newest run goes. Small changes ask for more pages than they use, so that
 * both windows have some.
 */
static int change_groups(struct txn *txn, uint64_t *cells, uint64_t *rng, unsigned session)
{
	unsigned asked = crash_draw(rng) % 3 ? 44 + (unsigned)(crash_draw(rng) % 20)
					     : TOY_LEVELS + (unsigned)(crash_draw(rng) % 60);

	if (crash_draw(rng) % 3)
		return set_some(txn, cells, rng, 1 + (unsigned)(crash_draw(rng) % 2), asked);
	switch (session % 3) {
	case 0:
		return write_run(txn, cells, rng, 100 + (unsigned)(crash_draw(rng) % 200));
	case 1:
		return clear(txn, cells, (unsigned)(crash_draw(rng) % TOY_CELLS),
			1 + (unsigned)(crash_draw(rng) % 2));
	default:
		return clear_run(txn, cells, 300);
	}
}

/* One transaction's changes, to the tree and to cells. */
static int change(void *arg, void *model, uint64_t *rng, enum session_shape shape, unsigned session)
{
	unsigned long_run = shape == SHAPE_LARGE ? 200 : 50;
	struct txn *txn = arg;
	uint64_t *cells = model;
	uint64_t kind = crash_draw(rng) % (shape == SHAPE_LARGE ? 8 : 16);
	unsigned from = (unsigned)(crash_draw(rng) % TOY_CELLS);
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 3);
	int rc;

	if (shape == SHAPE_GROUPS)
		rc = change_groups(txn, cells, rng, session);
	else if (kind < 2)
		rc = write_run(txn, cells, rng, 10 + (unsigned)(crash_draw(rng) % long_run));
	else if (kind < 4)
		rc = clear(txn, cells, from, 1 + (unsigned)(crash_draw(rng) % 2));
	else if (kind == 4)
		rc = clear(txn, cells, from, crash_draw(rng) % 4 ? 2 : 3);
	else
		rc = set_some(txn, cells, rng, n, TOY_LEVELS);
	/* Cell 0 changes in each commit, so that no two versions are alike. */
	return rc ? rc : set(txn, cells, 0, crash_draw(rng));
}

static int put_one(void *arg, void *model, uint64_t *rng)
{
	uint64_t *cells = model;
	unsigned i = (unsigned)(crash_draw(rng) % TOY_CELLS);

	while (cells[i])
		i = (i + 1) % TOY_CELLS;
	return set(arg, cells, i, crash_draw(rng));
}

static int del_one(void *arg, void *model, uint64_t *rng)
{
	uint64_t *cells = model;
	unsigned from = (unsigned)(crash_draw(rng) % TOY_CELLS);

	for (unsigned k = 0; k < TOY_CELLS; k++)
		if (cells[(from + k) % TOY_CELLS])
			return set(arg, cells, (from + k) % TOY_CELLS, 0);
	return 1;
}

static uint64_t model_digest(const void *model)
{
	const uint64_t *cells = model;
	uint64_t digest = 0;

	for (unsigned i = 0; i < TOY_CELLS; i++)
		digest += toy_mix(i, cells[i]);
	return digest;
}

/* The process that writes now: of two, one after the other, twice each. The first one reads. */
static struct toydb *current(struct toydb *db)
{
	return db->peer && db->n_begun++ % 4 >= 2 ? db->peer : db;
}

/*
 * The second process is killed in the middle of a transaction: its locks are free, and what it has
 * written is there. The rest of it is taken apart without a word to the first one.
 */
static int peer_dies(struct toydb *db)
{
	struct toydb *peer = db->peer;
	struct txn *txn;
	int rc = txn_begin_write(peer->env, &txn);

	if (rc)
		return rc;
	/* As far as it comes: the disk may be full. */
	for (unsigned i = 0; i < 40 && toy_set(txn, i * TOY_FANOUT % TOY_CELLS, i + 1) == 0; i++)
		;
	(void)file_lock(peer->file, LOCK_NONE, UINT64_C(1) << 61, UINT64_C(1) << 62);
	pthread_mutex_lock(&peer->env->lock);
	peer->env->members = NULL;
	peer->env->has_turn = false;
	if (peer->env->state != ENV_POISONED)
		env_stop_writing(peer->env, -EIO);
	pthread_mutex_unlock(&peer->env->lock);
	txn_abort(txn);
	peer->has_joined = false;
	toydb_close(peer);
	db->peer = NULL;
	error_clear();
	/* After a power cut the first process is dead too. */
	return simdisk_killed(db->disk) ? -EIO : peer_open(db, db->seed);
}

static bool is_settled(const struct toydb *db)
{
	return db->env->state != ENV_POISONED && !db->env->flushing;
}

/*
 * Who reads: of several, the first one and the one that may only read, by turns. An observer may
 * see a commit that is being flushed, or whose flush fails.
 */
static struct toydb *current_reader(struct toydb *db)
{
	bool is_other = db->observer && db->n_read++ % 2;

	return is_other && is_settled(db) && (!db->peer || is_settled(db->peer)) ? db->observer
										 : db;
}

/* In the middle of a flush: what it sees then must not be what it sees afterwards. */
static int observer_looks(struct toydb *db)
{
	struct txn *txn;
	int rc = txn_begin_read(db->env, &txn);

	if (rc == 0)
		txn_abort(txn);
	return rc;
}

static int begin_read(void *arg, void **ret_txn)
{
	struct toydb *db = arg;
	bool has_observer = db->observer && db->env->state != ENV_POISONED;
	struct txn *txn;
	int rc = has_observer ? observer_looks(db->observer) : 0;

	if (rc < 0)
		return rc;
	rc = txn_begin_read(current_reader(arg)->env, &txn);

	if (rc == 0)
		*ret_txn = txn;
	return rc;
}

static int begin_write(void *arg, void **ret_txn)
{
	struct toydb *db = arg;
	struct txn *txn;
	int rc = db->peer && db->n_begun % 16 == 7 ? peer_dies(db) : 0;

	if (rc == 0)
		rc = txn_begin_write(current(db)->env, &txn);
	if (rc == 0)
		*ret_txn = txn;
	return rc;
}

static int digest_txn(void *txn, uint64_t *ret_digest)
{
	return toy_digest(txn, ret_digest);
}

static void abort_txn(void *txn)
{
	txn_abort(txn);
}

static int sync_db(void *arg)
{
	struct toydb *db = arg;
	int rc = sync_one(db);

	return rc == 0 && db->peer ? sync_one(db->peer) : rc;
}

static struct txn_env *env_of(void *arg)
{
	return ((struct toydb *)arg)->env;
}

static struct pager *pager_of(void *arg)
{
	return ((struct toydb *)arg)->pager;
}

static struct txn *txn_of(void *txn)
{
	return txn;
}

const struct session_ops toydb_ops = {
	.model_bytes = (TOY_CELLS + 1) * sizeof(uint64_t),
	.model_digest = model_digest,
	.create = toydb_create,
	.open = toydb_open,
	.close = toydb_close,
	.sync = sync_db,
	.begin_read = begin_read,
	.digest = digest_txn,
	.begin_write = begin_write,
	.change = change,
	.put_one = put_one,
	.del_one = del_one,
	.commit = commit_txn,
	.abort = abort_txn,
	.env = env_of,
	.pager = pager_of,
	.txn = txn_of,
};
