/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table of options, each with the set that takes it, its help line, and a
 * small parser of its value. Options may stand anywhere; `--` ends them.
 */
#include "tools/verso/tool.h"
#include "tools/common/switches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
	const char *name;
	const char *value; /* what to call its value in help; NULL: it takes none */
	const char *help;
	unsigned takes; /* enum option_set */
	bool (*parse)(struct arguments *a, const char *value);
};

static void free_bytes(struct verso_val *val)
{
	free((void *)val->data);
	*val = (struct verso_val){NULL, 0};
}

/* Replaces *val, which owns its bytes, by what text stands for. */
static bool parse_bytes(const char *text, struct verso_val *val)
{
	char *copy = strdup(text);
	size_t len_bytes;

	if (!copy || !escape_undo(copy, strlen(copy), &len_bytes)) {
		free(copy);
		return false;
	}
	free_bytes(val);
	*val = (struct verso_val){copy, len_bytes};
	return true;
}

/* The words behind DB as bytes, where the command takes them so. */
static bool parse_rest(struct arguments *a)
{
	for (int i = 0; a->command->rest_is_bytes && i < a->n_rest; i++) {
		if (!parse_bytes(a->rest[i], &a->bytes[i])) {
			(void)fprintf(stderr,
				"verso: %s: a backslash begins \\t, \\n, \\\\ or \\xHH\n",
				a->rest[i]);
			return false;
		}
	}
	return true;
}

static bool parse_table(struct arguments *a, const char *value)
{
	a->table = value;
	return value[0] != '\0';
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
	return parse_size(value, &a->limit_records);
}

static bool parse_batch(struct arguments *a, const char *value)
{
	return parse_size(value, &a->batch_records) && a->batch_records > 0;
}

static bool parse_frames(struct arguments *a, const char *value)
{
	uint64_t n;

	if (!parse_size(value, &n) || n == 0 || n >= UINT32_MAX)
		return false;
	a->n_frames = (uint32_t)n;
	return true;
}

static bool parse_plot(struct arguments *a, const char *value)
{
	a->plot = value;
	return value[0] != '\0';
}

static bool set_reverse(struct arguments *a, const char *value)
{
	(void)value;
	return a->reverse = true;
}

static bool set_keys(struct arguments *a, const char *value)
{
	(void)value;
	return a->keys_only = true;
}

static bool parse_advise(struct arguments *a, const char *value)
{
	a->willneed = a->willneed || strcmp(value, "willneed") == 0;
	a->cold = a->cold || strcmp(value, "cold") == 0;
	return strcmp(value, "willneed") == 0 || strcmp(value, "cold") == 0;
}

static bool set_raw(struct arguments *a, const char *value)
{
	(void)value;
	return a->raw = true;
}

static bool set_json(struct arguments *a, const char *value)
{
	(void)value;
	return a->json = true;
}

static bool set_new(struct arguments *a, const char *value)
{
	(void)value;
	return a->no_overwrite = true;
}

static bool set_compact(struct arguments *a, const char *value)
{
	(void)value;
	return a->compact = true;
}

static bool set_replace(struct arguments *a, const char *value)
{
	(void)value;
	return a->replace = true;
}

static bool set_space(struct arguments *a, const char *value)
{
	(void)value;
	return a->space = true;
}

static bool set_lines(struct arguments *a, const char *value)
{
	(void)value;
	a->format = FORMAT_LINES;
	return true;
}

static bool set_tsv(struct arguments *a, const char *value)
{
	(void)value;
	a->format = FORMAT_TSV;
	return true;
}

static const struct option options[] = {
	{"table", "NAME", "a named table instead of the default one", TAKES_TABLE, parse_table},
	{"from", "KEY", "from this key on (included)", TAKES_RANGE, parse_from},
	{"to", "KEY", "up to this key (not included)", TAKES_RANGE, parse_to},
	{"prefix", "KEY", "only keys that begin so", TAKES_RANGE, parse_prefix},
	{"reverse", NULL, "from the last key to the first", TAKES_RANGE, set_reverse},
	{"limit", "N", "at most N records", TAKES_RANGE, parse_limit},
	{"keys", NULL, "keys without their values", TAKES_RANGE, set_keys},
	{"advise", "HOW", "willneed: load the range first; cold: let it go afterwards", TAKES_RANGE,
		parse_advise},
	{"raw", NULL, "without a newline behind the value", TAKES_RAW, set_raw},
	{"json", NULL, "as one JSON object", TAKES_JSON, set_json},
	{"new", NULL, "fail when the key exists already", TAKES_NEW, set_new},
	{"lines", NULL, "read lines of key TAB value with escapes", TAKES_LOAD, set_lines},
	{"tsv", NULL, "read lines of key TAB value as they are", TAKES_LOAD, set_tsv},
	{"batch", "N", "with --lines, --tsv: records a transaction (default 10000)", TAKES_LOAD,
		parse_batch},
	{"compact", NULL, "in the order of the keys, into full pages", TAKES_COPY, set_compact},
	{"replace", NULL, "put the copy in the place of a file of that name", TAKES_COPY,
		set_replace},
	{"space", NULL, "where the space goes; reads the whole file", TAKES_SPACE, set_space},
	{"frames", "N", "one size of the pool instead of twelve", TAKES_TRACE, parse_frames},
	{"plot", "FILE.svg", "draw the curves (needs gnuplot)", TAKES_TRACE, parse_plot},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* One that opens no database has no switches. */
static bool takes_switch(const struct command *command, const struct db_switch *sw)
{
	if (sw->for_writers)
		return (command->takes & TAKES_WRITER) != 0;
	return (command->takes & TAKES_TRACE) == 0;
}

static void describe(FILE *out, const char *name, const char *value, const char *help)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "--%s%s%s", name, value ? "=" : "", value ? value : "");
	if (strlen(left) <= 22)
		(void)fprintf(out, "  %-22s  %s\n", left, help);
	else
		(void)fprintf(out, "  %s\n  %-22s  %s\n", left, "", help);
}

void arguments_describe(const struct command *command, FILE *out)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (command->takes & options[i].takes)
			describe(out, options[i].name, options[i].value, options[i].help);
	}
	for (size_t i = 0; i < n_db_switches; i++) {
		const struct db_switch *sw = &db_switches[i];

		if (sw->help && takes_switch(command, sw))
			describe(out, sw->name, db_switch_value(sw), sw->help);
	}
}

static const struct option *find_option(const struct command *command, const char *name,
	size_t len_bytes)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strlen(options[i].name) == len_bytes &&
			memcmp(options[i].name, name, len_bytes) == 0 &&
			(command->takes & options[i].takes))
			return &options[i];
	}
	return NULL;
}

/* What stands behind the name; false, said on stderr: it is missing, or too much. */
static bool take_value(const struct arguments *a, const char *name, const char *wanted,
	const char **ret_value, int n_words, char **words, int *i)
{
	const char *value = strchr(words[*i], '=');

	if (value)
		value++;
	else if (wanted && *i + 1 < n_words)
		value = words[++*i];
	if (!wanted != !value) {
		(void)fprintf(stderr, "verso %s: --%s %s\n", a->command->name, name,
			wanted ? "needs a value" : "takes no value");
		return false;
	}
	*ret_value = value;
	return true;
}

/* What the value of an option should have been. help: NULL: an old name, which has none. */
static void say_expected(const char *wanted, const char *help)
{
	(void)fprintf(stderr, "expected %s", wanted);
	if (help)
		(void)fprintf(stderr, " (%s)", help);
	if (strcmp(wanted, "SIZE") == 0)
		(void)fputs("; SIZE is a number of bytes, or a number with K, M or G behind it",
			stderr);
	(void)fputs("\n", stderr);
}

/* Parses --name, --name=value or --name value at words[*i]. */
static bool parse_option(struct arguments *a, int n_words, char **words, int *i)
{
	const char *text = words[*i] + 2, *value;
	size_t name_len = strcspn(text, "=");
	const struct option *o = find_option(a->command, text, name_len);
	const struct db_switch *sw = o ? NULL : db_switch_find(text, name_len);
	const char *name = o ? o->name : sw ? sw->name : NULL;
	const char *wanted = o ? o->value : sw ? db_switch_value(sw) : NULL;
	bool good;

	if (!name || (sw && !takes_switch(a->command, sw))) {
		(void)fprintf(stderr, "verso %s: unknown option %s\n", a->command->name, words[*i]);
		return false;
	}
	if (!take_value(a, name, wanted, &value, n_words, words, i))
		return false;
	good = o ? o->parse(a, value) : sw->apply(&a->open, value);
	if (!good) {
		(void)fprintf(stderr, "verso %s: --%s=%s: ", a->command->name, name, value);
		say_expected(wanted, o ? o->help : sw->help);
	}
	return good;
}

bool arguments_parse(const struct command *command, int n_words, char **words,
	struct arguments *ret_args)
{
	struct arguments *a = ret_args;
	bool options_end = false;
	int n = 0;

	*a = (struct arguments){.command = command, .limit_records = UINT64_MAX};
	/* The words that are no options move to the front. */
	for (int i = 0; i < n_words; i++) {
		if (!options_end && strcmp(words[i], "--") == 0)
			options_end = true;
		else if (!options_end && strncmp(words[i], "--", 2) == 0) {
			if (!parse_option(a, n_words, words, &i))
				return false;
		} else
			words[n++] = words[i];
	}
	if (n < 1 + command->rest_min || n > 1 + command->rest_max) {
		(void)fprintf(stderr, "usage: verso %s %s\n", command->name, command->words);
		return false;
	}
	a->path = words[0];
	a->rest = words + 1;
	a->n_rest = n - 1;
	return parse_rest(a);
}

void arguments_free(struct arguments *args)
{
	free_bytes(&args->from);
	free_bytes(&args->to);
	free_bytes(&args->prefix);
	free_bytes(&args->prefix_end);
	for (int i = 0; i < REST_BYTES_MAX; i++)
		free_bytes(&args->bytes[i]);
}
