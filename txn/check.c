/* SPDX-License-Identifier: MIT */
/*
 * T10: every page is in exactly one place: a tree, the pending list or its pages, the bitmaps, the
 * windows, the two copies of each bitmap and index page, or a meta slot.
 *
 * The trees are followed on copies: a page of a mapping may be gone at any load, because the disk
 * failed or somebody cut the file, and here the writer lock is held. Only the making of the copy is
 * inside a fault guard.
 */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 64

/* What a page is, by where it was found. */
enum page_use { USE_NONE, USE_META, USE_SPACE, USE_FREE, USE_PENDING, USE_LIST_PAGE, USE_TREE };

static const char *const use_name[] = {
	[USE_NONE] = "nowhere",
	[USE_META] = "a meta slot",
	[USE_SPACE] = "a copy of a bitmap or of an index page",
	[USE_FREE] = "the free pages",
	[USE_PENDING] = "the pending pages",
	[USE_LIST_PAGE] = "the chain of pending pages",
	[USE_TREE] = "a tree",
};

struct check {
	struct txn *txn;
	txn_report_fn *report;
	void *arg;
	uint8_t *use; /* of each page */
	pgno_t n_pages;
	gen_t gen;                 /* of the state */
	const struct page *parent; /* of the reference looked at; NULL: the meta page */
	unsigned depth;
	int rc;
};

const char *txn_ref_wrong(const struct page *parent, struct page_ref child)
{
	return child.gen > page_lsn(parent) ? "a page is newer than the one that refers to it"
					    : NULL;
}

/* Reports a finding; returns non-zero when the caller wants no more. */
static int found(struct check *c, pgno_t pgno, const char *what)
{
	char text[ERROR_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "%s", what); /* it may be error_text() itself */
	c->rc = error_set(VERSO_ECORRUPT, "page %u: %s", pgno, text);
	return c->report ? c->report(c->arg, pgno, text) : 1;
}

/*
 * *ret_marked is false when there is no such page, or it was found before: then the pages below it
 * are not visited again, or a cycle of references would have no end.
 */
static int mark_once(struct check *c, pgno_t pgno, enum page_use use, bool *ret_marked)
{
	char text[128];

	*ret_marked = false;
	if (pgno >= c->n_pages) {
		(void)snprintf(text, sizeof(text), "beyond the end, but in %s", use_name[use]);
		return found(c, pgno, text);
	}
	if (c->use[pgno] != USE_NONE) {
		(void)snprintf(text, sizeof(text), "in %s, and in %s too", use_name[use],
			use_name[c->use[pgno]]);
		return found(c, pgno, text);
	}
	c->use[pgno] = (uint8_t)use;
	*ret_marked = true;
	return 0;
}

static int mark(struct check *c, pgno_t pgno, enum page_use use)
{
	bool marked;

	return mark_once(c, pgno, use, &marked);
}

static int mark_run(struct check *c, pgno_t pgno, uint32_t n, enum page_use use)
{
	int stop = 0;

	for (uint32_t i = 0; !stop && i < n; i++)
		stop = mark(c, pgno + i, use);
	return stop;
}

static int mark_tree(void *arg, struct page_ref ref, unsigned level);

static int mark_under(struct check *c, const struct page *page, struct page_ref ref, unsigned level)
{
	const struct page *parent = c->parent;
	int rc;

	if (page->level != level)
		return found(c, ref.pgno, "of another level than its parent says");
	if (page_lsn(page) < ref.gen || page_lsn(page) > c->gen)
		return found(c, ref.pgno, "last changed before it was made, or after this state");
	c->depth++;
	c->parent = page;
	rc = c->txn->env->schema->each_ref(page, c->txn->pager->page_size, mark_tree, c);
	c->parent = parent;
	c->depth--;
	if (rc == VERSO_ECORRUPT && c->rc == 0)
		rc = found(c, ref.pgno, error_text());
	return rc;
}

static const char *ref_wrong(const struct check *c, struct page_ref ref)
{
	if (c->parent)
		return txn_ref_wrong(c->parent, ref);
	return ref.gen > c->gen ? "newer than the meta page that refers to it" : NULL;
}

static int mark_tree(void *arg, struct page_ref ref, unsigned level)
{
	struct check *c = arg;
	const char *wrong;
	struct page *copy;
	bool marked;
	int rc = mark_once(c, ref.pgno, USE_TREE, &marked);

	if (rc || !marked)
		return rc;
	wrong = ref_wrong(c, ref);
	if (wrong)
		return found(c, ref.pgno, wrong);
	if (c->depth >= DEPTH_MAX)
		return found(c, ref.pgno, "deeper than any tree can be");
	copy = malloc(c->txn->pager->page_size);
	rc = copy ? pager_copy(c->txn->pager, c->txn->guard, ref, copy) : -ENOMEM;
	if (rc == 0)
		rc = mark_under(c, copy, ref, level);
	else if (rc == VERSO_ECORRUPT)
		rc = found(c, ref.pgno, error_text());
	else
		c->rc = rc;
	free(copy);
	return rc;
}

static int mark_group(struct check *c, uint32_t r)
{
	struct space *s = &c->txn->env->space;
	const struct layout *l = &s->layout;
	pgno_t start = r * l->group_pages, first = layout_first_page(l, r);
	int rc = mark_run(c, layout_bitmap(l, r), first - layout_bitmap(l, r), USE_SPACE);

	if (rc)
		return rc;
	rc = space_load_group(s, r);
	if (rc == VERSO_ECORRUPT)
		return found(c, layout_bitmap(l, r), error_text());
	if (rc) {
		c->rc = rc;
		return rc;
	}
	for (pgno_t i = first - start; rc == 0 && i < l->group_pages; i++) {
		if (start + i < s->n_pages && space_is_free(s, start + i))
			rc = mark(c, start + i, USE_FREE);
	}
	return rc;
}

static int mark_space(struct check *c)
{
	struct space *s = &c->txn->env->space;
	int rc = mark_run(c, 0, 2 * s->layout.slot_pages, USE_META);

	for (uint32_t r = 0; rc == 0 && r < s->n_groups; r++)
		rc = mark_group(c, r);
	for (unsigned w = 0; w < RECORD_WINDOWS; w++) {
		for (pgno_t i = 0; rc == 0 && i < WINDOW_PAGES; i++) {
			if (s->windows[w].mask[i / 64] >> (i % 64) & 1)
				rc = mark(c, s->windows[w].first + i, USE_FREE);
		}
	}
	return rc;
}

static int mark_pending(struct check *c)
{
	const struct extent_queue *q = &c->txn->env->pending.joined;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < q->n; i++)
		rc = mark_run(c, q->extents[q->first + i].pgno, q->extents[q->first + i].n_pages,
			USE_PENDING);
	for (uint32_t i = 0; rc == 0 && i < q->n_list_pages; i++)
		rc = mark(c, q->list_pages[q->first_list_page + i].ref.pgno, USE_LIST_PAGE);
	return rc;
}

static int find_lost(struct check *c)
{
	int rc = 0;

	for (pgno_t pgno = 0; rc == 0 && pgno < c->n_pages; pgno++) {
		if (c->use[pgno] == USE_NONE)
			rc = found(c, pgno, "in no tree, not free and not pending: it is lost");
	}
	return rc;
}

static int check_all(struct check *c, const struct meta *m)
{
	int rc = mark_space(c);

	if (rc == 0)
		rc = mark_pending(c);
	for (unsigned i = 0; rc == 0 && i < TXN_ROOTS; i++) {
		if (m->roots[i].ref.pgno)
			rc = mark_tree(c, m->roots[i].ref, m->roots[i].level);
	}
	if (rc == 0)
		rc = find_lost(c);
	return c->rc ? c->rc : rc;
}

int txn_check(struct txn_env *env, txn_report_fn *report, void *arg)
{
	struct check c = {.report = report, .arg = arg};
	struct meta *m = malloc(sizeof(*m));
	int rc = m ? writer_acquire(env) : -ENOMEM;

	if (rc) {
		free(m);
		return rc;
	}
	pthread_mutex_lock(&env->lock);
	*m = env->joined;
	pthread_mutex_unlock(&env->lock);
	c.txn = &env->write_handle;
	c.gen = m->gen;
	c.n_pages = env->space.n_pages; /* growth of an aborted transaction stays, as free pages */
	c.use = calloc(c.n_pages, 1);
	rc = c.use ? check_all(&c, m) : -ENOMEM;
	free(c.use);
	free(m);
	writer_release(env);
	return rc;
}
