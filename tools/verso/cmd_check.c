/* SPDX-License-Identifier: MIT */
/* verso check: the proof that a database is whole. */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define FINDINGS_MAX   100
#define LOOKS_A_SECOND 50u

struct check {
	struct verso *db;
	const char *path;
	unsigned flags; /* of verso_check() */
	uint64_t n_findings;
	int result;
	atomic_bool done;
};

static int tell(void *arg, uint32_t pgno, const char *text)
{
	struct check *c = arg;

	if (pgno > 0 && strncmp(text, "page ", 5) != 0)
		(void)printf("page %" PRIu32 ": %s\n", pgno, text);
	else
		(void)printf("%s\n", text);
	return ++c->n_findings >= FINDINGS_MAX;
}

static void *run_check(void *arg)
{
	struct check *c = arg;

	c->result = verso_check(c->db, c->flags, tell, c);
	/* VERSO_ECORRUPT sums up findings; all else says why the check did not get to its end. */
	if (c->result < 0 && (c->result != VERSO_ECORRUPT || c->n_findings == 0))
		(void)fail(c->path, c->result);
	atomic_store(&c->done, true);
	return NULL;
}

/* How far it is cannot be asked, but the pages that were looked at are counted. */
static void show_progress(struct check *c)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct progress progress;

	if (verso_stat(c->db, &stat) < 0)
		return;
	progress_begin(&progress, "pages looked at", 0);
	while (!atomic_load(&c->done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000000 / LOOKS_A_SECOND}, NULL);
		if (verso_stat(c->db, &stat) == 0)
			progress_step(&progress, stat.n_gets + stat.n_peeks);
	}
	progress_end(&progress);
}

static enum status check(const struct arguments *args)
{
	struct session s;
	struct check c = {.path = args->path, .flags = args->trees ? VERSO_CHECK_TREES : 0};
	struct verso_stat stat = {.size = sizeof(stat)};
	struct waiting waiting;
	pthread_t thread;
	enum status status = session_open(&s, args, VERSO_READ);

	if (status != STATUS_OK)
		return status;
	verso_abort(s.txn);
	c.db = s.db;
	waiting_begin(&waiting, args, args->trees ? WAITS_NEVER : WAITS_AT_TIMES);
	if (pthread_create(&thread, NULL, run_check, &c) == 0) {
		show_progress(&c);
		(void)pthread_join(thread, NULL);
	} else {
		(void)run_check(&c);
	}
	waiting_end(&waiting);
	if (c.result == 0 && verso_stat(s.db, &stat) == 0)
		(void)printf("%s: %s, %" PRIu32 " pages of %" PRIu32 " bytes\n", args->path,
			args->trees ? "the trees are whole" : "whole", stat.n_pages,
			stat.page_size);
	else if (c.result != 0 && c.n_findings >= FINDINGS_MAX)
		(void)printf("%s: stopped after %d findings\n", args->path, FINDINGS_MAX);
	if (c.n_findings > 0)
		say_salvage();
	verso_close(s.db);
	if (c.result != 0)
		status = c.n_findings > 0 || c.result == VERSO_ECORRUPT ? STATUS_NO : STATUS_ERROR;
	return finish_output() == STATUS_OK ? status : STATUS_ERROR;
}

const struct command command_check = {
	.name = "check",
	.words = "DB",
	.summary = "Prove that a database is whole, or say what is damaged",
	.help = "Reads every page: checksums, references, the order of keys, counts, and that\n"
		"each page of the file is in exactly one place. For that last proof it waits for\n"
		"the program that writes, and others wait for it; with --trees it is left out.\n"
		"Exit status 1: damage was found.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso check planets.verso\n",
	.takes = TAKES_CHECK,
	.open_flags = VERSO_RDONLY,
	.run = check,
};
