/* SPDX-License-Identifier: MIT */
/* A list of pages that grows only by a promise; its buffers are used again. */
#include "space/pages.h"
#include "base/array.h"
#include "base/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void space_pages_init(struct space_pages *p, uint32_t page_size)
{
	memset(p, 0, sizeof(*p));
	p->page_size = page_size;
}

void space_pages_fini(struct space_pages *p)
{
	for (uint32_t i = 0; i < p->n_all; i++)
		free(p->items[i]);
	free(p->items);
	memset(p, 0, sizeof(*p));
}

int space_pages_reserve(struct space_pages *p, uint32_t n_more)
{
	int rc = array_reserve(&p->items, &p->cap, (uint64_t)p->n + n_more, sizeof(struct page *));

	while (rc == 0 && p->n_all < p->n + n_more) {
		struct page *page = page_buffers_alloc(p->page_size, 1);

		if (!page)
			return -ENOMEM;
		p->items[p->n_all++] = page;
	}
	if (rc == 0)
		p->n_promised = p->n + n_more;
	return rc;
}

static uint32_t page_find(const struct space_pages *p, pgno_t pgno)
{
	uint32_t i = 0;

	while (i < p->n && page_ref(p->items[i]).pgno != pgno)
		i++;
	return i;
}

struct page *space_pages_add(struct space_pages *p, struct page_ref ref, enum page_type type)
{
	uint32_t i = page_find(p, ref.pgno);

	if (i == p->n) {
		ASSERT(p->n < p->n_all); /* space_pages_reserve() saw to it */
		DCHECK(p->n < p->n_promised);
		p->n++;
	}
	memset(p->items[i], 0, p->page_size);
	page_init(p->items[i], ref, type, 0, 0);
	return p->items[i];
}

void space_pages_clear(struct space_pages *p)
{
	p->n = p->n_promised = 0;
}
