/* SPDX-License-Identifier: MIT */
#include "labs/lab5/tests/tree_bench.h"
#include "btree/node.h"
#include "tests/check_main.h"

#include <string.h>

static struct bench *watched; /* a test has one at a time, in a process of its own */

static bool is_guarded(const struct bench *b)
{
	return atomic_load(&b->env->guard->epoch) != 0;
}

static int watched_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	watched->n_gets++;
	watched->n_wrong += is_guarded(watched);
	return watched->real->get(p, g, ref, ret_page);
}

static void watched_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	watched->n_peeks += (unsigned)n;
	watched->n_wrong += !is_guarded(watched);
	watched->real->peek(p, refs, n, ret_pages);
}

void bench_open(struct bench *b, const char *text)
{
	struct txn_root root = {.tree = 7};

	memset(b, 0, sizeof(*b));
	b->env = double_open(TREE_PAGE);
	btree_init(&b->bt, &b->env->txn, &root);
	tree_lay(b->env, &b->bt, text);
	b->committed = b->bt.root;
	tree_print(b->env, &b->committed, b->before);
	b->real = b->env->pager.ops;
	b->ops = *b->real;
	b->ops.get = watched_get;
	b->ops.peek = watched_peek;
	b->env->pager.ops = &b->ops;
	watched = b;
}

void bench_close(struct bench *b)
{
	bench_is_quiet(b, "at the end");
	btree_fini(&b->bt);
	double_close(b->env);
}

void bench_is_quiet(struct bench *b, const char *when)
{
	ck_assert_msg(!is_guarded(b), "%s: the guard is still entered", when);
	ck_assert_msg(b->env->n_pins == 0, "%s: %zu pages are still pinned", when, b->env->n_pins);
}

void bench_finds(struct bench *b, const char *key, bool expected)
{
	struct btree_item item;
	struct tree_key k;
	unsigned val_len;
	int rc;

	tree_record(key, &k, &val_len);
	rc = btree_get(&b->bt, (struct btree_slice){k.data, k.len}, &item);
	ck_assert_msg(rc == (expected ? 0 : VERSO_NOTFOUND),
		"btree_get() of \"%s\" returned %d%s, expected %s in %s", key, rc,
		check_error_note(rc), expected ? "0" : "VERSO_NOTFOUND", b->before);
	if (rc == 0)
		btree_item_put(&b->bt, &item);
	bench_is_quiet(b, key);
}

void bench_put(struct bench *b, const char *record)
{
	static const uint8_t val[TREE_VAL_MAX] = "new";
	struct tree_key k;
	unsigned val_len;

	tree_record(record, &k, &val_len);
	ck_assert_int_eq(btree_put(&b->bt, (struct btree_slice){k.data, k.len},
				 (struct btree_slice){val, val_len}, 0),
		0);
}

void bench_del(struct bench *b, const char *key)
{
	struct tree_key k;
	unsigned val_len;

	tree_record(key, &k, &val_len);
	ck_assert_int_eq(btree_del(&b->bt, (struct btree_slice){k.data, k.len}), 0);
}

/* Pages below a reference, which were printed, and so are there. */
static size_t look(struct bench *b, struct page_ref ref, unsigned level, bool committed)
{
	const struct page *page = tree_page(b->env, ref, level);
	const char *wrong = node_validate(page, TREE_PAGE);
	size_t n = 1;

	ck_assert_msg(!wrong, "page %u: %s", ref.pgno, wrong);
	ck_assert_msg(!committed || page_verify(page, TREE_PAGE, ref, b->env->pager.seed) == 0,
		"page %u was committed, and has changed since: it was not copied before", ref.pgno);
	for (unsigned i = 0; level > 0 && i <= node_count(page); i++)
		n += look(b, node_child(page, TREE_PAGE, i), level - 1, committed);
	return n;
}

void bench_is(struct bench *b, const char *text)
{
	char found[TREE_TEXT_MAX];
	size_t n;

	tree_print(b->env, &b->bt.root, found);
	ck_assert_msg(strcmp(found, text) == 0, "%s became %s, expected %s", b->before, found,
		text);
	n = look(b, b->bt.root.ref, b->bt.root.level, false);
	ck_assert_msg(b->env->n_live == n,
		"the tree has %zu pages, and %zu are in use: which one was not given up?", n,
		b->env->n_live);
	tree_print(b->env, &b->committed, found);
	ck_assert_msg(strcmp(found, b->before) == 0,
		"the committed tree %s became %s: a page was changed that was not copied before",
		b->before, found);
	(void)look(b, b->committed.ref, b->committed.level, true);
	bench_is_quiet(b, text);
}
