/* SPDX-License-Identifier: MIT */
/* Walking the pages of a generation on the device. */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

#define WALK_DEPTH_MAX 64

struct walk {
	struct txn_env *env;
	const struct meta *meta;
	gen_t newer_than;
	walk_page_fn *visit;
	void *arg;
	uint32_t page_size;
	struct page *bufs[WALK_DEPTH_MAX]; /* one a level of the walk, made when needed */
	unsigned depth;
	uint32_t n_visited;
};

static int read_verified(struct walk *w, struct page_ref ref, struct page *buf)
{
	int rc;

	ASSERT(ref.gen > w->newer_than); /* T7: what is not newer was durable before; not read */
	if (ref.pgno >= w->meta->space.n_pages)
		return error_set(VERSO_ECORRUPT, "page %u: beyond the end of the file", ref.pgno);
	if (w->n_visited++ > w->meta->space.n_pages)
		return error_set(VERSO_ECORRUPT, "page %u: pages refer to each other in a circle",
			ref.pgno);
	rc = pager_read_device(w->env->pager, ref.pgno, 1, buf);
	if (rc == 0)
		rc = page_verify(buf, w->page_size, ref, w->env->pager->seed);
	/* T7: it proves only what the parent means, not what lies there. */
	ASSERT(rc || page_is(buf, ref));
	if (rc == 0 && w->visit)
		w->visit(w->arg, buf);
	return rc;
}

static int walk_buf(struct walk *w, struct page **ret_buf)
{
	struct page **buf = &w->bufs[w->depth];

	if (w->depth + 1 >= WALK_DEPTH_MAX)
		return error_set(VERSO_ECORRUPT, "a tree is deeper than any can be");
	if (!*buf)
		*buf = page_buffers_alloc(w->page_size, 1);
	*ret_buf = *buf;
	return *buf ? 0 : -ENOMEM;
}

static int walk_tree(void *arg, struct page_ref ref, unsigned level)
{
	struct walk *w = arg;
	struct page *buf = NULL;
	int rc;

	/* T14: below a parent that is not newer, nothing is; by what the parent says (T7). */
	if (ref.gen <= w->newer_than)
		return 0;
	rc = walk_buf(w, &buf);
	if (rc == 0)
		rc = read_verified(w, ref, buf);
	if (rc == 0 && buf->level != level)
		rc = error_set(VERSO_ECORRUPT, "page %u: expected level %u, found %u", ref.pgno,
			level, buf->level);
	if (rc)
		return rc;
	w->depth++;
	rc = w->env->schema->each_ref(buf, w->page_size, walk_tree, w);
	w->depth--;
	return rc;
}

/* A page that refers to no other. */
static int walk_leaf(struct walk *w, pgno_t pgno, gen_t gen, struct page **ret_buf)
{
	int rc = walk_buf(w, ret_buf);

	return rc ? rc : read_verified(w, (struct page_ref){pgno, gen}, *ret_buf);
}

static int walk_groups(struct walk *w, const struct layout *l)
{
	const struct meta *m = w->meta;
	bool has_index = m->space.n_groups > m->space.groups_max;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->space.n_group_entries; i++) {
		pgno_t pgno = has_index ? layout_index(l, i) : layout_bitmap(l, i);
		struct page *buf = NULL;

		if (m->space.groups[i].gen <= w->newer_than)
			continue;
		rc = walk_leaf(w, pgno + m->space.groups[i].copy, m->space.groups[i].gen, &buf);
		if (!has_index)
			continue;
		w->depth++;
		for (uint32_t j = 0; rc == 0 && j < l->index_entries; j++) {
			uint32_t r = i * l->index_entries + j;
			struct group_entry entry;
			struct page *bitmap = NULL;

			group_entry_decode(buf->payload + j * GROUP_ENTRY_BYTES, &entry);
			if (r < m->space.n_groups && entry.gen > w->newer_than)
				rc = walk_leaf(w, layout_bitmap(l, r) + (entry.copy & 1), entry.gen,
					&bitmap);
		}
		w->depth--;
	}
	return rc;
}

static int walk_list_pages(struct walk *w)
{
	struct page_ref ref = w->meta->space.list_page;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < w->meta->space.n_list_pages; i++) {
		struct page *buf = NULL;

		if (ref.gen <= w->newer_than)
			break;
		rc = walk_leaf(w, ref.pgno, ref.gen, &buf);
		if (rc == 0)
			ref = page_ref_get(buf->payload);
	}
	return rc;
}

int walk_pages(struct txn_env *env, const struct meta *meta, gen_t newer_than, walk_page_fn *visit,
	void *arg)
{
	struct walk w = {
		.env = env, .meta = meta, .newer_than = newer_than, .visit = visit, .arg = arg};
	struct layout l;
	int rc = 0;

	ASSERT(newer_than < meta->gen); /* T7: there is something to prove */
	w.page_size = meta->page_size;
	meta_layout(meta, &l);
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++) {
		if (meta->roots[i].ref.pgno)
			rc = walk_tree(&w, meta->roots[i].ref, meta->roots[i].level);
	}
	if (rc == 0)
		rc = walk_groups(&w, &l);
	if (rc == 0)
		rc = walk_list_pages(&w);
	ASSERT(rc || w.depth == 0);
	for (unsigned i = 0; i < WALK_DEPTH_MAX; i++)
		free(w.bufs[i]);
	return rc;
}
