/* SPDX-License-Identifier: MIT */
/*
 * What a database reports of itself while it is open, and the size of its cache, which may change
 * meanwhile. A part of verso.h, which includes it.
 */
#ifndef VERSO_STAT_H
#define VERSO_STAT_H

#include <stddef.h>
#include <stdint.h>

#include "verso_options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct verso; /* an open database (verso.h) */

/* Counters are sums since the open. */
struct verso_stat {
	size_t size; /* set it to sizeof(struct verso_stat) before the call */

	/* The file. */
	uint32_t page_size;       /* bytes */
	uint32_t n_pages;         /* of the newest commit; the file may be longer */
	uint32_t n_free_pages;    /* to be used again at once */
	uint32_t n_pending_pages; /* freed, but open readers or the newest flush still need them */
	uint64_t newest_gen;      /* of the newest commit: incarnation << 40 | sequence */
	uint64_t durable_gen;     /* of the newest flushed one; of another process, which is known
				     when it has given its turn. VERSO_RDONLY: of the newest one
				     that the file says is flushed; later ones may be durable too */

	/* Transactions. */
	uint32_t n_readers;         /* open now */
	uint64_t oldest_reader_gen; /* what the oldest of them sees; 0: no reader */
	uint64_t n_commits, n_flushes;
	uint64_t n_spilled_pages; /* written before their commit, for lack of memory */
	uint32_t batch_max;       /* most commits that shared a flush */

	/* The pager. */
	enum verso_pager pager;
	enum verso_sync sync;
	union {
		enum verso_commit_mode commit_mode; /* in use: never VERSO_COMMIT_BEST */
		enum verso_commit_mode protocol;    /* its earlier name */
	};
	uint64_t n_gets, n_peeks; /* pages asked for with a pin, and found without one */
	uint64_t
		n_misses; /* pages that gets and get_many had to load; mmap: to verify for the first
			      time (one evicted and read again counts among the faults only) */
	uint64_t n_evictions; /* mmap: VERSO_UNKNOWN, the kernel evicts and does not report it */
	uint64_t n_prefetched, n_barriers;
	uint64_t read_bytes;  /* asked of the file; for a map, verified, and see the faults below */
	uint64_t write_bytes; /* handed to the file */
	uint64_t memory_bytes_max; /* bound of the pager's page memory now, with its page table */
	uint64_t memory_bytes;     /* of it, in use */

	int rolled_back; /* 1: the open left out a commit that was not durable, or one of the two
			    meta pages was damaged, which looks the same */
	int poisoned;    /* 1: a flush failed */
	char how[256];   /* for people: direct or buffered and why, the I/O backend and why */

	/* Of the process since it began. With mmap they are what can be known of the cache. */
	uint64_t n_major_faults; /* that had to read from a device */
	uint64_t n_minor_faults; /* that only had to map what was in memory */

	/* The pool by cause. mmap: VERSO_UNKNOWN, the kernel loads and evicts. */
	uint64_t n_loads_get;    /* pages loaded because a reader's get waited for them */
	uint64_t n_loads_many;   /* by get_many, and of long values, together */
	uint64_t n_loads_ahead;  /* before a cursor or by advice, in the background */
	uint64_t n_victims;      /* pages that the policy gave up */
	uint64_t n_unneeded;     /* pages given up: the writer had copied them, or advice (COLD) */
	uint64_t n_waits_load;   /* times that a thread waited for a load of another's, or ahead */
	uint64_t n_waits_limbo;  /* times that a load or the writer waited for guards to end */
	uint64_t n_reads;        /* read requests in flight now */
	uint64_t n_reads_max;    /* most that were in flight at a time */
	uint64_t n_loads_writer; /* as n_loads_get, but by gets of the writer */
};

#define VERSO_UNKNOWN UINT64_MAX /* in struct verso_stat: the value is not known */

/*
 * Fills in *stat, of which size is set. Any thread. Costs some microseconds. With VERSO_RDONLY it
 * looks at the file as verso_begin() does, and reads the list of the pages that wait to be free.
 */
int verso_stat(struct verso *db, struct verso_stat *stat);

/* What the processes do that have a database open. */
struct verso_watch {
	size_t size; /* set it to sizeof(struct verso_watch) before the call */

	uint64_t now_ns;      /* when that was, by the system's monotonic clock */
	int is_open;          /* 1: a process has it open; 0: all that follows is 0 or not known */
	int is_alone;         /* 1: by one that shares nothing (VERSO_EXCLUSIVE, or for want of a
				 lock file), of which at most its name is known */
	uint64_t alone_pid;   /* its process; 0: not known */
	uint32_t n_processes; /* that share it; who only reads (VERSO_RDONLY) is not counted */
	uint32_t n_readers;   /* their read transactions */
	uint32_t n_locked;    /* states that are read by those who only read; at least so many */
	int pager;            /* enum verso_pager, of all of them; -1: not known */
	int poisoned;         /* 1: a flush failed, and nothing is written until all have closed */

	/* Sums over all that had it open since it was last closed by everybody, but for a process
	 * that was killed at the end of its close, whose part may be missing. n_commits is of this
	 * moment; the others, which are counted as in struct verso_stat, are up to a tenth of a
	 * second old, and have nothing yet of a transaction that is open. */
	uint64_t n_commits;
	uint64_t n_gets, n_peeks, n_misses;
	uint64_t read_bytes, write_bytes;

	/* The read transaction that is open for the longest time; pid 0: none. */
	uint64_t reader_pid;
	uint64_t reader_age_ms; /* or VERSO_UNKNOWN */

	/* The process whose turn it is to write, of all; pid 0: none. */
	uint64_t writer_pid;
	uint64_t writer_age_ms; /* since it has the turn; or VERSO_UNKNOWN */
	uint64_t write_age_ms;  /* of its open write transaction; VERSO_UNKNOWN: it has none */

	char alone_program[32], reader_program[32], writer_program[32]; /* their names */
};

/*
 * Fills in *watch, of which size is set, without opening the database: it costs those that have it
 * open nothing, waits for none of them, and needs permission to read the file and its lock file.
 * For rates call it again. A number of a process is in that one's own namespace.
 *
 * -ENOENT, -EACCES, I/O errors, -ENOMEM; VERSO_ENOTDB. VERSO_EVERSION: they are of another version
 * of Verso. VERSO_EMISUSE: no path, or no size. Any thread. Costs some tens of system calls.
 */
int verso_watch(const char *path, struct verso_watch *watch);

/*
 * Changes how much memory VERSO_BUFPOOL has for pages, while the database is in use.
 *
 * cache_bytes: as the option, a hard bound: from the least size, which the text of -EINVAL names,
 * to the option cache_bytes_max. The least is about half of what the option was, because the writer
 * keeps its share. For a wide range open with a small cache_bytes and a large cache_bytes_max, and
 * enlarge the cache then. Smaller: pages leave as `policy` chooses, and when the call returns their
 * memory has been given back to the kernel. (A part of a huge page is no longer the process's, but
 * the system may count it as used until memory is short. Locked memory, mlockall(), stays.) Larger:
 * memory is taken as pages come. What was reckoned from cache_bytes at the open stays: how many
 * pages a writer may hold and how many may wait for a flush, how far a cursor reads ahead.
 *
 * -EINVAL: too small or too large. VERSO_EPINNED: open cursors and results pin more pages than the
 * new size has memory for, or a thread is stopped inside a call; the size is as before. Until the
 * call returns that, calls of other threads that need one page more may return it too.
 * -EOPNOTSUPP: VERSO_MMAP, whose memory is the kernel's page cache; there cache_bytes limits a
 * writer's pages only, as it was at the open.
 *
 * Any thread; one call waits for another. Readers and the writer go on beside it; a page that is in
 * memory is read as before. Costs at most a system call for each page that leaves, and waits for
 * pages that are being loaded.
 */
int verso_cache_resize(struct verso *db, size_t cache_bytes);

#ifdef __cplusplus
}
#endif

#endif
