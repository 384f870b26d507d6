/* SPDX-License-Identifier: MIT */
/*
 * headtohead [OPTIONS] FILE FOLDER [CACHE_MIB]: see headtohead.h. FILE has Debian package stanzas;
 * the databases are made in FOLDER and stay there. Exit status 0: all engines agree on every
 * record.
 */
#include "tools/headtohead/headtohead.h"
#include "tools/common/switches.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_UPDATES       2000
#define LOAD_BATCH      1000
#define N_ROUNDS        3
#define CACHE_MIB       64
#define SMALL_PART      4                 /* of the data: memory for the reads in little memory */
#define SMALL_BYTES_MIN ((size_t)4 << 20) /* for a program and its tables */
#define BEFORE_LEFT     4                 /* seconds, until the time left is worth telling */

static const struct engine_ops *const engines[] = {
	&engine_bufpool,
	&engine_mmap,
#ifdef HAVE_LMDB
	&engine_lmdb,
#endif
	&engine_sqlite_by_key,
	&engine_sqlite_rowid,
	&engine_vmcache,
};

#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

/* The pager for experiments runs when it is asked for. */
static size_t n_engines(void)
{
	return verso_switches.pager == VERSO_VMCACHE ? N_ENGINES : N_ENGINES - 1;
}

static const char usage_text[] =
	"usage: headtohead [OPTION ...] FILE FOLDER [CACHE_MIB]\n"
	"    --rounds=N         of reads and of updates, 1 to 32 (3)\n"
	"    --json=FILE        writes every sample there\n"
	"    --sorted           loads in the order of the keys, not in a random one\n"
	"    --SWITCH=VALUE     how Verso's databases are opened: see `verso help get`\n"
	"    --pager=vmcache    adds that pager, which is for experiments\n"
	"HEADTOHEAD_TRACE=FILE records what the buffer pool does with each page, from the last\n"
	"time that its database is opened on (`verso trace replay FILE`).\n"
	"HEADTOHEAD_WITHIN=COMMAND measures reads in less memory than the data takes too:\n"
	"`COMMAND BYTES -- PROGRAM ...` must run a program within so many bytes of memory\n"
	"(`experiments/run within` does).\n";

static void remove_old(const char *folder, const char *file)
{
	static const char *const tails[] = {"", "-lock", "-wal", "-shm"};
	char path[4096];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s%s", folder, file, tails[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			(void)fprintf(stderr, "headtohead: %s: %s\n", path, strerror(errno));
	}
}

/* What is told on a terminal while it runs. */
struct progress {
	bool show;
	size_t n_done, n_all; /* stages of engines */
	struct usage begin;
};

static void progress_tell(struct progress *p, const char *title, const char *what)
{
	struct usage now;
	double took;

	if (!p->show)
		return;
	usage_now(&now);
	took = (double)(now.now_ns - p->begin.now_ns) / 1e9;
	(void)fprintf(stderr, "\r\033[K%s: %s", title, what);
	if (took > BEFORE_LEFT)
		(void)fprintf(stderr, ", about %.0f s left",
			took / (double)p->n_done * (double)(p->n_all - p->n_done));
}

/* Runs a stage of one engine in a child. */
static void run_in_child(const struct engine_ops *ops, const struct plan *plan, enum stage stage,
	size_t round, struct result *result)
{
	pid_t child;
	int status;

	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(run_stage(ops, plan, stage, round, result) ? 0 : 1);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		(void)fprintf(stderr, "headtohead: %s\n", strerror(errno));
		result->n_failed++;
		return;
	}
	if (WIFSIGNALED(status))
		(void)fprintf(stderr, "headtohead: %s: killed by signal %d\n", ops->title,
			WTERMSIG(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		result->n_failed++;
}

/* A stage of every engine; each round begins with another. An engine that failed is left out. */
static void run_all(const struct plan *plan, enum stage stage, size_t round, struct result *results,
	struct progress *progress)
{
	static const char *const whats[N_STAGES] = {
		[STAGE_LOAD] = "load",
		[STAGE_READ] = "reads",
		[STAGE_SMALL] = "reads in little memory",
		[STAGE_UPDATE] = "durable updates",
		[STAGE_VERIFY] = "compared with what it must hold",
	};

	for (size_t i = 0; i < n_engines(); i++) {
		size_t k = (i + round) % n_engines();

		progress_tell(progress, engines[k]->title, whats[stage]);
		if (results[k].n_failed == 0)
			run_in_child(engines[k], plan, stage, round, &results[k]);
		progress->n_done++;
	}
}

static void run_stages(const struct plan *plan, struct result *results)
{
	struct progress progress = {.show = isatty(STDERR_FILENO) == 1,
		.n_all = n_engines() * (2 + (plan->within ? 3 : 2) * plan->n_rounds)};

	usage_now(&progress.begin);
	for (size_t i = 0; i < n_engines(); i++)
		remove_old(plan->folder, engines[i]->file);
	run_all(plan, STAGE_LOAD, 0, results, &progress);
	for (size_t round = 0; round < plan->n_rounds; round++)
		run_all(plan, STAGE_READ, round, results, &progress);
	for (size_t round = 0; plan->within && round < plan->n_rounds; round++)
		run_all(plan, STAGE_SMALL, round, results, &progress);
	for (size_t round = 0; round < plan->n_rounds; round++)
		run_all(plan, STAGE_UPDATE, round, results, &progress);
	run_all(plan, STAGE_VERIFY, 0, results, &progress);
	if (progress.show)
		(void)fputs("\r\033[K", stderr);
}

/* Prints whether every engine returned what the model has, and so the same. */
static bool judge(FILE *out, const struct model *m, const struct result *results)
{
	uint64_t digest = DIGEST_START;
	char a[32], b[32];
	bool agree = true;

	for (size_t i = 0; i < m->n_after; i++)
		digest = digest_record(digest, m->after[i].key, m->after[i].val);
	for (size_t i = 0; i < n_engines(); i++) {
		const struct result *r = &results[i];

		if (r->n_failed > 0)
			(void)fprintf(out, "%s did not finish\n", engines[i]->title);
		else if (r->n_wrong > 0 || r->n_records != m->n_after || r->digest != digest)
			(void)fprintf(out,
				"%s: %" PRIu64 " wrong answers, %" PRIu64
				" records, digest %016" PRIx64 "\n",
				engines[i]->title, r->n_wrong, r->n_records, r->digest);
		else
			continue;
		agree = false;
	}
	if (agree)
		(void)fprintf(out,
			"All %zu engines agree on all %s records that %s updates left (digest "
			"%016" PRIx64 ").\n",
			n_engines(), grouped(a, sizeof(a), m->n_after),
			grouped(b, sizeof(b), m->n_updates), digest);
	else
		(void)fprintf(out, "The engines DO NOT agree.\n");
	return agree;
}

/* What the command line asks for. */
struct request {
	const char *file, *json;
	struct plan plan;
};

/* A whole number from 1 to max. False: it is none. */
static bool take_number(const char *text, unsigned long max, size_t *ret_n)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < 1 || n > max)
		return false;
	*ret_n = n;
	return true;
}

/* One --NAME or --NAME=VALUE. NULL, or what was expected. */
static const char *take_option(const char *word, struct request *request)
{
	size_t name_len = strcspn(word, "=");
	const char *value = word[name_len] ? word + name_len + 1 : NULL;
	const struct db_switch *sw;
	static char expected[160];

	if (strncmp(word, "--rounds=", 9) == 0)
		return take_number(value, ROUNDS_MAX, &request->plan.n_rounds)
			       ? NULL
			       : "a number of rounds from 1 to 32";
	if (strncmp(word, "--json=", 7) == 0) {
		request->json = value;
		return *value ? NULL : "the name of a file";
	}
	if (strcmp(word, "--sorted") == 0) {
		request->plan.is_sorted = true;
		return NULL;
	}
	sw = db_switch_find(word + 2, name_len - 2);
	if (sw && !db_switch_value(sw) == !value && sw->apply(&verso_switches, value))
		return NULL;
	(void)snprintf(expected, sizeof(expected), "%s%s%s",
		sw ? "--" : "a switch of `verso help get`", sw ? sw->name : "",
		sw && db_switch_value(sw) ? "=" : "");
	return expected;
}

/* False: the words are wrong, which it has said. */
static bool take_words(int argc, char **argv, struct request *request)
{
	const char *words[3] = {NULL};
	size_t n = 0, cache_mib = CACHE_MIB;

	for (int i = 1; i < argc; i++) {
		const char *expected = NULL;

		if (strncmp(argv[i], "--", 2) == 0)
			expected = take_option(argv[i], request);
		else if (n < 3)
			words[n++] = argv[i];
		else
			expected = "no more than FILE, FOLDER and CACHE_MIB";
		if (expected) {
			(void)fprintf(stderr, "headtohead: %s: expected %s\n", argv[i], expected);
			return false;
		}
	}
	if (n < 2) {
		(void)fputs(usage_text, stderr);
		return false;
	}
	if (words[2] && !take_number(words[2], 1 << 20, &cache_mib)) {
		(void)fprintf(stderr,
			"headtohead: %s: expected the size of the cache in MiB, a whole number "
			"from 1\n",
			words[2]);
		return false;
	}
	request->file = words[0];
	request->plan.folder = words[1];
	request->plan.cache_bytes = cache_mib << 20;
	return true;
}

/* This program within a limit of memory: --small-gets ENGINE'S_FILE FOLDER BYTES ROUND. */
static int main_small(char **argv)
{
	for (size_t i = 0; i < N_ENGINES; i++) {
		if (strcmp(engines[i]->file, argv[2]) == 0)
			return small_gets(engines[i], argv[3], strtoul(argv[4], NULL, 10),
				       strtoul(argv[5], NULL, 10))
				       ? 0
				       : 1;
	}
	return 2;
}

int main(int argc, char **argv)
{
	/* These last as long as the process. */
	static struct request request = {.plan = {.load_batch = LOAD_BATCH, .n_rounds = N_ROUNDS}};
	static struct dataset set;
	static struct model model;
	struct plan *plan = &request.plan;
	struct report_engine report[N_ENGINES];
	struct result *results;
	bool agree;

	if (argc == 6 && strcmp(argv[1], "--small-gets") == 0)
		return main_small(argv);
	if (!take_words(argc, argv, &request))
		return 2;
	plan->program = argv[0];
	plan->within = getenv("HEADTOHEAD_WITHIN");
	plan->bytes_from = usage_init(plan->folder);
	plan->model = &model;
	results = mmap(NULL, n_engines() * sizeof(*results), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED || !dataset_read(request.file, &set))
		return 1;
	plan->small_bytes = (size_t)(set.len_bytes / SMALL_PART);
	if (plan->small_bytes < SMALL_BYTES_MIN)
		plan->within = NULL;
	plan->load_order = dataset_order(set.n_records, plan->is_sorted ? 0 : 1);
	plan->get_order = dataset_order(set.n_records, 3);
	if (!plan->load_order || !plan->get_order || !model_make(&set, N_UPDATES, &model)) {
		(void)fprintf(stderr, "headtohead: out of memory\n");
		return 1;
	}
	if (plan->within && !small_prepare(plan))
		return 1;
	run_stages(plan, results);
	for (size_t i = 0; i < n_engines(); i++)
		report[i] = (struct report_engine){engines[i], &results[i]};
	report_print(stdout, plan, report, n_engines());
	agree = judge(stdout, &model, results);
	if (request.json && !report_json(request.json, plan, report, n_engines(), agree))
		return 1;
	return agree ? 0 : 1;
}
