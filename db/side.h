/* SPDX-License-Identifier: MIT */
/*
 * The side file DB-lock: names the process that has the database open, and is locked by it.
 *
 * It is an aid. What keeps two openings apart is the lock of the database file itself (open.c),
 * whatever names that file has; the side file's is there before the database is, and its record is
 * for the text of VERSO_EBUSY. Where it cannot be had (a full or read-only file system, a folder
 * of another user) the database is opened without. It is never mapped, and never removed: a
 * process that waits for its lock must not wait for a file without a name.
 *
 * Its name is not trusted. Only what this Verso or an older one can have left there is written to;
 * no link is followed; whatever else has the name is not touched, and is an error.
 */
#ifndef DB_SIDE_H
#define DB_SIDE_H

#include "db/db_int.h"

/* path with tail behind it; malloc'ed; NULL: no memory. */
char *path_beside(const char *path, const char *tail);

/*
 * Takes the lock and writes the record; waits for the lock until until_ns. db->side stays without a
 * file where none can be had. VERSO_EBUSY, with the process that has it; -EEXIST: something else
 * has the name.
 */
int side_open(struct verso *db, uint64_t until_ns);

/* Releases the lock; the record is then empty. */
void side_close(struct verso *db);

/* VERSO_EBUSY with a text: which process has the database open, if a record says so. */
int side_busy(const struct verso *db);

/*
 * Takes a lock of `file`, waiting for it until until_ns: after a kill -9 the kernel may still carry
 * out what the process had asked for, and holds its locks until then. VERSO_EBUSY.
 */
int lock_until(struct io *io, struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, uint64_t until_ns);

#endif
