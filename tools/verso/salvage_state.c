/* SPDX-License-Identifier: MIT */
/*
 * Which commit is looked at: that which opening the database would take (docs/file-format.md). One
 * that was made with one flush counts when every page is there that it has made; else the one
 * before it does, if the other meta page has it.
 */
#include "tools/verso/salvage.h"

#include <stdlib.h>

#define CATALOGUE_TREE 1u
#define ROOT_BYTES     40u

struct proof {
	const struct raw *r;
	uint64_t gen;    /* what is newer was made by the commit */
	uint64_t n_left; /* pages that the commit can have */
	unsigned depth;
	bool failed; /* no memory, which was reported */
};

static bool node_is_whole(struct proof *p, struct raw_ref ref, unsigned level);

/* A page of the commit; a forged one may refer to a page many times. */
static const char *read_page(struct proof *p, struct raw_ref ref, uint8_t *buf)
{
	if (p->n_left == 0)
		return "more pages than there are";
	p->n_left--;
	return raw_read_ref(p->r, ref, buf);
}

static bool pages_are_whole(struct proof *p, struct raw_ref ref, unsigned level)
{
	uint8_t *buf;
	bool good;

	if (ref.gen <= p->gen)
		return true;
	buf = raw_buffer(p->r);
	p->failed = p->failed || !buf;
	good = buf && !read_page(p, ref, buf) && buf[AT_TYPE] == RAW_OVERFLOW &&
	       buf[AT_LEVEL] == level;
	for (unsigned i = 0; good && level > 0 && i < raw_overflow_count(p->r, buf); i++)
		good = pages_are_whole(p, raw_overflow_ref(buf, i), level - 1);
	free(buf);
	return good;
}

static bool entry_is_whole(struct proof *p, const struct raw_node *node, unsigned i)
{
	struct raw_value v;
	struct raw_root root;
	bool good = !raw_node_value(node, i, &v);

	for (unsigned k = 0; good && v.is_long && k < v.n_refs; k++)
		good = pages_are_whole(p, raw_ref_get(v.refs + (size_t)k * 12), v.level);
	if (!good || le32_get(node->page + AT_TREE) != CATALOGUE_TREE || v.len_bytes != ROOT_BYTES)
		return good;
	root = raw_root_get(v.data, RAW_COUNT_IN_CATALOGUE);
	return root.tree == CATALOGUE_TREE || root.ref.pgno == 0 ||
	       node_is_whole(p, root.ref, root.level);
}

static bool parts_are_whole(struct proof *p, const struct raw_node *node)
{
	bool good = true;

	for (unsigned i = 0; good && node->level == 0 && i < node->n; i++)
		good = entry_is_whole(p, node, i);
	for (unsigned i = 0; good && node->level > 0 && i <= node->n; i++)
		good = node_is_whole(p, raw_node_child(node, i), node->level - 1);
	return good;
}

static bool node_is_whole(struct proof *p, struct raw_ref ref, unsigned level)
{
	struct raw_node node;
	uint8_t *buf;
	bool good;

	if (ref.gen <= p->gen)
		return true;
	buf = raw_buffer(p->r);
	p->failed = p->failed || !buf;
	good = buf && p->depth < 2 * RAW_LEVELS_MAX && !read_page(p, ref, buf) &&
	       buf[AT_TYPE] == RAW_NODE && buf[AT_LEVEL] == level &&
	       !raw_node_open(p->r, buf, &node);
	p->depth++;
	good = good && parts_are_whole(p, &node);
	p->depth--;
	free(buf);
	return good;
}

/* The bitmaps, their index, and the pages of the pending list. */
static bool account_is_whole(struct proof *p)
{
	const struct raw_meta *m = raw_newest(p->r);
	struct raw_ref ref;
	struct raw_group entry;
	uint8_t *buf = raw_buffer(p->r);
	bool good = buf;

	p->failed = !buf;
	for (uint64_t g = 0; good && g * m->group_pages < m->n_pages; g++) {
		good = raw_group_find(p->r, (uint32_t)g, &entry);
		if (good && entry.gen > p->gen) {
			ref.pgno = raw_bitmap_pgno(p->r, (uint32_t)g) + entry.copy;
			ref.gen = entry.gen;
			good = !raw_read_ref(p->r, ref, buf);
		}
	}
	ref = m->list_page;
	for (uint64_t n = 0; good && ref.pgno != 0 && ref.gen > p->gen; n++) {
		good = n < m->n_pages && !raw_read_ref(p->r, ref, buf) &&
		       buf[AT_TYPE] == RAW_PENDING;
		ref = raw_ref_get(buf + RAW_HEADER_BYTES);
	}
	free(buf);
	return good;
}

void salvage_choose(struct salvage *s)
{
	struct raw *r = &s->r;
	const struct raw_meta *m = raw_newest(r), *other = &r->meta[!r->newest];
	struct proof p = {.r = r, .gen = m->durable_gen, .n_left = m->n_pages};

	if (!r->has_meta || m->mode == 0 || m->gen == m->durable_gen || other->wrong ||
		other->gen != m->durable_gen || other->page_size != m->page_size)
		return;
	s->is_older = m->n_pages > r->file_bytes / r->page_size || !account_is_whole(&p);
	for (unsigned i = 0; i < 2 && !s->is_older; i++) {
		if (m->roots[i].ref.pgno != 0 &&
			!node_is_whole(&p, m->roots[i].ref, m->roots[i].level))
			s->is_older = true;
	}
	s->failed = p.failed;
	if (s->is_older)
		r->newest = !r->newest;
}
