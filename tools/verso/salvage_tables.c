/* SPDX-License-Identifier: MIT */
/* Which tables there are: those of the catalogue, and those of which only nodes are left. */
#include "tools/verso/salvage.h"
#include "base/array.h"

#include <inttypes.h>
#include <stdlib.h>

#define CATALOGUE_TREE 1u
#define ROOT_BYTES     40u
#define NAME_MAX_BYTES 255u

static void no_memory(struct salvage *s)
{
	say("out of memory");
	s->failed = true;
}

/* Takes the name; NULL: that of the default table. */
static void add_table(struct salvage *s, const struct salvage_table *t)
{
	if (array_reserve(&s->tables, &s->cap_tables, s->n_tables + UINT64_C(1), sizeof(*t)) < 0) {
		free(t->name);
		no_memory(s);
		return;
	}
	s->tables[s->n_tables++] = *t;
}

static bool has_tree(const struct salvage *s, uint32_t tree)
{
	for (uint32_t i = 0; i < s->n_tables; i++) {
		if (s->tables[i].root.tree == tree)
			return true;
	}
	return false;
}

static bool has_name(const struct salvage *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_tables; i++) {
		if (s->tables[i].name && strcmp(s->tables[i].name, name) == 0)
			return true;
	}
	return false;
}

/* A record of the catalogue is a name and what is known of it (btree/catalogue.c). */
static unsigned name_max(const struct salvage *s)
{
	unsigned n = raw_key_max(s->r.page_size) - ROOT_BYTES;

	return n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES;
}

/* A record of the catalogue. What is no table passes for a page that was not there. */
static bool add_named(void *arg, struct verso_val key, struct verso_val val)
{
	struct salvage *s = arg;
	struct salvage_table t = {.has_root = true, .is_named = true, .is_doubted = s->is_doubted};

	if (val.len != ROOT_BYTES)
		return true;
	t.root = raw_root_get(val.data, RAW_COUNT_IN_CATALOGUE);
	if (key.len == 0 || key.len > name_max(s) || memchr(key.data, '\0', key.len) ||
		t.root.tree <= CATALOGUE_TREE || has_tree(s, t.root.tree))
		return true;
	t.name = strndup(key.data, key.len);
	if (!t.name)
		no_memory(s);
	else
		add_table(s, &t);
	return !s->failed;
}

/* A table of which no name is left: `salvaged-TREE`, or that behind as many more as it takes. */
static void add_nameless(struct salvage *s, uint32_t tree)
{
	struct salvage_table t = {.root.tree = tree};
	char name[NAME_MAX_BYTES + 1];

	(void)snprintf(name, sizeof(name), "salvaged-%" PRIu32, tree);
	while (has_name(s, name) && strlen(name) + 2 < sizeof(name))
		(void)strcat(name, "+");
	t.name = strdup(name);
	if (!t.name)
		no_memory(s);
	else
		add_table(s, &t);
}

static int compare(const void *a, const void *b)
{
	const struct salvage_table *x = a, *y = b;

	if (!x->name || !y->name)
		return (x->name != NULL) - (y->name != NULL);
	return strcmp(x->name, y->name);
}

void salvage_find_tables(struct salvage *s)
{
	const struct salvage_sink catalogue = {.record = add_named, .arg = s}, *sink = s->sink;
	const struct raw_meta *m = raw_newest(&s->r);
	struct salvage_table main_table = {.has_root = s->r.has_meta, .is_doubted = !s->r.has_meta};

	s->catalogue = main_table;
	if (s->r.has_meta) {
		main_table.root = m->roots[0];
		s->catalogue.root = m->roots[1];
	}
	main_table.root.tree = 0;
	s->catalogue.root.tree = CATALOGUE_TREE;
	add_table(s, &main_table);
	s->sink = &catalogue;
	if (!s->failed)
		salvage_walk_table(s, &s->catalogue);
	s->sink = sink;
	/* With the whole catalogue, what is of no table is of one that was dropped. */
	for (uint32_t i = 0; !s->catalogue.is_covered && i < s->n_nodes && !s->failed; i++) {
		uint32_t tree = s->nodes[i].tree;

		if (tree != CATALOGUE_TREE && (i == 0 || tree != s->nodes[i - 1].tree) &&
			!has_tree(s, tree))
			add_nameless(s, tree);
	}
	if (s->n_tables > 0)
		qsort(s->tables, s->n_tables, sizeof(*s->tables), compare);
}
