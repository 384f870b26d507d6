/* SPDX-License-Identifier: MIT */
/*
 * MIN, the optimum: evict the page that will be wanted last. What is cached is in a heap by the
 * time of its next access, the farthest on top.
 *
 * Source: L. Belady, A study of replacement algorithms for a virtual-storage computer, 1966.
 */
#include "trace/trace.h"

#include <stdlib.h>
#include <string.h>

#define NOT_CACHED UINT32_MAX

struct heap {
	uint32_t *pages;  /* the heap */
	uint32_t *index;  /* by page: its index in `pages`, or NOT_CACHED */
	size_t *next_use; /* by page: of those that are cached */
	uint32_t n;
};

static void place(struct heap *h, uint32_t i, uint32_t page)
{
	h->pages[i] = page;
	h->index[page] = i;
}

static void sift_up(struct heap *h, uint32_t i)
{
	uint32_t page = h->pages[i];

	while (i > 0 && h->next_use[h->pages[(i - 1) / 2]] < h->next_use[page]) {
		place(h, i, h->pages[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, page);
}

static void sift_down(struct heap *h, uint32_t i)
{
	uint32_t page = h->pages[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < h->n &&
			h->next_use[h->pages[child + 1]] > h->next_use[h->pages[child]])
			child++;
		if (child >= h->n || h->next_use[h->pages[child]] <= h->next_use[page])
			break;
		place(h, i, h->pages[child]);
		i = child;
	}
	place(h, i, page);
}

/* A page is accessed, and next at `next`. Whether it was there. */
static bool touch(struct heap *h, uint32_t page, size_t next, uint32_t n_frames)
{
	bool cached = h->index[page] != NOT_CACHED;

	h->next_use[page] = next;
	if (cached) {
		sift_up(h, h->index[page]); /* its next use is later than it was */
		return true;
	}
	if (h->n == n_frames) {
		h->index[h->pages[0]] = NOT_CACHED;
		place(h, 0, page);
		sift_down(h, 0);
	} else {
		place(h, h->n, page);
		sift_up(h, h->n++);
	}
	return false;
}

/* For each access, when its page is accessed next; SIZE_MAX: never. */
static void look_ahead(const struct trace *trace, size_t *next, size_t *last)
{
	for (uint32_t page = 0; page < trace->n_pages; page++)
		last[page] = SIZE_MAX;
	for (size_t i = trace->n; i-- > 0;) {
		next[i] = last[trace->accesses[i].page];
		last[trace->accesses[i].page] = i;
	}
}

uint64_t trace_replay_optimum(const struct trace *trace, uint32_t n_frames)
{
	size_t n_pages = trace->n_pages + 1U;
	struct heap h = {0};
	size_t *next = malloc((trace->n + 1) * sizeof(*next));
	uint64_t n_misses = UINT64_MAX;

	h.pages = malloc(n_pages * sizeof(*h.pages));
	h.index = malloc(n_pages * sizeof(*h.index));
	h.next_use = malloc(n_pages * sizeof(*h.next_use));
	if (next && h.pages && h.index && h.next_use) {
		look_ahead(trace, next, h.next_use);
		memset(h.index, 0xff, n_pages * sizeof(*h.index));
		n_misses = 0;
		for (size_t i = 0; i < trace->n; i++) {
			const struct trace_access *a = &trace->accesses[i];

			if (!touch(&h, a->page, next[i], n_frames) && !a->is_write)
				n_misses++;
		}
	}
	free(next);
	free(h.pages);
	free(h.index);
	free(h.next_use);
	return n_misses;
}
