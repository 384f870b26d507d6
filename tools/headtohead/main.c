/* SPDX-License-Identifier: MIT */
/*
 * headtohead FILE FOLDER [CACHE_MIB]: see headtohead.h. FILE has Debian package stanzas; the
 * databases are made in FOLDER and stay there. Exit status 0: all engines agree on every record.
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

#define N_UPDATES  2000
#define LOAD_BATCH 1000

static const struct engine_ops *const engines[] = {
	&engine_bufpool, &engine_mmap, &engine_sqlite_by_key, &engine_sqlite_rowid};

#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

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

/* Runs one engine in a child. False: it did not come to its end. */
static bool run_in_child(const struct engine_ops *ops, const struct plan *plan,
	struct result *result)
{
	pid_t child;
	int status;

	remove_old(plan->folder, ops->file);
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		run_engine(ops, plan, result);
		_exit(result->done ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		(void)fprintf(stderr, "headtohead: %s\n", strerror(errno));
		return false;
	}
	if (plan->show)
		(void)fputs("\r\033[K", stderr);
	if (WIFSIGNALED(status))
		(void)fprintf(stderr, "headtohead: %s: killed by signal %d\n", ops->title,
			WTERMSIG(status));
	return result->done;
}

/* Prints whether every engine returned what the model has, and so the same. */
static bool judge(FILE *out, const struct model *m, const struct result *results)
{
	uint64_t digest = DIGEST_START;
	char a[32], b[32];
	bool agree = true;

	for (size_t i = 0; i < m->n_after; i++)
		digest = digest_record(digest, m->after[i].key, m->after[i].val);
	for (size_t i = 0; i < N_ENGINES; i++) {
		const struct result *r = &results[i];

		if (!r->done)
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
			N_ENGINES, grouped(a, sizeof(a), m->n_after),
			grouped(b, sizeof(b), m->n_updates), digest);
	else
		(void)fprintf(out, "The engines DO NOT agree.\n");
	return agree;
}

/* Applies --SWITCH=VALUE to Verso's engines; the other words move to the front: how many. 0: one is
 * wrong, which it has said. */
static int take_switches(int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		size_t name_len = strcspn(argv[i], "=");
		const char *value = argv[i][name_len] ? argv[i] + name_len + 1 : NULL;
		const struct db_switch *sw;

		if (strncmp(argv[i], "--", 2) != 0) {
			argv[n++] = argv[i];
			continue;
		}
		sw = db_switch_find(argv[i] + 2, name_len - 2);
		if (!sw || !sw->value != !value || !sw->apply(&verso_switches, value)) {
			(void)fprintf(stderr, "headtohead: %s: expected %s%s%s\n", argv[i],
				sw ? "--" : "a switch of `verso help get`", sw ? sw->name : "",
				sw && sw->value ? "=" : "");
			return 0;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	struct report_engine report[N_ENGINES];
	static struct plan plan = {
		.load_batch = LOAD_BATCH}; /* these last as long as the process */
	struct result *results;
	static struct dataset set;
	static struct model model;

	argc = take_switches(argc, argv);
	if (argc < 3 || argc > 5 || (argc > 4 && strcmp(argv[4], "sorted") != 0)) {
		(void)fprintf(stderr,
			"usage: headtohead [--SWITCH=VALUE ...] FILE FOLDER [CACHE_MIB [sorted]]\n"
			"    sorted   loads in the order of the keys, not in a random one\n"
			"HEADTOHEAD_TRACE=FILE records what the buffer pool does with each page,\n"
			"from the last time that its database is opened on\n"
			"(`verso trace replay FILE`).\n");
		return 2;
	}
	plan.cache_bytes = (argc > 3 ? strtoul(argv[3], NULL, 10) : 64) << 20;
	plan.show = isatty(STDERR_FILENO) == 1;
	plan.folder = argv[2];
	plan.bytes_from = usage_init(plan.folder);
	plan.model = &model;
	results = mmap(NULL, N_ENGINES * sizeof(*results), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED || !dataset_read(argv[1], &set))
		return 1;
	plan.load_order = dataset_order(set.n_records, argc > 4 ? 0 : 1);
	plan.get_order = dataset_order(set.n_records, 3);
	if (!plan.load_order || !plan.get_order || !model_make(&set, N_UPDATES, &model)) {
		(void)fprintf(stderr, "headtohead: out of memory\n");
		return 1;
	}
	for (size_t i = 0; i < N_ENGINES; i++) {
		report[i] = (struct report_engine){engines[i], &results[i]};
		(void)run_in_child(engines[i], &plan, &results[i]);
	}
	report_print(stdout, &plan, report, N_ENGINES);
	return judge(stdout, &model, results) ? 0 : 1;
}
