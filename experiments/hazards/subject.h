/* SPDX-License-Identifier: MIT */
/*
 * What a hazard happens to: an engine, opened in one way. All have the same records (record.h), in
 * pages of PAGE_BYTES.
 */
#ifndef EXPERIMENTS_HAZARDS_SUBJECT_H
#define EXPERIMENTS_HAZARDS_SUBJECT_H

#include "experiments/hazards/record.h"
#include "verso.h"

#include <stddef.h>

#define PAGE_BYTES 4096U
#define TEXT_BYTES 256U

/* What a subject says of itself that a disk's faults cannot make it do. */
enum promise {
	PROMISE_NOTHING,
	PROMISE_PLACE,  /* wrong data never where a write was lost or went astray: the parent holds
			   page number and generation */
	PROMISE_LOADED, /* wrong data never, but where a page that was verified was evicted */
	PROMISE_ALWAYS, /* wrong data never */
};

enum got { GOT_VALUE, GOT_NOTHING, GOT_ERROR };

enum subject_access {
	SUBJECT_READ,
	SUBJECT_READ_FAULTY, /* so that fail_reads can be called, where it is not NULL */
	SUBJECT_WRITE,
};

struct subject_db;

struct subject {
	const char *name;
	const char *what; /* for people */
	enum promise promise;
	bool is_map; /* reads come from a mapping of the file, so the kernel evicts */
	struct verso_options options;
	unsigned flags; /* of LMDB */

	/* Sets all records to this version in one transaction; makes the file when version is 1.
	 * false: text says why. */
	bool (*update)(const struct subject *s, const char *path, uint32_t n_records,
		uint32_t version, char text[TEXT_BYTES]);
	/* NULL: text says why. */
	struct subject_db *(*open)(const struct subject *s, const char *path,
		enum subject_access access, char text[TEXT_BYTES]);
	enum got (*get)(struct subject_db *db, uint32_t record,
		uint8_t ret_value[RECORD_VALUE_BYTES], char text[TEXT_BYTES]);
	/* One record in one transaction, durable. */
	bool (*set)(struct subject_db *db, uint32_t record, uint32_t version,
		char text[TEXT_BYTES]);
	/* A transaction of a subject that is open for writing: `get` reads in it. end() commits. */
	bool (*begin)(struct subject_db *db, bool write, char text[TEXT_BYTES]);
	bool (*put)(struct subject_db *db, uint32_t record, uint32_t version,
		char text[TEXT_BYTES]);
	bool (*end)(struct subject_db *db, char text[TEXT_BYTES]);
	/* The value where the engine holds it, in the transaction. NULL: text says why; a slot that
	 * is NULL: the engine hands out copies. */
	const uint8_t *(*address)(struct subject_db *db, uint32_t record, char text[TEXT_BYTES]);
	/* Pages read from the file so far. NULL: only the kernel knows. */
	uint64_t (*loads)(struct subject_db *db);
	/* Every read of the file fails from now on. NULL: cannot be done with this engine. */
	void (*fail_reads)(struct subject_db *db);
	void (*close)(struct subject_db *db);
};

extern const struct subject subject_pool, subject_pool_none, subject_vmcache, subject_map_none,
	subject_map_once, subject_map_always, subject_map_heap, subject_map_private,
	subject_map_shared, subject_lmdb, subject_lmdb_writemap, subject_sqlite;

/* All of H2 that this build has; NULL ends them. */
extern const struct subject *const subjects[];

/* Names of those that it has not, because a library was missing; and why. */
extern const char *const subjects_missing[];
const char *subject_missing(const char *name);

#endif
