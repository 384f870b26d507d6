/* SPDX-License-Identifier: MIT */
/*
 * The reading half of a pager: what a student writes in a lab about caches.
 *
 * A pager has two halves. The reading half finds a page in memory or loads it, keeps it there while
 * it is pinned, and decides which page leaves. That is `struct cache_ops`, six functions. The
 * writing half (new pages, write sets, flushes, the size of the file) is given: lab_pager.c puts it
 * around any cache, and the two together are a whole pager (pager/pager.h) that carries the tree.
 *
 * A page is named by its reference (pgno, gen): the page's number, and the generation in which it
 * was made. Two versions of one page number differ in the generation and are two pages.
 *
 * What the writing half promises to the reading half:
 *
 * - It never calls two functions of one cache with a lock that the cache could want.
 * - Pages that a transaction is still making never come here: fix() is asked for sealed pages only,
 *   and a sealed page never changes.
 * - It calls forget() before the file's bytes of a page change, and after they have.
 */
#ifndef LABS_LIB_CACHE_H
#define LABS_LIB_CACHE_H

#include "bufpool/policies.h"
#include "io/file.h"
#include "pager/pager.h"

struct cache;

struct cache_ops {
	/*
	 * Pins the page `ref` and returns it; loads it when it is not in memory (cache_load). The
	 * pin is the caller's until unfix(). Any thread; may block while a page is read. On failure
	 * nothing is pinned and nothing is lost: VERSO_EPINNED when every frame is pinned, or what
	 * cache_load() returns.
	 */
	int (*fix)(struct cache *c, struct page_ref ref, const struct page **ret_page);

	/* Ends one pin that fix() gave. Any thread. Cannot fail. */
	void (*unfix)(struct cache *c, const struct page *page);

	/*
	 * Forgets n_pages page numbers from pgno on, in every generation: a later fix() reads them
	 * from the file. A page that is pinned keeps its bytes until its last unfix(). Cannot fail.
	 */
	void (*forget)(struct cache *c, pgno_t pgno, uint64_t n_pages);

	/*
	 * The file has so many pages: it has grown to that, or is about to be cut to it (its pages
	 * are forgotten first). One thread at a time. 0 or < 0. NULL: the cache has nothing to do.
	 */
	int (*resized)(struct cache *c, pgno_t n_pages);

	/*
	 * These pages will be wanted soon: a hint. Some may be the writer's, or beyond the file's
	 * end. NULL: the cache takes no hints.
	 */
	void (*prefetch)(struct cache *c, const struct page_ref *refs, size_t n);

	/* Ends the cache, but not its file. Nothing is pinned. Cannot fail. */
	void (*close)(struct cache *c);
};

/* What is common to all caches; first member of a student's own. Counters: any thread. */
struct cache {
	const struct cache_ops *ops;
	const char *name;                /* of the engine's pager whose place it takes; constant */
	struct io *io;                   /* of the file; constant */
	struct file *file;               /* the caller's; constant */
	const struct fault_areas *areas; /* its pages lie in a mapping, here; NULL: in frames;
					    constant */
	uint32_t page_size;              /* bytes; constant */
	uint64_t seed;                   /* of the checksums; constant */
	enum pager_checksum checksum;    /* constant */
	size_t memory_bytes;             /* of its frames; constant */
	struct pager *pager;      /* the pager that this is a half of; set by lab_pager_open() */
	_Atomic uint64_t n_loads; /* pages that were read and found good */
	_Atomic uint64_t n_ahead; /* of these, read ahead: counted by cache_ahead() */
	_Atomic uint64_t n_evictions; /* counted by cache_evicted() */
	_Atomic uint64_t read_bytes;  /* asked of the file */
};

struct cache_options {
	const char *name; /* static */
	struct io *io;
	struct file *file;
	uint32_t page_size; /* bytes */
	uint64_t seed;      /* of the checksums */
	enum pager_checksum checksum;
	uint32_t n_frames; /* pages that the cache may hold, all of which may be pinned at a time */
	enum bufpool_policy policy;
};

/* The student's: opens the lab's cache. 0, or -ENOMEM. */
int cache_open(const struct cache_options *options, struct cache **ret_cache);

/* Fills in what is common. */
void cache_init(struct cache *c, const struct cache_ops *ops, const struct cache_options *options);

/*
 * Reads the page `ref` from the file into `to`, page_size bytes, and verifies that it is that page
 * and whole. Blocks. Any thread. VERSO_ECORRUPT: the file holds another page there, or damage;
 * VERSO_EIO, -errno: it cannot be read. Then `to` holds any bytes.
 */
int cache_load(struct cache *c, struct page_ref ref, struct page *to);

/*
 * The same for a page that lies in memory already, because the file is mapped: verifies it, as far
 * as the checksum policy goes, and counts it as a load. VERSO_ECORRUPT.
 */
int cache_verify(struct cache *c, struct page_ref ref, const struct page *page);

/*
 * The same for a page that was read ahead, by a queue: verifies what lies in memory, and counts it.
 * Nobody has asked for it yet, so it leaves no text. VERSO_ECORRUPT.
 */
int cache_ahead(struct cache *c, struct page_ref ref, const struct page *page);

/* To be called for each page that leaves memory because another needs its frame: counts it. */
void cache_evicted(struct cache *c, struct page_ref ref);

struct lab_pager_options {
	struct io *io;         /* of the file */
	uint32_t writer_pages; /* how many pages may be fresh at a time; 1 or more */
	uint32_t pin_pages;    /* how many of them readers may pin at a time; 1 or more */
};

/*
 * Puts the writing half around a cache. On success the pager owns it and closes it; on failure it
 * remains the caller's. -ENOMEM, -EFBIG, or what file_size() and io_queue() return.
 */
int lab_pager_open(struct cache *c, const struct lab_pager_options *options,
	struct pager **ret_pager);

#endif
