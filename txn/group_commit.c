/* SPDX-License-Identifier: MIT */
/* The contents of a group commit: reserving may fail; adding, sorting and dropping cannot (T11). */
#include "txn/group_commit.h"
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

int group_commit_init(struct group_commit *group, const struct layout *layout)
{
	memset(group, 0, sizeof(*group));
	space_pages_init(&group->pages, layout->page_size);
	group->slot_bytes = layout->slot_pages * layout->page_size;
	group->meta_bytes = aligned_alloc(4096, group->slot_bytes);
	if (!group->meta_bytes)
		return -ENOMEM;
	(void)pthread_cond_init(&group->moved, NULL);
	return 0;
}

void group_commit_fini(struct group_commit *group)
{
	space_pages_fini(&group->pages);
	free(group->own);
	free(group->set);
	free(group->meta_bytes);
	(void)pthread_cond_destroy(&group->moved);
	memset(group, 0, sizeof(*group));
}

int group_commit_reserve(struct group_commit *group, uint32_t n_own, uint32_t n_pages)
{
	int rc = array_reserve(&group->own, &group->cap_own, group->n_own + n_own,
		sizeof(*group->own));

	if (rc == 0)
		rc = space_pages_reserve(&group->pages, n_pages);
	if (rc == 0)
		rc = array_reserve(&group->set, &group->cap_set,
			group->n_own + n_own + group->pages.n + n_pages + 1, sizeof(*group->set));
	if (rc == 0)
		group->n_own_promised = group->n_own + n_own;
	return rc;
}

void group_commit_add_own(struct group_commit *group, pgno_t pgno)
{
	ASSERT(group->n_own < group->cap_own);
	DCHECK(group->n_own < group->n_own_promised);
	group->own[group->n_own++] = pgno;
}

int pgno_compare(const void *a, const void *b)
{
	pgno_t x = *(const pgno_t *)a, y = *(const pgno_t *)b;

	return (x > y) - (x < y);
}

uint32_t group_commit_drop_dead(struct group_commit *group, struct pager *pager, const pgno_t *dead,
	size_t n_dead)
{
	uint32_t n = 0, n_dropped;

	for (uint32_t i = 0; i < group->n_own; i++) {
		if (bsearch(&group->own[i], dead, n_dead, sizeof(*dead), pgno_compare))
			pager_drop(pager, group->own[i], 1);
		else
			group->own[n++] = group->own[i];
	}
	n_dropped = group->n_own - n;
	group->n_own = n;
	return n_dropped;
}

size_t group_commit_make_set(struct group_commit *group, const struct page_write *meta)
{
	size_t n = 0;

	ASSERT((uint64_t)group->n_own + group->pages.n + 1 <= group->cap_set);
	if (meta)
		group->set[n++] = *meta;

	for (uint32_t i = 0; i < group->n_own; i++)
		group->set[n++] = (struct page_write){group->own[i], 1, NULL};
	for (uint32_t i = 0; i < group->pages.n; i++)
		group->set[n++] = (struct page_write){
			page_ref(group->pages.items[i]).pgno, 1, group->pages.items[i]};
	page_writes_sort(group->set, n);
	for (size_t i = 1; i < n; i++) /* T1, T10: no page has two contents */
		DCHECK(group->set[i - 1].pgno + group->set[i - 1].n_pages <= group->set[i].pgno);
	return n;
}

void group_commit_clear(struct group_commit *group)
{
	group->n_own = group->n_own_promised = 0;
	space_pages_clear(&group->pages);
	group->n_unproved = 0;
	group->n_joined = 0;
	group->published = false;
}
