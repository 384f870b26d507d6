/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table of options, each with the set that takes it, its help line, and a
 * small parser of its value. Options may stand anywhere; `--` ends them.
 */
#include "tools/verso/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
	const char *name;
	const char *value; /* what to call its value in help; NULL: it takes none */
	const char *help;
	unsigned takes; /* enum option_set; 0: every command */
	bool (*parse)(struct arguments *a, const char *value);
};

/* A word out of a list, as its index; -1: it is none of them. */
static int word_index(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++) {
		if (strcmp(word, list[i]) == 0)
			return i;
	}
	return -1;
}

/* A size: digits, then nothing or one of K, M, G. */
static bool parse_size(const char *text, uint64_t *ret_bytes)
{
	char *end;
	unsigned shift = 0;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno != 0 || text[0] == '-')
		return false;
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (shift > 0)
		end++;
	if (*end != '\0' || n > UINT64_MAX >> shift)
		return false;
	*ret_bytes = (uint64_t)n << shift;
	return true;
}

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

static bool parse_pager(struct arguments *a, const char *value)
{
	static const char *const words[] = {"bufpool", "mmap", NULL};
	int i = word_index(value, words);

	a->open.pager = (enum verso_pager)i;
	return i >= 0;
}

static bool parse_cache(struct arguments *a, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes))
		return false;
	a->open.cache_bytes = bytes;
	return true;
}

static bool parse_madvise(struct arguments *a, const char *value)
{
	static const char *const words[] = {"random", "normal", "sequential", "populate", NULL};
	int i = word_index(value, words);

	a->open.madvise = (enum verso_madvise)i;
	return i >= 0;
}

static bool parse_checksum(struct arguments *a, const char *value)
{
	static const char *const words[] = {"once", "none", "always", NULL};
	int i = word_index(value, words);

	a->open.checksum = (enum verso_checksum)i;
	return i >= 0;
}

static bool parse_policy(struct arguments *a, const char *value)
{
	static const char *const words[] = {"clock", "sieve", "fifo", "lru", "2q", "random", NULL};
	int i = word_index(value, words);

	a->open.policy = (enum verso_policy)i;
	return i >= 0;
}

static bool parse_io(struct arguments *a, const char *value)
{
	static const char *const words[] = {"best", "uring", "threads", "sync", NULL};
	int i = word_index(value, words);

	a->open.io = (enum verso_io)i;
	return i >= 0;
}

static bool set_buffered(struct arguments *a, const char *value)
{
	(void)value;
	return a->open.flags |= VERSO_BUFFERED;
}

static bool set_small_pages(struct arguments *a, const char *value)
{
	(void)value;
	return a->open.flags |= VERSO_SMALL_PAGES;
}

static bool set_pin_inner(struct arguments *a, const char *value)
{
	(void)value;
	return a->open.flags |= VERSO_PIN_INNER;
}

static bool parse_commit(struct arguments *a, const char *value)
{
	if (strcmp(value, "two") == 0)
		a->open.commit_mode = VERSO_COMMIT_TWO_FLUSH;
	else if (strcmp(value, "one") == 0)
		a->open.commit_mode = VERSO_COMMIT_ONE_FLUSH;
	else if (strcmp(value, "relaxed") == 0)
		a->open.sync = VERSO_SYNC_RELAXED;
	else
		return false;
	return true;
}

static bool parse_page_size(struct arguments *a, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes > UINT32_MAX)
		return false;
	a->open.page_size = (uint32_t)bytes;
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
	{"raw", NULL, "without a newline behind the value", TAKES_RAW, set_raw},
	{"json", NULL, "as one JSON object", TAKES_JSON, set_json},
	{"new", NULL, "fail when the key is there already", TAKES_NEW, set_new},
	{"lines", NULL, "read lines of key TAB value with escapes", TAKES_LOAD, set_lines},
	{"tsv", NULL, "read lines of key TAB value as they are", TAKES_LOAD, set_tsv},
	{"batch", "N", "with --lines, --tsv: records a transaction (default 10000)", TAKES_LOAD,
		parse_batch},
	{"frames", "N", "one size of the pool instead of twelve", TAKES_TRACE, parse_frames},
	{"plot", "FILE.svg", "draw the curves (needs gnuplot)", TAKES_TRACE, parse_plot},
	{"commit", "one|two|relaxed", "flushes a commit; relaxed: one flush at the end",
		TAKES_WRITER, parse_commit},
	{"page-size", "SIZE", "of a new database: 4K (default) to 64K", TAKES_WRITER,
		parse_page_size},
	{"pager", "bufpool|mmap", "which pager reads the file (default bufpool)", 0, parse_pager},
	{"cache", "SIZE", "memory of the buffer pool (default 64M)", 0, parse_cache},
	{"madvise", "random|normal|sequential|populate", "with --pager=mmap", 0, parse_madvise},
	{"checksum", "once|none|always", "when a page's checksum is verified (default once)", 0,
		parse_checksum},
	{"mmap-checksum", "once|none|always", NULL, 0, parse_checksum}, /* its old name */
	{"policy", "clock|sieve|fifo|lru|2q|random", "which page the pool evicts", 0, parse_policy},
	{"io", "uring|threads|sync", "how the pool reaches the kernel (default: the best)", 0,
		parse_io},
	{"buffered", NULL, "the pool reads and writes through the page cache", 0, set_buffered},
	{"small-pages", NULL, "the pool's memory in small pages", 0, set_small_pages},
	{"pin-inner", NULL, "inner pages are pinned, not read under a guard", 0, set_pin_inner},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* A command that opens no database takes none of the options that all others take. */
static bool takes(const struct command *command, const struct option *o)
{
	if (o->takes == 0)
		return !(command->takes & TAKES_TRACE);
	return (command->takes & o->takes) != 0;
}

void arguments_describe(const struct command *command, FILE *out)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		char left[64];

		if (!o->help || !takes(command, o))
			continue;
		(void)snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? "=" : "",
			o->value ? o->value : "");
		if (strlen(left) <= 22)
			(void)fprintf(out, "  %-22s  %s\n", left, o->help);
		else
			(void)fprintf(out, "  %s\n  %-22s  %s\n", left, "", o->help);
	}
}

static const struct option *find_option(const struct command *command, const char *name,
	size_t len_bytes)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strlen(options[i].name) == len_bytes &&
			memcmp(options[i].name, name, len_bytes) == 0 &&
			takes(command, &options[i]))
			return &options[i];
	}
	return NULL;
}

/* Parses --name, --name=value or --name value at words[*i]. */
static bool parse_option(struct arguments *a, int n_words, char **words, int *i)
{
	const char *text = words[*i] + 2, *equals = strchr(text, '='), *value = NULL;
	size_t name_len = equals ? (size_t)(equals - text) : strlen(text);
	const struct option *o = find_option(a->command, text, name_len);

	if (!o) {
		(void)fprintf(stderr, "verso %s: unknown option %s\n", a->command->name, words[*i]);
		return false;
	}
	if (equals)
		value = equals + 1;
	else if (o->value && *i + 1 < n_words)
		value = words[++*i];
	if (!o->value != !value) {
		(void)fprintf(stderr, "verso %s: --%s %s\n", a->command->name, o->name,
			o->value ? "needs a value" : "takes no value");
		return false;
	}
	if (!o->parse(a, value)) {
		(void)fprintf(stderr, "verso %s: --%s=%s: expected %s\n", a->command->name, o->name,
			value, o->value);
		return false;
	}
	return true;
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
