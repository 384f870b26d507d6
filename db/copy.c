/* SPDX-License-Identifier: MIT */
/*
 * A copy of what one reader sees (include/verso_copy.h).
 *
 * Plain: a sweep of the snapshot (txn/sweep.h) brings each page once; it is sealed anew, for the
 * copy has a uuid of its own, and goes to the same place. Then it is known which pages are in use,
 * and the bitmaps and metas follow. Compact: each tree's records go through btree/bulk.h, in order.
 *
 * A stream takes bytes in the order of the file, metas and bitmaps first. So what they say is found
 * out before: by a sweep or a building whose pages are only counted. A snapshot does not change, so
 * the second time gives what was counted.
 */
#include "btree/bulk.h"
#include "db/copy_target.h"
#include "space/image.h"
#include "txn/copy.h"
#include "txn/sweep.h"

#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STEP_RECORDS 512U       /* between two looks at how far it is, */
#define STEP_BYTES   (1U << 20) /* or so many of values */

struct copy {
	struct verso *db;
	struct verso_txn *txn;
	struct checker *checker; /* of its callback */
	verso_copy_fn *each;
	void *arg;
	uint64_t done_bytes, total_bytes;
	struct copy_target target;
	struct txn_copy to; /* what the metas say */
	uint64_t seed;      /* of the copy's checksums */
	struct space_image space;
	bool has_space;
	pgno_t at;         /* of a stream: the page that comes next */
	struct page *page; /* one that is made here */
	uint8_t *slot;     /* a meta slot */
};

/* Asks the callback whether to go on. Nothing is pinned. */
static int look(struct copy *c)
{
	if (!c->each ||
		checker_step(c->checker, c->each, c->arg, c->done_bytes, c->total_bytes) == 0)
		return 0;
	return error_set(-ECANCELED, "%s: the copy was ended by its caller", c->db->path);
}

/* --- pages that a copy makes itself -------------------------------------------------------- */

/* The page at pgno if it is of a meta or of the free space: 1. 0: another. */
static int make_own_page(struct copy *c, pgno_t pgno)
{
	const struct layout *l = txn_layout(c->db->env);
	unsigned slot = pgno / l->slot_pages;
	int rc;

	if (slot >= 2)
		return space_image_page(&c->space, pgno, c->page);
	rc = txn_copy_meta(&c->to, slot, c->slot);
	if (rc < 0)
		return rc;
	memcpy(c->page, c->slot + (size_t)(pgno % l->slot_pages) * l->page_size, l->page_size);
	return 1;
}

/* Of a file: those pages, which come last. */
static int put_own_pages(struct copy *c)
{
	const struct layout *l = txn_layout(c->db->env);
	int rc = 0;

	for (uint32_t r = 0; rc == 0 && r < c->space.n_groups; r++) {
		pgno_t pgno = r ? layout_bitmap(l, r) : 0;

		for (; rc == 0 && pgno < layout_first_page(l, r); pgno++) {
			rc = make_own_page(c, pgno);
			if (rc > 0)
				rc = copy_target_put(&c->target, pgno, c->page);
		}
	}
	return rc;
}

/* Of a stream: all that comes before pgno and is in no tree. */
static int put_up_to(struct copy *c, pgno_t pgno)
{
	uint32_t page_size = c->db->pager->page_size;
	int rc = 0;

	for (; rc >= 0 && c->at < pgno; c->at++) {
		rc = make_own_page(c, c->at);
		if (rc == 0)
			memset(c->page, 0, page_size);
		if (rc >= 0)
			rc = copy_target_put(&c->target, c->at, c->page);
	}
	return rc < 0 ? rc : 0;
}

/* A page of a tree. */
static int put(void *arg, pgno_t pgno, const struct page *page)
{
	struct copy *c = arg;
	int rc = 0;

	if (copy_target_is_stream(&c->target)) {
		rc = put_up_to(c, pgno);
		c->at = pgno + 1;
	}
	c->done_bytes += c->db->pager->page_size;
	return rc < 0 ? rc : copy_target_put(&c->target, pgno, page);
}

/* What the metas say is known: of n_pages those in `used` (NULL: all), up to used_end. */
static int describe(struct copy *c, pgno_t n_pages, const uint8_t *used, pgno_t used_end)
{
	int rc = space_image_init(&c->space, txn_layout(c->db->env), n_pages, used, used_end,
		c->to.gen, c->seed);

	c->has_space = rc == 0;
	return rc;
}

/* How long a file is of which no tree has a page from `end` on. */
static pgno_t pages_for(const struct copy *c, pgno_t end)
{
	const struct layout *l = txn_layout(c->db->env);
	pgno_t least = layout_first_page(l, 0);

	return layout_end_for(l, end > least ? end : least);
}

/* All pages of the trees are put. */
static int finish(struct copy *c)
{
	int rc = copy_target_is_stream(&c->target) ? put_up_to(c, c->space.n_pages)
						   : put_own_pages(c);

	if (rc == 0)
		rc = look(c);
	return rc < 0 ? rc : copy_target_finish(&c->target, c->space.n_pages);
}

/* --- plain --------------------------------------------------------------------------------- */

/*
 * The pages between two runs, so that a file is written in few large pieces: those of another level
 * as they are, which is what that level has written or will write, and zeros for what no tree has.
 */
static int put_between(struct copy *c, const struct txn_sweep *s, const struct sweep_run *run)
{
	uint32_t page_size = c->db->pager->page_size;
	int rc = 0;

	for (uint32_t i = run->n_between; rc == 0 && i > 0; i--) {
		struct page *page = (struct page *)(run->pages - (size_t)i * page_size);
		pgno_t pgno = run->pgno - i;

		if (sweep_has(s->seen, pgno)) {
			rc = page_verify(page, page_size,
				(struct page_ref){pgno, page_ref(page).gen}, c->db->pager->seed);
			if (rc < 0)
				break;
			page_seal_anew(page, page_size, c->seed);
		} else {
			memset(page, 0, page_size);
		}
		rc = copy_target_put(&c->target, pgno, page);
	}
	return rc;
}

/* The sweep; pages go to a file at once. */
static int sweep(struct copy *c, struct txn_sweep *s)
{
	uint32_t page_size = c->db->pager->page_size;
	struct sweep_run run;
	int rc;

	while ((rc = txn_sweep_next(s, &run)) == 0) {
		if (!copy_target_is_stream(&c->target))
			rc = put_between(c, s, &run);
		for (uint32_t i = 0; rc == 0 && i < run.n_pages; i++) {
			struct page *page = (struct page *)(run.pages + (size_t)i * page_size);

			if (copy_target_is_stream(&c->target)) {
				c->done_bytes += page_size;
				continue;
			}
			page_seal_anew(page, page_size, c->seed);
			rc = put(c, run.pgno + i, page);
		}
		if (rc == 0)
			rc = look(c);
		if (rc < 0)
			return rc;
	}
	return rc == SWEEP_END ? 0 : rc;
}

/* Of a stream: the pages that the sweep has seen, once more, in the order of the file. */
static int put_swept(struct copy *c, struct txn_sweep *s)
{
	struct pager *pager = c->db->pager;
	uint8_t *pages = s->reads[0].pages;
	pgno_t n = c->space.n_pages < s->n_pages ? c->space.n_pages : s->n_pages;
	int rc = 0;

	for (pgno_t from = 0; rc == 0 && from < n; from += s->pages_max) {
		pgno_t to = n - from < s->pages_max ? n : from + s->pages_max;

		rc = pager_read_device(pager, from, to - from, pages);
		for (pgno_t pgno = from; rc == 0 && pgno < to; pgno++) {
			struct page *page =
				(struct page *)(pages + (size_t)(pgno - from) * pager->page_size);

			if (!sweep_has(s->seen, pgno))
				continue;
			rc = page_verify(page, pager->page_size,
				(struct page_ref){pgno, page_ref(page).gen}, pager->seed);
			if (rc < 0)
				break;
			page_seal_anew(page, pager->page_size, c->seed);
			rc = put(c, pgno, page);
		}
		if (rc == 0)
			rc = look(c);
	}
	return rc;
}

static int copy_plain(struct copy *c)
{
	struct txn_sweep s;
	pgno_t n_pages;
	int rc = txn_sweep_init(&s, c->txn->txn);

	if (rc < 0)
		return rc;
	c->to.gen = c->txn->txn->gen;
	memcpy(c->to.roots, c->txn->txn->roots, sizeof(c->to.roots));
	rc = sweep(c, &s);
	if (rc == 0) {
		pgno_t last = txn_sweep_last(&s);

		n_pages = pages_for(c, last) < s.n_pages ? pages_for(c, last) : s.n_pages;
		rc = describe(c, n_pages, s.seen, last);
	}
	if (rc == 0 && copy_target_is_stream(&c->target))
		rc = put_swept(c, &s);
	if (rc == 0)
		rc = finish(c);
	if (c->has_space)
		space_image_fini(&c->space);
	c->has_space = false;
	txn_sweep_fini(&s);
	return rc;
}

/* --- compact ------------------------------------------------------------------------------- */

/* Some records of a tree. VERSO_NOTFOUND: there are no more. */
static int add_some(struct bulk *b, struct btree *tree, struct btree_cursor *cursor)
{
	uint64_t n_bytes = 0;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < STEP_RECORDS && n_bytes < STEP_BYTES; i++) {
		struct btree_slice key;
		struct btree_item item;

		rc = btree_cursor_next(cursor, &key, &item);
		if (rc == 0) {
			n_bytes += item.val.len;
			rc = bulk_add(b, tree, key, &item);
		}
	}
	btree_cursors_unpin(tree);
	return rc;
}

static int add_step(struct verso_txn *txn, struct bulk *b, struct btree *tree,
	struct btree_cursor *cursor)
{
	struct fault_guard fault;
	int rc;

	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = add_some(b, tree, cursor);
	call_leave(txn, &fault);
	return rc;
}

/* How far a building is of which `end` pages are counted: it may be longer than what is copied. */
static uint64_t counted_bytes(const struct copy *c, pgno_t end)
{
	pgno_t n_pages = c->txn->txn->n_pages;

	return (uint64_t)(end < n_pages ? end : n_pages) * c->db->pager->page_size;
}

/*
 * Copies a tree, which is one of the transaction's, so that a fault of the mapping ends its pins;
 * *ret_root describes the copy.
 */
static int compact_tree(struct copy *c, struct bulk_out *out, struct btree *tree,
	struct txn_root *ret_root)
{
	struct btree_cursor *cursor = NULL;
	struct bulk *b = NULL;
	int rc = bulk_open(out, &tree->root, &b);

	if (rc == 0)
		rc = btree_cursor_open(tree, &cursor);
	while (rc == 0) {
		rc = add_step(c->txn, b, tree, cursor);
		if (!out->put)
			c->done_bytes = counted_bytes(c, out->next);
		if (rc == 0)
			rc = look(c);
	}
	if (rc == VERSO_NOTFOUND)
		rc = bulk_end(b, ret_root);
	if (rc == 0 && ret_root->count != tree->root.count)
		rc = error_set(VERSO_ECORRUPT,
			"tree %u: expected %llu records, found %llu. The file is damaged: restore "
			"it from a copy",
			tree->root.tree, (unsigned long long)tree->root.count,
			(unsigned long long)ret_root->count);
	if (cursor)
		close_tree_cursor(c->txn, cursor);
	bulk_close(b);
	return rc;
}

static int compact_named(struct copy *c, struct bulk_out *out, struct bulk *catalogue,
	const struct table_record *named)
{
	uint8_t bytes[CATALOGUE_RECORD_BYTES];
	struct verso_table *table;
	struct txn_root root;
	int rc;

	if (!named->makes_sense || named->name_len > TABLE_NAME_MAX)
		return error_set(VERSO_ECORRUPT,
			"table %s: expected its description, found other bytes. The file is "
			"damaged: restore it from a copy",
			named->name);
	rc = verso_table_open(c->txn, named->name, 0, &table);
	if (rc == 0) {
		rc = compact_tree(c, out, &table->tree, &root);
		tables_forget(c->txn, table);
	}
	if (rc == 0)
		rc = look(c);
	if (rc != 0)
		return rc < 0 ? rc : VERSO_ECORRUPT; /* the name has a zero in it */
	catalogue_encode(bytes, &root);
	return bulk_add_short(catalogue, (struct btree_slice){named->name, named->name_len},
		(struct btree_slice){bytes, sizeof(bytes)});
}

/* All named tables, then what describes them. */
static int compact_tables(struct copy *c, struct bulk_out *out)
{
	struct verso_txn *txn = c->txn;
	struct btree_cursor *cursor = NULL;
	struct table_record named;
	struct bulk *catalogue = NULL;
	int rc = bulk_open(out, &txn->txn->roots[1], &catalogue);

	if (rc == 0)
		rc = btree_cursor_open(&txn->catalogue.tree, &cursor);
	while (rc == 0) {
		rc = tables_next(txn, cursor, &named);
		if (rc == 0)
			rc = compact_named(c, out, catalogue, &named);
	}
	if (rc == VERSO_NOTFOUND)
		rc = bulk_end(catalogue, &c->to.roots[1]);
	if (cursor)
		close_tree_cursor(txn, cursor);
	bulk_close(catalogue);
	return rc;
}

/* Builds all trees; does_put: else their pages are only counted. *ret_end: behind the last. */
static int compact_trees(struct copy *c, bool does_put, pgno_t *ret_end)
{
	struct bulk_out out = {.layout = txn_layout(c->db->env),
		.seed = c->seed,
		.gen = c->to.gen,
		.put = does_put ? put : NULL,
		.arg = c};
	int rc = compact_tree(c, &out, &c->txn->main.tree, &c->to.roots[0]);

	if (rc == 0)
		rc = compact_tables(c, &out);
	if (rc == 0)
		*ret_end = out.next;
	return rc;
}

/* A pager that verifies nothing would hand on damage, under a good checksum then. */
static int verify_first(struct copy *c)
{
	struct sweep_run run;
	struct txn_sweep s;
	int rc;

	if (c->db->options.checksum != VERSO_CHECKSUM_NONE)
		return 0;
	rc = txn_sweep_init(&s, c->txn->txn);
	while (rc == 0)
		rc = txn_sweep_next(&s, &run);
	txn_sweep_fini(&s);
	return rc == SWEEP_END ? 0 : rc;
}

static int copy_compact(struct copy *c)
{
	pgno_t end;
	int rc = verify_first(c);

	if (rc < 0)
		return rc;
	c->to.gen = txn_first_gen();
	rc = compact_trees(c, !copy_target_is_stream(&c->target), &end);
	if (rc == 0)
		rc = describe(c, pages_for(c, end), NULL, end);
	if (rc == 0 && copy_target_is_stream(&c->target))
		rc = compact_trees(c, true, &end);
	if (rc == 0)
		rc = finish(c);
	if (c->has_space)
		space_image_fini(&c->space);
	c->has_space = false;
	return rc;
}

/* --- the calls ----------------------------------------------------------------------------- */

static int copy_init(struct copy *c)
{
	const struct layout *l = txn_layout(c->db->env);
	int rc = io_random(c->db->io, c->to.uuid, sizeof(c->to.uuid));

	if (rc < 0)
		return rc;
	c->to.env = c->db->env;
	c->to.space = &c->space;
	c->seed = page_seed(c->to.uuid);
	c->page = page_buffers_alloc(l->page_size, 1);
	c->slot = aligned_alloc(4096, (size_t)l->slot_pages * l->page_size);
	return c->page && c->slot ? 0 : -ENOMEM;
}

/* The target is open, or the code says why it is not. */
static int copy_all(struct copy *c, unsigned flags, int rc)
{
	if (rc == 0)
		rc = copy_init(c);
	if (rc == 0)
		rc = verso_begin(c->db, VERSO_READ, &c->txn);
	if (rc == 0) {
		c->total_bytes = (uint64_t)c->txn->txn->n_pages * c->db->pager->page_size;
		if (copy_target_is_stream(&c->target))
			c->total_bytes *= 2;
		rc = flags & VERSO_COPY_COMPACT ? copy_compact(c) : copy_plain(c);
	}
	if (c->txn)
		verso_abort(c->txn); /* the text of an error stays */
	copy_target_close(&c->target);
	free(c->page);
	free(c->slot);
	return rc;
}

static int begin(struct copy *c, struct verso *db, unsigned flags, unsigned allowed)
{
	int rc = boundary_db(db);

	if (rc < 0)
		return rc;
	if (flags & ~allowed)
		return misuse("verso_copy: an unknown flag");
	if (check_runs_here(db))
		return misuse("verso_copy: called by the callback of a check or a copy of this "
			      "database");
	c->db = db;
	checker_init(c->checker, db, NULL, NULL);
	return 0;
}

/* A close that the callback asked for comes now. */
static int end(struct copy *c, int rc)
{
	if (!c->checker->closed)
		return rc;
	verso_close(c->db);
	return misuse("verso_copy: the callback has closed the database");
}

struct path_taking {
	const char *from;
	char path[PATH_MAX];
};

static int take_path(void *arg)
{
	struct path_taking *p = arg;
	size_t len = p->from ? strnlen(p->from, sizeof(p->path)) : 0;

	if (len == 0)
		return misuse("verso_copy: no path");
	if (len == sizeof(p->path))
		return -ENAMETOOLONG;
	memcpy(p->path, p->from, len + 1);
	return 0;
}

int verso_copy(struct verso *db, const char *path, unsigned flags, verso_copy_fn *each, void *arg)
{
	THREAD_KEPT;
	struct copy c = {.checker = alloca(sizeof(*c.checker)), .each = each, .arg = arg};
	struct path_taking taken = {.from = path};
	int rc = begin(&c, db, flags, VERSO_COPY_COMPACT | VERSO_COPY_REPLACE);

	/* It may lie in a result, which the callback may end. */
	if (rc == 0)
		rc = boundary_read(db, take_path, &taken);
	if (rc < 0)
		return call_result(rc);
	rc = copy_target_open(&c.target, db, taken.path, flags & VERSO_COPY_REPLACE);
	return call_result(end(&c, copy_all(&c, flags, rc)));
}

int verso_copy_to(struct verso *db, int fd, unsigned flags, verso_copy_fn *each, void *arg)
{
	THREAD_KEPT;
	struct copy c = {.checker = alloca(sizeof(*c.checker)), .each = each, .arg = arg};
	int rc = begin(&c, db, flags, VERSO_COPY_COMPACT);

	if (rc < 0)
		return rc;
	if (fd < 0)
		return misuse("verso_copy_to: no descriptor");
	rc = copy_target_open_fd(&c.target, db, fd);
	return call_result(end(&c, copy_all(&c, flags, rc)));
}
