/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/subject.h"

#include <string.h>

const struct subject *const subjects[] = {
	&subject_pool,
	&subject_pool_none,
	&subject_map_none,
	&subject_map_once,
	&subject_map_always,
#ifdef HAVE_LMDB
	&subject_lmdb,
	&subject_lmdb_writemap,
#endif
#ifdef HAVE_SQLITE
	&subject_sqlite,
#endif
	NULL,
};

const char *const subjects_missing[] = {
#ifndef HAVE_LMDB
	"lmdb",
	"lmdb_writemap",
#endif
#ifndef HAVE_SQLITE
	"sqlite",
#endif
	NULL,
};

const char *subject_missing(const char *name)
{
	if (strncmp(name, "lmdb", 4) == 0)
		return "LMDB was not installed when this was built: apt install liblmdb-dev, then "
		       "meson setup --reconfigure";
	return "SQLite was not installed when this was built: apt install libsqlite3-dev, then "
	       "meson setup --reconfigure";
}
