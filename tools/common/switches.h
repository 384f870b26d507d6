/* SPDX-License-Identifier: MIT */
/*
 * The switches of a database: how it is opened, an option of the command line each. The tool and
 * the demo have the same.
 */
#ifndef TOOLS_COMMON_SWITCHES_H
#define TOOLS_COMMON_SWITCHES_H

#include "verso.h"

#include <stdbool.h>
#include <stddef.h>

/* Which commands a switch is for. */
enum switch_use {
	SWITCH_ANY,
	SWITCH_WRITER, /* it says how commits are made */
	SWITCH_READER, /* it goes with VERSO_RDONLY */
	SWITCH_MAKER,  /* it is of a new database */
};

struct db_switch {
	const char *name;         /* without the dashes */
	const char *value;        /* what help calls its value; NULL: it takes none, or a word */
	const char *const *words; /* of which its value is one; NULL ends them. NULL: no list */
	const char *help;         /* NULL: an old name, which help does not list */
	enum switch_use use;
	/* Sets the option. False: `value` is none of its values. */
	bool (*apply)(struct verso_options *options, const char *value);
};

extern const struct db_switch db_switches[];
extern const size_t n_db_switches;

/* The switch of that name, of len_bytes; NULL. */
const struct db_switch *db_switch_find(const char *name, size_t len_bytes);

/*
 * What help calls the value of a switch, `one|two` for words; NULL: it takes none. It stays until
 * the next call.
 */
const char *db_switch_value(const struct db_switch *sw);

/* A size: digits, then nothing or one of K, M, G. False: text is none. */
bool parse_size(const char *text, uint64_t *ret_bytes);

#endif
