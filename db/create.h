/* SPDX-License-Identifier: MIT */
#ifndef DB_CREATE_H
#define DB_CREATE_H

#include "db/db_int.h"

/*
 * Makes an empty database in db->file, which is open for writing and locked, unless there is one by
 * now, and makes its name durable. is_new: this opening has made the file. After a failure the file
 * is as it was: not there, or blank. -EEXIST: VERSO_EXCL. May block.
 */
int create_database(struct verso *db, const struct db_site *site, bool is_new);

/* After the failure rc, which it returns: what was made goes, what was prepared is empty again. */
int create_undo(struct verso *db, bool is_new, int rc);

#endif
