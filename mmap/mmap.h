/* SPDX-License-Identifier: MIT */
/*
 * The mmap pager: the page interface over a mapping of the file. Caching, loading and eviction are
 * the kernel's; see mmap/README.md.
 */
#ifndef MMAP_MMAP_H
#define MMAP_MMAP_H

#include "io/file.h"
#include "pager/pager.h"

/* Advice to the kernel: in which order the map will be read. */
enum mmap_advice {
	MMAP_ADVICE_RANDOM, /* no readahead */
	MMAP_ADVICE_NORMAL, /* the kernel's own guess */
	MMAP_ADVICE_SEQUENTIAL,
	MMAP_ADVICE_POPULATE, /* random, with the whole file read and mapped at open and growth */
	MMAP_ADVICE_CURSOR,   /* random, but cold what a cursor has passed by some pages; takes 8
				 bytes for each of ahead_pages */
};

/* How a writer's pages reach the file. */
enum mmap_writing {
	MMAP_WRITE_HEAP,    /* made in memory of their own, pwritev to the page cache */
	MMAP_WRITE_PRIVATE, /* stored into a private map, pwritev, and the private copy thrown away.
			       A file that somebody cuts while a writer's pages lie there ends the
			       process: SIGBUS, in a store or a read of such a page */
	MMAP_WRITE_SHARED,  /* stored into a writable shared map: the kernel writes a page when it
			       wants, complete or not, so a stray store reaches the file too. As
			       above: SIGBUS, also when the device fails. Where file->moves, the
			       open returns -EOPNOTSUPP */
};

/*
 * A page in memory costs least to read where its first lines are still in the processor's caches,
 * and naming it brings them there: further ahead they would be gone again (docs/measurements.md).
 */
#define MMAP_AHEAD_PAGES_DEFAULT 128

/* Zeroed: the defaults, but for writer_pages and ahead_pages. */
struct mmap_options {
	uint32_t writer_pages; /* how many pages may be fresh at a time; 0: none */
	enum pager_checksum checksum;
	enum mmap_advice advice;
	enum mmap_writing writing;
	enum queue_backend backend; /* of its writes; QUEUE_BEST: QUEUE_SYNC, in the
				       calling thread, which waits for each write anyway */
	uint32_t ahead_pages;       /* how far before itself a cursor names leaves; 0: not */
};

/*
 * Opens a pager over `file`, which stays the caller's, outlives the pager and is written through
 * this pager alone meanwhile. The file was opened without FILE_DIRECT (else VERSO_EMISUSE).
 * Installs the process's SIGBUS handler (io/fault.h). -ENOMEM; -EOPNOTSUPP; or what io_map(),
 * file_size(), io_queue() return.
 */
int mmap_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct mmap_options *opts, struct pager **ret_pager);

#endif
