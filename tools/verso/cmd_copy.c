/* SPDX-License-Identifier: MIT */
/* verso copy: a consistent copy of a database, to a new file or to standard output. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A signal that asks for the end: the copy is given up, and what it has made is removed. */
static volatile sig_atomic_t ended_by;

static void on_signal(int signal)
{
	ended_by = signal;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction old, catch = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &catch, NULL);
	}
}

static int step(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *p = arg;

	p->total = total_bytes;
	progress_step(p, done_bytes);
	return ended_by != 0;
}

/* True, said on stderr, where bytes would go to people. */
static bool is_terminal(const char *to)
{
	if (strcmp(to, "-") != 0 || isatty(STDOUT_FILENO) != 1)
		return false;
	say("standard output is a terminal: send it to a file or through a pipe, or name the new "
	    "file");
	return true;
}

static enum status copy_db(const struct arguments *args)
{
	const char *to = args->rest[0];
	unsigned flags = args->compact ? VERSO_COPY_COMPACT : 0;
	struct progress progress;
	enum status status;
	struct session s;
	int rc;

	if (is_terminal(to))
		return STATUS_USAGE;
	status = session_open(&s, args, VERSO_READ);
	if (status != STATUS_OK)
		return status;
	/* A pipe that nobody reads may hold the copy up for ever, and nothing has to be removed. */
	if (strcmp(to, "-") != 0)
		catch_signals();
	progress_begin(&progress, "bytes", 0);
	progress_be_quiet(&progress, 5);
	if (strcmp(to, "-") == 0)
		rc = verso_copy_to(s.db, STDOUT_FILENO, flags, step, &progress);
	else
		rc = verso_copy(s.db, to, flags | (args->replace ? VERSO_COPY_REPLACE : 0u), step,
			&progress);
	progress_end(&progress);
	if (rc == -EEXIST)
		say("%s is there already: name another file, or add --replace", to);
	else if (rc < 0 && !ended_by)
		(void)fail(args->path, rc);
	session_abort(&s);
	if (ended_by && rc < 0) {
		say("the copy was given up; nothing is left of it");
		(void)signal(ended_by, SIG_DFL);
		(void)raise(ended_by);
	}
	return rc < 0 ? STATUS_ERROR : STATUS_OK;
}

const struct command command_copy = {
	.name = "copy",
	.words = "OLD NEW",
	.summary = "Copy a database as it is now to a new file, or (-) to standard output",
	.help = "The copy is whole and durable when its name appears, and each page is checked\n"
		"while it is made: of a damaged database there is none. NEW must not be there,\n"
		"unless --replace is given and no process has it open. --compact writes the\n"
		"records in the order of their keys into full pages: the smallest file, and the\n"
		"fastest to read. A reader of standard output has a whole copy when the exit\n"
		"status is 0. To restore, copy it back.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso copy planets.verso backup.verso\n",
	.takes = TAKES_COPY,
	.open_flags = VERSO_RDONLY,
	.rest_min = 1,
	.rest_max = 1,
	.run = copy_db,
};
