/* SPDX-License-Identifier: MIT */
/* The first example of verso.h, word for word, as plain C11. */
#include "verso.h"
#include <stdio.h>

int main(void)
{
	struct verso_options options = {.size = sizeof(options), .flags = VERSO_CREATE};
	struct verso_val key = {"moon", 4}, val = {"1737 km", 7};
	struct verso *db;
	struct verso_txn *txn;

	if (verso_open("planets.verso", &options, &db) < 0 ||
		verso_begin(db, VERSO_WRITE, &txn) < 0) {
		fprintf(stderr, "%s\n", verso_errmsg(NULL));
		return 1;
	}
	if (verso_put(txn, NULL, key, val, 0) < 0)
		verso_abort(txn);
	else if (verso_commit(txn) == 0 && verso_begin(db, VERSO_READ, &txn) == 0) {
		if (verso_get(txn, NULL, key, &val) == 0)
			printf("%.*s\n", (int)val.len, (const char *)val.data);
		verso_abort(txn);
	}
	verso_close(db);
	return 0;
}
