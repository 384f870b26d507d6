/* SPDX-License-Identifier: MIT */
/* The table of options, each with the set of commands that take it, its help line and a parser. */
#include "tools/verso/options.h"
#include "tools/common/switches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
	const char *name;
	char letter;
	const char *value;
	const char *help;
	unsigned takes; /* enum option_set, and: */
#define VALUE_OPTIONAL (1U << 31)
	bool (*parse)(struct arguments *a, const char *value);
};

void free_bytes(struct verso_val *val)
{
	free((void *)val->data);
	*val = (struct verso_val){NULL, 0};
}

bool parse_bytes(const char *text, struct verso_val *val)
{
	char *copy = strdup(text);
	size_t len_bytes;

	if (!copy || !escape_undo(copy, strlen(copy), &len_bytes)) {
		free(copy);
		return false;
	}
	copy[len_bytes] = '\0';
	free_bytes(val);
	*val = (struct verso_val){copy, len_bytes};
	return true;
}

bool parse_number(const char *text, uint64_t *ret_n)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return false;
	*ret_n = n;
	return true;
}

static bool parse_table(struct arguments *a, const char *value)
{
	if (!parse_bytes(value, &a->table_name))
		return false;
	a->table = a->table_name.data;
	return a->table_name.len > 0 && strlen(a->table) == a->table_name.len;
}

static bool parse_from(struct arguments *a, const char *value)
{
	return parse_bytes(value, &a->from);
}

static bool parse_to(struct arguments *a, const char *value)
{
	return parse_bytes(value, &a->to);
}

static bool parse_prefix(struct arguments *a, const char *value)
{
	unsigned char *end;

	if (!parse_bytes(value, &a->prefix) || !parse_bytes(value, &a->prefix_end))
		return false;
	end = (unsigned char *)a->prefix_end.data;
	while (a->prefix_end.len > 0 && end[a->prefix_end.len - 1] == 0xff)
		a->prefix_end.len--;
	if (a->prefix_end.len > 0)
		end[a->prefix_end.len - 1]++;
	return true;
}

static bool parse_limit(struct arguments *a, const char *value)
{
	return parse_number(value, &a->limit_records);
}

static bool parse_batch(struct arguments *a, const char *value)
{
	return parse_number(value, &a->batch_records) && a->batch_records > 0;
}

static bool parse_frames(struct arguments *a, const char *value)
{
	uint64_t n;

	if (!parse_number(value, &n) || n == 0 || n >= UINT32_MAX)
		return false;
	a->n_frames = (uint32_t)n;
	return true;
}

/* NULL: a second. */
static bool parse_watch(struct arguments *a, const char *value)
{
	char *end;
	double seconds = 1;

	if (value) {
		seconds = strtod(value, &end);
		if (value[0] < '0' || value[0] > '9' || *end != '\0' || !(seconds >= 0.01) ||
			seconds > 86400)
			return false;
	}
	a->watch_ns = (uint64_t)(seconds * 1e9);
	return true;
}

static bool parse_count(struct arguments *a, const char *value)
{
	return parse_number(value, &a->n_looks) && a->n_looks > 0;
}

static bool parse_plot(struct arguments *a, const char *value)
{
	a->plot = value;
	return value[0] != '\0';
}

static bool parse_advise(struct arguments *a, const char *value)
{
	a->willneed = a->willneed || strcmp(value, "willneed") == 0;
	a->cold = a->cold || strcmp(value, "cold") == 0;
	return strcmp(value, "willneed") == 0 || strcmp(value, "cold") == 0;
}

/* Defines set_NAME(): a parser of an option without a value, which assigns. */
#define SETTER(name, assignment)                                                                   \
	static bool set_##name(struct arguments *a, const char *value)                             \
	{                                                                                          \
		(void)value;                                                                       \
		assignment;                                                                        \
		return true;                                                                       \
	}

SETTER(reverse, a->reverse = true)
SETTER(keys, a->keys_only = true)
SETTER(raw, a->raw = true)
SETTER(json, a->json = true)
SETTER(new, a->no_overwrite = true)
SETTER(lines, a->format = FORMAT_LINES)
SETTER(tsv, a->format = FORMAT_TSV)
SETTER(null, a->format = FORMAT_NULL)
SETTER(csv, a->format = FORMAT_CSV)
SETTER(crlf, a->crlf = true)
SETTER(header, a->header = true)
SETTER(names, a->names_only = true)
SETTER(compact, a->compact = true)
SETTER(replace, a->replace = true)
SETTER(space, a->space = true)
SETTER(process, a->process = true)
SETTER(hex, a->hex = true)
SETTER(wide, a->wide = true)
SETTER(skip_damaged, a->skip_damaged = true)
SETTER(trees, a->trees = true)

static const struct option options[] = {
	{"table", 't', "NAME", "a named table instead of the default one", TAKES_TABLE,
		parse_table},
	{"from", 0, "KEY", "from this key on (included)", TAKES_RANGE, parse_from},
	{"to", 0, "KEY", "up to this key (not included)", TAKES_RANGE, parse_to},
	{"prefix", 'p', "KEY", "only keys that begin so", TAKES_RANGE, parse_prefix},
	{"reverse", 'r', NULL, "from the last key to the first", TAKES_RANGE, set_reverse},
	{"limit", 'n', "N", "at most N records", TAKES_RANGE, parse_limit},
	{"keys", 'k', NULL, "keys without their values", TAKES_RANGE, set_keys},
	{"advise", 0, "willneed|cold", "load the range first; let it go afterwards", TAKES_RANGE,
		parse_advise},
	{"raw", 0, NULL, "without a newline behind the value", TAKES_RAW, set_raw},
	{"json", 'j', NULL, "as one JSON object", TAKES_JSON, set_json},
	{"new", 0, NULL, "fail when the key exists already", TAKES_NEW, set_new},
	{"tsv", 0, NULL, "read lines of key TAB value as they are", TAKES_LOAD, set_tsv},
	{"csv", 0, NULL, "read rows of key,value, in double quotes or not", TAKES_LOAD, set_csv},
	{"null", '0', NULL, "read keys and values, a zero byte behind each", TAKES_LOAD, set_null},
	{"lines", 0, NULL, "read lines of key TAB value with the escapes of `scan`", TAKES_LOAD,
		set_lines},
	{"crlf", 0, NULL, "with --tsv, --lines: CR LF ends a line, and is no part of a value",
		TAKES_LOAD, set_crlf},
	{"header", 0, NULL, "with --tsv, --csv: the first line names the columns, and is left out",
		TAKES_LOAD, set_header},
	{"batch", 0, "N", "not of a dump: records a transaction (default 10000)", TAKES_LOAD,
		parse_batch},
	{"names", 0, NULL, "the names alone, a line each, without the default table", TAKES_NAMES,
		set_names},
	{"compact", 0, NULL, "in the order of the keys, into full pages", TAKES_COPY, set_compact},
	{"replace", 0, NULL, "put the copy in the place of a file of that name", TAKES_COPY,
		set_replace},
	{"space", 0, NULL, "where the space goes; reads the whole file", TAKES_SPACE, set_space},
	{"process", 0, NULL, "what this process did to find that out, too", TAKES_PROCESS,
		set_process},
	{"watch", 0, "SECONDS", "what programs do with it, a line each second (0.01 to 86400)",
		TAKES_WATCH | VALUE_OPTIONAL, parse_watch},
	{"count", 'n', "N", "with --watch: end after N lines", TAKES_WATCH, parse_count},
	{"hex", 'x', NULL, "the bytes too", TAKES_PAGE, set_hex},
	{"wide", 'w', NULL, "keys and values whole, however long", TAKES_PAGE, set_wide},
	{"skip-damaged", 0, NULL, "what can be read of a damaged database, as `salvage` finds it",
		TAKES_DUMP, set_skip_damaged},
	{"trees", 0, NULL,
		"the trees alone, of one commit: no writer waits, and none is waited for",
		TAKES_CHECK, set_trees},
	{"frames", 0, "N", "one size of the pool instead of twelve", TAKES_TRACE, parse_frames},
	{"plot", 0, "FILE.svg", "draw the curves (needs gnuplot)", TAKES_TRACE, parse_plot},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

size_t options_count(void)
{
	return N_OPTIONS + n_db_switches;
}

/* What opens no database, or opens the file itself, has no switches. */
static bool takes_switch(const struct command *command, const struct db_switch *sw)
{
	switch (sw->use) {
	case SWITCH_WRITER:
		return (command->takes & TAKES_WRITER) != 0;
	case SWITCH_READER:
		return (command->open_flags & VERSO_RDONLY) != 0;
	case SWITCH_MAKER:
		return (command->open_flags & VERSO_CREATE) != 0;
	case SWITCH_ANY:
		break;
	}
	return (command->takes & (TAKES_TRACE | TAKES_FILE)) == 0;
}

bool options_get(const struct command *command, size_t index, struct option_view *ret_view)
{
	const struct option *o;
	const struct db_switch *sw;

	if (index >= N_OPTIONS) {
		sw = &db_switches[index - N_OPTIONS];
		*ret_view = (struct option_view){
			.name = sw->name,
			.value = db_switch_value(sw),
			.help = sw->help,
			.db_switch = sw,
		};
		return takes_switch(command, sw);
	}
	o = &options[index];
	*ret_view = (struct option_view){
		.name = o->name,
		.letter = o->letter,
		.value = o->value,
		.is_optional = (o->takes & VALUE_OPTIONAL) != 0,
		.help = o->help,
		.own = o,
	};
	return (command->takes & o->takes) != 0;
}

bool options_find(const struct command *command, const char *name, size_t len_bytes,
	struct option_view *ret_view)
{
	for (size_t i = 0; i < options_count(); i++) {
		if (options_get(command, i, ret_view) && strlen(ret_view->name) == len_bytes &&
			memcmp(ret_view->name, name, len_bytes) == 0)
			return true;
	}
	return false;
}

bool options_find_letter(const struct command *command, char letter, struct option_view *ret_view)
{
	for (size_t i = 0; i < options_count(); i++) {
		if (options_get(command, i, ret_view) && ret_view->letter == letter)
			return true;
	}
	return false;
}

bool options_apply(const struct option_view *view, struct arguments *a, const char *value)
{
	if (view->own)
		return view->own->parse(a, value);
	a->db_switch = view->name;
	return view->db_switch->apply(&a->open, value);
}
