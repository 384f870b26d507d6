/* SPDX-License-Identifier: MIT */
#include "labs/lib/cache.h"
#include "base/error.h"

void cache_init(struct cache *c, const struct cache_ops *ops, const struct cache_options *options)
{
	c->ops = ops;
	c->name = options->name;
	c->io = options->io;
	c->file = options->file;
	c->page_size = options->page_size;
	c->seed = options->seed;
	c->checksum = options->checksum;
	c->memory_bytes = (size_t)options->n_frames * options->page_size;
}

/* What was read is that page, as far as the checksum policy goes. */
static int judge(struct cache *c, struct page_ref ref, const struct page *page)
{
	int rc = 0;

	atomic_fetch_add_explicit(&c->read_bytes, c->page_size, memory_order_relaxed);
	if (c->checksum != PAGER_CHECKSUM_NONE || !page_is(page, ref) || !page_is_sealed(page))
		rc = page_verify(page, c->page_size, ref, c->seed);
	if (rc < 0)
		return rc;
	atomic_fetch_add_explicit(&c->n_loads, 1, memory_order_relaxed);
	pager_trace_page(c->pager, PAGER_LOAD, ref, page);
	return 0;
}

int cache_load(struct cache *c, struct page_ref ref, struct page *to)
{
	int rc;

	pager_trace(c->pager, PAGER_MISS, ref);
	rc = file_read(c->file, to, c->page_size, (uint64_t)ref.pgno * c->page_size, FILE_LIVE);
	return rc < 0 ? rc : judge(c, ref, to);
}

int cache_verify(struct cache *c, struct page_ref ref, const struct page *page)
{
	pager_trace(c->pager, PAGER_MISS, ref);
	return judge(c, ref, page);
}

int cache_ahead(struct cache *c, struct page_ref ref, const struct page *page)
{
	int rc;

	error_mute();
	rc = judge(c, ref, page);
	error_unmute();
	if (rc == 0)
		atomic_fetch_add_explicit(&c->n_ahead, 1, memory_order_relaxed);
	return rc;
}

void cache_evicted(struct cache *c, struct page_ref ref)
{
	atomic_fetch_add_explicit(&c->n_evictions, 1, memory_order_relaxed);
	pager_trace(c->pager, PAGER_EVICT, ref);
}
