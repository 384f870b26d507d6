/* SPDX-License-Identifier: MIT */
/* What the files of the whole stack's subject share: records, their model, and changes. */
#ifndef TESTS_CRASH_KVDB_INT_H
#define TESTS_CRASH_KVDB_INT_H

#include "tests/crash/kvdb.h"

#define TABLES    3
#define KEYS      2000
#define KEY_BYTES 80
#define LOAD_KEYS 200
#define VALUE_MAX 30000
#define SHORT_MAX 3000
#define IS_LONG   (UINT64_C(1) << 63) /* of a value's number: it has more than SHORT_MAX bytes */
#define BASE_KEYS 24                  /* whose values may be long, */
#define END_KEYS  24                  /* and more of them, which come later and go together */

extern const char *const kvdb_table_names[TABLES];

/* What a record of the model is: the number of its value (0: not there), and its part of the
 * digest. */
struct model {
	uint64_t number[TABLES][KEYS];
	uint64_t hash[TABLES][KEYS];
	uint64_t exists[TABLES]; /* 1 or 0 */
};

struct edit {
	struct verso_txn *txn;
	struct model *model;
	unsigned t;
	struct verso_table *table;
};

/* kvdb_records.c */
struct verso_val kvdb_key(unsigned i, char *buf);
uint64_t kvdb_draw_number(uint64_t *rng);
size_t kvdb_value_len(uint64_t number);
struct verso_val kvdb_value(uint64_t number, uint8_t *buf);
uint64_t kvdb_hash_record(unsigned table, struct verso_val key, struct verso_val val);
uint64_t kvdb_hash_table(unsigned table);
uint64_t kvdb_hash_of(unsigned table, unsigned i, uint64_t number);
uint64_t kvdb_model_digest(const void *arg);
void kvdb_model_set(struct model *m, unsigned t, unsigned i, uint64_t number);

/* A range, a value in pieces or in room, a table that is cleared or renamed, a value that is
 * replaced, one put by a cursor, one appended (kvdb_changes.c). */
int kvdb_change_otherwise(struct edit *e, uint64_t *rng);

#endif
