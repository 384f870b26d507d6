/* SPDX-License-Identifier: MIT */
#include "tests/crash/toydb.h"

#include "base/error.h"
#include "bufpool/bufpool.h"
#include "io/file.h"
#include "mmap/mmap.h"
#include "tests/refpager/refpager.h"
#include "txn/meta.h"

#include <errno.h>
#include <stdlib.h>

const struct toydb_config toydb_configs[TOYDB_CONFIGS] = {
	{"ref-two-full", REFERENCE, TXN_TWO_FLUSH, TXN_FULL, false},
	{"ref-one-full", REFERENCE, TXN_ONE_FLUSH, TXN_FULL, false},
	{"ref-two-relaxed", REFERENCE, TXN_TWO_FLUSH, TXN_RELAXED, false},
	{"ref-one-relaxed", REFERENCE, TXN_ONE_FLUSH, TXN_RELAXED, false},
	{"mmap-two-full", MMAP, TXN_TWO_FLUSH, TXN_FULL, false},
	{"mmap-one-full", MMAP, TXN_ONE_FLUSH, TXN_FULL, false},
	{"mmap-two-relaxed", MMAP, TXN_TWO_FLUSH, TXN_RELAXED, false},
	{"mmap-one-relaxed", MMAP, TXN_ONE_FLUSH, TXN_RELAXED, false},
	{"pool-two-full", BUFPOOL, TXN_TWO_FLUSH, TXN_FULL, false},
	{"pool-one-full", BUFPOOL, TXN_ONE_FLUSH, TXN_FULL, false},
	{"pool-two-relaxed", BUFPOOL, TXN_TWO_FLUSH, TXN_RELAXED, false},
	{"pool-one-relaxed", BUFPOOL, TXN_ONE_FLUSH, TXN_RELAXED, false},
	{"ref-buffered", REFERENCE, TXN_TWO_FLUSH, TXN_FULL, true},
};

struct crash_mark toydb_marks[MARKS] = {
	[MARK_SPILLED] = {"pages spilled", 1000, 0},
	[MARK_RECOPIED] = {"spilled pages copied again", 200, 0},
	[MARK_CHUNKS] = {"pending chunks written", 200, 0},
	[MARK_BITMAPS] = {"bitmaps written (flips)", 1000, 0},
	[MARK_CUTS] = {"files cut", 100, 0},
	[MARK_BATCH] = {"sessions with a batch of >= 3 commits", 20, 0},
	[MARK_DEAD] = {"pages that died within a batch", 50, 0},
	[MARK_TAKE_OVER] = {"take-overs from a dead writer", 30, 0},
	[MARK_POISONED] = {"sessions poisoned by a flush", 10, 0},
	[MARK_WRITE_FAILED] = {"sessions with a failed write or growth", 10, 0},
	[MARK_REUSED] = {"pages reused below a long reader", 20, 0},
	[MARK_READERS] = {"snapshots compared at their end", 100, 0},
	[MARK_REGIONS] = {"sessions with an index of regions", 10, 0},
	[MARK_OPEN_STAMPED] = {"opened: newest is known as flushed", 1000, 0},
	[MARK_OPEN_TWO] = {"opened: newest took two flushes", 1000, 0},
	[MARK_OPEN_WALKED] = {"opened: newest batch verified", 1000, 0},
	[MARK_OPEN_ROLLED] = {"opened: rolled back", 1000, 0},
	[MARK_OPEN_SHORT] = {"opened: file too short for the newest", 100, 0},
	[MARK_OPEN_TORN] = {"opened: one meta torn", 1000, 0},
	[MARK_OPEN_NONE] = {"opened: no database yet", 10, 0},
};

/* --- opening and closing -------------------------------------------------------------------- */

uint32_t toydb_page_size(uint64_t seed)
{
	return seed % 4 == 3 ? 1024 : 512;
}

static struct txn_options options_of(const struct toydb_config *c, uint64_t seed)
{
	return (struct txn_options){
		.mode = c->mode,
		.sync = c->sync,
		.region_pages = 256,
		.meta_pending_max = 4,
		.meta_regions_max = seed % 2 ? 1 : 2,
		.dirty_max_pages = seed % 3 ? 8 : 16,
		/* Under TXN_FULL nobody waits for room: helpers must join while others flush. */
		.unflushed_max_pages = c->sync == TXN_FULL ? 200 : 40,
		.one_flush_max_pages = 48,
		.grow_pages = 8,
		.cut_pages = 16,
	};
}

void toydb_close(void *arg)
{
	struct toydb *db = arg;

	txn_env_close(db->env);
	pager_close(db->pager);
	file_close(db->file);
	file_close(db->lock_file);
	free(db->born);
	free(db);
}

/* Which way opening will go, by the metas as they are. */
static void mark_slots(const struct toydb *db, const struct txn_probe *probe)
{
	static struct meta m[2];
	bool valid[2];
	uint64_t size;
	const uint8_t *bytes = simdisk_bytes(db->disk, "db", &size);
	unsigned newest;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t pages = META_BYTES < probe->page_size ? 1 : META_BYTES / probe->page_size;
		uint64_t off = i * pages * probe->page_size;

		valid[i] = off + META_BYTES <= size &&
			   meta_decode(bytes + off, (pgno_t)(i * pages), &m[i]) == 0;
	}
	error_clear();
	if (!valid[0] || !valid[1])
		toydb_marks[MARK_OPEN_TORN].n++;
	newest = !valid[0] || (valid[1] && m[1].gen > m[0].gen);
	if (valid[newest] && m[newest].n_pages > probe->file_pages)
		toydb_marks[MARK_OPEN_SHORT].n++;
	if (valid[newest] && m[newest].durable_gen >= m[newest].gen)
		toydb_marks[MARK_OPEN_STAMPED].n++;
	else if (valid[newest] && m[newest].mode == TXN_TWO_FLUSH)
		toydb_marks[MARK_OPEN_TWO].n++;
}

static int open_pager(struct toydb *db, const struct txn_probe *probe, uint32_t writer_pages,
	uint64_t seed)
{
	struct mmap_options mo = {.writer_pages = writer_pages};
	int rc;

	if (db->config->pager == BUFPOOL) {
		struct bufpool_options bo = {
			.writer_pages = writer_pages,
			.policy = seed % 2 ? BUFPOOL_SIEVE : BUFPOOL_CLOCK,
			.flags = BUFPOOL_SMALL_PAGES,
		};

		bo.cache_bytes = bufpool_cache_bytes_min(probe->page_size, &bo);
		return bufpool_open(simdisk_io(db->disk), db->file, probe->page_size, probe->seed,
			&bo, &db->pager);
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

/* 0, 1: there is no database, < 0. db is the caller's to close whatever is answered. */
static int toydb_open_at(struct toydb *db, uint64_t seed)
{
	struct txn_options o = options_of(db->config, seed);
	struct io *io = simdisk_io(db->disk);
	struct txn_probe probe;
	struct txn_stat stat;
	int rc = io_open(io, "db-lock", FILE_CREATE, 0600, &db->lock_file);

	if (rc == 0)
		rc = txn_lock(db->lock_file);
	if (rc == 0)
		rc = io_open(io, "db", db->config->pager == BUFPOOL ? FILE_DIRECT : 0, 0600,
			&db->file);
	if (rc == -ENOENT)
		return 1;
	if (rc == 0)
		rc = txn_probe(db->file, &probe);
	if (rc)
		return rc;
	mark_slots(db, &probe);
	rc = open_pager(db, &probe, txn_writer_pages(&o), seed);
	if (rc)
		return rc;
	rc = txn_env_open(db->pager, db->lock_file, &probe, &toy_schema, &o, &db->env);
	if (rc)
		return rc;
	txn_stat(db->env, &stat);
	toydb_marks[MARK_OPEN_WALKED].n += stat.walked;
	toydb_marks[MARK_OPEN_ROLLED].n += stat.rolled_back;
	return 0;
}

int toydb_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db)
{
	struct toydb *db = calloc(1, sizeof(*db));
	int rc;

	ASSERT(db);
	db->config = &toydb_configs[config];
	db->disk = d;
	rc = toydb_open_at(db, seed);
	if (rc == 0) {
		*ret_db = db;
		return 0;
	}
	toydb_marks[MARK_OPEN_NONE].n += rc == 1;
	toydb_close(db);
	return rc;
}

/* Makes an empty database under another name first: a crash leaves none, or a whole one. */
int toydb_create(const struct toydb_config *c, uint64_t seed, struct simdisk *d)
{
	struct txn_options o = options_of(c, seed);
	struct io *io = simdisk_io(d);
	uint8_t uuid[16];
	struct file *f;
	int rc = io_random(io, uuid, sizeof(uuid));

	if (rc == 0)
		rc = io_open(io, "db.new", FILE_CREATE | FILE_EXCL, 0600, &f);
	if (rc)
		return rc;
	rc = txn_format(f, toydb_page_size(seed), uuid, &o);
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

int toydb_commit(void *arg, uint64_t *rng, struct crash_history *h)
{
	struct toydb *db = arg;
	struct txn *txn;
	uint64_t digest;
	unsigned version = 0;
	int rc = txn_begin_write(db->env, &txn);

	if (rc)
		return rc;
	rc = further_changes(db, txn, rng, &digest);
	if (rc) {
		txn_abort(txn);
		return rc;
	}
	if (h)
		version = crash_begin(h, digest);
	rc = txn_commit(txn);
	if (rc)
		return rc;
	db->digest = digest;
	if (db->config->sync == TXN_RELAXED) {
		if (crash_draw(rng) % 2)
			return 0;
		rc = txn_sync(db->env);
	}
	if (rc == 0 && h)
		crash_ack(h, version);
	return rc;
}

void toydb_count(const struct toydb *db)
{
	struct txn_stat s;

	txn_stat(db->env, &s);
	toydb_marks[MARK_SPILLED].n += s.n_spilled_pages;
	toydb_marks[MARK_RECOPIED].n += s.n_recopied_pages;
	toydb_marks[MARK_CHUNKS].n += s.n_chunks_written;
	toydb_marks[MARK_BITMAPS].n += s.n_bitmaps_written;
	toydb_marks[MARK_CUTS].n += s.n_cuts;
	toydb_marks[MARK_BATCH].n += s.n_batch_max >= 3;
	toydb_marks[MARK_DEAD].n += s.n_rejoined_dead_pages;
	toydb_marks[MARK_POISONED].n += s.poisoned;
	toydb_marks[MARK_REGIONS].n += s.n_pages > 256;
}
