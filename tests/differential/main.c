/* SPDX-License-Identifier: MIT */
/*
 * differential: seeded streams of operations through two of the pagers in lockstep, and through
 * SQLite. What it does and how to use it: tests/differential/README.md.
 */
#include "tests/differential/child.h"
#include "tests/seed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STREAM_OPS     10000
#define STREAM_SECONDS 300
#define JOBS_MAX       64

static const struct {
	const char *name;
	uint64_t min; /* for each million operations of the default run */
} mark_texts[N_MARKS] = {
	[MARK_OPS] = {"operations", 0},
	[MARK_COMMITS] = {"commits", 5000},
	[MARK_ABORTS] = {"aborts", 300},
	[MARK_IMAGES] = {"images compared", 3000},
	[MARK_CHECKS] = {"checks", 1000},
	[MARK_SNAPSHOTS] = {"snapshots compared", 1000},
	[MARK_OLD] = {"of them old", 500},
	[MARK_RECORDS] = {"records in scans", 100000},
	[MARK_REOPENS] = {"reopened with other pagers", 200},
	[MARK_DROPS] = {"tables dropped", 100},
	[MARK_CURSOR_DELS] = {"cursor deletes", 1000},
	[MARK_RANGE_DELS] = {"records deleted in ranges", 2000},
	[MARK_PRUNES] = {"leaves freed together", 100},
	[MARK_PIECES] = {"pieces written", 2000},
	[MARK_RENAMES] = {"tables renamed", 3},
	[MARK_HEIGHT_4] = {"commits at height >= 4", 50},
	[MARK_SPLITS] = {"splits", 2000},
	[MARK_EDGE_SPLITS] = {"splits at the edge", 500},
	[MARK_MERGES] = {"merges", 500},
	[MARK_REDISTRIBUTIONS] = {"redistributions", 200},
	[MARK_LATE_SPLITS] = {"late splits", 0},
	[MARK_ROOTS_GROWN] = {"roots grown", 100},
	[MARK_ROOTS_SHRUNK] = {"roots shrunk", 50},
	[MARK_EMPTIED] = {"tables emptied", 10},
	[MARK_OVERFLOW_MADE] = {"long values made", 2000},
	[MARK_OVERFLOW_FREED] = {"long values freed", 1000},
	[MARK_LONG_PREFIX] = {"puts of long shared prefixes", 20000},
	[MARK_SPILLS] = {"spilled pages", 1000},
	[MARK_EVICTIONS] = {"evictions", 1000},
	[MARK_CUTS] = {"files cut", 5},
	[MARK_COPIES] = {"copies compared", 10},
	[MARK_COMPACTIONS] = {"steps of compactions", 10},
	[MARK_COMPACTED] = {"leaves and pages compacted", 100},
	[MARK_GUESTS] = {"commits of other processes", 100},
	[MARK_WRITTEN] = {"commits written, not flushed", 300},
	[MARK_ASYNC] = {"commits waited for together", 300},
	[MARK_UNSEALED] = {"pages never sealed", 100},
};

struct arguments {
	uint64_t n_ops, seed;
	unsigned n_jobs, shrink_seconds;
	int flavour; /* -1: all */
	size_t stream_ops;
	uint32_t sabotage;
	const char *replay;
	const char *folder; /* of all streams but those that need direct transfers, which are in */
	const char *disk;   /* NULL: there are none */
	bool judge_marks;
};

static int usage(void)
{
	(void)fprintf(stderr,
		"usage: differential [--ops N] [--seed N] [--jobs N] [--stream-ops N] "
		"[--flavour N]\n"
		"    [--folder PATH] [--shrink SECONDS] [--sabotage LENGTH] [--replay FILE]\n"
		"flavours:");
	for (int i = 0; stream_flavour(i); i++)
		(void)fprintf(stderr, " %d %s;", i, stream_flavour(i));
	(void)fprintf(stderr, "\n");
	return 2;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--ops") == 0)
			a->n_ops = strtoull(value, NULL, 0);
		else if (strcmp(name, "--seed") == 0)
			a->seed = strtoull(value, NULL, 0);
		else if (strcmp(name, "--jobs") == 0)
			a->n_jobs = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(name, "--stream-ops") == 0)
			a->stream_ops = strtoull(value, NULL, 0);
		else if (strcmp(name, "--flavour") == 0)
			a->flavour = atoi(value);
		else if (strcmp(name, "--sabotage") == 0)
			a->sabotage = (uint32_t)strtoul(value, NULL, 0);
		else if (strcmp(name, "--folder") == 0)
			a->folder = value;
		else if (strcmp(name, "--shrink") == 0)
			a->shrink_seconds = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(name, "--replay") == 0)
			a->replay = value;
		else
			return false;
	}
	a->judge_marks = a->flavour < 0 && a->stream_ops == STREAM_OPS && a->n_ops >= 500000;
	return argc % 2 == 1 && a->n_jobs > 0 && a->n_jobs <= JOBS_MAX && a->stream_ops > 0;
}

static const char *folder_for(const struct arguments *a, const struct stream *s)
{
	return s->config.sync == VERSO_SYNC_PROCESS && a->disk ? a->disk : a->folder;
}

static void tell_failure(struct stream *s, const struct outcome *o, const struct arguments *a,
	struct shared *shared)
{
	char line[160];

	(void)fprintf(stderr, "FAILED: seed %" PRIu64 ", operation %zu", s->config.seed, o->at);
	if (o->at < s->n_ops)
		(void)fprintf(stderr, " (%s)", op_text(&s->ops[o->at], line, sizeof(line)));
	(void)fprintf(stderr, ": %s\n", o->failure);
	if (a->shrink_seconds > 0)
		shrink(s, folder_for(a, s), shared, a->shrink_seconds);
	*(struct outcome *)(uintptr_t)o = child_run(s, folder_for(a, s), shared, 0);
	(void)fprintf(stderr, "# %s\n# keep this in a file, and run: differential --replay FILE\n",
		o->failure);
	stream_print(s, stderr);
	(void)fprintf(stderr, "# %s\n", o->failure);
}

struct job {
	pid_t pid; /* 0: free */
	struct stream stream;
};

struct campaign {
	const struct arguments *a;
	struct shared *shared;
	struct job jobs[JOBS_MAX];
	uint64_t n_left, next_seed;
	uint64_t n_streams, n_failed;
	size_t shrunk_ops; /* of the last stream that failed */
};

static void start_job(struct campaign *c, unsigned j)
{
	struct job *job = &c->jobs[j];
	size_t n = c->a->stream_ops < c->n_left ? c->a->stream_ops : c->n_left;

	if (!stream_generate(c->next_seed++, n, c->a->flavour, &job->stream))
		exit(2);
	job->stream.config.sabotage = c->a->sabotage;
	if (!c->a->disk && job->stream.config.sync == VERSO_SYNC_PROCESS)
		job->stream.config.sync = VERSO_SYNC_FULL;
	c->n_left -= n;
	job->pid = child_start(&job->stream, folder_for(c->a, &job->stream), c->shared, j,
		STREAM_SECONDS);
	if (job->pid < 0) {
		perror("fork");
		exit(2);
	}
}

static void wait_for_job(struct campaign *c)
{
	int status;
	pid_t pid = wait(&status);

	for (unsigned j = 0; j < c->a->n_jobs; j++) {
		struct job *job = &c->jobs[j];

		if (job->pid != pid)
			continue;
		job->pid = 0;
		child_judge(c->shared, j, status);
		c->n_streams++;
		if (!c->shared->outcomes[j].ok) {
			struct outcome o = c->shared->outcomes[j];

			/* The other jobs end first: shrinking uses the outcome of job 0. */
			c->n_failed++;
			c->n_left = 0;
			while (wait(&status) > 0)
				;
			for (unsigned k = 0; k < c->a->n_jobs; k++)
				c->jobs[k].pid = 0;
			tell_failure(&job->stream, &o, c->a, c->shared);
			c->shrunk_ops = job->stream.n_ops;
		}
		stream_free(&job->stream);
	}
}

static bool any_runs(const struct campaign *c)
{
	for (unsigned j = 0; j < c->a->n_jobs; j++) {
		if (c->jobs[j].pid != 0)
			return true;
	}
	return false;
}

static void run_campaign(struct campaign *c)
{
	for (;;) {
		for (unsigned j = 0; j < c->a->n_jobs; j++) {
			if (c->jobs[j].pid == 0 && c->n_left > 0)
				start_job(c, j);
		}
		if (!any_runs(c))
			return;
		wait_for_job(c);
	}
}

/* Prints totals; returns how many marks lie below their minima. */
static unsigned print_totals(const struct campaign *c, double seconds)
{
	const uint64_t *marks = c->shared->marks;
	unsigned n_below = 0;

	printf("total: %" PRIu64 " operations in %" PRIu64
	       " streams, each on two pagers and SQLite; "
	       "%" PRIu64 " failed; %.1f s\n",
		marks[MARK_OPS], c->n_streams, c->n_failed, seconds);
	printf("total: marks:");
	for (int i = 1; i < N_MARKS; i++)
		printf("%s %s %" PRIu64, i > 1 ? "," : "", mark_texts[i].name, marks[i]);
	printf("\n");
	for (int i = 0; c->a->judge_marks && c->n_failed == 0 && i < N_MARKS; i++) {
		uint64_t min = mark_texts[i].min * (c->a->n_ops / 500000) / 2;

		if (marks[i] >= min || (i == MARK_WRITTEN && !c->a->disk))
			continue;
		n_below++;
		printf("mark below its minimum of %" PRIu64 ": %s: %" PRIu64 "\n", min,
			mark_texts[i].name, marks[i]);
	}
	return n_below;
}

static int replay(const struct arguments *a, struct shared *shared)
{
	FILE *in = fopen(a->replay, "re");
	struct outcome o;
	struct stream s;

	if (!in || !stream_parse(in, &s)) {
		(void)fprintf(stderr, "%s: cannot be read as a stream\n", a->replay);
		return 2;
	}
	(void)fclose(in);
	o = child_run(&s, folder_for(a, &s), shared, 0);
	if (!o.ok)
		tell_failure(&s, &o, a, shared);
	stream_free(&s);
	printf("%d passed, %d failed, 0 skipped\n", o.ok, !o.ok);
	return o.ok ? 0 : 1;
}

static bool is_taken(const char *folder)
{
	struct config c = {.page_size = 4096, .one_flush = true, .dirty_pages = 24};
	char path[512], lock[520];
	struct verso *db = NULL;
	int rc;

	c.sync = VERSO_SYNC_PROCESS;
	(void)snprintf(path, sizeof(path), "%s/probe", folder);
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	rc = sides_open_one(&c, path, VERSO_BUFPOOL, VERSO_CREATE, &db);
	verso_close(db);
	(void)unlink(path);
	(void)unlink(lock);
	if (rc != 0 && rc != -EOPNOTSUPP) {
		(void)fprintf(stderr, "%s: %s\n", path, verso_errmsg(NULL));
		exit(2);
	}
	return rc == 0;
}

/* Memory is fast, but takes no direct transfers: streams run there, if there is such a place, but
 * for those that need them. */
static void choose_folders(struct arguments *a)
{
	const char *parent = a->folder ? a->folder : getenv("VERSO_TEST_DIR");
	const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL;
	const char *disk = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";

	a->folder = child_folder(parent ? parent : memory ? memory : disk);
	a->disk = child_folder(parent ? parent : disk);
	if (is_taken(a->disk))
		return;
	printf("skipped: VERSO_SYNC_PROCESS: %s takes no direct transfers (O_DIRECT)\n", a->disk);
	(void)rmdir(a->disk);
	free((char *)(uintptr_t)a->disk);
	a->disk = NULL;
}

static void remove_folders(const struct arguments *a)
{
	(void)rmdir(a->folder);
	free((char *)(uintptr_t)a->folder);
	if (a->disk)
		(void)rmdir(a->disk);
	free((char *)(uintptr_t)a->disk);
}

/* Returns how many did not do what they must. */
static uint64_t judge(const struct campaign *c, double seconds)
{
	uint64_t n_bad = c->n_failed;

	if (c->a->sabotage) /* the fault was found, and shrunk to what shows it: a put and a look */
		n_bad = c->n_failed == 0 || c->shrunk_ops > 3;
	else
		n_bad += print_totals(c, seconds);
	printf("%" PRIu64 " passed, %" PRIu64 " failed, %d skipped\n",
		c->a->sabotage ? !n_bad : c->n_streams - c->n_failed, n_bad, !c->a->disk);
	return n_bad;
}

int main(int argc, char **argv)
{
	struct arguments a = {.n_ops = 1000000,
		.seed = 1,
		.n_jobs = 2,
		.shrink_seconds = 60,
		.flavour = -1,
		.stream_ops = STREAM_OPS};
	struct campaign c = {.a = &a};
	time_t start = time(NULL);
	int status;

	a.seed = seed_given(a.seed);
	if (!parse(argc, argv, &a))
		return usage();
	c.shared = child_shared(JOBS_MAX);
	choose_folders(&a);
	c.n_left = a.n_ops;
	c.next_seed = a.seed;
	if (a.replay) {
		status = replay(&a, c.shared);
	} else {
		run_campaign(&c);
		status = judge(&c, difftime(time(NULL), start)) > 0;
	}
	remove_folders(&a);
	return status;
}
