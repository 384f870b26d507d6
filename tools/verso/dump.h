/* SPDX-License-Identifier: MIT */
/*
 * A dump, both ways. Its format is docs/dump-format.md.
 *
 * What stands before the end mark is counted and hashed on both sides. The reader then knows what
 * the end mark must be, so it compares the line and parses nothing of it.
 */
#ifndef TOOLS_VERSO_DUMP_H
#define TOOLS_VERSO_DUMP_H

#include "tools/verso/tool.h"

#include <xxhash.h>

/* What an end mark is made of: everything so far. */
struct dump_sum {
	XXH3_state_t *hash;
	uint64_t n_tables, n_records;
};

struct dump_writer {
	FILE *lines; /* what is written here is hashed and goes to stdout */
	struct dump_sum sum;
};

/* Writes the header. False: out of memory, which has been reported. */
bool dump_begin(struct dump_writer *w, uint32_t page_size, uint64_t n_tables);

/* Begins a table; NULL: the default one. Its records then go to w->lines. */
void dump_table(struct dump_writer *w, const char *name);

enum dump_end {
	DUMP_CUT,     /* it failed: there is no end mark */
	DUMP_PARTIAL, /* it has what could be read of a damaged database, and says so */
	DUMP_WHOLE,
};

/* Writes the end mark, if there is to be one. Frees what w holds either way. */
void dump_end(struct dump_writer *w, uint64_t n_records, enum dump_end end_mark);

struct dump_reader {
	struct input *in;
	struct dump_sum sum;
	uint32_t page_size;
	uint64_t n_tables; /* the header's */
	bool is_partial;   /* its end mark says so */
};

/* Reads the header. False: it is none, which has been reported. dump_close() either way. */
bool dump_open(struct dump_reader *r, struct input *in);

/* See load_next_fn. ITEM_END: behind the end mark, which was right. */
enum item dump_next(struct dump_reader *r, struct verso_val *key, struct verso_val *val);

void dump_close(struct dump_reader *r);

#endif
