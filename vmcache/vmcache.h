/* SPDX-License-Identifier: MIT */
/*
 * The vmcache pager: a buffer pool in which a page lies where its number says, in anonymous memory.
 * For experiments and labs: it stands between the pool and the map, and differs from each in few
 * things. vmcache/README.md describes how it works.
 *
 * Source: V. Leis et al., Virtual-memory assisted buffer management, SIGMOD 2023.
 */
#ifndef VMCACHE_VMCACHE_H
#define VMCACHE_VMCACHE_H

#include "io/file.h"
#include "io/queue.h"
#include "pager/pager.h"

#define VMCACHE_CACHE_BYTES_DEFAULT  ((size_t)64 << 20)
#define VMCACHE_READER_PAGES_DEFAULT 16U

/* Zeroed = defaults. */
struct vmcache_options {
	size_t cache_bytes;      /* pages in memory and what describes them; 0: 64 MiB */
	uint32_t writer_pages;   /* may be fresh or in a write set at a time; 0: a quarter of all */
	uint32_t reader_pages;   /* different pages that can surely be pinned at a time; 0: 16 */
	uint32_t prefetch_pages; /* most pages being prefetched at a time; 0: a quarter of the
				    others */
	uint32_t ahead_pages;    /* how far before itself a cursor names leaves, at most
				    prefetch_pages; 0: PAGER_AHEAD_BYTES_DEFAULT of them */
	bool no_ahead;           /* a cursor names no leaves */
	enum pager_checksum checksum;
	enum queue_backend backend; /* of the pager's own queue */
};

/* The smallest cache_bytes that vmcache_open() accepts with these options. */
size_t vmcache_cache_bytes_min(uint32_t page_size, const struct vmcache_options *opts);

/* 0, or -EINVAL with a text: opts->cache_bytes is below that. What vmcache_open() asks first. */
int vmcache_check_cache(uint32_t page_size, const struct vmcache_options *opts);

/*
 * Opens a pager over `file`, which stays the caller's and outlives it; so does `io`, of which the
 * pager opens a queue of its own. Whether transfers bypass the page cache was decided when the file
 * was opened (FILE_DIRECT); pages smaller than the file's direct alignment need a file opened
 * without it (vmcache_fits_file).
 *
 * cache_bytes bounds the pages in memory and their descriptions; beside them the page table takes 8
 * bytes for each page number in use, and the kernel's page tables as much again (V7).
 *
 * page_size: as page_size_is_valid(). seed: page_seed() of the file's uuid. opts: NULL for
 * defaults; copied. -EINVAL: the cache is too small (the error text names the least size); or the
 * file does not fit the page size; -ENOMEM; what io_queue() and file_size() return.
 */
int vmcache_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct vmcache_options *opts, struct pager **ret_pager);

/* False: open the file again without FILE_DIRECT, its direct transfers are coarser than a page. */
static inline bool vmcache_fits_file(const struct file *file, uint32_t page_size)
{
	return !file->direct || file->align_bytes <= page_size;
}

#endif
