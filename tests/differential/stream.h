/* SPDX-License-Identifier: MIT */
/*
 * A stream: a configuration and a list of operations, which mean the same whatever stands before
 * them, so that a failing stream can be shrunk by leaving operations out.
 *
 * Keys and values are told by numbers: a key by its id, under the stream's shape of keys; a value
 * by its length and a seed.
 */
#ifndef TESTS_DIFFERENTIAL_STREAM_H
#define TESTS_DIFFERENTIAL_STREAM_H

#include "verso.h"

#include <stdbool.h>
#include <stdio.h>

#define N_TABLES  4 /* 0 is the default one */
#define N_READERS 3
#define N_CURSORS 2
#define KEY_MAX   16384
#define VALUE_MAX 400000

enum op_kind {
	OP_PUT,
	OP_PUT_NEW, /* VERSO_NOOVERWRITE */
	OP_DEL,
	OP_GET,
	OP_GET_MANY, /* n keys */
	OP_READ,     /* a piece of a value: n is where it begins, len how long it is */
	OP_SCAN_UP,  /* n records from the key on */
	OP_SCAN_DOWN,
	OP_ADVISE, /* from the key to that of n ids more; len: which advice, and which bounds */
	OP_CURSOR_OPEN, /* seed: which cursor */
	OP_CURSOR_FIRST,
	OP_CURSOR_LAST,
	OP_CURSOR_SEEK,
	OP_CURSOR_NEXT,
	OP_CURSOR_PREV,
	OP_CURSOR_GET,
	OP_CURSOR_DEL,
	OP_CURSOR_PUT, /* len and seed: the value */
	OP_DROP,       /* a named table; of the default one nothing */
	OP_CLEAR,
	OP_RENAME, /* a named table to that of n */
	OP_APPEND, /* put with VERSO_APPEND */
	OP_REPLACE,
	OP_RESERVE, /* room for the value, which is written into it */
	OP_WRITE,   /* a piece of the value; n: where, often at its end */
	OP_COUNT,   /* a range: from the key to the n-th above it, or to another; seed: its flags */
	OP_DEL_RANGE,
	OP_SCAN_RANGE, /* all of it, by a cursor of the range */
	OP_COMMIT,
	OP_ABORT,
	OP_READER_BEGIN, /* seed: which reader */
	OP_READER_LOOK,
	OP_READER_END, /* everything that it sees is compared */
	OP_REOPEN,     /* with other pagers */
	OP_KINDS,
};

struct op {
	uint8_t kind, table;
	uint16_t n;
	uint32_t key, len, seed;
};

enum key_shape {
	KEYS_RANDOM,    /* 8 bytes */
	KEYS_ASCENDING, /* 8 bytes, ids in order */
	KEYS_PREFIX,    /* most of the longest key is shared */
	KEYS_MIXED,     /* every length from 0 to the longest */
	KEYS_TEXT,      /* as of files: folders, then a name */
	KEY_SHAPES,
};

struct config {
	uint64_t seed;
	uint32_t page_size;
	enum key_shape keys;
	uint32_t n_ids;
	bool one_flush, copy, pin_inner;
	enum verso_sync sync;
	bool async;           /* commits are waited for together, now and then */
	uint32_t dirty_pages; /* before a spill */
	uint32_t check_every; /* commits */
	uint32_t writing;     /* enum verso_map_writing */
	bool guests;          /* another process of each side commits and reads, too */
	uint32_t sabotage;    /* 0; n: the oracle is not told of a value whose length % 97 is n */
};

struct stream {
	struct config config;
	struct op *ops; /* malloc'ed */
	size_t n_ops;
};

/*
 * The same operations make the same bytes: no flush comes when a thread has time for it, which
 * decides what may be used again.
 */
static inline bool config_is_exact(const struct config *c)
{
	return c->sync != VERSO_SYNC_PROCESS && !c->async;
}

/* Makes stream number `seed`. flavour: -1, or a generator's flavour (generate.c). */
bool stream_generate(uint64_t seed, size_t n_ops, int flavour, struct stream *ret_stream);

const char *stream_flavour(int flavour); /* its name, NULL: there is none */

void stream_free(struct stream *s);

/* As text, and back. False: a line that is none, which has been told. */
void stream_print(const struct stream *s, FILE *out);
bool stream_parse(FILE *in, struct stream *ret_stream);

/* An operation as its line. */
const char *op_text(const struct op *op, char *buf, size_t cap);

/* The key with this id, in buf of KEY_MAX bytes. */
struct verso_val key_make(const struct config *c, uint32_t id, void *buf);

/* The value, in buf of VALUE_MAX bytes. */
struct verso_val value_make(uint32_t len, uint32_t seed, void *buf);

/* splitmix64 */
uint64_t mix(uint64_t *state);

#endif
