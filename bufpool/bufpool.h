/* SPDX-License-Identifier: MIT */
/*
 * The explicit buffer pool: a pager that owns every byte of its memory and every I/O.
 *
 * All that the floors above know of it is how it is opened; the rest is pager/pager.h.
 * bufpool/README.md describes how it works.
 */
#ifndef BUFPOOL_BUFPOOL_H
#define BUFPOOL_BUFPOOL_H

#include "bufpool/policies.h"
#include "io/file.h"
#include "io/queue.h"
#include "pager/pager.h"

#define BUFPOOL_CACHE_BYTES_DEFAULT  ((size_t)64 << 20)
#define BUFPOOL_READER_PAGES_DEFAULT 16U

/* Each switches one mechanism off, so that experiments can walk from one design to another. */
enum bufpool_flags {
	BUFPOOL_SMALL_PAGES = 1 << 0, /* ask the kernel for no huge pages */
	BUFPOOL_PIN_ONLY =
		1 << 1, /* peek finds only the writer's own pages: inner pages are pinned */
	BUFPOOL_NO_AHEAD = 1 << 2, /* a cursor names no leaves */
};

/* Zeroed = defaults. */
struct bufpool_options {
	size_t cache_bytes;      /* frames and what describes them; 0: 64 MiB */
	size_t cache_bytes_max;  /* up to which pager_cache_resize() may enlarge it; 0: cache_bytes.
				    What describes the frames of so many bytes is within cache_bytes
				    from the start */
	uint32_t writer_pages;   /* may be fresh or in a write set at a time; 0: a quarter of the
				    frames */
	uint32_t reader_pages;   /* different pages that can surely be pinned at a time; 0: 16 */
	uint32_t prefetch_pages; /* most pages being prefetched at a time; 0: a quarter of the
				    others */
	uint32_t ahead_pages;    /* how far before itself a cursor names leaves, at most
				    prefetch_pages; 0: PAGER_AHEAD_BYTES_DEFAULT of them, and not
				    at all where the queue is sync, which reads in the call */
	enum bufpool_policy policy;
	enum pager_checksum checksum;
	enum queue_backend backend; /* of the pool's own queue */
	unsigned flags;             /* enum bufpool_flags */
};

/* The smallest cache_bytes that bufpool_open() accepts with these options. */
size_t bufpool_cache_bytes_min(uint32_t page_size, const struct bufpool_options *opts);

/* 0, or -EINVAL with a text: opts->cache_bytes is below that or above its maximum. What
 * bufpool_open() asks first. */
int bufpool_check_cache(uint32_t page_size, const struct bufpool_options *opts);

/*
 * Opens a buffer pool over `file`, which stays the caller's and outlives it; so does `io`, of which
 * the pool opens a queue of its own. Whether transfers bypass the page cache was decided when the
 * file was opened (FILE_DIRECT); pages smaller than the file's direct alignment need a file opened
 * without it (bufpool_fits_file).
 *
 * cache_bytes bounds the frames and their descriptions; beside them the page table takes 8 bytes
 * for each page number in use, rounded up to system pages (docs: bufpool/README.md, invariant F9).
 *
 * page_size: as page_size_is_valid(). seed: page_seed() of the file's uuid. opts: NULL for
 * defaults; copied. -EINVAL: the cache is too small (the error text names the least size); or the
 * file does not fit the page size; -ENOMEM; what io_queue() and file_size() return.
 */
int bufpool_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager);

/* False: open the file again without FILE_DIRECT, its direct transfers are coarser than a page. */
static inline bool bufpool_fits_file(const struct file *file, uint32_t page_size)
{
	return !file->direct || file->align_bytes <= page_size;
}

#endif
