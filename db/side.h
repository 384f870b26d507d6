/* SPDX-License-Identifier: MIT */
/*
 * The side file DB-lock: the board of the processes that have the database open (txn/board.h), and
 * the record of one that has it for itself (holder.h).
 *
 * It is an aid. What keeps a process that wants the database alone and the others apart are locks
 * of the database file itself, whatever names that file has. Where the side file cannot be had (a
 * full or read-only file system, a folder of another user) the database is opened alone, without.
 * It is never removed: a process may have it open whose board it is.
 *
 * Its name is not trusted. Only what this Verso or an older one can have left there is written to;
 * no link is followed; whatever else has the name is not touched, and is an error.
 */
#ifndef DB_SIDE_H
#define DB_SIDE_H

#include "db/db_int.h"
#include "db/path.h"

/* How often a file is opened again whose name has gone to another one before its lock was had. */
#define REPLACED_MAX 20U

#define SIDE_RECORD_OFF 512U  /* bytes */
#define SIDE_BOARD_OFF  4096U /* bytes */
#define SIDE_BYTES      (SIDE_BOARD_OFF + (sizeof(struct board) + 4095) / 4096 * 4096)

/*
 * Opens the side file, or makes it. db->side stays NULL where none can be had; side_is_usable
 * is false where nothing may be written behind its head.
 * -EEXIST: something else has the name.
 */
int side_open(struct verso *db);

/*
 * Only one process at a time makes the database, or finds out that another one has: between these.
 * Waits until until_ns. VERSO_EBUSY. No-ops without a side file.
 */
int side_begin_making(struct verso *db, uint64_t until_ns);
void side_end_making(struct verso *db);

/*
 * Whether a file that is locked now is still the one of its name: until it was locked a copy could
 * take its place. FILE_REPLACED: open it again, unless that was done REPLACED_MAX times.
 */
#define FILE_REPLACED 1
int file_look_again(struct file *file, unsigned n_times);

#endif
