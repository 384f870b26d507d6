/* SPDX-License-Identifier: MIT */
/* verso tree: the shape of the trees, level by level. */
#include "tools/verso/raw.h"

#include <inttypes.h>

struct level {
	uint64_t n_pages, n_entries, used_bytes, cap_bytes, prefix_bytes;
	unsigned fill_min, fill_max; /* percent */
};

struct shape {
	const struct arguments *args;
	const struct raw *r;
	struct level levels[RAW_LEVELS_MAX];
	uint64_t n_long, long_pages, long_bytes;
	uint64_t n_bad;
	bool any; /* a tree was printed */
	struct suggest suggest;
};

static void add_long(struct shape *s, const struct raw_node *node)
{
	struct raw_value v;

	for (unsigned i = 0; node->level == 0 && i < node->n; i++) {
		if (raw_node_value(node, i, &v) || !v.is_long)
			continue;
		s->n_long++;
		s->long_pages += v.n_pages;
		s->long_bytes += v.long_bytes;
	}
}

static bool add_node(void *arg, struct raw_ref ref, const struct raw_node *node)
{
	struct shape *s = arg;
	struct level *l = &s->levels[node->level];
	unsigned fill = 100 * raw_node_used(node) / raw_node_cap(node);

	(void)ref;
	if (l->n_pages == 0 || fill < l->fill_min)
		l->fill_min = fill;
	if (fill > l->fill_max)
		l->fill_max = fill;
	l->n_pages++;
	l->n_entries += node->n + (node->level > 0); /* the children are one more */
	l->used_bytes += raw_node_used(node);
	l->cap_bytes += raw_node_cap(node);
	l->prefix_bytes += (uint64_t)node->prefix_len * (node->n > 0 ? node->n - 1 : 0);
	add_long(s, node);
	return true;
}

static void add_bad(void *arg, struct raw_ref ref, const char *wrong)
{
	struct shape *s = arg;

	s->n_bad++;
	say("%s: page %" PRIu32 ": %s", s->r->path, ref.pgno, wrong);
}

static void print_level(const struct level *l, unsigned level)
{
	char bar[11] = "..........";
	unsigned fill = (unsigned)(100 * l->used_bytes / l->cap_bytes);

	memset(bar, '#', (fill + 5) / 10);
	(void)printf("%7u %10" PRIu64 " %12" PRIu64 " %9.1f  %s %3u %%", level, l->n_pages,
		l->n_entries, (double)l->n_entries / (double)l->n_pages, bar, fill);
	if (l->n_pages > 1)
		(void)printf("  (%u to %u %%)", l->fill_min, l->fill_max);
	(void)printf("\n");
}

static bool print_tree(struct shape *s, const char *kind, const uint8_t *name, unsigned name_len,
	const struct raw_root *root)
{
	struct raw_walk walk = {.r = s->r, .node = add_node, .bad = add_bad, .arg = s};
	uint64_t saved_bytes = 0;

	memset(s->levels, 0, sizeof(s->levels));
	s->n_long = s->long_pages = s->long_bytes = 0;
	if (!raw_walk(&walk, root))
		return false;
	(void)printf("%s%s", s->any ? "\n" : "", kind);
	text_write(stdout, name, name_len);
	s->any = true;
	if (root->ref.pgno == 0) {
		(void)printf(": empty\n");
		return true;
	}
	(void)printf(": %" PRIu64 " records; tree %" PRIu32 ", its root is page %" PRIu32 "\n",
		root->n_records, root->tree, root->ref.pgno);
	(void)printf("%7s %10s %12s %9s  %s\n", "level", "pages", "entries", "each", "filled");
	for (unsigned i = RAW_LEVELS_MAX; i-- > 0;) {
		if (s->levels[i].n_pages > 0)
			print_level(&s->levels[i], i);
		saved_bytes += s->levels[i].prefix_bytes;
	}
	if (s->n_long > 0)
		(void)printf("%" PRIu64 " long values of %" PRIu64 " bytes together lie in %" PRIu64
			     " more pages\n",
			s->n_long, s->long_bytes, s->long_pages);
	if (saved_bytes > 0)
		(void)printf("prefixes that are stored once a page save %" PRIu64 " bytes\n",
			saved_bytes);
	return true;
}

static bool is_wanted(const struct arguments *args, const uint8_t *name, unsigned name_len)
{
	return !args->table ||
	       (args->table_name.len == name_len && memcmp(args->table, name, name_len) == 0);
}

static bool print_table(void *arg, const uint8_t *name, unsigned name_len,
	const struct raw_root *root)
{
	struct shape *s = arg;

	suggest_offer(&s->suggest, (const char *)name);
	return !is_wanted(s->args, name, name_len) || print_tree(s, "table ", name, name_len, root);
}

/* A table that was not found: says so, and whether the catalogue that would name it is damaged. */
static enum status not_found(struct shape *s, const struct raw_meta *m)
{
	const char *path = s->r->path, *table = s->args->table;
	struct raw_walk walk = {.r = s->r, .node = add_node, .bad = add_bad, .arg = s};

	if (!raw_walk(&walk, &m->roots[1]))
		return STATUS_ERROR;
	if (s->n_bad > 0)
		say("%s: the catalogue of tables is damaged; in what is left of it there is no "
		    "table `%s`",
			path, table);
	else if (s->suggest.found)
		say("%s: table `%s` not found: did you mean `%s`?", path, table, s->suggest.name);
	else
		say("%s: table `%s` not found; `verso tables %s` lists those that are there", path,
			table, path);
	return STATUS_NO;
}

static enum status tree(const struct arguments *args)
{
	enum status status = STATUS_OK;
	static struct shape s;
	const struct raw_meta *m;
	struct raw r;
	bool good = true;

	if (!raw_open(&r, args->path))
		return STATUS_ERROR;
	s = (struct shape){.args = args, .r = &r};
	m = raw_newest(&r);
	if (args->table)
		suggest_begin(&s.suggest, args->table, strlen(args->table));
	if (!args->table)
		good = print_tree(&s, "the default table", NULL, 0, &m->roots[0]) &&
		       (m->roots[1].ref.pgno == 0 ||
			       print_tree(&s, "the catalogue of tables", NULL, 0, &m->roots[1]));
	good = good && raw_each_table(&r, print_table, &s);
	if (good && !s.any)
		status = not_found(&s, m);
	raw_close(&r);
	if (!good || status != STATUS_OK)
		return good ? status : STATUS_ERROR;
	return finish_output() != STATUS_OK ? STATUS_ERROR : s.n_bad > 0 ? STATUS_NO : STATUS_OK;
}

const struct command command_tree = {
	.name = "tree",
	.words = "DB",
	.summary = "Show the shape of the trees: pages, entries and fill of each level",
	.help = "For each table (or the one of --table) a line a level, the root first: pages,\n"
		"their entries (above level 0: children), how many each has, and how full they\n"
		"are. Reads every page of the trees, from the file itself, without a lock. Exit\n"
		"status 1: a page is damaged, or there is no such table.",
	.example = "  seq 100000 | sed 's/.*/&\\t&/' | verso load numbers.verso --tsv\n"
		   "  verso tree numbers.verso\n",
	.takes = TAKES_TABLE | TAKES_FILE,
	.run = tree,
};
