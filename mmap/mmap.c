/* SPDX-License-Identifier: MIT */
/* Opening and closing the mmap pager, its table of operations and its statistics. */
#include "mmap/mmap.h"
#include "base/error.h"
#include "io/fault.h"
#include "io/memory.h"
#include "mmap/own.h"
#include "pager/growth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const checksum_names[] = {
	[PAGER_CHECKSUM_ONCE] = "once",
	[PAGER_CHECKSUM_NONE] = "none",
	[PAGER_CHECKSUM_ALWAYS] = "always",
};

static const char *const advice_names[] = {
	[MMAP_ADVICE_RANDOM] = "random",
	[MMAP_ADVICE_NORMAL] = "normal",
	[MMAP_ADVICE_SEQUENTIAL] = "sequential",
	[MMAP_ADVICE_POPULATE] = "populate",
	[MMAP_ADVICE_CURSOR] = "cursor",
};

static const char *const writing_names[] = {
	[MMAP_WRITE_HEAP] = "on the heap",
	[MMAP_WRITE_PRIVATE] = "in a private map",
	[MMAP_WRITE_SHARED] = "in a shared map",
};

static void mmap_stats(struct pager *p, struct pager_stats *stats)
{
	struct mmap_pager *m = mmap_of(p);
	struct heap *h = &m->heap;

	stats->n_misses = atomic_load(&m->n_misses);
	stats->n_evictions = UINT64_MAX;
	stats->n_prefetched = atomic_load(&m->n_prefetched);
	stats->n_flushes = atomic_load(&m->n_flushes);
	stats->read_bytes = atomic_load(&m->read_bytes);
	stats->write_bytes = atomic_load(&m->write_bytes);
	stats->memory_bytes_max = h->arena_bytes;
	pthread_mutex_lock(&h->lock);
	stats->memory_bytes = (uint64_t)h->n_touched * p->page_size;
	pthread_mutex_unlock(&h->lock);
	if (m->opts.writing == MMAP_WRITE_PRIVATE) { /* the kernel's copies */
		stats->memory_bytes_max += (uint64_t)m->opts.writer_pages * p->page_size;
		stats->memory_bytes += atomic_load(&m->n_mapped) * p->page_size;
	}
	(void)snprintf(stats->how, sizeof(stats->how),
		"mmap: the kernel caches and evicts; checksum %s, madvise %s, a writer's pages %s, "
		"queue %s; %" PRIu64 " MiB of address space",
		checksum_names[m->opts.checksum], advice_names[m->opts.advice],
		writing_names[m->opts.writing], m->queue->why,
		(view_reserved_bytes(&m->view) + view_reserved_bytes(&m->alias)) >> 20);
}

static void mmap_close(struct pager *p)
{
	struct mmap_pager *m = mmap_of(p);

	heap_fini(&m->heap);
	queue_close(m->queue);
	view_fini(&m->alias);
	view_fini(&m->view);
	memory_release((void *)(uintptr_t)m->zeros, PAGER_GROWTH_WRITTEN);
	free(m->scanned);
	table_fini(&m->table);
	pager_fini(p);
	free(m);
}

static const struct pager_ops mmap_ops = {
	.name = "mmap",
	.get = mmap_get,
	.put = mmap_put,
	.peek = mmap_peek,
	.fresh = mmap_fresh,
	.prefetch = mmap_prefetch,
	.cool = mmap_cool,
	.write = mmap_write,
	.flush = mmap_flush,
	.drop = mmap_drop,
	.resize = mmap_resize,
	.reach = mmap_reach,
	.read_device = mmap_read_device,
	.stats = mmap_stats,
	.close = mmap_close,
};

/* Maps the file and makes a word for each page. */
static int open_view(struct mmap_pager *m, struct io *io)
{
	uint64_t n_pages;
	int rc;

	view_init(&m->view, io, m->file, MAP_READ_SHARED);
	view_init(&m->alias, io, m->file,
		m->opts.writing == MMAP_WRITE_SHARED ? MAP_WRITE_SHARED : MAP_WRITE_PRIVATE);
	table_init(&m->table, false);
	rc = growth_look(m->file, m->page_shift, &n_pages);
	if (rc < 0)
		return rc;
	m->n_pages = n_pages;
	m->end_pages = m->n_pages;
	rc = table_reach(&m->table, m->n_pages);
	if (rc == 0)
		rc = views_reach(m, m->n_pages << m->page_shift);
	if (rc == 0)
		mmap_advise(m, 0, m->n_pages);
	return rc;
}

/*
 * Fills the holes of a copy, so that stores find blocks. On a full disk they wait for a resize that
 * can (own.h), which reports it.
 */
static int make_blocks(struct mmap_pager *m)
{
	uint64_t n_pages = atomic_load(&m->n_pages);
	int rc = 0;

	if (m->opts.writing != MMAP_WRITE_SHARED)
		return 0;
	if (n_pages > 0)
		rc = file_allocate(m->file, 0, n_pages << m->page_shift);
	atomic_store(&m->has_blocks, rc == 0);
	if (rc != -ENOSPC)
		return rc;
	error_clear();
	return 0;
}

/* What MMAP_ADVICE_CURSOR remembers: 8 bytes for each page of the ring. */
static int make_ring(struct mmap_pager *m)
{
	if (m->opts.advice != MMAP_ADVICE_CURSOR)
		return 0;
	m->n_turns = (uint64_t)m->opts.ahead_pages + SCAN_KEPT_PAGES;
	m->scanned = calloc(m->n_turns, sizeof(*m->scanned));
	if (!m->scanned)
		return error_set(-ENOMEM,
			"no memory to remember %" PRIu64 " pages of scans: read less ahead",
			m->n_turns);
	return 0;
}

static int open_parts(struct mmap_pager *m, struct io *io)
{
	void *zeros;
	int rc = fault_install();

	if (rc == 0)
		rc = memory_reserve(PAGER_GROWTH_WRITTEN, false, &zeros);
	if (rc < 0)
		return rc;
	m->zeros = zeros;
	rc = open_view(m, io);
	if (rc == 0)
		rc = make_blocks(m);
	if (rc == 0)
		rc = io_queue(io, 1, m->opts.backend == QUEUE_BEST ? QUEUE_SYNC : m->opts.backend,
			&m->queue);
	if (rc == 0)
		rc = make_ring(m);
	if (rc == 0)
		rc = heap_init(&m->heap, &m->pager.guards, m->pager.page_size,
			m->opts.writer_pages);
	return rc;
}

int mmap_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct mmap_options *opts, struct pager **ret_pager)
{
	struct mmap_pager *m;
	int rc;

	if (file->direct)
		return error_set(VERSO_EMISUSE,
			"a file that is mapped may not be written past the page cache (O_DIRECT)");
	if (opts->writing == MMAP_WRITE_SHARED && file->moves)
		return error_set(-EOPNOTSUPP,
			"%s lies on %s, which may need a new block for each store into a shared "
			"map; where the disk has none left that would end the process. Let a "
			"writer's pages lie on the heap, or move the file, to ext4 for example",
			file->path ? file->path : "the file", file->moves);
	m = aligned_alloc(64, (sizeof(*m) + 63) & ~(size_t)63);
	if (!m)
		return error_set(-ENOMEM, "no memory for a pager");
	memset(m, 0, sizeof(*m));
	pager_init(&m->pager, &mmap_ops, page_size, seed, opts->writer_pages);
	m->pager.ahead_pages = opts->ahead_pages;
	m->file = file;
	m->opts = *opts;
	m->page_shift = (unsigned)__builtin_ctz(page_size);
	rc = open_parts(m, io);
	if (rc < 0) {
		mmap_close(&m->pager);
		return rc;
	}
	m->pager.may_fault = true;
	m->pager.device_is_cached = !file->device_direct;
	m->view.areas.next = &m->alias.areas; /* the writer's own pages, which it reads in calls */
	m->pager.fault_areas = &m->view.areas;
	*ret_pager = &m->pager;
	return 0;
}
