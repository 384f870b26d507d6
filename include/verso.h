/* SPDX-License-Identifier: MIT */
/*
 * Verso: an ordered, transactional key-value store in one file, as a C library.
 *
 * A database is one file of named tables; a table is a B-tree of records, key to value, ordered by
 * memcmp() of the keys. Up to 256 processes that may write have it open, and any number that only
 * read, each with any number of threads.
 *
 * The same tree stands on either of two pagers, chosen at every open, over the same file format:
 *
 *	VERSO_BUFPOOL	a buffer pool that owns every byte of its memory and every read and write:
 *			the cache is as large as you say, every page is verified when it is loaded
 *	VERSO_MMAP	the file is mapped and the kernel's page cache does the rest
 *
 * A file that was written through one is read through the other.
 *
 *
 * What is guaranteed
 *
 * - Transactions are atomic, isolated and, as you choose, durable. One writer at a time; any number
 *   of readers, each on a snapshot of its own; neither waits for the other.
 * - VERSO_SYNC_FULL (default): when verso_commit() returns 0, the transaction survives a crash of
 *   the process, of the system, and a power cut, provided that the disk keeps what it has flushed.
 *   VERSO_SYNC_RELAXED: it survives from the next flush on. verso_sync() and verso_close() flush,
 *   and so does a commit when enough pages wait. A crash before the flush, of the process or of the
 *   system, takes the newest transactions away, in whole and newest first; what remains is
 *   consistent. At most a sixteenth of cache_bytes waits (or 4,096 pages if that is more, but never
 *   more than a quarter). A larger transaction first flushes all before it, and then waits alone.
 * - VERSO_SYNC_PROCESS stands between them: it survives a crash of the process (kill -9), and from
 *   the next flush on a crash of the system and a power cut, which take away as under RELAXED. At
 *   most 1,024 pages are written before a flush. When a write or a flush fails, what came after the
 *   flush before it may be lost.
 * - Opening after a crash needs no repair and replays no log. A process may be killed at any moment
 *   while others have the database open: they go on at once, and nobody cleans up after it.
 * - When a page is not what its parent says it must be (a torn, lost or misdirected write, bits
 *   that changed on the disk, another file's block), the call returns VERSO_ECORRUPT, not wrong
 *   data. `checksum` says how much of this is checked. The checksum finds accidents; it is no
 *   defence against an attacker who can write the file.
 * - The library prints nothing, never exits, and starts no thread that outlives verso_close().
 *
 *
 * What to know before you start
 *
 * - A handle (transaction, table, cursor) is used by one thread at a time; the database and the
 *   tables of verso_table_keep() by any number at once.
 * - A pointer that a call returns points into Verso's memory. A result of verso_get() lasts until
 *   the next get on the same transaction; a result of a cursor, until the next call on that cursor.
 *   Any write in the transaction (put, del, reserve, a new table and the like) and the end of the
 *   transaction end both. Copy what you want to keep. Arguments may point into such results: they
 *   are read before anything changes.
 * - With VERSO_MMAP such a pointer may point into the mapped file. When another program shortens
 *   the file, or the disk fails, *your* read of it raises SIGBUS (Verso's own reads return
 *   VERSO_EIO). VERSO_COPY makes that impossible, except with VERSO_MAP_PRIVATE or _SHARED.
 * - verso_open() installs a handler of SIGBUS, once per process, and checks each time that it is
 *   still there (a pool with VERSO_EXCLUSIVE or VERSO_RDONLY does without). A SIGBUS that is not
 *   Verso's goes to the handler that was there before. If you install one later, pass every SIGBUS
 *   that is not yours to the handler that you found. The shared library stays loaded after
 *   dlclose(), for its handler; a plug-in that contains libverso.a must stay loaded too.
 *   A handler that jumps out of a call (siglongjmp()) leaves the call in its middle: its
 *   transaction can only be ended, and the thread can no longer be cancelled. Under VERSO_BUFPOOL
 *   what the call held is lost, so do not jump out of one.
 *   With VERSO_MMAP a thread that blocks SIGBUS has it unblocked inside calls; the first call in
 *   each transaction reads the thread's signal mask. Beginning and ending a transaction do not:
 *   where overwriting takes new blocks (btrfs), a full disk could end such a process there.
 * - As long as a read transaction is open, the pages of its snapshot cannot be used again, so the
 *   file grows while others write. End readers that you no longer need.
 * - When the disk is full, the call that needed space returns -ENOSPC, and the database stays as it
 *   was. You can make space by deleting: calls that add records leave a reserve of free pages, some
 *   dozens and a 168th of those in use (at 4 KiB; 6.5 MB at most). With it a transaction that
 *   deletes one record, however long, can commit, if no reader is older than the last flush. A
 *   transaction that deletes more may fail; delete in smaller ones then. Free pages are used
 *   again; verso_compact() and the last close cut off those at the end of the file.
 *   A copy that was made with holes (cp --sparse, rsync -S) needs their blocks at the first write.
 *   Where overwriting takes new blocks (btrfs; a file that shares its blocks with a copy made by
 *   cp --reflink), a flush too can find the disk full; see the next point.
 * - When a flush fails (the disk is broken), the database is poisoned: transactions that were
 *   durable stay durable, nothing more can be written, and every later write returns
 *   VERSO_EPOISONED. Close the database and look at the disk.
 * - A call needs up to 64 KiB of stack, not counting your own functions and callbacks (39 KiB were
 *   measured: writes in a transaction that spills, and the last close, through the pool).
 * - Reads ahead of a cursor are made by a thread of the library. Right after verso_close() one
 *   system call of a thread that used the database may return EINTR, when io_uring ends its ring.
 * - A thread that is cancelled (pthread_cancel()) ends after the call, never inside: calls that may
 *   block switch cancellation off. A callback that you give must return: leaving it by longjmp() or
 *   a C++ exception leaves the call's transaction open, and in verso_check() the writer's turn
 *   taken.
 * - A child after fork() may not use the handles of its parent: each call returns -EINVAL. It may
 *   open databases of its own, the same one too. It inherits the parent's locks: if the parent is
 *   killed, others may have to wait until the child has ended, or has called verso_close() for the
 *   handle that it inherited, which releases them.
 * - Do not keep the file on a network file system: verso_open() fails unless VERSO_ANY_FS is set.
 * - Beside the file DB lies DB-lock, in which processes that have it open tell each other what they
 *   read and write; it has the owner and the mode of DB. You may remove it while no process uses
 *   the database, but need not. Where it cannot be made (a full or read-only file system, a folder
 *   that you may not write to), a process that writes has the database for itself. With
 *   VERSO_RDONLY nothing beside the file is touched, and permission to read the file is enough.
 *   Anything else with that name, a link too, is not touched, and verso_open() returns -EEXIST.
 * - Processes share a database on one machine only: on a network file system (VERSO_ANY_FS) a
 *   process that writes has it for itself. Their process numbers may be of different namespaces
 *   (containers), as locks of the file alone say who is alive.
 * - Where the size of files is limited (`ulimit -f`), a write beyond the limit raises SIGXFSZ,
 *   which ends the process. If you ignore that signal, the call that needed the write fails.
 * - A container's memory limit counts the memory of the pool and also the page cache of a file
 *   that is mapped or buffered. The kernel can take back page cache, but not the pool: keep
 *   cache_bytes well below the limit. With VERSO_MMAP cache_bytes limits a writer's pages only.
 * - A 64-bit host, Linux 5.10 or later.
 *
 *
 * What things cost
 *
 * In bytes written, which are the same on every machine (bench/bench_costs prints them, for pages
 * of 4 KiB and the default durability):
 *
 * - A transaction that replaces one small value in a database of 40 MB writes four pages, 16 KB:
 *   the path to the record and the meta page. A long value is written in full as well: 25 KB for
 *   one of 10,000 bytes, 118 KB for 100,000, 1.03 MB for 1,000,000.
 * - A transaction writes each page that it changes once, as long as all of them fit into about a
 *   quarter of cache_bytes; pages beyond that are written before the commit, and again when they
 *   change again. So records in random order need large transactions *and* a cache for them:
 *   400,000 records of 108 bytes write 43 times their size in transactions of 1,000 records. With
 *   256 MiB of cache it is 23 times in transactions of 10,000, 4 times in those of 100,000, and 2
 *   times in a single one; with 16 MiB it is 39 times, however large the transactions. Records in
 *   the order of their keys need neither.
 *
 *
 * First example
 *
 *	#include "verso.h"
 *	#include <stdio.h>
 *
 *	int main(void)
 *	{
 *		struct verso_options options = {.size = sizeof(options), .flags = VERSO_CREATE};
 *		struct verso_val key = {"moon", 4}, val = {"1737 km", 7};
 *		struct verso *db;
 *		struct verso_txn *txn;
 *
 *		if (verso_open("planets.verso", &options, &db) < 0 ||
 *			verso_begin(db, VERSO_WRITE, &txn) < 0) {
 *			fprintf(stderr, "%s\n", verso_errmsg(NULL));
 *			return 1;
 *		}
 *		if (verso_put(txn, NULL, key, val, 0) < 0)
 *			verso_abort(txn);
 *		else if (verso_commit(txn) == 0 && verso_begin(db, VERSO_READ, &txn) == 0) {
 *			if (verso_get(txn, NULL, key, &val) == 0)
 *				printf("%.*s\n", (int)val.len, (const char *)val.data);
 *			verso_abort(txn);
 *		}
 *		verso_close(db);
 *		return 0;
 *	}
 *
 * Build it with: cc first.c -lverso (or with the flags that `pkg-config verso` gives; with
 * libverso.a: `pkg-config --static verso`).
 *
 *
 * Results
 *
 * 0 is success; > 0 is an expected outcome (VERSO_NOTFOUND and others); < 0 is an error: the
 * negated errno of a failed system call, or a code of verso_codes.h. verso_strerror() names a code;
 * the text of verso_errmsg() says what was being done, to which file and page, and what to try. An
 * output (ret_...) is written only when the call returns 0, unless its description says otherwise.
 *
 * Any call may return, in addition to the codes in its description:
 *	VERSO_EMISUSE	a handle that is NULL, has ended or belongs to another transaction; an
 *			unknown flag; an impossible argument (len > 0 with data NULL). Nothing has
 *			happened
 *	-EINVAL		the process has forked since the database was opened; from verso_open():
 *			cache_bytes or the address space is too small, see the text
 *	-ENOMEM		no memory; nothing has happened
 * and any call that reads the database:
 *	VERSO_ECORRUPT	a page of the file is damaged; the text names it
 *	VERSO_EIO	the disk cannot read it, or another program has shortened the file
 *	VERSO_EPINNED	open cursors and results hold every frame of the pool: close some, or set
 *			a larger cache_bytes
 * After VERSO_EIO from a mapping, each later call in that read transaction returns it again; end
 * the transaction. After a write transaction failed half-way (the text says so), each later call in
 * it returns VERSO_EABORTONLY: none of its changes will be seen; abort it. Other failures leave the
 * transaction as it was.
 *
 * Wrong use returns VERSO_EMISUSE where Verso can detect it, which is not everywhere: a handle that
 * has ended may already be in use for something else.
 */
#ifndef VERSO_H
#define VERSO_H

#include <stddef.h>
#include <stdint.h>

#include "verso_codes.h"   /* what calls return */
#include "verso_copy.h"    /* copies */
#include "verso_options.h" /* struct verso_options, and the flags of every call */
#include "verso_space.h"   /* where the space goes */
#include "verso_stat.h"    /* struct verso_stat, verso_stat() and verso_cache_resize() */

#ifdef __cplusplus
extern "C" {
#endif

#define VERSO_VERSION_MAJOR 0
#define VERSO_VERSION_MINOR 1
#define VERSO_VERSION_PATCH 0

struct verso;        /* an open database */
struct verso_txn;    /* a transaction */
struct verso_table;  /* a table, as one transaction sees it, or one that is kept for all */
struct verso_cursor; /* a place in a table */

/* Bytes, a key's or a value's. {NULL, 0} is empty. What Verso returns has data != NULL. */
struct verso_val {
	const void *data;
	size_t len; /* bytes */
};

/*
 * Opens the database at `path`.
 *
 * path: a regular file; DB-lock is made beside it. opts: NULL for all defaults; copied. With
 * VERSO_CREATE a missing or empty file becomes an empty database, durably; an empty file that was
 * there keeps its owner and mode. A power cut in the middle leaves an empty file, or one of zeros,
 * which counts as empty. Symbolic links are followed; if one points to a missing file, the database
 * is made there. *ret_db is yours until verso_close().
 *
 * Other processes, and other handles of this one, may have it open too; they see a transaction as
 * soon as its commit has returned (VERSO_SYNC_RELAXED: who has come less than 50 ms before it may
 * see it so much later). All that write use one `pager`, with or without VERSO_BUFFERED;
 * VERSO_PAGER_ANY takes the one in use. With VERSO_RDONLY any pager will do; each transaction then
 * costs some ten system calls, and may see a commit an instant before it is durable. Beside
 * VERSO_SYNC_PROCESS it sees what is not flushed, and reads that again after each commit.
 *
 * -ENOENT: no such file, and no VERSO_CREATE. -EEXIST: VERSO_EXCL, or something else is called
 * DB-lock. -EACCES, -EROFS, -EPERM: no permission for the file. -EISDIR: a directory.
 * VERSO_ENOTDB: a FIFO, a device, an empty file, or a file of something else. VERSO_EVERSION: the
 * file is of another version of Verso; the text says how to convert it. VERSO_ECORRUPT: no
 * committed state of it can be trusted; restore it from a copy. VERSO_EBUSY: another process has
 * it open with VERSO_EXCLUSIVE or another kind of pager, or at all where this call asks for it
 * alone, or 256 handles share it, and it was still so after busy_timeout_ms (a process that was
 * killed may take a moment to end); or another handle of this process, for which the call does
 * not wait; or DB, or DB-lock, is not the one that they have open any more. The text names a
 * process, its program and since when, unless that one could not write it down. -ESTALE: other
 * files took its place again and again.
 * VERSO_EMISUSE: impossible options. -EOPNOTSUPP: a network file system without VERSO_ANY_FS, a
 * file system that copies on write with VERSO_MAP_SHARED, VERSO_COMMIT_ONE_FLUSH or
 * VERSO_SYNC_PROCESS without O_DIRECT.
 * An `io` that this system refuses: what it returned, -ENOSYS where the library was built without
 * io_uring. -ENOSPC, -EIO, VERSO_EIO, -EMFILE, -ENOMEM.
 *
 * After a crash the newest durable transaction is found; one that was being flushed may be found or
 * not (see rolled_back of struct verso_stat). Any thread. May block on I/O: after a crash in mode
 * one-flush it reads the newest commit's pages, 1,024 at most. Where O_DIRECT is not possible and
 * the sync with which opening begins fails, the database is open for reading only: verso_begin()
 * returns VERSO_EPOISONED to writers. In that case, after a flush has failed, restart the system
 * before you write again: the page cache may show what the disk does not have.
 */
int verso_open(const char *path, const struct verso_options *opts, struct verso **ret_db);

/*
 * Closes it: flushes what was committed and is not flushed. Transactions that are still open
 * are aborted. No other thread may use the database during or after the call. NULL, or a handle
 * that has ended: nothing happens. In a child after fork() it only releases the parent's lock.
 * Cannot fail: durable transactions are on the disk already. To learn whether the last of the
 * others became durable, call verso_sync() before.
 */
void verso_close(struct verso *db);

/*
 * Begins a transaction. flags: VERSO_READ or VERSO_WRITE.
 *
 * A reader keeps seeing the state that was the newest committed one when it began, and never waits.
 * A writer waits for the writer before it, in whatever process, and sees its own changes. *ret_txn
 * is yours until verso_commit() or verso_abort(). A thread may hold a reader and a writer; a second
 * writer in the same thread would wait for itself: VERSO_EMISUSE.
 *
 * Readers: any number. All processes together have 1,024 places in DB-lock; one beyond them locks
 * the file instead, which costs some system calls more. VERSO_EBUSY: 1,024 are open, in a process
 * that shares nothing (VERSO_EXCLUSIVE, VERSO_IMMUTABLE, or DB-lock could not be made). -ENOSPC:
 * DB-lock cannot be written, on a full disk that moves what is overwritten, or it was cut. -EROFS:
 * a writer of a read-only database. VERSO_EPOISONED. VERSO_EIO: something else has written into
 * DB-lock, so what the others have told is not believed; what was committed is safe.
 * VERSO_EFULL: the file has seen 2^24 crashes of a process that was writing, all that the format
 * can count; dump it and load it into a new one. To begin and abort a writer costs no I/O (except
 * the first one after a crash that took a commit away, which may therefore return -EIO and the
 * like). Any thread.
 */
int verso_begin(struct verso *db, unsigned flags, struct verso_txn **ret_txn);

/*
 * Makes the transaction's changes visible, and as durable as `sync` says, or none of them.
 *
 * Ends the transaction and its tables, whatever it returns. Its cursors must still be closed. A
 * reader just ends, with 0.
 *
 * 0: done. < 0: none of its changes will be seen; but after VERSO_EPOISONED the database, opened
 * again, may contain them, and under VERSO_SYNC_PROCESS others may see them at once; the text says
 * so too where the file was removed, replaced or cut while it was open. -ENOSPC, -EDQUOT, -EFBIG:
 * no space to write it (verso_put() may return that before); -EIO, VERSO_EIO, VERSO_EPOISONED.
 * A flush that fails poisons the database, and a write before it, with whichever of these, may:
 * then later writers get VERSO_EPOISONED until it is opened again. (The call that takes space for a
 * write, and a read, do not.) VERSO_EABORTONLY: an earlier call had failed half-way. Blocks on the
 * flush, which commits of several threads share.
 */
int verso_commit(struct verso_txn *txn);

/*
 * The same without waiting for the flush, so that one thread can have many durable commits in
 * flight: they share one, as commits of several threads do.
 *
 * 0: committed. The next writer builds on it. Under VERSO_SYNC_FULL readers see it, and a crash
 * leaves it, only after its flush; under VERSO_SYNC_PROCESS after it is written, which waits for
 * the same; under VERSO_SYNC_RELAXED as after verso_commit(). *ret_gen: its
 * generation, for verso_wait(); 0: the transaction changed nothing.
 *
 * The library does not flush by itself, so without any of these it waits for ever: a verso_wait()
 * for it or for a later one, a verso_commit() that flushes, verso_sync(), verso_close(); a commit
 * when much waits (as under VERSO_SYNC_RELAXED: that one blocks); within 50 ms another process that
 * has the database open. While another process waits to write, this call does not return before the
 * flush.
 *
 * < 0: as verso_commit(). VERSO_EMISUSE: ret_gen is NULL; the transaction stays open.
 */
int verso_commit_async(struct verso_txn *txn, uint64_t *ret_gen);

/*
 * Returns when the commit for which verso_commit_async() returned `gen` is durable, and every one
 * before it; flushes if nobody else does. Returns at once when it is, and for gen 0. What was
 * committed later may become durable with it.
 *
 * VERSO_EPOISONED: a flush failed, and gen was not durable before; the text has the cause. Opened
 * again, the database may contain it. VERSO_EMISUSE: a number that verso_commit_async() has not
 * returned from this handle; those between its first and its newest are not told apart. Any thread,
 * any number of times.
 */
int verso_wait(struct verso *db, uint64_t gen);

/* Ends the transaction and forgets its changes. NULL, or one that has ended: nothing happens. */
void verso_abort(struct verso_txn *txn);

/*
 * Returns when everything that was committed before the call is durable, by other processes too.
 * Not needed where all use VERSO_SYNC_FULL. With VERSO_RDONLY: what is in the file, which is all
 * that this handle can read. VERSO_EPOISONED: a flush failed; the text has the cause. -EIO and its
 * like: the same of what others wrote, and of each later call by this handle. Any thread.
 */
int verso_sync(struct verso *db);

/*
 * Opens the table `name` for this transaction. A NULL table, where a call takes one, is the default
 * table, which has no name and is always there.
 *
 * name: 1 to 255 bytes of text. flags: 0 or VERSO_CREATE (in a write transaction). *ret_table ends
 * with the transaction; opening it twice gives the same handle. VERSO_NOTFOUND: no such table, and
 * no VERSO_CREATE. VERSO_ETOOBIG: the name is too long. -ENOSPC and the like when it is made.
 */
int verso_table_open(struct verso_txn *txn, const char *name, unsigned flags,
	struct verso_table **ret_table);

/*
 * Keeps a table's name: *ret_table can be given to the calls of every transaction of the database,
 * in any thread, until verso_close(). It stands for the table that has the name in that
 * transaction.
 *
 * The call does not look for the table. Each call with *ret_table returns VERSO_NOTFOUND in a
 * transaction that has no table of that name: not made yet, dropped, or renamed. The first use in a
 * transaction costs the same among any number of tables, unless a named table has changed since the
 * use before: then it is looked for, as verso_table_open() does, and so is a name that is not there
 * at each use. Every other use costs nothing. name: as there.
 */
int verso_table_keep(struct verso *db, const char *name, struct verso_table **ret_table);

/*
 * Deletes the table `name` with its records, in a write transaction; its open handles and cursors
 * end. The cost grows with the table. VERSO_NOTFOUND: no such table.
 */
int verso_table_drop(struct verso_txn *txn, const char *name);

/*
 * Deletes all records of a table, in a write transaction; its handles and cursors stay. The cost
 * grows with the table, but it is less than that of verso_del_range(), and nothing has happened
 * when it fails.
 */
int verso_table_clear(struct verso_txn *txn, struct verso_table *table);

/*
 * Gives the table `from` the name `to`, in a write transaction; its handles and cursors stay.
 * VERSO_NOTFOUND: no table `from`. VERSO_EXISTS: there is a table `to`, be it the same.
 * VERSO_ETOOBIG: the name is too long. -ENOSPC and the like.
 */
int verso_table_rename(struct verso_txn *txn, const char *from, const char *to);

/*
 * Called for each table's name. Returns 0 to go on. May read in this transaction, but not write in
 * it. May not end it: verso_table_each() then returns VERSO_EMISUSE.
 */
typedef int verso_table_fn(void *arg, const char *name);

/* Calls each() with the names of all tables but the default one, in the order of their bytes. Stops
 * when each() returns another value than 0, and returns that. */
int verso_table_each(struct verso_txn *txn, verso_table_fn *each, void *arg);

struct verso_table_stat {
	size_t size;        /* set it to sizeof(struct verso_table_stat) before the call */
	uint64_t n_records; /* as this transaction sees it */
	uint32_t height;    /* levels of the tree; 0: empty */
};

/* Fills in *stat for a table (NULL: the default one). Costs nothing. */
int verso_table_stat(struct verso_txn *txn, struct verso_table *table,
	struct verso_table_stat *stat);

/*
 * Finds the value of `key`.
 *
 * *ret_val lasts until the next get on this transaction, a write in it, or its end. A value that
 * lies in one page is returned without a copy (unless VERSO_COPY); a longer one is assembled in
 * memory of the transaction. VERSO_NOTFOUND. VERSO_ETOOBIG: longer than value_copy_max; see
 * verso_read().
 */
int verso_get(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val *ret_val);

/*
 * Finds n values at once. On a file larger than memory that costs much less than n times
 * verso_get(), because what has to be read is read together.
 *
 * keys, ret_vals: n each, in any order, repeats allowed. ret_codes: n results, 0 or VERSO_NOTFOUND
 * each, or NULL; a value that was not found has data NULL. The values last like verso_get()'s.
 * Values of up to 512 bytes are copied, longer ones when they would pin more than an eighth of the
 * pool. 0: every key was looked for. < 0: an error; no result can be used. VERSO_ETOOBIG: the
 * copies together exceed value_copy_max.
 */
int verso_get_many(struct verso_txn *txn, struct verso_table *table, size_t n,
	const struct verso_val *keys, struct verso_val *ret_vals, int *ret_codes);

/*
 * Copies a piece of a value: up to len_bytes from off_bytes on, into buf, which is yours.
 * *ret_len: bytes copied; fewer than len_bytes at the value's end, 0 behind it. The cost grows with
 * the piece, not with the value. VERSO_NOTFOUND. Results of earlier gets stay valid.
 */
int verso_read(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	uint64_t off_bytes, void *buf, size_t len_bytes, size_t *ret_len);

/*
 * A range of records, for a cursor, verso_count() and verso_del_range(): those with from <= key <
 * to. flags: VERSO_FROM_ABOVE, VERSO_TO_INCLUDED, VERSO_PREFIX, VERSO_REVERSE. Zeroed, or a NULL
 * range: all records. It is copied where it is kept.
 */
struct verso_range {
	struct verso_val from; /* data NULL: no bound below */
	struct verso_val to;   /* data NULL: no bound above; {"", 0} is a bound, the empty key */
	unsigned flags;
};

/*
 * Counts the records of a range. flags: 0 or VERSO_ESTIMATE.
 *
 * 0: exactly; reads every leaf of the range, and nothing when the range is the whole table.
 * VERSO_ESTIMATE: reads the pages on the way to the two bounds, as two gets do, and takes what is
 * under neighbouring pages for equally much. Mostly it is right within a factor of two. It is exact
 * when both bounds lie in one page. Results of earlier gets stay valid.
 */
int verso_count(struct verso_txn *txn, struct verso_table *table, const struct verso_range *range,
	unsigned flags, uint64_t *ret_n);

/* What is known of the use of a range of records. */
enum verso_advice {
	VERSO_ADVICE_WILLNEED, /* read soon: what is not in memory begins to load */
	VERSO_ADVICE_COLD,     /* hardly read again: it leaves memory before other pages */
};

/*
 * Advises the pager about the pages of the records with from <= key < to. Changes no result.
 *
 * from, to: empty means no bound. The advice is for the leaves of these records, of which the first
 * and the last may hold others too; not for the pages of long values, nor for pages in use.
 * WILLNEED goes no further than the pager can load at a time: a pool 128 runs of neighbours, and a
 * quarter of its pages; a map 64 MiB of leaves. Costs the inner pages of the range, about one
 * for a hundred leaves or more, which are read; then a short lock a page (pool) or a system call a
 * run of neighbours (map). Waits for no leaf, unless `io` is VERSO_IO_SYNC. VERSO_MMAP: COLD is
 * MADV_COLD, which skips pages that another process maps too. VERSO_EMISUSE: an unknown advice.
 */
int verso_advise(struct verso_txn *txn, struct verso_table *table, struct verso_val from,
	struct verso_val to, enum verso_advice advice);

/*
 * Sets the value of `key`, in a write transaction.
 *
 * key: up to (page_size - 64) / 4 - 32 bytes (976 at 4 KiB pages); the empty key is legal and the
 * first. val: up to 1 GiB. flags: VERSO_NOOVERWRITE, VERSO_APPEND. VERSO_EXISTS: with
 * VERSO_NOOVERWRITE only. VERSO_EMISUSE: with VERSO_APPEND, a key that is not above all others of
 * the table; nothing has happened. (Keys in ascending order are as fast without that flag: it is
 * for a program that wants to be told.) VERSO_ETOOBIG: a longer key or value. -ENOSPC, VERSO_EFULL:
 * no space; the transaction goes on without the record.
 */
int verso_put(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, unsigned flags);

/*
 * As verso_put(), and returns the value that was there before: *ret_old, with data NULL when there
 * was none. It is a copy, which lasts until the next get on this transaction, a write in it, or its
 * end. VERSO_ETOOBIG too when it is longer than value_copy_max; nothing has happened then.
 */
int verso_replace(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	struct verso_val val, struct verso_val *ret_old);

/*
 * Makes room for a value of len_bytes and sets *ret_room to it, full of zeros, for you to write to
 * until the next call in this transaction, of whichever kind; verso_commit() is one. That saves a
 * copy of a value that is made in place.
 *
 * flags: 0 or VERSO_NOOVERWRITE. Returns what verso_put() returns. But a value that is too long for
 * a page is the transaction's memory until then, and the next call stores it first: when there is
 * no space, that call returns -ENOSPC and does nothing else, and the record is as it was before.
 */
int verso_reserve(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	size_t len_bytes, unsigned flags, void **ret_room);

/*
 * Writes len_bytes from buf into the value of `key` from off_bytes on, in a write transaction. The
 * value becomes longer where they go beyond its end; the other bytes stay. Where there is no
 * record, one is made, with off_bytes 0. So a value of 1 GiB is written in pieces that fit your
 * memory; verso_read() is the way back.
 *
 * off_bytes: at most the value's length; else VERSO_EMISUSE. Others as verso_put(); when it fails
 * nothing of the piece is written. Costs the pages of the piece and about four more, in a value of
 * any length: pieces of 64 KiB or more are well spent.
 */
int verso_write(struct verso_txn *txn, struct verso_table *table, struct verso_val key,
	uint64_t off_bytes, const void *buf, size_t len_bytes);

/* Deletes `key`, in a write transaction. VERSO_NOTFOUND. -ENOSPC: deleting too copies pages. */
int verso_del(struct verso_txn *txn, struct verso_table *table, struct verso_val key);

/*
 * Deletes the records of a range, in a write transaction. ret_n: how many there were; or NULL.
 *
 * Pages that lie in the range whole are read and freed, but not copied: 100,000 of a million
 * records took an eighth of the time of a verso_del() for each. Cursors stay open; one whose record
 * is gone stands in the gap. -ENOSPC and other errors after a part was deleted: each later call in
 * the transaction returns VERSO_EABORTONLY; on a full disk delete smaller ranges.
 */
int verso_del_range(struct verso_txn *txn, struct verso_table *table,
	const struct verso_range *range, uint64_t *ret_n);

/*
 * Opens a cursor on a table: a place among its records, before the first one to begin with.
 *
 * *ret_cursor is yours until verso_cursor_close(), which may come after the end of the transaction;
 * every other call then returns VERSO_EMISUSE. A cursor sees all changes that are made in its own
 * transaction, by put, del or any cursor.
 */
int verso_cursor_open(struct verso_txn *txn, struct verso_table *table,
	struct verso_cursor **ret_cursor);

/*
 * Opens a cursor on a range: for it the table has no other records. A prefix is read like this:
 *
 *	verso_cursor_open_range(txn, table, &(struct verso_range){.from = prefix,
 *					    .flags = VERSO_PREFIX}, &c);
 *	while (verso_cursor_next(c, &key, &val) == 0)
 *		...
 *
 * With VERSO_REVERSE the order of keys is turned round: next goes down, first is the last record,
 * and verso_cursor_seek() finds the last record with a key <= key.
 */
int verso_cursor_open_range(struct verso_txn *txn, struct verso_table *table,
	const struct verso_range *range, struct verso_cursor **ret_cursor);

/*
 * Move to the first record, the last, the next, the one before. ret_key, ret_val: NULL when not
 * wanted; they last until the next call on this cursor, a write in the transaction, or its end.
 *
 * On a new cursor next is first and prev is last. VERSO_NOTFOUND: there is none; the cursor then
 * stands behind the last record (or before the first), and prev (or next) comes back to it.
 * VERSO_ETOOBIG: the cursor has moved, but its value is longer than value_copy_max:
 * verso_cursor_get() with ret_val NULL gives the key, verso_read() the value in pieces.
 */
int verso_cursor_first(struct verso_cursor *c, struct verso_val *ret_key,
	struct verso_val *ret_val);
int verso_cursor_last(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val);
int verso_cursor_next(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val);
int verso_cursor_prev(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val);

/* Moves to the first record with a key >= key. VERSO_NOTFOUND: none; prev is then the last. */
int verso_cursor_seek(struct verso_cursor *c, struct verso_val key, struct verso_val *ret_key,
	struct verso_val *ret_val);

/* The record on which the cursor stands. VERSO_NOTFOUND: on none, or the record was deleted. */
int verso_cursor_get(struct verso_cursor *c, struct verso_val *ret_key, struct verso_val *ret_val);

/*
 * Deletes the record on which the cursor stands, in a write transaction. Next is then the first key
 * above it, prev the last below. VERSO_NOTFOUND: it is not on a record.
 */
int verso_cursor_del(struct verso_cursor *c);

/*
 * Sets the value of the record on which the cursor stands, in a write transaction; the cursor stays
 * there. VERSO_NOTFOUND: it is not on a record, or the record was deleted. Others as verso_put().
 */
int verso_cursor_put(struct verso_cursor *c, struct verso_val val);

/* Takes NULL. Before or after the end of its transaction, or of the database. */
void verso_cursor_close(struct verso_cursor *c);

/*
 * Called for each finding of verso_check(). pgno: of one page, or 0. text: what was expected and
 * found; valid until each() returns. Returns 0 to go on, other values stop the check. May not close
 * the database, nor begin a write transaction or another check of it, since the check may hold the
 * writer's turn: those return VERSO_EMISUSE; a close is carried out when the check ends.
 */
typedef int verso_check_fn(void *arg, uint32_t pgno, const char *text);

/*
 * Proves that the newest committed state is whole: every page verifies and is what its parent says,
 * keys are in order and within their bounds, counts agree, and every page of the file is in exactly
 * one place.
 *
 * flags: 0, for which writers wait, and which waits for the writer before it, of whatever process,
 * as long as that one's transaction is open; VERSO_CHECK_TREES: all but the last of these, on a
 * snapshot, while others write. each: NULL when the result is enough. Reads the whole file: minutes
 * for many GiB. 0: whole. VERSO_ECORRUPT: there were findings. Other errors: the check could not be
 * finished. VERSO_EMISUSE: this thread has a write transaction open, for which flags 0 would wait
 * forever.
 */
int verso_check(struct verso *db, unsigned flags, verso_check_fn *each, void *arg);

/* The general meaning of a code: constant text, never NULL. Any thread. */
const char *verso_strerror(int code);

/*
 * What went wrong in this thread's last call, in words, whenever it returned an error (< 0); after
 * other results the text says nothing. db: the database, or NULL after a failed open; each thread
 * has its own text. It lasts until this thread's next call.
 */
const char *verso_errmsg(struct verso *db);

/* "0.1.0": the version of the running library; VERSO_VERSION_* are those of this header. */
const char *verso_version(void);

#ifdef __cplusplus
}
#endif

#endif
