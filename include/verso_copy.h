/* SPDX-License-Identifier: MIT */
/*
 * Copies of a database. A part of verso.h, which includes it.
 *
 * A copy is a database of its own (with a uuid of its own) that holds what one reader sees. It is
 * made while others read and write. To restore, copy it back: verso_copy() of the copy, or a plain
 * `cp` while nobody has it open.
 */
#ifndef VERSO_COPY_H
#define VERSO_COPY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct verso;

enum verso_copy_flags {
	/*
	 * All records in the order of their keys, in pages as full as they can be, none free: the
	 * smallest file, and the fastest to scan. Without it pages are copied as they are, each to
	 * its place, which is faster; those not in use are free, and where many follow each other,
	 * holes.
	 */
	VERSO_COPY_COMPACT = 1 << 18,
	VERSO_COPY_REPLACE = 1 << 19, /* verso_copy(): a file of that name is replaced */
};

/*
 * Called after each read of up to a MiB or, COMPACT, after 512 records or a MiB of them; and once
 * more before the copy gets its name. Not while a write waits: it cannot end a copy into a pipe
 * that nobody reads. done_bytes: of the work, of about total_bytes. Returns 0 to go on; other
 * values end the copy. As in the callback of verso_check(), the database may be read but not
 * written, and a close is carried out when the copy ends.
 */
typedef int verso_copy_fn(void *arg, uint64_t done_bytes, uint64_t total_bytes);

/*
 * Copies the newest committed state to a new file.
 *
 * path: a file of that name is -EEXIST, unless VERSO_COPY_REPLACE; then it is replaced, a database
 * that is still open after busy_timeout_ms is VERSO_EBUSY, and of a symbolic link to a file the
 * link is replaced. A link to nothing, and what comes while the copy is made, is -EEXIST in the
 * end, also with VERSO_COPY_REPLACE; a folder is -EISDIR, what is no file VERSO_ENOTDB. -ESTALE:
 * others replaced the file again and again. The name appears when the copy is whole and durable.
 * Until then the file has no name; where the file system has no such files it has one that begins
 * with ".verso-copy-", which a process that is killed leaves. It gets the owner, the group and the
 * mode of the database, as far as this process may set them. flags: enum verso_copy_flags. each:
 * NULL, or the callback.
 *
 * 0: it is there, and durable. -ECANCELED: the callback ended it. VERSO_ECORRUPT: a page is
 * damaged; nothing damaged is copied. VERSO_EBUSY: also as of verso_begin(). -ENOSPC, -EIO,
 * VERSO_EIO and others of the target's file system, whose text names it; VERSO_EPOISONED: the
 * newest state (VERSO_SYNC_RELAXED) can no longer be flushed. After a failure there is no new file
 * and what had the name is as it was; but when only the folder could not be flushed, the text says
 * so and the copy is there.
 *
 * As long as it runs it is a reader: pages freed by others are not used again. Any thread. Reads
 * the whole database past the cache, so that pages in use stay in memory (COMPACT: through it),
 * and verifies each page. Memory: about 7 MiB, and 3 bits a page of the file. Up to five threads
 * of its own read ahead and write while this one goes on (COMPACT: three, to a file); they end
 * with the call.
 */
int verso_copy(struct verso *db, const char *path, unsigned flags, verso_copy_fn *each, void *arg);

/*
 * The same to a descriptor that is open for writing: a pipe, a socket, a file. The bytes of the
 * file are written in order, from where the descriptor stands, and flushed if it is a file. Whether
 * they are whole is known to the writer alone: a reader of the pipe takes what it got only when
 * this call has returned 0. Without a reader the process gets SIGPIPE, or -EPIPE when that is
 * ignored. Costs more: the database is read twice. VERSO_COPY_REPLACE: VERSO_EMISUSE.
 */
int verso_copy_to(struct verso *db, int fd, unsigned flags, verso_copy_fn *each, void *arg);

#ifdef __cplusplus
}
#endif

#endif
