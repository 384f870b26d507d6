/* SPDX-License-Identifier: MIT */
/* The kinds of pagers: the one place that names them (db/pagers.c). */
#ifndef DB_PAGERS_H
#define DB_PAGERS_H

#include "db/db_int.h"

struct pager_kind {
	const char *name; /* for people */
	bool transfers;   /* reads and writes by itself, so past the page cache where that can be */

	/* Before a file is made: -EINVAL, with a text, where this cache would be refused. NULL: the
	 * pager takes any. */
	int (*check_cache)(const struct verso_options *o, const struct txn_options *txn,
		uint32_t page_size);

	/* False: pages are smaller than what the device transfers at least, so they go through the
	 * page cache. NULL: they always do. */
	bool (*fits_file)(const struct file *file, uint32_t page_size);

	/* Sets db->pager, over db->file. */
	int (*open)(struct verso *db, const struct txn_probe *probe, const struct txn_options *txn);
};

/* NULL: there is no such pager. */
const struct pager_kind *pager_kind_of(const struct verso_options *o);

/* Of an enum verso_pager that another process has written down, for people. */
const char *pager_name(uint32_t pager);

#endif
