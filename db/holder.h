/* SPDX-License-Identifier: MIT */
/*
 * Who has a database open: what people are told when it cannot be had, and the record of a process
 * that has it for itself.
 */
#ifndef DB_HOLDER_H
#define DB_HOLDER_H

#include "db/db_int.h"

#define HOLDER_NAME_BYTES 32U

/* What another process calls itself, of HOLDER_NAME_BYTES at most, so that it can be shown. */
void holder_name(const char *from, char *to);

/* Who wrote itself down in the side file as having the database alone; it may have ended since. */
bool holder_of_record(struct file *side, struct io_self *ret_who);

/* Writes into the side file that this process has the database for itself. Where it cannot be
 * written, only texts of other processes say less. */
void holder_sign(struct verso *db);

/* The record is empty again, if it is ours. */
void holder_leave(struct verso *db);

/* A database, whether or not this process has it open. */
struct holder_place {
	struct io *io;
	const char *path;  /* resolved (path_resolve()) */
	struct file *file; /* NULL: it cannot be opened */
};

/*
 * VERSO_EBUSY with a text: `why`, by which process, its program and since when, as far as that is
 * known. why: a whole clause.
 */
int holder_busy_at(const struct holder_place *place, const char *why);

static inline int holder_busy(const struct verso *db, const char *why)
{
	return holder_busy_at(&(struct holder_place){db->io, db->path, db->file}, why);
}

#endif
