/* SPDX-License-Identifier: MIT */
/* Making a database in place (D6). */
#ifndef DB_CREATE_H
#define DB_CREATE_H

#include "db/db_int.h"

/*
 * Makes an empty database in db->file, which is open for writing and locked, unless there is one by
 * now, and makes its name durable. is_new: this opening has made the file. When the making fails
 * the file is gone if it was new, else empty; before that nothing of it is touched. -EEXIST:
 * VERSO_EXCL. May block.
 */
int create_database(struct verso *db, const struct db_hooks *hooks, bool is_new);

#endif
