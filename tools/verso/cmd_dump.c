/* SPDX-License-Identifier: MIT */
/* verso dump: writes the records as text (docs/dump-format.md). */
#include "tools/verso/dump.h"
#include "tools/verso/salvage.h"

struct dump {
	struct session s;
	struct dump_writer writer;
	struct progress progress;
	enum status status;
};

static int count_table(void *arg, const char *name)
{
	(void)name;
	++*(uint64_t *)arg;
	return 0;
}

/* Writes the table that the session has; `name` NULL: the default one. */
static void dump_one(struct dump *d, const char *name)
{
	dump_table(&d->writer, name);
	d->status = records_write(&d->s, d->writer.lines, &d->progress);
}

static int dump_named(void *arg, const char *name)
{
	struct dump *d = arg;
	int rc = verso_table_open(d->s.txn, name, 0, &d->s.table);

	if (rc == 0)
		dump_one(d, name);
	else
		d->status = fail(name, rc);
	return d->status != STATUS_OK;
}

static void dump_all(struct dump *d)
{
	int rc;

	dump_one(d, NULL);
	if (d->status != STATUS_OK)
		return;
	rc = verso_table_each(d->s.txn, dump_named, d);
	if (rc < 0)
		d->status = fail(d->s.args->path, rc);
}

/* --- of a damaged database ----------------------------------------------------------------- */

struct rescue {
	struct dump_writer writer;
	bool has_begun;
	uint64_t n_records;
};

static bool begin(void *arg, const struct raw *r, uint32_t n_tables)
{
	struct rescue *d = arg;

	d->has_begun = true;
	return dump_begin(&d->writer, r->page_size, n_tables);
}

static bool write_table(void *arg, const char *name)
{
	struct rescue *d = arg;

	dump_table(&d->writer, name);
	return true;
}

static bool write_record(void *arg, struct verso_val key, struct verso_val val)
{
	struct rescue *d = arg;
	FILE *out = d->writer.lines;

	escape_write(out, key.data, key.len, false);
	(void)putc('\t', out);
	escape_write(out, val.data, val.len, false);
	(void)putc('\n', out);
	d->n_records++;
	if (ferror(out))
		return finish_output() == STATUS_OK; /* which says why */
	return true;
}

static enum status dump_damaged(const struct arguments *args)
{
	struct rescue d = {.has_begun = false};
	const struct salvage_sink sink = {begin, write_table, write_record, &d};
	enum status status = salvage(args->path, args->table, &sink);

	if (d.has_begun)
		dump_end(&d.writer, d.n_records,
			status == STATUS_OK   ? DUMP_WHOLE
			: status == STATUS_NO ? DUMP_PARTIAL
					      : DUMP_CUT);
	return finish_output() == STATUS_OK ? status : STATUS_ERROR;
}

static enum status dump(const struct arguments *args)
{
	struct dump d = {.status = STATUS_OK};
	struct verso_stat stat = {.size = sizeof(stat)};
	uint64_t n_tables = 1;
	int rc;

	if (args->skip_damaged)
		return dump_damaged(args);
	d.status = session_open(&d.s, args, VERSO_READ);
	if (d.status != STATUS_OK)
		return d.status;
	rc = verso_stat(d.s.db, &stat);
	if (rc == 0 && !args->table)
		rc = verso_table_each(d.s.txn, count_table, &n_tables);
	if (rc < 0) {
		d.status = fail(args->path, rc);
	} else if (!dump_begin(&d.writer, stat.page_size, n_tables)) {
		d.status = STATUS_ERROR;
	} else {
		progress_begin(&d.progress, "records", 0);
		if (args->table)
			dump_one(&d, args->table);
		else
			dump_all(&d);
		progress_end(&d.progress);
	}
	dump_end(&d.writer, d.progress.n, d.status == STATUS_OK ? DUMP_WHOLE : DUMP_CUT);
	session_abort(&d.s);
	return d.status == STATUS_OK ? finish_output() : d.status;
}

const struct command command_dump = {
	.name = "dump",
	.words = "DB",
	.summary = "Print a whole database, as `load` reads it",
	.help = "A header, each table (or the one of --table) in key order, all from one\n"
		"snapshot, and an end mark with counts and a checksum, without which `load`\n"
		"takes nothing. docs/dump-format.md has the format. --skip-damaged dumps what can\n"
		"still be read of a damaged database, which must not be in use, and says on\n"
		"standard error what it left out; the end mark says `partial` then, and the exit\n"
		"status is 1.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso dump planets.verso >planets.dump\n"
		   "  verso load copy.verso planets.dump\n",
	.takes = TAKES_TABLE | TAKES_DUMP,
	.open_flags = VERSO_RDONLY,
	.run = dump,
};
