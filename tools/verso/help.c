/* SPDX-License-Identifier: MIT */
/* What `verso`, `verso help` and `verso help COMMAND` print. */
#include "tools/verso/options.h"

#include <string.h>

/* What the first call without arguments prints. */
void help_welcome(FILE *out)
{
	const struct command *command;

	(void)fputs("Verso keeps ordered records, key and value, in one file, with transactions.\n"
		    "\n"
		    "Try it:\n"
		    "  verso put planets.verso earth '6371 km'   make a database with one record\n"
		    "  verso put planets.verso mars '3390 km'\n"
		    "  verso get planets.verso mars              print a value\n"
		    "  verso scan planets.verso                  print all records in key order\n"
		    "\n"
		    "Commands:\n",
		out);
	for (size_t i = 0; (command = command_at(i)) != NULL; i++)
		(void)fprintf(out, "  %-8s %-19s %s\n", command->name, command->words,
			command->summary);
	(void)fputs(
		"\n"
		"`verso help COMMAND` has its options and an example. --pager=mmap reads the same\n"
		"file through the kernel's page cache instead of the buffer pool.\n"
		"Exit status: 0 done, 1 not found, the key is there (put --new), check failed or\n"
		"not all salvaged, 2 usage, 3 could not be done.\n",
		out);
}

static void describe(FILE *out, const struct option_view *o)
{
	char left[128], letter[8] = "";

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(left, sizeof(left), "%s--%s%s%s%s%s", letter, o->name,
		o->is_optional ? "[" : "", o->value ? "=" : "", o->value ? o->value : "",
		o->is_optional ? "]" : "");
	if (strlen(left) <= 24)
		(void)fprintf(out, "  %-24s  %s\n", left, o->help);
	else
		(void)fprintf(out, "  %s\n  %-24s  %s\n", left, "", o->help);
}

void help_command(FILE *out, const struct command *command)
{
	struct option_view view;

	(void)fprintf(out, "usage: verso %s %s\n\n%s.\n", command->name, command->words,
		command->summary);
	if (command->help)
		(void)fprintf(out, "\n%s\n", command->help);
	(void)fprintf(out, "\nExample:\n\n%s\nOptions:\n", command->example);
	for (size_t i = 0; i < options_count(); i++) {
		if (options_get(command, i, &view) && view.help)
			describe(out, &view);
	}
}

/*
 * For programs, a line each, the fields with a TAB between them:
 *
 *	command NAME WORDS SUMMARY
 *	option COMMAND --NAME -L VALUE HELP	(-L and VALUE are empty where there is none;
 *						[VALUE] may be left out)
 */
static void list_command(const struct command *command)
{
	struct option_view o;

	(void)printf("command\t%s\t%s\t%s\n", command->name, command->words, command->summary);
	for (size_t i = 0; i < options_count(); i++) {
		if (!options_get(command, i, &o) || !o.help)
			continue;
		(void)printf("option\t%s\t--%s\t", command->name, o.name);
		if (o.letter)
			(void)printf("-%c", o.letter);
		(void)printf("\t%s%s%s\t%s\n", o.is_optional ? "[" : "", o.value ? o.value : "",
			o.is_optional ? "]" : "", o.help);
	}
}

/* All are looked for first: a word that is none of them is no help. */
static enum status help_commands(int n_words, char **words)
{
	const struct command *command;

	for (int i = 0; i < n_words; i++) {
		if (strcmp(words[i], "help") != 0 && !command_find(words[i]))
			return STATUS_USAGE;
	}
	for (int i = 0; i < n_words; i++) {
		if (i > 0)
			(void)putchar('\n');
		command = strcmp(words[i], "help") == 0 ? NULL : command_find(words[i]);
		if (command)
			help_command(stdout, command);
		else
			help_welcome(stdout);
	}
	return finish_output();
}

enum status help(int n_words, char **words)
{
	const struct command *command;

	if (n_words == 0) {
		help_welcome(stdout);
	} else if (strcmp(words[0], "--list") != 0) {
		return help_commands(n_words, words);
	} else if (n_words > 1) {
		say("`verso help --list` lists all commands: leave `%s` out", words[1]);
		return STATUS_USAGE;
	} else {
		for (size_t i = 0; (command = command_at(i)) != NULL; i++)
			list_command(command);
	}
	return finish_output();
}
