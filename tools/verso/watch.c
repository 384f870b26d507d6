/* SPDX-License-Identifier: MIT */
/* verso stat --watch: what the programs do that have a database open, a line each interval. */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define LINES_PER_HEADER 20
#define AGE_MS_MAX       9999949U /* what the column has room for in seconds */

/* The signals that end it are blocked, and asked for while it waits: so it ends between two lines.
 */
static void block_ends(sigset_t *ret_ends)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action;

	(void)sigemptyset(ret_ends);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
			(void)sigaddset(ret_ends, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, ret_ends, NULL);
}

/* False: a signal came. */
static bool wait_interval(const sigset_t *ends, uint64_t until_ns)
{
	struct timespec now, left;
	uint64_t now_ns;

	do {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
		if (now_ns >= until_ns)
			return true;
		left.tv_sec = (time_t)((until_ns - now_ns) / 1000000000U);
		left.tv_nsec = (long)((until_ns - now_ns) % 1000000000U);
	} while (sigtimedwait(ends, NULL, &left) < 0);
	return false;
}

/* Between two looks. */
struct rates {
	double commits, misses; /* a second; < 0: not known */
	double hits;            /* of 100 pages that were asked for; < 0: not known */
	double reads, writes;   /* bytes a second; < 0: not known */
};

/* Less: all have closed it meanwhile, or one died while its counts were moved. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : 0;
}

/* A map's misses are pages that were verified: what the kernel had to load is not known. */
static struct rates rates_between(const struct verso_watch *a, const struct verso_watch *b)
{
	struct rates r = {-1, -1, -1, -1, -1};
	uint64_t n_asked = grown(a->n_gets + a->n_peeks, b->n_gets + b->n_peeks);
	uint64_t n_misses = grown(a->n_misses, b->n_misses);
	double seconds = (double)(b->now_ns - a->now_ns) / 1e9;

	if (a->size == 0 || b->now_ns <= a->now_ns || !b->is_open || b->is_alone || b->pager < 0)
		return r;
	r.commits = (double)grown(a->n_commits, b->n_commits) / seconds;
	r.reads = (double)grown(a->read_bytes, b->read_bytes) / seconds;
	r.writes = (double)grown(a->write_bytes, b->write_bytes) / seconds;
	if (b->pager == VERSO_MMAP)
		return r;
	r.misses = (double)n_misses / seconds;
	if (n_asked > 0 && n_misses <= n_asked)
		r.hits = 100.0 * (double)(n_asked - n_misses) / (double)n_asked;
	return r;
}

/* --- for people ---------------------------------------------------------------------------- */

static void print_header(void)
{
	(void)printf("%10s %12s %9s %9s %6s %10s %8s %8s %10s %8s %8s\n", "commits/s", "commits",
		"processes", "misses/s", "hits%", "readers", "oldest", "age", "writer", "turn",
		"write");
}

static void print_rate(double rate, int width)
{
	if (rate < 0)
		(void)printf("%*s ", width, "-");
	else
		(void)printf("%*.0f ", width, rate);
}

static void print_pid(uint64_t pid, int width)
{
	if (pid == 0)
		(void)printf("%*s ", width, "-");
	else
		(void)printf("%*" PRIu64 " ", width, pid);
}

static void print_age(uint64_t age_ms, const char *end)
{
	if (age_ms == VERSO_UNKNOWN)
		(void)printf("%8s%s", "-", end);
	else if (age_ms > AGE_MS_MAX)
		(void)printf("%7" PRIu64 "h%s", age_ms / 3600000, end);
	else
		(void)printf("%7.1fs%s", (double)age_ms / 1000, end);
}

static void print_columns(const struct verso_watch *w, const struct rates *r)
{
	print_rate(r->commits, 10);
	if (w->pager < 0) /* those that have it open only read */
		(void)printf("%12s ", "-");
	else
		(void)printf("%12" PRIu64 " ", w->n_commits);
	(void)printf("%9" PRIu32 " ", w->n_processes);
	print_rate(r->misses, 9);
	if (r->hits < 0)
		(void)printf("%6s ", "-");
	else
		(void)printf("%6.2f ", r->hits);
	(void)printf("%10" PRIu32 " ", w->n_readers + w->n_locked);
	print_pid(w->reader_pid, 8);
	print_age(w->reader_age_ms, " ");
	print_pid(w->writer_pid, 10);
	print_age(w->writer_age_ms, " ");
	print_age(w->write_age_ms, "\n");
}

static void print_line(const struct verso_watch *w, const struct rates *r)
{
	if (!w->is_open) {
		(void)printf("nobody has it open\n");
	} else if (w->is_alone && w->alone_pid != 0) {
		(void)printf("process %" PRIu64 " (", w->alone_pid);
		text_write(stdout, w->alone_program, strlen(w->alone_program));
		(void)printf(") has it alone, and shows nothing\n");
	} else if (w->is_alone) {
		(void)printf("a process has it alone, and shows nothing\n");
	} else {
		print_columns(w, r);
	}
}

/* --- for programs -------------------------------------------------------------------------- */

static void json_number(const char *name, uint64_t value, bool known)
{
	if (known)
		(void)printf(", \"%s\": %" PRIu64, name, value);
	else
		(void)printf(", \"%s\": null", name);
}

static void json_rate(const char *name, double rate)
{
	if (rate < 0)
		(void)printf(", \"%s\": null", name);
	else
		(void)printf(", \"%s\": %.3f", name, rate);
}

static void json_name(const char *name, const char *value)
{
	(void)printf(", \"%s\": ", name);
	text_write_json(stdout, value);
}

static void print_json(const struct verso_watch *w, const struct rates *r)
{
	bool shares = w->pager >= 0;

	(void)printf("{\"now_ns\": %" PRIu64 ", \"open\": %s, \"alone\": %s", w->now_ns,
		w->is_open ? "true" : "false", w->is_alone ? "true" : "false");
	json_number("alone_pid", w->alone_pid, w->alone_pid != 0);
	json_name("alone_program", w->alone_program);
	json_number("processes", w->n_processes, true);
	json_number("readers", w->n_readers, true);
	json_number("locked_states", w->n_locked, true);
	(void)printf(", \"poisoned\": %s", w->poisoned ? "true" : "false");
	json_number("commits", w->n_commits, shares);
	json_number("gets", w->n_gets, shares);
	json_number("peeks", w->n_peeks, shares);
	json_number("misses", w->n_misses, shares && w->pager != VERSO_MMAP);
	json_number("read_bytes", w->read_bytes, shares);
	json_number("write_bytes", w->write_bytes, shares);
	json_rate("commits_per_s", r->commits);
	json_rate("misses_per_s", r->misses);
	json_rate("hit_percent", r->hits);
	json_rate("read_bytes_per_s", r->reads);
	json_rate("write_bytes_per_s", r->writes);
	json_number("reader_pid", w->reader_pid, w->reader_pid != 0);
	json_name("reader_program", w->reader_program);
	json_number("reader_age_ms", w->reader_age_ms, w->reader_age_ms != VERSO_UNKNOWN);
	json_number("writer_pid", w->writer_pid, w->writer_pid != 0);
	json_name("writer_program", w->writer_program);
	json_number("writer_age_ms", w->writer_age_ms, w->writer_age_ms != VERSO_UNKNOWN);
	json_number("write_age_ms", w->write_age_ms, w->write_age_ms != VERSO_UNKNOWN);
	(void)printf("}\n");
}

/* ------------------------------------------------------------------------------------------- */

static enum status print_look(const struct arguments *args, const struct verso_watch *before,
	const struct verso_watch *now, uint64_t n_lines)
{
	struct rates rates = rates_between(before, now);

	if (args->json) {
		print_json(now, &rates);
	} else {
		if (n_lines % LINES_PER_HEADER == 0)
			print_header();
		print_line(now, &rates);
	}
	return finish_output();
}

enum status watch_db(const struct arguments *args)
{
	struct verso_watch before = {0}, now = {.size = sizeof(now)};
	enum status status = STATUS_OK;
	sigset_t ends;

	block_ends(&ends);
	for (uint64_t n = 0; n < args->n_looks; n++) {
		int rc;

		if (n > 0 && !wait_interval(&ends, before.now_ns + args->watch_ns))
			break;
		rc = verso_watch(args->path, &now);
		if (rc != 0)
			return fail(args->path, rc);
		status = print_look(args, &before, &now, n);
		if (status != STATUS_OK)
			break;
		before = now;
	}
	return status;
}
