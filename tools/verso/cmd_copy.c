/* SPDX-License-Identifier: MIT */
/* verso copy: a consistent copy of a database, to a new file or to standard output. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
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

struct copying {
	struct progress progress;
	bool will_catch; /* signals */
	bool waits;      /* for the end of those that have open what it replaces */
	struct waiting waiting;
};

static void stop_waiting(struct copying *c)
{
	if (c->waits)
		waiting_end(&c->waiting);
	c->waits = false;
}

static int step(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct copying *c = arg;

	stop_waiting(c);
	if (c->will_catch)
		catch_signals();
	c->will_catch = false;
	c->progress.total = total_bytes;
	progress_step(&c->progress, done_bytes);
	return ended_by != 0;
}

/* Of standard output. False: said on stderr why not. */
static bool is_output_possible(const struct arguments *args)
{
	if (strcmp(args->rest[0], "-") != 0)
		return true;
	if (args->replace)
		say("--replace is for a file: a copy to standard output replaces nothing");
	else if (isatty(STDOUT_FILENO) == 1)
		say("standard output is a terminal: send it to a file or through a pipe, or name "
		    "the new file");
	else
		return true;
	return false;
}

/* What has the name of the copy, and was not replaced. */
static void say_in_the_way(const char *to, bool replaces)
{
	struct stat st;

	if (stat(to, &st) < 0 && errno == ENOENT)
		say("%s is a link to nothing: remove it, or name another file", to);
	else if (replaces)
		say("%s came while the copy was made, and stays: try again, or name another file",
			to);
	else
		say("%s is there already: name another file, or add --replace", to);
}

/*
 * Before its first step a copy that replaces waits until NEW is closed, for ever with
 * --wait=forever, and one to standard output waits for its reader: a signal ends both as it ends
 * any program, since nothing has to be removed.
 */
static int copy_to(const struct session *s, const char *to)
{
	struct copying c = {.will_catch = strcmp(to, "-") != 0, .waits = s->args->replace};
	unsigned flags = s->args->compact ? VERSO_COPY_COMPACT : 0;
	int rc;

	if (c.will_catch && !s->args->replace)
		catch_signals();
	if (c.waits)
		waiting_begin_for_close(&c.waiting, s->args, WAITS_NEVER, to, true);
	progress_begin(&c.progress, "bytes", 0);
	progress_be_quiet(&c.progress, 5);
	if (strcmp(to, "-") == 0)
		rc = verso_copy_to(s->db, STDOUT_FILENO, flags, step, &c);
	else
		rc = verso_copy(s->db, to, flags | (s->args->replace ? VERSO_COPY_REPLACE : 0u),
			step, &c);
	stop_waiting(&c);
	progress_end(&c.progress);
	return rc;
}

static enum status copy_db(const struct arguments *args)
{
	const char *to = args->rest[0];
	enum status status;
	struct session s;
	int rc;

	if (!is_output_possible(args))
		return STATUS_USAGE;
	status = session_open(&s, args, VERSO_READ);
	if (status != STATUS_OK)
		return status;
	rc = copy_to(&s, to);
	if (rc == -EEXIST)
		say_in_the_way(to, args->replace);
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
		"unless --replace is given and no process has it open, for which --wait waits.\n"
		"--compact writes the records in the order of their keys into full pages: the\n"
		"smallest file, and the fastest to read. A reader of standard output has a whole\n"
		"copy when the exit status is 0. To restore, copy it back.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso copy planets.verso backup.verso\n",
	.takes = TAKES_COPY,
	.open_flags = VERSO_RDONLY,
	.rest_min = 1,
	.rest_max = 1,
	.run = copy_db,
};
