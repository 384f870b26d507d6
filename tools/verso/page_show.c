/* SPDX-License-Identifier: MIT */
/* What is in a page, by its type. */
#include "tools/verso/page.h"

#include <inttypes.h>

#define KEY_COLUMNS   24
#define VALUE_COLUMNS 40
#define EXTENT_BYTES  24u
#define GROUP_BYTES   16u

/* Columns that a byte or a character takes when text_write() shows it. */
static size_t columns_of(const uint8_t *p, size_t n)
{
	size_t n_columns = 0;

	if (n == 0)
		return 4;
	for (size_t i = 0; i < n; i++)
		n_columns += (p[i] & 0xc0) != 0x80;
	return n_columns;
}

size_t page_show_bytes(const uint8_t *data, size_t len_bytes, unsigned columns, bool wide)
{
	const uint8_t *p = data, *end = data + len_bytes;
	size_t used = 0;

	while (p < end) {
		size_t n = text_char_len(p, end), more = columns_of(p, n);

		n = n > 0 ? n : 1;
		/* Where it is cut, dots take three columns. */
		if (!wide && used + more + (p + n < end ? 3 : 0) > columns)
			break;
		text_write(stdout, p, n);
		used += more;
		p += n;
	}
	if (p < end)
		(void)printf("...");
	return used + (p < end ? 3 : 0);
}

static void show_root(const char *label, const struct raw_root *root)
{
	if (root->ref.pgno == 0)
		page_line(label, "no page: it is empty");
	else
		page_line(label,
			"page %" PRIu32 ", allocated in generation %s; level %u, %" PRIu64
			" records",
			root->ref.pgno, raw_gen(root->ref.gen), root->level, root->n_records);
}

static unsigned window_pages(const uint8_t *window)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RAW_WINDOW_PAGES / 64; i++)
		n += (unsigned)__builtin_popcountll(le64_get(window + 4 + i * 8));
	return n;
}

static void show_extent(const struct raw_extent *e)
{
	(void)printf("  page %" PRIu32, e->pgno);
	if (e->n_pages > 1)
		(void)printf(" to %" PRIu32, e->pgno + e->n_pages - 1);
	(void)printf(": allocated in generation %s or later, freed by %s\n", raw_gen(e->birth),
		raw_gen(e->free));
}

void page_show_meta(const struct raw *r, const struct raw_meta *m)
{
	page_line("generation", "%s", raw_gen(m->gen));
	page_line("durable before", "generation %s", raw_gen(m->durable_gen));
	page_line("commit mode", "%s",
		m->mode == 0   ? "two-flush"
		: m->mode == 1 ? "one-flush"
			       : "unknown");
	page_line("closed", "%s",
		m->mark ? "cleanly: opening has nothing to verify"
			: "not yet: the database is open, or its process ended without closing it");
	page_line("page size", "%" PRIu32 " bytes", m->page_size);
	page_line("pages", "%" PRIu32 " belong to this generation; the file has room for %" PRIu64,
		m->n_pages, r->file_bytes / m->page_size);
	show_root("default table", &m->roots[0]);
	show_root("catalogue", &m->roots[1]);
	page_line("groups", "%" PRIu32 " of %" PRIu32 " pages, each with a bitmap", m->n_groups,
		m->group_pages);
	for (unsigned w = 0; w < RAW_WINDOWS; w++) {
		const uint8_t *window = m->bytes + AT_WINDOWS + w * 68;

		if (window_pages(window) > 0)
			page_line("window",
				"%u of the pages %" PRIu32 " to %" PRIu32 " are free and set aside",
				window_pages(window), le32_get(window),
				le32_get(window) + RAW_WINDOW_PAGES - 1);
	}
	page_line("not yet free",
		"%" PRIu32 " extents here, and %" PRIu32 " pages of the list behind", m->n_pending,
		m->n_list_pages);
	for (uint32_t i = 0; i < m->n_pending; i++) {
		struct raw_extent e = raw_extent_get(m->bytes + AT_EXTENTS + i * EXTENT_BYTES);

		show_extent(&e);
	}
}

/* The free pages of a bitmap, runs in one piece. */
static void show_bitmap(const struct raw *r, uint32_t pgno, const uint8_t *page)
{
	uint32_t group_pages = raw_newest(r)->group_pages, group = pgno / group_pages;
	uint32_t first = group * group_pages, n = 0, n_bits = (r->page_size - RAW_HEADER_BYTES) * 8;

	if (n_bits > group_pages)
		n_bits = group_pages;
	page_line("of group", "%" PRIu32 ", pages %" PRIu32 " to %" PRIu32, group, first,
		first + group_pages - 1);
	(void)printf("%-15s", "marked free");
	for (uint32_t i = 0; i < n_bits; i++) {
		uint32_t from = i;

		while (i < n_bits && (page[RAW_HEADER_BYTES + i / 8] >> i % 8 & 1))
			i++;
		if (i == from)
			continue;
		n += i - from;
		(void)printf(" %" PRIu32, first + from);
		if (i - from > 1)
			(void)printf("-%" PRIu32, first + i - 1);
	}
	(void)printf("%s %" PRIu32 " pages\n", n > 0 ? ":" : "", n);
}

static void show_index(const struct raw *r, const uint8_t *page)
{
	(void)printf("\n entry  free  bitmap of generation\n");
	for (unsigned i = 0; i < raw_index_entries(r); i++) {
		struct raw_group g = raw_group_get(page + RAW_HEADER_BYTES + i * GROUP_BYTES);

		if (g.gen != 0)
			(void)printf("%6u %5u  %s, in its %s place\n", i, g.n_free, raw_gen(g.gen),
				g.copy ? "second" : "first");
	}
}

static void show_pending(const struct raw *r, const uint8_t *page)
{
	struct raw_ref before = raw_ref_get(page + RAW_HEADER_BYTES);
	uint32_t n = le32_get(page + RAW_HEADER_BYTES + 12);

	if (before.pgno)
		page_line("older pages in", "page %" PRIu32 ", if the meta page counts it",
			before.pgno);
	page_line("extents", "%" PRIu32, n);
	for (uint32_t i = 0; i < n && i < raw_list_extents(r); i++) {
		struct raw_extent e =
			raw_extent_get(page + RAW_HEADER_BYTES + 16 + (size_t)i * EXTENT_BYTES);

		show_extent(&e);
	}
}

void page_show_space(const struct raw *r, uint32_t pgno, const uint8_t *page)
{
	if (page[AT_TYPE] == RAW_BITMAP)
		show_bitmap(r, pgno, page);
	else if (page[AT_TYPE] == RAW_INDEX)
		show_index(r, page);
	else if (page[AT_TYPE] == RAW_PENDING)
		show_pending(r, page);
}

static void show_value(const struct raw_node *node, unsigned i, bool wide)
{
	struct raw_value v;
	const char *wrong = raw_node_value(node, i, &v);

	if (wrong) {
		(void)printf("(%s)", wrong);
		return;
	}
	if (!v.is_long) {
		(void)page_show_bytes(v.data, v.len_bytes, VALUE_COLUMNS, wide);
		if (v.len_bytes > VALUE_COLUMNS && !wide)
			(void)printf(" %u bytes", v.len_bytes);
		return;
	}
	(void)printf("(%" PRIu64 " bytes in %" PRIu64 " pages:", v.long_bytes, v.n_pages);
	for (unsigned k = 0; k < v.n_refs && (wide || k < 4); k++)
		(void)printf(" %" PRIu32, raw_ref_get(v.refs + (size_t)k * 12).pgno);
	if (v.n_refs > 4 && !wide)
		(void)printf(" ...");
	if (v.len_bytes > 0)
		(void)printf(", the last %u bytes here", v.len_bytes);
	(void)printf(")");
}

void page_show_node(const struct raw *r, const uint8_t *page, bool wide)
{
	static uint8_t key[RAW_KEY_MAX];
	struct raw_node node;
	const char *wrong = raw_node_open(r, page, &node);

	if (wrong) {
		page_line("contents", "make no sense: %s", wrong);
		return;
	}
	page_line("entries", "%u", node.n);
	(void)printf("%-15s %u bytes%s", "common prefix", node.prefix_len,
		node.prefix_len ? ": " : "");
	(void)page_show_bytes(page + r->page_size - node.prefix_len, node.prefix_len, 0, true);
	(void)printf("\n");
	page_line("filled", "%u of %u bytes, %u %%; %u bytes of removed entries",
		raw_node_used(&node), raw_node_cap(&node),
		100 * raw_node_used(&node) / raw_node_cap(&node), node.dead_bytes);
	(void)printf("\n entry    at  %-*s  %s\n", KEY_COLUMNS,
		node.level > 0 ? "keys from" : "key", node.level > 0 ? "child" : "value");
	if (node.level > 0)
		(void)printf("%6s %5s  %-*s  page %" PRIu32 "\n", "", "", KEY_COLUMNS,
			"(below the first)", raw_node_child(&node, 0).pgno);
	for (unsigned i = 0; i < node.n; i++) {
		unsigned key_len = raw_node_key(&node, i, key);
		size_t n_columns;

		(void)printf("%6u %5u  ", i, raw_node_cell_off(&node, i));
		n_columns = page_show_bytes(key, key_len, KEY_COLUMNS, wide);
		(void)printf("%*s",
			n_columns < KEY_COLUMNS ? (int)(KEY_COLUMNS - n_columns) + 2 : 2, "");
		if (node.level > 0)
			(void)printf("page %" PRIu32, raw_node_child(&node, i + 1).pgno);
		else
			show_value(&node, i, wide);
		(void)printf("\n");
	}
}

void page_show_overflow(const struct raw *r, const uint8_t *page, bool wide)
{
	unsigned n = raw_overflow_count(r, page);

	if (page[AT_LEVEL] == 0) {
		page_line("holds", "%u bytes of a value:", n);
		(void)page_show_bytes(page + 48, n, 76, wide);
		(void)printf("\n");
		return;
	}
	page_line("refers to", "%u pages of a value:", n);
	for (unsigned i = 0; i < n; i++)
		(void)printf("%s%" PRIu32, i == 0 ? "" : " ", raw_overflow_ref(page, i).pgno);
	(void)printf("\n");
}
