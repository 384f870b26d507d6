/* SPDX-License-Identifier: MIT */
/* verso compact: the file becomes as small as its records let it. */
#include "tools/verso/tool.h"

#include <inttypes.h>

#define STEP_MS 200 /* between two looks at signals and progress */

static void say_done(const void *arg)
{
	const struct arguments *args = arg;

	say("%s: ended while another program was writing; what was done stays", args->path);
}

static enum status compact_db(const struct arguments *args)
{
	struct verso_compact c = {.size = sizeof(c), .time_max_ms = STEP_MS};
	struct verso_stat before = {.size = sizeof(before)};
	struct progress progress;
	struct waiting waiting;
	uint64_t n_changed = 0;
	enum status status;
	struct session s;
	int rc;

	status = session_open(&s, args, VERSO_READ);
	if (status != STATUS_OK)
		return status;
	verso_abort(s.txn);
	s.txn = NULL;
	signals_catch(-1, say_done, args);
	progress_begin(&progress, "pages moved or filled", 0);
	progress_be_quiet(&progress, 5);
	waiting_begin(&waiting, args, WAITS_AT_TIMES);
	rc = verso_stat(s.db, &before);
	while (rc == 0 || rc == VERSO_MORE) {
		rc = verso_compact(s.db, &c);
		n_changed += c.n_changed;
		progress_step(&progress, n_changed);
		if (rc == 0 || signals_ended_by() != 0)
			break;
	}
	waiting_end(&waiting);
	progress_end(&progress);
	if (rc < 0)
		status = fail(args->path, rc);
	else
		(void)printf("%s: %" PRIu32 " pages before, %" PRIu32 " now%s\n", args->path,
			before.n_pages, c.n_pages, rc == VERSO_MORE ? "; it was ended early" : "");
	session_abort(&s);
	if (status == STATUS_OK)
		status = finish_output();
	signals_end();
	return status;
}

const struct command command_compact = {
	.name = "compact",
	.words = "DB",
	.summary = "Make the file smaller where it is",
	.help = "Partly empty pages are filled, pages at the end of the file move towards its\n"
		"beginning, and the file is cut. No record changes. It can be ended at any time:\n"
		"what was done stays. `verso copy --compact` makes a new file instead, which is\n"
		"smaller still. `verso stat --space` says what there is to gain.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso del planets.verso mars\n"
		   "  verso compact planets.verso\n",
	.takes = TAKES_WRITER,
	.run = compact_db,
};
