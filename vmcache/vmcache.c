/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing the vmcache pager, and its statistics. The files beside it each do one thing:
 * get.c hits, load.c misses, prefetch.c loads of many, wait.c waiting, claim.c, slots.c and arena.c
 * memory, quota.c the clock, write.c the writer's side; state.h is the word that they all share.
 */
#include "vmcache/vmcache.h"
#include "base/error.h"
#include "io/memory.h"
#include "pager/growth.h"
#include "vmcache/vmcache_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Sizes
 */

static size_t stride_of(uint32_t page_size)
{
	return page_size < STRIDE_MIN ? STRIDE_MIN : page_size;
}

/* A page in memory and its slot. A page below STRIDE_MIN counts as what it is, so that tests with
 * such pages can give every pager the same cache. */
static size_t slot_cost(uint32_t page_size)
{
	return page_size + sizeof(struct vm_slot);
}

/* What a pager takes however small it is. */
static size_t fixed_cost(void)
{
	return sizeof(struct vmcache);
}

static uint32_t reader_pages(const struct vmcache_options *opts)
{
	return opts->reader_pages ? opts->reader_pages : VMCACHE_READER_PAGES_DEFAULT;
}

size_t vmcache_cache_bytes_min(uint32_t page_size, const struct vmcache_options *opts)
{
	static const struct vmcache_options defaults;
	uint64_t n;

	if (!opts)
		opts = &defaults;
	n = (uint64_t)(opts->writer_pages ? opts->writer_pages : 1) + reader_pages(opts);
	return fixed_cost() + n * slot_cost(page_size);
}

static size_t cache_bytes_of(const struct vmcache_options *opts)
{
	return opts->cache_bytes ? opts->cache_bytes : VMCACHE_CACHE_BYTES_DEFAULT;
}

int vmcache_check_cache(uint32_t page_size, const struct vmcache_options *opts)
{
	size_t min_bytes = vmcache_cache_bytes_min(page_size, opts);

	if (cache_bytes_of(opts) >= min_bytes)
		return 0;
	return error_set(-EINVAL,
		"a cache of %zu bytes is too small: %" PRIu32 " pages for the writer and %" PRIu32
		" for readers, of %" PRIu32 " bytes, need at least %zu",
		cache_bytes_of(opts), opts->writer_pages, reader_pages(opts), page_size, min_bytes);
}

/* Fills in the defaults, and how many slots there will be; -EINVAL. */
static int options_fill(struct vmcache *vm, uint32_t page_size, const struct vmcache_options *given)
{
	struct vmcache_options *opts = &vm->opts;
	uint64_t n;
	int rc;

	if (given)
		*opts = *given;
	opts->cache_bytes = cache_bytes_of(opts);
	rc = vmcache_check_cache(page_size, opts);
	if (rc < 0)
		return rc;
	opts->reader_pages = reader_pages(opts);
	n = (opts->cache_bytes - fixed_cost()) / slot_cost(page_size);
	if (n > SLOT_NONE - 1)
		n = SLOT_NONE - 1;
	if (opts->writer_pages == 0)
		opts->writer_pages = n / 4 > 0 ? (uint32_t)(n / 4) : 1;
	if (HOSTILE)
		n = opts->writer_pages + opts->reader_pages;
	vm->n_slots = (uint32_t)n;
	vm->n_quota = vm->n_slots - opts->writer_pages;
	vm->batch = vm->n_quota / 64;
	vm->batch = vm->batch < 1 ? 1 : vm->batch > BATCH_MAX ? BATCH_MAX : vm->batch;
	if (opts->prefetch_pages == 0)
		opts->prefetch_pages = vm->n_quota / 4;
	if (opts->ahead_pages == 0)
		opts->ahead_pages = PAGER_AHEAD_BYTES_DEFAULT / page_size;
	if (opts->ahead_pages > opts->prefetch_pages)
		opts->ahead_pages = opts->prefetch_pages;
	if (opts->no_ahead)
		opts->ahead_pages = 0;
	return 0;
}

/*
 * Open and close
 */

static int open_memory(struct vmcache *vm)
{
	void *slots;
	int rc = memory_reserve(vm->n_slots * sizeof(struct vm_slot), false, &slots);

	if (rc < 0)
		return rc;
	vm->slots = slots;
	return memory_reserve(PAGER_GROWTH_WRITTEN, false, &vm->zeros);
}

static void free_parts(struct vmcache *vm)
{
	if (vm->ahead != vm->queue)
		queue_close(vm->ahead);
	queue_close(vm->queue);
	memory_release(vm->zeros, PAGER_GROWTH_WRITTEN);
	memory_release(vm->slots, vm->n_slots * sizeof(struct vm_slot));
	vm_arena_fini(vm);
	(void)pthread_mutex_destroy(&vm->lock);
	(void)pthread_mutex_destroy(&vm->arrivals.lock);
	(void)pthread_cond_destroy(&vm->arrivals.moved);
	pager_fini(&vm->pager);
	free(vm);
}

static void vm_close(struct pager *p)
{
	struct vmcache *vm = vm_of(p);

	vm_loads_drain(vm);
	ASSERT(vm->n_fresh == 0);
#ifndef NDEBUG
	vm_check(vm);
#endif
	free_parts(vm);
}

static const char *const checksum_names[] = {
	[PAGER_CHECKSUM_ONCE] = "",
	[PAGER_CHECKSUM_NONE] = "; checksums not verified",
	[PAGER_CHECKSUM_ALWAYS] = "; checksums verified at each get",
};

static void vm_stats(struct pager *p, struct pager_stats *stats)
{
	struct vmcache *vm = vm_of(p);
	const struct file *file = vm->file;
	uint64_t table_bytes = atomic_load(&vm->n_pages) * sizeof(uint64_t);
	uint32_t n_used;

	pthread_mutex_lock(&vm->lock);
	n_used = vm->n_touched - vm->free.n;
	pthread_mutex_unlock(&vm->lock);
	for (unsigned i = 0; i < PAGER_LOAD_CAUSES; i++)
		stats->n_loads[i] = atomic_load(&vm->n_loads[i]);
	stats->n_misses = stats->n_loads[PAGER_LOAD_GET] + stats->n_loads[PAGER_LOAD_WRITER] +
			  stats->n_loads[PAGER_LOAD_MANY];
	stats->n_prefetched = stats->n_loads[PAGER_LOAD_MANY] + stats->n_loads[PAGER_LOAD_AHEAD];
	stats->n_evictions = atomic_load(&vm->n_evictions);
	stats->n_flushes = atomic_load(&vm->n_flushes);
	stats->read_bytes = atomic_load(&vm->read_bytes);
	stats->write_bytes = atomic_load(&vm->write_bytes);
	stats->n_victims = atomic_load(&vm->n_victims);
	stats->n_unneeded = atomic_load(&vm->n_unneeded);
	stats->n_waits_load = atomic_load(&vm->n_waits_load);
	stats->n_waits_limbo = atomic_load(&vm->n_waits_limbo);
	stats->n_reads = atomic_load(&vm->n_reads);
	stats->n_reads_max = atomic_load(&vm->n_reads_max);
	stats->memory_bytes_max = vm->opts.cache_bytes + table_bytes;
	stats->memory_bytes = fixed_cost() + n_used * slot_cost(p->page_size) + table_bytes;
	(void)snprintf(stats->how, sizeof(stats->how),
		"vmcache; %s; queue %s; pages at fixed places, small; guards%s%s; policy clock%s",
		file->direct_why ? file->direct_why
		: file->direct   ? "direct"
				 : "buffered",
		vm->queue->why, p->ahead_pages == 0 ? "; no read-ahead" : "",
		checksum_names[vm->opts.checksum], HOSTILE ? "; hostile" : "");
}

static const struct pager_ops vm_ops = {
	.name = "vmcache",
	.get = vm_get,
	.put = vm_put,
	.peek = vm_peek,
	.fresh = vm_fresh,
	.prefetch = vm_prefetch,
	.cool = vm_cool,
	.write = vm_write,
	.flush = vm_flush,
	.drop = vm_drop,
	.resize = vm_resize,
	.reach = vm_look,
	.read_device = vm_read_device,
	.stats = vm_stats,
	.close = vm_close,
};

static int check_file(const struct file *file, uint32_t page_size)
{
	if (vmcache_fits_file(file, page_size))
		return 0;
	return error_set(-EINVAL,
		"pages of %" PRIu32 " bytes cannot be transferred directly in blocks of %" PRIu32
		": open the file through the page cache",
		page_size, file->align_bytes);
}

static void parts_init(struct vmcache *vm)
{
	(void)pthread_mutex_init(&vm->lock, NULL);
	(void)pthread_mutex_init(&vm->arrivals.lock, NULL);
	(void)pthread_cond_init(&vm->arrivals.moved, NULL);
	vm->free = (struct slot_list){SLOT_NONE, SLOT_NONE, 0};
	vm->leaving = (struct slot_list){SLOT_NONE, SLOT_NONE, 0};
	for (unsigned i = 0; i < LOAD_SLOTS; i++)
		vm->arrivals.slots[i].vm = vm;
	vm->verifies_hits = vm->opts.checksum == PAGER_CHECKSUM_ALWAYS;
	table_init(&vm->table, false);
}

int vmcache_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct vmcache_options *opts, struct pager **ret_pager)
{
	struct vmcache *vm;
	uint64_t size_bytes = 0;
	int rc;

	ASSERT(page_size_is_valid(page_size));
	rc = check_file(file, page_size);
	if (rc < 0)
		return rc;
	vm = aligned_alloc(64, (sizeof(*vm) + 63) / 64 * 64);
	if (!vm)
		return error_set(-ENOMEM, "no memory for a pager");
	memset((void *)vm, 0, sizeof(*vm));
	rc = options_fill(vm, page_size, opts);
	pager_init(&vm->pager, &vm_ops, page_size, seed, vm->opts.writer_pages);
	vm->pager.ahead_pages = vm->opts.ahead_pages;
	atomic_init(&vm->pager.advice_pages, vm->opts.prefetch_pages);
	vm->pager.device_is_cached = !file->device_direct;
	vm->file = file;
	vm->page_shift = (unsigned)__builtin_ctz(page_size);
	vm->stride_bytes = stride_of(page_size);
	parts_init(vm);

	if (rc == 0)
		rc = file_size(file, &size_bytes);
	if (rc == 0 && size_bytes >> vm->page_shift > UINT32_MAX)
		rc = error_set(-EFBIG, "the file has %" PRIu64 " bytes, more than 2^32 pages",
			size_bytes);
	if (rc == 0)
		rc = vm_reach(vm, size_bytes >> vm->page_shift);
	if (rc == 0)
		rc = open_memory(vm);
	if (rc == 0)
		rc = queues_open(io, QUEUE_DEPTH, LOAD_SLOTS, vm->opts.backend, &vm->queue,
			&vm->ahead);
	if (rc < 0) {
		free_parts(vm);
		return rc;
	}
	atomic_store(&vm->n_pages, size_bytes >> vm->page_shift);
	*ret_pager = &vm->pager;
	return 0;
}
