/* SPDX-License-Identifier: MIT */
#include "txn/batch.h"
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

int batch_init(struct batch *b, const struct layout *layout)
{
	memset(b, 0, sizeof(*b));
	space_pages_init(&b->pages, layout->page_size);
	b->slot_bytes = layout->slot_pages * layout->page_size;
	b->meta_bytes = aligned_alloc(4096, b->slot_bytes);
	if (!b->meta_bytes)
		return -ENOMEM;
	(void)pthread_cond_init(&b->moved, NULL);
	return 0;
}

void batch_fini(struct batch *b)
{
	space_pages_fini(&b->pages);
	free(b->own);
	free(b->set);
	free(b->meta_bytes);
	(void)pthread_cond_destroy(&b->moved);
	memset(b, 0, sizeof(*b));
}

int batch_reserve(struct batch *b, uint32_t n_own, uint32_t n_pages)
{
	int rc = array_reserve(&b->own, &b->cap_own, b->n_own + n_own, sizeof(*b->own));

	if (rc == 0)
		rc = space_pages_reserve(&b->pages, n_pages);
	if (rc == 0)
		rc = array_reserve(&b->set, &b->cap_set,
			b->n_own + n_own + b->pages.n + n_pages + 1, sizeof(*b->set));
	if (rc == 0)
		b->n_own_promised = b->n_own + n_own;
	return rc;
}

void batch_add_own(struct batch *b, pgno_t pgno)
{
	ASSERT(b->n_own < b->cap_own);
	DCHECK(b->n_own < b->n_own_promised);
	b->own[b->n_own++] = pgno;
}

int pgno_compare(const void *a, const void *b)
{
	pgno_t x = *(const pgno_t *)a, y = *(const pgno_t *)b;

	return (x > y) - (x < y);
}

uint32_t batch_drop_dead(struct batch *b, struct pager *pager, const pgno_t *dead, size_t n_dead)
{
	uint32_t n = 0, n_dropped;

	for (uint32_t i = 0; i < b->n_own; i++) {
		if (bsearch(&b->own[i], dead, n_dead, sizeof(*dead), pgno_compare))
			pager_drop(pager, b->own[i], 1);
		else
			b->own[n++] = b->own[i];
	}
	n_dropped = b->n_own - n;
	b->n_own = n;
	return n_dropped;
}

size_t batch_make_set(struct batch *b, const struct page_write *meta)
{
	size_t n = 0;

	ASSERT((uint64_t)b->n_own + b->pages.n + 1 <= b->cap_set);
	if (meta)
		b->set[n++] = *meta;

	for (uint32_t i = 0; i < b->n_own; i++)
		b->set[n++] = (struct page_write){b->own[i], 1, NULL};
	for (uint32_t i = 0; i < b->pages.n; i++)
		b->set[n++] =
			(struct page_write){page_ref(b->pages.items[i]).pgno, 1, b->pages.items[i]};
	page_writes_sort(b->set, n);
	return n;
}

void batch_clear(struct batch *b)
{
	b->n_own = b->n_own_promised = 0;
	space_pages_clear(&b->pages);
	b->n_unproved = 0;
	b->n_joined = 0;
	b->published = false;
}
