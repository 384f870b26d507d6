/* SPDX-License-Identifier: MIT */
/* The two databases: opening, transactions, and that their files stay equal. */
#include "bufpool/bufpool.h"
#include "tests/differential/run.h"
#include "vmcache/vmcache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_PIECE_BYTES (1u << 20)

static const uint8_t uuid[16] = "differential!";

static struct txn_options thresholds(const struct config *c)
{
	return (struct txn_options){
		.group_pages = 512,
		.meta_pending_max = 8,
		.meta_groups_max = 4,
		.dirty_max_pages = c->dirty_pages,
		.unflushed_max_pages = c->dirty_pages,
		.grow_pages = 16,
		.cut_pages = 64,
	};
}

int sides_open_one(const struct config *c, const char *path, enum verso_pager pager, unsigned flags,
	struct verso **ret_db)
{
	struct txn_options txn = thresholds(c);
	struct db_hooks hooks = {.txn = &txn, .uuid = uuid, .shared = c->guests};
	struct bufpool_options pool = {.writer_pages = txn_writer_pages(&txn)};
	struct vmcache_options vm = {.writer_pages = txn_writer_pages(&txn)};
	struct verso_options o = {
		.size = sizeof(o),
		.pager = pager,
		.flags =
			flags | (c->copy ? VERSO_COPY : 0u) | (c->pin_inner ? VERSO_PIN_INNER : 0u),
		.sync = c->sync,
		.commit_mode = c->one_flush ? VERSO_COMMIT_BEST : VERSO_COMMIT_TWO_FLUSH,
		.map_writing = (enum verso_map_writing)c->writing,
		.page_size = c->page_size,
		.cache_bytes = bufpool_cache_bytes_min(c->page_size, &pool),
	};

	if (pager == VERSO_VMCACHE)
		o.cache_bytes = vmcache_cache_bytes_min(c->page_size, &vm);
	return db_open_with(&hooks, path, &o, ret_db);
}

static bool open_side(struct run *r, struct side *side)
{
	const struct config *c = &r->stream->config;
	int rc;

	side->async_gen = 0; /* those of another handle say nothing to this one */
	side->was_shared |= side->pager == VERSO_MMAP && c->writing == VERSO_MAP_SHARED;
	rc = sides_open_one(c, side->path, side->pager, VERSO_CREATE, &side->db);
	for (unsigned t = 1; rc == 0 && t < N_TABLES; t++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "t%u", t);
		rc = verso_table_keep(side->db, name, &side->kept[t]);
	}
	return rc == 0 || run_fail(r, "open: %s", verso_errmsg(NULL));
}

bool sides_open(struct run *r)
{
	return open_side(r, &r->sides[0]) && open_side(r, &r->sides[1]);
}

/* Of the side that counts evictions; what else there is to count is the same on both. */
static void count_side(struct run *r)
{
	const struct side *side = &r->sides[r->sides[0].pager == VERSO_MMAP];
	struct verso_stat st = {.size = sizeof(st)};
	struct txn_stat t;

	if (!side->db || verso_stat(side->db, &st) < 0)
		return;
	txn_stat(side->db->env, &t);
	run_mark(r, MARK_EVICTIONS, st.n_evictions);
	run_mark(r, MARK_SPILLS, st.n_spilled_pages);
	run_mark(r, MARK_CUTS, t.n_cuts);
}

void sides_close(struct run *r)
{
	count_side(r);
	for (int i = 0; i < 2; i++) {
		if (!r->sides[i].db)
			continue;
		verso_close(r->sides[i].db);
		r->sides[i].db = NULL;
	}
}

bool sides_begin(struct run *r)
{
	if (r->sides[0].txn)
		return true;
	for (int i = 0; i < 2; i++) {
		int rc = verso_begin(r->sides[i].db, VERSO_WRITE, &r->sides[i].txn);

		if (rc != 0)
			return run_fail(r, "side %d: begin: %d, %s", i, rc, verso_errmsg(NULL));
	}
	oracle_begin(&r->oracle);
	return true;
}

bool sides_table(struct run *r, unsigned table)
{
	char name[16];

	if (table == 0)
		return true;
	(void)snprintf(name, sizeof(name), "t%u", table);
	for (int i = 0; i < 2; i++) {
		struct side *side = &r->sides[i];
		int rc = verso_table_open(side->txn, name, VERSO_CREATE, &side->tables[table]);

		if (rc != 0)
			return run_fail(r, "side %d: %s: %d, %s", i, name, rc, verso_errmsg(NULL));
	}
	r->oracle.writer.exists[table] = true;
	return true;
}

static void count_marks(struct run *r, const struct btree *tree)
{
	const struct btree_marks *m = &tree->marks;

	run_mark(r, MARK_SPLITS, m->n_splits);
	run_mark(r, MARK_EDGE_SPLITS, m->n_edge_splits);
	run_mark(r, MARK_MERGES, m->n_merges);
	run_mark(r, MARK_REDISTRIBUTIONS, m->n_redistributions);
	run_mark(r, MARK_LATE_SPLITS, m->n_late_splits);
	run_mark(r, MARK_ROOTS_GROWN, m->n_roots_grown);
	run_mark(r, MARK_ROOTS_SHRUNK, m->n_roots_shrunk);
	run_mark(r, MARK_OVERFLOW_MADE, m->n_overflow_made);
	run_mark(r, MARK_OVERFLOW_FREED, m->n_overflow_freed);
	run_mark(r, MARK_PRUNES, m->n_prunes);
}

static void count_txn(struct run *r, const struct verso_txn *txn, bool commit)
{
	const struct btree *main = &txn->main.tree;

	count_marks(r, main);
	for (const struct verso_table *t = txn->tables; t; t = t->next)
		count_marks(r, &t->tree);
	if (!commit)
		return;
	if (main->root.level >= 3)
		run_mark(r, MARK_HEIGHT_4, 1);
	if (main->root.count == 0 && r->had_records)
		run_mark(r, MARK_EMPTIED, 1);
	r->had_records = main->root.count > 0;
}

/* One that changed nothing has no generation to wait for. */
static int commit_async(struct side *side)
{
	uint64_t gen;
	int rc = verso_commit_async(side->txn, &gen);

	if (rc == 0 && gen > 0)
		side->async_gen = gen;
	return rc;
}

bool sides_end(struct run *r, bool commit)
{
	if (!r->sides[0].txn)
		return true;
	cursors_forget(r);
	count_txn(r, r->sides[0].txn, commit);
	for (int i = 0; i < 2; i++) {
		struct side *side = &r->sides[i];
		int rc = 0;

		if (commit && r->stream->config.async)
			rc = commit_async(side);
		else if (commit)
			rc = verso_commit(side->txn);
		else
			verso_abort(side->txn);
		side->txn = NULL;
		memset(side->tables, 0, sizeof(side->tables));
		if (rc != 0)
			return run_fail(r, "side %d: commit: %d, %s", i, rc, verso_errmsg(NULL));
	}
	oracle_end(&r->oracle, commit);
	return true;
}

bool sides_wait(struct run *r)
{
	for (int i = 0; r->stream->config.async && i < 2; i++) {
		int rc = verso_wait(r->sides[i].db, r->sides[i].async_gen);

		if (rc != 0)
			return run_fail(r, "side %d: wait: %d, %s", i, rc, verso_errmsg(NULL));
	}
	return true;
}

/*
 * Where a map's writing is `shared`, a page that was made and never committed is in the file, but
 * not sealed, until its place is used again. The other file has what was there before.
 */
static bool may_differ(struct run *r, const uint8_t *a, const uint8_t *b)
{
	const uint8_t *pages[2] = {a, b};
	bool differ = false;

	for (int i = 0; i < 2; i++)
		differ |= r->sides[i].was_shared && !page_is_sealed((const struct page *)pages[i]);
	run_mark(r, MARK_UNSEALED, differ);
	return differ;
}

static bool compare_piece(struct run *r, const uint8_t *a, const uint8_t *b, size_t len, off_t at)
{
	uint32_t page_size = r->stream->config.page_size;

	for (size_t i = 0; i < len; i += page_size) {
		size_t k = 0;

		if (memcmp(a + i, b + i, page_size) == 0 || may_differ(r, a + i, b + i))
			continue;
		while (a[i + k] == b[i + k])
			k++;
		at += (off_t)(i + k);
		return run_fail(r, "the files differ, first at byte %lld (page %lld)",
			(long long)at, (long long)at / page_size);
	}
	return true;
}

static bool compare_pieces(struct run *r, const int *fds, off_t size)
{
	uint8_t *a = malloc(2 * IMAGE_PIECE_BYTES), *b = a + IMAGE_PIECE_BYTES;
	bool equal = a != NULL;

	for (off_t at = 0; equal && at < size; at += IMAGE_PIECE_BYTES) {
		ssize_t n = pread(fds[0], a, IMAGE_PIECE_BYTES, at);

		if (n <= 0 || pread(fds[1], b, IMAGE_PIECE_BYTES, at) != n)
			equal = run_fail(r, "the files cannot be read");
		else
			equal = compare_piece(r, a, b, (size_t)n, at);
	}
	free(a);
	return equal;
}

/*
 * Whole files: stricter than the image, since pages that nobody reaches must be equal too, but for
 * those that were never sealed. Of streams that are exact.
 */
bool sides_compare_images(struct run *r)
{
	int fds[2] = {-1, -1};
	off_t sizes[2] = {0, 0};
	bool equal;

	if (!config_is_exact(&r->stream->config))
		return true;
	for (int i = 0; i < 2; i++) {
		struct stat st;

		if (r->stream->config.sync == VERSO_SYNC_RELAXED && verso_sync(r->sides[i].db) < 0)
			return run_fail(r, "side %d: sync: %s", i, verso_errmsg(NULL));
		fds[i] = open(r->sides[i].path, O_RDONLY | O_CLOEXEC);
		if (fds[i] >= 0 && fstat(fds[i], &st) == 0)
			sizes[i] = st.st_size;
	}
	if (sizes[0] != sizes[1])
		equal = run_fail(r, "the files have %lld and %lld bytes", (long long)sizes[0],
			(long long)sizes[1]);
	else
		equal = compare_pieces(r, fds, sizes[0]);
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
	run_mark(r, MARK_IMAGES, 1);
	return equal;
}

static int tell(void *arg, uint32_t pgno, const char *text)
{
	(void)run_fail(arg, "check: page %u: %s", (unsigned)pgno, text);
	return 1;
}

bool sides_check(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		int rc = verso_check(r->sides[i].db, 0, tell, r);

		if (rc != 0)
			return r->failure[0] ? false
					     : run_fail(r, "side %d: check: %d, %s", i, rc,
						       verso_errmsg(NULL));
	}
	run_mark(r, MARK_CHECKS, 1);
	return true;
}
