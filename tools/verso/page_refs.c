/* SPDX-License-Identifier: MIT */
/*
 * Where a page belongs in the newest commit: a tree, the free pages, the pending list, or what the
 * account of free pages takes for itself. One place is right; none or two, and the file is damaged.
 */
#include "tools/verso/page.h"

#include <inttypes.h>
#include <stdlib.h>

struct search {
	const struct raw *r;
	uint32_t pgno;
	const uint8_t *page; /* NULL: it is not whole */
	unsigned n_found;
	const char *tree; /* the words for the tree that is searched */
	uint8_t *buf;     /* of an overflow page */
};

#define LABEL "referred to by"

static void found_child(struct search *s, struct raw_ref parent, const struct raw_node *node,
	unsigned i)
{
	static uint8_t key[RAW_KEY_MAX];

	s->n_found++;
	(void)printf("%-15s page %" PRIu32 ", ", LABEL, parent.pgno);
	if (i == 0) {
		(void)printf("as the child below its first key\n");
		return;
	}
	(void)printf("entry %u, as the child for keys from `", i - 1);
	(void)page_show_bytes(key, raw_node_key(node, i - 1, key), 60, true);
	(void)printf("` on\n");
}

/* The pages under a reference of a long value. */
static void search_piece(struct search *s, uint32_t parent, const char *what, struct raw_ref ref,
	unsigned level)
{
	if (ref.pgno == s->pgno) {
		s->n_found++;
		page_line(LABEL, "page %" PRIu32 ", %s", parent, what);
	}
	if (level == 0 || raw_read_ref(s->r, ref, s->buf) || s->buf[AT_TYPE] != RAW_OVERFLOW ||
		s->buf[AT_LEVEL] != level)
		return;
	for (unsigned i = 0; i < raw_overflow_count(s->r, s->buf); i++) {
		search_piece(s, ref.pgno, "a page of references of a long value",
			raw_overflow_ref(s->buf, i), level - 1);
		if (level > 1 && raw_read_ref(s->r, ref, s->buf))
			return; /* it was there a moment ago */
	}
}

static void search_leaf(struct search *s, struct raw_ref ref, const struct raw_node *node)
{
	char what[64];
	struct raw_value v;

	for (unsigned i = 0; i < node->n; i++) {
		if (raw_node_value(node, i, &v) || !v.is_long)
			continue;
		(void)snprintf(what, sizeof(what), "entry %u, whose value is long", i);
		for (unsigned k = 0; k < v.n_refs; k++)
			search_piece(s, ref.pgno, what, raw_ref_get(v.refs + (size_t)k * 12),
				v.level);
	}
}

static bool search_node(void *arg, struct raw_ref ref, const struct raw_node *node)
{
	struct search *s = arg;

	if (node->level == 0)
		search_leaf(s, ref, node);
	for (unsigned i = 0; node->level > 0 && i <= node->n; i++) {
		if (raw_node_child(node, i).pgno == s->pgno)
			found_child(s, ref, node, i);
	}
	return true;
}

static bool search_tree(struct search *s, const struct raw_root *root)
{
	struct raw_walk walk = {.r = s->r, .node = search_node, .arg = s};

	/* A page that is whole says whose it is, and a node of which level its parent is. */
	if (s->page && (s->page[AT_TYPE] == RAW_NODE || s->page[AT_TYPE] == RAW_OVERFLOW) &&
		le32_get(s->page + AT_TREE) != root->tree)
		return true;
	if (s->page && s->page[AT_TYPE] == RAW_NODE)
		walk.level_min = s->page[AT_LEVEL] + 1u;
	if (root->ref.pgno == s->pgno) {
		s->n_found++;
		page_line(LABEL, "%s, as the root of %s",
			root->tree < 2 ? "the meta page" : "the catalogue of tables", s->tree);
	}
	return raw_walk(&walk, root);
}

static bool search_table(void *arg, const uint8_t *name, unsigned name_len,
	const struct raw_root *root)
{
	struct search *s = arg;
	char *words;
	bool good;

	if (asprintf(&words, "table %.*s", (int)name_len, (const char *)name) < 0)
		return false;
	s->tree = words;
	good = search_tree(s, root);
	free(words);
	return good;
}

static void search_trees(struct search *s)
{
	const struct raw_meta *m = raw_newest(s->r);

	s->buf = raw_buffer(s->r);
	if (!s->buf)
		return;
	s->tree = "the default table";
	(void)search_tree(s, &m->roots[0]);
	s->tree = "the catalogue of tables";
	(void)search_tree(s, &m->roots[1]);
	(void)raw_each_table(s->r, search_table, s);
	free(s->buf);
}

static bool search_extent(void *arg, uint32_t list_pgno, const struct raw_extent *e)
{
	struct search *s = arg;

	if (s->pgno - e->pgno >= e->n_pages)
		return true;
	s->n_found++;
	page_line("pending",
		"freed by generation %s, but an older snapshot may still need it; noted in page "
		"%" PRIu32,
		raw_gen(e->free), list_pgno ? list_pgno : s->r->newest * s->r->slot_pages);
	return true;
}

static void search_list_pages(struct search *s)
{
	const struct raw_meta *m = raw_newest(s->r);
	struct raw_ref ref = m->list_page;
	uint32_t from = s->r->newest * s->r->slot_pages;
	uint8_t *buf = raw_buffer(s->r);

	for (uint32_t i = 0; buf && i < m->n_list_pages && ref.pgno != 0; i++) {
		if (ref.pgno == s->pgno) {
			s->n_found++;
			page_line(LABEL, "page %" PRIu32 ", as a page of the pending list", from);
		}
		if (raw_read_ref(s->r, ref, buf))
			break;
		from = ref.pgno;
		ref = raw_ref_get(buf + RAW_HEADER_BYTES);
	}
	free(buf);
}

static void search_free(struct search *s, uint32_t group)
{
	const struct raw_meta *m = raw_newest(s->r);
	uint32_t bit = s->pgno - group * m->group_pages, bitmap = raw_bitmap_pgno(s->r, group);
	int window = raw_window_find(m, s->pgno);
	struct raw_group entry;
	uint8_t *buf;

	if (window >= 0) {
		s->n_found++;
		page_line("free", "set aside in the %s window of page %" PRIu32,
			window == 0 ? "first" : "second", s->r->newest * s->r->slot_pages);
	}
	if (!raw_group_find(s->r, group, &entry) || entry.gen == 0)
		return;
	buf = raw_buffer(s->r);
	if (buf && !raw_read_ref(s->r, (struct raw_ref){bitmap + entry.copy, entry.gen}, buf) &&
		(buf[RAW_HEADER_BYTES + bit / 8] >> bit % 8 & 1)) {
		s->n_found++;
		page_line("free", "by the bitmap in page %" PRIu32, bitmap + entry.copy);
	}
	free(buf);
}

/* True: the place is for a bitmap or a page of the index, whatever lies there. */
static bool is_of_group(struct search *s, uint32_t group)
{
	uint32_t bitmap = raw_bitmap_pgno(s->r, group), index = raw_index_pgno(s->r, group);
	struct raw_group entry = {0};

	if (s->pgno - bitmap < 2) {
		page_line("place", "the %s of two for the bitmap of group %" PRIu32 "%s",
			s->pgno == bitmap ? "first" : "second", group,
			!raw_group_find(s->r, group, &entry) || entry.gen == 0
				? "; neither is in use yet"
			: entry.copy == s->pgno - bitmap ? ", the one that counts"
							 : "; the other one counts");
		return true;
	}
	if (index == 0 || s->pgno - index >= 2)
		return false;
	page_line("place", "the %s of two for page %" PRIu32 " of the index of groups",
		s->pgno == index ? "first" : "second", group / raw_index_entries(s->r));
	return true;
}

void page_refs(const struct raw *r, uint32_t pgno, const uint8_t *page)
{
	const struct raw_meta *m = raw_newest(r);
	struct search s = {.r = r, .pgno = pgno, .page = page};
	uint32_t group = pgno / m->group_pages;

	if (pgno >= m->n_pages) {
		page_line("place", "beyond the %" PRIu32 " pages of the newest commit", m->n_pages);
		return;
	}
	if (is_of_group(&s, group))
		return;
	search_free(&s, group);
	raw_each_extent(r, search_extent, &s);
	search_list_pages(&s);
	search_trees(&s);
	s.page = NULL; /* what it says of its tree and its level may be wrong */
	if (s.n_found == 0 && page)
		search_trees(&s);
	if (s.n_found == 0)
		page_line(LABEL, "nothing: the page is lost. `verso check` says more");
	else if (s.n_found > 1)
		page_line("", "Two places for one page: the file is damaged");
}
