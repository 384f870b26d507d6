/* SPDX-License-Identifier: MIT */
/*
 * The options of verso_open(), and the flags of every call. A part of verso.h, which includes it.
 */
#ifndef VERSO_OPTIONS_H
#define VERSO_OPTIONS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "verso_trace.h" /* what the option trace is called for */

#ifdef __cplusplus
extern "C" {
#endif

/* How pages reach memory. The file is the same. */
enum verso_pager {
	VERSO_BUFPOOL, /* a buffer pool of cache_bytes, direct I/O where the file system has it */
	VERSO_MMAP,    /* the file mapped; cache_bytes only bounds what a writer holds */
	VERSO_VMCACHE, /* for experiments, may change or go: a pool at fixed places, one policy */
	VERSO_PAGERS,
	VERSO_PAGER_ANY = 64, /* the one that the processes use which have the database open, with
				 their kind of transfers; else the first */
};

/* What a commit survives once it has returned 0. */
enum verso_sync {
	VERSO_SYNC_FULL,    /* a power cut */
	VERSO_SYNC_RELAXED, /* nothing, until verso_sync() or verso_close() flushes */
	VERSO_SYNC_PROCESS, /* the death of the process; a power cut after the next flush. Takes
			       VERSO_COMMIT_ONE_FLUSH: -EOPNOTSUPP without O_DIRECT */
};

/* How a commit becomes durable. Recorded with each commit; may change at every open. */
enum verso_commit_mode {
	VERSO_COMMIT_BEST,      /* one flush where O_DIRECT lets opening verify it, else two */
	VERSO_COMMIT_TWO_FLUSH, /* pages, flush, meta page, flush: trusts nothing but the order */
	VERSO_COMMIT_ONE_FLUSH, /* all at once, one flush; opening verifies the newest commit.
				     -EOPNOTSUPP without O_DIRECT. An attacker who can write the
				     file can forge that */
};

/* Earlier names. */
#define verso_protocol           verso_commit_mode
#define VERSO_PROTOCOL_BEST      VERSO_COMMIT_BEST
#define VERSO_PROTOCOL_TWO_FLUSH VERSO_COMMIT_TWO_FLUSH
#define VERSO_PROTOCOL_ONE_FLUSH VERSO_COMMIT_ONE_FLUSH

/* How the kernel is advised to read ahead for VERSO_MMAP. */
enum verso_madvise {
	VERSO_MADVISE_RANDOM,     /* no readahead: best where the file is larger than memory */
	VERSO_MADVISE_NORMAL,     /* the kernel's own readahead */
	VERSO_MADVISE_SEQUENTIAL, /* much readahead */
	VERSO_MADVISE_POPULATE,   /* the whole file is read at the open */
	VERSO_MADVISE_CURSOR, /* as RANDOM, but what a cursor left about 256 pages behind is evicted
				     first (MADV_COLD); 8 bytes for each page that is read ahead */
};

/*
 * How VERSO_MMAP's pages reach the file that a writer makes. The file is the same. PRIVATE and
 * SHARED are for experiments: a file that is cut below a commit or a close ends the process by
 * SIGBUS (other calls return VERSO_EIO). SHARED: the kernel writes pages when it wants; a commit
 * only seals and flushes; a crash loses nothing that is committed. Its risks: a stray store that
 * hits the mapping damages the file, committed pages too; a device that fails and, where blocks are
 * shared with another file (XFS: cp --reflink; copy with --reflink=never), a full disk do as a cut
 * does. verso_open() returns -EOPNOTSUPP for SHARED on file systems that copy on write: Btrfs, ZFS,
 * bcachefs, NILFS2, UBIFS, and on an overlay, as containers have.
 */
enum verso_map_writing {
	VERSO_MAP_HEAP,    /* made in memory of their own, written by pwritev() */
	VERSO_MAP_PRIVATE, /* stored into a private mapping of the file, written by pwritev() */
	VERSO_MAP_SHARED,  /* stored into a shared mapping, the file's own pages; RDONLY: as HEAP */
};

/*
 * When a page's checksum is verified. Its place and generation are always compared. NONE and ALWAYS
 * are the same under all pagers; ONCE is not, as no process knows when the kernel loads a page of
 * a mapping.
 */
enum verso_checksum {
	VERSO_CHECKSUM_ONCE,   /* at each load. VERSO_MMAP: when a page is first got since the open;
				  not what this open has written */
	VERSO_CHECKSUM_NONE,   /* never: damage inside a page goes unseen */
	VERSO_CHECKSUM_ALWAYS, /* at every get, which costs a hash of the page each */
};

/* How a pager reaches the kernel. */
enum verso_io {
	VERSO_IO_BEST, /* the first that this system allows; the environment's VERSO_IO overrides */
	VERSO_IO_URING,
	VERSO_IO_THREADS,
	VERSO_IO_SYNC, /* each call reads and writes itself; scans read ahead only where asked */
};

/* Which page the pool evicts when it needs a frame. */
enum verso_policy {
	VERSO_POLICY_CLOCK, /* second chance, in the order of memory */
	VERSO_POLICY_SIEVE, /* second chance, in the order of arrival */
	VERSO_POLICY_FIFO,  /* the one that came first, however often it was used */
	/* Each hit takes a lock with these two: use them for comparison, with one thread. */
	VERSO_POLICY_LRU, /* the one used longest ago; a scan evicts everything else */
	VERSO_POLICY_2Q,  /* those used once before those used again */
	VERSO_POLICY_RANDOM,
	VERSO_POLICIES
};

enum verso_flags {
	/* verso_open() */
	VERSO_CREATE = 1 << 0, /* make the database when there is none (verso_table_open() too) */
	VERSO_EXCL = 1 << 1,   /* with VERSO_CREATE: fail with -EEXIST when there is one */
	VERSO_RDONLY = 1 << 2, /* no write transactions; nothing is written to the file */
	VERSO_COPY = 1 << 3,   /* results are copies, never pointers into a mapping */
	VERSO_ANY_FS = 1 << 4, /* accept a network file system, for one process at a time */
	VERSO_EXCLUSIVE = 1 << 13, /* no other process may have it open: nothing beside the file is
				      needed, and a commit makes fewer system calls */
	VERSO_IMMUTABLE = 1 << 14, /* with VERSO_RDONLY: nobody writes the file, so no lock is
				      taken; if somebody does, nothing is promised */
	/* ... with VERSO_BUFPOOL, each switching one mechanism off, for experiments */
	VERSO_BUFFERED = 1 << 5,    /* no O_DIRECT: through the kernel's page cache */
	VERSO_SMALL_PAGES = 1 << 6, /* no huge pages for the pool's memory */
	VERSO_PIN_INNER = 1 << 7,   /* inner pages are pinned (by read-ahead too, which may wait) */
	VERSO_NO_VERIFY = 1 << 11, /* as `checksum` = VERSO_CHECKSUM_NONE, and not beside _ALWAYS */

	/* verso_begin() */
	VERSO_READ = 0,
	VERSO_WRITE = 1 << 8,

	/* verso_put() */
	VERSO_NOOVERWRITE = 1 << 9, /* the key is there: VERSO_EXISTS, and nothing changes */
	VERSO_APPEND = 1 << 12, /* the key must be above all others of the table: VERSO_EMISUSE */

	/* verso_check() */
	VERSO_CHECK_TREES = 1 << 10, /* only the trees, on a snapshot: no writer has to wait */

	/* struct verso_range */
	VERSO_FROM_ABOVE = 1 << 13,  /* without the key `from` itself */
	VERSO_TO_INCLUDED = 1 << 14, /* with the key `to` itself */
	VERSO_PREFIX = 1 << 15,      /* the keys that begin with `from`; `to` is not used */
	VERSO_REVERSE = 1 << 16,     /* for a cursor: from the last record to the first */

	/* verso_count() */
	VERSO_ESTIMATE = 1 << 17, /* about how many, in the time of two gets */
};

/* A member that is zero has its default, which is named here. */
struct verso_options {
	size_t size; /* sizeof(struct verso_options): so the library knows which members you have */
	enum verso_pager pager;
	enum verso_sync sync;
	unsigned flags;     /* enum verso_flags, of verso_open() */
	size_t cache_bytes; /* page memory of the pool, a hard bound; default 64 MiB. A page table,
			       8 bytes a page of the file, is beside it. -EINVAL names the least */
	uint32_t page_size; /* bytes, at creation: a power of two from 4096 (default) to 65536; 512
			       to 2048 for tests only. An existing file keeps its size: pass 0; any
			       size but the file's own returns VERSO_EMISUSE */
	unsigned mode;      /* file mode at creation, before the umask; default 0600 */
	union {
		enum verso_commit_mode commit_mode;
		enum verso_commit_mode protocol; /* its earlier name */
	};
	enum verso_madvise madvise; /* VERSO_MMAP only */
	union {
		enum verso_checksum checksum;
		enum verso_checksum mmap_checksum; /* its earlier name */
	};
	enum verso_io io;         /* VERSO_MMAP: of its writes; BEST is SYNC there */
	enum verso_policy policy; /* VERSO_BUFPOOL only */
	size_t value_copy_max; /* bytes; longer values than this are not assembled in memory by get
				  and cursors: verso_read() reads them. Default 256 MiB */
	enum verso_map_writing map_writing; /* VERSO_MMAP only */
	verso_trace_fn *trace;  /* NULL (default): nothing is traced, which costs a branch a page */
	void *trace_arg;        /* passed to trace */
	size_t readahead_pages; /* how far before itself a cursor that scans asks for pages, at
				   most; it begins with 16 and doubles. 0: 4 MiB of them (a map: 128
				   pages), with VERSO_IO_SYNC none; at most a quarter of a pool's.
				   VERSO_NO_READAHEAD: nothing is read before it is needed */
	size_t cache_bytes_max; /* VERSO_BUFPOOL: up to which verso_cache_resize() may enlarge the
				   cache; at least cache_bytes, which is the default. Reserves
				   address space, and what describes a page of 4 KiB takes 21 bytes
				   of cache_bytes from the start (VERSO_POLICY_2Q: 54) */
	unsigned busy_timeout_ms; /* how long verso_open() waits for processes with which it cannot
				     share the database, that are opening it, or of which
				     256 share it, and verso_copy() for those that have
				     open what it replaces, before they return VERSO_EBUSY;
				     default 1,000. VERSO_BUSY_FOREVER: without end */
};

#define VERSO_BUSY_FOREVER UINT_MAX /* for busy_timeout_ms */
#define VERSO_NO_READAHEAD SIZE_MAX /* for readahead_pages */

#ifdef __cplusplus
}
#endif

#endif
