/* SPDX-License-Identifier: MIT */
/*
 * Gives out the records of a tree: from its root, round what is damaged; then, of the keys that are
 * not covered by then, from the nodes that no walk has reached (salvage.h).
 */
#include "tools/verso/salvage.h"

#include <stdlib.h>

/* Where the keys of a node begin or end. */
struct edge {
	enum { EDGE_UNKNOWN, EDGE_KEY, EDGE_END } kind;
	struct verso_val key; /* of EDGE_KEY; of length 0 at the beginning of all keys */
};

struct visit {
	struct raw_ref ref;
	unsigned level;
	uint64_t lsn; /* of the page with the reference, or of the commit */
	struct edge low, high;
};

/* Memory of one node on the way: the page, and two keys. */
struct frame {
	uint8_t *page, *keys[2];
};

static bool frame_init(struct salvage *s, struct frame *f)
{
	f->page = malloc((size_t)s->r.page_size * 3);
	if (!f->page) {
		say("out of memory");
		s->failed = true;
		return false;
	}
	f->keys[0] = f->page + s->r.page_size;
	f->keys[1] = f->keys[0] + s->r.page_size;
	return true;
}

static int compare(struct verso_val a, struct verso_val b)
{
	return raw_compare(a.data, a.len, b.data, b.len);
}

static struct verso_val key_of(const struct raw_node *node, unsigned i, uint8_t *buf)
{
	return (struct verso_val){buf, raw_node_key(node, i, buf)};
}

/* The first and the last key lie between the edges. */
static bool is_inside(const struct raw_node *node, const struct visit *v, struct frame *f)
{
	struct verso_val first = key_of(node, 0, f->keys[0]);
	struct verso_val last = key_of(node, node->n - 1, f->keys[1]);

	return (v->low.kind != EDGE_KEY || compare(first, v->low.key) >= 0) &&
	       (v->high.kind != EDGE_KEY || compare(last, v->high.key) < 0);
}

static const char *read_node(struct salvage *s, const struct visit *v, struct frame *f,
	struct raw_node *ret_node)
{
	const char *wrong;

	if (v->ref.gen > v->lsn)
		return "it is newer than the page that refers to it";
	wrong = raw_read_ref(&s->r, v->ref, f->page);
	if (wrong)
		return wrong;
	if (f->page[AT_TYPE] != RAW_NODE || f->page[AT_LEVEL] != v->level ||
		le32_get(f->page + AT_TREE) != s->tree)
		return "it is not a node of the tree and the level that is expected there";
	wrong = raw_node_open(&s->r, f->page, ret_node);
	if (!wrong)
		wrong = raw_node_wrong(ret_node);
	if (!wrong && !is_inside(ret_node, v, f))
		wrong = "its keys are not those that belong there";
	return wrong;
}

static void give(struct salvage *s, const struct raw_node *node, unsigned i, struct verso_val key)
{
	struct raw_value raw;
	struct verso_val val;

	if (raw_node_value(node, i, &raw)) {
		s->table->n_long_lost++;
		return;
	}
	val = (struct verso_val){raw.data, raw.len_bytes};
	if (raw.is_long && !salvage_value(s, &raw, le64_get(node->page + AT_LSN), &val)) {
		s->table->n_long_lost++;
		return;
	}
	if (!s->sink->record(s->sink->arg, key, val)) {
		s->failed = true;
		return;
	}
	s->table->n_saved++;
	s->table->n_unreached += s->is_unreached;
	s->table->n_doubted += s->is_doubted;
}

/* From the low edge, or the first key, to the high one, or behind the last key. */
static void cover(struct salvage *s, const struct raw_node *node, const struct visit *v,
	struct frame *f)
{
	struct cover_span span = {.low = v->low.key, .high = v->high.key};

	if (v->low.kind == EDGE_UNKNOWN)
		span.low = key_of(node, 0, f->keys[0]);
	if (v->high.kind == EDGE_UNKNOWN) {
		span.high = key_of(node, node->n - 1, f->keys[1]);
		f->keys[1][span.high.len++] = 0; /* a key is shorter than the page */
	}
	span.to_end = v->high.kind == EDGE_END;
	if (!cover_add(&s->cover, &span)) {
		say("out of memory");
		s->failed = true;
	}
}

static void visit_leaf(struct salvage *s, const struct raw_node *node, const struct visit *v,
	struct frame *f)
{
	for (unsigned i = 0; i < node->n && !s->failed; i++) {
		struct verso_val key = key_of(node, i, f->keys[0]);

		if (!cover_has(&s->cover, key))
			give(s, node, i, key);
	}
	if (!s->failed)
		cover(s, node, v, f);
}

static void visit_node(struct salvage *s, const struct visit *v);

static void visit_children(struct salvage *s, const struct raw_node *node, const struct visit *v,
	struct frame *f)
{
	struct visit child = {.level = node->level - 1, .lsn = le64_get(node->page + AT_LSN)};

	child.high = v->low;
	for (unsigned i = 0; i <= node->n && !s->failed && signals_ended_by() == 0; i++) {
		child.low = child.high;
		child.high = v->high;
		if (i < node->n)
			child.high = (struct edge){EDGE_KEY, key_of(node, i, f->keys[i % 2])};
		child.ref = raw_node_child(node, i);
		visit_node(s, &child);
	}
}

/* What a walk from a root does not find where it should be, is damaged. */
static void refuse(struct salvage *s, uint32_t pgno, const char *wrong)
{
	if (s->is_doubted)
		return;
	loss_add(&s->loss, pgno, wrong);
	if (pgno < s->places.n_pages)
		salvage_bit_set(s->refused, pgno);
}

static void visit_node(struct salvage *s, const struct visit *v)
{
	struct raw_node node;
	struct frame f;
	const char *wrong;

	if (v->ref.pgno >= s->places.n_pages || salvage_bit(s->reached, v->ref.pgno)) {
		/* An older tree shares pages with the newer one. */
		if (!s->is_doubted)
			loss_add(&s->loss, v->ref.pgno,
				"it lies beyond the file, or two references mean it");
		return;
	}
	if (s->is_doubted && s->places.place[v->ref.pgno] == PLACE_FREE) /* S3 */
		return;
	if (!frame_init(s, &f))
		return;
	wrong = read_node(s, v, &f, &node);
	if (wrong) {
		refuse(s, v->ref.pgno, wrong);
	} else {
		salvage_bit_set(s->reached, v->ref.pgno);
		s->n_read++;
		if (v->level == 0)
			visit_leaf(s, &node, v, &f);
		else
			visit_children(s, &node, v, &f);
	}
	free(f.page);
	progress_step(&s->progress, s->n_read);
}

static void walk_root(struct salvage *s, const struct raw_root *root)
{
	struct visit v = {
		.ref = root->ref,
		.level = root->level,
		.lsn = s->r.has_meta ? raw_newest(&s->r)->gen : UINT64_MAX,
		.low = {EDGE_KEY, {"", 0}},
		.high = {.kind = EDGE_END},
	};
	struct cover_span all = {.low = {"", 0}, .to_end = true};

	if (root->ref.pgno == 0 && !cover_add(&s->cover, &all)) { /* an empty tree */
		say("out of memory");
		s->failed = true;
	} else if (root->ref.pgno != 0 && root->level < RAW_LEVELS_MAX) {
		visit_node(s, &v);
	}
}

/* The first node of the tree in the list. */
static uint32_t first_node(const struct salvage *s)
{
	uint32_t low = 0, high = s->n_nodes;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->nodes[mid].tree < s->tree)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Nodes that no walk has reached; each is a tree of its own. */
static void walk_nodes(struct salvage *s)
{
	uint32_t i = first_node(s);

	for (; i < s->n_nodes && s->nodes[i].tree == s->tree && !cover_is_all(&s->cover); i++) {
		const struct salvage_node *n = &s->nodes[i];
		struct visit v = {.ref = {n->pgno, n->gen}, .level = n->level, .lsn = n->gen};

		if (s->failed || signals_ended_by() != 0)
			return;
		if (n->level >= RAW_LEVELS_MAX || salvage_bit(s->reached, n->pgno) ||
			salvage_bit(s->refused, n->pgno))
			continue;
		s->is_doubted = s->table->is_doubted || !n->is_used;
		visit_node(s, &v);
	}
}

void salvage_walk_table(struct salvage *s, struct salvage_table *t)
{
	s->table = t;
	s->tree = t->root.tree;
	s->is_unreached = false;
	s->is_doubted = t->is_doubted;
	if (t->has_root && !t->is_doubted) /* else its root is one of the nodes, at its age */
		walk_root(s, &t->root);
	s->is_unreached = true;
	if (!s->failed && signals_ended_by() == 0)
		walk_nodes(s);
	t->is_covered = cover_is_all(&s->cover);
	cover_fini(&s->cover);
	s->is_unreached = s->is_doubted = false;
}
