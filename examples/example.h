/* SPDX-License-Identifier: MIT */
/*
 * What all examples begin with: a program that ends with the library's text when a call fails, and
 * a command line `PROGRAM DB [mmap]`.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "verso.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program when a call has failed. Returns expected outcomes, such as VERSO_NOTFOUND. */
static inline int must(int code)
{
	if (code < 0) {
		const char *text = verso_errmsg(NULL);

		(void)fprintf(stderr, "%s\n", text[0] ? text : verso_strerror(code));
		exit(1);
	}
	return code;
}

/* Opens the database that the command line names. */
static inline struct verso *open_database(int argc, char **argv)
{
	struct verso_options options = {.size = sizeof(options), .flags = VERSO_CREATE};
	struct verso *db;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s DB [mmap]\n", argv[0]);
		exit(2);
	}
	if (argc > 2 && strcmp(argv[2], "mmap") == 0)
		options.pager = VERSO_MMAP;
	must(verso_open(argv[1], &options, &db));
	return db;
}

static inline struct verso_txn *begin(struct verso *db, unsigned flags)
{
	struct verso_txn *txn;

	must(verso_begin(db, flags, &txn));
	return txn;
}

static inline struct verso_table *open_table(struct verso_txn *txn, const char *name)
{
	struct verso_table *table;

	must(verso_table_open(txn, name, VERSO_CREATE, &table));
	return table;
}

static inline struct verso_val text(const char *bytes)
{
	return (struct verso_val){bytes, strlen(bytes)};
}

#endif
