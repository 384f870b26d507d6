/* SPDX-License-Identifier: MIT */
/* The public header from C++: every name can be used, and its parts need no order. */
#include "verso_stat.h"
#include "verso.h"
#include "verso_key.h"

#include <cstdio>

int main()
{
	struct verso_options options = {};
	struct verso_stat stat = {};
	struct verso *db = nullptr;

	options.size = sizeof(options);
	options.sync = VERSO_SYNC_RELAXED;
	options.flags = VERSO_CREATE | VERSO_COPY;
	options.protocol = VERSO_PROTOCOL_TWO_FLUSH; /* names that programs may still have */
	if (options.commit_mode != VERSO_COMMIT_TWO_FLUSH)
		return 2;
	stat.size = sizeof(stat);
	if (verso_open("header.verso", &options, &db) < 0 || verso_stat(db, &stat) < 0)
		std::fprintf(stderr, "%s\n", verso_errmsg(nullptr));
	verso_close(db);
	return verso_sync(nullptr) == VERSO_EMISUSE ? 0 : 1;
}
