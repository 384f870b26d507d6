/* SPDX-License-Identifier: MIT */
/* verso load: puts the records of a dump, or of lines with a TAB, many a transaction. */
#include "tools/verso/dump.h"

#include <inttypes.h>

#define BATCH_RECORDS 10000 /* a transaction, where the end of the input proves nothing */

/* The longest key, which pages of 64 KiB take, TAB and the longest value: see verso_put(). */
#define RECORD_MAX_BYTES ((size_t)(65536 - 64) / 4 - 32 + 1 + ((size_t)1 << 30))
#define ESCAPE_BYTES     4 /* \xHH, in the place of a byte */

struct load {
	const struct arguments *args;
	struct input in;
	struct dump_reader dump;
	struct plain plain;
	struct target target;
	uint64_t n, n_committed; /* records */
	uint64_t committed_line; /* the last one of them */
	bool is_new;             /* the database */
	bool in_doubt;           /* the last commit failed, so who knows what it left */
};

static enum item next_item(struct load *l, struct verso_val *key, struct verso_val *val)
{
	return l->args->format == FORMAT_DUMP ? dump_next(&l->dump, key, val)
					      : plain_next(&l->plain, key, val);
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

/* What was committed is known before the wait for the next turn, which a signal may end. */
static enum status commit_batch(struct load *l)
{
	enum status status = target_commit_batch(&l->target);

	l->in_doubt = status != STATUS_OK;
	if (status != STATUS_OK)
		return status;
	l->n_committed = l->n;
	l->committed_line = l->in.n_lines;
	return target_go_on(&l->target);
}

/* Puts every record and closes the target. */
static enum status load_items(struct load *l)
{
	struct progress progress;
	struct verso_val key, val;
	enum status status = STATUS_OK;
	enum item item = ITEM_END;

	progress_begin(&progress, "bytes", input_size_bytes(&l->in));
	/* The signal is asked for after the item: it ends a read in the middle of a record. */
	while (status == STATUS_OK && (item = next_item(l, &key, &val)) > ITEM_END &&
		signals_ended_by() == 0) {
		status = item == ITEM_TABLE ? begin_table(l, key) : put(l, key, val);
		progress_step(&progress, l->in.read_bytes);
		if (status == STATUS_OK && item == ITEM_RECORD && is_batch_full(l)) {
			status = commit_batch(l);
			if (status != STATUS_OK) {
				progress_end(&progress);
				return status;
			}
		}
	}
	progress_end(&progress);
	if (status == STATUS_OK && (item == ITEM_BAD || signals_ended_by() != 0))
		status = STATUS_ERROR;
	if (status == STATUS_OK) {
		status = target_commit(&l->target);
		l->in_doubt = status != STATUS_OK;
		return status;
	}
	target_abort(&l->target);
	return status;
}

/* What the command line and the dump's header say of each other. */
static bool is_possible(const struct load *l)
{
	if (l->args->table && l->dump.n_tables != 1) {
		say("%s has %" PRIu64 " tables; --table=%s is for a dump of one, which "
		    "`verso dump --table` makes",
			l->in.name, l->dump.n_tables, l->args->table);
		return false;
	}
	return true;
}

/* What is there after a load that failed. */
static void say_kept(const void *arg)
{
	const struct load *l = arg;
	const char *why = signals_ended_by() != 0 ? "interrupted: " : "";

	if (l->target.in_place || (l->in_doubt && !l->is_new && l->n_committed == 0))
		return;
	if (l->is_new)
		say("%snothing was loaded, and %s was not made", why, l->args->path);
	else if (l->n_committed == 0)
		say("%snothing was loaded", why);
	else
		say("%sthe first %" PRIu64 " records were loaded and stay, up to %s %" PRIu64, why,
			l->n_committed, l->args->format == FORMAT_NULL ? "field" : "line",
			l->committed_line);
}

/* What was done, and what may not have been meant. */
static void say_loaded(const struct load *l)
{
	(void)fprintf(stderr, "loaded %" PRIu64 " records\n", l->n);
	if (l->dump.is_partial)
		say("the dump is partial: it was made of a damaged database (--skip-damaged), and "
		    "has what could be read of that");
	if (l->plain.n_cr > 0)
		say("%" PRIu64 " lines end with CR LF, line %" PRIu64
		    " first: CR (\\x0d) is now the "
		    "last byte of their values. With --crlf it is a part of the line's end",
			l->plain.n_cr, l->plain.cr_line);
	if (l->plain.has_mark)
		say("the text begins with a byte order mark, \\xef\\xbb\\xbf, which is a part of "
		    "the first key now. --csv leaves it out");
}

static enum status load_input(struct load *l)
{
	enum status status;

	if (l->args->format == FORMAT_DUMP && (!dump_open(&l->dump, &l->in) || !is_possible(l)))
		return STATUS_ERROR;
	plain_init(&l->plain, &l->in, l->args);
	status = target_open(&l->target, l->args, l->dump.page_size);
	if (status != STATUS_OK)
		return status;
	l->is_new = l->target.folder != NULL;
	status = load_items(l);
	if (status == STATUS_OK)
		say_loaded(l);
	return status;
}

static size_t line_max_bytes(enum format format)
{
	return format == FORMAT_DUMP || format == FORMAT_LINES ? RECORD_MAX_BYTES * ESCAPE_BYTES
							       : RECORD_MAX_BYTES;
}

/* An option that says nothing about the format that is read. */
static bool are_options_possible(const struct arguments *args)
{
	const char *wrong = NULL;

	if (args->batch_records > 0 && args->format == FORMAT_DUMP)
		wrong = "--batch goes with --tsv, --csv, --null and --lines: a dump is one "
			"transaction";
	else if (args->crlf && args->format != FORMAT_TSV && args->format != FORMAT_LINES)
		wrong = "--crlf goes with --tsv and --lines";
	else if (args->header && args->format != FORMAT_TSV && args->format != FORMAT_CSV)
		wrong = "--header goes with --tsv and --csv";
	if (wrong)
		say_of_command(args->command, "%s", wrong);
	return !wrong;
}

static enum status load(const struct arguments *args)
{
	struct load l = {.args = args};
	enum status status = STATUS_ERROR;

	if (!are_options_possible(args))
		return STATUS_USAGE;
	if (input_open(&l.in, args->n_rest > 0 ? args->rest[0] : NULL,
		    line_max_bytes(args->format))) {
		signals_catch(l.in.fd, say_kept, &l);
		status = load_input(&l);
		if (status != STATUS_OK)
			say_kept(&l);
	}
	dump_close(&l.dump);
	plain_fini(&l.plain);
	input_close(&l.in);
	signals_end();
	return status;
}

const struct command command_load = {
	.name = "load",
	.words = "DB [FILE]",
	.summary = "Put the records of a dump, or of lines of text",
	.help = "FILE is a dump (-, or none: standard input): all of it is loaded or, when it\n"
		"is cut short or damaged, nothing. A missing database or table is made; a key\n"
		"that is there gets the new value; other records stay.\n"
		"\n"
		"Other formats are read when they are asked for. --tsv: a line a record, key TAB\n"
		"value, each byte as it is. --csv: rows of key,value, as spreadsheets write them.\n"
		"--null: a zero byte behind each key and each value. --lines: as --tsv, but \\t,\n"
		"\\n, \\\\ and \\xHH stand for the bytes that they name, as `verso scan` and the\n"
		"dumps of verso 0.1.0 have it. A cut cannot be seen in these, so records are\n"
		"committed in batches; a load that fails leaves in an existing database the\n"
		"batches before, makes no new one, and says what is kept. Sorted input loads\n"
		"fastest (LC_ALL=C sort); for what is not sorted, a --cache as large as the\n"
		"database spares most of the reading and writing.",
	.example =
		"  printf 'earth\\t6371 km\\nmars\\t3390 km\\n' | verso load planets.verso --tsv\n"
		"  verso dump planets.verso | verso load copy.verso\n"
		"  verso scan copy.verso\n",
	.takes = TAKES_TABLE | TAKES_WRITER | TAKES_LOAD,
	.open_flags = VERSO_CREATE,
	.rest_max = 1,
	.run = load,
};
