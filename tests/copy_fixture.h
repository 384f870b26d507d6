/* SPDX-License-Identifier: MIT */
/* What the tests of copies share: databases of many shapes, and whether two hold the same. */
#ifndef TESTS_COPY_FIXTURE_H
#define TESTS_COPY_FIXTURE_H

#include "db/db_int.h"
#include "tests/api.h"

#define COPY_SHAPES 5 /* of keys and values */

/* Puts n records of a shape into a table (NULL: the default one), in an order drawn from seed. */
void copy_fill(struct verso *db, const char *table, unsigned shape, unsigned n, uint64_t seed);

/* Deletes all but each `keep`-th record of the default table. */
void copy_thin(struct verso *db, unsigned keep);

/* Fails the test unless both hold the same tables with the same records, and b checks clean. */
void copy_same(struct verso *a, struct verso *b);

/* Opens a copy with another pager than `pager`. hooks: NULL: as verso_open(). */
struct verso *copy_open(const struct db_hooks *hooks, int pager, const char *path);

#endif
