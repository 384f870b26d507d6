/* SPDX-License-Identifier: MIT */
/*
 * The table of subcommands.
 */
#include "tools/verso/tool.h"

#include <string.h>

static const struct command *const commands[] = {
	&command_get,
	&command_put,
	&command_del,
	&command_scan,
	&command_tables,
	&command_drop,
	&command_load,
	&command_dump,
	&command_check,
	&command_stat,
	&command_copy,
	&command_compact,
	&command_salvage,
	&command_tree,
	&command_page,
	&command_trace,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* What other programs call our commands. */
static const char *const synonyms[][2] = {
	{"set", "put"},
	{"add", "put"},
	{"insert", "put"},
	{"rm", "del"},
	{"delete", "del"},
	{"remove", "del"},
	{"list", "scan"},
	{"ls", "scan"},
	{"cat", "scan"},
	{"import", "load"},
	{"restore", "load"},
	{"export", "dump"},
	{"backup", "copy"},
	{"cp", "copy"},
	{"verify", "check"},
	{"fsck", "check"},
	{"recover", "salvage"},
	{"repair", "salvage"},
	{"rescue", "salvage"},
	{"info", "stat"},
	{"status", "stat"},
	{NULL, NULL},
};

const struct command *command_at(size_t index)
{
	return index < N_COMMANDS ? commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
	struct suggest suggest;

	suggest_begin(&suggest, name, strlen(name));
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		suggest_offer(&suggest, commands[i]->name);
	}
	suggest_offer(&suggest, "help");
	suggest_instead(&suggest, synonyms);
	if (suggest.found)
		say("there is no command `%s`: did you mean `verso %s`?", name, suggest.name);
	else
		say("there is no command `%s`; `verso help` lists them", name);
	return NULL;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

enum status run_command(int n_words, char **words, verso_trace_fn *trace, void *trace_arg)
{
	const struct command *command = command_find(words[0]);
	struct arguments args;
	enum status status;

	if (!command)
		return STATUS_USAGE;
	if (trace && command == &command_trace) {
		say("`verso trace record` records another command than itself");
		return STATUS_USAGE;
	}
	for (int i = 1; i < n_words && strcmp(words[i], "--") != 0; i++) {
		if (is_help(words[i])) {
			help_command(stdout, command);
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
		help_welcome(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || is_help(argv[1]))
		return (int)help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("verso %s\n", verso_version());
		return (int)finish_output();
	}
	if (argc > 2 && strcmp(argv[1], "trace") == 0 && strcmp(argv[2], "record") == 0)
		return (int)trace_record(argc - 3, argv + 3);
	return (int)run_command(argc - 1, argv + 1, NULL, NULL);
}
