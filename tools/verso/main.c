/* SPDX-License-Identifier: MIT */
/*
 * The table of subcommands, and help.
 */
#include "tools/verso/tool.h"

#include <string.h>

static const struct command *const commands[] = {
	&command_get,
	&command_put,
	&command_del,
	&command_scan,
	&command_load,
	&command_dump,
	&command_check,
	&command_stat,
	&command_copy,
	&command_trace,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

/* What the first call without arguments prints. */
static void print_welcome(FILE *out)
{
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
	for (size_t i = 0; i < N_COMMANDS; i++)
		(void)fprintf(out, "  %-6s %-18s %s\n", commands[i]->name, commands[i]->words,
			commands[i]->summary);
	(void)fputs(
		"\n"
		"`verso help COMMAND` lists its options. --pager=mmap reads the same file through\n"
		"the kernel's page cache instead of the buffer pool.\n"
		"Exit status: 0 done, 1 not found or check failed, 2 usage, 3 could not be done.\n",
		out);
}

static void print_help(const struct command *command)
{
	(void)printf("usage: verso %s %s\n\n%s.\n", command->name, command->words,
		command->summary);
	if (command->help)
		(void)printf("\n%s\n", command->help);
	(void)printf("\nOptions:\n");
	arguments_describe(command, stdout);
}

static enum status help(int n_words, char **words)
{
	const struct command *command = n_words > 0 ? find_command(words[0]) : NULL;

	if (command)
		print_help(command);
	else
		print_welcome(stdout);
	if (n_words > 0 && !command) {
		(void)fprintf(stderr, "verso: no command `%s`\n", words[0]);
		return STATUS_USAGE;
	}
	return finish_output();
}

enum status run_command(int n_words, char **words, verso_trace_fn *trace, void *trace_arg)
{
	const struct command *command = find_command(words[0]);
	struct arguments args;
	enum status status;

	if (!command || (trace && command == &command_trace)) {
		(void)fprintf(stderr, "verso: no command `%s`; `verso help` lists them\n",
			words[0]);
		return STATUS_USAGE;
	}
	for (int i = 1; i < n_words && strcmp(words[i], "--") != 0; i++) {
		if (strcmp(words[i], "--help") == 0) {
			print_help(command);
			return finish_output();
		}
	}
	if (arguments_parse(command, n_words - 1, words + 1, &args)) {
		args.open.trace = trace;
		args.open.trace_arg = trace_arg;
		status = command->run(&args);
	} else {
		(void)fprintf(stderr, "`verso help %s` lists its options\n", command->name);
		status = STATUS_USAGE;
	}
	arguments_free(&args);
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_welcome(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
		strcmp(argv[1], "-h") == 0)
		return (int)help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("verso %s\n", verso_version());
		return (int)finish_output();
	}
	if (argc > 2 && strcmp(argv[1], "trace") == 0 && strcmp(argv[2], "record") == 0)
		return (int)trace_record(argc - 3, argv + 3);
	return (int)run_command(argc - 1, argv + 1, NULL, NULL);
}
