/* SPDX-License-Identifier: MIT */
/*
 * The command line: options, before and behind the other words; `--` ends them. An option is
 * --name, --name=value or --name value; or -l, -lvalue or -l value, and letters may stand together.
 */
#include "tools/verso/options.h"

#include <stdlib.h>
#include <string.h>

/* How a kind of value is written. */
static const struct {
	const char *value, *how;
} kinds[] = {
	{"SIZE", "a number of bytes above 0, or one with K, M or G behind it, such as 64M"},
	{"N", "a whole number, such as 10"},
	{"PAGES", "a whole number of pages, such as 32"},
	{"SECONDS", "a number of seconds, such as 2 or 0.5"},
	{"MODE", "octal, as chmod takes it, such as 0640"},
	{"KEY", "bytes; a backslash begins \\t, \\n, \\\\ or \\xHH"},
	{"NAME", "1 to 255 bytes, none of them zero; a backslash begins \\t, \\n, \\\\ or \\xHH"},
};

/* Words that stand for bytes. */
static bool parse_rest(struct arguments *a)
{
	if (!a->command->rest_is_bytes || a->n_rest == 0)
		return true;
	a->bytes = calloc((size_t)a->n_rest, sizeof(*a->bytes));
	if (!a->bytes) {
		say("out of memory");
		return false;
	}
	for (int i = 0; i < a->n_rest; i++) {
		if (!parse_bytes(a->rest[i], &a->bytes[i])) {
			say("%s: a backslash begins \\t, \\n, \\\\ or \\xHH", a->rest[i]);
			return false;
		}
	}
	return true;
}

/* What the value of an option should have been. */
static void say_expected(const struct arguments *a, const struct option_view *view,
	const char *value)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].value, view->value) == 0) {
			say_of_command(a->command, "--%s=%s: %s is %s%s%s", view->name, value,
				view->value, kinds[i].how, view->help ? "; it is here: " : "",
				view->help ? view->help : "");
			return;
		}
	}
	say_of_command(a->command, "--%s=%s: expected %s", view->name, value, view->value);
}

static bool apply(struct arguments *a, const struct option_view *view, const char *value)
{
	if (options_apply(view, a, value))
		return true;
	say_expected(a, view, value);
	return false;
}

static bool fail_unknown(const struct arguments *a, const char *word, size_t name_len)
{
	struct suggest suggest;
	struct option_view view;

	suggest_begin(&suggest, word + 2, name_len);
	for (size_t i = 0; i < options_count(); i++) {
		if (options_get(a->command, i, &view) && view.help)
			suggest_offer(&suggest, view.name);
	}
	if (suggest.found)
		say_of_command(a->command, "unknown option %.*s: did you mean --%s?",
			(int)name_len + 2, word, suggest.name);
	else
		say_of_command(a->command, "unknown option %.*s", (int)name_len + 2, word);
	return false;
}

/* --name, --name=value or --name value at words[*i]. */
static bool parse_long(struct arguments *a, int n_words, char **words, int *i)
{
	const char *word = words[*i], *value = strchr(word, '=');
	size_t name_len = strcspn(word + 2, "=");
	struct option_view view;

	if (!options_find(a->command, word + 2, name_len, &view))
		return fail_unknown(a, word, name_len);
	if (value)
		value++;
	else if (view.value && !view.is_optional && *i + 1 < n_words)
		value = words[++*i];
	if (!view.value != !value && !view.is_optional) {
		say_of_command(a->command, "--%s %s%s", view.name,
			view.value ? "needs a value: " : "takes no value",
			view.value ? view.value : "");
		return false;
	}
	return apply(a, &view, value);
}

/* Letters behind one dash, of which the last may take a value. */
static bool parse_letters(struct arguments *a, int n_words, char **words, int *i)
{
	for (const char *p = words[*i] + 1; *p; p++) {
		struct option_view view;
		const char *value;

		if (!options_find_letter(a->command, *p, &view)) {
			say_of_command(a->command,
				"unknown option -%c; a word that begins with a dash and is no "
				"option stands behind `--`",
				*p);
			return false;
		}
		if (!view.value) {
			if (!apply(a, &view, NULL))
				return false;
			continue;
		}
		value = p[1] ? p + 1 : *i + 1 < n_words ? words[++*i] : NULL;
		if (!value) {
			say_of_command(a->command, "-%c needs a value: %s", *p, view.value);
			return false;
		}
		return apply(a, &view, value);
	}
	return true;
}

bool arguments_parse(const struct command *command, int n_words, char **words,
	struct arguments *ret_args)
{
	struct arguments *a = ret_args;
	bool options_end = false, good = true;
	int n = 0;

	*a = (struct arguments){
		.command = command,
		.limit_records = UINT64_MAX,
		.n_looks = UINT64_MAX,
		.open.pager = VERSO_PAGER_ANY,
	};
	/* The words that are no options move to the front. */
	for (int i = 0; good && i < n_words; i++) {
		const char *word = words[i];

		if (options_end || word[0] != '-' || word[1] == '\0')
			words[n++] = words[i];
		else if (strcmp(word, "--") == 0)
			options_end = true;
		else if (word[1] == '-')
			good = parse_long(a, n_words, words, &i);
		else
			good = parse_letters(a, n_words, words, &i);
	}
	if (!good)
		return false;
	if (n < 1 + command->rest_min || n - 1 > command->rest_max) {
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
	free_bytes(&args->table_name);
	free_bytes(&args->from);
	free_bytes(&args->to);
	free_bytes(&args->prefix);
	free_bytes(&args->prefix_end);
	for (int i = 0; args->bytes && i < args->n_rest; i++)
		free_bytes(&args->bytes[i]);
	free(args->bytes);
}
