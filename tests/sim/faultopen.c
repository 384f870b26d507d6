/* SPDX-License-Identifier: MIT */
#include "tests/sim/faultopen.h"

#include "db/db_int.h"

int fault_open(const char *path, const struct verso_options *opts, struct fault_plan *plan,
	struct faultio **ret_io, struct verso **ret_db)
{
	struct faultio *f = faultio_new(io_kernel(), plan);
	struct db_hooks hooks = {.io = faultio_io(f)};
	int rc = db_open_with(&hooks, path, opts, ret_db);

	if (rc == 0)
		*ret_io = f;
	else
		faultio_free(f);
	return rc;
}
