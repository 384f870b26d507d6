/* SPDX-License-Identifier: MIT */
/*
 * Opening: which generation is the newest that is whole (T7, T8).
 *
 * Both slots are read from the medium, after a sync whose answer is remembered but not trusted. The
 * newest valid meta is taken if it was flushed in two steps, or if the other slot's copy of it, or
 * its own, says that it was flushed. A one-flush meta may have reached the disk before its pages:
 * it is taken only if every page that is newer than its durable_gen verifies. Those are found by
 * walking down references and going on only where the **parent-held** gen is newer: what a page
 * says of its own age proves nothing, because a lost write leaves an old page behind. Else the
 * other slot is taken, which then is the generation that was flushed before; and if it is not, an
 * acknowledged commit is lost and that is an error.
 *
 * Nothing is written here: a crash in recovery changes nothing. What was rejected is overwritten by
 * the first write of the next session (session.c).
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define WALK_DEPTH_MAX 64

struct candidate {
	struct meta meta;
	bool valid;
	int rc; /* why it is not */
};

struct walk {
	struct txn_env *env;
	const struct meta *meta;
	uint32_t page_size;
	struct page *bufs[WALK_DEPTH_MAX]; /* one a level of the walk, made when needed */
	unsigned depth;
	uint32_t n_visited;
};

/* --- the walk ------------------------------------------------------------------------------ */

static int read_verified(struct walk *w, struct page_ref ref, struct page *buf)
{
	int rc;

	if (ref.pgno >= w->meta->n_pages)
		return error_set(VERSO_ECORRUPT, "page %u: beyond the end of the file", ref.pgno);
	if (w->n_visited++ > w->meta->n_pages)
		return error_set(VERSO_ECORRUPT, "page %u: pages refer to each other in a circle",
			ref.pgno);
	rc = pager_read_medium(w->env->pager, ref.pgno, 1, buf);
	return rc ? rc : page_verify(buf, w->page_size, ref, w->env->pager->seed);
}

static int walk_buf(struct walk *w, struct page **ret_buf)
{
	struct page **buf = &w->bufs[w->depth];

	if (w->depth + 1 >= WALK_DEPTH_MAX)
		return error_set(VERSO_ECORRUPT, "a tree is deeper than any can be");
	if (!*buf)
		*buf = aligned_alloc(4096, w->page_size < 4096 ? 4096 : w->page_size);
	*ret_buf = *buf;
	return *buf ? 0 : -ENOMEM;
}

static int walk_tree(void *arg, struct page_ref ref, unsigned level)
{
	struct walk *w = arg;
	struct page *buf;
	int rc;

	if (ref.gen <= w->meta->durable_gen)
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

static int walk_regions(struct walk *w, const struct layout *l)
{
	const struct meta *m = w->meta;
	bool has_index = m->n_regions > m->regions_max;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->n_region_entries; i++) {
		pgno_t place = has_index ? layout_index(l, i) : layout_bitmap(l, i);
		struct page *buf = NULL;

		if (m->regions[i].gen <= m->durable_gen)
			continue;
		rc = walk_leaf(w, place + m->regions[i].copy, m->regions[i].gen, &buf);
		if (!has_index)
			continue;
		w->depth++;
		for (uint32_t j = 0; rc == 0 && j < l->index_entries; j++) {
			uint32_t r = i * l->index_entries + j;
			struct region_entry entry;
			struct page *bitmap;

			region_entry_decode(buf->payload + j * REGION_ENTRY_BYTES, &entry);
			if (r < m->n_regions && entry.gen > m->durable_gen)
				rc = walk_leaf(w, layout_bitmap(l, r) + (entry.copy & 1), entry.gen,
					&bitmap);
		}
		w->depth--;
	}
	return rc;
}

static int walk_chunks(struct walk *w)
{
	struct page_ref ref = w->meta->chunk;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < w->meta->n_chunks; i++) {
		struct page *buf = NULL;

		if (ref.gen <= w->meta->durable_gen)
			break;
		rc = walk_leaf(w, ref.pgno, ref.gen, &buf);
		if (rc == 0)
			ref = page_ref_get(buf->payload);
	}
	return rc;
}

/* Verifies every page that the generation of `meta` added to the one flushed before it. */
static int walk_batch(struct txn_env *env, const struct meta *meta)
{
	struct walk w = {.env = env, .meta = meta, .page_size = meta->page_size};
	struct layout l;
	int rc = 0;

	meta_layout(meta, &l);
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++) {
		if (meta->roots[i].ref.pgno)
			rc = walk_tree(&w, meta->roots[i].ref, meta->roots[i].level);
	}
	if (rc == 0)
		rc = walk_regions(&w, &l);
	if (rc == 0)
		rc = walk_chunks(&w);
	for (unsigned i = 0; i < WALK_DEPTH_MAX; i++)
		free(w.bufs[i]);
	return rc;
}

/* --- the decision -------------------------------------------------------------------------- */

static int read_slot(struct txn_env *env, const struct layout *l, unsigned slot, void *buf,
	struct candidate *c)
{
	int rc = pager_read_medium(env->pager, layout_slot(l, slot), l->slot_pages, buf);

	if (rc && rc != VERSO_EIO)
		return rc;
	c->rc = rc ? rc : meta_decode(buf, layout_slot(l, slot), &c->meta);
	if (c->rc == 0 && memcmp(c->meta.uuid, env->uuid, sizeof(env->uuid)) != 0)
		c->rc = error_set(VERSO_ECORRUPT, "the two metas are of different databases");
	if (c->rc == 0 && c->meta.page_size != l->page_size)
		c->rc = error_set(VERSO_ECORRUPT, "the two metas tell different page sizes");
	c->valid = c->rc == 0;
	return c->rc == VERSO_EVERSION ? c->rc : 0;
}

static bool is_newer(const struct meta *a, const struct meta *b)
{
	return a->gen != b->gen ? a->gen > b->gen : a->durable_gen > b->durable_gen;
}

static int file_is_cut(const struct meta *m, pgno_t file_pages)
{
	return error_set(VERSO_ECORRUPT,
		"the file has %u pages, its newest durable state has %u: the file was cut. Restore it "
		"from a copy",
		file_pages, m->n_pages);
}

/* 0: take it. 1: its batch did not become durable. < 0: an error. */
static int judge(struct txn_env *env, const struct meta *m, pgno_t file_pages)
{
	int rc;

	if (m->mode == TXN_TWO_FLUSH || m->durable_gen >= m->gen)
		return m->n_pages <= file_pages ? 0 : file_is_cut(m, file_pages);
	env->walked = true;
	if (m->n_pages > file_pages)
		return 1;
	rc = walk_batch(env, m);
	return rc == VERSO_ECORRUPT ? 1 : rc;
}

static int decide(struct txn_env *env, struct candidate *c, pgno_t file_pages)
{
	unsigned newest = !c[0].valid || (c[1].valid && is_newer(&c[1].meta, &c[0].meta));
	const struct meta *m = &c[newest].meta, *other = &c[!newest].meta;
	int rc = judge(env, m, file_pages);

	if (rc < 0)
		return rc;
	if (rc == 1) {
		if (!c[!newest].valid || other->gen != m->durable_gen)
			return error_set(VERSO_ECORRUPT,
				"generation %" PRIx64 " is not whole, and generation %" PRIx64
				", which was durable before it, is gone: restore the file from a copy",
				m->gen, m->durable_gen);
		if (other->n_pages > file_pages)
			return file_is_cut(other, file_pages);
		env->rolled_back = true;
		newest = !newest;
	}
	env->durable = c[newest].meta;
	env->durable_slot = newest;
	for (unsigned slot = 0; slot < 2; slot++) {
		env->slot_pages[slot] = c[slot].valid ? c[slot].meta.n_pages : UINT32_MAX;
		if (c[slot].valid && c[slot].meta.gen > env->epoch_base)
			env->epoch_base =
				c[slot].meta.gen; /* the epoch of the past; raised later */
	}
	return 0;
}

int recover(struct txn_env *env)
{
	struct candidate *c = calloc(2, sizeof(*c));
	struct txn_options none = {0};
	struct layout l;
	void *buf;
	int rc = 0;

	layout_init(&l, env->layout.page_size, &none);
	buf = aligned_alloc(4096, l.slot_pages * l.page_size);
	if (!c || !buf)
		rc = -ENOMEM;
	if (rc == 0 && !env->options.read_only)
		(void)pager_barrier(env->pager); /* what it answers is not believed: the medium is
						    read */
	for (unsigned slot = 0; rc == 0 && slot < 2; slot++)
		rc = read_slot(env, &l, slot, buf, &c[slot]);
	if (rc == 0 && !c[0].valid && !c[1].valid)
		rc = c[0].rc;
	if (rc == 0)
		rc = decide(env, c, env->file_pages_at_open);
	free(buf);
	free(c);
	return rc;
}
