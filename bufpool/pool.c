/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing the buffer pool, its table and its statistics. The files beside it each do
 * one thing: get.c hits, load.c misses, prefetch.c loads of many, arrivals.c waiting for loads,
 * alloc.c and frames.c memory, evict.c the pin quota and eviction, write.c the writer's side,
 * policy_*.c which page leaves first; word.h is the state that they all share.
 */
#include "bufpool/bufpool_int.h"
#include "base/error.h"
#include "io/memory.h"
#include "pager/growth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HUGE_WORDS_CACHE_BYTES ((size_t)256 << 20)

/*
 * Sizes
 */

/* A frame's descriptors. */
static size_t descriptor_cost(const struct bufpool_options *opts)
{
	return sizeof(struct frame) + sizeof(uint8_t) + sizeof(uint32_t) +
	       bufpool_policies[opts->policy]->frame_bytes;
}

/* What a pool takes however small it is. */
static size_t fixed_cost(void)
{
	return sizeof(struct pool);
}

static uint32_t reader_pages(const struct bufpool_options *opts)
{
	return opts->reader_pages ? opts->reader_pages : BUFPOOL_READER_PAGES_DEFAULT;
}

/* How many frames so many bytes are worth, with their descriptors. */
static uint64_t n_frames_in(uint32_t page_size, const struct bufpool_options *opts,
	size_t cache_bytes)
{
	uint64_t n;

	if (cache_bytes < fixed_cost())
		return 0;
	n = (cache_bytes - fixed_cost()) / (page_size + descriptor_cost(opts));
	return n < FRAME_NONE - 1 ? n : FRAME_NONE - 1;
}

size_t bufpool_cache_bytes_min(uint32_t page_size, const struct bufpool_options *opts)
{
	static const struct bufpool_options defaults;
	uint64_t n, n_described;

	if (!opts)
		opts = &defaults;
	n = (uint64_t)(opts->writer_pages ? opts->writer_pages : 1) + reader_pages(opts);
	n_described = n_frames_in(page_size, opts, opts->cache_bytes_max);
	if (n_described < n)
		n_described = n;
	return fixed_cost() + n_described * descriptor_cost(opts) + n * page_size;
}

static size_t cache_bytes_of(const struct bufpool_options *opts)
{
	return opts->cache_bytes ? opts->cache_bytes : BUFPOOL_CACHE_BYTES_DEFAULT;
}

int bufpool_check_cache(uint32_t page_size, const struct bufpool_options *opts)
{
	size_t min_bytes = bufpool_cache_bytes_min(page_size, opts);

	if (opts->cache_bytes_max > 0 && opts->cache_bytes_max < cache_bytes_of(opts))
		return error_set(-EINVAL,
			"a cache of %zu bytes is larger than the maximum that it is to have, %zu: "
			"leave the maximum out, or raise it",
			cache_bytes_of(opts), opts->cache_bytes_max);
	if (cache_bytes_of(opts) >= min_bytes)
		return 0;
	return error_set(-EINVAL,
		"a cache of %zu bytes is too small: %" PRIu32 " pages for the writer and %" PRIu32
		" for readers, of %" PRIu32 " bytes, need at least %zu",
		cache_bytes_of(opts), opts->writer_pages, reader_pages(opts), page_size, min_bytes);
}

/* Fills in the defaults, and how many frames there will be; -EINVAL. */
static int options_fill(struct pool *pool, uint32_t page_size, const struct bufpool_options *given)
{
	struct bufpool_options *opts = &pool->opts;
	uint64_t n;
	int rc;

	if (given)
		*opts = *given;
	opts->cache_bytes = pool->cache_bytes = cache_bytes_of(opts);
	rc = bufpool_check_cache(page_size, opts);
	if (rc < 0)
		return rc;
	opts->reader_pages = reader_pages(opts);
	if (opts->cache_bytes_max == 0)
		opts->cache_bytes_max = opts->cache_bytes;
	n = n_frames_in(page_size, opts, opts->cache_bytes);
	if (opts->writer_pages == 0)
		opts->writer_pages = n / 4 > 0 ? (uint32_t)(n / 4) : 1;
	n = HOSTILE ? opts->writer_pages + opts->reader_pages
		    : n_frames_in(page_size, opts, opts->cache_bytes_max);
	pool->n_frames = (uint32_t)n;
	pool->n_quota = pool->n_frames - opts->writer_pages;
	pool->described_bytes = fixed_cost() + n * descriptor_cost(opts);
	pool->n_end = frames_within(pool, opts->cache_bytes);
	atomic_store(&pool->n_quota_used, n_parked(pool));
	shares_set(pool);
	if (opts->ahead_pages == 0)
		opts->ahead_pages = PAGER_AHEAD_BYTES_DEFAULT / page_size;
	if (opts->ahead_pages > atomic_load(&pool->n_ahead_max))
		opts->ahead_pages = atomic_load(&pool->n_ahead_max);
	if (opts->flags & BUFPOOL_NO_AHEAD)
		opts->ahead_pages = 0;
	return 0;
}

/*
 * Open and close
 */

/* A huge page of words describes 1 GiB of pages: worth it beside a cache of some size. */
static bool has_huge_table(const struct pool *pool)
{
	return !(pool->opts.flags & BUFPOOL_SMALL_PAGES) &&
	       pool->opts.cache_bytes >= HUGE_WORDS_CACHE_BYTES;
}

/* An entry a frame, as a power of two. */
static uint32_t n_hints(const struct pool *pool)
{
	return 1u << (31 - __builtin_clz(pool->n_frames | 1));
}

static int open_hints(struct pool *pool, bool huge)
{
	void *entries;
	int rc = memory_reserve(n_hints(pool) * sizeof(uint32_t), huge, &entries);

	if (rc < 0)
		return rc;
	pool->pager.hints = (struct pager_hints){
		.frames = entries,
		.mask = n_hints(pool) - 1,
		.arena = pool->arena,
		.page_shift = pool->page_shift,
	};
	return 0;
}

static int reserve_frames(struct pool *pool)
{
	bool huge = !(pool->opts.flags & BUFPOOL_SMALL_PAGES);
	void *arena, *frames, *used;
	int rc = memory_reserve((size_t)pool->n_frames << pool->page_shift, huge, &arena);

	if (rc < 0)
		return rc;
	pool->arena = arena;
	if (pool->n_end < pool->n_frames)
		frames_advise(pool, true);
	rc = memory_reserve(pool->n_frames * sizeof(struct frame), huge, &frames);
	if (rc < 0)
		return rc;
	pool->frames = frames;
	rc = memory_reserve(pool->n_frames, huge, &used);
	if (rc < 0)
		return rc;
	pool->used = used;
	rc = open_hints(pool, huge);
	if (rc < 0)
		return rc;
	return memory_reserve(PAGER_GROWTH_WRITTEN, false, &pool->zeros);
}

static int open_policy(struct pool *pool)
{
	const struct policy_ops *ops = bufpool_policies[pool->opts.policy];
	int rc = ops->open(pool->n_frames, &pool->policy);

	if (rc < 0)
		return error_set(rc, "no memory for the replacement policy");
	pool->policy->ops = ops;
	pool->policy->frames = pool->frames;
	pool->policy->used = pool->used;
	pool->sees_hits = ops->hit != NULL;
	pool->verifies_hits = pool->opts.checksum == PAGER_CHECKSUM_ALWAYS;
	shares_set(pool);
	return 0;
}

/* A queue that performs its requests in submit would read a whole window inside one call of a
 * cursor's, so cursors look ahead through it only where that was asked for. */
static void open_ahead(struct pool *pool, const struct bufpool_options *given)
{
	bool was_asked_for = given && given->ahead_pages > 0;

	if (pool->ahead->backend == QUEUE_SYNC && !was_asked_for)
		pool->opts.ahead_pages = 0;
	pool->pager.ahead_pages = pool->opts.ahead_pages;
}

static void close_pool(struct pool *pool)
{
	if (pool->ahead != pool->queue)
		queue_close(pool->ahead);
	queue_close(pool->queue);
	if (pool->policy)
		pool->policy->ops->close(pool->policy);
	memory_release(pool->zeros, PAGER_GROWTH_WRITTEN);
	memory_release((void *)pool->pager.hints.frames, n_hints(pool) * sizeof(uint32_t));
	memory_release((void *)pool->used, pool->n_frames);
	memory_release(pool->frames, pool->n_frames * sizeof(struct frame));
	frames_release(pool);
	table_fini(&pool->table);
	(void)pthread_mutex_destroy(&pool->sizing);
	(void)pthread_mutex_destroy(&pool->lock);
	(void)pthread_mutex_destroy(&pool->loads.lock);
	(void)pthread_cond_destroy(&pool->loads.arrived);
	pager_fini(&pool->pager);
	free(pool);
}

static void pool_close(struct pager *p)
{
	struct pool *pool = pool_of(p);

	loads_drain(pool);
	ASSERT(pool->n_fresh == 0);
#ifndef NDEBUG
	ASSERT(pool_check(pool) == 0);
#endif
	close_pool(pool);
}

static const char *const checksum_names[] = {
	[PAGER_CHECKSUM_ONCE] = "",
	[PAGER_CHECKSUM_NONE] = "; checksums not verified",
	[PAGER_CHECKSUM_ALWAYS] = "; checksums verified at each get",
};

static void pool_stats(struct pager *p, struct pager_stats *stats)
{
	struct pool *pool = pool_of(p);
	const struct file *file = pool->file;
	uint64_t table_bytes = atomic_load(&pool->n_pages) * sizeof(uint64_t);

	pthread_mutex_lock(&pool->lock);
	stats->memory_bytes_max = pool->cache_bytes + table_bytes;
	stats->memory_bytes = fixed_cost() + pool->n_touched * descriptor_cost(&pool->opts) +
			      ((size_t)(pool->n_touched - pool->parked.n) << pool->page_shift) +
			      table_bytes;
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < PAGER_LOAD_CAUSES; i++)
		stats->n_loads[i] = atomic_load(&pool->n_loads[i]);
	stats->n_misses = stats->n_loads[PAGER_LOAD_GET] + stats->n_loads[PAGER_LOAD_WRITER] +
			  stats->n_loads[PAGER_LOAD_MANY];
	stats->n_prefetched = stats->n_loads[PAGER_LOAD_MANY] + stats->n_loads[PAGER_LOAD_AHEAD];
	stats->n_evictions = atomic_load(&pool->n_evictions);
	stats->n_victims = atomic_load(&pool->n_victims);
	stats->n_unneeded = atomic_load(&pool->n_unneeded);
	stats->n_waits_load = atomic_load(&pool->n_waits_load);
	stats->n_waits_limbo = atomic_load(&pool->n_waits_limbo);
	stats->n_reads = atomic_load(&pool->n_reads);
	stats->n_reads_max = atomic_load(&pool->n_reads_max);
	stats->n_flushes = atomic_load(&pool->n_flushes);
	stats->read_bytes = atomic_load(&pool->read_bytes);
	stats->write_bytes = atomic_load(&pool->write_bytes);
	(void)snprintf(stats->how, sizeof(stats->how),
		"bufpool; %s; queue %s; %s%s%s%s; policy %s%s",
		file->direct_why ? file->direct_why
		: file->direct   ? "direct"
				 : "buffered",
		pool->queue->why,
		pool->opts.flags & BUFPOOL_SMALL_PAGES ? "small pages" : "huge pages",
		pool->opts.flags & BUFPOOL_PIN_ONLY ? "; pins only" : "; guards",
		p->ahead_pages == 0 ? "; no read-ahead" : "", checksum_names[pool->opts.checksum],
		pool->policy->ops->name, HOSTILE ? "; hostile" : "");
}

static const struct pager_ops pool_ops = {
	.name = "bufpool",
	.get = pool_get,
	.put = pool_put,
	.peek = pool_peek,
	.fresh = pool_fresh,
	.prefetch = pool_prefetch,
	.cool = pool_cool,
	.write = pool_write,
	.flush = pool_flush,
	.drop = pool_drop,
	.resize = pool_resize,
	.reach = pool_reach,
	.read_device = pool_read_device,
	.cache_resize = pool_cache_resize,
	.stats = pool_stats,
	.close = pool_close,
};

static int check_file(const struct file *file, uint32_t page_size)
{
	if (bufpool_fits_file(file, page_size))
		return 0;
	return error_set(-EINVAL,
		"pages of %" PRIu32 " bytes cannot be transferred directly in blocks of %" PRIu32
		": open the file through the page cache",
		page_size, file->align_bytes);
}

int bufpool_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager)
{
	struct pool *pool;
	uint64_t size_bytes;
	int rc;

	ASSERT(page_size_is_valid(page_size));
	rc = check_file(file, page_size);
	if (rc < 0)
		return rc;
	pool = aligned_alloc(64, (sizeof(*pool) + 63) / 64 * 64);
	if (!pool)
		return error_set(-ENOMEM, "no memory for a buffer pool");
	memset((void *)pool, 0, sizeof(*pool));
	pool->page_shift = (unsigned)__builtin_ctz(page_size);
	rc = options_fill(pool, page_size, opts);
	pager_init(&pool->pager, &pool_ops, page_size, seed, pool->opts.writer_pages);
	pool->pager.pins_inner = pool->opts.flags & BUFPOOL_PIN_ONLY;
	pool->pager.device_is_cached = !file->device_direct;
	(void)pthread_mutex_init(&pool->sizing, NULL);
	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_mutex_init(&pool->loads.lock, NULL);
	(void)pthread_cond_init(&pool->loads.arrived, NULL);
	list_init(&pool->free);
	list_init(&pool->unneeded);
	list_init(&pool->limbo_open);
	list_init(&pool->parked);
	for (unsigned i = 0; i < LOAD_SLOTS; i++)
		pool->loads.slots[i].pool = pool;
	pool->file = file;
	pool->peek_from = pool->opts.flags & BUFPOOL_PIN_ONLY ? WORD_FRESH : WORD_UNNEEDED;

	table_init(&pool->table, has_huge_table(pool));
	if (rc == 0)
		rc = file_size(file, &size_bytes);
	if (rc == 0 && size_bytes >> pool->page_shift > UINT32_MAX)
		rc = error_set(-EFBIG, "the file has %" PRIu64 " bytes, more than 2^32 pages",
			size_bytes);
	if (rc == 0)
		rc = table_reach(&pool->table, size_bytes >> pool->page_shift);
	if (rc == 0)
		rc = reserve_frames(pool);
	if (rc == 0)
		rc = open_policy(pool);
	if (rc == 0)
		rc = queues_open(io, QUEUE_DEPTH, LOAD_SLOTS, pool->opts.backend, &pool->queue,
			&pool->ahead);
	if (rc == 0)
		open_ahead(pool, opts);
	if (rc < 0) {
		close_pool(pool);
		return rc;
	}
	atomic_store(&pool->n_pages, size_bytes >> pool->page_shift);
	*ret_pager = &pool->pager;
	return 0;
}
