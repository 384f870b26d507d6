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
	uint64_t gen; /* what is newer was made by the commit */
	unsigned depth;
	bool failed; /* no memory, which was reported */
};

static bool node_is_whole(struct proof *p, struct raw_ref ref, unsigned level);

static bool pages_are_whole(struct proof *p, struct raw_ref ref, unsigned level)
{
	uint8_t *buf;
	bool good;

	if (ref.gen <= p->gen)
		return true;
	buf = raw_buffer(p->r);
	p->failed = p->failed || !buf;
	good = buf && !raw_read_ref(p->r, ref, buf) && buf[AT_TYPE] == RAW_OVERFLOW &&
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
	good = buf && p->depth < 2 * RAW_LEVELS_MAX && !raw_read_ref(p->r, ref, buf) &&
	       buf[AT_TYPE] == RAW_NODE && buf[AT_LEVEL] == level &&
	       !raw_node_open(p->r, buf, &node);
	p->depth++;
	good = good && parts_are_whole(p, &node);
	p->depth--;
	free(buf);
	return good;
}

void salvage_choose(struct salvage *s)
{
	struct raw *r = &s->r;
	const struct raw_meta *m = raw_newest(r), *other = &r->meta[!r->newest];
	struct proof p = {.r = r, .gen = m->durable_gen};

	if (!r->has_meta || m->mode == 0 || m->gen == m->durable_gen || other->wrong ||
		other->gen != m->durable_gen || other->page_size != m->page_size)
		return;
	for (unsigned i = 0; i < 2; i++) {
		if (m->roots[i].ref.pgno != 0 &&
			!node_is_whole(&p, m->roots[i].ref, m->roots[i].level))
			s->is_older = true;
	}
	s->failed = p.failed;
	if (s->is_older)
		r->newest = !r->newest;
}
