/* SPDX-License-Identifier: MIT */
/* Trees, from their roots. Each page of the file is visited once, whatever refers to it. */
#include "tools/verso/raw.h"

#include <stdlib.h>

#define CATALOGUE_TREE    1u
#define ROOT_RECORD_BYTES 40u

/* False: it was seen before, or lies beyond the file. */
static bool see(struct raw_walk *w, uint32_t pgno)
{
	uint8_t bit = (uint8_t)(1u << pgno % 8);

	if ((uint64_t)pgno * w->r->page_size >= w->r->file_bytes || (w->seen[pgno / 8] & bit))
		return false;
	w->seen[pgno / 8] |= bit;
	return true;
}

static bool walk_node(struct raw_walk *w, struct raw_ref ref, unsigned level);

static bool walk_children(struct raw_walk *w, const struct raw_node *node)
{
	for (unsigned i = 0; i <= node->n && !w->stopped; i++) {
		if (!walk_node(w, raw_node_child(node, i), node->level - 1))
			return false;
	}
	return true;
}

/* False: out of memory. */
static bool walk_node(struct raw_walk *w, struct raw_ref ref, unsigned level)
{
	struct raw_node node;
	uint8_t *buf;
	const char *wrong;
	bool good = true;

	if (!see(w, ref.pgno)) {
		if (w->bad)
			w->bad(w->arg, ref, "it lies beyond the file, or two references mean it");
		return true;
	}
	buf = raw_buffer(w->r);
	if (!buf)
		return false;
	wrong = raw_read_ref(w->r, ref, buf);
	if (!wrong && (buf[AT_TYPE] != RAW_NODE || buf[AT_LEVEL] != level))
		wrong = "it is not a node of the level that is expected there";
	if (!wrong)
		wrong = raw_node_open(w->r, buf, &node);
	if (wrong && w->bad)
		w->bad(w->arg, ref, wrong);
	if (!wrong && !w->node(w->arg, ref, &node))
		w->stopped = true;
	if (!wrong && !w->stopped && level > w->level_min)
		good = walk_children(w, &node);
	free(buf);
	return good;
}

bool raw_walk(struct raw_walk *walk, const struct raw_root *root)
{
	bool good = true;

	walk->stopped = false;
	if (root->ref.pgno == 0 || root->level < walk->level_min || root->level >= RAW_LEVELS_MAX)
		return true;
	walk->seen = calloc(walk->r->file_bytes / walk->r->page_size / 8 + 1, 1);
	if (walk->seen)
		good = walk_node(walk, root->ref, root->level);
	else
		say("out of memory");
	good = good && walk->seen;
	free(walk->seen);
	walk->seen = NULL;
	return good;
}

/* --- the catalogue ------------------------------------------------------------------------- */

struct catalogue {
	raw_table_fn *each;
	void *arg;
};

static bool catalogue_node(void *arg, struct raw_ref ref, const struct raw_node *node)
{
	static uint8_t name[RAW_KEY_MAX + 1];
	struct catalogue *c = arg;

	(void)ref;
	for (unsigned i = 0; node->level == 0 && i < node->n; i++) {
		unsigned len = raw_node_key(node, i, name);
		struct raw_value value;
		struct raw_root root;

		if (raw_node_value(node, i, &value) || value.len_bytes != ROOT_RECORD_BYTES)
			continue;
		name[len] = '\0';
		root = raw_root_get(value.data, RAW_COUNT_IN_CATALOGUE);
		if (!c->each(c->arg, name, len, &root))
			return false;
	}
	return true;
}

bool raw_each_table(const struct raw *r, raw_table_fn *each, void *arg)
{
	struct catalogue c = {each, arg};
	struct raw_walk walk = {.r = r, .node = catalogue_node, .arg = &c};

	return raw_walk(&walk, &raw_newest(r)->roots[1]);
}

struct named {
	uint32_t tree;
	char *name;
};

static bool find_name(void *arg, const uint8_t *name, unsigned name_len,
	const struct raw_root *root)
{
	struct named *n = arg;

	if (root->tree != n->tree)
		return true;
	if (asprintf(&n->name, "table %.*s", (int)name_len, (const char *)name) < 0)
		n->name = NULL;
	return false;
}

char *raw_tree_name(const struct raw *r, uint32_t tree)
{
	struct named n = {.tree = tree};

	if (tree == 0)
		return strdup("the default table");
	if (tree == CATALOGUE_TREE)
		return strdup("the catalogue of tables");
	if (!raw_each_table(r, find_name, &n))
		return NULL;
	return n.name ? n.name : strdup("a table that is not in the catalogue");
}
