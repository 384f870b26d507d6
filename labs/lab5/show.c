/* SPDX-License-Identifier: MIT */
/*
 * Shows what edits make of a tree, by the student's own functions, and draws the questions of
 * predict.toml. Trees are written as tree_text.h says; a full leaf asks no neighbour (no_share.c).
 *
 *	show edit TREE put|del RECORD ...        the tree after each of the edits
 *	show bytes                               the root byte by byte, after its leaf has split
 *	show split|repair|pages SEED question    a question
 *	show split|repair|pages SEED answer      who is right
 *	show predicted                           the same for the questions of the handout
 */
#include "btree/node.h"
#include "labs/lab5/tree_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 12U

struct shown {
	struct double_env *env;
	struct btree bt;
};

static void open_tree(struct shown *s, const char *text)
{
	struct txn_root root = {.tree = 7};

	s->env = double_open(TREE_PAGE);
	btree_init(&s->bt, &s->env->txn, &root);
	tree_lay(s->env, &s->bt, text);
}

static void close_tree(struct shown *s)
{
	btree_fini(&s->bt);
	double_close(s->env);
}

static void edit(struct shown *s, const char *what, const char *record)
{
	static const uint8_t val[TREE_VAL_MAX] = "new";
	struct tree_key k;
	unsigned val_len;
	int rc;

	tree_record(record, &k, &val_len);
	if (strcmp(what, "put") == 0)
		rc = btree_put(&s->bt, (struct btree_slice){k.data, k.len},
			(struct btree_slice){val, val_len}, 0);
	else
		rc = btree_del(&s->bt, (struct btree_slice){k.data, k.len});
	if (rc == 0)
		return;
	(void)fprintf(stderr, "%s %s: %s\n", what, record,
		rc == VERSO_NOTFOUND ? "there is no such record" : error_text());
	exit(EXIT_FAILURE);
}

/* Pages that this transaction has made: copies and new ones. */
static unsigned count_written(const struct shown *s)
{
	unsigned n = 0;

	for (pgno_t i = 0; i < s->env->n_pages; i++)
		n += s->env->pages[i].data && s->env->pages[i].own;
	return n;
}

static void print_count(uint64_t n, const char *one, const char *many)
{
	if (n > 0)
		printf("  %llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static void show_edit(int argc, char **argv)
{
	char text[TREE_TEXT_MAX];
	struct shown s;

	open_tree(&s, argv[0]);
	tree_print(s.env, &s.bt.root, text);
	printf("             %s\n", text);
	for (int i = 1; i + 1 < argc; i += 2) {
		struct btree_marks was = s.bt.marks;
		const struct btree_marks *m = &s.bt.marks;

		double_commit(s.env);
		edit(&s, argv[i], argv[i + 1]);
		tree_print(s.env, &s.bt.root, text);
		printf("%s %-8s %s\n           ", argv[i], argv[i + 1], text);
		print_count(count_written(&s), "page written", "pages written");
		print_count(m->n_splits - was.n_splits, "split", "splits");
		print_count(m->n_merges - was.n_merges, "merge", "merges");
		print_count(m->n_redistributions - was.n_redistributions, "redistribution",
			"redistributions");
		print_count(m->n_roots_grown - was.n_roots_grown, "new root", "new roots");
		print_count(m->n_roots_shrunk - was.n_roots_shrunk, "root gone", "roots gone");
		printf("\n");
	}
	close_tree(&s);
}

static void print_line(const struct page *page, unsigned at, unsigned n, const char *what)
{
	printf("%6u ", at);
	for (unsigned i = 0; i < n || i < LINE_BYTES; i++) {
		if (i < n)
			printf(" %02x", node_bytes(page)[at + i]);
		else
			printf("   ");
	}
	printf("   %s\n", what);
}

static void print_child(const struct page *page, unsigned i, unsigned at)
{
	struct page_ref ref = node_child(page, TREE_PAGE, i);
	char what[64];

	(void)snprintf(what, sizeof(what), "child %u: page %u of generation %llu", i, ref.pgno,
		(unsigned long long)ref.gen);
	print_line(page, at, PAGE_REF_BYTES, what);
}

static void show_bytes(void)
{
	char text[TREE_TEXT_MAX], what[96];
	const struct page *page;
	struct shown s;

	open_tree(&s, "[apple fig grape guava]");
	edit(&s, "put", "cherry");
	tree_print(s.env, &s.bt.root, text);
	printf("%s\n", text);
	page = tree_page(s.env, s.bt.root.ref, s.bt.root.level);
	(void)snprintf(what, sizeof(what), "count %u, prefix_len %u, heap_len %u, dead %u",
		node_count(page), node_prefix_len(page), node_heap_len(page), node_dead(page));
	print_line(page, NODE_COUNT, 8, what);
	print_child(page, 0, NODE_LEFTMOST);
	(void)snprintf(what, sizeof(what), "slot 0: the separator f; its cell is at %u",
		node_off(page, 0));
	print_line(page, NODE_SLOTS, NODE_SLOT_BYTES, what);
	print_child(page, 1, node_off(page, 0));
	close_tree(&s);
}

/* Questions: what a seed draws is a tree and an edit of it. */
struct drawn {
	char tree[TREE_TEXT_MAX];
	char what[4];
	char record[16];
};

static unsigned draw_number(uint64_t *state, unsigned below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 40) % below;
}

static void add(struct drawn *d, const char *text)
{
	size_t len = strlen(d->tree);

	(void)snprintf(d->tree + len, sizeof(d->tree) - len, "%s", text);
}

/* Six keys in pairs that begin alike; five of them nearly fill a leaf. */
static void draw_split(struct drawn *d, uint64_t seed)
{
	unsigned asked = draw_number(&seed, 5), used = 0, size;
	char keys[6][4];

	for (unsigned i = 0; i < 6; i++) {
		if (i % 2 == 0)
			keys[i][0] = (char)('b' + 2 * i + draw_number(&seed, 3));
		else
			keys[i][0] = keys[i - 1][0];
		keys[i][1] = (char)('a' + i % 2 * 13 + draw_number(&seed, 10));
		keys[i][2] = '\0';
	}
	add(d, "[");
	for (unsigned i = 0; i < 6; i++) {
		char record[16];

		if (i == asked)
			continue;
		size = 50 + draw_number(&seed, 39);
		used += size;
		(void)snprintf(record, sizeof(record), "%s%s:%u",
			i > (asked == 0 ? 1U : 0U) ? " " : "", keys[i], size);
		add(d, record);
	}
	add(d, "]");
	size = node_cap(TREE_PAGE) + 1 - used + draw_number(&seed, 40);
	size = size < 20 ? 20 : size > 200 ? 200 : size;
	(void)snprintf(d->what, sizeof(d->what), "put");
	(void)snprintf(d->record, sizeof(d->record), "%s:%u", keys[asked], size);
}

static void add_leaf(struct drawn *d, char letter, unsigned n, unsigned size_min, unsigned size_max,
	uint64_t *seed)
{
	add(d, "[");
	for (unsigned i = 0; i < n; i++) {
		char record[24];

		(void)snprintf(record, sizeof(record), "%s%c:%u", i > 0 ? " " : "",
			(char)(letter + (char)i),
			size_min + draw_number(seed, size_max - size_min + 1));
		add(d, record);
	}
	add(d, "]");
}

static void draw_repair(struct drawn *d, uint64_t seed)
{
	add(d, "(");
	add_leaf(d, 'a', 2, 80, 140, &seed);
	add(d, " g ");
	add_leaf(d, 'g', 2 + draw_number(&seed, 3), 70, 110, &seed);
	add(d, " m ");
	add_leaf(d, 'm', 2, 100, 100, &seed);
	add(d, ")");
	(void)snprintf(d->what, sizeof(d->what), "del");
	(void)snprintf(d->record, sizeof(d->record), "a");
}

/* Two letters a key, so that all are of one length, and ascend. */
static void key_of(unsigned n, char key[4])
{
	(void)snprintf(key, 4, "%c%c", (char)('a' + (char)(n / 5)),
		(char)('a' + (char)(n % 5) * 5));
}

static void add_tree(struct drawn *d, unsigned level, unsigned *n, uint64_t *seed)
{
	unsigned entries = (level > 0 ? 1 : 2) + draw_number(seed, level > 0 ? 2 : 3);
	char text[8], key[4];

	add(d, level > 0 ? "(" : "[");
	if (level > 0)
		add_tree(d, level - 1, n, seed);
	for (unsigned i = 0; i < entries; i++) {
		key_of(*n, key);
		(void)snprintf(text, sizeof(text), level > 0 || i > 0 ? " %s" : "%s", key);
		add(d, text);
		if (level > 0) {
			add(d, " ");
			add_tree(d, level - 1, n, seed);
		} else {
			++*n;
		}
	}
	add(d, level > 0 ? ")" : "]");
}

static void draw_pages(struct drawn *d, uint64_t seed)
{
	unsigned n = 0;
	char key[4];

	add_tree(d, draw_number(&seed, 3), &n, &seed);
	key_of(draw_number(&seed, n - 1), key);
	(void)snprintf(d->what, sizeof(d->what), "put");
	(void)snprintf(d->record, sizeof(d->record), "%sb", key);
}

static void ask(const struct drawn *d, const char *question)
{
	printf("the tree  %s\n", d->tree);
	printf("then      %s %s\n", d->what, d->record);
	printf("%s\n", question);
}

/* The separator in the root, and the records left of it. */
static void answer_split(const struct shown *s)
{
	const struct page *root = tree_page(s->env, s->bt.root.ref, 1);
	const struct page *left = tree_page(s->env, node_child(root, TREE_PAGE, 0), 0);
	uint8_t key[TREE_PAGE];
	unsigned len = node_key(root, TREE_PAGE, 0, key);

	printf("%.*s %u\n", (int)len, (const char *)key, node_count(left));
}

/* The records of each leaf below the root. */
static void answer_repair(const struct shown *s)
{
	const struct page *root = tree_page(s->env, s->bt.root.ref, 1);

	for (unsigned i = 0; i <= node_count(root); i++)
		printf("%s%u", i > 0 ? " " : "",
			node_count(tree_page(s->env, node_child(root, TREE_PAGE, i), 0)));
	printf("\n");
}

static void answer_pages(const struct shown *s)
{
	printf("%u\n", count_written(s));
}

static const struct {
	const char *name, *question;
	void (*draw)(struct drawn *d, uint64_t seed);
	void (*answer)(const struct shown *s);
	struct drawn printed; /* the question of the handout */
} questions[] = {
	{"split",
		"which separator has the new root, how many records has its left leaf? (two words)",
		draw_split, answer_split, {"[apple fig grape guava]", "put", "cherry"}},
	{"repair", "how many records has each leaf then, from left to right? (numbers)",
		draw_repair, answer_repair, {"([a b] g [g h i j] m [m n])", "del", "a"}},
	{"pages", "how many pages are written, copies and new ones together? (a number)",
		draw_pages, answer_pages, {"(([a b] c [c d]) g ([g h] k [k l]))", "put", "ca"}},
};

static void answer(unsigned i, const struct drawn *d)
{
	struct shown s;

	open_tree(&s, d->tree);
	edit(&s, d->what, d->record);
	questions[i].answer(&s);
	close_tree(&s);
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: show edit TREE put|del RECORD ... | bytes | predicted\n"
			      "       show split|repair|pages SEED question|answer\n");
	return 2;
}

int main(int argc, char **argv)
{
	unsigned n = sizeof(questions) / sizeof(*questions);

	if (argc > 4 && argc % 2 == 1 && strcmp(argv[1], "edit") == 0) {
		for (int i = 3; i < argc; i += 2)
			if (strcmp(argv[i], "put") != 0 && strcmp(argv[i], "del") != 0)
				return usage();
		show_edit(argc - 2, argv + 2);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "bytes") == 0) {
		show_bytes();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "predicted") == 0) {
		for (unsigned i = 0; i < n; i++)
			answer(i, &questions[i].printed);
		return 0;
	}
	for (unsigned i = 0; argc == 4 && i < n; i++) {
		static struct drawn d;

		if (strcmp(argv[1], questions[i].name) != 0)
			continue;
		questions[i].draw(&d, strtoull(argv[2], NULL, 10));
		if (strcmp(argv[3], "answer") == 0)
			answer(i, &d);
		else
			ask(&d, questions[i].question);
		return 0;
	}
	return usage();
}
