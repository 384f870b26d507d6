/* SPDX-License-Identifier: MIT */
#ifndef DB_CREATE_H
#define DB_CREATE_H

#include "db/db_int.h"

/*
 * Makes an empty database at path, replacing an empty file, by way of path-verso-new. The caller
 * has the lock. -EEXIST: that name is taken by what no creation has left; it is not touched. After
 * a failure no file of this call is left. May block.
 */
int create_database(struct io *io, const char *path, const struct verso_options *o,
	const struct db_site *site);

#endif
