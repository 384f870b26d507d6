/* SPDX-License-Identifier: MIT */
#include "labs/lab5/tree_text.h"
#include "btree/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 48U
#define SIZE        100U /* of a record's entry, where none is said */
#define DOTS_MIN    4U   /* so many are printed as ~ */

/* A node of a text. */
struct text_node {
	unsigned n; /* records, or separators */
	struct tree_key keys[ENTRIES_MAX];
	unsigned val_lens[ENTRIES_MAX];
	struct text_node *kids[ENTRIES_MAX + 1]; /* a leaf: none */
};

static _Noreturn void bad(const char *what, const char *at)
{
	(void)fprintf(stderr, "the text of the tree: %s, at \"%.40s\"\n", what, at);
	exit(EXIT_FAILURE);
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

static bool is_of_key(char c)
{
	return c != '\0' && !strchr(" ()[]{}:", c);
}

/* Reads a key; returns where it ends. */
static const char *read_key(const char *at, struct tree_key *ret_key)
{
	const char *from = at;

	memset(ret_key, 0, sizeof(*ret_key));
	while (is_of_key(*at)) {
		unsigned long to = ret_key->len + 1U;
		uint8_t byte = (uint8_t)*at++;

		if (byte == '~') {
			char *end;

			to = strtoul(at, &end, 10);
			at = end;
			byte = '.';
		}
		if (to > TREE_KEY_MAX)
			bad("a key has more than 80 bytes", from);
		while (ret_key->len < to)
			ret_key->data[ret_key->len++] = byte;
	}
	if (at == from)
		bad("expected a key", at);
	return at;
}

static const char *read_record(const char *at, struct tree_key *ret_key, unsigned *ret_val_len)
{
	unsigned least;
	unsigned long size = SIZE;

	at = read_key(at, ret_key);
	least = node_entry_bytes(true, ret_key->len, 0);
	if (*at == ':') {
		char *end;

		size = strtoul(at + 1, &end, 10);
		at = end;
	}
	if (size < least || size > node_entry_max(TREE_PAGE))
		bad("a record takes its key, 2 bytes and a slot at least, and half a page at most",
			at);
	*ret_val_len = (unsigned)size - least;
	return at;
}

void tree_record(const char *text, struct tree_key *ret_key, unsigned *ret_val_len)
{
	const char *end = read_record(text, ret_key, ret_val_len);

	if (*end != '\0')
		bad("expected one record", end);
}

static const char *read_node(const char *at, struct text_node **ret_node)
{
	struct text_node *node = calloc(1, sizeof(*node));
	char close;

	if (!node)
		bad("no memory", at);
	at = skip_blanks(at);
	if (*at == '{') {
		while (*at != '\0' && *at != '}')
			at++;
		at += *at == '}';
	}
	if (*at != '[' && *at != '(')
		bad("expected a page, [records] or (children)", at);
	close = *at++ == '[' ? ']' : ')';
	if (close == ')')
		at = skip_blanks(read_node(at, &node->kids[0]));
	for (at = skip_blanks(at); *at != close; at = skip_blanks(at)) {
		unsigned i = node->n++;

		if (node->n > ENTRIES_MAX)
			bad("a page has too many entries", at);
		if (close == ']') {
			at = read_record(at, &node->keys[i], &node->val_lens[i]);
		} else {
			at = read_key(at, &node->keys[i]);
			at = read_node(at, &node->kids[node->n]);
		}
	}
	*ret_node = node;
	return at + 1;
}

static void free_node(struct text_node *node)
{
	for (unsigned i = 0; node && i <= node->n; i++)
		free_node(node->kids[i]);
	free(node);
}

/* The prefix with which the page is smallest (btree/README.md, B3), counted once more. */
static unsigned prefix_len_of(const struct text_node *node, const struct tree_key *low,
	const struct tree_key *high)
{
	unsigned first = 0, second = 0, common = 0, best;

	if (!low || !high || !NODE_PREFIXES)
		return 0;
	while (common < low->len && common < high->len && low->data[common] == high->data[common])
		common++;
	for (unsigned i = 0; i < node->n; i++) {
		unsigned len = node->keys[i].len;

		if (len > first) {
			second = first;
			first = len;
		} else if (len > second) {
			second = len;
		}
	}
	best = node_tail_len(second);
	return best < common ? best : common;
}

static struct page_ref lay_node(struct double_env *env, uint32_t tree, const struct text_node *node,
	const struct tree_key *low, const struct tree_key *high, unsigned *ret_level,
	uint64_t *n_records)
{
	static const uint8_t val[TREE_VAL_MAX] = "value";
	static _Alignas(8) uint8_t scratch[TREE_PAGE];
	struct page_ref kids[ENTRIES_MAX + 1], ref;
	bool leaf = !node->kids[0];
	struct page *page;

	*ret_level = 0;
	for (unsigned i = 0; !leaf && i <= node->n; i++) {
		unsigned level;

		kids[i] = lay_node(env, tree, node->kids[i], i > 0 ? &node->keys[i - 1] : low,
			i < node->n ? &node->keys[i] : high, &level, n_records);
		if (i > 0 && level + 1 != *ret_level)
			bad("all leaves are at one level", "");
		*ret_level = level + 1;
	}
	env->budget++;
	page = txn_alloc(&env->txn, PAGE_NODE, *ret_level, tree, &ref);
	node_init(page, TREE_PAGE, low ? low->data : NULL, prefix_len_of(node, low, high));
	if (leaf)
		*n_records += node->n;
	else
		node_set_child(page, 0, kids[0]);
	for (unsigned i = 0; i < node->n; i++) {
		struct node_entry entry = {.key = node->keys[i].data,
			.key_len = node->keys[i].len,
			.val = {val, node->val_lens[i], false}};

		if (!leaf)
			entry.child = kids[i + 1];
		if (!node_fits(page, TREE_PAGE, &entry))
			bad("a page has more than fits it", (const char *)entry.key);
		node_insert(page, TREE_PAGE, i, &entry, scratch);
	}
	return ref;
}

void tree_lay(struct double_env *env, struct btree *bt, const char *text)
{
	struct text_node *node;
	const char *end = skip_blanks(read_node(text, &node));
	unsigned level;

	if (*end != '\0')
		bad("expected its end", end);
	bt->root.count = 0;
	bt->root.ref = lay_node(env, bt->root.tree, node, NULL, NULL, &level, &bt->root.count);
	bt->root.level = (uint8_t)level;
	free_node(node);
	double_commit(env);
}

const struct page *tree_page(struct double_env *env, struct page_ref ref, unsigned level)
{
	const struct page *page = ref.pgno < env->n_pages ? double_page(env, ref.pgno) : NULL;

	return page && page_is(page, ref) && page->level == level ? page : NULL;
}

/* A text that grows to its end. */
struct out {
	char *buf;
	size_t len;
};

static void add(struct out *o, const char *text)
{
	size_t n = strlen(text);

	if (o->len + n + sizeof("...") > TREE_TEXT_MAX) {
		memcpy(o->buf + TREE_TEXT_MAX - sizeof("..."), "...", sizeof("..."));
		o->len = TREE_TEXT_MAX;
		return;
	}
	memcpy(o->buf + o->len, text, n + 1);
	o->len += n;
}

static void add_key(struct out *o, const uint8_t *key, unsigned len)
{
	for (unsigned i = 0; i < len;) {
		char text[16];
		unsigned end = i;

		while (end < len && key[end] == '.')
			end++;
		if (end - i >= DOTS_MIN) {
			(void)snprintf(text, sizeof(text), "~%u", end);
			i = end;
		} else {
			(void)snprintf(text, sizeof(text),
				key[i] > ' ' && key[i] < 0x7f ? "%c" : "\\x%02x", key[i]);
			i++;
		}
		add(o, text);
	}
}

static void add_node(struct out *o, struct double_env *env, struct page_ref ref, unsigned level)
{
	const struct page *page = tree_page(env, ref, level);

	if (o->len == TREE_TEXT_MAX)
		return;
	if (!page || !node_count_is_valid(page, TREE_PAGE)) {
		add(o, "?");
		return;
	}
	if (node_prefix_len(page) > 0) {
		add(o, "{");
		add_key(o, node_prefix(page, TREE_PAGE), node_prefix_len(page));
		add(o, "}");
	}
	add(o, level > 0 ? "(" : "[");
	if (level > 0)
		add_node(o, env, node_child(page, TREE_PAGE, 0), level - 1);
	for (unsigned i = 0; i < node_count(page); i++) {
		uint8_t key[TREE_PAGE];
		unsigned len = node_key(page, TREE_PAGE, i, key);

		if (level > 0 || i > 0)
			add(o, " ");
		if (len != NODE_BAD)
			add_key(o, key, len);
		else
			add(o, "?");
		if (level == 0)
			continue;
		add(o, " ");
		add_node(o, env, node_child(page, TREE_PAGE, i + 1), level - 1);
	}
	add(o, level > 0 ? ")" : "]");
}

void tree_print(struct double_env *env, const struct txn_root *root, char *buf)
{
	struct out o = {buf, 0};

	buf[0] = '\0';
	if (root->ref.pgno != 0)
		add_node(&o, env, root->ref, root->level);
	else
		add(&o, "no page");
}
