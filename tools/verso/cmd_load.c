/* SPDX-License-Identifier: MIT */
/* verso load: puts the records of a dump, or of lines with a TAB, many a transaction. */
#include "tools/verso/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define BATCH_RECORDS 10000 /* a transaction, where the end of the input proves nothing */

/* The longest key, which pages of 64 KiB take, TAB and the longest value: see verso_put(). */
#define RECORD_MAX_BYTES ((size_t)(65536 - 64) / 4 - 32 + 1 + ((size_t)1 << 30))
#define ESCAPE_BYTES     4 /* \xHH, in the place of a byte */

struct load {
	const struct arguments *args;
	struct input in;
	struct dump_reader dump;
	struct target target;
	uint64_t n, n_committed; /* records */
};

/*
 * A signal that asks for the end: what a failed load must undo is undone first. The handler puts
 * /dev/null in the place of the input, so that a read which is about to begin ends too.
 */
static volatile sig_atomic_t ended_by;
static int input_fd, null_fd;

static void on_signal(int signal)
{
	int saved = errno;

	ended_by = signal;
	(void)dup2(null_fd, input_fd);
	errno = saved;
}

static void catch_signals(const struct input *in)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction old, catch = {.sa_handler = on_signal}; /* no SA_RESTART: a read ends */

	input_fd = in->fd;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; null_fd >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &catch, NULL);
	}
}

static enum item next_item(struct load *l, struct verso_val *key, struct verso_val *val)
{
	int more;

	if (l->args->format == FORMAT_DUMP)
		return dump_next(&l->dump, key, val);
	more = input_next(&l->in);
	if (more <= 0)
		return more == 0 ? ITEM_END : ITEM_BAD;
	return record_parse(&l->in, l->args->format == FORMAT_LINES, key, val);
}

/* Goes on with the table of that name; data NULL: the default one. */
static enum status begin_table(struct load *l, struct verso_val name)
{
	struct session *s = &l->target.session;
	int rc;

	if (l->args->table)
		return STATUS_OK; /* the dump's one table goes there, whatever its name */
	s->table = NULL;
	rc = name.data ? verso_table_open(s->txn, name.data, VERSO_CREATE, &s->table) : 0;
	return rc == 0 ? STATUS_OK : fail(name.data, rc);
}

static enum status put(struct load *l, struct verso_val key, struct verso_val val)
{
	struct session *s = &l->target.session;
	int rc = verso_put(s->txn, s->table, key, val, 0);

	if (rc < 0) {
		input_fail(&l->in, "this record cannot be put");
		return fail(l->args->path, rc);
	}
	l->n++;
	return STATUS_OK;
}

/* Ends the transaction after every so many records; a dump is one whole. */
static bool is_batch_full(const struct load *l)
{
	uint64_t batch = l->args->batch_records ? l->args->batch_records : BATCH_RECORDS;

	return l->args->format != FORMAT_DUMP && l->n % batch == 0;
}

/* Puts every record and closes the target. */
static enum status load_items(struct load *l)
{
	struct progress progress;
	struct verso_val key, val;
	enum status status = STATUS_OK;
	enum item item = ITEM_END;

	progress_begin(&progress, "bytes", input_size_bytes(&l->in));
	/* ended_by is read after the item: a signal ends a read in the middle of a record. */
	while (status == STATUS_OK && (item = next_item(l, &key, &val)) > ITEM_END && !ended_by) {
		status = item == ITEM_TABLE ? begin_table(l, key) : put(l, key, val);
		progress_step(&progress, l->in.read_bytes);
		if (status == STATUS_OK && item == ITEM_RECORD && is_batch_full(l)) {
			status = target_commit_and_go_on(&l->target);
			if (status != STATUS_OK) {
				progress_end(&progress);
				return status;
			}
			l->n_committed = l->n;
		}
	}
	progress_end(&progress);
	if (status == STATUS_OK && (item == ITEM_BAD || ended_by))
		status = STATUS_ERROR;
	if (status == STATUS_OK)
		return target_commit(&l->target);
	target_abort(&l->target);
	return status;
}

/* What the command line and the dump's header say of each other. */
static bool is_possible(const struct load *l)
{
	if (l->args->table && l->dump.n_tables != 1) {
		(void)fprintf(stderr,
			"verso: %s has %" PRIu64 " tables; --table=%s is for a dump of one, which "
			"`verso dump --table` makes\n",
			l->in.name, l->dump.n_tables, l->args->table);
		return false;
	}
	return true;
}

static enum status load_input(struct load *l)
{
	bool is_new;
	enum status status;

	if (l->args->format == FORMAT_DUMP && (!dump_open(&l->dump, &l->in) || !is_possible(l)))
		return STATUS_ERROR;
	status = target_open(&l->target, l->args, l->dump.page_size);
	if (status != STATUS_OK)
		return status;
	is_new = l->target.folder != NULL;
	status = load_items(l);
	if (status == STATUS_OK)
		(void)fprintf(stderr, "loaded %" PRIu64 " records\n", l->n);
	else if (l->n_committed > 0 && !is_new)
		(void)fprintf(stderr, "verso: the first %" PRIu64 " records were loaded and stay\n",
			l->n_committed);
	return status;
}

static size_t line_max_bytes(enum format format)
{
	return format == FORMAT_TSV ? RECORD_MAX_BYTES : RECORD_MAX_BYTES * ESCAPE_BYTES;
}

static enum status load(const struct arguments *args)
{
	struct load l = {.args = args};
	enum status status = STATUS_ERROR;

	if (args->format == FORMAT_DUMP && args->batch_records > 0) {
		(void)fprintf(stderr, "verso load: --batch goes with --lines and --tsv: a dump is "
				      "one transaction\n");
		return STATUS_USAGE;
	}
	if (input_open(&l.in, args->n_rest > 0 ? args->rest[0] : NULL,
		    line_max_bytes(args->format))) {
		catch_signals(&l.in);
		status = load_input(&l);
	}
	dump_close(&l.dump);
	input_close(&l.in);
	if (ended_by) {
		(void)signal(ended_by, SIG_DFL);
		(void)raise(ended_by);
	}
	return status;
}

const struct command command_load = {
	.name = "load",
	.words = "DB [FILE]",
	.summary = "Put the records of a dump",
	.help = "FILE, or standard input, is a dump: all of it is loaded or, when it is cut\n"
		"short or damaged, nothing. A missing database or table is made; a key that is\n"
		"there gets the new value; other records stay.\n"
		"\n"
		"--lines and --tsv read a line a record, key TAB value, of which a cut cannot be\n"
		"seen: with --lines \\t, \\n, \\\\ and \\xHH stand for the bytes that they name,\n"
		"as `verso scan` and the dumps of verso 0.1.0 have it; with --tsv every byte\n"
		"stands for itself. Sorted input loads fastest. A load that fails leaves in an\n"
		"existing database the batches before, and makes no new one.",
	.takes = TAKES_TABLE | TAKES_WRITER | TAKES_LOAD,
	.open_flags = VERSO_CREATE,
	.rest_max = 1,
	.run = load,
};
