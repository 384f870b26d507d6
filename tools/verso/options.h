/* SPDX-License-Identifier: MIT */
/*
 * The options of the subcommands, as one list: those of the tool's own table, then the switches of
 * a database (tools/common/switches.h). Parser, help, `verso help --list` and what is made of that
 * (the completion of a shell, a page of a manual) have it in common.
 */
#ifndef TOOLS_VERSO_OPTIONS_H
#define TOOLS_VERSO_OPTIONS_H

#include "tools/verso/tool.h"

struct option;
struct db_switch;

struct option_view {
	const char *name;  /* without the dashes */
	char letter;       /* 0: it has none */
	const char *value; /* what help calls its value, `a|b` for words; NULL: it takes none.
				     Stays until the next call */
	bool is_optional;  /* --name alone will do; a value stands behind `=` */
	const char *help;  /* NULL: an old name, which help does not list */
	const struct option *own; /* one of the two */
	const struct db_switch *db_switch;
};

/* How many there are, taken by the command or not. */
size_t options_count(void);

/* The option of that index. False: the command does not take it. */
bool options_get(const struct command *command, size_t index, struct option_view *ret_view);

/* By name, of len_bytes, or by letter. False: the command takes none such. */
bool options_find(const struct command *command, const char *name, size_t len_bytes,
	struct option_view *ret_view);
bool options_find_letter(const struct command *command, char letter, struct option_view *ret_view);

/* Sets what the option says. False: `value` is none of its values. value NULL: it has none. */
bool options_apply(const struct option_view *view, struct arguments *a, const char *value);

/* The bytes that text stands for, its escapes undone, a zero behind them; replaces *val. */
bool parse_bytes(const char *text, struct verso_val *val);
void free_bytes(struct verso_val *val);

/* A whole number. False: text is none. */
bool parse_number(const char *text, uint64_t *ret_n);

#endif
