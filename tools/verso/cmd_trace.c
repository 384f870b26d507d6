/* SPDX-License-Identifier: MIT */
/* `verso trace`: records what a command does, page by page; replays it over every policy. */
#include "tools/verso/tool.h"
#include "trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_COLUMNS (VERSO_POLICIES + 1) /* the policies, and the optimum */

static const char *column(unsigned i)
{
	return i < VERSO_POLICIES ? trace_policy_names[i] : "optimum";
}

/* The sizes of a curve, in 64ths of the pages that the trace names. */
static const unsigned parts[] = {1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64};

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

/* Misses in a hundred reads, for each policy. */
struct row {
	uint32_t n_frames;
	double misses[N_COLUMNS];
};

static bool replay(const struct trace *trace, struct row *row)
{
	for (unsigned i = 0; i < N_COLUMNS; i++) {
		uint64_t n = i < VERSO_POLICIES ? trace_replay(trace, i, row->n_frames)
						: trace_replay_optimum(trace, row->n_frames);

		if (n == UINT64_MAX)
			return false;
		row->misses[i] = 100.0 * (double)n / (double)trace->n_reads;
	}
	return true;
}

static void print_head(void)
{
	(void)printf("%10s", "frames");
	for (unsigned i = 0; i < N_COLUMNS; i++)
		(void)printf(" %8s", column(i));
	(void)printf("\n");
}

static void print_row(const struct row *row)
{
	(void)printf("%10" PRIu32, row->n_frames);
	for (unsigned i = 0; i < N_COLUMNS; i++)
		(void)printf(" %8.2f", row->misses[i]);
	(void)printf("\n");
	(void)fflush(stdout);
}

/* --- the plot ------------------------------------------------------------------------------ */

static void write_plot(FILE *f, const char *path, const struct row *rows, size_t n_rows)
{
	(void)fprintf(f, "set terminal svg size 760,480 background rgb 'white'\nset output '");
	for (const char *c = path; *c; c++)
		(void)fprintf(f, *c == '\'' ? "''" : "%c", *c);
	(void)fprintf(f, "'\nset xlabel 'frames'\nset ylabel 'misses in 100 reads'\n"
			 "set grid\nset key right top\nset yrange [0:*]\n$data << END\n");
	for (size_t i = 0; i < n_rows; i++) {
		(void)fprintf(f, "%" PRIu32, rows[i].n_frames);
		for (unsigned k = 0; k < N_COLUMNS; k++)
			(void)fprintf(f, " %f", rows[i].misses[k]);
		(void)fprintf(f, "\n");
	}
	(void)fprintf(f, "END\nplot ");
	for (unsigned k = 0; k < N_COLUMNS; k++)
		(void)fprintf(f, "%s$data using 1:%u with linespoints lw %d title '%s'",
			k ? ", " : "", k + 2, k == VERSO_POLICIES ? 3 : 1, column(k));
	(void)fprintf(f, "\n");
}

#define NOT_INSTALLED 127
#define NOT_RUN       126

/* Its exit status, or one of the above. */
static int run_gnuplot(int script)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (dup2(script, STDIN_FILENO) >= 0)
			(void)execlp("gnuplot", "gnuplot", (char *)NULL);
		_exit(errno == ENOENT ? NOT_INSTALLED : NOT_RUN);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return NOT_RUN;
	return WEXITSTATUS(status);
}

static enum status plot(const char *path, const struct row *rows, size_t n_rows)
{
	FILE *script = tmpfile();
	int status = NOT_RUN;

	if (script) {
		write_plot(script, path, rows, n_rows);
		if (fflush(script) == 0 && fseek(script, 0, SEEK_SET) == 0)
			status = run_gnuplot(fileno(script));
		(void)fclose(script);
	}
	if (status == 0)
		return STATUS_OK;
	if (status == NOT_INSTALLED)
		say("--plot draws with gnuplot, which is not installed: "
		    "`apt-get install gnuplot-nox`");
	else
		say("%s: gnuplot could not draw it", path);
	return STATUS_ERROR;
}

/* --- replay -------------------------------------------------------------------------------- */

static enum status no_memory(void)
{
	say("no memory to replay the trace");
	return STATUS_ERROR;
}

static enum status print_curve(const struct arguments *args, const struct trace *trace)
{
	struct row rows[N_PARTS];
	size_t n = 0;

	print_head();
	if (args->n_frames > 0) {
		rows[0].n_frames = args->n_frames;
		if (!replay(trace, &rows[0]))
			return no_memory();
		print_row(&rows[n++]);
	}
	for (size_t i = 0; args->n_frames == 0 && i < N_PARTS; i++) {
		rows[n].n_frames = (uint32_t)((uint64_t)trace->n_pages * parts[i] / 64);
		if (rows[n].n_frames == 0 || (n > 0 && rows[n].n_frames == rows[n - 1].n_frames))
			continue;
		if (!replay(trace, &rows[n]))
			return no_memory();
		print_row(&rows[n++]);
	}
	return args->plot ? plot(args->plot, rows, n) : STATUS_OK;
}

static enum status replay_file(const struct arguments *args)
{
	char text[512];
	struct trace trace;
	enum status status;

	if (strcmp(args->path, "replay") != 0) {
		say_of_command(args->command, "expected record or replay, found %s", args->path);
		return STATUS_USAGE;
	}
	if (!trace_read(args->rest[0], &trace, text, sizeof(text))) {
		say("%s", text);
		return STATUS_ERROR;
	}
	if (trace.n_reads == 0) {
		say("%s: nothing was read while it was recorded", args->rest[0]);
		trace_free(&trace);
		return STATUS_ERROR;
	}
	(void)printf("%zu reads of pages and %zu pages made, %" PRIu32
		     " pages in all; misses in 100 reads:\n",
		trace.n_reads, trace.n - trace.n_reads, trace.n_pages);
	status = print_curve(args, &trace);
	trace_free(&trace);
	return status == STATUS_OK ? finish_output() : status;
}

const struct command command_trace = {
	.name = "trace",
	.words = "record|replay FILE",
	.summary = "Record the pages that a command uses; replay them",
	.help = "verso trace record FILE COMMAND DB ...\n"
		"verso trace replay FILE\n"
		"\n"
		"`record` runs another command of verso and writes what it does with each page\n"
		"to FILE, 32 bytes for each event. `replay` reads FILE and prints how many of\n"
		"the reads would miss in a buffer pool of that many frames, empty at first,\n"
		"under each replacement policy; `optimum` (Belady's) knows the future. No\n"
		"database is opened.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso trace record t.trace scan planets.verso >/dev/null\n"
		   "  verso trace replay t.trace\n",
	.takes = TAKES_TRACE,
	.rest_min = 1,
	.rest_max = 1,
	.run = replay_file,
};

/* --- record -------------------------------------------------------------------------------- */

enum status trace_record(int n_words, char **words)
{
	struct trace_writer *writer;
	enum status status;
	int rc;

	if (n_words < 2) {
		(void)fprintf(stderr, "usage: verso trace record FILE COMMAND DB ...\n");
		return STATUS_USAGE;
	}
	rc = trace_writer_open(words[0], &writer);
	if (rc < 0) {
		say("%s: %s", words[0], strerror(-rc));
		return STATUS_ERROR;
	}
	status = run_command(n_words - 1, words + 1, trace_writer_event, writer);
	rc = trace_writer_close(writer);
	if (rc < 0) {
		say("%s: %s: the trace is not whole", words[0], strerror(-rc));
		return STATUS_ERROR;
	}
	return status;
}
